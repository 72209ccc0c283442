/**
 * Pages of messages as lines of JSON. Data and metadata stay the texts that the server gives: nothing reads in them.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Fragment } from "effect/sql/Statement"
import {
  type ArchiveBackend,
  type ArchivedAttributes,
  type ArchivedPage,
  type ArchiveFilter,
  type ArchivePage,
  type AttributesPage,
  messageLineHead
} from "eventfold/ArchiveBackend"
import type { MessageId } from "eventfold/Message"
import type { StoreError } from "eventfold/StoreError"
import type { StreamName } from "eventfold/StreamName"
import { patiently } from "../client/bound.ts"
import type { Statements } from "../client/statements.ts"
import { safePosition } from "../client/wireValues.ts"

/** The category of a message, as a text. The planner sees through it to the index. */
const category = (sql: PgClient): Fragment => sql`message_store.category(stream_name)::text`

// Functions that take any type have their schema here, because another role's for texts would fit better.

/** The rows of a page, and their order. Each filter leaves the planner one way, along its index. */
const rowsOf = (
  sql: PgClient,
  { after, through, ...filter }: ArchivePage
): { readonly where: Fragment; readonly order: Fragment } => {
  const [from, to] = [BigInt(after.globalPosition), BigInt(through)]
  if (filter.streamName !== undefined) {
    return {
      where: sql`stream_name = ${filter.streamName}::text AND "position" > ${BigInt(after.position)}::bigint
        AND global_position <= ${to}::bigint`,
      order: sql`"position"`
    }
  }
  if (filter.category !== undefined) {
    return {
      where: sql`(${category(sql)}, global_position) > (${filter.category}::text, ${from}::bigint)
        AND (${category(sql)}, global_position) <= (${filter.category}::text, ${to}::bigint)`,
      order: sql`message_store.category(stream_name), global_position`
    }
  }
  return {
    where: sql`global_position > ${from}::bigint AND global_position <= ${to}::bigint`,
    order: sql`global_position`
  }
}

/** The columns of a row, by their places. */
type PageRow = readonly [
  globalPosition: bigint,
  position: bigint,
  streamName: string,
  type: string,
  id: string,
  time: Uint8Array | null,
  oddTime: string | null,
  metadata: Uint8Array | null,
  data: Uint8Array | null
]

/** The seconds from 1970 to 2000, where PostgreSQL counts from. */
const epoch = 946_684_800

/** The last second that was written as a text: messages that were written together share it. */
let lastSecond = { second: -1, text: "" }

const textOfSecond = (second: number): string => {
  if (second !== lastSecond.second) {
    lastSecond = { second, text: new Date((second + epoch) * 1_000).toISOString().slice(0, 19) }
  }
  return lastSecond.text
}

/** A time of the wire, the microseconds since 2000, in UTC and without a zone. A `Date` would lose its last three digits. */
const timeOf = (bytes: Uint8Array): string => {
  const micros = new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0)
  // A number holds them for 285 years around 2000, and costs less.
  const isNear = BigInt.asIntN(54, micros) === micros
  const second = isNear ? Math.floor(Number(micros) / 1e6) : Number(micros / 1_000_000n) - (micros < 0n ? 1 : 0)
  const fraction = isNear ? Number(micros) - second * 1e6 : Number(micros - BigInt(second) * 1_000_000n)
  const text = textOfSecond(fraction === 1e6 ? second + 1 : second)
  return fraction % 1e6 === 0 ? text : `${text}.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`
}

const utf8 = new TextEncoder()

const [metadataKey, dataKey, end] = [",\"metadata\":", ",\"data\":", "}\n"].map((text) => utf8.encode(text))

/** What comes before the metadata and the data. The table holds valid names and ids only. */
const headOf = (row: PageRow): string =>
  messageLineHead({
    globalPosition: Number(row[0]),
    position: Number(row[1]),
    streamName: row[2] as StreamName,
    type: row[3],
    id: row[4] as MessageId,
    time: row[5] === null ? row[6] ?? "" : timeOf(row[5])
  })

const contentSize = (rows: ReadonlyArray<PageRow>): number =>
  rows.reduce((sum, row) => sum + (row[7]?.length ?? 0) + (row[8]?.length ?? 0), 0)

/** About how many bytes the rest of a line takes. */
const headSize = 200

