/**
 * The suites on a Citus of one's own, whose coordinator has the URL in `CITUS_URL`:
 *
 *   CITUS_URL=postgres://postgres@coordinator/postgres npx pnpm test test/citus
 *
 * Each suite has a log of its own in that database, whose messages `citus_schema_distribute` puts on a worker; it is removed afterwards.
 * The user has to be one who may do that. On a PostgreSQL without the extension the same suites run, and nothing is distributed: that
 * shows that they do what they should, and nothing of Citus. Without the variable they are left out.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
import * as ReadModelSuite from "@eventfold/testing/ReadModelSuite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { nextId } from "eventfold/Message"
import { randomBytes } from "node:crypto"
import * as Counts from "../support/Counts.ts"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const url = process.env["CITUS_URL"] ?? ""

interface Found {
  readonly server: string
  readonly citus: string | null
}

const found = url === "" ? undefined : await Effect.runPromise(
  Effect.flatMap(SqlClient, (sql) =>
    sql<Found>`SELECT
      current_setting('server_version') AS server,
      (SELECT extversion FROM pg_extension WHERE extname = 'citus') AS citus`).pipe(
      Effect.flatMap(([row]) =>
        row === undefined ? Effect.die(new Error("the server does not say what it is")) : Effect.succeed(row)
      ),
      Effect.provide(Database.client(url))
    )
)

const name = found === undefined
  ? "Citus, left out because CITUS_URL is not set"
  : found.citus === null
  ? `no Citus but PostgreSQL ${found.server}, where nothing is distributed`
  : `Citus ${found.citus} on PostgreSQL ${found.server}`

const hasCitus = found !== undefined && found.citus !== null

const onUrl = Effect.provide(Database.client(url))

/** Removes a log, with its read models. */
const removeLog = (schema: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const rows = yield* sql<{ readonly nspname: string }>`SELECT nspname::text FROM pg_namespace
      WHERE nspname = ${schema} OR starts_with(nspname::text, ${`${schema}__`})`
    yield* Effect.forEach(rows, ({ nspname }) => sql`DROP SCHEMA ${sql(nspname)} CASCADE`)
  }).pipe(onUrl, Effect.ignore({ log: "Warn" }))

/** Makes a log, on a worker if there is Citus. The end of the scope removes it. */
const makeLog = (schema: string) =>
  Effect.gen(function*() {
    yield* Effect.acquireRelease(onUrl(Postgres.install({ schema, role: false })), () => removeLog(schema))
    if (hasCitus) {
      yield* onUrl(Effect.flatMap(SqlClient, (sql) => sql`SELECT citus_schema_distribute(${schema}::regnamespace)`))
    }
    return schema
  })

const newLog = () => `citus_${randomBytes(4).toString("hex")}`

/** A log that is there for as long as the layer. */
class Log extends Context.Service<Log, { readonly schema: string }>()("@eventfold/test/CitusLog") {
  static readonly layer = (schema = newLog()) =>
    Layer.effect(Log, Effect.map(makeLog(schema), (schema) => ({ schema })))
}

describe.skipIf(found === undefined)(name, () => {
  MessageStoreSuite.suite(
    name,
    Layer.unwrap(Effect.map(Log, ({ schema }) => Postgres.layer({ url: Redacted.make(url), schema }))).pipe(
      Layer.provide(Log.layer())
    )
  )

  // The tables of read models stay on the coordinator.
  const schema = newLog()
  ReadModelSuite.suite(
    name,
    Layer.merge(Postgres.layerClient({ schema }), SqlReadModel.layer({ schema })).pipe(
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url) })),
      Layer.provide(Log.layer(schema))
    ),
    Counts.counting((readModel) => `${schema}__${readModel}`)
  )

  layer(Log.layer(), { excludeTestServices: true, timeout: "5 minutes" })("faults", (it) => {
    it.effect("the log is where it should be", () =>
      Effect.gen(function*() {
        const { schema } = yield* Log
        const sql = yield* Database.session(url)
        const settings = yield* sql<{ readonly setting: string }>`SELECT unnest(proconfig) AS setting FROM pg_proc
          WHERE pronamespace = ${`${schema}__eventfold`}::regnamespace AND proname = 'append'`
        assert.strictEqual(settings.some(({ setting }) => setting.startsWith("plan_cache_mode")), !hasCitus)
        if (!hasCitus) return
        const tables = yield* sql<{ readonly type: string }>`SELECT citus_table_type AS type FROM citus_tables
          WHERE table_name = ${`${schema}.messages`}::regclass`
        assert.deepStrictEqual(tables, [{ type: "schema" }])
      }))

    it.effect("an append whose answer is lost is written once", () =>
      Effect.gen(function*() {
        const { schema } = yield* Log
        const proxy = yield* Proxy.start(url)
        const store = yield* Store.open(proxy.url, { schema, maxConnections: 2 })
        for (const when of ["before the request", "before the reply"] as const) {
          // What is prepared has no text the next time, so the data has it.
          yield* proxy.cut(when, when)
          yield* store.append("cut-1", { id: yield* nextId, type: "Cut", data: when })
        }
        assert.strictEqual(yield* proxy.cuts, 2)
        assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "cut-1")), [
          "before the request",
          "before the reply"
        ])
      }))

    it.effect("writers whose sessions are ended write each message once, and leave no gap in their streams", () =>
      Effect.gen(function*() {
        const { schema } = yield* Log
        const applicationName = `${schema}_mortal`
        const store = yield* Store.open(url, { schema, maxConnections: 4, applicationName })
        const sql = yield* Database.session(url)
        let written = 0
        const write = (writer: number) =>
          Effect.forEach(
            Store.upTo(50),
            (i) =>
              Effect.tap(store.append(`mortal-${writer}`, Store.numbered(1, i)), () =>
                Effect.sync(() => {
                  written += 1
                })),
            { discard: true }
          )
        const kill = (at: number) =>
          Effect.andThen(
            until(`${at} messages are written`, Effect.sync(() => written >= at)),
            sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ${applicationName}`
          )
        yield* Effect.all([
          Effect.forEach([0, 1, 2, 3], write, { concurrency: "unbounded" }),
          Effect.forEach([20, 70, 120], kill)
        ], { concurrency: "unbounded" })
        for (const writer of [0, 1, 2, 3]) {
          const messages = yield* Store.readStream(store, `mortal-${writer}`)
          assert.deepStrictEqual(Store.dataOf(messages), Store.upTo(50))
          assert.deepStrictEqual(Store.positions(messages), Store.upTo(50))
        }
      }))

    it.effect("two logs write and read side by side, and have nothing of each other", () =>
      Effect.gen(function*() {
        const schemas = [(yield* Log).schema, yield* makeLog(newLog())]
        const stores = yield* Effect.forEach(schemas, (schema) => Store.open(url, { schema, maxConnections: 2 }))
        yield* Effect.forEach(stores, (store, i) => store.append("side-1", Store.numbered(10, 10 * i)), {
          concurrency: "unbounded"
        })
        for (const [i, store] of stores.entries()) {
          assert.deepStrictEqual(
            Store.dataOf(yield* Store.readCategory(store, "side")),
            Store.upTo(10).map((n) => n + 10 * i)
          )
        }
      }))
  })
})
