import type * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { RecordedMessage } from "../../Message.ts"
import type { MessageStore, ReadCategoryError } from "../../MessageStore.ts"
import type { Source } from "../../Source.ts"
import type { Selection } from "../processor/sources.ts"
import { allName } from "../store/bookkeeping.ts"

/**
 * Where a consumer begins that has no position yet: with the first message of its sources, with what is written from now on,
 * at a global position (inclusive), or with the first message that was written at a time or later.
 *
 * @since 0.1.0
 */
export type Start = "beginning" | "end" | { readonly position: number } | { readonly time: DateTime.Utc }

/**
 * What becomes of a message whose handler has failed for the last time.
 *
 * - `"stop"`: the consumer fails with the handler's error, and begins with that message when it is run again.
 * - `"skip"`: it is logged as a warning and passed over.
 * - `"park"`: it is put aside, and so is every later message of its stream (of its cardinal id), in order, until it is
 *   replayed or dropped; the other streams flow. See `Parking`.
 *
 * @since 0.1.0
 */
export type FailurePolicy = "stop" | "skip" | "park"

/** @since 0.1.0 */
export interface Options {
  /** Default `"beginning"`. */
  readonly start?: Start | undefined
  /** Only messages whose metadata has a `correlationStreamName` of this category: answers to one's own. */
  readonly correlation?: string | undefined
  /**
   * The consumer's part of a consumer group: the group's size and the members, from 0, that are run here (one position
   * each, one read for all). Messages are divided by the hash of the cardinal id, as in Message DB.
   */
  readonly group?: { readonly size: number; readonly members: ReadonlyArray<number> } | undefined
  /** How many streams (cardinal ids) may be in hand at the same time. Default: 1, so all messages in order. */
  readonly concurrency?: number | undefined
  /** How many messages one statement reads, and about how many are held. Default: 1,024. */
  readonly batchSize?: number | undefined
  /** The position is written after so many messages, or after that time if there were any, and at the end. */
  readonly checkpoint?: {
    /** Default: 1,000. */
    readonly every?: number | undefined
    /** Default: one second. */
    readonly interval?: Duration.Input | undefined
  } | undefined
  /** When a handler that failed is run again. Default: `Consumer.defaultRetry`. A `DecodeError` is not tried again. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** Default `"stop"`. */
  readonly onFailure?: FailurePolicy | undefined
  /** How long to wait for a wake-up before looking anyway: first the shorter time, then twice as long, up to the longer. */
  readonly poll?: {
    /** Default: 100 milliseconds. */
    readonly min?: Duration.Input | undefined
    /** Default: 5 seconds. */
    readonly max?: Duration.Input | undefined
  } | undefined
  /** How long handlers may go on when the consumer is stopped, before they are interrupted. Default: 10 seconds. */
  readonly grace?: Duration.Input | undefined
}

/**
 * A definition of a consumer: `E` is what it can fail with, `R` what its handlers need. It does nothing until it is run.
 *
 * @since 0.1.0
 */
export interface Consumer<out E, out R> {
  readonly id: string
  /** The category that it reads, or `$all` when it reads several or everything: under that name its positions are kept. */
  readonly category: string
  /** The messages that it reads. */
  readonly selection: Selection
  readonly sources: ReadonlyArray<Source>
  readonly options: Options
  /** How many messages `handle` takes at a time. */
  readonly handlesAtOnce: number
  /** Whether a message is handled at all, and not passed over. */
  readonly handles: (message: RecordedMessage) => boolean
  /** Handles messages in their order. */
  readonly handle: (messages: Arr.NonEmptyReadonlyArray<RecordedMessage>) => Effect.Effect<void, E, R>
  /** What runs beside the handlers, where and as long as they run, by the options that the consumer is run with. */
  readonly background?:
    | ((options: Options) => Effect.Effect<never, E | ReadCategoryError, R | MessageStore>)
    | undefined
}

/** Whether a consumer reads more than one category, by global position. */
export const readsAll = ({ category }: Pick<Consumer<unknown, unknown>, "category">): boolean => category === allName
