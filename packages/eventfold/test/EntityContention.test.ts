import { assert, it } from "@effect/vitest"
import { Effect, Latch, Layer, Schedule, Schema } from "effect"
import { Category, Entity, EntityCache, MessageStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

const deposited = Account.events.Deposited({ amount: 1 })

/** A store that appends slowly, so that transactions that have read meanwhile are overtaken. */
const slow = Layer.effect(
  MessageStore.MessageStore,
  Effect.map(MessageStore.MessageStore, (store) => ({
    ...store,
    append: (...args: Parameters<typeof store.append>) =>
      Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 5 }), store.append(...args)),
    writeAll: (...args: Parameters<typeof store.writeAll>) =>
      Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 5 }), store.writeAll(...args))
  }))
).pipe(Layer.provide(MessageStore.layerMemory))

const together = { concurrency: "unbounded" } as const

for (const [name, cache] of [["without", Layer.empty], ["with", EntityCache.layer({ capacity: 10 })]] as const) {
  // The real clock: what is retried waits for a moment.
  it.live(`a hundred transactions on one entity come through, most of them at the second attempt, ${name} a cache`, () =>
    Effect.gen(function*() {
      let decisions = 0
      yield* Effect.forEach(Array.from({ length: 100 }), () =>
        Balance.transact("1", () => {
          decisions += 1
          return deposited
        }), together)
      assert.strictEqual((yield* Balance.load("1")).state, 100)
      assert.isAtMost(decisions, 300)
    }).pipe(Effect.provide(Layer.merge(slow, cache))))
}

it.live("transfers both ways between two entities, and transactions within decisions, all come through", () =>
  Effect.gen(function*() {
    const both = { a: Balance.at("a"), b: Balance.at("b") }
    const nested = (outer: string, inner: string) =>
      Balance.transact(outer, () => Effect.as(Balance.transact(inner, () => deposited), deposited))
    yield* Effect.forEach(Array.from({ length: 20 }), () =>
      Effect.all([
        Entity.transactAll(both, () => ({ a: deposited, b: deposited })),
        Entity.transactAll({ b: both.b, a: both.a }, () => ({ a: deposited, b: deposited })),
        nested("a", "b"),
        nested("b", "a")
      ], together), together)
    const [a, b] = yield* Effect.all([Balance.load("a"), Balance.load("b")])
    // Two transfers, an outer and an inner transaction each time. A decision that is made again nests once more.
    assert.isAtLeast(a.state, 80)
    assert.isAtLeast(b.state, 80)
  }).pipe(Effect.provide(slow)))

it.effect("a transaction within a decision does not wait for a turn: two that nest crosswise would wait for each other", () =>
  Effect.gen(function*() {
    const others = { a: "b", b: "a" } as const
    const latches = Effect.all({ a: Latch.make(), b: Latch.make() })
    const hasTurn = yield* latches
    const hasNested = yield* latches

    const nesting = Effect.fnUntraced(function*(id: "a" | "b") {
      let attempts = 0
      const decide = Effect.fnUntraced(function*() {
        attempts += 1
        // A conflict, after which the transaction has its turn on the stream.
        if (attempts === 1) yield* Account.append(id, deposited)
        if (attempts === 2) {
          yield* hasTurn[id].open
          yield* hasTurn[others[id]].await
          yield* Balance.transact(others[id], () => deposited, { retry: Schedule.recurs(0) })
          yield* hasNested[id].open
          yield* hasNested[others[id]].await
        }
        return deposited
      })
      yield* Balance.transact(id, decide, { retry: Schedule.recurs(10) })
      return attempts
    })

    const attempts = yield* Effect.all([nesting("a"), nesting("b")], together)
    // The inner transaction of each is a conflict for the other.
    assert.deepStrictEqual(attempts, [3, 3])
    const states = yield* Effect.forEach(["a", "b"], (id) => Effect.map(Balance.load(id), ({ state }) => state))
    assert.deepStrictEqual(states, [3, 3])
  }).pipe(Effect.provide(MessageStore.layerMemory)))
