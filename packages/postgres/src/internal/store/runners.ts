import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Run, type Runner } from "eventfold/Runners"
import type { RunnersBackend } from "eventfold/StoreBackend"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import type { Places } from "../client/independence.ts"
import { isUnloggedOnStandby, storeError } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"

interface Row {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly started_at: Date
  readonly told_at: Date
  readonly is_stale: boolean
  readonly runs: string
}

/** The error of a schema shows the value, which may be long. */
const shownError = 500

const decodeRuns = Schema.decodeUnknownEffect(Schema.toCodecJson(Schema.Array(Run)))

/** The rows of programs, in `eventfold.runners`. */
export const make = ({ bound, parseJson, retrying, sql }: Statements, places: Places): RunnersBackend => {
  /** A program of another version, which may be gone for long, does not hide the others. */
  const runnerOf = ({ host, id, is_stale: isStale, pid, runs, started_at, told_at }: Row) =>
    decodeRuns(parseJson(runs)).pipe(
      Effect.map((runs): ReadonlyArray<Runner> => [{
        id,
        host,
        pid,
        startedAt: DateTime.fromDateUnsafe(started_at),
        toldAt: DateTime.fromDateUnsafe(told_at),
        isStale,
        runs
      }]),
      Effect.catch(({ message }) =>
        Effect.as(
          Effect.logWarning("a program has told what this version of eventfold can't read", {
            host,
            pid,
            error: message.slice(0, shownError)
          }),
          []
        )
      )
    )

  const rows = bound.statement(
    sql<Row>`SELECT id, host, pid, started_at, told_at,
        told_at < clock_timestamp() - interval '30 seconds' AS is_stale, runs::text
      FROM eventfold.runners ORDER BY started_at, id`.unprepared
  )

  const id = randomUUID()
  const host = hostname()
  const { pid } = process
  return {
    id,
    host,
    pid,
    // What is an hour old is of a program that was killed.
    put: ({ runs, startedAt }) =>
      bound.statement(
        sql`WITH old AS (
          DELETE FROM eventfold.runners WHERE told_at < clock_timestamp() - interval '1 hour' AND id <> ${id}::uuid
        )
        INSERT INTO eventfold.runners (id, host, pid, started_at, runs)
        VALUES (${id}::uuid, ${host}::text, ${pid}::integer,
          ${DateTime.formatIso(startedAt)}::timestamp with time zone, ${JSON.stringify(runs)}::jsonb)
        ON CONFLICT (id) DO UPDATE SET runs = excluded.runs, told_at = excluded.told_at`.unprepared
      ).pipe(
        Effect.mapError(storeError("Runners.put")),
        Effect.asVoid
      ),
    remove: bound.statement(sql`DELETE FROM eventfold.runners WHERE id = ${id}::uuid`.unprepared).pipe(
      Effect.mapError(storeError("Runners.remove")),
      Effect.asVoid
    ),
    list: places.read(
      "Runners.list",
      retrying(Effect.catchIf(rows, isUnloggedOnStandby, () => Effect.succeed([]))).pipe(
        Effect.mapError(storeError("Runners.list")),
        Effect.flatMap(Effect.forEach(runnerOf)),
        Effect.map((runners) => runners.flat())
      )
    )
  }
}
