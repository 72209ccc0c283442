import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ExpectedVersion } from "eventfold/ExpectedVersion"
import { nextId } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import { DuplicateMessageId, InvalidMessage, WrongExpectedVersion } from "eventfold/StoreError"
import { InvalidStreamName } from "eventfold/StreamName"
import * as TraceContext from "eventfold/TraceContext"
import {
  dataOf,
  type It,
  newCategory,
  newStream,
  numbered,
  positions,
  readStream,
  upTo,
  versionOf,
  withIds
} from "./fixtures.ts"

const appending = (it: It) =>
  describe("append", () => {
    it.effect("gives positions from 0 without gaps, and says where the last one is", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        const one = yield* store.append(stream, { type: "A", data: 0 })
        const three = yield* store.append(stream, numbered(3, 1))
        assert.strictEqual(one.version, 0)
        assert.strictEqual(three.version, 3)
        const recorded = yield* readStream(stream)
        assert.deepStrictEqual(positions(recorded), [0, 1, 2, 3])
        assert.deepStrictEqual(dataOf(recorded), [0, 1, 2, 3])
        assert.strictEqual(recorded[0]?.globalPosition, one.globalPosition)
        assert.strictEqual(recorded[3]?.globalPosition, three.globalPosition)
        assert.isAbove(three.globalPosition, one.globalPosition)
      }))

    it.effect("refuses an empty list", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        assert.instanceOf(yield* Effect.flip(store.append(yield* newStream, [])), InvalidMessage)
      }))

    it.effect("writes to a bare category's stream, as Eventide does for positions", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        assert.strictEqual((yield* store.append(`${category}:position`, { type: "Recorded", data: 1 })).version, 0)
      }))

    it.effect("refuses invalid stream names, and writes nothing", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        for (const name of ["", `${category}-\u0000`, `${category}-\ud800`, `${category}-${"é".repeat(1_301)}`]) {
          const error = yield* Effect.flip(store.append(name, { type: "A", data: 0 }))
          assert.instanceOf(error, InvalidStreamName)
        }
      }))

    it.effect("refuses messages that can't be stored, with their place", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        const cases = [
          { message: { type: "A", data: 0, id: "not-a-uuid" }, path: ["id"] },
          { message: { type: "", data: 0 }, path: ["type"] },
          { message: { type: "A\u0000", data: 0 }, path: ["type"] },
          { message: { type: "A", data: { a: [1, "\u0000"] } }, path: ["data", "a", 1] },
          { message: { type: "A", data: { a: Number.NaN } }, path: ["data", "a"] },
          { message: { type: "A", data: 0, metadata: { x: "\udc00" } }, path: ["metadata", "x"] }
        ]
        for (const { message, path } of cases) {
          const error = yield* Effect.flip(store.append(stream, [{ type: "A", data: 0 }, message]))
          assert(error instanceof InvalidMessage)
          assert.deepStrictEqual(error.path, path)
          assert.strictEqual(error.index, 1)
          assert.strictEqual(error.streamName, stream)
        }
        assert.strictEqual(yield* versionOf(stream), -1)
      }))
  })

const expectations = (it: It) =>
  describe("expected version", () => {
    const matching: ReadonlyArray<readonly [ExpectedVersion, number]> = [
      ["any", 0],
      ["any", 2],
      ["noStream", 0],
      [-1, 0],
      ["exists", 1],
      [0, 1],
      [2, 3]
    ]
    it.effect.each(matching)("%s is right for a stream of %i messages", ([expectedVersion, existing]) =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        if (existing > 0) {
          yield* store.append(stream, numbered(existing))
        }
        const { version } = yield* store.append(stream, numbered(2), { expectedVersion })
        assert.strictEqual(version, existing + 1)
      }))

    const differing: ReadonlyArray<readonly [ExpectedVersion, number]> = [
      ["noStream", 1],
      [-1, 1],
      ["exists", 0],
      [0, 0],
      [0, 2],
      [5, 2],
      [-2, 0],
      [-2, 1],
      [-3, 1],
      [0.5, 1],
      [Number.NaN, 1],
      [Number.MAX_VALUE, 1]
    ]
    it.effect.each(differing)("%s is wrong for a stream of %i messages", ([expectedVersion, existing]) =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        if (existing > 0) {
          yield* store.append(stream, numbered(existing))
        }
        const error = yield* Effect.flip(store.append(stream, numbered(2), { expectedVersion }))
        assert(error instanceof WrongExpectedVersion)
        assert.strictEqual(error.streamName, stream)
        assert.deepStrictEqual(error.expected, expectedVersion === -1 ? "noStream" : expectedVersion)
        assert.deepStrictEqual(error.actual, existing === 0 ? Option.none() : Option.some(existing - 1))
        assert.strictEqual(yield* versionOf(stream), existing - 1)
      }))
  })

