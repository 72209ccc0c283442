import { assert, describe } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { nextId } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { InvalidArgument, Unsupported } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import {
  dataOf,
  type It,
  newCategory,
  newStream,
  numbered,
  positions,
  readCategory,
  readStream,
  type Supports,
  upTo,
  withIds
} from "./fixtures.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const streamPages = (it: It, supports: Supports) => {
  it.effect("gives what was written", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      const before = yield* DateTime.now
      yield* store.append(streamName, { type: "A", data: { a: 1 }, metadata: { correlationStreamName: "x-1" } })
      const [message] = yield* readStream(streamName)
      assert(message !== undefined)
      const { globalPosition, id, time, ...rest } = message
      assert.deepStrictEqual({ ...rest }, {
        streamName: rest.streamName,
        type: "A",
        position: 0,
        data: { a: 1 },
        metadata: { correlationStreamName: "x-1" }
      })
      assert.strictEqual(rest.streamName, streamName)
      assert.isTrue(Number.isSafeInteger(globalPosition))
      assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      // The store's clock is not the test's, but both tell UTC.
      assert.isBelow(Duration.toMinutes(DateTime.distance(before, time)), 10)
    }))

  it.effect("is empty for a stream that does not exist", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      assert.deepStrictEqual(yield* readStream(streamName), [])
      assert.deepStrictEqual(yield* store.streamVersion(streamName), Option.none())
      assert.deepStrictEqual(yield* store.lastMessage(streamName), Option.none())
    }))

  const options = {
    from: Schema.Union([between(0, 30), Schema.Undefined]),
    limit: Schema.Union([between(0, 30), Schema.Undefined]),
    batchSize: between(1, 12),
    direction: supports("backwards") ? Schema.Literals(["forwards", "backwards"]) : Schema.Literal("forwards")
  }
  it.effect("pages of any size from any place, forwards and backwards, give the same messages", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      yield* store.append(streamName, numbered(23))
      yield* Arbitrary.checkEffect(
        Arbitrary.schema(Schema.Struct(options)),
        Effect.fnUntraced(function*({ batchSize, direction, from, limit }) {
          const found = positions(yield* readStream(streamName, { batchSize, direction, from, limit }))
          const ordered = direction === "forwards"
            ? upTo(23).filter((position) => position >= (from ?? 0))
            : upTo(23).toReversed().filter((position) => position <= (from ?? 22))
          assert.deepStrictEqual(found, ordered.slice(0, limit))
          return true
        }),
        { runs: 30 }
      ).pipe(Effect.map((result) => assert.isUndefined(Arbitrary.formatCheckFailure(result))))
    }))

  it.effect("gives callers that read many streams at once each its own, short and long, from where it asked", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const lengths = [0, 1, 2, 127, 128, 129, 300]
      const names = lengths.map((length) => `${category}-${length}`)
      yield* Effect.forEach(lengths.slice(1), (length) => store.append(`${category}-${length}`, numbered(length)))
      const asked = upTo(3).flatMap(() =>
        names.flatMap((name, i) =>
          [0, 1, 127, 128, 129].flatMap((from) =>
            [undefined, 5, 200].map((limit) => ({ name, length: lengths[i] ?? 0, from, limit }))
          )
        )
      )
      const found = yield* Effect.forEach(
        asked,
        ({ from, limit, name }) => readStream(name, { from, ...limit === undefined ? {} : { limit } }),
        { concurrency: "unbounded" }
      )
      for (const [i, { from, length, limit, name }] of asked.entries()) {
        const messages = found[i] ?? []
        assert.deepStrictEqual(dataOf(messages), upTo(length).slice(from, limit === undefined ? length : from + limit))
        assert.deepStrictEqual(positions(messages), dataOf(messages) as ReadonlyArray<number>)
        assert.isTrue(messages.every(({ streamName }) => streamName === name))
      }
    }))

  it.effect("sees what was written before it, beside any number of others", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const outdated = yield* Effect.forEach(upTo(40), (i) =>
        Effect.gen(function*() {
          const name = `${category}-${i % 10}`
          let count = 0
          for (const _ of upTo(5)) {
            const { version } = yield* store.append(name, { type: "A", data: i })
            if ((yield* readStream(name)).length <= version) count += 1
          }
          return count
        }), { concurrency: "unbounded" })
      assert.deepStrictEqual(outdated, outdated.map(() => 0))
    }))

  it.effect("gives large pages whole and in order", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const streamName = `${category}-1`
      yield* store.append(streamName, numbered(700))
      const options = { batchSize: 300, limit: 650 }
      assert.deepStrictEqual(positions(yield* readStream(streamName, options)), upTo(650))
      assert.deepStrictEqual(positions(yield* readCategory(category, options)), upTo(650))
      assert.deepStrictEqual(dataOf(yield* readStream(streamName)), upTo(700))
    }))
}

