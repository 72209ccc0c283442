import { assert, describe } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { deletion, isDeleted, nextId, type RecordedMessage } from "eventfold/Message"
import { MessageStore, transaction } from "eventfold/MessageStore"
import { InvalidArgument, InvalidMessage, Unsupported } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import * as Streams from "eventfold/Streams"
import {
  dataOf,
  type It,
  newCategory,
  numbered,
  positions,
  readStream,
  type Supports,
  upTo,
  versionOf
} from "./fixtures.ts"

const together = { concurrency: "unbounded" } as const

/** Who deletes, and why. */
export const note: Streams.DeleteOptions = { by: "ann", reason: "a request of its owner" }

/** The streams of a category that no other test has. */
export const newStreams = Effect.map(newCategory, (category) => Streams.make({ category }))

/** A moment of a fixed hour, so many minutes after its begin. */
const minute = (minutes: number) => DateTime.makeUnsafe(Date.UTC(2026, 10, 29, 10, minutes))

const idsOf = (list: ReadonlyArray<{ readonly id: string }>) => list.map(({ id }) => id)

const textOf = (list: ReadonlyArray<Streams.Message>) => list.map(({ data }) => JSON.stringify(data))

const stats = (streams: number, messages: number) => ({ streams, messages })

/** The data of messages with these names, of one letter each. */
const named = (names: string) => [...names].map((name) => JSON.stringify({ name }))

/** What the messages of a stream are, with `-` for a tombstone and what a notice is about. */
const shapeOf = (messages: ReadonlyArray<RecordedMessage>) =>
  messages.map((message) =>
    Option.match(deletion(message), {
      onNone: () => message.type,
      onSome: ({ position, through }) => through === undefined ? position ?? "-" : `through ${through}`
    })
  )

class Cancelled extends Schema.TaggedError<Cancelled>()("Cancelled", {}) {}

