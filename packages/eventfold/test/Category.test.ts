import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Equal, Option, Schema, Stream } from "effect"
import { Category, Entity, Message, MessageStore, StoreError, StreamName } from "eventfold"

class Money extends Schema.Class<Money>("test/Money")({ amount: Schema.BigInt, currency: Schema.String }) {}

const Booked = Schema.Struct({
  at: Schema.DateTimeUtc,
  cents: Schema.BigInt,
  note: Schema.optionalKey(Schema.String),
  counterparty: Schema.Option(Schema.String),
  price: Money,
  lines: Schema.Array(Schema.Struct({ text: Schema.String, quantity: Schema.Int })),
  kind: Schema.TaggedUnion({ Cash: {}, Card: { last4: Schema.String } })
})

const Ledger = Category.make("ledger", {
  Booked,
  Renamed: { name: Schema.String, by: Schema.optionalKey(Schema.NullOr(Schema.String)) },
  // The data of an event may be any JSON, not only an object.
  Counted: Schema.Int,
  Closed: {}
})

const ledger1 = "ledger-1"

const rename = Ledger.events.Renamed({ name: "x" })

const write = Effect.fnUntraced(function*(message: Message.Message, streamName = ledger1) {
  const store = yield* MessageStore.MessageStore
  yield* store.append(streamName, message)
  return Option.getOrThrow(yield* store.lastMessage(streamName))
})

/** A recorded message, for what is in it besides the type, position and data that a test is about. */
const recorded: Message.RecordedMessage = {
  id: Schema.decodeSync(Message.MessageId)("0190163d-8694-739b-aea5-966c26f8ad90"),
  streamName: Schema.decodeSync(StreamName.StreamName)(ledger1),
  type: "",
  position: 0,
  globalPosition: 1,
  data: null,
  metadata: null,
  time: DateTime.makeUnsafe(0)
}

/** The data of what a reader gets of the stream `ledger-1`. */
const read = (options: MessageStore.ReadStreamOptions) =>
  Stream.runCollect(Stream.map(Ledger.readStream("1", options), ({ data }) => data))

const onMemory = Effect.provide(MessageStore.layerMemory)

describe("events", () => {
  it("are made by type, with their data, id and metadata", () => {
    assert.deepStrictEqual(Ledger.events.Closed({}), { type: "Closed", data: {} })
    assert.deepStrictEqual(
      Ledger.events.Renamed({ name: "x" }, { id: "an id", metadata: { correlationStreamName: "order-7" } }),
      { type: "Renamed", data: { name: "x" }, id: "an id", metadata: { correlationStreamName: "order-7" } }
    )
  })

  it.effect.prop("come back as they were written, dates, bigints, options, classes and absent keys", {
    booked: Booked,
    renamed: Schema.Struct({ name: Schema.String, by: Schema.optionalKey(Schema.NullOr(Schema.String)) }),
    counted: Schema.Int
  }, ({ booked, counted, renamed }) =>
    Effect.gen(function*() {
      const events = [
        Ledger.events.Booked(booked),
        Ledger.events.Renamed(renamed),
        Ledger.events.Counted(counted),
        Ledger.events.Closed({})
      ]
      const messages = yield* Ledger.encode(ledger1, events)
      const decoded = yield* Effect.forEach(messages, (message, position) => {
        const data: Schema.Json = JSON.parse(JSON.stringify(message.data))
        return Ledger.decode({ ...recorded, type: message.type, position, data })
      })
      const found = decoded.map(Option.getOrThrow).map(({ data, type }) => ({ type, data }))
      // Not deepStrictEqual: an integer may be -0, and JSON.stringify has one zero.
      assert.isTrue(Equal.equals(found, events))
      const [first] = decoded
      assert.isTrue(
        first !== undefined && Option.isSome(first) && first.value.type === "Booked" &&
          first.value.data.price instanceof Money
      )
    }))

  it.effect("are stored as JSON that others can read", () =>
    Effect.gen(function*() {
      const [message] = yield* Ledger.encode(ledger1, [
        Ledger.events.Booked({
          at: DateTime.makeUnsafe("2026-01-02T03:04:05.678Z"),
          cents: 12345678901234567890n,
          counterparty: Option.none(),
          price: new Money({ amount: 5n, currency: "EUR" }),
          lines: [{ text: "a", quantity: 1 }],
          kind: { _tag: "Card", last4: "1234" }
        })
      ])
      assert.deepStrictEqual(message?.data, {
        at: "2026-01-02T03:04:05.678Z",
        cents: "12345678901234567890",
        counterparty: { _tag: "None" },
        price: { amount: "5", currency: "EUR" },
        lines: [{ text: "a", quantity: 1 }],
        kind: { _tag: "Card", last4: "1234" }
      })
    }))
})

