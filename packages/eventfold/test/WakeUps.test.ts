import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { MemoryStore, type Message, MessageStore, type StoreBackend } from "eventfold"

/** The conformance suite holds what every store promises. A store in memory also wakes neither too late nor too often. */

const thing: Message.Message = { type: "Happened", data: {} }

/** Counts the wake-ups of a subscription. Gives the count once all fibers that can run have run. */
const count = (wakeUps: MessageStore.WakeUps) => {
  let wakes = 0
  return wakeUps.await.pipe(
    Effect.tap(() => Effect.sync(() => wakes++)),
    Effect.forever,
    Effect.forkScoped({ startImmediately: true }),
    Effect.as(Effect.map(Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow), () => wakes))
  )
}

describe("a store in memory", () => {
  it.effect("wakes once for each append whose caller waits, and only for the category's", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const [account, any] = [yield* count(yield* store.wakeUps("account")), yield* count(yield* store.wakeUps())]
      assert.deepStrictEqual([yield* account, yield* any], [0, 0])
      for (const name of ["accounts-1", "account:command-1", "Account-1", "order-account"]) {
        yield* store.append(name, thing)
        yield* any
      }
      assert.deepStrictEqual([yield* account, yield* any], [0, 4])
      yield* store.append("account-1", thing)
      assert.deepStrictEqual([yield* account, yield* any], [1, 5])
      yield* store.append("account", thing)
      assert.deepStrictEqual([yield* account, yield* any], [2, 6])
      yield* store.writeAll([
        { streamName: "account-1", messages: thing },
        { streamName: "order-1", messages: thing },
        { streamName: "account-2", messages: thing }
      ])
      assert.deepStrictEqual([yield* account, yield* any], [3, 7])
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("has one wake-up for all writes since the last one, and none for writes before the subscription", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* store.append("account-1", thing)
      const wakeUps = yield* store.wakeUps("account")
      const other = yield* count(yield* store.wakeUps("account"))
      for (const _ of Array.from({ length: 100 })) yield* store.append("account-1", thing)
      const counted = yield* count(wakeUps)
      assert.strictEqual(yield* counted, 1)
      assert.isAtLeast(yield* other, 1)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("is not woken by a write that is refused", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const id = "00000000-0000-4000-8000-000000000001"
      yield* store.append("order-1", { ...thing, id })
      const any = yield* count(yield* store.wakeUps())
      yield* Effect.flip(store.append("account-1", thing, { expectedVersion: 5 }))
      yield* Effect.flip(store.append("account-1", { ...thing, id }))
      yield* Effect.flip(store.append("account-1", []))
      yield* Effect.flip(store.writeAll([{ streamName: "account-1", messages: { ...thing, id } }]))
      assert.deepStrictEqual(yield* store.writeAll([]), [])
      assert.strictEqual(yield* any, 0)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("wakes no reader whose scope is closed", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const scope = yield* Scope.make()
      const counted = yield* count(yield* Scope.provide(store.wakeUps("account"), scope))
      yield* store.append("account-1", thing)
      assert.strictEqual(yield* counted, 1)
      yield* Scope.close(scope, Exit.void)
      yield* store.append("account-1", thing)
      assert.strictEqual(yield* counted, 1)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("a caller that is interrupted right after the write has woken the others", () =>
    Effect.gen(function*() {
      const memory = yield* MemoryStore.make
      const store = yield* MessageStore.make({
        ...memory,
        append: (append) => Effect.andThen(memory.append(append), Effect.never)
      })
      const counted = yield* count(yield* store.wakeUps("account"))
      const append = yield* Effect.forkChild(store.append("account-1", thing), { startImmediately: true })
      assert.strictEqual(yield* counted, 0)
      yield* Fiber.interrupt(append)
      assert.strictEqual(yield* counted, 1)
    }))
})

/** Waits, and notes whether it was woken and after how many milliseconds. */
const wait = (wakeUps: MessageStore.WakeUps, millis: number) =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    const isWoken = yield* wakeUps.awaitAtMost(millis)
    return [isWoken, (yield* Clock.currentTimeMillis) - began] as const
  }).pipe(Effect.forkChild({ startImmediately: true }))

describe("waiting at most a time", () => {
  it.effect("ends with a wake-up, or when the time is over", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const wakeUps = yield* store.wakeUps("account")
      const late = yield* wait(wakeUps, 100)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Fiber.join(late), [false, 100])
      const woken = yield* wait(wakeUps, 100)
      yield* TestClock.adjust(40)
      yield* store.append("account-1", thing)
      assert.deepStrictEqual(yield* Fiber.join(woken), [true, 40])
      // What comes between two waits wakes the second one.
      yield* store.append("account-1", thing)
      assert.deepStrictEqual(yield* Fiber.join(yield* wait(wakeUps, 100)), [true, 0])
      const again = yield* wait(wakeUps, 100)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Fiber.join(again), [false, 100])
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("loses no wake-up when it is interrupted", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const wakeUps = yield* store.wakeUps("account")
      const waiting = yield* wait(wakeUps, 100)
      yield* Effect.all([store.append("account-1", thing), Fiber.interrupt(waiting)])
      const exit = yield* Fiber.await(waiting)
      // Either the wait had ended before the interruption, or the next one ends at once.
      if (Exit.isFailure(exit)) assert.deepStrictEqual(yield* Fiber.join(yield* wait(wakeUps, 100)), [true, 0])
      else assert.deepStrictEqual(exit.value, [true, 0])
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("ends at the same moment for readers with the same subscription and time", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const first = yield* wait(yield* store.wakeUps("account"), 100)
      yield* TestClock.adjust(30)
      const others = [
        yield* wait(yield* store.wakeUps("account"), 100),
        yield* wait(yield* store.wakeUps("account"), 90),
        yield* wait(yield* store.wakeUps("order"), 100),
        yield* wait(yield* store.wakeUps(), 100)
      ]
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Fiber.join(first), [false, 100])
      assert.deepStrictEqual(yield* Fiber.joinAll(others), [[false, 70], [false, 90], [false, 100], [false, 100]])
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("ends in time for the others when the first of them is interrupted", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const first = yield* wait(yield* store.wakeUps("account"), 100)
      yield* TestClock.adjust(30)
      const others = [
        yield* wait(yield* store.wakeUps("account"), 100),
        yield* wait(yield* store.wakeUps("account"), 100)
      ]
      yield* TestClock.adjust(30)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Fiber.joinAll(others), [[false, 100], [false, 100]])
    }).pipe(Effect.provide(MessageStore.layerMemory)))
})

