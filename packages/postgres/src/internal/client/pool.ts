import { type PgClient, type PgClientConfig, type PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as Client from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { Reactivity } from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { checkUrl, describeDatabase, fromSqlError, NotDirect, OpenError, SessionsShared } from "../../OpenError.ts"
import { isInProcess, keepAlive, openDedicated } from "./connections.ts"
import { findSharing, type Sharing } from "./sessions.ts"

/** What a pool of `layerPool` keeps in its configuration, from which all its connections are made. */
const poolKey: unique symbol = Symbol("@eventfold/postgres/pool")

interface Pool {
  connectionsBegun: number
  /** How the connections keep their sessions, once that is known. */
  sharing?: Sharing
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
    keepAlive,
    ...options,
    // The client asks for it before each connection.
    password: Effect.suspend(() => {
      pool.connectionsBegun++
      return passwordOf(options)
    }),
    [poolKey]: pool
  }
}

/** A pool, which opens its connections when they are needed. Through a pooler it prepares no statements by name. */
export const make = (options: PgPoolConfig): Effect.Effect<PgClient, OpenError, Scope.Scope | Reactivity> =>
  Effect.gen(function*() {
    const config = poolConfig(options)
    yield* checkUrl(config)
    const sharing = isInProcess({ config }) ? "own" : yield* Effect.mapError(findSharing(config), fromSqlError(config))
    const used = sharing === "own" ? config : poolConfig({ ...options, prepare: false })
    yield* requireEnough(used, sharing)
    const pool = used[poolKey]
    if (pool !== undefined) pool.sharing = sharing
    return yield* Effect.mapError(Client.make(used), fromSqlError(used))
  })

/** Whether connections name the statements that they prepare. */
const prepares = ({ prepare, preparedStatementCacheSize }: PgClientConfig): boolean =>
  prepare !== false && preparedStatementCacheSize !== 0

const requireEnough = (config: PgClientConfig, sharing: Sharing): Effect.Effect<void, OpenError> =>
  sharing === "own" || (sharing === "transactions" && !prepares(config))
    ? Effect.void
    : Effect.fail(
      new OpenError({ database: describeDatabase(config), reason: new SessionsShared({ between: sharing }) })
    )

/**
 * Fails when the sessions that a client gets are not enough for a store: then its statements would fail or do harm later, and in
 * other clients of the same pooler. Costs one connection and one round trip, unless `make` has made the client.
 */
export const checkSessions = (sql: PgClient): Effect.Effect<void, OpenError> => {
  const config: PgClientConfig & Pick<Config, typeof poolKey> = sql.config
  if (isInProcess(sql) || config[poolKey]?.sharing !== undefined) return Effect.void
  return Effect.flatMap(
    Effect.mapError(findSharing(config), fromSqlError(config)),
    (sharing) => requireEnough(config, sharing)
  )
}

/** The client's configuration, at another URL. A URL without a password is used with the client's. */
export const directConfig = (sql: PgClient, directUrl: Redacted.Redacted): PgClientConfig => {
  const { database: _, host: _1, path: _2, port: _3, ssl, stream: _4, username: _5, ...others } = sql.config
  const url = URL.parse(Redacted.value(directUrl))
  return {
    ...others,
    url: directUrl,
    ...url?.password === "" ? {} : { password: undefined },
    ...url?.searchParams.has("sslmode") === true ? {} : { ssl }
  }
}

/** Tells databases apart, also those with the same name on different servers. */
const place = `SELECT current_database(), pg_postmaster_start_time()::text`

/**
 * Checks that `directUrl` leads to the client's database, and there to sessions that last: otherwise leases would exclude nobody,
 * and no wake-up would come.
 */
export const openDirect = Effect.fnUntraced(function*(
  sql: PgClient,
  directUrl: Redacted.Redacted
): Effect.fn.Return<PgClientConfig, OpenError> {
  const config = directConfig(sql, directUrl)
  yield* checkUrl(config)
  const refuse = (detail: string) =>
    new OpenError({ database: describeDatabase(config), reason: new NotDirect({ detail }) })
  const sharing = yield* Effect.mapError(findSharing(config), fromSqlError(config))
  if (sharing !== "own") return yield* refuse(`leads through a pooler that shares sessions between ${sharing}`)
  const [here] = yield* Effect.mapError(sql.unsafe(place).values, fromSqlError(sql.config))
  const [there] = yield* Effect.mapError(
    Effect.scoped(Effect.flatMap(openDedicated(config), ({ queryValues }) => queryValues(place, [], false))),
    fromSqlError(config)
  )
  return here?.join(" ") === there?.join(" ")
    ? config
    : yield* refuse("leads to another database or server than the client's")
})
