/**
 * A consumer handles the messages of a category, of several categories, or of the whole store: each message at least once, and
 * those of one stream in their order. It first catches up with what is written, then follows the log.
 *
 * A consumer keeps its position in the store, so it resumes where it stopped, in whatever process it runs next. Of all
 * processes that run a consumer, one at a time handles messages; the others stand by.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Status, StoredConsumer } from "./ConsumerStatus.ts"
import { check } from "./internal/consumer/checkDefinition.ts"
import type { Consumer, Options } from "./internal/consumer/definition.ts"
import type {
  ConsumerIsRunning,
  ConsumerMoved,
  ConsumerUnknown,
  GroupSizeChanged,
  RunError
} from "./internal/consumer/errors.ts"
import { inBatches, oneByOne } from "./internal/consumer/fromHandlers.ts"
import * as Progress from "./internal/consumer/progress.ts"
import * as Regroup from "./internal/consumer/regroup.ts"
import * as Rewind from "./internal/consumer/rewind.ts"
import type { RewindOptions, Rewound } from "./internal/consumer/rewind.ts"
import * as Runner from "./internal/consumer/runner.ts"
import * as StoredConsumers from "./internal/consumer/storedConsumers.ts"
import type { TakenOver } from "./internal/consumer/takeOver.ts"
import * as TakeOver from "./internal/consumer/takeOver.ts"
import * as HostService from "./internal/processor/host.ts"
import type { Host, Running } from "./internal/processor/host.ts"
import * as Runnable from "./internal/processor/runnable.ts"
import type { OnStop } from "./internal/processor/runnable.ts"
import {
  type AnyOutcome,
  type ErrorOf,
  type Handled,
  type Handlers,
  handlersOf,
  type Outcomes,
  type ServicesOf,
  type SourceError,
  type SourceServices
} from "./internal/processor/sources.ts"
import { ofConsumer } from "./internal/processor/subject.ts"
import { whenWritten, type Written } from "./internal/processor/written.ts"
import { checkInt } from "./internal/store/argumentChecks.ts"
import type { MessageStore } from "./MessageStore.ts"
import type { Incoming, Source } from "./Source.ts"
import type { InvalidArgument, StoreError, Unsupported } from "./StoreError.ts"
import type { InvalidCategory } from "./StreamName.ts"

/** @since 0.1.0 */
export type { Consumer, FailurePolicy, Options, Start } from "./internal/consumer/definition.ts"
/** @since 0.1.0 */
export {
  ConsumerIsRunning,
  ConsumerMoved,
  ConsumerUnknown,
  GroupSizeChanged,
  type RunError
} from "./internal/consumer/errors.ts"
/** @since 0.1.0 */
export type { RewindOptions, Rewound } from "./internal/consumer/rewind.ts"
/** @since 0.1.0 */
export type { TakenOver } from "./internal/consumer/takeOver.ts"
/** @since 0.1.0 */
export { defaultRetry } from "./internal/processor/handleMessages.ts"
/** @since 0.1.0 */
export type { Host, Running } from "./internal/processor/host.ts"
/** @since 0.1.0 */
export type { PollOptions } from "./internal/processor/pollPause.ts"
/** @since 0.1.0 */
export type { OnStop } from "./internal/processor/runnable.ts"
/** @since 0.1.0 */
export type { Written } from "./internal/processor/written.ts"
/** @since 0.1.0 */
export { HandlerTimeout } from "./internal/processor/timeLimit.ts"
/** @since 0.1.0 */
export { type All, all, type AllFilters, allOf, type Incoming, type Source } from "./Source.ts"

