/**
 * What a database implements to be a message store. `MessageStore.make` turns it into the service that users see: it
 * checks names and arguments, gives ids, encodes JSON and pages through streams, once for every store.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ExpectedVersion } from "./ExpectedVersion.ts"
import type { HeldBack } from "./HeldBack.ts"
import type { MessageId, RecordedMessage } from "./Message.ts"
import type { DuplicateMessageId, StoreError, Unsupported, WrongExpectedVersion } from "./StoreError.ts"
import { category, type CategoryName, type StreamName } from "./StreamName.ts"

/**
 * A checked message with its data and metadata as JSON text.
 *
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
 * Messages to be written to one stream, at least one. Ids are distinct in a call.
 *
 * @since 0.1.0
 */
export interface EncodedAppend {
  readonly streamName: StreamName
  readonly expectedVersion: ExpectedVersion
  readonly messages: ReadonlyArray<EncodedMessage>
}

/**
 * Where an append stands in the store.
 *
 * @since 0.1.0
 */
export interface AppendResult {
  /** The position of the append's last message: the version of the stream right after it. */
  readonly version: number
  /** The global position of the append's last message. */
  readonly globalPosition: number
}

/**
 * One page of a stream: at most `limit` messages whose position is `from` or higher, rising; backwards, `from` or lower,
 * falling (from the end when `from` is undefined).
 *
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
 * @since 0.1.0
 */
export interface ConsumerGroup {
  readonly member: number
  readonly size: number
}

/**
 * The messages of a category whose global position is `from` or higher and which all filters let through.
 *
 * @since 0.1.0
 */
export interface CategoryRange {
  readonly category: CategoryName
  readonly from: number
  /** Only messages of these types; at least one. */
  readonly types: ReadonlyArray<string> | undefined
  readonly correlation: CategoryName | undefined
  readonly consumerGroup: ConsumerGroup | undefined
}

/**
 * One page of a category: at most `limit` messages, after all filters, by rising global position.
 *
 * @since 0.1.0
 */
export interface CategoryPage extends CategoryRange {
  readonly limit: number
}

/**
 * Where the last message of a page stands.
 *
 * @since 0.1.0
 */
export interface LastMessage {
  readonly position: number
  readonly globalPosition: number
}

/**
 * What a page of a stream or of a category gives.
 *
 * @since 0.1.0
 */
export interface MessagePage {
  /** How many messages there are. */
  readonly length: number
  /** `undefined` when there is none. */
  readonly last: LastMessage | undefined
  /**
   * Gives the messages from one index to before another. Where the next page begins is known before they are decoded, so
   * that the one can be read while the others are; and who takes a page piece by piece holds only pieces in memory.
   */
  readonly slice: (start: number, end: number) => Effect.Effect<ReadonlyArray<RecordedMessage>, StoreError>
}

/**
 * A page of messages that need no decoding.
 *
 * @since 0.1.0
 */
export const messagePage = (messages: ReadonlyArray<RecordedMessage>): MessagePage => ({
  length: messages.length,
  last: messages.at(-1),
  slice: (start, end) => Effect.sync(() => messages.slice(start, end))
})

/**
 * The messages of the whole store whose global position is `from` or higher and which both filters let through.
 *
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
 * Messages of the whole store that are counted.
 *
 * @since 0.1.0
 */
export interface CountAllRange extends AllRange {
  readonly correlation: CategoryName | undefined
  readonly consumerGroup: ConsumerGroup | undefined
  /** Whether messages of categories with the type `position` or `parked` count. */
  readonly bookkeeping: boolean
}

/**
 * One page of the whole store: at most `limit` messages, by rising global position.
 *
 * @since 0.1.0
 */
export interface AllPage extends AllRange {
  /** From 1. */
  readonly limit: number
}

/**
 * A page of messages in the order of their global positions, with how far the store has looked.
 *
 * @since 0.1.0
 */
export interface ReadPageResult {
  readonly messages: ReadonlyArray<RecordedMessage>
  /**
   * The global position, inclusive, up to which everything has been looked at and is final: the next page begins after it.
   * It is the last message's when the page is full, and otherwise can lie far behind that; `from - 1` when there is nothing
   * new.
   */
  readonly through: number
  /**
   * Whether there is more after `through` to be read at once. A page that has none is at the end, or held back. One that has
   * more need not be full: a store may look at a part of a long log at a time.
   */
  readonly hasMore: boolean
  /** What keeps the page from going on, when messages are there after `through` that can't be read yet. */
  readonly heldBack: Option.Option<HeldBack>
}

/**
 * A page of the whole store.
 *
 * @since 0.1.0
 */
export interface ReadAllResult extends ReadPageResult {}

/**
 * Which store it is, so that positions which are kept elsewhere are not taken for another's. What the store can't tell is
 * `undefined`.
 *
 * @since 0.1.0
 */
export interface StoreIdentity {
  /** Differs between any two installations; a physical copy has the same: PostgreSQL's system identifier. */
  readonly system: string | undefined
  /** Of the databases of a system, which one: PostgreSQL's OID of it, which stays when it is renamed. */
  readonly database: string | undefined
  /** Its name, for people. */
  readonly databaseName: string | undefined
  /** Goes up when a copy of the system takes over or is restored to a point in time, so that the end of its log may differ. */
  readonly timeline: number | undefined
}

/**
 * A name of which this is the only holder, from when it was given until its scope closes or it is lost.
 *
 * @since 0.1.0
 */
export interface Lease {
  /**
   * Completes, with the reason, when the lease may have been lost: from then on somebody else may hold it. Before that it
   * does not complete. A lease that was lost does not come back; its holder stops, closes its scope and asks again.
   */
  readonly lost: Effect.Effect<StoreError>
}

