import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { deriveId, type Message, nextId } from "eventfold/Message"
import { type Append, type AppendOptions, MessageStore, transaction } from "eventfold/MessageStore"
import { DuplicateMessageId, WrongExpectedVersion } from "eventfold/StoreError"
import { newAccount } from "./account.ts"
import { dataOf, type It, newStream, numbered, readStream, upTo, versionOf, withIds } from "./fixtures.ts"

const keep = { onDuplicate: "keep" } as const

/** The same ids with other data. */
const rewritten = (messages: ReadonlyArray<Message>): ReadonlyArray<Message> =>
  messages.map((message) => ({ ...message, data: "another time" }))

const single = (it: It) => {
  it.effect("an append gives where its ids are recorded, whatever its content and the version it expects", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      yield* store.append(stream, numbered(1))
      for (const count of [1, 3]) {
        const messages = yield* withIds(numbered(count))
        const first = yield* store.append(stream, messages, keep)
        yield* store.append(stream, numbered(1))
        for (const expectedVersion of ["any", "noStream", "exists", 0, 77] as const) {
          const options: AppendOptions = { onDuplicate: "keep", expectedVersion }
          assert.deepStrictEqual(yield* store.append(stream, rewritten(messages), options), first)
          assert.deepStrictEqual(yield* store.append(stream, messages, options), first)
        }
        const upperCase = messages.map(({ id, type }) => ({ id: id.toUpperCase(), type, data: "upper case" }))
        assert.deepStrictEqual(yield* store.append(stream, upperCase, keep), first)
        assert.instanceOf(yield* Effect.flip(store.append(stream, rewritten(messages))), DuplicateMessageId)
      }
      assert.deepStrictEqual(dataOf(yield* readStream(stream)), [0, 0, 0, 0, 1, 2, 0])
    }))

  it.effect("an append that is new is written, and checked, as any other", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      const messages = yield* withIds(numbered(2))
      const wrong = yield* Effect.flip(store.append(stream, messages, { ...keep, expectedVersion: 5 }))
      assert.instanceOf(wrong, WrongExpectedVersion)
      assert.strictEqual((yield* store.append(stream, messages, { ...keep, expectedVersion: "noStream" })).version, 1)
    }))

  it.effect("an id of another stream stays a duplicate", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [stream, other] = [yield* newStream, yield* newStream]
      const [first, second] = yield* withIds(numbered(2))
      assert(first !== undefined && second !== undefined)
      yield* store.append(other, first)
      for (const messages of [[first], [first, second], [second, first]]) {
        const error = yield* Effect.flip(store.append(stream, rewritten(messages), keep))
        assert(error instanceof DuplicateMessageId)
        assert.deepStrictEqual([error.id, error.streamName, error.recordedAt], [first.id, stream, undefined])
      }
      assert.strictEqual(yield* versionOf(stream), -1)
    }))

  it.effect("an append that is recorded in part, in another order or with others in between is refused with the place", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [stream, other] = [yield* newStream, yield* newStream]
      const [a, b, c, free] = yield* withIds(numbered(4))
      assert(a !== undefined && b !== undefined && c !== undefined && free !== undefined)
      const elsewhere = { ...free, id: yield* nextId }
      yield* store.append(stream, [a, b])
      yield* store.append(stream, numbered(1))
      yield* store.append(stream, c)
      yield* store.append(other, elsewhere)
      const partly: ReadonlyArray<readonly [ReadonlyArray<Message>, Message, number]> = [
        [[a, free], a, 0],
        [[free, b], b, 1],
        [[b, a], b, 1],
        [[a, b, c], a, 0],
        [[c, free], c, 3],
        [[a, elsewhere], a, 0]
      ]
      for (const [messages, named, recordedAt] of partly) {
        for (const given of [messages, rewritten(messages)]) {
          const error = yield* Effect.flip(store.append(stream, given, keep))
          assert(error instanceof DuplicateMessageId)
          assert.deepStrictEqual([error.id, error.streamName, error.recordedAt], [named.id, stream, recordedAt])
          assert.include(error.message, `is recorded at position ${recordedAt} of ${stream}`)
        }
      }
      assert.strictEqual(yield* versionOf(stream), 3)
    }))

  it.effect("of redeliveries at the same time one is written, and all give its result", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      for (const count of [1, 4]) {
        const before = yield* versionOf(stream)
        const ids = upTo(count).map((i) => deriveId(stream, String(count), String(i)))
        const results = yield* Effect.forEach(
          upTo(24),
          (writer) =>
            store.append(stream, ids.map((id) => ({ id, type: "A", data: { writer } })), {
              ...keep,
              expectedVersion: writer % 2 === 0 ? "any" : before === -1 ? "noStream" : before
            }),
          { concurrency: "unbounded" }
        )
        const [first] = results
        for (const result of results) assert.deepStrictEqual(result, first)
        const written = (yield* readStream(stream)).slice(before + 1)
        assert.strictEqual(first?.version, before + count)
        assert.deepStrictEqual(written.map(({ id }) => id), ids)
        assert.strictEqual(new Set(dataOf(written).map((data) => JSON.stringify(data))).size, 1)
      }
    }))
}

