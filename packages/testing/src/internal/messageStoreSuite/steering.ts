import { assert, describe } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Administration from "eventfold/Administration"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as PositionStore from "eventfold/PositionStore"
import * as Steering from "eventfold/Steering"
import { InvalidArgument, Unsupported } from "eventfold/StoreError"
import { type It, newCategory, numbered, type Supports } from "./fixtures.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

/** The records about consumers of a category, as their action, author and details. */
const recordsOf = (category: string) =>
  Effect.map(
    Stream.runCollect(Administration.history()),
    (all) =>
      all.flatMap(({ data: { action, by, details } }) =>
        details?.["category"] === category ? [{ action, by, details }] : []
      )
  )

/** A consumer with a category of its own whose messages are all parked: two in one stream, one in another. */
const parked = Effect.gen(function*() {
  const category = yield* newCategory
  const store = yield* MessageStore
  const owner: Parking.Owner = { id: "steered", category }
  const consumer = Consumer.make("steered", { onFailure: "park", retry: Schedule.recurs(0) }).on(category, {
    Numbered: () => new Refused()
  })
  /** Writes to a stream, and has the consumer park it. */
  const park = Effect.fnUntraced(function*(id: string, count: number) {
    const { globalPosition } = yield* store.append(`${category}-${id}`, numbered(count))
    const { waitFor } = yield* Consumer.start(consumer)
    yield* waitFor(globalPosition)
  }, Effect.scoped)
  yield* park("a", 2)
  yield* park("b", 1)
  const list = Stream.runCollect(Parking.list(owner))
  const seenOf = Effect.fnUntraced(function*(stream: string) {
    const found = (yield* list).find((one) => one.stream === stream)
    return found === undefined ? yield* new Refused() : Steering.seen(found)
  })
  return { category, consumer, list, owner, park, records: recordsOf(category), seenOf, stream: `${category}-a` }
})

const ann = { by: "ann" }
const annWithReason = { by: "ann", reason: "the address is gone" }

const ofParked = (it: It) => {
  it.effect("drops what was looked at, once, and leaves what was parked since", () =>
    Effect.gen(function*() {
      const { category, list, owner, park, records, seenOf, stream } = yield* parked
      const seen = yield* seenOf(stream)
      yield* park("a", 3)
      const drop = (expected: Steering.StreamSeen) => Steering.drop(owner, { stream, expected, ...annWithReason })
      const error = yield* Effect.flip(drop(seen))
      assert.instanceOf(error, Steering.NotAsSeen)
      const now = yield* seenOf(stream)
      assert.deepStrictEqual([error.expected, error.actual], [{ ...seen }, { ...now }])
      assert.include(error.message, "3 more were parked since")
      assert.deepStrictEqual(yield* records, [])
      const dropped = yield* Effect.all([Effect.result(drop(now)), Effect.result(drop(now))], { concurrency: 2 })
      assert.deepStrictEqual(Arr.getSuccesses(dropped), [5])
      const [refused] = Arr.getFailures(dropped)
      assert.instanceOf(refused, Steering.NotAsSeen)
      assert.include(refused.message, "5 were settled since")
      assert.deepStrictEqual((yield* list).map(({ stream }) => stream), [`${category}-b`])
      assert.deepStrictEqual(yield* records, [
        { action: "Parking.drop", by: "ann", details: { category, stream, messages: 5 } }
      ])
    }))

  it.effect("drops one message that still waits", () =>
    Effect.gen(function*() {
      const { list, owner, park, stream } = yield* parked
      const first = (yield* list)[0]?.messages[0].globalPosition ?? 0
      yield* park("a", 1)
      const drop = Steering.drop(owner, { stream, globalPosition: first, ...annWithReason })
      assert.strictEqual(yield* drop, 1)
      assert.instanceOf(yield* Effect.flip(drop), Steering.NotAsSeen)
      assert.deepStrictEqual((yield* list).map(({ messages }) => messages.length), [2, 1])
    }))

  it.effect("requests replays of a stream and of all, and refuses what has changed", () =>
    Effect.gen(function*() {
      const { category, owner, park, records, seenOf, stream } = yield* parked
      yield* Steering.replay(owner, { stream, limit: 1, expected: yield* seenOf(stream), ...ann })
      const seen = yield* Stream.runCollect(Stream.filter(Parking.owners, (one) => one.category === category))
      assert.deepStrictEqual(seen.map(({ messages, streams }) => ({ messages, streams })), [{
        messages: 3,
        streams: 2
      }])
      yield* Steering.replayAll(owner, { expected: { messages: 3, streams: 2 }, ...annWithReason })
      yield* park("c", 1)
      const error = yield* Effect.flip(Steering.replayAll(owner, { expected: { messages: 3, streams: 2 }, ...ann }))
      assert.instanceOf(error, Steering.NotAsSeen)
      assert.deepStrictEqual(error.actual, { messages: 4, streams: 3 })
      assert.deepStrictEqual((yield* records).map(({ action, details }) => [action, details]), [
        ["Parking.replay", { category, stream, limit: 1, messages: 2 }],
        ["Parking.replay", { category, streams: 2, messages: 3 }]
      ])
    }))

  it.effect("asks who does it and why before anything is done", () =>
    Effect.gen(function*() {
      const { list, owner, records, seenOf, stream } = yield* parked
      const expected = yield* seenOf(stream)
      for (const author of [{ by: " ", reason: "gone" }, { by: "ann", reason: "" }, { by: "ann", reason: "\u0000" }]) {
        assert.instanceOf(yield* Effect.flip(Steering.drop(owner, { stream, expected, ...author })), InvalidArgument)
      }
      assert.deepStrictEqual((yield* list).map(({ messages }) => messages.length), [2, 1])
      assert.deepStrictEqual(yield* records, [])
    }))
}

