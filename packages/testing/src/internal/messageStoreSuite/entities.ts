import { assert, describe } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import { MessageStore } from "eventfold/MessageStore"
import { InvalidMessage } from "eventfold/StoreError"
import { InvalidStreamName } from "eventfold/StreamName"
import { newAccount } from "./account.ts"
import { type It, newCategory, upTo } from "./fixtures.ts"

const folding = (it: It) => {
  it.effect("concurrent transactions of one entity all succeed, once each", () =>
    Effect.gen(function*() {
      const { balance, deposited } = yield* newAccount
      yield* Effect.forEach(
        upTo(24),
        () => balance.transact("1", () => deposited(1), { retry: Schedule.recurs(100) }),
        { concurrency: "unbounded" }
      )
      const { state, version } = yield* balance.load("1")
      assert.deepStrictEqual(state, { balance: 24 })
      assert.deepStrictEqual(version, Option.some(23))
    }))

  it.effect("folding a category step by step gives the states that loading each entity gives", () =>
    Effect.gen(function*() {
      const { balance, category, deposited } = yield* newAccount
      for (const i of upTo(40)) yield* category.append(String(i % 7), deposited(i))
      const states = new Map<string, { readonly balance: number }>()
      yield* Stream.runForEach(category.readCategory({ batchSize: 9 }), (event) =>
        Effect.sync(() => {
          const { streamName } = event.recorded
          states.set(streamName, balance.evolve(states.get(streamName) ?? balance.initial, event))
        }))
      assert.strictEqual(states.size, 7)
      for (const id of upTo(7).map(String)) {
        assert.deepStrictEqual(states.get(yield* category.streamName(id)), (yield* balance.load(id)).state)
      }
    }))
}

const refusals = (it: It) => {
  it.effect("a stored message that does not fit is a DecodeError with its place", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const { balance, category, deposited } = yield* newAccount
      yield* category.append("1", deposited(1))
      yield* store.append(`${category.categoryName}-1`, { type: "Foreign", data: "of no concern" })
      assert.deepStrictEqual((yield* balance.load("1")).state, { balance: 1 })
      yield* store.append(`${category.categoryName}-1`, { type: "Deposited", data: { amount: "much" } })
      const failures = [
        yield* Effect.flip(balance.load("1")),
        yield* Effect.flip(balance.transact("1", () => deposited(1))),
        yield* Effect.flip(Stream.runDrain(category.readStream("1"))),
        yield* Effect.flip(Stream.runDrain(category.readCategory())),
        yield* Effect.flip(category.lastEvent("1"))
      ]
      for (const error of failures) {
        assert(error instanceof Category.DecodeError)
        assert.deepStrictEqual([error.streamName, error.position, error.type, error.path], [
          `${category.categoryName}-1`,
          2,
          "Deposited",
          ["data", "amount"]
        ])
      }
      // The events before it can be loaded.
      assert.deepStrictEqual((yield* balance.loadAt("1", { version: 1 })).state, { balance: 1 })
      assert.strictEqual(Option.getOrThrow(yield* store.streamVersion(`${category.categoryName}-1`)), 2)
    }))

  it.effect("an event that does not fit is refused with its path before anything is written", () =>
    Effect.gen(function*() {
      const { balance, category, deposited } = yield* newAccount
      const half = [deposited(1), deposited(0.5)]
      const failures = [
        yield* Effect.flip(category.append("1", half)),
        yield* Effect.flip(balance.transact("1", () => half)),
        yield* Effect.flip(Entity.transactAll({ a: balance.at("1"), b: balance.at("2") }, () => ({ a: half })))
      ]
      for (const error of failures) {
        assert(error instanceof InvalidMessage)
        assert.deepStrictEqual([error.index, error.path], [1, ["data", "amount"]])
      }
      assert.deepStrictEqual((yield* balance.load("1")).version, Option.none())
    }))

  it.effect("every operation refuses an invalid id", () =>
    Effect.gen(function*() {
      const { balance, category, deposited } = yield* newAccount
      for (const id of ["", "\u0000", "\ud800", "x".repeat(3_000), ["1", ""], []]) {
        const operations: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore>> = [
          category.append(id, deposited(1)),
          category.lastEvent(id),
          Stream.runDrain(category.readStream(id)),
          balance.load(id),
          balance.loadAt(id, { version: 0 }),
          balance.transact(id, () => deposited(1)),
          Entity.transactAll({ a: balance.at(id) }, () => ({ a: deposited(1) }))
        ]
        for (const operation of operations) assert.instanceOf(yield* Effect.flip(operation), InvalidStreamName)
      }
    }))
}

