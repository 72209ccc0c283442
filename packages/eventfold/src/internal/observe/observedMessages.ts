/**
 * What a program makes of a stored message, and who has handled it, as data.
 */
import * as Schema from "effect/Schema"
import { Misfit } from "./observedTypes.ts"

/**
 * A stored message, as the definition of its category reads it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DecodedMessage = Schema.Struct({
  /** Whether the definition of its category is loaded here. Without it nothing else is known. */
  isLoaded: Schema.Boolean,
  /** Whether it is an event that the category names. */
  isKnown: Schema.Boolean,
  /** The data that a program gets: that of the newest version, as its schema writes it. Absent where there is none. */
  data: Schema.optionalKey(Schema.Json),
  /** Where and why it does not fit; none when it fits, or is no event of the category. */
  misfit: Schema.OptionFromNullOr(Misfit)
})

/**
 * A stored message, as the definition of its category reads it.
 *
 * @category models
 * @since 0.1.0
 */
export type DecodedMessage = typeof DecodedMessage.Type

/**
 * How far a reader is with a message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MessageReader = Schema.Struct({
  kind: Schema.Literals(["consumer", "process", "read model"]),
  /** The id of the consumer, or the name of the process or of the read model. */
  reader: Schema.String,
  /** The category that it reads; `$all` when it reads several, or everything. */
  category: Schema.String,
  /**
   * - `handled`: it is past the message.
   * - `parked`: the message waits for it in a parked stream.
   * - `behind`: it has not come to the message yet.
   */
  state: Schema.Literals(["handled", "parked", "behind"]),
  /** Whether it handles messages of this type, or skips them; none when its definition is not loaded here. */
  handles: Schema.OptionFromNullOr(Schema.Boolean),
  /** The global position up to which it has handled everything; none when it has never written one. */
  position: Schema.OptionFromNullOr(Schema.Int)
})

/**
 * How far a reader is with a message.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageReader = typeof MessageReader.Type
