import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { BeginTransaction, type TransactionConnection } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { StoreError } from "eventfold/StoreError"
import type { Bounded } from "./bound.ts"
import { isStaleStatement, storeError } from "./sqlError.ts"

/** Whether the caller is in a transaction on this client. */
export const isInTransaction = (sql: PgClient): Effect.Effect<boolean> =>
  Effect.map(Effect.serviceOption(sql.transactionService), Option.isSome)

/** Runs statements on a connection of their own, outside of the caller's transaction. */
export const outsideTransaction = (sql: PgClient) => <A, E>(statements: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.updateContext(
    statements,
    (context: Context.Context<never>) => Context.omit(sql.transactionService)(context)
  )

/** The transaction of the calling fiber on a client: its connection, and how many savepoints deep. */
export type Level = TransactionConnection.Service

export const levelOf = (sql: PgClient, context: Context.Context<never>): Level | undefined =>
  Context.getOrUndefined(context, sql.transactionService)

/** By connection, which is another object for each transaction: why the server has given it up. It must not commit. */
const givenUp = new WeakMap<Level[0], StoreError>()

/** Marks a failure of the work itself, to tell it from a failure of the transaction around it. */
class WorkFailed<E> extends Data.Error<{ readonly error: E }> {}

/** Runs statements in the caller's transaction, unless that can no longer commit. */
const unlessGivenUp = <A, E, R>(
  sql: PgClient,
  statements: Effect.Effect<A, E, R>
): Effect.Effect<A, E | StoreError, R> =>
  Effect.contextWith((context: Context.Context<R>): Effect.Effect<A, E | StoreError, R> => {
    const level = levelOf(sql, context)
    const error = level === undefined ? undefined : givenUp.get(level[0])
    return error === undefined ? statements : Effect.fail(error)
  })

/**
 * The server gave up the transaction because of other transactions, or of a statement that a session has prepared before a table was
 * changed; the same one may succeed next time.
 */
const isNoFaultOfWork = (error: unknown): error is SqlError =>
  isSqlError(error) &&
  (error.reason._tag === "DeadlockError" || error.reason._tag === "SerializationError" || isStaleStatement(error))

/**
 * Runs work in a transaction, or in a savepoint of the caller's transaction. What the work fails with comes out as it
 * is. A failure of the transaction is a `StoreError`, and so is a transaction that the server has ended: with its
 * connection, because of a collision with another one, or over a prepared statement whose table has changed.
 *
 * The isolation level is READ COMMITTED, whatever the database's default is: a statement that waited for a row which
 * another transaction changed has to see the change.
 *
 * Each statement is bounded. When the server does not answer one, the transaction fails and its connection is dropped.
 */
export const inTransaction =
  ({ bound, sql }: Bounded, operation: string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R> =>
    Effect.flatMap(BeginTransaction, (begin) =>
      Effect.suspend(() => {
        let workExit: Exit.Exit<A, E> | undefined
        const body = work.pipe(
          Effect.provideService(BeginTransaction, begin),
          Effect.onExit((exit) => Effect.sync(() => workExit = exit)),
          Effect.flatMap((result) => unlessGivenUp(sql, Effect.succeed(result))),
          Effect.mapError((error) => new WorkFailed({ error }))
        )
        const isDefectOfWork = (defect: unknown) =>
          workExit?._tag === "Failure" &&
          workExit.cause.reasons.some((reason) => reason._tag === "Die" && reason.defect === defect)

        return sql.withTransaction(body).pipe(
          bound.transaction(sql),
          Effect.provideService(BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"),
          Effect.mapError((error) => {
            if (!(error instanceof WorkFailed)) return storeError(operation)(error)
            return isNoFaultOfWork(error.error) ? storeError(operation)(error.error) : error.error
          }),
          // The client reports a failed rollback as a defect. A rollback fails when the connection is lost.
          Effect.catchCause((cause): Effect.Effect<never, E | StoreError> => {
            const lost = cause.reasons.find((reason) =>
              reason._tag === "Die" && isSqlError(reason.defect) && !isDefectOfWork(reason.defect)
            )
            if (lost?._tag !== "Die" || !isSqlError(lost.defect)) return Effect.failCause(cause)
            return workExit?._tag === "Failure" && Cause.hasInterrupts(workExit.cause)
              ? Effect.failCause(workExit.cause)
              : Effect.fail(storeError(operation)(lost.defect))
          })
        )
      }))

/** Keeps the caller's transaction from committing. */
const giveUp = (sql: PgClient, level: Level, error: StoreError): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (givenUp.has(level[0])) return Effect.void
    givenUp.set(level[0], error)
    return Effect.ignore(sql`DO $$BEGIN RAISE 'an append has failed in this transaction'; END$$`.unprepared)
  })

const interrupted = (operation: string) =>
  new StoreError({
    operation,
    reason: "it was interrupted in a transaction, which can't commit now",
    isRetryable: true
  })

/**
 * Runs work in a savepoint of the caller's transaction, once and when no other fiber of the transaction is in one. What is
 * refused comes out of the work as a value, or as an error that is not of the server: the transaction stays usable.
 *
 * What fails the work on the server, or interrupts it, fails the transaction. The rollback to the savepoint also undoes what
 * other fibers have written meanwhile, so an error in the transaction keeps it from committing without that. Says so when the
 * transaction has ended: a fiber may outlive the one that it was forked in.
 */
export const inSavepoint =
  (bounded: Bounded, operation: string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R> =>
    Effect.contextWith((context: Context.Context<R>) => {
      const { bound, sql } = bounded
      const level = levelOf(sql, context)
      if (level === undefined) return inTransaction(bounded, operation)(work)
      let hasBegun = false
      const begun = Effect.suspend(() => {
        hasBegun = true
        return work
      })
      return unlessGivenUp(sql, inTransaction(bounded, operation)(begun)).pipe(
        Effect.onInterrupt(() => hasBegun ? giveUp(sql, level, interrupted(operation)) : Effect.void),
        Effect.tapError((error) => {
          if (!(error instanceof StoreError) || !isSqlError(error.cause)) return Effect.void
          return Effect.andThen(
            giveUp(sql, level, error),
            Effect.catchCause(sql.afterCommit(Effect.void), () => Effect.fail(hasEnded(operation, error)))
          )
        }),
        bound.savepoint(sql)
      )
    })

const hasEnded = (operation: string, { cause }: StoreError) =>
  new StoreError({
    operation,
    reason:
      "the transaction that the fiber was forked in has ended, and whether it has taken this write along is unknown: " +
      "join the fiber before the transaction ends, or fork it outside of the transaction",
    isRetryable: false,
    cause
  })

/**
 * Fails in a transaction of the caller that does not see what others have committed since it began: a version would be
 * compared with an old one.
 */
export const oldSnapshot = (sql: PgClient, operation: string): Effect.Effect<never, StoreError> =>
  Effect.flatMap(
    Effect.mapError(isolation(sql), storeError(operation)),
    (level) =>
      Effect.fail(
        new StoreError({
          operation,
          reason:
            `the caller's transaction has the isolation level ${level.toUpperCase()}, so the expected version would ` +
            "be compared with an old one: begin the transaction with READ COMMITTED, as MessageStore.transaction does, or " +
            "write with MessageStore.independently",
          isRetryable: false
        })
      )
  )

/** The isolation level of the caller's transaction, in lower case. */
const isolation = (sql: PgClient): Effect.Effect<string, SqlError> =>
  Effect.map(
    sql<{ readonly isolation: string }>`SELECT current_setting('transaction_isolation') AS isolation`,
    ([row]) => row?.isolation ?? "unknown"
  )

/** Fails in a transaction of the caller in which {@link oldSnapshot} holds. */
export const requireFreshSnapshot = (sql: PgClient, operation: string): Effect.Effect<void, StoreError | SqlError> =>
  Effect.flatMap(isolation(sql), (level) => level.startsWith("read") ? Effect.void : oldSnapshot(sql, operation))
