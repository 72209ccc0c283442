import type { PgClient, PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { ExpectedVersion } from "eventfold/ExpectedVersion"
import type { MessageId } from "eventfold/Message"
import type { CategoryPage, CategoryRange, CountAllRange, StoreBackend, StreamPage } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import type { CategoryName, StreamName } from "eventfold/StreamName"
import { messagePage, recordedMessages, safePosition } from "../client/messageRows.ts"
import { isPassing, storeError } from "../client/sqlError.ts"

/**
 * For failures that pass: a lost connection, a server that starts again, a deadlock. Eight more attempts in about four
 * seconds. To send an append again is safe, because its messages have their ids.
 */
const passing: Schedule.Schedule<unknown> = Schedule.max([
  Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(Schedule.jittered),
  Schedule.recurs(8)
])

/** Runs statements again that failed for a reason that passes. Those that do not fail pay nothing for the schedule. */
export const retrying = <A, E>(
  statements: Effect.Effect<A, E | SqlError>,
  isRetryable = isPassing
): Effect.Effect<A, E | SqlError> => {
  const isWorthIt = (error: E | SqlError): boolean => isSqlError(error) && isRetryable(error)
  return Effect.catchIf(statements, isWorthIt, (error) => {
    let attempt: Effect.Effect<A, E | SqlError> = Effect.fail(error)
    const next = Effect.suspend(() => {
      const current = attempt
      attempt = statements
      return current
    })
    return Effect.retry(next, { schedule: passing, while: isWorthIt })
  })
}

/** Runs statements on a connection of their own, whatever transaction their caller is in. */
export const withoutTransaction = (sql: PgClient) => <A, E>(statements: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.updateContext(
    statements,
    (context: Context.Context<never>) => Context.omit(sql.transactionService)(context)
  )

/** Whether the calling fiber is in a transaction on the client. */
export const isInTransaction = (sql: PgClient): Effect.Effect<boolean> =>
  Effect.map(Effect.serviceOption(sql.transactionService), Option.isSome)

/**
 * Runs a write outside of the transaction that its caller may be in on the same client: it is one of its own, perhaps
 * together with others', and is sent again when its outcome is unknown. On a client with a single connection it would
 * wait for ever for the one that the caller's transaction holds, so there it fails.
 */
export const outsideTransaction = (sql: PgClient) => {
  const pool: PgPoolConfig = sql.config
  const isSingle = pool.maxConnections === 1
  return <A, E>(operation: string, write: Effect.Effect<A, E>): Effect.Effect<A, E | StoreError> =>
    Effect.contextWith((context: Context.Context<never>): Effect.Effect<A, E | StoreError> => {
      if (Option.isNone(Context.getOption(context, sql.transactionService))) return write
      if (isSingle) {
        const reason = "it is called inside of a transaction on the client's only connection, which it needs for itself"
        return Effect.fail(new StoreError({ operation, reason, isRetryable: false }))
      }
      return withoutTransaction(sql)(write)
    })
}

/** Expected versions as numbers: below the exact ones, -1 for no stream, -2 for an existing one, -3 for any. */
export const wireVersion = (expected: ExpectedVersion): bigint => {
  switch (expected) {
    case "any":
      return -3n
    case "exists":
      return -2n
    case "noStream":
      return -1n
    default:
      // What no version can be never matches: -4 has no meaning.
      return Number.isSafeInteger(expected) && expected >= 0 ? BigInt(expected) : -4n
  }
}

/** How a function that takes a stream or category name first is called; its rows are named `called`. */
export type Call = (name: string, call: (name: Fragment | string) => Fragment) => Fragment

/** Our functions name everything by its schema. */
export const plainCall = (sql: PgClient): Call => (name, call) => sql`SELECT called.* FROM ${call(name)}`

/**
 * The bodies of a stock Message DB's functions name one another without a schema: this puts it at the end of the search
 * path until the transaction ends. What must not run before reads `found.path`.
 */
export const stockPath = (sql: PgClient): Fragment =>
  sql`(SELECT set_config('search_path', current_setting('search_path') || ', message_store', true) AS path OFFSET 0)
    AS found`

/** The functions of a stock Message DB. */
export const stockCall = (sql: PgClient): Call => (name, call) =>
  sql`SELECT called.* FROM ${stockPath(sql)},
    LATERAL ${call(sql`CASE WHEN found.path IS NOT NULL THEN ${name}::varchar END`)}`

/** The columns of `message_store.message`, from the table. */
export const messageColumns = (sql: PgClient): Fragment =>
  sql`id::varchar, stream_name, type, position, global_position, data::varchar, metadata::varchar, time`

const wireNumber = (value: number | undefined): bigint | null => value === undefined ? null : BigInt(value)

/** The values of the columns of rows. */
type Values = Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError>

/**
 * A filter of what is read in order up to a limit. The planner would take a filter that it knows to let little through, or
 * can't judge, for a reason to read and sort the whole table; this one it takes to let half of it through.
 */
export const opaque = (sql: PgClient, filter: Fragment): Fragment => sql`CASE WHEN ${filter} THEN true ELSE false END`

/** Reads messages. */
export const read = (operation: string, rows: Values) =>
  Effect.flatMap(Effect.mapError(retrying(rows), storeError(operation)), recordedMessages)

/** Reads a page of messages. */
export const readMessagePage = (operation: string, rows: Values) =>
  Effect.map(Effect.mapError(retrying(rows), storeError(operation)), messagePage)

/**
 * What is read in the same way on every Message DB: through the functions of `message_store`, and from its table what they
 * do not give.
 */
export const makeReads = (
  sql: PgClient,
  call: Call,
  backwards: StoreBackend["readStream"]
): Pick<
  StoreBackend,
  | "readStream"
  | "readCategory"
  | "lastMessage"
  | "streamVersion"
  | "findMessage"
  | "lastCategoryMessage"
  | "countCategory"
  | "messageAt"
  | "lastPosition"
  | "countAll"
> => {
  const forwards = ({ from, limit, streamName }: StreamPage) =>
    sql`${
      call(
        streamName,
        (name) => sql`message_store.get_stream_messages(${name}, ${BigInt(from ?? 0)}, ${BigInt(limit)}) AS called`
      )
    }`

  const isOfTypes = (types: ReadonlyArray<string>) => sql`type = ANY(${types}::text[])`

  // A stock `cardinal_id` names what it calls without a schema, so it is spelled out.
  const categoryFilters = (
    { consumerGroup, correlation }: Pick<CategoryRange, "consumerGroup" | "correlation">
  ): ReadonlyArray<Fragment> => [
    ...(correlation === undefined
      ? []
      : [sql`message_store.category(metadata ->> 'correlationStreamName') = ${correlation}`]),
    ...(consumerGroup === undefined
      ? []
      : [sql`abs(message_store.hash_64(split_part(message_store.id(stream_name), '+', 1)::varchar)
          % ${BigInt(consumerGroup.size)}) = ${BigInt(consumerGroup.member)}`])
  ]

  const category = ({ category, consumerGroup, correlation, from, limit }: CategoryPage) =>
    sql`${
      call(category, (name) =>
        sql`message_store.get_category_messages(${name}, ${BigInt(from)}, ${BigInt(limit)}, ${correlation ?? null},
          ${wireNumber(consumerGroup?.member)}, ${wireNumber(consumerGroup?.size)}) AS called`)
    }`

  // Message DB's function knows no types. As in there, the conditions leave one way to go, along messages_category.
  const categoryByTypes = ({ category, from, limit, ...page }: CategoryPage, types: ReadonlyArray<string>) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE (message_store.category(stream_name), global_position) >= (${category}, ${BigInt(from)}::bigint)
        AND message_store.category(stream_name) <= ${category}
        AND ${opaque(sql, sql.and([isOfTypes(types), ...categoryFilters(page)]))}
      ORDER BY message_store.category(stream_name), global_position LIMIT ${BigInt(limit)}`

  const last = (streamName: StreamName, type: string | undefined) =>
    sql`${call(streamName, (name) => sql`message_store.get_last_stream_message(${name}, ${type ?? null}) AS called`)}`

  const version = (streamName: StreamName) =>
    sql<{ readonly stream_version: bigint | null }>`${
      call(streamName, (name) => sql`message_store.stream_version(${name}) AS called (stream_version)`)
    }`

  // Planned each time: a plan made while the table was small would read all of it later.
  const find = (streamName: StreamName, id: MessageId) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE id = ${id}::uuid AND stream_name = ${streamName}`.valuesUnprepared

  // As in get_category_messages, the conditions leave only one way to go, along messages_category to one end of the category:
  // with an equality, the planner may walk the whole log for a common category that has gone quiet.
  const lastOfCategory = (category: CategoryName) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE message_store.category(stream_name) BETWEEN ${category} AND ${category}
      ORDER BY message_store.category(stream_name) DESC, global_position DESC LIMIT 1`.valuesUnprepared

  // Here nothing is ordered, and the planner might read the whole table for a category that it knows to be a common one,
  // wherever the count begins. It does not know the value of a subquery, and takes it for a rare one.
  const count = (range: CategoryRange) => {
    const name = sql`(SELECT ${range.category}::varchar)`
    return sql<{ readonly count: bigint }>`SELECT count(*) FROM message_store.messages
      WHERE ${
      sql.and([
        sql`(message_store.category(stream_name), global_position) >= (${name}, ${BigInt(range.from)}::bigint)`,
        sql`message_store.category(stream_name) BETWEEN ${name} AND ${name}`,
        ...(range.types === undefined ? [] : [isOfTypes(range.types)]),
        ...categoryFilters(range)
      ])
    }`.unprepared
  }

  const at = (globalPosition: number) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE global_position = ${BigInt(globalPosition)}`

  const lastPosition = sql<{ readonly global_position: bigint }>`SELECT global_position FROM message_store.messages
    ORDER BY global_position DESC LIMIT 1`

  // What `(position|parked)` is one of the types of, as in `account:command+position`.
  const isNoBookkeeping = sql`message_store.category(stream_name) !~ ':(.*[+])?(position|parked)([+]|$)'`

  const countAll = (range: CountAllRange) =>
    sql<{ readonly count: bigint }>`SELECT count(*) FROM message_store.messages
      WHERE ${
      sql.and([
        sql`global_position >= ${BigInt(range.from)}`,
        ...(range.categories === undefined
          ? []
          : [sql`message_store.category(stream_name) = ANY(${range.categories}::text[])`]),
        ...(range.types === undefined ? [] : [isOfTypes(range.types)]),
        ...(range.bookkeeping ? [] : [isNoBookkeeping]),
        ...categoryFilters(range)
      ])
    }`.unprepared

  return {
    readStream: (page) =>
      page.direction === "forwards" ? readMessagePage("readStream", forwards(page).values) : backwards(page),
    readCategory: (page) =>
      readMessagePage(
        "readCategory",
        page.types === undefined ? category(page).values : categoryByTypes(page, page.types).valuesUnprepared
      ),
    lastMessage: (streamName, type) => Effect.map(read("lastMessage", last(streamName, type).values), Arr.head),
    findMessage: (streamName, id) => Effect.map(read("findMessage", find(streamName, id)), Arr.head),
    lastCategoryMessage: (category) => Effect.map(read("lastCategoryMessage", lastOfCategory(category)), Arr.head),
    messageAt: (globalPosition) => Effect.map(read("messageAt", at(globalPosition).values), Arr.head),
    lastPosition: retrying(lastPosition).pipe(
      Effect.mapError(storeError("lastPosition")),
      Effect.flatMap(([row]) => row === undefined ? Effect.succeed(0) : safePosition(row.global_position))
    ),
    countAll: (range) =>
      retrying(countAll(range)).pipe(
        Effect.mapError(storeError("countAll")),
        Effect.map(([row]) => Number(row?.count ?? 0n))
      ),
    countCategory: (range) =>
      retrying(count(range)).pipe(
        Effect.mapError(storeError("countCategory")),
        Effect.map(([row]) => Number(row?.count ?? 0n))
      ),
    streamVersion: (streamName) =>
      retrying(version(streamName)).pipe(
        Effect.mapError(storeError("streamVersion")),
        Effect.flatMap(([row]) =>
          row?.stream_version == null ? Effect.succeedNone : Effect.asSome(safePosition(row.stream_version))
        )
      )
  }
}
