import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { WrongExpectedVersion } from "eventfold/StoreError"
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

const together = { concurrency: "unbounded" } as const

const racing = (it: It) =>
  describe("racing writers", () => {
    it.effect.each([2, 4, 16, 64])(
      "of %i that expect the same version, one wins and the others learn the version",
      (writers) =>
        Effect.gen(function*() {
          const store = yield* MessageStore
          const stream = yield* newStream
          for (const round of upTo(3)) {
            const expectedVersion = round === 0 ? "noStream" : round - 1
            const results = yield* Effect.forEach(
              upTo(writers),
              (writer) => Effect.result(store.append(stream, { type: "A", data: writer }, { expectedVersion })),
              together
            )
            const [failures, successes] = [results.filter(Result.isFailure), results.filter(Result.isSuccess)]
            assert.deepStrictEqual(successes.map((result) => result.success.version), [round])
            for (const { failure } of failures) {
              assert(failure instanceof WrongExpectedVersion)
              assert.deepStrictEqual(failure.actual, Option.some(round))
            }
          }
          assert.deepStrictEqual(positions(yield* readStream(stream)), upTo(3))
        })
    )

    it.effect.each([2, 16, 64])("%i appends of several messages stay whole, and positions have no gaps", (writers) =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        const results = yield* Effect.forEach(upTo(writers), (writer) =>
          store.append(stream, numbered(3, writer * 3)), together)
        const recorded = yield* readStream(stream)
        assert.deepStrictEqual(positions(recorded), upTo(writers * 3))
        for (const [writer, { globalPosition, version }] of results.entries()) {
          const own = recorded.slice(version - 2, version + 1)
          assert.deepStrictEqual(
            dataOf(own),
            dataOf(own).map((_, i) =>
              writer * 3 + i
            )
          )
          assert.strictEqual(own[2]?.globalPosition, globalPosition)
        }
      }))

    it.effect("the refusal of one append never fails those beside it", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const taken = yield* withIds(numbered(1))
        yield* store.append(`${category}-taken`, taken)
        const results = yield* Effect.forEach(upTo(90), (i) => {
          const stream = `${category}-${i}`
          if (i % 3 === 0) {
            return Effect.result(store.append(stream, numbered(2)))
          }
          if (i % 3 === 1) {
            return Effect.result(store.append(stream, numbered(2), { expectedVersion: 5 }))
          }
          return Effect.result(store.append(stream, taken))
        }, together)
        assert.deepStrictEqual(
          results.map((result) =>
            Result.isSuccess(result) ? "written" : result.failure._tag
          ),
          upTo(90).map((i) =>
            ["written", "WrongExpectedVersion", "DuplicateMessageId"][i % 3] ?? ""
          )
        )
      }))

    it.effect("the same append, many times at once, is written once", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        const messages = yield* withIds(numbered(2))
        const results = yield* Effect.forEach(upTo(16), () => store.append(stream, messages), together)
        assert.deepStrictEqual(results.map((result) => result.version), upTo(16).map(() => 1))
        assert.strictEqual(yield* versionOf(stream), 1)
      }))

    it.effect("calls of writeAll on the same streams in opposite orders all succeed", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [a, b] = [yield* newStream, yield* newStream]
        yield* Effect.forEach(upTo(40), (i) => {
          const appends = [{ streamName: a, messages: numbered(1) }, { streamName: b, messages: numbered(1) }]
          return store.writeAll(i % 2 === 0 ? appends : appends.toReversed())
        }, together)
        assert.strictEqual(yield* versionOf(a), 39)
        assert.strictEqual(yield* versionOf(b), 39)
      }))
  })

const messages = (i: number) => numbered(1 + i % 3, i * 3)

/** Eight concurrent writers, each to a stream of its own, and how many messages they write in all. */
const writing = (streamOf: (writer: number) => string) => {
  const write = Effect.fnUntraced(function*(writer: number) {
    const store = yield* MessageStore
    yield* Effect.forEach(upTo(25), (i) => store.append(streamOf(writer), messages(i)))
  })
  const total = 8 * upTo(25).reduce((sum, i) => sum + messages(i).length, 0)
  return { fork: Effect.forkChild(Effect.forEach(upTo(8), write, together)), total }
}

