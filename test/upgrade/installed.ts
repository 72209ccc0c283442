/**
 * `node test/upgrade/installed.ts` notes for `Verify` what an installation of this checkout makes: run it after a change to the SQL.
 */
import { PgClient } from "@effect/sql-pg"
import { Postgres } from "@eventfold/postgres"
import { type SchemaObject, verifyFiles } from "@eventfold/sql"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { writeFileSync } from "node:fs"

/** The objects of the client's database. */
export const objects = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const { objects } = yield* verifyFiles
  return yield* sql.withTransaction(
    Effect.andThen(sql`SET LOCAL search_path = pg_catalog, pg_temp`, sql.unsafe<SchemaObject>(objects))
  )
})

if (import.meta.main) {
  await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const { url } = yield* PostgresServer.start()
    const found = yield* Effect.andThen(Postgres.install({ traceIndexes: true }), objects).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
    )
    const lines = found.map(({ digest, kind, name }) => `${kind}\t${name}\t${digest}\n`)
    writeFileSync(new URL("../../sql/verify/installed.txt", import.meta.url), lines.join(""))
  })))
}