const ofPositions = (it: It) => {
  it.effect("rewinds a consumer that is where it was looked at, and is not running", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const store = yield* MessageStore
      const seen: Array<unknown> = []
      const consumer = Consumer.make("rewound").on(category, {
        Numbered: ({ data }) => Effect.sync(() => seen.push(data))
      })
      const owner: Parking.Owner = { id: "rewound", category }
      const { globalPosition } = yield* store.append(`${category}-1`, numbered(4))
      const rewind = (expected: number) =>
        Steering.rewind(owner, { to: { position: globalPosition - 1 }, expected, ...annWithReason })
      yield* Effect.scoped(Effect.gen(function*() {
        const { waitFor } = yield* Consumer.start(consumer)
        yield* waitFor(globalPosition)
        assert.instanceOf(yield* Effect.flip(rewind(globalPosition)), Consumer.ConsumerIsRunning)
      }))
      const error = yield* Effect.flip(rewind(globalPosition - 1))
      assert.instanceOf(error, Steering.NotAsSeen)
      assert.deepStrictEqual([error.expected, error.actual], [globalPosition - 1, globalPosition])
      assert.deepStrictEqual(yield* recordsOf(category), [])
      // Of two at once the second finds the first one at it, or the consumer moved.
      const both = yield* Effect.all([Effect.result(rewind(globalPosition)), Effect.result(rewind(globalPosition))], {
        concurrency: 2
      })
      assert.deepStrictEqual(Arr.getSuccesses(both), [[{
        member: undefined,
        from: globalPosition,
        position: globalPosition - 2
      }]])
      assert.include(["ConsumerIsRunning", "NotAsSeen"], Arr.getFailures(both)[0]?._tag)
      assert.deepStrictEqual(yield* recordsOf(category), [{
        action: "Consumer.rewind",
        by: "ann",
        details: {
          category,
          to: { position: globalPosition - 1 },
          position: globalPosition - 2,
          from: [{ position: globalPosition }]
        }
      }])
      yield* Effect.scoped(Effect.flatMap(Consumer.start(consumer), ({ waitFor }) => waitFor(globalPosition)))
      assert.deepStrictEqual(seen, [0, 1, 2, 3, 2, 3])
    }))

  it.effect("undoes a rewind that is interrupted before its record is written", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const store = yield* MessageStore
      const owner: Parking.Owner = { id: "kept", category }
      const { globalPosition } = yield* store.append(`${category}-1`, numbered(2))
      const positions = yield* PositionStore.PositionStore
      const key = { category, consumerId: "kept" }
      yield* positions.put(key, { position: globalPosition })
      const isPut = yield* Deferred.make<void>()
      const stuck: PositionStore.Service = {
        ...positions,
        put: (...args) =>
          Effect.andThen(positions.put(...args), Effect.andThen(Deferred.succeed(isPut, undefined), Effect.never))
      }
      const fiber = yield* Effect.forkChild(
        Steering.rewind(owner, { to: { time: DateTime.makeUnsafe(0) }, expected: globalPosition, ...annWithReason })
          .pipe(
            Effect.provideService(PositionStore.PositionStore, stuck)
          )
      )
      yield* Deferred.await(isPut)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* positions.get(key), Option.some({ position: globalPosition }))
      assert.deepStrictEqual(yield* recordsOf(category), [])
    }))
}

const withoutTransactions = (it: It) => {
  it.effect("is Unsupported without transactions, before anything is done", () =>
    Effect.gen(function*() {
      const { list, owner, seenOf, stream } = yield* parked
      const expected = yield* seenOf(stream)
      assert.instanceOf(
        yield* Effect.flip(Steering.drop(owner, { stream, expected, ...annWithReason })),
        Unsupported
      )
      assert.deepStrictEqual((yield* list).map(({ messages }) => messages.length), [2, 1])
    }))
}

export const tests = (it: It, supports: Supports) =>
  describe("steering", () => {
    if (!supports("transactions")) return withoutTransactions(it)
    ofParked(it)
    ofPositions(it)
  })
