import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Lineage, Transactions } from "../../StoreBackend.ts"
import type { StoreError } from "../../StoreError.ts"
import * as Meter from "../runtime/meter.ts"
import type { Forgetting } from "../store/forgetting.ts"
import { stillHolds } from "../store/lineage.ts"
import type { Fold } from "./fold.ts"
import type { CacheResult } from "./metrics.ts"
import * as Rounds from "./rounds.ts"
import * as SharedRefresh from "./sharedRefresh.ts"
import * as WeightedLru from "./weightedLru.ts"

/**
 * How fresh a state has to be.
 *
 * - `"latest"`: the state includes everything that was written before the call. With a cache this takes a read of what is
 *   new.
 * - `"cached"`: the cached state, however old, without a read; the latest when nothing is cached.
 * - `{ maxAge }`: the cached state if it was read or written at most that long ago; the latest otherwise.
 *
 * It is safe to decide on an older state: the append fails, and the decision is made again on the latest one. A decision
 * that appends nothing, such as a refusal, is only checked with `alwaysCheck`.
 *
 * @category models
 * @since 0.1.0
 */
export type Freshness = "latest" | "cached" | { readonly maxAge: Duration.Input }

/**
 * How much a cache keeps, and for how long.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The largest sum of the weights of all cached entities. An entity weighs 1 unless it defines a `weight`. */
  readonly capacity: number
  /**
   * How long an entity is kept after it was last used. Defaults to forever, because the capacity already bounds the
   * memory.
   */
  readonly timeToLive?: Duration.Input | undefined
}

/** Reads what is new since a state; without one, everything. */
type Refresh<S, E, R> = (known: Option.Option<Fold<S>>) => Effect.Effect<Fold<S>, E, R>

/** The cached states of one entity definition in one store, by stream. */
export interface Region<S, E> {
  /** A state as fresh as asked for. Loads that come before a `refresh` has begun share it. */
  readonly get: <R>(
    streamName: string,
    freshness: Freshness,
    refresh: Refresh<S, E, R>
  ) => Effect.Effect<Fold<S>, E | StoreError, R>
  /** Keeps the state after an append. */
  readonly put: (streamName: string, fold: Fold<S>) => Effect.Effect<void>
  readonly drop: (streamName: string) => Effect.Effect<void>
  /** How often the region was told to forget streams that are deleted: a state that is older than the last time may not be kept. */
  readonly forgets: () => number
  /** The cached state, however old; none when it may be of another database. */
  readonly peek: (streamName: string) => Option.Option<Fold<S>>
  /**
   * The cached state for a decision whose append fails unless it is the latest. None when it may be of another database, and while
   * more than few of the cached states turn out not to be the latest: to read first then costs less than to decide twice.
   */
  readonly promising: (streamName: string) => Option.Option<Fold<S>>
  /** Rounds of transactions; `undefined` where they are of no use. */
  readonly rounds: Rounds.Rounds<Fold<S>> | undefined
  /** Counts a load by where it has found the state. */
  readonly loaded: (result: CacheResult) => void
}

/** What makes a region forget, and what counts its loads. */
export interface RegionOptions {
  readonly lineage?: Lineage | undefined
  readonly forgetting?: Forgetting | undefined
  readonly loaded?: ((result: CacheResult) => void) | undefined
}

/**
 * The cache itself, which entities use.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The region of an entity, by any two objects that stand for its store and for itself. It forgets its states when the store's
   * database becomes another one, and when their streams are deleted.
   */
  readonly region: <S, E>(
    store: object,
    entity: object,
    weight: (state: S) => number,
    options?: RegionOptions
  ) => Region<S, E>
  /** The number of entities, with those whose first read is still running. */
  readonly size: () => number
}

/** What is known of one stream. */
interface Entry<S, E> extends WeightedLru.Entry {
  fold: Option.Option<Fold<S>>
  /** When the state was last known to be the latest, in milliseconds. */
  currentAt: number
  readonly refreshes: SharedRefresh.Refreshes<Fold<S>, E | StoreError>
}

/** What the regions of a cache share. */
interface Shared {
  readonly clock: Clock.Clock
  readonly lru: WeightedLru.WeightedLru
  /** Refreshes run here, since they outlive the load that starts them. */
  readonly scope: Scope.Scope
  /** What ends with the cache, although the stores go on. */
  readonly ends: Array<() => void>
  isClosed: boolean
}

const isFresh = ({ clock }: Shared, currentAt: number, freshness: Freshness): boolean => {
  if (freshness === "latest") return false
  if (freshness === "cached") return true
  return clock.currentTimeMillisUnsafe() - currentAt <= Duration.toMillis(freshness.maxAge)
}

