/**
 * A primary, and a standby to which it streams, which can be told to wait.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Database from "./Database.ts"
import * as PostgresServer from "./PostgresServer.ts"
import * as Standby from "./Standby.ts"
import { until } from "./Until.ts"

const on = <A, E>(url: string, use: (sql: SqlClient) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.flatMap(Database.session(url), use))

export class Streaming extends Context.Service<Streaming, {
  readonly primary: PostgresServer.PostgresServer
  readonly standby: Standby.Standby
  /** A database with the schemas, on the primary and on the standby. */
  readonly url: string
  readonly replicaUrl: string
  /** Replays nothing more on the standby while the effect runs. */
  readonly whileBehind: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** Waits until the standby has all that the primary has now. */
  readonly level: Effect.Effect<void, SqlError>
}>()("@eventfold/test/Streaming") {
  static readonly layer = Layer.effect(
    Streaming,
    Effect.gen(function*() {
      const primary = yield* PostgresServer.start()
      const standby = yield* Standby.streaming(primary)
      const { url } = yield* Database.make({ server: primary })
      const level = Effect.gen(function*() {
        const [row] = yield* on(
          primary.url,
          (sql) => sql<{ readonly lsn: string }>`SELECT pg_current_wal_flush_lsn()::text AS lsn`
        )
        yield* until(
          "the standby is level",
          on(standby.url, (sql) =>
            Effect.map(
              sql<{ readonly is: boolean }>`SELECT pg_last_wal_replay_lsn() >= ${row?.lsn ?? ""}::pg_lsn AS is`,
              ([row]) => row?.is === true
            ))
        )
      })
      const pause = on(standby.url, (sql) =>
        Effect.andThen(
          sql`SELECT pg_wal_replay_pause()`,
          until(
            "the replay stands",
            Effect.map(
              sql<{ readonly state: string }>`SELECT pg_get_wal_replay_pause_state() AS state`,
              ([row]) => row?.state === "paused"
            )
          )
        ))
      const resume = on(standby.url, (sql) => sql`SELECT pg_wal_replay_resume()`)
      yield* level
      return Streaming.of({
        primary,
        standby,
        url,
        replicaUrl: standby.urlOf(url),
        level,
        whileBehind: (effect) => Effect.acquireUseRelease(pause, () => effect, () => Effect.ignore(resume))
      })
    })
  )
}
