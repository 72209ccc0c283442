/**
 * A read model keeps tables in step with the log. Its handlers change the tables, many messages in one transaction, which also
 * stores how far the read model has come: each message changes the tables exactly once, whatever crashes and whenever.
 *
 * **When to use**
 *
 * For data that is derived from messages and queried: balances by account, open orders, reports. For what happens outside of
 * the tables, such as a call to another system, use a `Consumer`.
 *
 * **Details**
 *
 * {@link make} and {@link batch} define a read model, {@link run}, {@link start} and {@link layer} run it. {@link waitFor} gives
 * one's own writes to a query, {@link status} the lag. Raise the version when the definition changes: a new build of the tables
 * is filled beside the live one, and takes its place when it has caught up. {@link rebuild} does the same on demand.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Host, OnStop, Running, Written } from "./Consumer.ts"
import * as Runnable from "./internal/processor/runnable.ts"
import type {
  AnyOutcome,
  ErrorOf,
  Handlers,
  Outcomes,
  ServicesOf,
  SourceError,
  SourceServices
} from "./internal/processor/sources.ts"
import { ofReadModel } from "./internal/processor/subject.ts"
import { whenWritten } from "./internal/processor/written.ts"
import * as Builds from "./internal/readModel/builds.ts"
import type { Status, StoredReadModel } from "./internal/readModel/buildStatus.ts"
import { checkBuildOptions, checkDefinition } from "./internal/readModel/checkDefinition.ts"
import type { BuildOptions, Options, ReadModel } from "./internal/readModel/definition.ts"
import type { BuildNotFound, ReadModelChanged, ReadModelIsBuilding, RunError } from "./internal/readModel/errors.ts"
import { type BatchHandler, fromBatchHandler, fromHandlers } from "./internal/readModel/fromHandlers.ts"
import * as MemoryReadModelStore from "./internal/readModel/memoryReadModelStore.ts"
import * as Rebuild from "./internal/readModel/rebuild.ts"
import type { Progress } from "./internal/readModel/rebuild.ts"
import * as Runner from "./internal/readModel/runner.ts"
import * as SideEffects from "./internal/readModel/sideEffects.ts"
import { list as readList, readStatus } from "./internal/readModel/status.ts"
import { waitFor as waitForPosition } from "./internal/readModel/waitFor.ts"
import * as Eager from "./internal/runtime/eagerLoop.ts"
import { checkInt } from "./internal/store/argumentChecks.ts"
import type { MemoryTables } from "./MemoryTable.ts"
import type { RecordedMessage } from "./Message.ts"
import type { MessageStore } from "./MessageStore.ts"
import type { BuildMoved, ReadModelStore } from "./ReadModelStore.ts"
import type { Incoming, Source } from "./Source.ts"
import type { InvalidArgument, StoreError } from "./StoreError.ts"
import type * as StreamName from "./StreamName.ts"

/** @since 0.1.0 */
export type { BuildOptions, Decoded, Options, ReadModel } from "./internal/readModel/definition.ts"
/** @since 0.1.0 */
export {
  BuildNotFound,
  BuildsDiffer,
  ReadModelChanged,
  ReadModelIsBuilding,
  type RunError,
  StoreChanged
} from "./internal/readModel/errors.ts"
/** @since 0.1.0 */
export { HandlerTimeout } from "./internal/processor/timeLimit.ts"
/** @since 0.1.0 */
export type { Progress } from "./internal/readModel/rebuild.ts"
/** @since 0.1.0 */
export { BuildStatus, Status, StoredReadModel } from "./internal/readModel/buildStatus.ts"
/** @since 0.1.0 */
export { type All, all, type AllFilters, allOf, type Incoming, type Source } from "./Source.ts"

