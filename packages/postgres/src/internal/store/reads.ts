import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { MessageId } from "eventfold/Message"
import type { CategoryPage, CategoryRange, CountAllRange, StoreBackend, StreamPage } from "eventfold/StoreBackend"
import type { CategoryName, StreamName } from "eventfold/StreamName"
import { patiently } from "../client/bound.ts"
import type { FunctionCall } from "../client/functionCalls.ts"
import { messageColumns, readMessagePage, readMessages } from "../client/messageRows.ts"
import type { Statements } from "../client/statements.ts"
import { safePosition, wireNumber } from "../client/wireValues.ts"
import { categoryFilters, categoryOf, isNotBookkeeping, isOfTypes, opaque } from "./filters.ts"

type StreamReads = Pick<StoreBackend, "readStream" | "lastMessage" | "streamVersion" | "findMessage" | "messageById">

/** Reads of one stream. */
const streamReads = (
  statements: Statements,
  call: FunctionCall,
  backwards: StoreBackend["readStream"]
): StreamReads => {
  const { query, sql } = statements
  const forwards = ({ from, limit, streamName }: StreamPage) =>
    sql`${
      call(
        streamName,
        (name) => sql`message_store.get_stream_messages(${name}, ${BigInt(from ?? 0)}, ${BigInt(limit)}) AS called`
      )
    }`

  const last = (streamName: StreamName, type: string | undefined) =>
    sql`${call(streamName, (name) => sql`message_store.get_last_stream_message(${name}, ${type ?? null}) AS called`)}`

  const version = (streamName: StreamName) =>
    sql<{ readonly stream_version: bigint | null }>`${
      call(streamName, (name) => sql`message_store.stream_version(${name}) AS called (stream_version)`)
    }`

  // Planned at each call: a plan made while the table was small would later read all of it.
  const find = (streamName: StreamName, id: MessageId) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE id = ${id}::uuid AND stream_name = ${streamName}`.valuesUnprepared

  const findById = (id: MessageId) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages WHERE id = ${id}::uuid`.valuesUnprepared

  return {
    messageById: (id) => Effect.map(readMessages(statements, "messageById", findById(id)), Arr.head),
    readStream: (page) =>
      page.direction === "forwards"
        ? readMessagePage(statements, "readStream", forwards(page).values, true)
        : backwards(page),
    lastMessage: (streamName, type) =>
      Effect.map(readMessages(statements, "lastMessage", last(streamName, type).values, true), Arr.head),
    findMessage: (streamName, id) =>
      Effect.map(readMessages(statements, "findMessage", find(streamName, id)), Arr.head),
    streamVersion: (streamName) =>
      Effect.flatMap(
        query("streamVersion", version(streamName)),
        ([row]) => row?.stream_version == null ? Effect.succeedNone : Effect.asSome(safePosition(row.stream_version))
      )
  }
}

interface CountRow {
  readonly count: bigint
}

/** A count reads all that it counts. */
const readCount = ({ query }: Statements, operation: string, rows: Effect.Effect<ReadonlyArray<CountRow>, SqlError>) =>
  Effect.map(patiently(query(operation, rows)), ([row]) => Number(row?.count ?? 0n))

