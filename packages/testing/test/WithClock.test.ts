import { assert, describe, it } from "@effect/vitest"
import { withClock } from "@eventfold/testing"
import { Clock, Effect, Exit, Fiber, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Category, Entity, MessageStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

const slowly = (amount: number) => () => Effect.as(Effect.sleep("1 minute"), Account.events.Deposited({ amount }))

describe("withClock", () => {
  it.effect("lets decisions be retried", () =>
    Effect.gen(function*() {
      const amounts = [1, 10, 100]
      yield* withClock(
        Effect.forEach(amounts, (amount) => Balance.transact("1", slowly(amount)), { concurrency: "unbounded" })
      )
      assert.strictEqual((yield* Balance.load("1")).state, 111)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("moves the clock to the ends of pauses, and gives what the effect gives", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000)
      const times = yield* withClock(
        Effect.forEach(["1 hour", "1 day"] as const, (pause) => Effect.delay(Clock.currentTimeMillis, pause))
      )
      assert.deepStrictEqual(times, [3_601_000, 90_001_000])
      assert.strictEqual(yield* Clock.currentTimeMillis, 90_001_000)
    }))

  it.effect("also in fibers of the effect, and at the same time for those of others", () =>
    Effect.gen(function*() {
      const other = yield* Effect.forkChild(Effect.delay(Clock.currentTimeMillis, "20 minutes"))
      yield* withClock(Effect.flatMap(Effect.forkChild(Effect.sleep("1 hour")), Fiber.join))
      assert.strictEqual(yield* Fiber.join(other), 1_200_000)
    }))

  it.effect("does not move it while a promise is on its way", () =>
    Effect.gen(function*() {
      const soon = Effect.promise(() => new Promise<number>((resolve) => setImmediate(() => resolve(1))))
      assert.deepStrictEqual(yield* withClock(Effect.timeoutOption(soon, "1 second")), Option.some(1))
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }))

  it.effect("nor to the end of a sleep that never ends", () =>
    Effect.gen(function*() {
      const never = Effect.raceFirst(Effect.sleep("Infinity"), Effect.sleep("1 hour"))
      yield* withClock(never)
      assert.strictEqual(yield* Clock.currentTimeMillis, 3_600_000)
    }))

  it.effect("fails as the effect does", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(withClock(Effect.delay(Effect.fail("no"), "1 minute")))
      assert.deepStrictEqual(exit, Exit.fail("no"))
    }))

  it.live("leaves a real clock alone", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      assert.strictEqual(yield* withClock(Clock.Clock), clock)
    }))
})
