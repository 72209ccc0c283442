/**
 * The calls of message-db-py and their counterparts, on one database: both give the same results and the same refusals as
 * the SQL that the Python client sends.
 */
import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { WrongExpectedVersion } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import { refusal } from "../support/PostgresError.ts"
import * as Store from "../support/Store.ts"

interface Row {
  readonly id: string
  readonly stream_name: string
  readonly type: string
  readonly position: bigint
  readonly global_position: bigint
  readonly data: string
}

const ofRow = (row: Row) => [row.id, row.stream_name, Number(row.position), Number(row.global_position), row.data]

const ofMessage = (
  { data, globalPosition, id, position, streamName }: RecordedMessage
) => [id, streamName, position, globalPosition, JSON.stringify(data)]

/** What the Python client sends, from a session with `message_store` on its search path. */
const makePython = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`SET search_path TO message_store, public`
  const write = (stream: string, data: number, expected: number | null = null) =>
    Effect.map(
      sql<{ readonly position: bigint }>`SELECT write_message(gen_random_uuid()::varchar, ${stream}, 'Numbered',
        ${String(data)}::jsonb, NULL, ${expected === null ? null : BigInt(expected)}) AS position`,
      ([row]) => Number(row?.position)
    )
  return {
    write,
    writeBatch: (stream: string, data: ReadonlyArray<number>, expected: number) =>
      sql.withTransaction(
        Effect.forEach(data, (number, i) => write(stream, number, expected + i))
      ),
    readStream: (name: string, position = 0, limit = 1_000) =>
      sql<Row>`SELECT * FROM get_stream_messages(${name}, ${BigInt(position)}, ${BigInt(limit)})`,
    readCategory: (name: string, position = 0, limit = 1_000) =>
      sql<Row>`SELECT * FROM get_category_messages(${name}, ${BigInt(position)}, ${BigInt(limit)})`,
    readAll: (position: number, limit: number) =>
      sql<Row>`SELECT id::text, stream_name, type, position, global_position, data::text FROM messages
        WHERE global_position >= ${BigInt(position)} ORDER BY global_position LIMIT ${BigInt(limit)}`,
    readLastMessage: (name: string) => sql<Row>`SELECT * FROM get_last_stream_message(${name})`
  }
})

class Python extends Context.Service<Python, Effect.Success<typeof makePython>>()("@eventfold/test/Python") {}

const ours = Database.make()
const stock = MessageDb.makeDatabase()

const both = (database: typeof ours | typeof stock) =>
  Layer.unwrap(Effect.map(database, ({ url }) =>
    Layer.merge(
      Postgres.layer({ url: Redacted.make(url) }),
      Layer.effect(Python, makePython).pipe(Layer.provide(Database.client(url)))
    )))

const schemas = [["eventfold's schema", ours], ["a stock Message DB", stock]] as const

