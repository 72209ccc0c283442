/**
 * `node test/upgrade/installed.ts` writes what an installation of this checkout makes, for `Verify`: run it after a change to the SQL.
 */
import { PgClient } from "@effect/sql-pg"
import { Postgres } from "@eventfold/postgres"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { objects } from "../../packages/postgres/src/internal/verify/catalog.ts"

const path = fileURLToPath(new URL("../../packages/postgres/src/internal/verify/installed.ts", import.meta.url))

/** The text of the module with the objects of the client's database, in which the schemas are installed with all indexes. */
export const moduleText = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const found = yield* sql.withTransaction(
    Effect.andThen(sql`SET LOCAL search_path = pg_catalog, pg_temp`, objects(sql))
  )
  const lines = found.map(({ digest, kind, name }) =>
    `  [${[kind, name, digest].map((text) => JSON.stringify(text)).join(", ")}]`
  )
  return `/**
 * The objects that an installation makes, each with the digest of its definition. Made by \`test/upgrade/installed.ts\`.
 */
export const installed: ReadonlyArray<readonly [kind: string, name: string, digest: string]> = [
${lines.join(",\n")}
]
`
})

if (import.meta.main) {
  await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const { url } = yield* PostgresServer.start()
    const text = yield* Effect.andThen(Postgres.install({ traceIndexes: true }), moduleText).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
    )
    writeFileSync(path, text)
  })))
}
