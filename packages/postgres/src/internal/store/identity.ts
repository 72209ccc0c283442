import * as Effect from "effect/Effect"
import type { StoreIdentity } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import { isInProcess } from "../client/connections.ts"
import { logOf } from "../client/log.ts"
import type { Statements } from "../client/statements.ts"

interface DatabaseRow {
  readonly database: string
  readonly name: string
  readonly may_read_system: boolean | null
  readonly may_read_timeline: boolean | null
}

interface ControlRow {
  readonly system: string | null
  readonly timeline: number | null
}

/**
 * Which store the database is. PostgreSQL refuses a whole statement that names a function which the role may not execute,
 * so the first statement asks for the rights.
 */
export const makeIdentity = ({ query, sql }: Statements): Effect.Effect<StoreIdentity, StoreError> => {
  const database = sql<DatabaseRow>`SELECT
      oid::text AS database,
      datname::text AS name,
      has_function_privilege(to_regprocedure('pg_control_system()')::oid, 'EXECUTE') AS may_read_system,
      has_function_privilege(to_regprocedure('pg_control_checkpoint()')::oid, 'EXECUTE')
        AND has_function_privilege(to_regprocedure('pg_current_wal_insert_lsn()')::oid, 'EXECUTE')
        AND has_function_privilege(to_regprocedure('pg_walfile_name(pg_lsn)')::oid, 'EXECUTE') AS may_read_timeline
    FROM pg_database WHERE datname = current_database()`

  // All PGlite folders are copies of one, with the same system identifier. The time of the installation tells them apart.
  const system = isInProcess(sql)
    ? sql`(SELECT concat(system_identifier, '-',
        (SELECT extract(epoch FROM min(installed_at)) FROM eventfold.installations)) FROM pg_control_system())`
    : sql`(SELECT system_identifier::text FROM pg_control_system())`

  // The last checkpoint can be older than a promotion, so a primary reads the timeline from the name of its current WAL
  // file. A replica writes no WAL of its own.
  const timeline = sql`(SELECT CASE
      WHEN pg_is_in_recovery() THEN timeline_id
      ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
    END FROM pg_control_checkpoint())`

  const { isDefault, names } = logOf(sql)
  const inLog = (database: string | undefined) =>
    isDefault || database === undefined ? database : `${database}.${names.messageStore}`

  const identity = Effect.gen(function*() {
    const [row] = yield* database
    const [control] = yield* sql<ControlRow>`SELECT
      ${row?.may_read_system === true ? system : sql`NULL::text`} AS system,
      ${row?.may_read_timeline === true ? timeline : sql`NULL::integer`} AS timeline`
    return {
      system: control?.system ?? undefined,
      database: inLog(row?.database),
      databaseName: inLog(row?.name),
      timeline: control?.timeline ?? undefined
    }
  })
  return query("identity", identity)
}
