import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import { type EncodedAppend, mayHaveWritten, type StoreBackend, type Wake } from "../../StoreBackend.ts"
import * as StreamName from "../../StreamName.ts"
import { isBookkeeping } from "./bookkeeping.ts"

/**
 * Wake-ups of one reader: hints that a category, or the store, is worth reading again.
 *
 * @since 0.1.0
 */
export interface WakeUps {
  /**
   * Waits until a message may have been written since the subscription, or since the last time that this completed. Any
   * number of writes are one wake-up, and none that comes between two waits is lost, nor one that comes while a wait is
   * interrupted. There need not be a new message after every wake-up. It is for one fiber at a time: two share them.
   */
  readonly await: Effect.Effect<void>
}

/** All categories but those in which consumers write about themselves. */
export const news: unique symbol = Symbol("news")

type Subscription = string | undefined | typeof news

/** Those who wait for wake-ups of one store, and what wakes them. */
export interface WakeUpHub {
  /** A subscription to a category, to all of them, or to all but those of bookkeeping; it ends with the scope. */
  readonly subscribe: (category: Subscription) => Effect.Effect<WakeUps, never, Scope.Scope>
  /** Runs a write of the backend, which wakes its categories unless it is refused. */
  readonly waking: <A, E extends { readonly _tag: string }>(
    appends: ReadonlyArray<EncodedAppend>,
    write: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
}

export const make = Effect.fnUntraced(function*(
  { watch }: Pick<StoreBackend, "watch">
): Effect.fn.Return<WakeUpHub, never, Scope.Scope> {
  /** Those who wait, by category; under `undefined` who waits for all. A set is never empty. */
  const latches = new Map<Subscription, Set<Latch.Latch>>()

  const wake: Wake = (category) =>
    Effect.suspend(() => {
      if (latches.size === 0) return Effect.void
      const keys: Array<Subscription> = category === undefined ? [...latches.keys()] : [category, undefined]
      if (category !== undefined && !isBookkeeping(category)) keys.push(news)
      // A copy, because who is woken may subscribe or leave meanwhile.
      return Effect.forEach(keys.flatMap((key) => Array.from(latches.get(key) ?? [])), Latch.open, { discard: true })
    })

  const add = (category: Subscription, latch: Latch.Latch) =>
    Effect.sync(() => {
      const set = latches.get(category) ?? new Set()
      latches.set(category, set.add(latch))
    })

  const remove = (category: Subscription, latch: Latch.Latch) =>
    Effect.sync(() => {
      const set = latches.get(category)
      set?.delete(latch)
      if (set?.size === 0) latches.delete(category)
    })

  const watching = watch === undefined ? undefined : yield* RcRef.make({ acquire: watch(wake) })

  return {
    subscribe: Effect.fnUntraced(function*(category) {
      const latch = Latch.makeUnsafe()
      yield* Effect.acquireRelease(add(category, latch), () => remove(category, latch))
      if (watching !== undefined) yield* RcRef.get(watching)
      // An interruption before the second step leaves the latch open for the next wait.
      return { await: Effect.andThen(latch.await, Effect.asVoid(latch.close)) }
    }),
    waking: (appends, write) => {
      // A backend that watches wakes by itself, and once is enough.
      if (watch !== undefined) return write
      const categories = () => new Set(appends.map(({ streamName }) => StreamName.category(streamName)))
      return Effect.onExit(
        write,
        (exit) =>
          latches.size > 0 && mayHaveWritten(exit) ? Effect.forEach(categories(), wake, { discard: true }) : Effect.void
      )
    }
  }
})
