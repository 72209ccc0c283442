/**
 * Measures a store where it is: how many messages it takes from one caller, from many, and how fast they are read.
 *
 * It is short, so that it can be run on a server in use, and says little about other messages than its own.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { checkInt } from "./internal/store/argumentChecks.ts"
import { nextId } from "./Message.ts"
import { type AppendError, MessageStore, type ReadCategoryError } from "./MessageStore.ts"
import { InvalidArgument } from "./StoreError.ts"
import type { InvalidCategory, InvalidStreamName } from "./StreamName.ts"
import * as Streams from "./Streams.ts"

/**
 * What was measured of one kind of work.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Figure = Schema.Struct({
  /** `append-one`: one caller, one message at a time. `append-many`: many callers at once. `read`: the category, page by page. */
  name: Schema.Literals(["append-one", "append-many", "read"]),
  callers: Schema.Int,
  messages: Schema.Int,
  /** Messages a second. */
  rate: Schema.Finite,
  /** In milliseconds, of one call: half of the calls took no longer. None of a read. */
  median: Schema.OptionFromNullOr(Schema.Finite),
  /** In milliseconds, of one call: 99 of a hundred took no longer. None of a read. */
  p99: Schema.OptionFromNullOr(Schema.Finite)
})

/**
 * What was measured of one kind of work.
 *
 * @category models
 * @since 0.1.0
 */
export type Figure = typeof Figure.Type

/**
 * What each figure says.
 *
 * @category models
 * @since 0.1.0
 */
export const meanings: { readonly [Name in Figure["name"]]: string } = {
  "append-one": "each waits for the commit of the one before: the time of a commit on this disk, and of a round trip",
  "append-many":
    "commits are shared by those who wait: what programs with many users get, from one process and for one category",
  "read": "what a consumer that catches up, or a rebuild, can read at most"
}

/**
 * What a run leaves in the store.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Remains = Schema.Struct({
  /** The category of the run. */
  category: Schema.String,
  /** How many messages it still has. After a removal these are the notices of its streams' deletions, one each. */
  messages: Schema.Int,
  /** Why its messages were not removed; none when they were. */
  reason: Schema.OptionFromNullOr(Schema.String)
})

/**
 * What a run leaves in the store.
 *
 * @category models
 * @since 0.1.0
 */
export type Remains = typeof Remains.Type

/**
 * The figures of a run, and what it leaves.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly figures: ReadonlyArray<Figure>
  readonly remains: Remains
}

/**
 * How long and with how many callers to measure.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How long each kind of work takes, from 100 milliseconds. Defaults to 2 seconds, because a store in use is not to be kept busy. */
  readonly duration?: Duration.Input | undefined
  /** How many callers append at once, from 1. Defaults to 64. */
  readonly callers?: number | undefined
}

/**
 * Why a run failed. What it had written may be left: the category begins with `bench`.
 *
 * @category errors
 * @since 0.1.0
 */
export type BenchError = AppendError | ReadCategoryError | InvalidArgument | InvalidCategory | InvalidStreamName

/** About 300 bytes of JSON, as usual events have. */
const dataOf = (n: number) => ({
  accountId: "0196f5d2-5f0c-7a52-9d1e-6ae42d0fd1a5",
  amount: n,
  currency: "EUR",
  reference: `invoice ${n}`,
  description: "An amount that was paid at the counter of a branch, in cash and not by card",
  tags: ["counter", "branch", "cash"],
  paidAt: "2026-01-01T00:00:00Z"
})

const at = (sorted: ReadonlyArray<number>, share: number): Option.Option<number> =>
  Option.fromUndefinedOr(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))])

const millisSince = (begin: bigint, now: bigint): number => Number(now - begin) / 1e6

