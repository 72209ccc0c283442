import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Category from "eventfold/Category"
import * as Message from "eventfold/Message"
import type * as MessageStore from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import * as StreamName from "eventfold/StreamName"
import type { Shown, ShownByName } from "../report/format.ts"
import { record, shown, toArray } from "../spec/recordEvents.ts"

/**
 * Messages in a stream: a category, an id and one event or many, as in
 * `[Account, "123", Account.events.Deposited({ amount: 5 })]`. Or, as a store keeps them, a stream's name and one message or
 * many: `["account-123", { type: "Deposited", data: { amount: 5 } }]`.
 *
 * @category models
 * @since 0.1.0
 */
export type Entry =
  | readonly [category: Category.Any, id: unknown, events: unknown]
  | readonly [streamName: string, messages: Message.Message | ReadonlyArray<Message.Message>]

type AnyCategory = Category.Category<Category.Events, Category.Options>
type AnyEvent = Category.Event<AnyCategory>

/** Events by stream, as failure messages compare and show them. */
export type Streams = ShownByName

/** A stream and its events. */
export interface StreamEntry {
  readonly streamName: string
  /** Undefined when the entry has messages as a store keeps them. */
  readonly category: AnyCategory | undefined
  readonly events: ReadonlyArray<AnyEvent>
}

/** Messages that a store would refuse, by stream, or by category when the stream has no valid name. */
export interface Unwritable {
  readonly _tag: "Unwritable"
  readonly streams: Streams
  readonly reason: string
}

const unwritable = (streamName: string, events: ReadonlyArray<Shown>, reason: string): Unwritable => ({
  _tag: "Unwritable",
  streams: { [streamName]: events },
  reason
})

/** The types of `Scenario` have the requirements of the schemas. */
const withoutServices = <A, E>(effect: Effect.Effect<A, E, unknown>) => effect as Effect.Effect<A, E>

const isRaw = (entry: Entry): entry is Extract<Entry, readonly [string, unknown]> => typeof entry[0] === "string"

/** A message as a store keeps it, in the shape of an event. */
const rawEvent = ({ data, id, metadata, type }: Message.Message): AnyEvent => {
  const event: Shown = {
    type,
    data,
    ...(id === undefined ? {} : { id }),
    ...(metadata === undefined ? {} : { metadata })
  }
  return event as AnyEvent
}

const toEntry = (entry: Entry): Effect.Effect<StreamEntry, Unwritable> => {
  if (isRaw(entry)) {
    const [streamName, messages] = entry
    return Effect.succeed({ streamName, category: undefined, events: toArray<Message.Message>(messages).map(rawEvent) })
  }
  const category = entry[0] as AnyCategory
  const events = toArray(entry[2] as AnyEvent | ReadonlyArray<AnyEvent>)
  return Effect.mapBoth(category.streamName(entry[1] as Category.PlainId), {
    onFailure: (error) => unwritable(category.categoryName, events, error.message),
    onSuccess: (streamName) => ({ streamName, category, events })
  })
}

export const toEntries = (entries: ReadonlyArray<Entry>): Effect.Effect<ReadonlyArray<StreamEntry>, Unwritable> =>
  Effect.forEach(entries, toEntry)

/** Encodes entries for the store. An id of the store's own would take random numbers, which the test may count on. */
export const toAppends = (
  entries: ReadonlyArray<StreamEntry>,
  idPart: string
): Effect.Effect<ReadonlyArray<MessageStore.Append>, Unwritable> =>
  Effect.forEach(
    entries.filter(({ events }) => events.length > 0),
    ({ category, events, streamName }, place) => {
      const encoded: Effect.Effect<ReadonlyArray<Message.Message>, Unwritable> = category === undefined
        ? Effect.succeed(events as ReadonlyArray<Message.Message>)
        : Effect.mapError(
          withoutServices(category.encode(streamName, events)),
          ({ index, path, reason, type }) =>
            unwritable(streamName, events, `event ${index}, ${type}: ${path.join(".")} ${reason}`)
        )
      return Effect.map(encoded, (messages) => ({
        streamName,
        messages: messages.map((message, index) => ({
          ...message,
          id: message.id ?? Message.deriveId("scenario", idPart, String(place), String(index))
        }))
      }))
    }
  )

