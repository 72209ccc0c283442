/**
 * The message store: appends messages to streams, and reads them back in order.
 *
 * A *message* is a type, JSON data and JSON metadata under a unique id. It is written to one *stream*, such as `account-123`,
 * and gets a *position* there: 0, 1, 2, without gaps. The highest position is the stream's *version*. All streams whose names
 * begin alike form a *category*, `account`. Over the whole store a message has a *global position*, from 1, perhaps with gaps.
 *
 * **Writing.** {@link MessageStore} `append` writes to one stream, `writeAll` to several at once. Both are atomic, both check
 * expected versions, and both are idempotent by message id.
 *
 * **Reading.** `readStream`, `readCategory` and `readAll` give an Effect `Stream` from a position to the end.
 * `readCategoryPage` and `readAllPage` give one page and the position to continue after, for readers that follow the log.
 * `wakeUps` tells such readers when to read again.
 *
 * This service deals in JSON. `Category` adds schemas, `Entity` decides on state, and `Consumer` and `ReadModel` follow the
 * log. A database becomes a store by implementing `StoreBackend`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { HeldBack } from "./HeldBack.ts"
import * as Meter from "./internal/runtime/meter.ts"
import { makeAppends } from "./internal/store/appends.ts"
import * as Independence from "./internal/store/independence.ts"
import * as InProcess from "./internal/store/inProcess.ts"
import { makeListings } from "./internal/store/listings.ts"
import { makeLookups } from "./internal/store/lookups.ts"
import * as Measured from "./internal/store/measured.ts"
import * as NewsWatch from "./internal/store/newsWatch.ts"
import type {
  Append,
  AppendError,
  AppendOptions,
  CountAllOptions,
  CountCategoryOptions,
  ReadAllError,
  ReadAllOptions,
  ReadAllPageOptions,
  ReadCategoryError,
  ReadCategoryOptions,
  ReadCategoryPageOptions,
  ReadStreamError,
  ReadStreamOptions,
  WakeUpsOptions
} from "./internal/store/options.ts"
import { makePages, makeStreams } from "./internal/store/reads.ts"
import * as Runners from "./internal/store/runners.ts"
import * as WakeUpHub from "./internal/store/wakeUpHub.ts"
import type * as Listing from "./Listing.ts"
import * as MemoryStore from "./MemoryStore.ts"
import type * as Message from "./Message.ts"
import type {
  AppendResult,
  Lease,
  ReadAllResult,
  ReadPageResult,
  StoreBackend,
  StoreDescription,
  StoreIdentity
} from "./StoreBackend.ts"
import { type InvalidArgument, type StoreError, Unsupported } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

/**
 * The options and errors of the operations of {@link MessageStore}.
 *
 * @category options
 * @since 0.1.0
 */
export type {
  AllOptions,
  Append,
  AppendError,
  AppendOptions,
  CountAllOptions,
  CountCategoryOptions,
  ReadAllError,
  ReadAllOptions,
  ReadAllPageOptions,
  ReadCategoryError,
  ReadCategoryOptions,
  ReadCategoryPageOptions,
  ReadOptions,
  ReadStreamError,
  ReadStreamOptions,
  WakeUpsOptions
} from "./internal/store/options.ts"

/**
 * How many messages one statement reads unless an option says otherwise.
 *
 * @category options
 * @since 0.1.0
 */
export { defaultBatchSize } from "./internal/store/options.ts"

/**
 * What the users of one store share within this process. Only eventfold's own modules use it.
 *
 * @category models
 * @since 0.1.0
 */
export type { InProcess } from "./internal/store/inProcess.ts"

/**
 * The wake-ups of one subscription, as `wakeUps` gives them.
 *
 * @category models
 * @since 0.1.0
 */
export type { WakeUps } from "./internal/store/wakeUpHub.ts"