const repeating = (it: It) => {
  it.effect("a repeated append writes nothing and gives the original result, whatever version it expects", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      yield* store.append(stream, numbered(2))
      const messages = yield* withIds(numbered(3))
      const first = yield* store.append(stream, messages, { expectedVersion: 1 })
      yield* store.append(stream, numbered(1))
      for (const expectedVersion of [1, "any", "noStream", "exists", 77] as const) {
        assert.deepStrictEqual(yield* store.append(stream, messages, { expectedVersion }), first)
      }
      assert.strictEqual(yield* versionOf(stream), 5)
    }))

  it.effect("content is compared as JSON, ids as UUIDs", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      const id = yield* nextId
      const first = yield* store.append(stream, {
        id,
        type: "A",
        data: { a: 1, b: [true] },
        metadata: { x: 1, y: 2 }
      })
      const again = yield* store.append(stream, {
        id: id.toUpperCase(),
        type: "A",
        data: { b: [true], a: 1.0 },
        metadata: { y: 2, x: 1 }
      })
      assert.deepStrictEqual(again, first)
    }))

  it.effect("an append writes its trace when asked to, and the trace does not count as content", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      for (const [position, metadata] of [undefined, {}, { x: 1 }].entries()) {
        const message = { id: yield* nextId, type: "A", data: { a: 1 }, ...(metadata && { metadata }) }
        const append = store.append(stream, message)
        const traced = Effect.provide(append, TraceContext.layer)
        const first = yield* traced
        assert.strictEqual(first.version, position)
        assert.deepStrictEqual(yield* traced, first)
        assert.deepStrictEqual(yield* append, first)
        assert.deepStrictEqual((yield* store.writeAll([{ streamName: stream, messages: message }]))[0], first)
        const other = store.append(stream, { ...message, metadata: { x: 2 } })
        assert.instanceOf(yield* Effect.flip(Effect.provide(other, TraceContext.layer)), DuplicateMessageId)
      }
      const own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      const given = { type: "A", data: 0, metadata: { traceparent: own } }
      yield* Effect.provide(store.append(stream, given), TraceContext.layer)
      yield* store.append(stream, { type: "A", data: 0 })
      const [none, empty, some, kept, untraced] = (yield* readStream(stream)).map(({ metadata }) =>
        Metadata.fromJson(metadata)
      )
      for (const metadata of [none, empty, some]) {
        assert.match(metadata?.traceparent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      }
      assert.strictEqual(some?.["x"], 1)
      assert.deepStrictEqual([kept, untraced], [{ traceparent: own }, {}])
    }))
}

