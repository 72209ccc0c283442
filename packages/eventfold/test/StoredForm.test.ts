import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema, SchemaGetter, Stream } from "effect"
import { Category, Entity, EntityCache, MessageStore, StoreError } from "eventfold"
import { parseExactJson } from "eventfold/StoreBackend"
import { jsonProblem } from "../src/internal/runtime/storableJson.ts"

const fresh = Layer.fresh(Layer.merge(MessageStore.layerMemory, EntityCache.layer({ capacity: 10 })))

/** A day, whose stored form has no time. */
const Day = Schema.String.pipe(Schema.decodeTo(Schema.Date, {
  decode: SchemaGetter.transform((text: string) => new Date(text)),
  encode: SchemaGetter.transform((date: Date) => date.toISOString().slice(0, 10))
}))

const Diary = Category.make("diary", {
  Dated: { at: Day },
  Shifted: { at: Day, by: Schema.Finite },
  Counted: { count: Schema.Finite },
  Noted: { note: Schema.String, tags: Schema.optional(Schema.Array(Schema.String)) },
  Broken: {
    text: Schema.String.pipe(Schema.decodeTo(Schema.NonEmptyString, {
      decode: SchemaGetter.passthrough(),
      encode: SchemaGetter.transform(() => "")
    }))
  }
})

/** Keeps all that its events say. */
const Kept = Entity.make(Diary, {
  state: Schema.Struct({ said: Schema.Array(Schema.Any) }),
  initial: { said: [] },
  evolve: {
    Dated: ({ said }, data) => ({ said: [...said, data] }),
    Shifted: ({ said }, data) => ({ said: [...said, data] }),
    Counted: ({ said }, data) => ({ said: [...said, data] }),
    Noted: ({ said }, data) => ({ said: [...said, data] }),
    Broken: ({ said }, data) => ({ said: [...said, data] })
  }
})

const { Broken, Counted, Dated, Noted, Shifted } = Diary.events

const noon = new Date("2026-01-02T12:00:00Z")

describe("the state after a transaction", () => {
  it.effect("is folded from what was stored, and so are the events, the cache and the next decision", () =>
    Effect.gen(function*() {
      const wide = { note: "a", tags: undefined, more: "not a field" }
      const events = [
        Dated({ at: noon }),
        Counted({ count: -0 }),
        Noted(wide),
        Noted({ note: "b", tags: ["x"] }),
        Shifted({ at: noon, by: -0 })
      ]
      const done = yield* Kept.transact("1", () => Effect.succeed(events))
      const uncached = yield* Kept.load("1").pipe(Effect.provideService(EntityCache.EntityCache, Option.none()))
      assert.deepStrictEqual(uncached.state.said.slice(0, 2), [{ at: new Date("2026-01-02") }, { count: 0 }])
      assert.deepStrictEqual(uncached.state.said.at(-1), { at: new Date("2026-01-02"), by: 0 })
      assert.deepStrictEqual(done.state, uncached.state)
      assert.deepStrictEqual(
        done.events.map(({ data }) => data),
        uncached.state.said as typeof events[number]["data"][]
      )
      assert.deepStrictEqual((yield* Kept.load("1", { freshness: "cached" })).state, uncached.state)
      const seen = yield* Kept.transact("1", (state) => Entity.reply([], state))
      assert.deepStrictEqual(seen.reply, uncached.state)
    }).pipe(Effect.provide(fresh)))

  it.effect("is that of the next load with several entities too", () =>
    Effect.gen(function*() {
      const done = yield* Entity.transactAll({ one: Kept.at("1"), two: Kept.at("2") }, () => ({
        one: Dated({ at: noon }),
        two: Dated({ at: noon })
      }))
      for (const [id, { state }] of [["1", done.entities.one], ["2", done.entities.two]] as const) {
        const loaded = yield* Kept.load(id).pipe(Effect.provideService(EntityCache.EntityCache, Option.none()))
        assert.deepStrictEqual(state, loaded.state)
        assert.deepStrictEqual(state.said, [{ at: new Date("2026-01-02") }])
      }
    }).pipe(Effect.provide(fresh)))

  it.effect("is none when an event could not be read again: nothing is written", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Kept.transact("1", () => Effect.succeed([Counted({ count: 1 }), Broken({ text: "a" })]))
      )
      assert(error._tag === "InvalidMessage")
      assert.deepStrictEqual([error.index, error.path], [1, ["data", "text"]])
      assert.include(error.reason, "could not be read after it was written")
      assert.deepStrictEqual(yield* Stream.runCollect(Diary.readStream("1")), [])
    }).pipe(Effect.provide(fresh)))
})