/**
 * A read model to which `on` adds sources. Each addition gives a new definition and leaves this one as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Definition<E, R> extends ReadModel<E, R> {
  /**
   * Adds a source and its handlers: by type of event, or one function for the events of all types. The read model skips events
   * that no handler takes.
   *
   * **Details**
   *
   * The events of a category are decoded: `({ type, data, id, recorded })`. A handler of another source gets the recorded
   * message. Each source can be added once: the same one twice is an `InvalidArgument` when the read model runs.
   */
  readonly on: <
    From extends Source,
    K extends string,
    Outs extends Outcomes = {},
    Out extends AnyOutcome = never
  >(
    from: From,
    handlers: Handlers<From, K, Outs, Out>
  ) => Definition<
    E | ErrorOf<Out | Outs[keyof Outs]> | SourceError<From>,
    R | ServicesOf<Out | Outs[keyof Outs]> | SourceServices<From>
  >
}

/**
 * Defines a read model by its name and version. `on` adds sources and handlers.
 *
 * **Details**
 *
 * The name has 1 to 50 lower-case letters, digits and `_`, and starts with a letter, because stores name tables after it.
 *
 * The messages of all sources are handled one after the other, by global position, up to `atOnce` in one transaction. When the
 * transaction fails for the last time, its messages are handled one by one, each in its own transaction, so that `onFailure`
 * decides about the one that can't be handled.
 *
 * **Gotchas**
 *
 * A handler changes the tables of its read model and nothing else. What it does elsewhere is not undone with the transaction,
 * and happens again with each retry and rebuild: use {@link sideEffect} for that.
 *
 * @example
 * ```ts
 * import { Category, MemoryTable, MessageStore, ReadModel } from "eventfold"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Order = Category.make("order", { Placed: { total: Schema.Int }, Cancelled: {} })
 *
 * const open = MemoryTable.make<string, number>("open_orders", "by_stream")
 * const OpenOrders = ReadModel.make("open_orders", { version: 1 }).on(Order, {
 *   Placed: ({ data, id }) => open.set(id, data.total),
 *   Cancelled: ({ id }) => open.remove(id)
 * })
 *
 * const program = Effect.gen(function*() {
 *   yield* ReadModel.start(OpenOrders)
 *   const { globalPosition } = yield* Order.append("1", Order.events.Placed({ total: 42 }))
 *   yield* ReadModel.waitFor(OpenOrders, globalPosition)
 *   return yield* open.entries // [["1", 42]]
 * }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(MessageStore.layerMemory, ReadModel.layerMemory)))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (name: string, options: Options): Definition<never, never> =>
  // The signatures of `on` state what its handlers fail with and need.
  fromHandlers(name, options, []) as Definition<never, never>

/**
 * Defines a read model with one handler for many messages, which is fast when one statement changes the tables for all of them.
 *
 * **Details**
 *
 * The handler gets the messages of one transaction, in the order of their global positions: at most `atOnce` (2,000 by
 * default), and fewer when no more are written yet. When it fails for the last time, it gets them one by one, each in its own
 * transaction, so that `onFailure` decides about the one that can't be handled.
 *
 * @since 0.1.0
 * @category constructors
 */
export const batch = <From extends Source, E, R>(
  name: string,
  options: Options & {
    readonly from: From | ReadonlyArray<From>
    readonly handle: (events: Arr.NonEmptyReadonlyArray<Incoming<From>>) => Effect.Effect<unknown, E, R>
  }
): ReadModel<E | SourceError<From>, R | SourceServices<From>> =>
  // The signature states what the handler fails with and needs.
  fromBatchHandler(name, options, Arr.ensure(options.from), options.handle as BatchHandler)

