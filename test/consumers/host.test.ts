import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import { fileURLToPath } from "node:url"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const script = fileURLToPath(new URL("hostChild.ts", import.meta.url))

/** A database of its own with messages in four streams, and a way to run a child on it. */
const setUp = (count: number) =>
  Effect.gen(function*() {
    const { url } = yield* Database.make()
    const store = yield* Store.open(url)
    for (const n of Store.upTo(count)) yield* store.append(`account-${n % 4}`, Store.numbered(1, n))
    return { store, start: (mode: string) => Child.start(script, [mode, url]) }
  })

/** The global positions that a consumer has reported with this word. */
const said = ({ lines }: Child.Child, what: string): ReadonlyArray<number> =>
  lines.flatMap((line) => line.startsWith(`${what} `) ? [Number(line.slice(what.length + 1))] : [])

const hasSaid = (child: Child.Child, what: string, count: number) =>
  until(`${count} times: ${what}`, Effect.sync(() => said(child, what).length >= count))

const hasEnded = (child: Child.Child) => until("the process has ended", child.ended)

/** The position that a consumer has written. */
const positionOf = (store: Store.Store, id: string) =>
  Consumer.status(Consumer.make(id).on("account", {})).pipe(
    Effect.map(({ members }) => members.map(({ position }) => Option.getOrElse(position, () => 0))[0]),
    Effect.provideService(MessageStore, store)
  )

describe("a program of consumers", () => {
  it.live("SIGTERM ends it with 0 when its handlers have ended, and the next run resumes where it stopped", () =>
    Effect.gen(function*() {
      const { start, store } = yield* setUp(40)
      const first = yield* start("slow")
      yield* hasSaid(first, "one ends", 5)
      yield* hasSaid(first, "many ends", 2)
      yield* first.terminate
      yield* hasEnded(first)
      assert.strictEqual(yield* first.exitCode, 0)
      for (const id of ["one", "many"]) {
        assert.sameMembers([...said(first, `${id} ends`)], [...said(first, `${id} begins`)], "what had begun has ended")
      }
      const handled = said(first, "one ends")
      assert.isBelow(handled.length, 40)
      assert.strictEqual(yield* positionOf(store, "one"), handled.at(-1))

      const second = yield* start("slow")
      yield* hasSaid(second, "one ends", 40 - handled.length)
      yield* until(
        "all are handled by the parallel one",
        Effect.sync(() => new Set([...said(first, "many ends"), ...said(second, "many ends")]).size === 40)
      )
      yield* second.terminate
      yield* hasEnded(second)
      assert.strictEqual(yield* second.exitCode, 0)
      const all = (yield* Store.readCategory(store, "account")).map(({ globalPosition }) => globalPosition)
      assert.deepStrictEqual([...handled, ...said(second, "one ends")], all, "each once, in order")
      assert.deepStrictEqual([yield* positionOf(store, "one"), yield* positionOf(store, "many")], [
        all.at(-1),
        all.at(-1)
      ])
    }))

  // That the periods pass at the same time is tested on a clock that stands still meanwhile (ConsumerHost.test.ts).
  it.live("handlers that hang are interrupted when their grace period is over, despite further signals", () =>
    Effect.gen(function*() {
      const { start, store } = yield* setUp(2)
      const child = yield* start("hanging")
      yield* hasSaid(child, "one begins", 1)
      yield* hasSaid(child, "two begins", 1)
      const asked = yield* Clock.currentTimeMillis
      yield* child.terminate
      yield* until("it knows", Effect.sync(() => child.lines.includes("asked to stop")))
      yield* child.terminate
      yield* hasEnded(child)
      const elapsed = (yield* Clock.currentTimeMillis) - asked
      assert.isAtLeast(elapsed, 1_950)
      assert.strictEqual(yield* child.exitCode, 0)
      assert.strictEqual(yield* positionOf(store, "one"), 0)
    }))

  it.live("a consumer that fails ends it with 1, reports the error once, and the others write their positions", () =>
    Effect.gen(function*() {
      const { start, store } = yield* setUp(3)
      const child = yield* start("failing")
      yield* hasEnded(child)
      assert.strictEqual(yield* child.exitCode, 1)
      // The consumer logs the failure as data, and the program reports it.
      const about = child.lines.filter((line) => line.includes("refused by the handler"))
      assert.lengthOf(about.filter((line) => line.includes("message: 'refused by the handler'")), 1)
      assert.lengthOf(about.filter((line) => line.includes("Refused: refused by the handler")), 1)
      assert.lengthOf(about, 2)
      assert.deepStrictEqual(said(child, "good ends"), [1, 2, 3])
      assert.strictEqual(yield* positionOf(store, "good"), 3)
      assert.strictEqual(yield* positionOf(store, "bad"), 0)
    }))
})
