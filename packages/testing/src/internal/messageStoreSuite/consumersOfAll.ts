import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import type { RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as PositionStore from "eventfold/PositionStore"
import { InvalidArgument } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import { dataOf, type It, newCategory, numbered, readStream, upTo } from "./fixtures.ts"

const together = { concurrency: "unbounded" } as const

/** Runs a consumer beside the test. Its error surfaces only where the fiber is joined. */
const run = <E, R>(consumer: Consumer.Consumer<E, R>) => Effect.forkChild(Consumer.run(consumer))

const category = "$all"

const positionOf = (consumerId: string, member?: number) =>
  Effect.gen(function*() {
    const positions = yield* PositionStore.PositionStore
    return yield* positions.get({ category, consumerId, member })
  })

/** Waits until a consumer has a position: it has begun to read. */
const begun = (id: string) =>
  Effect.repeat(positionOf(id), { until: Option.isSome, schedule: Schedule.spaced("5 millis") })

/** A consumer with a filter and an id of its own, which puts the messages that it handles into a queue. */
const collecting = Effect.fnUntraced(function*(filters: Consumer.AllFilters, options: Consumer.Options = {}) {
  const id = yield* newCategory
  const seen = yield* Queue.unbounded<RecordedMessage>()
  const consumer = Consumer.make(id, { ...options }).on(
    Consumer.allOf(filters),
    (message) => Queue.offer(seen, message)
  )
  const take = (count: number) => Effect.map(Queue.takeN(seen, count), dataOf)
  return { id, consumer, seen, take }
})

const none = () => Effect.void

const following = (it: It) => {
  it.effect("of several categories handle their events by global position, and resume where they stopped", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const id = yield* newCategory
      const Account = Category.make(yield* newCategory, { Opened: { owner: Schema.String }, Closed: {} })
      const Transfer = Category.make(yield* newCategory, { Opened: { amount: Schema.BigInt } })
      const third = yield* newCategory
      const seen = yield* Queue.unbounded<string>()
      const consumer = Consumer.make(id, { batchSize: 2 })
        .on(Account, { Opened: ({ data }) => Queue.offer(seen, data.owner) })
        .on(Transfer, { Opened: ({ data }) => Queue.offer(seen, `${data.amount}`) })
        .on(third, ({ type }) => Queue.offer(seen, type))
      const write = Effect.gen(function*() {
        yield* Transfer.append("1", Transfer.events.Opened({ amount: 2n ** 70n }))
        yield* Account.append("1", [Account.events.Opened({ owner: "Ann" }), Account.events.Closed({})])
        yield* store.append(`${third}-1`, [{ type: "Closed", data: 0 }, { type: "Opened", data: 0 }])
        yield* store.append(yield* newCategory, { type: "Opened", data: 0 })
        yield* Account.append("2", Account.events.Opened({ owner: "Bob" }))
      })
      const expected = [`${2n ** 70n}`, "Ann", "Closed", "Opened", "Bob"]
      yield* write
      const fiber = yield* run(consumer)
      assert.deepStrictEqual(yield* Queue.takeN(seen, 5), expected)
      yield* write
      assert.deepStrictEqual(yield* Queue.takeN(seen, 5), expected)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Option.isSome(yield* positionOf(id)))
      yield* write
      const again = yield* run(consumer)
      assert.deepStrictEqual(yield* Queue.takeN(seen, 5), expected)
      yield* Fiber.interrupt(again)
      assert.strictEqual(yield* Queue.size(seen), 0)
    }))

  it.effect("of everything handle all messages but the bookkeeping of consumers", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const one = yield* collecting({}, { start: "end" })
      const two = yield* collecting({ bookkeeping: true }, { start: "end" })
      const three = yield* collecting({ types: ["Wanted"] }, { start: "end" })
      const fibers = yield* Effect.forEach([one, two, three], ({ consumer }) => run(consumer))
      yield* Effect.forEach([one, two, three], ({ id }) => begun(id), together)
      const [first, second] = [yield* newCategory, yield* newCategory]
      yield* store.append(`${first}-1`, numbered(1))
      yield* store.append(`${first}:position-other`, { type: "Recorded", data: { position: 1 } })
      yield* store.append(`${second}-1`, { type: "Wanted", data: 1 })
      yield* store.append(`${second}:command+parked-other`, numbered(1, 2))
      yield* store.append(`${second}:parking-1`, numbered(1, 3))
      assert.deepStrictEqual(yield* one.take(3), [0, 1, 3])
      assert.deepStrictEqual(yield* three.take(1), [1])
      const own: Array<unknown> = []
      while (own.at(-1) !== 3) {
        const message = yield* Queue.take(two.seen)
        assert.isFalse(message.streamName.endsWith(two.id), "its own bookkeeping")
        if (!message.streamName.startsWith(category)) own.push(message.data)
      }
      assert.deepStrictEqual(own, [0, { position: 1 }, 1, 2, 3])
      yield* Fiber.interruptAll(fibers)
      assert.deepStrictEqual([yield* Queue.size(one.seen), yield* Queue.size(three.seen)], [0, 0])
    }))
}

