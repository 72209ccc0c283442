import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import { files } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { readFile } from "node:fs/promises"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { refusal } from "../support/PostgresError.ts"
import * as Role from "../support/Role.ts"

const note = { by: "Ada", reason: "a request", at: "2026-11-29T10:00:00.000Z" }

const erased = "the message was deleted"

const session = Effect.flatMap(Database.Database, ({ url }) => Database.session(url))

/** The ids in this order, whatever the test writes. */
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

interface Written {
  readonly type?: string
  readonly data?: unknown
  readonly metadata?: unknown
}

const write = (
  sql: SqlClient,
  streamName: string,
  id: number,
  { data = {}, metadata = {}, type = "T" }: Written = {}
) =>
  sql`SELECT message_store.write_message(${uuid(id)}, ${streamName}, ${type}, ${JSON.stringify(data)}::text::jsonb,
    ${JSON.stringify(metadata)}::text::jsonb)`

const writeAll = (sql: SqlClient, streamNames: ReadonlyArray<string>) =>
  sql`SELECT message_store.write_message(gen_random_uuid()::varchar, name, 'T', '{}') FROM unnest(${streamNames}::text[]) AS name`

/** Appends to streams of three categories, which are locked in the order of their hashes. */
const appendWithSnapshots = (sql: SqlClient) =>
  sql`SELECT outcome FROM eventfold.append(ARRAY['order-1', 'order:snapshot+B-1', 'order:snapshot-1'],
    ARRAY[-3, -3, -3]::bigint[], ARRAY[1, 1, 1], ARRAY[gen_random_uuid(), gen_random_uuid(), gen_random_uuid()],
    ARRAY['T', 'T', 'T'], ARRAY['{}', '{}', '{}'], ARRAY['', '', ''], true)`

/** A reference to a message of which a consumer keeps the error. */
const parked = (position: number, streamName = "copied-1"): Written => ({
  data: { streamName, position, error: "copy-secret", failure: { message: "copy-secret" }, attempts: 2 }
})

const deleteMessage = (sql: SqlClient, streamName: string, id: number, notice: number, given: object = note) => {
  const [category] = streamName.split("-")
  return Effect.map(
    sql<{ readonly deleted: boolean }>`SELECT eventfold.delete_message(${streamName}, ${uuid(id)}::uuid,
      ${JSON.stringify(given)}::text::jsonb, ${uuid(notice)}::uuid, ${`${category}:snapshot`},
      ${[`${category}:parked`, "$all:parked"]}::text[], ${erased}) AS deleted`,
    ([row]) => row?.deleted
  )
}

const deleteStream = (sql: SqlClient, category: string, id: string, notice: number) =>
  Effect.map(
    sql<{ readonly deleted: boolean }>`SELECT eventfold.delete_stream(${category}, ${id}, ${
      JSON.stringify(note)
    }::text::jsonb,
      ${uuid(notice)}::uuid, ${`${category}:snapshot`}, ${[
      `${category}:parked`,
      "$all:parked"
    ]}::text[], ${erased}) AS deleted`,
    ([row]) => row?.deleted
  )

const purge = (sql: SqlClient, category: string) =>
  sql`SELECT * FROM eventfold.purge_streams(${category}, ${
    JSON.stringify(note)
  }::text::jsonb, ${`${category}:snapshot`},
    ${[`${category}:parked`, "$all:parked"]}::text[], ${erased})`.values

const rows = (sql: SqlClient, streamName: string) =>
  sql`SELECT position, type, data::text, metadata, id FROM message_store.messages
    WHERE stream_name = ${streamName} ORDER BY position`.values

const add = (sql: SqlClient, category: string, id: string, attributes: object = {}) =>
  Effect.map(
    sql<{ readonly added: boolean }>`SELECT eventfold.add_stream(${category}, ${id},
      ${JSON.stringify(attributes)}::text::jsonb) AS added`,
    ([row]) => row?.added
  )

