/**
 * A consumer: handles the messages of a category, of several, or of all, each at least once and those of one stream in their
 * order, first what has been written and then what is written as it comes.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type * as Category from "./Category.ts"
import type { Status } from "./ConsumerStatus.ts"
import { type Consumer, type Options, readsAll } from "./internal/consumer/definition.ts"
import type { ConsumerIsRunning, RunError } from "./internal/consumer/errors.ts"
import * as Positions from "./internal/consumer/lag.ts"
import * as Here from "./internal/consumer/runner.ts"
import * as HostService from "./internal/processor/host.ts"
import type { Host, Running } from "./internal/processor/host.ts"
import * as Hosted from "./internal/processor/runnable.ts"
import type { OnStop } from "./internal/processor/runnable.ts"
import {
  type AnyOutcome,
  decodeBy,
  type ErrorOf,
  type EventHandlers,
  finding,
  type Handled,
  handlerOf,
  handlersOf,
  nameOf,
  type Outcomes,
  selectionOf,
  type ServicesOf,
  type SourceError,
  type SourceServices
} from "./internal/processor/sources.ts"
import { ofConsumer } from "./internal/processor/subject.ts"
import * as Eager from "./internal/runtime/eagerLoop.ts"
import { checkConsumerId, checkInt } from "./internal/store/argumentChecks.ts"
import { allName } from "./internal/store/bookkeeping.ts"
import type { RecordedMessage } from "./Message.ts"
import type { MessageStore } from "./MessageStore.ts"
import type { All, Incoming, Source } from "./Source.ts"
import { InvalidArgument, type StoreError } from "./StoreError.ts"
import type { InvalidCategory } from "./StreamName.ts"

/** @since 0.1.0 */
export type { Consumer, FailurePolicy, Options, Start } from "./internal/consumer/definition.ts"
/** @since 0.1.0 */
export { ConsumerIsRunning, GroupSizeChanged, type RunError } from "./internal/consumer/errors.ts"
/** @since 0.1.0 */
export { defaultRetry } from "./internal/processor/handleMessages.ts"
/** @since 0.1.0 */
export type { Host, Running } from "./internal/processor/host.ts"
/** @since 0.1.0 */
export type { OnStop } from "./internal/processor/runnable.ts"
/** @since 0.1.0 */
export { type All, all, type AllFilters, allOf, type Incoming, type Source } from "./Source.ts"

/**
 * A consumer to which sources can be added. Each addition gives a new definition, and leaves this one as it is.
 *
 * @since 0.1.0
 */
