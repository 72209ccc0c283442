/**
 * What a database implements to become a message store.
 *
 * Implement {@link StoreBackend} and give it to `MessageStore.make`, which makes the service that users see. The service checks
 * names and arguments, gives ids, encodes JSON and pages through streams, so that a backend does not. The conformance suite of
 * `@eventfold/testing` holds a backend to its promises; `MemoryStore` is the smallest example.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ArchiveBackend } from "./ArchiveBackend.ts"
import type { ExpectedVersion } from "./ExpectedVersion.ts"
import type { HeldBack } from "./HeldBack.ts"
import type { StoreDescription } from "./internal/store/storeDescription.ts"
import type { StoreIdentity } from "./internal/store/storeIdentity.ts"
import type { ListingBackend } from "./Listing.ts"
import type { MessageId, MessagePlace, RecordedMessage } from "./Message.ts"
import type { Key, Position } from "./PositionStore.ts"
import type { Runner } from "./Runners.ts"
import type { DuplicateMessageId, StoreError, Unsupported, WrongExpectedVersion } from "./StoreError.ts"
import { category, type CategoryName, type StreamName } from "./StreamName.ts"
import type { StreamsBackend } from "./StreamsBackend.ts"
import type { Traced } from "./Trace.ts"
import type { VerifyBackend } from "./Verify.ts"

/**
 * A checked message, with its data and metadata as JSON text.
 *
 * @category models
 * @since 0.1.0
 */
export interface EncodedMessage {
  /** In lower case. */
  readonly id: MessageId
  readonly type: string
  readonly data: string
  readonly metadata: string | null
}

/**
 * Why a message could not be read back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unreadable {
  readonly part: "data" | "metadata"
  /** Follows the part, as in "is too large". */
  readonly reason: string
}

/**
 * Parses the JSON text of stored data or metadata. A backend uses it in place of `JSON.parse`.
 *
 * **Details**
 *
 * `JSON.parse` of Node 23 to 26 may give a key with an escape (`"\\n"`, `"\\""`) the name of a key that it parsed earlier; see
 * https://github.com/nodejs/node/issues/63785. This function gives each key its own name.
 *
 * **Gotchas**
 *
 * Like `JSON.parse`, throws a `SyntaxError` on a text that is not JSON, which a store never holds. Like it, reads the nearest
 * number of JavaScript in the place of one that JavaScript does not have: `9007199254740993` loses its last digit, and `1e400`
 * becomes `Infinity`. {@link parseExactJson} does not.
 *
 * @category encoding
 * @since 0.1.0
 */
export { parseJson } from "./internal/runtime/parseJson.ts"

/**
 * Parses the JSON text of stored data or metadata as {@link parseJson} does, and gives each number that a JavaScript number
 * would change as its text: `9007199254740993` as `"9007199254740993"`. A backend with the option of exact numbers uses it.
 *
 * **Details**
 *
 * A number is kept when writing it again gives the same value: `0.1` and `1e20` are. It is changed when it has more digits
 * than a number of JavaScript keeps, or is too large for one, as `1e400`.
 *
 * @category encoding
 * @since 0.1.0
 */
export { parseExactJson } from "./internal/runtime/parseJson.ts"

/**
 * Messages for one stream. Within one call of the backend, all ids are distinct.
 *
 * **Details**
 *
 * `append` gets at least one message. `writeAll` may also get an append without messages, which is a check: its
 * `expectedVersion` is not `"any"`. {@link isCheck} tells.
 *
 * @category models
 * @since 0.1.0
 */
export interface EncodedAppend {
  readonly streamName: StreamName
  readonly expectedVersion: ExpectedVersion
  readonly messages: ReadonlyArray<EncodedMessage>
}

/**
 * Whether an append of `writeAll` has no messages, and so only checks the version of its stream.
 *
 * @category writing
 * @since 0.1.0
 */
export const isCheck = ({ messages }: EncodedAppend): boolean => messages.length === 0

/**
 * Where the store has recorded an append.
 *
 * @category models
 * @since 0.1.0
 */
