import type { PgClient } from "@effect/sql-pg/PgClient"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Message from "eventfold/Message"
import { type EncodedAppend, mayHaveWritten } from "eventfold/StoreBackend"
import { NotPermitted, StoreError } from "eventfold/StoreError"
import type { StreamName } from "eventfold/StreamName"
import {
  type DeletionRequest,
  type EncodedStream,
  erasedError,
  type StreamKey,
  type StreamListPage,
  type StreamsBackend
} from "eventfold/StreamsBackend"
import { patiently } from "../client/bound.ts"
import type { Places } from "../client/independence.ts"
import type { LockWaits } from "../client/lockWaits.ts"
import { logOf } from "../client/log.ts"
import { readMessages } from "../client/messageRows.ts"
import { errorCode, errorText, storeError } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { inSavepoint, inTransaction, levelOf, oldSnapshot } from "../client/transactions.ts"
import { texts } from "../client/wireValues.ts"
import type { WakeUps } from "../coordination/wakeUps.ts"
import { categoryOf } from "./filters.ts"
import type { WriteTurns } from "./writeTurns.ts"

/**
 * A list reads at most this many messages whose streams are not noted yet. That is fewer than a page of a large stream, and
 * notes are not needed for each list in a category that is written to.
 */
const maxUnnoted = 1_000

/** How many messages a statement notes the streams of. It has the lock of the category for as long as a group of appends. */
const noteSize = 2_000

/** How many statements of notes a list may wait for. What is left is for the next list. */
const maxNotes = 50

/** The condition that a message is no mark of a deletion. */
const isNoMark = (sql: PgClient): Fragment => sql`NOT eventfold.is_mark(type, data, metadata)`

const grants = "GRANT UPDATE, DELETE ON message_store.messages, GRANT DELETE ON eventfold.streams, " +
  "GRANT INSERT, UPDATE ON eventfold.deleted_messages and " +
  "GRANT EXECUTE ON FUNCTION eventfold.delete_message, eventfold.delete_stream, eventfold.purge_streams"

const mayNotDelete = (sql: PgClient, operation: string) =>
  new NotPermitted({ operation, remedy: `the role of the store's user needs ${logOf(sql).named(grants)}` })

/** An error of the server that says that the role lacks a right. */
const notPermitted = (sql: PgClient, operation: string, error: StoreError): NotPermitted | StoreError => {
  const { cause } = error
  if (!isSqlError(cause) || errorCode(cause) !== "42501") return error
  return operation.startsWith("delete") || operation === "purge"
    ? mayNotDelete(sql, operation)
    : new NotPermitted({
      operation,
      remedy: `${errorText(cause)}: grant the role of the store's user what is missing, or the role message_store`
    })
}

const permitting = (sql: PgClient) => (operation: string) => <A>(effect: Effect.Effect<A, StoreError>) =>
  Effect.mapError(effect, (error) => notPermitted(sql, operation, error))

/** A stream, or the name of a category, as what waits for its lock. */
const appendTo = (streamName: string): ReadonlyArray<EncodedAppend> => [
  // Only its category is read.
  { streamName: streamName as StreamName, expectedVersion: "any", messages: [] }
]

/** Calls a function of `eventfold` whose first argument, a text, is given. */
type Call = (first: Fragment) => Fragment

interface Writing {
  readonly statements: Statements
  readonly places: Places
  readonly lockWaits: LockWaits
  readonly turns: WriteTurns
  readonly wakeUps: WakeUps
}

interface Write {
  readonly operation: string
  /** The name of the stream, or of the category. It is locked. */
  readonly name: string
  /** The first argument of the function. */
  readonly first: string
  readonly call: Call
  /** Whether the write deletes, which roles may not by themselves. */
  readonly deletes: boolean
  /** The categories that get messages. */
  readonly wakes: ReadonlyArray<string>
  /** Runs when an attempt has failed. */
  readonly failed?: (error: unknown) => void
}

/** The failure of a statement as it was before it was one of its transaction. */
const causeOf = (error: SqlError | StoreError): SqlError | StoreError =>
  error instanceof StoreError && isSqlError(error.cause) ? error.cause : error

/**
 * Runs a write by itself: once again when it fails for a reason that passes. It has to see what was committed while it waited for
 * its lock, so where the sessions have a higher isolation level than READ COMMITTED it is a transaction with that one.
 */
