import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "../../Category.ts"
import * as Entity from "../../Entity.ts"
import { deriveId } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import { InvalidArgument, StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import * as Folds from "../entity/fold.ts"
import { checkConsumerId } from "../store/argumentChecks.ts"
import { allName } from "../store/bookkeeping.ts"

/** Where a message is. */
const reference = { streamName: Schema.String, position: Schema.Int, globalPosition: Schema.Int }

const events = {
  /** The message failed, or, without an error, waits behind one that did. */
  Parked: {
    ...reference,
    messageId: Schema.String,
    type: Schema.String,
    error: Schema.optionalKey(Schema.String),
    attempts: Schema.Int
  },
  ReplayRequested: { streamName: Schema.String, limit: Schema.optionalKey(Schema.Int) },
  Replayed: reference,
  /** The message failed when it was replayed, which ends the replay. */
  Failed: { ...reference, error: Schema.String, attempts: Schema.Int },
  /** One message, or all that wait. */
  Dropped: { streamName: Schema.String, globalPosition: Schema.optionalKey(Schema.Int), reason: Schema.String }
}

type ParkingCategory = Category.Category<typeof events>

export type Event = Category.Event<ParkingCategory>

export type RecordedEvent = Category.RecordedEvent<ParkingCategory>

/** What is known of a parked stream, however many messages wait in it. */
const Summary = Schema.Struct({
  waiting: Schema.Int,
  /**
   * The highest global position that was ever parked. A message is parked after all before it in its stream are done, so
   * one up to here is parked, settled or handled.
   */
  through: Schema.Int,
  /** How many messages are still to be replayed. */
  requested: Schema.Int
})
export type Summary = typeof Summary.Type

const Waiting = Schema.Struct({
  ...reference,
  messageId: Schema.String,
  type: Schema.String,
  error: Schema.UndefinedOr(Schema.String),
  attempts: Schema.Int
})
export type Waiting = typeof Waiting.Type

/** A message that waits, and when it was parked. */
export interface Timed extends Waiting {
  readonly time: DateTime.Utc
}

/** A parked stream with what waits in it, by global position. */
const Queue = Schema.Struct({ summary: Summary, messages: Schema.HashMap(Schema.Int, Waiting) })
export type Queue = typeof Queue.Type

/** More than there can be: until none waits. */
const endless = Number.MAX_SAFE_INTEGER

const left = (summary: Summary, waiting: number, requested: number): Summary => ({
  ...summary,
  waiting,
  requested: waiting === 0 ? 0 : requested
})

const summarize: Entity.Evolve<typeof events, Summary> = {
  Parked: (summary, { globalPosition }) => ({
    ...summary,
    waiting: summary.waiting + 1,
    through: Math.max(summary.through, globalPosition)
  }),
  ReplayRequested: (summary, { limit }) => ({
    ...summary,
    requested: limit === undefined ? endless : Math.min(summary.requested + limit, endless)
  }),
  Replayed: (summary) => left(summary, summary.waiting - 1, summary.requested - 1),
  Failed: (summary) => ({ ...summary, requested: 0 }),
  Dropped: (summary, { globalPosition }) =>
    left(summary, globalPosition === undefined ? 0 : summary.waiting - 1, summary.requested)
}

const queue: Entity.Evolve<typeof events, Queue> = {
  Parked: ({ messages, summary }, data) => ({
    summary: summarize.Parked(summary, data),
    messages: HashMap.set(messages, data.globalPosition, { ...data, error: data.error })
  }),
  ReplayRequested: ({ messages, summary }, data) => ({ summary: summarize.ReplayRequested(summary, data), messages }),
  Replayed: ({ messages, summary }, data) => ({
    summary: summarize.Replayed(summary, data),
    messages: HashMap.remove(messages, data.globalPosition)
  }),
  Failed: ({ messages, summary }, data) => ({
    summary: summarize.Failed(summary, data),
    messages: HashMap.modify(messages, data.globalPosition, (waiting) => ({
      ...waiting,
      error: data.error,
      attempts: waiting.attempts + data.attempts
    }))
  }),
  Dropped: ({ messages, summary }, data) => ({
    summary: summarize.Dropped(summary, data),
    messages: data.globalPosition === undefined ? HashMap.empty() : HashMap.remove(messages, data.globalPosition)
  })
}

/** The messages that wait, oldest first. */
export const inOrder = ({ messages }: Queue): ReadonlyArray<Waiting> =>
  [...HashMap.values(messages)].toSorted((a, b) => a.globalPosition - b.globalPosition)

/** Whose parked streams they are. */
export interface Owner {
  readonly id: string
  readonly category: string
}

/** A parked stream, as much as is kept of each. */
export interface Entry {
  /** A stream whose messages are parked in it. */
  readonly streamName: string
  readonly fold: Folds.Fold<Summary>
}

interface Folding<S, E = Event> {
  readonly initial: S
  readonly evolve: (state: S, event: E) => S
}

/** The state of a parked stream that nothing is known of. */
export const unread = <S>({ initial }: Folding<S>): Folds.Fold<S> => ({ state: initial, version: -1, snapshotAt: -1 })

const isName = Schema.is(StreamName.StreamName)

const longErrors = 8_000

/** A text that every store can keep. */
export const errorText = (text: string): string => {
  const short = text.length > longErrors ? `${text.slice(0, longErrors)} (and more)` : text
  return short.toWellFormed().replaceAll("\u0000", "\ufffd")
}

const failed = (operation: string, reason: string) => new StoreError({ operation, reason, isRetryable: false })

/** Failures of what is ours: names are checked and events made here, and every store reads forwards. */
const storeErrors = <A, E extends { readonly _tag: string }, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
  Effect.catch(effect, (error: E | Category.DecodeError | StoreError): Effect.Effect<never, StoreError> => {
    if (error instanceof StoreError) return error
    return error instanceof Category.DecodeError ? failed(operation, error.message) : Effect.die(error)
  })

/** The category and the cardinal id: `account-123` of `account-123+456`. */
export const cardinalStream = (streamName: string): string =>
  Option.match(StreamName.cardinalId(streamName), {
    onNone: () => streamName,
    onSome: (cardinal) => `${StreamName.category(streamName)}-${cardinal}`
  })

/**
 * The parked streams of a consumer: of `notifier` and `account-123`, or `account-123+456`, it is
 * `account:parked-notifier+123`; of a stream without an id, `account:parked-notifier`; and of a consumer of more than one
 * category `$all:parked-notifier+account-123`. An id has no `+`, so two of them mark the hash of one that would make the
 * name too long.
 */
export const make = Effect.fnUntraced(function*(owner: Owner) {
  yield* checkConsumerId(owner.id)
  yield* StreamName.parseCategory(owner.category)
  const store = yield* MessageStore
  const name = StreamName.withType(owner.category, "parked")
  const category = Category.make(name, events)
  const summary = Entity.make(category, {
    state: Summary,
    initial: { waiting: 0, through: 0, requested: 0 },
    evolve: summarize
  })
  const queued = Entity.make(category, {
    state: Queue,
    initial: { summary: summary.initial, messages: HashMap.empty() },
    evolve: queue
  })

  const hashed = (cardinal: string) => `${owner.id}++${deriveId(cardinal)}`
  yield* Effect.mapError(StreamName.make(name, hashed("")), ({ reason }) =>
    new InvalidArgument({
      argument: "id",
      value: owner.id,
      expected: `part of the name of a stream of ${name}, which ${reason} with it`
    }))

  /** What tells parked streams of a consumer apart. */
  const keyOf = owner.category === allName ? (name: string) => Option.some(cardinalStream(name)) : StreamName.cardinalId
  const idOf = (streamName: string): string =>
    Option.match(keyOf(streamName), {
      onNone: () => owner.id,
      onSome: (cardinal) => {
        const id = `${owner.id}+${cardinal}`
        return isName(`${name}-${id}`) ? id : hashed(cardinal)
      }
    })

  /** The id of a parked stream, if it is this consumer's. */
  const ownId = (parkedName: string): Option.Option<string> =>
    Option.filter(StreamName.id(parkedName), (id) => id === owner.id || id.startsWith(`${owner.id}+`))

  /** What has been written since a state was read. */
  const catchUp = <S>(entity: Folding<S, RecordedEvent>, id: string, from: Folds.Fold<S>) =>
    storeErrors(
      "Parking.catchUp",
      Effect.flatMap(category.streamName(id), (streamName) =>
        Folds.catchUp({ decode: category.decode, evolve: entity.evolve }, streamName, from))
    )

  /** Appends what `decide` wants in the latest state, of which an older one is known. */
  const advance = Effect.fnUntraced(function*<S>(
    entity: Folding<S>,
    id: string,
    known: Folds.Fold<S>,
    decide: (state: S) => ReadonlyArray<Event>
  ) {
    let fold = known
    while (true) {
      const events = decide(fold.state)
      if (events.length === 0) return fold
      const after = fold.version + events.length
      const expectedVersion = fold.version === -1 ? "noStream" : fold.version
      const refused = yield* category.append(id, events, { expectedVersion }).pipe(
        // Elsewhere when they have been recorded before: a first attempt whose outcome was unknown, or another process.
        Effect.map(({ version }) => version === after ? undefined : "they are recorded elsewhere in it"),
        Effect.catchTag(["WrongExpectedVersion", "DuplicateMessageId"], ({ message }) => Effect.succeed(message)),
        (appending) => storeErrors("Parking.append", appending)
      )
      if (refused === undefined) return { ...fold, state: events.reduce(entity.evolve, fold.state), version: after }
      const latest = yield* catchUp(entity, id, fold)
      if (latest.version === fold.version) {
        return yield* failed("Parking.append", `events for ${name}-${id} can't be written: ${refused}`)
      }
      fold = latest
    }
  })

  /** The same when nothing is known of the stream; gives the reply of the decision. */
  const decide = Effect.fnUntraced(function*<S, Reply>(
    entity: Folding<S>,
    id: string,
    decision: (state: S) => readonly [reply: Reply, events: ReadonlyArray<Event>]
  ) {
    const latest = yield* catchUp(entity, id, unread(entity))
    let [reply] = decision(latest.state)
    yield* advance(entity, id, latest, (state) => {
      const [next, events] = decision(state)
      reply = next
      return events
    })
    return reply
  })

  /** Gives the messages of this consumer's parked streams from a global position on, and the position after each page. */
  const read = (
    from: number,
    each: (id: string, event: RecordedEvent) => void,
    next: (globalPosition: number) => void = () => {}
  ) =>
    storeErrors(
      "Parking.read",
      Stream.runForEachArray(
        store.readCategory(name, { from }),
        Effect.fnUntraced(function*(rows) {
          for (const recorded of rows) {
            const id = ownId(recorded.streamName)
            if (Option.isNone(id)) continue
            const event = yield* category.decode(recorded)
            if (Option.isSome(event)) each(id.value, event.value)
          }
          next((rows.at(-1)?.globalPosition ?? 0) + 1)
        })
      )
    )

  /** What waits in a parked stream, oldest first, with the times of parking. */
  const waiting = Effect.fnUntraced(
    function*(id: string): Effect.fn.Return<ReadonlyArray<Timed>, StoreError, MessageStore> {
      const times = new Map<number, DateTime.Utc>()
      const evolve = (state: Queue, event: RecordedEvent) => {
        if (event.type === "Parked") times.set(event.data.globalPosition, event.recorded.time)
        return queued.evolve(state, event)
      }
      const { state } = yield* catchUp({ initial: queued.initial, evolve }, id, unread(queued))
      return inOrder(state).flatMap((message) => {
        const time = times.get(message.globalPosition)
        return time === undefined ? [] : [{ ...message, time }]
      })
    }
  )

  return {
    category,
    summary,
    queue: queued,
    idOf,
    catchUp,
    advance,
    decide,
    read,
    waiting,
    /** The entry of a parked stream after one more of its messages. */
    evolve: (entry: Entry | undefined, event: RecordedEvent): Entry => ({
      streamName: event.data.streamName,
      fold: {
        state: summary.evolve(entry?.fold.state ?? summary.initial, event),
        version: event.recorded.position,
        snapshotAt: -1
      }
    })
  }
})

export type ParkedStreams = Effect.Success<ReturnType<typeof make>>
