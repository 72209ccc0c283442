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
import type { RecordedMessage } from "./Message.ts"
import * as StreamName from "./StreamName.ts"

/** @since 0.1.0 */
export type { BuildOptions, Decoded, Options, ReadModel } from "./internal/readModel.ts"

const AllTypeId = "~eventfold/ReadModel/All"

/**
 * Everything as a source: see {@link all}.
 *
 * @since 0.1.0
 */
export interface All {
  readonly [AllTypeId]: typeof AllTypeId
}

/**
 * All messages of the store, by global position, as they are.
 *
 * @since 0.1.0
 */
export const all: All = { [AllTypeId]: AllTypeId }

/**
 * What a read model reads: a category, whose events it gets decoded; the name of one, whose messages it gets as they are;
 * or {@link all} messages.
 *
 * @since 0.1.0
 */
export type Source = Category.Any | string | All

/**
 * What a handler gets.
 *
 * @since 0.1.0
 */
export type Incoming<From extends Source> = From extends Category.Any ? Category.RecordedEvent<From> : RecordedMessage

type AnyOutcome = Effect.Effect<unknown, unknown, unknown>

/** By type of message, what its handler gives. */
interface Outcomes {
  readonly [type: string]: AnyOutcome | undefined
}

type ErrorOf<Out> = Out extends Effect.Effect<unknown, infer E, unknown> ? E : never

type ServicesOf<Out> = Out extends Effect.Effect<unknown, unknown, infer R> ? R : never

type SourceError<From extends Source> = From extends Category.Any ? Category.DecodeError : never

type SourceServices<From extends Source> = From extends Category.Any ? Category.Services<From> : never

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
      handlers:
        & {
          readonly [K in keyof Out]: (
            event: Extract<Category.RecordedEvent<From>, { readonly type: K }>
          ) => Out[K]
        }
        & { readonly [K in Exclude<keyof Out, keyof From["Events"]>]: never }
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

type AnyHandler = (event: unknown) => Effect.Effect<unknown>

/** A source, and what is done with its messages: by type, or with all of them. */
interface Handled {
  readonly from: Source
  readonly handlers: ReadonlyMap<string, AnyHandler> | AnyHandler
}

const isCategory = (from: Source): from is Category.Any => typeof from === "object" && "decode" in from

/** The name of the category; `undefined`: everything. */
const nameOf = (from: Source): string | undefined =>
  isCategory(from) ? from.name : typeof from === "string" ? from : undefined

/** A message with its event; none when it is of a type that its category does not know. */
const decodeBy = (from: Source) => (message: RecordedMessage) => {
  const decoded = isCategory(from) ? from.decode(message) : Effect.succeedSome(message)
  // What it fails with and needs is said by the signatures.
  return Effect.mapEager(
    decoded as Effect.Effect<Option.Option<unknown>>,
    Option.map((event): Decoded => ({ message, event }))
  )
}

/** None when one of the names is of everything. */
const namesOf = (sources: ReadonlyArray<Source>): ReadonlyArray<string> | undefined => {
  const names = sources.map(nameOf)
  return names.every((name) => name !== undefined) ? names : undefined
}

/** Finds the source of a message, by its category. */
const finding = <A extends { readonly from: Source }>(sources: ReadonlyArray<A>) => {
  const byName = new Map(sources.map((source) => [nameOf(source.from), source]))
  const everything = byName.get(undefined)
  return (message: RecordedMessage): A | undefined => everything ?? byName.get(StreamName.category(message.streamName))
}

const textOf = (handlers: Handled["handlers"]): string =>
  typeof handlers === "function"
    ? String(handlers)
    : [...handlers].toSorted(([a], [b]) => a < b ? -1 : 1).map(([type, handler]) => `${type}:${String(handler)}`).join()

const define = (name: string, options: Options, handled: ReadonlyArray<Handled>): Definition<never, never> => {
  const { atOnce = 500, tables = [], version } = options
  const categories = namesOf(handled.map(({ from }) => from))
  const types = new Set<string>()
  let takesAll = false
  for (const { handlers } of handled) {
    if (typeof handlers === "function") takesAll = true
    else for (const type of handlers.keys()) types.add(type)
  }
  const wanted = takesAll ? undefined : [...types]
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
      return fingerprint({ categories, types: wanted, tables, text: options.fingerprint ?? texts.join() })
    },
    options,
    categories,
    types: wanted,
    atOnce,
    decode: (message) => {
      const source = sourceOf(message)
      return source === undefined || handlerOf(message) === undefined
        ? Effect.succeedNone
        : decodeBy(source.from)(message)
    },
    handle: (messages) =>
      Effect.forEach(messages, ({ event, message }) => handlerOf(message)?.(event) ?? Effect.void, { discard: true }),
    on: (from: Source, handlers: AnyHandler | object) => {
      const own = typeof handlers === "function"
        ? handlers as AnyHandler
        : new Map(Object.entries<AnyHandler>({ ...handlers }))
      return define(name, options, [...handled, { from, handlers: own }])
    }
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
  const categories = namesOf(sources)
  return {
    name,
    version,
    tables,
    get fingerprint() {
      return fingerprint({ categories, types: undefined, tables, text: options.fingerprint ?? String(handle) })
    },
    options,
    categories,
    types: undefined,
    atOnce,
    decode: (message) => {
      const source = sourceOf(message)
      return source === undefined ? Effect.succeedNone : decodeBy(source.from)(message)
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
