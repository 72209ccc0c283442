/** The cache's list of recently used entries, which is a pure algorithm. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import * as WeightedLru from "../src/internal/entity/weightedLru.ts"

const never = Number.POSITIVE_INFINITY

const setUp = (capacity: number, timeToLive = never) => {
  const lru = WeightedLru.make(capacity, timeToLive)
  const kept = new Set<string>()
  const add = (name: string, now = 0): WeightedLru.Entry => {
    const entry = { forget: () => kept.delete(name), weight: 0, usedAt: 0, place: undefined }
    kept.add(name)
    lru.touch(entry, now)
    return entry
  }
  const addWeighed = (name: string, weight: number) => {
    const entry = add(name)
    lru.weigh(entry, weight)
    return entry
  }
  return { lru, add, addWeighed, names: () => [...kept] }
}

describe("room", () => {
  it("is made by the least recently used entries, as many as it takes", () => {
    const { addWeighed, lru, names } = setUp(10)
    const a = addWeighed("a", 4)
    addWeighed("b", 3)
    addWeighed("c", 3)
    assert.deepStrictEqual(names(), ["a", "b", "c"])
    lru.touch(a, 0)
    addWeighed("d", 4)
    assert.deepStrictEqual(names(), ["a", "d"])
    assert.strictEqual(lru.size(), 2)
  })

  it("is needed when an entry grows, and free when one shrinks", () => {
    const { addWeighed, lru, names } = setUp(10)
    addWeighed("a", 5)
    const b = addWeighed("b", 5)
    lru.weigh(b, 1)
    addWeighed("c", 4)
    assert.deepStrictEqual(names(), ["a", "b", "c"])
    lru.weigh(b, 2)
    assert.deepStrictEqual(names(), ["b", "c"])
  })

  it("is never enough for an entry that is heavier than the capacity", () => {
    const { addWeighed, names } = setUp(10)
    addWeighed("a", 1)
    addWeighed("b", 11)
    assert.deepStrictEqual(names(), [])
  })

  it("does not exist when the capacity is not a number", () => {
    const { addWeighed, names } = setUp(Number.NaN)
    addWeighed("a", 0)
    assert.deepStrictEqual(names(), [])
  })

  it.each([Number.NaN, never, -1])("counts a weight of %s as 1", (weight) => {
    const { addWeighed, names } = setUp(2)
    addWeighed("a", weight)
    addWeighed("b", weight)
    assert.deepStrictEqual(names(), ["a", "b"])
    addWeighed("c", weight)
    assert.deepStrictEqual(names(), ["b", "c"])
  })

  it("is free again after an entry was removed, once", () => {
    const { addWeighed, lru, names } = setUp(10)
    const a = addWeighed("a", 6)
    lru.remove(a)
    lru.remove(a)
    addWeighed("b", 6)
    addWeighed("c", 4)
    assert.deepStrictEqual(names(), ["b", "c"])
  })

  it("is not taken by an entry that is weighed after it was removed", () => {
    const { addWeighed, lru, names } = setUp(10)
    const a = addWeighed("a", 1)
    lru.remove(a)
    lru.weigh(a, 10)
    addWeighed("b", 10)
    assert.deepStrictEqual(names(), ["b"])
    assert.strictEqual(lru.size(), 1)
  })
})

describe("the time to live", () => {
  it("is counted from the last use, to the millisecond", () => {
    const { add, lru, names } = setUp(10, 100)
    const a = add("a", 0)
    add("b", 1)
    lru.touch(a, 50)
    lru.removeIdle(100)
    assert.deepStrictEqual(names(), ["a", "b"])
    lru.removeIdle(101)
    assert.deepStrictEqual(names(), ["a"])
    lru.removeIdle(150)
    assert.deepStrictEqual(names(), [])
  })

  it("may be forever", () => {
    const { add, lru, names } = setUp(10)
    add("a", 0)
    lru.removeIdle(Number.MAX_SAFE_INTEGER)
    assert.deepStrictEqual(names(), ["a"])
  })
})

/** What is done to the entry of a name: used and weighed, or removed. */
const Step = Schema.Struct({
  name: Schema.Literals(["a", "b", "c", "d", "e"]),
  weight: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 })),
  isRemoved: Schema.Boolean
})

it.prop("keeps what a plain list would keep", [Arbitrary.schema(Schema.Array(Step))], ([steps]) => {
  const capacity = 10
  const { add, lru, names } = setUp(capacity)
  const entries = new Map<string, WeightedLru.Entry>()
  let expected: ReadonlyArray<{ readonly name: string; readonly weight: number }> = []

  for (const { isRemoved, name, weight } of steps) {
    const known = expected.some((kept) => kept.name === name) ? entries.get(name) : undefined
    const others = expected.filter((kept) => kept.name !== name)
    if (isRemoved) {
      if (known !== undefined) lru.remove(known)
      expected = others
    } else {
      const entry = known ?? add(name)
      entries.set(name, entry)
      lru.touch(entry, 0)
      lru.weigh(entry, weight)
      const used = [...others, { name, weight }]
      const fits = used.findIndex((_, index) =>
        used.slice(index).reduce((sum, { weight }) => sum + weight, 0) <= capacity
      )
      expected = used.slice(fits)
    }
    assert.sameMembers([...names()], expected.map(({ name }) => name))
    assert.strictEqual(lru.size(), expected.length)
  }
})
