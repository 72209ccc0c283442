/**
 * Consumers of many categories that have caught up: one look at the log serves all of them, and no message is late by more than one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { Consumer, MemoryStore, MessageStore, type StoreBackend, StoreError } from "eventfold"

const lost = new StoreError.StoreError({ operation: "news", reason: "connection lost", isRetryable: true })

/** A store that wakes nobody, and what is asked of it. The looks stop before `heldAt`, as for a transaction in progress. */
const silent = () => {
  const asked = { reads: 0, looks: 0 }
  const state = { heldAt: Number.POSITIVE_INFINITY, fails: false, overflows: false }
  const layer = Layer.effect(
    MessageStore.MessageStore,
    Effect.gen(function*() {
      const backend = yield* MemoryStore.make
      const news = Effect.fnUntraced(function*(after: number): Effect.fn.Return<
        StoreBackend.LogNews,
        StoreError.StoreError
      > {
        asked.looks += 1
        if (state.fails) return yield* lost
        const { messages } = yield* backend.readAll({
          from: after + 1,
          limit: 1_000,
          categories: undefined,
          types: undefined
        })
        const last = yield* backend.lastPosition
        return {
          categories: state.overflows
            ? undefined
            : [...new Set(messages.map(({ streamName }) => streamName.slice(0, streamName.indexOf("-"))))],
          final: Math.min(last, state.heldAt - 1)
        }
      })
      return yield* MessageStore.make({
        ...backend,
        // A backend that watches wakes by itself: this one never does.
        watch: () => Effect.void,
        news,
        readCategory: (page) => {
          asked.reads += 1
          return backend.readCategory(page)
        }
      })
    })
  )
  return { asked, layer, state }
}

const append = (category: string) =>
  MessageStore.MessageStore.use((store) => store.append(`${category}-1`, { type: "A", data: {} }))

const consumerOf = (n: number, handled: Array<string>) =>
  Consumer.make(`consumer${n}`).on(`c${n}`, () => Effect.sync(() => handled.push(`c${n}`)))

/** Runs consumers of as many categories, and gives what they have handled. */
const consuming = Effect.fnUntraced(function*(count: number) {
  const handled: Array<string> = []
  const fibers = yield* Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) => Effect.forkScoped(Consumer.run(consumerOf(n, handled)))
  )
  // All have come to their longest pause.
  yield* TestClock.adjust("2 minutes")
  return { handled, fibers }
})

describe("consumers at rest", () => {
  it.effect("look together, and don't read", () => {
    const { asked, layer } = silent()
    return Effect.gen(function*() {
      yield* consuming(30)
      asked.reads = 0
      asked.looks = 0
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(asked.reads, 0)
      assert.isAtMost(asked.looks, 121)
      assert.isAtLeast(asked.looks, 100)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("handle what comes within a look's time, and only those read for whom it is", () => {
    const { asked, layer } = silent()
    return Effect.gen(function*() {
      const { handled } = yield* consuming(30)
      asked.reads = 0
      yield* append("c7")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(handled, ["c7"])
      // Its position is written although there had been nothing to write for so long.
      yield* TestClock.adjust("1 second")
      const { lag, members } = yield* Consumer.status(consumerOf(7, []))
      assert.strictEqual(lag.messages, 0)
      assert.deepStrictEqual(members.map(({ position }) => position), [Option.some(1)])
      for (const n of [3, 7, 29]) yield* append(`c${n}`)
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(handled.toSorted(), ["c29", "c3", "c7", "c7"])
      yield* TestClock.adjust("10 minutes")
      assert.isAtMost(asked.reads, 60)
      assert.lengthOf(handled, 4)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("find what is written while a transaction in progress keeps the log from being final", () => {
    const { layer, state } = silent()
    return Effect.gen(function*() {
      const { handled } = yield* consuming(30)
      const store = yield* MessageStore.MessageStore
      const held = (yield* store.lastPosition) + 1
      state.heldAt = held
      yield* append("c1")
      yield* TestClock.adjust("1 minute")
      yield* append("c2")
      state.heldAt = Number.POSITIVE_INFINITY
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(handled.toSorted(), ["c1", "c2"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("read for themselves when a look fails, or can't go through what is new", () => {
    const { asked, layer, state } = silent()
    return Effect.gen(function*() {
      const { handled } = yield* consuming(30)
      for (const trouble of ["fails", "overflows"] as const) {
        state[trouble] = true
        asked.reads = 0
        yield* append("c5")
        yield* TestClock.adjust("11 seconds")
        assert.isAtLeast(asked.reads, 30)
        state[trouble] = false
        yield* TestClock.adjust("1 minute")
      }
      assert.deepStrictEqual(handled, ["c5", "c5"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("of a few categories read for themselves", () => {
    const { asked, layer } = silent()
    return Effect.gen(function*() {
      yield* consuming(3)
      asked.reads = 0
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(asked.looks, 0)
      assert.isAtLeast(asked.reads, 30)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("look no more when all have stopped", () => {
    const { asked, layer } = silent()
    return Effect.gen(function*() {
      const { fibers } = yield* consuming(10)
      yield* Fiber.interruptAll(fibers)
      yield* TestClock.adjust("10 seconds")
      asked.looks = 0
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(asked.looks, 0)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })
})