const list = (sql: SqlClient, category: string, after: string | null = null, base = 0, limit = 100) =>
  Effect.map(
    sql<{ readonly id: string }>`SELECT id FROM eventfold.list_streams(${category}, ${after}, ${base}, ${limit})`,
    (rows) => rows.map(({ id }) => id)
  )

const count = (sql: SqlClient, category: string) =>
  Effect.map(
    sql<{ readonly streams: bigint }>`SELECT eventfold.count_streams(${category}) AS streams`,
    ([row]) => Number(row?.streams)
  )

const noteStreams = (sql: SqlClient, category: string, size: number) =>
  Effect.map(
    sql<{ readonly messages: bigint }>`SELECT eventfold.note_streams(${category}, ${size}) AS messages`,
    ([row]) => Number(row?.messages)
  )

const messages = (sql: SqlClient, streamName: string, base: number, limit: number, ascending = false) =>
  Effect.map(
    sql<{ readonly position: bigint }>`SELECT position
      FROM eventfold.stream_messages(${streamName}, ${base}, ${limit}, ${ascending})`,
    (rows) => rows.map(({ position }) => Number(position))
  )

/** In how many rows of the two schemas a text is. */
const occurrences = (sql: SqlClient, text: string) =>
  Effect.gen(function*() {
    const tables = yield* sql<{ readonly name: string }>`SELECT oid::regclass::text AS name FROM pg_class
      WHERE relkind = 'r' AND relnamespace IN ('message_store'::regnamespace, 'eventfold'::regnamespace)`
    let found = 0
    for (const { name } of tables) {
      found += (yield* sql.unsafe(`SELECT FROM ${name} AS stored WHERE strpos(stored::text, '${text}') > 0`)).length
    }
    return found
  })

/** How many pages of each index a statement reads, after it has run once in the session. */
const indexPages = Effect.fnUntraced(function*(sql: SqlClient, statement: string) {
  const counts = Effect.map(
    sql`SELECT indexrelname, idx_blks_hit + idx_blks_read FROM pg_statio_all_indexes
      WHERE schemaname IN ('message_store', 'eventfold')`.values,
    (rows) => new Map(rows.map(([name, pages]) => [String(name), Number(pages)]))
  )
  const run = Effect.andThen(sql.unsafe(statement), sql`SELECT pg_stat_force_next_flush()`)
  yield* run
  const before = yield* counts
  yield* run
  const after = yield* counts
  let pages = 0
  for (const [name, read] of after) pages += read - (before.get(name) ?? 0)
  return pages
})

