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
 * A source of a process: which process an event is for, and the reaction to each type of event. The other options are those
 * of the consumer that reads this source, and default to the process's.
 *
 * @since 0.1.0
 * @category options
 */
export interface SourceOptions<C extends Category.Any, From extends Category.Any, H> extends Options {
  /**
   * The id of the process that an event is for, or `undefined` when the event is for no process. Defaults to the id of the
   * event's stream: events of `order-123` are for `fulfilment-123`.
   */
  readonly id?: ((event: Category.RecordedEvent<From>) => Category.Id<C> | undefined) | undefined
  /** The reactions by type of event. A type that is absent is skipped. */
  readonly react: H
}