/**
 * The service of a message store: a log of messages in streams, by the rules of Message DB.
 *
 * **When to use**
 *
 * Use it for messages without schemas, for tools, and to build on. For typed events use `Category`, and for decisions on a
 * stream's state `Entity`.
 *
 * **Gotchas**
 *
 * A service that wraps another one must carry over all of its members, as `{ ...store, append }` does. The library stores a
 * member of its own on it.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { MessageStore } from "eventfold"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* MessageStore.MessageStore
 *   yield* store.append("account-123", { type: "Deposited", data: { amount: 11 } }, { expectedVersion: "noStream" })
 *   return yield* Stream.runCollect(store.readStream("account-123"))
 * }).pipe(Effect.provide(MessageStore.layerMemory))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class MessageStore extends Context.Service<MessageStore, {
  /**
   * Appends one or more messages to a stream: all of them, or none.
   *
   * **Details**
   *
   * Appends are idempotent by message id. To append the same messages under the same ids again writes nothing and gives the
   * original result. So send an append again when its outcome is unknown.
   *
   * With `onDuplicate: "keep"`, messages of other content under the same ids leave what is recorded as it is, and give its
   * result too.
   *
   * Fails with `WrongExpectedVersion` when the stream is not at the expected version, with `DuplicateMessageId` when another
   * message has one of the ids, with `InvalidStreamName` or `InvalidMessage` when no store could keep the append (an empty list
   * of messages is one case), and with `StoreError` when the store fails.
   */
  readonly append: (
    streamName: string,
    messages: Message.Message | ReadonlyArray<Message.Message>,
    options?: AppendOptions
  ) => Effect.Effect<AppendResult, AppendError>
  /**
   * Appends to several streams in one transaction: all of the appends, or none. Gives their results in the same order.
   *
   * **Details**
   *
   * The same stream may occur more than once: the store makes the appends one after the other, so each sees those before it.
   * An append without messages but with an `expectedVersion` is a check of a stream that is not written: see {@link Append}.
   *
   * An append with `onDuplicate: "keep"` that is recorded already is left out, and the others are written without it.
   *
   * Fails as `append` does, and with `Unsupported` when the store cannot write to several streams at once. No appends give no
   * results.
   */
  readonly writeAll: (
    appends: ReadonlyArray<Append>
  ) => Effect.Effect<ReadonlyArray<AppendResult>, AppendError | Unsupported>
  /**
   * Reads the messages of a stream by position, up to the last one, batch by batch while they are consumed.
   *
   * **Details**
   *
   * A stream that does not exist has no messages. Fails with `InvalidStreamName` for a name without an id, as Message DB does,
   * with `InvalidArgument` for an option out of range, and with `Unsupported` when the store cannot read backwards.
   */
  readonly readStream: (
    streamName: string,
    options?: ReadStreamOptions
  ) => Stream.Stream<Message.RecordedMessage, ReadStreamError>
  /**
   * Reads the messages of all streams of a category by global position, up to the last one, batch by batch.
   *
   * **Details**
   *
   * A category's messages become visible in the order of their global positions. So a reader that continues after the last
   * message it has seen misses none. Fails with `InvalidCategory` for a name with a dash, and with `InvalidArgument` for an
   * option out of range.
   *
   * **Gotchas**
   *
   * The order is that of writers that lock the category, as appends and Message DB's functions do. A plain `INSERT` into the
   * table takes no lock: when it commits after a later message, a reader that has passed its global position misses it. Have it
   * call `message_store.acquire_lock` first, or read with `readAll` and the filter `categories`, which
   * waits for it.
   */
  readonly readCategory: (
    category: string,
    options?: ReadCategoryOptions
  ) => Stream.Stream<Message.RecordedMessage, ReadCategoryError>
  /**
   * Reads one page of a category: the messages, and the global position to continue after.
   *
   * **When to use**
   *
   * Use it to follow a category from a position that you keep. To read all messages once, use `readCategory`.
   *
   * **Details**
   *
   * Continue at `through + 1`: at once while `hasMore`, later when it is false. `through` is the global position of the last
   * message, or `from - 1` when there is none. `hasMore` tells whether the page is full. `heldBack` is always none: other
   * categories never hold back a category. Fails as `readCategory` does; a `limit` of 0 is an `InvalidArgument`.
   *
   * Calls with the same options made in the same moment share one read, unless they are made in a transaction.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { MessageStore } from "eventfold"
   *
   * // The next messages of a category after a position, and the new position.
   * const next = Effect.fn(function*(position: number) {
   *   const store = yield* MessageStore.MessageStore
   *   const { messages, through } = yield* store.readCategoryPage("account", { from: position + 1, limit: 100 })
   *   return [messages, through] as const
   * })
   * ```
   */
  readonly readCategoryPage: (
    category: string,
    options?: ReadCategoryPageOptions
  ) => Effect.Effect<ReadPageResult, ReadCategoryError>
  /**
   * Reads all messages by global position, up to the last one that is final, batch by batch.
   *
   * **Details**
   *
   * Messages of different categories can become visible out of order. The read waits a moment for a message that may still
   * come at a lower global position, and otherwise ends before its place. So a reader that continues after the last message it
   * has seen misses none. Fails with `InvalidCategory` or `InvalidArgument` for an option out of range.
   */
  readonly readAll: (options?: ReadAllOptions) => Stream.Stream<Message.RecordedMessage, ReadAllError>
  /**
   * Reads one page of the whole store: the messages, and the global position to continue after.
   *
   * **When to use**
   *
   * Use it to follow the whole store, or several categories, from a position that you keep.
   *
   * **Details**
   *
   * Continue at `through + 1`: at once while `hasMore`, later when it is false. `through` advances even when the filters let no
   * message pass. When transactions in progress keep the page from reaching the end, `heldBack` names them; see
   * {@link HeldBack}. Fails as `readAll` does; a `limit` of 0 is an `InvalidArgument`.
   *
   * Calls with the same options made in the same moment share one read, unless they are made in a transaction.
   *
   * @example
   * ```ts
   * import { Effect, Option } from "effect"
   * import { HeldBack, MessageStore } from "eventfold"
   *
   * // What two categories have after a position, and the new position.
   * const news = Effect.fn(function*(position: number) {
   *   const store = yield* MessageStore.MessageStore
   *   const categories = ["account", "transfer"]
   *   const { heldBack, messages, through } = yield* store.readAllPage({ from: position + 1, categories })
   *   if (Option.isSome(heldBack)) yield* Effect.logWarning(HeldBack.format(heldBack.value))
   *   return [messages, through] as const
   * })
   * ```
   */
  readonly readAllPage: (options?: ReadAllPageOptions) => Effect.Effect<ReadAllResult, ReadAllError>
  /**
   * What keeps a reader of the whole store from reaching the end right now; none when nothing does.
   *
   * **Details**
   *
   * `from` is the global position, inclusive, at which the reader continues. Defaults to the first one that this store does not
   * know to be final.
   */
  readonly heldBack: (
    options?: { readonly from?: number | undefined }
  ) => Effect.Effect<Option.Option<HeldBack>, InvalidArgument | StoreError>
  /**
   * The message at a global position, from 1; none when no message is there, or none is visible yet. It costs one look-up.
   */
  readonly messageAt: (
    globalPosition: number
  ) => Effect.Effect<Option.Option<Message.RecordedMessage>, InvalidArgument | StoreError>
  /**
   * The highest global position of a visible message; 0 in an empty store. It costs one look-up.
   *
   * **Gotchas**
   *
   * Messages at lower global positions may still become visible. How far a reader can safely read is the `through` of
   * `readAllPage`.
   */
  readonly lastPosition: Effect.Effect<number, StoreError>
  /**
   * Counts the messages that `readAll` would read with the same options if nothing held it back. Has more filters than
   * `readAll`. Like `countCategory` it is meant for lag.
   */
  readonly countAll: (options?: CountAllOptions) => Effect.Effect<number, ReadAllError>
  /**
   * Identifies the store, as it is now.
   *
   * **When to use**
   *
   * Keep the identity with positions that you keep outside the store, and compare it before you use them: a copy that has taken
   * over, or was restored to an earlier time, has another `timeline`.
   */
  readonly identity: Effect.Effect<StoreIdentity, StoreError>
  /**
   * What the store is, for people: its identity and versions, what its tables and indexes take on disk, and what its user may do. It
   * asks the catalogs of the database and counts nothing. In memory it is the identity alone.
   */
  readonly describe: Effect.Effect<StoreDescription, StoreError>
  /**
   * The last message of a stream, or the last one of a type; none when there is no such message.
   *
   * **Gotchas**
   *
   * A bare category name means the stream of exactly that name, as in Message DB.
   */
  readonly lastMessage: (
    streamName: string,
    options?: { readonly type?: string | undefined }
  ) => Effect.Effect<Option.Option<Message.RecordedMessage>, StreamName.InvalidStreamName | StoreError>
  /** The position of a stream's last message; none when the stream does not exist. */
  readonly streamVersion: (
    streamName: string
  ) => Effect.Effect<Option.Option<number>, StreamName.InvalidStreamName | StoreError>
  /**
   * The message with this id, if it is in this stream; none when the id is free or taken in another stream.
   *
   * **Details**
   *
   * The case of the id does not matter. Fails with `InvalidArgument` when the id is not a UUID. A bare category name means the
   * stream of exactly that name.
   */
  readonly findMessage: (
    streamName: string,
    id: string
  ) => Effect.Effect<
    Option.Option<Message.RecordedMessage>,
    StreamName.InvalidStreamName | InvalidArgument | StoreError
  >
  /**
   * The message with this id, in whatever stream; none when the id is free. It costs one look-up.
   *
   * **Details**
   *
   * The case of the id does not matter. Fails with `InvalidArgument` when the id is not a UUID.
   */
  readonly messageById: (
    id: string
  ) => Effect.Effect<Option.Option<Message.RecordedMessage>, InvalidArgument | StoreError>
  /**
   * The message of a category with the highest global position, in whatever stream; none when the category is empty. It costs
   * one look-up, however many messages there are.
   */
  readonly lastCategoryMessage: (
    category: string
  ) => Effect.Effect<Option.Option<Message.RecordedMessage>, StreamName.InvalidCategory | StoreError>
  /**
   * Counts the messages that `readCategory` would read with the same options.
   *
   * **Details**
   *
   * It is meant for lag. Its cost grows with the count, but is far below that of reading.
   */
  readonly countCategory: (
    category: string,
    options?: CountCategoryOptions
  ) => Effect.Effect<number, ReadCategoryError>
  /**
   * Lists the categories by page, sorted by the bytes of their names: each with its last message and about how many messages it
   * has. Those in which consumers write about themselves, such as `account:position`, are listed like others.
   *
   * **Details**
   *
   * A page costs a few look-ups for each category, however many messages there are: nothing is counted. Where the database
   * compares texts by the rules of a language, it costs a look-up for each category of the store.
   *
   * Give a page's `next` as `after` to go on. Fails with `InvalidArgument` for an option that no name or number can be, and with
   * `Unsupported` when the store can't list.
   *
   * @example
   * ```ts
   * import { Console, Effect, Option } from "effect"
   * import { MessageStore } from "eventfold"
   *
   * const show = Effect.gen(function*() {
   *   const store = yield* MessageStore.MessageStore
   *   let after: string | undefined
   *   do {
   *     const page = yield* store.categories({ after })
   *     for (const { category, last } of page.categories) yield* Console.log(category, last.type)
   *     after = Option.getOrUndefined(page.next)
   *   } while (after !== undefined)
   * })
   * ```
   */
  readonly categories: (
    options?: Listing.Options
  ) => Effect.Effect<Listing.CategoriesPage, Listing.ListingError>
  /**
   * Lists the streams of a category, or of all, by page and sorted by the bytes of their names: each with its version and its last
   * message.
   *
   * **Details**
   *
   * A page costs a few look-ups for each stream, however many streams and messages there are. Deleted streams are left out, so a
   * page may have fewer streams than its `limit`. Give its `next` as `after` to go on; none means the end. `prefix` is that of the
   * whole name, as in `account-12`. The stream whose name is that of the category is one of its streams.
   *
   * Fails as `categories` does, and with `InvalidCategory` for a category with a dash.
   *
   * **Gotchas**
   *
   * Where the database compares texts by the rules of a language, as `en_US.UTF-8` does, its index does not have the streams of a
   * category together. There a list needs a `category` and the schema `eventfold`, and the first one of a category notes
   * its streams, as `Streams.list` does; otherwise it is `Unsupported`.
   */
  readonly streams: (
    options?: Listing.StreamsOptions
  ) => Effect.Effect<Listing.StreamsPage, Listing.ListingError | StreamName.InvalidCategory>
  /**
   * Lists the streams of a category that have changed last, the newest first: of those among its newest messages. It costs one statement,
   * which reads as many messages as its `window`, without their content.
   *
   * **Details**
   *
   * Deleted streams are left out. Fails as `streams` does.
   */
  readonly changedStreams: (
    category: string,
    options?: Listing.ChangedOptions
  ) => Effect.Effect<Listing.ChangedStreams, Listing.ListingError | StreamName.InvalidCategory>
  /**
   * Tries once, without waiting, to become the only holder of a name among all processes that use the store.
   *
   * **When to use**
   *
   * Use it to keep a second worker from doing what a first one already does.
   *
   * **Details**
   *
   * Gives none when the name has a holder, in another process or in this one. The name is any text; it has nothing to do with
   * categories. The lease ends when the scope closes, and when the process ends, however it ends.
   *
   * Fails with `Unsupported` when the way to the store can't hold leases, as through a pooler that shares the server's sessions
   * between transactions. The error says what would.
   *
   * **Gotchas**
   *
   * A lease is no proof that no other worker is active. On PostgreSQL, a holder that is frozen (a stopped process, a suspended
   * machine) or cut off loses the lease to another one, and when it comes back it may continue for a moment before it sees
   * `lost`. What it writes in that moment must still be right. Expected versions, message ids and transactions see to that, as
   * they do when a message is handled twice.
   *
   * @example
   * ```ts
   * import { Effect, Option } from "effect"
   * import { MessageStore } from "eventfold"
   *
   * const alone = <A, E, R>(name: string, work: Effect.Effect<A, E, R>) =>
   *   Effect.gen(function*() {
   *     const store = yield* MessageStore.MessageStore
   *     const lease = yield* store.lease(name)
   *     if (Option.isNone(lease)) return yield* Effect.succeedNone
   *     return yield* Effect.raceFirst(Effect.asSome(work), Effect.flip(lease.value.lost))
   *   }).pipe(Effect.scoped)
   * ```
   */
  readonly lease: (name: string) => Effect.Effect<Option.Option<Lease>, Unsupported | StoreError, Scope.Scope>
  /**
   * Subscribes to wake-ups for a category, or for all categories when it is absent, until the scope closes.
   *
   * **Details**
   *
   * Subscribe first, then read, then wait: so the reader misses nothing. A write through this store wakes its readers at once.
   * A write by another process wakes them as far as the store learns of it. On PostgreSQL it learns of what other eventfold
   * stores announce, a moment after their commits.
   *
   * **Gotchas**
   *
   * A wake-up is a hint, not a delivery. It can come late, and for a write by a client that announces nothing it does not come
   * at all. So read again now and then anyway.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { MessageStore } from "eventfold"
   *
   * const follow = Effect.gen(function*() {
   *   const store = yield* MessageStore.MessageStore
   *   const wakeUps = yield* store.wakeUps("account")
   *   let position = 0
   *   while (true) {
   *     const page = yield* store.readCategoryPage("account", { from: position + 1 })
   *     yield* Effect.forEach(page.messages, ({ type }) => Effect.log(type))
   *     position = page.through
   *     if (!page.hasMore) yield* wakeUps.awaitAtMost("1 second")
   *   }
   * }).pipe(Effect.scoped)
   * ```
   */
  readonly wakeUps: (
    category?: string | undefined,
    options?: WakeUpsOptions | undefined
  ) => Effect.Effect<WakeUpHub.WakeUps, StreamName.InvalidCategory, Scope.Scope>
  /**
   * Runs an effect in a transaction of the store: see the function {@link transaction}, which does so with the store of the
   * context.
   */
  readonly transaction: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | Unsupported | StoreError, R>
  /** What the users of this store share within the process. Only eventfold's own modules use it. */
  readonly [InProcess.TypeId]: InProcess.InProcess
}>()("eventfold/MessageStore") {}

