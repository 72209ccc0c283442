/** The tables of the cluster, in a schema of their own beside the log: those of `effect/cluster`, and one for what all machines agree on. */
import { PgClient } from "@effect/sql-pg/PgClient"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { ClusterFailed, ClusterIsRunning, ClusterMissing, ShardsChanged } from "./errors.ts"

/** Many enough that they are shared out evenly over some dozens of machines, and each is a lock of the server. */
export const defaultShards = 300

/** The schema of a log's cluster. */
export const schemaOf = (log: string | undefined): string =>
  log === undefined || log === "message_store" ? "eventfold_cluster" : `${log}__cluster`

/** Each name is quoted by its parts. */
export const prefixOf = (schema: string): string => `${schema}.cluster`

const failed = (schema: string) => (cause: SqlError) =>
  new ClusterFailed({ schema, detail: cause.reason.message, cause })

const settings = (sql: PgClient, schema: string) => sql(`${schema}.settings`)

const readShards = Effect.fnUntraced(function*(sql: PgClient, schema: string) {
  const [row] = yield* sql<{ readonly shards: number }>`SELECT shards FROM ${settings(sql, schema)}`
  return row?.shards
})

/** The machines that gave a sign of life in the last minute. */
const alive = (sql: PgClient, schema: string) =>
  Effect.map(
    sql<{ readonly address: string }>`
      SELECT address FROM ${sql(`${prefixOf(schema)}_runners`)}
      WHERE last_heartbeat > pg_catalog.now() - interval '1 minute' ORDER BY address
    `,
    (rows) => rows.map(({ address }) => address)
  )

/** Several machines may install at once: each part of it is done by one at a time. */
const inTurn = (sql: PgClient, schema: string) =>
  sql`SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(${`eventfold:install ${schema}`}, 0))`

/** Makes what is missing. */
const makeTables = Effect.fnUntraced(function*(sql: PgClient, schema: string, shards: number | undefined) {
  yield* inTurn(sql, schema)
  yield* sql`CREATE SCHEMA IF NOT EXISTS ${sql(schema)}`
  yield* sql`
    CREATE TABLE IF NOT EXISTS ${settings(sql, schema)} (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      shards integer NOT NULL CHECK (shards > 0)
    )
  `
  yield* sql`
    INSERT INTO ${settings(sql, schema)} (shards) VALUES (${shards ?? defaultShards}) ON CONFLICT DO NOTHING
  `
})

/** The role of the log's programs uses the tables, and does not own them. */
const grant = Effect.fnUntraced(function*(sql: PgClient, schema: string) {
  yield* inTurn(sql, schema)
  const [role] = yield* sql`SELECT FROM pg_catalog.pg_roles WHERE rolname = 'message_store'`
  if (role === undefined) return
  yield* sql`GRANT USAGE ON SCHEMA ${sql(schema)} TO message_store`
  yield* sql`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${sql(schema)} TO message_store`
  yield* sql`GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${sql(schema)} TO message_store`
})

/** Makes the tables, and sets the number of shards when one is given. */
export const install = Effect.fnUntraced(function*(schema: string, shards: number | undefined) {
  const sql = yield* PgClient
  const mapped = Effect.mapError(failed(schema))
  yield* mapped(sql.withTransaction(makeTables(sql, schema, shards)))
  yield* Layer.build(SqlRunnerStorage.layerMigrations({ prefix: prefixOf(schema) })).pipe(
    Effect.provideService(SqlClient, sql),
    Effect.scoped
  )
  yield* mapped(sql.withTransaction(grant(sql, schema)))
  const recorded = yield* mapped(readShards(sql, schema))
  if (shards === undefined || recorded === shards) return
  const machines = yield* mapped(alive(sql, schema))
  if (machines.length > 0) return yield* new ClusterIsRunning({ machines })
  yield* mapped(sql`UPDATE ${settings(sql, schema)} SET shards = ${shards}`)
})

/** Fails when the tables are missing, and when the cluster has another number of shards. */
export const check = Effect.fnUntraced(function*(schema: string, shards: number) {
  const sql = yield* PgClient
  const [found] = yield* sql<{ readonly exists: boolean }>`
    SELECT pg_catalog.to_regclass(${`${schema}.settings`}) IS NOT NULL AS exists
  `.pipe(Effect.mapError(failed(schema)))
  const recorded = found?.exists === true
    ? yield* Effect.mapError(readShards(sql, schema), failed(schema))
    : undefined
  if (recorded === undefined) return yield* new ClusterMissing({ schema })
  if (recorded !== shards) return yield* new ShardsChanged({ recorded, given: shards })
})
