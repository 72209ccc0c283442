/**
 * Messages: what is written, and what has been recorded.
 *
 * These are the encoded forms, whose data is JSON; typed events are a {@link Category}'s.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { md5 } from "./internal/runtime/md5.ts"
import type * as Metadata from "./Metadata.ts"
import type { StreamName } from "./StreamName.ts"

/**
 * The id of a message: a UUID, unique in the store. Appending a message again under its id is safe: see
 * `MessageStore.append`.
 *
 * @since 0.1.0
 */
export const MessageId = Schema.String.check(Schema.isGUID()).pipe(Schema.brand("eventfold/MessageId"))

/** @since 0.1.0 */
export type MessageId = typeof MessageId.Type

/**
 * A message to write.
 *
 * @since 0.1.0
 */
export interface Message {
  /** A UUID; {@link nextId} gives one when it is absent. */
  readonly id?: string | undefined
  /** The name of the kind of message, such as `Deposited`; not empty. */
  readonly type: string
  readonly data: Schema.Json
  readonly metadata?: Metadata.Metadata | undefined
}

/**
 * A message as it stands in the store.
 *
 * @since 0.1.0
 */
export interface RecordedMessage {
  readonly id: MessageId
  readonly streamName: StreamName
  readonly type: string
  /** The ordinal in the stream, from 0, without gaps. */
  readonly position: number
  /** The ordinal in the store, from 1, maybe with gaps. */
  readonly globalPosition: number
  /** `null` also when another client stored SQL's NULL. */
  readonly data: Schema.Json
  /** Whatever JSON was stored; `null` when there is none. {@link Metadata.fromJson} gives the part that is metadata. */
  readonly metadata: Schema.Json
  /** When the message was written, by the store's clock, to the millisecond. */
  readonly time: DateTime.Utc
}

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

const hexOf16Bits = (value: number): string => `${hexOfByte[value >>> 8]}${hexOfByte[value & 0xff]}`

/** From `value >>> 0`, so of any integer: the lower 32 bits. */
const hexOf32Bits = (value: number): string => hexOf16Bits(value >>> 16) + hexOf16Bits(value & 0xffff)

/** The time of the id that was made last, as it stands in ids: many are made in one millisecond. */
let lastTime = { millis: -1, text: "" }

const timeOfId = (millis: number): string => {
  if (millis !== lastTime.millis) {
    const value = Math.max(0, Math.trunc(millis)) % 2 ** 48
    const [high, low] = [Math.floor(value / 2 ** 16), value % 2 ** 16]
    lastTime = { millis, text: `${hexOf32Bits(high)}-${hexOf16Bits(low)}` }
  }
  return lastTime.text
}

/**
 * A new message id: a UUID of version 7, from `Clock` and `Random`, so that ids of one time are neighbours in the
 * store's index and a test with a fixed seed gets the same ones.
 *
 * @since 0.1.0
 */
export const nextId: Effect.Effect<MessageId> = Effect.map(
  Effect.all([Clock.currentTimeMillis, Random.next, Random.next, Random.next]),
  ([millis, a, b, c]) => makeIdUnsafe(millis, a, b, c)
)

/**
 * The id that {@link nextId} makes of a time in milliseconds and three random numbers in [0, 1).
 *
 * @internal
 */
export const makeIdUnsafe = (millis: number, a: number, b: number, c: number): MessageId => {
  const version = hexOf16Bits(0x7000 + Math.floor(a * 0x1000))
  const variant = hexOf16Bits(0x8000 + Math.floor(b * 0x4000))
  const node = Math.floor(c * 2 ** 48)
  const rest = hexOf16Bits(Math.floor(node / 2 ** 32)) + hexOf32Bits(node)
  return `${timeOfId(millis)}-${version}-${variant}-${rest}` as MessageId
}

/**
 * An id that is always the same for the same parts: a name-based UUID (version 3) of their list. What is written twice
 * because its outcome was unknown, or because a message was handled again, is recorded once under it.
 *
 * @example
 * ```ts
 * import { Message } from "eventfold"
 *
 * const shipped = (order: Message.RecordedMessage): Message.Message => ({
 *   id: Message.deriveId("shipping", order.id),
 *   type: "Shipped",
 *   data: {}
 * })
 * ```
 *
 * @since 0.1.0
 */
export const deriveId = (...parts: ReadonlyArray<string>): MessageId => {
  const digest = md5(utf8.encode(`eventfold${JSON.stringify(parts)}`))
  const digits = [0, 4, 8, 12].map((at) => hexOf32Bits(digest.getUint32(at))).join("")
  const variant = hexOf16Bits(0x8000 + (digest.getUint16(8) & 0x3fff))
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-3${digits.slice(13, 16)}-${variant}-${
    digits.slice(20)
  }` as MessageId
}

const utf8 = new TextEncoder()
