/**
 * Process managers: react to the events of several categories, on a state of their own, with events, messages to other
 * streams, and deadlines.
 *
 * **When to use**
 *
 * Use a process for a course of events that spans several categories, such as an order that is paid and then shipped, or
 * cancelled after 30 minutes without a payment. Use a `Consumer` when each event is handled without a memory of those
 * before it.
 *
 * Define a process with {@link make}, add its deadlines and its sources, then {@link run} or {@link start} it, or provide it as a
 * {@link layer}. {@link waitFor} waits for its reactions, {@link status} tells its lag.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Category from "./Category.ts"
import * as Consumer from "./Consumer.ts"
import type * as ConsumerStatus from "./ConsumerStatus.ts"
import * as Entity from "./Entity.ts"
import * as Consumers from "./internal/process/consumers.ts"
import * as Deadlines from "./internal/process/deadlines.ts"
import * as History from "./internal/process/history.ts"
import * as PendingList from "./internal/process/pendingList.ts"
import type { PendingDeadline, ProcessHistory, Status, WaitingProcess } from "./internal/process/processStatus.ts"
import {
  type Deadline,
  type Exact,
  type Plain,
  type Reacted,
  type Reactions,
  type Sent,
  SentTypeId,
  type SourceOptions
} from "./internal/process/reaction.ts"
import { checkInt } from "./internal/store/argumentChecks.ts"
import type { MessageStore } from "./MessageStore.ts"
import { InvalidArgument, type StoreError, type Unsupported } from "./StoreError.ts"
import { type InvalidCategory, parseCategory } from "./StreamName.ts"

/** @since 0.1.0 */
export {
  PendingDeadline,
  ProcessHistory,
  Reacted as ReactionDone,
  Status,
  WaitingProcess
} from "./internal/process/processStatus.ts"

/**
 * The parts of a definition: sources, what their reactions give, and deadlines that have passed.
 *
 * @since 0.1.0
 * @category models
 */
export type {
  Deadline,
  Exact,
  Plain,
  Reacted,
  Reaction,
  Reactions,
  Sent,
  SourceOptions
} from "./internal/process/reaction.ts"

type ErrorOf<Out> = Out extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

type SentServices<A> = A extends { readonly send?: infer T }
  ? T extends Sent<infer R> ? R : T extends ReadonlyArray<Sent<infer R>> ? R : never
  : never

type ServicesOf<Out> =
  | (Out extends Effect.Effect<infer _A, infer _E, infer R> ? R : never)
  | SentServices<Plain<Out>>

/**
 * The errors of a process beside those of its reactions: of its state, of what it writes, and of the store.
 *
 * @since 0.1.0
 * @category errors
 */
export type ReactError = Entity.TransactError

/**
 * A process, which does nothing until it is run. `E` is what it can fail with, `R` what it needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Process<out E, out R> {
  readonly name: string
  /** The category of its own streams: that of the entity which is its state. */
  readonly category: string
  /**
   * One consumer for each source, and one for the deadlines if the process has any. Their id is the name of the process, so
   * that `Consumer.status`, `Consumer.waitFor` and `Parking` take them.
   */
  readonly consumers: ReadonlyArray<Consumer.Consumer<E, R>>
}

/**
 * A process to add deadlines and sources to. `C` is its own category, `S` its state, and `Name` the names of its deadlines.
 * Each addition gives a new definition and leaves this one unchanged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Definition<C extends Category.Any, S, Name extends string, E, R> extends Process<E, R> {
  /**
   * Adds a deadline by its name, and the reaction to it. When the deadline has passed, the function gets the state that the
   * process is in then: when the deadline no longer matters, return nothing. Its own reaction and those that are added after
   * it can set the deadline.
   */
  readonly deadline: <const D extends string, Out extends Reacted<Category.Event<C>, Name | D>>(
    name: D extends Name ? `${D} is a deadline of this process already` : D,
    react: (
      state: S,
      deadline: Deadline,
      id: Category.Id<C>
    ) => Reacted<Category.Event<C>, Name | D> & Out & Exact<Out, Name | D>
  ) => Definition<
    C,
    S,
    Name | D,
    E | ErrorOf<Out> | ReactError,
    R | ServicesOf<Out> | Category.Services<C> | MessageStore
  >
  /**
   * Adds a source: a category, and the reactions to its events, by type or in one function for all types. A reaction gets the
   * state of the process, the event, and the id of the process; `event.id` is the id of the event's own stream. Add each
   * category once.
   */
  readonly on: <
    From extends Category.Any,
    K extends string,
    Outs extends { readonly [type: string]: Reacted<Category.Event<C>, Name> } = {},
    Out extends Reacted<Category.Event<C>, Name> = never
  >(
    from: From,
    reactions: Reactions<C, S, Name, From, K, Outs, Out>,
    options?: SourceOptions<C, From>
  ) => Definition<
    C,
    S,
    Name,
    E | ErrorOf<Out | Outs[keyof Outs]> | ReactError,
    | R
    | ServicesOf<Out | Outs[keyof Outs]>
    | Category.Services<From>
    | Category.Services<C>
    | MessageStore
  >
}

