import { assert, describe } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import { Status, StoredConsumer } from "eventfold/ConsumerStatus"
import * as Entity from "eventfold/Entity"
import { MessageStore, transaction } from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import * as Process from "eventfold/Process"
import { dataOf, type It, newCategory, numbered, readCategory, readStream, type Supports, upTo } from "./fixtures.ts"

const inStreams = Effect.provide(PositionStore.layerStreams)

/** A consumer whose position is written after each message, and the numbers that it has handled. */
const numbering = Effect.fnUntraced(function*(category: string, options: Consumer.Options = {}) {
  const seen = yield* Queue.unbounded<unknown>()
  const consumer = Consumer.make("test", { checkpoint: { every: 1 }, ...options }).on(category, {
    Numbered: ({ data }) => Queue.offer(seen, data)
  })
  /** Runs it until it has handled so many messages. */
  const take = Effect.fnUntraced(function*(count: number) {
    const fiber = yield* Effect.forkChild(Consumer.run(consumer))
    const taken = yield* Queue.takeN(seen, count)
    yield* Fiber.interrupt(fiber)
    return taken
  })
  return { consumer, seen, take }
})

const get = (key: PositionStore.Key) => Effect.flatMap(PositionStore.PositionStore, (positions) => positions.get(key))

const put = (key: PositionStore.Key, position: PositionStore.Position) =>
  Effect.flatMap(PositionStore.PositionStore, (positions) => positions.put(key, position))

/** As a consumer in Ruby does, or a program with the position store of streams. */
const record = (category: string, position: number) =>
  Effect.flatMap(
    MessageStore,
    (store) => store.append(`${category}:position-test`, { type: "Recorded", data: { position } })
  )

/** Appends numbers to a stream, one by one, and gives their global positions. */
const write = Effect.fnUntraced(function*(category: string, count: number) {
  const store = yield* MessageStore
  const results = yield* Effect.forEach(upTo(count), (i) => store.append(`${category}-1`, numbered(1, i)))
  return results.map(({ globalPosition }) => globalPosition)
})

const keeping = (it: It) => {
  it.effect("are kept by category, consumer and member; each write replaces the one before", () =>
    Effect.gen(function*() {
      const [category, other] = [yield* newCategory, yield* newCategory]
      const keys = [category, `${category}:command`, other].flatMap((category) =>
        ["test", "test+0", "other", "te'st \u00e9"].flatMap((consumerId) =>
          [undefined, 0, 1, 40_000].map((member): PositionStore.Key => ({ category, consumerId, member }))
        )
      ).filter(({ consumerId, member }) => consumerId !== "test+0" || member !== undefined)
      for (const key of keys) assert.deepStrictEqual(yield* get(key), Option.none())
      for (const [i, key] of keys.entries()) {
        yield* put(key, { position: 1_000 })
        yield* put(key, i % 2 === 0 ? { position: i } : { position: i, groupSize: 40_001 })
      }
      for (const [i, key] of keys.entries()) {
        assert.deepStrictEqual(
          yield* get(key),
          Option.some(i % 2 === 0 ? { position: i } : { position: i, groupSize: 40_001 })
        )
      }
      const [first] = keys
      assert(first !== undefined)
      for (const position of [Number.MAX_SAFE_INTEGER, 0]) {
        yield* put(first, { position })
        assert.deepStrictEqual(yield* get(first), Option.some({ position }))
      }
    }))

  it.effect("may be set back: the consumer handles the messages after them again", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const [first = 0] = yield* write(category, 3)
      const { take } = yield* numbering(category)
      assert.deepStrictEqual(yield* take(3), [0, 1, 2])
      yield* put({ category, consumerId: "test" }, { position: first })
      assert.deepStrictEqual(yield* take(2), [1, 2])
    }))
}

