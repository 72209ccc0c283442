import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Fragment } from "effect/sql/Statement"
import type {
  CategoriesPage,
  CategorySummary,
  ListingBackend,
  NamesPage,
  NewestMessage,
  StreamNamesPage,
  StreamsPage,
  StreamSummary
} from "eventfold/Listing"
import { type StoreError, Unsupported } from "eventfold/StoreError"
import { type CategoryName, Order as order } from "eventfold/StreamName"
import type { StreamsBackend } from "eventfold/StreamsBackend"
import type { Places } from "../client/independence.ts"
import { placeColumns, placeOf, type PlaceRow } from "../client/messageRows.ts"
import type { Statements } from "../client/statements.ts"
import { safePosition, texts } from "../client/wireValues.ts"
import { categoryOf } from "./filters.ts"

// Two values that are compared have one type, and polymorphic functions their schema: no operator or function of another role fits
// better than PostgreSQL's own.

/**
 * Whether the indexes of the table compare names by their bytes. Otherwise they compare them by the rules of a language, which
 * have the names of a category in many places.
 */
const comparesBytes = ({ query, sql }: Statements, operation: string) =>
  Effect.map(
    query(
      operation,
      sql<{ readonly bytes: boolean }>`SELECT coalesce(
          CASE WHEN used.collprovider::text = 'd'::text
            THEN base.datlocprovider::text = 'b'::text
              OR base.datlocprovider::text = 'c'::text AND base.datcollate::text ~ '^(C|POSIX)([.]|$)'::text
            ELSE used.collprovider::text = 'b'::text
              OR used.collprovider::text = 'c'::text AND used.collcollate::text ~ '^(C|POSIX)([.]|$)'::text
          END, false) AS bytes
        FROM pg_catalog.pg_attribute AS named
        JOIN pg_catalog.pg_collation AS used ON used.oid = named.attcollation
        JOIN pg_catalog.pg_database AS base ON base.datname = current_database()
        WHERE named.attrelid = 'message_store.messages'::regclass::oid AND named.attname = 'stream_name'::name`
    ),
    ([row]) => row?.bytes === true
  )

/** The condition that a page begins with a name. */
const begins = (sql: PgClient, name: Fragment, { after, prefix }: NamesPage): Fragment =>
  sql.and([sql`${name} >= ${prefix}::text`, ...(after === undefined ? [] : [sql`${name} > ${after}::text`])])

/**
 * Steps from category to category along messages_category: each step is one look-up. The order leaves the planner no other way.
 * Ends after the last of the page, or with the first one beyond the prefix.
 */
const categoriesOfPage = (sql: PgClient, page: NamesPage): Fragment =>
  sql`names (category, nth) AS (
      (
        SELECT ${categoryOf(sql)}, 1
        FROM message_store.messages
        WHERE ${begins(sql, categoryOf(sql), page)}
        ORDER BY message_store.category(stream_name), global_position
        LIMIT 1
      )
      UNION ALL
      SELECT step.category, names.nth + 1
      FROM names, LATERAL (
        SELECT ${categoryOf(sql)} AS category
        FROM message_store.messages
        WHERE ${categoryOf(sql)} > names.category
        ORDER BY message_store.category(stream_name), global_position
        LIMIT 1
      ) AS step
      WHERE names.nth < ${page.limit}::integer AND starts_with(names.category, ${page.prefix}::text)
    ), listed AS (
      SELECT category FROM names WHERE starts_with(category, ${page.prefix}::text)
    )`

