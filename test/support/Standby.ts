/**
 * A second server that takes over from a first one.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as Database from "./Database.ts"
import type { PostgresServer, PostgresServerError } from "./PostgresServer.ts"

export interface Standby extends PostgresServer {
  /** The URL of the same database, and of the same user, on the standby. */
  readonly urlOf: (url: string) => string
  /** Makes it a primary, and waits until it takes writes. */
  readonly promote: Effect.Effect<void, SqlError>
}

/**
 * Starts a standby with all that a server has now. It answers reads and refuses writes until it is promoted. The server sends
 * it nothing, so what is written after this is lost when the standby takes over.
 */
export const of = (server: PostgresServer): Effect.Effect<Standby, PostgresServerError, Scope.Scope> =>
  Effect.map(server.startReplica, (replica) => ({
    ...replica,
    urlOf: (url) => {
      const own = new URL(url)
      own.host = new URL(replica.url).host
      return own.href
    },
    promote: Effect.scoped(
      Effect.flatMap(Database.session(replica.url), (sql) => sql`SELECT pg_promote()`)
    )
  }))
