/**
 * Databases for tests: fresh, with a name of their own, dropped with the scope.
 */
import { PgClient } from "@effect/sql-pg"
import type { SqlFileError } from "@eventfold/sql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import { install } from "./Installer.ts"

/** A server to make databases on. */
export interface Server {
  /** Connects to a database of the server as a user who may create databases. */
  readonly url: string
  /** A database with the schemas installed. A server without one gets them installed into each new database. */
  readonly template?: string | undefined
}

/** A server of the whole test run. */
export interface NamedServer extends Server {
  /** For titles: `PostgreSQL 18.4`. */
  readonly name: string
}

declare module "vitest" {
  interface ProvidedContext {
    /** The server of the run, then the one installed on the machine, if there is one. */
    readonly postgres: readonly [NamedServer, ...Array<NamedServer>]
  }
}

export interface Options {
  /** The server of the run if not given. */
  readonly server?: Server | undefined
  /** Without the schemas. */
  readonly empty?: boolean | undefined
}

/** A database of a test suite. */
export class Database extends Context.Service<Database, {
  readonly name: string
  readonly url: string
}>()("@eventfold/test/Database") {}

/** Makes a database with the schemas installed, or an empty one. */
export const make = Effect.fnUntraced(function*(options: Options = {}): Effect.fn.Return<
  Database["Service"],
  SqlError | SqlFileError,
  Scope.Scope
> {
  const server = options.server ?? inject("postgres")[0]
  const template = options.empty === true ? undefined : server.template
  const database = yield* Effect.acquireRelease(create(server, template), (database) =>
    // A server that a test killed took its databases along.
    Effect.ignore(drop(server, database.name)))
  if (options.empty !== true && template === undefined) yield* Effect.provide(install, client(database.url))
  return database
})

/** A database and a client for it. */
export const layer = (options: Options = {}): Layer.Layer<
  Database | PgClient.PgClient | SqlClient,
  SqlError | SqlFileError
> =>
  Layer.unwrap(Effect.map(
    Effect.service(Database),
    (database) => PgClient.layer({ url: Redacted.make(database.url), maxConnections: 8 })
  )).pipe(Layer.provideMerge(Layer.effect(Database, make(options))))

/** A client of its own, so that a test can hold several sessions, or be somebody else. */
export const client = (url: string): Layer.Layer<PgClient.PgClient | SqlClient, SqlError> =>
  PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })

/** A session beside those of the pool, for tests in which several take turns. */
export const session = (url: string): Effect.Effect<SqlClient, SqlError, Scope.Scope> =>
  Effect.map(Layer.build(client(url)), Context.get(SqlClient))

/** The server's URL for another user. */
export const urlAs = (url: string, user: string, password: string): string => {
  const other = new URL(url)
  other.username = user
  other.password = password
  return other.href
}

/** Makes a database with the schemas installed, for {@link Server.template}. */
export const makeTemplate = (url: string): Effect.Effect<string, SqlError | SqlFileError, Scope.Scope> =>
  Effect.map(make({ server: { url } }), (database) => database.name)

const create = (server: Server, template: string | undefined) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const name = `eventfold_test_${randomBytes(6).toString("hex")}`
    yield* sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(template ?? "template0")}`
    const url = new URL(server.url)
    url.pathname = `/${name}`
    return { name, url: url.href }
  }).pipe(Effect.provide(client(server.url)))

const drop = (server: Server, name: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    yield* sql`DROP DATABASE IF EXISTS ${sql(name)} WITH (FORCE)`
  }).pipe(Effect.provide(client(server.url)))
