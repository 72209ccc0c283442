import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { deriveId, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import type { StoreError } from "../../StoreError.ts"
import type { Fold } from "../entity/fold.ts"
import type { Activity } from "../processor/activity.ts"
import { type Attempt, describe, type Failure } from "../processor/handleMessages.ts"
import { ofConsumer } from "../processor/subject.ts"
import { log } from "../runtime/log.ts"
import type { Consumer } from "./definition.ts"
import type { Shares } from "./members.ts"
import * as ParkedStreams from "./parkedStreams.ts"

/** How many messages of a stream are replayed before others of its lane have their turn. */
const pageSize = 100

/** What the parking needs of the consumer that runs. */
export interface Options<R> {
  readonly activity: Activity
  readonly attempt: Attempt<R>
  readonly shares: Shares
  /** Goes on with an effect when the store is back. */
  readonly persist: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Puts something that has to wait for the messages before it at the end of the lane of a stream. */
export type OfferTask<R> = (streamName: string, task: Effect.Effect<void, StoreError, R | MessageStore>) => void

/** A replay that is going on: what waits in its stream, and which of that has not had its turn. */
interface Replay {
  queue: Fold<ParkedStreams.Queue>
  turns: Array<ParkedStreams.Waiting>
}

/**
 * The parking of a consumer while it runs. What it knows of a stream changes in the stream's lane only, so that the answer to
 * whether a message has to wait holds until the message is handled or parked.
 *
 * Kept are one entry for each stream that is parked, or that has messages which were parked and may be delivered once more;
 * and the queues of the streams that are being replayed, as many as there are lanes in hand at the most.
 */
export const start = Effect.fnUntraced(function*<E, R>(
  consumer: Consumer<E, R>,
  { activity, attempt, persist, shares }: Options<R>
) {
  const { concurrency = 1, poll } = consumer.options
  const store = yield* MessageStore
  const parked = yield* ParkedStreams.make(consumer)
  const { events } = parked.category
  const wakeUps = yield* store.wakeUps(parked.category.name)

  const entries = new Map<string, ParkedStreams.Entry>()
  const isSettled = ({ fold: { state }, streamName }: ParkedStreams.Entry): boolean =>
    state.waiting === 0 && state.through <= (shares.of({ streamName })?.mark.position() ?? Number.POSITIVE_INFINITY)
  const foldOf = (id: string) => entries.get(id)?.fold ?? ParkedStreams.unread(parked.summary)

  let next = 1
  const read = (each: Parameters<typeof parked.read>[1]) =>
    persist(Effect.suspend(() => parked.read(next, each, (position) => next = position)))
  yield* read((id, event) => {
    const entry = parked.evolve(entries.get(id), event)
    if (isSettled(entry)) entries.delete(id)
    else entries.set(id, entry)
  })
  for (const [id, { streamName }] of entries) if (shares.of({ streamName }) === undefined) entries.delete(id)

  const eventId = (message: string, ...what: ReadonlyArray<string>) =>
    deriveId(consumer.id, parked.category.name, message, ...what)

  const parkedEvent = (
    { globalPosition, id: messageId, position, streamName, type }: RecordedMessage,
    failure?: Failure | undefined
  ) => {
    const reason = failure === undefined ? {} : { error: ParkedStreams.errorText(Cause.pretty(failure.cause)) }
    const attempts = failure?.attempts ?? 0
    return events.Parked({ streamName, position, globalPosition, messageId, type, attempts, ...reason }, {
      id: eventId(messageId)
    })
  }

  const advance = Effect.fnUntraced(function*(
    id: string,
    streamName: string,
    decide: (state: ParkedStreams.Summary) => ReadonlyArray<ParkedStreams.Event>
  ) {
    const fold = yield* persist(Effect.suspend(() => parked.advance(parked.summary, id, foldOf(id), decide)))
    entries.set(id, { streamName, fold })
  })

  /** Learns what others have written to a parked stream. */
  const refresh = Effect.fnUntraced(function*(id: string) {
    const entry = entries.get(id)
    if (entry === undefined) return
    entries.set(id, { ...entry, fold: yield* persist(parked.catchUp(parked.summary, id, entry.fold)) })
  })

  /** Parks messages of one cardinal id behind those that wait, or gives them back when none does. */
  const queueUp = Effect.fnUntraced(function*(id: string, own: ReadonlyArray<RecordedMessage>) {
    const entry = entries.get(id)
    if (entry === undefined) return own
    let admitted: ReadonlyArray<RecordedMessage> = []
    let behind = 0
    yield* advance(id, entry.streamName, ({ through, waiting }) => {
      const unknown = own.filter(({ globalPosition }) => globalPosition > through)
      admitted = waiting === 0 ? unknown : []
      behind = unknown.length - admitted.length
      return waiting === 0 ? [] : unknown.map((message) => parkedEvent(message))
    })
    for (let count = 0; count < behind; count++) activity.parked()
    return admitted
  })

  const admit = Effect.fnUntraced(function*(messages: Arr.NonEmptyReadonlyArray<RecordedMessage>) {
    if (entries.size === 0) return messages
    const byId = Map.groupBy(messages, ({ streamName }) => parked.idOf(streamName))
    const admitted = new Set<RecordedMessage>()
    for (const [id, own] of byId) for (const message of yield* queueUp(id, own)) admitted.add(message)
    return messages.filter((message) => admitted.has(message))
  })

  const park = (message: RecordedMessage, failure: Failure) =>
    advance(
      parked.idOf(message.streamName),
      message.streamName,
      ({ through }) => message.globalPosition <= through ? [] : [parkedEvent(message, failure)]
    )

  let isStopping = false

  /** Handles a message that waits, and records what came of it unless it was dropped meanwhile. */
  const replayMessage = Effect.fnUntraced(function*(id: string, replay: Replay, waiting: ParkedStreams.Waiting) {
    const { globalPosition, messageId, position, streamName } = waiting
    const found = yield* store.findMessage(streamName, messageId).pipe(
      // They are the store's own.
      Effect.catchTag(["InvalidStreamName", "InvalidArgument"], Effect.die),
      persist
    )
    const failure = Option.isNone(found)
      ? Option.some({ cause: Cause.fail("the message is not in the store any more"), attempts: 0 })
      : yield* attempt([found.value])
    const reference = { streamName, position, globalPosition }
    const outcome = Option.match(failure, {
      onNone: () => events.Replayed(reference, { id: eventId(messageId, "replayed") }),
      onSome: ({ attempts, cause }) =>
        events.Failed({ ...reference, error: ParkedStreams.errorText(Cause.pretty(cause)), attempts }, {
          id: eventId(messageId, "failed", String(replay.queue.version))
        })
    })
    if (Option.isSome(failure)) {
      activity.failed()
      yield* log("Warn", "a parked message could not be replayed, and its stream stays parked", {
        ...Option.match(found, {
          onNone: () => ({ consumer: consumer.id, ...reference }),
          onSome: (message) => describe(ofConsumer(consumer), message)
        }),
        attempts: failure.value.attempts,
        error: Cause.pretty(failure.value.cause)
      })
    }
    replay.queue = yield* persist(parked.advance(
      parked.queue,
      id,
      replay.queue,
      ({ messages }) => HashMap.has(messages, globalPosition) ? [outcome] : []
    ))
  })

  /** Replays some of what a stream's requests want; gives whether there is more. */
  const replayPage = Effect.fnUntraced(function*(id: string, streamName: string, replay: Replay) {
    const isWanted = () => {
      const { requested, waiting } = replay.queue.state.summary
      return requested > 0 && waiting > 0 && !isStopping
    }
    replay.queue = yield* persist(parked.catchUp(parked.queue, id, replay.queue))
    for (let count = 0; count < pageSize && isWanted(); count++) {
      // What has come since the turns were given is behind all of them.
      if (replay.turns.length === 0) replay.turns = ParkedStreams.inOrder(replay.queue.state).toReversed()
      const turn = replay.turns.pop()
      if (turn === undefined) break
      if (HashMap.has(replay.queue.state.messages, turn.globalPosition)) yield* replayMessage(id, replay, turn)
    }
    entries.set(id, { streamName, fold: { ...replay.queue, state: replay.queue.state.summary } })
    return isWanted()
  })

  const requests = yield* Queue.unbounded<{ readonly id: string; readonly streamName: string }>()
  const requested = new Set<string>()
  const request = (id: string, streamName: string) => {
    if (requested.has(id)) return
    requested.add(id)
    Queue.offerUnsafe(requests, { id, streamName })
  }
  for (const [id, { fold: { state }, streamName }] of entries) if (state.requested > 0) request(id, streamName)

  /** Carries out what has been asked for, until the consumer ends. */
  const run = Effect.fnUntraced(function*(offerTask: OfferTask<R>) {
    const inLane = Effect.fnUntraced(
      function*<A>(streamName: string, task: Effect.Effect<A, StoreError, R | MessageStore>) {
        const done = yield* Deferred.make<A>()
        offerTask(streamName, Effect.flatMap(task, (value) => Deferred.succeed(done, value)))
        return yield* Deferred.await(done)
      }
    )

    const replays = Stream.fromQueue(requests).pipe(
      Stream.mapEffect(
        Effect.fnUntraced(function*({ id, streamName }) {
          // From here on another request is one more replay, after this one has perhaps ended.
          requested.delete(id)
          const replay: Replay = { queue: ParkedStreams.unread(parked.queue), turns: [] }
          while (yield* inLane(streamName, replayPage(id, streamName, replay)));
        }),
        { concurrency, unordered: true }
      ),
      Stream.runDrain,
      // The queue has no end.
      Effect.andThen(Effect.never)
    )

    const look = read((id, { data: { streamName }, type }) => {
      if (shares.of({ streamName }) === undefined) return
      if (type === "ReplayRequested") request(id, streamName)
      if (type === "Dropped" && entries.has(id)) offerTask(streamName, refresh(id))
    })
    const shortest = Duration.toMillis(poll?.min ?? "100 millis")
    const longest = Duration.toMillis(poll?.max ?? "5 seconds")
    const follow = Effect.gen(function*() {
      let pause = shortest
      while (true) {
        const woken = yield* Effect.timeoutOption(wakeUps.await, pause)
        entries.forEach((entry, id) => isSettled(entry) && entries.delete(id))
        const isWaiting = [...entries.values()].some(({ fold }) => fold.state.waiting > 0)
        const from = next
        // While nothing is parked there is nothing to be asked for, and an idle consumer sends no query for it.
        if (Option.isSome(woken) || isWaiting) yield* look
        pause = next > from ? shortest : Math.min(pause * 2, longest)
      }
    })
    return yield* Effect.raceAllFirst([follow, replays])
  }, Effect.ensuring(Effect.sync(() => isStopping = true)))

  return { admit, park, run }
})
