import { assert, it } from "@effect/vitest"
import { Effect, type Schema } from "effect"
import { MessageStore, StoreError } from "eventfold"

/** What all stores refuse is in the conformance suite; these are values that only odd JavaScript makes. */
const notPlain: ReadonlyArray<readonly [name: string, data: Schema.Json, kind: string]> = [
  ["a prototype without a constructor", Object.create(Object.create(null)), "an object with a prototype of its own"],
  ["a constructor that is none", Object.create({ constructor: "text" }), "an object with a prototype of its own"],
  [
    "a constructor without a name",
    new (class {
      field = 0
    })(),
    "an object with a prototype of its own"
  ],
  ["a class", Object.create(Map.prototype), "a Map"]
]

it.effect.each(notPlain)("an object of %s is refused, not a defect", ([, data, kind]) =>
  Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const error = yield* Effect.flip(store.append("account-1", { type: "Happened", data: { inner: [data] } }))
    assert.instanceOf(error, StoreError.InvalidMessage)
    assert.deepStrictEqual(error.path, ["data", "inner", 0])
    assert.strictEqual(error.reason, `is ${kind}, not a plain object: encode it by a schema first`)
  }).pipe(Effect.provide(MessageStore.layerMemory)))
