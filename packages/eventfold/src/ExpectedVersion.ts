/**
 * What a stream's version must be for an append to be written: optimistic concurrency.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * - `"any"`: no check, the default.
 * - `"noStream"`: the stream must have no message yet. Message DB's `-1`, which is taken as the same.
 * - `"exists"`: the stream must have a message. Message DB has no such check; eventfold makes it under the same lock.
 * - a number: the stream's version, the position of its last message, must be exactly this. A number that no version
 *   can be (a fraction, below -1) never matches.
 *
 * @since 0.1.0
 */
// @effect-diagnostics-next-line schemaNumber:off -- a refusal repeats whatever number was expected
export const ExpectedVersion = Schema.Union([Schema.Literals(["any", "noStream", "exists"]), Schema.Number])

/** @since 0.1.0 */
export type ExpectedVersion = typeof ExpectedVersion.Type

/**
 * Whether a stream at `version` (-1: it does not exist) is as expected.
 *
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
 * A description for people: `any version`, `no stream`, `an existing stream`, `version 3`.
 *
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