const starting = (it: It) => {
  it.effect("start at a position or at a time, and handle answers by their correlation", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [first, second] = [yield* newCategory, yield* newCategory]
      const categories = [first, second]
      const { globalPosition } = yield* store.append(`${first}-1`, numbered(2))
      yield* store.append(`${second}-1`, { type: "A", data: 2, metadata: { correlationStreamName: `${first}-1` } })
      yield* store.append(`${first}-1`, { type: "A", data: 3, metadata: { correlationStreamName: `${second}-1` } })
      const all = [...yield* readStream(`${first}-1`), ...yield* readStream(`${second}-1`)]
      const time = all.find(({ globalPosition: at }) => at === globalPosition)?.time
      assert(time !== undefined)
      const takes = Effect.fnUntraced(function*(expected: ReadonlyArray<number>, options: Consumer.Options) {
        const { consumer, take } = yield* collecting({ categories }, options)
        const fiber = yield* run(consumer)
        assert.deepStrictEqual(yield* take(expected.length), expected)
        yield* Fiber.interrupt(fiber)
      })
      yield* takes([1, 2, 3], { start: { position: globalPosition } })
      const earlier = all.filter(({ time: at }) => at.epochMilliseconds < time.epochMilliseconds).length
      yield* takes(upTo(4).slice(earlier), { start: { time } })
      yield* takes([2], { correlation: first })
      yield* takes([3], { correlation: second })
    }))

  it.effect("refuse sources that they can't read", () =>
    Effect.gen(function*() {
      const wrong = [
        ["from", Consumer.make("x")],
        ["from", Consumer.make("x").on("a", none).on("a", none)],
        ["from", Consumer.make("x").on(Consumer.all, none).on(Consumer.allOf({ types: ["A"] }), none)],
        ["from", Consumer.make("x").on("$all", none)],
        [
          "onFailure",
          Consumer.make("x", { onFailure: "park" }).on(Consumer.allOf({ bookkeeping: true }), none)
        ]
      ] as const
      for (const [argument, consumer] of wrong) {
        const error = yield* Effect.flip(Consumer.run(consumer))
        assert(error instanceof InvalidArgument)
        assert.strictEqual(error.argument, argument)
      }
      const dash = Consumer.make("x").on("a-b", none).on("c", none)
      assert.instanceOf(yield* Effect.flip(Consumer.run(dash)), StreamName.InvalidCategory)
    }))
}

const reading = (it: It) => {
  following(it)
  starting(it)
}

const ordering = (it: It) =>
  it.effect("handle every message once and by global position while writers of many categories race", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const categories = yield* Effect.forEach(upTo(6), () => newCategory)
      const total = 6 * 40
      const seen: Array<RecordedMessage> = []
      const done = yield* Deferred.make<void>()
      const consumer = Consumer.make(yield* newCategory, { batchSize: 7, checkpoint: { every: 20 } }).on(
        Consumer.allOf({ categories }),
        (message) =>
          Effect.suspend(() => {
            seen.push(message)
            return seen.length === total ? Deferred.succeed(done, undefined) : Effect.void
          })
      )
      const fiber = yield* run(consumer)
      yield* Effect.forEach(
        categories,
        (category, writer) =>
          Effect.forEach(upTo(40), (i) => store.append(`${category}-${(writer + i) % 3}`, { type: "A", data: i })),
        together
      )
      yield* Deferred.await(done)
      yield* Fiber.interrupt(fiber)
      const order = seen.map(({ globalPosition }) => globalPosition)
      assert.deepStrictEqual(order, [...new Set(order)].toSorted((a, b) => a - b))
      const wanted = yield* Stream.runCollect(store.readAll({ categories }))
      assert.deepStrictEqual(order, wanted.map(({ globalPosition }) => globalPosition))
    }))

const groups = (it: It) =>
  it.effect("in a group share the messages of all categories by cardinal id, also after a change of its size", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const id = yield* newCategory
      const categories = [yield* newCategory, yield* newCategory]
      const names = upTo(24).map((i) => `${categories[i % 2]}-${i >> 1}+${i}`)
      const write = (data: number) =>
        Effect.forEach(names, (stream) => store.append(stream, { type: "Numbered", data }))
      const part = Effect.fnUntraced(function*(size: number, members: ReadonlyArray<number>) {
        const seen = yield* Queue.unbounded<RecordedMessage>()
        const consumer = Consumer.make(id, { group: { size, members }, concurrency: 4 }).on(
          Consumer.allOf({ categories }),
          (message) => Queue.offer(seen, message)
        )
        const own = names.filter((name) =>
          Option.exists(StreamName.groupMember(name, size), (member) => members.includes(member))
        )
        const takes = Effect.map(Queue.takeN(seen, own.length), (messages) =>
          assert.deepStrictEqual(
            messages.map(({ streamName }) => String(streamName)).toSorted(),
            own.toSorted()
          ))
        return { consumer, seen, takes }
      })
      const runAll = Effect.fnUntraced(function*(parts: ReadonlyArray<Effect.Success<ReturnType<typeof part>>>) {
        const fibers = yield* Effect.forEach(parts, ({ consumer }) => run(consumer))
        yield* Effect.forEach(parts, ({ takes }) => takes)
        yield* Fiber.interruptAll(fibers)
        for (const { seen } of parts) assert.strictEqual(yield* Queue.size(seen), 0)
      })
      const parts = [yield* part(3, [0, 2]), yield* part(3, [1])]
      yield* write(0)
      // Without a cardinal id, so no member's.
      yield* store.append(categories[0] ?? "", numbered(1, 100))
      yield* runAll(parts)
      yield* write(1)
      const [{ consumer } = yield* part(3, [0])] = parts
      assert.strictEqual((yield* Consumer.status(consumer)).lag.messages, names.length)
      yield* runAll(parts)

      const other = [yield* part(2, [0]), yield* part(2, [1])]
      const error = yield* Effect.flip(Consumer.run((yield* part(2, [0, 1])).consumer))
      assert(error instanceof Consumer.GroupSizeChanged)
      yield* Consumer.regroup(consumer, 2)
      yield* write(2)
      yield* runAll(other)
    }))

