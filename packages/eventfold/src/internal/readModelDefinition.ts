import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Category from "../Category.ts"
import type { RecordedMessage } from "../Message.ts"
import * as StreamName from "../StreamName.ts"
import { type Decoded, fingerprint, type Options, type ReadModel } from "./readModel.ts"

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

type AnyHandler = (event: unknown) => Effect.Effect<unknown>

/** A source, and what is done with its messages: by type, or with all of them. */
interface Handled {
  readonly from: Source
  readonly handlers: ReadonlyMap<string, AnyHandler> | AnyHandler
}

const isCategory = (from: Source): from is Category.Any => typeof from === "object" && "decode" in from

/** What no category is called. */
export const everything = "*"

const nameOf = (from: Source): string => isCategory(from) ? from.name : typeof from === "string" ? from : everything

/** A message with its event; none when it is of a type that its category does not know. */
const decodeBy = (from: Source) => (message: RecordedMessage) => {
  const decoded = isCategory(from) ? from.decode(message) : Effect.succeedSome(message)
  // What it fails with and needs is said by the signatures.
  return Effect.mapEager(
    decoded as Effect.Effect<Option.Option<unknown>>,
    Option.map((event): Decoded => ({ message, event }))
  )
}

const sourcesOf = (from: ReadonlyArray<Source>): Pick<ReadModel<never, never>, "sources" | "categories"> => {
  const sources = from.map(nameOf)
  return { sources, categories: sources.includes(everything) ? undefined : sources }
}

/** Finds the source of a message, by its category. */
const finding = <A extends { readonly from: Source }>(sources: ReadonlyArray<A>) => {
  const byName = new Map(sources.map((source) => [nameOf(source.from), source]))
  const all = byName.get(everything)
  return (message: RecordedMessage): A | undefined => all ?? byName.get(StreamName.category(message.streamName))
}

const textOf = (handlers: Handled["handlers"]): string =>
  typeof handlers === "function"
    ? String(handlers)
    : [...handlers].toSorted(([a], [b]) => a < b ? -1 : 1).map(([type, handler]) => `${type}:${String(handler)}`).join()

/** A read model to which sources can be added. */
interface Extensible extends ReadModel<never, never> {
  readonly on: (from: Source, handlers: AnyHandler | object) => Extensible
}

/** What the handlers fail with and need is said by who defines it. */
export const define = (name: string, options: Options, handled: ReadonlyArray<Handled>): Extensible => {
  const { atOnce = 500, tables = [], version } = options
  const { categories, sources } = sourcesOf(handled.map(({ from }) => from))
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
  return {
    name,
    version,
    tables,
    get fingerprint() {
      // In the order of the categories' names, so that it does not matter which was added first.
      const texts = handled.map(({ from, handlers }) => `${nameOf(from)}{${textOf(handlers)}}`).toSorted()
      return fingerprint({ categories, types: wanted, tables, text: options.fingerprint ?? texts.join() })
    },
    options,
    sources,
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
    on: (from, handlers) => {
      const own = typeof handlers === "function"
        ? handlers as AnyHandler
        : new Map(Object.entries<AnyHandler>({ ...handlers }))
      return define(name, options, [...handled, { from, handlers: own }])
    }
  }
}

export type BatchHandler = (events: Arr.NonEmptyReadonlyArray<unknown>) => Effect.Effect<unknown>

export const defineBatch = (
  name: string,
  options: Options,
  from: ReadonlyArray<Source>,
  handle: BatchHandler
): ReadModel<never, never> => {
  const { atOnce = 1_000, tables = [], version } = options
  const sourceOf = finding(from.map((from) => ({ from })))
  const { categories, sources } = sourcesOf(from)
  return {
    name,
    version,
    tables,
    get fingerprint() {
      return fingerprint({ categories, types: undefined, tables, text: options.fingerprint ?? String(handle) })
    },
    options,
    sources,
    categories,
    types: undefined,
    atOnce,
    decode: (message) => {
      const source = sourceOf(message)
      return source === undefined ? Effect.succeedNone : decodeBy(source.from)(message)
    },
    handle: (messages) => Effect.asVoid(handle(Arr.map(messages, ({ event }) => event)))
  }
}
