/**
 * A read model: tables that are kept in step with the log, each message handled exactly once as far as they tell, because
 * what a handler does to them is stored in one transaction with how far the read model has come.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Category from "./Category.ts"
import { type Decoded, fingerprint, type Options, type ReadModel } from "./internal/readModel.ts"
import * as SideEffects from "./internal/sideEffects.ts"
import {
  type AnyOutcome,
  decodeBy,
  type ErrorOf,
  type EventHandlers,
  finding,
  type Handled,
  handlersOf,
  nameOf,
  type Outcomes,
  selectionOf,
  type ServicesOf,
  type SourceError,
  type SourceServices
} from "./internal/sources.ts"
import type { RecordedMessage } from "./Message.ts"
import type { All, Incoming, Source } from "./Source.ts"

/** @since 0.1.0 */
export type { BuildOptions, Decoded, Options, ReadModel } from "./internal/readModel.ts"
/** @since 0.1.0 */
export { type All, all, type AllFilters, allOf, type Incoming, type Source } from "./Source.ts"

/**
 * A read model to which sources can be added. Each addition gives a new definition, and leaves this one as it is.
 *
 * @since 0.1.0
 */
export interface Definition<E, R> extends ReadModel<E, R> {
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

/** A message with its event; none when it is of a type that its category does not know. */
const decoded = (from: Source) => (message: RecordedMessage) =>
  Effect.mapEager(decodeBy(from)(message), Option.map((event): Decoded => ({ message, event })))

const textOf = (handlers: Handled["handlers"]): string =>
  typeof handlers === "function"
    ? String(handlers)
    : [...handlers].toSorted(([a], [b]) => a < b ? -1 : 1).map(([type, handler]) => `${type}:${String(handler)}`).join()

const define = (name: string, options: Options, handled: ReadonlyArray<Handled>): Definition<never, never> => {
  const { atOnce = 500, tables = [], version } = options
  const { categories, types } = selectionOf(handled)
  const sourceOf = finding(handled)
  const handlerOf = (message: RecordedMessage) => {
    const handlers = sourceOf(message)?.handlers
    return typeof handlers === "function" ? handlers : handlers?.get(message.type)
  }
  const self: Omit<Definition<never, never>, "on"> & { readonly on: unknown } = {
    name,
    version,
    tables,
    get fingerprint() {
      // In the order of the categories' names, so that it does not matter which was added first.
      const texts = handled.map(({ from, handlers }) => `${nameOf(from) ?? "*"}{${textOf(handlers)}}`).toSorted()
      return fingerprint({ categories, types, tables, text: options.fingerprint ?? texts.join() })
    },
    options,
    categories,
    types,
    atOnce,
    decode: (message) => {
      const source = sourceOf(message)
      return source === undefined || handlerOf(message) === undefined
        ? Effect.succeedNone
        : decoded(source.from)(message)
    },
    handle: (messages) =>
      Effect.forEach(messages, ({ event, message }) => handlerOf(message)?.(event) ?? Effect.void, { discard: true }),
    on: (from: Source, handlers: object) =>
      define(name, options, [...handled, { from, handlers: handlersOf(handlers) }])
  }
  // What its handlers fail with and need is said by the signatures of `on`.
  return self as Definition<never, never>
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
export const make = (name: string, options: Options): Definition<never, never> => define(name, options, [])

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
): ReadModel<E | SourceError<From>, R | SourceServices<From>> => {
  const { atOnce = 1_000, from, handle, tables = [], version } = options
  const sources = Arr.ensure(from)
  const sourceOf = finding(sources.map((from) => ({ from })))
  // One handler for all takes all types.
  const { categories, types } = selectionOf(sources.map((from) => ({ from, handlers: () => Effect.void })))
  return {
    name,
    version,
    tables,
    get fingerprint() {
      return fingerprint({ categories, types, tables, text: options.fingerprint ?? String(handle) })
    },
    options,
    categories,
    types,
    atOnce,
    decode: (message) => {
      const source = sourceOf(message)
      return source === undefined ? Effect.succeedNone : decoded(source.from)(message)
    },
    handle: (messages) => Effect.asVoid(handle(Arr.map(messages, ({ event }) => event as Incoming<From>)))
  }
}

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
  const decoded = Arr.getSomes(yield* Effect.forEach(messages, model.decode))
  if (Arr.isReadonlyArrayNonEmpty(decoded)) yield* SideEffects.inTransaction(model.handle(decoded))
})

/**
 * Runs a transaction in which messages are handled, and when it has succeeded what their handlers have left to do then.
 *
 * @since 0.1.0
 */
export const afterCommit = <A, E, R>(transaction: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  SideEffects.runningSideEffects(transaction, false)
