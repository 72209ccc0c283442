import { assert, describe, it } from "@effect/vitest"
import { ownersOf } from "../src/internal/placement/even.ts"

const machines = (count: number) => Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}:4500`)

const countsOf = (owners: ReadonlyArray<string>) =>
  [...Map.groupBy(owners, (owner) => owner).values()].map(({ length }) => length)

describe("the parts of a reader", () => {
  it("are shared out so that no machine has two more than another", () => {
    for (const parts of [1, 2, 5, 12, 96, 97, 100]) {
      for (let count = 1; count <= 12; count++) {
        const owners = ownersOf("reader", parts, machines(count))
        assert.lengthOf(owners, parts)
        const counts = countsOf(owners)
        assert.lengthOf(counts, Math.min(parts, count))
        assert.isAtMost(Math.max(...counts) - (parts < count ? 1 : Math.min(...counts)), 1)
      }
    }
    assert.deepStrictEqual(countsOf(ownersOf("ledger", 96, machines(3))), [32, 32, 32])
    assert.deepStrictEqual(ownersOf("reader", 5, []), [])
  })

  it("are found alike on each machine, in whatever order it knows the others", () => {
    assert.deepStrictEqual(ownersOf("reader", 30, machines(7)), ownersOf("reader", 30, machines(7).toReversed()))
  })

  it("mostly stay where they are when a machine comes or goes", () => {
    const before = ownersOf("reader", 96, machines(3))
    const after = ownersOf("reader", 96, machines(4))
    const moved = before.filter((owner, part) => owner !== after[part])
    // 24 of them have to.
    assert.isAtMost(moved.length, 40)
    assert.isAtLeast(moved.length, 24)
  })

  it("of readers of one part are on different machines", () => {
    const owners = Array.from({ length: 60 }, (_, index) => ownersOf(`reader ${index}`, 1, machines(3))[0])
    assert.isAtLeast(new Set(owners).size, 3)
  })
})