const adding = (it: It) => {
  it.effect("are added, changed, listed, counted and deleted, and so are their messages", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      yield* streams.reset(note)
      yield* streams.purge(note)
      assert.deepStrictEqual(yield* streams.stats, stats(0, 0))
      assert.deepStrictEqual(yield* streams.get("1"), Option.none())

      assert.deepStrictEqual(yield* streams.add({ id: "1", attributes: { title: "One" } }), {
        id: "1",
        attributes: { title: "One" }
      })
      assert.strictEqual(yield* streams.count, 1)
      assert.deepStrictEqual(yield* streams.list(), [{ id: "1", attributes: { title: "One" } }])
      assert.deepStrictEqual((yield* streams.get("1")).pipe(Option.map(({ id }) => id)), Option.some("1"))
      const changed = { id: "1", attributes: { colour: "red" } }
      assert.deepStrictEqual(yield* streams.set("1", { colour: "red" }), changed)
      assert.deepStrictEqual(yield* streams.get("1"), Option.some(changed))

      const added = yield* streams.addMessage("1", { at: minute(0), data: { foo: "bar" } })
      assert.deepStrictEqual(added.data, { foo: "bar" })
      assert.strictEqual(yield* streams.countMessages("1"), 1)
      assert.deepStrictEqual(idsOf(yield* streams.messages("1")), [added.id])
      assert.deepStrictEqual(yield* streams.message("1", added.id), Option.some(added))
      assert.deepStrictEqual(yield* streams.stats, stats(1, 1))

      assert.isTrue(yield* streams.deleteMessage("1", added.id, note))
      assert.deepStrictEqual(yield* streams.message("1", added.id), Option.none())
      assert.deepStrictEqual(yield* streams.messages("1"), [])
      assert.deepStrictEqual(yield* streams.stats, stats(1, 0))
      assert.isTrue(yield* streams.delete("1", note))
      assert.deepStrictEqual(yield* streams.get("1"), Option.none())
      assert.isFalse(yield* streams.delete("1", note))
      assert.deepStrictEqual(yield* streams.get("1"), Option.none())
      assert.deepStrictEqual(yield* streams.stats, stats(0, 0))
    }))

  it.effect("are added once: an id that is taken is refused, and of several at the same time one wins", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const { attributes, id } = yield* streams.add()
      assert.deepStrictEqual(attributes, {})
      assert.isAbove(id.length, 0)
      assert.notStrictEqual((yield* streams.add()).id, id)
      const refused = yield* Effect.flip(streams.add({ id, attributes: { other: true } }))
      assert.instanceOf(refused, Streams.StreamExists)
      assert.deepStrictEqual(yield* streams.get(id), Option.some({ id, attributes: {} }))

      const racing = yield* Effect.forEach(
        upTo(20),
        (number) => Effect.result(streams.add({ id: "raced", attributes: { number } })),
        together
      )
      const won = racing.filter(Result.isSuccess)
      assert.lengthOf(won, 1)
      assert.deepStrictEqual(yield* streams.get("raced"), Option.some(won[0]?.success))
      assert.strictEqual(yield* streams.count, 3)
    }))

  it.effect("exist by their messages alone, without attributes, until they are added", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      yield* store.append(`${streams.category}-a`, numbered(2))
      yield* streams.addMessage("b", { foo: 1 })
      assert.instanceOf(yield* Effect.flip(streams.set("c", {})), Streams.StreamNotFound)
      assert.deepStrictEqual(yield* streams.get("a"), Option.some({ id: "a", attributes: {} }))
      assert.deepStrictEqual(yield* streams.list(), ["a", "b"].map((id) => ({ id, attributes: {} })))
      yield* streams.set("a", { set: true })
      yield* streams.add({ id: "b", attributes: { added: true } })
      assert.instanceOf(yield* Effect.flip(streams.add({ id: "a" })), Streams.StreamExists)
      assert.deepStrictEqual(yield* streams.list(), [
        { id: "a", attributes: { set: true } },
        { id: "b", attributes: { added: true } }
      ])
      assert.deepStrictEqual(yield* streams.stats, { streams: 2, messages: 3 })
      assert.strictEqual(yield* versionOf(`${streams.category}-b`), 0)
      // Another category, and one with a longer name, are no neighbours.
      yield* store.append(`${streams.category}x-a`, numbered(1))
      yield* store.append(`${streams.category}:command-a`, numbered(1))
      yield* store.append(streams.category, numbered(1))
      // An id is not empty.
      const withoutId = `${streams.category}-`
      yield* store.append(withoutId, numbered(1))
      assert.strictEqual(yield* streams.count, 2)
      assert.deepStrictEqual(idsOf(yield* streams.list()), ["a", "b"])
      assert.strictEqual((yield* streams.purge(note)).streams, 2)
      assert.deepStrictEqual(dataOf(yield* readStream(withoutId)), [0])
    }))

  it.effect("are counted in one view: while streams of one message come and go, there is one for each", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const changing: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore>> = upTo(30).map((i) =>
        i % 10 === 9 ? streams.purge(note) : streams.addMessage(String(i), {})
      )
      const counted = yield* Effect.forEach(changing, (change) => Effect.andThen(change, streams.stats), together)
      for (const { messages, streams } of counted) assert.strictEqual(messages, streams)
    }))

  it.effect("have attributes by a schema, and a set replaces all of them", () =>
    Effect.gen(function*() {
      const { category } = yield* newStreams
      const Attributes = Schema.Struct({
        title: Schema.optionalKey(Schema.String),
        since: Schema.optionalKey(Schema.DateTimeUtc)
      })
      const streams = Streams.make({ category, attributes: Attributes })
      const since = minute(1)
      yield* streams.add({ id: "1", attributes: { title: "One", since } })
      assert.deepStrictEqual(yield* streams.get("1"), Option.some({ id: "1", attributes: { title: "One", since } }))
      yield* streams.set("1", { title: "Uno" })
      assert.deepStrictEqual(yield* streams.list(), [{ id: "1", attributes: { title: "Uno" } }])

      const untyped = Streams.make({ category })
      yield* untyped.set("1", { title: 1 })
      const error = yield* Effect.flip(streams.get("1"))
      assert.instanceOf(error, Streams.InvalidAttributes)
      assert.include(error.message, "attributes.title does not fit its schema")
      assert.instanceOf(yield* Effect.flip(streams.list()), Streams.InvalidAttributes)
      assert.deepStrictEqual(
        Schema.encodeSync(Schema.toCodecJson(streams.Stream))({ id: "1", attributes: { since } }),
        { id: "1", attributes: { since: "2026-11-29T10:01:00.000Z" } }
      )
    }))

  it.effect("are listed by the bytes of their ids, from a base or after an id", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const ids = [
        " ",
        "+",
        "+1",
        "-",
        "1+2",
        "10",
        "2",
        "A",
        "Z-9",
        "_",
        "a",
        "a b",
        "a%",
        "ab",
        "z".repeat(300),
        "é",
        "ﬀ",
        "\uffee",
        "😀"
      ]
      for (const [i, id] of ids.toReversed().entries()) {
        yield* i % 2 === 0 ? Effect.asVoid(streams.add({ id, attributes: { i } })) : streams.addMessage(id, { i })
      }
      assert.deepStrictEqual(idsOf(yield* streams.list()), ids)
      assert.strictEqual(yield* streams.count, ids.length)
      for (const id of ids) {
        assert.isTrue(Option.isSome(yield* streams.get(id)), id)
      }
      assert.deepStrictEqual(idsOf(yield* streams.list({ base: 3, limit: 4 })), ids.slice(3, 7))
      assert.deepStrictEqual(yield* streams.list({ base: ids.length }), [])
      assert.deepStrictEqual(idsOf(yield* streams.list({ after: "a", base: 1, limit: 2 })), ["a%", "ab"])
      // A cursor need not be the id of a stream.
      assert.deepStrictEqual(idsOf(yield* streams.list({ after: "9", limit: 1 })), ["A"])
      assert.deepStrictEqual(yield* streams.list({ after: "😀" }), [])
      const pages: Array<string> = []
      let page = yield* streams.list({ limit: 5 })
      while (page.length > 0) {
        pages.push(...idsOf(page))
        page = yield* streams.list({ limit: 5, after: pages.at(-1) })
      }
      assert.deepStrictEqual(pages, ids)

      const many = yield* newStreams
      yield* Effect.forEach(upTo(103), (i) => many.add({ id: String(i).padStart(3, "0") }))
      assert.lengthOf(yield* many.list(), 100)
      assert.deepStrictEqual(idsOf(yield* many.list({ base: 100 })), ["100", "101", "102"])
    }))

  it.effect("refuse names, pages, attributes and reasons that can't be", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      for (const id of ["", "\u0000", "\ud800", "x".repeat(StreamName.maxBytes)]) {
        assert.instanceOf(yield* Effect.flip(streams.add({ id })), StreamName.InvalidStreamName)
        assert.instanceOf(yield* Effect.flip(streams.get(id)), StreamName.InvalidStreamName)
        assert.instanceOf(yield* Effect.flip(streams.addMessage(id, {})), StreamName.InvalidStreamName)
        assert.instanceOf(yield* Effect.flip(streams.delete(id, note)), StreamName.InvalidStreamName)
      }
      const dashed = Streams.make({ category: "a-b" })
      assert.instanceOf(yield* Effect.flip(dashed.count), StreamName.InvalidCategory)
      assert.instanceOf(yield* Effect.flip(dashed.addMessage("1", {})), StreamName.InvalidCategory)
      for (const options of [{ base: -1 }, { base: 0.5 }, { limit: 0 }, { limit: -1 }, { limit: Number.NaN }]) {
        assert.instanceOf(yield* Effect.flip(streams.list(options)), InvalidArgument)
        assert.instanceOf(yield* Effect.flip(streams.messages("1", options)), InvalidArgument)
      }
      assert.instanceOf(yield* Effect.flip(streams.list({ after: "\u0000" })), InvalidArgument)
      for (const value of [{ text: "\u0000" }, { "\ud800": 1 }, { number: Number.NaN }, null, [], "text", new Date()]) {
        const attributes = value as Streams.Attributes
        assert.instanceOf(yield* Effect.flip(streams.add({ id: "1", attributes })), Streams.InvalidAttributes)
        assert.instanceOf(yield* Effect.flip(streams.set("1", attributes)), Streams.InvalidAttributes)
      }
      // Of callers that have them from JSON.
      const number = 1 as unknown as string
      assert.instanceOf(yield* Effect.flip(streams.add({ id: number })), StreamName.InvalidStreamName)
      assert.instanceOf(yield* Effect.flip(streams.addMessage(number, {})), StreamName.InvalidStreamName)
      assert.instanceOf(yield* Effect.flip(streams.list({ after: number })), InvalidArgument)
      assert.instanceOf(yield* Effect.flip(streams.messages("1", { sort: "position" as "at" })), InvalidArgument)
      const nothing: unknown = undefined
      const unset = streams.set("1", nothing as Streams.Attributes)
      assert.instanceOf(yield* Effect.flip(unset), Streams.InvalidAttributes)
      assert.instanceOf(yield* Effect.flip(streams.delete("1", nothing as Streams.DeleteOptions)), InvalidArgument)
      const list = Streams.make({ category: streams.category, attributes: Schema.Array(Schema.Int) })
      assert.include((yield* Effect.flip(list.add({ attributes: [1] }))).message, "attributes is not an object")
      for (const wrong of [{ by: "", reason: "r" }, { by: "b", reason: "" }, { by: "b", reason: "\u0000" }]) {
        assert.instanceOf(yield* Effect.flip(streams.delete("1", wrong)), InvalidArgument)
        assert.instanceOf(yield* Effect.flip(streams.deleteMessage("1", yield* nextId, wrong)), InvalidArgument)
        assert.instanceOf(yield* Effect.flip(streams.purge(wrong)), InvalidArgument)
      }
      assert.deepStrictEqual(yield* streams.stats, { streams: 0, messages: 0 })
    }))
}