const writeAlone = <Row extends object>(
  { lockWaits, statements, turns, wakeUps }: Writing,
  { call, failed = () => {}, first, name, operation, wakes }: Write
) => {
  const { bound, retrying, sql } = statements
  const appends = appendTo(name)
  const statement = sql<Row>`SELECT called.* FROM (
      SELECT current_setting('transaction_isolation') AS isolation OFFSET 0
    ) AS caller,
      LATERAL ${
    call(sql`CASE WHEN caller.isolation IS NOT NULL AND ${lockWaits.limited} IS NOT NULL THEN ${first}::text END`)
  } AS called
    WHERE caller.isolation IN ('read committed', 'read uncommitted')`
  const transaction = Effect.mapError(inTransaction(statements, operation)(statement), causeOf)
  const attempt = Effect.flatMap(
    bound.statement(statement),
    (rows): Effect.Effect<ReadonlyArray<Row>, SqlError | StoreError> =>
      rows.length === 0 ? transaction : Effect.succeed(rows)
  ).pipe(Effect.tapError((error) => Effect.sync(() => failed(error))))
  return retrying(turns.apart(operation, appends)(attempt)).pipe(
    Effect.catch((error: SqlError | StoreError) =>
      isSqlError(error) ? Effect.flip(lockWaits.failure(operation, appends, error)) : Effect.fail(error)
    ),
    Effect.onExit((exit) =>
      mayHaveWritten(exit) ? Effect.forEach(wakes, wakeUps.written, { discard: true }) : Effect.void
    )
  )
}

/** Runs a write in the transaction of the caller. */
const writeJoined = <Row extends object>(
  { lockWaits, statements, wakeUps }: Writing,
  { call, deletes, first, name, operation, wakes }: Write
) => {
  const { sql } = statements
  const statement = sql<Row>`SELECT called.*, set_config('lock_timeout', caller.lock_timeout, true) AS restored
    FROM (
      SELECT current_setting('transaction_isolation') AS isolation, current_setting('lock_timeout') AS lock_timeout
      OFFSET 0
    ) AS caller,
      LATERAL ${
    call(
      sql`CASE WHEN caller.isolation IS NOT NULL AND ${lockWaits.limitedUnlessSet} IS NOT NULL THEN ${first}::text END`
    )
  } AS called
    WHERE caller.isolation IN ('read committed', 'read uncommitted')`
  const write = Effect.flatMap(
    Effect.catch(statement, (error) => Effect.flip(lockWaits.failureJoined(operation, appendTo(name), error))),
    (rows) => rows.length === 0 ? oldSnapshot(sql, operation) : Effect.succeed(rows)
  )
  const mayDelete = sql<{ readonly may: boolean }>`SELECT eventfold.may_delete() AS may`.pipe(
    Effect.mapError(storeError(operation)),
    Effect.flatMap(([row]) => row?.may === true ? Effect.void : Effect.fail(mayNotDelete(sql, operation)))
  )
  return inSavepoint(statements, operation)(deletes ? Effect.andThen(mayDelete, write) : write).pipe(
    Effect.tap(() => sql.afterCommit(Effect.forEach(wakes, wakeUps.written, { discard: true })))
  )
}

/** Runs a write, where its caller wants it. */
const write = <Row extends object>(writing: Writing, one: Write) =>
  writing.places.write(one.operation, appendTo(one.name), {
    alone: Effect.suspend(() => writeAlone<Row>(writing, one)),
    joined: Effect.suspend(() => writeJoined<Row>(writing, one))
  }).pipe(
    Effect.flatMap(([row]) =>
      row === undefined ? Effect.die(new Error(`${one.operation} gave no row`)) : Effect.succeed(row)
    ),
    Effect.mapError((error) =>
      error instanceof StoreError ? notPermitted(writing.statements.sql, one.operation, error) : error
    )
  )

interface Answer {
  readonly called: boolean
}

/** Whether a statement may have done its work although it has failed: the server did not say that it failed. */
const mayHaveWorked = (error: unknown): boolean => {
  if (!isSqlError(error)) return false
  const code = errorCode(error)
  return code === undefined || code.startsWith("08") || code.startsWith("57P")
}

const unknownAdd = () =>
  new StoreError({
    operation: "add",
    reason: "the connection was lost meanwhile, and the stream exists now: whether this call has added it is not known",
    isRetryable: false
  })

interface ListRow {
  /** Null when too many streams are not noted yet. */
  readonly id: string | null
  readonly attributes: string | null
}

interface CountRow {
  readonly streams: bigint | null
}

const isUncounted = ([row]: ReadonlyArray<CountRow>) => row?.streams === null

/** What a deletion passes to its function. */
const deletionOf = (sql: PgClient, { copies, note }: DeletionRequest) => ({
  note: sql`${JSON.stringify(note)}::text::jsonb`,
  copies: sql`${copies.snapshots}::text, ${texts(copies.parked)}, ${erasedError}::text`
})

