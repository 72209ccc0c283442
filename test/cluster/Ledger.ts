/** What the workers of the demo handle: numbers of counters, each counter a stream. They write down what they have handled. */
import { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"

export class Counter extends Category.make("counter", { Counted: { number: Schema.Int } }) {}

/** The consumer whose members move. */
export const consumer = (worker: string, size: number) =>
  Consumer.make("ledger", { group: { size, members: Array.from({ length: size }, (_, member) => member) } }).on(
    Counter,
    {
      Counted: ({ recorded: { position, streamName } }) =>
        PgClient.use((sql) =>
          sql`INSERT INTO ledger (worker, stream, position) VALUES (${worker}, ${streamName}, ${position})`
        )
    }
  )

/** Makes the table. A worker that was killed may have handled what the next one handles again: each time is a row. */
export const makeTable = Effect.gen(function*() {
  const sql = yield* PgClient
  yield* sql`
    CREATE TABLE ledger (
      turn bigserial PRIMARY KEY,
      worker text NOT NULL,
      stream text NOT NULL,
      position bigint NOT NULL,
      at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
    )
  `
})

/** What the ledger says of all messages that were written. */
export interface Verdict {
  /** Messages that were handled. */
  readonly handled: number
  /** Messages that were written and never handled. */
  readonly skipped: number
  /** Messages that were handled before an earlier one of their stream. */
  readonly outOfOrder: number
  /** Messages that were handled more than once. */
  readonly repeated: number
}

const verdictOf = Schema.decodeUnknownEffect(
  Schema.Struct({ handled: Schema.Int, skipped: Schema.Int, outOfOrder: Schema.Int, repeated: Schema.Int })
)

/** Compares the ledger with the log. */
export const judge = Effect.gen(function*() {
  const sql = yield* PgClient
  const [row] = yield* sql`
    WITH first AS (
      SELECT stream, position, pg_catalog.min(turn) AS turn, pg_catalog.count(*) AS times FROM ledger GROUP BY stream, position
    ), ordered AS (
      SELECT turn < pg_catalog.lag(turn) OVER (PARTITION BY stream ORDER BY position) AS is_late, times FROM first
    )
    SELECT
      (SELECT pg_catalog.count(*) FROM first)::int AS handled,
      (
        SELECT pg_catalog.count(*) FROM message_store.messages m
        WHERE m.stream_name LIKE 'counter-%'
        AND NOT EXISTS (SELECT FROM first f WHERE f.stream = m.stream_name AND f.position = m.position)
      )::int AS skipped,
      (SELECT pg_catalog.count(*) FROM ordered WHERE is_late)::int AS "outOfOrder",
      (SELECT pg_catalog.count(*) FROM ordered WHERE times > 1)::int AS repeated
  `
  const verdict: Verdict = yield* verdictOf(row)
  return verdict
})