const sendingMessages = (it: It) => {
  it.effect("are written with a time of their own or now, in either form, to streams that were not added", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      const at = minute(3)
      const data = { at: "noon", data: { deep: [1, null] }, id: "mine", foo: "é😀" }
      const plain = yield* streams.addMessage("1", data)
      assert.deepStrictEqual(plain.data, data)
      const id = yield* nextId
      const metadata = { userId: "u-7", at: "ignored" }
      const timed = { at, data: { foo: 1 } }
      const first = yield* streams.addMessage("1", timed, { id: id.toUpperCase(), metadata })
      assert.deepStrictEqual({ ...first, globalPosition: 0 }, {
        id,
        type: "Message",
        at,
        data: { foo: 1 },
        position: 1,
        globalPosition: 0
      })
      // Sent again it is the same.
      assert.deepStrictEqual(yield* streams.addMessage("1", timed, { id, metadata }), first)
      for (
        const moment of [
          new Date(at.epochMilliseconds),
          at.epochMilliseconds,
          DateTime.makeZonedUnsafe(at, { timeZone: 7_200_000 }),
          "2026-11-29T10:03:00Z",
          "2026-11-29T12:03:00.000+02:00",
          "2026-11-29T10:03"
        ]
      ) {
        const added = yield* streams.addMessage("2", { at: moment, data: {} })
        assert.deepStrictEqual(added.at, at)
      }
      const now = yield* streams.addMessage("3", { at: undefined, data: { foo: 1 } })
      assert.deepStrictEqual(now.data, { foo: 1 })

      const recorded = Option.getOrThrow(yield* store.findMessage(`${streams.category}-1`, id))
      assert.deepStrictEqual(recorded.metadata, { userId: "u-7", at: "2026-11-29T10:03:00.000Z" })
      assert.notStrictEqual(recorded.time.epochMilliseconds, at.epochMilliseconds)
      assert.deepStrictEqual(yield* streams.message("1", id), Option.some(first))
    }))

  it.effect("are looked up by a UUID, in their own stream", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const { id } = yield* streams.addMessage("1", {})
      yield* streams.addMessage("2", {})
      assert.isTrue(Option.isSome(yield* streams.message("1", id.toUpperCase())))
      assert.deepStrictEqual(yield* streams.message("2", id), Option.none())
      assert.deepStrictEqual(yield* streams.message("3", yield* nextId), Option.none())
      for (
        const error of [
          yield* Effect.flip(streams.message("1", "no id")),
          yield* Effect.flip(streams.deleteMessage("1", "no id", note))
        ]
      ) {
        assert.instanceOf(error, InvalidArgument)
        assert.strictEqual(error.argument, "messageId")
      }
      assert.isFalse(yield* streams.deleteMessage("2", id, note))
      assert.isFalse(yield* streams.deleteMessage("3", yield* nextId, note))
      assert.deepStrictEqual(yield* streams.stats, { streams: 2, messages: 2 })
    }))

  it.effect("are refused when they are no objects, or their time has no place", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const add = (message: unknown) => Effect.flip(streams.addMessage("1", message as Schema.JsonObject))
      for (const message of ["text", null, [1], 5]) {
        assert.instanceOf(yield* add(message), InvalidMessage)
        assert.instanceOf(yield* add({ at: 0, data: message }), InvalidMessage)
      }
      for (const data of [{ a: Number.NaN }, { a: new Date() }, { a: "\u0000" }]) {
        assert.instanceOf(yield* add(data), InvalidMessage)
      }
      const noTimes = [
        "no time",
        "5",
        "10:03",
        null,
        {},
        [],
        true,
        Number.NaN,
        new Date(Number.NaN),
        Date.UTC(10_000, 0),
        -1e15
      ]
      for (const at of noTimes) {
        assert.instanceOf(yield* add({ at, data: {} }), InvalidArgument)
      }
      for (const at of [new Date(0), minute(0)]) {
        assert.include((yield* add({ at, foo: 1 })).message, "give { at, data }")
      }
      assert.deepStrictEqual(yield* readStream(`${streams.category}-1`), [])
    }))

  it.effect("are listed newest first by their time, then by position", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      const add = (name: string, at: DateTime.Utc) => streams.addMessage("1", { at, data: { name } })
      yield* add("b", minute(2))
      yield* add("a", minute(1))
      yield* add("c", minute(2))
      yield* add("d", minute(2))
      yield* add("0", DateTime.makeUnsafe("0000-01-01T00:00:00Z"))
      yield* add("9", DateTime.makeUnsafe("9999-12-31T23:59:59.999Z"))
      assert.deepStrictEqual(textOf(yield* streams.messages("1")), named("9dcba0"))
      assert.deepStrictEqual(textOf(yield* streams.messages("1", { sort: "-at" })), named("9dcba0"))
      assert.deepStrictEqual(textOf(yield* streams.messages("1", { sort: "at" })), named("0abcd9"))
      assert.deepStrictEqual(textOf(yield* streams.messages("1", { base: 1, limit: 2 })), named("dc"))
      assert.deepStrictEqual(textOf(yield* streams.messages("1", { base: 5, sort: "at" })), named("9"))
      assert.deepStrictEqual(yield* streams.messages("1", { base: 6 }), [])
      assert.deepStrictEqual(yield* streams.messages("none"), [])

      // What something else wrote has no time of its own, and comes last.
      const other = (name: string, metadata?: { readonly at: number }) =>
        store.append(`${streams.category}-1`, { type: "Other", data: { name }, metadata })
      yield* other("x")
      yield* other("y", { at: 5 })
      assert.deepStrictEqual(textOf(yield* streams.messages("1")), named("9dcba0yx"))
      assert.deepStrictEqual(textOf(yield* streams.messages("1", { sort: "at" })), named("0abcd9xy"))
      assert.deepStrictEqual(textOf(yield* streams.messages("1", { base: 5, limit: 2 })), named("0y"))
      const last = Option.getOrThrow(yield* store.lastMessage(`${streams.category}-1`))
      const [found] = yield* streams.messages("1", { base: 6, limit: 1 })
      assert.deepStrictEqual(found?.at, last.time)
      assert.strictEqual(yield* streams.countMessages("1"), 8)

      yield* Effect.forEach(upTo(104), (i) => streams.addMessage("2", { at: minute(i % 7), data: { i } }))
      assert.lengthOf(yield* streams.messages("2"), 100)
      assert.lengthOf(yield* streams.messages("2", { base: 100 }), 4)
    }))
}