const schemas = (it: It) => {
  it.effect("ids with a schema come back from the names of streams", () =>
    Effect.gen(function*() {
      const Seat = Schema.Tuple([Schema.FiniteFromString, Schema.String])
      const category = Category.make((yield* newCategory) as "seat", { Taken: {} }, { id: Seat })
      const ids: ReadonlyArray<typeof Seat.Type> = [[7, "a"], [-12.5, "b-c"], [0, "ü😀"]]
      for (const id of ids) yield* category.append(id, category.events.Taken({}))
      const taken = yield* Stream.runCollect(category.readCategory())
      const found = yield* Effect.forEach(taken, ({ recorded }) => category.id(recorded.streamName))
      assert.deepStrictEqual<ReadonlyArray<unknown>>(found, ids)
      for (const id of ids) assert.isTrue(Option.isSome(yield* category.lastEvent(id)))
      assert.instanceOf(yield* Effect.flip(category.append([1, "a+b"], category.events.Taken({}))), InvalidStreamName)
    }))

  it.effect("events of older versions are read as the newest, and metadata by its schema", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const name = yield* newCategory
      const Deposited = Category.version({ amount: Schema.String })
        .upcast({ cents: Schema.Int }, ({ amount }) => ({ cents: Number(amount) * 100 }))
        .upcast(
          { cents: Schema.Int, currency: Schema.String },
          ({ cents }) => Effect.succeed({ cents, currency: "EUR" })
        )
      const category = Category.make(name as "account", { Deposited }, { metadata: { userId: Schema.BigInt } })
      const total = Entity.make(category, {
        state: Schema.Record(Schema.String, Schema.Int),
        initial: {},
        evolve: {
          Deposited: (state, { cents, currency }) => ({ ...state, [currency]: (state[currency] ?? 0) + cents })
        }
      })
      const metadata = { userId: "12345678901234567890" }
      yield* store.append(`${name}-1`, [
        { type: "Deposited", data: { amount: "5" }, metadata },
        { type: "Deposited", data: { cents: 7 }, metadata: { ...metadata, schemaVersion: "2" } }
      ])
      const newest = { cents: 9, currency: "USD" }
      yield* total.transact("1", () => category.events.Deposited(newest, { metadata: { userId: 7n } }))
      assert.deepStrictEqual((yield* total.load("1")).state, { EUR: 507, USD: 9 })
      const events = yield* Stream.runCollect(category.readStream("1"))
      assert.deepStrictEqual(events.map(({ data, metadata }) => [data, metadata.userId]), [
        [{ cents: 500, currency: "EUR" }, 12345678901234567890n],
        [{ cents: 7, currency: "EUR" }, 12345678901234567890n],
        [newest, 7n]
      ])
      assert.deepStrictEqual(events[2]?.recorded.metadata, { userId: "7", schemaVersion: "3" })

      yield* store.append(`${name}-1`, { type: "Deposited", data: newest, metadata: { schemaVersion: "4" } })
      const error = yield* Effect.flip(total.load("1"))
      assert(error instanceof Category.DecodeError)
      assert.deepStrictEqual([error.position, error.path], [3, ["metadata", "schemaVersion"]])
    }))

  it.effect("the state at a version and at a time", () =>
    Effect.gen(function*() {
      const { balance, category, deposited } = yield* newAccount
      yield* category.append("1", [deposited(1), deposited(2), deposited(3)])
      assert.deepStrictEqual((yield* balance.loadAt("1", { version: 1 })).state, { balance: 3 })
      const last = Option.getOrThrow(yield* category.lastEvent("1"))
      const { time } = last.recorded
      assert.deepStrictEqual((yield* balance.loadAt("1", { time })).state, { balance: 6 })
      const before = DateTime.subtract(time, { seconds: 10 })
      assert.deepStrictEqual((yield* balance.loadAt("1", { time: before })).version, Option.none())
    }))
}

export const tests = (it: It) =>
  describe("entities", () => {
    folding(it)
    refusals(it)
    schemas(it)
  })