describe("streamName", () => {
  it.effect("is the category, a dash and the id", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Ledger.streamName("1"), "ledger-1")
      assert.strictEqual(yield* Ledger.streamName(["1", "2"]), "ledger-1+2")
    }))

  it.effect("fails for an empty id, in every operation that takes one", () =>
    Effect.gen(function*() {
      const error = new StreamName.InvalidStreamName({ streamName: "ledger-", reason: "has an empty id" })
      assert.deepStrictEqual(yield* Effect.flip(Ledger.streamName("")), error)
      assert.deepStrictEqual(yield* Effect.flip(Ledger.append("", rename)), error)
      assert.deepStrictEqual(yield* Effect.flip(Stream.runDrain(Ledger.readStream(""))), error)
    }).pipe(onMemory))
})

describe("append and read", () => {
  it.effect("one event or many, under an expected version", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Ledger.append("1", rename, { expectedVersion: "noStream" }), {
        version: 0,
        globalPosition: 1
      })
      const result = yield* Ledger.append("1", [rename, Ledger.events.Closed({})], { expectedVersion: 0 })
      assert.deepStrictEqual(result, { version: 2, globalPosition: 3 })
      const error = yield* Effect.flip(Ledger.append("1", rename, { expectedVersion: 0 }))
      assert.deepStrictEqual(
        error,
        new StoreError.WrongExpectedVersion({ streamName: "ledger-1", expected: 0, actual: Option.some(2) })
      )
    }).pipe(onMemory))

  it.effect("gives the events with the message that each was recorded as", () =>
    Effect.gen(function*() {
      const id = "0190163d-8694-739b-aea5-966c26f8ad90"
      const metadata = { schemaVersion: "1" }
      yield* Ledger.append(["1", "2"], Ledger.events.Renamed({ name: "x" }, { id, metadata }))
      const [event] = yield* Stream.runCollect(Ledger.readStream(["1", "2"]))
      assert.strictEqual(event?.type, "Renamed")
      assert.deepStrictEqual(event?.data, { name: "x" })
      assert.deepStrictEqual<unknown>(event?.recorded, {
        id,
        streamName: "ledger-1+2",
        type: "Renamed",
        position: 0,
        globalPosition: 1,
        data: { name: "x" },
        metadata,
        time: DateTime.makeUnsafe(0)
      })
    }).pipe(onMemory))

  it.effect("appends the same events under the same ids once", () =>
    Effect.gen(function*() {
      const event = Ledger.events.Renamed({ name: "x" }, { id: "0190163d-8694-739b-aea5-966c26f8ad90" })
      const first = yield* Ledger.append("1", event)
      yield* Ledger.append("1", rename)
      assert.deepStrictEqual(yield* Ledger.append("1", event), first)
      assert.strictEqual((yield* Stream.runCollect(Ledger.readStream("1"))).length, 2)
    }).pipe(onMemory))

  it.effect("reads page by page, forwards and backwards, and skips foreign messages on the way", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 10; i++) {
        yield* Ledger.append("1", Ledger.events.Counted(i))
        yield* write({ type: "Foreign", data: null })
      }
      assert.deepStrictEqual(yield* read({ batchSize: 3 }), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      assert.deepStrictEqual(yield* read({ batchSize: 1, direction: "backwards", from: 9 }), [4, 3, 2, 1, 0])
      assert.deepStrictEqual(yield* read({ from: 5, limit: 4 }), [3, 4])
    }).pipe(onMemory))
})