const deletingMessages = (it: It) => {
  it.effect("leaves a tombstone in the place of a message, and a notice at the end", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      const streamName = `${streams.category}-1`
      const secret = "the secret of the test"
      const messages = upTo(4).map(() => ({ type: "Numbered", data: { secret }, metadata: { secret } }))
      yield* store.append(streamName, messages)
      const before = yield* readStream(streamName)
      const [, target] = before
      assert.isDefined(target)
      assert.isTrue(yield* streams.deleteMessage("1", target.id, note))

      const after = yield* readStream(streamName)
      assert.deepStrictEqual(positions(after), upTo(5))
      assert.deepStrictEqual(shapeOf(after), ["Numbered", "-", "Numbered", "Numbered", 1])
      for (const i of [0, 2, 3]) assert.deepStrictEqual(after[i], before[i])
      const [, tombstone, , , notice] = after
      assert.isDefined(tombstone)
      assert.isDefined(notice)
      const { id, globalPosition, position, time } = target
      const common = { streamName, type: "Deleted", data: null }
      assert.deepStrictEqual({ ...tombstone, metadata: null }, {
        ...common,
        id,
        globalPosition,
        position,
        time,
        metadata: null
      })
      const { at } = Option.getOrThrow(deletion(tombstone))
      assert.deepStrictEqual(Option.getOrThrow(deletion(tombstone)), { ...note, at })
      assert.deepStrictEqual(Option.getOrThrow(deletion(notice)), { ...note, at, position: 1 })
      assert.notStrictEqual(notice.id, id)
      assert.isTrue(isDeleted(tombstone) && isDeleted(notice))
      assert.deepStrictEqual(
        tombstone.metadata,
        { deleted: { ...note, at: DateTime.formatIso(at) } }
      )
      assert.notInclude(JSON.stringify(tombstone), secret)
      assert.deepStrictEqual(yield* store.messageAt(globalPosition), Option.some(tombstone))
      assert.deepStrictEqual(yield* store.lastMessage(streamName), Option.some(notice))

      assert.strictEqual(yield* versionOf(streamName), 4)
      assert.strictEqual(yield* streams.countMessages("1"), 3)
      assert.deepStrictEqual(yield* streams.stats, { streams: 1, messages: 3 })
      assert.notInclude(idsOf(yield* streams.messages("1")), id)
      assert.deepStrictEqual(yield* streams.message("1", id), Option.none())
      // What is deleted, and what says so, can't be deleted.
      assert.isFalse(yield* streams.deleteMessage("1", id, note))
      assert.isFalse(yield* streams.deleteMessage("1", notice.id, note))
      assert.deepStrictEqual(yield* readStream(streamName), after)
    }))

  it.effect("keeps the id of a message taken, and the version that it had wrong", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      const streamName = `${streams.category}-1`
      const id = yield* nextId
      const message = { id, type: "Numbered", data: 0 }
      yield* store.append(streamName, message)
      yield* streams.deleteMessage("1", id, note)
      assert.strictEqual((yield* Effect.flip(store.append(streamName, message)))._tag, "DuplicateMessageId")
      const kept = yield* store.append(streamName, message, { onDuplicate: "keep" })
      assert.strictEqual(kept.version, 0)
      const stale = store.append(streamName, numbered(1), { expectedVersion: 0 })
      assert.strictEqual((yield* Effect.flip(stale))._tag, "WrongExpectedVersion")
      assert.strictEqual((yield* store.append(streamName, numbered(1), { expectedVersion: 1 })).version, 2)
    }))

  it.effect("goes on with appends at the same time, without gaps", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      const streamName = `${streams.category}-1`
      yield* store.append(streamName, numbered(20))
      const ids = idsOf(yield* readStream(streamName))
      const results = yield* Effect.all([
        ...ids.flatMap((id) => [id, id].map((id) => streams.deleteMessage("1", id, note))),
        ...upTo(20).map((i) => Effect.as(store.append(streamName, numbered(2, i)), false))
      ], together)
      assert.lengthOf(results.filter((deleted) => deleted), 20)
      const messages = yield* readStream(streamName)
      assert.deepStrictEqual(positions(messages), upTo(80))
      const named = messages.flatMap((message) =>
        Option.match(deletion(message), { onNone: () => [], onSome: ({ position }) => position ?? [] })
      )
      assert.deepStrictEqual(named.toSorted((a, b) => a - b), upTo(20))
      assert.deepStrictEqual(yield* streams.stats, { streams: 1, messages: 40 })
    }))
}

