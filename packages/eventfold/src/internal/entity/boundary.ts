import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "../../Message.ts"
import { type Append, type AppendError, MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import type { AppendResult } from "../../StoreBackend.ts"
import { type InvalidMessage, type StoreError, WrongExpectedVersion } from "../../StoreError.ts"
import * as InProcess from "../store/inProcess.ts"
import { type AnyRecorded, type EntityStream, foldAfter, type ReadError } from "./entityStream.ts"
import type { Fold } from "./fold.ts"
import { eventId, findFirstEvent, type Handled, handledSince } from "./repeatedCommand.ts"
import { type Place, Unwritten } from "./rounds.ts"
import type { Freshness } from "./stateCache.ts"

/**
 * The consistency boundary of a transaction: the stream of one entity, or those of several, as one thing that is loaded,
 * decided on and written. `Found` is the state that a load finds, and `Events` is what a decision adds to it.
 */
export interface Boundary<Found, Events, E, R> {
  readonly streamNames: ReadonlyArray<string>
  /** What the cache has of all streams, without a read, where a decision on that is worth it: see `proves`. */
  readonly promising: () => Option.Option<Found>
  /** Joins the next round of transactions on the stream; none where there are no rounds. */
  readonly joinRound: Effect.Effect<Option.Option<InRound<Found, Events, E, R>>, never, R>
  /** Whether a write of the events fails unless all that was found is the latest, or finds what the same command did before. */
  readonly proves: (events: Events, commandId: string | undefined) => boolean
  readonly load: (freshness: Freshness | "assumeEmpty") => Effect.Effect<Found, E, R>
  /** Loads the latest state when an older one is known, which met a conflict or turned out to be written already. */
  readonly loadAgain: (known: Found, conflict: WrongExpectedVersion | undefined) => Effect.Effect<Found, E, R>
  /** Fails unless every stream is at the version that was found. */
  readonly check: (found: Found) => Effect.Effect<void, E | WrongExpectedVersion, R>
  /** How many of the streams have events to be written. */
  readonly extent: (events: Events) => "none" | "some" | "all"
  /** Prepares an append of the events, at least one, at the versions that were found. */
  readonly prepare: Prepare<Found, Events, E, R>
  /** What a command did when it was handled before. */
  readonly handledBefore: (commandId: string) => Effect.Effect<Option.Option<Handled<Found, Events>>, E, R>
  /** The messages of a stream after the state that was found, up to `limit`. */
  readonly missed: (
    found: Found,
    streamName: string,
    limit: number
  ) => Effect.Effect<ReadonlyArray<RecordedMessage>, StoreError>
}

/**
 * Makes ready what is to be written, and gives the write, all or none. What fails or dies before that was not sent: an event that does not
 * fit, a state that the events do not lead on from.
 */
export type Prepare<Found, Events, E, R, E2 = never> = (
  found: Found,
  events: Events,
  commandId: string | undefined
) => Effect.Effect<Effect.Effect<Written<Found, Events>, E | WrongExpectedVersion | E2, R>, E, R>

/** A transaction in a round. */
export interface InRound<Found, Events, E, R> extends Pick<Place<Found>, "turn" | "leave" | "tooSlow"> {
  /** As that of the boundary, with the others of the round. The write fails with `Unwritten` when the round was not written. */
  readonly prepare: Prepare<Found, Events, E, R, Unwritten>
}

/** What a write did. */
export interface Written<Found, Events> {
  /** The state after the events; none when the store had recorded them before, under the same ids. */
  readonly after: Option.Option<Found>
  /** The events as their readers get them. */
  readonly events: Events
  /** The highest global position of the events. */
  readonly globalPosition: number
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
  Effect.map(encode(events), ({ events, messages }) => {
    const append: Append = {
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
    }
    return { append, events }
  })

/**
 * Whether events have ids of their own, by which the store may have them already. Their append then succeeds whatever the version is, and
 * without a command nothing tells what was decided then.
 */
const mayBeRepeated = (events: ReadonlyArray<unknown>, commandId: string | undefined): boolean =>
  commandId === undefined &&
  events.some((event) => typeof event === "object" && event !== null && "id" in event && event.id !== undefined)

/** Whether an append was refused, so that nothing was written. After any other error that is unknown. */
const isConflict = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(
    Cause.findErrorOption(cause),
    (error) => error instanceof WrongExpectedVersion || error instanceof Unwritten
  )

/** The messages of a stream after a state of it, up to `limit`. */
const messagesAfter = (store: Store, streamName: string, fold: Fold<unknown>, limit: number) =>
  Stream.runCollect(store.readStream(streamName, { from: fold.version + 1, limit })).pipe(
    // The name, position and limit are ours, and every store reads forwards: these failures would be bugs.
    Effect.catchTag(["InvalidStreamName", "InvalidArgument", "Unsupported"], Effect.die)
  )

/** Encodes events, to be written by a function, which also gets the state after them. */
const prepareBy = <S, Event, Recorded, R, E>(
  stream: EntityStream<S, Event, Recorded, R>,
  found: Fold<S>,
  given: ReadonlyArray<Event>,
  commandId: string | undefined,
  append: (append: Append, after: Fold<S>) => Effect.Effect<AppendResult, E>
) =>
  Effect.map(toAppend(stream, found, given, commandId), ({ append: one, events }) => {
    const after = foldAfter(stream, found, events)
    return Effect.flatMap(
      Effect.onError(append(one, after), (cause) => isConflict(cause) ? Effect.void : stream.failed),
      ({ globalPosition, version }) =>
        after.version === version
          ? Effect.as(stream.written(after), { after: Option.some(after), events, globalPosition })
          : Effect.succeed({ after: Option.none(), events, globalPosition })
    )
  })

/** The boundary of one entity. `append` writes its events. */
export const oneStream = <S, Event, Recorded extends AnyRecorded, R, E>(
  store: Store,
  stream: EntityStream<S, Event, Recorded, R>,
  append: (append: Append) => Effect.Effect<AppendResult, E | WrongExpectedVersion>
): Boundary<Fold<S>, ReadonlyArray<Event>, ReadError | InvalidMessage | E, R | MessageStore> => ({
  joinRound: Effect.succeedNone,
  streamNames: [stream.streamName],
  promising: stream.promising,
  proves: (events, commandId) => events.length > 0 && !mayBeRepeated(events, commandId),
  load: (freshness) => load(stream, freshness),
  loadAgain: (known, conflict) => loadAgain(stream, known, conflict),
  check: (found) =>
    Effect.flatMap(
      conflictOf(store, stream.streamName, found),
      (conflict) => conflict === undefined ? Effect.void : Effect.fail(conflict)
    ),
  extent: (events) => events.length === 0 ? "none" : "all",
  prepare: (found, events, commandId) => prepareBy(stream, found, events, commandId, append),
  handledBefore: (commandId) =>
    Effect.flatMap(
      findFirstEvent(store, stream, commandId),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (first) => Effect.asSome(handledSince(stream, commandId, first))
      })
    ),
  missed: (found, streamName, limit) =>
    streamName === stream.streamName ? messagesAfter(store, streamName, found, limit) : Effect.succeed([])
})

