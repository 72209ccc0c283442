import { assert, describe, it } from "@effect/vitest"
import { until } from "@eventfold/test/support/Until"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { fileURLToPath } from "node:url"
import { fork, forkWith } from "../Child.ts"

const echo = fileURLToPath(new URL("EchoProcess.ts", import.meta.url))

const isRunning = (pid: number) =>
  Effect.map(Effect.result(Effect.try(() => process.kill(pid, 0))), ({ _tag }) => _tag === "Success")

const ended = (pid: number) => until(`process ${pid} has ended`, Effect.map(isRunning(pid), (is) => !is))

describe("a child process", () => {
  it.live("answers what it is asked, and is killed with the scope", () =>
    Effect.gen(function*() {
      const pid = yield* Effect.scoped(Effect.gen(function*() {
        const child = yield* fork(echo, [])
        const pid = yield* child.next
        assert.deepStrictEqual([yield* child.ask(1), yield* child.ask(2)], [1, 2])
        assert.isTrue(yield* isRunning(pid))
        return pid
      }))
      yield* ended(pid)
    }))

  it.live("takes its own children with it, even when it is killed", () =>
    Effect.gen(function*() {
      const grandchild = yield* Effect.scoped(Effect.flatMap(fork(echo, ["with a child"]), ({ next }) => next))
      yield* ended(grandchild)
    }))

  it.effect("that ends, says something else or stays silent, fails what was asked of it", () =>
    Effect.gen(function*() {
      const decode = Schema.decodeUnknownEffect(Schema.Finite)
      const child = yield* forkWith(echo, [], { decode, patience: "1 minute" })
      yield* child.next
      const silent = yield* Effect.forkChild(child.ask("nothing"))
      yield* TestClock.adjust("1 minute")
      const failures = [
        yield* Effect.flip(child.ask("text")),
        yield* Effect.flip(Fiber.join(silent)),
        yield* Effect.flip(child.ask("end")),
        yield* Effect.flip(child.ask(1))
      ]
      assert.deepStrictEqual(failures.map(({ message }) => message.replace(echo, "it")), [
        "A process sent a message of another form: it",
        "A process stayed silent: it",
        "A process ended before it answered: it",
        "A process ended before it answered: it"
      ])
    }))
})
