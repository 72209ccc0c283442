import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import { inject } from "vitest"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import { refusal } from "../support/PostgresError.ts"
import * as Psql from "../support/Psql.ts"
import * as Role from "../support/Role.ts"

const write = (sql: SqlClient, streamName: string, metadata: string | null = null) =>
  sql.withTransaction(Effect.andThen(
    sql`SET LOCAL search_path = message_store`,
    sql`SELECT write_message(gen_random_uuid()::varchar, ${streamName}, 'T', '{"a": 1}', ${metadata}::jsonb)`
  ))

const append = (sql: SqlClient, streamName: string, id: string) =>
  sql`SELECT outcome, stream_version FROM eventfold.append(
    ARRAY[${streamName}], ARRAY[-3::bigint], ARRAY[1], ARRAY[${id}::uuid], ARRAY['T'], ARRAY['{}'], ARRAY[''],
    careful => true)`.values

/** A stock store with messages in it. */
const makeStock = Effect.fnUntraced(function*(server: Database.NamedServer, version: MessageDb.Version) {
  const { name, url } = yield* Database.make({ server, empty: true })
  const sql = yield* Database.session(url)
  yield* Effect.provideService(MessageDb.install(version), SqlClient, sql)
  yield* Effect.forEach(
    ["account-1", "account-1", "account-2", "account", "payment-1+2"],
    (streamName) => write(sql, streamName, "{\"correlationStreamName\": \"order-9\"}")
  )
  return { name, url, sql }
})

const own = <A, E>(sql: SqlClient, effect: Effect.Effect<A, E, SqlClient>) =>
  Effect.provideService(effect, SqlClient, sql)

/** Descriptions without the order of the table's columns. */
const unordered = (objects: ReadonlyArray<string>) =>
  objects.map((object) => object.replace(/^(column message_store\.messages)\.\d+ /, "$1 ")).sort()