/** The rounds of a stream whose events `store.append` writes; none where a program has wrapped that. */
const roundsOf = <S, Event, Recorded extends AnyRecorded, R>(
  store: Store,
  stream: EntityStream<S, Event, Recorded, R>
): Effect.Effect<
  Option.Option<
    InRound<Fold<S>, ReadonlyArray<Event>, ReadError | Exclude<AppendError, WrongExpectedVersion>, R | MessageStore>
  >,
  never,
  R | MessageStore
> => {
  const { rounds, streamName } = stream
  const { lineage, sharedAppends, streamQueues } = store[InProcess.TypeId]
  if (rounds === undefined || sharedAppends.insteadOf !== store.append) return Effect.succeedNone
  let generation = lineage?.generation()
  const place = rounds.join(streamName, {
    inTurn: (effect) => streamQueues.inTurn([streamName], effect),
    begin: (isOld) =>
      Effect.suspend(() => {
        generation = lineage?.generation()
        return isOld ? Effect.option(stream.load("latest")) : Effect.succeed(stream.promising())
      }),
    write: sharedAppends.write,
    mayBeOutdated: () => lineage !== undefined && (lineage.isDue() || lineage.generation() !== generation),
    written: (after) => Effect.provideService(stream.written(after), MessageStore, store)
  })
  return Effect.map(
    place,
    Option.map(({ add, leave, tooSlow, turn }) => ({
      leave,
      tooSlow,
      turn,
      prepare: (found, events, commandId) =>
        prepareBy(stream, found, events, commandId, (one, after) =>
          sharedAppends.by(
            (encoded) => add(encoded, after),
            one.streamName,
            one.messages,
            one
          ))
    }))
  )
}

