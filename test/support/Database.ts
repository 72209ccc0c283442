/**
 * Fresh databases for tests, each with its own name. The end of the scope drops them.
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
import { isLong } from "./Form.ts"
import { install } from "./Installer.ts"

/** A server on which to make databases. */
export interface Server {
  /** Connects to a database of the server as a user who may create databases. */
  readonly url: string
  /** A database with the schemas installed. Without it, each new database gets them installed. */
  readonly template?: string | undefined
}

/** A server of the whole test run. */
export interface NamedServer extends Server {
  /** For titles: `PostgreSQL 18.4`. */
  readonly name: string
}

declare module "vitest" {
  interface ProvidedContext {
    /** The server of the run, then the one installed on the machine, if any. */
    readonly postgres: readonly [NamedServer, ...Array<NamedServer>]
  }
}

/** The servers for tests of what the client or the core does: the newest, and in the long form the older one as well. */
export const serversOfForm = (): ReadonlyArray<NamedServer> => inject("postgres").slice(0, isLong ? undefined : 1)

export interface Options {
  /** Defaults to the server of the run. */
  readonly server?: Server | undefined
  /** Without the schemas. */
  readonly empty?: boolean | undefined
  /** Compares texts by the rules of this language; it must be empty. Defaults to the locale of the server, which is C. */
  readonly language?: string | undefined
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
  const database = yield* Effect.acquireRelease(create(server, template, options.language), (database) =>
    // The databases of a killed server are gone.
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

/** A client of its own, so that a test can hold several sessions, or act as another user. */
export const client = (url: string): Layer.Layer<PgClient.PgClient | SqlClient, SqlError> =>
  PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })

/** A session beside those of the pool, for tests in which several sessions alternate. */
export const session = (url: string): Effect.Effect<SqlClient, SqlError, Scope.Scope> =>
  Effect.map(Layer.build(client(url)), Context.get(SqlClient))

/** The server's URL with another user. */
export const urlAs = (url: string, user: string, password: string): string => {
  const other = new URL(url)
  other.username = user
  other.password = password
  return other.href
}

/** Makes a database with the schemas installed, for {@link Server.template}. */
export const makeTemplate = (url: string): Effect.Effect<string, SqlError | SqlFileError, Scope.Scope> =>
  Effect.map(make({ server: { url } }), (database) => database.name)

const create = (server: Server, template: string | undefined, language: string | undefined) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const name = `eventfold_test_${randomBytes(6).toString("hex")}`
    const locale = language === undefined ? sql`` : sql`LOCALE_PROVIDER icu ICU_LOCALE ${sql(language)}`
    // Less work for the server than writing all of the template to the log, which only a replica would need.
    yield* sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(template ?? "template0")} ${locale} STRATEGY FILE_COPY`
    const url = new URL(server.url)
    url.pathname = `/${name}`
    return { name, url: url.href }
  }).pipe(Effect.provide(client(server.url)))

const drop = (server: Server, name: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    yield* sql`DROP DATABASE IF EXISTS ${sql(name)} WITH (FORCE)`
  }).pipe(Effect.provide(client(server.url)))
