import type { PgClient } from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Fragment } from "effect/sql/Statement"
import type { HeldBack } from "eventfold/HeldBack"
import { StoreError } from "eventfold/StoreError"
import { safePosition } from "../client/messageRows.ts"
import { storeError } from "../client/sqlError.ts"
import { retrying } from "../store/reads.ts"
import { type Known, type Look, mayWrite } from "./finality.ts"

/**
 * The transactions of others that have taken global positions and not ended, from `pg_locks`: see `eventfold.read_all`,
 * which has the same conditions.
 */
const isWriter = (sql: PgClient): Fragment =>
  sql`locks.locktype = 'relation'
    AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND locks.relation = coalesce(
      pg_get_serial_sequence('message_store.messages', 'global_position'), 'message_store.messages'
    )::regclass
    AND locks.mode = 'RowExclusiveLock'
    AND locks.granted
    AND locks.pid IS DISTINCT FROM pg_backend_pid()`

/** Their names. Locks are seen as they are when they are asked for, whatever snapshot the statement has. */
export const writers = (sql: PgClient): Fragment =>
  sql`ARRAY(SELECT DISTINCT locks.virtualtransaction FROM pg_locks AS locks WHERE ${isWriter(sql)})`

/** Changes when nothing is known any more; as in `eventfold.read_all`. */
export const run = (sql: PgClient): Fragment =>
  sql`concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), pg_relation_filepath('message_store.messages'))`

/** What `eventfold.read_all` says of it. */
export const onReplica = (operation: string): StoreError =>
  new StoreError({
    operation,
    reason: "a replica does not know who may still fill a gap: read everything on the primary",
    isRetryable: false
  })

interface LookRow {
  readonly last: bigint
  readonly writers: ReadonlyArray<string>
  readonly run: string
  readonly replica: boolean
}

/** A look at the last message, and then at who may write below it. */
export const lookAtWriters = (sql: PgClient): Effect.Effect<Look, StoreError> =>
  Effect.gen(function*() {
    const rows = sql<LookRow>`SELECT
      coalesce((SELECT max(global_position) FROM message_store.messages), 0) AS last,
      ${writers(sql)} AS writers,
      ${run(sql)} AS run,
      pg_is_in_recovery() AS replica`
    const [row] = yield* Effect.mapError(retrying(rows), storeError("heldBack"))
    if (row === undefined) return yield* Effect.die(new Error("a look gave no row"))
    if (row.replica) return yield* onReplica("heldBack")
    return { last: yield* safePosition(row.last), writers: row.writers, run: row.run }
  })

/** The first position without a message, and one of those who may write it; null when nobody may. */
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

/** What the server says in the place of a statement that the role may not see. */
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

/** What is in the first gap after a position, and who may fill it; none when there is no gap before the last message. */
export const diagnose = (
  sql: PgClient,
  after: number,
  known: Known
): Effect.Effect<Option.Option<HeldBack>, StoreError> => {
  const rows = sql<WriterRow>`SELECT
      gap.position,
      locks.virtualtransaction AS writer,
      locks.pid,
      prepared.gid,
      CASE WHEN locks.pid IS NULL THEN 'prepared' ELSE activity.state END AS state,
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
    LEFT JOIN pg_locks AS locks ON ${isWriter(sql)}
    LEFT JOIN pg_stat_activity AS activity ON activity.pid = locks.pid
    LEFT JOIN LATERAL (
      SELECT xacts.*
      FROM pg_locks AS own
      JOIN pg_prepared_xacts AS xacts ON xacts.transaction = own.transactionid
      WHERE locks.pid IS NULL AND own.virtualtransaction = locks.virtualtransaction
      LIMIT 1
    ) AS prepared ON true`.unprepared

  return retrying(rows).pipe(
    Effect.mapError(storeError("heldBack")),
    Effect.flatMap(([first, ...others]) => {
      if (first === undefined) return Effect.succeedNone
      return Effect.map(safePosition(first.position), (position) => {
        const isSuspect = mayWrite(known, position)
        const suspects = [first, ...others].filter(({ writer }) => writer !== null && isSuspect(writer))
        return Option.some({ position, writers: suspects.map(toWriter) })
      })
    })
  )
}