/** The same where the index has another order: all categories, of which the page is taken. */
const categoriesOfAll = (sql: PgClient, { after, limit, prefix }: NamesPage): Fragment =>
  sql`names (category) AS (
      (
        SELECT ${categoryOf(sql)}
        FROM message_store.messages
        ORDER BY message_store.category(stream_name), global_position
        LIMIT 1
      )
      UNION ALL
      SELECT step.category
      FROM names, LATERAL (
        SELECT ${categoryOf(sql)} AS category
        FROM message_store.messages
        WHERE ${categoryOf(sql)} > names.category
        ORDER BY message_store.category(stream_name), global_position
        LIMIT 1
      ) AS step
    ), listed AS (
      SELECT category FROM names
      WHERE starts_with(category, ${prefix}::text) AND (${after ?? null}::text IS NULL OR category COLLATE "C" > ${
    after ?? null
  }::text)
      ORDER BY category COLLATE "C"
      LIMIT ${BigInt(limit)}
    )`

/**
 * About how many messages each listed category has, by the statistics of messages_category: the common categories have their
 * share of the table, the others what is left in equal parts. The table's rows are those of its last ANALYZE, at the size of now.
 * Nothing when there are no statistics, and for a role that may not see them: those of an index are its owner's.
 */
const estimated = (sql: PgClient): Fragment =>
  sql`counted AS (
      SELECT
        stats.total,
        stats.common,
        stats.shares,
        greatest(
          0::float8,
          1::float8 - (SELECT coalesce(sum(share), 0::float8) FROM pg_catalog.unnest(stats.shares) AS shares (share))
        ) / greatest(1::float8, stats.categories - pg_catalog.cardinality(stats.common)::float8) AS rest
      FROM (
        SELECT
          rows.total,
          coalesce(pg_stats.most_common_vals::text::text[], '{}'::text[]) AS common,
          coalesce(pg_stats.most_common_freqs::float8[], '{}'::float8[]) AS shares,
          CASE WHEN pg_stats.n_distinct::float8 < 0::float8
            THEN (- pg_stats.n_distinct::float8) * rows.total
            ELSE pg_stats.n_distinct::float8
          END AS categories
        FROM (
          SELECT
            pg_class.reltuples::float8 / pg_class.relpages::float8
              * (pg_relation_size(pg_class.oid::regclass)::float8 / current_setting('block_size'::text)::float8) AS total
          FROM pg_catalog.pg_class
          WHERE pg_class.oid = 'message_store.messages'::regclass::oid
            AND pg_class.reltuples::float8 >= 0::float8 AND pg_class.relpages > 0::integer
        ) AS rows, pg_catalog.pg_stats
        WHERE pg_stats.schemaname = 'message_store'::name AND pg_stats.tablename = 'messages_category'::name
          AND pg_stats.attname = (
            SELECT pg_attribute.attname FROM pg_catalog.pg_attribute
            WHERE pg_attribute.attrelid = to_regclass('message_store.messages_category'::text)::oid
              AND pg_attribute.attnum = 1::smallint
          )
      ) AS stats
    )`

interface CategoryRow extends PlaceRow {
  readonly category: string
  readonly messages: number | null
}

const readCategories = (statements: Statements, page: NamesPage) =>
  Effect.gen(function*() {
    const { query, sql } = statements
    const isByBytes = yield* comparesBytes(statements, "categories")
    const rows = yield* query(
      "categories",
      sql<CategoryRow>`WITH RECURSIVE ${isByBytes ? categoriesOfPage(sql, page) : categoriesOfAll(sql, page)}, ${
        estimated(sql)
      }
        SELECT listed.category, last.*,
          (
            SELECT greatest(
              1::float8,
              round(total * coalesce(shares[pg_catalog.array_position(common, listed.category)], rest))
            )
            FROM counted
          )
            AS messages
        FROM listed, LATERAL (
          SELECT ${placeColumns(sql)}
          FROM message_store.messages
          WHERE ${categoryOf(sql)} BETWEEN listed.category AND listed.category
          ORDER BY message_store.category(stream_name) DESC, global_position DESC
          LIMIT 1
        ) AS last
        ORDER BY listed.category COLLATE "C"`.unprepared
    )
    const categories = yield* Effect.forEach(
      rows,
      Effect.fnUntraced(function*(row): Effect.fn.Return<CategorySummary, StoreError> {
        const size = row.messages === null ? Option.none() : Option.some({ messages: row.messages, isExact: false })
        return { category: row.category, size, last: yield* placeOf(row) }
      })
    )
    const last = rows.length < page.limit ? undefined : rows.at(-1)?.category
    const result: CategoriesPage = { categories, next: Option.fromUndefinedOr(last) }
    return result
  })

