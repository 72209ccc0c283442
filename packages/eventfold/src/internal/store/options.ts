/**
 * The options and errors of the operations of `MessageStore`, which exports them.
 */
import type { ExpectedVersion } from "../../ExpectedVersion.ts"
import type { Message } from "../../Message.ts"
import type { ConsumerGroup } from "../../StoreBackend.ts"
import type {
  DuplicateMessageId,
  InvalidArgument,
  InvalidMessage,
  StoreError,
  Unsupported,
  WrongExpectedVersion
} from "../../StoreError.ts"
import type { InvalidCategory, InvalidStreamName } from "../../StreamName.ts"

/**
 * How many messages one statement reads. Defaults to 1,024, because larger pages gain little speed and cost memory.
 *
 * @category options
 * @since 0.1.0
 */
export const defaultBatchSize = 1_024

/**
 * The options of `append`.
 *
 * @category options
 * @since 0.1.0
 */
export interface AppendOptions {
  /** What the stream's version must be. Defaults to `"any"`: no check. */
  readonly expectedVersion?: ExpectedVersion | undefined
  /**
   * What to do when the ids of the messages are recorded already with other content, such as another time. Messages that are
   * recorded with the same content are never written again.
   *
   * - `"fail"`: fail with `DuplicateMessageId`, or with `WrongExpectedVersion` when the version is wrong as well.
   * - `"keep"`: what is recorded stands. When the stream has all of the ids already, one after the other in this order, the
   *   append writes nothing and gives where they are recorded, whatever version it expects. When the stream has only some of
   *   them, or has them in another order, the append fails with a `DuplicateMessageId` that has `recordedAt`. An id that is
   *   recorded in another stream is a `DuplicateMessageId` as before.
   *
   * Defaults to `"fail"`, because two appends with one id and different content usually are a mistake. Use `"keep"` where the
   * ids are derived from what causes the append (`Message.deriveId`): then the same ids mean the same cause. It costs look-ups
   * only when the append would fail.
   */
  readonly onDuplicate?: "fail" | "keep" | undefined
}

/**
 * One stream's part of a `writeAll`: messages to append, or a check of the stream's version.
 *
 * **Details**
 *
 * An append without messages is a check, and must have an `expectedVersion` other than `"any"`. The version is compared in the
 * same transaction, counting the appends before it in the same call, and nothing is written to the stream. When the version is
 * another one, the whole `writeAll` fails with `WrongExpectedVersion`. The result of a check has the stream's version as it
 * is, -1 when the stream does not exist, and the `globalPosition` 0.
 *
 * A `writeAll` whose messages are all recorded already repeats an earlier one, whose checks have passed: they are not made again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Append extends AppendOptions {
  readonly streamName: string
  /** None for a check. */
  readonly messages: Message | ReadonlyArray<Message>
}

/**
 * The options of all reads that give a stream.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReadOptions {
  /** Read at most this many messages, from 0. Defaults to all. */
  readonly limit?: number | undefined
  /**
   * How many messages one statement reads, from 1. Defaults to 1,024. The read holds about three times as many messages in
   * memory.
   */
  readonly batchSize?: number | undefined
}

/**
 * The options of `readStream`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReadStreamOptions extends ReadOptions {
  /** The position of the first message, inclusive. Defaults to 0; backwards, to the stream's last position. */
  readonly from?: number | undefined
  /** Defaults to `"forwards"`. */
  readonly direction?: "forwards" | "backwards" | undefined
}

/**
 * The options of `countCategory`: where to begin, and filters. A message counts when it passes every filter.
 *
 * @category options
 * @since 0.1.0
 */
export interface CountCategoryOptions {
  /** The global position to begin with, inclusive. Defaults to 1. */
  readonly from?: number | undefined
  /** Only messages of these types. An empty list is an `InvalidArgument`. */
  readonly types?: ReadonlyArray<string> | undefined
  /** Only messages whose metadata has a `correlationStreamName` of this category. */
  readonly correlation?: string | undefined
  /** Only messages of streams that belong to this member. Streams without an id belong to no member. */
  readonly consumerGroup?: ConsumerGroup | undefined
}

/**
 * The options of `readCategory`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReadCategoryOptions extends ReadOptions, CountCategoryOptions {}

/**
 * The options of `readCategoryPage`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReadCategoryPageOptions extends CountCategoryOptions {
  /** The size of a full page, from 1. Defaults to 1,024. */
  readonly limit?: number | undefined
}

/**
 * Which messages of the whole store: where to begin, and filters. A message must pass both.
 *
 * @category options
 * @since 0.1.0
 */
export interface AllOptions {
  /** The global position to begin with, inclusive. Defaults to 1. */
  readonly from?: number | undefined
  /** Only messages of these categories. An empty list is an `InvalidArgument`. */
  readonly categories?: ReadonlyArray<string> | undefined
  /** Only messages of these types. An empty list is an `InvalidArgument`. */
  readonly types?: ReadonlyArray<string> | undefined
}

/**
 * The options of `countAll`.
 *
 * @category options
 * @since 0.1.0
 */
export interface CountAllOptions extends AllOptions {
  /** Only messages whose metadata has a `correlationStreamName` of this category. */
  readonly correlation?: string | undefined
  /** Only messages of streams that belong to this member. Streams without an id belong to no member. */
  readonly consumerGroup?: ConsumerGroup | undefined
  /**
   * Whether to count what consumers write about themselves: their positions and parked messages, in categories of the types
   * `position` and `parked`. Defaults to true.
   */
  readonly bookkeeping?: boolean | undefined
}

/**
 * The options of `readAll`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReadAllOptions extends ReadOptions, AllOptions {}

/**
 * The options of `readAllPage`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReadAllPageOptions extends AllOptions {
  /** The size of a full page, from 1. Defaults to 1,024. */
  readonly limit?: number | undefined
}

/**
 * The options of `wakeUps`.
 *
 * @category options
 * @since 0.1.0
 */
export interface WakeUpsOptions {
  /**
   * Whether a subscription to all categories wakes for what consumers write about themselves: their positions and parked
   * messages. Defaults to true. With a category it has no effect.
   */
  readonly bookkeeping?: boolean | undefined
}

/**
 * The errors of `append`.
 *
 * @category errors
 * @since 0.1.0
 */
export type AppendError =
  | WrongExpectedVersion
  | DuplicateMessageId
  | InvalidStreamName
  | InvalidMessage
  | StoreError

/**
 * The errors of `readStream`. Only a read backwards can be `Unsupported`.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadStreamError = InvalidStreamName | InvalidArgument | Unsupported | StoreError

/**
 * The errors of reads of a category.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadCategoryError = InvalidCategory | InvalidArgument | StoreError

/**
 * The errors of reads of the whole store.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadAllError = InvalidCategory | InvalidArgument | StoreError