/**
 * Sends one or many messages to the stream of an id, in any category. Put it into the `send` of a reaction: the messages
 * are written with the reaction, at any version of that stream.
 *
 * **Details**
 *
 * The metadata of the messages follows from the event that the process reacts to (`Metadata.follow`). Keys that a message
 * sets itself win. The ids of the messages follow from that event too, and replace ids that they have.
 *
 * @example
 * ```ts
 * import { Category, Process } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Payment = Category.make("payment:command", { Charge: { amount: Schema.Int } })
 *
 * const reaction = { send: Process.send(Payment, "123", Payment.events.Charge({ amount: 20 })) }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const send = <C extends Category.Any>(
  category: C,
  id: Category.Id<C>,
  events: Entity.Decision<Category.Event<C>>
): Sent<Category.Services<C>> => ({ [SentTypeId]: Category.plain(category).toAppend(id, events) })

/**
 * Defines a process by its name, which has no dash and no `+`, and the entity that is its state: a reaction decides on the
 * state of the entity with the id of the process. The other options are those of its consumers.
 *
 * **Details**
 *
 * A reaction is written in one transaction: events to the process's own stream, messages to other streams, and deadlines.
 * It is written at the version of its own stream that it decided on. When another reaction of the same process is faster,
 * the process decides again.
 *
 * A reaction is written once. The ids of its messages follow from the name of the process and the message that it reacts
 * to. When that message is delivered again, after a crash for instance, the process writes nothing, even when it would react
 * differently by now. For this, a reaction that writes something but no events of its own also writes a message of the type
 * `eventfold:Handled` to its own stream. It is not an event of any category or entity.
 *
 * **Gotchas**
 *
 * What a reaction does as an effect, such as a call to another service, is not undone and not remembered: it can happen
 * again. A process that gets another name is another process, and starts from the beginning.
 *
 * @example
 * ```ts
 * import { Category, Entity, Process } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Order = Category.make("order", { Placed: { total: Schema.Int }, Cancelled: {} })
 * const Payment = Category.make("payment", { Paid: { orderId: Schema.String } })
 * const Shipping = Category.make("shipping:command", { Ship: {} })
 *
 * const Fulfilment = Category.make("fulfilment", { Started: {}, Paid: {}, GivenUp: {} })
 * const Progress = Entity.make(Fulfilment, {
 *   state: Schema.Struct({ paid: Schema.Boolean }),
 *   initial: { paid: false },
 *   evolve: { Started: (state) => state, Paid: () => ({ paid: true }), GivenUp: (state) => state }
 * })
 *
 * const fulfilment = Process.make("fulfilment", { entity: Progress })
 *   .deadline("payment", (state, _, id) =>
 *     state.paid ? undefined : {
 *       events: Fulfilment.events.GivenUp({}),
 *       send: Process.send(Order, id, Order.events.Cancelled({}))
 *     })
 *   .on(Order, {
 *     Placed: () => ({ events: Fulfilment.events.Started({}), deadlines: { payment: "30 minutes" } })
 *   })
 *   .on(Payment, {
 *     Paid: (_state, _event, id) => ({
 *       events: Fulfilment.events.Paid({}),
 *       send: Process.send(Shipping, id, Shipping.events.Ship({}))
 *     })
 *   }, { id: ({ data }) => data.orderId })
 *
 * const running = Process.run(fulfilment)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <C extends Category.Any, S>(
  name: string,
  { entity, ...options }: Consumer.Options & { readonly entity: Entity.Entity<C, S> }
): Definition<C, S, never, never, never> => {
  type OnDeadline = Consumers.OnDeadline<C["Events"], C["Options"], S>
  const base = { name, entity: Entity.plain(entity), deadlineCategory: Deadlines.category(name), options }

  const define = (
    sources: ReadonlyArray<Consumers.AnyConsumer>,
    deadlines: ReadonlyMap<string, OnDeadline>
  ): Definition<C, S, never, never, never> => {
    // The types of `on` and `deadline` collect the errors and requirements.
    const definition: Omit<Definition<C, S, never, unknown, unknown>, "on" | "deadline"> & {
      on: unknown
      deadline: unknown
    } = {
      name,
      category: entity.category.categoryName,
      consumers: deadlines.size === 0 ? sources : [...sources, Consumers.ofDeadlines(base, deadlines)],
      deadline: (deadline: string, react: OnDeadline) => define(sources, new Map([...deadlines, [deadline, react]])),
      on: (from: Category.Any, reactions: object, options?: SourceOptions<Category.Plain<C>, Category.Any>) =>
        define([...sources, Consumers.ofSource(base, from, reactions, options)], deadlines)
    }
    return definition as Definition<C, S, never, never, never>
  }
  return define([], new Map())
}

const refuse = (value: string, expected: string) =>
  Effect.fail(new InvalidArgument({ argument: "from", value, expected }))

/** Refuses two sources of one category: their consumers would have the same position, and wait for the same lease. */
const checked = <E, R>({ consumers }: Process<E, R>) => {
  if (consumers.length === 0) return refuse("none", "at least one source: add one with .on(category, reactions)")
  const categories = consumers.map(({ category }) => category)
  const twice = categories.find((category, index) => categories.indexOf(category) !== index)
  return twice === undefined
    ? Effect.succeed(consumers)
    : refuse(twice, "given once: react to all its events in one place")
}

