import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { StoreError } from "../../StoreError.ts"
import { logFailure } from "../runtime/log.ts"
import { retryUntilStop, type Stopping } from "../runtime/stopping.ts"
import type { Subject } from "./subject.ts"

/** Whether the store failed in a way that may pass. */
export const isOutage = (error: unknown): boolean => error instanceof StoreError && error.isRetryable

/** The pauses between attempts while the store is away: 100 milliseconds, then doubling up to 5 seconds, without an end. */
export const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

export const logOutage = ({ kind, logged }: Subject, error: unknown): Effect.Effect<void> =>
  logFailure("Warn", `${kind} waits for the store, which failed`, logged, Cause.fail(error))

/** Retries an effect until the store is back. */
export type RetryOutages = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export const retryOutages = (subject: Subject): RetryOutages => (effect) =>
  effect.pipe(
    Effect.tapError((error) => isOutage(error) ? logOutage(subject, error) : Effect.void),
    Effect.retry({ schedule: backoff, while: isOutage })
  )

/** As `retryOutages`, for work that may be told to stop: then the pause between two attempts ends, and the effect with it. */
export const retryOutagesUntilStop = (subject: Subject, stopping: Stopping): RetryOutages => (effect) =>
  retryUntilStop(
    Effect.tapError(effect, (error) => isOutage(error) ? logOutage(subject, error) : Effect.void),
    Schedule.while(backoff, ({ input }) => isOutage(input)),
    stopping
  )

/** How long a finalizer waits for the store to take its last write. */
const finalWriteLimit = "5 seconds"

/**
 * The last write of a checkpoint, as a finalizer runs it: interruptible, and bounded, because a shutdown must not wait for a
 * store that is away. A failure is a warning that names its consequence.
 */
export const finalWrite = <E, R>(
  write: Effect.Effect<void, E, R>,
  consumer: string,
  consequence: string
): Effect.Effect<void, never, R> =>
  write.pipe(
    Effect.interruptible,
    Effect.timeout(finalWriteLimit),
    Effect.catch((error) =>
      logFailure(
        "Warn",
        `consumer could not write its last checkpoint; ${consequence}`,
        { consumer },
        Cause.fail(error)
      )
    )
  )
