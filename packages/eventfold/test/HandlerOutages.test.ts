/**
 * Handlers whose store is away: the messages are not to blame, so none of them fails, however long it takes.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Consumer, MessageStore, StoreError } from "eventfold"

const away = (isRetryable: boolean) =>
  new StoreError.StoreError({ operation: "append", reason: "the server is a standby", isRetryable })

const append = Effect.flatMap(
  MessageStore.MessageStore,
  (store) => store.append("outage-1", [{ type: "Numbered", data: 0 }, { type: "Numbered", data: 1 }])
)

/** A consumer that skips what fails, and how often it was given the first message. */
const make = (fail: () => StoreError.StoreError | undefined) => {
  const handled: Array<number> = []
  let attempts = 0
  const consumer = Consumer.make("outage", { retry: Schedule.recurs(1), onFailure: "skip" }).on("outage", {
    Numbered: ({ position }) =>
      Effect.suspend(() => {
        if (position === 0) attempts += 1
        const error = fail()
        return error === undefined ? Effect.sync(() => handled.push(position)) : Effect.fail(error)
      })
  })
  const run = Consumer.run(consumer).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  return { run, handled, attempts: () => attempts }
}

it.effect("a handler whose store is away is run again until it is back, and takes none of its attempts", () =>
  Effect.gen(function*() {
    let isAway = true
    const { attempts, handled, run } = make(() => isAway ? away(true) : undefined)
    yield* append
    const running = yield* Effect.forkChild(run)
    yield* TestClock.adjust("10 minutes")
    assert.isAbove(attempts(), 100)
    assert.deepStrictEqual(handled, [])
    isAway = false
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(handled, [0, 1])
    assert.isUndefined(running.pollUnsafe())
    yield* Fiber.interrupt(running)
  }).pipe(Effect.provide(MessageStore.layerMemory)))

it.effect("a handler that the store refuses for good fails after its attempts", () =>
  Effect.gen(function*() {
    const { attempts, handled, run } = make(() => away(false))
    yield* append
    const running = yield* Effect.forkChild(run)
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(attempts(), 2)
    assert.deepStrictEqual(handled, [])
    assert.isUndefined(running.pollUnsafe())
    yield* Fiber.interrupt(running)
  }).pipe(Effect.provide(MessageStore.layerMemory)))
