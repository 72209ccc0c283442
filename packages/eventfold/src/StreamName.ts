/**
 * Names of streams and categories, by Message DB's rules.
 *
 * A stream name is `category-id`: the category is what stands before the first `-`. The id may be compound, `123+456`;
 * its cardinal id is the part before the first `+`. A category may carry types after a colon, as in `account:command`,
 * and is then a category of its own.
 *
 * The operations of eventfold take names as plain strings and refuse a wrong one with `InvalidStreamName` or
 * `InvalidCategory`; the brands mark names that have been checked.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { md5 } from "./internal/runtime/md5.ts"
import { textProblem } from "./internal/runtime/storableJson.ts"

/**
 * The longest name in bytes of UTF-8. A longer one does not fit a row of PostgreSQL's index on stream names, whatever
 * its content.
 *
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
 * A checked stream name: not empty, at most {@link maxBytes} bytes, well-formed Unicode without NUL. A bare category
 * name (without an id) is also the name of a stream, as in Message DB: Eventide keeps positions in such streams.
 *
 * @since 0.1.0
 */
export const StreamName = Schema.String.check(isValidStreamName).pipe(Schema.brand("eventfold/StreamName"))

/** @since 0.1.0 */
export type StreamName = typeof StreamName.Type

/**
 * A checked category name: a stream name without a dash.
 *
 * @since 0.1.0
 */
export const CategoryName = Schema.String.check(isValidCategory).pipe(Schema.brand("eventfold/CategoryName"))

/** @since 0.1.0 */
export type CategoryName = typeof CategoryName.Type

/**
 * A name that cannot be a stream's, or that lacks the id an operation needs.
 *
 * @since 0.1.0
 */
export class InvalidStreamName extends Schema.TaggedError<InvalidStreamName>()("InvalidStreamName", {
  name: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the stream name ${JSON.stringify(this.name)} ${this.reason}`
  }
}

/**
 * A name that cannot be a category's.
 *
 * @since 0.1.0
 */
export class InvalidCategory extends Schema.TaggedError<InvalidCategory>()("InvalidCategory", {
  name: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the category name ${JSON.stringify(this.name)} ${this.reason}`
  }
}

/**
 * Checks a name that is to be written to or looked up: with an id, or a bare category.
 *
 * @since 0.1.0
 */
export const parse = (name: string): Effect.Effect<StreamName, InvalidStreamName> => {
  const reason = nameProblem(name)
  return reason === undefined
    ? Effect.succeed(name as StreamName)
    : Effect.fail(new InvalidStreamName({ name, reason }))
}

/**
 * Checks a name that must have an id, as Message DB demands of a stream that is read (`Must be a stream name`).
 *
 * @since 0.1.0
 */
export const parseWithId = (name: string): Effect.Effect<StreamName, InvalidStreamName> =>
  isCategory(name) && name !== ""
    ? Effect.fail(new InvalidStreamName({ name, reason: "is the name of a category: a stream's has a dash and an id" }))
    : parse(name)

/**
 * Checks a category name. Message DB refuses a dash with `Must be a category`.
 *
 * @since 0.1.0
 */
export const parseCategory = (name: string): Effect.Effect<CategoryName, InvalidCategory> => {
  const reason = categoryProblem(name)
  return reason === undefined
    ? Effect.succeed(name as CategoryName)
    : Effect.fail(new InvalidCategory({ name, reason }))
}

/**
 * The name of the stream of a category with an id, or with the parts of a compound id. Fails when the category has a
 * dash, when the id or a part of it is empty, or when a part that is not the last has a `+`.
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
 * @since 0.1.0
 */
export const make = (
  category: string,
  id: string | ReadonlyArray<string>
): Effect.Effect<StreamName, InvalidStreamName> => {
  const parts = typeof id === "string" ? [id] : id
  const name = `${category}-${parts.join("+")}`
  const problem = categoryProblem(category)
  if (problem !== undefined) {
    return Effect.fail(new InvalidStreamName({ name, reason: `has a category that ${problem}` }))
  }
  if (parts.length === 0 || parts.includes("")) {
    return Effect.fail(new InvalidStreamName({ name, reason: "has an empty id" }))
  }
  if (parts.slice(0, -1).some((part) => part.includes("+"))) {
    return Effect.fail(new InvalidStreamName({ name, reason: "has a + within a part of its compound id" }))
  }
  return parse(name)
}

/**
 * The category of a stream: the part before the first dash, or the whole name when there is none.
 *
 * @since 0.1.0
 */
export const category = (name: string): string => {
  const dash = name.indexOf("-")
  return dash === -1 ? name : name.slice(0, dash)
}

/**
 * The id of a stream: all that stands after the first dash, dashes and `+` included. None without a dash.
 *
 * @since 0.1.0
 */
export const id = (name: string): Option.Option<string> => {
  const dash = name.indexOf("-")
  return dash === -1 ? Option.none() : Option.some(name.slice(dash + 1))
}

/**
 * The cardinal id of a stream: the part of its id before the first `+`. Streams with the same cardinal id belong
 * together: one consumer group member gets them all.
 *
 * @since 0.1.0
 */
export const cardinalId = (name: string): Option.Option<string> => Option.map(id(name), beforePlus)

const beforePlus = (text: string): string => {
  const plus = text.indexOf("+")
  return plus === -1 ? text : text.slice(0, plus)
}

/**
 * Whether a name has no dash, and so is a category's.
 *
 * @since 0.1.0
 */
export const isCategory = (name: string): boolean => !name.includes("-")

/**
 * The types of a category or of a stream's category: what stands after the colon, separated by `+`, by Eventide's
 * convention. `account:command+position-123` has `command` and `position`; `account-123` has none.
 *
 * @since 0.1.0
 */
export const categoryTypes = (name: string): ReadonlyArray<string> => {
  const full = category(name)
  const colon = full.indexOf(":")
  return colon === -1 ? [] : full.slice(colon + 1).split("+")
}

/**
 * A category with one more type: `account:position` of `account` and `position`, `account:command+position` of
 * `account:command`.
 *
 * @since 0.1.0
 */
export const withType = (category: string, type: string): string =>
  `${category}${category.includes(":") ? "+" : ":"}${type}`

/**
 * Message DB's 64-bit hash of a text: the first 8 bytes of its MD5, big-endian, signed. It picks a category's lock and
 * a stream's consumer group member.
 *
 * @since 0.1.0
 */
export const hash64 = (text: string): bigint => md5(utf8.encode(text)).getBigInt64(0)

/**
 * The member, from 0, of a consumer group of `size` members (an integer from 1) that gets a stream's messages: the
 * absolute hash of the cardinal id modulo the size, as in Message DB. None for a name without an id, whose messages
 * reach no member.
 *
 * @since 0.1.0
 */
export const groupMember = (name: string, size: number): Option.Option<number> =>
  Option.map(cardinalId(name), (cardinal) => {
    const member = Number(hash64(cardinal) % BigInt(size))
    return Math.abs(member)
  })
