/**
 * Measuring two contenders against one another: short rounds in turns, so that whatever else the machine does meets both.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { RunError } from "eventfold/Consumer"
import type { AppendError } from "eventfold/MessageStore"
import type { Contender, Contenders } from "./Contenders.ts"

/** How long each round takes, and how many of them there are for each contender. */
export interface Effort {
  readonly rounds: number
  readonly millis: number
}

/** What a round can fail with. */
export type RoundError = SqlError | AppendError | RunError

/** Measures a contender for a while: its calls a second, or what the row's unit says. */
export type Round = (contender: Contender, millis: number) => Effect.Effect<number, RoundError>

/** What is measured. */
export interface Row {
  readonly name: string
  readonly description: string
  /** The least ratio that we want, if there is one. */
  readonly budget?: number | undefined
  /** Default: calls a second. Of milliseconds, fewer are better. */
  readonly unit?: "messages/s" | "ms" | undefined
  /** What we want for ours, in the unit, if there is a figure for it: the least, or the most milliseconds. */
  readonly goal?: number | undefined
  readonly ours: Round
  readonly peer: Round
}

/** The middle, and where the middle half of the values begins and ends. */
export interface Quartiles {
  readonly low: number
  readonly median: number
  readonly high: number
}

export interface Result {
  readonly row: Row
  readonly ours: Quartiles
  readonly peer: Quartiles
  /** How many times ours is better than the peer's, round by round: what the machine did meanwhile is in both. */
  readonly ratio: Quartiles
}

/** The value at a share of the way from the lowest to the highest. */
export const at = (sorted: ReadonlyArray<number>, share: number): number => {
  const index = share * (sorted.length - 1)
  const [below = 0, above = below] = sorted.slice(Math.floor(index), Math.floor(index) + 2)
  return below + (above - below) * (index % 1)
}

export const quartiles = (values: ReadonlyArray<number>): Quartiles => {
  const sorted = values.toSorted((a, b) => a - b)
  return { low: at(sorted, 0.25), median: at(sorted, 0.5), high: at(sorted, 0.75) }
}

/** Runs the call over and over for a while, by that many fibers: calls a second. */
export const repeatedly = <E, R>(
  millis: number,
  call: (index: number) => Effect.Effect<unknown, E, R>,
  concurrency = 1
): Effect.Effect<number, E, R> =>
  Clock.clockWith((clock) =>
    Effect.gen(function*() {
      const begin = clock.monotonicTimeNanosUnsafe()
      const end = begin + BigInt(millis) * 1_000_000n
      let calls = 0
      const caller = Effect.whileLoop({
        while: () => clock.monotonicTimeNanosUnsafe() < end,
        body: () => call(calls++),
        step: () => {}
      })
      yield* Effect.replicateEffect(caller, concurrency, { concurrency, discard: true })
      return calls * 1e9 / Number(clock.monotonicTimeNanosUnsafe() - begin)
    })
  )

/** Measures a row. The first round of each contender is not counted: it fills caches and plans statements. */
export const measure = Effect.fnUntraced(function*(
  row: Row,
  { ours, peer }: Contenders,
  { millis, rounds }: Effort
): Effect.fn.Return<Result, RoundError> {
  const rates = { ours: row.ours(ours, millis), peer: row.peer(peer, millis) }
  yield* Effect.all(rates)
  const pairs = yield* Effect.forEach(Array.from({ length: rounds }, (_, i) => i), (i) =>
    // Who is second finds its pages pushed out by the first, so they take turns in that too.
    i % 2 === 0 ? Effect.all(rates) : Effect.all({ peer: rates.peer, ours: rates.ours }))
  return {
    row,
    ours: quartiles(pairs.map((pair) => pair.ours)),
    peer: quartiles(pairs.map((pair) => pair.peer)),
    ratio: quartiles(pairs.map(({ ours, peer }) => row.unit === "ms" ? peer / ours : ours / peer))
  }
})
