/**
 * How the statements of a store are run: each bounded, and again when they fail for a reason that passes.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { StoreError } from "eventfold/StoreError"
import { isLockTimeout, isPassing, storeError } from "./sqlError.ts"

/** How the statements of a store are run. */
export interface Options {
  /** How long failures that pass are retried. Defaults to {@link defaultRetry}. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** How long one statement may take. */
  readonly timeout?: Duration.Input | undefined
}

/** Runs the statements of a store on its client. */
export interface Statements {
  readonly sql: PgClient
  /** Runs a query for an operation of the store: retries failures that pass, and fails with a `StoreError`. */
  readonly query: <A>(operation: string, statements: Effect.Effect<A, SqlError>) => Effect.Effect<A, StoreError>
  /**
   * Retries statements that fail for a reason that passes, unless they run `once`. Statements that succeed at once pay nothing for
   * the schedule.
   */
  readonly retrying: <A, E>(
    statements: Effect.Effect<A, E>,
    isRetryable?: (error: E) => boolean
  ) => Effect.Effect<A, E>
  /** Runs statements in a transaction of the caller: none of them is retried. */
  readonly once: <A, E>(statements: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/**
 * For failures that pass: a lost connection, a failover, a deadlock. It outlasts a usual failover, with about 35 more attempts
 * in 30 seconds. An append can be sent again safely, because its messages carry their ids.
 */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.max([
  Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(Schedule.jittered),
  Schedule.during("30 seconds")
])

/** Whether statements are in a transaction of the caller, which does not survive what could be retried. */
const IsOnce = Context.Reference<boolean>("@eventfold/postgres/IsOnce", { defaultValue: () => false })

/** A wait for a lock was as long as it may be already, so the store does not repeat it. */
const isPassingError = (error: unknown): boolean => isSqlError(error) && isPassing(error) && !isLockTimeout(error)

/** Runs the statements of a store on a client. */
export const make = (sql: PgClient, { retry = defaultRetry }: Options): Statements => {
  const retrying: Statements["retrying"] = <A, E>(
    statements: Effect.Effect<A, E>,
    isRetryable: (error: E) => boolean = isPassingError
  ): Effect.Effect<A, E> =>
    Effect.catchIf(statements, isRetryable, (error) => {
      let attempt: Effect.Effect<A, E> = Effect.fail(error)
      const next = Effect.suspend(() => {
        const current = attempt
        attempt = statements
        return current
      })
      return Effect.flatMap(
        IsOnce,
        (isOnce) => isOnce ? next : Effect.retry(next, { schedule: retry, while: isRetryable })
      )
    })

  return {
    sql,
    query: (operation, statements) => Effect.mapError(retrying(statements), storeError(operation)),
    retrying,
    once: (statements) => Effect.provideService(statements, IsOnce, true)
  }
}
