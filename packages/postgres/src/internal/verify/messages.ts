/**
 * Looks at every message. The server does it, in passes over the table that keep nothing: what is wrong is all that comes here.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { Finding, Verified } from "eventfold/Verify"
import { errorCode, errorText, stateOfError } from "../client/sqlError.ts"

const number = (value: bigint | null): number => Number(value ?? 0n)

interface PositionRow {
  readonly streamName: string
  readonly position: bigint
  readonly globalPosition: bigint
  readonly before: bigint | null
  readonly globalBefore: bigint | null
  /** Of the notice of a deleted stream: up to where its messages are gone, as a text. */
  readonly through: string | null
}

/** What is wrong with a message, by the one before it in its stream. The notice of a deleted stream is right where it is. */
const ofPosition = (
  { before, globalBefore, streamName, through, ...row }: PositionRow
): ReadonlyArray<Finding> => {
  const [position, globalPosition] = [Number(row.position), Number(row.globalPosition)]
  if (before === row.position) return [{ _tag: "PositionRepeated", streamName, position, globalPosition }]
  if (before === null && through === String(row.position - 1n)) return []
  const after = before === null ? -1 : Number(before)
  return position !== after + 1
    ? [{ _tag: "PositionGap", streamName, after, position, globalPosition }]
    : [{ _tag: "OrderBroken", streamName, position, globalPosition, previous: number(globalBefore) }]
}

/**
 * The positions of all streams. It sorts by a hash of the name, because to compare names costs several times as much. What is looked up
 * for a finding is in subqueries: in a join, the planner would read the table once more.
 */
export const positions = (sql: PgClient): Stream.Stream<Finding, SqlError> =>
  sql<PositionRow>`SELECT
      (
        SELECT stream_name FROM message_store.messages WHERE global_position = wrong.global_position LIMIT 1
      ) AS "streamName",
      wrong."position",
      wrong.global_position AS "globalPosition",
      wrong.before,
      wrong.global_before AS "globalBefore",
      CASE WHEN wrong.before IS NULL THEN (
        SELECT metadata -> 'deleted' ->> 'through' FROM message_store.messages
        WHERE global_position = wrong.global_position AND type = 'Deleted' AND data IS NULL LIMIT 1
      ) END AS through
    FROM (
      SELECT
        sorted.*,
        lag("position") OVER stream AS before,
        lag(global_position) OVER stream AS global_before
      FROM (
        SELECT hashtextextended(stream_name, 0) AS stream, "position", global_position FROM message_store.messages
      ) AS sorted
      WINDOW stream AS (PARTITION BY stream ORDER BY "position", global_position)
    ) AS wrong
    WHERE CASE
      WHEN wrong.before IS NULL THEN wrong."position" <> 0
      ELSE wrong."position" <> wrong.before + 1 OR wrong.global_position <= wrong.global_before
    END`.stream.pipe(Stream.flatMap((row) => Stream.fromArray(ofPosition(row))))

interface IdRow {
  readonly id: string
  readonly messages: bigint
}

/** Ids that several messages have. A valid unique index says that there are none. */
export const ids = (sql: PgClient): Stream.Stream<Finding, SqlError> =>
  Stream.unwrap(Effect.gen(function*() {
    const [row] = yield* sql<{ readonly unique: boolean }>`SELECT EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = 'message_store.messages'::regclass AND indisunique AND indisvalid AND indpred IS NULL
          AND indkey::text = (
            SELECT attnum::text FROM pg_attribute WHERE attrelid = 'message_store.messages'::regclass AND attname = 'id'
          )
      ) AS unique`.unprepared
    if (row?.unique === true) return Stream.empty
    return sql<IdRow>`SELECT id::text AS id, count(*) AS messages FROM message_store.messages
      GROUP BY id HAVING count(*) > 1`.stream.pipe(
      Stream.map(({ id, messages }): Finding => ({ _tag: "IdRepeated", id, messages: number(messages) }))
    )
  }))