export interface AppendResult {
  /**
   * The position of the append's last message: the stream's version right after the append. Of a check, the stream's version;
   * -1 when the stream does not exist.
   */
  readonly version: number
  /** The global position of the append's last message. 0 of a check, which has none. */
  readonly globalPosition: number
}

/**
 * A request for one page of a stream, of at most `limit` messages.
 *
 * **Details**
 *
 * Forwards, it asks for positions of `from` or higher, in rising order; backwards, for `from` or lower, in falling order.
 * `from` is inclusive. Without it the page begins at the first message, and backwards at the last one.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamPage {
  readonly streamName: StreamName
  readonly direction: "forwards" | "backwards"
  readonly from: number | undefined
  readonly limit: number
}

/**
 * A member of a consumer group, from 0, and the group's size, from 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConsumerGroup {
  readonly member: number
  readonly size: number
}

/**
 * The messages of a category from a global position on, inclusive, that pass every filter. An `undefined` filter lets every
 * message pass.
 *
 * @category models
 * @since 0.1.0
 */
export interface CategoryRange {
  readonly category: CategoryName
  readonly from: number
  /** Only messages of these types; at least one. */
  readonly types: ReadonlyArray<string> | undefined
  /** Only messages whose metadata has a `correlationStreamName` of this category. */
  readonly correlation: CategoryName | undefined
  /** Only messages of streams that belong to this member. */
  readonly consumerGroup: ConsumerGroup | undefined
}

/**
 * A request for one page of a category: at most `limit` messages that pass the filters, by rising global position.
 *
 * @category models
 * @since 0.1.0
 */
export interface CategoryPage extends CategoryRange {
  readonly limit: number
}

/**
 * The positions of a page's last message.
 *
 * @category models
 * @since 0.1.0
 */
export interface LastMessage {
  readonly position: number
  readonly globalPosition: number
}

/**
 * A page of a stream or of a category, as a backend gives it: read, and not yet decoded.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessagePage {
  /** The number of messages in the page. */
  readonly length: number
  /** `undefined` when the page is empty. */
  readonly last: LastMessage | undefined
  /**
   * Decodes the messages from index `start` to before index `end`. It is apart from the read for two reasons: the next page can
   * be read while this one is decoded, and a reader that takes a page in slices holds only slices in memory.
   */
  readonly slice: (start: number, end: number) => Effect.Effect<ReadonlyArray<RecordedMessage>, StoreError>
}

/**
 * What the fold of an entity needs of a message.
 *
 * @category models
 * @since 0.1.0
 */
export interface FoldMessage {
  readonly type: string
  readonly data: Schema.Json
  readonly position: number
  /** `schemaVersion` of the metadata; `null` when there is none. */
  readonly schemaVersion: Schema.Json
}

/**
 * The next messages of a stream, by rising position, and whether there may be more after them.
 *
 * @category models
 * @since 0.1.0
 */
export interface FoldPage {
  readonly messages: ReadonlyArray<FoldMessage>
  readonly hasMore: boolean
}

/**
 * What is new in the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogNews {
  /** The categories of the messages after a position, each once; `undefined` when these are too many to look at. */
  readonly categories: ReadonlyArray<string> | undefined
  /** Up to here, inclusive, all was final before the categories were looked at: no message will become visible there any more. */
  readonly final: number
}

/**
 * Makes a page of messages that need no decoding.
 *
 * @category constructors
 * @since 0.1.0
 */
export const messagePage = (messages: ReadonlyArray<RecordedMessage>): MessagePage => ({
  length: messages.length,
  last: messages.at(-1),
  slice: (start, end) => Effect.sync(() => messages.slice(start, end))
})

/**
 * The messages of the whole store from a global position on, inclusive, that pass both filters. An `undefined` filter lets every
 * message pass.
 *
 * @category models
 * @since 0.1.0
 */
export interface AllRange {
  /** From 1. */
  readonly from: number
  /** Only messages of these categories; at least one, each once. */
  readonly categories: ReadonlyArray<CategoryName> | undefined
  /** Only messages of these types; at least one, each once. */
  readonly types: ReadonlyArray<string> | undefined
}

