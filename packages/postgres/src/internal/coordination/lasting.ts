import type { PgClient, PgClientConfig } from "@effect/sql-pg/PgClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoreBackend } from "eventfold/StoreBackend"
import type { Log } from "../client/log.ts"
import * as Leases from "./leases.ts"
import * as Listener from "./listener.ts"

/** The sessions that last, beside those of the pool: one for leases, one for LISTEN. The stores of all logs on a client can share them. */
export interface LastingSessions {
  readonly listener: Listener.Listener
  readonly leasesOf: (log: Log) => StoreBackend["lease"]
  /** How many sessions have been opened. Each may lead to another server than the ones before. */
  readonly opened: () => number
}

/** Opens each session on a connection of the configuration when it is needed, until the scope closes. */
export const make = Effect.fnUntraced(function*(
  client: PgClient,
  config: PgClientConfig,
  leaseTimeout: Duration.Duration
): Effect.fn.Return<LastingSessions, never, Scope.Scope> {
  let opened = 0
  const count = () => {
    opened += 1
  }
  return {
    listener: yield* Listener.make(config, count),
    leasesOf: yield* Leases.make(client, config, leaseTimeout, count),
    opened: () => opened
  }
})
