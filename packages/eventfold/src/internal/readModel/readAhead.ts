import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { RecordedMessage } from "../../Message.ts"
import type { ReadAllError } from "../../MessageStore.ts"
import type { ReadPageResult } from "../../StoreBackend.ts"
import type { LogReader } from "../processor/logReader.ts"
import { knownSuccess } from "../runtime/eagerLoop.ts"
import type { Decoded, ReadModel } from "./definition.ts"

/** The messages of a page that a handler takes, in order: decoded, or why they could not be. */
export type Wanted<E> = ReadonlyMap<RecordedMessage, Decoded | Exit.Failure<unknown, E>>

/** A page of the log without the messages that no handler takes. */
export interface DecodedPage<E> extends Omit<ReadPageResult, "messages"> {
  readonly wanted: Wanted<E>
}

/** The page of a reader that has read nothing yet. */
export const unread = (position: number): DecodedPage<never> => ({
  wanted: new Map(),
  through: position,
  hasMore: true,
  heldBack: Option.none()
})

/** The part of a page up to a global position, inclusive. */
const cutAt = <E>(page: DecodedPage<E>, upTo: number): DecodedPage<E> => ({
  wanted: new Map([...page.wanted].filter(([{ globalPosition }]) => globalPosition <= upTo)),
  through: upTo,
  hasMore: false,
  heldBack: Option.none()
})

/** Decodes messages. A failure is kept for the moment when the message is handled, where the read model's policy applies. */
const decodeAll = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  messages: ReadonlyArray<RecordedMessage>
) {
  const wanted = new Map<RecordedMessage, Decoded | Exit.Failure<unknown, E>>()
  for (const message of messages) {
    const decoding = model.decode(message)
    const exit = knownSuccess(decoding) ?? (yield* Effect.exit(decoding))
    if (Exit.isFailure(exit)) wanted.set(message, exit)
    else if (Option.isSome(exit.value)) wanted.set(message, exit.value.value)
  }
  return wanted
})

const readDecoded = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>, { read }: LogReader, from: number) {
  const { messages, ...page } = yield* read(from)
  return { ...page, wanted: yield* decodeAll(model, messages) } satisfies DecodedPage<E>
})

/**
 * Reads decoded pages one after the other. While a page is handled the next one is read in the scope. `from` applies to the
 * first page, and after a page that was cut at `upTo`; both are inclusive.
 */
export const readAhead = <E, R>(
  model: ReadModel<E, R>,
  reader: LogReader,
  scope: Scope.Scope
): (from: number, upTo: number) => Effect.Effect<DecodedPage<E>, ReadAllError, R> => {
  let ahead: Fiber.Fiber<DecodedPage<E>, ReadAllError> | undefined
  return Effect.fnUntraced(function*(from, upTo) {
    const page = ahead === undefined ? yield* readDecoded(model, reader, from) : yield* Fiber.join(ahead)
    ahead = undefined
    if (page.through > upTo) return cutAt(page, upTo)
    if (page.hasMore) ahead = yield* Effect.forkIn(readDecoded(model, reader, page.through + 1), scope)
    return page
  })
}
