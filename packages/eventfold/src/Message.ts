/**
 * Messages, as a program writes them and as the store records them.
 *
 * Their data is JSON. `Category` makes typed events of them.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { md5 } from "./internal/runtime/md5.ts"
import type * as Metadata from "./Metadata.ts"
import { StreamName } from "./StreamName.ts"

/**
 * The id of a message: a UUID, unique in the store. It makes appends idempotent: see `MessageStore.append`.
 *
 * @category models
 * @since 0.1.0
 */
export const MessageId = Schema.String.check(Schema.isGUID()).pipe(Schema.brand("eventfold/MessageId"))

/**
 * The id of a message: a UUID, unique in the store.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageId = typeof MessageId.Type

/**
 * A message to write.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  /** A UUID. Defaults to a new one, as {@link nextId} makes it. */
  readonly id?: string | undefined
  /** What kind of message it is, such as `Deposited`. Not empty. */
  readonly type: string
  readonly data: Schema.Json
  /** Defaults to none. */
  readonly metadata?: Metadata.Metadata | undefined
}

const recordedMessage = Schema.Struct({
  id: MessageId,
  streamName: StreamName,
  type: Schema.String,
  position: Schema.Int,
  globalPosition: Schema.Int,
  data: Schema.Json,
  metadata: Schema.Json,
  time: Schema.DateTimeUtc
})

/**
 * The schema of a message in the store, with a JSON form.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RecordedMessage: Schema.Codec<RecordedMessage, typeof recordedMessage.Encoded> = recordedMessage

/**
 * A message in the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordedMessage {
  readonly id: MessageId
  readonly streamName: StreamName
  readonly type: string
  /** The ordinal in the stream, from 0, without gaps. */
  readonly position: number
  /** The ordinal in the store, from 1, perhaps with gaps. */
  readonly globalPosition: number
  /**
   * Also `null` when another client has stored SQL's NULL. A number that JavaScript does not have, which only another client can
   * store, is the nearest one that it has, or its text when the store reads exact numbers.
   */
  readonly data: Schema.Json
  /** Any JSON, as the writer stored it; `null` when there is none. `Metadata.fromJson` reads metadata from it. */
  readonly metadata: Schema.Json
  /**
   * When the message was written, by the store's clock, to the millisecond. The last time of a `Date` when another client has
   * stored one that a `Date` does not have.
   */
  readonly time: DateTime.Utc
}

const messagePlace = Schema.Struct(Struct.omit(recordedMessage.fields, ["data", "metadata"]))

/**
 * The schema of a message in the store without its content, with a JSON form.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MessagePlace: Schema.Codec<MessagePlace, typeof messagePlace.Encoded> = messagePlace

/**
 * A message in the store, without its content.
 *
 * @category models
 * @since 0.1.0
 */
export type MessagePlace = Omit<RecordedMessage, "data" | "metadata">

/**
 * The place of a message, as lists and reports tell it.
 *
 * @category models
 * @since 0.1.0
 */
export const placeOf = ({ globalPosition, id, position, streamName, time, type }: MessagePlace): MessagePlace => ({
  id,
  streamName,
  type,
  position,
  globalPosition,
  time
})

/**
 * The type of the messages that stand for a deletion: see {@link isDeleted}.
 *
 * @category deletion
 * @since 0.1.0
 */
export const deletedType = "Deleted"

const deletionFields = {
  /** Who deleted it. */
  by: Schema.String,
  reason: Schema.String,
  at: Schema.DateTimeUtcFromString,
  /** In the notice of a deleted message: the position of that message, where its tombstone is. */
  position: Schema.optionalKey(Schema.Int),
  /** In the notice of a deleted stream: the position, inclusive, up to which its messages are gone. */
  through: Schema.optionalKey(Schema.Int)
}

/**
 * Who deleted a message or a stream, why, and when. A tombstone has no more than that; a notice also says what was deleted.
 *
 * @category deletion
 * @since 0.1.0
 */
export const Deletion = Schema.Struct(deletionFields)

/**
 * Who deleted a message or a stream, why, and when.
 *
 * @category deletion
 * @since 0.1.0
 */
export type Deletion = typeof Deletion.Type

const decodeDeletion = Schema.decodeUnknownOption(Schema.Struct({ deleted: Deletion }))

