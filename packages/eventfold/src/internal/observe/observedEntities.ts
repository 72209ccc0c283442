/**
 * The states of entities, as data.
 */
import * as Schema from "effect/Schema"
import { RecordedMessage } from "../../Message.ts"

/**
 * A state as its schema writes it, and the stream version that it stands for.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StateAt = Schema.Struct({
  /** The position of the last message that the state stands for; none before the first. */
  version: Schema.OptionFromNullOr(Schema.Int),
  state: Schema.Json
})

/**
 * A state as its schema writes it, and the stream version that it stands for.
 *
 * @category models
 * @since 0.1.0
 */
export type StateAt = typeof StateAt.Type

/**
 * The state of one entity at a version, and what it was at another if that was asked for.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EntityState = Schema.Struct({
  /** The name under which the entity is registered. */
  entity: Schema.String,
  id: Schema.String,
  streamName: Schema.String,
  ...StateAt.fields,
  /** The message at that version: the last one that the state stands for. None before the first. */
  message: Schema.OptionFromNullOr(RecordedMessage),
  /** The last position of the stream; none when the stream does not exist. */
  last: Schema.OptionFromNullOr(Schema.Int),
  /** The state at the version `compare`. None unless it was asked for. */
  compared: Schema.OptionFromNullOr(StateAt),
  /**
   * The message that made the difference: the last one between the two versions that has changed the state. None when nothing has, and
   * without `compare`.
   */
  decisive: Schema.OptionFromNullOr(RecordedMessage)
})

/**
 * The state of one entity at a version, and what it was at another if that was asked for.
 *
 * @category models
 * @since 0.1.0
 */
export type EntityState = typeof EntityState.Type

/**
 * What a message changed in the state of an entity.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EntityChange = Schema.Struct({
  message: RecordedMessage,
  /** Whether the message is an event of the entity's category. Others change nothing. */
  isEvent: Schema.Boolean,
  before: Schema.Json,
  after: Schema.Json
})

/**
 * What a message changed in the state of an entity.
 *
 * @category models
 * @since 0.1.0
 */
export type EntityChange = typeof EntityChange.Type
