import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { TableDifference } from "eventfold/ReadModelStore"
import { identifier } from "../client/ownClient.ts"
import { errorCode } from "../client/sqlError.ts"

/** A table of one of two schemas, or of both. */
interface TableRow {
  readonly name: string
  readonly in_live: boolean
  readonly in_new: boolean
  /** The columns that both have, and whether their types are the same. */
  readonly columns: ReadonlyArray<{ readonly name: string; readonly same: boolean }>
  /** The columns that only one of them has. */
  readonly others: ReadonlyArray<string>
}

const tablesOf = (sql: PgClient, live: string, new_: string) =>
  sql<TableRow>`WITH columns AS (
      SELECT relnamespace = to_regnamespace(quote_ident(${live}))::oid AS is_live, relname, attname, attnum,
        format_type(atttypid, atttypmod) AS type
      FROM pg_class
      LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
      WHERE relkind IN ('r', 'p') AND NOT relispartition
        AND relnamespace IN (to_regnamespace(quote_ident(${live}))::oid, to_regnamespace(quote_ident(${new_}))::oid)
    ), compared AS (
      SELECT relname, attname, bool_or(is_live) AS in_live, bool_or(NOT is_live) AS in_new,
        count(DISTINCT type) = 1 AS same, min(attnum) AS ordinal
      FROM columns GROUP BY relname, attname
    )
    SELECT relname AS name,
      bool_or(in_live) AS in_live,
      bool_or(in_new) AS in_new,
      coalesce(jsonb_agg(jsonb_build_object('name', attname, 'same', same) ORDER BY ordinal)
        FILTER (WHERE attname IS NOT NULL AND in_live AND in_new), '[]') AS columns,
      coalesce(array_agg(attname::text ORDER BY ordinal)
        FILTER (WHERE attname IS NOT NULL AND NOT (in_live AND in_new)), '{}') AS others
    FROM compared GROUP BY relname ORDER BY relname`

const countRows = (sql: PgClient, schema: string, table: string) =>
  Effect.map(
    sql<{ readonly count: bigint }>`SELECT count(*) FROM ${identifier(sql, schema)}.${identifier(sql, table)}`
      .unprepared,
    ([row]) => Number(row?.count ?? 0n)
  )

/** How many rows of a table only one of two schemas has, by the columns that both have. */
const compareRows = (sql: PgClient, live: string, new_: string, { columns, name }: TableRow, asText: boolean) => {
  const list = columns.map((column) =>
    column.same && !asText ? identifier(sql, column.name) : sql`${identifier(sql, column.name)}::text`
  )
  const rows = (schema: string) => sql`SELECT ${sql.csv(list)} FROM ${identifier(sql, schema)}.${identifier(sql, name)}`
  return sql<{ readonly only_live: bigint; readonly only_new: bigint }>`SELECT
    (SELECT count(*) FROM (${rows(live)} EXCEPT ALL ${rows(new_)}) AS rest) AS only_live,
    (SELECT count(*) FROM (${rows(new_)} EXCEPT ALL ${rows(live)}) AS rest) AS only_new`.unprepared
}

const differenceOf = Effect.fnUntraced(function*(
  sql: PgClient,
  live: string,
  new_: string,
  table: TableRow
): Effect.fn.Return<TableDifference, SqlError> {
  const { columns, in_live, in_new, name, others } = table
  if (!in_live || !in_new) {
    const count = yield* countRows(sql, in_live ? live : new_, name)
    return {
      table: name,
      onlyLive: in_live ? count : undefined,
      onlyNew: in_new ? count : undefined,
      columns: others
    }
  }
  if (columns.length === 0) {
    const [inLive, inNew] = [yield* countRows(sql, live, name), yield* countRows(sql, new_, name)]
    return {
      table: name,
      onlyLive: Math.max(0, inLive - inNew),
      onlyNew: Math.max(0, inNew - inLive),
      columns: others
    }
  }
  // In a savepoint, which a failure undoes. 42883: a type has no equality.
  const [counts] = yield* sql.withTransaction(compareRows(sql, live, new_, table, false)).pipe(
    Effect.catchIf((error) => errorCode(error) === "42883", () => compareRows(sql, live, new_, table, true))
  )
  return {
    table: name,
    onlyLive: Number(counts?.only_live ?? 0n),
    onlyNew: Number(counts?.only_new ?? 0n),
    columns: others
  }
})

/**
 * How many rows of each table only one of two schemas has, by the columns that both have. Values whose types differ or
 * have no equality are compared as text.
 */
export const differencesOf = Effect.fnUntraced(function*(
  sql: PgClient,
  live: string,
  new_: string
): Effect.fn.Return<ReadonlyArray<TableDifference>, SqlError> {
  const tables = yield* tablesOf(sql, live, new_)
  return yield* Effect.forEach(tables, (table) => differenceOf(sql, live, new_, table))
})
