import * as Schema from "effect/Schema"
import { misfitsOf } from "../category/jsonCodec.ts"

const Issue = Schema.Struct({
  /** Where in the value, such as `["cents"]`. It is empty for the value as a whole. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  /** What is wrong there, such as `"Expected an integer"`. */
  message: Schema.String
})

/**
 * A part of a payload, a reply or a refusal that does not fit its schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface Issue extends Schema.Schema.Type<typeof Issue> {}

const inWords = (issues: ReadonlyArray<Issue>): string =>
  issues.map(({ message, path }) => path.length === 0 ? message : `${path.join(".")}: ${message}`).join("; ")

/**
 * The payload of a command does not fit its schema. Nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidPayload extends Schema.TaggedError<InvalidPayload>()("InvalidPayload", {
  /** The name of the entity's category. */
  category: Schema.String,
  command: Schema.String,
  /** All that does not fit, the first hundred. */
  issues: Schema.Array(Issue)
}) {
  override get message(): string {
    return `the payload of ${this.command} does not fit its schema: ${inWords(this.issues)}`
  }
}

/**
 * A command replied or refused with a value that does not fit its schema `success` or `error`: a mistake in the program.
 * Nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidAnswer extends Schema.TaggedError<InvalidAnswer>()("InvalidAnswer", {
  /** The name of the entity's category. */
  category: Schema.String,
  command: Schema.String,
  what: Schema.Literals(["reply", "refusal"]),
  /** All that does not fit, the first hundred. */
  issues: Schema.Array(Issue)
}) {
  override get message(): string {
    return `the ${this.what} of ${this.command} does not fit its schema: ${inWords(this.issues)}`
  }
}

/**
 * An entity has no command of this name.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownCommand extends Schema.TaggedError<UnknownCommand>()("UnknownCommand", {
  /** The name of the entity's category. */
  category: Schema.String,
  command: Schema.String,
  /** The names of the commands that there are. */
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `${this.category} has no command ${this.command}; it has ${this.known.join(", ")}`
  }
}

/**
 * The command id is that of another command on this stream: of one with another name, or with another payload. Nothing was
 * written.
 *
 * **When to use**
 *
 * Send another command under an id of its own.
 *
 * @category errors
 * @since 0.1.0
 */
export class CommandIdTaken extends Schema.TaggedError<CommandIdTaken>()("CommandIdTaken", {
  streamName: Schema.String,
  command: Schema.String,
  commandId: Schema.String
}) {
  override get message(): string {
    return `the id ${this.commandId} of ${this.command} is that of another command on ${this.streamName}: use a new id`
  }
}

/**
 * What a command did.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Accepted = Schema.TaggedStruct("Accepted", {
  /** The reply in the JSON form of its schema. Absent when the command has no schema `success`. */
  reply: Schema.optionalKey(Schema.Json),
  /** The version of the stream after the command's events; none when the stream does not exist. */
  version: Schema.OptionFromNullOr(Schema.Int),
  /** The global position of the command's last event; none when it had no events. */
  globalPosition: Schema.OptionFromNullOr(Schema.Int)
})

/**
 * Why a command was refused. Nothing was written.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Refused = Schema.TaggedStruct("Refused", {
  /** The refusal in the JSON form of its schema. */
  refusal: Schema.Json,
  /** The message of the refusal. Absent when it has none. */
  message: Schema.optionalKey(Schema.String)
})

/**
 * The answer to a command that was run by its name, as a schema. All of it encodes to JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Answer = Schema.Union([Accepted, Refused])

/**
 * The answer to a command that was run by its name.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = typeof Answer.Type

/** How many issues an error has at most. */
const maxIssues = 100

/** What does not fit a schema, up to the limit. */
export const issuesOf = (error: Schema.SchemaError): ReadonlyArray<Issue> =>
  misfitsOf(error).slice(0, maxIssues).map(({ path, reason }) => ({ path, message: reason }))