/**
 * Makes the service of a database from its {@link StoreBackend}.
 *
 * **Details**
 *
 * The service checks names and arguments, gives ids to messages, encodes JSON and pages through streams. Its subscriptions to
 * wake-ups, and what it tells of runners, end with the scope. Its metrics are in the registry of this effect's context (`Metric.MetricRegistry`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  unmeasured: StoreBackend
): Effect.fn.Return<MessageStore["Service"], never, Scope.Scope> {
  const meter = yield* Meter.make
  const backend = Measured.make(unmeasured, meter)
  const hub = yield* WakeUpHub.make(backend)
  const runners = yield* Runners.make(backend.runners)
  const newsWatch = yield* NewsWatch.make(backend)
  const { shared: sharedAppends, ...appends } = makeAppends(backend, hub)
  const streams = makeStreams(backend)
  return MessageStore.of({
    ...appends,
    ...streams,
    ...makePages(backend),
    ...makeLookups(backend),
    ...makeListings(backend),
    lease: (name) => tryLease(backend, name),
    wakeUps: (category, options) => subscribe(hub, category, options),
    transaction: makeTransaction(backend),
    [InProcess.TypeId]: InProcess.make(
      backend,
      { readStream: streams.readStream, sharedAppends },
      hub,
      meter,
      runners,
      newsWatch
    )
  })
})

const makeTransaction =
  ({ transactions }: StoreBackend) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Unsupported | StoreError, R> =>
    transactions?.run === undefined
      ? Effect.fail(
        new Unsupported({
          operation: "transactions",
          remedy: "append without one, or to several streams at once with writeAll or Entity.transactAll"
        })
      )
      : transactions.run(Independence.inside(effect))

/**
 * Runs an effect in a transaction of the store: what it appends is committed together, or not at all.
 *
 * **When to use**
 *
 * When several appends or transactions of entities belong together and `writeAll` or `Entity.transactAll` does not fit, or when
 * rows of your own belong to them. It works on all of eventfold's stores. With a SQL client that the store shares with your own
 * statements, `sql.withTransaction` does the same.
 *
 * **Details**
 *
 * Success commits; failure, a defect and interruption roll everything back. A refused append (`WrongExpectedVersion`,
 * `DuplicateMessageId`) writes nothing and leaves the transaction usable, so a conflict may be decided again inside. Reads inside
 * see what the transaction has written; other fibers see it after the commit. Readers are woken, and caches filled, after the
 * commit. A transaction within a transaction is a savepoint: when it fails, its own part is rolled back.
 *
 * Fails with `Unsupported` when the store has no transactions, and with `StoreError` when the transaction fails. A retryable one
 * (a lost connection, a deadlock, a table that was changed under a prepared statement) means that the whole transaction may succeed
 * when it runs again.
 *
 * **Gotchas**
 *
 * An append keeps other writers of its category waiting until the transaction ends; in memory, all other writers. So append
 * last, and keep transactions short. Two transactions that append to two categories in opposite order can deadlock: the
 * database ends one of them.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { MessageStore } from "eventfold"
 *
 * // Both streams, or neither.
 * const move = (from: string, to: string, amount: number) =>
 *   MessageStore.transaction(Effect.gen(function*() {
 *     const store = yield* MessageStore.MessageStore
 *     yield* store.append(`account-${from}`, { type: "Withdrawn", data: { amount } })
 *     yield* store.append(`account-${to}`, { type: "Deposited", data: { amount } })
 *   }))
 * ```
 *
 * @category transactions
 * @since 0.1.0
 */
