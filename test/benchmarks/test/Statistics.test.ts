import { assert, it } from "@effect/vitest"
import { at, quartiles } from "../Statistics.ts"

it("the quartiles of an odd and an even count, in any order", () => {
  assert.deepStrictEqual(quartiles([5, 1, 4, 2, 3]), { low: 2, median: 3, high: 4 })
  assert.deepStrictEqual(quartiles([4, 1, 3, 2]), { low: 1.75, median: 2.5, high: 3.25 })
  assert.deepStrictEqual(quartiles([7]), { low: 7, median: 7, high: 7 })
})

it("a share on the way from the lowest to the highest", () => {
  const values = Array.from({ length: 101 }, (_, i) => i)
  assert.strictEqual(at(values, 0), 0)
  assert.strictEqual(at(values, 0.99), 99)
  assert.strictEqual(at(values, 1), 100)
  assert.strictEqual(at([10, 20], 0.25), 12.5)
})
