import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { RecordedMessage } from "eventfold/Message"
import type { AllPage, ReadAllResult, StoreBackend } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import { dataColumn, recordedMessages } from "../client/messageRows.ts"
import { storeError } from "../client/sqlError.ts"
import { retrying } from "../store/reads.ts"
import * as Finality from "./finality.ts"
import { diagnose, lookAtWriters } from "./heldBack.ts"

/** A page as far as it is final, and what was to be seen beside it. */
export interface Seen extends Finality.Look {
  readonly messages: ReadonlyArray<RecordedMessage>
  /** How far it has looked, inclusive, unless it is full; when it may not look at all, the position before the page. */
  readonly through: number
}

/** Reads a page when everything up to `final`, inclusive, is known to be so. */
export type ReadPage = (page: AllPage, final: number) => Effect.Effect<Seen, StoreError>

/**
 * How long a page waits before it looks again for what keeps it from giving anything, in milliseconds: about 200 in all,
 * as most transactions take less. The connection is free meanwhile.
 */
const pauses = [2, 4, 8, 16, 32, 64, 80]

/**
 * Reads everything, and shares among all readers of this store what is known to be final: so a gap is passed when those
 * have ended who were there when it was first met, whoever has come since.
 *
 * In a transaction of the caller's nothing is known, and nothing is learned of it: its snapshot may be older than what is
 * known, and it sees messages of its own that may never be.
 */
export const makeReadAll = (sql: PgClient, readPage: ReadPage): Pick<StoreBackend, "readAll" | "heldBack"> => {
  let shared = Finality.nothing

  const isShared = Effect.map(Effect.serviceOption(sql.transactionService), Option.isNone)

  const readAll = Effect.fnUntraced(function*(page: AllPage): Effect.fn.Return<ReadAllResult, StoreError> {
    const { from, limit } = page
    const isSharing = yield* isShared
    let attempts = 0
    while (true) {
      const before = isSharing ? shared : Finality.nothing
      const seen = yield* readPage(page, before.final)
      const known = Finality.learn(isSharing ? shared : before, before, seen, from)
      if (isSharing) shared = known
      // It has been read as far as something was final that is no more.
      if (from <= before.final && seen.run !== before.run) continue

      const { last, messages } = seen
      const through = messages.length === limit ? messages.at(-1)?.globalPosition ?? seen.through : seen.through
      if (through >= from) return { messages, through, hasMore: through < last, heldBack: Option.none() }
      if (last < from) return { messages, through: from - 1, hasMore: false, heldBack: Option.none() }
      if (isSharing && from <= known.final) continue

      const pause = pauses[attempts++]
      if (pause === undefined) {
        const heldBack = yield* diagnose(sql, from - 1, known)
        if (Option.isSome(heldBack)) return { messages, through: from - 1, hasMore: false, heldBack }
      } else {
        yield* Effect.sleep(pause)
      }
    }
  })

  const heldBack = Effect.fnUntraced(function*(from: number) {
    const isSharing = yield* isShared
    const before = isSharing ? shared : Finality.nothing
    const look = yield* lookAtWriters(sql)
    const known = Finality.learn(isSharing ? shared : before, before, look, from)
    if (isSharing) shared = known
    const after = Math.max(from - 1, known.final)
    if (look.last <= after) return Option.none()
    return Option.filter(yield* diagnose(sql, after, known), ({ writers }) => writers.length > 0)
  })

  return { readAll, heldBack }
}

const Footer = Schema.fromJsonString(Schema.Struct({
  through: Schema.Int,
  last: Schema.Int,
  writers: Schema.NullOr(Schema.Array(Schema.String)),
  run: Schema.String
}))

const decodeFooter = Schema.decodeUnknownEffect(Footer)

/** By `eventfold.read_all`, whose last row is about the page. */
export const readPage = (sql: PgClient): ReadPage =>
  Effect.fnUntraced(function*({ categories, from, limit, types }, final) {
    const rows = yield* retrying(
      sql`SELECT * FROM eventfold.read_all(
      ${BigInt(from)}, ${BigInt(limit)}, ${categories ?? null}::varchar[], ${types ?? null}::text[], ${BigInt(final)}
    )`.values
    ).pipe(Effect.mapError(storeError("readAll")))
    const { last, run, through, writers } = yield* decodeFooter(rows.at(-1)?.[dataColumn]).pipe(
      Effect.mapError(({ message }) => new StoreError({ operation: "readAll", reason: message, isRetryable: false }))
    )
    const messages = yield* recordedMessages(rows.slice(0, -1))
    return { messages, through, last, run, writers: writers ?? undefined }
  })
