import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type { MessageId, RecordedMessage } from "eventfold/Message"
import type { MessagePage } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import type { StreamName } from "eventfold/StreamName"

/**
 * The columns of a value of the type `message_store.message`, as the client decodes them: by their place, since an object
 * with names for each row is as much work as the rest of its decoding.
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

/** Which column the data is. */
export const dataColumn = 5

const unsafePosition = (value: bigint): StoreError =>
  new StoreError({
    operation: "decode a position",
    reason: `${value} is past the range of positions that a number can hold exactly`,
    isRetryable: false
  })

/** A position as a number; fails when a number can't hold it exactly. */
export const safePosition = (value: bigint): Exit.Exit<number, StoreError> => {
  const position = Number(value)
  return Number.isSafeInteger(position) ? Exit.succeed(position) : Exit.fail(unsafePosition(value))
}

/** The text form of a jsonb, which is always JSON. */
const parseJson = (text: string | null): Schema.Json => text === null ? null : JSON.parse(text)

/** The recorded messages of rows that have the columns of `message_store.message`. */
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
      // What the table holds is what a store took in: names and ids are checked where they are written.
      id: row[0] as MessageId,
      streamName: row[1] as StreamName,
      type: row[2],
      position,
      globalPosition,
      data: parseJson(row[5]),
      metadata: parseJson(row[6]),
      time: DateTime.fromDateUnsafe(row[7])
    })
  }
  return Effect.succeed(messages)
}

/** The same as a page, whose messages are decoded as they are asked for. */
export const messagePage = (rows: ReadonlyArray<ReadonlyArray<unknown>>): MessagePage => {
  const last = rows.at(-1) as MessageRow | undefined
  return {
    length: rows.length,
    last: last === undefined ? undefined : { position: Number(last[3]), globalPosition: Number(last[4]) },
    slice: (start, end) => Effect.suspend(() => recordedMessages(rows.slice(start, end)))
  }
}
