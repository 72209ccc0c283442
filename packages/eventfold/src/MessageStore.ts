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
import type { HeldBack } from "./HeldBack.ts"
import { makeAppends } from "./internal/store/appends.ts"
import * as InProcess from "./internal/store/inProcess.ts"
import { makeLookups } from "./internal/store/lookups.ts"
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
import * as WakeUpHub from "./internal/store/wakeUpHub.ts"
import * as MemoryStore from "./MemoryStore.ts"
import type * as Message from "./Message.ts"
import type { AppendResult, Lease, ReadAllResult, ReadPageResult, StoreBackend, StoreIdentity } from "./StoreBackend.ts"
import type { InvalidArgument, StoreError, Unsupported } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

/** @since 0.1.0 */
export type {
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

/** @since 0.1.0 */
export type { AllOptions, ReadOptions } from "./internal/store/options.ts"

/** @since 0.1.0 */
export { defaultBatchSize } from "./internal/store/options.ts"

/** @since 0.1.0 */
export type { InProcess } from "./internal/store/inProcess.ts"

/** @since 0.1.0 */
export type { WakeUps } from "./internal/store/wakeUpHub.ts"

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
  ) => Effect.Effect<WakeUpHub.WakeUps, StreamName.InvalidCategory, Scope.Scope>
  /** Only eventfold's own modules use it. A service that wraps another one hands it on, as spreading does. */
  readonly [InProcess.TypeId]: InProcess.InProcess
}>()("eventfold/MessageStore") {}

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
  return MessageStore.of({
    ...makeAppends(backend, hub),
    ...makeStreams(backend),
    ...makePages(backend),
    ...makeLookups(backend),
    lease: (name) => tryLease(backend, name),
    wakeUps: (category, options) => subscribe(hub, category, options),
    [InProcess.TypeId]: InProcess.make()
  })
})

const tryLease = Effect.fn("MessageStore.lease")(function*(backend: StoreBackend, name: string) {
  yield* Effect.annotateCurrentSpan("eventfold.lease", name)
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
 * A store in memory, for tests and small programs: a whole store under the same promises, gone with the layer.
 *
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<MessageStore> = Layer.effect(MessageStore, Effect.flatMap(MemoryStore.make, make))
