import * as Effect from "effect/Effect"
import type { StoreBackend } from "eventfold/StoreBackend"
import { Unsupported } from "eventfold/StoreError"
import { stockFunctionCall } from "../client/functionCalls.ts"
import { placeReads, type Places } from "../client/independence.ts"
import type { LockWaits } from "../client/lockWaits.ts"
import { makeUnreadable } from "../client/messageSize.ts"
import { type Statements, systemName } from "../client/statements.ts"
import type { WakeUps } from "../coordination/wakeUps.ts"
import type { GapRule } from "../readAll/gapRule.ts"
import { makeReadAll } from "../readAll/readAll.ts"
import { makeReads } from "../store/reads.ts"
import * as Appends from "./appends.ts"
import { readPage } from "./readAll.ts"

const noBackwards = Effect.fail(
  new Unsupported({
    operation: "reading backwards",
    remedy:
      "add the eventfold schema, with `psql -v ON_ERROR_STOP=1 -d DATABASE -f sql/install.sql` or `Postgres.install()`"
  })
)

/**
 * The store on a Message DB without the `eventfold` schema: through the functions of `message_store`, and its table
 * where they do not suffice.
 */
export const make = (
  statements: Statements,
  rule: GapRule,
  wakeUps: WakeUps,
  lease: StoreBackend["lease"],
  places: Places,
  lockWaits: LockWaits,
  { identity, lineage }: Pick<StoreBackend, "identity" | "lineage">
): StoreBackend => {
  const { sql } = statements
  const { alone, joined } = Appends.make(statements, lockWaits)
  return {
    systemName,
    unreadable: makeUnreadable(sql.config),
    ...placeReads(places, {
      ...makeReads(statements, stockFunctionCall(sql), () => noBackwards),
      ...makeReadAll(statements, rule, readPage(statements, rule)),
      identity
    }),
    lineage,
    transactions: places.transactions,
    append: (request) =>
      places.write("append", [request], {
        alone: wakeUps.waking([request], alone.append(request)),
        joined: wakeUps.wakingAfterCommit([request], joined.append(request))
      }),
    writeAll: (appends) =>
      places.write("writeAll", appends, {
        alone: wakeUps.waking(appends, alone.appendAll(appends)),
        joined: wakeUps.wakingAfterCommit(appends, joined.appendAll(appends))
      }),
    lease,
    watch: wakeUps.watch
  }
}