/** Where a load that reads finds the state, by what is cached. */
const resultOf = (known: Option.Option<unknown>): CacheResult => Option.isSome(known) ? "refreshed" : "miss"

/** The lineage of a store whose database never becomes another one. */
const unchanging: Lineage = { isDue: () => false, generation: () => 0, replacements: () => 0, look: Effect.void }

/**
 * How many of the cached states that were used or refreshed lately were not the latest. `known` counts one of either kind, and
 * `outdated` one that was not; the last sixteen or so matter.
 */
const makeStaleness = () => {
  let share = 0
  return {
    known: () => share -= share / 16,
    outdated: () => share += (1 - share) / 8,
    // Some 1 in 6. Where more are outdated than 1 in 4, deciding first is slower than reading first.
    isLow: () => share < 0.25
  }
}

const makeRegion = <S, E>(
  shared: Shared,
  weight: (state: S) => number,
  { forgetting, lineage = unchanging, loaded = () => {} }: RegionOptions
): Region<S, E> => {
  const { clock, ends, lru, scope } = shared
  const entries = new Map<string, Entry<S, E>>()
  const staleness = makeStaleness()
  let generation = lineage.generation()
  let forgets = 0
  if (forgetting !== undefined) {
    ends.push(forgetting.onForget((selects) => {
      forgets += 1
      for (const [streamName, entry] of entries) if (selects(streamName)) lru.remove(entry)
    }))
  }

  /** Forgets all states when the database has become another one. The reads that are under way no longer have an entry. */
  const forgetOthers = () => {
    if (generation === lineage.generation()) return
    generation = lineage.generation()
    for (const entry of entries.values()) lru.remove(entry)
  }

  const add = (streamName: string): Entry<S, E> => {
    const entry: Entry<S, E> = {
      forget: () => entries.delete(streamName),
      weight: 0,
      usedAt: 0,
      place: undefined,
      fold: Option.none(),
      currentAt: Number.NEGATIVE_INFINITY,
      refreshes: SharedRefresh.make()
    }
    entries.set(streamName, entry)
    return entry
  }

  const use = (streamName: string): Entry<S, E> => {
    forgetOthers()
    const now = clock.currentTimeMillisUnsafe()
    lru.removeIdle(now)
    const entry = entries.get(streamName) ?? add(streamName)
    lru.touch(entry, now)
    return entry
  }

  const keep = (entry: Entry<S, E>, fold: Fold<S>, at: number) => {
    // A read that begins before an append may end after it.
    if (Option.isSome(entry.fold) && entry.fold.value.version > fold.version) return
    const weighed = weight(fold.state)
    entry.fold = Option.some(fold)
    entry.currentAt = Math.max(entry.currentAt, at)
    lru.weigh(entry, weighed)
  }

  const readAndKeep = <R>(entry: Entry<S, E>, refresh: Refresh<S, E, R>) =>
    Effect.suspend(() => {
      const startedAt = clock.currentTimeMillisUnsafe()
      const began = lineage.generation()
      const known = entry.fold
      const kept = (fold: Fold<S>) => {
        if (Option.isSome(known)) {
          staleness.known()
          if (known.value.version !== fold.version) staleness.outdated()
        }
        keep(entry, fold, startedAt)
        return fold
      }
      // The read may itself have opened the connection to another database: then it has added to a state of the former one.
      const checked = (fold: Fold<S>): Effect.Effect<Fold<S>, E | StoreError, R> =>
        Effect.flatMap(stillHolds(lineage, began), (holds) => {
          if (holds) return Effect.succeed(kept(fold))
          lru.remove(entry)
          return refresh(Option.none())
        })
      return Effect.flatMap(
        refresh(known),
        (fold): Effect.Effect<Fold<S>, E | StoreError, R> =>
          lineage.isDue() || lineage.generation() !== began ? checked(fold) : Effect.succeed(kept(fold))
      )
    })

  const removeIfEmpty = (entry: Entry<S, E>) => {
    if (Option.isNone(entry.fold)) lru.remove(entry)
  }

  const find: Region<S, E>["get"] = (streamName, freshness, refresh) =>
    Effect.uninterruptibleMask((restore) => {
      if (shared.isClosed) {
        loaded("miss")
        return restore(refresh(Option.none()))
      }
      const entry = use(streamName)
      if (Option.isSome(entry.fold) && isFresh(shared, entry.currentAt, freshness)) {
        loaded("hit")
        return Effect.succeed(entry.fold.value)
      }
      loaded(resultOf(entry.fold))
      return SharedRefresh.join(entry.refreshes, {
        scope,
        read: readAndKeep(entry, refresh),
        // The entry was made for a read that has failed.
        ended: () => removeIfEmpty(entry),
        wait: (result) =>
          restore(Effect.catchCauseIf(
            result,
            // The layer has closed and interrupted the refresh: this load reads for itself.
            (cause) => shared.isClosed && Cause.hasInterruptsOnly(cause),
            () => refresh(Option.none())
          ))
      })
    })

  const peek = (streamName: string) => {
    forgetOthers()
    return lineage.isDue() ? Option.none() : entries.get(streamName)?.fold ?? Option.none()
  }

  return {
    get: (streamName, freshness, refresh) =>
      Effect.suspend(() => {
        const found = find(streamName, freshness, refresh)
        return lineage.isDue() ? Effect.andThen(lineage.look, found) : found
      }),
    put: (streamName, fold) => Effect.sync(() => keep(use(streamName), fold, clock.currentTimeMillisUnsafe())),
    drop: (streamName) =>
      Effect.sync(() => {
        const entry = entries.get(streamName)
        if (entry !== undefined) lru.remove(entry)
      }),
    forgets: () => forgets,
    loaded,
    rounds: Rounds.make(),
    peek,
    promising: (streamName) => {
      if (shared.isClosed || !staleness.isLow()) return Option.none()
      const found = peek(streamName)
      if (Option.isSome(found)) {
        staleness.known()
        loaded("hit")
      }
      return found
    }
  }
}

