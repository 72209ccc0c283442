import type { PgClient } from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Fragment } from "effect/sql/Statement"
import type { Build, BuildState, Checkpoint } from "eventfold/ReadModelStore"
import type { StoreError } from "eventfold/StoreError"
import { logOf } from "../client/log.ts"
import { safePosition } from "../client/wireValues.ts"

/** A row of `eventfold.read_models`. */
export interface BuildRow {
  readonly read_model: string
  readonly number: number
  readonly version: number
  readonly fingerprint: string
  readonly state: BuildState
  readonly position: bigint
  readonly last_position: bigint | null
  readonly last_id: string | null
  readonly store_system: string | null
  readonly store_database: string | null
  readonly store_database_name: string | null
  readonly store_timeline: number | null
  readonly history: bigint
  readonly created_at: Date
}

export const buildOf = Effect.fnUntraced(function*(row: BuildRow): Effect.fn.Return<Build, StoreError> {
  const last = row.last_position === null || row.last_id === null
    ? Option.none()
    : Option.some({ globalPosition: yield* safePosition(row.last_position), id: row.last_id })
  return {
    readModel: row.read_model,
    number: row.number,
    version: row.version,
    fingerprint: row.fingerprint,
    state: row.state,
    checkpoint: {
      position: yield* safePosition(row.position),
      last,
      store: {
        system: row.store_system ?? undefined,
        database: row.store_database ?? undefined,
        databaseName: row.store_database_name ?? undefined,
        timeline: row.store_timeline ?? undefined
      },
      history: yield* safePosition(row.history)
    },
    createdAt: DateTime.fromDateUnsafe(row.created_at)
  }
})

/** The schema with the tables of a build. */
export const schemaOf = (
  sql: PgClient,
  { number, readModel, state }: Pick<Build, "number" | "readModel" | "state">
): string => logOf(sql).schemaIn(state === "live" ? readModel : `${readModel}_${number}`)

const lastOf = ({ last }: Checkpoint) => Option.getOrUndefined(last)

/** The values of a checkpoint's columns, in the order of {@link checkpointColumns}. */
export const checkpointValues = (sql: PgClient, checkpoint: Checkpoint): Fragment => {
  const { history, position, store } = checkpoint
  const last = lastOf(checkpoint)
  return sql`${BigInt(position)}::bigint, ${last === undefined ? null : BigInt(last.globalPosition)}::bigint,
    ${last?.id ?? null}::text, ${store.system ?? null}::text, ${store.database ?? null}::text,
    ${store.databaseName ?? null}::text, ${store.timeline ?? null}::integer,
    ${BigInt(history)}::bigint`
}

export const checkpointColumns = (sql: PgClient): Fragment =>
  sql`position, last_position, last_id, store_system, store_database, store_database_name, store_timeline, history`

/** Matches the row of a build, filled by the same definition and in the same state. */
export const isBuild = (sql: PgClient, build: Build): Fragment =>
  sql`read_model = ${build.readModel} AND number = ${build.number} AND version = ${build.version}
    AND fingerprint = ${build.fingerprint} AND state = ${build.state}`

/** Whether two reads of a build found the same definition, state and checkpoint. */
export const isUnchanged = (a: Build, b: Build): boolean =>
  a.version === b.version && a.fingerprint === b.fingerprint && a.state === b.state &&
  a.checkpoint.position === b.checkpoint.position &&
  lastOf(a.checkpoint)?.globalPosition === lastOf(b.checkpoint)?.globalPosition &&
  lastOf(a.checkpoint)?.id === lastOf(b.checkpoint)?.id

/** Matches a row whose checkpoint is exactly the build's. */
export const isAtCheckpoint = (sql: PgClient, { checkpoint }: Build): Fragment => {
  const last = lastOf(checkpoint)
  return sql`position = ${BigInt(checkpoint.position)}
    AND last_position IS NOT DISTINCT FROM ${last === undefined ? null : BigInt(last.globalPosition)}::bigint
    AND last_id IS NOT DISTINCT FROM ${last?.id ?? null}::text`
}
