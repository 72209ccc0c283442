import * as Client from "@effect/sql-pg/PgClient"
import { PgClient, type PgClientConfig, type PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { Duplex } from "node:stream"
import * as Codecs from "./codecs.ts"
import { copyConfig, settingsOf } from "./pool.ts"
import { keepAlive } from "./poolSettings.ts"

/** Marks a stream that leads to a database in this process. Its name is the same in all copies of this package. */
const inProcess = Symbol.for("@eventfold/postgres/inProcess")

/** Marks the stream of a client, for {@link isInProcess}. */
export const markInProcess = (stream: () => Duplex): () => Duplex =>
  Object.assign(() => stream(), { [inProcess]: true })

/**
 * Whether the database is a PGlite: a single session in this process. No other process uses it, and a second connection
 * would end the first. A stream alone does not tell: an application may lead one to a server, by a proxy or a tunnel.
 */
export const isInProcess = (sql: { readonly config: PgPoolConfig }): boolean => {
  const { stream } = settingsOf(sql.config)?.client ?? sql.config
  return stream !== undefined && inProcess in stream
}

/** The most connections of a client beside the application's. */
const maxBeside = 2

/**
 * A client beside the application's, with connections of its own: what runs on it never waits for the application's pool.
 * It opens a connection when it needs one, and closes it when it has been idle for a minute.
 */
export const makeBeside = (sql: PgClient): Effect.Effect<PgClient, never, Scope.Scope> => {
  const config = copyConfig(sql.config, {
    keepAlive: sql.config.keepAlive ?? keepAlive,
    minConnections: 0,
    maxConnections: maxBeside,
    multiplex: false
  })
  return Client.make(config).pipe(
    Effect.provideServiceEffect(Reactivity.Reactivity, Reactivity.make),
    // It connects later.
    Effect.orDie
  )
}

/**
 * Opens a connection outside of the pool, for a session that lasts, so that it works with a pool of any size. Keep-alives
 * tell that the other end has gone: a session that mostly listens would not notice otherwise. It has one user, and reads by
 * no codec of the application.
 */
export const openDedicated = (config: PgClientConfig) =>
  PgConnection.make({ keepAlive, ...config, types: Codecs.builtIn, multiplex: false })

/** Provides this client to the handlers of read models, whatever other client the application has. */
export const provideClient = (sql: PgClient) => {
  const clients = Context.make(PgClient, sql).pipe(Context.add(SqlClient, sql))
  return <A, E, R>(handler: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, PgClient | SqlClient>> =>
    Effect.provideContext(handler, clients)
}