/**
 * A consumer to which `on` adds sources. Each addition gives a new definition and leaves this one as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Definition<E, R> extends Consumer<E, R> {
  /**
   * Adds a source and its handlers: by type of event, or one function for the events of all types. The consumer skips events
   * that no handler takes.
   *
   * **Details**
   *
   * The events of a category are decoded: `({ type, data, id, recorded })`. A handler of another source gets the recorded
   * message. Each source can be added once: the same one twice is an `InvalidArgument` when the consumer runs.
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

const define = (id: string, options: Options, handled: ReadonlyArray<Handled>): Definition<never, never> => {
  const on = (from: Source, handlers: object) =>
    define(id, options, [...handled, { from, handlers: handlersOf(handlers) }])
  const definition: object = { ...oneByOne(id, options, handled), on }
  // The signature of `on` says what the handlers fail with and need.
  return definition as Definition<never, never>
}

/**
 * Defines a consumer by its id. {@link Definition.on} adds sources and handlers. The id names the consumer in the store, so it
 * must be unique there; it is not empty and has no `+`.
 *
 * **Details**
 *
 * A consumer of several sources, or of everything ({@link all}), handles their messages by global position. Invalid options
 * are an `InvalidArgument` when the consumer runs, and so is a consumer without a source.
 *
 * @example
 * ```ts
 * import { Category, Consumer } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String }, Closed: {} })
 * const Transfer = Category.make("transfer", { Failed: { reason: Schema.String } })
 *
 * const greeter = Consumer.make("greeter", { concurrency: 16, onFailure: "park" }).on(Account, {
 *   Opened: ({ data, id }) => Effect.log(`welcome ${data.owner}, owner of account ${id}`)
 * })
 *
 * const support = Consumer.make("support")
 *   .on(Account, { Closed: ({ id }) => Effect.log(`account ${id} has gone`) })
 *   .on(Transfer, { Failed: ({ data }) => Effect.log(data.reason) })
 *
 * const audit = Consumer.make("audit").on(Consumer.all, ({ streamName, type }) => Effect.log(`${type} in ${streamName}`))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (id: string, options: Options = {}): Definition<never, never> => define(id, options, [])

/**
 * Defines a consumer whose handler takes many messages at a time, in the order in which they were written.
 *
 * **Details**
 *
 * A batch has at most `atOnce` messages. The consumer does not wait for a batch to fill. When the last attempt at a batch
 * fails, the handler gets its messages one by one, so that `onFailure` applies only to the message that fails by itself. If
 * that stops the consumer, it starts with the first message of the batch when it runs again.
 *
 * @example
 * ```ts
 * import { Category, Consumer } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String } })
 *
 * const counter = Consumer.batch("counter", {
 *   from: Account,
 *   handle: (events) => Effect.log(`${events.length} accounts more`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const batch = <From extends Source, E, R>(
  id: string,
  options: Options & {
    /** One source, or several. */
    readonly from: From | ReadonlyArray<From>
    readonly handle: (messages: Arr.NonEmptyReadonlyArray<Incoming<From>>) => Effect.Effect<unknown, E, R>
    /** How many messages a batch has at most. Defaults to 100. */
    readonly atOnce?: number | undefined
  }
): Consumer<E | SourceError<From>, R | SourceServices<From>> =>
  inBatches(id, options, {
    sources: Arr.ensure<From>(options.from),
    handle: options.handle,
    atOnce: options.atOnce ?? 100
    // The signature says what the handler fails with and needs.
  }) as Consumer<E | SourceError<From>, R | SourceServices<From>>

const runnable = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>) {
  const { run, status, waitFor } = yield* Runner.make(consumer)
  const made: Runnable.Runnable<E | RunError, R | MessageStore> = {
    id: consumer.id,
    category: consumer.category,
    subject: ofConsumer(consumer),
    run: Effect.andThen(check(consumer), run),
    status,
    waitFor
  }
  return made
})

/**
 * Runs a consumer until it fails or is interrupted. An interrupted consumer takes no more messages, gives the handlers that run
 * its `grace` to end, and writes its position.
 *
 * **Details**
 *
 * Of all processes on a store, one at a time runs a consumer (or a member of its group). The others wait, and one of them
 * takes over within seconds when the first one stops or dies. While the store is away, the consumer waits for it.
 *
 * **Gotchas**
 *
 * Delivery is at least once: after a crash the consumer handles again what it handled since it last wrote its position. A
 * process that was frozen may handle a message beside its successor before it learns that it lost its lease.
 *
 * @since 0.1.0
 * @category running
 */
export const run = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>): Effect.fn.Return<
  never,
  E | RunError,
  R | MessageStore
> {
  return yield* (yield* runnable(consumer)).run
})

