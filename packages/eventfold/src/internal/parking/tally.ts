import * as Effect from "effect/Effect"
import { MessageStore } from "../../MessageStore.ts"
import type { StoreError } from "../../StoreError.ts"
import * as InProcess from "../store/inProcess.ts"
import * as ParkingCategory from "./category.ts"
import * as ParkedStreams from "./parkedStreams.ts"

/** What waits for a consumer, in numbers. */
export interface Tally {
  readonly messages: number
  readonly streams: number
  /** When the stream was parked that has been parked for longest, in milliseconds; `undefined` when none is. */
  readonly since: number | undefined
}

interface Stream {
  readonly known: ParkedStreams.ParkedStream
  readonly since: number
}

/**
 * Gives an effect that counts what waits. The first time it reads all that was ever parked, in pages; later only what is new. In
 * memory is an entry for each stream that is parked.
 */
export const make = Effect.fnUntraced(function*(owner: ParkingCategory.Owner) {
  const parking = yield* ParkingCategory.make(owner)
  const streams = new Map<string, Stream>()
  let next = 1
  let generation: number | undefined

  const learn = (id: string, event: ParkingCategory.RecordedEvent) => {
    const found = streams.get(id)
    const known = ParkedStreams.after(found?.known, event)
    if (known.fold.state.waiting === 0) streams.delete(id)
    else streams.set(id, { known, since: found?.since ?? event.recorded.time.epochMilliseconds })
  }

  const tally: Effect.Effect<Tally, StoreError, MessageStore> = Effect.gen(function*() {
    const store = yield* MessageStore
    const current = store[InProcess.TypeId].lineage?.generation() ?? 0
    if (current !== generation) {
      // The database has become another one, and may lack what was read.
      streams.clear()
      next = 1
      generation = current
    }
    yield* ParkedStreams.readAll(parking, next, learn, (position) => next = position)
    const all = [...streams.values()]
    return {
      messages: all.reduce((sum, { known }) => sum + known.fold.state.waiting, 0),
      streams: all.length,
      since: all.length === 0 ? undefined : all.reduce((first, { since }) => Math.min(first, since), Infinity)
    }
  })
  return tally
})
