import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Category, MemoryTable, MessageStore, ReadModel } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Closed: {} })

const deposit = (id: string, amount: number) => Account.append(id, Account.events.Deposited({ amount }))

const rows = MemoryTable.make<string, number>("balances", "by_account")

const balances = (version = 1, factor = 1) =>
  ReadModel.make("balances", { version }).on(Account, {
    Deposited: ({ data, recorded }) =>
      rows.update(recorded.streamName, (balance) => Option.getOrElse(balance, () => 0) + data.amount * factor)
  })

/** Lets virtual time pass until something is so. */
const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.gen(function*() {
    for (let i = 0; i < 1_000; i++) {
      if (yield* condition) return
      yield* TestClock.adjust("100 millis")
    }
    assert.fail("it has not come about")
  })

const inMemory = Layer.mergeAll(MessageStore.layerMemory, ReadModel.layerMemory)

it.layer(inMemory)("catching up and going on", (it) => {
  it.effect("handles what there is and what comes, and goes on where it stopped", () =>
    Effect.gen(function*() {
      yield* deposit("1", 1)
      yield* Account.append("1", Account.events.Closed({}))
      yield* deposit("1", 2)
      const fiber = yield* Effect.forkChild(ReadModel.run(balances()))
      const { globalPosition } = yield* deposit("2", 5)
      yield* ReadModel.waitFor(balances(), globalPosition)
      assert.deepStrictEqual(yield* rows.get("account-1"), Option.some(3))
      assert.deepStrictEqual(yield* rows.get("account-2"), Option.some(5))
      yield* Fiber.interrupt(fiber)
      const next = yield* deposit("2", 5)
      yield* ReadModel.start(balances())
      yield* ReadModel.waitFor(balances(), next.globalPosition)
      assert.deepStrictEqual(yield* rows.get("account-2"), Option.some(10))
    }))

  it.effect("a new version is built beside the old one, and rebuilt", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(ReadModel.run(balances(2, 10)))
      yield* eventually(
        Effect.map(ReadModel.status(balances(2, 10)), ({ live }) => Option.isSome(live) && live.value.version === 2)
      )
      const { builds } = yield* ReadModel.status(balances(2, 10))
      assert.deepStrictEqual(builds.map(({ state }) => state), ["retired", "live"])
      assert.deepStrictEqual(yield* rows.get("account-2"), Option.some(100))
      const progress = yield* Stream.runCollect(ReadModel.rebuild(balances(2, 10), { compare: "same" }))
      assert.deepStrictEqual(progress.map(({ phase }) => phase), ["building", "building", "switched"])
      yield* Fiber.interrupt(fiber)
    }))
})
