/**
 * Parked messages: a consumer with `onFailure: "park"` puts aside what it cannot handle and continues with other streams.
 *
 * When a message fails for the last time, the consumer parks it, and parks every later message of the same cardinal id
 * behind it, in order. The other streams flow. Use this module to list what is parked, to replay it once the cause is
 * mended, or to drop it.
 *
 * **Details**
 *
 * A parked message stays in its stream. What the consumer writes is a reference to it, with a `FailureReport`, to a parked stream in
 * a category beside its own: `account:parked-notifier+123` for the consumer `notifier`, `account-123` and `account-123+456`.
 * A consumer of several categories, whose `category` is `$all`, writes to `$all:parked-notifier+account-123`: streams of
 * different categories are parked separately, even when their ids are the same.
 *
 * These functions need the message store and the id and category of the consumer, not the consumer itself. Another process
 * can call them, whether the consumer runs or not.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ParkingCategory from "./internal/parking/category.ts"
import type { OwnerSummary, ParkedMessage, ParkedStream } from "./internal/parking/parked.ts"
import * as ParkedStreams from "./internal/parking/parkedStreams.ts"
import * as Requests from "./internal/parking/requests.ts"
import { categoryNames } from "./internal/store/allNames.ts"
import { checkInt } from "./internal/store/argumentChecks.ts"
import { MessageStore } from "./MessageStore.ts"
import type { InvalidArgument, StoreError, Unsupported } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

/** @since 0.1.0 */
export { OwnerSummary, ParkedMessage, ParkedStream } from "./internal/parking/parked.ts"

/**
 * The consumer whose messages are parked: its definition, or its id and category.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owner {
  readonly id: string
  /** `$all` for a consumer of several categories. */
  readonly category: string
}

/**
 * The errors of this module: a failure of the store, or an argument that is not valid.
 *
 * @since 0.1.0
 * @category errors
 */
export type ParkingError = StoreError | InvalidArgument | StreamName.InvalidCategory

const parkedMessage = (
  { attempts, failure, globalPosition, messageId, position, streamName, time, type }: ParkedStreams.TimedMessage
): ParkedMessage => ({
  streamName,
  position,
  globalPosition,
  messageId,
  type,
  failure: Option.fromUndefinedOr(failure),
  attempts,
  time
})

/**
 * Lists the consumers for which messages wait, from the store alone: how many streams and messages, and since when. By category,
 * and then by id.
 *
 * **Details**
 *
 * It finds the categories of parked streams among all categories, and reads each of them once, with an entry in memory for each
 * parked stream. It fails with `Unsupported` when the store can't list its categories.
 *
 * @example
 * ```ts
 * import { Console, Stream } from "effect"
 * import { Parking } from "eventfold"
 *
 * const show = Stream.runForEach(Parking.owners, ({ category, id, messages }) => Console.log(category, id, messages))
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const owners: Stream.Stream<OwnerSummary, StoreError | Unsupported, MessageStore> = Stream.unwrap(
  MessageStore.useSync((store) =>
    categoryNames(store).pipe(
      Stream.mapEffect((name) =>
        Option.match(StreamName.withoutType(name, "parked"), {
          onNone: () => Effect.succeed([]),
          onSome: (category) =>
            Effect.map(
              ParkedStreams.waitingByConsumer(ParkingCategory.parkedCategory(name)),
              Arr.map(({ consumer, ...waiting }): OwnerSummary => ({ id: consumer, category, ...waiting }))
            )
        })
      ),
      Stream.flattenIterable
    )
  )
).pipe(Stream.withSpan("Parking.owners"))

/**
 * Which of the streams that are parked for a consumer.
 *
 * @since 0.1.0
 * @category options
 */
export interface ListOptions {
  /** Only the stream in which the messages of this stream wait: the answer costs one read then. Defaults to all. */
  readonly stream?: string | undefined
  /** Only streams that were parked after this one: its `parkedAt`, exclusive. Defaults to all. */
  readonly after?: number | undefined
  /** How many streams at most, from 1. Defaults to all. */
  readonly limit?: number | undefined
}