describe("encode refuses, with the path", () => {
  it.effect("data that does not fit, and writes nothing of the append", () =>
    Effect.gen(function*() {
      const line = { text: "a", quantity: 1.5 }
      const booked = Ledger.events.Booked({
        at: DateTime.makeUnsafe(0),
        cents: 0n,
        counterparty: Option.none(),
        price: new Money({ amount: 5n, currency: "EUR" }),
        lines: [{ text: "b", quantity: 1 }, line],
        kind: { _tag: "Cash" }
      })
      const error = yield* Effect.flip(Ledger.append("1", [rename, booked]))
      assert.instanceOf(error, StoreError.InvalidMessage)
      const { index, path, streamName, type } = error
      assert.deepStrictEqual({ index, path, streamName, type }, {
        streamName: "ledger-1",
        index: 1,
        type: "Booked",
        path: ["data", "lines", 1, "quantity"]
      })
      assert.match(error.message, /^message 1 \(Booked\) to ledger-1: data\.lines\.1\.quantity .*integer/)
      assert.deepStrictEqual(yield* Stream.runCollect(Ledger.readStream("1")), [])
    }).pipe(onMemory))

  it.effect("an event that is not one of the category's", () =>
    Effect.gen(function*() {
      const Other = Category.make("other", { Opened: {} })
      for (const event of [Other.events.Opened({}), ...inherited.map((type) => ({ type, data: {} }))]) {
        // @ts-expect-error the types refuse it as well
        const encode = Ledger.encode(ledger1, [event])
        const error = yield* Effect.flip(encode)
        assert.deepStrictEqual([error._tag, error.type, error.path], ["InvalidMessage", event.type, ["type"]])
        assert.strictEqual(
          error.message,
          `message 0 (${event.type}) to ledger-1: type is not an event of the category ledger, ` +
            `whose events are Booked, Renamed, Counted, Closed`
        )
      }
    }))

  it.effect("no events at all", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Ledger.append("1", []))
      assert.strictEqual(error._tag, "InvalidMessage")
      assert.match(error.message, /append at least one/)
    }).pipe(onMemory))
})

describe("decode", () => {
  it.effect("a message that does not fit is a value: stream, position, type, path and why", () =>
    Effect.gen(function*() {
      yield* Ledger.append("1", [rename, rename])
      const recorded = yield* write({ type: "Renamed", data: { name: 5 } })
      const error = yield* Effect.flip(Ledger.decode(recorded))
      assert.instanceOf(error, Category.DecodeError)
      const { globalPosition, path, position, reason, streamName, type } = error
      assert.deepStrictEqual({ globalPosition, path, position, streamName, type }, {
        streamName: "ledger-1",
        position: 2,
        globalPosition: 3,
        type: "Renamed",
        path: ["data", "name"]
      })
      assert.strictEqual(
        error.message,
        `cannot decode Renamed at position 2 of stream ledger-1: data.name: ${reason}`
      )
      assert.match(reason, /string/)
    }).pipe(onMemory))

  it.effect("a path leads into arrays and structs", () =>
    Effect.gen(function*() {
      const recorded = yield* write({
        type: "Booked",
        data: {
          at: "2026-01-02T03:04:05.678Z",
          cents: "1",
          counterparty: { _tag: "None" },
          price: { amount: "5", currency: "EUR" },
          lines: [{ text: "a", quantity: 1 }, { text: "b" }],
          kind: { _tag: "Cash" }
        }
      })
      const error = yield* Effect.flip(Ledger.decode(recorded))
      assert.deepStrictEqual(error.path, ["data", "lines", 1, "quantity"])
    }).pipe(onMemory))

  it.effect("a reader gets what came before, then the error", () =>
    Effect.gen(function*() {
      yield* Ledger.append("1", [rename, rename])
      yield* write({ type: "Closed", data: 5 })
      const seen: Array<number> = []
      const error = yield* Ledger.readStream("1", { batchSize: 2 }).pipe(
        Stream.runForEach(({ recorded }) => Effect.sync(() => seen.push(recorded.position))),
        Effect.flip
      )
      assert.deepStrictEqual(seen, [0, 1])
      assert.strictEqual(error._tag, "DecodeError")
    }).pipe(onMemory))

  it.effect("a type that the category does not name is none, not an error", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Ledger.decode(yield* write({ type: "Foreign", data: [1] })), Option.none())
    }).pipe(onMemory))

  it.effect("keys that the schema does not know are dropped: a later version may have added them", () =>
    Effect.gen(function*() {
      const recorded = yield* write({ type: "Renamed", data: { name: "x", later: true } })
      const event = Option.getOrThrow(yield* Ledger.decode(recorded))
      assert.deepStrictEqual(event.data, { name: "x" })
    }).pipe(onMemory))
})