const installed = (sql: SqlClient) =>
  sql`SELECT version, previous_version, message_store, installed_at <= now(), installed_by = session_user
    FROM eventfold.installations ORDER BY ordinal`.values

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(
    `a stock Message DB on ${server.name}`,
    (it) => {
      it.effect.each(MessageDb.versions)(
        "%s gets eventfold beside it, and stays as it is",
        (version) =>
          Effect.gen(function*() {
            const { sql, url } = yield* makeStock(server, version)
            const before = yield* own(sql, Catalog.objects(["message_store"]))
            const messages = yield* own(sql, Catalog.messages)
            assert.lengthOf(messages, 5)

            const install = Effect.provide(Postgres.install(), Database.client(url))
            yield* install
            assert.deepStrictEqual(yield* own(sql, Catalog.objects(["message_store"])), before)
            assert.deepStrictEqual(yield* own(sql, Catalog.messages), messages)
            assert.deepStrictEqual(
              yield* own(sql, Catalog.objects(["eventfold"])),
              yield* Catalog.objects(["eventfold"])
            )
            const rows = [[Postgres.schemaVersion, null, `Message DB ${version}`, true, true]]
            assert.deepStrictEqual(yield* installed(sql), rows)

            yield* install
            assert.deepStrictEqual(yield* own(sql, Catalog.objects(["message_store"])), before)
            assert.deepStrictEqual(yield* installed(sql), rows)
          })
      )

      it.effect.each(MessageDb.versions)(
        "%s: a member of its role appends beside its own writers",
        (version) =>
          Effect.gen(function*() {
            const { sql, url } = yield* makeStock(server, version)
            yield* Effect.provide(Postgres.install(), Database.client(url))
            const role = yield* Role.make()
            yield* sql`GRANT message_store TO ${sql(role.name)}`
            const member = yield* Database.session(role.url(url))
            yield* member`SET search_path = ''`

            const id = "5a3d7a53-1d1e-4d4c-8b7e-1c1c1c1c1c1c"
            assert.deepStrictEqual(yield* append(member, "account-1", id), [["written", 2n]])
            assert.deepStrictEqual(yield* append(member, "account-1", id), [["recorded", 2n]])
            assert.deepStrictEqual(yield* append(member, "account-2", id), [["duplicate", null]])
            assert.deepStrictEqual(yield* member`SHOW search_path`.values, [["\"\""]])
            assert.deepStrictEqual(yield* write(sql, "account-1"), [{ write_message: 3n }])

            // eventfold.append takes the same lock as Message DB's own functions.
            const blocked = yield* sql.withTransaction(Effect.gen(function*() {
              yield* append(sql, "account-3", "5a3d7a53-1d1e-4d4c-8b7e-1c1c1c1c1c1d")
              return yield* refusal(member.withTransaction(Effect.gen(function*() {
                yield* member`SET LOCAL lock_timeout = '50ms'`
                yield* member`SET LOCAL search_path = message_store`
                yield* member`SELECT write_message(gen_random_uuid()::varchar, 'account-4', 'T', '{}')`
              })))
            }))
            assert.deepStrictEqual(blocked, { code: "55P03", message: "canceling statement due to lock timeout" })
          })
      )

      it.effect.each(MessageDb.versions)(
        "%s gets our functions on request, and keeps its messages",
        (version) =>
          Effect.gen(function*() {
            const { sql, url } = yield* makeStock(server, version)
            const messages = yield* own(sql, Catalog.messages)
            yield* Effect.provide(Postgres.install(), Database.client(url))
            const replace = Effect.provide(Postgres.install({ replaceFunctions: true }), Database.client(url))
            yield* replace
            yield* replace
            // Later installations need no option.
            yield* Effect.provide(Postgres.install(), Database.client(url))
            assert.deepStrictEqual(yield* installed(sql), [
              [Postgres.schemaVersion, null, `Message DB ${version}`, true, true],
              [Postgres.schemaVersion, Postgres.schemaVersion, "eventfold", true, true]
            ])

            // An old table differs from a new one only in the order of its columns.
            assert.deepStrictEqual(unordered(yield* own(sql, Catalog.objects())), unordered(yield* Catalog.objects()))
            const [first] = yield* sql`SELECT attname FROM pg_attribute
            WHERE attrelid = 'message_store.messages'::regclass AND attnum = 1`.values
            assert.deepStrictEqual(first, [version < "1.2.4" ? "id" : "global_position"])

            assert.deepStrictEqual(yield* own(sql, Catalog.messages), messages)
            yield* sql`SET search_path = ''`
            assert.deepStrictEqual(
              yield* sql`SELECT stream_name, position FROM message_store.get_category_messages('account', correlation => 'order')`
                .values,
              [["account-1", 0n], ["account-1", 1n], ["account-2", 0n], ["account", 0n]]
            )
            assert.deepStrictEqual(
              yield* sql`SELECT id, data FROM message_store.get_last_stream_message('account-1')`.values,
              [[messages[1]?.["id"], "{\"a\": 1}"]]
            )
            assert.deepStrictEqual(
              yield* sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'account-1', 'T', '{}', NULL, 1)`
                .values,
              [[2n]]
            )
          })
      )

      it.effect("a session that planned with the old functions uses the index with the new ones", () =>
        Effect.gen(function*() {
          const { sql, url } = yield* makeStock(server, "1.3.0")
          const plan = sql`EXPLAIN (COSTS OFF) SELECT FROM message_store.messages
            WHERE message_store.category(stream_name) = 'account'`.values
          yield* sql`SET enable_seqscan = off`
          assert.include(JSON.stringify(yield* plan), "messages_category")
          yield* Effect.provide(Postgres.install({ replaceFunctions: true }), Database.client(url))
          assert.include(JSON.stringify(yield* plan), "messages_category")
        }))

      it.effect("the layer replaces the functions of a store that already has eventfold", () =>
        Effect.gen(function*() {
          const { sql, url } = yield* makeStock(server, "1.2.6")
          yield* Effect.provide(Postgres.install(), Database.client(url))
          yield* Layer.build(
            Layer.provide(Postgres.layerClient({ install: { replaceFunctions: true } }), Database.client(url))
          )
          assert.deepStrictEqual(
            yield* sql`SELECT message_store FROM eventfold.installations ORDER BY ordinal`.values,
            [["Message DB 1.2.6"], ["eventfold"]]
          )
        }))

      it.effect.skipIf(!Psql.isInstalled)("psql does the same", () =>
        Effect.gen(function*() {
          const { sql, url } = yield* makeStock(server, "1.2.3")
          const before = yield* own(sql, Catalog.objects(["message_store"]))
          assert.deepStrictEqual(yield* Psql.run(url, "install.sql"), Psql.silence)
          assert.deepStrictEqual(yield* own(sql, Catalog.objects(["message_store"])), before)
          assert.deepStrictEqual(yield* Psql.run(url, "install.sql", { replace_functions: "on" }), Psql.silence)
          assert.deepStrictEqual(
            yield* sql`SELECT message_store FROM eventfold.installations ORDER BY ordinal`.values,
            [["Message DB 1.2.3"], ["eventfold"]]
          )
        }))
    }
  )
}