describe("a backend that watches", () => {
  const watched = Effect.gen(function*() {
    const log: Array<string> = []
    let wake: StoreBackend.Wake | undefined
    const memory = yield* MemoryStore.make
    const store = yield* MessageStore.make({
      ...memory,
      watch: (given) => {
        wake = given
        return Effect.acquireRelease(Effect.sync(() => log.push("begin")), () => Effect.sync(() => log.push("end")))
      }
    })
    return {
      log,
      store,
      wake: (category: string | undefined) =>
        Effect.suspend(() => wake?.(category) ?? Effect.die("the backend does not watch"))
    }
  })

  it.effect("does so from the first subscriber to the last, and again", () =>
    Effect.gen(function*() {
      const { log, store } = yield* watched
      yield* store.append("account-1", thing)
      assert.deepStrictEqual(log, [])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* store.wakeUps("account")
        yield* Effect.scoped(store.wakeUps())
        assert.deepStrictEqual(log, ["begin"])
      }))
      assert.deepStrictEqual(log, ["begin", "end"])
      yield* Effect.scoped(store.wakeUps())
      assert.deepStrictEqual(log, ["begin", "end", "begin", "end"])
    }))

  it.effect("ends with the store", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { log, store } = yield* Scope.provide(watched, scope)
      yield* store.wakeUps("account")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(log, ["begin", "end"])
    }))

  it.effect("wakes by itself: the readers of a category, or all readers", () =>
    Effect.gen(function*() {
      const { store, wake } = yield* watched
      const [account, order, any] = [
        yield* count(yield* store.wakeUps("account")),
        yield* count(yield* store.wakeUps("order")),
        yield* count(yield* store.wakeUps())
      ]
      yield* store.append("account-1", thing)
      assert.deepStrictEqual([yield* account, yield* order, yield* any], [0, 0, 0])
      yield* wake("account")
      assert.deepStrictEqual([yield* account, yield* order, yield* any], [1, 0, 1])
      yield* wake("not subscribed")
      assert.deepStrictEqual([yield* account, yield* order, yield* any], [1, 0, 2])
      yield* wake(undefined)
      assert.deepStrictEqual([yield* account, yield* order, yield* any], [2, 1, 3])
    }))

  it.effect("does not wake a subscription without bookkeeping for what consumers write about themselves", () =>
    Effect.gen(function*() {
      const { store, wake } = yield* watched
      const [news, any] = [
        yield* count(yield* store.wakeUps(undefined, { bookkeeping: false })),
        yield* count(yield* store.wakeUps())
      ]
      for (const [index, category] of ["$all:position", "account:command+position", "account:parked"].entries()) {
        yield* wake(category)
        assert.deepStrictEqual([yield* news, yield* any], [0, index + 1])
      }
      yield* wake("account:positions")
      assert.deepStrictEqual([yield* news, yield* any], [1, 4])
      yield* wake(undefined)
      assert.deepStrictEqual([yield* news, yield* any], [2, 5])
    }))
})
