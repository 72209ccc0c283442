/**
 * The errors of a message store. Wrong names have errors of their own, in `StreamName`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ExpectedVersion from "./ExpectedVersion.ts"

/**
 * An append expected another version of its stream. Nothing was written.
 *
 * **When to use**
 *
 * Read the new messages, decide again, and append again. `Entity.transact` does so.
 *
 * @category errors
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
    return `stream ${this.streamName} ${actual}; the append expected ${ExpectedVersion.format(this.expected)}`
  }
}

/**
 * A message id is taken. Nothing was written.
 *
 * **Details**
 *
 * The id is that of a message with other content, of a message in another stream, or of another message of the same write. To
 * append the same messages under the same ids to the same stream is not an error: the append gives its original result.
 *
 * An append with `onDuplicate: "keep"` fails with `recordedAt` when its stream has a part of its ids, or has them in another
 * order. Then give the append the ids that it had the first time, all of them and in that order.
 *
 * @category errors
 * @since 0.1.0
 */
export class DuplicateMessageId extends Schema.TaggedError<DuplicateMessageId>()("DuplicateMessageId", {
  id: Schema.String,
  /** The stream that the append is for. */
  streamName: Schema.String,
  /** The position of the message with this id in that stream, when an append that would keep it is recorded only in part. */
  recordedAt: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    if (this.recordedAt !== undefined) {
      return `message id ${this.id} is recorded at position ${this.recordedAt} of ${this.streamName}, but the append's other ` +
        "ids are not recorded there in its order; nothing was written. Give the append the same ids in the same order as before"
    }
    return `message id ${this.id} is already taken by another message; nothing was written to ${this.streamName}`
  }
}

/**
 * A message that the store can't keep: its id is not a UUID, its type is empty, its data is not JSON or does not fit its schema, or
 * it is larger than what the store could read back. Nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidMessage extends Schema.TaggedError<InvalidMessage>()("InvalidMessage", {
  streamName: Schema.String,
  /** Which of the messages of the append, from 0. */
  index: Schema.Int,
  /** The type of that message; `none` when the append has no messages. */
  type: Schema.String,
  /** The part of the message that is wrong, such as `["data", "amount"]`. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  reason: Schema.String
}) {
  override get message(): string {
    const problem = this.path.length === 0 ? this.reason : `${this.path.join(".")} ${this.reason}`
    return this.type === "none"
      ? `cannot append to ${this.streamName}: ${problem}`
      : `message ${this.index} (${this.type}) to ${this.streamName}: ${problem}`
  }
}

/**
 * An argument or option is out of its range, such as a fractional position.
 *
 * @category errors
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
 * This store does not have the operation. A Message DB without eventfold's schema lacks some, and so may a store of a third
 * party.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  operation: Schema.String,
  /** What would add the operation. */
  remedy: Schema.String
}) {
  override get message(): string {
    return `this store does not support ${this.operation}: ${this.remedy}`
  }
}

/**
 * The store's user may not do this. Nothing was changed.
 *
 * **Details**
 *
 * The roles of applications can neither change nor delete what is recorded, unless the database grants it to them.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotPermitted extends Schema.TaggedError<NotPermitted>()("NotPermitted", {
  operation: Schema.String,
  /** What would permit it, such as the grants that are missing. */
  remedy: Schema.String
}) {
  override get message(): string {
    return `${this.operation} is not permitted: ${this.remedy}`
  }
}

/**
 * The store failed: the connection, the server, or a statement.
 *
 * **Gotchas**
 *
 * After a failed append it may be unknown whether the store has written it. To send it again with the same message ids is always
 * safe.
 *
 * @category errors
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
