import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** A refresh that runs on behalf of all the loads that wait for it. */
interface Refresh<A, E> {
  readonly fiber: Fiber.Fiber<A, E>
  waiting: number
}

/** The refreshes of one value. They run one after another. */
export interface Refreshes<A, E> {
  /** The refresh that has not begun to read: a load that comes now can share it. */
  next: Refresh<A, E> | undefined
  /** The refresh that was started last. The following one begins after it. */
  last: Refresh<A, E> | undefined
}

export const make = <A, E>(): Refreshes<A, E> => ({ next: undefined, last: undefined })

/** Starts the next refresh. `ended` runs when it has ended and no other one follows it. */
const start = <A, E, R>(
  refreshes: Refreshes<A, E>,
  scope: Scope.Scope,
  read: Effect.Effect<A, E, R>,
  ended: () => void
): Effect.Effect<Refresh<A, E>, never, R> => {
  const previous = refreshes.last
  let self: Refresh<A, E> | undefined
  const closed = Effect.suspend(() => {
    if (refreshes.next === self) refreshes.next = undefined
    return read
  })
  // The pause lets all the loads of one moment share the read.
  const running = Effect.andThen(Effect.yieldNow, closed)
  const inTheirOrder = previous === undefined ? running : Effect.andThen(Fiber.await(previous.fiber), running)
  return Effect.map(Effect.forkIn(inTheirOrder, scope), (fiber) => {
    const refresh: Refresh<A, E> = { fiber, waiting: 0 }
    self = refresh
    refreshes.next = refresh
    refreshes.last = refresh
    fiber.addObserver(() => {
      if (refreshes.next === refresh) refreshes.next = undefined
      if (refreshes.last !== refresh) return
      refreshes.last = undefined
      ended()
    })
    return refresh
  })
}

/** Ends a refresh that no load waits for any more: one that hangs must not block the loads that come later. */
const leave = <A, E>(refreshes: Refreshes<A, E>, refresh: Refresh<A, E>) =>
  Effect.sync(() => {
    refresh.waiting -= 1
    if (refresh.waiting > 0) return
    if (refreshes.next === refresh) refreshes.next = undefined
    refresh.fiber.interruptUnsafe()
  })

/**
 * Waits for a refresh that begins after this call: the next one if there is one, or a new one in `scope`.
 *
 * Run it uninterruptibly, so that no refresh is started without a load that waits for it. `wait` gets the result to wait
 * for, and makes the waiting interruptible.
 */
export const join = <A, E, R, E2, R2>(
  refreshes: Refreshes<A, E>,
  { ended, read, scope, wait }: {
    readonly scope: Scope.Scope
    readonly read: Effect.Effect<A, E, R>
    readonly ended: () => void
    readonly wait: (result: Effect.Effect<A, E>) => Effect.Effect<A, E2, R2>
  }
): Effect.Effect<A, E2, R | R2> => {
  const joined = (refresh: Refresh<A, E>) => {
    refresh.waiting += 1
    return Effect.onInterrupt(wait(Fiber.join(refresh.fiber)), () => leave(refreshes, refresh))
  }
  return refreshes.next === undefined
    ? Effect.flatMap(start(refreshes, scope, read, ended), joined)
    : joined(refreshes.next)
}
