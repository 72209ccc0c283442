import { assert, describe } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "eventfold/Message"
import { nextId } from "eventfold/Message"
import { MessageStore, type ReadAllOptions } from "eventfold/MessageStore"
import { InvalidArgument } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import { dataOf, type It, newCategory, newStream, numbered, readStream, upTo } from "./fixtures.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const readAll = (options?: ReadAllOptions) =>
  Effect.flatMap(MessageStore, (store) => Stream.runCollect(store.readAll(options)))

/** Reads page by page to the end, as a consumer with a position does. */
const readPages = Effect.fnUntraced(function*(options: ReadAllOptions) {
  const store = yield* MessageStore
  const messages: Array<RecordedMessage> = []
  let from = options.from ?? 1
  while (true) {
    const page = yield* store.readAllPage({ ...options, from })
    assert.isAtLeast(page.through, from - 1)
    assert.isTrue(page.messages.every(({ globalPosition }) => globalPosition >= from && globalPosition <= page.through))
    if (options.limit !== undefined) {
      assert.isAtMost(page.messages.length, options.limit)
      if (page.messages.length === options.limit) {
        assert.strictEqual(page.messages.at(-1)?.globalPosition, page.through)
      }
    }
    if (page.hasMore) assert.isAtLeast(page.through, from)
    messages.push(...page.messages)
    from = page.through + 1
    if (!page.hasMore) return { messages, through: page.through }
  }
})

const streams = (it: It) =>
  describe("readAll", () => {
    it.effect("gives the messages of all categories by global position", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const names = [yield* newStream, yield* newCategory, yield* newStream]
        for (const i of upTo(9)) yield* store.append(names[i % 3] ?? "", numbered(2, i * 2))
        // Refused, which may leave a gap.
        const taken = { id: yield* nextId, type: "A", data: 0 }
        yield* store.append(names[0] ?? "", taken)
        yield* Effect.flip(store.append(names[1] ?? "", taken))
        yield* store.append(names[2] ?? "", numbered(1, 18))

        const all = yield* readAll({ batchSize: 5 })
        const globalPositions = all.map((message) => message.globalPosition)
        assert.deepStrictEqual(globalPositions, [...new Set(globalPositions)].toSorted((a, b) => a - b))
        const own = all.filter((message) => names.includes(message.streamName) && message.type === "Numbered")
        assert.deepStrictEqual(dataOf(own), upTo(19))

        const from = own[4]?.globalPosition ?? 0
        const some = yield* readAll({ from, limit: 3, batchSize: 2 })
        assert.deepStrictEqual(some, all.filter((message) => message.globalPosition >= from).slice(0, 3))
        assert.deepStrictEqual(yield* readAll({ from: (globalPositions.at(-1) ?? 0) + 1 }), [])
      }))

    it.effect("refuses options out of range, invalid categories, and filters that exclude everything", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const wrong = [{ from: -1 }, { from: 0.5 }, { categories: [] }, { types: [] }, { types: ["A", ""] }]
        for (const options of [...wrong, { limit: -1 }, { batchSize: 0 }]) {
          const error = yield* Effect.flip(readAll(options))
          assert(error instanceof InvalidArgument)
          assert.strictEqual(error.argument, Object.keys(options)[0])
        }
        for (const options of [...wrong, { limit: 0 }, { limit: 1.5 }]) {
          const error = yield* Effect.flip(store.readAllPage(options))
          assert(error instanceof InvalidArgument)
          assert.strictEqual(error.argument, Object.keys(options)[0])
        }
        for (const categories of [["a-1"], ["a", ""]]) {
          assert.instanceOf(yield* Effect.flip(readAll({ categories })), StreamName.InvalidCategory)
          assert.instanceOf(yield* Effect.flip(store.readAllPage({ categories })), StreamName.InvalidCategory)
        }
        assert.instanceOf(yield* Effect.flip(store.heldBack({ from: -1 })), InvalidArgument)
        assert.instanceOf(yield* Effect.flip(store.messageAt(0.5)), InvalidArgument)
      }))
  })

