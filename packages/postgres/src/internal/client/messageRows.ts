import type { PgClient } from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { MessageId, RecordedMessage } from "eventfold/Message"
import { type MessagePage, parseJson } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import type { StreamName } from "eventfold/StreamName"
import type { Statements } from "./statements.ts"
import { unsafePosition } from "./wireValues.ts"

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

/** The text form of a jsonb, which is always JSON. */
const parse = (text: string | null): Schema.Json => text === null ? null : parseJson(text)

/** Decodes rows that have the columns of `message_store.message`. */
export const recordedMessages = (
  rows: ReadonlyArray<ReadonlyArray<unknown>>
): Effect.Effect<ReadonlyArray<RecordedMessage>, StoreError> => {
  const messages: Array<RecordedMessage> = []
  for (const columns of rows) {
    const row = columns as MessageRow
    const position = Number(row[3])
    const globalPosition = Number(row[4])
    if (!Number.isSafeInteger(position)) return Effect.fail(unsafePosition(row[3]))
    if (!Number.isSafeInteger(globalPosition)) return Effect.fail(unsafePosition(row[4]))
    messages.push({
      // Names and ids are checked where messages are written, so the table holds valid ones.
      id: row[0] as MessageId,
      streamName: row[1] as StreamName,
      type: row[2],
      position,
      globalPosition,
      data: parse(row[5]),
      metadata: parse(row[6]),
      time: DateTime.fromDateUnsafe(row[7])
    })
  }
  return Effect.succeed(messages)
}

/** A page that decodes its messages when they are asked for. */
const messagePage = (rows: ReadonlyArray<ReadonlyArray<unknown>>): MessagePage => {
  const last = rows.at(-1) as MessageRow | undefined
  return {
    length: rows.length,
    last: last === undefined ? undefined : { position: Number(last[3]), globalPosition: Number(last[4]) },
    slice: (start, end) => Effect.suspend(() => recordedMessages(rows.slice(start, end)))
  }
}

/** The rows of a query, each with the values of its columns. */
type Values = Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError>

/** Reads messages. */
export const readMessages = ({ query }: Statements, operation: string, rows: Values) =>
  Effect.flatMap(query(operation, rows), recordedMessages)

/** Reads a page of messages. */
export const readMessagePage = ({ query }: Statements, operation: string, rows: Values) =>
  Effect.map(query(operation, rows), messagePage)
