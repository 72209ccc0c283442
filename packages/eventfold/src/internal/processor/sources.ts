import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Category from "../../Category.ts"
import type { RecordedMessage } from "../../Message.ts"
import type { All, Source } from "../../Source.ts"
import * as StreamName from "../../StreamName.ts"
import { isBookkeeping } from "../store/bookkeeping.ts"

/** What handlers by type give. */
export interface Outcomes {
  readonly [type: string]: AnyOutcome | undefined
}

export type AnyOutcome = Effect.Effect<unknown, unknown, unknown>

export type ErrorOf<Out> = Out extends Effect.Effect<unknown, infer E, unknown> ? E : never

export type ServicesOf<Out> = Out extends Effect.Effect<unknown, unknown, infer R> ? R : never

export type SourceError<From extends Source> = From extends Category.Any ? Category.DecodeError : never

export type SourceServices<From extends Source> = From extends Category.Any ? Category.Services<From> : never

/** Handlers of a category's events, by type; others are passed over. */
export type EventHandlers<From extends Category.Any, Out> =
  & { readonly [K in keyof Out]: (event: Extract<Category.RecordedEvent<From>, { readonly type: K }>) => Out[K] }
  & { readonly [K in Exclude<keyof Out, keyof From["Events"]>]: never }

export type AnyHandler = (event: unknown) => Effect.Effect<unknown>

/** A source, and what is done with its messages: by type, or with all of them. */
export interface Handled {
  readonly from: Source
  readonly handlers: ReadonlyMap<string, AnyHandler> | AnyHandler
}

/** What is done with a message of a source. */
export const handlerOf = ({ handlers }: Handled, { type }: RecordedMessage): AnyHandler | undefined =>
  typeof handlers === "function" ? handlers : handlers.get(type)

/** Handlers as they were given; what they fail with and need is said by the signatures. */
export const handlersOf = (handlers: object): Handled["handlers"] =>
  typeof handlers === "function" ? handlers as AnyHandler : new Map(Object.entries<AnyHandler>({ ...handlers }))

/** The messages of a store that sources want, and perhaps some that they do not want, as the store is asked for them. */
export interface Selection {
  /** None: of all categories. */
  readonly categories: ReadonlyArray<string> | undefined
  /** None: of all types. */
  readonly types: ReadonlyArray<string> | undefined
  /** Whether what consumers write about themselves is among them. */
  readonly bookkeeping: boolean
}

const isCategory = (from: Source): from is Category.Any => typeof from === "object" && "decode" in from

const isAll = (from: Source): from is All => typeof from === "object" && !("decode" in from)

/** The name of the category; none when the source is all. */
export const nameOf = (from: Source): string | undefined =>
  isCategory(from) ? from.name : typeof from === "string" ? from : undefined

/** Whether a message answers the category that a consumer listens to, if it does. */
export const correlates = (
  { correlation }: { readonly correlation?: string | undefined },
  { metadata }: RecordedMessage
): boolean => {
  if (correlation === undefined) return true
  if (typeof metadata !== "object" || metadata === null || !("correlationStreamName" in metadata)) return false
  return StreamName.category(String(metadata.correlationStreamName)) === correlation
}

/** The parts together; none when one of them is without a limit. */
const union = (parts: ReadonlyArray<ReadonlyArray<string> | undefined>): ReadonlyArray<string> | undefined => {
  const limited = parts.filter((part) => part !== undefined)
  return limited.length < parts.length ? undefined : [...new Set(limited.flat())]
}

const categoriesOf = (from: Source): ReadonlyArray<string> | undefined => {
  const name = nameOf(from)
  return name === undefined ? (isAll(from) ? from.categories : []) : [name]
}

const typesOf = ({ from, handlers }: Handled): ReadonlyArray<string> | undefined => {
  const filter = isAll(from) ? from.types : undefined
  if (typeof handlers === "function") return filter
  return [...handlers.keys()].filter((type) => filter?.includes(type) !== false)
}

export const selectionOf = (handled: ReadonlyArray<Handled>): Selection => ({
  categories: union(handled.map(({ from }) => categoriesOf(from))),
  types: union(handled.map(typesOf)),
  bookkeeping: handled.some(({ from }) => isAll(from) ? from.bookkeeping : isBookkeeping(nameOf(from) ?? ""))
})

const lets = ({ bookkeeping, categories, types }: All, { streamName, type }: RecordedMessage): boolean =>
  (categories === undefined
    ? bookkeeping || !isBookkeeping(streamName)
    : categories.includes(StreamName.category(streamName))) &&
  types?.includes(type) !== false

/** Finds the source of a message: that of its category, or else the one that is all. */
export const finding = <A extends { readonly from: Source }>(sources: ReadonlyArray<A>) => {
  const byName = new Map(sources.map((source) => [nameOf(source.from), source]))
  return (message: RecordedMessage): A | undefined => {
    const named = byName.get(StreamName.category(message.streamName))
    if (named !== undefined) return named
    const everything = byName.get(undefined)
    return everything !== undefined && isAll(everything.from) && lets(everything.from, message) ? everything : undefined
  }
}

/** The event of a message; none when it is of a type that its category does not know. */
export const decodeBy = (from: Source) => (message: RecordedMessage): Effect.Effect<Option.Option<unknown>> =>
  // What it fails with and needs is said by the signatures.
  (isCategory(from) ? from.decode(message) : Effect.succeedSome(message)) as Effect.Effect<Option.Option<unknown>>
