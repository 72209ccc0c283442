/**
 * Process managers: react to the events of several categories, with a state of their own. A reaction writes events, sends
 * messages to other streams, and sets deadlines.
 *
 * Define a process with {@link make}, add its deadlines and sources, and run it with {@link run} or as a {@link layer}.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Category from "./Category.ts"
import * as Consumer from "./Consumer.ts"
import type * as Entity from "./Entity.ts"
import * as Consumers from "./internal/process/consumers.ts"
import * as Deadlines from "./internal/process/deadlines.ts"
import {
  type Deadline,
  type Reacted,
  type Reaction,
  type Sent,
  SentTypeId,
  type SourceOptions
} from "./internal/process/reaction.ts"
import type { MessageStore } from "./MessageStore.ts"
import { InvalidArgument, type Unsupported } from "./StoreError.ts"

/** @since 0.1.0 */
export type { Deadline, Reacted, Reaction, Sent, SourceOptions } from "./internal/process/reaction.ts"

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
  type OnDeadline = Consumers.OnDeadline<E, O, S>
  const base = { name, entity, deadlineCategory: Deadlines.category(name), options }

  const define = (
    sources: ReadonlyArray<Consumers.AnyConsumer>,
    deadlines: ReadonlyMap<string, OnDeadline>
  ): Definition<Category.Category<E, O>, S, never, never, never> => {
    // The types of `on` and `deadline` collect the errors and requirements.
    const definition: Omit<Definition<Category.Category<E, O>, S, never, unknown, unknown>, "on" | "deadline"> & {
      on: unknown
      deadline: unknown
    } = {
      name,
      consumers: deadlines.size === 0 ? sources : [...sources, Consumers.ofDeadlines(base, deadlines)],
      deadline: (deadline: string, react: OnDeadline) => define(sources, new Map([...deadlines, [deadline, react]])),
      on: (from: Category.Any, source: SourceOptions<Category.Category<E, O>, Category.Any, object>) =>
        define([...sources, Consumers.ofSource(base, from, source)], deadlines)
    }
    return definition as Definition<Category.Category<E, O>, S, never, never, never>
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