const streamEnds = (it: It, supports: Supports) => {
  it.effect("reads backwards from the end, or fails with Unsupported", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      const backwards = readStream(streamName, { direction: "backwards", limit: 2 })
      if (!supports("backwards")) {
        return assert.instanceOf(yield* Effect.flip(backwards), Unsupported)
      }
      assert.deepStrictEqual(yield* backwards, [])
      yield* store.append(streamName, numbered(5))
      assert.deepStrictEqual(dataOf(yield* backwards), [4, 3])
    }))

  it.effect("refuses a category's name and options out of range", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      for (const name of [category, "", `${category}:command`]) {
        assert.instanceOf(yield* Effect.flip(readStream(name)), StreamName.InvalidStreamName)
      }
      const wrong = [{ from: -1 }, { from: 0.5 }, { from: Number.NaN }, { limit: -1 }, { batchSize: 0 }]
      for (const options of wrong) {
        const error = yield* Effect.flip(readStream(`${category}-1`, options))
        assert(error instanceof InvalidArgument)
        assert.strictEqual(error.argument, Object.keys(options)[0])
      }
    }))

  it.effect("lastMessage gives the last message, and the last of a type", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      yield* store.append(streamName, [
        { type: "A", data: 0 },
        { type: "B", data: 1 },
        { type: "A", data: 2 },
        { type: "C", data: 3 }
      ])
      const last = (type?: string) =>
        Effect.map(store.lastMessage(streamName, { type }), Option.map((message) => message.data))
      assert.deepStrictEqual(yield* last(), Option.some(3))
      assert.deepStrictEqual(yield* last("A"), Option.some(2))
      assert.deepStrictEqual(yield* last("B"), Option.some(1))
      assert.deepStrictEqual(yield* last("a"), Option.none())
      assert.deepStrictEqual(yield* store.streamVersion(streamName), Option.some(3))
    }))

  it.effect("lastMessage takes a bare category name for the stream of that name", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      yield* store.append(category, { type: "A", data: "bare" })
      yield* store.append(`${category}-1`, { type: "A", data: "with an id" })
      const last = yield* store.lastMessage(category)
      assert.deepStrictEqual(Option.map(last, (message) => message.data), Option.some("bare"))
      assert.deepStrictEqual(yield* store.streamVersion(category), Option.some(0))
    }))
}

const streams = (it: It, supports: Supports) =>
  describe("readStream", () => {
    streamPages(it, supports)
    streamEnds(it, supports)
  })
