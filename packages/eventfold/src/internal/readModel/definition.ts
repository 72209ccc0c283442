import type * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type { RecordedMessage } from "../../Message.ts"
import type { TableDifference } from "../../ReadModelStore.ts"
import type { PollOptions } from "../processor/pollPause.ts"

/**
 * How a new build is filled, compared with the live one, and put in its place.
 *
 * @since 0.1.0
 * @category options
 */
export interface BuildOptions {
  /** How many messages the new build handles per second at most. Defaults to no limit. */
  readonly throttle?: number | undefined
  /**
   * Whether the side effects of handlers run while the new build is filled. Defaults to `false`, because they ran when the
   * live build handled the same messages.
   */
  readonly sideEffects?: boolean | undefined
  /**
   * Compares the tables of the new build with those of the live one, when both have handled the same messages, and switches
   * only when they have the same rows (`"same"`), or when the function returns `true` for the differences. Otherwise the
   * new build stays where it is and the read model fails with `BuildsDiffer`. Defaults to no comparison.
   */
  readonly compare?: "same" | ((differences: ReadonlyArray<TableDifference>) => boolean) | undefined
  /**
   * When the new build takes the place of the live one. `"when caught up"`: as soon as it has handled as much. `"manual"`:
   * not until `ReadModel.rebuild` runs with `"when caught up"`; meanwhile the new build stays beside the live one.
   * Defaults to `"when caught up"`.
   */
  readonly switch?: "when caught up" | "manual" | undefined
}

/**
 * Options of a read model.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The version of the definition, from 1. Raise it whenever the definition changes: `run` then fills a new build. */
  readonly version: number
  /**
   * What creates the read model's tables, in the language of the store and in order: on PostgreSQL, SQL statements. A store
   * without such tables refuses them with `Unsupported`. Defaults to none.
   */
  readonly tables?: ReadonlyArray<string> | undefined
  /**
   * Replaces the source text of the handlers in the fingerprint that tells whether the definition has changed. Set it when
   * the text differs from one build of the program to the next (a minifier), or when a change does not show in it (handlers
   * that call functions of other modules).
   */
  readonly fingerprint?: string | undefined
  /** How many messages one transaction handles at most. Defaults to 500, for `ReadModel.batch` to 2,000: each transaction waits for a flush. */
  readonly atOnce?: number | undefined
  /**
   * How many messages one statement reads. The read model holds about twice as many in memory. Defaults to the largest multiple of
   * `atOnce` up to 1,024, and at least to `atOnce`: the rest of a page would take a transaction of its own.
   */
  readonly batchSize?: number | undefined
  /**
   * When to handle messages again whose handler failed. A message that could not be decoded (`DecodeError`) is not retried.
   * Defaults to `Consumer.defaultRetry`.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * How long the handlers of one transaction may take together. When they take longer they are interrupted, the transaction is
   * rolled back, and the attempt has failed with `HandlerTimeout`: `retry` and `onFailure` apply, as for any failure. Defaults to
   * no limit, because only the handlers' author knows how long their work takes.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * What to do with a message when its retries are used up. `"stop"`: the read model fails with the handler's error, and
   * resumes with this message when it runs again. `"skip"`: what the handler changed is rolled back, a warning is logged,
   * and the read model continues after the message. Defaults to `"stop"`.
   */
  readonly onFailure?: "stop" | "skip" | undefined
  /** How long to wait for a wake-up before polling the store. */
  readonly poll?: PollOptions | undefined
  /**
   * How long the transaction in progress may still take when the read model is stopped. After that it is interrupted, and
   * so rolled back. A transaction whose handlers have not begun, and the pause before the next attempt, end at once. Defaults to
   * 10 seconds, because most supervisors wait for 30.
   */
  readonly grace?: Duration.Input | undefined
  /** How `run` builds a new version beside the live build. */
  readonly build?: BuildOptions | undefined
}

/**
 * A message that a read model handles, decoded for its handler.
 *
 * @since 0.1.0
 * @category models
 */
export interface Decoded {
  readonly message: RecordedMessage
  readonly event: unknown
}

/**
 * The definition of a read model. `E` is what it can fail with, `R` what its handlers need. It does nothing until it is run.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReadModel<out E, out R> {
  readonly name: string
  readonly version: number
  /** What creates its tables, in the language of the store and in order. */
  readonly tables: ReadonlyArray<string>
  /** A digest of the sources, the types of message, the tables and the source text of the handlers. */
  readonly fingerprint: string
  readonly options: Options
  /** The names of its sources, as they were given; `*` stands for everything. */
  readonly sources: ReadonlyArray<string>
  /** The categories that it reads; `undefined` when it reads all of them. */
  readonly categories: ReadonlyArray<string> | undefined
  /** The types of message that its handlers name; `undefined` when one of them takes all types. */
  readonly types: ReadonlyArray<string> | undefined
  /** How many messages one transaction handles at most. */
  readonly atOnce: number
  /** Decodes a message for its handler; none when no handler takes it. */
  readonly decode: (message: RecordedMessage) => Effect.Effect<Option.Option<Decoded>, E, R>
  /** Handles decoded messages, in the order given. */
  readonly handle: (messages: Arr.NonEmptyReadonlyArray<Decoded>) => Effect.Effect<void, E, R>
}