const places = (it: It) =>
  it.effect("report how far they are, and whether a position is handled, also when the message there is not theirs", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const categories = [yield* newCategory, yield* newCategory]
      const { consumer, id, take } = yield* collecting({ categories }, { checkpoint: { interval: "10 millis" } })
      const write = Effect.fnUntraced(function*(category: string | undefined, data: number) {
        return (yield* store.append(`${category}-1`, numbered(1, data))).globalPosition
      })
      const positions = [yield* write(categories[0], 0), yield* write(categories[1], 1)]
      const before = yield* Consumer.status(consumer)
      assert.deepStrictEqual([before.category, before.lag.messages], [category, 2])
      assert.strictEqual(Option.getOrThrow(before.last).globalPosition, positions[1])
      assert.deepStrictEqual(before.heldBack, Option.none())

      const running = yield* Consumer.start(consumer)
      assert.deepStrictEqual(yield* take(2), [0, 1])
      yield* running.waitFor(positions[1] ?? 0)
      yield* running.waitFor(yield* write(yield* newCategory, 2))
      yield* Consumer.waitFor(consumer, positions[1] ?? 0, { interval: "5 millis" })
      yield* Consumer.waitFor(consumer, yield* write(yield* newCategory, 3), { interval: "5 millis" })
      const after = yield* Consumer.status(consumer)
      assert.strictEqual(after.lag.messages, 0)
      assert.isAtLeast(Option.getOrElse(yield* positionOf(id), () => ({ position: 0 })).position, positions[1] ?? 0)

      const everything = Consumer.make(yield* newCategory).on(Consumer.all, {})
      assert.strictEqual((yield* Consumer.status(everything)).lag.messages, 0)
      const counting = Consumer.make(yield* newCategory, { start: { position: positions[0] ?? 0 } }).on(
        Consumer.all,
        () => Effect.void
      )
      // Two of this test's categories, two of others; no position yet.
      assert.strictEqual((yield* Consumer.status(counting)).lag.messages, 4)
    }).pipe(Effect.scoped))

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const parking = (it: It) =>
  it.effect("park a message with those after it in its stream; streams of other categories flow, also with the same id", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const id = yield* newCategory
      const categories = [yield* newCategory, yield* newCategory]
      const [first, second] = categories.map((category) => `${category}-1`)
      assert(first !== undefined && second !== undefined)
      const seen = yield* Queue.unbounded<RecordedMessage>()
      let isBroken = true
      const consumer = Consumer.make(id, {
        onFailure: "park",
        retry: Schedule.recurs(0),
        poll: { min: "10 millis", max: "50 millis" }
      }).on(
        Consumer.allOf({ categories }),
        (message) => isBroken && message.streamName === first ? Effect.fail(new Refused()) : Queue.offer(seen, message)
      )
      const fiber = yield* run(consumer)
      yield* store.append(first, numbered(1, 0))
      yield* store.append(`${first}+part`, numbered(1, 1))
      yield* store.append(second, numbered(1, 10))
      assert.deepStrictEqual(dataOf(yield* Queue.takeN(seen, 1)), [10])
      const [parked, ...others] = yield* Stream.runCollect(Parking.list(consumer))
      assert.deepStrictEqual(others, [])
      assert.strictEqual(parked?.stream, first)
      assert.deepStrictEqual(parked?.messages.map(({ streamName }) => String(streamName)), [first, `${first}+part`])
      assert.lengthOf(yield* readStream(`${category}:parked-${id}+${first}`), 2)
      isBroken = false
      yield* store.append(first, numbered(1, 2))
      assert.strictEqual(yield* Parking.replay({ id, category }, { stream: first }), 1)
      assert.deepStrictEqual(dataOf(yield* Queue.takeN(seen, 3)), [0, 1, 2])
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* Queue.size(seen), 0)
    }))

export const tests = (it: It) =>
  describe("consumers of more than one category", () => {
    reading(it)
    ordering(it)
    groups(it)
    places(it)
    parking(it)
  })
