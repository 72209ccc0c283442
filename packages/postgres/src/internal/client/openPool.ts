import { make as makeClient, type PgClient, type PgClientConfig } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { Reactivity } from "effect/reactivity/Reactivity"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { NotDirect, OpenError, SessionsShared } from "../../OpenError.ts"
import type { Bounded } from "./bound.ts"
import { isInProcess } from "./connections.ts"
import { describeDatabase, fromFile, fromProblem, fromSqlError } from "./openErrors.ts"
import { configure, copyConfig, setSharing, settingsOf, sharingOf } from "./pool.ts"
import * as PoolSettings from "./poolSettings.ts"
import { askOnce, findSharing, type Sharing } from "./sessions.ts"
import * as Tls from "./tls.ts"

/**
 * A pool, which opens its connections when they are needed. Through a pooler it prepares no statements by name. What can be checked
 * without a connection is checked before.
 */
export const make = (
  options: PoolSettings.PoolOptions
): Effect.Effect<PgClient, OpenError, Scope.Scope | Reactivity> =>
  Effect.gen(function*() {
    const config = yield* configured(PoolSettings.make(options))
    const sharing = isInProcess({ config }) ? "own" : yield* Effect.mapError(findSharing(config), fromSqlError(config))
    const used = sharing === "own" ? config : copyConfig(config, { prepare: false })
    yield* requireEnough(used, sharing)
    setSharing(used, sharing)
    return yield* Effect.mapError(makeClient(used), fromSqlError(used))
  })

/** The configuration for settings whose files can be read. */
const configured = (made: Result.Result<PoolSettings.PoolSettings, PoolSettings.Problem>) => {
  if (Result.isFailure(made)) return Effect.fail(fromProblem(made.failure))
  const config = configure(made.success)
  const { tls } = made.success.hosts
  return tls === undefined
    ? Effect.succeed(config)
    : Effect.as(Effect.mapError(Tls.read(tls), fromFile(config)), config)
}

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
  const { config } = sql
  if (isInProcess(sql) || sharingOf(config) !== undefined) return Effect.void
  return Effect.flatMap(
    Effect.mapError(findSharing(config), fromSqlError(config)),
    (sharing) => requireEnough(config, sharing)
  )
}

/** The client's configuration, at another URL. A URL without a password is used with the client's. */
const directConfig = (sql: PgClient, directUrl: Redacted.Redacted) => {
  const settings = settingsOf(sql.config)
  if (settings !== undefined) return configured(PoolSettings.at(directUrl, settings))
  return configured(Result.flatMap(
    PoolSettings.make({ ...sql.config, url: directUrl }),
    (settings) => PoolSettings.at(directUrl, settings)
  ))
}

/** Tells databases apart, also those with the same name on different servers. */
const place = `SELECT current_database(), pg_postmaster_start_time()::text`

/**
 * Checks that `directUrl` leads to the client's database, and there to sessions that last: otherwise leases would exclude nobody,
 * and no wake-up would come.
 */
export const openDirect = Effect.fnUntraced(function*(
  { bound, sql }: Bounded,
  directUrl: Redacted.Redacted
): Effect.fn.Return<PgClientConfig, OpenError> {
  const config = yield* directConfig(sql, directUrl)
  const refuse = (detail: string) =>
    new OpenError({ database: describeDatabase(config), reason: new NotDirect({ detail }) })
  const sharing = yield* Effect.mapError(findSharing(config), fromSqlError(config))
  if (sharing !== "own") return yield* refuse(`leads through a pooler that shares sessions between ${sharing}`)
  const [here] = yield* Effect.mapError(bound.statement(sql.unsafe(place).values), fromSqlError(sql.config))
  const there = yield* Effect.mapError(askOnce(config, place), fromSqlError(config))
  return here?.join(" ") === there?.join(" ")
    ? config
    : yield* refuse("leads to another database or server than the client's")
})