describe("a type that the category does not name", () => {
  const Strict = Category.make("ledger", { Renamed: { name: Schema.String } }, { unknownTypes: "refuse" })

  it.effect("is refused on demand, with its place", () =>
    Effect.gen(function*() {
      yield* Strict.append("1", Strict.events.Renamed({ name: "x" }))
      const recorded = yield* write({ type: "Foreign", data: [1] })
      const error = yield* Effect.flip(Strict.decode(recorded))
      assert.deepStrictEqual([error.streamName, error.position, error.type, error.path], [
        ledger1,
        1,
        "Foreign",
        ["type"]
      ])
      assert.strictEqual(
        error.message,
        "cannot decode Foreign at position 1 of stream ledger-1: " +
          "type: not an event of the category ledger, whose events are Renamed"
      )
      const State = Entity.make(Strict, {
        state: Schema.String,
        initial: "",
        evolve: { Renamed: (_, { name }) => name }
      })
      const failures = [
        yield* Effect.flip(Stream.runDrain(Strict.readStream("1"))),
        yield* Effect.flip(Stream.runDrain(Strict.readCategory())),
        yield* Effect.flip(Strict.lastEvent("1")),
        yield* Effect.flip(State.load("1")),
        yield* Effect.flip(State.transact("1", () => Strict.events.Renamed({ name: "y" })))
      ]
      assert.deepStrictEqual(failures, Array.from({ length: 5 }, () => error))
    }).pipe(onMemory))

  it.effect("is refused also when it is named like what every object has", () =>
    Effect.gen(function*() {
      for (const type of inherited) {
        const error = yield* Effect.flip(Strict.decode({ ...recorded, type }))
        assert.deepStrictEqual([error.type, error.path], [type, ["type"]])
      }
    }))

  it.effect("is left out otherwise, and by default", () =>
    Effect.gen(function*() {
      const Lenient = Category.make("ledger", {}, { unknownTypes: "skip" })
      yield* write({ type: "Foreign", data: [1] })
      assert.deepStrictEqual(yield* Stream.runCollect(Lenient.readStream("1")), [])
      assert.deepStrictEqual(yield* Stream.runCollect(Ledger.readStream("1")), [])
    }).pipe(onMemory))
})

describe("lastEvent", () => {
  it.effect("is the last one, or the last of a type, or none", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Ledger.lastEvent("1"), Option.none())
      yield* Ledger.append("1", [Ledger.events.Counted(1), Ledger.events.Counted(2), rename])
      const last = Option.getOrThrow(yield* Ledger.lastEvent("1"))
      assert.deepStrictEqual([last.type, last.data, last.recorded.position], ["Renamed", { name: "x" }, 2])
      const counted = Option.getOrThrow(yield* Ledger.lastEvent("1", { type: "Counted" }))
      assert.deepStrictEqual([counted.type, counted.data, counted.recorded.position], ["Counted", 2, 1])
      assert.deepStrictEqual(yield* Ledger.lastEvent("1", { type: "Closed" }), Option.none())
      yield* write({ type: "Foreign", data: null })
      assert.deepStrictEqual(yield* Ledger.lastEvent("1"), Option.none())
    }).pipe(onMemory))

  it.effect("fails with one that does not fit, and for an id that is none", () =>
    Effect.gen(function*() {
      yield* write({ type: "Counted", data: "many" })
      assert.deepStrictEqual((yield* Effect.flip(Ledger.lastEvent("1")))._tag, "DecodeError")
      assert.deepStrictEqual((yield* Effect.flip(Ledger.lastEvent("")))._tag, "InvalidStreamName")
    }).pipe(onMemory))
})

