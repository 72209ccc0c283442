/**
 * A process manager: reacts to the events of several categories by a state of its own, with events, with messages to
 * others and with deadlines.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Category from "./Category.ts"
import * as Consumer from "./Consumer.ts"
import * as Entity from "./Entity.ts"
import * as Deadlines from "./internal/process/deadlines.ts"
import { react } from "./internal/process/react.ts"
import { log } from "./internal/runtime/log.ts"
import type { RecordedMessage } from "./Message.ts"
import type { Append, MessageStore } from "./MessageStore.ts"
import { InvalidArgument, type InvalidMessage, type Unsupported } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

const SentTypeId = "~eventfold/Process/Sent"

/**
 * Messages to a stream of another category; `R` is what encoding them needs. See {@link send}.
 *
 * @since 0.1.0
 */
export interface Sent<out R = never> {
  readonly [SentTypeId]: Effect.Effect<Append, InvalidMessage | StreamName.InvalidStreamName, R>
}

/**
 * What a process does about an event: all of it is written at once, or nothing. `Event` is an event of its own category,
 * `Deadline` the name of one of its deadlines.
 *
 * @since 0.1.0
 */
export interface Reaction<Event, Deadline extends string> {
  /** Events of the process itself, for its state. */
  readonly events?: Entity.Decision<Event> | undefined
  /** Messages to others: see {@link send}. */
  readonly send?: Sent<unknown> | ReadonlyArray<Sent<unknown>> | undefined
  /**
   * Deadlines from now on, by name: how long from now, or when. One that is infinitely far away is none. They can't be
   * taken back, and one of the same name does not replace another: what is to be done is decided when they have passed.
   */
  readonly deadlines?: { readonly [K in Deadline]?: Duration.Input | DateTime.Utc | undefined } | undefined
}

/**
 * What the function of an event may give: a reaction, nothing, or an effect that gives one of these.
 *
 * @since 0.1.0
 */
export type Reacted<Event, Deadline extends string> =
  | Reaction<Event, Deadline>
  | void
  | Effect.Effect<Reaction<Event, Deadline> | void, unknown, unknown>

/**
 * A deadline that has passed.
 *
 * @since 0.1.0
 */
export interface Deadline {
  readonly name: string
  /** When it was due. */
  readonly due: DateTime.Utc
  /** The message that says so, written when it was due or as soon after as the process was running. */
  readonly recorded: RecordedMessage
}

type Plain<Out> = Out extends Effect.Effect<infer A, infer _E, infer _R> ? A : Out

type ErrorOf<Out> = Out extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

type SentServices<A> = A extends { readonly send?: infer T }
  ? T extends Sent<infer R> ? R : T extends ReadonlyArray<Sent<infer R>> ? R : never
  : never

type ServicesOf<Out> =
  | (Out extends Effect.Effect<infer _A, infer _E, infer R> ? R : never)
  | SentServices<Plain<Out>>

type KeyOf<A> = A extends object ? keyof A : never

type DeadlinesOf<A> = A extends { readonly deadlines?: infer T } ? KeyOf<T> : never

/** What a reaction does not have would be passed over in silence, so the compiler refuses it. */
type Exact<Out, Name> =
  [Exclude<KeyOf<Plain<Out>>, keyof Reaction<never, never>>, Exclude<DeadlinesOf<Plain<Out>>, Name>] extends
    [never, never] ? unknown
    : "a reaction has events, send, and deadlines that the process has"

/**
 * What a process can fail with beside the errors of its reactions.
 *
 * @since 0.1.0
 */
export type ReactError<C extends Category.Any> = Entity.TransactError<C> | Unsupported

/**
 * A process manager: `E` is what it can fail with, `R` what it needs. It does nothing until it is run.
 *
 * @since 0.1.0
 */
export interface Process<out E, out R> {
  readonly name: string
  /** One for each category that it reacts to, and one for its deadlines if it has any. */
  readonly consumers: ReadonlyArray<Consumer.Consumer<E, R>>
}

/**
 * Which process an event is for, and what it does about it. The other options are the consumer's of this source; those
 * that are absent are the process's.
 *
 * @since 0.1.0
 */
export interface SourceOptions<C extends Category.Any, From extends Category.Any, H> extends Consumer.Options {
  /**
   * The id of the process that an event is for; none for an event that is for none. Default: the id of the event's stream,
   * so that `order-123` is followed by `fulfilment-123`.
   */
  readonly id?: ((event: Category.RecordedEvent<From>) => Category.Id<C> | undefined) | undefined
  readonly react: H
}

/**
 * A process to which deadlines and sources can be added: `C` is its own category, `S` its state and `Name` the names of its
 * deadlines. Each addition gives a new definition, and leaves this one as it is.
 *
 * @since 0.1.0
 */
