import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { StoreIdentity } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import { isAlone } from "../client/connections.ts"
import { storeError } from "../client/sqlError.ts"
import { retrying } from "./reads.ts"

interface FoundRow {
  readonly database: string
  readonly name: string
  readonly may_tell_system: boolean | null
  readonly may_tell_timeline: boolean | null
}

interface ControlRow {
  readonly system: string | null
  readonly timeline: number | null
}

/**
 * Which store the database is. A function that the role may not call fails a statement before anything of it is done, so
 * the first statement asks for the rights.
 */
export const makeIdentity = (sql: PgClient): Effect.Effect<StoreIdentity, StoreError> => {
  const found = sql<FoundRow>`SELECT
      oid::text AS database,
      datname::text AS name,
      has_function_privilege(to_regprocedure('pg_control_system()'), 'EXECUTE') AS may_tell_system,
      has_function_privilege(to_regprocedure('pg_control_checkpoint()'), 'EXECUTE')
        AND has_function_privilege(to_regprocedure('pg_current_wal_insert_lsn()'), 'EXECUTE')
        AND has_function_privilege(to_regprocedure('pg_walfile_name(pg_lsn)'), 'EXECUTE') AS may_tell_timeline
    FROM pg_database WHERE datname = current_database()`

  // The folders of PGlites are copies of one, so there it is the installation that tells them apart.
  const system = isAlone(sql)
    ? sql`(SELECT concat(system_identifier, '-', 
        (SELECT extract(epoch FROM min(installed_at)) FROM eventfold.installations)) FROM pg_control_system())`
    : sql`(SELECT system_identifier::text FROM pg_control_system())`

  // The last checkpoint can be from before the server took over. While it follows another one it writes no WAL of its own.
  const timeline = sql`(SELECT CASE
      WHEN pg_is_in_recovery() THEN timeline_id
      ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
    END FROM pg_control_checkpoint())`

  const identity = Effect.gen(function*() {
    const [row] = yield* found
    const [control] = yield* sql<ControlRow>`SELECT
      ${row?.may_tell_system === true ? system : sql`NULL::text`} AS system,
      ${row?.may_tell_timeline === true ? timeline : sql`NULL::integer`} AS timeline`
    return {
      system: control?.system ?? undefined,
      database: row?.database,
      databaseName: row?.name,
      timeline: control?.timeline ?? undefined
    }
  })
  return Effect.mapError(retrying(identity), storeError("identity"))
}