const makeWrites = (
  writing: Writing
): Pick<StreamsBackend, "add" | "set" | "deleteMessage" | "deleteStream" | "purge"> => {
  const { statements: { sql } } = writing

  const change = (
    operation: "add" | "set",
    { category, id, streamName }: StreamKey,
    attributes: string,
    failed?: Write["failed"]
  ) =>
    Effect.map(
      write<Answer>(writing, {
        operation,
        name: streamName,
        first: category,
        call: (first) =>
          operation === "add"
            ? sql`eventfold.add_stream(${first}, ${id}::text, ${attributes}::text::jsonb)`
            : sql`eventfold.set_stream(${first}, ${id}::text, ${attributes}::text::jsonb)`,
        deletes: false,
        wakes: [],
        ...(failed === undefined ? {} : { failed })
      }),
      ({ called }) => called
    )

  const deletion = <Row extends object>(
    operation: string,
    name: string,
    first: string,
    category: string,
    request: DeletionRequest,
    call: (first: Fragment, noticeId: string) => Fragment
  ) =>
    Effect.flatMap(Message.nextId, (noticeId) =>
      patiently(write<Row>(writing, {
        operation,
        name,
        first,
        call: (first) => call(first, noticeId),
        deletes: true,
        wakes: [category, request.copies.snapshots]
      })))

  return {
    add: (stream, attributes, isNewId) =>
      Effect.suspend(() => {
        let isUnsure = false
        const added = change("add", stream, attributes, (error) => {
          isUnsure ||= mayHaveWorked(error)
        })
        return Effect.flatMap(added, (isAdded) =>
          isAdded || isNewId || !isUnsure ? Effect.succeed(isAdded) : Effect.fail(unknownAdd()))
      }),
    set: (stream, attributes) => change("set", stream, attributes),
    deleteMessage: ({ category, streamName }, id, request) => {
      const { copies, note } = deletionOf(sql, request)
      return Effect.map(
        deletion<Answer>(
          "deleteMessage",
          streamName,
          streamName,
          category,
          request,
          (first, noticeId) =>
            sql`eventfold.delete_message(${first}, ${id}::uuid, ${note}, ${noticeId}::uuid, ${copies})`
        ),
        ({ called }) => called
      )
    },
    deleteStream: ({ category, id, streamName }, request) => {
      const { copies, note } = deletionOf(sql, request)
      return Effect.map(
        deletion<Answer>(
          "deleteStream",
          streamName,
          category,
          category,
          request,
          (first, noticeId) =>
            sql`eventfold.delete_stream(${first}, ${id}::text, ${note}, ${noticeId}::uuid, ${copies})`
        ),
        ({ called }) => called
      )
    },
    purge: (category, request) => {
      const { copies, note } = deletionOf(sql, request)
      return Effect.map(
        deletion<{ readonly streams: bigint; readonly messages: bigint }>(
          "purge",
          category,
          category,
          category,
          request,
          (first) => sql`eventfold.purge_streams(${first}, ${note}, ${copies})`
        ),
        ({ messages, streams }) => ({ streams: Number(streams), messages: Number(messages) })
      )
    }
  }
}

