/**
 * Names of streams and categories, by Message DB's rules.
 *
 * A stream name is `category-id`. The category is the part before the first `-`. The id may be compound, as in `123+456`; its
 * cardinal id is the part before the first `+`. A category may have types after a colon, as in `account:command`, and is then a
 * category of its own.
 *
 * eventfold's operations take names as plain strings, and fail with `InvalidStreamName` or `InvalidCategory` for a wrong one. The
 * brands mark checked names.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import { md5 } from "./internal/runtime/md5.ts"
import { textProblem } from "./internal/runtime/storableJson.ts"

/**
 * The longest a name may be, in bytes of UTF-8. A row of PostgreSQL's index on stream names has no room for a longer one.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxBytes = 2_600

const utf8 = new TextEncoder()

const nameProblem = (name: string): string | undefined => {
  if (name === "") return "is empty"
  // One UTF-16 unit is at most three bytes of UTF-8, so a short name needs no count.
  if (name.length * 3 > maxBytes && utf8.encode(name).length > maxBytes) return `is longer than ${maxBytes} bytes`
  return textProblem(name)
}

const categoryProblem = (name: string): string | undefined =>
  nameProblem(name) ??
    (name.includes("-") ? "is the name of a stream: a category is the part before the first dash" : undefined)

const isValidStreamName = Schema.makeFilter((name: string) => {
  const problem = nameProblem(name)
  return problem === undefined ? true : `a stream name that ${problem}`
})

const isValidCategory = Schema.makeFilter((name: string) => {
  const problem = categoryProblem(name)
  return problem === undefined ? true : `a category name that ${problem}`
})

/**
 * A checked stream name: not empty, at most {@link maxBytes} bytes, well-formed Unicode without NUL.
 *
 * **Details**
 *
 * A bare category name, without an id, is also the name of a stream, as in Message DB. Eventide keeps positions in such streams.
 *
 * @category models
 * @since 0.1.0
 */
export const StreamName = Schema.String.check(isValidStreamName).pipe(Schema.brand("eventfold/StreamName"))

/**
 * A checked stream name.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamName = typeof StreamName.Type

/**
 * A checked category name: a stream name without a dash.
 *
 * @category models
 * @since 0.1.0
 */
export const CategoryName = Schema.String.check(isValidCategory).pipe(Schema.brand("eventfold/CategoryName"))

/**
 * A checked category name.
 *
 * @category models
 * @since 0.1.0
 */
export type CategoryName = typeof CategoryName.Type

/**
 * A name that no stream can have, or a name without the id that an operation needs.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidStreamName extends Schema.TaggedError<InvalidStreamName>()("InvalidStreamName", {
  streamName: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the stream name ${JSON.stringify(this.streamName)} ${this.reason}`
  }
}

/**
 * A name that no category can have.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidCategory extends Schema.TaggedError<InvalidCategory>()("InvalidCategory", {
  category: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the category name ${JSON.stringify(this.category)} ${this.reason}`
  }
}

/**
 * Checks the name of a stream to write to or to look up, with or without an id.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (name: string): Effect.Effect<StreamName, InvalidStreamName> => {
  const reason = nameProblem(name)
  return reason === undefined
    ? Effect.succeed(name as StreamName)
    : Effect.fail(new InvalidStreamName({ streamName: name, reason }))
}

/**
 * Checks the name of a stream to read, which must have an id: Message DB fails with `Must be a stream name` otherwise.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseWithId = (name: string): Effect.Effect<StreamName, InvalidStreamName> =>
  isCategory(name) && name !== ""
    ? Effect.fail(
      new InvalidStreamName({
        streamName: name,
        reason: "is the name of a category: a stream name has a dash and an id"
      })
    )
    : parse(name)

/**
 * Checks the name of a category, which must have no dash: Message DB fails with `Must be a category` otherwise.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseCategory = (name: string): Effect.Effect<CategoryName, InvalidCategory> => {
  const reason = categoryProblem(name)
  return reason === undefined
    ? Effect.succeed(name as CategoryName)
    : Effect.fail(new InvalidCategory({ category: name, reason }))
}

/**
 * Makes the name of a stream from its category and its id, or the parts of its compound id.
 *
 * **Details**
 *
 * Fails with `InvalidStreamName` when the category has a dash, when the id or a part of it is empty, or when a part before the
 * last one has a `+`.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { StreamName } from "eventfold"
 *
 * const program = Effect.gen(function*() {
 *   yield* StreamName.make("account", "123") // "account-123"
 *   yield* StreamName.make("account", ["123", "456"]) // "account-123+456"
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  category: string,
  id: string | ReadonlyArray<string>
): Effect.Effect<StreamName, InvalidStreamName> => {
  const parts = typeof id === "string" ? [id] : id
  if (!Array.isArray(parts) || !parts.every((part) => typeof part === "string")) {
    const reason = "has an id that is neither a text nor a list of texts"
    return Effect.fail(new InvalidStreamName({ streamName: `${category}-${String(id)}`, reason }))
  }
  const name = `${category}-${parts.join("+")}`
  const problem = categoryProblem(category)
  if (problem !== undefined) {
    return Effect.fail(new InvalidStreamName({ streamName: name, reason: `has a category that ${problem}` }))
  }
  if (parts.length === 0 || parts.includes("")) {
    return Effect.fail(new InvalidStreamName({ streamName: name, reason: "has an empty id" }))
  }
  if (parts.slice(0, -1).some((part) => part.includes("+"))) {
    return Effect.fail(new InvalidStreamName({ streamName: name, reason: "has a + within a part of its compound id" }))
  }
  return parse(name)
}

/**
 * The category of a stream: the part before the first dash, or the whole name without one.
 *
 * @category parts
 * @since 0.1.0
 */
