import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Bench from "eventfold/Bench"
import * as MessageStore from "eventfold/MessageStore"

const inMemory = Effect.provide(MessageStore.layerMemory)

it.live("measures each kind of work, and removes what it wrote", () =>
  Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const { figures, remains } = yield* Bench.run({ duration: "100 millis", callers: 4 })
    assert.deepStrictEqual(figures.map(({ callers, name }) => [name, callers]), [
      ["append-one", 1],
      ["append-many", 4],
      ["read", 1]
    ])
    for (const figure of figures) {
      assert.isAbove(figure.messages, 0)
      assert.isAbove(figure.rate, 0)
      assert.strictEqual(Option.isSome(figure.median), figure.name !== "read")
      assert.doesNotThrow(() => Schema.encodeSync(Bench.Figure)(figure))
    }
    // A notice for each stream. On a busy machine not every caller had a turn to write to its own.
    assert.deepStrictEqual(remains.reason, Option.none())
    assert.isAtLeast(remains.messages, 1)
    assert.isAtMost(remains.messages, 4)
    assert.strictEqual(yield* store.countAll(), remains.messages)
  }).pipe(inMemory))

it.effect("refuses what it can't measure", () =>
  Effect.gen(function*() {
    for (const options of [{ callers: 0 }, { duration: "10 millis" }, { duration: "Infinity" }] as const) {
      assert.strictEqual((yield* Effect.flip(Bench.run(options)))._tag, "InvalidArgument")
    }
  }).pipe(inMemory))
