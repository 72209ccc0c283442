/**
 * The ways an operation of a message store fails, beside the wrong names of `StreamName`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ExpectedVersion from "./ExpectedVersion.ts"

/**
 * The stream was not at the version that an append expected; nothing of the append was written. The usual answer is to
 * read what is new, decide again and append again: `Entity.transact` does.
 *
 * @since 0.1.0
 */
export class WrongExpectedVersion extends Schema.TaggedError<WrongExpectedVersion>()("WrongExpectedVersion", {
  streamName: Schema.String,
  expected: ExpectedVersion.ExpectedVersion,
  /** The stream's version; none when the stream does not exist. */
  actual: Schema.OptionFromNullOr(Schema.Int)
}) {
  override get message(): string {
    const actual = Option.match(this.actual, { onNone: () => "does not exist", onSome: (at) => `is at version ${at}` })
    return `expected ${ExpectedVersion.format(this.expected)} of the stream ${this.streamName}, which ${actual}`
  }
}

/**
 * A message id is taken: by a message with other content, in another stream, or by a part of what was to be written at
 * once. Nothing was written. (The same messages under the same ids in the same stream are no error: the append has been
 * recorded before and gives its original positions.)
 *
 * @since 0.1.0
 */
export class DuplicateMessageId extends Schema.TaggedError<DuplicateMessageId>()("DuplicateMessageId", {
  id: Schema.String,
  streamName: Schema.String
}) {
  override get message(): string {
    return `the message id ${this.id}, to be written to ${this.streamName}, is already taken by another message`
  }
}

/**
 * A message that cannot be written: a wrong id, an empty type, data that is not JSON or does not fit its schema.
 *
 * @since 0.1.0
 */
export class InvalidMessage extends Schema.TaggedError<InvalidMessage>()("InvalidMessage", {
  streamName: Schema.String,
  /** Which of the messages of the append, from 0. */
  index: Schema.Int,
  type: Schema.String,
  /** Where in the message, such as `["data", "amount"]`. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  reason: Schema.String
}) {
  override get message(): string {
    return `message ${this.index} (${this.type}) to ${this.streamName}: ${this.path.join(".")} ${this.reason}`
  }
}

/**
 * An argument or option out of its range, such as a fractional position.
 *
 * @since 0.1.0
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  argument: Schema.String,
  value: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    return `${this.argument} is ${this.value}, and must be ${this.expected}`
  }
}

/**
 * The store cannot do this at all: a third party's, or a Message DB without eventfold's own schema.
 *
 * @since 0.1.0
 */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  operation: Schema.String,
  /** What would make it possible. */
  remedy: Schema.String
}) {
  override get message(): string {
    return `this store does not support ${this.operation}: ${this.remedy}`
  }
}

/**
 * The store failed: the connection, the server, a statement. Whether an append has been written may be unknown then; to
 * send it again with the same message ids is always safe.
 *
 * @since 0.1.0
 */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  operation: Schema.String,
  reason: Schema.String,
  /** Whether the same call may succeed later: a lost connection, a deadlock, a time-out. */
  isRetryable: Schema.Boolean,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.operation}: ${this.reason}`
  }
}