/**
 * Runs a consumer in the background until the scope closes, as {@link run} does, and gives a handle to it.
 *
 * **Details**
 *
 * The end of `start: "end"` is fixed before this returns: what is written afterwards is handled. When another process has the
 * lease, that process handles it; or this one does, from the position of the other one, once the lease is free. While the
 * store is away, a start at the end waits for it.
 *
 * **Gotchas**
 *
 * A failure of the consumer surfaces only through the handle's `await` and `waitFor`. Use {@link layer} when the program
 * should end with it.
 *
 * @example
 * ```ts
 * import { Category, Consumer, MessageStore } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String } })
 * const owners = new Set<string>()
 * const owning = Consumer.make("owning").on(Account, {
 *   Opened: ({ data }) => Effect.sync(() => owners.add(data.owner))
 * })
 *
 * const program = Effect.gen(function*() {
 *   const running = yield* Consumer.start(owning)
 *   const { globalPosition } = yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
 *   yield* running.waitFor(globalPosition)
 *   return owners.has("Ann") // true
 * }).pipe(Effect.scoped, Effect.provide(MessageStore.layerMemory))
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const start = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>): Effect.fn.Return<
  Running<E | RunError>,
  InvalidArgument,
  R | MessageStore | Scope.Scope
> {
  yield* check(consumer)
  return yield* Runnable.start(yield* runnable(consumer))
})

/**
 * Gives the progress of a consumer, from any process, by the positions that it has written.
 *
 * **Details**
 *
 * The lag includes what the consumer has handled since it last wrote its position: at most `checkpoint.every` messages, or
 * those of one `checkpoint.interval`. A consumer that has never run is at its `start`. The status costs a few look-ups and one
 * count for each member.
 *
 * @example
 * ```ts
 * import { Consumer } from "eventfold"
 * import { Duration, Effect } from "effect"
 *
 * const report = <E, R>(consumer: Consumer.Consumer<E, R>) =>
 *   Effect.gen(function*() {
 *     const { lag } = yield* Consumer.status(consumer)
 *     yield* Effect.log(`${consumer.id} is ${lag.messages} messages behind, ${Duration.format(lag.age)}`)
 *   })
 * ```
 *
 * @since 0.1.0
 * @category observing
 */
export const status = Effect.fn("Consumer.status")(function*(
  consumer: Consumer<unknown, unknown>
): Effect.fn.Return<Status, StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  yield* check(consumer)
  return yield* Progress.status(consumer)
})

/**
 * Lists the consumers that have written a position, without their definitions: each member of a group by itself, with its
 * position, when it was written, and how far it is behind.
 *
 * **When to use**
 *
 * When a tool or an operator has only the store. With the definition, {@link status} counts exactly.
 *
 * **Details**
 *
 * It lists the positions of the position store: by default the rows, and the position streams of consumers that have no row. A
 * consumer that has never written a position is not known, and the timer of a process, which keeps a position too, is no consumer.
 * Each costs two look-ups. It fails with `Unsupported` when the position
 * store or the message store can't list.
 *
 * @example
 * ```ts
 * import { Console, Stream } from "effect"
 * import { Consumer } from "eventfold"
 *
 * const show = Stream.runForEach(Consumer.list, ({ behind, category, consumer, position }) =>
 *   Console.log(consumer, category, position, behind.positions)
 * )
 * ```
 *
 * @since 0.1.0
 * @category observing
 */
export const list: Stream.Stream<StoredConsumer, StoreError | Unsupported, MessageStore> = Stream.withSpan(
  StoredConsumers.list,
  "Consumer.list"
)

const untilHandled = Effect.fnUntraced(function*(
  consumer: Consumer<unknown, unknown>,
  globalPosition: number,
  interval: Duration.Input
) {
  yield* checkInt("globalPosition", globalPosition, 0)
  const start = Progress.startElsewhere(consumer)
  while (!(yield* Progress.isHandled(consumer, globalPosition, start))) yield* Effect.sleep(interval)
})

/**
 * Waits, in any process, until the consumer has handled everything up to a global position (inclusive): all members of its
 * group, by the positions that they have written. Returns at once for the none of a transaction that wrote nothing.
 *
 * **Gotchas**
 *
 * It waits without an end: give it a `timeout`. It waits for a consumer with `start: "end"` that has not written its first
 * position, because only that position tells where its end was. A consumer writes its position up to `checkpoint.interval` (one second by
 * default) after a message is handled, so this completes that much later. In the consumer's own process,
 * `Running.waitFor` completes with the handler.
 *
 * @since 0.1.0
 * @category observing
 */