/**
 * Reads a category from its end. As for its last message, the conditions leave the planner one way, along messages_category.
 */
const readNewest = ({ query, sql }: Statements, category: CategoryName, limit: number, isEnd: Fragment) =>
  Effect.flatMap(
    query(
      "changedStreams",
      sql<PlaceRow & Pick<StreamRow, "ended">>`SELECT ${placeColumns(sql)}, ${isEnd} AS ended
        FROM message_store.messages
        WHERE ${categoryOf(sql)} BETWEEN ${category}::text AND ${category}::text
        ORDER BY message_store.category(stream_name) DESC, global_position DESC LIMIT ${BigInt(limit)}`.unprepared
    ),
    Effect.forEach((row) => Effect.map(placeOf(row), (place): NewestMessage => ({ place, isEnd: row.ended })))
  )

interface StreamRow extends PlaceRow {
  readonly name: string
  /** Whether the stream was deleted. */
  readonly ended: boolean
}

/** The last message of each listed stream. */
const lastOfListed = (sql: PgClient, isEnd: Fragment): Fragment =>
  sql`SELECT listed.name, last.*
    FROM listed, LATERAL (
      SELECT ${placeColumns(sql)}, ${isEnd} AS ended
      FROM message_store.messages
      WHERE stream_name::text = listed.name
      ORDER BY messages."position" DESC
      LIMIT 1
    ) AS last
    ORDER BY listed.name COLLATE "C"`

/**
 * Steps from stream to stream along messages_stream, as {@link categoriesOfPage} does. The stream with the bare name of a category
 * sorts before its other streams, and others may be between.
 */
const streamsOfPage = (sql: PgClient, { category, prefix, ...page }: StreamNamesPage, isEnd: Fragment): Fragment => {
  const ofCategory = category === undefined ? "" : `${category}-`
  // Names of both beginnings; with neither the beginning of the other there are none.
  const begin = prefix.startsWith(ofCategory) ? prefix : ofCategory
  const bare = category === undefined ? sql`` : sql`
      SELECT ${category}::text AS name
      WHERE starts_with(${category}::text, ${prefix}::text)
        AND (${page.after ?? null}::text IS NULL OR ${category}::text > ${page.after ?? null}::text)
        AND EXISTS (SELECT FROM message_store.messages WHERE stream_name::text = ${category}::text)
      UNION ALL`
  const isPossible = sql`starts_with(${begin}::text, ${prefix}::text)`
  return sql`WITH RECURSIVE names (name, nth) AS (
      (
        SELECT stream_name::text, 1
        FROM message_store.messages
        WHERE ${begins(sql, sql`stream_name::text`, { ...page, prefix: begin })} AND ${isPossible}
        ORDER BY stream_name, messages."position"
        LIMIT 1
      )
      UNION ALL
      SELECT step.name, names.nth + 1
      FROM names, LATERAL (
        SELECT messages.stream_name::text AS name
        FROM message_store.messages
        WHERE messages.stream_name::text > names.name
        ORDER BY messages.stream_name, messages."position"
        LIMIT 1
      ) AS step
      WHERE names.nth < ${page.limit}::integer AND starts_with(names.name, ${begin}::text)
    ), listed AS (
      SELECT name
      FROM (${bare}
        SELECT name FROM names WHERE starts_with(name, ${begin}::text)
      ) AS found
      ORDER BY name COLLATE "C"
      LIMIT ${BigInt(page.limit)}
    )
    ${lastOfListed(sql, isEnd)}`
}

