import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Fold } from "./fold.ts"

/**
 * Which state a load is content with.
 *
 * - `"latest"`: whatever was written before the call is seen. With a cache this takes a read of what is new.
 * - `"cached"`: what the cache has, without a read; the latest when it has nothing.
 * - `{ maxAge }`: what the cache has if it was read or written no longer ago than that.
 *
 * To decide on an older state is safe: the append fails, and the decision is made again on the latest one. What appends
 * nothing, a refusal say, is only checked with `alwaysCheck`.
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

/** The cached states of one entity in one store. */
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

/** What a layer provides. */
export interface Service {
  /** The region of an entity, by any two objects that stand for it and for its store. */
  readonly region: <S, E>(store: object, entity: object, weight: (state: S) => number) => Region<S, E>
  /** How many entities there are, those included that are just being read. */
  readonly size: () => number
}

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
  coming: Read<S, E> | undefined
  /** The read that was promised last. The next one begins after it. */
  latest: Read<S, E> | undefined
}

/** A read on behalf of all who wait for it. */
interface Read<S, E> {
  readonly fiber: Fiber.Fiber<Fold<S>, E>
  waiting: number
}

export const make = Effect.fnUntraced(function*(
  { capacity, timeToLive }: Options
): Effect.fn.Return<Service, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  /** All entries, the one that was used last at the end. */
  const entries = new Set<Entry>()
  let total = 0
  let isClosed = false
  const readers = yield* Scope.make()
  yield* Effect.addFinalizer((exit) =>
    Effect.suspend(() => {
      isClosed = true
      return Scope.close(readers, exit)
    })
  )

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

  const idleMillis = timeToLive === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(timeToLive)
  const sweep = () => {
    const now = clock.currentTimeMillisUnsafe()
    removeWhile(({ usedAt }) => now - usedAt >= idleMillis)
  }
  if (Number.isFinite(idleMillis)) {
    // Memory comes free also when nobody asks for anything any more.
    const pause = Duration.millis(Math.max(1, idleMillis))
    yield* Effect.sync(sweep).pipe(Effect.repeat(Schedule.spaced(pause)), Effect.delay(pause), Effect.forkScoped)
  }

  const makeRegion = <S, E>(weight: (state: S) => number): Region<S, E> => {
    const byStream = new Map<string, Cached<S, E>>()

    const entryOf = (streamName: string): Cached<S, E> => {
      sweep()
      let entry = byStream.get(streamName)
      if (entry === undefined) {
        entry = {
          forget: () => byStream.delete(streamName),
          weight: 0,
          usedAt: 0,
          fold: Option.none(),
          currentAt: Number.NEGATIVE_INFINITY,
          coming: undefined,
          latest: undefined
        }
        byStream.set(streamName, entry)
      }
      touch(entry)
      return entry
    }

    const keep = (entry: Cached<S, E>, fold: Fold<S>, at: number) => {
      // A read that began before an append may end after it.
      if (Option.isSome(entry.fold) && entry.fold.value.version > fold.version) return
      const weighed = weight(fold.state)
      entry.fold = Option.some(fold)
      entry.currentAt = Math.max(entry.currentAt, at)
      if (entries.has(entry)) weigh(entry, Number.isFinite(weighed) && weighed >= 0 ? weighed : 1)
      // Turned round, so that a capacity that is no number keeps nothing instead of everything.
      removeWhile(() => !(total <= capacity))
    }

    const begin = <R>(
      entry: Cached<S, E>,
      refresh: (known: Option.Option<Fold<S>>) => Effect.Effect<Fold<S>, E, R>
    ): Effect.Effect<Read<S, E>, never, R> => {
      const refreshed = Effect.suspend(() => {
        if (entry.coming === read) entry.coming = undefined
        const startedAt = clock.currentTimeMillisUnsafe()
        return Effect.map(refresh(entry.fold), (fold) => {
          keep(entry, fold, startedAt)
          return fold
        })
      })
      // Loads of one moment share the read.
      const running = Effect.andThen(Effect.yieldNow, refreshed)
      const previous = entry.latest
      let read: Read<S, E> | undefined
      return Effect.map(
        Effect.forkIn(previous === undefined ? running : Effect.andThen(Fiber.await(previous.fiber), running), readers),
        (fiber) => {
          const made: Read<S, E> = { fiber, waiting: 0 }
          read = made
          entry.coming = made
          entry.latest = made
          fiber.addObserver(() => {
            if (entry.coming === made) entry.coming = undefined
            if (entry.latest !== made) return
            entry.latest = undefined
            // It was made for a read, which has failed.
            if (Option.isNone(entry.fold)) remove(entry)
          })
          return made
        }
      )
    }

    /** Gives a read up that nobody waits for any more: one that hangs must not hold up those who come later. */
    const leave = (entry: Cached<S, E>, read: Read<S, E>) =>
      Effect.sync(() => {
        read.waiting -= 1
        if (read.waiting > 0) return
        if (entry.coming === read) entry.coming = undefined
        read.fiber.interruptUnsafe()
      })

    const isFresh = (entry: Cached<S, E>, freshness: Freshness): boolean => {
      if (freshness === "latest") return false
      if (freshness === "cached") return true
      return clock.currentTimeMillisUnsafe() - entry.currentAt <= Duration.toMillis(freshness.maxAge)
    }

    const join = <R>(
      entry: Cached<S, E>,
      read: Read<S, E>,
      restore: <A, Error, Services>(effect: Effect.Effect<A, Error, Services>) => Effect.Effect<A, Error, Services>,
      refresh: (known: Option.Option<Fold<S>>) => Effect.Effect<Fold<S>, E, R>
    ) => {
      read.waiting += 1
      const joined = Effect.catchCauseIf(
        Fiber.join(read.fiber),
        // Who waits when the cache is closed reads for himself.
        (cause) => isClosed && Cause.hasInterruptsOnly(cause),
        () => refresh(Option.none())
      )
      return Effect.onInterrupt(restore(joined), () => leave(entry, read))
    }

    return {
      get: (streamName, freshness, refresh) =>
        // Not to be interrupted between the promise of a read and its start.
        Effect.uninterruptibleMask((restore) => {
          if (isClosed) return restore(refresh(Option.none()))
          const entry = entryOf(streamName)
          if (Option.isSome(entry.fold) && isFresh(entry, freshness)) return Effect.succeed(entry.fold.value)
          return entry.coming === undefined
            ? Effect.flatMap(begin(entry, refresh), (read) => join(entry, read, restore, refresh))
            : join(entry, entry.coming, restore, refresh)
        }),
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
    size: () => entries.size,
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
