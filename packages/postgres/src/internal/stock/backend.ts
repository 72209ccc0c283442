import * as Effect from "effect/Effect"
import type { StoreBackend } from "eventfold/StoreBackend"
import { Unsupported } from "eventfold/StoreError"
import type { StreamsBackend } from "eventfold/StreamsBackend"
import * as Imports from "../archive/imports.ts"
import * as Pages from "../archive/pages.ts"
import { stockFunctionCall } from "../client/functionCalls.ts"
import { placeReads, type Places } from "../client/independence.ts"
import type { LockWaits } from "../client/lockWaits.ts"
import { makeUnreadable } from "../client/messageSize.ts"
import { type Statements, systemName } from "../client/statements.ts"
import type { WakeUps } from "../coordination/wakeUps.ts"
import type { GapRule } from "../readAll/gapRule.ts"
import { makeReadAll } from "../readAll/readAll.ts"
import * as Description from "../store/description.ts"
import * as Listing from "../store/listing.ts"
import { makeReads } from "../store/reads.ts"
import * as Trace from "../store/trace.ts"
import * as Appends from "./appends.ts"
import { readPage } from "./readAll.ts"

/** What adds what a stock Message DB lacks. */
const remedy =
  "add the eventfold schema, with `psql -v ON_ERROR_STOP=1 -d DATABASE -f sql/install.sql` or `Postgres.install()`"

const noBackwards = Effect.fail(
  new Unsupported({
    operation: "reading backwards",
    remedy
  })
)

const unsupported = (operation: string) => () => Effect.fail(new Unsupported({ operation, remedy }))

/** A stock Message DB has no place for attributes, no function that deletes, and no index for the order of `at`. */
const noStreams: StreamsBackend = {
  add: unsupported("adding streams"),
  set: unsupported("attributes of streams"),
  get: unsupported("attributes of streams"),
  list: unsupported("listing streams"),
  countStreams: unsupported("counting streams"),
  stats: unsupported("counting streams"),
  listMessages: unsupported("listing the messages of streams"),
  countMessages: unsupported("counting the messages of streams"),
  deleteMessage: unsupported("deleting messages"),
  deleteStream: unsupported("deleting streams"),
  purge: unsupported("deleting streams"),
  // What nothing deletes was not deleted.
  wasDeleted: () => Effect.succeed(false)
}

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
  { identity, lineage, verify }: Pick<StoreBackend, "identity" | "lineage" | "verify">
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
    description: Description.make(statements, places, false),
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
    listing: Listing.make(statements, places, noStreams, sql`false`),
    trace: Trace.make(statements, places),
    streams: noStreams,
    archive: {
      ...Pages.make(statements),
      attributes: () => Effect.succeed([]),
      ...Imports.make({ statements, lockWaits, wakeUps, hasInlineReadModels: false }, false)
    },
    verify,
    lease,
    watch: wakeUps.watch
  }
}
