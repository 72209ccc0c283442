/**
 * Stored messages against their schemas, as data.
 */
import * as Schema from "effect/Schema"

/**
 * A stored message that does not fit the schemas of its category.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Misfit = Schema.Struct({
  streamName: Schema.String,
  /** The position in the stream, from 0. */
  position: Schema.Int,
  /** The position in the store, from 1. */
  globalPosition: Schema.Int,
  /** Where in the message, such as `["data", "amount"]`, or `["streamName"]` for an id. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  reason: Schema.String
})

/**
 * A stored message that does not fit the schemas of its category.
 *
 * @category models
 * @since 0.1.0
 */
export type Misfit = typeof Misfit.Type

/** Where and when a message was written. */
const Place = Schema.Struct({ globalPosition: Schema.Int, time: Schema.DateTimeUtc })

/**
 * The messages of one type and one version of its schema, as they are stored.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StoredType = Schema.Struct({
  type: Schema.String,
  /** The `schemaVersion` in their metadata; none where they have none, which counts as version 1. */
  schemaVersion: Schema.OptionFromNullOr(Schema.String),
  /** Whether the category names the type. The category's option `unknownTypes` says what a read does with others. */
  isKnown: Schema.Boolean,
  /** How many of them were looked at. */
  messages: Schema.Int,
  /** The first and the last one that was looked at. */
  first: Place,
  last: Place,
  /** How many of those that were looked at don't fit. */
  misfits: Schema.Int,
  /** The first that does not fit. */
  firstMisfit: Schema.OptionFromNullOr(Misfit)
})

/**
 * The messages of one type and one version of its schema, as they are stored.
 *
 * @category models
 * @since 0.1.0
 */
export type StoredType = typeof StoredType.Type

/**
 * The stored messages of a category against its schemas.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StoredTypes = Schema.Struct({
  category: Schema.String,
  /** Whether all messages of the category were looked at, or only a sample. */
  isComplete: Schema.Boolean,
  /**
   * How many messages were looked at. Those that stand for a deletion are not among them, nor are those by which a process notes
   * that it has handled a message.
   */
  messages: Schema.Int,
  /** By type, then by version. */
  types: Schema.Array(StoredType)
})

/**
 * The stored messages of a category against its schemas.
 *
 * @category models
 * @since 0.1.0
 */
export type StoredTypes = typeof StoredTypes.Type
