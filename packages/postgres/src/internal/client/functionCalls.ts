import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment } from "effect/sql/Statement"
import type { LockWaits } from "./lockWaits.ts"

/**
 * A query that calls a function of `message_store` whose first argument is the name of a stream or category. The rows
 * of the function are to be named `called`.
 */
export type FunctionCall = (name: string, call: (name: Fragment | string) => Fragment) => Fragment

/** Calls our functions, which name everything by its schema. */
export const ownFunctionCall = (sql: PgClient): FunctionCall => (name, call) => sql`SELECT called.* FROM ${call(name)}`

/**
 * The functions of a stock Message DB call one another without a schema. This FROM item appends `message_store` to the
 * search path until the transaction ends. A part of the query that must not run before that reads `found.path`.
 */
export const stockSearchPath = (sql: PgClient): Fragment =>
  sql`(
    SELECT set_config('search_path', regexp_replace(current_setting('search_path'), '(, message_store)?$', ', message_store'),
      true) AS path
    OFFSET 0
  ) AS found`

/**
 * The same for writes, which wait for locks: limits their waits as well, until the query reads `restored`. That comes last.
 */
export const stockWritePath = (sql: PgClient, { limitedUnlessSet }: LockWaits) => ({
  found: sql`(
    SELECT current_setting('lock_timeout') AS lock_timeout, ${limitedUnlessSet} AS limited, found.path
    FROM ${stockSearchPath(sql)} (path)
    OFFSET 0
  ) AS found`,
  restored: sql`set_config('lock_timeout', found.lock_timeout, true)`
})

/** Calls the functions of a stock Message DB. */
export const stockFunctionCall = (sql: PgClient): FunctionCall => (name, call) =>
  sql`SELECT called.* FROM ${stockSearchPath(sql)},
    LATERAL ${call(sql`CASE WHEN found.path IS NOT NULL THEN ${name}::varchar END`)}`
