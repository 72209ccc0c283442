/**
 * Time that passes by itself on the test clock.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { isTestClock, moment, on, track, yieldTurns } from "./internal/clock/trackedClock.ts"

/**
 * Runs an effect under `TestClock` and moves the clock on whenever the effect does nothing but wait for it, to the end of
 * its next pause: so a test need not know how long the pauses are, of `Entity.transact` after a conflict say. On a real
 * clock the effect is run as it is.
 *
 * **Gotchas**
 *
 * It ends when the effect does, so one that waits for something else than the clock, which never comes, hangs as without
 * it. What comes from outside the program, from a database or the network, takes no time on this clock: a time-out around
 * it may pass before it comes.
 *
 * @example
 * ```ts no-run
 * import { assert, it } from "@effect/vitest"
 * import { withClock } from "@eventfold/testing"
 * import { Effect, Schema } from "effect"
 * import { Category, Entity, MessageStore } from "eventfold"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
 * const Balance = Entity.make(Account, {
 *   state: Schema.Int,
 *   initial: 0,
 *   evolve: { Deposited: (balance, { amount }) => balance + amount }
 * })
 * const slowly = (amount: number) => () => Effect.as(Effect.sleep("1 minute"), Account.events.Deposited({ amount }))
 *
 * it.effect("both deposits are made, one of them at the second attempt", () =>
 *   Effect.gen(function*() {
 *     yield* withClock(
 *       Effect.all([Balance.transact("1", slowly(1)), Balance.transact("1", slowly(2))], { concurrency: 2 })
 *     )
 *     assert.strictEqual((yield* Balance.load("1")).state, 3)
 *   }).pipe(Effect.provide(MessageStore.layerMemory)))
 * ```
 *
 * @since 0.1.0
 */
export const withClock = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Clock.clockWith((clock) => {
    if (!isTestClock(clock)) return effect
    const tracked = track(clock)
    const passing = Effect.gen(function*() {
      while (true) {
        yield* yieldTurns
        const next = tracked.nextEnd()
        yield* next === undefined ? moment(clock) : clock.setTime(next)
      }
    })
    return Effect.raceFirst(on(tracked)(effect), passing)
  })