/**
 * Runs the consumers of a process, with its deadlines, until one of them fails or it is interrupted.
 *
 * **Details**
 *
 * It runs each consumer as `Consumer.run` does, and fails with the same errors. Any number of programs can run the same
 * process: each of its consumers runs in one of them at a time. Fails with `InvalidArgument` when a category is a source
 * twice, and when the process has no source.
 *
 * @since 0.1.0
 * @category running
 */
export const run = Effect.fnUntraced(function*<E, R>(
  process: Process<E, R>
): Effect.fn.Return<never, E | Consumer.RunError, R | MessageStore> {
  const consumers = yield* checked(process)
  yield* Effect.forEach(consumers, (consumer) => Consumer.run(consumer), { concurrency: "unbounded", discard: true })
  return yield* Effect.never
})

/**
 * A process that runs in this program, by its consumers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Running<out E> {
  readonly name: string
  /** The handles of its consumers: one for each source, and one for the deadlines if it has any. */
  readonly consumers: ReadonlyArray<Consumer.Running<E>>
  /** The status of each consumer in this program, by the category that it reads. Reading it does not query the store. */
  readonly status: Effect.Effect<Readonly<Record<string, ConsumerStatus.RunningStatus>>>
  /** Waits until a consumer fails, and fails with its error. It is interrupted when the process stops. */
  readonly await: Effect.Effect<never, E>
  /**
   * Waits until the process has reacted to everything up to a global position (inclusive), such as that of an append. Messages
   * that are written after the call are not waited for, so neither are those of its own reactions. It fails when a consumer
   * fails.
   */
  readonly waitFor: (globalPosition: Consumer.Written) => Effect.Effect<void, E>
}

