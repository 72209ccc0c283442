import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DecodeError } from "../../Category.ts"
import { deletion, isDeleted, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import type { FoldMessage } from "../../StoreBackend.ts"
import type { StreamName } from "../../StreamName.ts"
import type { FoldEvent } from "../category/foldEvent.ts"
import * as Eager from "../runtime/eagerLoop.ts"
import * as InProcess from "../store/inProcess.ts"

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
  readonly initial: S
  readonly evolve: (state: S, event: Event) => S
}

/** The fold of a stream that does not exist. */
export const emptyFold = <S>(state: S): Fold<S> => ({ state, version: -1, snapshotAt: -1 })

/** The empty fold of a stream whose snapshot, if it has one, is of another past and must be replaced. */
export const rewoundFold = <S>(state: S): Fold<S> => ({ state, version: -1, snapshotAt: Number.NEGATIVE_INFINITY })

type IsBefore = (recorded: RecordedMessage) => boolean

/**
 * Watches what is read after a version for notices of deletions. `noticed` has the positions of those for which the stream was
 * folded again: what was read since is without the messages that they name.
 */
const watchDeletions = (known: number, noticed: Set<number>) => {
  const tombstones = new Set<number>()
  let isOutdated = false
  return {
    /** Whether a state has a message folded in that is deleted now. */
    isOutdated: () => isOutdated,
    /** Takes a message that is no event. `version` is that of the state before it. */
    take: (recorded: RecordedMessage, version: number) => {
      if (!isDeleted(recorded) || recorded.position <= known) return
      const { position, through } = Option.getOrElse(deletion(recorded), (): Deleted => ({}))
      if (position === undefined && through === undefined) tombstones.add(recorded.position)
      const isFolded = through === undefined
        ? position !== undefined && position <= version && !tombstones.has(position)
        : version >= 0
      if (!isFolded || noticed.has(recorded.position)) return
      noticed.add(recorded.position)
      isOutdated = true
    }
  }
}

interface Deleted {
  readonly position?: number
  readonly through?: number
}

/** Folds the messages after `from` once. Gives none when a message that is folded in turns out to be deleted. */
const readOnce = <Event, S, R>(
  { decode, evolve }: Folding<Event, S, R>,
  streamName: string,
  from: Fold<S>,
  known: number,
  noticed: Set<number>,
  isBefore: IsBefore | undefined
) =>
  MessageStore.use((store) => {
    let { state, version } = from
    const deletions = watchDeletions(known, noticed)
    const step = (event: Option.Option<Event>, recorded: RecordedMessage) => {
      if (Option.isSome(event)) state = evolve(state, event.value)
      else deletions.take(recorded, version)
      version = recorded.position
    }
    const messages = store.readStream(streamName, { from: version + 1 })
    return (isBefore === undefined ? messages : Stream.takeWhile(messages, isBefore)).pipe(
      Stream.runForEachArray((rows) => Eager.forEach(rows, decode, step)),
      Effect.map((): Option.Option<Fold<S>> =>
        deletions.isOutdated() ? Option.none() : Option.some({ ...from, state, version })
      ),
      // The position is ours, and every store reads forwards: either failure would be a bug.
      Effect.catchTag(["InvalidArgument", "Unsupported"], Effect.die)
    )
  })

/**
 * Folds the whole stream, until no message that is folded in turns out to be deleted. Each notice is the reason for one more read
 * at most, so the reads end.
 */
const foldAgain = <Event, S, R>(
  folding: Folding<Event, S, R>,
  streamName: string,
  noticed: Set<number>,
  isBefore?: IsBefore
) => {
  const read = readOnce(folding, streamName, rewoundFold(folding.initial), -1, noticed, isBefore)
  const loop: Effect.Effect<Fold<S>, Effect.Error<typeof read>, Effect.Services<typeof read>> = Effect.flatMap(
    read,
    (fold) => Option.isSome(fold) ? Effect.succeed(fold.value) : loop
  )
  return loop
}

/**
 * Folds the messages after `from`: all of them, or those before the first for which `isBefore` is false. When a message that is
 * folded in is deleted now, folds the whole stream.
 */
export const catchUp = <Event, S, R>(
  folding: Folding<Event, S, R>,
  streamName: string,
  from: Fold<S>,
  isBefore?: IsBefore
) =>
  Effect.suspend(() => {
    const noticed = new Set<number>()
    return Effect.flatMap(
      readOnce(folding, streamName, from, from.version, noticed, isBefore),
      (fold) => Option.isSome(fold) ? Effect.succeed(fold.value) : foldAgain(folding, streamName, noticed, isBefore)
    )
  })

/** How the little that a fold needs of messages becomes events; `undefined` for a message that has to be read whole. */
interface LeanFolding<Event extends FoldEvent, S, R> extends Folding<Event, S, R> {
  readonly decodeForFold: (message: FoldMessage) => Option.Option<FoldEvent> | undefined
  readonly evolve: (state: S, event: FoldEvent) => S
}

/**
 * Folds all messages after `from`. Where the store has a read for folds it reads no more than they need, and begins again with whole
 * messages at the first one of which that does not suffice.
 */
export const catchUpLean = <Event extends FoldEvent, S, R>(
  folding: LeanFolding<Event, S, R>,
  streamName: StreamName,
  from: Fold<S>
) =>
  MessageStore.use((store) => {
    const { foldReads } = store[InProcess.TypeId]
    const { decodeForFold, evolve } = folding
    const whole = catchUp(folding, streamName, from)
    if (foldReads === undefined || foldReads.insteadOf !== store.readStream) return whole
    return Effect.flatMap(foldReads.read(streamName, from.version + 1), (page) => {
      if (page === undefined) return whole
      let { state, version } = from
      for (const message of page.messages) {
        const event = decodeForFold(message)
        if (event === undefined) return whole
        if (Option.isSome(event)) state = evolve(state, event.value)
        version = message.position
      }
      const fold = { ...from, state, version }
      return page.hasMore ? catchUp(folding, streamName, fold) : Effect.succeed(fold)
    })
  })

/**
 * Folds the messages after a snapshot. It also reads the message that the snapshot stands for, and gives none when the stream
 * does not reach it: a backup was restored, for instance, and the snapshot is of another past.
 */
export const catchUpFromSnapshot = Effect.fnUntraced(function*<Event, S, R>(
  folding: Folding<Event, S, R>,
  streamName: string,
  snapshot: Fold<S>
) {
  let isReached = false
  const skipReached = (recorded: RecordedMessage) => {
    if (recorded.position > snapshot.version) return folding.decode(recorded)
    isReached = true
    return Effect.succeedNone
  }
  const noticed = new Set<number>()
  const before = { ...snapshot, version: snapshot.version - 1 }
  const reading = { ...folding, decode: skipReached }
  const fold = yield* readOnce(reading, streamName, before, snapshot.version, noticed, undefined)
  if (!isReached) return Option.none()
  return Option.isSome(fold) ? fold : Option.some(yield* foldAgain(folding, streamName, noticed))
})
