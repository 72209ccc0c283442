/**
 * What a database implements so that the module `Streams` works on it: attributes of streams, and deletion.
 *
 * A backend gives it as the optional member `streams` of `StoreBackend`. `Streams` checks names and arguments and encodes JSON, so
 * that a backend does not. The suite `streams` in the conformance tests of `@eventfold/testing` holds a backend to its promises.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { MessageId, RecordedMessage } from "./Message.ts"
import type { NotPermitted, StoreError, Unsupported } from "./StoreError.ts"
import type { CategoryName, StreamName } from "./StreamName.ts"

/**
 * Why an operation on streams fails.
 *
 * @category errors
 * @since 0.1.0
 */
export type StreamsBackendError = NotPermitted | Unsupported | StoreError

/**
 * A stream: the message stream `category-id`. The id is not empty, and the whole name is checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamKey {
  readonly category: CategoryName
  readonly id: string
  /** `category-id`. */
  readonly streamName: StreamName
}

/**
 * A stream with its attributes, which are the JSON text of an object.
 *
 * @category models
 * @since 0.1.0
 */
export interface EncodedStream {
  readonly id: string
  /** `{}` when the stream was never added. */
  readonly attributes: string
}

/**
 * A request for one page of the streams of a category, by rising id, compared by the bytes of UTF-8.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamListPage {
  readonly category: CategoryName
  /** Only ids after this one; `undefined` to begin at the first. Its cost must not depend on how many ids come before. */
  readonly after: string | undefined
  /** How many streams to leave out first. */
  readonly base: number
  readonly limit: number
}

/**
 * A request for one page of the messages of a stream, without deleted ones.
 *
 * **Details**
 *
 * The order is that of the metadata's key `at`, where it is a string, compared by bytes; then that of the position. Both rise
 * when `ascending`, and fall otherwise. Messages that have no such `at` come last in both orders, by position in the same
 * direction. No position is twice, so the order is total.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageListPage {
  readonly streamName: StreamName
  /** How many messages to leave out first. */
  readonly base: number
  readonly limit: number
  readonly ascending: boolean
}

/**
 * Who deletes, why, and when.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeletionNote {
  readonly by: string
  readonly reason: string
  /** In UTC, as in `2026-11-29T10:00:00.000Z`. */
  readonly at: string
}

/**
 * Where eventfold may have copied data of the messages that are deleted. A deletion removes these copies in its transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface Copies {
  /**
   * The category of the snapshots, `account:snapshot`. Snapshots of `account-123` are in the stream `account:snapshot-123`, and
   * with a specifier in streams such as `account:snapshot+Balance-123`: the category is this one, or begins with it and a `+`.
   * They are deleted whole, as {@link StreamsBackend} `deleteStream` deletes messages. A stream without rows gets none.
   */
  readonly snapshots: CategoryName
  /**
   * The categories in which consumers park references to messages: `account:parked` and `$all:parked`. In their messages whose
   * data has the `streamName` and, when one message is deleted, the `position` of what is deleted, and whose data has an `error`:
   * `error` becomes {@link erasedError}, and `failure` is removed. These messages stay as they are otherwise.
   */
  readonly parked: ReadonlyArray<CategoryName>
}

/**
 * What takes the place of the error of a parked message that was deleted.
 *
 * @category constants
 * @since 0.1.0
 */
export const erasedError = "the message was deleted"

