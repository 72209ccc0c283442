import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Entity from "eventfold/Entity"
import { MessageStore } from "eventfold/MessageStore"
import { folding, newAccount } from "./account.ts"
import { type It, upTo } from "./fixtures.ts"

const snapshotted = Effect.map(newAccount, (account) => ({
  ...account,
  balance: Entity.make(account.category, { ...folding, snapshots: { version: 1, every: 5 } }),
  snapshots: Effect.map(
    Effect.flatMap(
      MessageStore,
      (store) => Stream.runCollect(store.readStream(`${account.category.categoryName}:snapshot-1`))
    ),
    (messages) => messages.map(({ data }) => data)
  )
}))

export const tests = (it: It) => {
  describe("snapshots", () => {
    it.effect("are written when they are due, and a load begins with the last", () =>
      Effect.gen(function*() {
        const { balance, category, deposited, snapshots } = yield* snapshotted
        for (const i of upTo(12)) yield* balance.transact("1", () => deposited(i))
        const versions = (yield* snapshots).map((data) =>
          typeof data === "object" && data !== null && "entity_version" in data ? data.entity_version : undefined
        )
        assert.deepStrictEqual(versions, [4, 9])
        // An entity without snapshots reads only the events.
        const plain = yield* Entity.make(category, folding).load("1")
        assert.deepStrictEqual(plain, { state: { balance: 66 }, version: Option.some(11) })
        assert.deepStrictEqual(yield* balance.load("1"), plain)
        // A wrong snapshot shows that a load begins with it.
        const store = yield* MessageStore
        yield* store.append(`${category.categoryName}:snapshot-1`, {
          type: "Recorded",
          data: { entity_data: { balance: 1_000 }, entity_version: 10, time: "2026-01-02T03:04:05.678Z" },
          metadata: { schemaVersion: "1" }
        })
        assert.deepStrictEqual((yield* balance.load("1")).state, { balance: 1_011 })
      }))

    it.effect("of another version, or ahead of the stream, are ignored and replaced", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        for (const [entity_version, schemaVersion] of [[1, "2"], [7, "1"]] as const) {
          const { balance, category, deposited, snapshots } = yield* snapshotted
          yield* store.append(`${category.categoryName}:snapshot-1`, {
            type: "Recorded",
            data: { entity_data: { balance: 1_000 }, entity_version },
            metadata: { schemaVersion }
          })
          for (const i of upTo(12)) {
            const { state } = yield* balance.transact("1", () => deposited(1))
            assert.deepStrictEqual(state, { balance: i + 1 })
            assert.deepStrictEqual((yield* balance.load("1")).state, state)
          }
          assert.isAbove((yield* snapshots).length, 2)
        }
      }))

    it.effect("of a state that does not encode are not written, and the command succeeds", () => {
      const warnings: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => warnings.push([logLevel, [message].flat()[0]]))
      return Effect.gen(function*() {
        const { category, deposited, snapshots } = yield* snapshotted
        const small = Entity.make(category, {
          ...folding,
          state: Schema.Struct({ balance: Schema.Int.check(Schema.isLessThan(10)) }),
          snapshots: { version: 1, every: 1 }
        })
        yield* small.transact("1", () => deposited(9))
        const { state } = yield* small.transact("1", () => deposited(9))
        assert.deepStrictEqual(state, { balance: 18 })
        assert.lengthOf(yield* snapshots, 1)
        assert.deepStrictEqual(warnings, [["Warn", "entity could not write a snapshot"]])
        assert.deepStrictEqual((yield* small.load("1")).state, { balance: 18 })
      }).pipe(Effect.provide(Logger.layer([logger])))
    })
  })
}
