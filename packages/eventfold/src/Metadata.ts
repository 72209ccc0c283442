/**
 * The metadata of a message, under the names that Eventide's clients of Message DB give it, and `follow`, which ties a
 * message to the one it came from.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const fields = {
  /** The stream that a conversation started from: its category can be filtered on when a category is read. */
  correlationStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  causationMessageStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  causationMessagePosition: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  causationMessageGlobalPosition: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  /** Where an answer is to be written. */
  replyStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** Carried from message to message by {@link follow}. */
  properties: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
  schemaVersion: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** The span that wrote the message, as W3C writes it. It is not Eventide's; see `TraceContext`. */
  traceparent: Schema.optionalKey(Schema.NullOr(Schema.String))
}

/**
 * A JSON object. The keys that Eventide defines are typed, and `traceparent`; others are free.
 *
 * @since 0.1.0
 */
export const Metadata = Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Json)])

/** @since 0.1.0 */
export type Metadata = typeof Metadata.Type

/**
 * The keys that Eventide defines, and `traceparent`, alone.
 *
 * @since 0.1.0
 */
export type Standard = Schema.Struct.Type<typeof fields>

const decode = Schema.decodeUnknownOption(Metadata)
const decodeObject = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.Json))

const fieldDecoders = new Map(
  Object.entries(fields).map(([key, schema]) => [key, Schema.decodeUnknownOption(Schema.Struct({ [key]: schema }))])
)

const fits = (key: string, value: Schema.Json): boolean => {
  const decodeField = fieldDecoders.get(key)
  return decodeField === undefined || Option.isSome(decodeField({ [key]: value }))
}

/**
 * The metadata in a stored JSON value, for reading other clients' messages: what is no object gives none, and a defined
 * key whose value has another type (a number as `correlationStreamName`) is left out.
 *
 * @since 0.1.0
 */
export const fromJson = (json: Schema.Json): Metadata =>
  decode(json).pipe(
    Option.orElse(() =>
      Option.map(
        decodeObject(json),
        (object): Metadata => Object.fromEntries(Object.entries(object).filter(([key, value]) => fits(key, value)))
      )
    ),
    Option.getOrElse((): Metadata => ({}))
  )

/**
 * What {@link follow} has to know of the preceding message: a recorded message is one.
 *
 * @since 0.1.0
 */
export interface Preceding {
  readonly streamName: string
  readonly position: number
  readonly globalPosition: number
  readonly metadata: Schema.Json
}

/**
 * The metadata of a message that follows from `preceding`, with Eventide's meaning: the preceding message becomes the
 * cause, and its correlation, reply stream and properties are carried on. What `metadata` itself says wins, properties
 * key by key; `null` cuts off what would be carried on.
 *
 * @example
 * ```ts
 * import type { Message } from "eventfold"
 * import { Metadata } from "eventfold"
 *
 * const reply = (command: Message.RecordedMessage): Message.Message => ({
 *   type: "Deposited",
 *   data: { amount: 11 },
 *   metadata: Metadata.follow(command)
 * })
 * ```
 *
 * @since 0.1.0
 */
export const follow = (preceding: Preceding, metadata: Metadata = {}): Metadata => {
  const carried = fromJson(preceding.metadata)
  const properties = metadata.properties === null ? {} : { ...carried.properties, ...metadata.properties }
  return {
    ...(carried.correlationStreamName == null ? {} : { correlationStreamName: carried.correlationStreamName }),
    ...(carried.replyStreamName == null ? {} : { replyStreamName: carried.replyStreamName }),
    causationMessageStreamName: preceding.streamName,
    causationMessagePosition: preceding.position,
    causationMessageGlobalPosition: preceding.globalPosition,
    ...metadata,
    ...(Object.keys(properties).length === 0 ? {} : { properties })
  }
}
