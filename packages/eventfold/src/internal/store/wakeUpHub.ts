import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import {
  type EncodedAppend,
  mayHaveWritten,
  type StoreBackend,
  type Transactions,
  type Wake,
  wakeUnlessRefused,
  writtenCategories
} from "../../StoreBackend.ts"
import * as StreamName from "../../StreamName.ts"
import * as Coalescer from "../runtime/coalescer.ts"
import { isBookkeeping } from "./bookkeeping.ts"

/**
 * The wake-ups of one subscription: hints that a category, or the store, is worth reading again.
 *
 * **Gotchas**
 *
 * A subscription is for one fiber at a time. Two fibers that wait on it share its wake-ups: each wakes one of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface WakeUps {
  /**
   * Waits until a message may have been written since the subscription began, or since this last completed.
   *
   * Any number of writes are one wake-up. No wake-up is lost: not one between two waits, nor one during a wait that is
   * interrupted. After a wake-up there need not be a new message.
   */
  readonly await: Effect.Effect<void>
  /**
   * Waits for a wake-up, at most this long. Gives whether one came.
   *
   * Readers with the same subscription that wait equally long stop waiting together, so that their next reads are one (see
   * `readCategoryPage`): a reader that begins to wait while another one does waits no longer than that one.
   */
  readonly awaitAtMost: (pause: Duration.Input) => Effect.Effect<boolean>
}

/** The subscription to all categories but those in which consumers write about themselves. */
export const withoutBookkeeping: unique symbol = Symbol("withoutBookkeeping")

/** A category; `undefined` for all of them. */
type Subscription = string | undefined | typeof withoutBookkeeping

/** The readers that have the same subscription. */
interface Readers {
  /** One for each reader; never empty. */
  readonly latches: Set<Latch.Latch>
  /** The pauses that they make together, by length in milliseconds. */
  readonly pauses: Coalescer.Coalescer<number, void, never>
}

/** The readers of one store that wait for wake-ups, and what wakes them. */
export interface WakeUpHub {
  /** Subscribes until the scope closes. */
  readonly subscribe: (subscription: Subscription) => Effect.Effect<WakeUps, never, Scope.Scope>
  /** Runs a write of the backend, and wakes its categories unless the write is refused. */
  readonly waking: <A, E extends { readonly _tag: string }>(
    appends: ReadonlyArray<EncodedAppend>,
    write: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  /** The same of a write to categories. */
  readonly wakingCategories: <A, E extends { readonly _tag: string }>(
    categories: ReadonlyArray<string>,
    write: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
}

/** Pauses together with the others. A reader that takes over from an interrupted one pauses for the rest of its own time. */
const pauseTogether = ({ share }: Readers["pauses"], pause: Duration.Input) =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const millis = Duration.toMillis(pause)
    const end = clock.currentTimeMillisUnsafe() + millis
    const rest = Effect.suspend(() => Effect.sleep(end - clock.currentTimeMillisUnsafe()))
    return share(millis, rest, Effect.void)
  })

const makeWakeUps = (latch: Latch.Latch, { pauses }: Readers): WakeUps => {
  // An interruption before the second step leaves the latch open for the next wait.
  const wakeUp = Effect.andThen(latch.await, Effect.asVoid(latch.close))
  return {
    await: wakeUp,
    awaitAtMost: (pause) => Effect.raceFirst(Effect.as(wakeUp, true), Effect.as(pauseTogether(pauses, pause), false))
  }
}

/** The readers of a store by subscription, in which a subscription without readers does not stay. */
const makeRegistry = () => {
  const readers = new Map<Subscription, Readers>()

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

  const wake: Wake = (category) =>
    Effect.suspend(() => {
      if (readers.size === 0) return Effect.void
      const woken: Array<Subscription> = category === undefined ? [...readers.keys()] : [category, undefined]
      if (category !== undefined && !isBookkeeping(category)) woken.push(withoutBookkeeping)
      // A copy, because readers may subscribe or leave meanwhile.
      const latches = woken.flatMap((subscription) => Array.from(readers.get(subscription)?.latches ?? []))
      return Effect.forEach(latches, Latch.open, { discard: true })
    })

  return { add, remove, wake }
}

const wakeCategories = (appends: ReadonlyArray<EncodedAppend>, wake: Wake) =>
  Effect.suspend(() => {
    const [first] = appends
    if (appends.length === 1 && first !== undefined) return wake(StreamName.category(first.streamName))
    return Effect.forEach(writtenCategories(appends), wake, { discard: true })
  })

/**
 * Runs a write, then wakes readers: when its transaction commits, if it is in one. A write that fails in a transaction has written
 * nothing.
 */
const wakeAfterCommit = <A, E extends { readonly _tag: string }>(
  { afterCommit, isActive }: Transactions,
  write: Effect.Effect<A, E>,
  wakeAll: Effect.Effect<void>
): Effect.Effect<A, E> =>
  Effect.onExit(write, (exit) => {
    if (exit._tag === "Success") return afterCommit(wakeAll)
    return mayHaveWritten(exit)
      ? Effect.contextWith((context: Context.Context<never>) => isActive(context) ? Effect.void : wakeAll)
      : Effect.void
  })

export const make = Effect.fnUntraced(function*(
  { transactions, watch }: Pick<StoreBackend, "transactions" | "watch">
): Effect.fn.Return<WakeUpHub, never, Scope.Scope> {
  const { add, remove, wake } = makeRegistry()
  const watching = watch === undefined ? undefined : yield* RcRef.make({ acquire: watch(wake) })

  return {
    subscribe: Effect.fnUntraced(function*(subscription) {
      const latch = Latch.makeUnsafe()
      const readers = yield* Effect.acquireRelease(
        add(subscription, latch),
        (readers) => remove(subscription, readers, latch)
      )
      if (watching !== undefined) yield* RcRef.get(watching)
      return makeWakeUps(latch, readers)
    }),
    // A backend that watches wakes by itself.
    waking: (appends, write) => {
      if (watch !== undefined) return write
      return transactions === undefined
        ? wakeUnlessRefused(appends, write, wake)
        : wakeAfterCommit(transactions, write, wakeCategories(appends, wake))
    },
    wakingCategories: (categories, write) => {
      if (watch !== undefined) return write
      const wakeAll = Effect.forEach(categories, wake, { discard: true })
      return transactions === undefined
        ? Effect.onExit(write, (exit) => mayHaveWritten(exit) ? wakeAll : Effect.void)
        : wakeAfterCommit(transactions, write, wakeAll)
    }
  }
})