export interface Definition<E, R> extends Consumer<E, R> {
  /**
   * Adds a source, each category once, and what is done with its events by type; those of other types are passed over. For
   * a source that is not decoded it may be one function for the messages of all types.
   */
  readonly on: {
    <
      From extends Category.Any,
      Out extends { readonly [K in keyof From["Events"] & string]?: AnyOutcome } = {}
    >(
      from: From,
      handlers: EventHandlers<From, Out>
    ): Definition<
      E | ErrorOf<Out[keyof Out]> | SourceError<From>,
      R | ServicesOf<Out[keyof Out]> | SourceServices<From>
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

/** The name under which a consumer of such sources keeps its positions. */
const categoryOf = (sources: ReadonlyArray<Source>): string => {
  const [first, ...others] = sources
  return (first === undefined || others.length > 0 ? undefined : nameOf(first)) ?? allName
}

const define = (id: string, options: Options, handled: ReadonlyArray<Handled>): Definition<never, never> => {
  const sources = handled.map(({ from }) => from)
  const sourceOf = finding(handled)
  const self: Omit<Definition<never, never>, "on"> & { readonly on: unknown } = {
    id,
    category: categoryOf(sources),
    selection: selectionOf(handled),
    sources,
    options,
    handlesAtOnce: 1,
    handles: (message) => {
      const source = sourceOf(message)
      return source !== undefined && handlerOf(source, message) !== undefined
    },
    handle: ([message]) => {
      const source = sourceOf(message)
      const handler = source === undefined ? undefined : handlerOf(source, message)
      if (source === undefined || handler === undefined) return Effect.void
      return Effect.flatMap(
        decodeBy(source.from)(message),
        (event) => Option.isNone(event) ? Effect.void : Effect.asVoid(handler(event.value))
      )
    },
    on: (from: Source, handlers: object) => define(id, options, [...handled, { from, handlers: handlersOf(handlers) }])
  }
  // What its handlers fail with and need is said by the signatures.
  return self as Definition<never, never>
}

/**
 * Defines a consumer by its id, which is its name in the store (no `+`), and its handlers.
 *
 * A consumer of several categories, or of everything, handles their messages by global position: see {@link all}, and
 * `on`, which adds a source.
 *
 * @example
 * ```ts
 * import { Category, Consumer } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String }, Closed: {} })
 * const Transfer = Category.make("transfer", { Failed: { reason: Schema.String } })
 *
 * const greeter = Consumer.make("greeter", {
 *   from: Account,
 *   on: {
 *     Opened: ({ data, recorded }) => Effect.log(`welcome ${data.owner}, owner of ${recorded.streamName}`)
 *   },
 *   concurrency: 16,
 *   onFailure: "park"
 * })
 *
 * const support = Consumer.make("support", { concurrency: 16 })
 *   .on(Account, { Closed: ({ recorded }) => Effect.log(`${recorded.streamName} has gone`) })
 *   .on(Transfer, { Failed: ({ data }) => Effect.log(data.reason) })
 *
 * const audit = Consumer.make("audit", {
 *   from: Consumer.all,
 *   on: ({ streamName, type }) => Effect.log(`${type} in ${streamName}`)
 * })
 * ```
 *
 * @since 0.1.0
 */
export const make: {
  <
    From extends Category.Any,
    Out extends { readonly [K in keyof From["Events"] & string]?: AnyOutcome } = {}
  >(
    id: string,
    options: Options & {
      readonly from: From
      /** By type of event. Events of other types are passed over. */
      readonly on: EventHandlers<From, Out>
    }
  ): Consumer<ErrorOf<Out[keyof Out]> | SourceError<From>, ServicesOf<Out[keyof Out]> | SourceServices<From>>
  <Out extends Outcomes>(
    id: string,
    options: Options & {
      readonly from: string | All
      /** By type of message. Messages of other types are passed over. */
      readonly on: { readonly [K in keyof Out]: (message: RecordedMessage) => Out[K] }
    }
  ): Consumer<ErrorOf<Out[keyof Out]>, ServicesOf<Out[keyof Out]>>
  <Out extends AnyOutcome>(
    id: string,
    options: Options & {
      readonly from: string | All
      /** Handles the messages of all types. */
      readonly on: (message: RecordedMessage) => Out
    }
  ): Consumer<ErrorOf<Out>, ServicesOf<Out>>
  (id: string, options?: Options & { readonly from?: never; readonly on?: never }): Definition<never, never>
} = (
  id: string,
  options: Options & { readonly from?: Source | undefined; readonly on?: object | undefined } = {}
): Definition<never, never> => {
  const { from, on } = options
  return define(id, options, from === undefined || on === undefined ? [] : [{ from, handlers: handlersOf(on) }])
}

/**
 * Defines a consumer whose handler takes many messages at a time, in the order in which they were written: at most
 * `atOnce` (default 100), and those that are there rather than wait for more. When it fails for the last time they are
 * given to it one by one, so that `onFailure` concerns the one that can't be handled. When that stops the consumer, it begins
 * with the first of them when it is run again.
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
 */
export const batch = <From extends Source, E, R>(
  id: string,
  options: Options & {
    /** One or several. */
    readonly from: From | ReadonlyArray<From>
    readonly handle: (messages: Arr.NonEmptyReadonlyArray<Incoming<From>>) => Effect.Effect<unknown, E, R>
    readonly atOnce?: number | undefined
  }
): Consumer<E | SourceError<From>, R | SourceServices<From>> => {
  const sources: ReadonlyArray<Source> = Arr.ensure<From>(options.from)
  // One handler takes all types.
  const handled = sources.map((from): Handled => ({ from, handlers: () => Effect.void }))
  const sourceOf = finding(handled)
  const decode = (message: RecordedMessage) => {
    const source = sourceOf(message)
    return (source === undefined ? Effect.succeedNone : decodeBy(source.from)(message)) as Effect.Effect<
      Option.Option<Incoming<From>>,
      SourceError<From>,
      SourceServices<From>
    >
  }
  return {
    id,
    category: categoryOf(sources),
    selection: selectionOf(handled),
    sources,
    options,
    handlesAtOnce: options.atOnce ?? 100,
    handles: (message) => sourceOf(message) !== undefined,
    handle: (messages) =>
      Effect.flatMap(
        Eager.filterMap(messages, decode),
        (events) => Arr.isArrayNonEmpty(events) ? Effect.asVoid(options.handle(events)) : Effect.void
      )
  }
}

const refuse = (argument: string, value: string, expected: string) => new InvalidArgument({ argument, value, expected })

/** A consumer of more than one category must not read what it writes, nor may two have to read what the other writes. */
const checkSources = Effect.fnUntraced(function*(consumer: Consumer<unknown, unknown>) {
  const { options: { onFailure }, sources } = consumer
  const names = sources.map(nameOf)
  if (sources.length === 0) {
    return yield* refuse("from", "none", "a source, such as a category: Consumer.make(id).on(source, handlers)")
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (names.includes(allName)) {
    return yield* refuse("from", allName, "the name of a category; everything is Consumer.all")
  }
  if (new Set(names).size < names.length) {
    return yield* refuse("from", twice ?? "all", "each source once: handle all its messages in one place")
  }
  if (onFailure !== "park" || !readsAll(consumer)) return
  if (consumer.selection.bookkeeping) {
    const expected = `"stop" or "skip" for who reads what consumers write about themselves, which would be parked again`
    return yield* refuse("onFailure", "park", expected)
  }
})

const check = Effect.fnUntraced(function*(consumer: Consumer<unknown, unknown>) {
  const { id, options: { batchSize, checkpoint, concurrency, group, start } } = consumer
  yield* checkConsumerId(id)
  yield* checkSources(consumer)
  yield* checkInt("concurrency", concurrency, 1)
  yield* checkInt("batchSize", batchSize, 1)
  yield* checkInt("checkpoint.every", checkpoint?.every, 1)
  if (typeof start === "object" && "position" in start) yield* checkInt("start.position", start.position, 0)
  if (group === undefined) return
  yield* checkInt("group.size", group.size, 1)
  for (const member of group.members) yield* checkInt("group.members", member, 0)
  const { size: length } = new Set(group.members.filter((member) => member < group.size))
  if (length === 0 || length < group.members.length) {
    const expected = `different members from 0 to ${group.size - 1}, one at least`
    return yield* new InvalidArgument({ argument: "group.members", value: group.members.join(", "), expected })
  }
})

const runnable = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>) {
  const { run, status, waitFor } = yield* Here.make(consumer)
  const made: Hosted.Runnable<E | RunError, R | MessageStore> = {
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
 * Runs a consumer until it fails or is interrupted. When it is interrupted it takes nothing more, lets the handlers that
 * run come to an end within its `grace`, and writes its position.
 *
 * **Details**
 *
 * Of all the processes on a store one at a time runs a consumer id (or a member of its group); the others wait, and one
 * of them takes over within seconds when the first stops or dies. Delivery is at least once: after a crash, what was
 * handled since the last position was written is handled again. A process that was frozen and comes back may handle a
 * message beside its successor before it learns of it.
 *
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>): Effect.fn.Return<
  never,
  E | RunError,
  R | MessageStore
> {
  return yield* (yield* runnable(consumer)).run
})

/**
 * Runs a consumer in the background until the scope closes, as {@link run} does, and gives a handle to it. When it fails
 * that is only seen by who waits for it: for a program that is to end then, see {@link layer}.
 *
 * @example
 * ```ts
 * import { Category, Consumer, MessageStore } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String } })
 * const owners = new Set<string>()
 * const owning = Consumer.make("owning", {
 *   from: Account,
 *   on: { Opened: ({ data }) => Effect.sync(() => owners.add(data.owner)) }
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
 */
export const start = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>): Effect.fn.Return<
  Running<E | RunError>,
  InvalidArgument,
  R | MessageStore | Scope.Scope
> {
  yield* check(consumer)
  return yield* Hosted.start(yield* runnable(consumer))
})