/** The boundary of one entity whose events are appended by the store, by itself or in a round. */
export const appendingOneStream = <S, Event, Recorded extends AnyRecorded, R>(
  store: Store,
  stream: EntityStream<S, Event, Recorded, R>
): Boundary<
  Fold<S>,
  ReadonlyArray<Event>,
  ReadError | Exclude<AppendError, WrongExpectedVersion>,
  R | MessageStore
> => ({
  ...oneStream(store, stream, (append) => store.append(append.streamName, append.messages, append)),
  joinRound: Effect.suspend(() => roundsOf(store, stream))
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
  ReadError | InvalidMessage | E,
  R | MessageStore
> => ({
  streamNames: streams.map(({ streamName }) => streamName),
  promising: () => Option.all(streams.map((stream) => Option.map(stream.promising(), (fold) => ({ stream, fold })))),
  joinRound: Effect.succeedNone,
  // A stream that is only read may have changed, unless the write checks it.
  proves: (events, commandId) => {
    const writing = events.filter(({ length }) => length > 0).length
    return writing > 0 && (checkReads || writing === events.length) && !mayBeRepeated(events.flat(), commandId)
  },
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
  prepare: Effect.fnUntraced(function*(found, events, commandId) {
    const decided = yield* Effect.forEach(
      Arr.zip(found, events),
      ([{ fold, stream }, events]) =>
        Effect.map(toAppend(stream, fold, events, commandId), (encoded) => ({
          stream,
          fold,
          after: foldAfter(stream, fold, encoded.events),
          ...encoded
        }))
    )
    const writing = decided.filter(({ events }) => events.length > 0)
    // An append without messages checks the version.
    const checking = checkReads ? decided.filter(({ events }) => events.length === 0) : []
    const write = Effect.onError(
      writeAll([...writing, ...checking].map(({ append }) => append)),
      (cause) => isConflict(cause) ? Effect.void : Effect.forEach(writing, ({ stream }) => stream.failed)
    )
    return Effect.flatMap(write, (results) => {
      const globalPosition = Math.max(...results.map(({ globalPosition }) => globalPosition))
      const asRead = { events: decided.map(({ events }) => events), globalPosition }
      const isRepeated = writing.some(({ after }, index) => after.version !== results[index]?.version)
      return isRepeated ? Effect.succeed({ ...asRead, after: Option.none() }) : Effect.as(
        Effect.forEach(writing, ({ after, stream }) => stream.written(after), { concurrency }),
        { ...asRead, after: Option.some(decided.map(({ after, stream }) => ({ stream, fold: after }))) }
      )
    })
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
          (fold) => ({ found: fold, events: [], after: fold, globalPosition: begin })
        )
      return Effect.map(one, ({ after, events, found, globalPosition }) => ({
        found: { stream, fold: found },
        events,
        after: { stream, fold: after },
        globalPosition
      }))
    }, { concurrency })
    return Option.some({
      found: handled.map(({ found }) => found),
      events: handled.map(({ events }) => events),
      after: handled.map(({ after }) => after),
      globalPosition: Math.max(...handled.map(({ globalPosition }) => globalPosition))
    })
  }),
  missed: (found, streamName, limit) => {
    const own = found.find(({ stream }) => stream.streamName === streamName)
    return own === undefined ? Effect.succeed([]) : messagesAfter(store, streamName, own.fold, limit)
  }
})

/** A boundary whose writes have some metadata in their context. */
export const withMetadata = <Found, Events, E, R>(
  boundary: Boundary<Found, Events, E, R>,
  metadata: Metadata.Metadata | undefined
): Boundary<Found, Events, E, R> =>
  metadata === undefined ? boundary : {
    ...boundary,
    prepare: (found, events, commandId) =>
      Metadata.with(
        Effect.map(boundary.prepare(found, events, commandId), (write) => Metadata.with(write, metadata)),
        metadata
      )
  }
