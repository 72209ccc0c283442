import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Random, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Message } from "eventfold"

const time = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

const ids = (count: number) => Effect.all(Array.from({ length: count }, () => Message.nextId))

describe("nextId", () => {
  it.effect("is a UUID of version 7 that holds the time", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(time)
      for (const id of yield* ids(100)) {
        assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
        assert.strictEqual(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16), time)
        assert.isTrue(Schema.is(Message.MessageId)(id))
      }
    }))

  it.effect("is unique, even at one moment", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(time)
      const many = yield* ids(10_000)
      assert.strictEqual(new Set(many).size, many.length)
    }))

  it.effect("rises with the time, so that ids of one time are neighbours in an index", () =>
    Effect.gen(function*() {
      const made: Array<Message.MessageId> = []
      for (const millis of [0, 1, 255, 256, 65_535, 65_536, time, time + 1, 2 ** 48 - 1]) {
        yield* TestClock.setTime(millis)
        made.push(yield* Message.nextId)
      }
      assert.deepStrictEqual(made.toSorted(), made)
    }))

  it.effect("is the same for the same seed and time, and another for another", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(time)
      const first = yield* Random.withSeed(ids(3), "seed")
      assert.deepStrictEqual(yield* Random.withSeed(ids(3), "seed"), first)
      assert.notDeepEqual(yield* Random.withSeed(ids(3), "other seed"), first)
      yield* TestClock.adjust("1 milli")
      assert.notDeepEqual(yield* Random.withSeed(ids(3), "seed"), first)
    }))

  it.effect("holds for the extremes of the random numbers", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(time)
      const random = yield* Random.Random
      const extreme = (value: number) =>
        Effect.provideService(Message.nextId, Random.Random, { ...random, nextDoubleUnsafe: () => value })
      assert.match(yield* extreme(0), /-7000-8000-0{12}$/)
      assert.match(yield* extreme(1 - Number.EPSILON / 2), /-7fff-bfff-f{12}$/)
    }))
})

describe("deriveId", () => {
  /** Computed apart, with Python's hashlib: they are in stores, so they stay what they are. */
  const golden: ReadonlyArray<readonly [parts: ReadonlyArray<string>, id: string]> = [
    [[], "289a0c53-7d70-3ab0-bac5-b837405358ca"],
    [[""], "dfe9f51e-2815-374d-969d-e183241184e7"],
    [["a", "b"], "ed715c79-15bf-3369-a978-56e2e7606536"],
    [["command-1", "account-1", "0"], "ccc725de-145c-3579-b000-f51755190cd7"],
    [["ü😀"], "4c5c166b-e955-332c-8481-812768a3f95a"]
  ]
  it.each(golden)("of %j is %s", (parts, id) => {
    assert.strictEqual<string>(Message.deriveId(...parts), id)
  })

  it.prop(
    "is a name-based UUID, the same for the same parts",
    [Arbitrary.array(Arbitrary.schema(Schema.String))],
    ([parts]) => {
      const id = Message.deriveId(...parts)
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-3[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.strictEqual(Message.deriveId(...parts), id)
    }
  )

  it("is another for other parts, also when they are the same text put together", () => {
    const lists = [
      [],
      [""],
      ["", ""],
      ["ab"],
      ["a", "b"],
      ["b", "a"],
      ["a,b"],
      ["a\",\"b"],
      ["a", "b", ""],
      ["\ud800"],
      ["\\ud800"],
      ...Array.from({ length: 1_000 }, (_, i) => ["command", "account-1", String(i)])
    ]
    assert.strictEqual(new Set(lists.map((parts) => Message.deriveId(...parts))).size, lists.length)
  })
})

it("a message id is a UUID of any version, in any case", () => {
  const isMessageId = Schema.is(Message.MessageId)
  assert.isTrue(isMessageId("00000000-0000-0000-0000-000000000000"))
  assert.isTrue(isMessageId("F47AC10B-58CC-4372-A567-0E02B2C3D479"))
  for (
    const text of [
      "",
      "text",
      "f47ac10b58cc4372a5670e02b2c3d479",
      "{f47ac10b-58cc-4372-a567-0e02b2c3d479}",
      " f47ac10b-58cc-4372-a567-0e02b2c3d479",
      "f47ac10b-58cc-4372-a567-0e02b2c3d479\n",
      "g47ac10b-58cc-4372-a567-0e02b2c3d479",
      5
    ]
  ) {
    assert.isFalse(isMessageId(text), String(text))
  }
})
