/**
 * What an installation does when the database has the extension Citus. Here it has one by name alone: `test/citus` needs a real one.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Verify from "eventfold/Verify"
import * as Archives from "../support/Archives.ts"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"

const settingsOf = (log: string) =>
  Effect.flatMap(SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly settings: ReadonlyArray<string> }>`SELECT proconfig AS settings FROM pg_proc
        WHERE pronamespace = ${log}::regnamespace AND proname IN ('append', 'read_for_fold')
        ORDER BY proname`,
      (rows) => rows.map(({ settings }) => settings.map((setting) => setting.split("=")[0]))
    ))

/** The settings of the two functions that ask for a generic plan, where they do. */
const withPlan = [
  ["search_path", "plan_cache_mode", "enable_seqscan"],
  ["search_path", "plan_cache_mode", "enable_seqscan", "jit"]
]
const withoutPlan = [["search_path", "enable_seqscan"], ["search_path", "enable_seqscan", "jit"]]

layer(Layer.empty, { excludeTestServices: true })("a database with Citus", (it) => {
  for (const schema of ["message_store", "shop_eu"]) {
    it.effect(`gets functions in ${schema} that ask for no generic plan, and nothing is wrong with it`, () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ empty: true })
        yield* Effect.gen(function*() {
          const sql = yield* PgClient.PgClient
          const log = schema === "message_store" ? "eventfold" : `${schema}__eventfold`
          yield* Postgres.install({ schema })
          assert.deepStrictEqual(yield* settingsOf(log), withPlan)

          yield* sql`INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
            VALUES (1, 'citus', 10, 'pg_catalog'::regnamespace, false, '13.2-1')`
          yield* Postgres.install({ schema })
          assert.deepStrictEqual(yield* settingsOf(log), withoutPlan)
          const store = yield* Store.open(url, { schema, maxConnections: 1 })
          yield* Effect.all(Store.upTo(20).map((i) => store.append("cart-1", Store.numbered(2, 2 * i))), {
            concurrency: "unbounded"
          })
          assert.lengthOf(yield* Store.readStream(store, "cart-1"), 40)
          assert.deepStrictEqual(yield* Archives.on(store)(Stream.runCollect(Verify.run())), [])

          yield* sql`DELETE FROM pg_extension WHERE extname = 'citus'`
          yield* Postgres.install({ schema })
          assert.deepStrictEqual(yield* settingsOf(log), withPlan)
        }).pipe(Effect.provide(Database.client(url)))
      }))
  }
})