interface SequenceRow {
  readonly last: bigint | null
  readonly sequence: bigint
}

/** Whether the sequence gives positions above all messages. Its row is read, and not its view, whose lock is that of a writer. */
export const sequence = Effect.fnUntraced(function*(sql: PgClient) {
  const [row] = yield* sql<SequenceRow>`SELECT
      (SELECT max(global_position) FROM message_store.messages) AS last,
      CASE WHEN is_called THEN last_value ELSE last_value - 1 END AS sequence
    FROM message_store.messages_global_position_seq`.unprepared
  const [last, given] = [number(row?.last ?? null), number(row?.sequence ?? null)]
  const found: ReadonlyArray<Finding> = last > given ? [{ _tag: "SequenceBehind", last, sequence: given }] : []
  return found
})

interface Range {
  readonly from: bigint
  readonly to: bigint
}

interface RangeRow {
  readonly messages: bigint
  readonly from: bigint | null
  readonly to: bigint | null
}

/** Writes the data and metadata of all messages as texts, as each read does, and throws the texts away. */
const readable = (sql: PgClient, range: Range | undefined) =>
  sql<RangeRow & { readonly bytes: bigint | null }>`SELECT
      count(*) AS messages,
      min(global_position) AS "from",
      max(global_position) AS "to",
      sum(octet_length(data::text)::bigint + coalesce(octet_length(metadata::text), 0)::bigint)::bigint AS bytes
    FROM message_store.messages
    WHERE ${range === undefined ? sql`true` : sql`global_position BETWEEN ${range.from} AND ${range.to}`}`.unprepared

const extent = (sql: PgClient) =>
  sql<RangeRow>`SELECT count(*) AS messages, min(global_position) AS "from", max(global_position) AS "to"
    FROM message_store.messages`.unprepared

/** Whether a statement failed because of what it has read, and not because of the server. */
const isOfData = (error: SqlError): boolean => errorCode(error) !== undefined && stateOfError(error) === "final"

/** Runs a statement that may fail, so that the transaction goes on. */
const inSavepoint = <A>(sql: PgClient, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  sql`SAVEPOINT reading`.unprepared.pipe(
    Effect.andThen(statement),
    Effect.tapError((error) => isOfData(error) ? sql`ROLLBACK TO SAVEPOINT reading`.unprepared : Effect.void),
    Effect.tap(() => sql`RELEASE SAVEPOINT reading`.unprepared)
  )

/** The messages of a range that can't be read: by halves, because the server does not say which one has failed its statement. */
const unreadable = (sql: PgClient, { from, to }: Range): Stream.Stream<Finding, SqlError> =>
  Stream.unwrap(
    inSavepoint(sql, readable(sql, { from, to })).pipe(
      Effect.map((): Stream.Stream<Finding, SqlError> => Stream.empty),
      Effect.catchIf(isOfData, (error) => {
        const middle = (from + to) / 2n
        return Effect.succeed(
          from === to
            ? Stream.make<[Finding]>({ _tag: "Unreadable", globalPosition: Number(from), reason: errorText(error) })
            : Stream.concat(
              unreadable(sql, { from, to: middle }),
              Stream.suspend(() => unreadable(sql, { from: middle + 1n, to }))
            )
        )
      })
    )
  )

/** The messages that can't be read. */
export const contents = (
  sql: PgClient,
  verified: (what: Verified) => void
): Stream.Stream<Finding, SqlError> =>
  Stream.unwrap(
    inSavepoint(sql, readable(sql, undefined)).pipe(
      Effect.map(([row]): Stream.Stream<Finding, SqlError> => {
        verified({ messages: number(row?.messages ?? null) })
        return Stream.empty
      }),
      Effect.catchIf(isOfData, () =>
        Effect.map(extent(sql), ([row]) => {
          verified({ messages: number(row?.messages ?? null) })
          return row?.from == null || row.to === null ? Stream.empty : unreadable(sql, { from: row.from, to: row.to })
        }))
    )
  )
