import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Option, Queue, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Category, Entity, MessageStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

const deposit = (amount: number) => Account.append("1", Account.events.Deposited({ amount }))

/** Follows the balance, and gives what it is as it changes. */
const follow = Effect.gen(function*() {
  const seen = yield* Queue.unbounded<Entity.Loaded<number>>()
  const fiber = yield* Balance.changes("1").pipe(
    Stream.runForEach((state) => Queue.offer(seen, state)),
    Effect.forkScoped
  )
  return { fiber, next: Queue.take(seen), seen }
})

const at = (version: number, state: number) => ({ state, version: Option.some(version) })

it.layer(MessageStore.layerMemory)("Entity.changes", (it) => {
  it.effect("gives the latest state, then one after each event, without a poll", () =>
    Effect.gen(function*() {
      const { next } = yield* follow
      assert.deepStrictEqual(yield* next, { state: 0, version: Option.none() })
      yield* deposit(1)
      assert.deepStrictEqual(yield* next, at(0, 1))
      yield* Account.append("1", [Account.events.Deposited({ amount: 2 }), Account.events.Deposited({ amount: 3 })])
      assert.deepStrictEqual(yield* next, at(1, 3))
      assert.deepStrictEqual(yield* next, at(2, 6))
      const later = yield* follow
      assert.deepStrictEqual(yield* later.next, at(2, 6))
      const store = yield* MessageStore.MessageStore
      yield* store.append("account-1", { type: "Unknown", data: null })
      yield* deposit(4)
      assert.deepStrictEqual(yield* later.next, at(4, 10))
    }))

  it.effect("ends with the error of an event that does not decode", () =>
    Effect.gen(function*() {
      const { fiber, next } = yield* follow
      yield* next
      const store = yield* MessageStore.MessageStore
      yield* store.append("account-1", { type: "Deposited", data: "much" })
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error._tag, "DecodeError")
    }))
})

it.effect("sees by polling what no wake-up has announced", () =>
  Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const deaf: typeof store = {
      ...store,
      wakeUps: () =>
        Effect.succeed({ await: Effect.never, awaitAtMost: (pause) => Effect.as(Effect.sleep(pause), false) })
    }
    const { next, seen } = yield* Effect.provideService(follow, MessageStore.MessageStore, deaf)
    yield* next
    yield* deposit(1)
    yield* TestClock.adjust("999 millis")
    assert.strictEqual(yield* Queue.size(seen), 0)
    yield* TestClock.adjust("1 millis")
    assert.deepStrictEqual(yield* next, at(0, 1))
  }).pipe(Effect.provide(MessageStore.layerMemory)))