const streamsPage = Effect.fnUntraced(function*(
  rows: ReadonlyArray<StreamRow>,
  next: string | undefined
): Effect.fn.Return<StreamsPage, StoreError> {
  const streams = yield* Effect.forEach(
    rows.filter(({ ended }) => !ended),
    Effect.fnUntraced(function*(row): Effect.fn.Return<StreamSummary, StoreError> {
      return { streamName: row.name, version: yield* safePosition(row.position), last: yield* placeOf(row) }
    })
  )
  return { streams, next: Option.fromUndefinedOr(next) }
})

const operation = "listing streams in a database that compares texts by the rules of a language"

/**
 * Names a page of the streams of a category where its index has them in many places: by those that lists of streams note. A list
 * begins after an id, so the two names that may come before are named whether they exist or not.
 */
const notedNames = Effect.fnUntraced(function*(
  list: StreamsBackend["list"],
  category: CategoryName,
  { after, limit, prefix }: NamesPage
) {
  const isAfter = (name: string) => after === undefined || order(name, after) > 0
  const begin = `${category}-`
  const matches = prefix.startsWith(begin) || begin.startsWith(prefix)
  const bare = category.startsWith(prefix) && isAfter(category) ? [category] : []
  const first = prefix.startsWith(begin) && prefix !== begin && isAfter(prefix) ? [prefix] : []
  // Of names before all ids of the category, none is an id.
  const from = [prefix, after ?? ""].filter((name) => name.startsWith(begin)).toSorted(order).at(-1) ?? begin
  const isPast = after !== undefined && !after.startsWith(begin) && order(after, begin) > 0
  const listed = !matches || isPast
    ? []
    : yield* list({ category, after: from.slice(begin.length), base: 0, limit })
  const names = listed.map(({ id }) => `${begin}${id}`).filter((name) => name.startsWith(prefix))
  return [...bare, ...first, ...names].slice(0, limit)
})

const listNoted = Effect.fnUntraced(function*(
  statements: Statements,
  { read }: Places,
  list: StreamsBackend["list"],
  isEnd: Fragment,
  { category, ...page }: StreamNamesPage
) {
  const { query, sql } = statements
  if (category === undefined) {
    const remedy = "give a category; or keep the messages in a database with the collation C or C.UTF-8"
    return yield* new Unsupported({ operation, remedy })
  }
  const names = yield* Effect.catchTag(
    notedNames(list, category, page),
    "NotPermitted",
    ({ remedy }) => Effect.fail(new Unsupported({ operation, remedy }))
  )
  const rows = yield* read(
    "streams",
    query(
      "streams",
      sql<StreamRow>`WITH listed (name) AS (SELECT pg_catalog.unnest(${texts(names)})) ${lastOfListed(sql, isEnd)}`
        .unprepared
    )
  )
  return yield* streamsPage(rows, names.length < page.limit ? undefined : names.at(-1))
})

/**
 * Lists categories and streams, from the table and the indexes of Message DB. `isEnd` is the condition that a message is the notice
 * of a deleted stream.
 */
export const make = (
  statements: Statements,
  places: Places,
  { list }: Pick<StreamsBackend, "list">,
  isEnd: Fragment
): ListingBackend => {
  const { query, sql } = statements
  return {
    categories: (page) => places.read("categories", readCategories(statements, page)),
    newest: (category, limit) => places.read("changedStreams", readNewest(statements, category, limit, isEnd)),
    streams: Effect.fnUntraced(function*(page) {
      if (!(yield* places.read("streams", comparesBytes(statements, "streams")))) {
        return yield* listNoted(statements, places, list, isEnd, page)
      }
      const rows = yield* places.read(
        "streams",
        query("streams", sql<StreamRow>`${streamsOfPage(sql, page, isEnd)}`.unprepared)
      )
      return yield* streamsPage(rows, rows.length < page.limit ? undefined : rows.at(-1)?.name)
    })
  }
}
