/**
 * The message store: append, read, and nothing a category or an entity would have to know about the database below.
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
import * as Tracer from "effect/Tracer"
import type * as ExpectedVersion from "./ExpectedVersion.ts"
import type { HeldBack } from "./HeldBack.ts"
import * as Coalescer from "./internal/runtime/coalescer.ts"
import { checkInt, checkNotEmpty, checkTypes } from "./internal/store/checkArguments.ts"
import { checkDistinctIds, encodeAppend, messageId } from "./internal/store/encodeAppend.ts"
import * as InProcess from "./internal/store/inProcess.ts"
import { nextAfter, paged } from "./internal/store/pagedStream.ts"
import * as WakeUpHub from "./internal/store/wakeUpHub.ts"
import type { WakeUps } from "./internal/store/wakeUpHub.ts"
import * as MemoryStore from "./MemoryStore.ts"
import type * as Message from "./Message.ts"
import {
  type AllPage,
  type AppendResult,
  type CategoryPage,
  type ConsumerGroup,
  type Lease,
  messagePage,
  type ReadAllResult,
  type ReadPageResult,
  type StoreBackend,
  type StoreIdentity
} from "./StoreBackend.ts"
import {
  type DuplicateMessageId,
  InvalidArgument,
  type InvalidMessage,
  type StoreError,
  type Unsupported,
  type WrongExpectedVersion
} from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

/** @since 0.1.0 */
export type { InProcess } from "./internal/store/inProcess.ts"

/** @since 0.1.0 */
export type { WakeUps } from "./internal/store/wakeUpHub.ts"

/**
 * How many messages one statement reads unless `batchSize` says otherwise.
 *
 * @since 0.1.0
 */
export const defaultBatchSize = 1_024

/** @since 0.1.0 */
export interface AppendOptions {
  /** Default `"any"`. */
  readonly expectedVersion?: ExpectedVersion.ExpectedVersion | undefined
}

/**
 * One stream's part of a `writeAll`.
 *
 * @since 0.1.0
 */
export interface Append extends AppendOptions {
  readonly streamName: string
  readonly messages: Message.Message | ReadonlyArray<Message.Message>
}

/** @since 0.1.0 */
export interface ReadOptions {
  /** How many messages at the most; all when absent. */
  readonly limit?: number | undefined
  /** How many messages one statement reads, and so how many are held in memory (about three times as many). */
  readonly batchSize?: number | undefined
}

/** @since 0.1.0 */
export interface ReadStreamOptions extends ReadOptions {
  /** The position to begin with, inclusive: default 0, backwards the stream's last. */
  readonly from?: number | undefined
  /** Default `"forwards"`. */
  readonly direction?: "forwards" | "backwards" | undefined
}

/** @since 0.1.0 */
export interface CountCategoryOptions {
  /** The global position to begin with, inclusive: default 1. */
  readonly from?: number | undefined
  /** Only messages of these types. An empty list is an `InvalidArgument`. */
  readonly types?: ReadonlyArray<string> | undefined
  /** Only messages whose metadata has a `correlationStreamName` of this category. */
  readonly correlation?: string | undefined
  /** Only messages of streams that belong to this member. Streams without an id belong to none. */
  readonly consumerGroup?: ConsumerGroup | undefined
}

/** @since 0.1.0 */
export interface ReadCategoryOptions extends ReadOptions, CountCategoryOptions {}

/** @since 0.1.0 */
export interface ReadCategoryPageOptions extends CountCategoryOptions {
  /** How many messages at most, from 1. Defaults to 1,024. */
  readonly limit?: number | undefined
}

/**
 * Which messages of the whole store.
 *
 * @since 0.1.0
 */
export interface AllOptions {
  /** The global position to begin with, inclusive: default 1. */
  readonly from?: number | undefined
  /** Only messages of these categories. An empty list is an `InvalidArgument`. */
  readonly categories?: ReadonlyArray<string> | undefined
  /** Only messages of these types. An empty list is an `InvalidArgument`. */
  readonly types?: ReadonlyArray<string> | undefined
}

