import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Fragment } from "effect/sql/Statement"
import type { CorrelatedRange, EffectsRange, TraceBackend, TracePage } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import { causeOf, type Traced } from "eventfold/Trace"
import type { Places } from "../client/independence.ts"
import { logOf } from "../client/log.ts"
import { placeColumns, placeOf, type PlaceRow } from "../client/messageRows.ts"
import type { Statements } from "../client/statements.ts"
import { bigints, safePosition, texts, wireNumber } from "../client/wireValues.ts"
import { opaque } from "./filters.ts"

/** A row has what was looked at, and a message unless none was found. */
interface Row extends Partial<PlaceRow> {
  readonly looked_from: bigint
  readonly looked_through: bigint
  readonly reached_end: boolean
  readonly cause: string | null
  readonly cause_stream: string | null
  readonly cause_position: string | null
}

/** The texts of the keys of metadata that name a cause. */
const causeAt = (sql: PgClient) => sql`metadata ->> 'causationMessageGlobalPosition'::text`
const causeStreamAt = (sql: PgClient) => sql`metadata ->> 'causationMessageStreamName'::text`
const causePositionAt = (sql: PgClient) => sql`metadata ->> 'causationMessagePosition'::text`
const correlationAt = (sql: PgClient) => sql`metadata ->> 'correlationStreamName'::text`

/**
 * Selects by an index on the hash of a text, in its order. The condition on the hash is a range, and not an equation: so the order by
 * the hash leaves the planner no other order of the table. What is compared besides the hash is hidden, and the limit is none
 * that the planner knows: it would take the few rows that it expects for reason to read all of them first, and then sort.
 */
const byHash = (
  sql: PgClient,
  text: Fragment,
  of: Fragment,
  { after, limit, matches }: { readonly after: Fragment; readonly limit: number; readonly matches: Fragment }
): Fragment =>
  sql`SELECT messages.global_position AS nth_position
    FROM message_store.messages
    WHERE hashtextextended(${text}, 0::bigint)
        BETWEEN hashtextextended(${of}, 0::bigint) AND hashtextextended(${of}, 0::bigint)
      AND (${text}) IS NOT NULL
      AND messages.global_position > ${after}
      AND ${opaque(sql, matches)}
    ORDER BY hashtextextended(${text}, 0::bigint), messages.global_position
    LIMIT (SELECT ${BigInt(limit + 1)}::bigint)`

/** Whether an index is there to be used. One that is being made, or whose making was cut off, is not. */
const hasIndex = ({ query, sql }: Statements, operation: string, index: string) =>
  Effect.map(
    query(
      operation,
      sql<{ readonly ready: boolean }>`SELECT EXISTS (
          SELECT FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(${index}::text)::oid AND indisvalid
        ) AS ready`
    ),
    ([row]) => row?.ready === true
  )

/** The highest global position. */
const lastPosition = (sql: PgClient): Fragment =>
  sql`(SELECT global_position FROM message_store.messages ORDER BY global_position DESC LIMIT 1)`

/** What gives the messages that were found, with the bounds of what was looked at. */
const answer = (sql: PgClient): Fragment =>
  sql`SELECT bounds.*, traced.*
    FROM bounds LEFT JOIN (
      SELECT ${placeColumns(sql)}, ${causeAt(sql)} AS cause, ${causeStreamAt(sql)} AS cause_stream,
        ${causePositionAt(sql)} AS cause_position
      FROM message_store.messages
      WHERE global_position = ANY (ARRAY(SELECT found.nth_position FROM found))
    ) AS traced ON true
    ORDER BY traced.global_position`

/** The bounds of a look by an index: it sees the whole log. */
const wholeLog = (sql: PgClient, after: number): Fragment =>
  sql`bounds AS (
      SELECT ${BigInt(after)}::bigint + 1 AS looked_from,
        greatest(${BigInt(after)}::bigint, ${lastPosition(sql)}) AS looked_through, true AS reached_end
    )`

/** The messages to look through, and the bounds of that, beginning after the position of `begin`. */
const inWindow = (sql: PgClient, window: number): Fragment =>
  sql`looked AS MATERIALIZED (
      SELECT global_position, metadata
      FROM message_store.messages
      WHERE global_position > (SELECT begin.after FROM begin)
      ORDER BY global_position
      LIMIT ${BigInt(window)}
    ), bounds AS (
      SELECT begin.after + 1 AS looked_from,
        greatest(begin.after, (SELECT max(looked.global_position) FROM looked)) AS looked_through,
        coalesce(${lastPosition(sql)}, 0) <= greatest(begin.after, (SELECT max(looked.global_position) FROM looked))
          AS reached_end
      FROM begin
    )`

/** The causes that are asked for, as a table. */
const causesOf = (sql: PgClient, causes: EffectsRange["causes"]): Fragment =>
  sql`unnest(
      ${bigints(causes.map(({ globalPosition }) => BigInt(globalPosition)))},
      ${texts(causes.map(({ globalPosition }) => String(globalPosition)))},
      ${texts(causes.map(({ streamName }) => streamName))},
      ${texts(causes.map(({ position }) => String(position)))}
    ) AS causes (global_position, cause, stream, nth)`

/** Whether the metadata of a message names one of the causes. */
const namesCause = (sql: PgClient): Fragment =>
  sql`${causeAt(sql)} = causes.cause
    AND coalesce(${causeStreamAt(sql)}, causes.stream) = causes.stream
    AND coalesce(${causePositionAt(sql)}, causes.nth) = causes.nth`

