/** One's own writes after a decision: what waits for a position takes the one that a decision gives. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import { Category, Consumer, Entity, MemoryTable, MessageStore, Process, ReadModel } from "eventfold"

class Account extends Category.make("account", { Deposited: { amount: Schema.Int } }) {}

class Bonus extends Category.make("bonus", { Given: {} }) {}

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

const Given = Entity.make(Bonus, { state: Schema.Boolean, initial: false, evolve: { Given: () => true } })

const table = MemoryTable.make<string, number>("balances", "by_account")

const Balances = ReadModel.make("balances", { version: 1, poll: { min: "1 hour", max: "1 hour" } }).on(Account, {
  Deposited: ({ data, id }) => table.update(id, (sum) => Option.getOrElse(sum, () => 0) + data.amount)
})

const giving = Process.make("bonus", { entity: Given }).on(Account, {
  Deposited: () => ({ events: Bonus.events.Given({}) })
})

const consumer = (seen: Array<number>) =>
  Consumer.make("seeing", { poll: { min: "1 hour", max: "1 hour" }, checkpoint: { interval: 0 } })
    .on(Account, { Deposited: ({ data }) => Effect.sync(() => seen.push(data.amount)) })

const deposit = (id: string, amount: number) =>
  Balance.transact(id, () => amount === 0 ? [] : Account.events.Deposited({ amount }))

const memory = Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory)

it.effect("a read model, a consumer and a process have what a decision wrote when the wait for it ends", () => {
  const seen: Array<number> = []
  return Effect.gen(function*() {
    const balances = yield* ReadModel.start(Balances)
    const seeing = yield* Consumer.start(consumer(seen))
    const bonus = yield* Process.start(giving)

    const { globalPosition } = yield* deposit("1", 5)
    assert.deepStrictEqual(globalPosition, Option.some(1))
    yield* ReadModel.waitFor(Balances, globalPosition)
    assert.deepStrictEqual(yield* table.get("1"), Option.some(5))
    yield* seeing.waitFor(globalPosition)
    assert.deepStrictEqual(seen, [5])
    yield* bonus.waitFor(globalPosition)
    assert.isTrue((yield* Given.load("1")).state)

    const both = yield* Entity.transactAll({ one: Balance.at("1"), two: Balance.at("2") }, () => ({
      one: Account.events.Deposited({ amount: 1 }),
      two: [Account.events.Deposited({ amount: 2 }), Account.events.Deposited({ amount: 3 })]
    }))
    yield* balances.waitFor(both.globalPosition)
    assert.deepStrictEqual([yield* table.get("1"), yield* table.get("2")], [Option.some(6), Option.some(5)])
    yield* seeing.waitFor(both.globalPosition)
    assert.deepStrictEqual(seen.toSorted(), [1, 2, 3, 5])
  }).pipe(Effect.scoped, Effect.provide(memory))
})

it.effect("a decision that wrote nothing is not waited for, also when nothing runs", () =>
  Effect.gen(function*() {
    const { globalPosition } = yield* deposit("1", 0)
    assert.deepStrictEqual(globalPosition, Option.none())
    yield* ReadModel.waitFor(Balances, globalPosition)
    yield* Consumer.waitFor(consumer([]), globalPosition)
    yield* Process.waitFor(giving, globalPosition)
    const running = [yield* ReadModel.start(Balances), yield* Consumer.start(consumer([]))]
    for (const one of running) yield* one.waitFor(globalPosition)
    yield* (yield* Process.start(giving)).waitFor(globalPosition)
  }).pipe(Effect.scoped, Effect.provide(memory)))

it.effect("a wrong position is refused", () =>
  Effect.gen(function*() {
    const refused = [
      yield* Effect.flip(ReadModel.waitFor(Balances, Option.some(0.5))),
      yield* Effect.flip(Consumer.waitFor(consumer([]), Option.some(-1)))
    ]
    for (const { _tag } of refused) assert.strictEqual(_tag, "InvalidArgument")
  }).pipe(Effect.provide(memory)))