const transactions = (it: It) =>
  it.effect("that a transaction writes are there when it commits, and not when it is rolled back", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const key = { category, consumerId: "test" }
      const other = { category, consumerId: "other" }
      yield* put(key, { position: 1 })
      const rolledBack = Effect.gen(function*() {
        yield* put(key, { position: 2 })
        yield* put(other, { position: 2 })
        assert.deepStrictEqual(yield* get(key), Option.some({ position: 2 }))
        yield* Effect.ignore(transaction(Effect.andThen(put(key, { position: 3 }), Effect.fail("inner"))))
        assert.deepStrictEqual(yield* get(key), Option.some({ position: 2 }))
        return yield* Effect.fail("outer")
      })
      assert.strictEqual(yield* Effect.flip(transaction(rolledBack)), "outer")
      assert.deepStrictEqual([yield* get(key), yield* get(other)], [Option.some({ position: 1 }), Option.none()])

      yield* transaction(Effect.gen(function*() {
        yield* put(key, { position: 4 })
        yield* put(key, { position: 5 })
        yield* transaction(put(other, { position: 6 }))
      }))
      assert.deepStrictEqual(
        [yield* get(key), yield* get(other)],
        [Option.some({ position: 5 }), Option.some({ position: 6 })]
      )
    }))

/** What holds where positions are rows. */
const rows = (it: It) => {
  it.effect("leave nothing in the log, those of deadlines neither", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const { seen, consumer } = yield* numbering(category)
      const all = yield* numbering(category)
      const ofAll = Consumer.make(yield* newCategory, { checkpoint: { every: 1 } })
        .on(category, { Numbered: ({ data }) => Queue.offer(all.seen, data) })
        .on(yield* newCategory, () => Effect.void)
      yield* Effect.gen(function*() {
        const running = [yield* Consumer.start(consumer), yield* Consumer.start(ofAll)]
        for (const i of upTo(60)) {
          const { globalPosition } = yield* store.append(`${category}-1`, numbered(1, i))
          yield* Effect.forEach(running, (one) => one.waitFor(globalPosition))
        }
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* Queue.takeN(seen, 60), Array.from(upTo(60)))
      assert.deepStrictEqual(yield* Queue.takeN(all.seen, 60), Array.from(upTo(60)))
      const messages = yield* readCategory(category)
      assert.lengthOf(messages, 60)
      const last = messages.at(-1)?.globalPosition ?? 0
      assert.strictEqual(yield* store.lastPosition, last)
      assert.deepStrictEqual(yield* get({ category, consumerId: "test" }), Option.some({ position: last }))
      assert.deepStrictEqual(yield* readCategory(`${category}:position`), [])

      const Order = Category.make(yield* newCategory, { Placed: {} })
      const Reminder = Category.make(yield* newCategory, { Sent: {} })
      const entity = Entity.make(Reminder, { state: Schema.Int, initial: 0, evolve: { Sent: (sent) => sent + 1 } })
      const process = Process.make(yield* newCategory, { entity, checkpoint: { every: 1 } })
        .deadline("late", () => ({ events: Reminder.events.Sent({}) }))
        .on(Order, { Placed: () => ({ events: Reminder.events.Sent({}), deadlines: { late: "1 hour" } }) })
      yield* Effect.gen(function*() {
        const running = yield* Process.start(process)
        yield* running.waitFor((yield* Order.append("1", Order.events.Placed({}))).globalPosition)
      }).pipe(Effect.scoped)
      for (const { category } of process.consumers) {
        assert.deepStrictEqual(yield* readCategory(`${category}:position`), [])
      }
    }))

  it.effect("in a row count, whatever comes to the stream, until the stream's is taken over", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const [first = 0, second = 0, third = 0] = yield* write(category, 4)
      yield* record(category, first)
      const { consumer, take } = yield* numbering(category)
      // Without a row, from the stream.
      assert.deepStrictEqual(yield* take(3), [1, 2, 3])
      yield* record(category, second)
      const { members } = yield* Consumer.status(consumer)
      assert.isAbove(Option.getOrThrow(members[0]?.position ?? Option.none()), third)
      // Set back, as by an operator: the stream is further and does not count.
      yield* put({ category, consumerId: "test" }, { position: 0 })
      assert.deepStrictEqual(yield* take(4), [0, 1, 2, 3])

      assert.deepStrictEqual(yield* Consumer.takeOver(consumer), [{ member: undefined, position: second }])
      assert.deepStrictEqual(yield* take(2), [2, 3])
      yield* record(category, third)
      assert.deepStrictEqual(yield* Consumer.takeOver(consumer), [{ member: undefined, position: third }])
      const status = yield* Consumer.status(consumer)
      assert.deepStrictEqual(status.members[0]?.position, Option.some(third))
      assert.strictEqual(status.lag.messages, 1)
      assert.deepStrictEqual(yield* take(1), [3])
    }))

  it.effect("go to the stream for a consumer in Ruby, and back again, by the layer of streams", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const positions = yield* write(category, 3)
      const { consumer, take } = yield* numbering(category)
      assert.deepStrictEqual(yield* take(3), [0, 1, 2])
      const stream = Effect.map(readStream(`${category}:position-test`), dataOf)
      assert.deepStrictEqual(yield* stream, [])

      // Without a stream, from the row.
      const { globalPosition: fourth } = yield* store.append(`${category}-1`, numbered(1, 3))
      assert.deepStrictEqual(yield* inStreams(take(1)), [3])
      assert.deepStrictEqual((yield* stream).at(-1), { position: fourth })
      assert.deepStrictEqual((yield* inStreams(Consumer.status(consumer))).lag.messages, 0)
      // The row has stayed behind.
      assert.deepStrictEqual(yield* take(1), [3])
      const { globalPosition: fifth } = yield* store.append(`${category}-1`, numbered(1, 4))
      assert.deepStrictEqual(yield* take(1), [4])

      // To Ruby, which finds this in the stream.
      assert.deepStrictEqual(yield* inStreams(Consumer.takeOver(consumer)), [{ member: undefined, position: fifth }])
      assert.deepStrictEqual((yield* stream).at(-1), { position: fifth })
      const { globalPosition: sixth } = yield* store.append(`${category}-1`, numbered(2, 5))
      yield* record(category, sixth - 1)
      // And back.
      assert.deepStrictEqual(yield* Consumer.takeOver(consumer), [{ member: undefined, position: sixth - 1 }])
      assert.deepStrictEqual(yield* take(1), [6])
      assert.lengthOf(positions, 3)
    }))

  it.effect("of a group are taken over member by member, of one size, and while no member runs", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const grouped = (size: number) => numbering(category, { group: { size, members: [0] } })
      const two = yield* grouped(2)
      assert.deepStrictEqual(yield* Consumer.takeOver(two.consumer), [])
      const member = (member: number): PositionStore.Key => ({ category, consumerId: "test", member })
      yield* inStreams(put(member(0), { position: 7, groupSize: 2 }))
      yield* inStreams(put(member(1), { position: 9, groupSize: 2 }))
      yield* put(member(1), { position: 100, groupSize: 2 })
      assert.deepStrictEqual(yield* get(member(0)), Option.some({ position: 7, groupSize: 2 }))
      const three = yield* grouped(3)
      const refused = yield* Effect.flip(Consumer.takeOver(three.consumer))
      assert(refused instanceof Consumer.GroupSizeChanged)
      assert.deepStrictEqual([refused.recorded, refused.given], [2, 3])
      assert.deepStrictEqual(yield* get(member(1)), Option.some({ position: 100, groupSize: 2 }))

      yield* Effect.gen(function*() {
        const store = yield* MessageStore
        assert.isTrue(Option.isSome(yield* store.lease(`consumer ${PositionStore.streamName(member(1))}`)))
        const error = yield* Effect.flip(Consumer.takeOver(two.consumer))
        assert(error instanceof Consumer.ConsumerIsRunning)
        assert.deepStrictEqual(error.member, Option.some(1))
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* Consumer.takeOver(two.consumer), [
        { member: 0, position: 7 },
        { member: 1, position: 9 }
      ])
      assert.deepStrictEqual(yield* get(member(1)), Option.some({ position: 9, groupSize: 2 }))
      // Divided again from the rows.
      assert.strictEqual(yield* Consumer.regroup(two.consumer, 3), 7)
      assert.deepStrictEqual(yield* get(member(2)), Option.some({ position: 7, groupSize: 3 }))
    }))
}