/**
 * Makes leases for a store that is all in this process, where nothing takes one away; they are of those who share what this
 * gives. A store that others use too needs it beside its own, if that one lets the same process hold a name twice.
 *
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
 * Says that messages may have been written to a category, or to any one when it is `undefined`: wakes those who wait for
 * them. It costs next to nothing when nobody does.
 *
 * @since 0.1.0
 */
export type Wake = (category: string | undefined) => Effect.Effect<void>

/**
 * Whether a write that ended so may have written something: not when it was refused, but also when its outcome is unknown,
 * because its caller was interrupted or the store failed.
 *
 * @since 0.1.0
 */
export const mayHaveWritten = <A, E extends { readonly _tag: string }>(exit: Exit.Exit<A, E>): boolean =>
  exit._tag === "Success" ||
  !exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag !== "StoreError")

/**
 * Runs a write and wakes the categories of its appends, unless the write was refused.
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
      ? Effect.forEach(new Set(appends.map(({ streamName }) => category(streamName))), wake, { discard: true })
      : Effect.void)

/**
 * The promises that a store's conformance suite (`@eventfold/testing`) holds:
 *
 * - **append**: positions are gapless from 0 whatever fails or races. All of an append is written, or nothing of it, also
 *   when the caller is interrupted. An append whose messages are all recorded already, with the same ids, order and
 *   content in the same stream, is not written again and gives its original positions, whatever version it expects. Of
 *   an append that is wrong in both ways, `WrongExpectedVersion` is reported before `DuplicateMessageId`. The metadata's
 *   `traceparent` is no content: an append that is sent again has another one. So empty metadata is the same as none.
 * - **writeAll**: the same for several appends at once: all of them or none. They are checked in their order, and see one
 *   another. It never deadlocks with another `writeAll`.
 * - **reads**: each page is one consistent view. A category's messages become visible in the order of their global
 *   positions, so that a reader that goes on after the last one it saw misses none. So does a reader of everything, by
 *   `readAll`, that goes on after `through`: that is below every global position which a message committed later might get.
 *
 * @since 0.1.0
 */
export interface StoreBackend {
  readonly append: (
    append: EncodedAppend
  ) => Effect.Effect<AppendResult, WrongExpectedVersion | DuplicateMessageId | StoreError>
  readonly writeAll: (
    appends: ReadonlyArray<EncodedAppend>
  ) => Effect.Effect<
    ReadonlyArray<AppendResult>,
    WrongExpectedVersion | DuplicateMessageId | Unsupported | StoreError
  >
  /** `Unsupported` may be the answer to backwards only. */
  readonly readStream: (page: StreamPage) => Effect.Effect<MessagePage, Unsupported | StoreError>
  readonly readCategory: (page: CategoryPage) => Effect.Effect<MessagePage, StoreError>
  /** It may wait a moment for what holds it back, when there is nothing to give before that. */
  readonly readAll: (page: AllPage) => Effect.Effect<ReadAllResult, StoreError>
  /**
   * Whether the calling fiber is in a transaction of its own, in which it may read something else than other fibers do:
   * then `MessageStore.make` does not let it share a read with them. Without it, no fiber is.
   */
  readonly isInTransaction?: Effect.Effect<boolean>
  /** What keeps who reads everything from a global position on, inclusive, from reading to the end now. */
  readonly heldBack: (from: number) => Effect.Effect<Option.Option<HeldBack>, StoreError>
  /** The message at a global position, if there is one. */
  readonly messageAt: (globalPosition: number) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  /** The highest global position of a message that can be read; 0 when there is none. It is one look-up. */
  readonly lastPosition: Effect.Effect<number, StoreError>
  /** How many messages of the whole store there are, in one consistent view. */
  readonly countAll: (range: CountAllRange) => Effect.Effect<number, StoreError>
  /** Asked of the store each time: it may have become another one. */
  readonly identity: Effect.Effect<StoreIdentity, StoreError>
  readonly lastMessage: (
    streamName: StreamName,
    type: string | undefined
  ) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  readonly streamVersion: (streamName: StreamName) => Effect.Effect<Option.Option<number>, StoreError>
  /** The message with this id, in lower case, if it is in the stream. */
  readonly findMessage: (
    streamName: StreamName,
    id: MessageId
  ) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  /** The message of the category with the highest global position. What it costs does not depend on how many there are. */
  readonly lastCategoryMessage: (category: CategoryName) => Effect.Effect<Option.Option<RecordedMessage>, StoreError>
  /** How many messages there are, in one consistent view. */
  readonly countCategory: (range: CategoryRange) => Effect.Effect<number, StoreError>
  /**
   * Tries once, without waiting for other holders, to become the only holder of a name among all who use the same store,
   * in this process and in others; none when somebody holds it, and be it the same caller. It is given back when the scope
   * closes. `MessageStore.make` closes the scope at once when there is no lease.
   */
  readonly lease: (name: string) => Effect.Effect<Option.Option<Lease>, StoreError, Scope.Scope>
  /**
   * For a backend that knows of more writes than those which its callers see succeed: other processes', or those whose
   * callers have gone. From the end of this effect until its scope closes it wakes the category of every message that is
   * written through this backend, as soon as it is committed, and of as many others as it can tell; once too often does no
   * harm. It is run when somebody begins to wait for wake-ups, and closed with the last of them, or with the store.
   *
   * Without it, `MessageStore.make` wakes the category of each append when its caller gets the result.
   */
  readonly watch?: (wake: Wake) => Effect.Effect<void, never, Scope.Scope>
}