const several = (it: It) => {
  it.effect("writeAll leaves out the appends that are recorded, and writes the others or nothing", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [a, b, c] = [yield* newStream, yield* newStream, yield* newStream]
      const [first, second, third] = [
        yield* withIds(numbered(2)),
        yield* withIds(numbered(1)),
        yield* withIds(numbered(1))
      ]
      const recorded = yield* store.append(a, first)
      const toAll = (edit: (messages: ReadonlyArray<Message>) => ReadonlyArray<Message>): ReadonlyArray<Append> => [
        { streamName: a, messages: edit(first), expectedVersion: "noStream", ...keep },
        // It counts what is kept, as it counted it the first time.
        { streamName: a, messages: edit(second), expectedVersion: 1, ...keep },
        { streamName: b, messages: edit(third), ...keep }
      ]
      const all = toAll(rewritten)
      const conflict = { streamName: c, messages: numbered(1), expectedVersion: 7 }
      assert.instanceOf(yield* Effect.flip(store.writeAll([...all, conflict])), WrongExpectedVersion)
      assert.deepStrictEqual([yield* versionOf(a), yield* versionOf(b)], [1, -1])

      const results = yield* store.writeAll(all)
      assert.deepStrictEqual(results[0], recorded)
      assert.deepStrictEqual(results.map(({ version }) => version), [1, 2, 0])
      // Now all of them are recorded, and other messages have followed.
      yield* store.append(a, numbered(1))
      assert.deepStrictEqual(yield* store.writeAll(toAll((messages) => messages)), results)
      assert.deepStrictEqual(dataOf(yield* readStream(a)), [0, 1, "another time", 0])
    }))

  it.effect("writeAll keeps only what says so", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [a, b] = [yield* newStream, yield* newStream]
      const [first, second] = [yield* withIds(numbered(1)), yield* withIds(numbered(1))]
      yield* store.append(a, first)
      yield* store.append(b, second)
      const kept = { streamName: a, messages: rewritten(first), ...keep }
      const refused = yield* Effect.flip(
        store.writeAll([kept, { streamName: b, messages: rewritten(second) }, { streamName: b, messages: numbered(1) }])
      )
      assert(refused instanceof DuplicateMessageId)
      assert.strictEqual(refused.id, second[0]?.id)
      const partly = yield* Effect.flip(
        store.writeAll([{ streamName: b, messages: numbered(1) }, {
          ...kept,
          messages: [...kept.messages, ...numbered(1)]
        }])
      )
      assert(partly instanceof DuplicateMessageId)
      assert.strictEqual(partly.recordedAt, 0)
      assert.deepStrictEqual([yield* versionOf(a), yield* versionOf(b)], [0, 0])
    }))

  it.effect("checks count in an attempt that writes, and not when all is recorded", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [a, b, read] = [yield* newStream, yield* newStream, yield* newStream]
      yield* store.append(read, numbered(1))
      const [first, second] = [yield* withIds(numbered(1)), yield* withIds(numbered(1))]
      const check = { streamName: read, messages: [], expectedVersion: 0 }
      const one = { streamName: a, messages: first, ...keep }
      const [, written] = yield* store.writeAll([check, one])
      assert.isDefined(written)
      yield* store.append(read, numbered(1))
      assert.deepStrictEqual(yield* store.writeAll([check, { ...one, messages: rewritten(first) }]), [
        { version: 1, globalPosition: 0 },
        written
      ])
      const error = yield* Effect.flip(
        store.writeAll([check, { ...one, messages: rewritten(first) }, { streamName: b, messages: second, ...keep }])
      )
      assert(error instanceof WrongExpectedVersion)
      assert.strictEqual(error.streamName, read)
      assert.strictEqual(yield* versionOf(b), -1)
    }))

  it.effect("of redeliveries of writeAll at the same time one is written", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [a, b] = [yield* newStream, yield* newStream]
      const [idA, idB] = [yield* nextId, yield* nextId]
      const results = yield* Effect.forEach(
        upTo(16),
        (writer) =>
          store.writeAll([
            { streamName: a, messages: { id: idA, type: "A", data: writer }, expectedVersion: "noStream", ...keep },
            { streamName: b, messages: { id: idB, type: "B", data: writer }, ...keep }
          ]),
        { concurrency: "unbounded" }
      )
      for (const result of results) assert.deepStrictEqual(result, results[0])
      const written = [...yield* readStream(a), ...yield* readStream(b)]
      assert.lengthOf(written, 2)
      assert.deepStrictEqual(written[0]?.data, written[1]?.data)
    }))
}

