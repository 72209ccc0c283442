import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HeldBack } from "eventfold/HeldBack"
import { StoreError } from "eventfold/StoreError"
import { shown, shownColumns, shownJoins, type ShownRow } from "../client/otherTransactions.ts"
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
interface WriterRow extends ShownRow {
  readonly position: bigint
  readonly writer: string | null
}

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
      ${shownColumns(sql)}
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
    ${shownJoins(sql)}`.unprepared

  return Effect.flatMap(query("heldBack", rows), ([first, ...others]) => {
    if (first === undefined) return Effect.succeedNone
    return Effect.map(safePosition(first.position), (position) => {
      const isSuspect = mayWrite(known, position)
      const suspects = [first, ...others].filter(({ writer }) => writer !== null && isSuspect(writer))
      return Option.some({ position, writers: suspects.map(shown) })
    })
  })
}