/** @since 0.1.0 */
export interface CountAllOptions extends AllOptions {
  /** Only messages whose metadata has a `correlationStreamName` of this category. */
  readonly correlation?: string | undefined
  /** Only messages of streams that belong to this member. Streams without an id belong to none. */
  readonly consumerGroup?: ConsumerGroup | undefined
  /**
   * `false`: without what consumers write about themselves, their positions and what they have parked, which are in
   * categories of the types `position` and `parked`.
   */
  readonly bookkeeping?: boolean | undefined
}

/** @since 0.1.0 */
export interface ReadAllOptions extends ReadOptions, AllOptions {}

/** @since 0.1.0 */
export interface ReadAllPageOptions extends AllOptions {
  /** How many messages at the most, from 1. Default: 1,024. */
  readonly limit?: number | undefined
}

/** @since 0.1.0 */
export interface WakeUpsOptions {
  /**
   * `false`: without wake-ups for what consumers write about themselves, their positions and what they have parked, when no
   * category is given.
   */
  readonly bookkeeping?: boolean | undefined
}

/** @since 0.1.0 */
export type AppendError =
  | WrongExpectedVersion
  | DuplicateMessageId
  | StreamName.InvalidStreamName
  | InvalidMessage
  | StoreError

/** @since 0.1.0 */
export type ReadStreamError = StreamName.InvalidStreamName | InvalidArgument | Unsupported | StoreError

/** @since 0.1.0 */
export type ReadCategoryError = StreamName.InvalidCategory | InvalidArgument | StoreError

/** @since 0.1.0 */
export type ReadAllError = StreamName.InvalidCategory | InvalidArgument | StoreError

/**
 * A store of messages in streams, as Message DB defines it.
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
 * @since 0.1.0
 */
