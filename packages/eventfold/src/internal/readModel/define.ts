import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import type { Source } from "../../Source.ts"
import {
  type AnyHandler,
  decodeBy,
  finding,
  type Handled,
  handlerOf,
  handlersOf,
  nameOf,
  selectionOf
} from "../processor/sources.ts"
import { type Decoded, fingerprint, type Options, type ReadModel } from "./definition.ts"

/** How a source is called where names are compared; no category is called so when it is everything. */
export const everything = "*"

const titleOf = (from: Source): string => nameOf(from) ?? everything

/** A message with its event; none when it is of a type that its category does not know. */
const decoded = (from: Source) => (message: RecordedMessage) =>
  Effect.mapEager(decodeBy(from)(message), Option.map((event): Decoded => ({ message, event })))

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
  const { categories, types } = selectionOf(handled)
  const sourceOf = finding(handled)
  const handlerFor = (message: RecordedMessage) => {
    const source = sourceOf(message)
    return source === undefined ? undefined : handlerOf(source, message)
  }
  return {
    name,
    version,
    tables,
    get fingerprint() {
      // In the order of the categories' names, so that it does not matter which was added first.
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
    on: (from, handlers) => define(name, options, [...handled, { from, handlers: handlersOf(handlers) }])
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
  // One handler for all takes all types.
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
