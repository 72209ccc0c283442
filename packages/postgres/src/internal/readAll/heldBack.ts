import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HeldBack } from "eventfold/HeldBack"
import { StoreError } from "eventfold/StoreError"
import type { Statements } from "../client/statements.ts"
import { safePosition } from "../client/wireValues.ts"
import { type Known, type Look, mayWrite } from "./finality.ts"
import { type GapRule, writerNames } from "./gapRule.ts"

/** A replica shows no locks of the primary's transactions. `eventfold.read_all` fails with the same text. */
export const onReplica = ({ renew }: Statements, operation: string): Effect.Effect<never, StoreError> =>
  Effect.andThen(
    renew,
    Effect.fail(
      new StoreError({
        operation,
        reason: "a replica does not see the transactions that may still fill a gap: read everything on the primary",
        isRetryable: true
      })
    )
  )

interface LookRow {
  readonly last: bigint
  readonly writers: ReadonlyArray<string>
  readonly run: string
  readonly replica: boolean
}

/** Looks at the last message, and then at the transactions that may write below it. */
export const lookAtWriters = (statements: Statements, rule: GapRule): Effect.Effect<Look, StoreError> =>
  Effect.gen(function*() {
    const { query, sql } = statements
    const rows = sql<LookRow>`SELECT
      coalesce((SELECT max(global_position) FROM message_store.messages), 0) AS last,
      ${writerNames(sql, rule)} AS writers,
      ${rule.run} AS run,
      pg_is_in_recovery() AS replica`
    const [row] = yield* query("heldBack", rows)
    if (row === undefined) return yield* Effect.die(new Error("looking at the writers gave no row"))
    if (row.replica) return yield* onReplica(statements, "heldBack")
    return { last: yield* safePosition(row.last), writers: row.writers, run: row.run }
  })

/** The first position without a message, and one of the transactions that may write it; null when none may. */
interface WriterRow {
  readonly position: bigint
  readonly writer: string | null
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

/** What the server shows in place of a statement that the role may not see. */
const hidden = "<insufficient privilege>"

const toWriter = (row: WriterRow) => ({
  pid: row.pid ?? undefined,
  preparedAs: row.gid ?? undefined,
  state: row.state ?? undefined,
  since: row.since === null ? undefined : DateTime.fromDateUnsafe(row.since),
  age: row.age === null ? undefined : Duration.seconds(row.age),
  applicationName: row.application_name ?? undefined,
  user: row.user ?? undefined,
  clientAddress: row.client_address ?? undefined,
  query: row.query === null || row.query === hidden ? undefined : row.query
})

/**
 * The first gap after a position and the transactions that may fill it; none when there is no gap before the last
 * message.
 */
export const diagnose = (
  { query, sql }: Statements,
  rule: GapRule,
  after: number,
  known: Known
): Effect.Effect<Option.Option<HeldBack>, StoreError> => {
  const rows = sql<WriterRow>`SELECT
      gap.position,
      writers.transaction AS writer,
      writers.pid,
      prepared.gid,
      CASE WHEN writers.pid IS NULL THEN 'prepared' ELSE activity.state END AS state,
      coalesce(activity.xact_start, prepared.prepared) AS since,
      extract(epoch FROM clock_timestamp() - coalesce(activity.xact_start, prepared.prepared))::float8 AS age,
      activity.application_name,
      coalesce(activity.usename, prepared.owner)::text AS user,
      host(activity.client_addr) AS client_address,
      activity.query
    FROM (
      SELECT ${BigInt(after)} + later.ordinal AS position
      FROM (
        SELECT global_position, row_number() OVER (ORDER BY global_position) AS ordinal
        FROM message_store.messages
        WHERE global_position > ${BigInt(after)}
      ) AS later
      WHERE later.global_position <> ${BigInt(after)} + later.ordinal
      ORDER BY later.global_position
      LIMIT 1
    ) AS gap
    LEFT JOIN ${rule.writers} AS writers ON true
    LEFT JOIN pg_stat_activity AS activity ON activity.pid = writers.pid
    LEFT JOIN LATERAL (
      SELECT xacts.*
      FROM pg_locks AS own
      JOIN pg_prepared_xacts AS xacts ON xacts.transaction = own.transactionid
      WHERE writers.pid IS NULL AND own.virtualtransaction = writers.transaction
      LIMIT 1
    ) AS prepared ON true`.unprepared

  return Effect.flatMap(query("heldBack", rows), ([first, ...others]) => {
    if (first === undefined) return Effect.succeedNone
    return Effect.map(safePosition(first.position), (position) => {
      const isSuspect = mayWrite(known, position)
      const suspects = [first, ...others].filter(({ writer }) => writer !== null && isSuspect(writer))
      return Option.some({ position, writers: suspects.map(toWriter) })
    })
  })
}
