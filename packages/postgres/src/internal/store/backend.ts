import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { StoreBackend, StreamPage } from "eventfold/StoreBackend"
import type { WakeUps } from "../coordination/wakeUps.ts"
import { makeReadAll, readPage } from "../readAll/readAll.ts"
import * as Appends from "./appends.ts"
import { makeIdentity } from "./identity.ts"
import type { Inline } from "./inlineReadModels.ts"
import { type Call, isInTransaction, makeReads, messageColumns, outsideTransaction, readMessagePage } from "./reads.ts"

/** The store on a database that has the `message_store` and `eventfold` schemas. */
export const make = Effect.fnUntraced(function*(
  sql: PgClient,
  call: Call,
  wakeUps: WakeUps,
  lease: StoreBackend["lease"],
  inline: Inline | undefined
) {
  const { append, appendAll } = yield* Appends.make(sql, wakeUps, inline)

  // Message DB has no way backwards.
  const backwards = ({ from, limit, streamName }: StreamPage) =>
    readMessagePage(
      "readStream",
      sql`SELECT ${messageColumns(sql)}
        FROM message_store.messages
        WHERE stream_name = ${streamName} AND position <= ${BigInt(from ?? Number.MAX_SAFE_INTEGER)}
        ORDER BY position DESC LIMIT ${BigInt(limit)}`.values
    )

  const outside = outsideTransaction(sql)
  const backend: StoreBackend = {
    ...makeReads(sql, call, backwards),
    ...makeReadAll(sql, readPage(sql)),
    isInTransaction: isInTransaction(sql),
    identity: makeIdentity(sql),
    append: (request) => outside("append", append(request)),
    writeAll: (appends) => wakeUps.telling(appends, outside("writeAll", appendAll(appends))),
    lease,
    watch: wakeUps.watch
  }
  return backend
})
