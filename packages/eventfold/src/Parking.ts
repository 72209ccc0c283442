/**
 * Messages that a consumer could not handle and has put aside, with those after them: to look at, to replay, to drop.
 *
 * A consumer whose `onFailure` is `"park"` parks a message that has failed for the last time, and every later message of
 * its cardinal id behind it, in order, while the other streams flow. A parked message stays where it is; what is written is
 * a reference to it, with the error, to a stream beside those of the consumer's category:
 * `account:parked-notifier+123` for `account-123` (and `account-123+456`) and the consumer `notifier`. For a consumer of more
 * than one category, whose `category` is `$all`, it is `$all:parked-notifier+account-123`: streams of different categories
 * are parked by themselves, also when they have the same id.
 *
 * These functions need the message store alone, and not the consumer: another process can use them, by the consumer's id
 * and category.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ParkedStreams from "./internal/consumer/parkedStreams.ts"
import { checkInt } from "./internal/store/argumentChecks.ts"
import { allName } from "./internal/store/bookkeeping.ts"
import type { MessageStore } from "./MessageStore.ts"
import { InvalidArgument, type StoreError } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

/**
 * Whose messages are parked: a consumer's definition, or the id and the category of one.
 *
 * @since 0.1.0
 */
export interface Owner {
  readonly id: string
  /** `$all` for a consumer of more than one category. */
  readonly category: string
}

/**
 * A message that waits, and where it is.
 *
 * @since 0.1.0
 */
export interface ParkedMessage {
  readonly streamName: string
  readonly position: number
  readonly globalPosition: number
  readonly messageId: string
  readonly type: string
  /** Why it failed the last time; none when it only waits behind another. At most about 8,000 characters. */
  readonly error: Option.Option<string>
  /** How often it was tried, replays included; 0 when it only waits behind another. */
  readonly attempts: number
  /** When it was parked. */
  readonly time: DateTime.Utc
}

/**
 * The messages of a cardinal id that wait for a consumer.
 *
 * @since 0.1.0
 */
export interface ParkedStream {
  /** The category and the cardinal id, as in `account-123`; messages of `account-123+456` are among them. */
  readonly stream: string
  /** In the order in which they will be handled: the oldest first. */
  readonly messages: Arr.NonEmptyReadonlyArray<ParkedMessage>
}

/**
 * How these functions fail: the store, or a wrong argument.
 *
 * @since 0.1.0
 */
export type ParkingError = StoreError | InvalidArgument | StreamName.InvalidCategory

const parkedMessage = (
  { attempts, error, globalPosition, messageId, position, streamName, time, type }: ParkedStreams.Timed
): ParkedMessage => ({
  streamName,
  position,
  globalPosition,
  messageId,
  type,
  error: Option.fromUndefinedOr(error),
  attempts,
  time
})

const checkStream = (owner: Owner, stream: string) =>
  owner.category === allName || StreamName.category(stream) === owner.category
    ? Effect.void
    : Effect.fail(
      new InvalidArgument({
        argument: "stream",
        value: stream,
        expected: `the name of a stream of ${owner.category}, such as ${owner.category}-123`
      })
    )

/** The streams in which messages wait, in the order in which they were parked. */
const waitingStreams = Effect.fnUntraced(function*(parked: ParkedStreams.ParkedStreams) {
  const entries = new Map<string, ParkedStreams.Entry>()
  yield* parked.read(1, (id, event) => {
    const entry = parked.evolve(entries.get(id), event)
    if (entry.fold.state.waiting === 0) entries.delete(id)
    else entries.set(id, entry)
  })
  return entries
})

