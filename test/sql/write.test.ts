import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { refusal } from "../support/PostgresError.ts"

const write = Effect.fnUntraced(function*(streamName: string | null, options: {
  readonly id?: string | null
  readonly type?: string | null
  readonly data?: string | null
  readonly metadata?: string | null
  readonly expectedVersion?: number | null
} = {}) {
  const sql = yield* SqlClient
  const { data = "{}", expectedVersion = null, id = randomUUID(), metadata = null, type = "Tested" } = options
  const rows = yield* sql<{ readonly position: bigint }>`SELECT message_store.write_message(
    ${id}, ${streamName}, ${type}, ${data}::jsonb, ${metadata}::jsonb, ${expectedVersion}::bigint
  ) AS position`
  return rows[0]?.position
})

const lastGlobalPosition = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly last: bigint }>`SELECT last_value AS last
    FROM message_store.messages_global_position_seq`
  return rows[0]?.last ?? 0n
})

/** The version of the stream, which the error names, and the expected version. */
const mismatches: ReadonlyArray<readonly [number, number]> = [[-1, 0], [-1, 1], [-1, -2], [0, -1], [0, 1], [2, -1], [
  2,
  1
], [2, 3]]

const nulls = [
  ["stream_name", [null, {}]],
  ["stream_name", [null, { expectedVersion: -1 }]],
  ["type", ["nulls-1", { type: null }]],
  ["id", ["nulls-1", { id: null }]],
  ["stream_name", [null, { type: null, id: null }]],
  ["type", ["nulls-1", { type: null, id: null }]]
] as const

const accepted = [
  ["", {}],
  ["bareCategory", {}],
  ["-", {}],
  ["types-1", { type: "" }],
  ["data-1", { data: null }],
  ["data-1", { data: "null" }],
  ["data-1", { data: "[1, 2]" }],
  ["data-1", { data: "\"text\"" }],
  ["data-1", { metadata: "null" }],
  ["data-1", { metadata: "5" }],
  ["ids-1", { id: "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}" }],
  ["ids-1", { id: "a0eebc999c0b4ef8bb6d6bb9bd380a12" }]
] as const