const deletingStreams = (it: It) => {
  it.effect("leaves a notice, after which positions go on", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      const streamName = `${streams.category}-1`
      yield* streams.add({ id: "1", attributes: { title: "One" } })
      yield* store.append(streamName, numbered(3))
      yield* store.append(`${streams.category}-2`, numbered(1))
      const [first] = yield* readStream(streamName)
      assert.isTrue(yield* streams.delete("1", note))
      const [notice, ...others] = yield* readStream(streamName)
      assert.isDefined(notice)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(notice.position, 3)
      const { at: _, ...rest } = Option.getOrThrow(deletion(notice))
      assert.deepStrictEqual(rest, { ...note, through: 2 })
      assert.deepStrictEqual(yield* store.messageAt(first?.globalPosition ?? 0), Option.none())
      assert.strictEqual(yield* versionOf(streamName), 3)
      assert.deepStrictEqual(yield* streams.get("1"), Option.none())
      assert.instanceOf(yield* Effect.flip(streams.set("1", {})), Streams.StreamNotFound)
      assert.deepStrictEqual(idsOf(yield* streams.list()), ["2"])
      assert.deepStrictEqual(yield* streams.stats, { streams: 1, messages: 1 })
      assert.deepStrictEqual(yield* streams.messages("1"), [])
      assert.isFalse(yield* streams.delete("1", note))
      assert.isFalse(yield* streams.deleteMessage("1", notice.id, note))
      assert.deepStrictEqual(yield* readStream(streamName), [notice])

      const stale = store.append(streamName, numbered(1), { expectedVersion: "noStream" })
      assert.strictEqual((yield* Effect.flip(stale))._tag, "WrongExpectedVersion")
      assert.strictEqual((yield* streams.addMessage("1", { again: true })).position, 4)
      assert.deepStrictEqual(idsOf(yield* streams.list()), ["1", "2"])
      yield* streams.add({ id: "1" })
      assert.isTrue(yield* streams.delete("1", note))
      assert.deepStrictEqual(shapeOf(yield* readStream(streamName)), ["through 4"])
      assert.strictEqual(yield* versionOf(streamName), 5)
    }))

  it.effect("that has no messages leaves nothing, and may be added again", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      yield* streams.add({ id: "1", attributes: { first: true } })
      assert.isTrue(yield* streams.delete("1", note))
      assert.deepStrictEqual(yield* readStream(`${streams.category}-1`), [])
      yield* streams.add({ id: "1" })
      assert.strictEqual((yield* streams.addMessage("1", {})).position, 0)
      yield* streams.delete("1", note)
      // A notice is not repeated.
      yield* streams.add({ id: "1" })
      assert.isTrue(yield* streams.delete("1", note))
      assert.deepStrictEqual(shapeOf(yield* readStream(`${streams.category}-1`)), ["through 0"])
      assert.isFalse(yield* streams.delete("never", note))
    }))

  it.effect("of a whole category takes all of them, and no others", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      yield* streams.add({ id: "empty" })
      yield* streams.addMessage("1", {})
      yield* store.append(`${streams.category}-2`, numbered(3))
      const { id } = yield* streams.addMessage("2", {})
      yield* streams.deleteMessage("2", id, note)
      yield* streams.addMessage("gone", {})
      yield* streams.delete("gone", note)
      const other = `${streams.category}x-1`
      yield* store.append(other, numbered(1))
      assert.deepStrictEqual(yield* streams.purge(note), { streams: 3, messages: 4 })
      assert.deepStrictEqual(yield* streams.list(), [])
      assert.deepStrictEqual(yield* streams.stats, { streams: 0, messages: 0 })
      assert.deepStrictEqual(yield* streams.purge(note), { streams: 0, messages: 0 })
      assert.deepStrictEqual(shapeOf(yield* readStream(`${streams.category}-2`)), ["through 4"])
      assert.deepStrictEqual(shapeOf(yield* readStream(`${streams.category}-gone`)), ["through 0"])
      assert.deepStrictEqual(dataOf(yield* readStream(other)), [0])
      assert.strictEqual((yield* streams.addMessage("2", {})).position, 6)
      assert.deepStrictEqual(yield* streams.reset(note), { streams: 1, messages: 1 })
    }))

  it.effect("beside appends loses no position and gives none twice", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      const streamName = `${streams.category}-1`
      const appended = yield* Effect.all(
        upTo(40).map((i) =>
          i % 8 === 7
            ? Effect.as(streams.delete("1", note), [])
            : Effect.map(store.append(streamName, numbered(2, i)), ({ version }) => [version - 1, version])
        ),
        together
      )
      const given = appended.flat()
      assert.lengthOf(new Set(given), given.length)
      const messages = yield* readStream(streamName)
      const begin = messages[0]?.position ?? 0
      assert.deepStrictEqual(positions(messages), upTo(messages.length).map((i) => begin + i))
      assert.isAtLeast((messages.at(-1)?.position ?? 0) + 1, given.length)
    }))
}

