import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseJson } from "eventfold/StoreBackend"

describe("parseJson", () => {
  it("gives each key its own name, whatever it has parsed before", () => {
    for (const key of ["\\", "\t", "\"", "\n", "\\n", "\nb", "\\u0001", "\u0001"]) {
      assert.deepStrictEqual(parseJson(JSON.stringify({ a: 1, [key]: 2 })), { a: 1, [key]: 2 })
    }
  })

  it("takes a key that the language has a meaning for as a key", () => {
    const text = "{\"__proto__\": {\"\\n\": 1}, \"constructor\": []}"
    const json = parseJson(text)
    assert.deepStrictEqual(JSON.stringify(json), "{\"__proto__\":{\"\\n\":1},\"constructor\":[]}")
    assert.strictEqual(Object.getPrototypeOf(json), Object.prototype)
  })

  it("takes the last of several values of one key, as JSON.parse does", () => {
    assert.deepStrictEqual(parseJson("{\"\\n\": 1, \"\\u000a\": 2}"), { "\n": 2 })
  })

  it("reads what is deeper than the call stack, and what is long", () => {
    const depth = 100_000
    const deep = "[".repeat(depth) + "{\"\\t\": 0}" + "]".repeat(depth)
    let innermost = parseJson(deep)
    for (let i = 0; i < depth; i++) innermost = Array.isArray(innermost) ? innermost[0] : innermost
    assert.deepStrictEqual(innermost, { "\t": 0 })
    const long = { "\t": "\\\"".repeat(2_000_000), ["x\"".repeat(1_000_000)]: "y".repeat(10_000_000) }
    assert.isTrue(JSON.stringify(parseJson(JSON.stringify(long))) === JSON.stringify(long))
  })

  it.effect("gives what JSON.stringify was given, with white space or without", () =>
    Effect.gen(function*() {
      const result = yield* Arbitrary.checkEffect(
        Arbitrary.schema(
          Schema.Record(Schema.Literals(["\\", "\n", "\"", "a", "\\n", "é\t", " :", "\":"]), Schema.Json)
        ),
        (json) =>
          Effect.sync(() => {
            // -0 has no form in JSON, so the texts are compared.
            for (const text of [JSON.stringify(json), JSON.stringify(json, undefined, "\t ")]) {
              if (JSON.stringify(parseJson(text)) !== JSON.stringify(json)) return false
            }
            return true
          }),
        { runs: 2_000 }
      )
      assert.isUndefined(Arbitrary.formatCheckFailure(result))
    }))
})
