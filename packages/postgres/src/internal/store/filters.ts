import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment } from "effect/sql/Statement"
import type { CategoryRange } from "eventfold/StoreBackend"

/**
 * Hides a filter from the planner, in a query that reads in order up to a limit. The planner would read and sort the
 * whole table for a filter that it knows to be selective, or can't estimate. It takes this form to let half of the rows
 * through.
 */
export const opaque = (sql: PgClient, filter: Fragment): Fragment => sql`CASE WHEN ${filter} THEN true ELSE false END`

/** Only messages of these types. */
export const isOfTypes = (sql: PgClient, types: ReadonlyArray<string>): Fragment => sql`type = ANY(${types}::text[])`

/** Only messages of the correlation and of the member of a consumer group. */
export const categoryFilters = (
  sql: PgClient,
  { consumerGroup, correlation }: Pick<CategoryRange, "consumerGroup" | "correlation">
): ReadonlyArray<Fragment> => [
  ...(correlation === undefined
    ? []
    : [sql`message_store.category(metadata ->> 'correlationStreamName'::text)::text = ${correlation}::text`]),
  // Spelled out, because `cardinal_id` of a stock Message DB calls functions without a schema.
  ...(consumerGroup === undefined
    ? []
    : [sql`abs(message_store.hash_64(split_part(message_store.id(stream_name)::text, '+'::text, 1)::varchar)
          % ${BigInt(consumerGroup.size)}) = ${BigInt(consumerGroup.member)}`])
]

/**
 * The category of a message, for a comparison with a text. PostgreSQL compares texts only, so without this type it would look in the
 * session's search_path for an operator that fits better. The planner sees through it to the index.
 */
export const categoryOf = (sql: PgClient): Fragment => sql`message_store.category(stream_name)::text`

/** Without the categories of which `position` or `parked` is one of the types, as in `account:command+position`. */
export const isNotBookkeeping = (sql: PgClient): Fragment =>
  sql`${categoryOf(sql)} !~ ':(.*[+])?(position|parked)([+]|$)'::text`