/**
 * How far a consumer has come, by the positions that it has written: its lag is too high by what it has handled since, at
 * most `checkpoint.every` messages or what comes in `checkpoint.interval`. It works from any process, and costs a few
 * look-ups and one count for each member. A consumer that has never run is as far as its `start`.
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
 */
export const status = Effect.fn("Consumer.status")(function*(
  consumer: Consumer<unknown, unknown>
): Effect.fn.Return<Status, StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  yield* check(consumer)
  return yield* Positions.status(consumer)
})

/**
 * Waits until everything is handled up to a global position (inclusive), by the positions that the consumer has written:
 * from any process, and for all members of its group. It looks at them again and again, without an end: give it a
 * `timeout`.
 *
 * **Gotchas**
 *
 * A position is written `checkpoint.interval` after the message, one second unless the consumer says otherwise, or after
 * `checkpoint.every` messages; so that is how much later than the handler this can end. In the process of the consumer
 * `Running.waitFor` ends with the handler.
 *
 * @since 0.1.0
 */
export const waitFor = Effect.fn("Consumer.waitFor")(function*(
  consumer: Consumer<unknown, unknown>,
  globalPosition: number,
  options?: {
    /** How long to wait between two looks. Default: 100 milliseconds. */
    readonly interval?: Duration.Input | undefined
  }
): Effect.fn.Return<void, StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  yield* check(consumer)
  yield* checkInt("globalPosition", globalPosition, 0)
  while (!(yield* Positions.isHandled(consumer, globalPosition))) {
    yield* Effect.sleep(options?.interval ?? "100 millis")
  }
})

