import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import { type EncodedAppend, mayHaveWritten, type StoreBackend, type Wake } from "../../StoreBackend.ts"
import * as StreamName from "../../StreamName.ts"
import * as Coalescer from "../runtime/coalescer.ts"
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
  /**
   * Waits for a wake-up, at most this long; gives whether one came. Readers with the same subscription that wait equally
   * long stop waiting together, so that they read the store once for all of them: one that begins while another waits
   * waits no longer than that one.
   */
  readonly awaitAtMost: (pause: Duration.Input) => Effect.Effect<boolean>
}

/** All categories but those in which consumers write about themselves. */
export const news: unique symbol = Symbol("news")

type Subscription = string | undefined | typeof news

/** The readers that have the same subscription. */
interface Readers {
  /** Never empty. */
  readonly latches: Set<Latch.Latch>
  /** Pauses that they make together, by their length in milliseconds. */
  readonly pauses: Coalescer.Coalescer<number, void, never>
}

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

/** A reader that takes over from one that was interrupted pauses for what is left of its own time. */
const pauseTogether = ({ share }: Readers["pauses"], pause: Duration.Input) =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const millis = Duration.toMillis(pause)
    const end = clock.currentTimeMillisUnsafe() + millis
    const rest = Effect.suspend(() => Effect.sleep(end - clock.currentTimeMillisUnsafe()))
    return share(millis, rest, Effect.void)
  })

export const make = Effect.fnUntraced(function*(
  { watch }: Pick<StoreBackend, "watch">
): Effect.fn.Return<WakeUpHub, never, Scope.Scope> {
  const readers = new Map<Subscription, Readers>()

  const wake: Wake = (category) =>
    Effect.suspend(() => {
      if (readers.size === 0) return Effect.void
      const subscriptions: Array<Subscription> = category === undefined ? [...readers.keys()] : [category, undefined]
      if (category !== undefined && !isBookkeeping(category)) subscriptions.push(news)
      // A copy, because readers may subscribe or leave meanwhile.
      const latches = subscriptions.flatMap((subscription) => Array.from(readers.get(subscription)?.latches ?? []))
      return Effect.forEach(latches, Latch.open, { discard: true })
    })

  const add = (subscription: Subscription, latch: Latch.Latch) =>
    Effect.sync(() => {
      const found = readers.get(subscription) ?? { latches: new Set(), pauses: Coalescer.make() }
      readers.set(subscription, found)
      found.latches.add(latch)
      return found
    })

  const remove = (subscription: Subscription, { latches }: Readers, latch: Latch.Latch) =>
    Effect.sync(() => {
      latches.delete(latch)
      if (latches.size === 0) readers.delete(subscription)
    })

  const watching = watch === undefined ? undefined : yield* RcRef.make({ acquire: watch(wake) })

  return {
    subscribe: Effect.fnUntraced(function*(subscription) {
      const latch = Latch.makeUnsafe()
      const { pauses } = yield* Effect.acquireRelease(
        add(subscription, latch),
        (readers) => remove(subscription, readers, latch)
      )
      if (watching !== undefined) yield* RcRef.get(watching)
      // An interruption before the second step leaves the latch open for the next wait.
      const wakeUp = Effect.andThen(latch.await, Effect.asVoid(latch.close))
      return {
        await: wakeUp,
        awaitAtMost: (pause) =>
          Effect.raceFirst(Effect.as(wakeUp, true), Effect.as(pauseTogether(pauses, pause), false))
      }
    }),
    waking: (appends, write) => {
      // A backend that watches wakes by itself, and once is enough.
      if (watch !== undefined) return write
      const categories = () => new Set(appends.map(({ streamName }) => StreamName.category(streamName)))
      return Effect.onExit(
        write,
        (exit) =>
          readers.size > 0 && mayHaveWritten(exit) ? Effect.forEach(categories(), wake, { discard: true }) : Effect.void
      )
    }
  }
})
