import { type PgClient, type PgClientConfig, type PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as Client from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { Reactivity } from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { checkUrl, fromSqlError, type OpenError } from "../../OpenError.ts"

/** What a pool of `layerPool` keeps in its configuration, from which all its connections are made. */
const poolKey: unique symbol = Symbol("@eventfold/postgres/pool")

interface Pool {
  connectionsBegun: number
}

interface Config extends PgPoolConfig {
  readonly [poolKey]?: Pool
}

/**
 * How many connections have begun to open: those of the pool, those beside it, and the dedicated ones. Undefined for a client
 * that the application has made without `layerPool`.
 */
export const connectionsBegun = (sql: PgClient): number | undefined => {
  const config: PgClientConfig & Pick<Config, typeof poolKey> = sql.config
  return config[poolKey]?.connectionsBegun
}

/** The password that the configuration or its URL has. */
const passwordOf = ({ password, url }: PgPoolConfig): Effect.Effect<Redacted.Redacted> => {
  if (Effect.isEffect(password)) return password
  if (password !== undefined) return Effect.succeed(password)
  const inUrl = url === undefined ? undefined : URL.parse(Redacted.value(url))
  return Effect.succeed(
    Redacted.make(inUrl == null ? "" : inUrl.searchParams.get("password") ?? decodeURIComponent(inUrl.password))
  )
}

/** The configuration of a pool and of the connections beside it, which are made of copies of it. */
const poolConfig = (options: PgPoolConfig): Config => {
  const pool: Pool = { connectionsBegun: 0 }
  return {
    applicationName: "eventfold",
    // The server sends a page of large messages as one reply.
    maxMessageSize: 2 ** 30,
    ...options,
    // The client asks for it before each connection.
    password: Effect.suspend(() => {
      pool.connectionsBegun++
      return passwordOf(options)
    }),
    [poolKey]: pool
  }
}

/** A pool, which opens its connections when they are needed. */
export const make = (options: PgPoolConfig): Effect.Effect<PgClient, OpenError, Scope.Scope | Reactivity> => {
  const config = poolConfig(options)
  return Effect.andThen(checkUrl(config), Effect.mapError(Client.make(config), fromSqlError(config)))
}
