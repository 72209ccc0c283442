import { assert, it } from "@effect/vitest"
import { Array as Arr, Clock, DateTime, Effect, Exit, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Message, StreamName } from "eventfold"
import { inBatches } from "../src/internal/readModel/batches.ts"
import { pageSize } from "../src/internal/readModel/pages.ts"
import type { Wanted } from "../src/internal/readModel/readAhead.ts"
import { throttling } from "../src/internal/readModel/throttle.ts"

const message = (globalPosition: number): Message.RecordedMessage => ({
  id: Message.MessageId.make("00000000-0000-4000-8000-000000000000"),
  streamName: StreamName.StreamName.make("account-1"),
  type: "Deposited",
  position: globalPosition - 1,
  globalPosition,
  data: {},
  metadata: null,
  time: DateTime.makeUnsafe(0)
})

const undecoded = Exit.fail("undecodable")
assert(Exit.isFailure(undecoded))

/** The messages of a page, some of which could not be decoded. */
const page = (positions: ReadonlyArray<number>, undecodable: ReadonlyArray<number>): Wanted<string> =>
  new Map(positions.map((position) => {
    const one = message(position)
    return [one, undecodable.includes(position) ? undecoded : { message: one, event: position }]
  }))

const positionsOf = (batches: ReturnType<typeof inBatches>) =>
  batches.map((batch) => batch.map(({ globalPosition }) => globalPosition))

it("a batch has at most as many messages as one transaction may handle", () => {
  const batches = inBatches(page([1, 2, 3, 4, 5], []), { atOnce: 2, history: 0 })
  assert.deepStrictEqual(positionsOf(batches), [[1, 2], [3, 4], [5]])
  assert.deepStrictEqual(inBatches(page([], []), { atOnce: 2, history: 0 }), [])
})

it("a page is whole transactions, about as large as other pages, unless its size is given", () => {
  const sizes = [[1, undefined], [300, undefined], [500, undefined], [1_000, undefined], [4_096, undefined], [
    500,
    700
  ]] as const
  assert.deepStrictEqual(
    sizes.map(([atOnce, batchSize]) => pageSize({ atOnce, options: { version: 1, batchSize } })),
    [1_024, 900, 1_000, 1_000, 4_096, 700]
  )
})

it("a batch ends with the history, and a message that could not be decoded is one by itself", () => {
  const batches = inBatches(page([1, 2, 4, 5, 6, 7], [6]), { atOnce: 10, history: 3 })
  assert.deepStrictEqual(positionsOf(batches), [[1, 2], [4, 5], [6], [7]])
})

const Position = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))

it.effect.prop("batches hold every message once, in order, within the limits", {
  positions: Schema.Array(Position),
  undecodable: Schema.Array(Position),
  atOnce: Position,
  history: Position
}, ({ atOnce, history, positions, undecodable }) =>
  Effect.sync(() => {
    const sorted = [...new Set(positions)].toSorted((a, b) => a - b)
    const batches = positionsOf(inBatches(page(sorted, undecodable), { atOnce, history }))
    assert.deepStrictEqual(batches.flat(), sorted)
    for (const batch of batches) {
      assert.isAtMost(batch.length, atOnce)
      assert.isTrue(batch.length === 1 || !batch.some((position) => undecodable.includes(position)))
      assert.isTrue(batch.every((position) => position <= history) || batch.every((position) => position > history))
    }
  }))

it.effect("a throttle lets the first batch go at once, and each later one when the rate allows it", () =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const begun: Array<number> = []
    const throttled = throttling(clock, 10)
    const handle = (messages: number) =>
      Effect.andThen(throttled(messages), Effect.sync(() => begun.push(clock.currentTimeMillisUnsafe())))
    yield* Effect.forkChild(Effect.forEach([5, 10, 1, 1], handle))
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(begun, [0, 500, 1_500, 1_600])
    // A pause is not made up for.
    yield* handle(1)
    yield* Effect.forkChild(handle(1))
    yield* TestClock.adjust("99 millis")
    assert.lengthOf(begun, 5)
    yield* TestClock.adjust("1 millis")
    assert.deepStrictEqual(begun.slice(4), [5_000, 5_100])
  }))

it.effect("without a limit nothing waits", () =>
  Effect.gen(function*() {
    const throttled = throttling(yield* Clock.Clock, undefined)
    yield* Effect.forEach(Arr.range(1, 100), throttled)
    assert.strictEqual(yield* Clock.currentTimeMillis, 0)
  }))
