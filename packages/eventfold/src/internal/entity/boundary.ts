import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Append, MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import type { AppendResult } from "../../StoreBackend.ts"
import { type InvalidMessage, WrongExpectedVersion } from "../../StoreError.ts"
import { type AnyRecorded, type EntityStream, foldAfter, type ReadError } from "./entityStream.ts"
import type { Fold } from "./fold.ts"
import { eventId, findFirstEvent, type Handled, handledSince } from "./repeatedCommand.ts"
import type { Freshness } from "./stateCache.ts"

/**
 * The consistency boundary of a transaction: the stream of one entity, or those of several, as one thing that is loaded,
 * decided on and written. `Found` is the state that a load finds, and `Events` is what a decision adds to it.
 */
export interface Boundary<Found, Events, Recorded, E, R> {
  readonly streamNames: ReadonlyArray<string>
  readonly load: (freshness: Freshness | "assumeEmpty") => Effect.Effect<Found, E, R>
  /** Loads the latest state when an older one is known, which met a conflict or turned out to be written already. */
  readonly loadAgain: (known: Found, conflict: WrongExpectedVersion | undefined) => Effect.Effect<Found, E, R>
  /** Fails unless every stream is at the version that was found. */
  readonly check: (found: Found) => Effect.Effect<void, E | WrongExpectedVersion, R>
  /** How many of the streams have events to be written. */
  readonly extent: (events: Events) => "none" | "some" | "all"
  /**
   * Appends the events, at least one, at the versions that were found: all or none. Gives the state after them, or none
   * when the store had recorded them before, under the same ids.
   */
  readonly write: (
    found: Found,
    events: Events,
    commandId: string | undefined
  ) => Effect.Effect<Option.Option<Found>, E | WrongExpectedVersion, R>
  /** What a command did when it was handled before. */
  readonly handledBefore: (commandId: string) => Effect.Effect<Option.Option<Handled<Found, Events>>, E, R>
  /** The events of a stream after the state that was found, up to `limit`. */
  readonly missed: (found: Found, streamName: string, limit: number) => Effect.Effect<ReadonlyArray<Recorded>, E, R>
}

type Store = MessageStore["Service"]

const concurrency = "unbounded"

const expectedVersion = ({ version }: Fold<unknown>) => version === -1 ? "noStream" : version

const load = <S, Event, Recorded, R>(
  stream: EntityStream<S, Event, Recorded, R>,
  freshness: Freshness | "assumeEmpty"
) => freshness === "assumeEmpty" ? Effect.succeed(stream.empty) : stream.load(freshness)

const loadAgain = <S, Event, Recorded, R>(
  stream: EntityStream<S, Event, Recorded, R>,
  fold: Fold<S>,
  conflict: WrongExpectedVersion | undefined
) => {
  // A stream that is behind what was read of it has been rewound: a backup was restored, for instance.
  const isRewound = conflict?.streamName === stream.streamName &&
    Option.getOrElse(conflict.actual, () => -1) < fold.version
  if (isRewound) return stream.reload
  return fold.version === -1 ? stream.load("latest") : stream.loadSince(fold)
}

/** The conflict that an append at the version of a fold would meet now. */
const conflictOf = (store: Store, streamName: string, fold: Fold<unknown>) =>
  Effect.map(
    store.streamVersion(streamName),
    (actual) =>
      Option.getOrElse(actual, () => -1) === fold.version
        ? undefined
        : new WrongExpectedVersion({ streamName, expected: expectedVersion(fold), actual })
  )

const toAppend = <S, Event, Recorded, R>(
  { encode, streamName }: EntityStream<S, Event, Recorded, R>,
  fold: Fold<S>,
  events: ReadonlyArray<Event>,
  commandId: string | undefined
) =>
  Effect.map(encode(events), (messages): Append => ({
    streamName,
    expectedVersion: expectedVersion(fold),
    messages: commandId === undefined
      ? messages
      : messages.map(({ data, metadata, type }, index) => ({
        id: eventId(commandId, streamName, index),
        type,
        data,
        metadata
      }))
  }))

/** Checks of the streams without events, at the versions that were found. */
const toChecks = (
  decided: ReadonlyArray<{
    readonly stream: { readonly streamName: string }
    readonly fold: Fold<unknown>
    readonly events: ReadonlyArray<unknown>
  }>
): ReadonlyArray<Append> =>
  decided.flatMap(({ events, fold, stream }) =>
    events.length > 0
      ? []
      : { streamName: stream.streamName, expectedVersion: expectedVersion(fold), messages: [] }
  )

/** Whether an append was refused, so that nothing was written. After any other error that is unknown. */
const isConflict = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.findErrorOption(cause), (error) => error instanceof WrongExpectedVersion)

/** The boundary of one entity. `append` writes its events. */
export const oneStream = <S, Event, Recorded extends AnyRecorded, R, E>(
  store: Store,
  stream: EntityStream<S, Event, Recorded, R>,
  append: (append: Append) => Effect.Effect<AppendResult, E | WrongExpectedVersion>
): Boundary<Fold<S>, ReadonlyArray<Event>, Recorded, ReadError | InvalidMessage | E, R | MessageStore> => ({
  streamNames: [stream.streamName],
  load: (freshness) => load(stream, freshness),
  loadAgain: (known, conflict) => loadAgain(stream, known, conflict),
  check: (found) =>
    Effect.flatMap(
      conflictOf(store, stream.streamName, found),
      (conflict) => conflict === undefined ? Effect.void : Effect.fail(conflict)
    ),
  extent: (events) => events.length === 0 ? "none" : "all",
  write: (found, events, commandId) =>
    toAppend(stream, found, events, commandId).pipe(
      Effect.flatMap((one) => Effect.onError(append(one), (cause) => isConflict(cause) ? Effect.void : stream.failed)),
      Effect.flatMap(({ version }) => {
        const after = foldAfter(stream, found, events)
        return after.version === version ? Effect.as(stream.written(after), Option.some(after)) : Effect.succeedNone
      })
    ),
  handledBefore: (commandId) =>
    Effect.flatMap(
      findFirstEvent(store, stream, commandId),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (first) => Effect.asSome(handledSince(stream, commandId, first))
      })
    ),
  missed: (found, streamName, limit) =>
    streamName === stream.streamName ? stream.events(found.version + 1, limit) : Effect.succeed([])
})

