/**
 * The metadata of messages, under the names that Eventide's clients of Message DB use.
 *
 * {@link follow} ties a message to the one that caused it.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const fields = {
  /** The stream in which a conversation began. Reads of a category can filter by the category of this stream. */
  correlationStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  causationMessageStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  causationMessagePosition: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  causationMessageGlobalPosition: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  /** The stream to write an answer to. */
  replyStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** What {@link follow} carries from message to message. */
  properties: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
  schemaVersion: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** The span that wrote the message, in W3C's format. Not one of Eventide's keys; see `TraceContext`. */
  traceparent: Schema.optionalKey(Schema.NullOr(Schema.String))
}

/**
 * The metadata of a message: a JSON object. Eventide's keys and `traceparent` have their types; other keys are free.
 *
 * @category models
 * @since 0.1.0
 */
export const Metadata = Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Json)])

/**
 * The metadata of a message: a JSON object. Eventide's keys and `traceparent` have their types; other keys are free.
 *
 * @category models
 * @since 0.1.0
 */
export interface Metadata extends Schema.Schema.Type<typeof Metadata> {}

/**
 * Eventide's keys and `traceparent` alone.
 *
 * @category models
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
 * Reads metadata from any JSON that another client may have stored. It never fails.
 *
 * **Details**
 *
 * A value that is not an object gives empty metadata. A key with a value of the wrong type, such as a number as
 * `correlationStreamName`, is left out.
 *
 * @category decoding
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
 * What {@link follow} needs of the preceding message. A recorded message has it all.
 *
 * @category models
 * @since 0.1.0
 */
export interface Preceding {
  readonly streamName: string
  readonly position: number
  readonly globalPosition: number
  readonly metadata: Schema.Json
}

/**
 * Makes the metadata of a message that follows from `preceding`, as Eventide does.
 *
 * **Details**
 *
 * The preceding message becomes the cause. Its correlation, reply stream and properties are carried over. What `metadata` itself
 * has takes precedence, for properties key by key; a `null` there carries nothing over.
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
 * @category constructors
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
