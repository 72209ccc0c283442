/** What the server shows of the transactions of other sessions, for people who have to find them. */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type { Fragment } from "effect/sql/Statement"
import type { Writer } from "eventfold/HeldBack"

/** The columns of {@link shownColumns}. */
export interface ShownRow {
  readonly pid: number | null
  readonly gid: string | null
  readonly state: string | null
  readonly since: Date | null
  readonly age: number | null
  readonly application_name: string | null
  readonly user: string | null
  readonly client_address: string | null
  readonly query: string | null
}

/** What is shown of the transactions of `writers`, after {@link shownJoins}. */
export const shownColumns = (sql: PgClient): Fragment =>
  sql`writers.pid,
    prepared.gid,
    CASE WHEN writers.pid IS NULL THEN 'prepared' ELSE activity.state END AS state,
    coalesce(activity.xact_start, prepared.prepared) AS since,
    extract(epoch FROM clock_timestamp() - coalesce(activity.xact_start, prepared.prepared))::float8 AS age,
    activity.application_name,
    coalesce(activity.usename, prepared.owner)::text AS user,
    host(activity.client_addr) AS client_address,
    activity.query`

/** Joins to a FROM item `writers`, with the columns `transaction` (a virtual transaction id) and `pid`, what is shown of each. */
export const shownJoins = (sql: PgClient): Fragment =>
  sql`LEFT JOIN pg_stat_activity AS activity ON activity.pid = writers.pid
    LEFT JOIN LATERAL (
      SELECT xacts.*
      FROM pg_locks AS own
      JOIN pg_prepared_xacts AS xacts ON xacts.transaction = own.transactionid
      WHERE writers.pid IS NULL AND own.virtualtransaction = writers.transaction
      LIMIT 1
    ) AS prepared ON true`

/** What the server shows in place of a statement that the role may not see. */
const hidden = "<insufficient privilege>"

export const shown = (row: ShownRow): Writer => ({
  pid: row.pid ?? undefined,
  preparedAs: row.gid ?? undefined,
  state: row.state ?? undefined,
  since: row.since === null ? undefined : DateTime.fromDateUnsafe(row.since),
  age: row.age === null ? undefined : Duration.millis(Math.round(row.age * 1000)),
  applicationName: row.application_name ?? undefined,
  user: row.user ?? undefined,
  clientAddress: row.client_address ?? undefined,
  query: row.query === null || row.query === hidden ? undefined : row.query
})