const rawShown = (message: Message.RecordedMessage, like: AnyEvent | undefined): Shown => ({
  type: message.type,
  data: message.data,
  ...(like?.id === undefined ? {} : { id: message.id }),
  ...(like?.metadata === undefined ? {} : { metadata: Metadata.fromJson(message.metadata) })
})

/** Merges the entries of each stream. */
export const byStream = (entries: ReadonlyArray<StreamEntry>): ReadonlyMap<string, StreamEntry> => {
  const streams = new Map<string, StreamEntry>()
  for (const entry of entries) {
    const before = streams.get(entry.streamName)
    streams.set(entry.streamName, { ...entry, events: [...before?.events ?? [], ...entry.events] })
  }
  return streams
}

/** The expected events of each stream, as they are after they are written and read. */
export const expectedStreams = Effect.fnUntraced(function*(entries: ReadonlyMap<string, StreamEntry>) {
  const streams: Record<string, ReadonlyArray<Shown>> = {}
  for (const [streamName, { category, events }] of sorted(entries)) {
    if (events.length === 0) continue
    streams[streamName] = category === undefined ? events : yield* withoutServices(record(category, "expected", events))
      .pipe(
        Effect.mapBoth({
          onFailure: ({ events, reason }) => unwritable(streamName, events, reason),
          onSuccess: (recorded) => recorded.map((event, index) => shown(event, events[index]))
        })
      )
  }
  return streams
})

/**
 * The recorded events of each stream, decoded where their category is known. They show ids and metadata where the expected
 * events in their places have them.
 */
export const recordedStreams = Effect.fnUntraced(function*(
  messages: ReadonlyArray<Message.RecordedMessage>,
  expected: ReadonlyMap<string, StreamEntry>,
  categories: ReadonlyArray<AnyCategory>
) {
  const streams = new Map<string, Array<Shown>>()
  for (const message of messages) {
    const entry = expected.get(message.streamName)
    const events = streams.get(message.streamName) ?? []
    streams.set(message.streamName, events)
    const like = entry?.events[events.length]
    const category = entry === undefined
      ? categories.find(({ categoryName }) => categoryName === StreamName.category(message.streamName))
      : entry.category
    const event = category === undefined
      ? Option.none()
      // An event that does not fit its schema is shown and compared undecoded.
      : yield* Effect.catchTag(withoutServices(category.decode(message)), "DecodeError", () => Effect.succeedNone)
    events.push(Option.isSome(event) ? shown(event.value, like) : rawShown(message, like))
  }
  return Object.fromEntries(sorted(streams)) satisfies Streams
})

const sorted = <A>(streams: ReadonlyMap<string, A>): ReadonlyArray<[string, A]> =>
  Array.from(streams).toSorted(([a], [b]) => (a < b ? -1 : 1))

export const categoriesOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<AnyCategory> =>
  entries.flatMap((entry) => isRaw(entry) ? [] : [entry[0] as AnyCategory])

export const streamsOf = (entries: ReadonlyArray<StreamEntry>): Streams =>
  Object.fromEntries(Array.from(byStream(entries), ([name, { events }]) => [name, events]))

/** Whether a message is bookkeeping of consumers, processes or entities, which no handler has decided to write. */
export const isBookkeeping = ({ streamName, type }: Message.RecordedMessage): boolean =>
  type.startsWith("eventfold:") ||
  StreamName.categoryTypes(streamName).some((type) => bookkeeping.has(type))

const bookkeeping = new Set(["position", "parked", "deadline", "snapshot"])
