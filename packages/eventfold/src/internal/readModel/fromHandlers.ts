import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import type { Source } from "../../Source.ts"
import {
  type AnyHandler,
  decodeBy,
  findSource,
  type Handled,
  handlerOf,
  handlersOf,
  nameOf,
  selectionOf
} from "../processor/sources.ts"
import { md5 } from "../runtime/md5.ts"
import type { Decoded, Options, ReadModel } from "./definition.ts"

/** The name of the source that is everything. No category can have it. */
export const everything = "*"

const titleOf = (from: Source): string => nameOf(from) ?? everything

/** Decodes a message; none when its category does not declare its type. */
const decoded = (from: Source) => (message: RecordedMessage) =>
  Effect.mapEager(decodeBy(from)(message), Option.map((event): Decoded => ({ message, event })))

/** What a fingerprint digests. */
interface Parts {
  readonly categories: ReadonlyArray<string> | undefined
  readonly types: ReadonlyArray<string> | undefined
  readonly tables: ReadonlyArray<string>
  /** The source text of the handlers, or the text that replaces it. */
  readonly text: string
}

const bytes = new TextEncoder()

/** Formatting a handler does not change what it does. */
const withoutSpace = (text: string): string => text.replaceAll(/\s+/g, "")

const fingerprint = ({ categories, tables, text, types }: Parts): string => {
  const parts = JSON.stringify([
    categories?.toSorted() ?? null,
    types?.toSorted() ?? null,
    tables.map((table) => table.trim().replaceAll(/\s+/g, " ")),
    withoutSpace(text)
  ])
  const digest = md5(bytes.encode(parts))
  return Array.from({ length: 4 }, (_, i) => digest.getUint32(i * 4).toString(16).padStart(8, "0")).join("")
}

const textOf = (handlers: Handled["handlers"]): string =>
  typeof handlers === "function"
    ? String(handlers)
    : [...handlers].toSorted(([a], [b]) => a < b ? -1 : 1).map(([type, handler]) => `${type}:${String(handler)}`).join()

/** A definition to which sources can be added. */
interface Extensible extends ReadModel<never, never> {
  readonly on: (from: Source, handlers: AnyHandler | object) => Extensible
}

/** Builds a definition from handlers by source. The caller states in its signature what they fail with and need. */
export const fromHandlers = (name: string, options: Options, handled: ReadonlyArray<Handled>): Extensible => {
  const { atOnce = 500, tables = [], version } = options
  const { categories, types } = selectionOf(handled)
  const sourceOf = findSource(handled)
  const handlerFor = (message: RecordedMessage) => {
    const source = sourceOf(message)
    return source === undefined ? undefined : handlerOf(source, message)
  }
  return {
    name,
    version,
    tables,
    get fingerprint() {
      // Sorted, because the order in which sources were added makes no difference.
      const texts = handled.map(({ from, handlers }) => `${titleOf(from)}{${textOf(handlers)}}`).toSorted()
      return fingerprint({ categories, types, tables, text: options.fingerprint ?? texts.join() })
    },
    options,
    sources: handled.map(({ from }) => titleOf(from)),
    categories,
    types,
    atOnce,
    decode: (message) => {
      const source = sourceOf(message)
      return source === undefined || handlerFor(message) === undefined
        ? Effect.succeedNone
        : decoded(source.from)(message)
    },
    handle: (messages) =>
      Effect.forEach(messages, ({ event, message }) => handlerFor(message)?.(event) ?? Effect.void, { discard: true }),
    on: (from, handlers) => fromHandlers(name, options, [...handled, { from, handlers: handlersOf(handlers) }])
  }
}

/** A handler of `ReadModel.batch`. */
export type BatchHandler = (events: Arr.NonEmptyReadonlyArray<unknown>) => Effect.Effect<unknown>

/** Builds a definition from one handler for many messages. The caller states in its signature what it fails with and needs. */
export const fromBatchHandler = (
  name: string,
  options: Options,
  from: ReadonlyArray<Source>,
  handle: BatchHandler
): ReadModel<never, never> => {
  const { atOnce = 2_000, tables = [], version } = options
  const sourceOf = findSource(from.map((from) => ({ from })))
  // A batch handler takes all types.
  const { categories, types } = selectionOf(from.map((from) => ({ from, handlers: () => Effect.void })))
  return {
    name,
    version,
    tables,
    get fingerprint() {
      return fingerprint({ categories, types, tables, text: options.fingerprint ?? String(handle) })
    },
    options,
    sources: from.map(titleOf),
    categories,
    types,
    atOnce,
    decode: (message) => {
      const source = sourceOf(message)
      return source === undefined ? Effect.succeedNone : decoded(source.from)(message)
    },
    handle: (messages) => Effect.asVoid(handle(Arr.map(messages, ({ event }) => event)))
  }
}