/**
 * Within a handler: runs an effect after the transaction of the handler is committed, such as sending a mail.
 *
 * **Details**
 *
 * The side effects of a transaction run one after the other, in the order of the calls, before the read model handles the next
 * messages. They have the services of the handler, but not its transaction: `SqlClient` is the one outside of it. When the
 * transaction is rolled back, its side effects are dropped. An effect handles its own errors; a defect is logged.
 *
 * Side effects do not run for messages that were written before the read model had its first build, nor for those that a new
 * build handles again, unless `build.sideEffects` is set.
 *
 * Outside of {@link run}, {@link rebuild} and {@link afterCommit} the effect runs at once.
 *
 * **Gotchas**
 *
 * A side effect runs at most once: not at all when the process dies right after the commit. For at least once, use a
 * `Consumer`.
 *
 * @since 0.1.0
 * @category handling
 */
export const sideEffect: <R>(effect: Effect.Effect<unknown, never, R>) => Effect.Effect<void, never, R> =
  SideEffects.sideEffect

/**
 * Handles messages with the handlers of a read model, in the transaction of the caller.
 *
 * **When to use**
 *
 * To keep a read model in another way than {@link run} does, such as within the transaction of an append.
 *
 * **Details**
 *
 * The messages are handled in the order given; those that the read model does not take are skipped. Nothing is retried, and
 * `onFailure` does not apply: it fails with the error of the first handler that fails, and the caller rolls back.
 *
 * **Gotchas**
 *
 * It moves no checkpoint: the caller does, in the same transaction. Side effects run within the transaction, at once, unless
 * the transaction is within {@link afterCommit} or {@link withoutSideEffects}.
 *
 * @since 0.1.0
 * @category handling
 */
export const apply = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  messages: ReadonlyArray<RecordedMessage>
): Effect.fn.Return<void, E, R> {
  const decoded = yield* Eager.filterMap(messages, model.decode)
  if (Arr.isArrayNonEmpty(decoded)) yield* SideEffects.inTransaction(model.name, model.handle(decoded))
})

/**
 * Runs a transaction that calls {@link apply}, and then the side effects of the handlers, in the order of the calls. When the
 * transaction fails or is interrupted, its side effects are dropped. Wrap the whole transaction, so that the effect given ends
 * with the commit.
 *
 * @since 0.1.0
 * @category handling
 */
export const afterCommit = <A, E, R>(
  transaction: Effect.Effect<A, E, R>,
  options: {
    /** Runs the side effects later, when the transaction is a part of another one. Defaults to running them at once. */
    readonly whenCommitted?: ((sideEffects: Effect.Effect<void>) => Effect.Effect<void>) | undefined
  } = {}
): Effect.Effect<A, E, R> => SideEffects.runningSideEffects(transaction, false, options.whenCommitted)

/**
 * Runs an effect that calls {@link apply}, and drops the side effects of the handlers: for messages that were handled before,
 * or that are history.
 *
 * @since 0.1.0
 * @category handling
 */
export const withoutSideEffects = <A, E, R>(handlers: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  SideEffects.runningSideEffects(handlers, true)

/**
 * The store of read models in memory, for tests and small programs. It keeps the rows of `MemoryTable`, and loses them with the
 * layer. A read model whose `tables` are of another store fails with `Unsupported`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<ReadModelStore | MemoryTables> = MemoryReadModelStore.layer

type AnyModel = ReadModel<unknown, unknown>

const runnable = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>) {
  const { run, status } = yield* Runner.make(model)
  const made: Runnable.Runnable<E | RunError, R | MessageStore | ReadModelStore> = {
    id: model.name,
    category: model.sources.join(", "),
    subject: ofReadModel(model),
    run: Effect.andThen(checkDefinition(model), run),
    status,
    waitFor: (globalPosition) => waitFor(model, globalPosition)
  }
  return made
})

/**
 * Runs a read model until it fails or is interrupted. When it is interrupted, the transaction in progress may end within `grace`,
 * and is rolled back otherwise.
 *
 * **Details**
 *
 * Of all processes on a store, one at a time runs a read model. The others wait, and one of them takes over within seconds when
 * the first one stops or dies. When two are at work for a moment, because one was frozen, the slower one finds the checkpoint
 * moved and changes nothing: each message changes the tables once. While the store is away, the read model waits for it.
 *
 * The first build is live at once: queries see it fill. When an older version is live, `run` fills a new build beside it, as
 * the option `build` says, and switches to it when it has caught up. When a newer version is live, `run` stands by.
 *
 * It fails with the error of a handler whose retries are used up (`onFailure: "stop"`), and with {@link RunError}.
 *
 * @since 0.1.0
 * @category running
 */
export const run = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>
): Effect.fn.Return<never, E | RunError, R | MessageStore | ReadModelStore> {
  return yield* (yield* runnable(model)).run
})

