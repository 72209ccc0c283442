import type { PgClient } from "@effect/sql-pg/PgClient"
import { asOneStatement } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { Build, Definition } from "eventfold/ReadModelStore"
import { StoreError, Unsupported } from "eventfold/StoreError"
import { patiently } from "../client/bound.ts"
import { identifier } from "../client/ownClient.ts"
import { errorCode, errorText, storeError } from "../client/sqlError.ts"
import { schemaOf } from "./buildRows.ts"

/**
 * The last columns of a SELECT, and the FROM item that they read. For the rest of the transaction, bare names find the
 * tables of the schema first, and then those of the search path that the transaction began with.
 */
export const enterSchema = (
  sql: PgClient,
  schema: string
): { readonly columns: Fragment; readonly from: Fragment } => ({
  columns: sql`set_config('eventfold.search_path', base.path, true),
    set_config('search_path', concat_ws(', ', quote_ident(${schema}), nullif(base.path, '')), true)`,
  from: sql`(
    SELECT coalesce(nullif(current_setting('eventfold.search_path', true), ''), current_setting('search_path')) AS path
    OFFSET 0
  ) AS base`
})

/**
 * Names what the application has built on a read model's tables: it would stay with them when other tables replace
 * them.
 */
const findDependents = Effect.fnUntraced(function*(sql: PgClient, schema: string) {
  const rows = yield* sql<{ readonly name: string }>`SELECT eventfold.dependents(${schema}) AS name`
  const names = rows.map(({ name }) => name).join(", ")
  return rows.length === 0
    ? undefined
    : `the replaced tables would keep ${names}: whoever made it has to take it away first; what the read model's ` +
      "`tables` make, each build has of its own"
})

/** Schemas that are there before any read model, or that PostgreSQL keeps for itself. */
const reserved = new Set(["message_store", "eventfold", "public", "information_schema"])

/** PostgreSQL cuts off a longer name, in bytes. */
const longestName = 63

/** Why a read model can't have a name, of those that any store accepts. */
const whyRefused = (name: string, schema: string): string | undefined => {
  if (reserved.has(name)) return `the schema ${name} is not a read model's; give the read model another name`
  if (name.startsWith("pg_")) {
    return "schemas whose names begin with pg_ are PostgreSQL's; give the read model a name that does not begin with pg_"
  }
  if (/_\d+$/.test(name)) {
    return "schemas of builds end in _ and a number; give the read model a name that does not end in _ and a number"
  }
  return Buffer.byteLength(schema) > longestName
    ? `the schema ${schema} has a longer name than the ${longestName} bytes that PostgreSQL keeps; give the read model a shorter name`
    : undefined
}

/** A schema of this name is there. Whose it is, only its owner knows: the words never advise to drop it. */
const isTaken = (schema: string) => `the schema ${schema} exists and is not this read model's`

/** Makes the schema of a build and its tables, in the caller's transaction. */
export const makeTables = Effect.fnUntraced(function*(
  sql: PgClient,
  { name, tables }: Definition,
  build: Build
): Effect.fn.Return<void, StoreError | Unsupported | SqlError> {
  const operation = `making the tables of the read model ${name}`
  const schema = schemaOf(sql, build)
  // The name with the number: it is the longer one, and every build has it once it is retired.
  const refused = whyRefused(name, schemaOf(sql, { ...build, state: "retired" }))
  if (refused !== undefined) return yield* new Unsupported({ operation, remedy: refused })
  if (build.state === "building") {
    const remedy = yield* findDependents(sql, schemaOf(sql, { ...build, state: "live" }))
    if (remedy !== undefined) return yield* new Unsupported({ operation, remedy })
  }
  yield* makeSchema(sql, operation, schema)
  for (const statement of tables) {
    // The application may fill its tables from others.
    yield* Effect.mapError(patiently(sql.unsafe(asOneStatement(statement)).unprepared), (error) => {
      const { isRetryable, reason } = storeError("create")(error)
      return new StoreError({
        operation: "create",
        reason: `${operation}: ${reason}, at: ${statement}`,
        isRetryable,
        cause: error
      })
    })
  }
})

/** Makes a schema, whose name the search path has first from then on. */
const makeSchema = Effect.fnUntraced(function*(sql: PgClient, operation: string, schema: string) {
  const { columns, from } = enterSchema(sql, schema)
  const [session] = yield* sql<{ readonly database: string; readonly user: string }>`
    SELECT quote_ident(current_database()::text) AS database, quote_ident(current_user::text) AS user, ${columns} FROM ${from}`
  yield* sql`CREATE SCHEMA ${identifier(sql, schema)}`.unprepared.pipe(
    Effect.mapError((error) => {
      const user = session?.user ?? "the user"
      if (errorCode(error) === "42P06") {
        const remedy = `${isTaken(schema)}; give the read model another name`
        return new Unsupported({ operation, remedy })
      }
      if (error.reason._tag !== "AuthorizationError") return error
      const remedy = `${user} may not create schemas (${errorText(error)}); ` +
        `GRANT CREATE ON DATABASE ${session?.database} TO ${user}`
      return new Unsupported({ operation, remedy })
    })
  )
})

/** Puts a build's tables in the place of the live one's. */
export const replaceTables = Effect.fnUntraced(function*(
  sql: PgClient,
  live: Build,
  build: Build
): Effect.fn.Return<void, StoreError | SqlError> {
  const schema = schemaOf(sql, live)
  const reason = yield* findDependents(sql, schema)
  if (reason !== undefined) return yield* new StoreError({ operation: "switchTo", reason, isRetryable: false })
  const retired = schemaOf(sql, { ...live, state: "retired" })
  yield* sql`SELECT eventfold.replace_schema(${schema}, ${retired}, ${schemaOf(sql, build)})`
})

/** Gives the schema of a build the name of the read model, when there is no live build. */
export const installTables = (sql: PgClient, build: Build): Effect.Effect<unknown, StoreError | SqlError> => {
  const schema = schemaOf(sql, { ...build, state: "live" })
  return Effect.mapError(
    sql`ALTER SCHEMA ${identifier(sql, schemaOf(sql, build))} RENAME TO ${identifier(sql, schema)}`.unprepared,
    (error) =>
      errorCode(error) === "42P06"
        ? new StoreError({
          operation: "switchTo",
          reason: `${isTaken(schema)}, which needs the name`,
          isRetryable: false,
          cause: error
        })
        : error
  )
}

/** How long a drop waits for queries that still read the tables. Later queries wait behind it meanwhile. */
const dropLockTimeout = "200ms"

/** Drops a build's tables. */
export const dropTables = Effect.fnUntraced(function*(
  sql: PgClient,
  build: Build
): Effect.fn.Return<void, StoreError | SqlError> {
  const schema = schemaOf(sql, build)
  const [row] = yield* sql<{ readonly names: string | null }>`SELECT
    set_config('lock_timeout', ${dropLockTimeout}, true),
    (SELECT string_agg(name, ', ') FROM eventfold.dependents(${schema}) AS name) AS names`
  if (row?.names != null) {
    const reason = `the schema ${schema} would take ${row.names} with it: whoever made it has to take it away first`
    return yield* new StoreError({ operation: "drop", reason, isRetryable: false })
  }
  yield* sql`DROP SCHEMA IF EXISTS ${identifier(sql, schema)} CASCADE`.unprepared
})