/**
 * Runs a process in the background until the scope closes, as {@link run} does, and gives one handle to its consumers. When one
 * of them fails, the others stop.
 *
 * **Gotchas**
 *
 * A failure surfaces only through the handle's `await` and `waitFor`. Use {@link layer} when the program should end with it.
 *
 * @example
 * ```ts
 * import { Category, Entity, MessageStore, Process } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * const Order = Category.make("order", { Placed: { total: Schema.Int } })
 * const Billing = Category.make("billing", { Billed: { total: Schema.Int } })
 * const Billed = Entity.make(Billing, {
 *   state: Schema.Struct({ total: Schema.Int }),
 *   initial: { total: 0 },
 *   evolve: { Billed: (_, { total }) => ({ total }) }
 * })
 * const billing = Process.make("billing", { entity: Billed }).on(Order, {
 *   Placed: (_state, { data }) => ({ events: Billing.events.Billed(data) })
 * })
 *
 * const program = Effect.gen(function*() {
 *   const running = yield* Process.start(billing)
 *   const { globalPosition } = yield* Order.append("1", Order.events.Placed({ total: 42 }))
 *   yield* running.waitFor(globalPosition)
 *   return (yield* Billed.load("1")).state // { total: 42 }
 * }).pipe(Effect.scoped, Effect.provide(MessageStore.layerMemory))
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const start = Effect.fnUntraced(function*<E, R>(
  process: Process<E, R>
): Effect.fn.Return<Running<E | Consumer.RunError>, InvalidArgument, R | MessageStore | Scope.Scope> {
  const definitions = yield* checked(process)
  const scope = yield* Scope.fork(yield* Effect.scope)
  const consumers = yield* Scope.provide(Effect.forEach(definitions, (one) => Consumer.start(one)), scope)
  const ended = yield* Deferred.make<never, E | Consumer.RunError>()
  // The first failure ends the process, and not the interruptions of the others that follow from it.
  const first = Effect.onExit(
    Effect.raceAllFirst(consumers.map(({ await: failure }) => failure)),
    (exit) => Effect.andThen(Deferred.done(ended, exit), Scope.close(scope, exit))
  )
  yield* Effect.forkScoped(first)
  const running: Running<E | Consumer.RunError> = {
    name: process.name,
    consumers,
    status: Effect.map(
      Effect.forEach(consumers, ({ category, status }) => Effect.map(status, (status) => [category, status] as const)),
      Object.fromEntries
    ),
    await: Deferred.await(ended),
    waitFor: (globalPosition) =>
      Effect.raceFirst(
        Deferred.await(ended),
        Effect.forEach(consumers, (one) => one.waitFor(globalPosition), { concurrency: "unbounded", discard: true })
      )
  }
  return running
})

/**
 * Gives the progress of a process, from any program, by the positions that its consumers have written: see `Consumer.status`.
 * A deadline that has not passed yet is no lag.
 *
 * @since 0.1.0
 * @category observing
 */
export const status = Effect.fn("Process.status")(function*(
  process: Process<unknown, unknown>
): Effect.fn.Return<Status, StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  const consumers = yield* Effect.forEach(yield* checked(process), (consumer) => Consumer.status(consumer))
  const found: Status = {
    name: process.name,
    lag: {
      messages: consumers.reduce((sum, { lag }) => sum + lag.messages, 0),
      age: consumers.reduce((most, { lag }) => Duration.max(most, lag.age), Duration.zero)
    },
    consumers
  }
  return found
})

/**
 * Gives the deadlines of a process that are pending, the earliest first, from any program, whether the process runs or not. So
 * those that are overdue come first.
 *
 * **Details**
 *
 * It needs the name of the process and not its definition. It reads what was set since the oldest deadline that was pending when
 * the process ran last, and holds what is pending in memory, as the process does.
 *
 * @example
 * ```ts
 * import { Console, DateTime, Effect } from "effect"
 * import { Process } from "eventfold"
 *
 * const report = Effect.gen(function*() {
 *   for (const { due, id, isOverdue, name } of yield* Process.deadlines({ name: "fulfilment" }, { limit: 20 })) {
 *     yield* Console.log(id, name, DateTime.formatIso(due), isOverdue ? "overdue" : "")
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 * @category observing
 */
export const deadlines = Effect.fn("Process.deadlines")(function*(
  process: Pick<Process<unknown, unknown>, "name">,
  options: {
    /** Only those of the process with this id, as it stands in the stream name. Defaults to all. */
    readonly id?: string | undefined
    /** How many at most, from 1. Defaults to all. */
    readonly limit?: number | undefined
  } = {}
): Effect.fn.Return<ReadonlyArray<PendingDeadline>, StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  yield* checkInt("limit", options.limit, 1)
  yield* parseCategory(process.name)
  return yield* PendingList.list(process.name, options)
})

/**
 * Gives the ids of a process that wait for a deadline, those whose next one is due first in front, from any program. It costs what
 * {@link deadlines} costs.
 *
 * @since 0.1.0
 * @category observing
 */
export const waiting = Effect.fn("Process.waiting")(function*(
  process: Pick<Process<unknown, unknown>, "name">,
  options: {
    /** Whether to give only those of which a deadline is past its time. Defaults to false. */
    readonly overdue?: boolean | undefined
    /** How many at most, from 1. Defaults to all. */
    readonly limit?: number | undefined
  } = {}
): Effect.fn.Return<ReadonlyArray<WaitingProcess>, StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  const all = yield* deadlines(process)
  yield* checkInt("limit", options.limit, 1)
  const byId = Map.groupBy(all, ({ id }) => id)
  // The first of each is due next, and so they are in order.
  const found = [...byId].flatMap(([id, [next, ...others]]): ReadonlyArray<WaitingProcess> =>
    next === undefined ? [] : [{ process: process.name, id, pending: others.length + 1, next }]
  )
  return (options.overdue === true ? found.filter(({ next }) => next.isOverdue) : found).slice(0, options.limit)
})

