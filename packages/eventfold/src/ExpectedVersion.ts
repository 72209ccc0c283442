/**
 * Expected versions: optimistic concurrency. The store writes an append only when its stream is at the version that the append
 * expects.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The version that an append expects of its stream.
 *
 * **Details**
 *
 * - `"any"`: no check. The default.
 * - `"noStream"`: the stream has no messages yet. Message DB's `-1` means the same.
 * - `"exists"`: the stream has a message. Message DB has no such check; eventfold makes it under the same lock.
 * - a number: the stream's version, the position of its last message, is exactly this. A number that no version can be (a
 *   fraction, or below -1) never matches.
 *
 * @category models
 * @since 0.1.0
 */
// @effect-diagnostics-next-line schemaNumber:off -- a refusal repeats whatever number was expected
export const ExpectedVersion = Schema.Union([Schema.Literals(["any", "noStream", "exists"]), Schema.Number])

/**
 * The version that an append expects of its stream.
 *
 * @category models
 * @since 0.1.0
 */
export type ExpectedVersion = typeof ExpectedVersion.Type

/**
 * Whether a stream at `version` is as expected. A `version` of -1 means that the stream does not exist.
 *
 * @category predicates
 * @since 0.1.0
 */
export const matches = (expected: ExpectedVersion, version: number): boolean => {
  switch (expected) {
    case "any":
      return true
    case "noStream":
      return version === -1
    case "exists":
      return version >= 0
    default:
      return version === expected
  }
}

/**
 * Describes an expected version for people: `any version`, `no stream`, `an existing stream`, `version 3`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (expected: ExpectedVersion): string => {
  switch (expected) {
    case "any":
      return "any version"
    case "noStream":
    case -1:
      return "no stream"
    case "exists":
      return "an existing stream"
    default:
      return `version ${expected}`
  }
}
