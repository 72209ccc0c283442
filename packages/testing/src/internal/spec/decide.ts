import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import * as MemoryStore from "eventfold/MemoryStore"
import * as Message from "eventfold/Message"
import * as MessageStore from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import type { Shown } from "../report/format.ts"

type Store = MessageStore.MessageStore["Service"]

/** The id and the metadata only where the event has them that it is compared with. */
export const shown = <E extends Category.Events, O extends Category.Options>(
  event: Category.RecordedEvent<Category.Category<E, O>>,
  like?: Category.Event<Category.Category<E, O>>
): Shown => ({
  type: event.type,
  data: event.data,
  ...(like?.id === undefined ? {} : { id: event.recorded.id }),
  ...(like?.metadata === undefined
    ? {}
    : { metadata: "metadata" in event ? event.metadata : Metadata.fromJson(event.recorded.metadata) })
})

/** The part that events have in a decision, as a sentence says it. */
export type Role = "given" | "decided" | "expected"

/** Events that a store would refuse, or that could not be read again. */
export interface Unrecordable {
  readonly _tag: "Unrecordable"
  readonly role: Role
  readonly events: ReadonlyArray<Shown>
  readonly reason: string
}

/** What came of a decision. */
export type Outcome<Recorded, S, Reply, Refusal> =
  | {
    readonly _tag: "Decided"
    readonly events: ReadonlyArray<Recorded>
    /** Whether a store has something to write: not when there are no events, or all of them are given, by their ids. */
    readonly isNew: boolean
    readonly after: S
    readonly reply: Reply
  }
  | { readonly _tag: "Refused"; readonly refusal: Refusal }
  | Unrecordable

/** A decision: the events and the state that it was made on, and what came of it. */
export interface Decision<Recorded, S, Reply, Refusal> {
  readonly given: ReadonlyArray<Recorded>
  readonly before: S
  readonly version: Option.Option<number>
  readonly outcome: Outcome<Recorded, S, Reply, Refusal>
}

/** An event as it is before it is written again, under the same id. */
export const unrecorded = <E extends Category.Events, O extends Category.Options>(
  event: Category.RecordedEvent<Category.Category<E, O>>
): Category.Event<Category.Category<E, O>> => {
  const { recorded, ...plain } = event
  const metadata = recorded.metadata === null ? {} : { metadata: Metadata.fromJson(recorded.metadata) }
  const whole: object = { ...metadata, ...plain, id: recorded.id }
  return whole as Category.Event<Category.Category<E, O>>
}

/** What `Entity.transact` lets a decision be. */
export type Decided<Event> = Entity.Decided<Entity.Decision<Event>>

/** A decision and its reply, by whatever it was given. */
const settle = <Event, A extends Decided<Event>>(
  decided: A
): Effect.Effect<
  { readonly decision: Entity.Decision<Event>; readonly reply: Entity.ReplyOf<A> },
  Entity.RefusalOf<A>,
  Entity.RequirementsOf<A>
> => {
  type Given = Entity.Decision<Event> | Entity.Replied<Entity.Decision<Event>, Entity.ReplyOf<A>>
  const settled = Effect.isEffect(decided) ? decided : Effect.succeed(decided)
  return Effect.map(
    settled as Effect.Effect<Given, Entity.RefusalOf<A>, Entity.RequirementsOf<A>>,
    (given) => Entity.isReplied(given) ? given : { decision: given, reply: undefined as Entity.ReplyOf<A> }
  )
}

const isMany = <Event>(decision: Entity.Decision<Event>): decision is ReadonlyArray<Event> => Array.isArray(decision)

export const toArray = <Event>(decision: Entity.Decision<Event>): ReadonlyArray<Event> =>
  isMany(decision) ? decision : [decision]

/** A memory store for one use. Only the store lives in its scope: what a decision acquires is its own affair. */
const withStore = <A, E, R>(use: (store: Store) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.scopedWith((scope) =>
    Effect.flatMap(Scope.provide(Effect.flatMap(MemoryStore.make, MessageStore.make), scope), use)
  )

/** What was recorded, and the version of the stream after it: -1 when there was nothing to record. */
interface Recording<Recorded> {
  readonly events: ReadonlyArray<Recorded>
  readonly version: number
}

/**
 * Writes events to a stream and reads them again, as a store would give them back. So they go through their schemas, and
 * through all that a store checks. `first` is the position that the first one will have.
 */
const recordIn = <E extends Category.Events, O extends Category.Options>(
  store: Store,
  category: Category.Category<E, O>,
  role: Role,
  events: ReadonlyArray<Category.Event<Category.Category<E, O>>>,
  first = 0
): Effect.Effect<
  Recording<Category.RecordedEvent<Category.Category<E, O>>>,
  Unrecordable,
  Category.Services<Category.Category<E, O>>
> => {
  const streamName = `${category.name}-spec`
  const refuse = (reason: string): Unrecordable => ({ _tag: "Unrecordable", role, events, reason })

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
    const from = version - events.length + 1
    const recorded = yield* Stream.runCollect(store.readStream(streamName, { from, limit: events.length }))
    const decoded = yield* Effect.forEach(
      recorded,
      (message, index) =>
        Effect.mapError(
          category.decode(message),
          ({ path, reason, type }) =>
            refuse(`event ${index}, ${type}, is written but can't be read again: ${path.join(".")}: ${reason}`)
        )
    )
    return { events: Arr.getSomes(decoded), version }
  }).pipe(
    Effect.catchTag(
      "InvalidMessage",
      ({ index, path, reason, type }) => Effect.fail(refuse(`event ${index}, ${type}: ${path.join(".")} ${reason}`))
    ),
    Effect.mapError((error) => error._tag === "Unrecordable" ? error : refuse(error.message))
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

/** Decides on the state that some events fold into. Fails when these can't be recorded. */
export const decideOn = <
  E extends Category.Events,
  O extends Category.Options,
  S,
  A extends Decided<Category.Event<Category.Category<E, O>>>
>(
  { category, evolve, initial }: Entity.Entity<Category.Category<E, O>, S>,
  history: ReadonlyArray<Category.Event<Category.Category<E, O>>>,
  decide: (state: S, version: Option.Option<number>) => A
): Effect.Effect<
  Decision<Category.RecordedEvent<Category.Category<E, O>>, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>>,
  Unrecordable,
  Entity.RequirementsOf<A> | Category.Services<Category.Category<E, O>>
> => {
  type Event = Category.Event<Category.Category<E, O>>
  type Recorded = Category.RecordedEvent<Category.Category<E, O>>
  const fold = (from: S, events: ReadonlyArray<Recorded>) => events.reduce((state, event) => evolve(state, event), from)

  return withStore(Effect.fnUntraced(function*(store) {
    const { events: given, version: last } = yield* recordIn(store, category, "given", history)
    const before = fold(initial, given)
    const version = last === -1 ? Option.none() : Option.some(last)
    const decision = { given, before, version }
    const result = yield* Effect.result(Effect.suspend(() => settle<Event, A>(decide(before, version))))
    if (Result.isFailure(result)) return { ...decision, outcome: { _tag: "Refused", refusal: result.failure } as const }
    const { decision: decided, reply } = result.success
    const recording = yield* Effect.result(recordIn(store, category, "decided", toArray(decided), last + 1))
    if (Result.isFailure(recording)) return { ...decision, outcome: recording.failure }
    const { events, version: now } = recording.success
    const isNew = now > last
    const after = isNew ? fold(before, events) : before
    return { ...decision, outcome: { _tag: "Decided", events, isNew, after, reply } as const }
  }))
}
