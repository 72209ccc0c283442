/**
 * Pages of messages as lines of JSON, which the server makes: the client passes their bytes on and reads nothing in them.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isSqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type {
  ArchiveBackend,
  ArchivedAttributes,
  ArchivedPage,
  ArchiveFilter,
  ArchivePage,
  AttributesPage
} from "eventfold/ArchiveBackend"
import type { MessageId } from "eventfold/Message"
import type { StoreError } from "eventfold/StoreError"
import { patiently } from "../client/bound.ts"
import { errorCode, isTooLong } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { safePosition } from "../client/wireValues.ts"

/** The category of a message, as a text. The planner sees through it to the index. */
const category = (sql: PgClient): Fragment => sql`message_store.category(stream_name)::text`

// Functions that take any type have their schema here, because another role's for texts would fit better.

/** A time in UTC. Years of four digits get the Z; what a clock does not give is as the server writes it. */
const timeOf = (sql: PgClient): Fragment =>
  sql`CASE
    WHEN "time" >= '0001-01-01'::timestamp AND "time" < '10000-01-01'::timestamp
    THEN pg_catalog.rtrim(pg_catalog.to_json("time")::text, '"'::text) || 'Z"'::text
    ELSE pg_catalog.to_json("time")::text
  END`

const lineOf = (sql: PgClient): Fragment =>
  sql`pg_catalog.format(
    '{"globalPosition":%s,"position":%s,"streamName":%s,"type":%s,"id":"%s","time":%s%s%s}'::text || E'\\n'::text,
    global_position, "position", pg_catalog.to_json(stream_name), pg_catalog.to_json(type), id, ${timeOf(sql)},
    ',"metadata":'::text || metadata::text, ',"data":'::text || data::text
  )`

/** The rows of a page in their order. Each filter leaves the planner one way, along its index. */
const rowsOf = (sql: PgClient, { after, limit, through, ...filter }: ArchivePage): Fragment => {
  const [from, to, most] = [BigInt(after.globalPosition), BigInt(through), BigInt(limit)]
  if (filter.streamName !== undefined) {
    return sql`WHERE stream_name = ${filter.streamName}::text AND "position" > ${BigInt(after.position)}::bigint
        AND global_position <= ${to}::bigint
      ORDER BY "position" LIMIT ${most}::bigint`
  }
  if (filter.category !== undefined) {
    return sql`WHERE (${category(sql)}, global_position) > (${filter.category}::text, ${from}::bigint)
        AND (${category(sql)}, global_position) <= (${filter.category}::text, ${to}::bigint)
      ORDER BY message_store.category(stream_name), global_position LIMIT ${most}::bigint`
  }
  return sql`WHERE global_position > ${from}::bigint AND global_position <= ${to}::bigint
    ORDER BY global_position LIMIT ${most}::bigint`
}

interface PageRow {
  readonly lines: Uint8Array<ArrayBuffer> | null
  readonly count: bigint
  readonly global_position: bigint | null
  readonly position: bigint | null
}

/** Whether a page was too large for a text of the server, for its memory, or for the client. */
const isTooMuch = ({ cause }: StoreError): boolean =>
  isSqlError(cause) && (isTooLong(cause) || ["54000", "53200", "XX000"].includes(errorCode(cause) ?? ""))

const readMessages = ({ query, sql }: Statements) => {
  const statement = (page: ArchivePage) =>
    sql<PageRow>`SELECT
        pg_catalog.convert_to(pg_catalog.string_agg(page.line, ''::text), 'UTF8'::name) AS lines,
        pg_catalog.count(*) AS count,
        pg_catalog.max(page.global_position) AS global_position,
        pg_catalog.max(page."position") AS "position"
      FROM (
        SELECT ${lineOf(sql)} AS line, global_position, "position" FROM message_store.messages ${rowsOf(sql, page)}
      ) AS page`.unprepared

  const read = (page: ArchivePage): Effect.Effect<ArchivedPage, StoreError> =>
    patiently(query("export", statement(page))).pipe(
      Effect.flatMap(Effect.fnUntraced(function*([row]): Effect.fn.Return<ArchivedPage, StoreError> {
        if (row?.lines == null || row.global_position === null || row.position === null) {
          return { lines: new Uint8Array(0), count: 0, last: page.after }
        }
        const last = {
          globalPosition: yield* safePosition(row.global_position),
          position: Math.min(Number(row.position), Number.MAX_SAFE_INTEGER)
        }
        return { lines: row.lines, count: Number(row.count), last }
      })),
      Effect.catchIf(
        (error) => page.limit > 1 && isTooMuch(error),
        () => read({ ...page, limit: Math.floor(page.limit / 2) })
      )
    )
  return read
}

interface PlaceRow {
  readonly global_position: bigint
  readonly position: bigint
  readonly id: string
}

const readBefore = ({ query, sql }: Statements) => (filter: ArchiveFilter, globalPosition: number) => {
  const before = BigInt(globalPosition)
  const rows = filter.streamName !== undefined
    ? sql`WHERE stream_name = ${filter.streamName}::text AND global_position < ${before}::bigint ORDER BY "position" DESC`
    : filter.category !== undefined
    ? sql`WHERE (${category(sql)}, global_position) < (${filter.category}::text, ${before}::bigint)
        AND ${category(sql)} >= ${filter.category}::text
      ORDER BY message_store.category(stream_name) DESC, global_position DESC`
    : sql`WHERE global_position < ${before}::bigint ORDER BY global_position DESC`
  const statement = sql<PlaceRow>`SELECT global_position, "position", id::varchar FROM message_store.messages ${rows} LIMIT 1`
  return Effect.flatMap(query("export", statement.unprepared), ([row]) =>
    row === undefined
      ? Effect.succeedNone
      : Effect.map(safePosition(row.global_position), (globalPosition) =>
        // The table holds valid ids only.
        Option.some({ globalPosition, position: Number(row.position), id: row.id as MessageId })))
}

interface AttributesRow {
  readonly category: string
  readonly id: string
  readonly attributes: string
  readonly added_at: string | null
}

/** The attributes of streams, of a database with the schema `eventfold`. */
export const readAttributes =
  ({ query, sql }: Statements) => ({ after, category, limit, streamName }: AttributesPage) => {
    const conditions = [
      sql`attributes IS NOT NULL`,
      ...(category === undefined ? [] : [sql`category = ${category}::text`]),
      ...(streamName === undefined ? [] : [sql`category || '-'::text || id = ${streamName}::text`]),
      ...(after === undefined ? [] : [sql`(category, id) > (${after.category}::text, ${after.id}::text)`])
    ]
    const statement = sql<AttributesRow>`SELECT
        category, id, attributes::text AS attributes,
        pg_catalog.rtrim(pg_catalog.to_json(pg_catalog.timezone('UTC'::text, added_at))::text, '"'::text) || 'Z'::text AS added_at
      FROM eventfold.streams
      WHERE ${sql.and(conditions)}
      ORDER BY category, id
      LIMIT ${BigInt(limit)}::bigint`
    return Effect.map(query("export", statement.unprepared), (rows) =>
      rows.map(({ added_at, attributes, category, id }): ArchivedAttributes => ({
        category,
        id,
        attributes,
        addedAt: added_at?.slice(1)
      })))
  }

/** The reads of an export. */
export const make = (statements: Statements): Pick<ArchiveBackend, "messages" | "before"> => ({
  messages: readMessages(statements),
  before: readBefore(statements)
})