const makeReads = (
  statements: Statements,
  places: Places
): Omit<StreamsBackend, "add" | "set" | "deleteMessage" | "deleteStream" | "purge"> => {
  const { query, retrying, sql } = statements
  const permitted = permitting(sql)

  /**
   * Notes the streams of a category, which makes later lists cheaper and changes nothing else. In transactions, whose isolation
   * level lets a note see what was deleted while it waited for its lock. So not on a connection beside a transaction of the caller.
   */
  const note = (operation: string, category: string) => {
    const statement = sql<{ readonly messages: bigint }>`SELECT eventfold.note_streams(${category}, ${
      BigInt(noteSize)
    }) AS messages`
    const next = Effect.mapError(
      retrying(Effect.mapError(inTransaction(statements, operation)(statement), causeOf)),
      (error) => error instanceof StoreError ? error : storeError(operation)(error)
    )
    const notes = Effect.gen(function*() {
      for (let i = 0; i < maxNotes; i++) {
        const [row] = yield* next
        if (Number(row?.messages ?? 0n) < noteSize) return
      }
    })
    return Effect.contextWith((context: Context.Context<never>) =>
      levelOf(sql, context) === undefined ? notes : Effect.void
    )
  }

  /**
   * Runs a read of the streams of a category. When too many are not noted, notes them first. In a transaction of the caller it
   * does not: it would lock the category until that ends.
   */
  const ofStreams = <Row extends object>(
    operation: string,
    category: string,
    rows: (most: bigint | null) => Effect.Effect<ReadonlyArray<Row>, SqlError>,
    isTooMany: (rows: ReadonlyArray<Row>) => boolean
  ): Effect.Effect<ReadonlyArray<Row>, StoreError> => {
    const all = Effect.suspend(() => patiently(query(operation, rows(null))))
    return Effect.contextWith((context: Context.Context<never>) =>
      places.transactions.isActive(context)
        ? places.read(operation, all)
        : places.read(
          operation,
          Effect.flatMap(query(operation, rows(BigInt(maxUnnoted))), (some) =>
            isTooMany(some) ? Effect.andThen(note(operation, category), all) : Effect.succeed(some))
        )
    )
  }

  const list = (page: StreamListPage) => (most: bigint | null) =>
    sql<ListRow>`SELECT id, attributes::text FROM eventfold.list_streams(
      ${page.category}, ${page.after ?? null}, ${BigInt(page.base)}, ${BigInt(page.limit)}, ${most})`

  const count = (category: string) => (most: bigint | null) =>
    sql<CountRow>`SELECT eventfold.count_streams(${category}, ${most}) AS streams`

  // One view for both: the function sees what its statement sees.
  const stats = (category: string) => (most: bigint | null) =>
    sql<CountRow & { readonly messages: bigint | null }>`SELECT counted.streams,
        CASE WHEN counted.streams IS NOT NULL THEN (
          SELECT count(*) FROM message_store.messages
          WHERE ${categoryOf(sql)} BETWEEN ${category}::text AND ${category}::text AND ${isNoMark(sql)}
        ) END AS messages
      FROM (SELECT eventfold.count_streams(${category}, ${most}) OFFSET 0) AS counted (streams)`

  return {
    get: ({ category, id }) =>
      places.read(
        "get",
        Effect.map(
          query(
            "get",
            sql<
              { readonly attributes: string | null }
            >`SELECT eventfold.get_stream(${category}, ${id})::text AS attributes`
          ),
          ([row]) => Option.fromNullishOr(row?.attributes)
        )
      ).pipe(permitted("get")),
    list: (page) =>
      ofStreams("list", page.category, list(page), ([row]) => row?.id === null).pipe(
        Effect.map((rows) =>
          rows.flatMap(({ attributes, id }): ReadonlyArray<EncodedStream> =>
            id === null || attributes === null ? [] : [{ id, attributes }]
          )
        ),
        permitted("list")
      ),
    countStreams: (category) =>
      ofStreams("countStreams", category, count(category), isUncounted).pipe(
        Effect.map(([row]) => Number(row?.streams ?? 0n)),
        permitted("countStreams")
      ),
    stats: (category) =>
      patiently(ofStreams("stats", category, stats(category), isUncounted)).pipe(
        Effect.map(([row]) => ({ streams: Number(row?.streams ?? 0n), messages: Number(row?.messages ?? 0n) })),
        permitted("stats")
      ),
    listMessages: ({ ascending, base, limit, streamName }) =>
      places.read(
        "listMessages",
        readMessages(
          statements,
          "listMessages",
          sql`SELECT called.* FROM eventfold.stream_messages(
            ${streamName}, ${BigInt(base)}, ${BigInt(limit)}, ${ascending}) AS called`.values
        )
      ).pipe(permitted("listMessages")),
    countMessages: (streamName) =>
      places.read("countMessages", countMessages(statements, streamName)).pipe(permitted("countMessages")),
    wasDeleted: (globalPosition, id) =>
      places.read(
        "wasDeleted",
        Effect.map(
          query(
            "wasDeleted",
            sql`SELECT FROM eventfold.deleted_messages WHERE global_position = ${
              BigInt(globalPosition)
            } AND id = ${id}::uuid`
          ),
          (rows) => rows.length > 0
        )
      )
  }
}

/** The number of messages of a stream, without marks. It reads all of them. */
const countMessages = ({ query, sql }: Statements, streamName: StreamName) =>
  Effect.map(
    patiently(query(
      "countMessages",
      sql<{ readonly messages: bigint }>`SELECT count(*) AS messages FROM message_store.messages
        WHERE stream_name = ${streamName} AND ${isNoMark(sql)}`.unprepared
    )),
    ([row]) => Number(row?.messages ?? 0n)
  )

/** Attributes of streams and deletion, on a database with the schema `eventfold`. */
export const make = (writing: Writing): StreamsBackend => ({
  ...makeReads(writing.statements, writing.places),
  ...makeWrites(writing)
})