export class MessageStore extends Context.Service<MessageStore, {
  /**
   * Appends one or many messages to a stream, all or none of them.
   *
   * It is idempotent by message id: to append the same messages under the same ids again writes nothing and gives the
   * original result, so an append whose outcome is unknown can be sent again. An empty list is an `InvalidMessage`.
   */
  readonly append: (
    streamName: string,
    messages: Message.Message | ReadonlyArray<Message.Message>,
    options?: AppendOptions
  ) => Effect.Effect<AppendResult, AppendError>
  /**
   * Appends to several streams, all or nothing, in one transaction; results are in the order of the appends. The same
   * stream may occur more than once: its appends see one another.
   */
  readonly writeAll: (
    appends: ReadonlyArray<Append>
  ) => Effect.Effect<ReadonlyArray<AppendResult>, AppendError | Unsupported>
  /**
   * The messages of a stream by position, read batch by batch while they are consumed; none when the stream does not
   * exist. A name without an id is refused, as Message DB does.
   */
  readonly readStream: (
    streamName: string,
    options?: ReadStreamOptions
  ) => Stream.Stream<Message.RecordedMessage, ReadStreamError>
  /** The messages of all streams of a category by global position, up to the last one there is; then it ends. */
  readonly readCategory: (
    category: string,
    options?: ReadCategoryOptions
  ) => Stream.Stream<Message.RecordedMessage, ReadCategoryError>
  /**
   * Reads one page of what `readCategory` reads, with how far it has looked. Read on after `through` at once while `hasMore`:
   * that is while pages are full. A category is never held back.
   *
   * **Details**
   *
   * Calls with the same options made in the same moment share one read, unless they are made in a transaction: consumers
   * that are woken together read the store once.
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
   * All messages by global position, up to the last one that is safe; then it ends. Messages of different categories can
   * become visible out of that order: it waits a moment for one that is still to come, and otherwise ends before it. So a
   * reader that goes on after the last message it saw misses none.
   */
  readonly readAll: (options?: ReadAllOptions) => Stream.Stream<Message.RecordedMessage, ReadAllError>
  /**
   * One page of what `readAll` reads, with how far it has looked, for who keeps a position: go on after `through`, which
   * with filters moves on even when no message comes through them. Read on at once while `hasMore`. When it is held back it
   * says by whom; see {@link HeldBack}.
   *
   * Calls with the same options made in the same moment share one read, unless they are made in a transaction.
   *
   * @example
   * ```ts
   * import { Effect, Option } from "effect"
   * import { HeldBack, MessageStore } from "eventfold"
   *
   * // What is new of two categories after a position, and the new position.
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
   * What keeps a reader of everything from reading to the end right now; none when nothing does. `from` is the global
   * position, inclusive, where the reader goes on: default 1, or what this store knows to be final.
   */
  readonly heldBack: (
    options?: { readonly from?: number | undefined }
  ) => Effect.Effect<Option.Option<HeldBack>, InvalidArgument | StoreError>
  /** The message at a global position, from 1; none when there is none, or none yet. It is one look-up. */
  readonly messageAt: (
    globalPosition: number
  ) => Effect.Effect<Option.Option<Message.RecordedMessage>, InvalidArgument | StoreError>
  /**
   * The highest global position of a message that can be read now; 0 when there is none. One that is lower may still be to
   * come: how far a reader of everything can go is `readAllPage`'s to say. It is one look-up.
   */
  readonly lastPosition: Effect.Effect<number, StoreError>
  /**
   * How many messages `readAll` would read with the same filters, if nothing held it back; or fewer, by filters that it does
   * not have. For lag, as `countCategory`.
   */
  readonly countAll: (options?: CountAllOptions) => Effect.Effect<number, ReadAllError>
  /**
   * Which store this is, now: to be kept with positions that are kept elsewhere, and compared before they are used. A copy
   * that has taken over, or was restored to an earlier time, has another `timeline`.
   */
  readonly identity: Effect.Effect<StoreIdentity, StoreError>
  /**
   * The last message of a stream, or the last one of a type. As in Message DB, a bare category name is taken for the
   * stream of that very name.
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
   * The message with this id, if it is in this stream; none when it is in another. Upper and lower case are the same in
   * an id; one that is no UUID is an `InvalidArgument`. A bare category name is taken for the stream of that very name.
   */
  readonly findMessage: (
    streamName: string,
    id: string
  ) => Effect.Effect<
    Option.Option<Message.RecordedMessage>,
    StreamName.InvalidStreamName | InvalidArgument | StoreError
  >
  /**
   * The message of a category with the highest global position, whatever stream it is in; none when the category has no
   * message. It is one look-up, however many there are.
   */
  readonly lastCategoryMessage: (
    category: string
  ) => Effect.Effect<Option.Option<Message.RecordedMessage>, StreamName.InvalidCategory | StoreError>
  /**
   * How many messages `readCategory` would read with the same options. It is for lag: what it costs grows with the count,
   * by far less than reading does.
   */
  readonly countCategory: (
    category: string,
    options?: CountCategoryOptions
  ) => Effect.Effect<number, ReadCategoryError>
  /**
   * Tries once, without waiting, to become the only holder of a name among all processes that use the store; none when
   * somebody else holds it, or this process itself does. The name is any text, and has nothing to do with a category of
   * that name. It is given back when the scope closes, and when the process ends, however it ends.
   *
   * **Details**
   *
   * A lease keeps a second worker from doing what a first one does already. It is no proof that there is none: on
   * PostgreSQL a holder that is frozen (a stopped process, a suspended machine) or cut off loses the lease to somebody else,
   * and when it comes back it can go on for a moment before it sees `lost`. What it writes must stay right then, as it must
   * when messages are handled more than once anyway: by expected versions, by message ids, in a transaction.
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
  readonly lease: (name: string) => Effect.Effect<Option.Option<Lease>, StoreError, Scope.Scope>
  /**
   * Subscribes to wake-ups for a category, or for every one when it is absent, until the scope closes. Subscribe first,
   * then read, then wait: so nothing is missed.
   *
   * **Details**
   *
   * What is written through this store wakes at once. What other processes write wakes as far as the store learns of it:
   * on PostgreSQL that is what eventfold's stores announce, a moment after the commit. A wake-up is a hint, not a
   * delivery: it can come late, or, from a writer that announces nothing, not at all. So read again now and then anyway.
   *
   * @example
   * ```ts
   * import { Effect, Option, Stream } from "effect"
   * import { MessageStore } from "eventfold"
   *
   * const follow = Effect.gen(function*() {
   *   const store = yield* MessageStore.MessageStore
   *   const wakeUps = yield* store.wakeUps("account")
   *   let from = 1
   *   while (true) {
   *     yield* Stream.runForEach(store.readCategory("account", { from }), (message) =>
   *       Effect.sync(() => {
   *         from = message.globalPosition + 1
   *       }))
   *     yield* Effect.timeoutOption(wakeUps.await, "1 second")
   *   }
   * }).pipe(Effect.scoped)
   * ```
   */
  readonly wakeUps: (
    category?: string | undefined,
    options?: WakeUpsOptions | undefined
  ) => Effect.Effect<WakeUps, StreamName.InvalidCategory, Scope.Scope>
  /** Only eventfold's own modules use it. A service that wraps another one hands it on, as spreading does. */
  readonly [InProcess.TypeId]: InProcess.InProcess
}>()("eventfold/MessageStore") {}

