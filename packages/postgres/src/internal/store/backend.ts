import * as Effect from "effect/Effect"
import type { StoreBackend, StreamPage } from "eventfold/StoreBackend"
import * as Imports from "../archive/imports.ts"
import * as Pages from "../archive/pages.ts"
import type { FunctionCall } from "../client/functionCalls.ts"
import { placeReads, type Places } from "../client/independence.ts"
import type { LockWaits } from "../client/lockWaits.ts"
import { messageColumns, readMessagePage } from "../client/messageRows.ts"
import { makeUnreadable } from "../client/messageSize.ts"
import { type Statements, systemName } from "../client/statements.ts"
import type { WakeUps } from "../coordination/wakeUps.ts"
import { installedGapRule } from "../readAll/gapRule.ts"
import { makeReadAll, readPage } from "../readAll/readAll.ts"
import * as Appends from "./appends.ts"
import * as Description from "./description.ts"
import * as FoldReads from "./foldReads.ts"
import type { InlineReadModels } from "./inlineReadModels.ts"
import * as Listing from "./listing.ts"
import * as Positions from "./positions.ts"
import { makeReads } from "./reads.ts"
import * as Runners from "./runners.ts"
import * as Streams from "./streams.ts"
import * as Trace from "./trace.ts"

/** Reads from the table, because Message DB has no function that reads backwards. */
export const readBackwards = (statements: Statements) => ({ from, limit, streamName }: StreamPage) =>
  readMessagePage(
    statements,
    "readStream",
    statements.sql`SELECT ${messageColumns(statements.sql)}
      FROM message_store.messages
      WHERE stream_name = ${streamName} AND position <= ${BigInt(from ?? Number.MAX_SAFE_INTEGER)}
      ORDER BY position DESC LIMIT ${BigInt(limit)}`.valuesUnprepared
  )

/** The store on a database with the `message_store` and `eventfold` schemas. */
export const make = Effect.fnUntraced(function*(
  statements: Statements,
  call: FunctionCall,
  wakeUps: WakeUps,
  lease: StoreBackend["lease"],
  places: Places,
  lockWaits: LockWaits,
  { identity, lineage, verify }: Pick<StoreBackend, "identity" | "lineage" | "verify">,
  inline: InlineReadModels | undefined
) {
  const { append, appendAll, joined, turns } = yield* Appends.make(statements, wakeUps, lockWaits, lineage, inline)
  const streams = Streams.make({ statements, places, lockWaits, turns, wakeUps })
  const backend: StoreBackend = {
    systemName,
    unreadable: makeUnreadable(statements.sql.config),
    ...placeReads(places, {
      ...makeReads(statements, call, readBackwards(statements)),
      ...makeReadAll(statements, installedGapRule(statements.sql), readPage(statements)),
      identity
    }),
    readForFold: FoldReads.placed(yield* FoldReads.make(statements), places),
    lineage,
    description: Description.make(statements, places, true),
    positions: yield* Positions.make(statements, lockWaits, places, lineage),
    runners: Runners.make(statements, places),
    transactions: places.transactions,
    // Few writes are in a transaction, so what they would send there is made when it is needed.
    append: (request) =>
      places.write("append", [request], {
        alone: append(request),
        joined: Effect.suspend(() => joined.append(request))
      }),
    writeAll: (appends) =>
      places.write("writeAll", appends, {
        alone: appendAll(appends),
        joined: Effect.suspend(() => joined.appendAll(appends))
      }),
    listing: Listing.make(statements, places, streams, statements.sql`eventfold.is_end(type, data, metadata)`),
    trace: Trace.make(statements, places),
    streams,
    archive: {
      ...Pages.make(statements),
      attributes: Pages.readAttributes(statements),
      ...Imports.make({ statements, lockWaits, wakeUps, hasInlineReadModels: inline !== undefined }, true)
    },
    verify,
    lease,
    watch: wakeUps.watch
  }
  return backend
})
