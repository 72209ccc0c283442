import { PgClient, type PgClientConfig, type PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

/** Whether the client's pool has a single connection, which an open transaction keeps to itself. */
export const hasOneConnection = (sql: PgClient): boolean => {
  const pool: PgPoolConfig = sql.config
  return pool.maxConnections === 1
}

/**
 * Whether the database is a PGlite: a single session in this process. No other process uses it, and a second connection
 * would end the first.
 */
export const isInProcess = (sql: PgClient): boolean => sql.config.stream !== undefined && hasOneConnection(sql)

/**
 * Opens a connection outside of the pool, for a session that lasts, so that it works with a pool of any size. Keep-alives
 * tell that the other end has gone: a session that mostly listens would not notice otherwise.
 */
export const openDedicated = (config: PgClientConfig) => PgConnection.make({ keepAlive: "30 seconds", ...config })

/** Provides this client to the handlers of read models, whatever other client the application has. */
export const provideClient = (sql: PgClient) => {
  const clients = Context.make(PgClient, sql).pipe(Context.add(SqlClient, sql))
  return <A, E, R>(handler: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, PgClient | SqlClient>> =>
    Effect.provideContext(handler, clients)
}
