import { assert, describe } from "@effect/vitest"
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
import { type It, newCategory, upTo } from "./fixtures.ts"

const newAccount = Effect.map(newCategory, (name) => {
  const category = Category.make(name as "account", {
    Opened: { at: Schema.DateTimeUtc },
    Deposited: { amount: Schema.Int }
  })
  const balance = Entity.make(category, {
    state: Schema.Struct({ balance: Schema.Int }),
    initial: { balance: 0 },
    evolve: {
      Opened: (state) => state,
      Deposited: (state, { amount }) => ({ balance: state.balance + amount })
    }
  })
  return { balance, category }
})

export const tests = (it: It) =>
  describe("entities", () => {
    it.effect("concurrent transactions of one entity all come through, once each", () =>
      Effect.gen(function*() {
        const { balance, category } = yield* newAccount
        yield* Effect.forEach(
          upTo(24),
          () => balance.transact("1", () => category.events.Deposited({ amount: 1 }), { retry: Schedule.recurs(100) }),
          { concurrency: "unbounded" }
        )
        const { state, version } = yield* balance.load("1")
        assert.deepStrictEqual(state, { balance: 24 })
        assert.deepStrictEqual(version, Option.some(23))
      }))

    it.effect("folding a category step by step gives what loading each entity gives", () =>
      Effect.gen(function*() {
        const { balance, category } = yield* newAccount
        for (const i of upTo(40)) {
          yield* category.append(String(i % 7), category.events.Deposited({ amount: i }))
        }
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

    it.effect("a stored message that does not fit is a DecodeError with its place", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const { balance, category } = yield* newAccount
        yield* category.append("1", category.events.Deposited({ amount: 1 }))
        yield* store.append(`${category.name}-1`, { type: "Foreign", data: "of no concern" })
        assert.deepStrictEqual((yield* balance.load("1")).state, { balance: 1 })
        yield* store.append(`${category.name}-1`, { type: "Deposited", data: { amount: "much" } })
        const error = yield* Effect.flip(balance.load("1"))
        assert(error instanceof Category.DecodeError)
        assert.strictEqual(error.streamName, `${category.name}-1`)
        assert.strictEqual(error.position, 2)
        assert.strictEqual(error.type, "Deposited")
        assert.deepStrictEqual(error.path, ["amount"])
      }))

    it.effect("an event that does not fit and an id that can't be one are refused before anything is written", () =>
      Effect.gen(function*() {
        const { balance, category } = yield* newAccount
        const half = balance.transact("1", () => [
          category.events.Deposited({ amount: 1 }),
          category.events.Deposited({ amount: 0.5 })
        ])
        const error = yield* Effect.flip(half)
        assert(error instanceof InvalidMessage)
        assert.deepStrictEqual([error.index, error.path], [1, ["data", "amount"]])
        assert.deepStrictEqual((yield* balance.load("1")).version, Option.none())
        for (const id of ["", "\u0000", "\ud800", "x".repeat(3_000), ["1", ""], []]) {
          const refused = yield* Effect.flip(balance.transact(id, () => category.events.Deposited({ amount: 1 })))
          assert.instanceOf(refused, InvalidStreamName)
        }
      }))
  })