const checkReadOptions = (options: ReadOptions & { readonly from?: number | undefined }) =>
  checkInt("from", options.from, 0).pipe(
    Effect.flatMapEager(() => checkInt("limit", options.limit, 0)),
    Effect.flatMapEager(() => checkInt("batchSize", options.batchSize, 1))
  )

const checkConsumerGroup = Effect.fnUntraced(function*(group: ConsumerGroup | undefined) {
  if (group === undefined) return
  yield* checkInt("consumerGroup.size", group.size, 1)
  yield* checkInt("consumerGroup.member", group.member, 0)
  if (group.member >= group.size) {
    return yield* new InvalidArgument({
      argument: "consumerGroup.member",
      value: String(group.member),
      expected: `less than the group's size, ${group.size}`
    })
  }
})

const checkCorrelation = ({ correlation }: { readonly correlation?: string | undefined }) =>
  correlation === undefined ? Effect.undefined : StreamName.parseCategory(correlation)

const categoryRange = Effect.fnUntraced(function*(name: string, options: CountCategoryOptions) {
  const category = yield* StreamName.parseCategory(name)
  yield* checkInt("from", options.from, 0)
  yield* checkConsumerGroup(options.consumerGroup)
  const types = yield* checkTypes(options.types)
  const correlation = yield* checkCorrelation(options)
  return { category, from: options.from ?? 1, types, correlation, consumerGroup: options.consumerGroup }
})

/** The global position to begin with: one that no message has would be a gap to wait for. */
const globalFrom = (from: number | undefined) => Effect.as(checkInt("from", from, 0), Math.max(1, from ?? 1))

const allFilters = Effect.fnUntraced(function*(options: AllOptions) {
  const types = yield* checkTypes(options.types)
  if (options.categories === undefined) return { categories: undefined, types }
  yield* checkNotEmpty("categories", options.categories)
  const categories = yield* Effect.forEach(new Set(options.categories), StreamName.parseCategory)
  return { categories, types }
})