for (const [name, database] of schemas) {
  layer(both(database), { excludeTestServices: true })(`message-db-py on ${name}`, (it) => {
    it.effect("write and append each continue where the other stopped", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        assert.strictEqual(yield* python.write("write-1", 0), 0)
        assert.strictEqual((yield* store.append("write-1", Store.numbered(1, 1))).version, 1)
        assert.strictEqual(yield* python.write("write-1", 2, 1), 2)
        assert.strictEqual((yield* store.append("write-1", Store.numbered(1, 3), { expectedVersion: 2 })).version, 3)
        assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "write-1")), Store.upTo(4))
      }))

    it.effect("both refuse a wrong expected version, and name the version", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        assert.strictEqual(
          (yield* refusal(python.write("testStream-123", 0, 1))).message,
          "Wrong expected version: 1 (Stream: testStream-123, Stream Version: -1)"
        )
        const error = yield* Effect.flip(store.append("testStream-123", Store.numbered(1), { expectedVersion: 1 }))
        assert(error instanceof WrongExpectedVersion)
        assert.deepStrictEqual([error.expected, error.actual], [1, Option.none()])
        yield* store.append("testStream-123", Store.numbered(1), { expectedVersion: -1 })
        assert.strictEqual(
          (yield* refusal(python.write("testStream-123", 0, -1))).message,
          "Wrong expected version: -1 (Stream: testStream-123, Stream Version: 0)"
        )
      }))

    it.effect("write_batch, with an expected version, gives the position of the last message, or writes nothing", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        assert.deepStrictEqual(yield* python.writeBatch("batch-1", [0, 1, 2], -1), [0, 1, 2])
        assert.strictEqual((yield* store.append("batch-1", Store.numbered(3, 3), { expectedVersion: 2 })).version, 5)
        yield* refusal(python.writeBatch("batch-1", [6, 7], 2))
        yield* Effect.flip(store.append("batch-1", Store.numbered(2, 6), { expectedVersion: 2 }))
        assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "batch-1")), Store.upTo(6))
      }))

    it.effect("read and read_stream: the same messages from a position on", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        yield* store.append("read-1", Store.numbered(7))
        for (const [from, limit] of [[0, 1_000], [3, 2], [6, 10], [7, 10]] as const) {
          const messages = yield* Stream.runCollect(store.readStream("read-1", { from, limit }))
          assert.deepStrictEqual(messages.map(ofMessage), (yield* python.readStream("read-1", from, limit)).map(ofRow))
        }
      }))

    it.effect("read_stream of a name without a dash is refused", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        assert.strictEqual((yield* refusal(python.readStream("read"))).message, "Must be a stream name: read")
        assert.instanceOf(yield* Effect.flip(Store.readStream(store, "read")), StreamName.InvalidStreamName)
      }))

    it.effect("read and read_category: the same messages from a global position on", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        for (const i of Store.upTo(9)) yield* store.append(`all-${i % 3}`, Store.numbered(1, i))
        const last = (yield* Store.readCategory(store, "all")).at(-1)?.globalPosition ?? 0
        for (const [from, limit] of [[0, 1_000], [last - 4, 2], [last, 10], [last + 1, 10]] as const) {
          const messages = yield* Stream.runCollect(store.readCategory("all", { from, limit }))
          assert.deepStrictEqual(messages.map(ofMessage), (yield* python.readCategory("all", from, limit)).map(ofRow))
        }
      }))

    it.effect("read_category of a name with a dash is refused", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        assert.strictEqual((yield* refusal(python.readCategory("all-1"))).message, "Must be a category: all-1")
        assert.instanceOf(yield* Effect.flip(Store.readCategory(store, "all-1")), StreamName.InvalidCategory)
      }))

    it.effect("read of $all: every message by global position", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        const all = Stream.runCollect(store.readAll({ from: 3, limit: 20 }))
        for (const i of Store.upTo(6)) yield* python.write(`every${i % 2}-1`, i)
        assert.deepStrictEqual((yield* all).map(ofMessage), (yield* python.readAll(3, 20)).map(ofRow))
      }))

    it.effect("read_last_message, also of a missing stream", () =>
      Effect.gen(function*() {
        const [python, store] = [yield* Python, yield* MessageStore]
        assert.deepStrictEqual(yield* python.readLastMessage("missing-1"), [])
        assert.deepStrictEqual(yield* store.lastMessage("missing-1"), Option.none())
        yield* python.write("last-1", 0)
        yield* python.write("last-1", 1)
        const last = Option.toArray(yield* store.lastMessage("last-1"))
        assert.deepStrictEqual(last.map(ofMessage), (yield* python.readLastMessage("last-1")).map(ofRow))
      }))

    it.effect("stream_identifiers is a fold over a category, without its snapshots", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        for (const name of ["ids-b", "ids-a", "ids:snapshot-c", "ids-b", "ids-a+1"]) {
          yield* store.append(name, Store.numbered(1))
        }
        const ids = yield* Stream.runFold(
          store.readCategory("ids"),
          () => new Set<string>(),
          (ids, { streamName }) =>
            Option.match(StreamName.id(streamName), { onNone: () => ids, onSome: (id) => ids.add(id) })
        )
        assert.deepStrictEqual([...ids], ["b", "a", "a+1"])
      }))
  })
}