/** One of several streams, and the state that was found in it. */
export interface StreamFold<S, Event, Recorded, R> {
  readonly stream: EntityStream<S, Event, Recorded, R>
  readonly fold: Fold<S>
}

/**
 * The boundary of several entities. `writeAll` writes the events of those that have any; with `checkReads` it also checks the
 * versions of the others.
 */
export const severalStreams = <S, Event, Recorded extends AnyRecorded, R, E>(
  store: Store,
  streams: ReadonlyArray<EntityStream<S, Event, Recorded, R>>,
  checkReads: boolean,
  writeAll: (appends: ReadonlyArray<Append>) => Effect.Effect<ReadonlyArray<AppendResult>, E | WrongExpectedVersion>
): Boundary<
  ReadonlyArray<StreamFold<S, Event, Recorded, R>>,
  ReadonlyArray<ReadonlyArray<Event>>,
  Recorded,
  ReadError | InvalidMessage | E,
  R | MessageStore
> => ({
  streamNames: streams.map(({ streamName }) => streamName),
  load: (freshness) =>
    Effect.forEach(streams, (stream) => Effect.map(load(stream, freshness), (fold) => ({ stream, fold })), {
      concurrency
    }),
  loadAgain: (known, conflict) =>
    Effect.forEach(
      known,
      ({ fold, stream }) => Effect.map(loadAgain(stream, fold, conflict), (fold) => ({ stream, fold })),
      { concurrency }
    ),
  check: (found) =>
    Effect.forEach(found, ({ fold, stream }) => conflictOf(store, stream.streamName, fold), { concurrency }).pipe(
      Effect.flatMap((conflicts) => {
        const first = conflicts.find((conflict) => conflict !== undefined)
        return first === undefined ? Effect.void : Effect.fail(first)
      })
    ),
  extent: (events) => {
    const writing = events.filter(({ length }) => length > 0)
    return writing.length === 0 ? "none" : writing.length < events.length ? "some" : "all"
  },
  write: Effect.fnUntraced(function*(found, events, commandId) {
    const decided = Arr.zipWith(found, events, ({ fold, stream }, events) => ({ stream, fold, events }))
    const writing = decided.filter(({ events }) => events.length > 0)
    const appends = yield* Effect.forEach(
      writing,
      ({ events, fold, stream }) => toAppend(stream, fold, events, commandId)
    )
    const checks = checkReads ? toChecks(decided) : []
    const results = yield* Effect.onError(
      writeAll([...appends, ...checks]),
      (cause) => isConflict(cause) ? Effect.void : Effect.forEach(writing, ({ stream }) => stream.failed)
    )
    const written = Arr.zipWith(writing, results, ({ events, fold, stream }, { version }) => ({
      stream,
      after: foldAfter(stream, fold, events),
      version
    }))
    if (written.some(({ after, version }) => after.version !== version)) return Option.none()
    yield* Effect.forEach(written, ({ after, stream }) => stream.written(after), { concurrency })
    return Option.some(
      decided.map(({ events, fold, stream }) => ({ stream, fold: foldAfter(stream, fold, events) }))
    )
  }),
  handledBefore: Effect.fnUntraced(function*(commandId) {
    const firsts = yield* Effect.forEach(
      streams,
      (stream) => Effect.map(findFirstEvent(store, stream, commandId), (first) => ({ stream, first })),
      { concurrency }
    )
    const begin = Math.min(
      ...firsts.flatMap(({ first }) => Option.isSome(first) ? [first.value.globalPosition] : [])
    )
    if (begin === Number.POSITIVE_INFINITY) return Option.none()

    const handled = yield* Effect.forEach(firsts, ({ first, stream }) => {
      // A stream that the command did not write is found as it was when the command wrote the others.
      const one = Option.isSome(first)
        ? handledSince(stream, commandId, first.value)
        : Effect.map(
          stream.loadUntil(({ globalPosition }) => globalPosition < begin),
          (fold) => ({ found: fold, events: [], after: fold })
        )
      return Effect.map(one, ({ after, events, found }) => ({
        found: { stream, fold: found },
        events,
        after: { stream, fold: after }
      }))
    }, { concurrency })
    return Option.some({
      found: handled.map(({ found }) => found),
      events: handled.map(({ events }) => events),
      after: handled.map(({ after }) => after)
    })
  }),
  missed: (found, streamName, limit) => {
    const own = found.find(({ stream }) => stream.streamName === streamName)
    return own === undefined ? Effect.succeed([]) : own.stream.events(own.fold.version + 1, limit)
  }
})

/** A boundary whose writes have some metadata in their context. */
export const withMetadata = <Found, Events, Recorded, E, R>(
  boundary: Boundary<Found, Events, Recorded, E, R>,
  metadata: Metadata.Metadata | undefined
): Boundary<Found, Events, Recorded, E, R> =>
  metadata === undefined ? boundary : {
    ...boundary,
    write: (found, events, commandId) => Metadata.with(boundary.write(found, events, commandId), metadata)
  }
