/**
 * A read model: tables that are kept in step with the log, each message handled exactly once as far as they tell, because
 * what a handler does to them is stored in one transaction with how far the read model has come.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Category from "./Category.ts"
import type { Host, Running } from "./internal/processor/host.ts"
import * as Hosted from "./internal/processor/runnable.ts"
import type {
  AnyOutcome,
  ErrorOf,
  EventHandlers,
  Outcomes,
  ServicesOf,
  SourceError,
  SourceServices
} from "./internal/processor/sources.ts"
import { ofReadModel } from "./internal/processor/subject.ts"
import * as Builds from "./internal/readModel/builds.ts"
import { checkBuildOptions, checkDefinition } from "./internal/readModel/checkDefinition.ts"
import type { BuildOptions, Options, ReadModel } from "./internal/readModel/definition.ts"
import type { BuildNotFound, ReadModelChanged, ReadModelIsBuilding, RunError } from "./internal/readModel/errors.ts"
import { type BatchHandler, fromBatchHandler, fromHandlers } from "./internal/readModel/fromHandlers.ts"
import * as Memory from "./internal/readModel/memoryReadModelStore.ts"
import * as Progressing from "./internal/readModel/rebuild.ts"
import type { Progress } from "./internal/readModel/rebuild.ts"
import * as Here from "./internal/readModel/runner.ts"
import * as SideEffects from "./internal/readModel/sideEffects.ts"
import * as Observed from "./internal/readModel/status.ts"
import type { Status } from "./internal/readModel/status.ts"
import * as Waiting from "./internal/readModel/waitFor.ts"
import * as Eager from "./internal/runtime/eager.ts"
import { checkInt } from "./internal/store/checkArguments.ts"
import type { MemoryTables } from "./MemoryTable.ts"
import type { RecordedMessage } from "./Message.ts"
import type { MessageStore } from "./MessageStore.ts"
import type { BuildMoved, ReadModelStore } from "./ReadModelStore.ts"
import type { All, Incoming, Source } from "./Source.ts"
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
export type { Progress } from "./internal/readModel/rebuild.ts"
/** @since 0.1.0 */
export type { BuildStatus, Status } from "./internal/readModel/status.ts"
/** @since 0.1.0 */
export { type All, all, type AllFilters, allOf, type Incoming, type Source } from "./Source.ts"

/**
 * A read model to which sources can be added. Each addition gives a new definition, and leaves this one as it is.
 *
 * @since 0.1.0
 */
export interface Definition<E, R> extends ReadModel<E, R> {
  /**
   * Adds a source, each category once, and what is done with its events by type; those of other types are passed over. It
   * may be one function for all types as well.
   */
  readonly on: {
    <From extends Category.Any, Out extends AnyOutcome>(
      from: From,
      handler: (event: Category.RecordedEvent<From>) => Out
    ): Definition<E | ErrorOf<Out> | Category.DecodeError, R | ServicesOf<Out> | Category.Services<From>>
    <
      From extends Category.Any,
      Out extends { readonly [K in keyof From["Events"] & string]?: AnyOutcome } = {}
    >(
      from: From,
      handlers: EventHandlers<From, Out>
    ): Definition<
      E | ErrorOf<Out[keyof Out]> | Category.DecodeError,
      R | ServicesOf<Out[keyof Out]> | Category.Services<From>
    >
    <Out extends AnyOutcome>(
      from: string | All,
      handler: (message: RecordedMessage) => Out
    ): Definition<E | ErrorOf<Out>, R | ServicesOf<Out>>
    <Out extends Outcomes>(
      from: string | All,
      handlers: { readonly [K in keyof Out]: (message: RecordedMessage) => Out[K] }
    ): Definition<E | ErrorOf<Out[keyof Out]>, R | ServicesOf<Out[keyof Out]>>
  }
}

/**
 * Defines a read model by its name and its version: `on` adds what it does with the messages of a source. The name begins
 * with a small letter, goes on with small letters, digits and `_`, and has at most 50 of them; it is a part of the names
 * under which a store keeps the tables.
 *
 * **Details**
 *
 * Messages of all sources are handled one after the other, by global position, many in a transaction. A handler changes
 * the tables of the read model, and nothing else: what it does elsewhere is not undone when the transaction is, and is done
 * again when the read model is built again. For that there is {@link sideEffect}.
 *
 * @since 0.1.0
 */
