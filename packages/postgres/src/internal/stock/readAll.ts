import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AllPage } from "eventfold/StoreBackend"
import { safePosition } from "../client/messageRows.ts"
import { storeError } from "../client/sqlError.ts"
import { onReplica, run, writers } from "../readAll/heldBack.ts"
import type { ReadPage } from "../readAll/readAll.ts"
import { messageColumns, opaque, read, retrying } from "../store/reads.ts"

/** As many categories have a way of their own through the log, and a filter that needs the whole log looks at so much of it. */
const [maxCategories, maxPositions] = [8, 50_000]

interface LookRow {
  readonly last: bigint
  readonly through: bigint
  readonly first: bigint | null
  readonly writers: ReadonlyArray<string> | null
  readonly isolation: string
  readonly replica: boolean
  readonly run: string
}

/** Reads pages as `eventfold.read_all` does, and says why, in two statements: a look, and then the page. */
export const readPage = (sql: PgClient): ReadPage => {
  /** How far there is no gap, within a page. */
  const withoutGap = (from: number, limit: number) => {
    const before = BigInt(from - 1)
    return sql`coalesce(
      (
        SELECT max(page.global_position)
        FROM (
          SELECT global_position, row_number() OVER (ORDER BY global_position) AS ordinal
          FROM message_store.messages
          WHERE global_position > ${before}
          ORDER BY global_position
          LIMIT ${BigInt(limit)}
        ) AS page
        WHERE page.global_position = ${before} + page.ordinal
      ),
      ${before}
    )`
  }

  const look = ({ categories, from, limit, types }: AllPage, final: number) => {
    const isKnown = from <= final
    const isFull = sql`seen.through - ${BigInt(from - 1)} = ${BigInt(limit)}`
    const suffices = isKnown ? sql`true` : categories === undefined && types === undefined ? isFull : sql`false`
    return sql<LookRow>`SELECT
        seen.last,
        seen.through,
        (
          SELECT global_position FROM message_store.messages
          WHERE global_position >= ${BigInt(from)} ORDER BY global_position LIMIT 1
        ) AS first,
        CASE WHEN seen.through < seen.last AND NOT ${suffices} THEN
          ${writers(sql)}
        END AS writers,
        current_setting('transaction_isolation') AS isolation,
        pg_is_in_recovery() AS replica,
        ${run(sql)} AS run
      FROM (
        SELECT
          coalesce((SELECT max(global_position) FROM message_store.messages), 0) AS last,
          ${isKnown ? sql`${BigInt(final)}::bigint` : withoutGap(from, limit)} AS through
        OFFSET 0
      ) AS seen`.unprepared
  }

  const isOfTypes = (types: ReadonlyArray<string> | undefined) =>
    types === undefined ? sql`true` : opaque(sql, sql`type = ANY(${types}::text[])`)

  const page = ({ categories, from, limit, types }: AllPage, through: number) => {
    const [first, last] = [BigInt(from), BigInt(through)]
    if (categories === undefined || categories.length > maxCategories) {
      return sql`SELECT ${messageColumns(sql)} FROM message_store.messages
        WHERE global_position BETWEEN ${first} AND ${last} AND ${isOfTypes(types)}
          AND ${
        categories === undefined ? sql`true` : sql`message_store.category(stream_name) = ANY(${categories}::varchar[])`
      }
        ORDER BY global_position LIMIT ${BigInt(limit)}`.valuesUnprepared
    }
    return sql`SELECT ${messageColumns(sql)}
      FROM (
        SELECT wanted.*
        FROM unnest(${categories}::varchar[]) AS names (category),
        LATERAL (
          SELECT messages.*
          FROM message_store.messages
          WHERE (message_store.category(stream_name), global_position) >= (names.category, ${first})
            AND (message_store.category(stream_name), global_position) <= (names.category, ${last})
            AND ${isOfTypes(types)}
          ORDER BY message_store.category(stream_name), global_position
          LIMIT ${BigInt(limit)}
        ) AS wanted
        ORDER BY wanted.global_position
        LIMIT ${BigInt(limit)}
      ) AS found
      ORDER BY global_position`.valuesUnprepared
  }

  return Effect.fnUntraced(function*(request, final) {
    const { categories, from, types } = request
    const [row] = yield* Effect.mapError(retrying(look(request, final)), storeError("readAll"))
    if (row === undefined) return yield* Effect.die(new Error("a look gave no row"))
    if (row.replica && row.writers !== null) return yield* onReplica("readAll")
    const last = yield* safePosition(row.last)
    const seen = { last, run: row.run, writers: row.writers ?? undefined }
    // A transaction of the caller's may have one snapshot for both statements.
    const isFresh = row.isolation.startsWith("read") ||
      Option.isNone(yield* Effect.serviceOption(sql.transactionService))
    const isFinal = row.writers?.length === 0 && isFresh
    const safe = Math.min(isFinal ? last : yield* safePosition(row.through), last)
    const isLong = types !== undefined || (categories !== undefined && categories.length > maxCategories)
    const through = isLong && row.first !== null
      ? Math.min(safe, (yield* safePosition(row.first)) + maxPositions - 1)
      : safe
    return { ...seen, through, messages: through < from ? [] : yield* read("readAll", page(request, through)) }
  })
}