const Door = Category.make("door", { Closed: {}, Opened: Schema.Struct({}) })

describe("an event without fields", () => {
  it.effect("has an object or nothing as data", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* Door.append("1", [Door.events.Closed({}), Door.events.Opened({})])
      for (const data of [null, {}, { of: "another client" }]) {
        for (const type of ["Closed", "Opened"]) yield* store.append("door-1", { type, data })
      }
      const read = yield* Stream.runCollect(Door.readStream("1"))
      assert.deepStrictEqual(read.map(({ data }) => data), Array.from({ length: 8 }, () => ({})))
    }).pipe(Effect.provide(fresh)))

  it.effect("has no other data", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const all = [5, "text", true, [], [1]]
      for (const [index, data] of all.entries()) {
        yield* store.append(`door-${index}`, { type: "Closed", data })
        const error = yield* Effect.flip(Stream.runCollect(Door.readStream(String(index))))
        assert(error._tag === "DecodeError", String(data))
        assert.deepStrictEqual(error.path, ["data"])
        assert.include(error.reason, "Expected an object or nothing, got")
        const refused = yield* Effect.flip(Door.append("w", Door.events.Closed(data)))
        assert(refused._tag === "InvalidMessage")
      }
    }).pipe(Effect.provide(fresh)))
})

const isRefused = (value: unknown) => jsonProblem(value, 12) !== undefined

describe("a text above the limit of jsonb", () => {
  it.effect("is refused before it is sent", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const error = yield* Effect.flip(store.append("long-1", { type: "Long", data: { text: "x".repeat(2 ** 28) } }))
      assert(error instanceof StoreError.InvalidMessage)
      assert.deepStrictEqual(error.path, ["data", "text"])
      assert.include(error.reason, "is too long")
      assert.deepStrictEqual(yield* Stream.runCollect(store.readStream("long-1")), [])
    }).pipe(Effect.provide(fresh)))

  it("is counted in bytes, with its keys and the texts beside it", () => {
    assert.deepStrictEqual(["x".repeat(12), "é".repeat(6), "日".repeat(4), "🙂".repeat(3)].map(isRefused), [
      false,
      false,
      false,
      false
    ])
    assert.deepStrictEqual(["x".repeat(13), "é".repeat(7), "日日日日x", "🙂🙂🙂x"].map(isRefused), [
      true,
      true,
      true,
      true
    ])
    assert.deepStrictEqual([["x".repeat(6), "x".repeat(6)], ["x".repeat(6), "x".repeat(7)]].map(isRefused), [
      false,
      true
    ])
    assert.deepStrictEqual([{ xxxxxx: "x".repeat(6) }, { xxxxxxx: "x".repeat(6) }].map(isRefused), [false, true])
    assert.deepStrictEqual(jsonProblem({ a: ["x", "x".repeat(20)] }, 12)?.path, ["a", 1])
  })
})

describe("parseExactJson", () => {
  it("gives a number that a JavaScript number would change as its text", () => {
    const changed = ["9007199254740993", "-9007199254740993", `1${"0".repeat(400)}`, "0.10000000000000000555", "1e400"]
    for (const text of changed) {
      assert.deepStrictEqual(parseExactJson(`{"a": [${text}, 1], "b\\n": ${text}}`), { a: [text, 1], "b\n": text })
    }
  })

  it("gives every other number as a number", () => {
    const kept = [
      "0",
      "-0.00",
      "0.10",
      "1.5000000000000000000",
      "9007199254740992",
      "100000000000000000000",
      "1e20",
      "1E-7"
    ]
    for (const text of [...kept, String(0.1 + 0.2), String(Number.MAX_VALUE), String(5e-324), "123456789012345"]) {
      assert.deepStrictEqual(parseExactJson(`{"a": ${text}}`), { a: Number(text) }, text)
    }
    assert.deepStrictEqual(parseExactJson("{\"card\": \"4111111111111111111\"}"), { card: "4111111111111111111" })
  })
})