export const transaction = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Unsupported | StoreError, R | MessageStore> =>
  MessageStore.use((store) => store.transaction(effect))

/**
 * Runs an effect whose reads and writes of the store are outside of the caller's transaction.
 *
 * **When to use**
 *
 * When an append must stay although the transaction around it is rolled back, such as a record of a failed attempt; and for the
 * rare append in a handler of a read model, which is refused otherwise because a rebuild would append again.
 *
 * **Details**
 *
 * Each append is a transaction of its own, and is visible at once. Reads do not see what the caller's transaction has written. A
 * {@link transaction} inside is one of its own, too.
 *
 * **Gotchas**
 *
 * Where the append would wait for the caller's transaction, it fails with a `StoreError` that is not retryable: on PGlite, which
 * has one connection; on PostgreSQL, in a category that the transaction has appended to; and in memory, when the transaction has
 * appended anything. On PostgreSQL it waits for other locks for at most `lockTimeout`, and within an independent transaction there is
 * no other independent one.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { MessageStore } from "eventfold"
 *
 * const audited = <A, E, R>(user: string, work: Effect.Effect<A, E, R>) =>
 *   Effect.gen(function*() {
 *     const store = yield* MessageStore.MessageStore
 *     // Stays, also when the transaction is rolled back.
 *     yield* MessageStore.independently(store.append(`audit-${user}`, { type: "Attempted", data: {} }))
 *     return yield* work
 *   }).pipe(MessageStore.transaction)
 * ```
 *
 * @category transactions
 * @since 0.1.0
 */
