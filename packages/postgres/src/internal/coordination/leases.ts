import type { PgClient, PgClientConfig } from "@effect/sql-pg/PgClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import { makeLocalLeases, type StoreBackend } from "eventfold/StoreBackend"
import type { StoreError, Unsupported } from "eventfold/StoreError"
import { isInProcess } from "../client/connections.ts"
import type { Log } from "../client/log.ts"
import * as LeaseSession from "./leaseSession.ts"

/** How long a session stays open without leases, so that occasional attempts need no new one each time. */
const idleTime = "10 seconds"

/** The leases of PGlites, by client and log: several stores can share one. */
const leasesInProcess = new WeakMap<PgClient, Map<string, StoreBackend["lease"]>>()

const leasesInProcessOf = (sql: PgClient, { names: { messageStore } }: Log): StoreBackend["lease"] => {
  const logs = leasesInProcess.get(sql) ?? new Map<string, StoreBackend["lease"]>()
  const leases = logs.get(messageStore) ?? makeLocalLeases()
  leasesInProcess.set(sql, logs.set(messageStore, leases))
  return leases
}

/**
 * Leases as advisory locks. All leases that are held through these stores share one session. It opens with the first of
 * them, on a connection of the second configuration, and closes a moment after the last or with the scope. On a PGlite, leases within the process.
 */
export const make = Effect.fnUntraced(function*(
  sql: PgClient,
  lasting: PgClientConfig,
  timeout: Duration.Duration,
  opened: () => void
): Effect.fn.Return<(log: Log) => StoreBackend["lease"], never, Scope.Scope> {
  if (isInProcess(sql)) return (log) => leasesInProcessOf(sql, log)
  // PostgreSQL lets a session take a lock again that it holds, so this tells the holders within the process apart.
  const local = makeLocalLeases()
  const scope = yield* Effect.scope
  const session: RcRef.RcRef<LeaseSession.LeaseSession, Unsupported | StoreError> = yield* RcRef.make({
    // A session that is lost is replaced, in a fiber of its own: the session's fiber may end by it.
    acquire: Effect.suspend(() => {
      opened()
      return LeaseSession.open(
        lasting,
        timeout,
        Effect.forkIn(RcRef.invalidate(session), scope, { startImmediately: true })
      )
    }),
    idleTimeToLive: idleTime
  })
  return ({ leaseKey }) =>
    Effect.fnUntraced(function*(name) {
      const key = leaseKey(name)
      if (Option.isNone(yield* local(key))) return Option.none()
      const { lock, lost } = yield* RcRef.get(session)
      return (yield* lock(key)) ? Option.some({ lost }) : Option.none()
    })
})
