import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schedule, Schema } from "effect"
import { Category, Entity, EntityCache, StoreError } from "eventfold"
import {
  Account,
  amounts,
  Balance,
  balance,
  deposited,
  InsufficientFunds,
  onMemory,
  storeOver,
  watched,
  withdrawn
} from "./support/account.ts"

const Stock = Category.make("stock", { Taken: { count: Schema.Int }, Added: { count: Schema.Int } })

const Left = Entity.make(Stock, {
  state: Schema.Int,
  initial: 0,
  evolve: { Taken: (left, { count }) => left - count, Added: (left, { count }) => left + count }
})

const taken = (count: number) => Stock.events.Taken({ count })

const both = { payer: Balance.at("1"), stock: Left.at(["1", "2"]) }

const buy = (count: number, retry = Schedule.recurs(3)) =>
  Entity.transactAll(both, ({ payer, stock }) => {
    if (payer.balance < count) return new InsufficientFunds({ balance: payer.balance })
    return Entity.reply({ payer: withdrawn(count), stock: [taken(count), taken(0)] }, stock - count)
  }, { retry })

const supplied = Effect.all([
  Account.append("1", deposited(10)),
  Stock.append(["1", "2"], Stock.events.Added({ count: 5 }))
])

const stocked = Effect.map(Left.load(["1", "2"]), ({ state }) => state)

const transfer = (from: string, to: string, amount: number) =>
  Entity.transactAll({ from: Balance.at(from), to: Balance.at(to) }, ({ from }) =>
    Effect.andThen(
      Effect.yieldNow,
      from.balance < amount
        ? Effect.fail(new InsufficientFunds({ balance: from.balance }))
        : Effect.succeed({ from: withdrawn(amount), to: deposited(amount) })
    ), { retry: Schedule.recurs(100) })