/** What holds where positions are messages. */
const streams = (it: It) =>
  it.effect("are messages of the stream, so there is nothing to take over", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const [first = 0, second = 0] = yield* write(category, 3)
      const { consumer, take } = yield* numbering(category)
      yield* record(category, first)
      assert.deepStrictEqual(yield* take(2), [1, 2])
      yield* record(category, second)
      assert.deepStrictEqual(yield* take(1), [2])
      assert.deepStrictEqual(yield* Consumer.takeOver(consumer), [])
      assert.deepStrictEqual(yield* inStreams(Consumer.takeOver(consumer)), [])
      const recorded = dataOf(yield* readStream(`${category}:position-test`))
      assert.deepStrictEqual(recorded.at(-1), { position: second + 1 })
    }))

/** The consumers of a category, as the store knows them. */
const listed = (category: string) =>
  Effect.map(
    Stream.runCollect(Stream.filter(Consumer.list, (one) => one.category === category)),
    (found) => found.toSorted((a, b) => Option.getOrElse(a.member, () => -1) - Option.getOrElse(b.member, () => -1))
  )

const lists = (it: It) => {
  it.effect("are listed beside streams that look like those of positions", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const [, second = 0] = yield* write(category, 2)
      const store = yield* MessageStore
      const tell = (streamName: string, position: number) =>
        store.append(streamName, { type: "Recorded", data: { position } })
      yield* tell(`:position-${category}`, 1)
      yield* tell(`${category}:position-before`, -5)
      yield* tell(`${category}:position-a+01`, 1)
      yield* tell(`${category}:position-a+1`, 1)
      yield* tell(`${category}:position-a+99999999999999999999`, 1)
      yield* tell(`${category}:position-["\n.*+2`, 1)
      const found = yield* listed(category)
      assert.sameDeepMembers(
        found.map(({ consumer, member, position }) => [consumer, Option.getOrNull(member), position]),
        [
          ["before", null, -5],
          ["a+01", null, 1],
          ["a", 1, 1],
          ["a+99999999999999999999", null, 1],
          ["[\"\n.*", 2, 1]
        ]
      )
      const before = found.find(({ consumer }) => consumer === "before")
      assert.strictEqual(before?.behind.positions, second + 5)
      assert.isTrue(Option.isSome(before?.behind.age ?? Option.none()))
      yield* Schema.encodeEffect(Schema.toCodecJson(Schema.Array(StoredConsumer)))(found)
    }))

  it.effect("are listed without definitions: rows and streams, each consumer once, with what it is behind", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const [first = 0, , third = 0] = yield* write(category, 3)
      assert.deepStrictEqual(yield* listed(category), [])
      yield* record(category, first)
      const [found] = yield* listed(category)
      assert(found !== undefined)
      assert.deepInclude(found, {
        consumer: "test",
        category,
        member: Option.none(),
        groupSize: Option.none(),
        position: first,
        place: "stream"
      })
      assert.strictEqual(found.behind.positions, third - first)
      assert.isTrue(Option.isSome(found.behind.age))
      yield* put({ category, consumerId: "test" }, { position: third })
      const [moved, ...others] = yield* listed(category)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(moved?.position, third)
      assert.deepStrictEqual(moved?.behind, { positions: 0, age: Option.none() })
      const codec = Schema.fromJsonString(Schema.toCodecJson(StoredConsumer))
      assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(found)), found)
      const { consumer } = yield* numbering(category)
      const status = yield* Consumer.status(consumer)
      const ofStatus = Schema.fromJsonString(Schema.toCodecJson(Status))
      assert.deepStrictEqual(yield* Schema.decodeEffect(ofStatus)(yield* Schema.encodeEffect(ofStatus)(status)), status)
    }))

  it.effect("are listed member by member, in pages", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const members = upTo(130)
      yield* Effect.forEach(
        members,
        (member) => put({ category, consumerId: "test", member }, { position: member, groupSize: 130 }),
        { concurrency: 8 }
      )
      const found = yield* listed(category)
      assert.deepStrictEqual(found.map(({ member }) => member), members.map(Option.some))
      assert.deepStrictEqual(found.map(({ position }) => position), members)
      assert.deepStrictEqual(found[0]?.groupSize, Option.some(130))
    }))
}