export interface Definition<C extends Category.Any, S, Name extends string, E, R> extends Process<E, R> {
  /**
   * Adds a deadline by its name and what the process does when one has passed, with the state that it is in then. So a
   * deadline that is of no interest any more is one that nothing is done about. Reactions that are added after it can set
   * it, and so can its own.
   */
  readonly deadline: <const D extends string, Out extends Reacted<Category.Event<C>, Name | D>>(
    name: D & (D extends Name ? never : unknown),
    react: (
      state: S,
      deadline: Deadline,
      id: Category.Id<C>
    ) => Reacted<Category.Event<C>, Name | D> & Out & Exact<Out, Name | D>
  ) => Definition<
    C,
    S,
    Name | D,
    E | ErrorOf<Out> | ReactError<C>,
    R | ServicesOf<Out> | Category.Services<C> | MessageStore
  >
  /**
   * Adds a category whose events the process reacts to, each category once. The function of an event gets the state of the
   * process, the event, and the id of the process.
   */
  readonly on: <
    From extends Category.Any,
    Out extends { readonly [K in keyof From["Events"] & string]?: Reacted<Category.Event<C>, Name> } = {}
  >(
    from: From,
    options: SourceOptions<
      C,
      From,
      & {
        readonly [K in keyof Out]: (
          state: S,
          event: Extract<Category.RecordedEvent<From>, { readonly type: K }>,
          id: Category.Id<C>
        ) => Reacted<Category.Event<C>, Name> & Out[K] & Exact<Out[K], Name>
      }
      & { readonly [K in Exclude<keyof Out, keyof From["Events"]>]: never }
    >
  ) => Definition<
    C,
    S,
    Name,
    E | ErrorOf<Out[keyof Out]> | ReactError<C>,
    R | ServicesOf<Out[keyof Out]> | Category.Services<From> | Category.Services<C> | MessageStore
  >
}

/**
 * Messages to be sent to the stream of an id, of any category: one or many, written with the reaction, whatever version the
 * stream is at. Their metadata follows from the event that is reacted to (`Metadata.follow`), under what they say
 * themselves, and so do their ids, instead of those that they have.
 *
 * @since 0.1.0
 */
export const send = <E extends Category.Events, O extends Category.Options>(
  category: Category.Category<E, O>,
  id: NoInfer<Category.Id<Category.Category<E, O>>>,
  events: NoInfer<Entity.Decision<Category.Event<Category.Category<E, O>>>>
): Sent<Category.Services<Category.Category<E, O>>> => ({ [SentTypeId]: category.toAppend(id, events) })

/**
 * Defines a process by its name, which has neither a dash nor a `+`, and the entity that is its memory: the state that a
 * reaction decides on is that of the entity's stream with the process's id.
 *
 * **Details**
 *
 * What a reaction writes, to its own stream, to others, and as deadlines, is written in one transaction, at the version of
 * its own stream that it was decided on; when another reaction of the same process was faster, it is decided again. And it
 * is written once: message ids follow from the name of the process and the message that was reacted to, so a message that
 * is delivered again, after a crash say, does nothing, also when the state has moved on and the reaction would be another
 * one now. For this, a reaction that writes something, but no event of its own, writes a message of the type
 * `eventfold:Handled` to its own stream, which no category and no entity takes for an event.
 *
 * What a reaction does itself, as an effect, is not undone or remembered: it can happen again.
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
 *     react: {
 *       Placed: () => ({ events: Fulfilment.events.Started({}), deadlines: { payment: "30 minutes" } })
 *     }
 *   })
 *   .on(Payment, {
 *     id: ({ data }) => data.orderId,
 *     react: {
 *       Paid: (_, __, id) => ({
 *         events: Fulfilment.events.Paid({}),
 *         send: Process.send(Shipping, id, Shipping.events.Ship({}))
 *       })
 *     }
 *   })
 *
 * const running = Process.run(fulfilment)
 * ```
 *
 * @since 0.1.0
 */