const effectsByIndex = (sql: PgClient, { after, causes, limit }: EffectsRange): Fragment =>
  sql`WITH found AS (
      SELECT effect.nth_position
      FROM ${causesOf(sql, causes)}, LATERAL (
        ${
    byHash(sql, causeAt(sql), sql`causes.cause`, {
      after: sql`greatest(causes.global_position, ${BigInt(after)}::bigint)`,
      limit,
      matches: namesCause(sql)
    })
  }
      ) AS effect
      ORDER BY effect.nth_position
      LIMIT ${BigInt(limit + 1)}
    ), ${wholeLog(sql, after)}
    ${answer(sql)}`

const effectsInWindow = (sql: PgClient, { after, causes, limit, window }: EffectsRange): Fragment =>
  sql`WITH begin AS (SELECT ${BigInt(after)}::bigint AS after), ${inWindow(sql, window)}, found AS (
      SELECT looked.global_position AS nth_position
      FROM looked JOIN ${causesOf(sql, causes)} ON ${namesCause(sql)}
      WHERE looked.global_position > causes.global_position
      ORDER BY looked.global_position
      LIMIT ${BigInt(limit + 1)}
    )
    ${answer(sql)}`

const correlatedByIndex = (sql: PgClient, { after = 0, correlation, limit }: CorrelatedRange): Fragment =>
  sql`WITH found AS (
      ${
    byHash(sql, correlationAt(sql), sql`${correlation}::text`, {
      after: sql`${BigInt(after)}::bigint`,
      limit,
      matches: sql`${correlationAt(sql)} = ${correlation}::text`
    })
  }
    ), ${wholeLog(sql, after)}
    ${answer(sql)}`

/** Where a look through a window begins that no `after` says: see `CorrelatedRange`. */
const beginOf = (sql: PgClient, { after, around, correlation, window }: CorrelatedRange): Fragment =>
  sql`begin AS (
      SELECT greatest(0, coalesce(
        ${wireNumber(after)}::bigint,
        coalesce(
          ${wireNumber(around)}::bigint,
          (
            SELECT first.global_position
            FROM message_store.messages AS first
            WHERE first.stream_name = ${correlation}::text
            ORDER BY first."position"
            LIMIT 1
          )
        ) - 1 - ${BigInt(window)}::bigint / 2,
        ${lastPosition(sql)} - ${BigInt(window)}::bigint
      )) AS after
    )`

const correlatedInWindow = (sql: PgClient, range: CorrelatedRange): Fragment =>
  sql`WITH ${beginOf(sql, range)}, ${inWindow(sql, range.window)}, found AS (
      SELECT looked.global_position AS nth_position
      FROM looked
      WHERE ${correlationAt(sql)} = ${range.correlation}::text
      ORDER BY looked.global_position
      LIMIT ${BigInt(range.limit + 1)}
    )
    ${answer(sql)}`

const tracedOf = Effect.fnUntraced(function*(
  { id, global_position, position, stream_name, time, type, ...row }: Row
): Effect.fn.Return<Option.Option<Traced>, StoreError> {
  if (
    id == null || global_position == null || position == null || stream_name == null || time == null || type == null
  ) return Option.none()
  const cause = causeOf({
    causationMessageGlobalPosition: row.cause,
    causationMessageStreamName: row.cause_stream,
    causationMessagePosition: row.cause_position
  })
  return Option.some({ message: yield* placeOf({ id, global_position, position, stream_name, time, type }), cause })
})

const pageOf = Effect.fnUntraced(function*(
  rows: ReadonlyArray<Row>,
  { after, limit }: { readonly after?: number | undefined; readonly limit: number }
): Effect.fn.Return<TracePage, StoreError> {
  const found = (yield* Effect.forEach(rows, tracedOf)).flatMap(Option.toArray)
  const isFull = found.length > limit
  const messages = found.slice(0, limit)
  // The statement gives one row at least.
  const lookedFrom = yield* safePosition(rows[0]?.looked_from ?? 1n)
  const reached = yield* safePosition(rows[0]?.looked_through ?? 0n)
  return {
    messages,
    lookedFrom,
    lookedThrough: isFull ? messages.at(-1)?.message.globalPosition ?? reached : reached,
    isFull,
    isComplete: !isFull && rows[0]?.reached_end === true && (after !== undefined || lookedFrom === 1)
  }
})

/** Follows causes to their effects: by the indexes of `install({ traceIndexes: true })` where they are, else through a window. */
export const make = (statements: Statements, { read }: Places): TraceBackend => {
  const { query, sql } = statements

  const reading = <Range extends { readonly limit: number }>(
    operation: string,
    index: string,
    byIndex: (sql: PgClient, range: Range) => Fragment,
    inWindow: (sql: PgClient, range: Range) => Fragment
  ) =>
  (range: Range & { readonly after?: number | undefined }) =>
    read(
      operation,
      Effect.gen(function*() {
        const isIndexed = yield* hasIndex(statements, operation, logOf(sql).named(index))
        const rows = yield* query(
          operation,
          sql<Row>`${isIndexed ? byIndex(sql, range) : inWindow(sql, range)}`.unprepared
        )
        return yield* pageOf(rows, range)
      })
    )

  return {
    effects: reading("effects", "message_store.messages_causation", effectsByIndex, effectsInWindow),
    correlated: reading("correlated", "message_store.messages_correlation", correlatedByIndex, correlatedInWindow)
  }
}
