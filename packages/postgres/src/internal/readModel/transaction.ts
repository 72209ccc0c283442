import { PgClient } from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { BeginTransaction, SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { StoreError } from "eventfold/StoreError"
import { storeError } from "../client/sqlError.ts"

/** What is wrong with the work, not with the transaction around it. */
class OfWork<E> extends Data.Error<{ readonly error: E }> {}

/** The server has given up the transaction because of others, and the same one may succeed next time. */
const isCollision = (error: unknown): error is SqlError =>
  isSqlError(error) && (error.reason._tag === "DeadlockError" || error.reason._tag === "SerializationError")

/**
 * Runs work in a transaction, or in a savepoint of the one that its caller is in. What it fails with comes out as it is; what
 * fails around it is a `StoreError`, and so is a transaction that the server has ended under it: with its connection, or
 * because it was in others' way.
 *
 * Its statements see what others have committed before each of them, however the database is set up: who waits for a row
 * that another has changed has to see the change.
 */
export const inTransaction =
  (sql: PgClient, operation: string) => <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R> =>
    Effect.flatMap(BeginTransaction, (begin) =>
      Effect.suspend(() => {
        let ended: Exit.Exit<A, E> | undefined
        const body = work.pipe(
          Effect.provideService(BeginTransaction, begin),
          Effect.onExit((exit) => Effect.sync(() => ended = exit)),
          Effect.mapError((error) => new OfWork({ error }))
        )
        const isOfWork = (defect: unknown) =>
          ended?._tag === "Failure" &&
          ended.cause.reasons.some((reason) => reason._tag === "Die" && reason.defect === defect)

        return sql.withTransaction(body).pipe(
          Effect.provideService(BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"),
          Effect.mapError((error) => {
            if (!(error instanceof OfWork)) return storeError(operation)(error)
            return isCollision(error.error) ? storeError(operation)(error.error) : error.error
          }),
          // A rollback that fails is a defect: it does when there is no connection any more.
          Effect.catchCause((cause): Effect.Effect<never, E | StoreError> => {
            const lost = cause.reasons.find((reason) =>
              reason._tag === "Die" && isSqlError(reason.defect) && !isOfWork(reason.defect)
            )
            if (lost?._tag !== "Die" || !isSqlError(lost.defect)) return Effect.failCause(cause)
            return ended?._tag === "Failure" && Cause.hasInterrupts(ended.cause)
              ? Effect.failCause(ended.cause)
              : Effect.fail(storeError(operation)(lost.defect))
          })
        )
      }))

/** Handlers use the client of the read models, whatever other one the application has. */
export const withClient = (sql: PgClient) => {
  const clients = Context.make(PgClient, sql).pipe(Context.add(SqlClient, sql))
  return <A, E, R>(handle: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, PgClient | SqlClient>> =>
    Effect.provideContext(handle, clients)
}
