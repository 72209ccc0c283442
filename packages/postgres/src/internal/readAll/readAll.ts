import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { RecordedMessage } from "eventfold/Message"
import type { AllPage, LogNews, ReadAllResult, StoreBackend } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import { dataColumn, recordedMessages } from "../client/messageRows.ts"
import type { Statements } from "../client/statements.ts"
import { isInTransaction } from "../client/transactions.ts"
import * as Finality from "./finality.ts"
import type { GapRule } from "./gapRule.ts"
import { diagnose, lookAtWriters } from "./heldBack.ts"

/** A page as far as it is final, and the look at the store that came with it. */
export interface LookedPage extends Finality.Look {
  readonly messages: ReadonlyArray<RecordedMessage>
  /**
   * How far the page has looked, inclusive, unless it is full; the position before the page when it may not look at
   * all.
   */
  readonly through: number
}

/** Reads a page when everything up to `final`, inclusive, is known to be final. */
export type ReadPage = (page: AllPage, final: number) => Effect.Effect<LookedPage, StoreError>

/**
 * How long a page that has nothing to give waits before it looks again, in milliseconds: about 200 in all, as most
 * transactions take less. It keeps no connection meanwhile.
 */
const pauses = [2, 4, 8, 16, 32, 64, 80]

/**
 * Reads everything, and shares what is known to be final among all readers of this store: a reader passes a gap when the
 * transactions have ended that were open when a reader first met it, even if others have started since.
 *
 * A read in the caller's transaction uses and adds no shared knowledge. Its snapshot may be older than what is known, and
 * it sees messages of its own that may be rolled back.
 */
export const makeReadAll = (
  statements: Statements,
  rule: GapRule,
  readPage: ReadPage
): Pick<StoreBackend, "readAll" | "heldBack" | "news"> => {
  let shared = Finality.nothing

  const readAll = Effect.fnUntraced(function*(page: AllPage): Effect.fn.Return<ReadAllResult, StoreError> {
    const { from, limit } = page
    const isSharing = !(yield* isInTransaction(statements.sql))
    let attempts = 0
    while (true) {
      const before = isSharing ? shared : Finality.nothing
      const seen = yield* readPage(page, before.final)
      const known = Finality.learn(isSharing ? shared : before, before, seen, from)
      if (isSharing) shared = known
      // The page relied on knowledge of an earlier run.
      if (from <= before.final && seen.run !== before.run) continue

      const { last, messages } = seen
      const through = messages.length === limit ? messages.at(-1)?.globalPosition ?? seen.through : seen.through
      if (through >= from) return { messages, through, hasMore: through < last, heldBack: Option.none() }
      if (last < from) return { messages, through: from - 1, hasMore: false, heldBack: Option.none() }
      if (isSharing && from <= known.final) continue

      const pause = pauses[attempts++]
      if (pause === undefined) {
        const heldBack = yield* diagnose(statements, rule, from - 1, known)
        if (Option.isSome(heldBack)) return { messages, through: from - 1, hasMore: false, heldBack }
      } else {
        yield* Effect.sleep(pause)
      }
    }
  })

  const heldBack = Effect.fnUntraced(function*(from: number) {
    const isSharing = !(yield* isInTransaction(statements.sql))
    const before = isSharing ? shared : Finality.nothing
    const look = yield* lookAtWriters(statements, rule)
    const known = Finality.learn(isSharing ? shared : before, before, look, from)
    if (isSharing) shared = known
    const after = Math.max(from - 1, known.final)
    if (look.last <= after) return Option.none()
    return Option.filter(yield* diagnose(statements, rule, after, known), ({ writers }) => writers.length > 0)
  })

  const news = Effect.fnUntraced(function*(after: number): Effect.fn.Return<LogNews, StoreError> {
    const before = shared
    const look = yield* lookAtWriters(statements, rule)
    const known = Finality.learn(shared, before, look, after + 1)
    shared = known
    const { final } = known
    // Another look may have found more to be final since this one, which knows of nothing there.
    return look.last <= after
      ? { categories: [], final: Math.min(final, look.last) }
      : { categories: yield* categoriesAfter(statements, after), final }
  })

  return { readAll, heldBack, news }
}

/** How many messages a look for their categories goes through. */
const maxNews = 10_000

/** The categories of the messages after a position; `undefined` when these are too many. */
const categoriesAfter = ({ query, sql }: Statements, after: number) =>
  Effect.map(
    query(
      "news",
      sql<
        { readonly category: string; readonly count: bigint }
      >`SELECT message_store.category(news.stream_name) AS category,
          count(*) AS count
        FROM (
          SELECT stream_name FROM message_store.messages WHERE global_position > ${BigInt(after)}::bigint
          ORDER BY global_position LIMIT ${BigInt(maxNews)}
        ) AS news
        GROUP BY 1`.unprepared
    ),
    (rows) =>
      rows.reduce((sum, { count }) => sum + Number(count), 0) === maxNews
        ? undefined
        : rows.map(({ category }) => category)
  )

const Footer = Schema.fromJsonString(Schema.Struct({
  through: Schema.Int,
  last: Schema.Int,
  writers: Schema.NullOr(Schema.Array(Schema.String)),
  run: Schema.String
}))

const decodeFooter = Schema.decodeUnknownEffect(Footer)

/** Reads a page by `eventfold.read_all`, whose last row describes the page. */
export const readPage = ({ parseJson, query, sql }: Statements): ReadPage =>
  Effect.fnUntraced(function*({ categories, from, limit, types }, final) {
    const rows = yield* query(
      "readAll",
      sql`SELECT * FROM eventfold.read_all(
      ${BigInt(from)}, ${BigInt(limit)}, ${categories ?? null}::varchar[], ${types ?? null}::text[], ${BigInt(final)}
    )`.values
    )
    const { last, run, through, writers } = yield* decodeFooter(rows.at(-1)?.[dataColumn]).pipe(
      Effect.mapError(({ message }) => new StoreError({ operation: "readAll", reason: message, isRetryable: false }))
    )
    const messages = yield* recordedMessages({ parseJson }, rows.slice(0, -1))
    return { messages, through, last, run, writers: writers ?? undefined }
  })
