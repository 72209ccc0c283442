/**
 * How far processes are, and what they wait for, as data.
 */
import * as Schema from "effect/Schema"
import * as ConsumerStatus from "../../ConsumerStatus.ts"
import { MessagePlace } from "../../Message.ts"

/**
 * The progress of a process.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  name: Schema.String,
  /** The lag of all its consumers: their messages together, and the age of the oldest one. */
  lag: ConsumerStatus.Lag,
  /** One for each source, and one for the deadlines if it has any. */
  consumers: Schema.Array(ConsumerStatus.Status)
})

/**
 * The progress of a process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status extends Schema.Schema.Type<typeof Status> {}

const pendingDeadline = Schema.Struct({
  process: Schema.String,
  /** The id of the process that has set it, as it stands in the stream name. */
  id: Schema.String,
  name: Schema.String,
  due: Schema.DateTimeUtc,
  /** Whether it is past its time: no program runs the process, or it is behind. */
  isOverdue: Schema.Boolean,
  /** When it was set, and by which message. */
  set: Schema.Struct({ time: Schema.DateTimeUtc, globalPosition: Schema.Int })
})

/**
 * The schema of a pending deadline, with a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PendingDeadline: Schema.Codec<PendingDeadline, typeof pendingDeadline.Encoded> = pendingDeadline

/**
 * A deadline that a process has set and that has not passed.
 *
 * @since 0.1.0
 * @category models
 */
export interface PendingDeadline extends Schema.Schema.Type<typeof pendingDeadline> {}

/**
 * A process of one id that waits for a deadline.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WaitingProcess = Schema.Struct({
  process: Schema.String,
  /** Its id, as it stands in the stream name. */
  id: Schema.String,
  /** How many deadlines are pending. */
  pending: Schema.Int,
  /** The one that is due next. */
  next: PendingDeadline
})

/**
 * A process of one id that waits for a deadline.
 *
 * @since 0.1.0
 * @category models
 */
export type WaitingProcess = typeof WaitingProcess.Type

/**
 * A reaction of a process: what it reacted to, and what it wrote, in one transaction.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Reacted = Schema.Struct({
  /** The global position of the message that it reacted to; none where its metadata names none, as of an event that was written by hand. */
  trigger: Schema.OptionFromNullOr(Schema.Int),
  /** That message; none when it is gone. */
  message: Schema.OptionFromNullOr(MessagePlace),
  /** The events of its own stream. Empty when the reaction had none. */
  events: Schema.Array(MessagePlace),
  /** The messages that it sent to other streams. */
  sent: Schema.Array(MessagePlace),
  /** The deadlines that it set. */
  deadlines: Schema.Array(Schema.Struct({ name: Schema.String, due: Schema.DateTimeUtc, message: MessagePlace }))
})

/**
 * A reaction of a process.
 *
 * @since 0.1.0
 * @category models
 */
export type Reacted = typeof Reacted.Type

/**
 * What a process of one id has done, the newest first.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProcessHistory = Schema.Struct({
  process: Schema.String,
  id: Schema.String,
  /** Its own stream. */
  streamName: Schema.String,
  reactions: Schema.Array(Reacted),
  /** Whether all effects of these reactions were found: without indexes for traces the store looks through a window of the log. */
  isComplete: Schema.Boolean,
  /** Give it as `before` for older reactions; none at the beginning. */
  next: Schema.OptionFromNullOr(Schema.Int)
})

/**
 * What a process of one id has done, the newest first.
 *
 * @since 0.1.0
 * @category models
 */
export type ProcessHistory = typeof ProcessHistory.Type
