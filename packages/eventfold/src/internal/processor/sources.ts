import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Category from "../../Category.ts"
import { isDeleted, type RecordedMessage } from "../../Message.ts"
import type { All, Incoming, Source } from "../../Source.ts"
import * as StreamName from "../../StreamName.ts"
import { isBookkeeping } from "../store/bookkeeping.ts"

/**
 * What a handler returns.
 *
 * @since 0.1.0
 * @category types
 */
export type AnyOutcome = Effect.Effect<unknown, unknown, unknown>

/**
 * What handlers return, by type of message.
 *
 * @since 0.1.0
 * @category types
 */
export interface Outcomes {
  readonly [type: string]: AnyOutcome
}

/**
 * What a handler that returns `Out` fails with.
 *
 * @since 0.1.0
 * @category types
 */
export type ErrorOf<Out> = Out extends Effect.Effect<unknown, infer E, unknown> ? E : never

/**
 * What a handler that returns `Out` needs.
 *
 * @since 0.1.0
 * @category types
 */
export type ServicesOf<Out> = Out extends Effect.Effect<unknown, unknown, infer R> ? R : never

/**
 * What reading a source fails with: decoding the events of a category.
 *
 * @since 0.1.0
 * @category types
 */
export type SourceError<From extends Source> = From extends Category.Any ? Category.DecodeError : never

/**
 * What reading a source needs: what the schemas of a category need.
 *
 * @since 0.1.0
 * @category types
 */
export type SourceServices<From extends Source> = From extends Category.Any ? Category.Services<From> : never

/** What the parameter of a misnamed handler is, so that the compiler complains about its name and not about its body. */
// oxlint-disable-next-line typescript/no-explicit-any -- every other type has complaints of its own
export type Unchecked = any

/** What the compiler says about a handler for an event that the category does not have. */
export type Misnamed<K> = `${K & string} is not an event of this category`

/** A function is no set of handlers by type. */
export interface NoFunction {
  readonly [Symbol.hasInstance]?: never
}

/** What the handler of a type gets. */
type EventOf<From extends Source, K> = From extends Category.Any
  ? K extends keyof From["Events"] ? Extract<Category.RecordedEvent<From>, { readonly type: K }> : Unchecked
  : RecordedMessage

/** The handler of a type. */
type HandlerOf<From extends Source, K> = From extends Category.Any
  ? K extends keyof From["Events"] ? (event: EventOf<From, K>) => AnyOutcome
  : ((event: Unchecked) => AnyOutcome) & Misnamed<K>
  : (message: RecordedMessage) => AnyOutcome

/**
 * Handlers of a source: a function for all types, whose outcome is `Out`, or one for each type, whose outcomes are `Outs`.
 *
 * One signature for all kinds of sources, because the compiler explains a mistake by the last of several. `K` and `Outs` are
 * inferred from the same object: `K` types the parameters of the handlers, and `Outs` their outcomes.
 *
 * @since 0.1.0
 * @category types
 */
export type Handlers<From extends Source, K extends string, Outs extends Outcomes, Out extends AnyOutcome> =
  | ((event: Incoming<From>) => Out)
  | (
    & { readonly [P in keyof Outs]: (event: EventOf<From, P>) => Outs[P] }
    & { readonly [P in K]: HandlerOf<From, P> }
    & NoFunction
  )

export type AnyHandler = (event: unknown) => Effect.Effect<unknown>

/** A source with its handlers: by type, or one for all types. */
export interface Handled {
  readonly from: Source
  readonly handlers: ReadonlyMap<string, AnyHandler> | AnyHandler
}

/** The handler of a message; none when the source's handlers do not name its type. */
export const handlerOf = ({ handlers }: Handled, { type }: RecordedMessage): AnyHandler | undefined =>
  typeof handlers === "function" ? handlers : handlers.get(type)

/** Handlers without their types: the public signatures say what they fail with and need. */
export const handlersOf = (handlers: object): Handled["handlers"] =>
  typeof handlers === "function" ? handlers as AnyHandler : new Map(Object.entries<AnyHandler>({ ...handlers }))

/** What to read from the store for some sources: their messages, and perhaps others, which no handler names. */
export interface Selection {
  /** `undefined`: all categories. */
  readonly categories: ReadonlyArray<string> | undefined
  /** `undefined`: all types. */
  readonly types: ReadonlyArray<string> | undefined
  /** Whether to include what consumers write about themselves. */
  readonly bookkeeping: boolean
}

const isCategory = (from: Source): from is Category.Any => typeof from !== "string" && "decode" in from

const isAll = (from: Source): from is All => typeof from !== "string" && !("decode" in from)

/** The name of the source's category; `undefined` for everything. */
export const nameOf = (from: Source): string | undefined =>
  isCategory(from) ? from.categoryName : typeof from === "string" ? from : undefined

/** Whether a message passes the correlation filter of a consumer, if it has one. */
export const correlates = (
  { correlation }: { readonly correlation?: string | undefined },
  { metadata }: RecordedMessage
): boolean => {
  if (correlation === undefined) return true
  if (typeof metadata !== "object" || metadata === null || !("correlationStreamName" in metadata)) return false
  return StreamName.category(String(metadata.correlationStreamName)) === correlation
}

/** The union of lists; `undefined`, which is no limit, when one of them is. */
const union = (lists: ReadonlyArray<ReadonlyArray<string> | undefined>): ReadonlyArray<string> | undefined => {
  const limited = lists.filter((list) => list !== undefined)
  return limited.length < lists.length ? undefined : [...new Set(limited.flat())]
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

const includes = ({ bookkeeping, categories, types }: All, { streamName, type }: RecordedMessage): boolean =>
  (categories === undefined
    ? bookkeeping || !isBookkeeping(streamName)
    : categories.includes(StreamName.category(streamName))) &&
  types?.includes(type) !== false

/** Finds the source of a message: its category, or else everything. None for what a category would skip: see `isDeleted`. */
export const findSource = <A extends { readonly from: Source }>(sources: ReadonlyArray<A>) => {
  const byName = new Map(sources.map((source) => [nameOf(source.from), source]))
  return (message: RecordedMessage): A | undefined => {
    const named = byName.get(StreamName.category(message.streamName))
    if (named !== undefined) return isCategory(named.from) && isDeleted(message) ? undefined : named
    const everything = byName.get(undefined)
    return everything !== undefined && isAll(everything.from) && includes(everything.from, message)
      ? everything
      : undefined
  }
}

/** Decodes the event of a message; none when its category does not know the type. */
export const decodeBy = (from: Source) => (message: RecordedMessage): Effect.Effect<Option.Option<unknown>> =>
  // The public signatures say what decoding fails with and needs.
  (isCategory(from) ? from.decode(message) : Effect.succeedSome(message)) as Effect.Effect<Option.Option<unknown>>