export const category = (name: string): string => {
  const dash = name.indexOf("-")
  return dash === -1 ? name : name.slice(0, dash)
}

/**
 * The id of a stream: everything after the first dash, including dashes and `+`. None without a dash.
 *
 * @category parts
 * @since 0.1.0
 */
export const id = (name: string): Option.Option<string> => {
  const dash = name.indexOf("-")
  return dash === -1 ? Option.none() : Option.some(name.slice(dash + 1))
}

/**
 * The cardinal id of a stream: the part of its id before the first `+`. Streams with the same cardinal id belong together: the
 * same member of a consumer group reads them all.
 *
 * @category parts
 * @since 0.1.0
 */
export const cardinalId = (name: string): Option.Option<string> => Option.map(id(name), beforePlus)

const beforePlus = (text: string): string => {
  const plus = text.indexOf("+")
  return plus === -1 ? text : text.slice(0, plus)
}

/**
 * Sorts names as stores list them: by the bytes of UTF-8, which is the order of their code points.
 *
 * @category parts
 * @since 0.1.0
 */
export const Order: order.Order<string> = order.make((a, b) => {
  const [left, right] = [[...a], [...b]]
  const differs = left.findIndex((character, i) => character !== right[i])
  const difference = differs === -1
    ? left.length - right.length
    : (left[differs]?.codePointAt(0) ?? -1) - (right[differs]?.codePointAt(0) ?? -1)
  return difference < 0 ? -1 : difference > 0 ? 1 : 0
})

/**
 * Whether a name is a category's: it has no dash.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCategory = (name: string): boolean => !name.includes("-")

/**
 * The types of a category, or of a stream's category: the parts after the colon, separated by `+`, by Eventide's convention.
 * `account:command+position-123` has `command` and `position`; `account-123` has none.
 *
 * @category parts
 * @since 0.1.0
 */
export const categoryTypes = (name: string): ReadonlyArray<string> => {
  const full = category(name)
  const colon = full.indexOf(":")
  return colon === -1 ? [] : full.slice(colon + 1).split("+")
}

/**
 * Adds a type to a category: `position` makes `account:position` of `account`, and `account:command+position` of
 * `account:command`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const withType = (category: string, type: string): string =>
  `${category}${category.includes(":") ? "+" : ":"}${type}`

/**
 * The category without its last type, when it is this one: `account` of `account:position` and `position`. The inverse of
 * {@link withType}.
 *
 * @category parts
 * @since 0.1.0
 */
export const withoutType = (category: string, type: string): Option.Option<string> =>
  [`:${type}`, `+${type}`].some((end) => category.endsWith(end) && category.includes(":"))
    ? Option.some(category.slice(0, -type.length - 1))
    : Option.none()

/**
 * Message DB's 64-bit hash of a text: the first 8 bytes of its MD5, big-endian, signed. It determines the lock of a category and
 * the consumer group member of a stream.
 *
 * @category hashing
 * @since 0.1.0
 */
export const hash64 = (text: string): bigint => md5(utf8.encode(text)).getBigInt64(0)

/**
 * The member, from 0, of a consumer group that reads a stream. None for a name without an id, which no member reads.
 *
 * **Details**
 *
 * As in Message DB, it is the absolute hash of the cardinal id modulo `size`, the number of members, from 1.
 *
 * @category hashing
 * @since 0.1.0
 */
export const groupMember = (name: string, size: number): Option.Option<number> =>
  Option.map(cardinalId(name), (cardinal) => {
    const member = Number(hash64(cardinal) % BigInt(size))
    return Math.abs(member)
  })
