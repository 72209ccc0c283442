import * as Client from "@effect/sql-pg/PgClient"
import { PgClient, type PgClientConfig, type PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { copyConfig, settingsOf } from "./pool.ts"
import { keepAlive } from "./poolSettings.ts"

/**
 * Whether the database is a PGlite: a single session in this process. No other process uses it, and a second connection
 * would end the first.
 */
export const isInProcess = (sql: { readonly config: PgPoolConfig }): boolean => {
  const pool: PgPoolConfig = settingsOf(sql.config)?.client ?? sql.config
  return pool.stream !== undefined && pool.maxConnections === 1
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
 * tell that the other end has gone: a session that mostly listens would not notice otherwise.
 */
export const openDedicated = (config: PgClientConfig) => PgConnection.make({ keepAlive, ...config })

/** Provides this client to the handlers of read models, whatever other client the application has. */
export const provideClient = (sql: PgClient) => {
  const clients = Context.make(PgClient, sql).pipe(Context.add(SqlClient, sql))
  return <A, E, R>(handler: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, PgClient | SqlClient>> =>
    Effect.provideContext(handler, clients)
}
