/**
 * How far processes are, and what they wait for, as data.
 */
import * as Schema from "effect/Schema"
import * as ConsumerStatus from "../../ConsumerStatus.ts"

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
