import type * as Effect from "effect/Effect"
import { type Lineage, makeLineage, type StoreIdentity } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import { isInProcess } from "../client/connections.ts"
import { connectionsBegun } from "../client/pool.ts"
import type { Statements } from "../client/statements.ts"
import type { LastingSessions } from "../coordination/lasting.ts"

/**
 * The lineage of a database behind an address. Another server can only be behind new connections. Those of our own pools are
 * counted as they begin to open. Of a client that the application has made, the signs are statements that failed and sessions
 * that were opened again. A PGlite stays the same.
 */
export const make = (
  { failures, sql }: Statements,
  sessions: LastingSessions,
  identity: Effect.Effect<StoreIdentity, StoreError>
): Lineage | undefined =>
  isInProcess(sql)
    ? undefined
    : makeLineage(() => (connectionsBegun(sql) ?? sessions.opened()) + failures(), identity)
