import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { AllPage } from "eventfold/StoreBackend"
import { messageColumns, readMessages } from "../client/messageRows.ts"
import type { Statements } from "../client/statements.ts"
import { isInTransaction } from "../client/transactions.ts"
import { safePosition } from "../client/wireValues.ts"
import { type GapRule, writerNames } from "../readAll/gapRule.ts"
import { onReplica } from "../readAll/heldBack.ts"
import type { ReadPage } from "../readAll/readAll.ts"
import { categoryOf, isOfTypes, opaque } from "../store/filters.ts"

/**
 * Up to this many categories are each read along their own index entries. A page whose filter has to walk the whole log
 * looks at this many positions.
 */
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

/** How far there is no gap, within a page. */
const gaplessThrough = (sql: PgClient, from: number, limit: number) => {
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

/** How far a page may read, and the writers where that depends on them. */
const look = (sql: PgClient, rule: GapRule, { categories, from, limit, types }: AllPage, final: number) => {
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
        ${writerNames(sql, rule)}
      END AS writers,
      current_setting('transaction_isolation') AS isolation,
      pg_is_in_recovery() AS replica,
      ${rule.run} AS run
    FROM (
      SELECT
        coalesce((SELECT max(global_position) FROM message_store.messages), 0) AS last,
        ${isKnown ? sql`${BigInt(final)}::bigint` : gaplessThrough(sql, from, limit)} AS through
      OFFSET 0
    ) AS seen`.unprepared
}

/** The messages of a page up to a position. */
const messagesThrough = (sql: PgClient, { categories, from, limit, types }: AllPage, through: number) => {
  const [first, last] = [BigInt(from), BigInt(through)]
  const typeFilter = types === undefined ? sql`true` : opaque(sql, isOfTypes(sql, types))
  if (categories === undefined || categories.length > maxCategories) {
    const categoryFilter = categories === undefined
      ? sql`true`
      : sql`${categoryOf(sql)} = ANY(${categories}::text[])`
    return sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE global_position BETWEEN ${first} AND ${last} AND ${typeFilter} AND ${categoryFilter}
      ORDER BY global_position LIMIT ${BigInt(limit)}`.valuesUnprepared
  }
  return sql`SELECT ${messageColumns(sql)}
    FROM (
      SELECT wanted.*
      FROM unnest(${categories}::text[]) AS names (category),
      LATERAL (
        SELECT messages.*
        FROM message_store.messages
        WHERE (${categoryOf(sql)}, global_position) >= (names.category, ${first})
          AND (${categoryOf(sql)}, global_position) <= (names.category, ${last})
          AND ${typeFilter}
        ORDER BY message_store.category(stream_name), global_position
        LIMIT ${BigInt(limit)}
      ) AS wanted
      ORDER BY wanted.global_position
      LIMIT ${BigInt(limit)}
    ) AS found
    ORDER BY global_position`.valuesUnprepared
}

/** Reads pages as `eventfold.read_all` does, which says why, in two statements: a look, and then the page. */
export const readPage = (statements: Statements, rule: GapRule): ReadPage =>
  Effect.fnUntraced(function*(page, final) {
    const { query, sql } = statements
    const { categories, from, types } = page
    const [row] = yield* query("readAll", look(sql, rule, page, final))
    if (row === undefined) return yield* Effect.die(new Error("looking at the end of the log gave no row"))
    if (row.replica && row.writers !== null) return yield* onReplica(statements, "readAll")
    const last = yield* safePosition(row.last)
    // In a transaction of the caller, both statements may have the same snapshot.
    const isFresh = row.isolation.startsWith("read") || !(yield* isInTransaction(sql))
    const isFinal = row.writers?.length === 0 && isFresh
    const safe = Math.min(isFinal ? last : yield* safePosition(row.through), last)
    const isLong = types !== undefined || (categories !== undefined && categories.length > maxCategories)
    const through = isLong && row.first !== null
      ? Math.min(safe, (yield* safePosition(row.first)) + maxPositions - 1)
      : safe
    const messages = through < from
      ? []
      : yield* readMessages(statements, "readAll", messagesThrough(sql, page, through))
    return { last, run: row.run, writers: row.writers ?? undefined, through, messages }
  })
