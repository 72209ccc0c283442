/**
 * How the statements of a store are run: each bounded, and again when they fail for a reason that passes.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { type BackendMetrics, makeMetrics, parseExactJson, parseJson } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import type { OpenError } from "../../OpenError.ts"
import * as Bound from "./bound.ts"
import type { Log } from "./log.ts"
import * as OwnClient from "./ownClient.ts"
import * as ReadOnlySessions from "./readOnlySessions.ts"
import { isOfReadOnlySession, isTooLong, isWorthRepeating, storeError } from "./sqlError.ts"

/** How the statements of a store are run. */
export interface Options {
  readonly log: Log
  /** How long failures that pass are retried. Defaults to {@link defaultRetry}. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** Whether numbers of data and metadata that a JavaScript number would change are read as texts. Defaults to false. */
  readonly exactNumbers?: boolean | undefined
  /** How long one statement may take. Defaults to that of `bound.ts`. */
  readonly timeout?: Duration.Input | undefined
}

/** Runs the statements of a store on its own client. */
export interface Statements extends Bound.Bounded {
  /** The client of the application, for its handlers. It has the connections and transactions of the store's. */
  readonly application: PgClient
  /** Parses the data and the metadata of messages. */
  readonly parseJson: (text: string) => Schema.Json
  readonly metrics: BackendMetrics
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
  /** The same on another client, which is a store's own. */
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

/** PostgreSQL as OpenTelemetry calls it. */
export const systemName = "postgresql"

/** Whether statements are in a transaction of the caller, which does not survive what could be retried. */
const IsOnce = Context.Reference<boolean>("@eventfold/postgres/IsOnce", { defaultValue: () => false })

const isErrorWorthRepeating = (error: unknown): boolean => isSqlError(error) && isWorthRepeating(error)

/** The type of an error in metrics. */
const typeOf = (error: unknown): string =>
  isSqlError(error) ? error.reason._tag : Predicate.hasProperty(error, "_tag") ? String(error._tag) : "_OTHER"

/**
 * How often a statement is repeated whose connection has got a message too long for the client. On a connection with several
 * statements in flight it may be that of another one.
 */
const maxTooLong = 3

const makeWith = Effect.fnUntraced(function*(
  application: PgClient,
  sql: PgClient,
  bound: Bound.Bound,
  retry: Schedule.Schedule<unknown>,
  parse: (text: string) => Schema.Json,
  metrics: BackendMetrics
): Effect.fn.Return<Statements, never, Scope.Scope> {
  const renew = yield* ReadOnlySessions.make(sql)

  const renewing: Statements["renewing"] = Effect.tapError((error) => isOfReadOnlySession(error) ? renew : Effect.void)

  let failures = 0
  const retrying: Statements["retrying"] = <A, E>(
    statements: Effect.Effect<A, E>,
    isRetryable: (error: E) => boolean = isErrorWorthRepeating
  ): Effect.Effect<A, E> =>
    Effect.catch(statements, (error) => {
      let left = sql.config.multiplex === true ? maxTooLong : 0
      const isToRepeat = (error: E): boolean =>
        isRetryable(error) || (isSqlError(error) && isTooLong(error) && left-- > 0)
      if (isRetryable(error)) failures += 1
      let last = error
      let attempt: Effect.Effect<A, E> = Effect.fail(error)
      const statementsAgain = Effect.tapError(statements, (error) =>
        Effect.sync(() => {
          failures += 1
          last = error
        }))
      const again = Effect.suspend(() => {
        metrics.retried(typeOf(last))
        return statementsAgain
      })
      const next = renewing(Effect.suspend(() => {
        const current = attempt
        attempt = again
        return current
      }))
      return Effect.flatMap(
        IsOnce,
        (isOnce) => isOnce ? Effect.fail(error) : Effect.retry(next, { schedule: retry, while: isToRepeat })
      )
    })

  return {
    application,
    sql,
    bound,
    parseJson: parse,
    metrics,
    query: (operation, statements) => Effect.mapError(retrying(bound.statement(statements)), storeError(operation)),
    retrying,
    failures: () => failures,
    once: (statements) => Effect.provideService(statements, IsOnce, true),
    renewing,
    renew,
    on: (other) => makeWith(application, other, bound, retry, parse, metrics)
  }
})

/** Runs the statements of a store on the client of an application, until the scope closes. */
export const make = Effect.fnUntraced(function*(
  application: PgClient,
  { exactNumbers = false, log, retry = defaultRetry, timeout }: Options
): Effect.fn.Return<Statements, OpenError, Scope.Scope> {
  yield* OwnClient.check(application)
  const sql = OwnClient.of(application, log)
  const bound = yield* Bound.make(sql, timeout)
  const metrics = yield* makeMetrics(systemName)
  return yield* makeWith(application, sql, bound, retry, exactNumbers ? parseExactJson : parseJson, metrics)
})