/**
 * Runs a read model in the background until the scope closes, as {@link run} does, and gives a handle to it.
 *
 * **Gotchas**
 *
 * A failure of the read model surfaces only through the handle's `await` and `waitFor`. Use {@link layer} when the program
 * should end with it.
 *
 * @since 0.1.0
 * @category running
 */
export const start = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>
): Effect.fn.Return<
  Running<E | RunError>,
  InvalidArgument,
  R | MessageStore | ReadModelStore | Scope.Scope
> {
  yield* checkDefinition(model)
  return yield* Runnable.start(yield* runnable(model))
})

/**
 * A read model as a layer, for `Consumer.launch`. The read model runs as long as the layer does. By default a read model that
 * fails ends the program with its error. See `Consumer.layer`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E, R, const S extends OnStop = "fail">(
  model: ReadModel<E, R>,
  options?: {
    /** Defaults to `"fail"`, so that no read model is dead without notice. */
    readonly onStop?: S | undefined
  }
): Layer.Layer<
  never,
  never,
  R | MessageStore | ReadModelStore | Host<S extends "ignore" ? never : E | RunError>
> =>
  Runnable.layer<E | RunError, R | MessageStore | ReadModelStore, never, never, S>(
    runnable(model),
    options?.onStop ?? "fail" as S
  )

type StatusError = StoreError | InvalidArgument | StreamName.InvalidCategory

/**
 * Gives the builds of a read model and the lag of each, from any process, by the checkpoints that are stored. The lag counts the
 * messages that the definition given handles, of all types that it names.
 *
 * @since 0.1.0
 * @category observing
 */
export const status: (
  model: AnyModel
) => Effect.Effect<Status, StatusError, MessageStore | ReadModelStore> = Effect.fn("ReadModel.status")(
  function*(model) {
    yield* checkDefinition(model)
    return yield* readStatus(model)
  }
)

/**
 * Lists the read models that have a build, without their definitions: their builds, by rising number, and how many global positions
 * each is behind the end of the log. By name.
 *
 * **When to use**
 *
 * When a tool or an operator has only the store. With the definition, {@link status} counts the messages that it handles.
 *
 * @since 0.1.0
 * @category observing
 */
export const list: Effect.Effect<
  ReadonlyArray<StoredReadModel>,
  StoreError,
  MessageStore | ReadModelStore
> = Effect.withSpan(readList, "ReadModel.list")

/**
 * Waits, in any process, until the live build has handled everything up to a global position (inclusive). After an append or a
 * transaction, wait for its position, and the tables have one's own writes. Returns at once for the none of a transaction that
 * wrote nothing.
 *
 * **Details**
 *
 * In the process that runs the read model it completes with the transaction. In another one it looks at the stored checkpoint
 * once per `interval`.
 *
 * It fails with {@link ReadModelChanged} when another definition of the same version has filled the tables.
 *
 * **Gotchas**
 *
 * It waits without an end, also when no process runs the read model: give it a `timeout`.
 *
 * @since 0.1.0
 * @category observing
 */
export const waitFor = Effect.fn("ReadModel.waitFor")(function*(
  model: AnyModel,
  globalPosition: Written,
  options?: {
    /** How often to look at what other processes have done. Defaults to 100 milliseconds. */
    readonly interval?: Duration.Input | undefined
  }
): Effect.fn.Return<void, StatusError | ReadModelChanged, MessageStore | ReadModelStore> {
  yield* checkDefinition(model)
  yield* whenWritten(globalPosition, (position) =>
    Effect.andThen(
      checkInt("globalPosition", position, 0),
      waitForPosition(model, position, options?.interval ?? "100 millis")
    ))
})