/** The grants that the docs give to a role that may delete, with another name for the role. */
const grants = (role: string) =>
  Effect.promise(async () => {
    const docs = await readFile(new URL("../../docs/message-db.md", import.meta.url), "utf8")
    const [, statements] = /```sql\n(GRANT message_store TO eraser;\n[\s\S]*?)```/.exec(docs) ?? []
    assert.isDefined(statements)
    return statements?.replaceAll("eraser", role) ?? ""
  })

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`streams on ${server.name}`, (it) => {
    it.effect("a deleted message leaves a tombstone and a notice, which Message DB's functions give as rows", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* write(sql, "tomb-1", 10, { data: { n: 0 } })
        yield* write(sql, "tomb-1", 11, {
          data: { secret: "tomb-secret" },
          metadata: { correlationStreamName: "tomb-secret" }
        })
        yield* write(sql, "tomb-1", 12, { data: { n: 2 } })
        const before = yield* sql`SELECT global_position, time FROM message_store.messages WHERE id = ${uuid(11)}::uuid`
          .values

        assert.isTrue(yield* deleteMessage(sql, "tomb-1", 11, 13))
        const tombstone = [1n, "Deleted", null, { deleted: note }, uuid(11)]
        const notice = [3n, "Deleted", null, { deleted: { ...note, position: 1 } }, uuid(13)]
        assert.deepStrictEqual((yield* rows(sql, "tomb-1")).filter(([, type]) => type === "Deleted"), [
          tombstone,
          notice
        ])
        assert.deepStrictEqual(
          yield* sql`SELECT global_position, time FROM message_store.messages WHERE id = ${uuid(11)}::uuid`.values,
          before
        )
        assert.strictEqual(yield* occurrences(sql, "tomb-secret"), 0)

        for (const call of ["get_stream_messages('tomb-1')", "get_category_messages('tomb')"]) {
          assert.deepStrictEqual(
            yield* sql.unsafe(`SELECT position, type, data, metadata::jsonb ? 'deleted', id FROM message_store.${call}`)
              .values,
            [
              [0n, "T", "{\"n\": 0}", false, uuid(10)],
              [1n, "Deleted", null, true, uuid(11)],
              [2n, "T", "{\"n\": 2}", false, uuid(12)],
              [3n, "Deleted", null, true, uuid(13)]
            ]
          )
        }
        assert.deepStrictEqual(
          yield* sql`SELECT message_store.stream_version('tomb-1'),
            (SELECT type FROM message_store.get_last_stream_message('tomb-1')),
            (SELECT position FROM message_store.get_last_stream_message('tomb-1', 'T'))`.values,
          [[3n, "Deleted", 2n]]
        )
        yield* write(sql, "tomb-1", 14)
        assert.deepStrictEqual((yield* rows(sql, "tomb-1")).map(([position]) => position), [0n, 1n, 2n, 3n, 4n])
      }))

    it.effect("a deletion that is repeated after a lost answer gives its answer again, and another one finds nothing", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* write(sql, "again-1", 20)
        assert.isTrue(yield* deleteMessage(sql, "again-1", 20, 21))
        assert.isTrue(yield* deleteMessage(sql, "again-1", 20, 21))
        assert.isFalse(yield* deleteMessage(sql, "again-1", 20, 22))
        assert.isFalse(yield* deleteMessage(sql, "again-1", 21, 22))
        assert.isFalse(yield* deleteMessage(sql, "again-2", 20, 22))
        assert.lengthOf(yield* rows(sql, "again-1"), 2)
        assert.isTrue(yield* deleteStream(sql, "again", "1", 23))
        assert.isTrue(yield* deleteStream(sql, "again", "1", 23))
        assert.isFalse(yield* deleteStream(sql, "again", "1", 24))
        assert.lengthOf(yield* rows(sql, "again-1"), 1)
      }))

    it.effect("a deleted stream keeps a notice after its last position, and a record of where its messages were", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* write(sql, "end-1", 30, { data: { secret: "end-secret" } })
        yield* write(sql, "end-1", 31)
        yield* write(sql, "end-2", 32)
        yield* add(sql, "end", "1", { secret: "end-secret" })
        const went = yield* sql`SELECT global_position, id FROM message_store.messages WHERE stream_name = 'end-1'
          ORDER BY position`.values
        assert.isTrue(yield* deleteStream(sql, "end", "1", 33))
        assert.deepStrictEqual(yield* rows(sql, "end-1"), [
          [2n, "Deleted", null, { deleted: { ...note, through: 1 } }, uuid(33)]
        ])
        assert.strictEqual(yield* occurrences(sql, "end-secret"), 0)
        assert.deepStrictEqual(
          yield* sql`SELECT global_position, id FROM eventfold.deleted_messages WHERE id IN (${uuid(30)}::uuid, ${
            uuid(31)
          }::uuid)
            ORDER BY global_position`.values,
          went
        )
        assert.deepStrictEqual(yield* list(sql, "end"), ["2"])

        yield* write(sql, "end-1", 34)
        assert.deepStrictEqual(yield* list(sql, "end"), ["1", "2"])
        assert.isTrue(yield* deleteStream(sql, "end", "1", 35))
        assert.deepStrictEqual((yield* rows(sql, "end-1")).map(([position, , , , id]) => [position, id]), [[
          4n,
          uuid(35)
        ]])
      }))

    it.effect("the copies of a deleted message go with it: snapshots of its stream, and the error it was parked with", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* writeAll(sql, ["copied-1", "copied-1"])
        yield* write(sql, "copied-1", 40)
        for (const name of ["copied:snapshot-1", "copied:snapshot+Balance-1", "copied:snapshot+Total-1"]) {
          yield* writeAll(sql, [name])
          yield* sql`UPDATE message_store.messages SET data = '"copy-secret"' WHERE stream_name = ${name}`
        }
        yield* writeAll(sql, ["copied:snapshot-2", "copied:snapshots-1", "copied:snapshot+Balance-2"])
        yield* write(sql, "copied:parked-c", 41, parked(2))
        yield* write(sql, "$all:parked-c", 42, parked(2))
        yield* write(sql, "copied:parked-c", 43, parked(1))
        yield* write(sql, "copied:parked-c", 44, parked(2, "copied-2"))

        assert.isTrue(yield* deleteMessage(sql, "copied-1", 40, 45))
        assert.deepStrictEqual(
          yield* sql`SELECT id, data FROM message_store.messages WHERE type = 'T' AND data ? 'attempts'
            AND NOT data ? 'failure' ORDER BY id`.values,
          [41, 42].map((id) => [uuid(id), { streamName: "copied-1", position: 2, error: erased, attempts: 2 }])
        )
        assert.strictEqual(yield* occurrences(sql, "copy-secret"), 2)
        assert.deepStrictEqual(
          yield* sql`SELECT stream_name, type, position FROM message_store.messages
            WHERE stream_name ~ '^copied:snapshot' ORDER BY stream_name COLLATE "C", position`.values,
          [
            ["copied:snapshot+Balance-1", "Deleted", 1n],
            ["copied:snapshot+Balance-2", "T", 0n],
            ["copied:snapshot+Total-1", "Deleted", 1n],
            ["copied:snapshot-1", "Deleted", 1n],
            ["copied:snapshot-2", "T", 0n],
            ["copied:snapshots-1", "T", 0n]
          ]
        )
        yield* deleteStream(sql, "copied", "1", 46)
        assert.strictEqual(yield* occurrences(sql, "copy-secret"), 1)
        yield* writeAll(sql, ["copied-2"])
        assert.deepStrictEqual(yield* purge(sql, "copied"), [[1n, 1n]])
        assert.strictEqual(yield* occurrences(sql, "copy-secret"), 0)
      }))

    it.effect("a purge deletes the streams of its category, and counts those that existed", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* writeAll(sql, ["purge-1", "purge-1", "purge-2", "purge-3", "purged-1", "purge", "purge:snapshot-1"])
        yield* write(sql, "purge-4", 50)
        yield* deleteMessage(sql, "purge-4", 50, 51)
        yield* deleteStream(sql, "purge", "3", 52)
        yield* add(sql, "purge", "0", { a: 1 })
        assert.deepStrictEqual(yield* purge(sql, "purge"), [[4n, 3n]])
        assert.deepStrictEqual(yield* list(sql, "purge"), [])
        assert.strictEqual(yield* count(sql, "purge"), 0)
        assert.deepStrictEqual(
          yield* sql`SELECT stream_name, position, type FROM message_store.messages WHERE stream_name ~ '^purge'
            ORDER BY stream_name COLLATE "C"`.values,
          [
            ["purge", 0n, "T"],
            ["purge-1", 2n, "Deleted"],
            ["purge-2", 1n, "Deleted"],
            ["purge-3", 1n, "Deleted"],
            ["purge-4", 2n, "Deleted"],
            ["purge:snapshot-1", 1n, "Deleted"],
            ["purged-1", 0n, "T"]
          ]
        )
        assert.deepStrictEqual(yield* purge(sql, "purge"), [[0n, 0n]])
        yield* writeAll(sql, ["purge-1"])
        assert.deepStrictEqual((yield* rows(sql, "purge-1")).map(([position]) => position), [2n, 3n])
      }))

    it.effect("lists and counts are the same, whether the streams of messages were noted or not", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const check = Effect.fnUntraced(function*(expected: ReadonlyArray<string>) {
          assert.deepStrictEqual(yield* list(sql, "noted"), expected)
          assert.strictEqual(yield* count(sql, "noted"), expected.length)
          const pages = []
          for (let after: string | null = null;;) {
            const page: ReadonlyArray<string> = yield* list(sql, "noted", after, 0, 2)
            pages.push(...page)
            if (page.length < 2) break
            after = page.at(-1) ?? null
          }
          assert.deepStrictEqual(pages, expected)
          assert.deepStrictEqual(yield* list(sql, "noted", null, 1, 2), expected.slice(1, 3))
        })
        yield* writeAll(sql, ["noted-b", "noted-d", "noted-b", "noted-", "noted", "notedly-x", "noted-f"])
        yield* add(sql, "noted", "c")
        yield* add(sql, "noted", "d", { a: 1 })
        yield* check(["b", "c", "d", "f"])
        assert.strictEqual(yield* noteStreams(sql, "noted", 2), 2)
        yield* check(["b", "c", "d", "f"])
        assert.strictEqual(yield* noteStreams(sql, "noted", 100), 4)
        assert.strictEqual(yield* noteStreams(sql, "noted", 100), 0)
        yield* check(["b", "c", "d", "f"])
        yield* writeAll(sql, ["noted-a", "noted-f"])
        yield* deleteStream(sql, "noted", "f", 60)
        yield* check(["a", "b", "c", "d"])
        yield* noteStreams(sql, "noted", 100)
        yield* check(["a", "b", "c", "d"])
        yield* writeAll(sql, ["noted-f"])
        yield* check(["a", "b", "c", "d", "f"])
        assert.isTrue(yield* add(sql, "noted", "a", { a: 1 }))
        assert.isFalse(yield* add(sql, "noted", "a", { a: 2 }))
        yield* check(["a", "b", "c", "d", "f"])
      }))

    it.effect("a list with too many streams that are not noted says so, and gives no page", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* writeAll(sql, ["many-1", "many-2", "many-2"])
        const limited = (most: number) =>
          sql`SELECT id, (SELECT eventfold.count_streams('many', ${most}))
            FROM eventfold.list_streams('many', NULL, 0, 100, ${most})`.values
        assert.deepStrictEqual(yield* limited(2), [[null, null]])
        assert.deepStrictEqual(yield* limited(3), [["1", 2n], ["2", 2n]])
        yield* noteStreams(sql, "many", 1)
        assert.deepStrictEqual(yield* limited(2), [["1", 2n], ["2", 2n]])
      }))

    it.effect("notes begin again when the table of messages was emptied, and forget what is gone", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        const sql = yield* Database.session(url)
        yield* writeAll(sql, ["emptied-1", "emptied-2"])
        yield* add(sql, "emptied", "3")
        yield* noteStreams(sql, "emptied", 100)
        yield* sql`TRUNCATE message_store.messages RESTART IDENTITY`
        assert.deepStrictEqual(yield* list(sql, "emptied"), ["3"])
        yield* writeAll(sql, ["emptied-4"])
        assert.deepStrictEqual(yield* list(sql, "emptied"), ["3", "4"])
        assert.strictEqual(yield* noteStreams(sql, "emptied", 100), 1)
        assert.deepStrictEqual(yield* list(sql, "emptied"), ["3", "4"])
        assert.strictEqual(yield* count(sql, "emptied"), 2)
      }))

    it.effect("notes are left out where they would write or wait, and what is read is the same", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* writeAll(sql, ["left-1"])
        const reader = yield* session
        yield* reader`SET default_transaction_read_only = on`
        assert.strictEqual(yield* noteStreams(reader, "left", 100), 0)
        assert.deepStrictEqual(yield* list(reader, "left"), ["1"])
        const holder = yield* session
        yield* holder.withTransaction(Effect.gen(function*() {
          yield* writeAll(holder, ["left-2"])
          assert.strictEqual(yield* noteStreams(sql, "left", 100), 0)
          assert.deepStrictEqual(yield* list(sql, "left"), ["1"])
        }))
        const { url } = yield* Database.Database
        const role = yield* Role.make()
        yield* sql`GRANT USAGE ON SCHEMA message_store, eventfold TO ${sql(role.name)}`
        yield* sql`GRANT SELECT ON message_store.messages, eventfold.streams, eventfold.stream_categories TO ${
          sql(role.name)
        }`
        const plain = yield* Database.session(role.url(url))
        assert.strictEqual(yield* noteStreams(plain, "left", 100), 0)
        assert.deepStrictEqual(yield* list(plain, "left"), ["1", "2"])
        assert.strictEqual(yield* noteStreams(sql, "left", 100), 2)
      }))

    it.effect("ids are compared by bytes, also in a database with another collation", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const ids = ["+", "-", "-2", "1", "1+2", "B", "Z", "a", "b", "z", "é", "日本", "\u{1f600}", "x".repeat(1000)]
        const sorted = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        const name = `${(yield* Database.Database).name}_icu`
        yield* Effect.acquireRelease(
          sql.unsafe(`CREATE DATABASE ${name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'`),
          () => Effect.ignore(sql.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
        )
        const url = new URL((yield* Database.Database).url)
        url.pathname = `/${name}`
        yield* Effect.provide(Postgres.install(), Database.client(url.href))
        for (const other of [sql, yield* Database.session(url.href)]) {
          yield* writeAll(other, ids.slice(0, 7).map((id) => `bytes-${id}`))
          yield* noteStreams(other, "bytes", 4)
          for (const id of ids.slice(5)) yield* add(other, "bytes", id)
          assert.deepStrictEqual(yield* list(other, "bytes"), sorted)
          assert.deepStrictEqual(
            yield* list(other, "bytes", "Z", 1, 3),
            sorted.slice(sorted.indexOf("Z") + 2).slice(0, 3)
          )
          // Snapshots with a specifier are found in any collation.
          yield* writeAll(other, ["bytes:snapshot+A-a", "bytes:snapshot-a", "bytesa-a", "bytes:other-1"])
          yield* deleteStream(other, "bytes", "a", 70)
          assert.deepStrictEqual(
            yield* other`SELECT stream_name FROM message_store.messages WHERE type = 'Deleted' AND stream_name ~ '^bytes'
              ORDER BY stream_name COLLATE "C"`.values,
            [["bytes:snapshot+A-a"], ["bytes:snapshot-a"]]
          )
        }
      }).pipe(Effect.scoped))

    it.effect("messages are in the order of their text `at`, by bytes, and those without one come last", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const ats = ["b", "a", undefined, "b", 5, "B", "é", "", null, "a"]
        for (const [i, at] of ats.entries()) {
          yield* write(sql, "timed-1", 80 + i, { metadata: at === undefined ? {} : { at } })
        }
        const order = {
          rising: [7, 5, 1, 9, 0, 3, 6, 2, 4, 8],
          falling: [6, 3, 0, 9, 1, 5, 7, 8, 4, 2]
        }
        const check = Effect.fnUntraced(function*() {
          for (
            const [base, limit] of [[0, 100], [0, 3], [2, 3], [5, 3], [6, 2], [7, 1], [8, 5], [10, 5], [0, 0]] as const
          ) {
            const end = base + limit
            assert.deepStrictEqual(yield* messages(sql, "timed-1", base, limit), order.falling.slice(base, end))
            assert.deepStrictEqual(yield* messages(sql, "timed-1", base, limit, true), order.rising.slice(base, end))
          }
        })
        yield* check()
        // Without the index, too.
        yield* Effect.flip(sql.withTransaction(Effect.gen(function*() {
          yield* sql`DROP INDEX message_store.messages_at`
          yield* check()
          return yield* Effect.fail("rolled back")
        })))
        // A text that is too long for the index.
        yield* write(sql, "timed-1", 90, { metadata: { at: `a${"a".repeat(40)}z` } })
        yield* write(sql, "timed-1", 91, { metadata: { at: `a${"a".repeat(40)}b` } })
        yield* write(sql, "timed-1", 92, { metadata: { at: "x".repeat(5000) } })
        order.rising = [7, 5, 1, 9, 11, 10, 0, 3, 12, 6, 2, 4, 8]
        order.falling = [6, 12, 3, 0, 10, 11, 9, 1, 5, 7, 8, 4, 2]
        yield* check()
        yield* deleteMessage(sql, "timed-1", 92, 93)
        yield* deleteMessage(sql, "timed-1", 82, 94)
        order.rising = [7, 5, 1, 9, 11, 10, 0, 3, 6, 4, 8]
        order.falling = [6, 3, 0, 10, 11, 9, 1, 5, 7, 8, 4]
        yield* check()
      }))

    it.effect("a page of messages or streams reads few pages of indexes, however large the stream or category is", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        const sql = yield* Database.session(url)
        yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data, metadata)
          SELECT 'large-1', i, 'Message', '{}', jsonb_build_object('at', '2026-01-01T00:00:' || lpad(((i * 7919) % 20011)::text, 8, '0'))
          FROM generate_series(0, 20000) AS i`
        yield* sql`INSERT INTO message_store.messages (stream_name, position, type)
          SELECT 'seen-' || md5(i::text), 0, 'T' FROM generate_series(1, 20000) AS i`
        yield* sql`INSERT INTO eventfold.streams (category, id, attributes)
          SELECT 'added', md5(i::text), '{}' FROM generate_series(1, 20000) AS i`
        yield* noteStreams(sql, "seen", 20000)
        for (const isAnalyzed of [false, true]) {
          if (isAnalyzed) yield* sql`ANALYZE`
          const reader = yield* Database.session(url)
          yield* reader`SET plan_cache_mode = auto`
          for (
            const call of [
              "stream_messages('large-1')",
              "stream_messages('large-1', 0, 100, true)",
              "list_streams('added', NULL, 0, 100, 1000)",
              "list_streams('added', '7', 0, 100, 1000)",
              "list_streams('seen', NULL, 0, 100, 1000)",
              "list_streams('seen', '7', 0, 100, 1000)"
            ]
          ) {
            assert.isAtMost(yield* indexPages(reader, `SELECT * FROM eventfold.${call}`), 10, call)
          }
        }
      }))

    it.effect("of several adds at once one wins, and appends and deletions leave no gap", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const added = yield* Effect.all(
          Array.from({ length: 8 }, (_, i) => add(sql, "race", "1", { i })),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(added.filter((one) => one === true).length, 1)
        for (let i = 0; i < 20; i++) yield* write(sql, "race-1", 200 + i)
        const [deleted] = yield* Effect.all([
          Effect.forEach(
            Array.from({ length: 20 }, (_, i) => i),
            (i) => deleteMessage(sql, "race-1", 200 + i, 300 + i),
            { concurrency: "unbounded" }
          ),
          Effect.forEach(
            Array.from({ length: 20 }, (_, i) => i),
            (i) => write(sql, "race-1", 400 + i),
            { concurrency: "unbounded" }
          )
        ], { concurrency: "unbounded" })
        assert.notInclude(deleted, false)
        assert.deepStrictEqual(
          (yield* rows(sql, "race-1")).map(([position]) => Number(position)),
          Array.from({ length: 60 }, (_, i) => i)
        )
        yield* Effect.all([deleteStream(sql, "race", "1", 500), write(sql, "race-1", 501)], {
          concurrency: "unbounded"
        })
        const left = (yield* rows(sql, "race-1")).map(([position, type]) => `${position} ${type}`)
        assert.include([["61 Deleted"], ["60 Deleted", "61 T"]].map(String), String(left))
      }))

    it.effect("a deletion takes the locks of a category and its snapshots in the order of appends", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* writeAll(sql, ["order-1", "order:snapshot-1", "order:snapshot+B-1"])
        yield* Effect.all(
          Array.from(
            { length: 16 },
            (_, i) => i % 2 === 0 ? appendWithSnapshots(sql) : deleteStream(sql, "order", "1", 600 + i)
          ),
          { concurrency: "unbounded" }
        )
      }))

    it.effect("a role may delete after the grants that the docs give, and not before", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const { url } = yield* Database.Database
        const role = yield* Role.make()
        yield* sql`GRANT message_store TO ${sql(role.name)}`
        const eraser = yield* Database.session(role.url(url))
        const mayDelete = eraser`SELECT eventfold.may_delete()`.values
        yield* write(eraser, "granted-1", 700)
        yield* write(eraser, "granted:snapshot-1", 701)
        assert.deepStrictEqual(yield* mayDelete, [[false]])
        assert.strictEqual((yield* refusal(deleteMessage(eraser, "granted-1", 700, 702))).code, "42501")
        yield* sql`GRANT EXECUTE ON FUNCTION eventfold.delete_message TO ${sql(role.name)}`
        assert.strictEqual((yield* refusal(deleteMessage(eraser, "granted-1", 700, 702))).code, "42501")
        assert.deepStrictEqual(yield* mayDelete, [[false]])
        assert.lengthOf(yield* rows(sql, "granted-1"), 1)

        const statements = yield* grants(role.name)
        for (const statement of statements.split(";\n").filter((text) => text.trim() !== "")) {
          yield* sql.unsafe(statement)
        }
        assert.deepStrictEqual(yield* mayDelete, [[true]])
        assert.isTrue(yield* deleteMessage(eraser, "granted-1", 700, 702))
        assert.isTrue(yield* deleteStream(eraser, "granted", "1", 703))
        assert.deepStrictEqual(yield* purge(eraser, "granted"), [[0n, 0n]])
        // What the installation grants and takes leaves it alone.
        yield* Effect.provide(Postgres.install(), Database.client(url))
        assert.deepStrictEqual(yield* mayDelete, [[true]])
      }))

    it.effect("the functions have a search path of their own or none to look along", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(
          yield* sql`SELECT proname FROM pg_proc
            WHERE pronamespace = 'eventfold'::regnamespace AND prosqlbody IS NULL
              AND proname IN ('has_messages', 'add_stream', 'set_stream', 'get_stream', 'unnoted_streams', 'list_streams',
                'count_streams', 'note_streams', 'stream_messages', 'snapshot_categories', 'acquire_locks', 'clear_streams',
                'may_delete', 'delete_message', 'delete_stream', 'purge_streams')
              AND NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting ~ '^search_path=pg_catalog, .*pg_temp$')`,
          []
        )
      }))

    it.effect("an installation leaves the index for times to a later one while a writer is open", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        const sql = yield* Database.session(url)
        const index = sql`SELECT pg_get_indexdef('message_store.messages_at'::regclass)`.values
        const expected = yield* index
        yield* sql`DROP INDEX message_store.messages_at`
        const writer = yield* Database.session(url)
        yield* writer.withTransaction(Effect.gen(function*() {
          yield* writeAll(writer, ["open-1"])
          yield* Effect.provide(Postgres.install(), Database.client(url))
        }))
        assert.deepStrictEqual(yield* sql`SELECT to_regclass('message_store.messages_at')`.values, [[null]])
        yield* Effect.provide(Postgres.install(), Database.client(url))
        assert.deepStrictEqual(yield* index, expected)

        // The statement that the file gives for a large table.
        yield* sql`DROP INDEX message_store.messages_at`
        const file = (yield* files).find(({ path }) => path === "message_store/indexes/messages_at.sql")
        const [statement] = /CREATE INDEX CONCURRENTLY[^;]*/.exec((file?.sql ?? "").replaceAll("\n--", "\n")) ?? []
        yield* sql.unsafe(statement ?? "")
        assert.deepStrictEqual(yield* index, expected)
      }))

    it.effect("an append writes what it wrote before, and nothing for the streams of its category", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        const sql = yield* Database.session(url)
        yield* writeAll(sql, ["plain-1", "plain-2"])
        // The index for times has its first page, and no entry.
        assert.deepStrictEqual(
          yield* sql`SELECT (SELECT count(*) FROM eventfold.streams), (SELECT count(*) FROM eventfold.stream_categories),
            pg_relation_size('message_store.messages_at')`.values,
          [[0n, 0n, 8192n]]
        )
      }).pipe(Effect.scoped))
  })
}
