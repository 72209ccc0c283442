/**
 * How the statements of a store are run: each bounded, and again when they fail for a reason that passes.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { StoreError } from "eventfold/StoreError"
import type { OpenError } from "../../OpenError.ts"
import * as Bound from "./bound.ts"
import * as ReadOnlySessions from "./readOnlySessions.ts"
import { isOfReadOnlySession, isWorthRepeating, storeError } from "./sqlError.ts"

/** How the statements of a store are run. */
export interface Options {
  /** How long failures that pass are retried. Defaults to {@link defaultRetry}. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** How long one statement may take. Defaults to that of `bound.ts`. */
  readonly timeout?: Duration.Input | undefined
}

/** Runs the statements of a store on its client. */
export interface Statements extends Bound.Bounded {
  /** Runs a query for an operation of the store: bounds it, retries failures that pass, and fails with a `StoreError`. */
  readonly query: <A>(operation: string, statements: Effect.Effect<A, SqlError>) => Effect.Effect<A, StoreError>
  /**
   * Retries statements that fail for a reason that passes, unless they run `once`. Statements that succeed at once pay nothing for
   * the schedule. Whoever makes the statements bounds them: some are whole transactions.
   */
  readonly retrying: <A, E>(
    statements: Effect.Effect<A, E>,
    isRetryable?: (error: E) => boolean
  ) => Effect.Effect<A, E>
  /** How many statements have failed for a reason that passes: each may have lost its connection. */
  readonly failures: () => number
  /** Runs statements in a transaction of the caller: none of them is retried. */
  readonly once: <A, E>(statements: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /**
   * Runs a transaction, which its caller may retry, so that the next one gets another session when this one has failed because
   * its session takes no writes.
   */
  readonly renewing: <A, E, R>(transaction: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Gives up the idle sessions of the pool that take no writes. */
  readonly renew: Effect.Effect<void>
  /** The same on another client. */
  readonly on: (sql: PgClient) => Effect.Effect<Statements, never, Scope.Scope>
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

const isErrorWorthRepeating = (error: unknown): boolean => isSqlError(error) && isWorthRepeating(error)

const makeWith = Effect.fnUntraced(function*(
  sql: PgClient,
  bound: Bound.Bound,
  retry: Schedule.Schedule<unknown>
): Effect.fn.Return<Statements, never, Scope.Scope> {
  const renew = yield* ReadOnlySessions.make(sql)

  const renewing: Statements["renewing"] = Effect.tapError((error) => isOfReadOnlySession(error) ? renew : Effect.void)

  let failures = 0
  const retrying: Statements["retrying"] = <A, E>(
    statements: Effect.Effect<A, E>,
    isRetryable: (error: E) => boolean = isErrorWorthRepeating
  ): Effect.Effect<A, E> =>
    Effect.catch(statements, (error) => {
      if (isRetryable(error)) failures += 1
      let attempt: Effect.Effect<A, E> = Effect.fail(error)
      const again = Effect.tapError(statements, () => Effect.sync(() => failures += 1))
      const next = renewing(Effect.suspend(() => {
        const current = attempt
        attempt = again
        return current
      }))
      return Effect.flatMap(
        IsOnce,
        (isOnce) => isOnce ? Effect.fail(error) : Effect.retry(next, { schedule: retry, while: isRetryable })
      )
    })

  return {
    sql,
    bound,
    query: (operation, statements) => Effect.mapError(retrying(bound.statement(statements)), storeError(operation)),
    retrying,
    failures: () => failures,
    once: (statements) => Effect.provideService(statements, IsOnce, true),
    renewing,
    renew,
    on: (other) => makeWith(other, bound, retry)
  }
})

/** Runs the statements of a store on a client, until the scope closes. */
export const make = Effect.fnUntraced(function*(
  sql: PgClient,
  { retry = defaultRetry, timeout }: Options
): Effect.fn.Return<Statements, OpenError, Scope.Scope> {
  return yield* makeWith(sql, yield* Bound.make(sql, timeout), retry)
})
