import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { AppendResult, EncodedAppend, StoreBackend } from "eventfold/StoreBackend"
import { DuplicateMessageId, type StoreError, Unsupported, WrongExpectedVersion } from "eventfold/StoreError"
import { safePosition } from "../client/messageRows.ts"
import { isUnique, storeError } from "../client/sqlError.ts"
import type { WakeUps } from "../coordination/wakeUps.ts"
import { makeReadAll } from "../readAll/readAll.ts"
import { makeIdentity } from "../store/identity.ts"
import {
  isInTransaction,
  makeReads,
  outsideTransaction,
  retrying,
  stockCall,
  stockPath,
  wireVersion
} from "../store/reads.ts"
import { readPage } from "./readAll.ts"

/** Where an append was written; without a position when the stream's version, null for none, was a wrong one. */
interface WrittenRow {
  readonly version: bigint | null
  readonly position: bigint | null
  readonly global_position: bigint | null
}

/** Which of an append's ids are in the store, and where when it is recorded as it is. */
interface RecordedRow {
  readonly same: boolean
  readonly position: bigint | null
  readonly global_position: bigint | null
  readonly taken_id: string | null
}

/** An append that the stream's version refused. */
interface Refused {
  readonly _tag: "Refused"
  readonly append: EncodedAppend
  readonly error: WrongExpectedVersion
}

const unsupported = (operation: string) =>
  Effect.fail(
    new Unsupported({
      operation,
      remedy:
        "add the eventfold schema, with `psql -v ON_ERROR_STOP=1 -d DATABASE -f sql/install.sql` or `Postgres.install()`"
    })
  )

const result = (row: { readonly position: bigint | null; readonly global_position: bigint | null }) =>
  Effect.all({ version: safePosition(row.position ?? -1n), globalPosition: safePosition(row.global_position ?? -1n) })

/**
 * The store on a Message DB without the `eventfold` schema: through the functions of `message_store`, and its table
 * where they do not suffice.
 */
export const make = (sql: PgClient, wakeUps: WakeUps, lease: StoreBackend["lease"]): StoreBackend => {
  const path = stockPath(sql)
  const reads = makeReads(sql, stockCall(sql), () => unsupported("reading backwards"))

  const given = ({ messages }: EncodedAppend): Fragment =>
    sql`unnest(
      ${messages.map((message) => message.id)}::varchar[],
      ${messages.map((message) => message.type)}::varchar[],
      ${messages.map((message) => message.data)}::text[],
      ${messages.map((message) => message.metadata ?? "")}::text[]
    ) WITH ORDINALITY AS given (id, type, data, metadata, ordinal)`

  /** One statement: lock, version, messages in their order. Its functions see what the ones before them wrote. */
  const write = (append: EncodedAppend) => {
    const name = sql`${append.streamName}::varchar`
    const expected = sql`${wireVersion(append.expectedVersion)}::bigint`
    return sql<WrittenRow>`SELECT before.version, written.position, last.global_position
      FROM ${path},
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
          FROM ${given(append)}
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

  const findRecorded = (append: EncodedAppend) =>
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
      FROM ${given(append)}
      LEFT JOIN message_store.messages AS stored ON stored.id = given.id::uuid`

  const lockInOrder = (appends: ReadonlyArray<EncodedAppend>) =>
    sql`SELECT message_store.acquire_lock(ordered.name)
      FROM (
        SELECT names.name
        FROM ${path}, unnest(${appends.map((append) => append.streamName)}::varchar[]) AS names (name)
        WHERE found.path IS NOT NULL
        ORDER BY message_store.hash_64(message_store.category(names.name))
        OFFSET 0
      ) AS ordered`

  const writeOne = (append: EncodedAppend): Effect.Effect<WrittenRow, SqlError | Refused> =>
    Effect.flatMap(write(append), ([row]) => {
      if (row === undefined) return Effect.die(new Error("write_message gave no row"))
      if (row.position !== null) return Effect.succeed(row)
      const { expectedVersion: expected, streamName } = append
      const actual = Option.map(Option.fromNullOr(row.version), Number)
      return Effect.fail({ _tag: "Refused", append, error: new WrongExpectedVersion({ streamName, expected, actual }) })
    })

  /** What has become of appends that could not be written: they are recorded already, or refused. */
  const explain = Effect.fnUntraced(function*(
    operation: string,
    appends: ReadonlyArray<EncodedAppend>,
    failure: SqlError | Refused
  ) {
    const rows = yield* Effect.forEach(
      appends,
      (append) => Effect.map(retrying(findRecorded(append)), ([row]) => ({ append, row }))
    ).pipe(
      Effect.mapError(storeError(operation))
    )
    const recorded = rows.flatMap(({ append, row }) => row?.same === true ? [{ append, row }] : [])
    if (recorded.length === rows.length) return yield* Effect.forEach(recorded, ({ row }) => result(row))
    if (failure._tag === "Refused" && !recorded.some(({ append }) => append === failure.append)) {
      return yield* failure.error
    }
    // Some ids are in the store, and not all appends as they are: so this is not the repetition of an earlier call.
    for (const { append, row } of rows) {
      if (row?.taken_id != null) {
        return yield* new DuplicateMessageId({ id: row.taken_id, streamName: append.streamName })
      }
    }
    return yield* failure._tag === "Refused" ? failure.error : storeError(operation)(failure)
  })

  const run = (
    operation: string,
    appends: ReadonlyArray<EncodedAppend>,
    statements: Effect.Effect<ReadonlyArray<WrittenRow>, SqlError | Refused>
  ): Effect.Effect<ReadonlyArray<AppendResult>, WrongExpectedVersion | DuplicateMessageId | StoreError> =>
    retrying(statements).pipe(
      Effect.matchEffect({
        onSuccess: (rows) => Effect.forEach(rows, result),
        onFailure: (failure) =>
          failure._tag === "SqlError" && !isUnique(failure)
            ? Effect.fail(storeError(operation)(failure))
            : explain(operation, appends, failure)
      }),
      (write) => outside(operation, write),
      (write) => wakeUps.telling(appends, write)
    )

  const outside = outsideTransaction(sql)

  return {
    ...reads,
    ...makeReadAll(sql, readPage(sql)),
    isInTransaction: isInTransaction(sql),
    identity: makeIdentity(sql),
    append: (append) =>
      Effect.flatMap(
        run("append", [append], Effect.map(writeOne(append), (row) => [row])),
        ([result]) => result === undefined ? Effect.die(new Error("an append gave no result")) : Effect.succeed(result)
      ),
    writeAll: (appends) =>
      run(
        "writeAll",
        appends,
        sql.withTransaction(Effect.andThen(lockInOrder(appends), Effect.forEach(appends, writeOne)))
      ),
    lease,
    watch: wakeUps.watch
  }
}
