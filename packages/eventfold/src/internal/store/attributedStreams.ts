/**
 * Streams with attributes, and their messages, as data.
 */
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { MessageId } from "../../Message.ts"

/**
 * The attributes of streams without a schema of their own: any JSON object.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Attributes = Schema.Record(Schema.String, Schema.Json)

/**
 * The attributes of streams without a schema of their own: any JSON object.
 *
 * @category models
 * @since 0.1.0
 */
export type Attributes = typeof Attributes.Type

const message = Schema.Struct({
  id: MessageId,
  type: Schema.String,
  at: Schema.DateTimeUtc,
  data: Schema.Json,
  position: Schema.Int,
  globalPosition: Schema.Int
})

/**
 * The schema of a message of a stream. `Schema.toCodecJson` makes the schema of its JSON form.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message: Schema.Codec<Message, typeof message.Encoded> = message

/**
 * A message of a stream. `MessageStore.findMessage` gives it as it is recorded, with its metadata and the time of writing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly id: MessageId
  /** `messageType`, or that of a message which something else wrote to the stream. */
  readonly type: string
  /** The time that was given for it; for a message that something else wrote, the time of writing. */
  readonly at: DateTime.Utc
  readonly data: Schema.Json
  /** The ordinal in the stream, from 0: the order of writing. */
  readonly position: number
  /** The ordinal in the store, from 1. */
  readonly globalPosition: number
}

/**
 * The numbers of streams and of messages in a category. Deleted ones don't count.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Stats = Schema.Struct({ streams: Schema.Int, messages: Schema.Int })

/**
 * The numbers of streams and of messages in a category. Deleted ones don't count.
 *
 * @category models
 * @since 0.1.0
 */
export type Stats = typeof Stats.Type
