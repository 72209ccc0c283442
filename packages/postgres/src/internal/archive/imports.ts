/**
 * Writes the chunks of an archive: each in a transaction that takes the locks of its categories, as an append does.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type {
  ArchiveBackend,
  ArchivedAttributes,
  ArchivedMessage,
  ConflictReason,
  ImportConflict,
  ImportedChunk,
  ImportWritten
} from "eventfold/ArchiveBackend"
import { deletedType } from "eventfold/Message"
import type { EncodedAppend } from "eventfold/StoreBackend"
import { NotPermitted, StoreError, Unsupported } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import type { LockWaits } from "../client/lockWaits.ts"
import { logOf } from "../client/log.ts"
import { errorCode, errorText } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { inTransaction, levelOf } from "../client/transactions.ts"
import { bigints, texts, uuids } from "../client/wireValues.ts"
import type { WakeUps } from "../coordination/wakeUps.ts"

export interface Writing {
  readonly statements: Statements
  readonly lockWaits: LockWaits
  readonly wakeUps: WakeUps
  /** Whether the store keeps read models in its appends: an import would pass them by. */
  readonly hasInlineReadModels: boolean
}

type Outcome = ImportWritten | ImportConflict

const operation = "import"

const sequence = "message_store.messages_global_position_seq"

const decodeNotice = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ deleted: Schema.Struct({ through: Schema.Int }) }))
)

/** Whether a message begins its stream: the first position, or the notice of a deleted stream. */
const begins = ({ data, metadata, position, type }: ArchivedMessage): boolean =>
  position === 0 || (
    type === deletedType && data === undefined &&
    Option.exists(decodeNotice(metadata), ({ deleted }) => deleted.through === position - 1)
  )

/** The first message that does not come right after the one before it in its stream, if that is in the chunk. */
const firstOutOfOrder = (messages: ReadonlyArray<ArchivedMessage>): ArchivedMessage | undefined => {
  const last = new Map<string, number>()
  return messages.find(({ position, streamName }) => {
    const before = last.get(streamName)
    last.set(streamName, position)
    return before !== undefined && before !== position - 1
  })
}

const conflict = (reason: ConflictReason, streamName: string, position: number): ImportConflict => ({
  _tag: "Conflict",
  reason,
  streamName,
  position
})

interface OutcomeRow {
  readonly written: bigint
  readonly reason: ConflictReason | null
  readonly stream_name: string | null
  readonly position: bigint | null
}

const outcomeOf = ([row]: ReadonlyArray<OutcomeRow>): Effect.Effect<Outcome> => {
  if (row === undefined) return Effect.die(new Error("an import gave no row"))
  const { position, reason, stream_name, written } = row
  return Effect.succeed(
    reason === null || stream_name === null
      ? { _tag: "Written", written: Number(written) }
      : conflict(reason, stream_name, Number(position ?? -1n))
  )
}

/**
 * Writes what of a chunk the store does not have, or nothing. All names mean PostgreSQL's own, by the path of the transaction.
 */