export const make = <E extends Category.Events, O extends Category.Options, S>(
  name: string,
  { entity, ...options }: Consumer.Options & {
    readonly entity: Entity.Entity<Category.Category<E, O>, S>
  }
): Definition<Category.Category<E, O>, S, never, never, never> => {
  type C = Category.Category<E, O>
  type Id = Category.Id<C>
  type Out = Reacted<Category.Event<C>, string>
  type AnyConsumer = Consumer.Consumer<unknown, unknown>
  type OnDeadline = (state: S, deadline: Deadline, id: Id) => Out

  const { category } = entity
  const deadlineCategory = Deadlines.category(name)

  /** The process that has the same id as another stream. */
  const idIn = (stream: string): Effect.Effect<Id | undefined, StreamName.InvalidStreamName> =>
    Option.match(StreamName.id(stream), {
      onNone: () => Effect.undefined,
      onSome: (id) => category.id(`${category.name}-${id}`)
    })

  const respond = Effect.fn("Process.react")(function*(trigger: RecordedMessage, id: Id, reacting: (state: S) => Out) {
    const own = yield* Entity.streamOf(entity.at(id))
    yield* Effect.annotateCurrentSpan({ "eventfold.process": name, "eventfold.stream": own.streamName })
    const decide = Effect.fnUntraced(function*(state: S) {
      const reacted = reacting(state)
      const { deadlines = {}, events = [], send = [] } = (Effect.isEffect(reacted) ? yield* reacted : reacted) ?? {}
      const sent = yield* Effect.forEach(Arr.ensure(send), (sent) => sent[SentTypeId])
      const set = yield* Deadlines.toAppends(deadlineCategory, own.streamName, deadlines)
      return { events: Arr.ensure(events), others: [...sent, ...set] }
    })
    yield* react(name, trigger, own, decide, Entity.defaultRetry)
  })

  const source = <From extends Category.Any>(
    from: From,
    { id: idOf, react, ...own }: SourceOptions<C, From, object>
  ): AnyConsumer => {
    type Reaction = (state: S, event: { readonly recorded: RecordedMessage }, id: Id) => Out
    const handler = (reaction: Reaction) =>
      Effect.fnUntraced(function*(event: Category.RecordedEvent<From>) {
        const { recorded } = event
        const id = idOf === undefined ? yield* idIn(recorded.streamName) : idOf(event)
        if (id !== undefined) yield* respond(recorded, id, (state) => reaction(state, event, id))
      })
    const on = Object.fromEntries(
      Object.entries<Reaction>({ ...react }).map(([type, reaction]) => [type, handler(reaction)])
    )
    return Consumer.make(name, { ...options, ...own, from, on: on as never })
  }

  /** Of a process there is one timer, and one who reacts to it: a group's members share what comes from others. */
  const deadlineConsumer = (reactions: ReadonlyMap<string, OnDeadline>): AnyConsumer => {
    const own = { ...options, start: undefined, group: undefined, correlation: undefined }
    const consumer = Consumer.make(name, {
      ...own,
      from: deadlineCategory,
      on: {
        // The timer's. It is decoded here, too, so that one that does not fit is not passed over.
        Set: () => Effect.void,
        Passed: Effect.fnUntraced(function*({ data, recorded }: Deadlines.Passed) {
          const id = yield* idIn(recorded.streamName)
          const reaction = reactions.get(data.name)
          if (id !== undefined && reaction !== undefined) {
            return yield* respond(recorded, id, (state) => reaction(state, { ...data, recorded }, id))
          }
          yield* log("Warn", "a deadline has passed that the process does not have any more", {
            process: name,
            streamName: recorded.streamName,
            deadline: data.name
          })
        })
      }
    })
    return { ...consumer, background: (options) => Deadlines.timer(deadlineCategory, name, options) }
  }

  const define = (
    sources: ReadonlyArray<AnyConsumer>,
    deadlines: ReadonlyMap<string, OnDeadline>
  ): Definition<C, S, never, never, never> => {
    // What can fail, and what is needed, is in the types of the two ways to add something.
    const self: Omit<Definition<C, S, never, unknown, unknown>, "on" | "deadline"> & {
      on: unknown
      deadline: unknown
    } = {
      name,
      consumers: deadlines.size === 0 ? sources : [...sources, deadlineConsumer(deadlines)],
      deadline: (deadline: string, react: OnDeadline) => define(sources, new Map([...deadlines, [deadline, react]])),
      on: (from: Category.Any, source_: SourceOptions<C, Category.Any, object>) =>
        define([...sources, source(from, source_)], deadlines)
    }
    return self as Definition<C, S, never, never, never>
  }
  return define([], new Map())
}

/** The consumers, each of a category of its own: two of one category would wait for one another. */
const checked = <E, R>({ consumers }: Process<E, R>) => {
  const categories = consumers.map(({ category }) => category)
  const twice = categories.find((category, index) => categories.indexOf(category) !== index)
  if (twice === undefined) return Effect.succeed(consumers)
  const expected = "a source once: react to all its events in one place"
  return Effect.fail(new InvalidArgument({ argument: "process", value: twice, expected }))
}

/**
 * Runs the consumers of a process, its deadlines included, until one of them fails or it is interrupted: see
 * `Consumer.run`. Any number of programs can run a process, and one of them at a time has a consumer.
 *
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function*<E, R>(
  process: Process<E, R>
): Effect.fn.Return<never, E | Consumer.RunError, R | MessageStore> {
  const consumers = yield* checked(process)
  yield* Effect.forEach(consumers, (consumer) => Consumer.run(consumer), { concurrency: "unbounded", discard: true })
  return yield* Effect.never
})

/**
 * A process as a layer, for `Consumer.launch`: its consumers run as long as the layer does, and by default end the program
 * with an error when one of them stops on it. See `Consumer.layer`.
 *
 * @since 0.1.0
 */
export const layer = <E, R, const S extends Consumer.OnStop = "fail">(
  process: Process<E, R>,
  options?: {
    /** Default `"fail"`. */
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