/**
 * Makes the service of a database's {@link StoreBackend}. What it has open for subscribers to wake-ups is closed with the
 * scope.
 *
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  backend: StoreBackend
): Effect.fn.Return<MessageStore["Service"], never, Scope.Scope> {
  const hub = yield* WakeUpHub.make(backend)
  const pages = Coalescer.make<string, ReadPageResult, ReadCategoryError | ReadAllError>()
  const { isInTransaction = Effect.succeed(false) } = backend

  /** Reads a page, once for all fibers that want the same one before the read begins. */
  const sharePage = <E extends ReadCategoryError | ReadAllError>(
    what: ReadonlyArray<unknown>,
    read: Effect.Effect<ReadPageResult, E>
  ) =>
    Effect.flatMap(
      isInTransaction,
      (isInTransaction) => isInTransaction ? read : pages.share(JSON.stringify(what), Effect.yieldNow, read)
    )

  // Not Effect.fn, whose look at the stack of the caller costs more than all else that is done here for an append.
  const append = (
    streamName: string,
    messages: Message.Message | ReadonlyArray<Message.Message>,
    options?: AppendOptions
  ) =>
    Effect.useSpan(
      "MessageStore.append",
      { attributes: { "eventfold.stream": streamName } },
      (span) =>
        encodeAppend({ ...options, streamName, messages }).pipe(
          Effect.flatMap((encoded) =>
            Effect.andThen(checkDistinctIds([encoded]), hub.waking([encoded], backend.append(encoded)))
          ),
          Effect.provideService(Tracer.ParentSpan, span)
        )
    )

  const writeAll = Effect.fn("MessageStore.writeAll")(function*(appends: ReadonlyArray<Append>) {
    yield* Effect.annotateCurrentSpan("eventfold.streams", appends.length)
    const encoded = yield* Effect.forEach(appends, encodeAppend)
    yield* checkDistinctIds(encoded)
    return encoded.length === 0 ? [] : yield* hub.waking(encoded, backend.writeAll(encoded))
  })

  const readStream = (name: string, options: ReadStreamOptions = {}) =>
    paged({
      span: "MessageStore.readStream",
      attributes: { "eventfold.stream": name },
      limit: options.limit,
      batchSize: options.batchSize ?? defaultBatchSize,
      start: Effect.flatMapEager(StreamName.parseWithId(name), (streamName) =>
        Effect.map(checkReadOptions(options), () => {
          const direction = options.direction ?? "forwards"
          const step = direction === "forwards" ? 1 : -1
          return {
            from: options.from,
            read: (from: number | undefined, limit: number) =>
              Effect.map(
                backend.readStream({ streamName, direction, from, limit }),
                nextAfter(limit, ({ position }): number | undefined =>
                  position + step < 0 ? undefined : position + step)
              )
          }
        }))
    })

  const readCategory = (name: string, options: ReadCategoryOptions = {}) =>
    paged({
      span: "MessageStore.readCategory",
      attributes: { "eventfold.category": name },
      limit: options.limit,
      batchSize: options.batchSize ?? defaultBatchSize,
      start: Effect.gen(function*() {
        const range = yield* categoryRange(name, options)
        yield* checkReadOptions(options)
        return {
          from: range.from,
          read: (from: number, limit: number) =>
            Effect.map(
              backend.readCategory({ ...range, from, limit } satisfies CategoryPage),
              nextAfter(limit, ({ globalPosition }): number | undefined => globalPosition + 1)
            )
        }
      })
    })

  const readAll = (options: ReadAllOptions = {}) =>
    paged({
      span: "MessageStore.readAll",
      attributes: {},
      limit: options.limit,
      batchSize: options.batchSize ?? defaultBatchSize,
      start: Effect.gen(function*() {
        yield* checkReadOptions(options)
        const filters = yield* allFilters(options)
        return {
          from: yield* globalFrom(options.from),
          read: (from: number, limit: number) =>
            Effect.map(
              backend.readAll({ ...filters, from, limit } satisfies AllPage),
              ({ hasMore, messages, through }) => ({
                ...messagePage(messages),
                next: hasMore ? through + 1 : undefined
              })
            )
        }
      })
    })

  const readCategoryPage = (name: string, options: ReadCategoryPageOptions = {}) =>
    sharePage(["category", name, options], readCategoryPageAlone(name, options))

  const readCategoryPageAlone = Effect.fn("MessageStore.readCategoryPage")(
    function*(name: string, options: ReadCategoryPageOptions) {
      yield* Effect.annotateCurrentSpan("eventfold.category", name)
      const range = yield* categoryRange(name, options)
      yield* checkInt("limit", options.limit, 1)
      const { limit = defaultBatchSize } = options
      const from = Math.max(1, range.from)
      const { last, length, slice } = yield* backend.readCategory({ ...range, from, limit })
      return {
        messages: yield* slice(0, length),
        through: last?.globalPosition ?? from - 1,
        hasMore: length === limit,
        heldBack: Option.none()
      } satisfies ReadPageResult
    }
  )

  const readAllPage = (options: ReadAllPageOptions = {}) => sharePage(["all", options], readAllPageAlone(options))

  const readAllPageAlone = Effect.fn("MessageStore.readAllPage")(function*(options: ReadAllPageOptions) {
    yield* checkInt("limit", options.limit, 1)
    const filters = yield* allFilters(options)
    return yield* backend.readAll({
      ...filters,
      from: yield* globalFrom(options.from),
      limit: options.limit ?? defaultBatchSize
    })
  })

  const heldBack = Effect.fn("MessageStore.heldBack")(
    function*(options: { readonly from?: number | undefined } = {}) {
      return yield* backend.heldBack(yield* globalFrom(options.from))
    }
  )

  const countAll = Effect.fn("MessageStore.countAll")(function*(options: CountAllOptions = {}) {
    const { bookkeeping = true, consumerGroup } = options
    const filters = yield* allFilters(options)
    const correlation = yield* checkCorrelation(options)
    yield* checkConsumerGroup(consumerGroup)
    return yield* backend.countAll({
      ...filters,
      correlation,
      consumerGroup,
      bookkeeping,
      from: yield* globalFrom(options.from)
    })
  })

  const messageAt = Effect.fn("MessageStore.messageAt")(function*(globalPosition: number) {
    yield* checkInt("globalPosition", globalPosition, 0)
    return yield* backend.messageAt(globalPosition)
  })

  const lastMessage = Effect.fn("MessageStore.lastMessage")(function*(
    name: string,
    options?: { readonly type?: string | undefined }
  ) {
    yield* Effect.annotateCurrentSpan("eventfold.stream", name)
    return yield* backend.lastMessage(yield* StreamName.parse(name), options?.type)
  })

  const streamVersion = Effect.fn("MessageStore.streamVersion")(function*(name: string) {
    yield* Effect.annotateCurrentSpan("eventfold.stream", name)
    return yield* backend.streamVersion(yield* StreamName.parse(name))
  })

  const findMessage = Effect.fn("MessageStore.findMessage")(function*(name: string, id: string) {
    yield* Effect.annotateCurrentSpan("eventfold.stream", name)
    const streamName = yield* StreamName.parse(name)
    const wanted = messageId(id)
    return yield* wanted === undefined
      ? Effect.fail(new InvalidArgument({ argument: "id", value: JSON.stringify(id), expected: "a UUID" }))
      : backend.findMessage(streamName, wanted)
  })

  const lastCategoryMessage = Effect.fn("MessageStore.lastCategoryMessage")(function*(name: string) {
    yield* Effect.annotateCurrentSpan("eventfold.category", name)
    return yield* backend.lastCategoryMessage(yield* StreamName.parseCategory(name))
  })

  const countCategory = Effect.fn("MessageStore.countCategory")(
    function*(name: string, options: CountCategoryOptions = {}) {
      yield* Effect.annotateCurrentSpan("eventfold.category", name)
      return yield* backend.countCategory(yield* categoryRange(name, options))
    }
  )

  const lease = Effect.fn("MessageStore.lease")(function*(name: string) {
    yield* Effect.annotateCurrentSpan("eventfold.lease", name)
    const outer = yield* Effect.scope
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        // What there is of a lease that is not to be does not wait for the caller's scope.
        const scope = yield* Scope.fork(outer)
        return yield* restore(Scope.provide(backend.lease(name), scope)).pipe(
          Effect.onExit((exit) =>
            Exit.isSuccess(exit) && Option.isSome(exit.value) ? Effect.void : Scope.close(scope, exit)
          )
        )
      })
    )
  })

  const wakeUps = Effect.fnUntraced(function*(
    category?: string | undefined,
    { bookkeeping = true }: WakeUpsOptions = {}
  ) {
    if (category === undefined) return yield* hub.subscribe(bookkeeping ? undefined : WakeUpHub.news)
    return yield* hub.subscribe(yield* StreamName.parseCategory(category))
  })

  return MessageStore.of({
    append,
    writeAll,
    readStream,
    readCategory,
    readCategoryPage,
    readAll,
    readAllPage,
    heldBack,
    messageAt,
    lastPosition: Effect.withSpan(backend.lastPosition, "MessageStore.lastPosition"),
    countAll,
    identity: Effect.withSpan(backend.identity, "MessageStore.identity"),
    lastMessage,
    streamVersion,
    findMessage,
    lastCategoryMessage,
    countCategory,
    lease,
    wakeUps,
    [InProcess.TypeId]: InProcess.make()
  })
})

/**
 * A store in memory, for tests and small programs: a whole store under the same promises, gone with the layer.
 *
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<MessageStore> = Layer.effect(MessageStore, Effect.flatMap(MemoryStore.make, make))