const insert = (sql: PgClient, { keepsPositions, messages }: ImportedChunk) =>
  sql<OutcomeRow>`WITH given AS MATERIALIZED (
      SELECT *
      FROM unnest(
        ${uuids(messages.map(({ id }) => id))},
        ${texts(messages.map(({ streamName }) => streamName))},
        ${texts(messages.map(({ type }) => type))},
        ${bigints(messages.map(({ position }) => BigInt(position)))},
        ${bigints(messages.map(({ globalPosition }) => BigInt(globalPosition)))},
        ${texts(messages.map(({ time }) => time))},
        ${texts(messages.map(({ data }) => data ?? null))},
        ${texts(messages.map(({ metadata }) => metadata ?? null))},
        ${messages.map(begins)}::boolean[]
      ) WITH ORDINALITY
        AS given (id, stream_name, type, "position", global_position, "time", data, metadata, begins, ordinal)
    ),
    present AS MATERIALIZED (
      SELECT
        given.ordinal,
        messages.stream_name = given.stream_name AND messages."position" = given."position"
          ${keepsPositions ? sql`AND messages.global_position = given.global_position` : sql``} AS is_same
      FROM given JOIN message_store.messages ON messages.id = given.id
    ),
    fresh AS MATERIALIZED (
      SELECT given.* FROM given WHERE NOT EXISTS (SELECT FROM present WHERE present.ordinal = given.ordinal)
    ),
    begun AS (
      SELECT
        firsts.*,
        (
          SELECT messages."position" FROM message_store.messages
          WHERE messages.stream_name = firsts.stream_name
          ORDER BY messages."position" DESC LIMIT 1
        ) AS version
      FROM (
        SELECT DISTINCT ON (stream_name) stream_name, "position", begins, ordinal
        FROM fresh ORDER BY stream_name, "position"
      ) AS firsts
    ),
    refused AS MATERIALIZED (
      SELECT reason, stream_name, "position"
      FROM (
        SELECT 'idTaken' AS reason, given.stream_name, given."position", given.ordinal
        FROM present JOIN given ON given.ordinal = present.ordinal
        WHERE NOT present.is_same
        UNION ALL
        SELECT
          CASE WHEN version >= "position" - 1 THEN 'streamExists' ELSE 'streamIncomplete' END,
          stream_name, "position", ordinal
        FROM begun
        WHERE CASE WHEN version IS NULL THEN NOT begins ELSE begins OR version <> "position" - 1 END
        ${
    keepsPositions
      ? sql`UNION ALL
        SELECT 'storeChanged', fresh.stream_name, fresh."position", fresh.ordinal
        FROM fresh
        WHERE fresh.global_position <= (SELECT max(messages.global_position) FROM message_store.messages)`
      : sql``
  }
      ) AS reasons
      ORDER BY ordinal
      LIMIT 1
    ),
    inserted AS (
      INSERT INTO message_store.messages
        (${keepsPositions ? sql`global_position,` : sql``} "position", "time", stream_name, type, data, metadata, id)
      SELECT
        ${keepsPositions ? sql`global_position,` : sql``}
        "position", "time"::timestamp, stream_name, type, data::jsonb, metadata::jsonb, id
      FROM fresh
      WHERE NOT EXISTS (SELECT FROM refused)
      ORDER BY ordinal
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM inserted) AS written, refused.*
    FROM (SELECT) AS always LEFT JOIN refused ON true`.unprepared

/** Gives attributes to streams, or to none of them. */
const insertAttributes = (sql: PgClient, streams: ReadonlyArray<ArchivedAttributes>, replaces: boolean) =>
  sql<OutcomeRow>`WITH given AS MATERIALIZED (
      SELECT given.category, given.id, given.attributes::jsonb AS attributes,
        coalesce(given.added_at::timestamp AT TIME ZONE 'UTC', now()) AS added_at
      FROM unnest(
        ${texts(streams.map(({ category }) => category))},
        ${texts(streams.map(({ id }) => id))},
        ${texts(streams.map(({ attributes }) => attributes))},
        ${texts(streams.map(({ addedAt }) => addedAt ?? null))}
      ) AS given (category, id, attributes, added_at)
    ),
    refused AS MATERIALIZED (
      SELECT 'attributesDiffer' AS reason, given.category || '-' || given.id AS stream_name, NULL::bigint AS "position"
      FROM given JOIN eventfold.streams ON streams.category = given.category AND streams.id = given.id
      WHERE streams.attributes <> given.attributes AND NOT ${replaces}::boolean
      LIMIT 1
    ),
    inserted AS (
      INSERT INTO eventfold.streams AS existing (category, id, attributes, added_at)
      SELECT category, id, attributes, added_at FROM given WHERE NOT EXISTS (SELECT FROM refused)
      ON CONFLICT ON CONSTRAINT streams_pkey DO UPDATE
        SET attributes = excluded.attributes, added_at = excluded.added_at
        WHERE existing.attributes IS DISTINCT FROM excluded.attributes
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM inserted) AS written, refused.*
    FROM (SELECT) AS always LEFT JOIN refused ON true`.unprepared

/** Sets the sequence, so that no other writer gets a global position that the archive has. */
const reserve = (sql: PgClient, through: number) =>
  sql`SELECT setval(${logOf(sql).named(sequence)}::regclass, greatest(last_value, ${BigInt(through)}::bigint))
    FROM message_store.messages_global_position_seq WHERE last_value < ${BigInt(through)}::bigint OR NOT is_called`
    .unprepared

const grants = `GRANT INSERT ON message_store.messages, GRANT UPDATE ON SEQUENCE ${sequence} and ` +
  "GRANT INSERT, UPDATE ON eventfold.streams"