const single = (it: It) =>
  describe("findMessage", () => {
    it.effect("gives the message with the id, whatever its case, as reading the stream does", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const streamName = yield* newStream
        const messages = yield* withIds(numbered(1_500))
        yield* store.append(streamName, messages)
        const recorded = yield* readStream(streamName)
        for (const position of [0, 1, 1_023, 1_024, 1_499]) {
          const id = messages[position]?.id ?? ""
          assert.deepStrictEqual(yield* store.findMessage(streamName, id), Option.some(recorded[position]))
          assert.deepStrictEqual(yield* store.messageById(id.toUpperCase()), Option.some(recorded[position]))
          assert.deepStrictEqual(
            yield* store.findMessage(streamName, id.toUpperCase()),
            Option.some(recorded[position])
          )
        }
      }))

    it.effect("finds nothing in another stream, or under an id that no message has", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const streamName = yield* newStream
        const id = yield* nextId
        assert.deepStrictEqual(yield* store.findMessage(streamName, id), Option.none())
        assert.deepStrictEqual(yield* store.messageById(id), Option.none())
        yield* store.append(streamName, { id, type: "A", data: 1, metadata: { schemaVersion: "2" } })
        for (const other of [`${streamName}0`, streamName.toUpperCase(), StreamName.category(streamName)]) {
          assert.deepStrictEqual(yield* store.findMessage(other, id), Option.none())
        }
        assert.deepStrictEqual(yield* store.findMessage(streamName, yield* nextId), Option.none())
        const found = Option.getOrThrow(yield* store.findMessage(streamName, id))
        assert.deepStrictEqual([found.position, found.data, found.metadata], [0, 1, { schemaVersion: "2" }])
      }))

    it.effect("takes a bare category name for the stream of that name, and refuses an empty name and an id that is not a UUID", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const id = yield* nextId
        yield* store.append(category, { id, type: "A", data: "bare" })
        const found = yield* store.findMessage(category, id)
        assert.deepStrictEqual(Option.map(found, (message) => message.data), Option.some("bare"))
        assert.instanceOf(yield* Effect.flip(store.findMessage("", id)), StreamName.InvalidStreamName)
        for (const wrong of ["", "1", id.slice(1), `${id} `, `{${id}}`, `${id}\n`, id.replaceAll("-", "")]) {
          const error = yield* Effect.flip(store.findMessage(category, wrong))
          assert(error instanceof InvalidArgument)
          assert.strictEqual(error.argument, "id")
        }
      }))
  })

const filters = (it: It) => {
  it.effect("gives all streams of the category and no others, by global position", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const mine = [`${category}-1`, `${category}-2`, category, `${category}-1+2`, `${category}-`]
      const others = [`${category}:command-1`, `${category}s-1`, `x${category}-1`, `${category.toUpperCase()}-1`]
      for (const [i, name] of [...mine, ...others, ...mine].entries()) {
        yield* store.append(name, { type: "A", data: i })
      }
      const recorded = yield* readCategory(category)
      assert.deepStrictEqual(recorded.map((message) => message.streamName as string), [...mine, ...mine])
      const globalPositions = recorded.map((message) => message.globalPosition)
      assert.deepStrictEqual(globalPositions, globalPositions.toSorted((a, b) => a - b))
      assert.deepStrictEqual(dataOf(yield* readCategory(`${category}:command`)), [mine.length])
    }))

  it.effect("begins at a global position, inclusive, and stops at a limit, with pages of any size", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      for (const i of upTo(7)) yield* store.append(`${category}-${i % 3}`, numbered(2, i * 2))
      const all = yield* readCategory(category)
      for (const batchSize of [1, 2, 5, 14, 100]) {
        for (const [i, { globalPosition }] of all.entries()) {
          const rest = yield* readCategory(category, { from: globalPosition, batchSize, limit: 4 })
          assert.deepStrictEqual(rest, all.slice(i, i + 4))
        }
      }
      assert.deepStrictEqual(yield* readCategory(category, { from: (all.at(-1)?.globalPosition ?? 0) + 1 }), [])
      assert.deepStrictEqual(yield* readCategory(category, { from: 0 }), all)
    }))

  it.effect("filters by the category of the correlation stream", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const correlations = ["order-9", "order-8+7", "order", "orders-9", "Order-1", undefined]
      for (const correlationStreamName of correlations) {
        const metadata = correlationStreamName === undefined ? {} : { correlationStreamName }
        yield* store.append(`${category}-1`, { type: "A", data: correlationStreamName ?? null, metadata })
      }
      yield* store.append(`${category}-1`, { type: "A", data: "no metadata" })
      const found = yield* readCategory(category, { correlation: "order", batchSize: 2 })
      assert.deepStrictEqual(dataOf(found), ["order-9", "order-8+7", "order"])
    }))

  it.effect("filters by type, together with every other filter", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      for (const i of upTo(18)) {
        const metadata = i % 2 === 0 ? { correlationStreamName: "order-1" } : {}
        yield* store.append(`${category}-${i % 4}`, { type: ["A", "B", "a"][i % 3] ?? "", data: i, metadata })
        yield* store.append(`${category}s-1`, { type: "A", data: "other" })
      }
      const all = yield* readCategory(category)
      const froms = [1, all[7]?.globalPosition ?? 0]
      const lists = [["A"], ["B", "A", "B"], ["C"], ["a", "B", "A", "C"]]
      const groups = [undefined, { member: 0, size: 2 }, { member: 1, size: 2 }]
      for (const types of lists) {
        for (const from of froms) {
          for (const correlation of [undefined, "order"]) {
            for (const consumerGroup of groups) {
              const options = { from, correlation, consumerGroup }
              const wanted = (yield* readCategory(category, options)).filter(({ type }) => types.includes(type))
              assert.deepStrictEqual(yield* readCategory(category, { ...options, types, batchSize: 2 }), wanted)
              assert.strictEqual(yield* store.countCategory(category, { ...options, types }), wanted.length)
            }
          }
        }
      }
      assert.lengthOf(yield* readCategory(category, { types: ["A", "B"] }), 12)
      assert.lengthOf(yield* readCategory(category, { types: ["A", "B"], limit: 5, batchSize: 2 }), 5)
    }))
}

