/**
 * What is parked, as data.
 */
import type * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { FailureReport } from "../../FailureReport.ts"

/**
 * A message that waits, and where it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface ParkedMessage {
  readonly streamName: string
  readonly position: number
  readonly globalPosition: number
  readonly messageId: string
  readonly type: string
  /** Why it failed last: the tag, the message and the fields of the error. None when it only waits behind another message. */
  readonly failure: Option.Option<FailureReport>
  /** How often it was tried, replays included. 0 when it only waits behind another message. */
  readonly attempts: number
  /** When it was parked. */
  readonly time: DateTime.Utc
}

const parkedMessageSchema = Schema.Struct({
  streamName: Schema.String,
  position: Schema.Int,
  globalPosition: Schema.Int,
  messageId: Schema.String,
  type: Schema.String,
  failure: Schema.OptionFromNullOr(FailureReport),
  attempts: Schema.Int,
  time: Schema.DateTimeUtc
})

/**
 * The schema of a message that waits, with a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ParkedMessage: Schema.Codec<ParkedMessage, typeof parkedMessageSchema.Encoded> = parkedMessageSchema

/**
 * The messages of one cardinal id that wait for a consumer.
 *
 * @since 0.1.0
 * @category models
 */
export interface ParkedStream {
  /** The category and the cardinal id, such as `account-123`. Messages of `account-123+456` are among its messages. */
  readonly stream: string
  /** The global position of the message by which the stream was parked. The streams of a list rise by it. */
  readonly parkedAt: number
  /** Oldest first, which is the order of a replay. */
  readonly messages: Arr.NonEmptyReadonlyArray<ParkedMessage>
}

const parkedStreamSchema = Schema.Struct({
  stream: Schema.String,
  parkedAt: Schema.Int,
  messages: Schema.NonEmptyArray(ParkedMessage)
})

/**
 * The schema of a parked stream, with a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ParkedStream: Schema.Codec<ParkedStream, typeof parkedStreamSchema.Encoded> = parkedStreamSchema

/**
 * What waits for a consumer, without its definition. It has a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OwnerSummary = Schema.Struct({
  /** The id of the consumer: with its category, the {@link Owner} that the other functions take. */
  id: Schema.String,
  /** `$all` for a consumer of several categories. */
  category: Schema.String,
  /** How many streams are parked for it, from 1. */
  streams: Schema.Int,
  /** How many messages wait in them. */
  messages: Schema.Int,
  /** When the stream that waits longest was parked. */
  since: Schema.DateTimeUtc
})

/**
 * What waits for a consumer, without its definition.
 *
 * @since 0.1.0
 * @category models
 */
export type OwnerSummary = typeof OwnerSummary.Type