/**
 * A deletion, and the copies that go with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeletionRequest {
  readonly note: DeletionNote
  readonly copies: Copies
}

/**
 * The numbers of streams and of messages in a category, in one consistent view. Deleted ones don't count.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamsCount {
  readonly streams: number
  readonly messages: number
}

/**
 * Attributes of streams, and deletion.
 *
 * **Details**
 *
 * - A *mark* is a message of the type `Deleted` whose data is SQL's NULL (read as JSON's `null`) and whose metadata has an object
 *   under `deleted`. There are three kinds: a *tombstone* in the place of a deleted message, with `{ by, reason, at }`; the
 *   *notice* of a deleted message, with `{ by, reason, at, position }`, the position of the tombstone; and the notice of a
 *   deleted stream, with `{ by, reason, at, through }`, the position of the last row that went. The metadata has no other key.
 * - A stream **exists** when it has attributes, or when it has a message and its last one is not the notice of a deleted stream.
 * - **Positions** of a stream go on after a deletion. They never begin again, and a number never comes twice.
 * - A notice is **appended**: it takes the locks that appends take, its positions are those that an append would give, and
 *   readers are woken as for an append. Global positions and times of other messages stay as they are.
 * - Each operation is **atomic**, takes part in the caller's transaction like an append, and never deadlocks with appends.
 * - When an operation is **not permitted** (PostgreSQL's 42501) it fails with `NotPermitted`, and changes nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamsBackend {
  /**
   * Gives attributes to a stream that has none of its own, whether it has messages or not. Gives false, and changes nothing, when
   * it was added before and not deleted since. Of several calls at the same time, one gives true. A backend that has sent the add
   * again after its answer was lost, and finds the stream, fails with a `StoreError`; with a new id, which nobody else has, it
   * gives false.
   */
  readonly add: (
    stream: StreamKey,
    attributes: string,
    isNewId: boolean
  ) => Effect.Effect<boolean, StreamsBackendError>
  /** Replaces the attributes of a stream that exists. Gives false, and changes nothing, when it does not. */
  readonly set: (stream: StreamKey, attributes: string) => Effect.Effect<boolean, StreamsBackendError>
  /** The attributes of a stream that exists, `{}` when it was never added; none when it does not exist. */
  readonly get: (stream: StreamKey) => Effect.Effect<Option.Option<string>, StreamsBackendError>
  /** One page of the streams of a category that exist. */
  readonly list: (page: StreamListPage) => Effect.Effect<ReadonlyArray<EncodedStream>, StreamsBackendError>
  /** The number of streams of a category that exist. */
  readonly countStreams: (category: CategoryName) => Effect.Effect<number, StreamsBackendError>
  /** One page of the messages of a stream, without marks. */
  readonly listMessages: (page: MessageListPage) => Effect.Effect<ReadonlyArray<RecordedMessage>, StreamsBackendError>
  /** The number of messages of a stream, without marks. */
  readonly countMessages: (streamName: StreamName) => Effect.Effect<number, StreamsBackendError>
  /** The streams of a category that exist, and its messages without marks. */
  readonly stats: (category: CategoryName) => Effect.Effect<StreamsCount, StreamsBackendError>
  /**
   * Makes a tombstone of a message: it keeps its id, stream, position, global position and time; its type becomes `Deleted`, its
   * data NULL, and its metadata the mark alone. Appends the notice to the stream, and removes the copies. Gives false, and changes
   * nothing, when the stream has no message with this id (in lower case) or when that is a mark.
   */
  readonly deleteMessage: (
    stream: StreamKey,
    id: MessageId,
    request: DeletionRequest
  ) => Effect.Effect<boolean, StreamsBackendError>
  /**
   * Removes the attributes of a stream, its messages and the copies. When its last message was not the notice of a deleted stream,
   * appends one, which is then the only message. Gives false, and changes nothing, when the stream does not exist.
   */
  readonly deleteStream: (stream: StreamKey, request: DeletionRequest) => Effect.Effect<boolean, StreamsBackendError>
  /**
   * Whether a message with this id was at this global position and went with its stream. Read models ask when the message that
   * they handled last is gone: it tells a deletion from a store with another history. So a backend keeps the ids and global
   * positions of the messages that `deleteStream` and `purge` remove, and nothing else of them.
   */
  readonly wasDeleted: (globalPosition: number, id: MessageId) => Effect.Effect<boolean, StoreError>
  /** Deletes all streams of a category, as `deleteStream` does, and gives how many streams and messages went. */
  readonly purge: (
    category: CategoryName,
    request: DeletionRequest
  ) => Effect.Effect<StreamsCount, StreamsBackendError>
}
