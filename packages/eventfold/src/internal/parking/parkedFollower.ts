import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore } from "../../MessageStore.ts"
import type { RetryOutages } from "../processor/outage.ts"
import * as PollPause from "../processor/pollPause.ts"
import type { ParkingCategory, RecordedEvent } from "./category.ts"
import type { KnownStreams } from "./knownStreams.ts"
import * as ParkedStreams from "./parkedStreams.ts"

export interface Options {
  readonly known: KnownStreams
  readonly parking: ParkingCategory
  readonly persist: RetryOutages
  readonly poll: PollPause.PollOptions | undefined
  /** The position of the consumer in a stream. None when another member of its group handles the stream. */
  readonly positionOf: (streamName: string) => number | undefined
}

type OnEvent = (id: string, event: RecordedEvent) => void

/** Learns what was parked so far, and follows what is written to the consumer's parked streams from then on. */
export const make = Effect.fnUntraced(function*({ known, parking, persist, poll, positionOf }: Options) {
  const store = yield* MessageStore
  const wakeUps = yield* store.wakeUps(parking.category.categoryName)
  let next = 1

  const ifOurs = (onEvent: OnEvent): OnEvent => (id, event) => {
    if (positionOf(event.data.streamName) !== undefined) onEvent(id, event)
  }
  /** Reads what is new in the parked streams that are handled here. Gives whether the category has grown. */
  const read = (onEvent: OnEvent) =>
    Effect.suspend(() => {
      const from = next
      const readOn = Effect.suspend(() =>
        ParkedStreams.readAll(parking, next, ifOurs(onEvent), (position) => next = position)
      )
      return Effect.map(persist(readOn), () => next > from)
    })

  yield* read(known.learn)

  /** Calls `onEvent` with what is written, for ever. */
  return Effect.fnUntraced(function*(onEvent: OnEvent) {
    const pause = PollPause.make(poll)
    let hadNews = true
    while (true) {
      const isWoken: boolean = Option.isSome(yield* Effect.timeoutOption(wakeUps.await, pause.next(hadNews)))
      known.forgetSettled()
      // Nothing is requested while nothing is parked: an idle consumer sends no query.
      hadNews = (isWoken || known.isAnyWaiting()) && (yield* read(onEvent))
    }
  })
})