export const make = (name: string, options: Options): Definition<never, never> =>
  // What its handlers fail with and need is said by the signatures of `on`.
  fromHandlers(name, options, []) as Definition<never, never>

/**
 * Defines a read model whose handler takes many messages at a time, in the order in which they were written: at most
 * `atOnce` (default 1,000), and those that are there rather than wait for more. When it fails for the last time they are
 * given to it one by one, so that `onFailure` concerns the one that can't be handled.
 *
 * @since 0.1.0
 */
export const batch = <From extends Source, E, R>(
  name: string,
  options: Options & {
    readonly from: From | ReadonlyArray<From>
    readonly handle: (events: Arr.NonEmptyReadonlyArray<Incoming<From>>) => Effect.Effect<unknown, E, R>
  }
): ReadModel<E | SourceError<From>, R | SourceServices<From>> =>
  // What its handler fails with and needs is said by the signature.
  fromBatchHandler(name, options, Arr.ensure(options.from), options.handle as BatchHandler)

/**
 * In a handler: does something outside of the tables, such as to send a mail, after the transaction has been committed. It
 * is done at most once: not at all when the process dies in between, or for messages that are handled again, to build
 * the read model anew, or that had been written before there was the read model. It can't fail: what becomes of its errors
 * is for it to say. Outside of a handler that a read model runs it is done at once.
 *
 * @since 0.1.0
 */
export const sideEffect: <R>(effect: Effect.Effect<unknown, never, R>) => Effect.Effect<void, never, R> =
  SideEffects.sideEffect

/**
 * Handles messages as a read model does, in the transaction of the caller: those that it does not handle are passed over.
 * For who keeps a read model in another way than {@link run}, such as in the transaction of an append. Side effects are
 * run when the caller's transaction is within {@link afterCommit}.
 *
 * @since 0.1.0
 */
export const apply = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  messages: ReadonlyArray<RecordedMessage>
): Effect.fn.Return<void, E, R> {
  const decoded = yield* Eager.somes(messages, model.decode)
  if (Arr.isArrayNonEmpty(decoded)) yield* SideEffects.inTransaction(model.handle(decoded))
})

/**
 * Runs a transaction in which messages are handled, and when it has succeeded what their handlers have left to do then.
 *
 * @since 0.1.0
 */
