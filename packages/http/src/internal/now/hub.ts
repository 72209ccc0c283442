/**
 * All who follow what happens now share one look a second. While nobody does, the store is not asked.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { LastFailure } from "eventfold/ConsumerStatus"
import { historySeconds, type NowReader } from "../../NowApi.ts"
import type * as Problem from "../../Problem.ts"
import * as Looks from "./looks.ts"
import { noteFailures, readersOf, type Seen, summarize, type Summary } from "./readers.ts"

/** Why there was no look. */
export type Failure = Problem.Unavailable | Problem.InternalError

/** A look with what follows from it and from those before. */
export interface Now extends Summary {
  readonly look: Looks.Look
  readonly rate: number | null
}

/** What is kept of a look. */
export interface Sample {
  readonly at: number
  readonly end: number
  readonly ages: ReadonlyArray<Seen<Age>>
}

/** How long the oldest message has waited for a reader, in milliseconds. */
export interface Age extends Pick<typeof NowReader.Type, "category" | "kind" | "reader"> {
  readonly age: number | null
}

/** The least time between two looks, in milliseconds. */
const gap = 1_000

/** Over how many milliseconds a rate is taken. */
const rateMillis = 10_000

const rateOf = (samples: ReadonlyArray<Sample>, at: number, end: number): number | null => {
  const begin = samples.find((sample) => sample.at >= at - rateMillis)
  return begin === undefined || begin.at >= at ? null : Math.max(0, end - begin.end) / ((at - begin.at) / 1_000)
}

const agesOf = ({ readers }: Summary): ReadonlyArray<Seen<Age>> =>
  readers.map(({ needs, shown: { category, kind, lag, reader } }) => ({
    needs,
    shown: { kind, reader, category, age: lag.age }
  }))

export class Hub extends Context.Service<Hub, {
  /** What happens now: the last look when it is younger than a second, or else a new one. */
  readonly now: Effect.Effect<Now, Failure>
  /** What happens now, and then each second, or why it is not known. Without an end. */
  readonly feed: Effect.Effect<Stream.Stream<Exit.Exit<Now, Failure>>, Failure, Scope.Scope>
  /** What was seen in the last seconds, the oldest first. */
  readonly history: (seconds: number) => Effect.Effect<ReadonlyArray<Sample>>
}>()("@eventfold/http/internal/now/Hub") {}

export const make = Effect.gen(function*() {
  const look = yield* Looks.make
  const one = yield* Semaphore.make(1)
  let last: Now | undefined
  let failures: ReadonlyMap<string, LastFailure> = new Map()
  let samples: ReadonlyArray<Sample> = []

  const newLook = Effect.gen(function*() {
    const found = yield* look
    const { at, end } = found
    const readers = readersOf(found)
    failures = noteFailures(readers, failures)
    const summary = summarize(found, readers, failures)
    const rate = rateOf(samples, at, end)
    // Most looks have the lags of the one before, so they share them.
    const ages = last?.look.survey === found.survey ? samples.at(-1)?.ages : undefined
    samples = [
      ...samples.filter((sample) => sample.at > at - historySeconds * 1_000),
      { at, end, ages: ages ?? agesOf(summary) }
    ].slice(-historySeconds)
    last = { look: found, rate, ...summary }
    return last
  })

  /** Whoever waits for a look that is being made takes that one. */
  const now = one.withPermit(Effect.gen(function*() {
    const at = yield* Clock.currentTimeMillis
    return last !== undefined && at - last.look.at < gap ? last : yield* newLook
  }))

  const shared = yield* RcRef.make({
    acquire: Effect.gen(function*() {
      const looks = yield* PubSub.sliding<Exit.Exit<Now, Failure>>(2)
      yield* Effect.sleep(gap).pipe(
        Effect.andThen(Effect.exit(one.withPermit(newLook))),
        Effect.flatMap((exit) => PubSub.publish(looks, exit)),
        Effect.forever,
        Effect.forkScoped
      )
      return looks
    })
  })

  return Hub.of({
    now,
    feed: Effect.gen(function*() {
      const first = yield* now
      const looks = yield* PubSub.subscribe(yield* RcRef.get(shared))
      return Stream.concat(Stream.succeed(Exit.succeed(first)), Stream.fromSubscription(looks))
    }),
    history: (seconds) =>
      Effect.map(Clock.currentTimeMillis, (at) => samples.filter((sample) => sample.at > at - seconds * 1_000))
  })
})

export const layer = Layer.effect(Hub, make)
