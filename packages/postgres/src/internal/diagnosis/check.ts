/**
 * A check of a database, and how its statements are run.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { errorText } from "../client/sqlError.ts"

/**
 * What is looked at:
 *
 * - `connection`: the server's version, the database, the user, and whether the connection is encrypted.
 * - `pooler`: whether the server's sessions are shared with others.
 * - `privileges`: what an application needs the user to be allowed.
 * - `search path`: whether others may put functions where names are looked up.
 * - `schema`: whether the schemas are there, and serve this library.
 * - `indexes`: whether all are there and valid, and reads use them.
 * - `autovacuum`: whether the table of messages has statistics and is looked after.
 * - `durability`: whether a commit survives a crash of the server.
 * - `transactions`: whether one is open for so long that it holds readers back.
 * - `clock`: whether the server's clock and that of this machine agree.
 * - `wake-ups`: whether an announcement of one session reaches another one.
 * - `leases`: whether of two programs one gets a lease.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CheckName = Schema.Literals([
  "connection",
  "pooler",
  "privileges",
  "search path",
  "schema",
  "indexes",
  "autovacuum",
  "durability",
  "transactions",
  "clock",
  "wake-ups",
  "leases"
])

/**
 * What a check has found: all is well; something to know about; something that is wrong; or it does not apply here.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CheckStatus = Schema.Literals(["ok", "notice", "problem", "skipped"])

/**
 * One check, what it has found, and what to do.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Check = Schema.Struct({
  check: CheckName,
  status: CheckStatus,
  /** What was found, in words. */
  detail: Schema.String,
  /** What to do; none when there is nothing to do. */
  remedy: Schema.OptionFromNullOr(Schema.String)
})

/**
 * One check, what it has found, and what to do.
 *
 * @category models
 * @since 0.1.0
 */
export type Check = typeof Check.Type

/** What a check finds, without its name. */
export interface Finding {
  readonly status: typeof CheckStatus.Type
  readonly detail: string
  readonly remedy?: string | undefined
}

export const ok = (detail: string): Finding => ({ status: "ok", detail })
export const notice = (detail: string, remedy: string): Finding => ({ status: "notice", detail, remedy })
export const problem = (detail: string, remedy: string): Finding => ({ status: "problem", detail, remedy })
export const skipped = (detail: string): Finding => ({ status: "skipped", detail })

/** The check of a name. Of several findings the worst one counts; when all is well, each says a part of it. */
export const check = (name: typeof CheckName.Type, findings: ReadonlyArray<Finding>): Check => {
  const worst =
    (["problem", "notice", "ok", "skipped"] as const).find((one) => findings.some(({ status }) => status === one)) ??
      "skipped"
  const told = findings.filter(({ status }) => status === worst)
  const remedies = told.flatMap(({ remedy }) => remedy === undefined ? [] : [remedy])
  return {
    check: name,
    status: worst,
    detail: told.map(({ detail }) => detail).join("; "),
    remedy: remedies.length === 0 ? Option.none() : Option.some([...new Set(remedies)].join("; "))
  }
}

/** A check whose statement fails has found something, too. */
export const orProblem = (remedy: string) =>
  Effect.catch((error: SqlError) => Effect.succeed<ReadonlyArray<Finding>>([problem(errorText(error), remedy)]))

/**
 * Runs statements that look, in a transaction that can't write, and in which a name means PostgreSQL's own object: what the search_path of
 * an administrator finds may be the work of another role.
 */
export const looking = <A>(sql: PgClient, statements: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  sql.withTransaction(Effect.andThen(
    sql`SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
      pg_catalog.set_config('transaction_read_only', 'on', true)`,
    statements
  ))
