import type { PgClient } from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { MessageId, MessagePlace, RecordedMessage } from "eventfold/Message"
import type { MessagePage } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import type { StreamName } from "eventfold/StreamName"
import type { Statements } from "./statements.ts"
import { safePosition, unsafePosition } from "./wireValues.ts"

/**
 * The columns of a value of the type `message_store.message`, as the client decodes them. By place and not by name: an
 * object for each row would cost as much as the rest of its decoding.
 */
type MessageRow = readonly [
  id: string,
  streamName: string,
  type: string,
  position: bigint,
  globalPosition: bigint,
  data: string | null,
  metadata: string | null,
  time: Date
]

/** The index of the column with the data. */
export const dataColumn = 5

/** The columns of `message_store.message`, read from the table. */
export const messageColumns = (sql: PgClient): Fragment =>
  sql`id::varchar, stream_name, type, position, global_position, data::varchar, metadata::varchar, time`

/** The last time that a `Date` has. */
const lastTime = DateTime.makeUnsafe(8.64e15)

/**
 * A time. Who may INSERT into the table may give it `infinity`, `-infinity`, or a year that a `Date` does not have: the client
 * gives an invalid `Date` for each of them. They are read as the last time, so that the message can be read, handled and parked
 * like others.
 */
export const timeOf = (time: Date): DateTime.Utc =>
  Number.isNaN(time.getTime()) ? lastTime : DateTime.fromDateUnsafe(time)

/**
 * Decodes rows that have the columns of `message_store.message`.
 *
 * Who may INSERT may give a message a position in its stream that a number can't hold. Readers of its stream need that position
 * to go on, and are refused. All others read the last one in its place, so that the message can be read, handled and parked.
 */
export const recordedMessages = (
  { parseJson }: Pick<Statements, "parseJson">,
  rows: ReadonlyArray<ReadonlyArray<unknown>>,
  isOfStream = false
): Effect.Effect<ReadonlyArray<RecordedMessage>, StoreError> => {
  // The text form of a jsonb is always JSON.
  const parse = (text: string | null): Schema.Json => text === null ? null : parseJson(text)
  const messages: Array<RecordedMessage> = []
  for (const columns of rows) {
    const row = columns as MessageRow
    const position = Number(row[3])
    const globalPosition = Number(row[4])
    if (isOfStream && !Number.isSafeInteger(position)) return Effect.fail(unsafePosition(row[3]))
    if (!Number.isSafeInteger(globalPosition)) return Effect.fail(unsafePosition(row[4]))
    messages.push({
      // Names and ids are checked where messages are written, so the table holds valid ones.
      id: row[0] as MessageId,
      streamName: row[1] as StreamName,
      type: row[2],
      position: Math.min(position, Number.MAX_SAFE_INTEGER),
      globalPosition,
      data: parse(row[5]),
      metadata: parse(row[6]),
      time: timeOf(row[7])
    })
  }
  return Effect.succeed(messages)
}

/** A page that decodes its messages when they are asked for. */
const messagePage = (
  statements: Statements,
  rows: ReadonlyArray<ReadonlyArray<unknown>>,
  isOfStream: boolean
): MessagePage => {
  const last = rows.at(-1) as MessageRow | undefined
  return {
    length: rows.length,
    last: last === undefined ? undefined : { position: Number(last[3]), globalPosition: Number(last[4]) },
    slice: (start, end) => Effect.suspend(() => recordedMessages(statements, rows.slice(start, end), isOfStream))
  }
}

/** The rows of a query, each with the values of its columns. */
type Values = Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError>

/** Reads messages. */
export const readMessages = (statements: Statements, operation: string, rows: Values, isOfStream = false) =>
  Effect.flatMap(statements.query(operation, rows), (rows) => recordedMessages(statements, rows, isOfStream))

/** Reads a page of messages. */
export const readMessagePage = (statements: Statements, operation: string, rows: Values, isOfStream = false) =>
  Effect.map(statements.query(operation, rows), (rows) => messagePage(statements, rows, isOfStream))

/** The place of a message, as the columns of {@link placeColumns}. */
export interface PlaceRow {
  readonly id: string
  readonly stream_name: string
  readonly type: string
  readonly position: bigint
  readonly global_position: bigint
  readonly time: Date
}

export const placeColumns = (sql: PgClient) => sql`id::varchar, stream_name, type, "position", global_position, "time"`

export const placeOf = Effect.fnUntraced(function*(row: PlaceRow): Effect.fn.Return<MessagePlace, StoreError> {
  return {
    // Names and ids are checked where messages are written, so the table holds valid ones.
    id: row.id as MessageId,
    streamName: row.stream_name as StreamName,
    type: row.type,
    position: Math.min(Number(row.position), Number.MAX_SAFE_INTEGER),
    globalPosition: yield* safePosition(row.global_position),
    time: timeOf(row.time)
  }
})
