import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, type Schema } from "effect"
import { MemoryStore, MessageStore, StoreError } from "eventfold"

/** What all stores refuse is in the conformance suite; these are values that only odd JavaScript makes. */
const notPlain: ReadonlyArray<readonly [name: string, data: Schema.Json, kind: string]> = [
  ["a prototype without a constructor", Object.create(Object.create(null)), "an object with a prototype of its own"],
  ["a constructor that is none", Object.create({ constructor: "text" }), "an object with a prototype of its own"],
  [
    "a constructor without a name",
    new (class {
      field = 0
    })(),
    "an object with a prototype of its own"
  ],
  ["a class", Object.create(Map.prototype), "a Map"]
]

it.effect.each(notPlain)("an object of %s is refused, not a defect", ([, data, kind]) =>
  Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const error = yield* Effect.flip(store.append("account-1", { type: "Happened", data: { inner: [data] } }))
    assert.instanceOf(error, StoreError.InvalidMessage)
    assert.deepStrictEqual(error.path, ["data", "inner", 0])
    assert.strictEqual(error.reason, `is ${kind}, not a plain object: encode it by a schema first`)
  }).pipe(Effect.provide(MessageStore.layerMemory)))

const times = (count: number) => Array.from({ length: count })

describe("pages that are read in the same moment", () => {
  const messages = [{ type: "Happened", data: 1 }, { type: "Other", data: 2 }]

  /** A store with a message of two types, and how often its log has been read. */
  const counting = Effect.fnUntraced(function*(isActive?: () => boolean) {
    const memory = yield* MemoryStore.make
    const reads = { category: 0, all: 0 }
    const gate = yield* Latch.make(true)
    const store = yield* MessageStore.make({
      ...memory,
      ...isActive === undefined
        ? {}
        : { transactions: { isActive, run: (effect) => effect, afterCommit: (effect) => effect } },
      readCategory: (page) =>
        Effect.suspend(() => {
          reads.category += 1
          return Effect.andThen(gate.await, memory.readCategory(page))
        }),
      readAll: (page) =>
        Effect.suspend(() => {
          reads.all += 1
          return Effect.andThen(gate.await, memory.readAll(page))
        })
    })
    yield* store.append("account-1", messages)
    return { gate, reads, store }
  })

  const concurrency = "unbounded"

  it.effect("are one read when they are the same", () =>
    Effect.gen(function*() {
      const { reads, store } = yield* counting()
      const pages = yield* Effect.forEach(
        times(10),
        () => store.readCategoryPage("account", { from: 2, types: ["Other"] }),
        { concurrency }
      )
      for (const page of pages) {
        assert.deepStrictEqual([page.messages.map(({ data }) => data), page.through, page.hasMore], [[2], 2, false])
      }
      assert.deepStrictEqual(reads, { category: 1, all: 0 })
      yield* Effect.forEach(times(10), () => store.readAllPage({ from: 2 }), { concurrency })
      assert.deepStrictEqual(reads, { category: 1, all: 1 })
    }))

  it.effect("are reads of their own when any option differs", () =>
    Effect.gen(function*() {
      const { reads, store } = yield* counting()
      const ofCategory = [
        store.readCategoryPage("account"),
        store.readCategoryPage("order"),
        store.readCategoryPage("account", { from: 2 }),
        store.readCategoryPage("account", { limit: 2 }),
        store.readCategoryPage("account", { types: ["Other"] }),
        store.readCategoryPage("account", { correlation: "order" }),
        store.readCategoryPage("account", { consumerGroup: { member: 0, size: 2 } }),
        store.readCategoryPage("account", { consumerGroup: { member: 1, size: 2 } })
      ]
      const ofAll = [
        store.readAllPage(),
        store.readAllPage({ from: 2 }),
        store.readAllPage({ limit: 2 }),
        store.readAllPage({ types: ["Other"] }),
        store.readAllPage({ categories: ["account"] })
      ]
      yield* Effect.all([...ofCategory, ...ofAll], { concurrency })
      assert.deepStrictEqual(reads, { category: ofCategory.length, all: ofAll.length })
    }))

  it.effect("are not shared with a read that has begun", () =>
    Effect.gen(function*() {
      const { gate, reads, store } = yield* counting()
      yield* gate.close
      const first = yield* Effect.forkChild(store.readCategoryPage("account"), { startImmediately: true })
      yield* Effect.repeat(Effect.yieldNow, { times: 5 })
      assert.strictEqual(reads.category, 1)
      const second = yield* Effect.forkChild(store.readCategoryPage("account"), { startImmediately: true })
      yield* Effect.repeat(Effect.yieldNow, { times: 5 })
      assert.strictEqual(reads.category, 2)
      yield* gate.open
      yield* Fiber.joinAll([first, second])
    }))

  it.effect("are read by another fiber when the one that reads is interrupted", () =>
    Effect.gen(function*() {
      const { gate, reads, store } = yield* counting()
      yield* gate.close
      const fibers = yield* Effect.forEach(
        times(3),
        () => Effect.forkChild(store.readCategoryPage("account"), { startImmediately: true })
      )
      yield* Effect.repeat(Effect.yieldNow, { times: 5 })
      assert.strictEqual(reads.category, 1)
      const [reading, ...others] = fibers
      yield* reading === undefined ? Effect.void : Fiber.interrupt(reading)
      yield* gate.open
      const pages = yield* Fiber.joinAll(others)
      assert.deepStrictEqual(pages.map((page) => page.messages.length), [2, 2])
      assert.strictEqual(reads.category, 2)
    }))

  it.effect("fail together", () =>
    Effect.gen(function*() {
      const { reads, store } = yield* counting()
      const refused = yield* Effect.forEach(
        times(3),
        () => Effect.flip(store.readCategoryPage("account", { limit: 0 })),
        { concurrency }
      )
      for (const error of refused) assert.instanceOf(error, StoreError.InvalidArgument)
      assert.strictEqual(reads.category, 0)
    }))

  it.effect("are not shared by fibers that are in a transaction", () =>
    Effect.gen(function*() {
      const { reads, store } = yield* counting(() => true)
      yield* Effect.forEach(times(3), () => store.readCategoryPage("account"), { concurrency })
      yield* Effect.forEach(times(3), () => store.readAllPage(), { concurrency })
      assert.deepStrictEqual(reads, { category: 3, all: 3 })
    }))
})