const members = (it: It, supports: Supports) => {
  it.effect("shares a category among the members of a group by the hash of the cardinal id", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const names = [...upTo(20).map((i) => `${category}-${i}`), `${category}-3+a`, `${category}-3+b`, `${category}-`]
      for (const name of [...names, category]) yield* store.append(name, { type: "A", data: name })
      for (const size of [1, 2, 3, 7, ...(supports("largeGroups") ? [40_000] : [])]) {
        const members = size > 100
          ? names.slice(0, 3).map((name) => Option.getOrThrow(StreamName.groupMember(name, size)))
          : upTo(size)
        for (const member of members) {
          const found = yield* readCategory(category, { consumerGroup: { member, size }, batchSize: 4 })
          // A stream without an id belongs to no member, as in Message DB.
          const expected = names.filter((name) => Option.contains(StreamName.groupMember(name, size), member))
          assert.deepStrictEqual(dataOf(found), expected)
        }
      }
    }))

  it.effect("refuses stream names, correlations with an id, groups and options out of range", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      for (const name of [`${category}-1`, "", "-"]) {
        assert.instanceOf(yield* Effect.flip(readCategory(name)), StreamName.InvalidCategory)
      }
      const correlation = yield* Effect.flip(readCategory(category, { correlation: "order-1" }))
      assert.instanceOf(correlation, StreamName.InvalidCategory)
      const wrong = [
        { from: -1 },
        { from: 1.5 },
        { limit: -1 },
        { batchSize: 0 },
        { consumerGroup: { member: 0, size: 0 } },
        { consumerGroup: { member: -1, size: 2 } },
        { consumerGroup: { member: 2, size: 2 } },
        { consumerGroup: { member: 0.5, size: 2 } },
        { types: [] },
        { types: ["A", ""] },
        { types: ["A\0"] }
      ]
      for (const options of wrong) {
        assert.instanceOf(yield* Effect.flip(readCategory(category, options)), InvalidArgument)
      }
    }))
}

const categories = (it: It, supports: Supports) =>
  describe("readCategory", () => {
    filters(it)
    members(it, supports)
  })
