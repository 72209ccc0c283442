/**
 * Runs the files of @eventfold/sql through a client.
 */
import { asOneStatement, files, installLock, type SqlFileError } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Installs the schemas into the client's database, in one transaction. */
export const install: Effect.Effect<void, SqlError | SqlFileError, SqlClient> = Effect.gen(function*() {
  const sql = yield* SqlClient
  const all = yield* files
  yield* sql.withTransaction(Effect.gen(function*() {
    yield* sql`SELECT pg_advisory_xact_lock(${installLock})`
    // The user of a given server may not be allowed to create a role.
    yield* sql`SELECT set_config('eventfold.install_role', CASE WHEN rolsuper OR rolcreaterole THEN 'on' ELSE 'off' END, true)
      FROM pg_roles WHERE rolname = current_user`
    yield* Effect.forEach(all, (file) =>
      sql.unsafe(
        asOneStatement(file.sql)
      ), { discard: true })
  }))
})
