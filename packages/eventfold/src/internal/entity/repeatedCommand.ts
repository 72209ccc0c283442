import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { deriveId, type MessageId } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import type { AnyRecorded, Decide, Part, Participant } from "./entityStream.ts"

/** The id of the event that a command writes to a stream, by its place among them. */
export const eventId = (commandId: string, streamName: string, index: number): MessageId =>
  deriveId(commandId, streamName, String(index))

const pageSize = 100

/** The events that a command has written to a stream, from the position of the first. */
const eventsOf = Effect.fnUntraced(function*<S, Event, Recorded extends AnyRecorded, R>(
  commandId: string,
  { events, streamName, unrecorded }: Participant<S, Event, Recorded, R>,
  from: number
) {
  const found: Array<Event> = []
  while (true) {
    const page = yield* events(from + found.length, pageSize)
    const own = Arr.takeWhile(
      page,
      ({ recorded }, index) => recorded.id === eventId(commandId, streamName, found.length + index)
    )
    found.push(...own.map(unrecorded))
    if (own.length < pageSize) return found
  }
})

/**
 * What a command did when it was handled before, if it was: the events it wrote, the states it found, and the reply that
 * `decide` gives to these.
 */
export const handledBefore = Effect.fnUntraced(function*<
  S,
  Event,
  Recorded extends AnyRecorded,
  R,
  Reply,
  Refusal,
  RDecide
>(
  commandId: string,
  participants: ReadonlyArray<Participant<S, Event, Recorded, R>>,
  decide: Decide<S, Event, Reply, Refusal, RDecide>
) {
  const store = yield* MessageStore
  const concurrency = "unbounded"
  const found = yield* Effect.forEach(
    participants,
    (participant) =>
      store.findMessage(participant.streamName, eventId(commandId, participant.streamName, 0)).pipe(
        // A derived id is a UUID.
        Effect.catchTag("InvalidArgument", Effect.die),
        Effect.map((first) => ({ participant, first: Option.getOrUndefined(first) }))
      ),
    { concurrency }
  )
  const begin = Math.min(...found.map(({ first }) => first?.globalPosition ?? Number.POSITIVE_INFINITY))
  if (begin === Number.POSITIVE_INFINITY) return Option.none()

  const parts = yield* Effect.forEach(
    found,
    Effect.fnUntraced(function*({ first, participant }) {
      const fold = yield* participant.loadUntil((recorded) =>
        first === undefined ? recorded.globalPosition < begin : recorded.position < first.position
      )
      const events = first === undefined ? [] : yield* eventsOf(commandId, participant, first.position)
      return { participant, fold, events } satisfies Part<S, Event, Recorded, R>
    }),
    { concurrency }
  )
  const { reply } = yield* decide(parts.map(({ fold }) => fold))
  return Option.some({ parts, reply })
})