/**
 * Lists the streams that are parked for a consumer, each with its waiting messages, in the order in which the streams were
 * parked.
 *
 * **Details**
 *
 * It reads the category of the parked streams once, and then each stream in which messages wait. The messages of one stream
 * are in memory at a time, beside an entry for each of the other streams.
 *
 * @example
 * ```ts
 * import { Console, Effect, Option, Stream } from "effect"
 * import { FailureReport, Parking } from "eventfold"
 *
 * const look = Parking.list({ id: "notifier", category: "account" }).pipe(
 *   Stream.runForEach(({ messages: [first], messages, stream }) =>
 *     Console.log(stream, messages.length, first.type, Option.map(first.failure, FailureReport.format))
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const list = (
  consumer: Owner,
  { after = 0, limit, stream: wanted }: ListOptions = {}
): Stream.Stream<ParkedStream, ParkingError, MessageStore> =>
  Stream.unwrap(Effect.gen(function*() {
    yield* checkInt("after", after, 0)
    yield* checkInt("limit", limit, 1)
    if (wanted !== undefined) yield* Requests.checkStream(consumer, wanted)
    const parking = yield* ParkingCategory.make(consumer)
    const waiting = wanted === undefined
      ? yield* Requests.waitingStreams(parking)
      : yield* Requests.waitingOf(parking, wanted)
    const streams = waiting.filter(({ parkedAt }) => parkedAt > after)
    const listed = Stream.fromIterable(streams).pipe(
      Stream.mapEffect(Effect.fnUntraced(function*({ id, parkedAt, stream }) {
        const messages = (yield* ParkedStreams.waitingIn(parking, id)).map(parkedMessage)
        // They may have been settled since the category was read.
        return Arr.isArrayNonEmpty(messages) ? [{ stream, parkedAt, messages }] : []
      })),
      Stream.flattenIterable
    )
    return limit === undefined ? listed : Stream.take(listed, limit)
  })).pipe(Stream.withSpan("Parking.list", { attributes: { "messaging.consumer.group.name": consumer.id } }))

/**
 * Requests a replay of waiting messages, oldest first. Gives the number of streams in which messages wait and for which it
 * was requested.
 *
 * **Details**
 *
 * The consumer replays them: at once if it runs, otherwise when it runs again. It handles a parked message like any other,
 * with its retries, and no newer message of the stream before or beside it. When the message is handled, the next one
 * follows. When it fails, it stays parked with the new error, the messages behind it stay parked, and the replay ends. When
 * none is left, the stream flows again.
 *
 * @example
 * ```ts
 * import { Parking } from "eventfold"
 *
 * const notifier = { id: "notifier", category: "account" }
 *
 * const everything = Parking.replay(notifier)
 * const oldestOfOne = Parking.replay(notifier, { stream: "account-123", limit: 1 })
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const replay = Effect.fn("Parking.replay")(function*(consumer: Owner, options: {
  /** A stream of the cardinal id, such as `account-123`. Defaults to every stream that is parked for the consumer. */
  readonly stream?: string | undefined
  /**
   * How many messages of each stream to replay, from 1. Defaults to all that wait, with those that are parked during the
   * replay.
   */
  readonly limit?: number | undefined
} = {}): Effect.fn.Return<number, ParkingError, MessageStore> {
  yield* Effect.annotateCurrentSpan("messaging.consumer.group.name", consumer.id)
  const { limit, stream } = options
  yield* checkInt("limit", limit, 1)
  if (stream !== undefined) yield* Requests.checkStream(consumer, stream)
  const parking = yield* ParkingCategory.make(consumer)
  const streams = stream === undefined
    ? yield* Requests.waitingStreams(parking)
    : [{ id: parking.idOf(stream), stream: ParkingCategory.cardinalStream(stream) }]
  const requested = yield* Effect.forEach(streams, (one) => Requests.replay(parking, one, limit))
  return requested.reduce((count, one) => count + one, 0)
})

/**
 * Drops one waiting message of a stream, or all of them: the consumer will not handle them. Gives how many it dropped.
 *
 * **Details**
 *
 * It takes effect when it returns, whether the consumer runs or not. The messages stay in their streams, and the parked
 * stream keeps the reason. When none waits any more, the stream flows again.
 *
 * @example
 * ```ts
 * import { Parking } from "eventfold"
 *
 * const notifier = { id: "notifier", category: "account" }
 *
 * const giveUp = Parking.drop(notifier, { stream: "account-123", globalPosition: 4_711, reason: "the address is gone" })
 * ```
 *
 * @since 0.1.0
 * @category writing
 */
export const drop = Effect.fn("Parking.drop")(function*(consumer: Owner, options: {
  /** A stream of the cardinal id, such as `account-123`. */
  readonly stream: string
  /** The global position of the message to drop. Defaults to all that wait now. */
  readonly globalPosition?: number | undefined
  /** Why, for those who read the parked stream later. */
  readonly reason: string
}): Effect.fn.Return<number, ParkingError, MessageStore> {
  yield* Effect.annotateCurrentSpan("messaging.consumer.group.name", consumer.id)
  const { globalPosition, reason, stream } = options
  yield* Requests.checkStream(consumer, stream)
  yield* checkInt("globalPosition", globalPosition, 0)
  const parking = yield* ParkingCategory.make(consumer)
  return yield* Requests.drop(parking, { stream, globalPosition, reason })
})
