import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { refusal } from "../support/PostgresError.ts"
import * as Role from "../support/Role.ts"

/** A session of a role that has message_store and no other right, and no search_path. */
const member = Effect.gen(function*() {
  const sql = yield* SqlClient
  const { url } = yield* Database.Database
  const role = yield* Role.make()
  yield* sql`GRANT message_store TO ${sql(role.name)}`
  const session = yield* Database.session(role.url(url))
  yield* session`SET search_path = ''`
  return session
})

const denied = (name: string) => ({ code: "42501", message: `permission denied for ${name}` })

const refused: ReadonlyArray<readonly [string, { readonly code: string; readonly message: string }]> = [
  ["UPDATE message_store.messages SET type = 'T'", denied("table messages")],
  ["DELETE FROM message_store.messages", denied("table messages")],
  ["TRUNCATE message_store.messages", denied("table messages")],
  ["CREATE TABLE message_store.mine ()", denied("schema message_store")],
  ["CREATE TABLE eventfold.mine ()", denied("schema eventfold")],
  ["DROP TABLE message_store.messages", { code: "42501", message: "must be owner of table messages" }],
  ["ALTER TABLE message_store.messages ADD mine text", { code: "42501", message: "must be owner of table messages" }],
  [
    "SELECT setval('message_store.messages_global_position_seq', 5)",
    denied("sequence messages_global_position_seq")
  ],
  ["DELETE FROM eventfold.installations", denied("table installations")],
  ["DELETE FROM eventfold.streams", denied("table streams")],
  ["DELETE FROM eventfold.stream_categories", denied("table stream_categories")],
  ["INSERT INTO eventfold.deleted_messages VALUES (1, gen_random_uuid())", denied("table deleted_messages")],
  [
    "SELECT eventfold.delete_message('account-1', gen_random_uuid(), '{}', gen_random_uuid(), 'account:snapshot', '{}', '')",
    denied("function delete_message")
  ],
  [
    "SELECT eventfold.delete_stream('account', '1', '{}', gen_random_uuid(), 'account:snapshot', '{}', '')",
    denied("function delete_stream")
  ],
  [
    "SELECT eventfold.purge_streams('account', '{}', 'account:snapshot', '{}', '')",
    denied("function purge_streams")
  ],
  ["DELETE FROM eventfold.positions", denied("table positions")]
]

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`the role message_store on ${server.name}`, (it) => {
    it.effect("may log in, has no password, owns nothing and has no settings", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(
          yield* sql`SELECT rolcanlogin AS login, rolpassword AS password, rolinherit AS inherits,
              rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS more,
              (SELECT count(*) FROM pg_db_role_setting WHERE setrole = pg_authid.oid) AS settings,
              (SELECT count(*) FROM pg_shdepend WHERE refobjid = pg_authid.oid AND deptype = 'o') AS owned
            FROM pg_authid WHERE rolname = 'message_store'`,
          [{ login: true, password: null, inherits: true, more: false, settings: 0n, owned: 0n }]
        )
      }))

    it.effect("has Message DB's privileges, and those on eventfold's objects", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const rows = yield* sql`
          SELECT kind, name, string_agg(privilege_type, ', ' ORDER BY privilege_type), bool_or(is_grantable)
          FROM (
            SELECT 'schema', nspname, acl.* FROM pg_namespace, aclexplode(nspacl) AS acl
            UNION ALL
            SELECT relkind::text, format('%s.%s', relnamespace::regnamespace, relname), acl.* FROM pg_class, aclexplode(relacl) AS acl
            UNION ALL
            SELECT 'function', format('%s.%s', pronamespace::regnamespace, proname), acl.* FROM pg_proc, aclexplode(proacl) AS acl
          ) AS granted (kind, name)
          WHERE grantee = 'message_store'::regrole
          GROUP BY kind, name ORDER BY kind, name COLLATE "C"`.values
        const functions = [
          "acquire_lock",
          "cardinal_id",
          "category",
          "get_category_messages",
          "get_last_stream_message",
          "get_stream_messages",
          "hash_64",
          "id",
          "is_category",
          "message_store_version",
          "stream_version",
          "write_message"
        ]
        // Not among them: delete_message, delete_stream and purge_streams.
        const added = [
          "acquire_locks",
          "add_stream",
          "append",
          "append_each",
          "append_message",
          "clear_streams",
          "count_streams",
          "dependents",
          "gap_writers",
          "get_stream",
          "has_messages",
          "is_end",
          "is_mark",
          "list_streams",
          "log_run",
          "may_delete",
          "note_streams",
          "oldest_client_version",
          "read_all",
          "read_for_fold",
          "recorded",
          "replace_schema",
          "schema_version",
          "set_stream",
          "snapshot_categories",
          "stream_messages",
          "unnoted_streams"
        ]
        const views = [
          "category_type_summary",
          "stream_summary",
          "stream_type_summary",
          "type_category_summary",
          "type_stream_summary",
          "type_summary"
        ]
        assert.deepStrictEqual(rows, [
          ["S", "message_store.messages_global_position_seq", "SELECT, USAGE", false],
          ...added.map((name) => ["function", `eventfold.${name}`, "EXECUTE", false]),
          ...functions.map((name) => ["function", `message_store.${name}`, "EXECUTE", false]),
          ["r", "eventfold.deleted_messages", "SELECT", false],
          ["r", "eventfold.installations", "SELECT", false],
          ["r", "eventfold.positions", "INSERT, SELECT, UPDATE", false],
          ["r", "eventfold.read_models", "DELETE, INSERT, SELECT, UPDATE", false],
          ["r", "eventfold.runners", "DELETE, INSERT, SELECT, UPDATE", false],
          ["r", "eventfold.stream_categories", "INSERT, SELECT, UPDATE", false],
          ["r", "eventfold.streams", "INSERT, SELECT, UPDATE", false],
          ["r", "message_store.messages", "INSERT, SELECT", false],
          ["schema", "eventfold", "USAGE", false],
          ["schema", "message_store", "USAGE", false],
          ...views.map((name) => ["v", `message_store.${name}`, "SELECT", false])
        ])
      }))

    it.effect("every role may execute the functions that delete nothing, and all run with the rights of the caller", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(
          yield* sql`SELECT bool_or(prosecdef) AS definer,
              array_agg(proname::text ORDER BY proname) FILTER (WHERE NOT has_function_privilege('public', oid, 'EXECUTE')) AS kept
            FROM pg_proc WHERE pronamespace IN ('message_store'::regnamespace, 'eventfold'::regnamespace)`,
          [{ definer: false, kept: ["delete_message", "delete_stream", "purge_streams"] }]
        )
        const { url } = yield* Database.Database
        const stranger = yield* Database.session((yield* Role.make()).url(url))
        assert.deepStrictEqual(
          yield* refusal(stranger`SELECT message_store.stream_version('account-1')`),
          denied("schema message_store")
        )
      }))

    it.effect("a member can call every function and view by its qualified name", () =>
      Effect.gen(function*() {
        const sql = yield* member
        assert.deepStrictEqual(
          yield* sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'member-1+2', 'T', '{}')`.values,
          [[0n]]
        )
        assert.deepStrictEqual(
          yield* sql`SELECT message_store.message_store_version(), message_store.stream_version('member-1+2'),
            message_store.category('member-1+2'), message_store.id('member-1+2'), message_store.cardinal_id('member-1+2'),
            message_store.is_category('member-1+2'), message_store.acquire_lock('member-1') = message_store.hash_64('member'),
            (SELECT count(*) FROM message_store.get_stream_messages('member-1+2')),
            (SELECT count(*) FROM message_store.get_category_messages('member')),
            (SELECT count(*) FROM message_store.get_category_messages('member', 1, 10, NULL, 0, 1)),
            (SELECT count(*) FROM message_store.get_last_stream_message('member-1+2', 'T'))`.values,
          [["1.3.0", 0n, "member", "1+2", "1", false, true, 1n, 1n, 1n, 1n]]
        )
        for (const view of ["stream", "type", "stream_type", "type_stream", "category_type", "type_category"]) {
          assert.lengthOf(yield* sql`SELECT FROM ${sql(`message_store.${view}_summary`)}`, 1)
        }
      }))

    it.effect("a member can use everything that eventfold adds", () =>
      Effect.gen(function*() {
        const sql = yield* member
        const append = sql`SELECT outcome, stream_version FROM eventfold.append(
          ARRAY['added-1'], ARRAY[-3::bigint], ARRAY[1], ARRAY['5a3d7a53-1d1e-4d4c-8b7e-1c1c1c1c1c1c'::uuid], ARRAY['T'],
          ARRAY['{}'], ARRAY[''], careful => true)`.values
        assert.deepStrictEqual(yield* append, [["written", 0n]])
        assert.deepStrictEqual(yield* append, [["recorded", 0n]])
        assert.deepStrictEqual(
          yield* sql`SELECT eventfold.schema_version() = max(version), count(*) FROM eventfold.installations`.values,
          [[true, 1n]]
        )
        const position =
          sql`INSERT INTO eventfold.positions (category, consumer_id, member, position) VALUES ('added', 'test', -1, 7)
          ON CONFLICT (category, consumer_id, member) DO UPDATE SET position = positions.position + 1
          RETURNING position`.values
        assert.deepStrictEqual([...yield* position, ...yield* position], [[7n], [8n]])
        const runner = sql`INSERT INTO eventfold.runners (id, host, pid, started_at, runs)
          VALUES ('5a3d7a53-1d1e-4d4c-8b7e-1c1c1c1c1c1c', 'test', 1, clock_timestamp(), '[]')
          ON CONFLICT (id) DO UPDATE SET pid = runners.pid + 1 RETURNING pid`.values
        assert.deepStrictEqual([...yield* runner, ...yield* runner], [[1], [2]])
        assert.deepStrictEqual(yield* sql`DELETE FROM eventfold.runners WHERE host = 'test' RETURNING pid`.values, [[
          2
        ]])
        // Creating read models needs more rights: see readModelStoreFaults.test.ts.
        yield* sql`INSERT INTO eventfold.read_models (read_model, number, version, fingerprint, state, position, history)
          VALUES ('added', 1, 1, '', 'live', 0, 0)`
        yield* sql`UPDATE eventfold.read_models SET position = 1 WHERE read_model = 'added'`
        assert.deepStrictEqual(
          yield* sql`DELETE FROM eventfold.read_models WHERE read_model = 'added' RETURNING position`.values,
          [[1n]]
        )
      }))

    it.effect("a member can insert, and the next write continues from there", () =>
      Effect.gen(function*() {
        const sql = yield* member
        yield* sql`INSERT INTO message_store.messages (stream_name, position, type) VALUES ('inserted-1', 3, 'T')`
        assert.deepStrictEqual(
          yield* sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'inserted-1', 'T', '{}')`.values,
          [[4n]]
        )
      }))

    it.effect("a member may not drop a function", () =>
      Effect.gen(function*() {
        const sql = yield* member
        yield* sql`SET search_path = message_store`
        assert.deepStrictEqual(yield* refusal(sql`DROP FUNCTION hash_64(varchar)`), {
          code: "42501",
          message: "must be owner of function hash_64"
        })
      }))

    it.effect.each(refused)("a member may not run %s", ([statement, expected]) =>
      Effect.gen(function*() {
        const sql = yield* member
        assert.deepStrictEqual(yield* refusal(sql.unsafe(statement)), expected)
      }))
  })
}