export const independently: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =
  Independence.independently

const tryLease = Effect.fn("MessageStore.lease", { kind: "client" })(function*(backend: StoreBackend, name: string) {
  yield* Effect.annotateCurrentSpan({ ...Measured.readSpan(backend, "lease").attributes, "eventfold.lease": name })
  const outer = yield* Effect.scope
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const scope = yield* Scope.fork(outer)
      return yield* restore(Scope.provide(backend.lease(name), scope)).pipe(
        Effect.onExit((exit) =>
          // Not granted: release now, not with the caller's scope.
          Exit.isSuccess(exit) && Option.isSome(exit.value) ? Effect.void : Scope.close(scope, exit)
        )
      )
    })
  )
})

const subscribe = Effect.fnUntraced(function*(
  hub: WakeUpHub.WakeUpHub,
  category: string | undefined,
  { bookkeeping = true }: WakeUpsOptions = {}
) {
  if (category !== undefined) return yield* hub.subscribe(yield* StreamName.parseCategory(category))
  return yield* hub.subscribe(bookkeeping ? undefined : WakeUpHub.withoutBookkeeping)
})

/**
 * A store in memory, for tests and small programs. It keeps every promise of a store; its messages are gone with the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<MessageStore> = Layer.effect(MessageStore, Effect.flatMap(MemoryStore.make, make))