/** Resumes reading after the last message seen until there are `total`; returns their global positions. */
const follow = Effect.fnUntraced(function*<E>(
  start: number,
  total: number,
  read: (from: number) => Stream.Stream<RecordedMessage, E>
) {
  const seen: Array<number> = []
  while (seen.length < total) {
    yield* Stream.runForEach(
      read((seen.at(-1) ?? start - 1) + 1),
      (message) => Effect.sync(() => seen.push(message.globalPosition))
    )
    yield* Effect.yieldNow
  }
  return seen
})

const following = (it: It) =>
  describe("reading while others write", () => {
    it.effect("a reader of a category that resumes where it stopped misses no message", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const { fork, total } = writing((writer) => `${category}-${writer}`)
        const writers = yield* fork
        const seen = yield* follow(1, total, (from) => store.readCategory(category, { from, batchSize: 7 }))
        yield* Fiber.join(writers)
        const all = yield* Stream.runCollect(store.readCategory(category))
        assert.deepStrictEqual(seen, all.map((message) => message.globalPosition))
      }))

    it.effect("a reader of everything that resumes where it stopped misses no message", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const { globalPosition } = yield* store.append(`${category}-start`, numbered(1))
        const { fork, total } = writing((writer) => `${category}${writer}-1`)
        const writers = yield* fork
        const seen = yield* follow(globalPosition + 1, total, (from) => store.readAll({ from, batchSize: 7 }))
        yield* Fiber.join(writers)
        const all = yield* Stream.runCollect(store.readAll({ from: globalPosition + 1 }))
        assert.deepStrictEqual(seen, all.map((message) => message.globalPosition))
        assert.strictEqual(all.length, total)
      }))
  })

const interrupting = (it: It) =>
  describe("interruption", () => {
    it.effect("leaves whole appends, and a store that works", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const stream = `${category}-1`
        for (const round of upTo(15)) {
          const writers = yield* Effect.forEach(upTo(4), () => Effect.forkChild(store.append(stream, numbered(50))))
          const delay = yield* Random.nextIntBetween(0, 20)
          yield* Effect.yieldNow
          if (round % 3 !== 0) yield* Effect.sleep(delay)
          yield* Effect.forEach(writers, Fiber.interrupt, together)
        }
        yield* store.append(stream, numbered(50))
        const recorded = yield* readStream(stream)
        assert.strictEqual(recorded.length % 50, 0)
        assert.deepStrictEqual(dataOf(recorded), recorded.map((_, i) => i % 50))
        assert.deepStrictEqual(positions(recorded), upTo(recorded.length))
      }))

    it.effect("of reads in the middle leaves a store that works", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        yield* store.append(stream, numbered(500))
        // More reads than a pool has connections: a leak would leave none.
        for (const i of upTo(60)) {
          const reader = yield* Effect.forkChild(Stream.runDrain(store.readStream(stream, { batchSize: 5 })))
          yield* i % 2 === 0 ? Effect.yieldNow : Effect.sleep(1)
          yield* Fiber.interrupt(reader)
        }
        assert.strictEqual(yield* Stream.runCount(store.readStream(stream)), 500)
      }))
  })

const large = (it: It) =>
  describe("a long stream", () => {
    it.effect("20,000 messages go in, and come out in order", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        for (const i of upTo(10)) yield* store.append(stream, numbered(2_000, i * 2_000))
        const count = yield* Stream.runFold(store.readStream(stream), () => 0, (next, message) => {
          assert.strictEqual(message.position, next)
          assert.strictEqual(message.data, next)
          return next + 1
        })
        assert.strictEqual(count, 20_000)
      }), 600_000)
  })

export const tests = (it: It): void => {
  racing(it)
  following(it)
  interrupting(it)
  large(it)
}