/** Both the version and something else are wrong: the error of the version wins. */
const versionFirst = [
  ["an invalid id", { id: "not-a-uuid" }],
  ["an empty id", { id: "" }],
  ["no id", { id: null }],
  ["no type", { type: null }]
] as const

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`writing on ${server.name}`, (it) => {
    it.effect("numbers a stream's messages from 0", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* Effect.all([write("numbers-1"), write("numbers-1"), write("numbers-2"), write("numbers-1")]),
          [0n, 1n, 0n, 2n]
        )
      }))

    it.effect("takes its arguments by name, and metadata and expected version are optional", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const id = randomUUID()
        assert.deepStrictEqual(
          yield* sql`SELECT message_store.write_message(
            data => '{"aa": 1, "b": 2, "b": 2.50}', type => 'Named', stream_name => 'named-1', id => ${id}
          )`,
          [{ write_message: 0n }]
        )
        assert.deepStrictEqual(
          yield* sql`SELECT stream_name, position, type, data::text, metadata, id
            FROM message_store.messages WHERE id = ${id}`,
          [{
            stream_name: "named-1",
            position: 0n,
            type: "Named",
            data: "{\"b\": 2.50, \"aa\": 1}",
            metadata: null,
            id
          }]
        )
      }))

    it.effect("sees its own transaction's messages, which share the time of its start", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const rows = yield* sql.withTransaction(Effect.gen(function*() {
          yield* write("batch-1", { expectedVersion: -1 })
          yield* write("batch-1", { expectedVersion: 0 })
          return yield* sql`SELECT count(*), bool_and("time" = (now() AT TIME ZONE 'utc')) AS now
            FROM message_store.messages WHERE stream_name = 'batch-1'`
        }))
        assert.deepStrictEqual(rows, [{ count: 2n, now: true }])
      }))

    it.effect("accepts the right expected version, or none", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* write("expected-1", { expectedVersion: -1 }), 0n)
        assert.strictEqual(yield* write("expected-1", { expectedVersion: 0 }), 1n)
        assert.strictEqual(yield* write("expected-1", { expectedVersion: null }), 2n)
      }))

    it.effect.each(mismatches)(
      "refuses a stream at version %i when %i is expected",
      ([version, expectedVersion]) =>
        Effect.gen(function*() {
          const streamName = `mismatch-${version}${expectedVersion}`
          yield* Effect.replicateEffect(write(streamName), version + 1)
          assert.deepStrictEqual(yield* refusal(write(streamName, { expectedVersion })), {
            code: "P0001",
            message: `Wrong expected version: ${expectedVersion} (Stream: ${streamName}, Stream Version: ${version})`
          })
        })
    )

    it.effect.each(versionFirst)("reports a wrong version before %s", ([, options]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* refusal(write("first-1", { ...options, expectedVersion: 5 })), {
          code: "P0001",
          message: "Wrong expected version: 5 (Stream: first-1, Stream Version: -1)"
        })
      }))

    it.effect("prints a missing stream name as <NULL>", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* refusal(write(null, { expectedVersion: 3 })), {
          code: "P0001",
          message: "Wrong expected version: 3 (Stream: <NULL>, Stream Version: -1)"
        })
      }))

    it.effect("refuses an id that is recorded in any stream, in every notation", () =>
      Effect.gen(function*() {
        const id = randomUUID()
        yield* write("duplicate-1", { id })
        for (const again of [id, id.toUpperCase(), `{${id}}`, id.replaceAll("-", "")]) {
          assert.deepStrictEqual(yield* refusal(write("other-1", { id: again })), {
            code: "23505",
            message: "duplicate key value violates unique constraint \"messages_id\"",
            detail: `Key (id)=(${id}) already exists.`,
            constraint: "messages_id"
          })
        }
        // Even for the same message in the same stream.
        assert.strictEqual((yield* refusal(write("duplicate-1", { id }))).code, "23505")
        assert.strictEqual((yield* refusal(write("duplicate-1", { id, expectedVersion: 7 }))).code, "P0001")
      }))

    it.effect.each(["not-a-uuid", "", "123"])("refuses the id '%s'", (id) =>
      Effect.gen(function*() {
        const expected = { code: "22P02", message: `invalid input syntax for type uuid: "${id}"` }
        assert.deepStrictEqual(yield* refusal(write("invalid-1", { id })), expected)
        assert.deepStrictEqual(yield* refusal(write(null, { id, type: null })), expected)
      }))

    it.effect.each(nulls)("refuses to write without %s", ([column, [streamName, options]]) =>
      Effect.gen(function*() {
        const { code, message } = yield* refusal(write(streamName, options))
        assert.deepStrictEqual({ code, message }, {
          code: "23502",
          message: `null value in column "${column}" of relation "messages" violates not-null constraint`
        })
      }))

    it.effect.each(accepted)("accepts '%s' with %o", ([streamName, options]) =>
      Effect.gen(function*() {
        assert.isAtLeast(Number(yield* write(streamName, options)), 0)
      }))

    it.effect("takes a global position only when it inserts the row", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const id = randomUUID()
        yield* write("burn-1", { id })
        const before = yield* lastGlobalPosition
        yield* refusal(write("burn-1", { expectedVersion: 9 }))
        yield* refusal(write("burn-1", { id: "not-a-uuid" }))
        assert.strictEqual(yield* lastGlobalPosition, before)
        yield* refusal(write("burn-1", { id }))
        yield* refusal(write("burn-1", { type: null }))
        yield* Effect.flip(sql.withTransaction(Effect.andThen(write("burn-1"), Effect.fail("rolled back"))))
        assert.strictEqual(yield* lastGlobalPosition, before + 3n)
        assert.strictEqual(yield* write("burn-1"), 1n)
      }))

    it.effect("has no overload for a uuid, nor for json", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(
          yield* refusal(sql`SELECT message_store.write_message(gen_random_uuid(), 'a-1', 'T', '{}')`),
          {
            code: "42883",
            message: "function message_store.write_message(uuid, unknown, unknown, unknown) does not exist"
          }
        )
        assert.deepStrictEqual(
          yield* refusal(sql`SELECT message_store.write_message('', 'a-1', 'T', '{}'::json)`),
          {
            code: "42883",
            message: "function message_store.write_message(unknown, unknown, unknown, json) does not exist"
          }
        )
      }))

    it.effect("accepts text, and a narrower type for the version", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(
          yield* sql`SELECT message_store.write_message(gen_random_uuid()::text, 'typed-1'::text, 'T'::text, '{}', NULL, -1::int)`
            .values,
          [[0n]]
        )
      }))

    it.effect("returns data and metadata as jsonb stores them, and missing ones as NULL", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* write("json-1", { data: "{\"bb\":1,\"b\":2.50,\"a\":[1,2],\"b\":{ \"c\" :null}}", metadata: "  [ ]" })
        yield* write("json-1", { data: "2.50", metadata: "null" })
        yield* write("json-1", { data: null })
        assert.deepStrictEqual(
          yield* sql`SELECT data, metadata FROM message_store.get_stream_messages('json-1')`.values,
          [["{\"a\": [1, 2], \"b\": {\"c\": null}, \"bb\": 1}", "[]"], ["2.50", "null"], [null, null]]
        )
      }))

    it.effect("a failure rolls back the whole batch of a transaction", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const batch = sql.withTransaction(Effect.andThen(write("batch-2"), write("batch-2", { expectedVersion: 5 })))
        assert.strictEqual((yield* refusal(batch)).code, "P0001")
        assert.deepStrictEqual(yield* sql`SELECT message_store.stream_version('batch-2') AS version`, [{
          version: null
        }])
      }))

    it.effect("refuses a stream name that no index can hold", () =>
      Effect.gen(function*() {
        const name = Array.from({ length: 400 }, () => randomUUID()).join("")
        assert.strictEqual((yield* refusal(write(name))).code, "54000")
      }))

    it.effect("continues from the highest position after a direct insert left a gap", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* sql`INSERT INTO message_store.messages (stream_name, position, type) VALUES ('direct-1', 6, 'T')`
        assert.strictEqual(yield* write("direct-1"), 7n)
      }))

    it.effect("stream_version is that of exactly this name", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* Effect.all([write("version-1"), write("version-1"), write("Version-1"), write("version")])
        const versions = yield* Effect.forEach(
          ["version-1", "Version-1", "version", "version-2", "VERSION-1", null],
          (name) => sql`SELECT message_store.stream_version(stream_name => ${name}) AS version`
        )
        assert.deepStrictEqual(versions.flat().map((row) => row["version"]), [1n, 0n, 0n, null, null, null])
      }))

    it.effect("is Message DB 1.3.0", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(yield* sql`SELECT message_store.message_store_version() AS version`, [{
          version: "1.3.0"
        }])
      }))
  })
}