/**
 * Gives what a process of one id has done, from any program, the newest first: its reactions, each with the message that it reacted to
 * and all that it wrote, which is one group of events.
 *
 * **Details**
 *
 * It needs the store, the name and the category of the process, not its definition. It reads a page of the process's own stream, and the
 * messages that it reacted to; the messages that were sent cost one page of `Trace`, in the same window of the log where the
 * store has no index for traces.
 *
 * **Gotchas**
 *
 * A reaction that wrote nothing is not in it. A page may have fewer reactions than its `limit`, and still a `next`, where another process
 * has its state in the same streams.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Process } from "eventfold"
 *
 * const show = Effect.gen(function*() {
 *   const { reactions } = yield* Process.history({ name: "fulfilment", category: "fulfilment" }, "7", { limit: 10 })
 *   for (const { events, sent, trigger } of reactions) yield* Console.log(trigger, events.length, sent.length)
 * })
 * ```
 *
 * @since 0.1.0
 * @category observing
 */
export const history = Effect.fn("Process.history")(function*(
  process: Pick<Process<unknown, unknown>, "category" | "name">,
  /** As it stands in the stream name. */
  id: string,
  options: {
    /** Only reactions whose events are before this position of its own stream: the `next` of the page before. Defaults to all. */
    readonly before?: number | undefined
    /** How many reactions at most, from 1. Defaults to 20. */
    readonly limit?: number | undefined
    /** How many messages to look through for what was sent, from 1, where the store has no index for it. Defaults to 10,000. */
    readonly window?: number | undefined
  } = {}
): Effect.fn.Return<
  ProcessHistory,
  StoreError | Unsupported | InvalidArgument | InvalidCategory,
  MessageStore
> {
  const { before, limit = 20, window = 10_000 } = options
  yield* checkInt("before", before, 0)
  yield* checkInt("limit", limit, 1)
  yield* checkInt("window", window, 1)
  yield* parseCategory(process.name)
  return yield* History.history(process, id, { before, limit, window })
})

/**
 * Waits, in any program, until the process has reacted to everything up to a global position (inclusive), by the positions
 * that its consumers have written.
 *
 * **Gotchas**
 *
 * It waits without an end: give it a `timeout`. It completes up to `checkpoint.interval` (one second by default) after the last
 * reaction, as `Consumer.waitFor` does. In the process's own program, `Running.waitFor` completes with the reaction. Events that
 * a reaction writes into a category that is a source too are further on: wait for their positions in turn.
 *
 * @since 0.1.0
 * @category observing
 */
export const waitFor = Effect.fn("Process.waitFor")(function*(
  process: Process<unknown, unknown>,
  globalPosition: Consumer.Written,
  options?: {
    /** The pause between two looks at the positions. Defaults to 100 milliseconds. */
    readonly interval?: Duration.Input | undefined
  }
): Effect.fn.Return<void, StoreError | InvalidArgument | InvalidCategory, MessageStore> {
  const consumers = yield* checked(process)
  yield* Effect.forEach(consumers, (one) => Consumer.waitFor(one, globalPosition, options), {
    concurrency: "unbounded",
    discard: true
  })
})

/**
 * Runs a process as a layer, for `Consumer.launch`. Its consumers run as long as the layer does.
 *
 * **Details**
 *
 * By default the program ends with the error when a consumer stops on one. See `Consumer.layer`. Building the layer fails
 * with `InvalidArgument` when a category is a source twice.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E, R, const S extends Consumer.OnStop = "fail">(
  process: Process<E, R>,
  options?: {
    /** What happens when a consumer stops on an error. Defaults to `"fail"`, so that a process does not stop unnoticed. */
    readonly onStop?: S | undefined
  }
): Layer.Layer<
  never,
  InvalidArgument,
  R | MessageStore | Consumer.Host<S extends "ignore" ? never : E | Consumer.RunError>
> =>
  Layer.unwrap(
    Effect.map(checked(process), ([first, ...others]) =>
      first === undefined
        ? Layer.empty
        : Layer.mergeAll(Consumer.layer(first, options), ...others.map((one) => Consumer.layer(one, options))))
  )
