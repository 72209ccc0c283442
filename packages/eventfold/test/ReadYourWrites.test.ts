import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import { Category, Consumer, Entity, MemoryTable, MessageStore, Process, ReadModel } from "eventfold"

class Account extends Category.make("account", { Deposited: { amount: Schema.Int } }) {}

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

class Audit extends Category.make("audit", { Noted: {} }) {}

const Notes = Entity.make(Audit, { state: Schema.Int, initial: 0, evolve: { Noted: (count) => count + 1 } })

const balances = MemoryTable.make<string, number>("balances", "by_id")

const Balances = ReadModel.make("balances", { version: 1 }).on(Account, {
  Deposited: ({ data, id }) =>
    Effect.flatMap(balances.get(id), (balance) => balances.set(id, Option.getOrElse(balance, () => 0) + data.amount))
})

const Store = Layer.mergeAll(MessageStore.layerMemory, ReadModel.layerMemory)

it.effect("a query sees what a transaction wrote, after one line", () =>
  Effect.gen(function*() {
    yield* ReadModel.start(Balances)
    for (const amount of [3, 4]) {
      const { globalPosition, state } = yield* Balance.transact("1", () => Account.events.Deposited({ amount }))
      yield* ReadModel.waitFor(Balances, globalPosition)
      assert.deepStrictEqual(yield* balances.get("1"), Option.some(state))
    }
  }).pipe(Effect.scoped, Effect.provide(Store)))

it.effect("nobody waits for a transaction that wrote nothing, also when nothing runs", () =>
  Effect.gen(function*() {
    yield* Balance.transact("1", () => Account.events.Deposited({ amount: 3 }))
    const { globalPosition } = yield* Balance.transact("1", () => [])
    assert.deepStrictEqual(globalPosition, Option.none())
    const consumer = Consumer.make("noting").on(Account, { Deposited: () => Effect.never })
    const process = Process.make("noting", { entity: Notes }).on(Account, {
      Deposited: () => ({ events: Audit.events.Noted({}) })
    })
    yield* ReadModel.waitFor(Balances, globalPosition)
    yield* Consumer.waitFor(consumer, globalPosition)
    yield* Process.waitFor(process, globalPosition)
    const running = yield* Consumer.start(consumer)
    yield* running.waitFor(globalPosition)
  }).pipe(Effect.scoped, Effect.provide(Store)))
