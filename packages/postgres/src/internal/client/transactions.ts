import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { BeginTransaction } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Transactions } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import { hasOneConnection } from "./connections.ts"
import { storeError } from "./sqlError.ts"

/** Whether the caller is in a transaction on this client. */
export const isInTransaction = (sql: PgClient): Effect.Effect<boolean> =>
  Effect.map(Effect.serviceOption(sql.transactionService), Option.isSome)

/** Runs statements on a connection of their own, outside of the caller's transaction. */
export const outsideTransaction = (sql: PgClient) => <A, E>(statements: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.updateContext(
    statements,
    (context: Context.Context<never>) => Context.omit(sql.transactionService)(context)
  )

/**
 * Runs a write as a transaction of its own, even if its caller is in one on the same client: the write may be committed
 * together with others, and is sent again when its outcome is unknown. Fails on a client with a single connection,
 * where the write would wait for ever for the connection that the caller's transaction holds.
 */
export const independently = (sql: PgClient) => {
  const outside = outsideTransaction(sql)
  const isRefused = hasOneConnection(sql)
  return <A, E>(operation: string, write: Effect.Effect<A, E>): Effect.Effect<A, E | StoreError> =>
    Effect.contextWith((context: Context.Context<never>): Effect.Effect<A, E | StoreError> => {
      if (Option.isNone(Context.getOption(context, sql.transactionService))) return write
      if (isRefused) {
        const reason =
          "a transaction of the caller holds the client's only connection, and the write needs one of its " +
          "own: write outside of the transaction, or give the client more connections"
        return Effect.fail(new StoreError({ operation, reason, isRetryable: false }))
      }
      return outside(write)
    })
}

/** The transactions of the application on this client. */
export const transactions = (sql: PgClient): Transactions => ({
  isActive: isInTransaction(sql),
  run: inTransaction(sql, "transaction"),
  afterCommit: sql.afterCommit
})

/** Marks a failure of the work itself, to tell it from a failure of the transaction around it. */
class WorkFailed<E> extends Data.Error<{ readonly error: E }> {}

/** The server gave up the transaction because of other transactions; the same one may succeed next time. */
const isCollision = (error: unknown): error is SqlError =>
  isSqlError(error) && (error.reason._tag === "DeadlockError" || error.reason._tag === "SerializationError")

/**
 * Runs work in a transaction, or in a savepoint of the caller's transaction. What the work fails with comes out as it
 * is. A failure of the transaction is a `StoreError`, and so is a transaction that the server has ended: with its
 * connection, or because of a collision with another one.
 *
 * The isolation level is READ COMMITTED, whatever the database's default is: a statement that waited for a row which
 * another transaction changed has to see the change.
 */
export const inTransaction =
  (sql: PgClient, operation: string) => <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R> =>
    Effect.flatMap(BeginTransaction, (begin) =>
      Effect.suspend(() => {
        let workExit: Exit.Exit<A, E> | undefined
        const body = work.pipe(
          Effect.provideService(BeginTransaction, begin),
          Effect.onExit((exit) => Effect.sync(() => workExit = exit)),
          Effect.mapError((error) => new WorkFailed({ error }))
        )
        const isDefectOfWork = (defect: unknown) =>
          workExit?._tag === "Failure" &&
          workExit.cause.reasons.some((reason) => reason._tag === "Die" && reason.defect === defect)

        return sql.withTransaction(body).pipe(
          Effect.provideService(BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"),
          Effect.mapError((error) => {
            if (!(error instanceof WorkFailed)) return storeError(operation)(error)
            return isCollision(error.error) ? storeError(operation)(error.error) : error.error
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
