import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type { MessageId, RecordedMessage } from "eventfold/Message"
import { StoreError } from "eventfold/StoreError"
import type { StreamName } from "eventfold/StreamName"

/** A value of the type `message_store.message`, as the client decodes it. */
export interface MessageRow {
  readonly id: string
  readonly stream_name: string
  readonly type: string
  readonly position: bigint
  readonly global_position: bigint
  readonly data: string | null
  readonly metadata: string | null
  readonly time: Date
}

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

/** The recorded messages of rows. */
export const recordedMessages = (
  rows: ReadonlyArray<MessageRow>
): Effect.Effect<ReadonlyArray<RecordedMessage>, StoreError> => {
  const messages: Array<RecordedMessage> = []
  for (const row of rows) {
    const position = Number(row.position)
    const globalPosition = Number(row.global_position)
    if (!Number.isSafeInteger(position)) return Effect.fail(unsafePosition(row.position))
    if (!Number.isSafeInteger(globalPosition)) return Effect.fail(unsafePosition(row.global_position))
    messages.push({
      // What the table holds is what a store took in: names and ids are checked where they are written.
      id: row.id as MessageId,
      streamName: row.stream_name as StreamName,
      type: row.type,
      position,
      globalPosition,
      data: parseJson(row.data),
      metadata: parseJson(row.metadata),
      time: DateTime.fromDateUnsafe(row.time)
    })
  }
  return Effect.succeed(messages)
}
