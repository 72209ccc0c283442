import type { PgClient } from "@effect/sql-pg/PgClient"
import { gapRule as sources, type SqlFileError } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import type { Fragment } from "effect/sql/Statement"

/**
 * Which transactions may still fill a gap, and for how long that knowledge holds. The rule itself is written once, in
 * `eventfold/functions/gap_writers.sql` and `log_run.sql` of `@eventfold/sql`.
 */
export interface GapRule {
  /** A FROM item with the columns `transaction`, a virtual transaction id, and `pid`. */
  readonly writers: Fragment
  /** An expression whose value changes when nothing is known any more. */
  readonly run: Fragment
}

/** The rule as the functions of a database with the `eventfold` schema. */
export const installedGapRule = (sql: PgClient): GapRule => ({
  writers: sql`eventfold.gap_writers()`,
  run: sql`eventfold.log_run()`
})

/** The rule as the queries of these functions, for a Message DB without the `eventfold` schema. */
export const embeddedGapRule = (sql: PgClient): Effect.Effect<GapRule, SqlFileError> =>
  Effect.map(sources, ({ run, writers }) => ({
    writers: sql`(${sql.literal(writers)})`,
    run: sql`(${sql.literal(run)})`
  }))

/** The names of the transactions that may still fill a gap, as an array. */
export const writerNames = (sql: PgClient, { writers }: GapRule): Fragment =>
  sql`ARRAY(SELECT DISTINCT writers.transaction FROM ${writers} AS writers)`
