import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { StoreError } from "eventfold/StoreError"
import { isPassing, storeError } from "./sqlError.ts"

/**
 * For failures that pass: a lost connection, a restarting server, a deadlock. Eight more attempts in about four seconds.
 * An append can be sent again safely, because its messages carry their ids.
 */
export const passingSchedule: Schedule.Schedule<unknown> = Schedule.max([
  Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(Schedule.jittered),
  Schedule.recurs(8)
])

/** Whether statements are in a transaction of the caller, which does not survive what could be retried. */
const IsOnce = Context.Reference<boolean>("@eventfold/postgres/IsOnce", { defaultValue: () => false })

/** Runs statements in a transaction of the caller: none of them is retried. */
export const once = <A, E>(statements: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.provideService(statements, IsOnce, true)

/**
 * Retries statements that fail for a reason that passes, unless they run {@link once}. Statements that succeed at once pay nothing
 * for the schedule.
 */
export const retrying = <A, E>(
  statements: Effect.Effect<A, E | SqlError>,
  isRetryable = isPassing
): Effect.Effect<A, E | SqlError> => {
  const isWorthRetrying = (error: E | SqlError): boolean => isSqlError(error) && isRetryable(error)
  return Effect.catchIf(statements, isWorthRetrying, (error) => {
    let attempt: Effect.Effect<A, E | SqlError> = Effect.fail(error)
    const next = Effect.suspend(() => {
      const current = attempt
      attempt = statements
      return current
    })
    return Effect.flatMap(
      IsOnce,
      (isOnce) => isOnce ? next : Effect.retry(next, { schedule: passingSchedule, while: isWorthRetrying })
    )
  })
}

/** Runs a query for an operation of the store: retries failures that pass, and fails with a `StoreError`. */
export const query = <A>(operation: string, statements: Effect.Effect<A, SqlError>): Effect.Effect<A, StoreError> =>
  Effect.mapError(retrying(statements), storeError(operation))