/**
 * The messages of the whole store to count.
 *
 * @category models
 * @since 0.1.0
 */
export interface CountAllRange extends AllRange {
  /** Only messages whose metadata has a `correlationStreamName` of this category. */
  readonly correlation: CategoryName | undefined
  /** Only messages of streams that belong to this member. */
  readonly consumerGroup: ConsumerGroup | undefined
  /** Whether messages of categories with the type `position` or `parked` count. */
  readonly bookkeeping: boolean
}

/**
 * A request for one page of the whole store: at most `limit` messages, by rising global position.
 *
 * @category models
 * @since 0.1.0
 */
export interface AllPage extends AllRange {
  /** From 1. */
  readonly limit: number
}

/**
 * A page of messages by rising global position, and the position to continue after.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadPageResult {
  readonly messages: ReadonlyArray<RecordedMessage>
  /**
   * The global position, inclusive, up to which the store has looked and everything is final. The next page begins after it.
   * When the page is full, it is that of the last message; otherwise it can be much higher. It is `from - 1` when the page
   * makes no progress.
   */
  readonly through: number
  /**
   * Whether the reader can read on after `through` at once. When it is false, the page has reached the end or is held back. A
   * page that has more need not be full: a store may look at a part of a long log at a time.
   */
  readonly hasMore: boolean
  /** The transactions in progress that keep the page from reaching messages after `through`; none when nothing does. */
  readonly heldBack: Option.Option<HeldBack>
}

/**
 * A page of the whole store.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadAllResult extends ReadPageResult {}

/** @since 0.1.0 */
export { StoreDescription, StoreRelation } from "./internal/store/storeDescription.ts"
/** @since 0.1.0 */
export { StoreIdentity } from "./internal/store/storeIdentity.ts"

/**
 * Notices that a database has become another one under the same address: after a failover that lost the last messages, or after a
 * restore. What was read of the former one may be of a history that no longer exists.
 *
 * **Details**
 *
 * Caches of states ask before they use what they have, and transactions before they append. So `isDue` and `generation` must cost
 * next to nothing: most times nothing has happened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lineage {
  /** Whether something has happened since the last look after which the database may be another one. */
  readonly isDue: () => boolean
  /** How many times the database may have become another one. What was remembered from an earlier generation is read again. */
  readonly generation: () => number
  /**
   * How many times it has become another one for certain. What was decided before is refused: unlike {@link generation}, this does
   * not count the looks of a role that may not read what tells two databases apart.
   */
  readonly replacements: () => number
  /** Looks which database it is, if that is due. Runs outside of transactions. */
  readonly look: Effect.Effect<void, StoreError>
}

export { makeLineage } from "./internal/store/lineage.ts"

export { type BackendMetrics, makeMetrics } from "./internal/store/measured.ts"

/**
 * Makes its holder the only one of a name, until the scope closes or the lease is lost.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease {
  /**
   * Completes, with the reason, when the lease may be lost: from then on another process may hold it. A lost lease does not come
   * back. Its holder stops, closes the lease's scope, and tries again.
   */
  readonly lost: Effect.Effect<StoreError>
}

/**
 * Makes leases within this process, which are never lost.
 *
 * **When to use**
 *
 * Use it for a store that lives in this process alone. Use it in addition to a database's leases when those would let one
 * process hold a name twice.
 *
 * **Details**
 *
 * All users of the returned function compete for its names; each call of `makeLocalLeases` makes names of its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeLocalLeases = (): StoreBackend["lease"] => {
  const held = new Set<string>()
  return (name) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        if (held.has(name)) return Option.none()
        held.add(name)
        return Option.some({ lost: Effect.never })
      }),
      (lease) => Effect.sync(() => Option.isSome(lease) && held.delete(name))
    )
}

/**
 * Wakes the readers of a category, or all readers when it is `undefined`: messages may have been written. It costs next to
 * nothing when no reader waits.
 *
 * @category models
 * @since 0.1.0
 */
export type Wake = (category: string | undefined) => Effect.Effect<void>