const duplicates = (it: It) => {
  it.effect("an id is a duplicate with other content, in another stream, and within one call", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [stream, other] = [yield* newStream, yield* newStream]
      const message = { id: yield* nextId, type: "A", data: { a: 1 }, metadata: { m: 1 } }
      yield* store.append(stream, message)
      const taken = [
        store.append(stream, { ...message, type: "B" }),
        store.append(stream, { ...message, data: { a: 2 } }),
        store.append(stream, { ...message, metadata: { m: 2 } }),
        store.append(stream, { id: message.id, type: "A", data: { a: 1 } }),
        store.append(other, message),
        store.append(stream, [message, { type: "B", data: 0 }]),
        store.append(stream, [{ type: "B", data: 0 }, message])
      ]
      for (const attempt of taken) {
        const error = yield* Effect.flip(attempt)
        assert(error instanceof DuplicateMessageId)
        assert.strictEqual(error.id, message.id)
      }
      const twice = { id: yield* nextId, type: "A", data: 0 }
      assert.instanceOf(yield* Effect.flip(store.append(other, [twice, twice])), DuplicateMessageId)
      assert.strictEqual(yield* versionOf(stream), 0)
      assert.strictEqual(yield* versionOf(other), -1)
    }))

  it.effect("the same messages in another order are another append", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      const messages = yield* withIds(numbered(2))
      yield* store.append(stream, messages)
      assert.instanceOf(yield* Effect.flip(store.append(stream, messages.toReversed())), DuplicateMessageId)
    }))

  it.effect("a wrong version is reported before a taken id", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      const message = { id: yield* nextId, type: "A", data: 0 }
      yield* store.append(stream, message)
      const error = yield* Effect.flip(store.append(stream, { ...message, data: 1 }, { expectedVersion: 9 }))
      assert.instanceOf(error, WrongExpectedVersion)
    }))
}

const idempotence = (it: It) =>
  describe("message ids", () => {
    repeating(it)
    duplicates(it)
  })
const writingAll = (it: It) =>
  describe("writeAll", () => {
    it.effect("writes to several streams and categories, with a result for each", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [a, b] = [yield* newStream, yield* newStream]
        yield* store.append(b, numbered(1))
        const [first, second, third] = yield* store.writeAll([
          { streamName: a, messages: numbered(2), expectedVersion: "noStream" },
          { streamName: b, messages: { type: "B", data: "b" }, expectedVersion: 0 },
          { streamName: a, messages: numbered(1, 2), expectedVersion: 1 }
        ])
        assert.deepStrictEqual([first?.version, second?.version, third?.version], [1, 1, 2])
        const recorded = yield* readStream(a)
        assert.deepStrictEqual(dataOf(recorded), [0, 1, 2])
        assert.strictEqual(recorded[1]?.globalPosition, first?.globalPosition)
        assert.strictEqual(recorded[2]?.globalPosition, third?.globalPosition)
      }))

    it.effect("of nothing does nothing", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        assert.deepStrictEqual(yield* store.writeAll([]), [])
      }))

    it.effect("writes nothing when one append is refused, wherever it stands", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [a, b] = [yield* newStream, yield* newStream]
        const taken = { id: yield* nextId, type: "A", data: 0 }
        yield* store.append(yield* newStream, taken)
        const good = { streamName: a, messages: numbered(2) }
        const conflict = { streamName: b, messages: numbered(1), expectedVersion: 3 }
        const duplicate = { streamName: b, messages: taken }
        assert.instanceOf(yield* Effect.flip(store.writeAll([good, conflict])), WrongExpectedVersion)
        assert.instanceOf(yield* Effect.flip(store.writeAll([conflict, good])), WrongExpectedVersion)
        assert.instanceOf(yield* Effect.flip(store.writeAll([good, duplicate])), DuplicateMessageId)
        assert.instanceOf(yield* Effect.flip(store.writeAll([duplicate, good])), DuplicateMessageId)
        assert.strictEqual(yield* versionOf(a), -1)
        assert.strictEqual(yield* versionOf(b), -1)
      }))

    it.effect("is idempotent as a whole, and only as a whole", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [a, b] = [yield* newStream, yield* newStream]
        const both = [
          { streamName: a, messages: yield* withIds(numbered(2)), expectedVersion: "noStream" },
          { streamName: b, messages: yield* withIds(numbered(1)) }
        ] as const
        const first = yield* store.writeAll(both)
        assert.deepStrictEqual(yield* store.writeAll(both), first)
        const more = [...both, { streamName: b, messages: numbered(1) }]
        assert.instanceOf(yield* Effect.flip(store.writeAll(more)), DuplicateMessageId)
        assert.deepStrictEqual(positions(yield* readStream(b)), upTo(1))
      }))
  })

export const tests = (it: It): void => {
  appending(it)
  expectations(it)
  idempotence(it)
  writingAll(it)
}
