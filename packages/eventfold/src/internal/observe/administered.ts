import * as Schema from "effect/Schema"

/**
 * What an administrator has done. The `time` of its message says when.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Administered = Schema.Struct({
  /** Who: the name of a person or a program. */
  by: Schema.NonEmptyString,
  /** What the name was shown with, such as the fingerprint of a token, where there is such a thing. Never the token itself. */
  token: Schema.optionalKey(Schema.NonEmptyString),
  /** What: the name of the operation, such as `Streams.delete`. */
  action: Schema.NonEmptyString,
  /** On what: the name of a stream or of a category, for instance. */
  subject: Schema.NonEmptyString,
  /** Why, in words. */
  reason: Schema.optionalKey(Schema.NonEmptyString),
  /** What else there is to say of it, such as the id of a message, or how many streams went. */
  details: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
})

/**
 * What an administrator has done. The `time` of its message says when.
 *
 * @category models
 * @since 0.1.0
 */
export type Administered = typeof Administered.Type
