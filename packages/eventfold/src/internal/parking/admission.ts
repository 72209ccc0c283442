import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { RecordedMessage } from "../../Message.ts"
import type { Activity } from "../processor/activity.ts"
import type { Failure } from "../processor/handleMessages.ts"
import type { RetryOutages } from "../processor/outage.ts"
import { type Event, type ParkingCategory, recordedReason } from "./category.ts"
import type { KnownStreams } from "./knownStreams.ts"
import * as ParkedStreams from "./parkedStreams.ts"
import * as States from "./states.ts"

export interface Options {
  readonly activity: Pick<Activity, "parked">
  readonly known: KnownStreams
  readonly parking: ParkingCategory
  readonly persist: RetryOutages
}

const parkedEvent = (
  { category, eventId }: ParkingCategory,
  { globalPosition, id: messageId, position, streamName, type }: RecordedMessage,
  failure?: Failure | undefined
): Event => {
  const reason = failure === undefined ? {} : recordedReason(failure.report)
  const attempts = failure?.attempts ?? 0
  return category.events.Parked({ streamName, position, globalPosition, messageId, type, attempts, ...reason }, {
    id: eventId(messageId)
  })
}

/**
 * Decides which of a consumer's messages are handled, and parks the others. Called in the lane of a message's stream only,
 * so that the answer holds until the message is handled or parked.
 */
export const make = ({ activity, known, parking, persist }: Options) => {
  const advance = Effect.fnUntraced(function*(
    id: string,
    streamName: string,
    decide: (state: States.Summary) => ReadonlyArray<Event>
  ) {
    const fold = yield* persist(Effect.suspend(() => {
      const from = known.get(id)?.fold ?? ParkedStreams.unread(States.summary)
      return ParkedStreams.advance(parking, States.summary, id, from, decide)
    }))
    known.set(id, { streamName, fold })
  })

  /** Parks messages of one parked stream when others wait in it. Gives the messages that may be handled. */
  const admitTo = Effect.fnUntraced(function*(id: string, messages: ReadonlyArray<RecordedMessage>) {
    const stream = known.get(id)
    if (stream === undefined) return messages
    let admitted: ReadonlyArray<RecordedMessage> = []
    let behind = 0
    yield* advance(id, stream.streamName, ({ through, waiting }) => {
      const unsettled = messages.filter(({ globalPosition }) => globalPosition > through)
      admitted = waiting === 0 ? unsettled : []
      behind = unsettled.length - admitted.length
      return waiting === 0 ? [] : unsettled.map((message) => parkedEvent(parking, message))
    })
    for (let count = 0; count < behind; count++) activity.parked()
    return admitted
  })

  return {
    /** Gives the messages that are handled now. The others are parked behind waiting messages, or already settled. */
    admit: Effect.fnUntraced(function*(messages: Arr.NonEmptyReadonlyArray<RecordedMessage>) {
      if (known.isEmpty()) return messages
      const byId = Map.groupBy(messages, ({ streamName }) => parking.idOf(streamName))
      const admitted = new Set<RecordedMessage>()
      for (const [id, own] of byId) for (const message of yield* admitTo(id, own)) admitted.add(message)
      return messages.filter((message) => admitted.has(message))
    }),
    /** Parks a message that failed. */
    park: (message: RecordedMessage, failure: Failure) =>
      advance(
        parking.idOf(message.streamName),
        message.streamName,
        ({ through }) => message.globalPosition <= through ? [] : [parkedEvent(parking, message, failure)]
      ),
    /** Reads what was written to a known parked stream, by `Parking.drop` for instance. */
    refresh: Effect.fnUntraced(function*(id: string) {
      const stream = known.get(id)
      if (stream === undefined) return
      const fold = yield* persist(ParkedStreams.catchUp(parking, States.summary, id, stream.fold))
      known.set(id, { ...stream, fold })
    })
  }
}