/**
 * Whether a message stands for a deletion, by `Streams`: a tombstone in the place of a deleted message, or the notice of a
 * deletion at the end of the stream.
 *
 * **Details**
 *
 * It has the type {@link deletedType}, no data, and the deletion in its metadata. An event of a category that happens to have this
 * type has data, or does not have such metadata. Categories skip what stands for a deletion, so their consumers, read models,
 * processes and entities do not see it. Readers of plain messages do.
 *
 * @category deletion
 * @since 0.1.0
 */
export const isDeleted = (message: Pick<RecordedMessage, "type" | "data" | "metadata">): boolean =>
  // Readers ask for each message, and the type settles it for nearly all of them.
  message.type === deletedType && message.data === null && hasDeletion(message.metadata)

const hasDeletion = (metadata: Schema.Json): boolean => {
  if (typeof metadata !== "object" || metadata === null || !("deleted" in metadata)) return false
  const { deleted } = metadata
  return typeof deleted === "object" && deleted !== null && !Array.isArray(deleted)
}

/**
 * The deletion that a message stands for; none when it stands for none, as {@link isDeleted} tells.
 *
 * @example
 * ```ts
 * import { Message } from "eventfold"
 * import { Option } from "effect"
 *
 * const says = (message: Message.RecordedMessage) =>
 *   Option.match(Message.deletion(message), {
 *     onNone: () => `${message.type} at ${message.position}`,
 *     onSome: ({ by, reason }) => `deleted by ${by}: ${reason}`
 *   })
 * ```
 *
 * @category deletion
 * @since 0.1.0
 */
export const deletion = (
  message: Pick<RecordedMessage, "type" | "data" | "metadata">
): Option.Option<Deletion> =>
  isDeleted(message)
    ? Option.map(decodeDeletion(message.metadata), ({ deleted }) => deleted)
    : Option.none()

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

const hexOf16Bits = (value: number): string => `${hexOfByte[value >>> 8]}${hexOfByte[value & 0xff]}`

/** From `value >>> 0`, so of any integer: the lower 32 bits. */
const hexOf32Bits = (value: number): string => hexOf16Bits(value >>> 16) + hexOf16Bits(value & 0xffff)

/** The time part of the last id, kept because many ids are made in one millisecond. */
let lastTime = { millis: -1, text: "" }

const timeOfId = (millis: number): string => {
  if (millis !== lastTime.millis) {
    const value = Math.max(0, Math.trunc(millis)) % 2 ** 48
    const [high, low] = [Math.floor(value / 2 ** 16), value % 2 ** 16]
    lastTime = { millis, text: `${hexOf32Bits(high)}-${hexOf16Bits(low)}` }
  }
  return lastTime.text
}

const makeId = (millis: number, a: number, b: number, c: number): MessageId => {
  const version = hexOf16Bits(0x7000 + Math.floor(a * 0x1000))
  const variant = hexOf16Bits(0x8000 + Math.floor(b * 0x4000))
  const node = Math.floor(c * 2 ** 48)
  const rest = hexOf16Bits(Math.floor(node / 2 ** 32)) + hexOf32Bits(node)
  return `${timeOfId(millis)}-${version}-${variant}-${rest}` as MessageId
}

/**
 * Makes new ids by the clock and the random numbers of a context, without an effect for each of them.
 *
 * @category ids
 * @internal
 */
export const idMaker = (context: Context.Context<never>): () => MessageId => {
  const clock = Context.get(context, Clock.Clock)
  const random = Context.get(context, Random.Random)
  const next = () => random.nextDoubleUnsafe()
  return () => makeId(clock.currentTimeMillisUnsafe(), next(), next(), next())
}

/**
 * Makes a new message id: a UUID of version 7.
 *
 * **Details**
 *
 * It comes from `Clock` and `Random`, so a test with a fixed seed gets the same ids each time. Ids of one time are neighbours in
 * the store's index.
 *
 * @category ids
 * @since 0.1.0
 */
export const nextId: Effect.Effect<MessageId> = Effect.contextWith((context: Context.Context<never>) =>
  Effect.succeed(idMaker(context)())
)

/**
 * Derives an id from parts: the same parts always give the same id, a name-based UUID (version 3).
 *
 * **When to use**
 *
 * Use it to record a message once that may be written twice: because the outcome of the first write was unknown, or because the
 * message that caused it was handled again. When its content may differ the second time, append it with `onDuplicate: "keep"`.
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
 * @category ids
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
