/**
 * A primary and a standby that follows it synchronously: what is committed is on both, so that a failover loses nothing.
 */
import type { SqlFileError } from "@eventfold/sql"
import * as Database from "@eventfold/test/support/Database"
import { install } from "@eventfold/test/support/Installer"
import type { PostgresServerError } from "@eventfold/test/support/PostgresServer"
import * as Standby from "@eventfold/test/support/Standby"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Server from "./Server.ts"

export type ClusterError = PostgresServerError | SqlError

export interface Cluster {
  /** The URL of the database, wherever the primary is. */
  readonly url: string
  readonly isBounded: boolean
  readonly primary: Effect.Effect<Server.Server>
  readonly standby: Effect.Effect<Server.Server>
  /** Waits until the standby has all that is committed, and is waited for by each commit. Gives whether it came to that. */
  readonly isInSync: Effect.Effect<boolean>
  /** Kills the primary, and lets the standby take over. */
  readonly failOver: Effect.Effect<void, ClusterError>
  /** Makes the one that was killed the standby of the other. */
  readonly follow: Effect.Effect<void, ClusterError>
  /** Starts what does not run. */
  readonly heal: Effect.Effect<void, ClusterError>
}

const on = <A, E, R>(url: string, use: (sql: SqlClient) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(Database.session(url), use))

/** Tries again while a server starts or recovers. */
const patiently = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, { schedule: Schedule.spaced("200 millis"), times: 300 })

/** In sync: each commit waits for it, and it has what was committed when this was asked. */
const inSync = (sql: SqlClient) =>
  Effect.map(
    sql`SELECT FROM pg_stat_replication
      WHERE state = 'streaming' AND sync_state = 'sync' AND flush_lsn >= pg_current_wal_flush_lsn()`,
    ({ length }) => length > 0
  )

/** Whether commits wait for a standby. */
const synchronise = (sql: SqlClient, names: "*" | "") =>
  Effect.gen(function*() {
    yield* sql.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
    yield* sql`SELECT pg_reload_conf()`
  })

const urlOn = (server: Server.Server) => {
  const url = new URL(server.url)
  url.pathname = "/chaos"
  return url.href
}

/** Starts both. The end of the scope removes them. */
export const make: Effect.Effect<Cluster, ClusterError | SqlFileError, Scope.Scope> = Effect.gen(function*() {
  const place = yield* Server.place
  const [first, second] = [yield* Server.make("a", place), yield* Server.make("b", place)]
  let roles = { primary: first, standby: second }
  yield* Server.initialise(first, place)
  yield* first.start
  yield* on(first.url, (sql) => sql`CREATE DATABASE chaos TEMPLATE template0`)
  yield* Effect.provide(install, Database.client(urlOn(first)))

  /** A copy of the running primary, which then follows it. */
  const follow = Effect.gen(function*() {
    const { primary, standby } = roles
    yield* standby.kill
    const label = yield* on(primary.url, (sql) =>
      Effect.gen(function*() {
        yield* sql`SELECT pg_backup_start('chaos', true)::text`
        yield* Server.copyData(primary, standby, place)
        const [row] = yield* sql<{ readonly labelfile: string }>`SELECT labelfile FROM pg_backup_stop(false)`
        return row?.labelfile ?? ""
      }))
    yield* Server.asStandbyOf(primary, standby, label, place)
    yield* standby.start
    yield* on(primary.url, (sql) => synchronise(sql, "*"))
  })
  yield* follow

  const route = yield* Standby.route(urlOn(first))

  return {
    url: route.url,
    isBounded: place.isBounded,
    primary: Effect.sync(() => roles.primary),
    standby: Effect.sync(() => roles.standby),
    isInSync: Effect.suspend(() => on(roles.primary.url, inSync)).pipe(
      Effect.repeat({ until: (is) => is, schedule: Schedule.spaced("100 millis") }),
      Effect.as(true),
      Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.succeed(false) }),
      Effect.catch(() => Effect.succeed(false))
    ),
    failOver: Effect.gen(function*() {
      const { primary, standby } = roles
      yield* primary.kill
      yield* on(standby.url, (sql) => Effect.andThen(sql`SELECT pg_promote(true, 60)`, synchronise(sql, "")))
      roles = { primary: standby, standby: primary }
      yield* route.switchTo(urlOn(standby))
    }),
    follow,
    heal: Effect.gen(function*() {
      const { primary, standby } = roles
      for (const server of [primary, standby]) {
        yield* server.thaw
        if (place.isBounded) yield* server.clear
        if (!(yield* server.isRunning)) yield* server.start
      }
      yield* patiently(on(primary.url, (sql) => sql`SELECT`))
    })
  }
})