/**
 * Whether a write with this exit may have written something. That is false when the write was refused. It is true when the
 * outcome is unknown, because the caller was interrupted or the store failed.
 *
 * @category writing
 * @since 0.1.0
 */
export const mayHaveWritten = <A, E extends { readonly _tag: string }>(exit: Exit.Exit<A, E>): boolean =>
  exit._tag === "Success" ||
  !exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag !== "StoreError")

/**
 * The categories that get messages from appends, each once. A check writes nothing, so its category is left out.
 *
 * @category writing
 * @since 0.1.0
 */
export const writtenCategories = (appends: ReadonlyArray<EncodedAppend>): ReadonlySet<string> => {
  const names = new Set<string>()
  for (const append of appends) {
    if (!isCheck(append)) names.add(category(append.streamName))
  }
  return names
}

/**
 * Runs a write, then wakes the readers of the categories that it writes to, unless the write was refused.
 *
 * @category writing
 * @since 0.1.0
 */
export const wakeUnlessRefused = <A, E extends { readonly _tag: string }>(
  appends: ReadonlyArray<EncodedAppend>,
  write: Effect.Effect<A, E>,
  wake: (category: string) => Effect.Effect<void>
): Effect.Effect<A, E> =>
  Effect.onExit(write, (exit) =>
    mayHaveWritten(exit)
      ? Effect.forEach(writtenCategories(appends), wake, { discard: true })
      : Effect.void)

/**
 * Whether the calling fiber has asked, by `MessageStore.independently`, that the store reads and writes outside of the fiber's
 * transaction.
 *
 * @category transactions
 * @since 0.1.0
 */
export { Independence } from "./internal/store/independence.ts"

/**
 * The transactions of the application: statements of its own and operations of the store, which commit together or not at all.
 *
 * **Details**
 *
 * In a transaction, the operations of the backend are a part of it: reads see what the transaction has written, and a write is
 * visible to other fibers after the commit. A refused write (`WrongExpectedVersion`, `DuplicateMessageId`) leaves the
 * transaction usable. The backend does not send such a write again when the transaction is lost, and commits it with nobody
 * else's.
 *
 * A fiber for which {@link Independence} is true is in no transaction: its operations, and a transaction that it begins, are
 * outside of the one around it. A backend that cannot do that, because the transaction holds what the operation would wait for,
 * fails with a `StoreError` that is not retryable.
 *
 * @category transactions
 * @since 0.1.0
 */
export interface Transactions {
  /**
   * Whether a fiber with this context is in a transaction that its reads and writes take part in. Each load of an entity asks, so
   * it must cost next to nothing.
   */
  readonly isActive: (context: Context.Context<never>) => boolean
  /**
   * Runs an effect in a transaction, in the fiber of the caller; in a savepoint of the caller's transaction when it is in one.
   *
   * Success commits. Failure, a defect and interruption roll back, and come out as they are. A failure of the transaction itself
   * is a `StoreError`: retryable when the same transaction may succeed later. Each operation in it sees what has been committed
   * before it, as at PostgreSQL's READ COMMITTED.
   *
   * `undefined` where the store can't make one, because some of what it writes would be no part of it, but takes part in those that the
   * caller has made.
   */
  readonly run: (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>) | undefined
  /**
   * Runs an effect after the commit of the outermost transaction of the calling fiber; at once when the fiber is in none. The
   * effect does not run when the transaction or the savepoint around the call is rolled back, nor when the outcome of the commit
   * is unknown. It runs outside of the transaction, and cannot be interrupted.
   */
  readonly afterCommit: (effect: Effect.Effect<void>) => Effect.Effect<void>
}

/**
 * Where a store has found the position of a consumer: in a row of its own, or in a message that another client has written.
 *
 * @category models
 * @since 0.1.0
 */
export type StoredPosition =
  | { readonly _tag: "Row"; readonly position: Position }
  /** The data of the stream's last message of the type `Recorded`, as it was written. */
  | { readonly _tag: "Message"; readonly data: Schema.Json }

/**
 * What a program tells of itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToldRunner {
  readonly startedAt: DateTime.Utc
  /** Its runs in the JSON form of `Runners.Run`. */
  readonly runs: Schema.Json
}

