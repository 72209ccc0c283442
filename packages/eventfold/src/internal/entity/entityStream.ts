import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Category from "../../Category.ts"
import type { LoadError } from "../../Entity.ts"
import { EntityCache } from "../../EntityCache.ts"
import type { Message, RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import type { InvalidMessage } from "../../StoreError.ts"
import type { StreamName } from "../../StreamName.ts"
import { isOnItsOwn } from "../store/independence.ts"
import * as InProcess from "../store/inProcess.ts"
import { catchUp, catchUpFromSnapshot, catchUpLean, emptyFold, type Fold, rewoundFold } from "./fold.ts"
import * as Metrics from "./metrics.ts"
import type { Rounds } from "./rounds.ts"
import type { Snapshots } from "./snapshots.ts"
import * as StateCache from "./stateCache.ts"
import type { Freshness, Region } from "./stateCache.ts"

/** The public name is first, because it is the one that the compiler shows. */
export type ReadError = LoadError

/** An event as it was read, of any category. */
export interface AnyRecorded {
  readonly recorded: RecordedMessage
}

/** Events as they are to be written. */
export interface Encoded<Event> {
  readonly messages: ReadonlyArray<Message>
  /** The events as readers of the messages get them. */
  readonly events: ReadonlyArray<Event>
}

/** The stream of one entity, and what the entity does with it. */
export interface EntityStream<S, Event, Recorded, R> {
  readonly streamName: StreamName
  /** The state of a stream that does not exist. */
  readonly empty: Fold<S>
  /** The cached state for a decision whose append fails unless it is the latest; none without a cache, and where it is not worth it. */
  readonly promising: () => Option.Option<Fold<S>>
  /** Rounds of transactions on the stream; `undefined` where they are of no use. */
  readonly rounds: Rounds<Fold<S>> | undefined
  readonly load: (freshness: Freshness) => Effect.Effect<Fold<S>, ReadError, MessageStore | R>
  /** Loads the latest state when an older one is known. */
  readonly loadSince: (known: Fold<S>) => Effect.Effect<Fold<S>, ReadError, MessageStore | R>
  /** Loads the latest state from the events alone, when the stream is behind what was known of it. */
  readonly reload: Effect.Effect<Fold<S>, ReadError, MessageStore | R>
  /** Loads the state before the first message for which `isBefore` is false. */
  readonly loadUntil: (
    isBefore: (recorded: RecordedMessage) => boolean
  ) => Effect.Effect<Fold<S>, ReadError, MessageStore | R>
  /** Reads the events from a position on, inclusive, up to `limit`. */
  readonly events: (from: number, limit: number) => Effect.Effect<ReadonlyArray<Recorded>, ReadError, MessageStore | R>
  /** An event as it was before it was recorded. */
  readonly unrecorded: (event: Recorded) => Event
  readonly encode: (events: ReadonlyArray<Event>) => Effect.Effect<Encoded<Event>, InvalidMessage, R>
  readonly evolve: (state: S, event: Event) => S
  /** Tells the snapshots and the cache a state whose events have just been written. */
  readonly written: (fold: Fold<S>) => Effect.Effect<void, never, MessageStore>
  /** Tells the cache that an append failed: it may have been written or not. */
  readonly failed: Effect.Effect<void>
}

/** An entity without an id: what its streams have in common. */
export interface Model<E extends Category.Events, O extends Category.Options, S> {
  readonly category: Category.Category<E, O>
  readonly evolve: (state: S, event: { readonly type: string; readonly data: unknown }) => S
  readonly initial: S
  readonly weight: (state: S) => number
  readonly snapshots: Snapshots<S> | undefined
}

/** Folds a stream from its snapshot if it has one. */
const loadFromSnapshot = Effect.fnUntraced(
  function*<E extends Category.Events, O extends Category.Options, S>(
    { category: { decode }, evolve, initial }: Model<E, O, S>,
    snapshots: Snapshots<S>,
    streamName: string
  ) {
    const folding = { decode, initial, evolve }
    const snapshot = yield* snapshots.read(streamName)
    if (Option.isNone(snapshot)) return yield* catchUp(folding, streamName, emptyFold(initial))
    const fold = yield* catchUpFromSnapshot(folding, streamName, snapshot.value)
    return Option.isSome(fold) ? fold.value : yield* catchUp(folding, streamName, rewoundFold(initial))
  }
)

/** Folds a stream from a state that is known, or from the beginning. */
const refresh = <E extends Category.Events, O extends Category.Options, S>(
  model: Model<E, O, S>,
  streamName: StreamName,
  known: Option.Option<Fold<S>>
) => {
  const { category: { decode, decodeForFold }, evolve, initial, snapshots } = model
  const folding = { decode, decodeForFold, initial, evolve }
  if (Option.isSome(known)) return catchUpLean(folding, streamName, known.value)
  return snapshots === undefined
    ? catchUpLean(folding, streamName, emptyFold(initial))
    : loadFromSnapshot(model, snapshots, streamName)
}

/** Folds a stream from its events alone, and puts the state in the place of what the cache had. */
const reload = Effect.fnUntraced(function*<E extends Category.Events, O extends Category.Options, S>(
  { category: { decode }, evolve, initial }: Model<E, O, S>,
  cache: Region<S, ReadError> | undefined,
  streamName: string
) {
  const fold = yield* catchUp({ decode, initial, evolve }, streamName, rewoundFold(initial))
  if (cache !== undefined) yield* Effect.andThen(cache.drop(streamName), cache.put(streamName, fold))
  return fold
})

const unrecorded = <C extends Category.Any>(
  { recorded, ...event }: { readonly recorded: RecordedMessage }
): Category.Event<C> => {
  const metadata = recorded.metadata === null ? {} : { metadata: Metadata.fromJson(recorded.metadata) }
  const plain: object = { ...metadata, ...event, id: recorded.id }
  return plain as Category.Event<C>
}

/** The cache of the context for an entity, as the calling fiber may use it; `undefined` when there is none. */
const cacheOf = <E extends Category.Events, O extends Category.Options, S>(
  context: Context.Context<never>,
  store: MessageStore["Service"],
  model: Model<E, O, S>,
  { loaded }: Metrics.EntityMetrics
): Region<S, ReadError> | undefined => {
  const cache = Context.get(context, EntityCache)
  if (Option.isNone(cache)) return undefined
  const { forgetting, lineage, transactions } = store[InProcess.TypeId]
  const region = cache.value.region<S, ReadError>(store, model, model.weight, { forgetting, lineage, loaded })
  return transactions !== undefined && isOnItsOwn(transactions, context)
    ? StateCache.inTransaction(region, transactions)
    : region
}

/** A stream of a store as the fiber of a context may use it. */
const streamIn = <E extends Category.Events, O extends Category.Options, S>(
  context: Context.Context<MessageStore>,
  model: Model<E, O, S>,
  id: Category.Id<Category.Category<E, O>>,
  streamName: StreamName
) => {
  type C = Category.Category<E, O>
  const { category, evolve, initial, snapshots } = model
  const store = Context.get(context, MessageStore)
  const metrics = Metrics.ofCategory(store, category.categoryName)
  const cache = cacheOf(context, store, model, metrics)
  const { lineage } = store[InProcess.TypeId]
  const generation = lineage?.generation()
  const forgets = cache?.forgets()
  const dropped = cache === undefined ? Effect.void : cache.drop(streamName)
  const refreshFrom = (known: Option.Option<Fold<S>>) => refresh(model, streamName, known)
  // Counted by the call and not by the effect that it gives, which runs at once: a step would cost more than the count.
  const uncached = (known: Option.Option<Fold<S>>) => {
    metrics.loaded("none")
    return refreshFrom(known)
  }

  const stream: EntityStream<S, Category.Event<C>, Category.RecordedEvent<C>, Category.Services<C>> = {
    streamName,
    empty: emptyFold(initial),
    // A round keeps the state after all of it, and a snapshot may be due before.
    rounds: snapshots === undefined ? cache?.rounds : undefined,
    promising: () => cache === undefined ? Option.none() : cache.promising(streamName),
    load: (freshness) => cache === undefined ? uncached(Option.none()) : cache.get(streamName, freshness, refreshFrom),
    loadSince: (known) =>
      cache === undefined
        ? uncached(Option.some(known))
        : cache.get(streamName, "latest", (cached) => refreshFrom(Option.some(Option.getOrElse(cached, () => known)))),
    reload: Effect.suspend(() => {
      metrics.loaded(cache === undefined ? "none" : "miss")
      return reload(model, cache, streamName)
    }),
    loadUntil: (isBefore) =>
      catchUp({ decode: category.decode, initial, evolve }, streamName, emptyFold(initial), isBefore),
    events: (from, limit) =>
      Stream.runCollect(category.readStream(id, { from, limit })).pipe(
        // The position and the limit are ours, and every store reads forwards: either failure would be a bug.
        Effect.catchTag(["InvalidArgument", "Unsupported"], Effect.die)
      ),
    unrecorded: unrecorded<C>,
    encode: (events) =>
      Effect.flatMap(
        category.encode(streamName, events),
        (messages) => Effect.map(category.readBack(streamName, events, messages), (events) => ({ messages, events }))
      ),
    evolve,
    written: (fold) => {
      // Not after a sign that the database is another one: the state may have begun in the former one.
      if (lineage !== undefined && (lineage.isDue() || lineage.generation() !== generation)) return dropped
      return Effect.flatMap(
        snapshots === undefined ? Effect.succeed(fold) : snapshots.write(streamName, fold),
        // A deletion since then may have taken what the state was made of.
        (fold) => cache === undefined || cache.forgets() !== forgets ? dropped : cache.put(streamName, fold)
      )
    },
    failed: dropped
  }
  return stream
}

/** The stream of an id, with the cache of the context if there is one. */
export const open = <E extends Category.Events, O extends Category.Options, S>(
  model: Model<E, O, S>,
  id: Category.Id<Category.Category<E, O>>
) =>
  Effect.flatMapEager(
    model.category.streamName(id),
    (streamName) =>
      Effect.contextWith((context: Context.Context<MessageStore>) =>
        Effect.succeed(streamIn(context, model, id, streamName))
      )
  )

/** A stream whose events take what their own metadata leaves out from some other metadata. */
export const givingMetadata = <S, Event extends { readonly metadata?: object | undefined }, Recorded, R>(
  stream: EntityStream<S, Event, Recorded, R>,
  metadata: object | undefined
): EntityStream<S, Event, Recorded, R> =>
  metadata === undefined ? stream : {
    ...stream,
    encode: (events) =>
      stream.encode(
        events.map((event) => ({ ...event, metadata: Metadata.merge({ ...metadata }, { ...event.metadata }) }))
      )
  }

/** The state of a stream after more events. */
export const foldAfter = <S, Event>(
  { evolve }: { readonly evolve: (state: S, event: Event) => S },
  fold: Fold<S>,
  events: ReadonlyArray<Event>
): Fold<S> => ({ ...fold, state: events.reduce(evolve, fold.state), version: fold.version + events.length })

/** A version as users see it. */
export const versionOption = (version: number): Option.Option<number> =>
  version === -1 ? Option.none() : Option.some(version)