export const tests = (it: It): void => {
  describe("appends that keep what is recorded", () => {
    single(it)
    several(it)
    it.effect("and checks work in a transaction of the application, which stays usable", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [a, b] = [yield* newStream, yield* newStream]
        const messages = yield* withIds(numbered(2))
        const check = { streamName: a, messages: [], expectedVersion: 1 }
        const [first, ...again] = yield* transaction(Effect.gen(function*() {
          const first = yield* store.append(a, messages, keep)
          const second = yield* store.append(a, rewritten(messages), { ...keep, expectedVersion: "noStream" })
          const wrong = store.writeAll([{ ...check, expectedVersion: 7 }, { streamName: b, messages: numbered(1) }])
          assert.instanceOf(yield* Effect.flip(wrong), WrongExpectedVersion)
          const [third, checked, written] = yield* store.writeAll([
            { streamName: a, messages: rewritten(messages), ...keep },
            check,
            { streamName: b, messages: numbered(1) }
          ])
          assert.deepStrictEqual([checked?.version, written?.version], [1, 0])
          return [first, second, third]
        }))
        assert.deepStrictEqual(again, [first, first])
        assert.deepStrictEqual([yield* versionOf(a), yield* versionOf(b)], [1, 0])
      }))

    it.effect("a category's append and toAppend take the option", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const { amounts, category } = yield* newAccount
        const id = yield* nextId
        const deposit = (amount: number) => category.events.Deposited({ amount }, { id })
        const first = yield* category.append("1", deposit(1), keep)
        assert.deepStrictEqual(yield* category.append("1", deposit(2), keep), first)
        assert.deepStrictEqual(yield* store.writeAll([yield* category.toAppend("1", deposit(3), keep)]), [first])
        assert.deepStrictEqual(yield* amounts("1"), [1])
        assert.deepStrictEqual(
          Option.map(yield* store.findMessage(`${category.categoryName}-1`, id), ({ position }) => position),
          Option.some(0)
        )
      }))
  })
}
