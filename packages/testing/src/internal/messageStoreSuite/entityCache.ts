import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as EntityCache from "eventfold/EntityCache"
import { newAccount } from "./account.ts"
import { type It, upTo } from "./fixtures.ts"

const cache = Effect.provide(EntityCache.layer({ capacity: 1_000 }))

const together = { concurrency: "unbounded" } as const

export const tests = (it: It) => {
  describe("the cache", () => {
    it.effect("sees what others have written, and serves what it has when asked to", () =>
      Effect.gen(function*() {
        const { balance, category, deposited } = yield* newAccount
        const balanceOf = (freshness: EntityCache.Freshness) =>
          Effect.map(balance.load("1", { freshness }), ({ state }) => state.balance)
        assert.strictEqual(yield* balanceOf("latest"), 0)
        yield* category.append("1", deposited(1))
        assert.strictEqual(yield* balanceOf("cached"), 0)
        assert.strictEqual(yield* balanceOf({ maxAge: "1 hour" }), 0)
        assert.strictEqual(yield* balanceOf("latest"), 1)
        yield* balance.transact("1", () => deposited(10), { freshness: "cached" })
        assert.strictEqual(yield* balanceOf("cached"), 11)
        yield* category.append("1", deposited(100))
        const { state } = yield* balance.transact("1", () => deposited(1_000), {
          freshness: "cached",
          retry: Schedule.recurs(1)
        })
        assert.deepStrictEqual(state, { balance: 1_111 })
        assert.strictEqual(yield* balanceOf("cached"), 1_111)
      }).pipe(cache))

    it.effect("is never behind what was written before a load began, nor ahead of the stream", () =>
      Effect.gen(function*() {
        const { amounts, balance, category, deposited } = yield* newAccount
        let written = 0
        const writer = (i: number) =>
          Effect.gen(function*() {
            yield* i % 2 === 0
              ? category.append("1", deposited(1))
              : balance.transact("1", () => deposited(1), { retry: Schedule.recurs(100), freshness: "cached" })
            written += 1
          })
        const reader = Effect.forEach(upTo(5), () =>
          Effect.gen(function*() {
            const before = written
            const { state, version } = yield* balance.load("1")
            assert.isAtLeast(state.balance, before)
            assert.strictEqual(state.balance, Option.match(version, { onNone: () => 0, onSome: (at) => at + 1 }))
            assert.isAtMost(state.balance, (yield* amounts("1")).length)
          }))
        yield* Effect.all([...upTo(20).map(writer), ...upTo(20).map(() => reader)], together)
        assert.deepStrictEqual((yield* balance.load("1")).state, { balance: 20 })
      }).pipe(cache))
  })
}