/**
 * The rows of programs that run consumers and read models. They are no part of the log: a store may lose them when it crashes.
 *
 * @category models
 * @since 0.1.0
 */
export interface RunnersBackend {
  /** Tells this program from all others: a new UUID for each store that is opened. */
  readonly id: string
  /** The name of this machine, and the id of this process. */
  readonly host: string | undefined
  readonly pid: number | undefined
  /** Writes the row of this program, or replaces it. Rows that are older than an hour may go. */
  readonly put: (runner: ToldRunner) => Effect.Effect<void, StoreError>
  /** Takes the row of this program away. */
  readonly remove: Effect.Effect<void, StoreError>
  readonly list: Effect.Effect<ReadonlyArray<Runner>, StoreError>
}

/**
 * A request for the effects of messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface EffectsRange {
  /** At least one. Their global positions are distinct. */
  readonly causes: ReadonlyArray<Pick<MessagePlace, "globalPosition" | "position" | "streamName">>
  /** Only messages with higher global positions; at least the lowest one of the causes. */
  readonly after: number
  /** From 1. */
  readonly limit: number
  /** How many messages to look at, from 1, where the store has no index for them. */
  readonly window: number
}

/**
 * A request for the messages of a correlation.
 *
 * @category models
 * @since 0.1.0
 */
export interface CorrelatedRange {
  /** The whole name of a stream, as `correlationStreamName` has it. */
  readonly correlation: string
  /**
   * Only messages with higher global positions. When it is absent, a store with an index begins at the first message. One without
   * begins half a window before `around`; when that is absent too, before the first message of the stream with the name of the
   * correlation; and without such a stream, a whole window before the end of the log.
   */
  readonly after: number | undefined
  readonly around: number | undefined
  /** From 1. */
  readonly limit: number
  /** How many messages to look at, from 1, where the store has no index for them. */
  readonly window: number
}

/**
 * What was found, by global position, and what was looked at.
 *
 * @category models
 * @since 0.1.0
 */
export interface TracePage {
  readonly messages: ReadonlyArray<Traced>
  /** Inclusive. */
  readonly lookedFrom: number
  /** Inclusive, and never lower than `after`. Nothing between the two may be left out. */
  readonly lookedThrough: number
  /** Whether there are more than `limit`, so that the page ends before the place where they are. */
  readonly isFull: boolean
  /** Whether all visible messages were looked at: from the one after `after`, or the first one of all, to the end of the log. */
  readonly isComplete: boolean
}

/**
 * What a backend implements so that causes can be followed to their effects.
 *
 * **Details**
 *
 * Metadata names a cause by `causationMessageGlobalPosition`. A message is an effect when its own global position is higher, and
 * when `causationMessageStreamName` and `causationMessagePosition` are absent, `null` or those of the cause. A value counts as its
 * text, whether it is a number or a string, as it does for Message DB.
 *
 * Each page is one consistent view. Its cost must not depend on the number of messages, but on `limit` or on `window`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TraceBackend {
  readonly effects: (range: EffectsRange) => Effect.Effect<TracePage, StoreError>
  readonly correlated: (range: CorrelatedRange) => Effect.Effect<TracePage, StoreError>
}

/**
 * A row of the positions of consumers.
 *
 * @category models
 * @since 0.1.0
 */
export interface PositionRow {
  readonly key: Key
  readonly position: Position
  /** When it was written. */
  readonly time: DateTime.Utc
}

/**
 * The positions of consumers, each in a row that is updated. They are no messages: no reader meets them, and no global position
 * is taken for them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Positions {
  /**
   * Reads the row of a key. Without a row, the last message of the type `Recorded` in a stream: where Eventide keeps the position.
   * Both in one consistent view.
   */
  readonly get: (key: Key, streamName: string) => Effect.Effect<Option.Option<StoredPosition>, StoreError>
  /**
   * Writes the row of a key, in one statement. The position may be lower than the one before. In a transaction of the application,
   * it is written with the commit.
   *
   * Fails with a retryable `StoreError` when the database has become another one since the call, because the position is about
   * the messages of the former one.
   */
  readonly put: (key: Key, position: Position) => Effect.Effect<void, StoreError>
  /** Lists at most `limit` rows after a key, or from the first one. The order is the store's, and always the same. */
  readonly list: (after: Key | undefined, limit: number) => Effect.Effect<ReadonlyArray<PositionRow>, StoreError>
}

