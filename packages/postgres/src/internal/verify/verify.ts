import type { PgClient } from "@effect/sql-pg/PgClient"
import { verifyFiles } from "@eventfold/sql"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { StoreError } from "eventfold/StoreError"
import type { Finding, VerifyBackend } from "eventfold/Verify"
import { storeError } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { levelOf } from "../client/transactions.ts"
import * as Catalog from "./catalog.ts"
import * as Messages from "./messages.ts"

/**
 * The settings of the transaction. No name may mean an object of another role; a large table takes longer than a bound for statements
 * allows; and a sort in this memory is several times as fast as one in the default of four megabytes.
 */
const begin = (sql: PgClient) =>
  sql`SELECT
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
    pg_catalog.set_config('statement_timeout', '0', true),
    pg_catalog.set_config('work_mem', '64MB', true)`.unprepared

/**
 * Looks at everything in one snapshot, on a connection of its own. No bound on the client's side ends a statement: a large table takes
 * its time. The client's keep-alive ends it when the server has gone.
 */
export const make = ({ sql }: Statements, made: Catalog.Made): VerifyBackend => {
  const inSnapshot = (stream: Stream.Stream<Finding, SqlError>): Stream.Stream<Finding, SqlError> =>
    Stream.unwrap(Effect.gen(function*() {
      const connection = yield* sql.reserve
      const run = <A>(statement: Effect.Effect<A, SqlError>) =>
        Effect.provideService(statement, sql.transactionService, [connection, 0])
      yield* Effect.acquireRelease(
        run(sql`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`.unprepared),
        // The end of a connection that was lost has rolled back.
        () => Effect.ignore(run(sql`ROLLBACK`.unprepared))
      )
      yield* run(begin(sql))
      return Stream.provideService(stream, sql.transactionService, [connection, 0])
    }))

  /** In a transaction of the caller, the wait for another connection might not end. */
  const outside = Effect.contextWith((context: Context.Context<never>) =>
    levelOf(sql, context) === undefined ? Effect.void : Effect.fail(
      new StoreError({
        operation: "verify",
        reason: "it takes a snapshot of its own: run it outside of the caller's transaction",
        isRetryable: false
      })
    )
  )

  const files = Effect.mapError(
    verifyFiles,
    (error) => new StoreError({ operation: "verify", reason: error.message, isRetryable: false, cause: error })
  )

  return {
    findings: (verified) =>
      Stream.unwrap(Effect.gen(function*() {
        yield* outside
        const read = yield* files
        const all = Stream.fromArrayEffect(Catalog.findings(sql, made, read)).pipe(
          Stream.concat(Stream.fromArrayEffect(Messages.sequence(sql))),
          Stream.concat(Messages.ids(sql)),
          Stream.concat(Messages.positions(sql)),
          Stream.concat(Messages.contents(sql, verified))
        )
        return Stream.mapError(inSnapshot(all), storeError("verify"))
      }))
  }
}
