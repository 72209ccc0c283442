import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import { verifyFiles } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Streams from "eventfold/Streams"
import * as Verify from "eventfold/Verify"
import { inject } from "vitest"
import * as Archives from "../support/Archives.ts"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Role from "../support/Role.ts"
import * as Store from "../support/Store.ts"
import { objects } from "../upgrade/installed.ts"

const { fill, on } = Archives

const findings = (store: Store.Store) => on(store)(Stream.runCollect(Verify.run()))

const encode = Schema.encodeSync(Schema.Array(Verify.Finding))

/** A kind of damage: how to do it, and what is found. */
interface Damage {
  readonly name: string
  /** Streams that it needs, each with three messages. */
  readonly streams: ReadonlyArray<string>
  readonly statements: ReadonlyArray<string>
  /** `at` gives the global position of a message. */
  readonly found: (at: (streamName: string, position: number) => number) => ReadonlyArray<Verify.Finding>
}

const id = "00000000-0000-4000-8000-000000000000"

/** They are planted in one database, each in a stream of its own. */
const damages: ReadonlyArray<Damage> = [
  {
    name: "a message that is gone",
    streams: ["gap-1"],
    statements: ["DELETE FROM message_store.messages WHERE stream_name = 'gap-1' AND position = 1"],
    found: (at) => [
      { _tag: "PositionGap", streamName: "gap-1", after: 0, position: 2, globalPosition: at("gap-1", 2) }
    ]
  },
  {
    name: "a first message that is gone",
    streams: ["begin-1"],
    statements: ["DELETE FROM message_store.messages WHERE stream_name = 'begin-1' AND position = 0"],
    found: (at) => [
      { _tag: "PositionGap", streamName: "begin-1", after: -1, position: 1, globalPosition: at("begin-1", 1) }
    ]
  },
  {
    name: "a position that is there twice, and an index that is gone",
    streams: ["twice-1"],
    statements: [
      "DROP INDEX message_store.messages_stream",
      "UPDATE message_store.messages SET position = 1 WHERE stream_name = 'twice-1' AND position = 2"
    ],
    found: (at) => [
      { _tag: "ObjectMissing", kind: "index", name: "message_store.messages_stream" },
      { _tag: "PositionRepeated", streamName: "twice-1", position: 1, globalPosition: at("twice-1", 2) }
    ]
  },
  {
    name: "a stream in another order than the store, and a sequence that is behind",
    streams: ["order-1"],
    statements: [
      "UPDATE message_store.messages SET global_position = 400 WHERE stream_name = 'order-1' AND position = 1",
      "SELECT setval('message_store.messages_global_position_seq', 7)"
    ],
    found: (at) => [
      { _tag: "OrderBroken", streamName: "order-1", position: 2, globalPosition: at("order-1", 2), previous: 400 },
      { _tag: "SequenceBehind", last: 400, sequence: 7 }
    ]
  },
  {
    name: "an id that is there twice, and an index that is not unique",
    streams: ["id-1"],
    statements: [
      "DROP INDEX message_store.messages_id",
      "CREATE INDEX messages_id ON message_store.messages (id)",
      `UPDATE message_store.messages SET id = '${id}' WHERE stream_name = 'id-1' AND position < 2`
    ],
    found: () => [
      { _tag: "ObjectChanged", kind: "index", name: "message_store.messages_id" },
      { _tag: "IdRepeated", id, messages: 2 }
    ]
  },
  {
    name: "data and metadata that are no JSON",
    streams: ["bad-1"],
    // What the type writes is bytes, so bytes can be taken for it.
    statements: [
      "CREATE CAST (bytea AS jsonb) WITHOUT FUNCTION",
      `UPDATE message_store.messages SET data = '\\x0100002005000070ffff'::bytea::jsonb
        WHERE stream_name = 'bad-1' AND position = 0`,
      `UPDATE message_store.messages SET metadata = '\\x0100002005000070ffff'::bytea::jsonb
        WHERE stream_name = 'bad-1' AND position = 2`
    ],
    found: (at) =>
      [0, 2].map((position) => ({
        _tag: "Unreadable",
        globalPosition: at("bad-1", position),
        reason: "unexpected jsonb type as object key"
      }))
  },
  {
    name: "functions, views, columns and indexes that are missing or are others",
    streams: [],
    statements: [
      "DROP FUNCTION eventfold.log_run()",
      "DROP VIEW message_store.type_summary",
      `CREATE OR REPLACE VIEW message_store.stream_summary AS
        SELECT stream_name, 1::bigint AS message_count, 1::numeric AS percent FROM message_store.messages`,
      "ALTER FUNCTION message_store.acquire_lock(varchar) RESET search_path",
      "ALTER TABLE message_store.messages ALTER COLUMN id DROP DEFAULT",
      "DROP INDEX message_store.messages_category",
      "CREATE INDEX messages_category ON message_store.messages (message_store.category(stream_name), global_position)"
    ],
    found: () => [
      { _tag: "ObjectMissing", kind: "function", name: "eventfold.log_run()" },
      { _tag: "ObjectMissing", kind: "view", name: "message_store.type_summary" },
      { _tag: "ObjectChanged", kind: "view", name: "message_store.stream_summary" },
      { _tag: "ObjectChanged", kind: "function", name: "message_store.acquire_lock(character varying)" },
      { _tag: "ObjectChanged", kind: "column", name: "message_store.messages.id" },
      { _tag: "ObjectChanged", kind: "index", name: "message_store.messages_category" }
    ]
  },
  {
    name: "an index whose making was cut off",
    streams: [],
    statements: ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'message_store.messages_at'::regclass"],
    found: () => [{ _tag: "IndexInvalid", name: "message_store.messages_at" }]
  },
  {
    name: "a function that calls one of another schema",
    streams: [],
    statements: [
      "CREATE FUNCTION public.planted(text) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN 1",
      `CREATE OR REPLACE FUNCTION message_store.hash_64(value varchar) RETURNS bigint LANGUAGE sql IMMUTABLE
        RETURN public.planted(value)`
    ],
    found: () => [
      { _tag: "ObjectChanged", kind: "function", name: "message_store.hash_64(character varying)" },
      {
        _tag: "ForeignObjectUsed",
        description: "function message_store.hash_64(character varying) uses function public.planted(text)"
      }
    ]
  }
]

