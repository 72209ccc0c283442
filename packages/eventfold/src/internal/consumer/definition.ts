import type * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { RecordedMessage } from "../../Message.ts"
import type { MessageStore, ReadCategoryError } from "../../MessageStore.ts"
import type { Source } from "../../Source.ts"
import type { PollOptions } from "../processor/pollPause.ts"
import type { Selection } from "../processor/sources.ts"
import { allName } from "../store/bookkeeping.ts"

/**
 * Where a consumer without a position starts: with the first message of its sources, with the first one written from now on,
 * at a global position (inclusive), or with the first message written at a time or later.
 *
 * **Details**
 *
 * A time is looked up by halving the log, in some thirty reads and those of a minute of messages. The time of a message is when its
 * transaction began. Where times go back by more than a minute, as in messages that were imported from another store, the consumer
 * starts at a place where they pass the time, which need not be the first such place.
 *
 * Now is before `Consumer.start` returns: what the program appends directly afterwards is handled. The end is written as the
 * consumer's position as soon as it has its lease. A process that waits for the lease keeps the end of its own start until
 * it finds such a position.
 *
 * @since 0.1.0
 * @category options
 */
export type Start = "beginning" | "end" | { readonly position: number } | { readonly time: DateTime.Utc }

/**
 * What a consumer does with a message whose handler has failed on its last attempt.
 *
 * - `"stop"`: the consumer fails with the handler's error, and starts with that message when it runs again.
 * - `"skip"`: the consumer logs a warning and skips the message.
 * - `"park"`: the consumer parks the message and every later message of its stream (of its cardinal id), in order, until an
 *   operator replays or drops them. Other streams flow. See `Parking`.
 *
 * @since 0.1.0
 * @category options
 */
export type FailurePolicy = "stop" | "skip" | "park"

/**
 * How a consumer runs.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Where the consumer starts the first time. Defaults to `"beginning"`. */
  readonly start?: Start | undefined
  /**
   * Only messages whose metadata has a `correlationStreamName` of this category: the answers to one's own messages. Defaults
   * to all messages.
   */
  readonly correlation?: string | undefined
  /**
   * The consumer's part of a consumer group: the group's size, and the members (from 0) that run here, each with a position
   * of its own. Members that run together share one read. Messages are divided by the hash of the cardinal id, as in Message
   * DB.
   */
  readonly group?: { readonly size: number; readonly members: ReadonlyArray<number> } | undefined
  /** How many streams (cardinal ids) are handled at the same time. Defaults to 1: all messages in order. */
  readonly concurrency?: number | undefined
  /** How many messages one statement reads, and about how many the consumer holds. Defaults to 1,024. */
  readonly batchSize?: number | undefined
  /** When the consumer writes its position. It also does so when it stops. */
  readonly checkpoint?: {
    /** After this many messages. Defaults to 1,000. */
    readonly every?: number | undefined
    /** After this time, if there were messages. Defaults to one second. */
    readonly interval?: Duration.Input | undefined
  } | undefined
  /**
   * When a handler that failed runs again. Its input is the error, so
   * `Schedule.while(Consumer.defaultRetry, ({ input }) => !Predicate.isTagged(input, "Refused"))` leaves a refusal to `onFailure`
   * at once. Defaults to `Consumer.defaultRetry`. A `DecodeError` is not retried.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * How long a handler may take for a message, or for a batch. One that takes longer is interrupted and fails with
   * `HandlerTimeout`, as if it had failed by itself: `retry` and `onFailure` apply. Defaults to no limit, because only the
   * handler's author knows how long its work takes.
   */
  readonly timeout?: Duration.Input | undefined
  /** Defaults to `"stop"`, because the other policies let later messages overtake the one that failed. */
  readonly onFailure?: FailurePolicy | undefined
  /** How long the consumer waits for a wake-up before it reads anyway. */
  readonly poll?: PollOptions | undefined
  /**
   * How long handlers may run on when the consumer stops, before they are interrupted. One that waits for its next attempt ends
   * at once. Defaults to 10 seconds, because most supervisors wait for 30.
   */
  readonly grace?: Duration.Input | undefined
}

/**
 * A definition of a consumer: `E` are the errors that it can fail with, `R` the services that its handlers need. It does
 * nothing until it is run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Consumer<out E, out R> {
  readonly id: string
  /**
   * The category that the consumer reads, or `$all` when it reads several categories or everything. Positions are kept under
   * this name.
   */
  readonly category: string
  /** The messages that the consumer reads. */
  readonly selection: Selection
  readonly sources: ReadonlyArray<Source>
  readonly options: Options
  /** How many messages `handle` takes at a time. */
  readonly handlesAtOnce: number
  /** Whether the consumer handles a message, or skips it. */
  readonly handles: (message: RecordedMessage) => boolean
  /** Handles messages in their order. */
  readonly handle: (messages: Arr.NonEmptyReadonlyArray<RecordedMessage>) => Effect.Effect<void, E, R>
  /** Runs beside the handlers, as long as they run, with the options that the consumer runs with. */
  readonly background?:
    | ((options: Options) => Effect.Effect<never, E | ReadCategoryError, R | MessageStore>)
    | undefined
}

/** Whether a consumer reads more than one category, by global position. */
export const readsAll = ({ category }: Pick<Consumer<unknown, unknown>, "category">): boolean => category === allName