describe("toAppend", () => {
  it.effect("is a part of a writeAll, beside those of other categories", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const Other = Category.make("other", { Opened: { by: Schema.String } })
      const id = "0190163d-8694-739b-aea5-966c26f8ad90"
      const parts = [
        yield* Ledger.toAppend("1", [rename, Ledger.events.Counted(1)], { expectedVersion: "noStream" }),
        yield* Other.toAppend(["1", "2"], Other.events.Opened({ by: "y" }, { id }))
      ]
      assert.deepStrictEqual(yield* store.writeAll(parts), [
        { version: 1, globalPosition: 2 },
        { version: 0, globalPosition: 3 }
      ])
      const ledger = yield* Stream.runCollect(Ledger.readStream("1"))
      assert.deepStrictEqual(ledger.map(({ data }) => data), [{ name: "x" }, 1])
      const [opened] = yield* Stream.runCollect(Other.readStream(["1", "2"]))
      assert.deepStrictEqual<unknown>([opened?.data, opened?.recorded.id], [{ by: "y" }, id])
      const again = yield* Effect.flip(store.writeAll([
        yield* Other.toAppend("3", Other.events.Opened({ by: "z" })),
        yield* Ledger.toAppend("1", rename, { expectedVersion: "noStream" })
      ]))
      assert.strictEqual(again._tag, "WrongExpectedVersion")
      assert.deepStrictEqual(yield* Other.lastEvent("3"), Option.none())
    }).pipe(onMemory))

  it.effect("fails before anything is written", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Ledger.toAppend("1", [rename, Ledger.events.Counted(0.5)]))
      assert(error instanceof StoreError.InvalidMessage)
      assert.deepStrictEqual([error.streamName, error.index, error.path], [ledger1, 1, ["data"]])
      assert.strictEqual((yield* Effect.flip(Ledger.toAppend("", rename)))._tag, "InvalidStreamName")
    }))
})

/** Names that a lookup in a plain object would find on its prototype. */
const inherited = ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"]

describe("types named like what every object has", () => {
  it.effect("are harmless as types of foreign messages", () =>
    Effect.gen(function*() {
      for (const type of inherited) {
        assert.deepStrictEqual(yield* Ledger.decode(yield* write({ type, data: {} })), Option.none(), type)
      }
      assert.deepStrictEqual(yield* Stream.runCollect(Ledger.readStream("1")), [])
    }).pipe(onMemory))

  it.effect("are types like others", () =>
    Effect.gen(function*() {
      const Odd = Category.make("constructor", {
        constructor: { n: Schema.Int },
        ["__proto__"]: { n: Schema.Int },
        toString: { n: Schema.Int }
      })
      yield* Odd.append("1", [
        Odd.events.constructor({ n: 1 }),
        Odd.events["__proto__"]({ n: 2 }),
        Odd.events.toString({ n: 3 })
      ])
      const read = yield* Stream.runCollect(Odd.readStream("1"))
      assert.deepStrictEqual(read.map(({ data, type }) => [type, data]), [
        ["constructor", { n: 1 }],
        ["__proto__", { n: 2 }],
        ["toString", { n: 3 }]
      ])
      const foreign = yield* write({ type: "hasOwnProperty", data: {} }, "constructor-1")
      assert.deepStrictEqual(yield* Odd.decode(foreign), Option.none())
    }).pipe(onMemory))

  it.effect("and so are fields", () =>
    Effect.gen(function*() {
      const Odd = Category.make("odd", { Happened: { constructor: Schema.Int, ["__proto__"]: Schema.Int } })
      const data = { constructor: 1, ["__proto__"]: 2 }
      yield* Odd.append("1", Odd.events.Happened(data))
      const [event] = yield* Stream.runCollect(Odd.readStream("1"))
      assert.deepStrictEqual(Object.entries(event?.data ?? {}), Object.entries(data))
    }).pipe(onMemory))
})