const filters = (it: It) =>
  describe("readAll with filters", () => {
    it.effect("pages of any size, from any place, of any categories and types, give the same messages", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const names = [yield* newCategory, yield* newCategory, yield* newCategory]
        const types = ["A", "B", "C"]
        const { globalPosition: start } = yield* store.append(names[0] ?? "", numbered(1))
        for (const i of upTo(40)) {
          // The first category goes quiet, the last one is rare, and types come in runs.
          const category = i % 11 === 0 ? names[2] : i < 20 && i % 2 === 0 ? names[0] : names[1]
          yield* store.append(`${category}-${i % 3}`, { type: types[(i >> 2) % 3] ?? "", data: i })
        }
        const all = yield* readAll({ from: start + 1 })
        assert.lengthOf(all, 40)

        const some = Schema.Array(between(0, 3)).check(Schema.isMinLength(1), Schema.isMaxLength(5))
        const Options = Schema.Struct({
          from: between(0, 42),
          limit: between(1, 45),
          batchSize: between(1, 12),
          categories: Schema.Union([Schema.Undefined, some]),
          types: Schema.Union([Schema.Undefined, some])
        })
        const none = yield* newCategory
        yield* Arbitrary.checkEffect(
          Arbitrary.schema(Options),
          Effect.fnUntraced(function*({ batchSize, limit, ...options }) {
            const from = start + 1 + options.from
            const categories = options.categories?.map((i) => names[i] ?? none)
            const wantedTypes = options.types?.map((i) => types[i] ?? "D")
            const wanted = all.filter(({ globalPosition, streamName, type }) =>
              globalPosition >= from && wantedTypes?.includes(type) !== false &&
              categories?.includes(StreamName.category(streamName)) !== false
            )
            const filter = { from, categories, types: wantedTypes }
            assert.deepStrictEqual(yield* readAll({ ...filter, batchSize, limit }), wanted.slice(0, limit))
            const paged = yield* readPages({ ...filter, limit })
            assert.deepStrictEqual(paged.messages, wanted)
            assert.strictEqual(paged.through, Math.max(all.at(-1)?.globalPosition ?? 0, from - 1))
            return true
          }),
          { runs: 30 }
        ).pipe(Effect.map((result) => assert.isUndefined(Arbitrary.formatCheckFailure(result))))
      }))

    it.effect("a reader that resumes after `through` misses nothing, also when no message matched the filter", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [wanted, other] = [yield* newCategory, yield* newCategory]
        const { globalPosition } = yield* store.append(`${wanted}-1`, numbered(1))
        let from = globalPosition + 1
        for (const i of upTo(6)) {
          const written = yield* store.append(`${i % 3 === 0 ? wanted : other}-1`, numbered(2))
          const page = yield* store.readAllPage({ from, categories: [wanted] })
          assert.lengthOf(page.messages, i % 3 === 0 ? 2 : 0)
          assert.deepStrictEqual([page.through, page.hasMore], [written.globalPosition, false])
          assert.deepStrictEqual(page.heldBack, Option.none())
          from = page.through + 1
        }
        const nothing = yield* store.readAllPage({ from: from + 5 })
        assert.deepStrictEqual([nothing.messages, nothing.through, nothing.hasMore], [[], from + 4, false])
      }))
  })

const places = (it: It) =>
  describe("where a reader of everything is", () => {
    it.effect("nothing holds it back when nothing is written", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        yield* store.append(yield* newStream, numbered(1))
        assert.deepStrictEqual(yield* store.heldBack(), Option.none())
        assert.deepStrictEqual(yield* store.heldBack({ from: 1_000_000_000 }), Option.none())
      }))

    it.effect("messageAt gives the message at a global position, as readStream does", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const streamName = yield* newStream
        yield* store.append(streamName, [
          ...numbered(2),
          { type: "A", data: { a: 1 }, metadata: { schemaVersion: "2" } }
        ])
        for (const message of yield* readStream(streamName)) {
          assert.deepStrictEqual(yield* store.messageAt(message.globalPosition), Option.some(message))
        }
        const end = (yield* readStream(streamName)).at(-1)?.globalPosition ?? 0
        for (const missing of [0, end + 1, Number.MAX_SAFE_INTEGER]) {
          assert.deepStrictEqual(yield* store.messageAt(missing), Option.none())
        }
      }))

    it.effect("lastPosition is that of the last message, and countAll counts what readAll reads", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const categories = [yield* newCategory, yield* newCategory]
        const { globalPosition: first } = yield* store.append(`${categories[0]}-1`, numbered(3))
        const { globalPosition: last } = yield* store.append(`${categories[1]}-1`, { type: "A", data: 0 })
        assert.isAtLeast(yield* store.lastPosition, last)
        assert.strictEqual(yield* store.countAll({ from: last + 1, categories }), 0)
        assert.strictEqual(yield* store.countAll({ from: first, categories }), 2)
        assert.strictEqual(yield* store.countAll({ categories }), 4)
        assert.strictEqual(yield* store.countAll({ categories, types: ["A"] }), 1)
        assert.strictEqual(yield* store.countAll({ from: first, types: ["Numbered", "A"], categories }), 2)
        assert.isAtLeast(yield* store.countAll(), 4)
      }))

    it.effect("identity is the same each time", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const identity = yield* store.identity
        yield* store.append(yield* newStream, numbered(1))
        assert.deepStrictEqual(yield* store.identity, identity)
        assert.isTrue(Object.values(identity).some((value) => value !== undefined))
      }))
  })

export const tests = (it: It): void => {
  streams(it)
  filters(it)
  places(it)
}
