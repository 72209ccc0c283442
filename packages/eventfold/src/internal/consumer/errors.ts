import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { InvalidArgument, StoreError } from "../../StoreError.ts"
import type { InvalidCategory } from "../../StreamName.ts"

/**
 * A consumer group was run with another size before. Messages are divided by the size, so with a new one each member
 * would miss messages that another has not handled yet.
 *
 * The safe way: stop all members, let them come up with one another to the same global position or run `regroup`, which
 * sets the positions of all members of the new size to the lowest of the old, and start them with the new size.
 *
 * @since 0.1.0
 */
export class GroupSizeChanged extends Schema.TaggedError<GroupSizeChanged>()("GroupSizeChanged", {
  consumer: Schema.String,
  category: Schema.String,
  recorded: Schema.Int,
  given: Schema.Int
}) {
  override get message(): string {
    return `the group of the consumer ${this.consumer} of ${this.category} has ${this.recorded} members, and not ` +
      `${this.given}: stop all of them and change it with Consumer.regroup`
  }
}

/**
 * Somebody runs the consumer, or a member of its group, so that its positions can't be changed.
 *
 * @since 0.1.0
 */
export class ConsumerIsRunning extends Schema.TaggedError<ConsumerIsRunning>()("ConsumerIsRunning", {
  consumer: Schema.String,
  category: Schema.String,
  /** Which member of the group; none when it is run without one. */
  member: Schema.OptionFromNullOr(Schema.Int)
}) {
  override get message(): string {
    const member = Option.match(this.member, { onNone: () => "", onSome: (member) => `the member ${member} of ` })
    return `${member}the consumer ${this.consumer} of ${this.category} is running: stop it first`
  }
}

/**
 * What a consumer can fail with beside the errors of its handlers: a store that fails for good (while it is only away,
 * the consumer waits for it), wrong options, a group of another size.
 *
 * @since 0.1.0
 */
export type RunError = StoreError | InvalidArgument | InvalidCategory | GroupSizeChanged
