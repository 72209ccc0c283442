import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as Money from "../src/Money.ts"

describe("Money", () => {
  it.each([["12.50", 1_250], ["12", 1_200], ["0.01", 1], ["10000000000.00", 1_000_000_000_000]])(
    "parses %s",
    (text, cents) => assert.deepStrictEqual(Money.parse(text).pipe(Option.map(Number)), Option.some(cents))
  )

  it.each([
    "12.505",
    "12.5",
    "12.",
    ".50",
    "-1",
    "+1",
    "1e3",
    "abc",
    "",
    " 1",
    "1,000.00",
    "007",
    "0",
    "0.00",
    "10000000000.01",
    "99999999999999999999",
    "١٢",
    "12\n"
  ])("refuses %j", (text) => assert.isTrue(Option.isNone(Money.parse(text))))

  it("formats cents, to the last one of a number that is exact", () => {
    assert.deepStrictEqual([0, 5, 1_250, -3_000, 123_456_789].map(Money.format), [
      "€0.00",
      "€0.05",
      "€12.50",
      "-€30.00",
      "€1,234,567.89"
    ])
    assert.strictEqual(Money.format(Number.MAX_SAFE_INTEGER), "€90,071,992,547,409.91")
  })

  it.prop("parses what it formats", [Money.Amount], ([amount]) => {
    const text = Money.format(amount).replaceAll(/[€,]/g, "")
    assert.deepStrictEqual(Money.parse(text), Option.some(amount))
  })

  it.effect("rounds euros with a fraction to cents, and refuses what is no amount", () =>
    Effect.gen(function*() {
      // 1.15 * 100 is 114.99999999999999.
      assert.strictEqual(yield* Money.fromEuros(1.15), 115)
      for (const euros of [0, -1, Number.NaN]) {
        assert.strictEqual((yield* Effect.flip(Money.fromEuros(euros)))._tag, "SchemaError")
      }
    }))
})
