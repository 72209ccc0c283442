import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { newCategory, numbered, upTo } from "../messageStoreSuite/fixtures.ts"
import { assertExact, counter, type Counting, type It, newName, quietly } from "./counter.ts"

/** With a store that grants every lease to every caller. */
const withoutLeases = Effect.updateService(MessageStore, (store) => ({
  ...store,
  lease: () => Effect.succeedSome({ lost: Effect.never })
}))

/** Runs an effect and interrupts it after up to 30 ms. */
const interrupted = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(quietly(effect))
  yield* Effect.sleep(yield* Random.nextIntBetween(0, 30))
  yield* Fiber.interrupt(fiber)
})

export const tests = <R>(it: It<R>, counting: Counting<R>) =>
  describe("faults of read models", () => {
    it.effect("of two workers one is active, and the other takes over", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [name, category] = [yield* newName, yield* newCategory]
        const model = counter(counting, name, category)
        yield* store.append(`${category}-1`, numbered(20))
        const first = yield* Effect.forkChild(quietly(ReadModel.run(model)))
        yield* ReadModel.waitFor(model, yield* store.lastPosition)
        const second = yield* quietly(ReadModel.start(model))
        assert.isFalse((yield* second.status).isActive)
        yield* Fiber.interrupt(first)
        const { globalPosition } = yield* store.append(`${category}-2`, numbered(20))
        yield* second.waitFor(globalPosition)
        assert.isTrue((yield* second.status).isActive)
        yield* assertExact(counting, name, category)
      }))

    it.effect("workers that do not exclude one another handle each message once", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [name, category] = [yield* newName, yield* newCategory]
        const model = counter(counting, name, category, { batchSize: 8, atOnce: 3 })
        const workers = yield* Effect.forEach(upTo(3), () =>
          Effect.forkChild(withoutLeases(quietly(ReadModel.run(model)))))
        yield* Effect.forEach(
          upTo(4),
          (writer) =>
            Effect.forEach(upTo(10), (i) =>
              store.append(`${category}-${writer}`, numbered(3, i * 3)), {
              discard: true
            }),
          { concurrency: "unbounded" }
        )
        yield* Effect.timeout(ReadModel.waitFor(model, yield* store.lastPosition), "2 minutes")
        yield* assertExact(counting, name, category)
        yield* Fiber.interruptAll(workers)
        yield* assertExact(counting, name, category)
      }))

    it.effect("whatever is interrupted, the tables are what the log makes of them", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [name, category] = [yield* newName, yield* newCategory]
        const model = counter(counting, name, category, { batchSize: 8, atOnce: 3, grace: 0 })
        for (const round of upTo(8)) {
          yield* store.append(`${category}-${round % 3}`, numbered(10, round * 10))
          yield* Effect.all([
            interrupted(ReadModel.run(model)),
            interrupted(withoutLeases(ReadModel.run(model))),
            round % 2 === 0 ? Effect.void : interrupted(Stream.runDrain(ReadModel.rebuild(model)))
          ], { concurrency: "unbounded", discard: true })
          const { live } = yield* ReadModel.status(model)
          if (Option.isSome(live) && live.value.lag.messages === 0) yield* assertExact(counting, name, category)
        }
        yield* ReadModel.start(model)
        yield* Effect.timeout(ReadModel.waitFor(model, yield* store.lastPosition), "2 minutes")
        yield* assertExact(counting, name, category)
      }))
  })
