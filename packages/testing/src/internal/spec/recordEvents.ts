import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import * as MemoryStore from "eventfold/MemoryStore"
import * as Message from "eventfold/Message"
import * as MessageStore from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import { withStoredForm } from "../report/compare.ts"
import type { Shown } from "../report/format.ts"

export type Store = MessageStore.MessageStore["Service"]

/** The metadata that a schema knows, as it is stored. A consumer writes more beside it, such as the causation. */
const known = (stored: Schema.Json, metadata: object) =>
  Object.fromEntries(
    Object.entries(Predicate.isObject(stored) ? stored : {}).filter(([key]) => Object.hasOwn(metadata, key))
  )

/** Shows the id and the metadata only where the event has them that it is compared with. */
export const shown = <E extends Category.Events, O extends Category.Options>(
  event: Category.RecordedEvent<Category.Category<E, O>>,
  like?: Category.Event<Category.Category<E, O>>
): Shown => {
  const { data, recorded, type } = event
  const id = like?.id === undefined ? {} : { id: recorded.id }
  if (like?.metadata === undefined) return withStoredForm({ type, data, ...id }, recorded.data)
  const metadata: object = "metadata" in event && Predicate.isObject(event.metadata)
    ? event.metadata
    : Metadata.fromJson(recorded.metadata)
  return withStoredForm({ type, data, ...id, metadata }, {
    data: recorded.data,
    metadata: known(recorded.metadata, metadata)
  })
}

/** What a spec has the events for. */
export type Role = "given" | "decided" | "expected"

/** Events that a store would refuse, or that it could not read back. */
export interface Unrecordable {
  readonly _tag: "Unrecordable"
  readonly role: Role
  /** The name of the entity, among several. */
  readonly name?: string
  readonly events: ReadonlyArray<Shown>
  readonly reason: string
}

/** A recorded event as it was before it was recorded, with the same id. */
export const unrecorded = <E extends Category.Events, O extends Category.Options>(
  event: Category.RecordedEvent<Category.Category<E, O>>
): Category.Event<Category.Category<E, O>> => {
  const { recorded, ...plain } = event
  const metadata = recorded.metadata === null ? {} : { metadata: Metadata.fromJson(recorded.metadata) }
  const whole: object = { ...metadata, ...plain, id: recorded.id }
  return whole as Category.Event<Category.Category<E, O>>
}

const isMany = <Event>(events: Entity.Decision<Event>): events is ReadonlyArray<Event> => Array.isArray(events)

export const toArray = <Event>(events: Entity.Decision<Event>): ReadonlyArray<Event> =>
  isMany(events) ? events : [events]

/** A memory store for one use. Only the store lives in its scope: what a decision acquires belongs to the test. */
export const withStore = <A, E, R>(use: (store: Store) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.scopedWith((scope) =>
    Effect.flatMap(Scope.provide(Effect.flatMap(MemoryStore.make, MessageStore.make), scope), use)
  )

/** What was recorded, and the version of the stream after it: -1 when there was nothing to record. */
interface Recording<Recorded> {
  readonly events: ReadonlyArray<Recorded>
  readonly version: number
}

/** Reads events back from a stream, the last of which has this version. Fails when one of them can't be read. */
const readBack = <E extends Category.Events, O extends Category.Options>(
  store: Store,
  category: Category.Category<E, O>,
  streamName: string,
  { count, version }: { readonly count: number; readonly version: number }
) =>
  Effect.gen(function*() {
    const recorded = yield* Stream.runCollect(store.readStream(streamName, { from: version - count + 1, limit: count }))
    const decoded = yield* Effect.forEach(recorded, (message, index) =>
      Effect.mapError(category.decode(message), ({ path, reason, type }) => ({
        _tag: "Unreadable" as const,
        message: `event ${index}, ${type}, was written but can't be read back: ${path.join(".")}: ${reason}`
      })))
    return Arr.getSomes(decoded)
  })

/**
 * Writes events to a stream and reads them back, as a store would return them: they go through their schemas and through
 * all that a store checks. `first` is the position of the first event, `id` that of the stream.
 */
export const recordIn = <E extends Category.Events, O extends Category.Options>(
  store: Store,
  category: Category.Category<E, O>,
  role: Role,
  events: ReadonlyArray<Category.Event<Category.Category<E, O>>>,
  { first = 0, id = "spec" }: { readonly first?: number; readonly id?: string } = {}
): Effect.Effect<
  Recording<Category.RecordedEvent<Category.Category<E, O>>>,
  Unrecordable,
  Category.Services<Category.Category<E, O>>
> => {
  const streamName = `${category.categoryName}-${id}`

  return Effect.gen(function*() {
    if (events.length === 0) return { events: [], version: -1 }
    const messages = yield* category.encode(streamName, events)
    const { version } = yield* store.append(
      streamName,
      // An id of the store's own would take random numbers, which the test may count on.
      messages.map(({ data, id, metadata, type }, index) => ({
        id: id ?? Message.deriveId(streamName, String(first + index)),
        type,
        data,
        metadata
      }))
    )
    return { events: yield* readBack(store, category, streamName, { count: events.length, version }), version }
  }).pipe(
    Effect.mapError((error): Unrecordable => ({
      _tag: "Unrecordable",
      role,
      events,
      reason: error._tag === "InvalidMessage"
        ? `event ${error.index}, ${error.type}: ${error.path.join(".")} ${error.reason}`
        : error.message
    }))
  )
}

/** Records events in a store of their own. */
export const record = <E extends Category.Events, O extends Category.Options>(
  category: Category.Category<E, O>,
  role: Role,
  events: ReadonlyArray<Category.Event<Category.Category<E, O>>>
): Effect.Effect<
  ReadonlyArray<Category.RecordedEvent<Category.Category<E, O>>>,
  Unrecordable,
  Category.Services<Category.Category<E, O>>
> => withStore((store) => Effect.map(recordIn(store, category, role, events), (recording) => recording.events))
