import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import * as Metadata from "../../Metadata.ts"
import type { Source } from "../../Source.ts"
import { decodeBy, findSource, type Handled, handlerOf, nameOf, selectionOf } from "../processor/sources.ts"
import * as Eager from "../runtime/eagerLoop.ts"
import { allName } from "../store/bookkeeping.ts"
import type { Consumer, Options } from "./definition.ts"

/** What the sources of a consumer say about it. Positions are kept under the name of its only category, or under `$all`. */
const ofSources = (handled: ReadonlyArray<Handled>) => {
  const sources: ReadonlyArray<Source> = handled.map(({ from }) => from)
  const [first, ...others] = sources
  const category = first === undefined || others.length > 0 ? undefined : nameOf(first)
  return { category: category ?? allName, selection: selectionOf(handled), sources }
}

/** A consumer that handles one message at a time, by the handlers of its source. */
export const oneByOne = (
  id: string,
  options: Options,
  handled: ReadonlyArray<Handled>
): Consumer<unknown, unknown> => {
  const sourceOf = findSource(handled)
  return {
    id,
    options,
    ...ofSources(handled),
    handlesAtOnce: 1,
    handles: (message) => {
      const source = sourceOf(message)
      return source !== undefined && handlerOf(source, message) !== undefined
    },
    handle: ([message]) => {
      const source = sourceOf(message)
      const handler = source === undefined ? undefined : handlerOf(source, message)
      if (source === undefined || handler === undefined) return Effect.void
      return Effect.flatMap(
        decodeBy(source.from)(message),
        (event) => Option.isNone(event) ? Effect.void : Effect.asVoid(Metadata.following(handler(event.value), message))
      )
    }
  }
}

/** A consumer whose only handler takes up to `atOnce` messages of all types. */
export const inBatches = <Event, E, R>(
  id: string,
  options: Options,
  { atOnce, handle, sources }: {
    readonly sources: ReadonlyArray<Source>
    readonly handle: (events: Arr.NonEmptyReadonlyArray<Event>) => Effect.Effect<unknown, E, R>
    readonly atOnce: number
  }
): Consumer<unknown, unknown> => {
  const handled = sources.map((from): Handled => ({ from, handlers: () => Effect.void }))
  const sourceOf = findSource(handled)
  const decode = (message: RecordedMessage) => {
    const source = sourceOf(message)
    return (source === undefined ? Effect.succeedNone : decodeBy(source.from)(message)) as Effect.Effect<
      Option.Option<Event>
    >
  }
  return {
    id,
    options,
    ...ofSources(handled),
    handlesAtOnce: atOnce,
    handles: (message) => sourceOf(message) !== undefined,
    handle: (messages) =>
      Effect.flatMap(
        Eager.filterMap(messages, decode),
        (events) => Arr.isArrayNonEmpty(events) ? Effect.asVoid(handle(events)) : Effect.void
      )
  }
}