export const waitFor = Effect.fn("Consumer.waitFor")(function*(
  consumer: Consumer<unknown, unknown>,
  globalPosition: Written,
  options?: {
    /** The pause between two looks at the positions. Defaults to 100 milliseconds. */
    readonly interval?: Duration.Input | undefined
  }
): Effect.fn.Return<void, StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  yield* check(consumer)
  yield* whenWritten(globalPosition, (position) => untilHandled(consumer, position, options?.interval ?? "100 millis"))
})

/**
 * Changes the size of a consumer's group (from 1), or gives a consumer its first group. Stop all members first.
 *
 * **Details**
 *
 * It sets all members of the new size to the global position up to which all old members had handled their messages, and gives
 * that position. So no message is missed, and messages that some members had handled beyond it are handled again. Members
 * can't start meanwhile. If it is interrupted, run it again: until then members refuse to start, with
 * {@link GroupSizeChanged}.
 *
 * It fails with {@link ConsumerIsRunning} when a member runs in any process, and with `Unsupported` when the store can't hold
 * leases.
 *
 * @since 0.1.0
 * @category operating
 */
export const regroup = Effect.fn("Consumer.regroup")(function*(
  consumer: Consumer<unknown, unknown>,
  size: number
): Effect.fn.Return<
  number,
  ConsumerIsRunning | Unsupported | StoreError | InvalidArgument | InvalidCategory,
  MessageStore
> {
  yield* check(consumer)
  yield* checkInt("size", size, 1)
  return yield* Regroup.regroup(consumer, size)
})

/**
 * Sets the position of a consumer to where it is in the other place: with the position store of the store, to the position in its
 * stream, which a consumer in Ruby has written. With `PositionStore.layerStreams`, the stream to the position of the row. Stop all
 * members first.
 *
 * **When to use**
 *
 * When another client has continued where this consumer had stopped, and this one is to continue where that one has stopped. A
 * consumer that has never had a position here starts from the one in its stream anyway.
 *
 * **Details**
 *
 * It gives what it has set: a position for each member of the group that has one there, and none when there is no position. A
 * position may go back: it does not matter how far the consumer had been here. If it is interrupted, run it again.
 *
 * It fails with {@link ConsumerIsRunning} when a member runs in any process, with {@link GroupSizeChanged} when the positions are
 * of a group of another size, and with `Unsupported` when the store can't hold leases.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Consumer, PositionStore } from "eventfold"
 *
 * const welcome = Consumer.make("welcome").on("account", { Opened: () => Effect.void })
 *
 * // From Ruby to eventfold, and from eventfold to Ruby.
 * const toRows = Consumer.takeOver(welcome)
 * const toStreams = Effect.provide(Consumer.takeOver(welcome), PositionStore.layerStreams)
 * ```
 *
 * @since 0.1.0
 * @category operating
 */
export const takeOver = Effect.fn("Consumer.takeOver")(function*(
  consumer: Consumer<unknown, unknown>
): Effect.fn.Return<
  ReadonlyArray<TakenOver>,
  ConsumerIsRunning | GroupSizeChanged | Unsupported | StoreError | InvalidArgument | InvalidCategory,
  MessageStore
> {
  yield* check(consumer)
  return yield* TakeOver.takeOver(consumer)
})

/**
 * Sets a consumer back, by its id and category, so that it handles messages again. Stop all members first.
 *
 * **When to use**
 *
 * When the handlers did the wrong thing, or what they made was lost, and the messages since then are to be handled again. It needs no
 * definition, so a tool can do it.
 *
 * **Details**
 *
 * It sets each member that is further to just before the message, and gives what it has changed. It never moves a member forwards: that
 * would skip messages. If it is interrupted, run it again. Give the position that you have looked at as `expected`, so that a consumer
 * that has moved meanwhile stays where it is.
 *
 * It fails with {@link ConsumerIsRunning} when a member runs in any process, with {@link ConsumerMoved} when the consumer is not at
 * `expected`, with {@link ConsumerUnknown} when the store has no position of it, with `InvalidArgument` when no member is after the
 * message, and with `Unsupported` when the store can't hold leases.
 *
 * **Gotchas**
 *
 * Handlers see the messages a second time, as after a crash. Of a stream in which messages are parked, those up to the last parked one
 * are not handled again: they wait, or were settled.
 *
 * @example
 * ```ts
 * import { DateTime } from "effect"
 * import { Consumer } from "eventfold"
 *
 * const welcome = { id: "welcome", category: "account" }
 *
 * const fromMessage = Consumer.rewind(welcome, { to: { position: 4_711 }, expected: 5_000 })
 * const fromTime = Consumer.rewind(welcome, { to: { time: DateTime.makeUnsafe("2026-11-29T10:00:00Z") } })
 * ```
 *
 * @since 0.1.0
 * @category operating
 */
