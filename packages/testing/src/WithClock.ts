/**
 * A test clock that moves by itself.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { isTestClock, moment, on, track, yieldTurns } from "./internal/clock/trackedClock.ts"

/**
 * Runs an effect under `TestClock`, and moves the clock to the end of the next pause whenever the effect only waits for the
 * clock.
 *
 * **When to use**
 *
 * When a test does not want to know how long the pauses are: those of `Entity.transact` after a conflict, say. On a real
 * clock it runs the effect as it is.
 *
 * **Gotchas**
 *
 * An effect that waits for something else that never comes hangs, as it does without `withClock`. What comes from outside
 * the program, from a database or the network, takes no time on this clock: a timeout around it may pass before it comes.
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
 * @category running
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
