import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Category from "../../Category.ts"
import type * as Entity from "../../Entity.ts"
import type { RecordedMessage } from "../../Message.ts"
import type { Append } from "../../MessageStore.ts"
import type { InvalidMessage } from "../../StoreError.ts"
import type { InvalidStreamName } from "../../StreamName.ts"
import type { Options } from "../consumer/definition.ts"
import type { Misnamed, NoFunction, Unchecked } from "../processor/sources.ts"

export const SentTypeId = "~eventfold/Process/Sent"

/**
 * Messages to a stream of any category, made by `Process.send`. `R` is what encoding them needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sent<out R = never> {
  readonly [SentTypeId]: Effect.Effect<Append, InvalidMessage | InvalidStreamName, R>
}

/**
 * What a process writes in reaction to an event: all of it in one transaction, or nothing. `Event` is an event of the
 * process's own category, `Deadline` the name of one of its deadlines.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reaction<Event, Deadline extends string> {
  /** Events for the process's own stream, which change its state. */
  readonly events?: Entity.Decision<Event> | undefined
  /** Messages to other streams, made by `Process.send`. */
  readonly send?: Sent<unknown> | ReadonlyArray<Sent<unknown>> | undefined
  /**
   * Deadlines to set, by name: a duration from now, or a point in time. An infinite duration sets none. A deadline is not
   * cancelled or replaced, not even by one of the same name: when it passes, the reaction to it decides what to do.
   */
  readonly deadlines?: { readonly [K in Deadline]?: Duration.Input | DateTime.Utc | undefined } | undefined
}

/**
 * What the function for an event may return: a reaction, nothing, or an effect that gives either.
 *
 * @since 0.1.0
 * @category models
 */
export type Reacted<Event, Deadline extends string> =
  | Reaction<Event, Deadline>
  | void
  | Effect.Effect<Reaction<Event, Deadline> | void, unknown, unknown>

/**
 * A deadline that has passed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deadline {
  readonly name: string
  /** When it was due. */
  readonly due: DateTime.Utc
  /** The message that says that it has passed. It is written at the due time, or when the process runs next. */
  readonly recorded: RecordedMessage
}

/**
 * How a process reads a source: which process an event is for, and the options of the consumer that reads the source, which
 * default to the process's.
 *
 * @since 0.1.0
 * @category options
 */
export interface SourceOptions<C extends Category.Any, From extends Category.Any> extends Options {
  /**
   * The id of the process that an event is for, or `undefined` when the event is for no process. Defaults to the id of the
   * event's stream: events of `order-123` are for `fulfilment-123`.
   */
  readonly id?: ((event: Category.RecordedEvent<From>) => Category.Id<C> | undefined) | undefined
}

/**
 * What a reaction gives, without the effect that gives it.
 *
 * @since 0.1.0
 * @category types
 */
export type Plain<Out> = Out extends Effect.Effect<infer A, infer _E, infer _R> ? A : Out

type KeyOf<A> = A extends object ? keyof A : never

type DeadlinesOf<A> = A extends { readonly deadlines?: infer T } ? KeyOf<T> : never

/** What the compiler says about a key that a reaction does not have: it would have no effect. */
type Unknown<A> = A extends { readonly type: string; readonly data: unknown }
  ? "an event is not a reaction: return { events: [event] }"
  : `${
    & Exclude<KeyOf<A>, keyof Reaction<never, never>>
    & string} is not part of a reaction: it has events, send and deadlines`

/** What the compiler says about a deadline that the process does not have. */
type Unnamed<A, Name> = `${
  & Exclude<DeadlinesOf<A>, Name>
  & string} is not a deadline of this process: add it with .deadline`

/**
 * Accepts what a reaction gives, or says what is wrong with it.
 *
 * @since 0.1.0
 * @category types
 */
export type Exact<Out, Name> = [Unknown<Plain<Out>>] extends [never]
  ? [Unnamed<Plain<Out>, Name>] extends [never] ? unknown : Unnamed<Plain<Out>, Name>
  : Unknown<Plain<Out>>

/** What a reaction gives, or nothing but what is wrong with it. */
type Checked<Out, Name> = unknown extends Exact<Out, Name> ? Out : Exact<Out, Name>

/** What the reaction to an event of a type gets. */
type EventOf<From extends Category.Any, K> = K extends keyof From["Events"]
  ? Extract<Category.RecordedEvent<From>, { readonly type: K }>
  : Unchecked

/** The reaction to an event of a type, or what is wrong with its name. */
type ReactionTo<C extends Category.Any, S, Name extends string, From extends Category.Any, K> =
  & ((state: S, event: EventOf<From, K>, id: Category.Id<C>) => Reacted<Category.Event<C>, Name>)
  & (K extends keyof From["Events"] ? unknown : Misnamed<K>)

/**
 * The reactions of a process to a source, as `Handlers` are those of a consumer: one function for events of all types, or one
 * for each type.
 *
 * @since 0.1.0
 * @category types
 */
export type Reactions<
  C extends Category.Any,
  S,
  Name extends string,
  From extends Category.Any,
  K extends string,
  Outs,
  Out
> =
  | ((
    state: S,
    event: Category.RecordedEvent<From>,
    id: Category.Id<C>
  ) => Reacted<Category.Event<C>, Name> & Out & Exact<Out, Name>)
  | (
    & {
      readonly [P in keyof Outs]: (
        state: S,
        event: EventOf<From, P>,
        id: Category.Id<C>
      ) => Checked<Outs[P], Name>
    }
    & { readonly [P in K]: ReactionTo<C, S, Name, From, P> }
    & NoFunction
  )
