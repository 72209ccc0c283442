import type { PgClient, PgClientConfig, PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"

/**
 * Whether the client is a PGlite's: a single session, in this process. There is nobody else, and a second connection would
 * end the first.
 */
export const isAlone = (sql: PgClient): boolean => {
  const pool: PgPoolConfig = sql.config
  return pool.stream !== undefined && pool.maxConnections === 1
}

/**
 * A session for what lasts, on a connection that is none of the pool's, so that it works with a pool of any size. Who
 * mostly waits finds out by nothing else that the other end has gone.
 */
export const connect = (config: PgClientConfig) => PgConnection.make({ keepAlive: "30 seconds", ...config })
