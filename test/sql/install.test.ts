import { assert, describe, it, layer } from "@effect/vitest"
import { files, installLock } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { readdir, readFile } from "node:fs/promises"
import { inject } from "vitest"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import { install } from "../support/Installer.ts"
import { refusal } from "../support/PostgresError.ts"
import * as Psql from "../support/Psql.ts"
import * as Role from "../support/Role.ts"

/** Name, arguments, result, volatility. */
const functions = [
  ["acquire_lock", "stream_name character varying", "bigint", "v"],
  ["cardinal_id", "stream_name character varying", "character varying", "i"],
  ["category", "stream_name character varying", "character varying", "i"],
  [
    "get_category_messages",
    "category character varying, \"position\" bigint DEFAULT 1, batch_size bigint DEFAULT 1000, "
    + "correlation character varying DEFAULT NULL::character varying, consumer_group_member bigint DEFAULT NULL::bigint, "
    + "consumer_group_size bigint DEFAULT NULL::bigint, condition character varying DEFAULT NULL::character varying",
    "SETOF message_store.message",
    "v"
  ],
  [
    "get_last_stream_message",
    "stream_name character varying, type character varying DEFAULT NULL::character varying",
    "SETOF message_store.message",
    "v"
  ],
  [
    "get_stream_messages",
    "stream_name character varying, \"position\" bigint DEFAULT 0, batch_size bigint DEFAULT 1000, "
    + "condition character varying DEFAULT NULL::character varying",
    "SETOF message_store.message",
    "v"
  ],
  ["hash_64", "value character varying", "bigint", "i"],
  ["id", "stream_name character varying", "character varying", "i"],
  ["is_category", "stream_name character varying", "boolean", "i"],
  ["message_store_version", "", "character varying", "v"],
  ["stream_version", "stream_name character varying", "bigint", "v"],
  [
    "write_message",
    "id character varying, stream_name character varying, type character varying, data jsonb, "
    + "metadata jsonb DEFAULT NULL::jsonb, expected_version bigint DEFAULT NULL::bigint",
    "bigint",
    "v"
  ]
]

const indexes = [
  [
    "messages_at",
    "CREATE INDEX messages_at ON message_store.messages USING btree (hashtextextended(stream_name, (0)::bigint), "
    + "( CASE WHEN (length((metadata ->> 'at'::text)) < 32) THEN (metadata ->> 'at'::text) ELSE NULL::text END) COLLATE \"C\", "
    + "\"position\") WHERE (jsonb_typeof((metadata -> 'at'::text)) = 'string'::text)"
  ],
  [
    "messages_category",
    "CREATE INDEX messages_category ON message_store.messages USING btree "
    + "(message_store.category((stream_name)::character varying), global_position, "
    + "message_store.category(((metadata ->> 'correlationStreamName'::text))::character varying))"
  ],
  ["messages_id", "CREATE UNIQUE INDEX messages_id ON message_store.messages USING btree (id)"],
  ["messages_pkey", "CREATE UNIQUE INDEX messages_pkey ON message_store.messages USING btree (global_position)"],
  [
    "messages_stream",
    "CREATE UNIQUE INDEX messages_stream ON message_store.messages USING btree (stream_name, \"position\")"
  ]
]

const columns = [
  ["messages", "global_position", "bigint", true, "nextval('message_store.messages_global_position_seq'::regclass)"],
  ["messages", "position", "bigint", true, null],
  ["messages", "time", "timestamp without time zone", true, "(now() AT TIME ZONE 'utc'::text)"],
  ["messages", "stream_name", "text", true, null],
  ["messages", "type", "text", true, null],
  ["messages", "data", "jsonb", false, null],
  ["messages", "metadata", "jsonb", false, null],
  ["messages", "id", "uuid", true, "gen_random_uuid()"],
  ["message", "id", "character varying", false, null],
  ["message", "stream_name", "character varying", false, null],
  ["message", "type", "character varying", false, null],
  ["message", "position", "bigint", false, null],
  ["message", "global_position", "bigint", false, null],
  ["message", "data", "character varying", false, null],
  ["message", "metadata", "character varying", false, null],
  ["message", "time", "timestamp without time zone", false, null]
]

