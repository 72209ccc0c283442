/** What live clients do while the store is away: they wait, without an end, and it is logged once. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as FailureReport from "eventfold/FailureReport"
import { StoreError } from "eventfold/StoreError"

/** Whether the store failed in a way that may pass. */
const isOutage = (error: unknown): boolean => error instanceof StoreError && error.isRetryable

/** The pauses between attempts: 100 milliseconds, then doubling up to 5 seconds, without an end. */
const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

/** Logs a warning about a cause, with its report as the field `error`. */
export const warn = (message: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.flatMap(
    FailureReport.fromCause(cause),
    (error) => Effect.annotateLogs(Effect.logWarning(message), { error })
  )

/** Retries reads until the store is back. */
export type UntilBack = <A, E, R>(read: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** All reads of all clients share one outage, so that it is one warning, and one line when it ends. */
export const make = (): UntilBack => {
  let away = false
  return (read) =>
    read.pipe(
      Effect.tapCause((cause) => {
        if (away || !cause.reasons.some((reason) => reason._tag === "Fail" && isOutage(reason.error))) {
          return Effect.void
        }
        away = true
        return warn("live clients wait for the store, which failed", cause)
      }),
      Effect.retry({ schedule: backoff, while: isOutage }),
      Effect.tap(() => {
        if (!away) return Effect.void
        away = false
        return Effect.logInfo("live clients read again: the store is back")
      })
    )
}
