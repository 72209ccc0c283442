/**
 * The status of consumers: how far they have come by their checkpoints, and what they do in this process.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { FailureReport } from "./FailureReport.ts"
import { HeldBack } from "./HeldBack.ts"
import { MessagePlace } from "./Message.ts"

/**
 * A recorded message without its content.
 *
 * @since 0.1.0
 * @category models
 */
export { MessagePlace } from "./Message.ts"

/**
 * Consumer lag. Messages that consumers write about themselves (positions, parked messages) do not count for a consumer that
 * reads more than one category.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lag {
  /** How many messages are not handled yet, including those of types that the consumer skips. */
  readonly messages: number
  /** The age of the oldest of them; zero when there is none. */
  readonly age: Duration.Duration
}

const lag = Schema.Struct({ messages: Schema.Int, age: Schema.Duration })

/**
 * The schema of a consumer's lag, with a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Lag: Schema.Codec<Lag, typeof lag.Encoded> = lag

/**
 * How far a member of a consumer group has come. A consumer without a group has one member.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemberStatus {
  /** The member, from 0; `undefined` when the consumer has no group. */
  readonly member: number | undefined
  /**
   * The checkpoint: the global position up to which the member has handled everything, inclusive. None when it has never
   * written one.
   */
  readonly position: Option.Option<number>
  readonly lag: Lag
}

/**
 * How far a consumer has come by its checkpoints, in whatever process it runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  /** The id of the consumer. */
  readonly consumer: string
  /** The category that the consumer reads; `$all` when it reads several, or everything. */
  readonly category: string
  /** All members of the group. */
  readonly members: ReadonlyArray<MemberStatus>
  /** The lag of all members together: the sum of their messages, and the highest age. */
  readonly lag: Lag
  /** The last message of the categories that the consumer reads, whether it handles that message or not. */
  readonly last: Option.Option<MessagePlace>
  /**
   * What holds back a consumer of more than one category: open transactions that have taken global positions. None when nothing
   * does. `HeldBack.format` renders it for a log.
   */
  readonly heldBack: Option.Option<HeldBack>
}

const status = Schema.Struct({
  consumer: Schema.String,
  category: Schema.String,
  members: Schema.Array(Schema.Struct({
    member: Schema.UndefinedOr(Schema.Int),
    position: Schema.Option(Schema.Int),
    lag: Lag
  })),
  lag: Lag,
  last: Schema.Option(MessagePlace),
  heldBack: Schema.Option(HeldBack)
})

/**
 * The schema of the status of a consumer, with a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status: Schema.Codec<Status, typeof status.Encoded> = status

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
  /** The age of the first message of the category after it; none when there is none, and for `$all`. */
  age: Schema.Option(Schema.Duration)
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
  member: Schema.Option(Schema.Int),
  /** The size of its group; none without a group. */
  groupSize: Schema.Option(Schema.Int),
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
 * @category models
 */
export interface Stuck {
  /** The message; the first one of a batch. */
  readonly message: MessagePlace
  /** How many messages the handler got together. */
  readonly messages: number
  /** How many attempts have failed. */
  readonly attempts: number
  /** The time of the first failure. */
  readonly since: DateTime.Utc
  /** The last failure: its tag, message and fields. */
  readonly failure: FailureReport
}

/**
 * A message whose handler failed on its last attempt.
 *
 * @since 0.1.0
 * @category models
 */
export interface LastFailure {
  readonly message: MessagePlace
  /** How many attempts have failed. */
  readonly attempts: number
  /** The time of the last one. */
  readonly time: DateTime.Utc
  readonly failure: FailureReport
}

/**
 * What a consumer or read model does in this process. The counts begin when it is started here.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningStatus {
  /** Whether it works on messages. Otherwise it waits for another process to stop, or has ended. */
  readonly isActive: boolean
  /** For each member that runs here, the global position up to which everything is handled, inclusive. */
  readonly positions: ReadonlyArray<{ readonly member: number | undefined; readonly position: number }>
  /** The global position up to which messages have been read, inclusive. */
  readonly lastRead: number | undefined
  /** What holds back the reader; only of a consumer or read model of more than one category. */
  readonly heldBack: Option.Option<HeldBack>
  /** How many handlers run. */
  readonly inFlight: number
  /** How many messages are read and not handled, including those in flight. */
  readonly pending: number
  /** Messages whose handler succeeded. */
  readonly handled: number
  /** Messages whose handler failed on its last attempt. */
  readonly failed: number
  /** Attempts after a failure. */
  readonly retried: number
  /** Messages that failed and were skipped. */
  readonly skipped: number
  /** Messages that were parked: those that failed, and those behind them in their streams. */
  readonly parked: number
  /** Messages handled per second: the mean over about ten seconds. */
  readonly rate: number
  /** Messages that are being retried right now. */
  readonly stuck: ReadonlyArray<Stuck>
  /** The last message whose handler failed on its last attempt: it was skipped or parked, or stopped the consumer. */
  readonly lastFailure: Option.Option<LastFailure>
}