const inTransactions = (it: It) => {
  it.effect("takes part in the caller's transaction, and is undone with it", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const store = yield* MessageStore
      const streamName = `${streams.category}-1`
      yield* streams.add({ id: "1", attributes: { title: "One" } })
      yield* store.append(streamName, numbered(3))
      const before = yield* readStream(streamName)
      const [{ id } = { id: "" }] = before
      const error = yield* Effect.flip(transaction(Effect.gen(function*() {
        yield* store.append(streamName, numbered(1))
        yield* streams.set("1", { title: "Uno" })
        assert.isTrue(yield* streams.deleteMessage("1", id, note))
        assert.strictEqual(yield* streams.countMessages("1"), 3)
        const inner = yield* Effect.flip(transaction(Effect.andThen(
          Effect.andThen(store.append(streamName, numbered(1)), streams.delete("1", note)),
          Effect.fail(new Cancelled())
        )))
        assert.instanceOf(inner, Cancelled)
        assert.deepStrictEqual(yield* streams.get("1"), Option.some({ id: "1", attributes: { title: "Uno" } }))
        assert.deepStrictEqual(shapeOf(yield* readStream(streamName)), ["-", "Numbered", "Numbered", "Numbered", 0])
        yield* streams.delete("1", note)
        yield* streams.add({ id: "2" })
        return yield* new Cancelled()
      })))
      assert.instanceOf(error, Cancelled)
      assert.deepStrictEqual(yield* readStream(streamName), before)
      assert.deepStrictEqual(yield* streams.list(), [{ id: "1", attributes: { title: "One" } }])
      yield* transaction(Effect.andThen(streams.delete("1", note), streams.add({ id: "2" })))
      assert.deepStrictEqual(idsOf(yield* streams.list()), ["2"])
      assert.deepStrictEqual(shapeOf(yield* readStream(streamName)), ["through 2"])
    }))
}

