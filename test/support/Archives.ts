/**
 * Archives in tests: what is in them, and stores that have something of everything.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Archive from "eventfold/Archive"
import * as MemoryStore from "eventfold/MemoryStore"
import * as MessageStore from "eventfold/MessageStore"
import * as Streams from "eventfold/Streams"
import { createHash } from "node:crypto"
import type { Store } from "./Store.ts"

export const inMemory: Effect.Effect<Store, never, Scope.Scope> = Effect.flatMap(MemoryStore.make, MessageStore.make)

/** Uses a store. */
export const on = (store: Store) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R | MessageStore.MessageStore>
): Effect.Effect<A, E, Exclude<R, MessageStore.MessageStore>> =>
  Effect.provideService(effect, MessageStore.MessageStore, store)

const textOf = (bytes: ReadonlyArray<Uint8Array>) => Buffer.concat(bytes).toString()

/** The archive of a store. */
export const archiveOf = (store: Store, options: Archive.ExportOptions = {}) =>
  on(store)(Effect.map(Stream.runCollect(Archive.toStream(options)), textOf))

export const bytesOf = (archive: string): Stream.Stream<Uint8Array> =>
  // In pieces that end anywhere.
  Stream.fromIterable((function*() {
    const bytes = Buffer.from(archive)
    for (let i = 0; i < bytes.length; i += 10_007) yield new Uint8Array(bytes.subarray(i, i + 10_007))
  })())

export const isOfChunk = (line: string): boolean => line.startsWith("{\"chunk\":")

/** An archive that was changed, with the checksums of what it is now: as another program would have written it. */
export const sealed = (archive: string): string => {
  let chunk: Array<string> = []
  return archive.split("\n").map((line) => {
    if (!isOfChunk(line)) {
      chunk.push(`${line}\n`)
      return line
    }
    const digest = createHash("sha256").update(chunk.join("")).digest("hex")
    chunk = []
    return line.replace(/"sha256":"[^"]*"/, `"sha256":"${digest}"`)
  }).join("\n")
}

/** The lines of an archive without what says where and when it was made. */
export const recordsOf = (archive: string): ReadonlyArray<string> =>
  archive.split("\n").slice(1, -1).filter((line) => !isOfChunk(line) && !line.startsWith("{\"end\":"))

/** The lines of messages, without their global positions. */
export const withoutPositions = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => line.replace(/^\{"globalPosition":\d+,/, "{"))

export const importInto = <E = never>(store: Store, archive: string, options: Archive.ImportOptions<E> = {}) =>
  on(store)(Archive.fromStream(bytesOf(archive), options))

const Rooms = Streams.make({ category: "room" })

const note = { by: "ann", reason: "test" }

/** Writes something of everything that goes through the library. */
export const fill = (store: Store) =>
  on(store)(Effect.gen(function*() {
    yield* store.append("account-1", [
      { type: "Opened", data: { owner: "Ada \u2028 \"quoted\" \\ \u0001\n", "ke\"y": [] } },
      { type: "Deposited", data: 5, metadata: { correlationStreamName: "process-1" } }
    ])
    yield* store.append("other-äöü/1+2", { type: "Ty\"pe", data: null })
    yield* store.append("account-1", { type: "Closed", data: {}, metadata: { properties: { a: 1 } } })
    yield* store.append("account:position-reader", { type: "Recorded", data: { position: 2 } })
    yield* store.append("account", { type: "Bare", data: {} })
    yield* Rooms.add({ id: "added", attributes: { title: "a", n: 1 } })
    yield* Rooms.add({ id: "kitchen", attributes: { title: "Küche" } })
    const { id } = yield* Rooms.addMessage("kitchen", { text: "one" })
    yield* Rooms.addMessage("kitchen", { text: "two" })
    yield* Rooms.deleteMessage("kitchen", id, note)
    yield* Rooms.addMessage("gone", { text: "x" })
    yield* Rooms.addMessage("gone", { text: "y" })
    yield* Rooms.delete("gone", note)
    yield* Rooms.addMessage("again", { text: "x" })
    yield* Rooms.delete("again", note)
    yield* Rooms.addMessage("again", { text: "z" })
  }))

/** Adds what only other clients write: numbers that JavaScript does not have, no data at all, times with more digits or none. */
export const addOdd = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql.unsafe(`INSERT INTO message_store.messages (stream_name, position, type, data, metadata, time) VALUES
    ('odd-1', 0, 'Number', '{"big": 9007199254740993, "exact": 1.10, "huge": 1e400}', '[1, 2]', '2026-01-02 03:04:05.678901'),
    ('odd-1', 1, 'None', NULL, NULL, '2026-01-02 03:04:05'),
    ('odd-1', 2, 'Null', 'null', 'null', 'infinity'),
    ('odd-1', 3, 'Text', '"text"', '{"a": {"b": [true, null]}}', '0044-03-15 12:00:00 BC'),
    ('odd-2', 0, '', '{}', NULL, '12026-01-02 03:04:05')`)
})

/** Writes many messages of about 500 bytes. */
export const fillMany = (store: Store, count: number, category = "many") =>
  Effect.forEach(
    Array.from({ length: Math.ceil(count / 500) }, (_, i) => i),
    (i) =>
      store.writeAll(Array.from({ length: Math.min(500, count - i * 500) }, (_, j) => ({
        streamName: `${category}-${(i * 500 + j) % 40}`,
        messages: [{ type: "Numbered", data: { n: i * 500 + j, filler: "x".repeat(400) } }]
      }))),
    { discard: true }
  )

export const build = <E>(layer: Layer.Layer<MessageStore.MessageStore, E>): Effect.Effect<Store, E, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layer)), Context.get(MessageStore.MessageStore))
