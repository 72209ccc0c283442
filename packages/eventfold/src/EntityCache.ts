/**
 * A cache of entities: with its layer, a load reads only what is new in a stream.
 *
 * It is a setting of the application and not of the domain code: an entity uses the cache that it finds in its context,
 * and none by default.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Fold } from "./internal/fold.ts"

/**
 * Which state a load is content with.
 *
 * - `"latest"`: whatever was written before the call is seen. With a cache this takes a read of what is new.
 * - `"cached"`: what the cache has, without a read; the latest when it has nothing.
 * - `{ maxAge }`: what the cache has if it was read or written no longer ago than that.
 *
 * A decision on an older state is safe: it fails on the append, and is made again on the latest one.
 *
 * @since 0.1.0
 */
export type Freshness = "latest" | "cached" | { readonly maxAge: Duration.Input }

/** @since 0.1.0 */
export interface Options {
  /** The most that the weights of all cached entities add up to. An entity weighs 1 unless it defines a `weight`. */
  readonly capacity: number
  /** For how long an entity is kept that nobody asks for. Default: until room is needed. */
  readonly timeToLive?: Duration.Input | undefined
}

/**
 * The cached states of one entity in one store.
 *
 * @internal
 */
export interface Region<S, E> {
  /**
   * The state that `freshness` asks for. `refresh` reads what is new since a state, or all; loads that begin while it
   * has not started yet share it.
   */
  readonly get: <R>(
    streamName: string,
    freshness: Freshness,
    refresh: (known: Option.Option<Fold<S>>) => Effect.Effect<Fold<S>, E, R>
  ) => Effect.Effect<Fold<S>, E, R>
  /** Keeps what is known after an append. */
  readonly put: (streamName: string, fold: Fold<S>) => Effect.Effect<void>
  readonly drop: (streamName: string) => Effect.Effect<void>
}

/** @internal */
export interface Service {
  /** The region of an entity, by any two objects that stand for it and for its store. */
  readonly region: <S, E>(store: object, entity: object, weight: (state: S) => number) => Region<S, E>
}

/**
 * The cache of the context: none, unless there is a {@link layer}.
 *
 * @since 0.1.0
 */
export const EntityCache = Context.Reference<Option.Option<Service>>("eventfold/EntityCache", {
  defaultValue: () => Option.none()
})

/** What is known of one entity. */
interface Entry {
  readonly forget: () => void
  weight: number
  usedAt: number
}

interface Cached<S, E> extends Entry {
  fold: Option.Option<Fold<S>>
  /** When the state was known to be the latest, in milliseconds. */
  currentAt: number
  /** The read that has not begun: who comes now can share it. */
  coming: Deferred.Deferred<Fold<S>, E> | undefined
  isReading: boolean
}