export const rewind = Effect.fn("Consumer.rewind")(function*(
  consumer: Pick<Consumer<unknown, unknown>, "category" | "id">,
  options: RewindOptions
): Effect.fn.Return<
  ReadonlyArray<Rewound>,
  ConsumerIsRunning | ConsumerMoved | ConsumerUnknown | Unsupported | StoreError | InvalidArgument | InvalidCategory,
  MessageStore
> {
  yield* Effect.annotateCurrentSpan("messaging.consumer.group.name", consumer.id)
  return yield* Rewind.rewind(consumer, options)
})

/**
 * A consumer as a layer, for {@link launch}. The consumer runs as long as the layer does. By default a consumer that fails ends
 * the program with its error.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E, R, const S extends OnStop = "fail">(
  consumer: Consumer<E, R>,
  options?: {
    /** Defaults to `"fail"`, so that no consumer is dead without notice. */
    readonly onStop?: S | undefined
  }
): Layer.Layer<never, never, R | MessageStore | Host<S extends "ignore" ? never : E | RunError>> =>
  Runnable.layer<E | RunError, R | MessageStore, never, MessageStore, S>(
    runnable(consumer),
    options?.onStop ?? "fail" as S
  )

/**
 * Runs a program of layers with consumers among them, as `Layer.launch` does: until it is interrupted, or until a consumer
 * fails, whose error is then the program's. Either way all consumers stop at the same time, each within its `grace`, before
 * anything that they use is closed.
 *
 * **Details**
 *
 * Under `NodeRuntime.runMain`, SIGTERM and SIGINT interrupt the program; a second signal changes nothing. With
 * {@link teardown} the exit code is 0 then. After an error the exit code is 1, and the error is printed once.
 *
 * **Gotchas**
 *
 * A handler in an uninterruptible region (`Effect.uninterruptible`) delays the end beyond the grace period.
 *
 * @example
 * ```ts no-run
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Category, Consumer, MessageStore } from "eventfold"
 * import { Effect, Layer, Schedule, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String }, Closed: {} })
 *
 * const greeter = Consumer.make("greeter").on(Account, { Opened: ({ data }) => Effect.log(data.owner) })
 * const archive = Consumer.make("archive").on(Account, { Closed: ({ id }) => Effect.log(`${id} is closed`) })
 *
 * const App = Layer.mergeAll(
 *   Consumer.layer(greeter),
 *   Consumer.layer(archive, { onStop: Schedule.spaced("1 minute") })
 * ).pipe(Layer.provide(MessageStore.layerMemory))
 *
 * Consumer.launch(App).pipe(NodeRuntime.runMain({ teardown: Consumer.teardown }))
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const launch = <A, E, R>(
  app: Layer.Layer<A, E, R>
): Effect.Effect<never, E | (R extends Host<infer Failure> ? Failure : never), Exclude<R, Host<unknown>>> => {
  const program = Effect.gen(function*() {
    const host = yield* HostService.make
    const built = Layer.build(Layer.provide(app, Layer.succeed(HostService.HostService, host)))
    return yield* Effect.raceFirst(Effect.andThen(built, Effect.never), host.failure).pipe(
      Effect.onExit(() => host.stop)
    )
  })
  // One host at run time takes the errors of all consumers.
  return Effect.scoped(program) as Effect.Effect<never, never, never>
}

/**
 * Gives the consumers and read models that run in this host, for a health check or a page.
 *
 * @since 0.1.0
 * @category observing
 */
export const running: Effect.Effect<ReadonlyArray<Running<unknown>>, never, Host<never>> = Effect.map(
  HostService.HostService,
  ({ running }) => Array.from(running)
)

/**
 * For `runMain`: gives a program that stopped because it was interrupted the exit code 0. Other exits are as by default.
 *
 * @since 0.1.0
 * @category running
 */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)
