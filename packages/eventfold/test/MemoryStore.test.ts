import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { MemoryStore, type Message, MessageStore } from "eventfold"

/** What every store promises is in the conformance suite; here is what only the one in memory can show. */

const store = Effect.flatMap(MemoryStore.make, MessageStore.make)

const ids = [
  "00000000-0000-4000-8000-000000000001",
  "00000000-0000-4000-8000-000000000002",
  "00000000-0000-4000-8000-000000000003"
] as const

const thing: Message.Message = { type: "Happened", data: {} }

describe("global positions are burned as by a sequence of PostgreSQL", () => {
  it.effect("by a refused duplicate", () =>
    Effect.gen(function*() {
      const { append } = yield* store
      assert.strictEqual((yield* append("a-1", { ...thing, id: ids[0] })).globalPosition, 1)
      const error = yield* Effect.flip(append("a-2", [thing, thing, { ...thing, id: ids[0] }]))
      assert.strictEqual(error._tag, "DuplicateMessageId")
      assert.isAbove((yield* append("a-2", thing)).globalPosition, 2)
    }))

  it.effect("by a writeAll that is rolled back", () =>
    Effect.gen(function*() {
      const { append, readCategory, streamVersion, writeAll } = yield* store
      yield* append("a-1", thing)
      const error = yield* Effect.flip(writeAll([
        { streamName: "a-2", messages: [thing, thing] },
        { streamName: "b-1", messages: thing },
        { streamName: "a-1", messages: thing, expectedVersion: "noStream" }
      ]))
      assert.strictEqual(error._tag, "WrongExpectedVersion")
      assert.deepStrictEqual(yield* streamVersion("a-2"), Option.none())
      assert.deepStrictEqual(yield* Stream.runCollect(readCategory("b")), [])
      assert.deepStrictEqual(yield* append("a-2", thing), { version: 0, globalPosition: 5 })
    }))

  it.effect("not by a refused version, nor by an append that has been recorded before", () =>
    Effect.gen(function*() {
      const { append } = yield* store
      yield* append("a-1", { ...thing, id: ids[0] })
      yield* Effect.flip(append("a-1", [thing, thing], { expectedVersion: 7 }))
      yield* append("a-1", { ...thing, id: ids[0] })
      assert.deepStrictEqual(yield* append("a-1", thing), { version: 1, globalPosition: 2 })
    }))

  it.effect("and a reader goes on across the gap", () =>
    Effect.gen(function*() {
      const { append, readCategory } = yield* store
      yield* append("a-1", { ...thing, id: ids[0] })
      yield* Effect.flip(append("a-2", [{ ...thing, id: ids[1] }, { ...thing, id: ids[0] }]))
      // The id that was refused along with its neighbour is still free.
      const written = yield* append("a-2", { ...thing, id: ids[1] })
      const read = yield* Stream.runCollect(readCategory("a", { batchSize: 1 }))
      assert.deepStrictEqual(read.map((message) => message.globalPosition), [1, written.globalPosition])
      assert.deepStrictEqual(yield* Stream.runCollect(readCategory("a", { from: 2 })), read.slice(1))
    }))
})

describe("no object is shared", () => {
  it.effect("with the writer", () =>
    Effect.gen(function*() {
      const { append, lastMessage } = yield* store
      const data = { list: [1, 2], inner: { text: "as written" } }
      const properties = { tenant: "as written" }
      yield* append("a-1", { type: "Happened", data, metadata: { properties } })
      data.list.push(3)
      data.inner.text = "changed"
      properties.tenant = "changed"
      const recorded = Option.getOrThrow(yield* lastMessage("a-1"))
      assert.deepStrictEqual(recorded.data, { list: [1, 2], inner: { text: "as written" } })
      assert.deepStrictEqual(recorded.metadata, { properties: { tenant: "as written" } })
    }))

  it.effect("between readers, whichever way they read", () =>
    Effect.gen(function*() {
      const { append, lastMessage, readCategory, readStream } = yield* store
      yield* append("a-1", { type: "Happened", data: { list: [1] }, metadata: { properties: { key: "kept" } } })
      const reads = [
        Effect.map(lastMessage("a-1"), Option.toArray),
        Stream.runCollect(readStream("a-1")),
        Stream.runCollect(readStream("a-1", { direction: "backwards" })),
        Stream.runCollect(readCategory("a"))
      ]
      const before = yield* Effect.all(reads)
      for (const [recorded] of yield* Effect.all(reads)) {
        assert.isDefined(recorded)
        Object.assign(recorded, { type: "Changed", position: 99 })
        Object.assign(recorded.data ?? {}, { list: "changed" })
        Object.assign(recorded.metadata ?? {}, { properties: "changed" })
      }
      assert.deepStrictEqual(yield* Effect.all(reads), before)
    }))

  it.effect("between two stores", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* store, yield* store]
      yield* one.append("a-1", thing)
      assert.deepStrictEqual(yield* other.streamVersion("a-1"), Option.none())
      assert.deepStrictEqual(yield* other.append("b-1", thing), { version: 0, globalPosition: 1 })
    }))
})

it.effect("the time is the clock's, one for all messages of an append", () =>
  Effect.gen(function*() {
    const { append, readCategory, writeAll } = yield* store
    yield* append("a-1", [thing, thing])
    yield* TestClock.setTime(Date.UTC(2026, 0, 2))
    yield* writeAll([{ streamName: "a-1", messages: thing }, { streamName: "a-2", messages: thing }])
    const read = yield* Stream.runCollect(readCategory("a"))
    assert.deepStrictEqual(read.map(({ time }) => DateTime.formatIso(time)), [
      "1970-01-01T00:00:00.000Z",
      "1970-01-01T00:00:00.000Z",
      "2026-01-02T00:00:00.000Z",
      "2026-01-02T00:00:00.000Z"
    ])
  }))

it.effect("the layer is a store of its own for each program", () =>
  Effect.gen(function*() {
    const append = Effect.flatMap(MessageStore.MessageStore, (store) => store.append("a-1", thing))
    const both = Effect.provide(Effect.all([append, append]), MessageStore.layerMemory, { local: true })
    const versions = [{ version: 0, globalPosition: 1 }, { version: 1, globalPosition: 2 }]
    assert.deepStrictEqual(yield* both, versions)
    assert.deepStrictEqual(yield* both, versions)
  }))
