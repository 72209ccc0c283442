import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isSqlError } from "effect/sql/SqlError"
import type { Key, Position } from "eventfold/PositionStore"
import type { Lineage, PositionRow, Positions, StoredPosition } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import type { Places } from "../client/independence.ts"
import type { LockWaits } from "../client/lockWaits.ts"
import { storeError } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { inSavepoint } from "../client/transactions.ts"
import { safePosition } from "../client/wireValues.ts"
import * as HistoryGuard from "./historyGuard.ts"

/** The row of a position, or the data of a message of its stream. */
interface FoundRow {
  readonly position: bigint | null
  readonly group_size: number | null
  readonly data: string | null
}

/** A consumer without a group has this member in the table, whose key has no nulls. */
const noMember = -1

const memberOf = ({ member }: Key): number => member ?? noMember

/** Types are given wherever two values are compared, so that no operator of another role fits better than PostgreSQL's own. */
const find = ({ sql }: Statements, key: Key, streamName: string) =>
  sql<FoundRow>`SELECT kept."position", kept.group_size, recorded.data
    FROM (SELECT) AS one
    LEFT JOIN eventfold.positions AS kept
      ON kept.category = ${key.category}::text AND kept.consumer_id = ${key.consumerId}::text
        AND kept.member = ${memberOf(key)}::integer
    LEFT JOIN LATERAL (
      SELECT messages.data::text
      FROM message_store.messages
      WHERE kept."position" IS NULL AND messages.stream_name::text = ${streamName}::text
        AND messages.type::text = 'Recorded'::text
      ORDER BY messages."position" DESC LIMIT 1
    ) AS recorded ON true`.unprepared

/** One statement. Nothing but the key is indexed, so the server updates the row in its place. */
const upsert = ({ sql }: Statements, lockWaits: LockWaits, key: Key, { groupSize, position }: Position) =>
  sql`INSERT INTO eventfold.positions (category, consumer_id, member, "position", group_size)
    SELECT ${key.category}::text, ${key.consumerId}::text, ${memberOf(key)}::integer, ${BigInt(position)}::bigint,
      ${groupSize ?? null}::integer
    FROM (SELECT ${lockWaits.limitedUnlessSet} OFFSET 0) AS waits
    ON CONFLICT (category, consumer_id, member) DO UPDATE
    SET "position" = excluded."position", group_size = excluded.group_size, updated_at = excluded.updated_at`

const foundOf = (
  { parseJson }: Statements,
  rows: ReadonlyArray<FoundRow>
): Effect.Effect<Option.Option<StoredPosition>, StoreError> => {
  const [row] = rows
  if (row === undefined) return Effect.succeedNone
  if (row.position === null) {
    return row.data === null ? Effect.succeedNone : Effect.succeedSome({ _tag: "Message", data: parseJson(row.data) })
  }
  const groupSize = row.group_size ?? undefined
  return Effect.map(
    safePosition(row.position),
    (position) =>
      Option.some({ _tag: "Row", position: groupSize === undefined ? { position } : { position, groupSize } })
  )
}

interface ListedRow {
  readonly category: string
  readonly consumer_id: string
  readonly member: number
  readonly position: bigint
  readonly group_size: number | null
  readonly updated_at: Date
}

/** Along the primary key. */
const listAfter = ({ sql }: Statements, after: Key | undefined, limit: number) =>
  sql<ListedRow>`SELECT category, consumer_id, member, "position", group_size, updated_at
    FROM eventfold.positions
    ${
    after === undefined
      ? sql``
      : sql`WHERE (category, consumer_id, member)
        > (${after.category}::text, ${after.consumerId}::text, ${memberOf(after)}::integer)`
  }
    ORDER BY category, consumer_id, member LIMIT ${BigInt(limit)}`.unprepared

const listed = (
  { category, consumer_id: consumerId, group_size: groupSize, member, position, updated_at: time }: ListedRow
): Effect.Effect<PositionRow, StoreError> =>
  Effect.map(safePosition(position), (position) => ({
    key: member === noMember ? { category, consumerId } : { category, consumerId, member },
    position: groupSize === null ? { position } : { position, groupSize },
    time: DateTime.fromDateUnsafe(time)
  }))

/** The positions of consumers, in `eventfold.positions`. */
export const make = Effect.fnUntraced(function*(
  statements: Statements,
  lockWaits: LockWaits,
  places: Places,
  lineage: Lineage | undefined
) {
  const { bound, query, retrying, sql } = statements
  const guard = lineage === undefined ? undefined : yield* HistoryGuard.make(lineage)
  const operation = "PositionStore.put"

  const putAlone = (write: ReturnType<typeof upsert>) => {
    const replacements = lineage?.replacements() ?? 0
    const attempt = HistoryGuard.unlessReplaced(
      statements,
      guard,
      { operation, replacements },
      (guard) => bound.statement(HistoryGuard.onKnownConnection(sql, guard, write))
    )
    return Effect.mapError(retrying(attempt), (error) => isSqlError(error) ? storeError(operation)(error) : error)
  }

  const positions: Positions = {
    get: (key, streamName) =>
      places.read(
        "PositionStore.get",
        Effect.flatMap(
          query("PositionStore.get", find(statements, key, streamName)),
          (rows) => foundOf(statements, rows)
        )
      ),
    put: (key, position) =>
      Effect.suspend(() => {
        const write = upsert(statements, lockWaits, key, position)
        return Effect.asVoid(places.write(operation, [], {
          alone: putAlone(write),
          joined: inSavepoint(statements, operation)(Effect.mapError(write, storeError(operation)))
        }))
      }),
    list: (after, limit) =>
      places.read(
        "PositionStore.list",
        Effect.flatMap(
          query("PositionStore.list", listAfter(statements, after, limit)),
          Effect.forEach(listed)
        )
      )
  }
  return positions
})
