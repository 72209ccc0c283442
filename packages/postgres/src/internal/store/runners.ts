import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Run, type Runner } from "eventfold/Runners"
import type { RunnersBackend } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import type { Places } from "../client/independence.ts"
import { storeError } from "../client/sqlError.ts"
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

const decodeRuns = Schema.decodeUnknownEffect(Schema.toCodecJson(Schema.Array(Run)))

/** The rows of programs, in `eventfold.runners`. */
export const make = ({ bound, parseJson, query, sql }: Statements, places: Places): RunnersBackend => {
  const runnerOf = ({ host, id, is_stale: isStale, pid, runs, started_at, told_at }: Row) =>
    decodeRuns(parseJson(runs)).pipe(
      Effect.map((runs): Runner => ({
        id,
        host,
        pid,
        startedAt: DateTime.fromDateUnsafe(started_at),
        toldAt: DateTime.fromDateUnsafe(told_at),
        isStale,
        runs
      })),
      Effect.mapError((error) =>
        new StoreError({
          operation: "Runners.list",
          reason: `process ${pid} on ${host} has told what this version of eventfold can't read: ${error.message}`,
          isRetryable: false
        })
      )
    )

  const id = randomUUID()
  return {
    id,
    host: hostname(),
    pid: process.pid,
    // What is an hour old is of a program that was killed.
    put: ({ runs, startedAt }) =>
      bound.statement(
        sql`WITH old AS (
          DELETE FROM eventfold.runners WHERE told_at < clock_timestamp() - interval '1 hour' AND id <> ${id}::uuid
        )
        INSERT INTO eventfold.runners (id, host, pid, started_at, runs)
        VALUES (${id}::uuid, ${hostname()}::text, ${process.pid}::integer,
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
      Effect.flatMap(
        query(
          "Runners.list",
          sql<Row>`SELECT id, host, pid, started_at, told_at,
              told_at < clock_timestamp() - interval '30 seconds' AS is_stale, runs::text
            FROM eventfold.runners ORDER BY started_at, id`.unprepared
        ),
        Effect.forEach(runnerOf)
      )
    )
  }
}