/**
 * The streams that are parked for a consumer, in the order in which they were parked, with the messages that wait in each.
 *
 * **Details**
 *
 * It reads the parking of the category once, and then each parked stream. One of them is in memory at a time, and of the
 * others an entry each, however many messages wait in them.
 *
 * @example
 * ```ts
 * import { Console, Effect, Option, Stream } from "effect"
 * import { Parking } from "eventfold"
 *
 * const look = Parking.list({ id: "notifier", category: "account" }).pipe(
 *   Stream.runForEach(({ messages: [first], messages, stream }) =>
 *     Console.log(stream, messages.length, first.type, Option.getOrElse(first.error, () => ""))
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 */
export const list = (consumer: Owner): Stream.Stream<ParkedStream, ParkingError, MessageStore> =>
  Stream.unwrap(Effect.gen(function*() {
    const parked = yield* ParkedStreams.make(consumer)
    const entries = yield* waitingStreams(parked)
    return Stream.fromIterable(entries).pipe(
      Stream.mapEffect(Effect.fnUntraced(function*([id, { streamName }]) {
        const messages = (yield* parked.waiting(id)).map(parkedMessage)
        // None is left when they were settled since the parking was read.
        return Arr.isArrayNonEmpty(messages) ? [{ stream: ParkedStreams.cardinalStream(streamName), messages }] : []
      })),
      Stream.flattenIterable
    )
  })).pipe(Stream.withSpan("Parking.list", { attributes: { "eventfold.consumer": consumer.id } }))

/**
 * Asks for messages that wait to be handled again, oldest first, and gives how many streams have been asked for.
 *
 * **Details**
 *
 * The consumer does it, at once if it runs, otherwise when it is run again: in the stream's own turn, so that no newer
 * message of the stream is handled beside or before one that waits. A message is handled as any other, with the
 * consumer's retries. When that succeeds the next one follows; when it fails, the message stays parked with the new error,
 * and so do those behind it. When none is left the stream flows again.
 *
 * @since 0.1.0
 */
export const replay = Effect.fn("Parking.replay")(function*(consumer: Owner, options: {
  /** A stream of the cardinal id, such as `account-123`. Default: every stream that is parked for the consumer. */
  readonly stream?: string | undefined
  /** How many messages of each stream, from 1. Default: until none waits, those that come meanwhile included. */
  readonly limit?: number | undefined
} = {}): Effect.fn.Return<number, ParkingError, MessageStore> {
  yield* Effect.annotateCurrentSpan("eventfold.consumer", consumer.id)
  const { limit, stream } = options
  yield* checkInt("limit", limit, 1)
  if (stream !== undefined) yield* checkStream(consumer, stream)
  const parked = yield* ParkedStreams.make(consumer)
  const streams = stream === undefined
    ? Arr.map([...yield* waitingStreams(parked)], ([id, { streamName }]) => ({ id, streamName }))
    : [{ id: parked.idOf(stream), streamName: stream }]
  const request = (streamName: string) =>
    parked.category.events.ReplayRequested(limit === undefined ? { streamName } : { streamName, limit })
  const asked = yield* Effect.forEach(streams, ({ id, streamName }) =>
    parked.decide(
      parked.summary,
      id,
      ({ waiting }) => waiting === 0 ? [0, []] : [1, [request(ParkedStreams.cardinalStream(streamName))]]
    ))
  return asked.reduce((count, one) => count + one, 0)
})

/**
 * Gives up a message that waits, or all of a stream that wait now, and gives how many. They will not be handled by the
 * consumer; the messages themselves stay in their streams, and why they were dropped in the parked one. When none is left
 * the stream flows again.
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
 */
export const drop = Effect.fn("Parking.drop")(function*(consumer: Owner, options: {
  /** A stream of the cardinal id, such as `account-123`. */
  readonly stream: string
  /** The global position of the one message. Default: all that wait. */
  readonly globalPosition?: number | undefined
  /** For who reads it later. */
  readonly reason: string
}): Effect.fn.Return<number, ParkingError, MessageStore> {
  yield* Effect.annotateCurrentSpan("eventfold.consumer", consumer.id)
  const { globalPosition, reason, stream } = options
  yield* checkStream(consumer, stream)
  yield* checkInt("globalPosition", globalPosition, 0)
  const parked = yield* ParkedStreams.make(consumer)
  const data = { streamName: ParkedStreams.cardinalStream(stream), reason: ParkedStreams.errorText(reason) }
  return yield* parked.decide(parked.queue, parked.idOf(stream), ({ messages }) => {
    if (globalPosition === undefined) {
      const count = HashMap.size(messages)
      return [count, count === 0 ? [] : [parked.category.events.Dropped(data)]]
    }
    return HashMap.has(messages, globalPosition)
      ? [1, [parked.category.events.Dropped({ ...data, globalPosition })]]
      : [0, []]
  })
})
