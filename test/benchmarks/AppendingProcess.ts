/**
 * Appends to categories for as many milliseconds as it is told, with so many fibers to each of them, and says how many
 * messages a second. It says 0 when it is ready.
 */
import { NodeRuntime } from "@effect/platform-node"
import * as Store from "@eventfold/test/support/Store"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { append } from "./AppendRows.ts"
import { of } from "./Messages.ts"
import type { Round } from "./Rounds.ts"

const [, , url = "", callers = "", first = "", ...categories] = process.argv

const say = (number: number) => Effect.sync(() => process.send?.(number))

const sum = (rates: ReadonlyArray<number | ReadonlyArray<number>>) =>
  rates.flat().reduce((total, rate) => total + rate, 0)

const program = Effect.gen(function*() {
  const store = yield* Store.open(url)
  const questions = yield* Queue.unbounded<number>()
  process.on("message", (message) => {
    if (typeof message === "number") Queue.offerUnsafe(questions, message)
  })
  const rounds: ReadonlyArray<Round> = categories.map((name) =>
    append(store, { callers: Number(callers), dataset: of(name, 2_500, 0), first: Number(first) })
  )
  yield* say(0)
  return yield* Queue.take(questions).pipe(
    Effect.flatMap((millis) => Effect.forEach(rounds, (round) => round(millis), { concurrency: "unbounded" })),
    Effect.flatMap((rates) => say(sum(rates))),
    Effect.forever
  )
})

NodeRuntime.runMain(Effect.scoped(program))