/**
 * A region as a transaction of the application uses it: what the transaction has written is not committed, so no state with it
 * may be kept or shared.
 *
 * Every load reads, whatever freshness it asks for, because the cached state lacks what the transaction has written. A state that
 * is put takes the place of the cached one after the commit; until then nothing is cached, so that nothing stays when the outcome
 * of the commit is unknown.
 */
export const inTransaction = <S, E>(region: Region<S, E>, { afterCommit }: Transactions): Region<S, E> => ({
  ...region,
  get: (streamName, _, refresh) =>
    Effect.suspend(() => {
      const known = region.peek(streamName)
      region.loaded(resultOf(known))
      return refresh(known)
    }),
  promising: () => Option.none(),
  rounds: undefined,
  put: (streamName, fold) => Effect.andThen(region.drop(streamName), afterCommit(region.put(streamName, fold)))
})

/** Frees the memory of idle entries also when no load comes any more. */
const sweepRegularly = ({ clock, lru }: Shared, timeToLiveMillis: number) => {
  const pause = Duration.millis(Math.max(1, timeToLiveMillis))
  return Effect.sync(() => lru.removeIdle(clock.currentTimeMillisUnsafe())).pipe(
    Effect.repeat(Schedule.spaced(pause)),
    Effect.delay(pause),
    Effect.forkScoped
  )
}

/** The region of each pair of a store and an entity, made when it is first asked for. */
const makeRegions = (shared: Shared): Service["region"] => {
  const regions = new WeakMap<object, WeakMap<object, Region<unknown, unknown>>>()
  return <S, E>(store: object, entity: object, weight: (state: S) => number, options: RegionOptions = {}) => {
    const ofStore = regions.get(store) ?? new WeakMap<object, Region<unknown, unknown>>()
    regions.set(store, ofStore)
    const found = ofStore.get(entity) as Region<S, E> | undefined
    const region = found ?? makeRegion<S, E>(shared, weight, options)
    ofStore.set(entity, region as Region<unknown, unknown>)
    return region
  }
}

export const make = Effect.fnUntraced(function*(
  { capacity, timeToLive }: Options
): Effect.fn.Return<Service, never, Scope.Scope> {
  const timeToLiveMillis = timeToLive === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(timeToLive)
  const lru = WeightedLru.make(capacity, timeToLiveMillis)
  const scope = yield* Scope.make()
  const meter = yield* Meter.make
  const hide = meter.gauge(
    { name: "eventfold.entity.cache.size", unit: "{entity}", description: "entities in the cache" },
    {},
    lru.size
  )
  const shared: Shared = { clock: yield* Clock.Clock, lru, scope, ends: [hide], isClosed: false }
  yield* Effect.addFinalizer((exit) =>
    Effect.suspend(() => {
      shared.isClosed = true
      for (const end of shared.ends) end()
      return Scope.close(scope, exit)
    })
  )
  if (Number.isFinite(timeToLiveMillis)) yield* sweepRegularly(shared, timeToLiveMillis)
  return { size: lru.size, region: makeRegions(shared) }
})