/**
 * Builds a read model again, beside the live build, which keeps up with the log meanwhile, and switches to the new build when it
 * has caught up. The stream does the work and reports its progress after each batch: run it to its end.
 *
 * **Details**
 *
 * The options are those of the definition (`build`), unless they are given here.
 *
 * When the stream is stopped, the unfinished build stays, and the next `rebuild` of the same definition resumes it. A changed
 * definition drops it and begins from the start. A read model without any build gets its first one, which is live at once.
 *
 * Beside the errors of {@link run} it fails with {@link ReadModelIsBuilding} while another build is being filled, here or in
 * another process; with {@link BuildNotFound} when its build was dropped meanwhile; and with `BuildMoved` when another process
 * changes the builds at the same moment.
 *
 * @example
 * ```ts
 * import { ReadModel } from "eventfold"
 * import { Effect, Stream } from "effect"
 *
 * const rebuild = <E, R>(model: ReadModel.ReadModel<E, R>) =>
 *   Stream.runForEach(
 *     ReadModel.rebuild(model, { throttle: 5_000 }),
 *     ({ handled, of, phase }) => Effect.log(`${phase}: ${handled} of ${of} messages`)
 *   )
 * ```
 *
 * @since 0.1.0
 * @category operating
 */
export const rebuild = <E, R>(
  model: ReadModel<E, R>,
  options?: BuildOptions
): Stream.Stream<
  Progress,
  E | RunError | BuildMoved | BuildNotFound | ReadModelIsBuilding,
  R | MessageStore | ReadModelStore
> => {
  const all: BuildOptions = { ...model.options.build, ...options }
  return Stream.unwrap(
    Effect.as(Effect.andThen(checkDefinition(model), checkBuildOptions(all)), Rebuild.rebuild(model, all))
  )
}

/**
 * Has the live build resume after a global position (inclusive): 0, or that of a message. Its tables stay as they are.
 *
 * **When to use**
 *
 * After a restore of the log, when the tables are right up to that position: see {@link StoreChanged}.
 *
 * **Gotchas**
 *
 * The messages after the position are handled, again if they were handled before. To begin with empty tables, use {@link rebuild}.
 *
 * @since 0.1.0
 * @category operating
 */
export const rewind = Effect.fn("ReadModel.rewind")(function*(
  model: Pick<AnyModel, "name">,
  position: number
): Effect.fn.Return<
  void,
  BuildNotFound | BuildMoved | StoreError | InvalidArgument,
  MessageStore | ReadModelStore
> {
  yield* checkInt("position", position, 0)
  yield* Builds.rewind(model.name, position)
})

/**
 * Accepts a changed definition of the same version: from now on the live build counts as filled by it. For a change that makes
 * no difference to the tables, such as a renamed variable: see {@link ReadModelChanged}. It fails with {@link BuildNotFound}
 * when the live build is of another version.
 *
 * @since 0.1.0
 * @category operating
 */
export const accept = Effect.fn("ReadModel.accept")(function*(
  model: AnyModel
): Effect.fn.Return<void, BuildNotFound | BuildMoved | StoreError, ReadModelStore> {
  yield* Builds.accept(model)
})

/**
 * Drops a build and its tables, by its number. The live build can't be dropped: that is an `InvalidArgument`.
 *
 * @since 0.1.0
 * @category operating
 */
export const drop = Effect.fn("ReadModel.drop")(function*(
  model: Pick<AnyModel, "name">,
  number: number
): Effect.fn.Return<void, BuildNotFound | BuildMoved | StoreError | InvalidArgument, ReadModelStore> {
  yield* Builds.drop(model.name, number)
})
