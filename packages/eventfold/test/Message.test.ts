import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, Schema } from "effect"
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
