/**
 * Servers for tests that need one for themselves, because roles belong to a whole server.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Database from "./Database.ts"
import * as PostgresServer from "./PostgresServer.ts"

/** A server that no other test uses, and a superuser's client for it. */
export class PrivateServer extends Context.Service<PrivateServer, {
  readonly url: string
  readonly sql: SqlClient
}>()("@eventfold/test/PrivateServer") {}

const installed = await Effect.runPromise(PostgresServer.installedBinaries)

/** A server of each available PostgreSQL. */
export const layers = [
  { name: "PostgreSQL from npm", options: {} },
  ...installed === undefined ? [] : [{ name: "the installed PostgreSQL", options: { bin: installed } }]
].map(({ name, options }) => ({
  name,
  layer: Layer.effect(
    PrivateServer,
    Effect.gen(function*() {
      const { url } = yield* PostgresServer.start(options)
      return { url, sql: yield* Database.session(url) }
    })
  )
}))

/** The URL of a database of the server, which may have any name. */
export const urlOf = (server: string, database: string): string => {
  const url = new URL(server)
  url.pathname = `/${encodeURIComponent(database)}`
  return url.href
}

/** Makes an empty database of this name, which the end of the scope drops; returns a superuser's URL. */
export const makeDatabase = Effect.fnUntraced(function*(
  name: string,
  owner = "postgres"
): Effect.fn.Return<string, SqlError, Scope.Scope | PrivateServer> {
  const { sql, url } = yield* PrivateServer
  yield* Effect.acquireRelease(
    sql`CREATE DATABASE ${sql(name)} OWNER ${sql(owner)} TEMPLATE template0`,
    () => Effect.ignore(sql`DROP DATABASE ${sql(name)} WITH (FORCE)`)
  )
  return urlOf(url, name)
})

/** Makes a role of this name that may log in, which the end of the scope drops; returns the URL of a database for it. */
export const makeRole = Effect.fnUntraced(function*(
  name: string,
  attributes = ""
): Effect.fn.Return<(url: string) => string, SqlError, Scope.Scope | PrivateServer> {
  const { sql } = yield* PrivateServer
  yield* Effect.acquireRelease(
    sql`CREATE ROLE ${sql(name)} LOGIN ${sql.literal(attributes)}`,
    () => Effect.ignore(sql`DROP ROLE ${sql(name)}`)
  )
  return (url) => Database.urlAs(url, encodeURIComponent(name), "")
})

/** Whether the server has the role message_store. */
export const hasRole: Effect.Effect<boolean, SqlError, PrivateServer> = Effect.gen(function*() {
  const { sql } = yield* PrivateServer
  return (yield* sql`SELECT FROM pg_roles WHERE rolname = 'message_store'`).length > 0
})

/** Drops the role message_store on a server whose databases do not use it. */
export const dropRole: Effect.Effect<void, SqlError, PrivateServer> = Effect.gen(function*() {
  const { sql } = yield* PrivateServer
  yield* sql`DROP ROLE IF EXISTS message_store`
})
