import type { RecordedEvent } from "./category.ts"
import * as ParkedStreams from "./parkedStreams.ts"

/** A parked stream by its id, and a stream whose messages are parked in it. */
export interface Named {
  readonly id: string
  readonly streamName: string
}

/** The parked streams that a running consumer remembers, by id. */
export interface KnownStreams {
  readonly get: (id: string) => ParkedStreams.ParkedStream | undefined
  readonly set: (id: string, stream: ParkedStreams.ParkedStream) => void
  /** Learns one more event of a parked stream. */
  readonly learn: (id: string, event: RecordedEvent) => void
  readonly forgetSettled: () => void
  readonly isEmpty: () => boolean
  /** Whether a message waits in one of them. */
  readonly isAnyWaiting: () => boolean
  /** The streams whose replay was requested. */
  readonly requested: () => ReadonlyArray<Named>
}

/**
 * Remembers the parked streams in which messages wait, and those whose settled messages the consumer may read again: until
 * its position has passed the last of them, which `positionOf` tells for each stream.
 */
export const make = (positionOf: (streamName: string) => number | undefined): KnownStreams => {
  const streams = new Map<string, ParkedStreams.ParkedStream>()
  const isSettled = ({ fold: { state }, streamName }: ParkedStreams.ParkedStream): boolean =>
    state.waiting === 0 && state.through <= (positionOf(streamName) ?? Number.POSITIVE_INFINITY)
  return {
    get: (id) => streams.get(id),
    set: (id, stream) => void streams.set(id, stream),
    learn: (id, event) => {
      const stream = ParkedStreams.after(streams.get(id), event)
      if (isSettled(stream)) streams.delete(id)
      else streams.set(id, stream)
    },
    forgetSettled: () => streams.forEach((stream, id) => isSettled(stream) && streams.delete(id)),
    isEmpty: () => streams.size === 0,
    isAnyWaiting: () => [...streams.values()].some(({ fold }) => fold.state.waiting > 0),
    requested: () =>
      [...streams].flatMap(([id, { fold, streamName }]) => fold.state.requested > 0 ? [{ id, streamName }] : [])
  }
}
