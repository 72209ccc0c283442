/**
 * One PostgreSQL for the whole run: that of `DATABASE_URL`, or one from npm and beside it the one installed on the machine,
 * so that the SQL meets an older version as well.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { TestProject } from "vitest/node"
import * as Database from "./Database.ts"
import * as PostgresServer from "./PostgresServer.ts"

const describe = Effect.fnUntraced(function*(url: string) {
  const [row] = yield* Effect.flatMap(SqlClient, (sql) => sql<{ readonly version: string }>`SELECT version()`).pipe(
    Effect.provide(Database.client(url))
  )
  const server: Database.NamedServer = {
    name: row?.version.split(" ", 2).join(" ") ?? "PostgreSQL",
    url,
    template: yield* Database.makeTemplate(url)
  }
  return server
})

const servers = Effect.gen(function*() {
  const url = process.env["DATABASE_URL"]
  if (url !== undefined && url !== "") return [yield* describe(url)] as const
  const bin = yield* PostgresServer.installedBinaries
  const [embedded, installed] = yield* Effect.all([
    Effect.flatMap(PostgresServer.start(), (server) => describe(server.url)),
    bin === undefined
      ? Effect.undefined
      : Effect.flatMap(PostgresServer.start({ bin }), (server) => describe(server.url))
  ], { concurrency: 2 })
  return installed === undefined ? [embedded] as const : [embedded, installed] as const
})

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  const close = (exit: Exit.Exit<unknown, unknown>) => Effect.runPromise(Scope.close(scope, exit))
  const exit = await Effect.runPromiseExit(Scope.provide(servers, scope))
  if (Exit.isFailure(exit)) {
    await close(exit)
    throw Cause.squash(exit.cause)
  }
  project.provide("postgres", [...exit.value])
  return () => close(Exit.void)
}