export const afterCommit = <A, E, R>(transaction: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  SideEffects.runningSideEffects(transaction, false)

/**
 * Runs handlers for messages that have been handled before, or are history: their side effects are left out.
 *
 * @since 0.1.0
 */
export const withoutSideEffects = <A, E, R>(handlers: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  SideEffects.runningSideEffects(handlers, true)

/**
 * The store of read models in memory, gone with the layer: `MemoryTable` is what it keeps. Read models with tables of
 * another store are `Unsupported`.
 *
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<ReadModelStore | MemoryTables> = Memory.layer

type AnyModel = ReadModel<unknown, unknown>

const runnable = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>) {
  const { run, status } = yield* Here.make(model)
  const made: Hosted.Runnable<E | RunError, R | MessageStore | ReadModelStore> = {
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
 * Runs a read model until it fails or is interrupted. When it is interrupted the transaction in progress may come to its end
 * within `grace`, and is rolled back otherwise.
 *
 * **Details**
 *
 * Of all the processes on a store one at a time runs a read model; the others wait, and one of them takes over within
 * seconds when the first stops or dies. Should two be at work for a moment, one of them finds that the other was faster
 * before it changes anything: each message changes the tables once.
 *
 * The first build is in use at once, and fills while it is read. When an older version is in use, this one is built beside
 * it, as `build` of the options says, and takes its place when it has handled as much. When a newer version is in use, it
 * stands by.
 *
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>
): Effect.fn.Return<never, E | RunError, R | MessageStore | ReadModelStore> {
  return yield* (yield* runnable(model)).run
})

/**
 * Runs a read model in the background until the scope closes, as {@link run} does, and gives a handle to it. When it fails
 * that is only seen by who waits for it: for a program that is to end then, see {@link layer}.
 *
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>
): Effect.fn.Return<
  Running<E | RunError>,
  InvalidArgument,
  R | MessageStore | ReadModelStore | Scope.Scope
> {
  yield* checkDefinition(model)
  return yield* Hosted.start(yield* runnable(model))
})

/**
 * A read model as a layer, for `Consumer.launch`: it runs as long as the layer does, and by default ends the program with its
 * error when it stops on one. See `Consumer.layer`.
 *
 * @since 0.1.0
 */
export const layer = <E, R, const S extends Hosted.OnStop = "fail">(
  model: ReadModel<E, R>,
  options?: {
    /** Default `"fail"`. */
    readonly onStop?: S | undefined
  }
): Layer.Layer<
  never,
  never,
  R | MessageStore | ReadModelStore | Host<S extends "ignore" ? never : E | RunError>
> =>
  Hosted.layer<E | RunError, R | MessageStore | ReadModelStore, never, never, S>(
    runnable(model),
    options?.onStop ?? "fail" as S
  )

type StatusError = StoreError | InvalidArgument | StreamName.InvalidCategory

/**
 * How far a read model has come, from any process: its builds, and how far each is behind. Its lag counts the messages that
 * the definition handles, of all types that it names.
 *
 * @since 0.1.0
 */
export const status: (
  model: AnyModel
) => Effect.Effect<Status, StatusError, MessageStore | ReadModelStore> = Effect.fn("ReadModel.status")(
  function*(model) {
    yield* checkDefinition(model)
    return yield* Observed.status(model)
  }
)

/**
 * Waits until the build in use has handled everything up to a global position (inclusive), such as that of an append: then
 * one's own writes are in the tables. It works from any process, and in that of who runs the read model it ends with the
 * transaction. It looks again and again, without an end: give it a `timeout`. Tables that were filled by another definition
 * of the same version are no answer: then it is {@link ReadModelChanged}.
 *
 * @since 0.1.0
 */
export const waitFor = Effect.fn("ReadModel.waitFor")(function*(
  model: AnyModel,
  globalPosition: number,
  options?: {
    /** How long to wait between two looks at what other processes have done. Default: 100 milliseconds. */
    readonly interval?: Duration.Input | undefined
  }
): Effect.fn.Return<void, StatusError | ReadModelChanged, MessageStore | ReadModelStore> {
  yield* checkDefinition(model)
  yield* checkInt("globalPosition", globalPosition, 0)
  yield* Waiting.waitFor(model, globalPosition, options?.interval ?? "100 millis")
})

/**
 * Builds a read model anew, beside the build in use, which goes on meanwhile; and puts the new one in its place when it has
 * handled as much. The stream does the work: run it to its end. The options are those of the definition unless they are
 * given here.
 *
 * **Details**
 *
 * When it is stopped on the way, the next one goes on with what there is; unless the definition has changed, then it begins
 * anew. A first build is in use at once. While another process builds, it is `ReadModelIsBuilding`.
 *
 * @since 0.1.0
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
    Effect.as(Effect.andThen(checkDefinition(model), checkBuildOptions(all)), Progressing.rebuild(model, all))
  )
}

/**
 * Has a read model go on after another global position (inclusive), without touching its tables: 0, or that of a message. It
 * is for a log that has been restored, and for tables that are known to be right up to there: what comes after it is
 * handled, again if it has been handled before.
 *
 * @since 0.1.0
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
 * Takes the definition as it is now for the one that the tables in use were filled by: it has changed in a way that makes no
 * difference to what they hold.
 *
 * @since 0.1.0
 */
export const accept = Effect.fn("ReadModel.accept")(function*(
  model: AnyModel
): Effect.fn.Return<void, BuildNotFound | BuildMoved | StoreError, ReadModelStore> {
  yield* Builds.accept(model)
})

/**
 * Drops a build that is not in use, by its number, with its tables.
 *
 * @since 0.1.0
 */
export const drop = Effect.fn("ReadModel.drop")(function*(
  model: Pick<AnyModel, "name">,
  number: number
): Effect.fn.Return<void, BuildNotFound | BuildMoved | StoreError | InvalidArgument, ReadModelStore> {
  yield* Builds.drop(model.name, number)
})