/**
 * The operations of a database that is to be a message store.
 *
 * **Details**
 *
 * The conformance suite of `@eventfold/testing` holds a backend to these promises:
 *
 * - **append** writes all messages or none, also when its caller is interrupted. Positions in a stream are gapless from 0,
 *   whatever fails or races. An append is a repetition when all its messages are recorded already, in the same stream, with the
 *   same ids, order and content. A repetition writes nothing and gives the original positions, whatever version it expects.
 *   When an append both expects a wrong version and has a taken id, it fails with `WrongExpectedVersion`. The metadata's
 *   `traceparent` is not content, because a repetition has another one; so metadata of nothing else equals no metadata.
 * - **writeAll** promises the same for several appends: all of them, or none. It makes them in order, and each sees those before
 *   it. It never deadlocks with another `writeAll`. An append without messages is a check (see {@link EncodedAppend}): its
 *   version is compared in the same transaction, so that no other writer comes between the check and the writes. A call that
 *   has messages, and whose messages are all recorded as given, is a repetition: its checks are not made.
 * - **reads** give each page as one consistent view. A category's messages become visible in the order of their global
 *   positions, so a reader that continues after the last message it has seen misses none. A reader of the whole store that
 *   continues after `through` misses none either: `through` is below every global position that a later commit can fill.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreBackend {
  /**
   * What OpenTelemetry calls the database, `db.system.name`, for metrics and spans: `postgresql`. Without this member it is
   * `_OTHER`.
   */
  readonly systemName?: string | undefined
  readonly append: (
    append: EncodedAppend
  ) => Effect.Effect<AppendResult, WrongExpectedVersion | DuplicateMessageId | StoreError>
  readonly writeAll: (
    appends: ReadonlyArray<EncodedAppend>
  ) => Effect.Effect<
    ReadonlyArray<AppendResult>,
    WrongExpectedVersion | DuplicateMessageId | Unsupported | StoreError
  >
  /**
   * Why a message could not be read back, once it was written, and which part of it is to blame; `undefined` when it can. The
   * service refuses the message with `InvalidMessage`, before it asks the backend to write. Without this member every message can
   * be read back.
   */
  readonly unreadable?: ((streamName: StreamName, message: EncodedMessage) => Unreadable | undefined) | undefined
  /** Only a page backwards may fail with `Unsupported`. */
  readonly readStream: (page: StreamPage) => Effect.Effect<MessagePage, Unsupported | StoreError>
  /**
   * Reads the messages of a stream from a position on, inclusive, for a fold, which needs less of them than other readers. It must
   * give what `readStream` gives at that moment. `undefined` when only whole messages will do. Without this member entities fold
   * what `readStream` gives.
   */
  readonly readForFold?:
    | ((streamName: StreamName, from: number) => Effect.Effect<FoldPage | undefined, StoreError>)
    | undefined
  readonly readCategory: (page: CategoryPage) => Effect.Effect<MessagePage, StoreError>
  /** May wait a moment for the transactions that hold it back, when it has no message to give before them. */
  readonly readAll: (page: AllPage) => Effect.Effect<ReadAllResult, StoreError>
  /** The transactions of the application that this store takes part in. Without this member it takes part in none. */
  readonly transactions?: Transactions | undefined
  /**
   * The positions of consumers. Without this member, `PositionStore` keeps them in streams of messages, by Eventide's convention.
   */
  readonly positions?: Positions | undefined
  /** What keeps a reader from reading the whole store, from a global position (inclusive) to the end; none when nothing does. */
  readonly heldBack: (from: number) => Effect.Effect<Option.Option<HeldBack>, StoreError>
  /** The message at a global position; none when there is no message. */
  readonly messageAt: (globalPosition: number) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  /** The highest global position of a visible message; 0 in an empty store. Must cost one look-up. */
  readonly lastPosition: Effect.Effect<number, StoreError>
  /**
   * Looks for what has come after a global position, exclusive. Without this member each reader that has caught up looks for itself.
   * Its cost must be bounded, however much there is.
   */
  readonly news?: ((after: number) => Effect.Effect<LogNews, StoreError>) | undefined
  /** The number of messages in a range of the whole store, in one consistent view. */
  readonly countAll: (range: CountAllRange) => Effect.Effect<number, StoreError>
  /** What there is to say of the store beside its identity. Without this member it is only the name of the system. */
  readonly description?: Effect.Effect<Omit<StoreDescription, "identity" | "system">, StoreError> | undefined
  /** Must ask the database each time, which may have become another one. */
  readonly identity: Effect.Effect<StoreIdentity, StoreError>
  /**
   * Notices that the database has become another one, so that what is remembered of the former one is forgotten; made by
   * {@link makeLineage}. Without this member it never does, as in memory.
   */
  readonly lineage?: Lineage | undefined
  /** The last message of a stream, or the last one of a type. */
  readonly lastMessage: (
    streamName: StreamName,
    type: string | undefined
  ) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  /** The position of a stream's last message; none when the stream does not exist. */
  readonly streamVersion: (streamName: StreamName) => Effect.Effect<Option.Option<number>, StoreError>
  /** The message with this id (in lower case), if it is in the stream. */
  readonly findMessage: (
    streamName: StreamName,
    id: MessageId
  ) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  /** The message with this id (in lower case), in whatever stream. Must cost one look-up. */
  readonly messageById: (id: MessageId) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  /** The message of the category with the highest global position. The cost must not depend on the number of messages. */
  readonly lastCategoryMessage: (category: CategoryName) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  /** The number of messages in a range of a category, in one consistent view. */
  readonly countCategory: (range: CategoryRange) => Effect.Effect<number, StoreError>
  /** What runs on the store, in whatever program. Without this member `Runners.list` knows this program alone. */
  readonly runners?: RunnersBackend | undefined
  /** Lists of categories and streams. Without this member, they fail with `Unsupported`. */
  readonly listing?: ListingBackend | undefined
  /** Effects of messages, and the messages of correlations. Without this member, `Trace` fails with `Unsupported`. */
  readonly trace?: TraceBackend | undefined
  /**
   * Attributes of streams, and deletion. Without this member, what `Streams` needs it for fails with `Unsupported`.
   */
  readonly streams?: StreamsBackend | undefined
  /** Exports and imports. Without this member, those of `Archive` fail with `Unsupported`. */
  readonly archive?: ArchiveBackend | undefined
  /** Checks what is stored. Without this member, `Verify` fails with `Unsupported`. */
  readonly verify?: VerifyBackend | undefined
  /**
   * Tries once, without waiting, to become the only holder of a name among all users of the store, in this process and in
   * others. Gives none when the name has a holder, even if that is the same caller. Releases the lease when the scope closes.
   * The service closes the scope at once when there is no lease.
   *
   * Fails with `Unsupported`, at once, when the way to the store can't hold leases. Consumers then end with that error.
   */
  readonly lease: (name: string) => Effect.Effect<Option.Option<Lease>, Unsupported | StoreError, Scope.Scope>
  /**
   * Wakes readers for writes that the service does not see: those of other processes, and those whose callers have gone.
   *
   * From the end of this effect until its scope closes, the backend must wake the category of every message that is written
   * through it, as soon as the message is committed. It should wake the categories of other writes that it learns of. To wake
   * once too often does no harm. The service runs this when the first reader subscribes, and closes the scope with the last
   * subscription or with the store.
   *
   * In a transaction of the application, "committed" is the commit of that transaction: an append that is rolled back wakes no
   * reader.
   *
   * Without this member, the service itself wakes the category of each append when the append ends, or its transaction commits.
   */
  readonly watch?: ((wake: Wake) => Effect.Effect<void, never, Scope.Scope>) | undefined
}