/** The failure of a statement as it was before it was one of its transaction. */
const causeOf = (error: SqlError | StoreError): SqlError | StoreError =>
  error instanceof StoreError && isSqlError(error.cause) ? error.cause : error

const appendsTo = (categories: ReadonlyArray<string>): ReadonlyArray<EncodedAppend> =>
  // Only their categories are read.
  categories.map((name) => ({ streamName: name as StreamName.StreamName, expectedVersion: "any", messages: [] }))

/** Runs the statements of a chunk in a transaction with the locks of its categories. Again, when it fails for a reason that passes. */
const writeChunk = (
  { hasInlineReadModels, lockWaits, statements, wakeUps }: Writing,
  categories: ReadonlyArray<string>,
  write: Effect.Effect<ReadonlyArray<OutcomeRow>, SqlError>
): Effect.Effect<Outcome, NotPermitted | Unsupported | StoreError> => {
  const { retrying, sql } = statements
  // The path is for the acquire_lock of a stock Message DB. As in eventfold.append, the planner must not scan the table for each
  // chunk because it was small when statistics were made.
  const settings = sql`SELECT
      pg_catalog.set_config('search_path', 'pg_catalog, message_store, pg_temp', true),
      pg_catalog.set_config('enable_seqscan', 'off', true),
      ${lockWaits.limited}`.unprepared
  // In the order in which appends take them, so that the two can't deadlock.
  const locks = sql`SELECT message_store.acquire_lock(names.category)
    FROM (
      SELECT category FROM unnest(${texts(categories)}) AS named (category)
      ORDER BY message_store.hash_64(category) OFFSET 0
    ) AS names`.unprepared
  const transaction = inTransaction(statements, operation)(
    Effect.andThen(settings, Effect.andThen(locks, write))
  ).pipe(Effect.mapError(causeOf))
  const appends = appendsTo(categories)
  const refused = (error: StoreError): NotPermitted | StoreError =>
    isSqlError(error.cause) && errorCode(error.cause) === "42501"
      ? new NotPermitted({
        operation,
        remedy: `${errorText(error.cause)}: the role of the store's user needs ${logOf(sql).named(grants)}`
      })
      : error
  const run = retrying(transaction).pipe(
    Effect.catch((error: SqlError | StoreError) =>
      isSqlError(error) ? Effect.flip(lockWaits.failure(operation, appends, error)) : Effect.fail(error)
    ),
    Effect.mapError(refused),
    Effect.flatMap(outcomeOf),
    Effect.onExit(() => Effect.forEach(categories, wakeUps.written, { discard: true }))
  )
  return Effect.contextWith(
    (context: Context.Context<never>): Effect.Effect<Outcome, NotPermitted | Unsupported | StoreError> => {
      if (hasInlineReadModels) {
        const remedy = "import with a store that keeps no read models inline, and rebuild them afterwards"
        return Effect.fail(new Unsupported({ operation: "importing beside inline read models", remedy }))
      }
      return levelOf(sql, context) === undefined ? run : Effect.fail(
        new StoreError({
          operation,
          reason: "an import makes transactions of its own: run it outside of the caller's",
          isRetryable: false
        })
      )
    }
  )
}

/** The writes of an import. A stock Message DB has no place for attributes. */
export const make = (
  writing: Writing,
  hasAttributes: boolean
): Pick<ArchiveBackend, "importMessages" | "importAttributes"> => {
  const { statements: { sql } } = writing
  return {
    importMessages: (chunk) =>
      Effect.suspend(() => {
        const { keepsPositions, messages, reserved } = chunk
        const wrong = firstOutOfOrder(messages)
        if (wrong !== undefined) return Effect.succeed(conflict("streamIncomplete", wrong.streamName, wrong.position))
        const categories = [...new Set(messages.map(({ streamName }) => StreamName.category(streamName)))]
        const write = insert(sql, chunk)
        return writeChunk(
          writing,
          categories,
          keepsPositions ? Effect.andThen(reserve(sql, reserved), write) : write
        )
      }),
    importAttributes: (streams, replaces) =>
      hasAttributes
        ? writeChunk(
          writing,
          [...new Set(streams.map(({ category }) => category))],
          insertAttributes(sql, streams, replaces)
        )
        : Effect.fail(
          new Unsupported({
            operation: "attributes of streams",
            remedy: "add the eventfold schema to the target with Postgres.install, or export without these streams"
          })
        )
  }
}
