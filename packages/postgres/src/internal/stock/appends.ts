import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as ExpectedVersion from "eventfold/ExpectedVersion"
import { type AppendResult, type EncodedAppend, isCheck } from "eventfold/StoreBackend"
import { DuplicateMessageId, type StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import { stockSearchPath, stockWritePath } from "../client/functionCalls.ts"
import type { LockWaits } from "../client/lockWaits.ts"
import { isUniqueViolation, storeError } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { inSavepoint, inTransaction, requireFreshSnapshot } from "../client/transactions.ts"
import { safePosition, wireVersion } from "../client/wireValues.ts"
import * as WriteTurns from "../store/writeTurns.ts"

/**
 * Where an append was written; without a position when the stream's version (null for no stream) was not the expected
 * one.
 */
interface WrittenRow {
  readonly version: bigint | null
  readonly position: bigint | null
  readonly global_position: bigint | null
}

/** Whether the messages of an append are recorded already, exactly as given, and where; and an id that is taken. */
interface RecordedRow {
  readonly same: boolean
  readonly position: bigint | null
  readonly global_position: bigint | null
  readonly taken_id: string | null
}

/** An append that was refused because of the stream's version. */
interface VersionRefusal {
  readonly _tag: "VersionRefusal"
  readonly append: EncodedAppend
  readonly error: WrongExpectedVersion
}

const resultOf = (row: { readonly position: bigint | null; readonly global_position: bigint | null }) =>
  Effect.all({ version: safePosition(row.position ?? -1n), globalPosition: safePosition(row.global_position ?? -1n) })

/** The messages of an append as a FROM item. */
const givenMessages = (sql: PgClient, { messages }: EncodedAppend): Fragment =>
  sql`unnest(
    ${messages.map((message) => message.id)}::varchar[],
    ${messages.map((message) => message.type)}::varchar[],
    ${messages.map((message) => message.data)}::text[],
    ${messages.map((message) => message.metadata ?? "")}::text[]
  ) WITH ORDINALITY AS given (id, type, data, metadata, ordinal)`

/** One statement: lock, version, messages in their order. Each function sees what the ones before it wrote. */
const write = (sql: PgClient, lockWaits: LockWaits, append: EncodedAppend) => {
  const path = stockWritePath(sql, lockWaits)
  const name = sql`${append.streamName}::varchar`
  const expected = sql`${wireVersion(append.expectedVersion)}::bigint`
  return sql<WrittenRow>`SELECT before.version, written.position, last.global_position, ${path.restored} AS restored
    FROM ${path.found},
    LATERAL (
      SELECT message_store.stream_version(
        CASE WHEN found.path IS NOT NULL AND message_store.acquire_lock(${name}) IS NOT NULL THEN ${name} END
      ) AS version
      OFFSET 0
    ) AS before,
    LATERAL (
      SELECT max(message_store.write_message(
        ordered.id, ${name}, ordered.type, ordered.data::jsonb, nullif(ordered.metadata, '')::jsonb
      )) AS position
      FROM (
        SELECT given.*
        FROM ${givenMessages(sql, append)}
        WHERE CASE ${expected}
          WHEN -3 THEN true
          WHEN -2 THEN before.version IS NOT NULL
          ELSE coalesce(before.version, -1) = ${expected}
        END
        ORDER BY given.ordinal
        OFFSET 0
      ) AS ordered
    ) AS written
    LEFT JOIN LATERAL message_store.get_last_stream_message(
      CASE WHEN written.position IS NOT NULL THEN ${name} END
    ) AS last ON true`
}

/** Compares the messages of an append with the recorded ones of the same ids. */
const findRecorded = (sql: PgClient, append: EncodedAppend) =>
  sql<RecordedRow>`SELECT
      count(stored.id) = count(*)
        AND bool_and(
          stored.stream_name = ${append.streamName}
          AND stored.type = given.type
          AND stored.data IS NOT DISTINCT FROM given.data::jsonb
          AND CASE jsonb_typeof(stored.metadata)
            WHEN 'object' THEN nullif(stored.metadata - 'traceparent', '{}')
            ELSE stored.metadata
          END IS NOT DISTINCT FROM CASE jsonb_typeof(nullif(given.metadata, '')::jsonb)
            WHEN 'object' THEN nullif(given.metadata::jsonb - 'traceparent', '{}')
            ELSE nullif(given.metadata, '')::jsonb
          END
        )
        AND min(stored.position - given.ordinal) = max(stored.position - given.ordinal) AS same,
      max(stored.position) AS position,
      max(stored.global_position) AS global_position,
      (array_agg(stored.id::text ORDER BY given.ordinal) FILTER (WHERE stored.id IS NOT NULL))[1] AS taken_id
    FROM ${givenMessages(sql, append)}
    LEFT JOIN message_store.messages AS stored ON stored.id = given.id::uuid`

/** Locks the categories of all appends in one global order, so that concurrent calls never deadlock. */
const lockInOrder = (sql: PgClient, lockWaits: LockWaits, appends: ReadonlyArray<EncodedAppend>) => {
  const path = stockWritePath(sql, lockWaits)
  return sql`SELECT count(message_store.acquire_lock(found.name)), ${path.restored}
    FROM (
      SELECT names.name, found.lock_timeout
      FROM ${path.found}, unnest(${appends.map((append) => append.streamName)}::varchar[]) AS names (name)
      WHERE found.path IS NOT NULL
      ORDER BY message_store.hash_64(message_store.category(names.name))
      OFFSET 0
    ) AS found
    GROUP BY found.lock_timeout`
}

const refuseVersion = (append: EncodedAppend, version: bigint | null): Effect.Effect<never, VersionRefusal> => {
  const { expectedVersion: expected, streamName } = append
  const actual = Option.map(Option.fromNullOr(version), Number)
  const error = new WrongExpectedVersion({ streamName, expected, actual })
  return Effect.fail({ _tag: "VersionRefusal", append, error })
}

const writeOne = (
  sql: PgClient,
  lockWaits: LockWaits,
  append: EncodedAppend
): Effect.Effect<WrittenRow, SqlError | VersionRefusal> =>
  Effect.flatMap(write(sql, lockWaits, append), ([row]) => {
    if (row === undefined) return Effect.die(new Error("write_message gave no row"))
    return row.position === null ? refuseVersion(append, row.version) : Effect.succeed(row)
  })

/** The stream's version as the row of a check. The transaction must hold the lock of the category. */
const look = (sql: PgClient, { streamName }: EncodedAppend): Effect.Effect<WrittenRow, SqlError> =>
  Effect.map(
    sql<{ readonly version: bigint | null }>`SELECT message_store.stream_version(
        CASE WHEN found.path IS NOT NULL THEN ${streamName}::varchar END
      ) AS version
      FROM ${stockSearchPath(sql)}`,
    ([row]) => ({ version: row?.version ?? null, position: row?.version ?? -1n, global_position: 0n })
  )

const check = (sql: PgClient, append: EncodedAppend): Effect.Effect<WrittenRow, SqlError | VersionRefusal> =>
  Effect.flatMap(look(sql, append), (row) =>
    ExpectedVersion.matches(append.expectedVersion, Number(row.position))
      ? Effect.succeed(row)
      : refuseVersion(append, row.version))

/** The results of a write whose messages are all recorded. Its checks passed when they were written. */
const repeatedResults = (
  { query, sql }: Statements,
  operation: string,
  appends: ReadonlyArray<EncodedAppend>,
  recorded: ReadonlyArray<{ readonly append: EncodedAppend; readonly row: RecordedRow }>
) =>
  Effect.forEach(appends, (append) => {
    const found = recorded.find((one) => one.append === append)
    return found === undefined
      ? Effect.flatMap(query(operation, look(sql, append)), resultOf)
      : resultOf(found.row)
  })

/** What became of appends that could not be written: an earlier call has recorded them, or they are refused. */
const resolve = Effect.fnUntraced(function*(
  statements: Statements,
  operation: string,
  appends: ReadonlyArray<EncodedAppend>,
  failure: SqlError | VersionRefusal
) {
  const { query, sql } = statements
  const rows = yield* Effect.forEach(
    appends.filter((append) => !isCheck(append)),
    (append) => Effect.map(query(operation, findRecorded(sql, append)), ([row]) => ({ append, row }))
  )
  const recorded = rows.flatMap(({ append, row }) => row?.same === true ? [{ append, row }] : [])
  if (recorded.length > 0 && recorded.length === rows.length) {
    return yield* repeatedResults(statements, operation, appends, recorded)
  }
  if (failure._tag === "VersionRefusal" && !recorded.some(({ append }) => append === failure.append)) {
    return yield* failure.error
  }
  // Some ids are recorded, but not all appends as given: so this call does not repeat an earlier one.
  for (const { append, row } of rows) {
    if (row?.taken_id != null) {
      return yield* new DuplicateMessageId({ id: row.taken_id, streamName: append.streamName })
    }
  }
  return yield* failure._tag === "VersionRefusal" ? failure.error : storeError(operation)(failure)
})

type Refusal = WrongExpectedVersion | DuplicateMessageId

/** How the statements of a write are run. */
type Run = (
  operation: string,
  appends: ReadonlyArray<EncodedAppend>,
  statements: Effect.Effect<ReadonlyArray<WrittenRow>, SqlError | VersionRefusal>
) => Effect.Effect<ReadonlyArray<WrittenRow>, SqlError | VersionRefusal | StoreError>

const makeWrites = (
  statements: Statements,
  lockWaits: LockWaits,
  run: { readonly one: Run; readonly several: Run }
) => {
  const { sql } = statements
  const write = (
    operation: string,
    appends: ReadonlyArray<EncodedAppend>,
    written: ReturnType<Run>
  ): Effect.Effect<ReadonlyArray<AppendResult>, Refusal | StoreError> =>
    Effect.matchEffect(written, {
      onSuccess: (rows) => Effect.forEach(rows, resultOf),
      onFailure: (failure) => {
        if (failure._tag === "StoreError") return Effect.fail(failure)
        return failure._tag === "SqlError" && !isUniqueViolation(failure)
          ? Effect.flip(lockWaits.failure(operation, appends, failure))
          : resolve(statements, operation, appends, failure)
      }
    })

  return {
    append: (append: EncodedAppend): Effect.Effect<AppendResult, Refusal | StoreError> =>
      Effect.flatMap(
        write(
          "append",
          [append],
          run.one("append", [append], Effect.map(writeOne(sql, lockWaits, append), (row) => [row]))
        ),
        ([result]) => result === undefined ? Effect.die(new Error("an append gave no result")) : Effect.succeed(result)
      ),
    appendAll: (appends: ReadonlyArray<EncodedAppend>) =>
      write(
        "writeAll",
        appends,
        run.several(
          "writeAll",
          appends,
          Effect.andThen(
            lockInOrder(sql, lockWaits, appends),
            Effect.forEach(appends, (append) => isCheck(append) ? check(sql, append) : writeOne(sql, lockWaits, append))
          )
        )
      )
  }
}

/** The writes of the store: each a transaction of its own, or in the transaction of the caller. */
export const make = (statements: Statements, lockWaits: LockWaits) => {
  const { bound, retrying, sql } = statements
  const turns = WriteTurns.make(sql, lockWaits)
  /** A failure of the transaction comes out as that of a statement. */
  const inOwnTransaction: Run = (operation, _, write) =>
    Effect.mapError(
      inTransaction(statements, operation)(write),
      (error) => error._tag === "StoreError" && isSqlError(error.cause) ? error.cause : error
    )
  const inCallersTransaction: Run = (operation, _, write) =>
    inSavepoint(statements, operation)(Effect.andThen(requireFreshSnapshot(sql, operation), write))
  return {
    alone: makeWrites(statements, lockWaits, {
      one: (operation, appends, write) => retrying(turns.apart(operation, appends)(bound.statement(write))),
      several: (operation, appends, write) =>
        retrying(turns.apart(operation, appends)(inOwnTransaction(operation, appends, write)))
    }),
    joined: makeWrites(statements, { ...lockWaits, failure: lockWaits.failureJoined }, {
      one: inCallersTransaction,
      several: inCallersTransaction
    })
  }
}
