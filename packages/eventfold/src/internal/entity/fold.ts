import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DecodeError } from "../../Category.ts"
import type { RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import * as Eager from "../runtime/eagerLoop.ts"

/** A state and the stream version that it stands for: -1 when the stream does not exist. */
export interface Fold<S> {
  readonly state: S
  readonly version: number
  /** The version of the last known snapshot: -1 when none is known, and less when a wrong one must be replaced. */
  readonly snapshotAt: number
}

/** How messages become events, and events a state. */
export interface Folding<Event, S, R> {
  readonly decode: (recorded: RecordedMessage) => Effect.Effect<Option.Option<Event>, DecodeError, R>
  readonly evolve: (state: S, event: Event) => S
}

/** Folds the messages after `from`: all of them, or those before the first for which `isBefore` is false. */
export const catchUp = <Event, S, R>(
  { decode, evolve }: Folding<Event, S, R>,
  streamName: string,
  from: Fold<S>,
  isBefore?: (recorded: RecordedMessage) => boolean
) =>
  MessageStore.use((store) => {
    let { state, version } = from
    const step = (event: Option.Option<Event>, recorded: RecordedMessage) => {
      if (Option.isSome(event)) state = evolve(state, event.value)
      version = recorded.position
    }
    const messages = store.readStream(streamName, { from: version + 1 })
    return (isBefore === undefined ? messages : Stream.takeWhile(messages, isBefore)).pipe(
      Stream.runForEachArray((rows) => Eager.forEach(rows, decode, step)),
      Effect.map((): Fold<S> => ({ ...from, state, version })),
      // The position is ours, and every store reads forwards: either failure would be a bug.
      Effect.catchTag(["InvalidArgument", "Unsupported"], Effect.die)
    )
  })

/**
 * Folds the messages after a snapshot. It also reads the message that the snapshot stands for, and gives none when the stream
 * does not reach it: a backup was restored, for instance, and the snapshot is of another past.
 */
export const catchUpFromSnapshot = Effect.fnUntraced(function*<Event, S, R>(
  { decode, evolve }: Folding<Event, S, R>,
  streamName: string,
  snapshot: Fold<S>
) {
  let isReached = false
  const skipReached = (recorded: RecordedMessage) => {
    if (recorded.position > snapshot.version) return decode(recorded)
    isReached = true
    return Effect.succeedNone
  }
  const fold = yield* catchUp({ decode: skipReached, evolve }, streamName, {
    ...snapshot,
    version: snapshot.version - 1
  })
  return isReached ? Option.some(fold) : Option.none()
})