describe("transactAll", () => {
  it.effect("decides on all states, and writes to all streams", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* supplied
      const bought = yield* buy(3)
      assert.deepStrictEqual(bought, {
        entities: {
          payer: { state: { balance: 7 }, version: Option.some(1), events: [withdrawn(3)] },
          stock: { state: 2, version: Option.some(2), events: [taken(3), taken(0)] }
        },
        reply: 2,
        globalPosition: Option.some(5)
      })
      assert.deepStrictEqual(yield* Balance.load("1"), { state: { balance: 7 }, version: Option.some(1) })
      assert.deepStrictEqual(yield* Left.load(["1", "2"]), { state: 2, version: Option.some(2) })
      assert.deepStrictEqual((yield* during(buy(1))).toSorted(), [
        "read account-1 from 0: 2",
        "read stock-1+2 from 0: 3",
        "writeAll account-1, stock-1+2"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("writes only to the streams that have events, and nothing when none has", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* supplied
      const one = yield* Entity.transactAll(both, () => ({ stock: taken(1), payer: [] }))
      assert.deepStrictEqual(one, {
        entities: {
          payer: { state: { balance: 10 }, version: Option.some(0), events: [] },
          stock: { state: 4, version: Option.some(1), events: [taken(1)] }
        },
        reply: undefined,
        globalPosition: Option.some(3)
      })
      const decisions: ReadonlyArray<Entity.Decisions<typeof both>> = [{}, { payer: [] }, { payer: undefined }]
      for (const decision of decisions) {
        const log = yield* during(Entity.transactAll(both, () => decision))
        assert.deepStrictEqual(log.toSorted(), ["read account-1 from 0: 1", "read stock-1+2 from 0: 2"])
      }
      assert.deepStrictEqual(yield* during(Entity.transactAll({}, () => ({}))), [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a refusal writes nothing", () =>
    Effect.gen(function*() {
      yield* supplied
      assert.deepStrictEqual(yield* Effect.flip(buy(11)), new InsufficientFunds({ balance: 10 }))
      assert.deepStrictEqual([yield* amounts("1"), yield* stocked], [[10], 5])
    }).pipe(onMemory))

  it.effect("an event that does not fit writes nothing of any stream", () =>
    Effect.gen(function*() {
      yield* supplied
      const error = yield* Effect.flip(
        Entity.transactAll(both, () => ({ payer: withdrawn(1), stock: [taken(1), taken(0.5)] }))
      )
      assert(error._tag === "InvalidMessage")
      assert.deepStrictEqual([error.streamName, error.index, error.path], ["stock-1+2", 1, ["data", "count"]])
      assert.deepStrictEqual([yield* amounts("1"), yield* stocked], [[10], 5])
    }).pipe(onMemory))

  const streams = [
    ["the first", () => Account.append("1", deposited(100)), "account-1"],
    ["the second", () => Stock.append(["1", "2"], Stock.events.Added({ count: 100 })), "stock-1+2"]
  ] as const
  it.effect.each(streams)(
    "a conflict on %s stream is retried on the latest states, or fails whole",
    ([, overtake, name]) =>
      Effect.gen(function*() {
        yield* supplied
        const seen: Array<readonly [number, number]> = []
        const transact = (times: number, retries: number) =>
          Entity.transactAll(both, ({ payer, stock }) =>
            Effect.gen(function*() {
              seen.push([payer.balance, stock])
              if (seen.length <= times) yield* Effect.orDie(overtake())
              return { payer: withdrawn(1), stock: taken(1) }
            }), { retry: Schedule.recurs(retries) })
        const error = yield* Effect.flip(transact(2, 1))
        assert(error._tag === "WrongExpectedVersion")
        assert.deepStrictEqual([error.streamName, error.expected, error.actual, error.attempts], [
          name,
          1,
          Option.some(2),
          2
        ])
        assert.deepStrictEqual<unknown>(error.missed.map(({ position, streamName }) => [streamName, position]), [[
          name,
          2
        ]])
        seen.length = 0
        const before = [yield* amounts("1"), yield* stocked] as const
        const { entities } = yield* transact(1, 1)
        assert.lengthOf(seen, 2)
        const added = name === "account-1" ? [100, 0] : [0, 100]
        assert.deepStrictEqual(seen[1]?.map((n, i) => n - (seen[0]?.[i] ?? 0)), added)
        assert.deepStrictEqual([entities.payer.state.balance, entities.stock.state], [
          (yield* Balance.load("1")).state.balance,
          yield* stocked
        ])
        // What failed left nothing behind.
        assert.lengthOf(yield* amounts("1"), before[0].length + (name === "account-1" ? 2 : 1))
      }).pipe(onMemory)
  )

  it.effect("does not check a stream that it does not write", () =>
    Effect.gen(function*() {
      yield* supplied
      const { entities } = yield* Entity.transactAll(both, ({ stock }) =>
        Effect.as(Effect.orDie(Account.append("1", deposited(100))), { stock: taken(stock) }), {
        retry: Schedule.recurs(0)
      })
      assert.deepStrictEqual([entities.payer.state.balance, entities.stock.state], [10, 0])
    }).pipe(onMemory))

  it.effect("refuses two targets that are one stream, before anything is read", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const Other = Entity.make(Account, balance)
      for (const second of [Balance.at("1"), Other.at("1"), Balance.at(["1"])]) {
        const refused = Entity.transactAll(
          { a: Balance.at("1"), b: Balance.at("2"), c: second },
          () => ({ a: deposited(1) })
        )
        let error: unknown
        assert.deepStrictEqual(
          yield* during(Effect.map(Effect.flip(refused), (failure) => {
            error = failure
          })),
          []
        )
        assert.deepStrictEqual(
          error,
          new StoreError.InvalidArgument({
            argument: "targets.c",
            value: "account-1",
            expected: "a stream other than that of a"
          })
        )
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("takes names like what every object has, and leaves out what is left out", () =>
    Effect.gen(function*() {
      const targets = { constructor: Balance.at("1"), toString: Balance.at("2"), ["__proto__"]: Balance.at("3") }
      const none = yield* Entity.transactAll(targets, () => ({}))
      assert.deepStrictEqual(Object.keys(none.entities), ["constructor", "toString", "__proto__"])
      yield* Entity.transactAll(
        targets,
        () => ({ ["__proto__"]: deposited(3), toString: deposited(2), constructor: [] })
      )
      assert.deepStrictEqual([yield* amounts("1"), yield* amounts("2"), yield* amounts("3")], [[], [2], [3]])
    }).pipe(onMemory))

  it.effect("keeps the states of all streams in the cache", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* supplied
      yield* buy(3)
      const freshness = "cached"
      assert.deepStrictEqual(yield* during(Effect.all([Balance.load("1", { freshness }), buy(1)])), [
        "writeAll account-1, stock-1+2"
      ])
      const { state } = yield* Left.load(["1", "2"], { freshness })
      assert.strictEqual(state, yield* stocked)
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity: 10 })]))
  })

  it.effect("fails with Unsupported on a store that can't write to several streams, after it has decided", () => {
    const unsupported = new StoreError.Unsupported({ operation: "writeAll", remedy: "install the eventfold schema" })
    return Effect.gen(function*() {
      assert.strictEqual(
        yield* Effect.flip(Entity.transactAll(both, () => ({ payer: deposited(1) }))),
        unsupported
      )
    }).pipe(Effect.provide(storeOver(() => ({ writeAll: () => Effect.fail(unsupported) }))))
  })

  it.effect("fails for an id that is none, without a stream", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Entity.transactAll({ a: Balance.at("1"), b: Balance.at("") }, () => ({})))
      assert.strictEqual(error._tag, "InvalidStreamName")
    }).pipe(onMemory))

  it.effect("transfers at the same time neither lose nor make money, and never overdraw", () =>
    Effect.gen(function*() {
      const ids = ["1", "2", "3", "4"]
      for (const id of ids) yield* Account.append(id, deposited(10))
      const pairs = Array.from({ length: 60 }, (_, i) => [ids[i % 4] ?? "", ids[(i * 7 + 1) % 4] ?? "", i % 9] as const)
        .filter(([from, to]) => from !== to)
      const outcomes = yield* Effect.forEach(
        pairs,
        ([from, to, amount]) => Effect.result(transfer(from, to, amount)),
        { concurrency: "unbounded" }
      )
      const balances = yield* Effect.forEach(ids, (id) => Effect.map(Balance.load(id), ({ state }) => state.balance))
      assert.strictEqual(balances.reduce((sum, n) => sum + n, 0), 40)
      assert.isTrue(balances.every((n) => n >= 0))
      for (const outcome of outcomes) {
        if (outcome._tag === "Failure") assert.instanceOf(outcome.failure, InsufficientFunds)
      }
      const events = yield* Effect.forEach(ids, amounts)
      const done = outcomes.filter((outcome) => outcome._tag === "Success")
      assert.strictEqual(events.flat().length - ids.length, 2 * done.length)
      assert.isAbove(done.length, 5)
    }).pipe(onMemory))

  it.effect("does what transact does for one target", () =>
    Effect.gen(function*() {
      const { entities, globalPosition, reply } = yield* Entity.transactAll(
        { only: Balance.at("1") },
        ({ only }) => Entity.reply({ only: [deposited(1), deposited(2)] }, only.balance)
      )
      assert.deepStrictEqual(globalPosition, Option.some(2))
      assert.deepStrictEqual(
        { ...entities.only, reply, globalPosition: Option.some(4) },
        yield* Balance.transact("2", ({ balance }) => Entity.reply([deposited(1), deposited(2)], balance))
      )
    }).pipe(onMemory))
})
