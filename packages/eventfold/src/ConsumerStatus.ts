/**
 * How far a consumer has come, and what it does right now: what `Consumer.status` and `Consumer.start` tell.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type { HeldBack } from "./HeldBack.ts"
import type { RecordedMessage } from "./Message.ts"

/**
 * Which message it is, and nothing of what it says.
 *
 * @since 0.1.0
 */
export type MessagePlace = Omit<RecordedMessage, "data" | "metadata">

/**
 * How far behind somebody is. What consumers write about themselves does not count for who reads more than one category.
 *
 * @since 0.1.0
 */
export interface Lag {
  /** How many messages are not handled yet, those included whose types the consumer passes over. */
  readonly messages: number
  /** The age of the oldest of them; zero when there is none. */
  readonly age: Duration.Duration
}

/** @since 0.1.0 */
export interface MemberStatus {
  /** The member of the consumer's group; `undefined` when it has none. */
  readonly member: number | undefined
  /** The position that was written last: the global position up to which everything is handled, inclusive. */
  readonly position: Option.Option<number>
  readonly lag: Lag
}

/**
 * How far a consumer has come, whoever runs it.
 *
 * @since 0.1.0
 */
export interface Status {
  readonly consumer: string
  /** The category that it reads; `$all` when it reads several, or everything. */
  readonly category: string
  /** All members of the group; one entry when there is no group. */
  readonly members: ReadonlyArray<MemberStatus>
  /** The messages of all members, and the age of the oldest. */
  readonly lag: Lag
  /** The last message of the category, or of all categories that it reads, whether the consumer wants it or not. */
  readonly last: Option.Option<MessagePlace>
  /**
   * Who keeps the consumer from going on: transactions that have written messages, and have not ended. Only of a consumer of
   * more than one category; none when nobody does. See `HeldBack.format`.
   */
  readonly heldBack: Option.Option<HeldBack>
}

/**
 * Messages whose handler has failed and runs again.
 *
 * @since 0.1.0
 */
export interface Stuck {
  /** The message; of a batch, the first. */
  readonly message: MessagePlace
  /** How many the handler was given at once. */
  readonly messages: number
  /** How often it has failed. */
  readonly attempts: number
  /** When it failed first. */
  readonly since: DateTime.Utc
  /** Why it failed last. */
  readonly error: unknown
}

/**
 * What a consumer does in this process. The counts are since it was started here.
 *
 * @since 0.1.0
 */
export interface RunningStatus {
  /** Whether it runs; otherwise it waits for another process to stop, or has ended. */
  readonly isActive: boolean
  /** The global positions up to which everything is handled, inclusive, of the members that run here. */
  readonly positions: ReadonlyArray<{ readonly member: number | undefined; readonly position: number }>
  /** The global position up to which messages have been read. */
  readonly lastRead: number | undefined
  /** Who keeps it from reading on: only of a consumer of more than one category. */
  readonly heldBack: Option.Option<HeldBack>
  /** How many handlers run. */
  readonly inFlight: number
  /** How many messages are read and not handled, with those in flight. */
  readonly pending: number
  /** Messages whose handler has succeeded. */
  readonly handled: number
  /** Messages whose handler has failed for the last time. */
  readonly failed: number
  /** Attempts after a failure. */
  readonly retried: number
  /** Messages that failed and were passed over. */
  readonly skipped: number
  /** Messages that were put aside. */
  readonly parked: number
  /** Messages handled per second: the mean over about ten seconds. */
  readonly rate: number
  /** What is tried again at this moment. */
  readonly stuck: ReadonlyArray<Stuck>
}