/** The lines of a page. Metadata and data are copied as the bytes that they came as, because to decode them costs most of the time. */
const linesOf = (rows: ReadonlyArray<PageRow>): Uint8Array<ArrayBuffer> => {
  const heads = rows.map(headOf)
  // A character takes three bytes at most.
  const most = heads.reduce((sum, head) => sum + head.length * 3 + 32, contentSize(rows))
  const lines = new Uint8Array(most)
  let at = 0
  const add = (bytes: Uint8Array | undefined) => {
    if (bytes === undefined) return
    lines.set(bytes, at)
    at += bytes.length
  }
  for (const [i, row] of rows.entries()) {
    at += utf8.encodeInto(heads[i] ?? "", lines.subarray(at)).written
    if (row[7] !== null) {
      add(metadataKey)
      add(row[7])
    }
    if (row[8] !== null) {
      add(dataKey)
      add(row[8])
    }
    add(end)
  }
  return lines.subarray(0, at)
}

/** The server would take longer to make the lines than it takes to read the rows, and meanwhile this process would wait. */
const readMessages = ({ query, sql }: Statements) => {
  // What a clock does not give (infinity, years before Christ or of more digits) is as the server writes it.
  const isUsual = sql`("time" >= '0001-01-01'::timestamp AND "time" < '10000-01-01'::timestamp)`
  const columns = sql`global_position, "position", stream_name, type, id::varchar,
      CASE WHEN ${isUsual} THEN pg_catalog.timestamp_send("time") END,
      CASE WHEN NOT ${isUsual} THEN pg_catalog.btrim(pg_catalog.to_json("time")::text, '"'::text) END,
      pg_catalog.textsend(metadata::text), pg_catalog.textsend(data::text)`

  // What is larger than some two kilobytes is beside the table. Without such messages the number of rows is bound enough.
  const hasLarge = sql`SELECT pg_catalog.pg_relation_size(reltoastrelid) > 0::bigint FROM pg_catalog.pg_class
    WHERE oid = 'message_store.messages'::regclass::oid`.valuesUnprepared

  const byCount = (page: ArchivePage) => {
    const { order, where } = rowsOf(sql, page)
    return sql`SELECT ${columns} FROM message_store.messages
      WHERE ${where} ORDER BY ${order} LIMIT ${BigInt(page.limit)}::bigint`.valuesUnprepared
  }

  /** To add the sizes up takes a tenth of the time of a page of small messages. */
  const bySize = (page: ArchivePage) => {
    const { order, where } = rowsOf(sql, page)
    // The sizes before a row, as they are stored: the texts of the rows that are left out are not made.
    const before = sql`pg_catalog.sum(
        coalesce(pg_catalog.pg_column_size(data), 0) + coalesce(pg_catalog.pg_column_size(metadata), 0)
      ) OVER (ORDER BY ${order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)`
    return sql`SELECT ${columns}
      FROM (
        SELECT messages.*, ${before} AS before FROM message_store.messages
        WHERE ${where} ORDER BY ${order} LIMIT ${BigInt(page.limit)}::bigint
      ) AS page
      WHERE before IS NULL OR before < ${BigInt(page.bytes)}::bigint`.valuesUnprepared
  }

  const read = (page: ArchivePage) =>
    Effect.flatMap(
      patiently(query("export", hasLarge)),
      ([row]) => patiently(query("export", row?.[0] === true ? bySize(page) : byCount(page)))
    )

  return (page: ArchivePage): Effect.Effect<ArchivedPage, StoreError> =>
    Effect.flatMap(read(page), (values) => {
      const rows = values as unknown as ReadonlyArray<PageRow>
      const last = rows.at(-1)
      if (last === undefined) {
        return Effect.succeed({ lines: () => new Uint8Array(0), size: 0, count: 0, last: page.after })
      }
      const [globalPosition, position] = last
      return Effect.map(
        Effect.all([safePosition(globalPosition), safePosition(position)]),
        ([globalPosition, position]) => ({
          lines: () => linesOf(rows),
          size: contentSize(rows) + rows.length * headSize,
          count: rows.length,
          last: { globalPosition, position }
        })
      )
    })
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
  const statement = sql<
    PlaceRow
  >`SELECT global_position, "position", id::varchar FROM message_store.messages ${rows} LIMIT 1`
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
        pg_catalog.rtrim(pg_catalog.to_json(pg_catalog.timezone('UTC'::text, added_at))::text, '"'::text) AS added_at
      FROM eventfold.streams
      WHERE ${sql.and(conditions)}
      ORDER BY category, id
      LIMIT ${BigInt(limit)}::bigint`
    return Effect.map(
      query("export", statement.unprepared),
      (rows) =>
        rows.map(({ added_at, attributes, category, id }): ArchivedAttributes => ({
          category,
          id,
          attributes,
          addedAt: added_at?.slice(1)
        }))
    )
  }

/** The reads of an export. */
export const make = (statements: Statements): Pick<ArchiveBackend, "messages" | "before"> => ({
  messages: readMessages(statements),
  before: readBefore(statements)
})