/** Reads of one category. */
const categoryReads = (
  statements: Statements,
  call: FunctionCall
): Pick<StoreBackend, "readCategory" | "lastCategoryMessage" | "countCategory"> => {
  const { sql } = statements
  const page = ({ category, consumerGroup, correlation, from, limit }: CategoryPage) =>
    sql`${
      call(category, (name) =>
        sql`message_store.get_category_messages(${name}, ${BigInt(from)}, ${BigInt(limit)}, ${correlation ?? null},
          ${wireNumber(consumerGroup?.member)}, ${wireNumber(consumerGroup?.size)}) AS called`)
    }`

  // Message DB's function has no filter by type. As there, the conditions leave the planner one way, along
  // messages_category.
  const pageOfTypes = ({ category, from, limit, ...filters }: CategoryPage, types: ReadonlyArray<string>) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE (${categoryOf(sql)}, global_position) >= (${category}::text, ${BigInt(from)}::bigint)
        AND ${categoryOf(sql)} <= ${category}::text
        AND ${opaque(sql, sql.and([isOfTypes(sql, types), ...categoryFilters(sql, filters)]))}
      ORDER BY message_store.category(stream_name), global_position LIMIT ${BigInt(limit)}`

  // As in get_category_messages, the conditions leave the planner one way, along messages_category to one end of the
  // category. With an equality it might walk the whole log for a common category that has gone quiet.
  const last = (category: CategoryName) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE ${categoryOf(sql)} BETWEEN ${category}::text AND ${category}::text
      ORDER BY message_store.category(stream_name) DESC, global_position DESC LIMIT 1`.valuesUnprepared

  // A count has no order, so the planner might read the whole table for a category that it knows to be common, wherever
  // the count begins. It does not know the value of a subquery, and takes it to be rare.
  const count = (range: CategoryRange) => {
    const name = sql`(SELECT ${range.category}::text)`
    return sql<CountRow>`SELECT count(*) FROM message_store.messages
      WHERE ${
      sql.and([
        sql`(${categoryOf(sql)}, global_position) >= (${name}, ${BigInt(range.from)}::bigint)`,
        sql`${categoryOf(sql)} BETWEEN ${name} AND ${name}`,
        ...(range.types === undefined ? [] : [isOfTypes(sql, range.types)]),
        ...categoryFilters(sql, range)
      ])
    }`.unprepared
  }

  return {
    readCategory: (request) =>
      readMessagePage(
        statements,
        "readCategory",
        request.types === undefined ? page(request).values : pageOfTypes(request, request.types).valuesUnprepared
      ),
    lastCategoryMessage: (category) =>
      Effect.map(readMessages(statements, "lastCategoryMessage", last(category)), Arr.head),
    countCategory: (range) => readCount(statements, "countCategory", count(range))
  }
}

/** Reads of the whole store that need no finality. */
const storeReads = (statements: Statements): Pick<StoreBackend, "messageAt" | "lastPosition" | "countAll"> => {
  const { query, sql } = statements
  const at = (globalPosition: number) =>
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE global_position = ${BigInt(globalPosition)}`

  const lastPosition = sql<{ readonly global_position: bigint }>`SELECT global_position FROM message_store.messages
    ORDER BY global_position DESC LIMIT 1`

  const countAll = (range: CountAllRange) =>
    sql<CountRow>`SELECT count(*) FROM message_store.messages
      WHERE ${
      sql.and([
        sql`global_position >= ${BigInt(range.from)}`,
        ...(range.categories === undefined
          ? []
          : [sql`${categoryOf(sql)} = ANY(${range.categories}::text[])`]),
        ...(range.types === undefined ? [] : [isOfTypes(sql, range.types)]),
        ...(range.bookkeeping ? [] : [isNotBookkeeping(sql)]),
        ...categoryFilters(sql, range)
      ])
    }`.unprepared

  return {
    messageAt: (globalPosition) =>
      Effect.map(readMessages(statements, "messageAt", at(globalPosition).valuesUnprepared), Arr.head),
    lastPosition: Effect.flatMap(
      query("lastPosition", lastPosition),
      ([row]) => row === undefined ? Effect.succeed(0) : safePosition(row.global_position)
    ),
    countAll: (range) => readCount(statements, "countAll", countAll(range))
  }
}

/**
 * The reads that are the same on every Message DB: through the functions of `message_store`, and from its table where the
 * functions do not suffice. Only reading a stream backwards differs.
 */
export const makeReads = (
  statements: Statements,
  call: FunctionCall,
  backwards: StoreBackend["readStream"]
) => ({
  ...streamReads(statements, call, backwards),
  ...categoryReads(statements, call),
  ...storeReads(statements)
})
