import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { InvalidArgument, StoreError, Unsupported } from "../../StoreError.ts"
import type { InvalidCategory } from "../../StreamName.ts"
import type { HandlerTimeout } from "../processor/timeLimit.ts"

/**
 * A consumer group runs with another size than before. Messages are divided among the members by the size of the group, so
 * members of the new size would skip messages that members of the old size have not handled yet.
 *
 * **Details**
 *
 * To change the size, stop all members, run `Consumer.regroup`, which sets the positions of the new members to the lowest
 * position of the old ones, and start the members with the new size.
 *
 * @since 0.1.0
 * @category errors
 */
export class GroupSizeChanged extends Schema.TaggedError<GroupSizeChanged>()("GroupSizeChanged", {
  consumer: Schema.String,
  category: Schema.String,
  /** The size under which the positions were recorded. */
  recorded: Schema.Int,
  /** The size of this definition. */
  given: Schema.Int
}) {
  override get message(): string {
    return `the group of consumer ${this.consumer} on ${this.category} has ${this.recorded} members, not ${this.given}: ` +
      "stop all members, then change the size with Consumer.regroup"
  }
}

/**
 * The consumer, or a member of its group, runs in some process, so its positions can't be changed.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConsumerIsRunning extends Schema.TaggedError<ConsumerIsRunning>()("ConsumerIsRunning", {
  consumer: Schema.String,
  category: Schema.String,
  /** The member of the group; none for a consumer without a group. */
  member: Schema.OptionFromNullOr(Schema.Int)
}) {
  override get message(): string {
    const member = Option.match(this.member, { onNone: () => "", onSome: (member) => `member ${member} of ` })
    return `${member}consumer ${this.consumer} on ${this.category} is running: stop it first`
  }
}

/**
 * The consumer is not where it was when its position was looked at. Nothing was changed: look again.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConsumerMoved extends Schema.TaggedError<ConsumerMoved>()("ConsumerMoved", {
  consumer: Schema.String,
  category: Schema.String,
  /** The position that was looked at. */
  expected: Schema.Int,
  /** The position; the lowest of a group. */
  actual: Schema.Int
}) {
  override get message(): string {
    return `consumer ${this.consumer} on ${this.category} is at ${this.actual}, not at ${this.expected}: look again`
  }
}

/**
 * The store has no position of the consumer: it has never run, or has another id or category.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConsumerUnknown extends Schema.TaggedError<ConsumerUnknown>()("ConsumerUnknown", {
  consumer: Schema.String,
  category: Schema.String
}) {
  override get message(): string {
    return `the store has no position of consumer ${this.consumer} on ${this.category}: ` +
      "give the id and category of one that Consumer.list names"
  }
}

/**
 * The errors of a consumer that are not its handlers': a store that fails for good (outages are waited for), invalid options,
 * a group of another size, a store that can't hold leases (`Unsupported`), and a handler that took longer than the `timeout`.
 *
 * @since 0.1.0
 * @category errors
 */
export type RunError = StoreError | Unsupported | InvalidArgument | InvalidCategory | GroupSizeChanged | HandlerTimeout