describe("install.sql", () => {
  it.effect("takes the lock that the library takes, before anything else", () =>
    Effect.gen(function*() {
      const script = yield* Effect.promise(() => readFile(`${Psql.folder}install.sql`, "utf8"))
      assert.match(script, new RegExp(`^DO .*pg_advisory_xact_lock\\(${installLock}\\)`, "m"))
      assert.isBelow(script.indexOf("pg_advisory_xact_lock"), script.indexOf("\\ir "))
      assert.strictEqual(script.match(/pg_advisory_xact_lock/g)?.length, 1)
    }))

  it.effect("includes every file once, and looks for wrong bindings before and after", () =>
    Effect.gen(function*() {
      const names = yield* Effect.promise(() => readdir(Psql.folder, { recursive: true }))
      const included = (yield* files).map((file) => file.path)
      const first = included.indexOf("install/bindings.sql")
      assert.isBelow(first, included.lastIndexOf("install/bindings.sql"))
      assert.deepStrictEqual(
        included.toSpliced(first, 1).sort(),
        names.filter((name) => /^(install|message_store|eventfold)\/.*\.sql$/.test(name)).sort()
      )
    }))
})

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`an installed store on ${server.name}`, (it) => {
    it.effect("has Message DB's functions", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const rows = yield* sql`SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid), provolatile
          FROM pg_proc WHERE pronamespace = 'message_store'::regnamespace AND prorettype <> 'trigger'::regtype
          ORDER BY proname COLLATE "C"`.values
        assert.deepStrictEqual(rows, functions)
      }))

    it.effect("has Message DB's table and type", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const rows = yield* sql`SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull,
            pg_get_expr(adbin, adrelid)
          FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
          WHERE attrelid IN ('message_store.messages'::regclass, 'message_store.message'::regclass) AND attnum > 0
          ORDER BY relname DESC, attnum`.values
        assert.deepStrictEqual(rows, columns)
        assert.deepStrictEqual(
          yield* sql`SELECT indexrelid::regclass::text, regexp_replace(pg_get_indexdef(indexrelid), '\\s+', ' ', 'g') FROM pg_index
            WHERE indrelid = 'message_store.messages'::regclass ORDER BY indexrelid::regclass::text COLLATE "C"`.values,
          indexes.map(([name, definition]) => [`message_store.${name}`, definition])
        )
        assert.deepStrictEqual(
          yield* sql`SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = 'message_store.messages'::regclass AND contype <> 'n'`.values,
          [["messages_pkey", "PRIMARY KEY (global_position)"]]
        )
      }))

    it.effect("can be used without a search_path by a role with usage, select and insert", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const database = yield* Database.Database
        const role = yield* Role.make()
        yield* sql`GRANT USAGE ON SCHEMA message_store TO ${sql(role.name)}`
        yield* sql`GRANT SELECT, INSERT ON message_store.messages TO ${sql(role.name)}`
        yield* sql`GRANT USAGE ON SEQUENCE message_store.messages_global_position_seq TO ${sql(role.name)}`

        const plain = yield* Database.session(role.url(database.url))
        yield* plain`SET search_path = ''`
        assert.deepStrictEqual(
          yield* plain`SELECT message_store.write_message(gen_random_uuid()::varchar, 'plain-1', 'T', '{}')`.values,
          [[0n]]
        )
        assert.deepStrictEqual(
          yield* plain`SELECT message_store.message_store_version(), message_store.stream_version('plain-1'),
            message_store.cardinal_id('plain-1+2'), message_store.acquire_lock('plain-1') = message_store.hash_64('plain'),
            (SELECT count(*) FROM message_store.get_stream_messages('plain-1')),
            (SELECT count(*) FROM message_store.get_category_messages('plain')),
            (SELECT count(*) FROM message_store.get_category_messages('plain', 1, 10, NULL, 0, 1)),
            (SELECT count(*) FROM message_store.get_category_messages('plain', 1, 10, 'other')),
            (SELECT count(*) FROM message_store.get_last_stream_message('plain-1'))`.values,
          [["1.3.0", 0n, "1", true, 1n, 1n, 1n, 0n, 1n]]
        )
        assert.deepStrictEqual(yield* refusal(plain`DELETE FROM message_store.messages`), {
          code: "42501",
          message: "permission denied for table messages"
        })
      }))

    it.effect("can be installed again beside an open write, and keeps its messages", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const { url } = yield* Database.Database
        const before = yield* Catalog.objects()
        const writer = yield* Database.session(url)
        yield* writer.withTransaction(Effect.gen(function*() {
          yield* writer`SELECT message_store.write_message(gen_random_uuid()::varchar, 'kept-1', 'T', '{}')`
          yield* sql.withTransaction(Effect.andThen(sql`SET LOCAL lock_timeout = '1min'`, install))
        }))
        assert.deepStrictEqual(yield* Catalog.objects(), before)
        assert.deepStrictEqual(yield* sql`SELECT message_store.stream_version('kept-1') AS version`, [{ version: 0n }])
      }))

    it.effect("is the same after four installations at once as after one", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server, empty: true })
        yield* Effect.all(
          Array.from({ length: 4 }, () => Effect.provide(install, Database.client(url), { local: true })),
          {
            concurrency: 4
          }
        )
        assert.deepStrictEqual(yield* Effect.provide(Catalog.objects(), Database.client(url)), yield* Catalog.objects())
      }))

    it.effect.skipIf(!Psql.isInstalled)(
      "is made by psql as by the library, quietly and more than once",
      () =>
        Effect.gen(function*() {
          const { url } = yield* Database.make({ server, empty: true })
          const psql = Psql.run(url, "install.sql")
          const runs = yield* Effect.all([psql, psql, Effect.andThen(psql, psql)], { concurrency: 3 })
          assert.deepStrictEqual(runs, [Psql.silence, Psql.silence, Psql.silence])
          assert.deepStrictEqual(
            yield* Effect.provide(Catalog.objects(), Database.client(url)),
            yield* Catalog.objects()
          )
        })
    )
  })
}
