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
    : [sql`message_store.category(metadata ->> 'correlationStreamName') = ${correlation}`]),
  // Spelled out, because `cardinal_id` of a stock Message DB calls functions without a schema.
  ...(consumerGroup === undefined
    ? []
    : [sql`abs(message_store.hash_64(split_part(message_store.id(stream_name), '+', 1)::varchar)
          % ${BigInt(consumerGroup.size)}) = ${BigInt(consumerGroup.member)}`])
]

/** Without the categories of which `position` or `parked` is one of the types, as in `account:command+position`. */
export const isNotBookkeeping = (sql: PgClient): Fragment =>
  sql`message_store.category(stream_name) !~ ':(.*[+])?(position|parked)([+]|$)'`