const make = Effect.fnUntraced(function*(
  { capacity, timeToLive }: Options
): Effect.fn.Return<Service, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  /** All entries, the one that was used last at the end. */
  const entries = new Set<Entry>()
  let total = 0
  let isClosed = false
  yield* Effect.addFinalizer(() => Effect.sync(() => isClosed = true))

  const weigh = (entry: Entry, weight: number) => {
    total += weight - entry.weight
    entry.weight = weight
  }
  const remove = (entry: Entry) => {
    if (!entries.delete(entry)) return
    total -= entry.weight
    entry.forget()
  }
  const touch = (entry: Entry) => {
    entries.delete(entry)
    entries.add(entry)
    entry.usedAt = clock.currentTimeMillisUnsafe()
  }
  const removeWhile = (isTooMuch: (oldest: Entry) => boolean) => {
    for (const oldest of entries) {
      if (!isTooMuch(oldest)) return
      remove(oldest)
    }
  }

  if (timeToLive !== undefined) {
    const millis = Duration.toMillis(timeToLive)
    const sweep = Effect.map(Clock.currentTimeMillis, (now) => removeWhile(({ usedAt }) => now - usedAt >= millis))
    yield* sweep.pipe(Effect.repeat(Schedule.spaced(millis)), Effect.delay(millis), Effect.forkScoped)
  }

  const makeRegion = <S, E>(weight: (state: S) => number): Region<S, E> => {
    const byStream = new Map<string, Cached<S, E>>()

    const entryOf = (streamName: string): Cached<S, E> => {
      let entry = byStream.get(streamName)
      if (entry === undefined) {
        entry = {
          forget: () => byStream.delete(streamName),
          weight: 0,
          usedAt: 0,
          fold: Option.none(),
          currentAt: Number.NEGATIVE_INFINITY,
          coming: undefined,
          isReading: false
        }
        byStream.set(streamName, entry)
      }
      touch(entry)
      return entry
    }

    const keep = (entry: Cached<S, E>, fold: Fold<S>, at: number) => {
      // A read that began before an append may end after it.
      if (Option.isSome(entry.fold) && entry.fold.value.version > fold.version) return
      entry.fold = Option.some(fold)
      entry.currentAt = Math.max(entry.currentAt, at)
      const weighed = weight(fold.state)
      if (entries.has(entry)) weigh(entry, Number.isFinite(weighed) && weighed >= 0 ? weighed : 1)
      // Turned round, so that a capacity that is no number keeps nothing instead of everything.
      removeWhile(() => !(total <= capacity))
    }

    /** Reads as often as someone is waiting for a read that has not begun. */
    const readOn = Effect.fnUntraced(function*<R>(
      entry: Cached<S, E>,
      refresh: (known: Option.Option<Fold<S>>) => Effect.Effect<Fold<S>, E, R>
    ) {
      while (entry.coming !== undefined) {
        // Loads of one moment share the read.
        yield* Effect.yieldNow
        const waiting = entry.coming
        entry.coming = undefined
        const startedAt = clock.currentTimeMillisUnsafe()
        yield* refresh(entry.fold).pipe(
          Effect.onExit((exit) => {
            if (Exit.isSuccess(exit)) keep(entry, exit.value, startedAt)
            return Deferred.done(waiting, exit)
          }),
          Effect.exit
        )
      }
      entry.isReading = false
    }, (reading, entry) =>
      Effect.onInterrupt(
        reading,
        () => entry.coming === undefined ? Effect.void : Deferred.interrupt(entry.coming)
      ))

    const isFresh = (entry: Cached<S, E>, freshness: Freshness): boolean => {
      if (freshness === "latest") return false
      if (freshness === "cached") return true
      return clock.currentTimeMillisUnsafe() - entry.currentAt <= Duration.toMillis(freshness.maxAge)
    }

    return {
      get: (streamName, freshness, refresh) =>
        // Not to be interrupted between the promise of a read and its start.
        Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
          if (isClosed) return yield* restore(refresh(Option.none()))
          const entry = entryOf(streamName)
          if (Option.isSome(entry.fold) && isFresh(entry, freshness)) return entry.fold.value
          entry.coming ??= Deferred.makeUnsafe()
          const { coming } = entry
          if (!entry.isReading) {
            entry.isReading = true
            yield* Effect.forkIn(Effect.interruptible(readOn(entry, refresh)), scope)
          }
          return yield* restore(Deferred.await(coming))
        })),
      put: (streamName, fold) => Effect.sync(() => keep(entryOf(streamName), fold, clock.currentTimeMillisUnsafe())),
      drop: (streamName) =>
        Effect.sync(() => {
          const entry = byStream.get(streamName)
          if (entry !== undefined) remove(entry)
        })
    }
  }

  const regions = new WeakMap<object, WeakMap<object, Region<unknown, unknown>>>()
  return {
    region: <S, E>(store: object, entity: object, weight: (state: S) => number) => {
      const ofStore = regions.get(store) ?? new WeakMap<object, Region<unknown, unknown>>()
      regions.set(store, ofStore)
      const found = ofStore.get(entity) as Region<S, E> | undefined
      const region = found ?? makeRegion<S, E>(weight)
      ofStore.set(entity, region as Region<unknown, unknown>)
      return region
    }
  }
})

/**
 * A cache that is emptied with the layer, for all entities of the programs it is provided to.
 *
 * **Details**
 *
 * The latest state is still the latest: a load reads what is new after the cached state, which costs one round trip and,
 * when there is nothing new, no rows. Loads of one entity that begin at the same moment share one read. After a failed
 * append the entity is forgotten, so the next load reads. When the capacity is exceeded, those go that nobody has asked
 * for the longest.
 *
 * @example
 * ```ts
 * import { EntityCache, MessageStore } from "eventfold"
 * import { Layer } from "effect"
 *
 * const Live = Layer.merge(MessageStore.layerMemory, EntityCache.layer({ capacity: 10_000, timeToLive: "1 hour" }))
 * ```
 *
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<never> =>
  Layer.effect(EntityCache, Effect.map(make(options), Option.some))