const sorted = (all: ReadonlyArray<Verify.Finding>) =>
  all.toSorted((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`verify on ${server.name}`, (it) => {
    const database = Effect.gen(function*() {
      const { url } = yield* Database.make({ server })
      return { url, store: yield* Store.open(url, { announce: false }), sql: yield* Database.session(url) }
    })

    it.effect("finds nothing in a store that is well: after deletions, beside writers, and as a role of an application", () =>
      Effect.gen(function*() {
        const { sql, store, url } = yield* database
        assert.deepStrictEqual(yield* findings(store), [])
        yield* fill(store)
        yield* Effect.provide(Archives.addOdd, Database.client(url))
        yield* on(store)(Streams.make({ category: "account" }).delete("1", { by: "ann", reason: "test" }))
        const writing = yield* Effect.forkChild(Archives.fillMany(store, 1_000))
        let verified: Verify.Verified | undefined
        const onVerified = (what: Verify.Verified) => Effect.sync(() => verified = what)
        assert.deepStrictEqual(yield* on(store)(Stream.runCollect(Verify.run({ onVerified }))), [])
        yield* Fiber.join(writing)
        assert.isAtLeast(verified?.messages ?? 0, 12)
        const role = yield* Role.make()
        yield* sql`GRANT message_store TO ${sql(role.name)}`
        assert.deepStrictEqual(yield* findings(yield* Store.open(role.url(url), { announce: false })), [])
        yield* Effect.provide(Postgres.install({ traceIndexes: true }), Database.client(url))
        assert.deepStrictEqual(yield* findings(store), [])
        assert.deepStrictEqual(
          yield* Effect.provide(objects, Database.client(url)),
          (yield* verifyFiles).installed,
          "run test/upgrade/installed.ts"
        )
        const inTransaction = yield* Effect.flip(store.transaction(Effect.andThen(
          store.append("account-9", { type: "T", data: {} }),
          findings(store)
        )))
        assert.strictEqual(inTransaction._tag, "StoreError")
      }))

    it.effect("finds each kind of damage, and nothing else", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* database
        const places = new Map<string, number>()
        for (const streamName of damages.flatMap(({ streams }) => streams)) {
          const messages = [0, 1, 2].map((n) => ({ type: "T", data: { n } }))
          const { globalPosition } = yield* store.append(streamName, messages)
          for (const n of [0, 1, 2]) places.set(`${streamName} ${n}`, globalPosition - 2 + n)
        }
        assert.deepStrictEqual(yield* findings(store), [])
        for (const statement of damages.flatMap(({ statements }) => statements)) yield* sql.unsafe(statement)
        const at = (streamName: string, position: number) => places.get(`${streamName} ${position}`) ?? -1
        const all = sorted(yield* findings(store))
        assert.deepStrictEqual(all, sorted(damages.flatMap(({ found }) => found(at))))
        // What is found can be printed, and each kind has a rule.
        for (const finding of all) {
          assert.isAbove(Verify.format(finding).length, 10)
          assert.isDefined(Verify.rules[finding._tag])
        }
        assert.deepStrictEqual(encode(all), all)
      }))

    it.effect("looks at the messages of a schema of another version, and compares no objects", () =>
      Effect.gen(function*() {
        const { sql, url } = yield* database
        const later = Postgres.schemaVersion + 1
        yield* sql.unsafe(
          `CREATE OR REPLACE FUNCTION eventfold.schema_version() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ${later}`
        )
        const store = yield* Store.open(url, { announce: false })
        assert.deepStrictEqual(yield* findings(store), [
          { _tag: "NotCompared", installed: later, library: Postgres.schemaVersion }
        ])
      }))

    it.effect("a stock Message DB is well as it is, and with the schema eventfold beside it", () =>
      Effect.gen(function*() {
        for (const version of server === inject("postgres")[0] ? ["1.1.6", "1.3.0"] as const : ["1.3.0"] as const) {
          const { url } = yield* MessageDb.makeDatabase({ server, version })
          const stock = yield* Store.open(url, { announce: false })
          yield* stock.append("account-1", { type: "T", data: {} })
          assert.deepStrictEqual(yield* findings(stock), [], version)
          const sql = yield* Database.session(url)
          yield* sql`DELETE FROM message_store.messages`
          yield* sql`INSERT INTO message_store.messages (stream_name, position, type) VALUES ('account-1', 1, 'T')`
          assert.lengthOf(yield* findings(stock), 1)
          yield* sql`UPDATE message_store.messages SET position = 0`
          const beside = yield* Store.open(url, { announce: false, install: true })
          assert.deepStrictEqual(yield* findings(beside), [], version)
        }
      }))
  })
}
