import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Category from "../../Category.ts"
import type { RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import { StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import * as Folds from "../entity/fold.ts"
import type { Event, ParkingCategory, RecordedEvent } from "./category.ts"
import * as States from "./states.ts"

/** What is known of a parked stream. */
export interface ParkedStream {
  /** A stream whose messages are parked in it. */
  readonly streamName: string
  readonly fold: Folds.Fold<States.Summary>
}

/** A message that waits, and when it was parked. */
export interface TimedMessage extends States.WaitingMessage {
  readonly time: DateTime.Utc
}

/** The state of a parked stream before its first event. */
export const unread = <S>({ initial }: States.Folding<S>): Folds.Fold<S> => ({
  state: initial,
  version: -1,
  snapshotAt: -1
})

/** What is known of a parked stream after one more of its events. */
export const after = (known: ParkedStream | undefined, event: RecordedEvent): ParkedStream => ({
  streamName: event.data.streamName,
  fold: {
    state: States.summary.evolve(known?.fold.state ?? States.summary.initial, event),
    version: event.recorded.position,
    snapshotAt: -1
  }
})

const failed = (operation: string, reason: string) => new StoreError({ operation, reason, isRetryable: false })

/** The parking checks its names, makes its events, and reads forwards: an error but these is a bug. */
const storeErrors = <A, E extends { readonly _tag: string }, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
  Effect.catch(effect, (error: E | Category.DecodeError | StoreError): Effect.Effect<never, StoreError> => {
    if (error instanceof StoreError) return error
    return error instanceof Category.DecodeError ? failed(operation, error.message) : Effect.die(error)
  })

/** Folds what was written since a state was read. */
export const catchUp = <S>(
  { category }: ParkingCategory,
  { evolve, initial }: States.Folding<S, RecordedEvent>,
  id: string,
  from: Folds.Fold<S>
) =>
  storeErrors(
    "Parking.catchUp",
    Effect.flatMap(
      category.streamName(id),
      (streamName) => Folds.catchUp({ decode: category.decode, initial, evolve }, streamName, from)
    )
  )

/** Appends the events that `decide` gives for the latest state. Starts with a known state, and reads only after a conflict. */
export const advance = Effect.fnUntraced(function*<S>(
  parking: ParkingCategory,
  folding: States.Folding<S>,
  id: string,
  known: Folds.Fold<S>,
  decide: (state: S) => ReadonlyArray<Event>
) {
  const { category } = parking
  let fold = known
  while (true) {
    const events = decide(fold.state)
    if (events.length === 0) return fold
    const version = fold.version + events.length
    const expectedVersion = fold.version === -1 ? "noStream" : fold.version
    const refused = yield* category.append(id, events, { expectedVersion }).pipe(
      // Another version when they were recorded before: by an attempt that seemed to fail, or by another process.
      Effect.map((written) => written.version === version ? undefined : "the stream has them at other positions"),
      Effect.catchTag(["WrongExpectedVersion", "DuplicateMessageId"], ({ message }) => Effect.succeed(message)),
      (appending) => Metadata.without(storeErrors("Parking.append", appending))
    )
    if (refused === undefined) return { ...fold, state: events.reduce(folding.evolve, fold.state), version }
    const known = yield* catchUp(parking, folding, id, fold)
    // A stream without news that refuses its version has lost its end: in a failover, or by a restore.
    const latest = known.version === fold.version ? yield* catchUp(parking, folding, id, unread(folding)) : known
    if (latest.version === fold.version) {
      return yield* failed("Parking.append", `cannot append to ${category.categoryName}-${id}: ${refused}`)
    }
    fold = latest
  }
})

/** Reads a parked stream, appends the events of a decision on its state, and gives the reply of that decision. */
export const decide = Effect.fnUntraced(function*<S, Reply>(
  parking: ParkingCategory,
  folding: States.Folding<S>,
  id: string,
  decision: (state: S) => readonly [reply: Reply, events: ReadonlyArray<Event>]
) {
  const latest = yield* catchUp(parking, folding, id, unread(folding))
  let [reply] = decision(latest.state)
  yield* advance(parking, folding, id, latest, (state) => {
    const [next, events] = decision(state)
    reply = next
    return events
  })
  return reply
})

/** Reads the events of all of the consumer's parked streams from a global position on. */
export const readAll = (
  { category, ownId }: ParkingCategory,
  from: number,
  onEvent: (id: string, event: RecordedEvent) => void,
  /** Called after each page, with the global position of the next. */
  onPage: (next: number) => void = () => {}
) => {
  const readPage = Effect.fnUntraced(function*(rows: ReadonlyArray<RecordedMessage>) {
    for (const recorded of rows) {
      const id = ownId(recorded.streamName)
      if (Option.isNone(id)) continue
      const event = yield* category.decode(recorded)
      if (Option.isSome(event)) onEvent(id.value, event.value)
    }
    onPage((rows.at(-1)?.globalPosition ?? 0) + 1)
  })
  return storeErrors(
    "Parking.read",
    MessageStore.use((store) => Stream.runForEachArray(store.readCategory(category.categoryName, { from }), readPage))
  )
}

/** What waits for one consumer. */
export interface Waiting {
  /** The consumer's id. */
  readonly consumer: string
  /** How many streams are parked for it. */
  readonly streams: number
  readonly messages: number
  /** When the stream that waits longest was parked. */
  readonly since: DateTime.Utc
}

/** What waits for each consumer of a category of parked streams, by the consumers' ids. */
export const waitingByConsumer = (category: ParkingCategory["category"]) =>
  Effect.gen(function*() {
    const consumers = new Map<string, Map<string, { readonly summary: States.Summary; readonly since: DateTime.Utc }>>()
    const readPage = Effect.fnUntraced(function*(rows: ReadonlyArray<RecordedMessage>) {
      for (const recorded of rows) {
        const event = yield* category.decode(recorded)
        if (Option.isNone(event)) continue
        const [consumer = ""] = event.value.id.split("+")
        const streams = consumers.get(consumer) ?? new Map()
        consumers.set(consumer, streams)
        const known = streams.get(event.value.id)
        const summary = States.summary.evolve(known?.summary ?? States.summary.initial, event.value)
        if (summary.waiting === 0) streams.delete(event.value.id)
        else streams.set(event.value.id, { summary, since: known?.since ?? recorded.time })
      }
    })
    yield* MessageStore.use((store) => Stream.runForEachArray(store.readCategory(category.categoryName), readPage))
    return [...consumers].flatMap(([consumer, streams]): ReadonlyArray<Waiting> => {
      const parked = [...streams.values()]
      const oldest = Arr.head(parked.toSorted((a, b) => DateTime.Order(a.since, b.since)))
      if (Option.isNone(oldest)) return []
      const messages = parked.reduce((sum, { summary }) => sum + summary.waiting, 0)
      return [{ consumer, streams: parked.length, messages, since: oldest.value.since }]
    }).toSorted((a, b) => StreamName.Order(a.consumer, b.consumer))
  }).pipe((reading) => storeErrors("Parking.owners", reading))

/** The messages that wait in a parked stream, oldest first. */
export const waitingIn = Effect.fnUntraced(function*(
  parking: ParkingCategory,
  id: string
): Effect.fn.Return<ReadonlyArray<TimedMessage>, StoreError, MessageStore> {
  const times = new Map<number, DateTime.Utc>()
  const evolve = (state: States.Contents, event: RecordedEvent) => {
    if (event.type === "Parked") times.set(event.data.globalPosition, event.recorded.time)
    return States.contents.evolve(state, event)
  }
  const { state } = yield* catchUp(parking, { initial: States.contents.initial, evolve }, id, unread(States.contents))
  return States.oldestFirst(state).flatMap((message) => {
    const time = times.get(message.globalPosition)
    return time === undefined ? [] : [{ ...message, time }]
  })
})
