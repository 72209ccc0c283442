import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { deriveId, type MessageId, type RecordedMessage } from "../../Message.ts"
import type { MessageStore } from "../../MessageStore.ts"
import { type AnyRecorded, type EntityStream, foldAfter } from "./entityStream.ts"

/** What a command did when it was handled before: the state it found, its events, and the state after them. */
export interface Handled<Found, Events> {
  readonly found: Found
  readonly events: Events
  readonly after: Found
  /** The highest global position of its events. */
  readonly globalPosition: number
}

/** The id of an event that a command writes to a stream, by its index among the command's events there. */
export const eventId = (commandId: string, streamName: string, index: number): MessageId =>
  deriveId(commandId, streamName, String(index))

/** Looks up the first event that a command has written to a stream. */
export const findFirstEvent = (
  store: MessageStore["Service"],
  { streamName }: { readonly streamName: string },
  commandId: string
) =>
  store.findMessage(streamName, eventId(commandId, streamName, 0)).pipe(
    // A derived id is a UUID.
    Effect.catchTag("InvalidArgument", Effect.die)
  )

const pageSize = 100

/** Reads the events that a command has written to a stream, without deleted ones, from the first. */
const readEvents = Effect.fnUntraced(function*<S, Event, Recorded extends AnyRecorded, R>(
  { events, streamName, unrecorded }: EntityStream<S, Event, Recorded, R>,
  commandId: string,
  first: RecordedMessage
) {
  const found: Array<Event> = []
  let last = first
  let from = first.position
  while (true) {
    const page = yield* events(from, pageSize)
    const own = Arr.takeWhile(
      page,
      ({ recorded }) => recorded.id === eventId(commandId, streamName, recorded.position - first.position)
    )
    found.push(...own.map(unrecorded))
    last = own.at(-1)?.recorded ?? last
    if (own.length < pageSize) return { events: found, last }
    from = last.position + 1
  }
})

/** Finds out what a command did to a stream, by the first event that it wrote. */
export const handledSince = Effect.fnUntraced(function*<S, Event, Recorded extends AnyRecorded, R>(
  stream: EntityStream<S, Event, Recorded, R>,
  commandId: string,
  first: RecordedMessage
) {
  const found = yield* stream.loadUntil(({ position }) => position < first.position)
  const { events, last } = yield* readEvents(stream, commandId, first)
  const after = { ...foldAfter(stream, found, events), version: last.position }
  return { found, events, after, globalPosition: last.globalPosition }
})