/**
 * Gives a consumer's group another size, from 1, or a consumer a group that had none. It needs all members to be stopped,
 * keeps them from starting meanwhile, and gives the global position up to which everything had been handled: all members
 * of the new size are set to it, so that none misses a message, and what some had handled beyond it is handled again.
 *
 * When it was interrupted, run it again: until then members refuse to start, with {@link GroupSizeChanged}.
 *
 * @since 0.1.0
 */
export const regroup = Effect.fn("Consumer.regroup")(function*(
  consumer: Consumer<unknown, unknown>,
  size: number
): Effect.fn.Return<number, ConsumerIsRunning | StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  yield* check(consumer)
  yield* checkInt("size", size, 1)
  return yield* Positions.regroup(consumer, size)
})

/**
 * A consumer as a layer, for {@link launch}: it runs as long as the layer does, and by default ends the program with its
 * error when it stops on one.
 *
 * @since 0.1.0
 */
export const layer = <E, R, const S extends OnStop = "fail">(
  consumer: Consumer<E, R>,
  options?: {
    /** Default `"fail"`. */
    readonly onStop?: S | undefined
  }
): Layer.Layer<never, never, R | MessageStore | Host<S extends "ignore" ? never : E | RunError>> =>
  Hosted.layer<E | RunError, R | MessageStore, never, never, S>(runnable(consumer), options?.onStop ?? "fail" as S)

/**
 * Runs a program of layers as `Layer.launch` does, consumers among them: until it is interrupted, or until one of the
 * consumers stops on an error, which is what it fails with then. Either way all consumers stop at the same time, each
 * within its `grace`, before anything that they use is closed.
 *
 * **Details**
 *
 * Under `NodeRuntime.runMain` an interruption is SIGTERM or SIGINT, and a second one changes nothing. With
 * {@link teardown} the exit code is 0 then; after an error it is 1, and the error is printed once. A handler that does not
 * let itself be interrupted (`Effect.uninterruptible`) is waited for beyond the grace period.
 *
 * @example
 * ```ts no-run
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Category, Consumer, MessageStore } from "eventfold"
 * import { Effect, Layer, Schedule, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String }, Closed: {} })
 *
 * const greeter = Consumer.make("greeter", { from: Account, on: { Opened: ({ data }) => Effect.log(data.owner) } })
 * const archive = Consumer.make("archive", { from: Account, on: { Closed: () => Effect.log("closed") } })
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
  // There is one host at run time, which takes whatever its consumers fail with.
  return Effect.scoped(program) as Effect.Effect<never, never, never>
}

/**
 * The consumers of the host: a page or a health check shows their status.
 *
 * @since 0.1.0
 */
export const running: Effect.Effect<ReadonlyArray<Running<unknown>>, never, Host<never>> = Effect.map(
  HostService.HostService,
  ({ running }) => Array.from(running)
)

/**
 * For `runMain`: a program that was asked to stop, and did, has the exit code 0. Otherwise as by default.
 *
 * @since 0.1.0
 */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)