const ends = (it: It) =>
  describe("lastCategoryMessage", () => {
    it.effect("gives the message with the highest global position, of whatever stream, as reading the category does", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        for (const name of [`${category}-2`, `${category}-1`, category, `${category}-1+2`, `${category}-2`]) {
          yield* store.append(name, numbered(2))
          for (const other of [`${category}s-1`, `${category}:command-1`, `x${category}-1`]) {
            yield* store.append(other, numbered(1))
          }
          const last = (yield* readCategory(category)).at(-1)
          assert.strictEqual(last?.streamName as string, name)
          assert.deepStrictEqual(yield* store.lastCategoryMessage(category), Option.fromUndefinedOr(last))
        }
      }))

    it.effect("finds nothing in a category without messages, between others by name, and refuses the name of a stream", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        for (const name of [`${category}a-1`, `${category}z-1`]) yield* store.append(name, numbered(1))
        for (const missing of [category, `${category}m`, category.toUpperCase()]) {
          assert.deepStrictEqual(yield* store.lastCategoryMessage(missing), Option.none())
        }
        for (const name of [`${category}-1`, ""]) {
          assert.instanceOf(yield* Effect.flip(store.lastCategoryMessage(name)), StreamName.InvalidCategory)
        }
      }))
  })

const counting = (it: It) =>
  describe("countCategory", () => {
    it.effect("counts what readCategory reads: from a global position on, by correlation, for a member of a group", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        for (const i of upTo(20)) {
          const metadata = i % 3 === 0 ? { correlationStreamName: `order-${i}` } : {}
          yield* store.append(`${category}-${i}+x`, [{ type: "A", data: i, metadata }, { type: "A", data: i }])
          yield* store.append(`${category}s-${i}`, numbered(1))
        }
        yield* store.append(category, numbered(3))
        const all = yield* readCategory(category)
        const froms = [undefined, 0, ...[0, 1, 10, 42].map((i) => all[i]?.globalPosition ?? -1)]
        const correlations = [undefined, "order", "orders"]
        const groups = [undefined, { member: 0, size: 1 }, ...upTo(3).map((member) => ({ member, size: 3 }))]
        const counts = new Set<number>()
        for (const from of froms) {
          for (const correlation of correlations) {
            for (const consumerGroup of groups) {
              const options = { from, correlation, consumerGroup }
              const count = yield* store.countCategory(category, options)
              assert.strictEqual(count, (yield* readCategory(category, options)).length)
              counts.add(count)
            }
          }
        }
        assert.isAtLeast(counts.size, 8)
        assert.strictEqual(yield* store.countCategory(category), 43)
        assert.strictEqual(yield* store.countCategory(category, { from: (all.at(-1)?.globalPosition ?? 0) + 1 }), 0)
        assert.strictEqual(yield* store.countCategory(`${category}m`), 0)
      }))

    it.effect("refuses what readCategory refuses", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        for (const name of [`${category}-1`, ""]) {
          assert.instanceOf(yield* Effect.flip(store.countCategory(name)), StreamName.InvalidCategory)
        }
        const correlation = yield* Effect.flip(store.countCategory(category, { correlation: "order-1" }))
        assert.instanceOf(correlation, StreamName.InvalidCategory)
        const wrong = [{ from: -1 }, { from: 1.5 }, { consumerGroup: { member: 2, size: 2 } }, { types: [] }]
        for (const options of wrong) {
          assert.instanceOf(yield* Effect.flip(store.countCategory(category, options)), InvalidArgument)
        }
      }))
  })

const nothing = (through: number) => ({ messages: [], through, hasMore: false, heldBack: Option.none() })