/** Appends single messages in that many fibers, each to a stream of its own, until the time is over. */
const appends = Effect.fnUntraced(function*(
  name: "append-one" | "append-many",
  category: string,
  callers: number,
  duration: Duration.Duration
) {
  const store = yield* MessageStore
  const clock = yield* Clock.Clock
  const begin = yield* Clock.currentTimeNanos
  const end = begin + BigInt(Math.round(Duration.toMillis(duration) * 1e6))
  const times: Array<number> = []
  const caller = (n: number) =>
    Effect.whileLoop({
      while: () => clock.currentTimeNanosUnsafe() < end,
      body: () => {
        const called = clock.currentTimeNanosUnsafe()
        return Effect.map(
          store.append(`${category}-${n}`, { type: "Benchmarked", data: dataOf(times.length) }),
          () => millisSince(called, clock.currentTimeNanosUnsafe())
        )
      },
      step: (millis: number) => times.push(millis)
    })
  yield* Effect.forEach(Array.from({ length: callers }, (_, n) => n), caller, {
    concurrency: "unbounded",
    discard: true
  })
  const millis = millisSince(begin, yield* Clock.currentTimeNanos)
  const sorted = times.toSorted((a, b) => a - b)
  const figure: Figure = {
    name,
    callers,
    messages: times.length,
    rate: times.length / Math.max(millis, 1) * 1_000,
    median: at(sorted, 0.5),
    p99: at(sorted, 0.99)
  }
  return figure
})

/** Reads the category again and again, until the time is over. */
const reads = Effect.fnUntraced(function*(category: string, duration: Duration.Duration) {
  const store = yield* MessageStore
  const clock = yield* Clock.Clock
  const begin = yield* Clock.currentTimeNanos
  const end = begin + BigInt(Math.round(Duration.toMillis(duration) * 1e6))
  let messages = 0
  yield* Effect.whileLoop({
    while: () => messages === 0 || clock.currentTimeNanosUnsafe() < end,
    body: () => Stream.runCount(store.readCategory(category)),
    step: (count: number) => messages += Math.max(count, 1)
  })
  const millis = millisSince(begin, yield* Clock.currentTimeNanos)
  const figure: Figure = {
    name: "read",
    callers: 1,
    messages,
    rate: messages / Math.max(millis, 1) * 1_000,
    median: Option.none(),
    p99: Option.none()
  }
  return figure
})

/** Removes what was written, where the role may. */
const remove = Effect.fnUntraced(function*(category: string) {
  const store = yield* MessageStore
  const removed = yield* Effect.result(
    Streams.make({ category }).purge({ by: "eventfold bench", reason: "the messages of a measurement" })
  )
  const messages = yield* store.countCategory(category)
  const remains: Remains = {
    category,
    messages,
    reason: removed._tag === "Success" ? Option.none() : Option.some(removed.failure.message)
  }
  return remains
})

/**
 * Measures appends of one caller, appends of many, and reads, one after the other, in a category of its own, and removes what it wrote.
 *
 * **Details**
 *
 * The category is new for each run: `bench` with a part of an id. Where the role of the store's user may not delete, its messages stay, and
 * {@link Remains} says so. Where it may, a notice for each stream stays, because positions are never given twice.
 *
 * It writes as much as the store takes for twice the duration. An interruption removes what was written so far.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Bench, MessageStore } from "eventfold"
 *
 * const program = Effect.gen(function*() {
 *   const { figures } = yield* Bench.run({ duration: "100 millis", callers: 8 })
 *   for (const { name, rate } of figures) yield* Console.log(name, Math.round(rate), Bench.meanings[name])
 * }).pipe(Effect.provide(MessageStore.layerMemory))
 * ```
 *
 * @category measuring
 * @since 0.1.0
 */
export const run = Effect.fn("Bench.run")(function*(
  { callers = 64, duration: given = "2 seconds" }: Options = {}
): Effect.fn.Return<Report, BenchError, MessageStore> {
  yield* checkInt("callers", callers, 1)
  const duration = Duration.fromInputUnsafe(given)
  if (!Duration.isFinite(duration) || Duration.toMillis(duration) < 100) {
    return yield* new InvalidArgument({
      argument: "duration",
      value: Duration.format(duration),
      expected: "at least 100 milliseconds"
    })
  }
  // An id begins with the time, and its end is what differs.
  const category = `bench${(yield* nextId).slice(-12)}`
  const measured = Effect.gen(function*() {
    const one = yield* appends("append-one", category, 1, duration)
    const many = yield* appends("append-many", category, callers, duration)
    return [one, many, yield* reads(category, duration)]
  })
  const figures = yield* Effect.onError(measured, () => Effect.ignore(remove(category)))
  return { figures, remains: yield* remove(category) }
})