/** Expects this of an operation that a store may lack. */
const orUnsupported = <A, E extends { readonly _tag: string }, R>(operation: Effect.Effect<A, E, R>, expected: A) =>
  Effect.map(Effect.result(operation), (result) =>
    Result.isSuccess(result)
      ? assert.deepStrictEqual(result.success, expected)
      : assert.strictEqual(result.failure._tag, "Unsupported"))

const withoutThem = (it: It) => {
  it.effect("are not there on a store that lacks them, which keeps and finds messages all the same", () =>
    Effect.gen(function*() {
      const streams = yield* newStreams
      const added = yield* streams.addMessage("1", { at: minute(1), data: { foo: 1 } })
      assert.deepStrictEqual(yield* streams.message("1", added.id), Option.some(added))
      const lacking: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore>> = [
        streams.add({ id: "1" }),
        streams.set("1", {}),
        streams.get("1"),
        streams.list(),
        streams.count,
        streams.stats,
        streams.deleteMessage("1", added.id, note),
        streams.delete("1", note),
        streams.purge(note)
      ]
      for (const operation of lacking) assert.instanceOf(yield* Effect.flip(operation), Unsupported)
      // A store may have these all the same.
      yield* orUnsupported(streams.messages("1"), [added])
      yield* orUnsupported(streams.countMessages("1"), 1)
    }))
}

export const tests = (it: It, supports: Supports) => {
  if (!supports("streams")) {
    describe("streams", () => withoutThem(it))
    return
  }
  describe("streams", () => {
    adding(it)
    if (supports("transactions")) inTransactions(it)
  })
  describe("messages of streams", () => sendingMessages(it))
  describe("deleting a message", () => deletingMessages(it))
  describe("deleting a stream", () => deletingStreams(it))
}