const pages = (it: It) => {
  it.effect("gives page after page what readCategory gives, with how far each goes and whether there is more", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      for (const i of upTo(9)) {
        yield* store.append(`${category}-${i % 3}`, numbered(1, i))
        yield* store.append(`${category}s-1`, numbered(1))
      }
      const all = yield* readCategory(category)
      for (const limit of [1, 2, 3, 9, 10]) {
        const found: Array<unknown> = []
        let hasMore = true
        for (let from = 1; hasMore;) {
          const page = yield* store.readCategoryPage(category, { from, limit })
          found.push(...page.messages)
          assert.strictEqual(page.through, page.messages.at(-1)?.globalPosition ?? from - 1)
          assert.strictEqual(page.hasMore, page.messages.length === limit)
          assert.isTrue(Option.isNone(page.heldBack))
          from = page.through + 1
          hasMore = page.hasMore
        }
        assert.deepStrictEqual(found, all)
      }
      const from = all[4]?.globalPosition ?? 0
      assert.deepStrictEqual((yield* store.readCategoryPage(category, { from, limit: 2 })).messages, all.slice(4, 6))
      assert.deepStrictEqual((yield* store.readCategoryPage(category, { from: 0 })).messages, all)
    }))

  it.effect("gives 1,024 messages unless a limit says otherwise", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      yield* store.append(`${category}-1`, numbered(1_025))
      const { hasMore, messages, through } = yield* store.readCategoryPage(category)
      assert.deepStrictEqual([messages.length, hasMore], [1_024, true])
      const rest = yield* store.readCategoryPage(category, { from: through + 1 })
      assert.deepStrictEqual(dataOf(rest.messages), [1_024])
      assert.isFalse(rest.hasMore)
    }))

  it.effect("gives nothing, as far as before it, when there is nothing to read", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      assert.deepStrictEqual(yield* store.readCategoryPage(category), nothing(0))
      assert.deepStrictEqual(yield* store.readCategoryPage(category, { from: 0 }), nothing(0))
      yield* store.append(`${category}-1`, numbered(3))
      const from = ((yield* readCategory(category)).at(-1)?.globalPosition ?? 0) + 1
      assert.deepStrictEqual(yield* store.readCategoryPage(category, { from }), nothing(from - 1))
      const types = ["Other"]
      assert.deepStrictEqual(yield* store.readCategoryPage(category, { types, limit: 1 }), nothing(0))
    }))

  it.effect("filters by type, correlation and member, as readCategory does", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      for (const i of upTo(24)) {
        const metadata = i % 2 === 0 ? { correlationStreamName: "order-1" } : {}
        yield* store.append(`${category}-${i % 5}`, { type: ["A", "B", "a"][i % 3] ?? "", data: i, metadata })
      }
      for (const types of [undefined, ["A"], ["a", "B"]]) {
        for (const correlation of [undefined, "order"]) {
          for (const consumerGroup of [undefined, { member: 0, size: 2 }, { member: 1, size: 2 }]) {
            const options = { from: 1, types, correlation, consumerGroup }
            const wanted = yield* readCategory(category, options)
            const page = yield* store.readCategoryPage(category, options)
            assert.deepStrictEqual(page.messages, wanted)
            const limited = yield* store.readCategoryPage(category, { ...options, limit: 2 })
            assert.deepStrictEqual(limited.messages, wanted.slice(0, 2))
            assert.strictEqual(limited.hasMore, wanted.length >= 2)
          }
        }
      }
    }))
}

const pageArguments = (it: It) => {
  it.effect("refuses what readCategory refuses, and a limit of 0", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      for (const name of [`${category}-1`, ""]) {
        assert.instanceOf(yield* Effect.flip(store.readCategoryPage(name)), StreamName.InvalidCategory)
      }
      const correlation = yield* Effect.flip(store.readCategoryPage(category, { correlation: "order-1" }))
      assert.instanceOf(correlation, StreamName.InvalidCategory)
      const wrong = [
        { from: -1 },
        { from: 1.5 },
        { limit: 0 },
        { limit: -1 },
        { limit: 1.5 },
        { consumerGroup: { member: 2, size: 2 } },
        { types: [] },
        { types: [""] }
      ]
      for (const options of wrong) {
        assert.instanceOf(yield* Effect.flip(store.readCategoryPage(category, options)), InvalidArgument)
      }
    }))

  it.effect("sees all that was written before it was called, also when several are called at once", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const appendThenRead = (i: number) =>
        Effect.andThen(store.append(`${category}-${i}`, numbered(1, i)), store.readCategoryPage(category))
      const pages = yield* Effect.forEach(upTo(10), appendThenRead, { concurrency: "unbounded" })
      for (const [i, { messages }] of pages.entries()) assert.include(dataOf(messages), i)
    }))
}

const categoryPages = (it: It) =>
  describe("readCategoryPage", () => {
    pages(it)
    pageArguments(it)
  })
export const tests = (it: It, supports: Supports): void => {
  streams(it, supports)
  single(it)
  categories(it, supports)
  ends(it)
  counting(it)
  categoryPages(it)
}
