/**
 * The status of consumers: how far they have come by their checkpoints, and what they do in this process.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { FailureReport } from "./FailureReport.ts"
import { HeldBack } from "./HeldBack.ts"
import { AgeInMillis } from "./internal/runtime/ageInMillis.ts"
import { MessagePlace } from "./Message.ts"

/**
 * A recorded message without its content.
 *
 * @since 0.1.0
 * @category models
 */
export type { MessagePlace } from "./Message.ts"

/**
 * Consumer lag. Messages that consumers write about themselves (positions, parked messages) do not count for a consumer that
 * reads more than one category.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Lag = Schema.Struct({
  /** How many messages are not handled yet, including those of types that the consumer skips. */
  messages: Schema.Int,
  /** The age of the oldest of them; zero when there is none. In JSON it is in milliseconds. */
  age: AgeInMillis
})

/**
 * Consumer lag. Messages that consumers write about themselves (positions, parked messages) do not count for a consumer that
 * reads more than one category.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lag extends Schema.Schema.Type<typeof Lag> {}

/**
 * How far a member of a consumer group has come. A consumer without a group has one member.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MemberStatus = Schema.Struct({
  /** The member, from 0; `undefined` when the consumer has no group. */
  member: Schema.UndefinedOr(Schema.Int),
  /**
   * The checkpoint: the global position up to which the member has handled everything, inclusive. None when it has never
   * written one.
   */
  position: Schema.OptionFromNullOr(Schema.Int),
  lag: Lag
})

/**
 * How far a member of a consumer group has come. A consumer without a group has one member.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemberStatus extends Schema.Schema.Type<typeof MemberStatus> {}

/**
 * How far a consumer has come by its checkpoints, in whatever process it runs.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  /** The id of the consumer. */
  consumer: Schema.String,
  /** The category that the consumer reads; `$all` when it reads several, or everything. */
  category: Schema.String,
  /** All members of the group. */
  members: Schema.Array(MemberStatus),
  /** The lag of all members together: the sum of their messages, and the highest age. */
  lag: Lag,
  /** The last message of the categories that the consumer reads, whether it handles that message or not. */
  last: Schema.OptionFromNullOr(MessagePlace),
  /**
   * What holds back a consumer of more than one category: open transactions that have taken global positions. None when nothing
   * does. `HeldBack.format` renders it for a log.
   */
  heldBack: Schema.OptionFromNullOr(HeldBack)
})

/**
 * How far a consumer has come by its checkpoints, in whatever process it runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status extends Schema.Schema.Type<typeof Status> {}

/**
 * How far a position is behind the log, as far as the store knows it without the definition of the consumer: types and
 * correlations that the consumer skips count as well.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Behind = Schema.Struct({
  /**
   * How many global positions are after it, up to the last message of the category, or of the store for `$all`. There are at most as
   * many messages: other categories, and gaps, are among them.
   */
  positions: Schema.Int,
  /** The age of the first message of the category after it; none when there is none, and for `$all`. In JSON it is in milliseconds. */
  age: Schema.OptionFromNullOr(AgeInMillis)
})

/**
 * How far a position is behind the log.
 *
 * @since 0.1.0
 * @category models
 */
export type Behind = typeof Behind.Type

/**
 * A consumer, or a member of its group, as the store knows it by its position, without its definition. It has a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StoredConsumer = Schema.Struct({
  /** The id of the consumer. Empty for a stream of positions without one, such as `account:position`. */
  consumer: Schema.String,
  /** The category that it reads; `$all` when it reads several, or everything. */
  category: Schema.String,
  /** The member of its group, from 0; none without a group. */
  member: Schema.OptionFromNullOr(Schema.Int),
  /** The size of its group; none without a group. */
  groupSize: Schema.OptionFromNullOr(Schema.Int),
  /** The checkpoint: the global position up to which everything is handled, inclusive. */
  position: Schema.Int,
  /** When the checkpoint was written. */
  time: Schema.DateTimeUtc,
  /** Where it is: in a row of the store, or in a message of its position stream. */
  place: Schema.Literals(["row", "stream"]),
  behind: Behind
})

/**
 * A consumer, or a member of its group, as the store knows it by its position.
 *
 * @since 0.1.0
 * @category models
 */
export type StoredConsumer = typeof StoredConsumer.Type

/**
 * Messages whose handler has failed and is retried.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Stuck = Schema.Struct({
  /** The message; the first one of a batch. */
  message: MessagePlace,
  /** How many messages the handler got together. */
  messages: Schema.Int,
  /** How many attempts have failed. */
  attempts: Schema.Int,
  /** The time of the first failure. */
  since: Schema.DateTimeUtc,
  /** The last failure: its tag, message and fields. */
  failure: FailureReport
})

/**
 * Messages whose handler has failed and is retried.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stuck extends Schema.Schema.Type<typeof Stuck> {}

/**
 * A message whose handler failed on its last attempt.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LastFailure = Schema.Struct({
  message: MessagePlace,
  /** How many attempts have failed. */
  attempts: Schema.Int,
  /** The time of the last one. */
  time: Schema.DateTimeUtc,
  failure: FailureReport
})

/**
 * A message whose handler failed on its last attempt.
 *
 * @since 0.1.0
 * @category models
 */
export interface LastFailure extends Schema.Schema.Type<typeof LastFailure> {}

/**
 * What a consumer or read model does in this process. The counts begin when it is started here.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunningStatus = Schema.Struct({
  /** Whether it works on messages. Otherwise it waits for another process to stop, or has ended. */
  isActive: Schema.Boolean,
  /** For each member that runs here, the global position up to which everything is handled, inclusive. */
  positions: Schema.Array(Schema.Struct({ member: Schema.UndefinedOr(Schema.Int), position: Schema.Int })),
  /** The global position up to which messages have been read, inclusive. */
  lastRead: Schema.UndefinedOr(Schema.Int),
  /** What holds back the reader; only of a consumer or read model of more than one category. */
  heldBack: Schema.OptionFromNullOr(HeldBack),
  /** How many handlers run. */
  inFlight: Schema.Int,
  /** How many messages are read and not handled, including those in flight. */
  pending: Schema.Int,
  /** Messages whose handler succeeded. */
  handled: Schema.Int,
  /** Messages whose handler failed on its last attempt. */
  failed: Schema.Int,
  /** Attempts after a failure. */
  retried: Schema.Int,
  /** Messages that failed and were skipped. */
  skipped: Schema.Int,
  /** Messages that were parked: those that failed, and those behind them in their streams. */
  parked: Schema.Int,
  /** Messages handled per second: the mean over about ten seconds. */
  rate: Schema.Finite,
  /** Messages that are being retried right now. */
  stuck: Schema.Array(Stuck),
  /** The last message whose handler failed on its last attempt: it was skipped or parked, or stopped the consumer. */
  lastFailure: Schema.OptionFromNullOr(LastFailure)
})

/**
 * What a consumer or read model does in this process. The counts begin when it is started here.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningStatus extends Schema.Schema.Type<typeof RunningStatus> {}