const rewinds = (it: It) => {
  it.effect("can be set back to a message or a time, by those that looked where they are", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const owner = { id: "test", category }
      const store = yield* MessageStore
      const unknown = yield* Effect.flip(Consumer.rewind(owner, { to: "beginning" }))
      assert.strictEqual(unknown._tag, "ConsumerUnknown")
      const [first = 0, second = 0, third = 0] = yield* write(category, 3)
      const { take } = yield* numbering(category)
      assert.deepStrictEqual(yield* take(3), [0, 1, 2])

      const moved = yield* Effect.flip(Consumer.rewind(owner, { to: { position: second }, expected: second }))
      assert(moved instanceof Consumer.ConsumerMoved)
      assert.deepStrictEqual([moved.expected, moved.actual], [second, third])
      const back = yield* Consumer.rewind(owner, { to: { position: second }, expected: third })
      assert.deepStrictEqual(back, [{ member: undefined, from: third, position: second - 1 }])
      assert.deepStrictEqual(yield* take(2), [1, 2])

      const forwards = yield* Effect.flip(Consumer.rewind(owner, { to: { position: third + 1 } }))
      assert.strictEqual(forwards._tag, "InvalidArgument")
      const { time } = Option.getOrThrow(yield* store.messageAt(first))
      const later = DateTime.add(time, { days: 1 })
      assert.include((yield* Effect.flip(Consumer.rewind(owner, { to: { time: later } }))).message, "skips nothing")
      yield* Consumer.rewind(owner, { to: { time } })
      assert.deepStrictEqual(yield* take(3), [0, 1, 2])
      yield* Consumer.rewind(owner, { to: "beginning" })
      assert.deepStrictEqual(yield* take(3), [0, 1, 2])
    }))

  it.effect("are set back for the members of a group that are further, while none runs", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const owner = { id: "test", category }
      const key = (member: number): PositionStore.Key => ({ category, consumerId: "test", member })
      for (const [member, position] of [5, 20, 30].entries()) yield* put(key(member), { position, groupSize: 3 })
      yield* Effect.gen(function*() {
        const store = yield* MessageStore
        assert.isTrue(Option.isSome(yield* store.lease(`consumer ${PositionStore.streamName(key(2))}`)))
        const error = yield* Effect.flip(Consumer.rewind(owner, { to: "beginning" }))
        assert(error instanceof Consumer.ConsumerIsRunning)
      }).pipe(Effect.scoped)
      const lowest = yield* Effect.flip(Consumer.rewind(owner, { to: { position: 11 }, expected: 20 }))
      assert(lowest instanceof Consumer.ConsumerMoved)
      assert.deepStrictEqual(yield* Consumer.rewind(owner, { to: { position: 11 }, expected: 5 }), [
        { member: 1, from: 20, position: 10 },
        { member: 2, from: 30, position: 10 }
      ])
      assert.deepStrictEqual(yield* Effect.forEach([0, 1, 2], (member) => get(key(member))), [
        Option.some({ position: 5, groupSize: 3 }),
        Option.some({ position: 10, groupSize: 3 }),
        Option.some({ position: 10, groupSize: 3 })
      ])
    }))

  it.effect("are set back for a group whose first member has none yet", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const key: PositionStore.Key = { category, consumerId: "test", member: 1 }
      yield* put(key, { position: 20, groupSize: 2 })
      assert.deepStrictEqual(yield* Consumer.rewind({ id: "test", category }, { to: { position: 11 } }), [
        { member: 1, from: 20, position: 10 }
      ])
      assert.deepStrictEqual(yield* get(key), Option.some({ position: 10, groupSize: 2 }))
    }))
}

export const tests = (it: It, supports: Supports) =>
  describe("positions of consumers", () => {
    keeping(it)
    lists(it)
    rewinds(it)
    if (supports("transactions")) transactions(it)
    if (supports("positions")) rows(it)
    else streams(it)
  })
