/**
 * Appends to categories for as many milliseconds as the parent asks, with that many fibers for each of them, and answers how
 * many messages a second. Answers 0 when it is ready.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Store from "@eventfold/test/support/Store"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { append } from "./AppendRows.ts"
import { answer, endWithParent, questions } from "./Child.ts"
import { of } from "./Messages.ts"
import type { Round } from "./Rounds.ts"

const [, , url = "", callers = "", first = "", ...categories] = process.argv

const sum = (rates: ReadonlyArray<number | ReadonlyArray<number>>) =>
  rates.flat().reduce((total, rate) => total + rate, 0)

const program = Effect.gen(function*() {
  yield* endWithParent
  const asked = yield* questions
  const store = yield* Store.open(url)
  const rounds: ReadonlyArray<Round> = categories.map((name) =>
    append(store, { callers: Number(callers), dataset: of(name, 2_500, 0), first: Number(first) })
  )
  yield* answer(0)
  return yield* Queue.take(asked).pipe(
    Effect.flatMap((millis) => Effect.forEach(rounds, (round) => round(Number(millis)), { concurrency: "unbounded" })),
    Effect.flatMap((rates) => answer(sum(rates))),
    Effect.forever
  )
})

NodeRuntime.runMain(Effect.scoped(program))
