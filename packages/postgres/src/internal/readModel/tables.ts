import type { PgClient } from "@effect/sql-pg/PgClient"
import { asOneStatement } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { Build, Definition } from "eventfold/ReadModelStore"
import { StoreError, Unsupported } from "eventfold/StoreError"
import { patiently } from "../client/bound.ts"
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
const findDependents = Effect.fnUntraced(function*(sql: PgClient, readModel: string) {
  const rows = yield* sql<{ readonly name: string }>`SELECT eventfold.dependents(${readModel}) AS name`
  const names = rows.map(({ name }) => name).join(", ")
  return rows.length === 0
    ? undefined
    : `the replaced tables would keep ${names}: drop what is named, or make it by the read model's \`tables\``
})

/** Makes the schema of a build and its tables, in the caller's transaction. */
export const makeTables = Effect.fnUntraced(function*(
  sql: PgClient,
  { name, tables }: Definition,
  build: Build
): Effect.fn.Return<void, StoreError | Unsupported | SqlError> {
  const operation = `making the tables of the read model ${name}`
  if (/_\d+$/.test(name)) {
    const remedy =
      "schemas of builds end in _ and a number; give the read model a name that does not end in _ and a number"
    return yield* new Unsupported({ operation, remedy })
  }
  if (build.state === "building") {
    const remedy = yield* findDependents(sql, name)
    if (remedy !== undefined) return yield* new Unsupported({ operation, remedy })
  }
  yield* makeSchema(sql, operation, schemaOf(build))
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
    SELECT quote_ident(current_database()) AS database, quote_ident(current_user) AS user, ${columns} FROM ${from}`
  yield* sql`CREATE SCHEMA ${sql(schema)}`.unprepared.pipe(
    Effect.mapError((error) => {
      const user = session?.user ?? "the user"
      if (errorCode(error) === "42P06") {
        const remedy = `the schema ${schema} exists and is not this read model's; drop it with ` +
          `DROP SCHEMA "${schema}" CASCADE, or give the read model another name`
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
  const reason = yield* findDependents(sql, live.readModel)
  if (reason !== undefined) return yield* new StoreError({ operation: "switchTo", reason, isRetryable: false })
  const retired = schemaOf({ ...live, state: "retired" })
  yield* sql`SELECT eventfold.replace_schema(${live.readModel}, ${retired}, ${schemaOf(build)})`
})

/** Gives the schema of a build the name of the read model, when there is no live build. */
export const installTables = (sql: PgClient, build: Build): Effect.Effect<unknown, SqlError> =>
  sql`ALTER SCHEMA ${sql(schemaOf(build))} RENAME TO ${sql(build.readModel)}`.unprepared

/** How long a drop waits for queries that still read the tables. Later queries wait behind it meanwhile. */
const dropLockTimeout = "200ms"

/** Drops a build's tables. */
export const dropTables = Effect.fnUntraced(function*(
  sql: PgClient,
  build: Build
): Effect.fn.Return<void, StoreError | SqlError> {
  const schema = schemaOf(build)
  const [row] = yield* sql<{ readonly names: string | null }>`SELECT
    set_config('lock_timeout', ${dropLockTimeout}, true),
    (SELECT string_agg(name, ', ') FROM eventfold.dependents(${schema}) AS name) AS names`
  if (row?.names != null) {
    const reason = `the schema ${schema} would take ${row.names} with it: drop what is named first`
    return yield* new StoreError({ operation: "drop", reason, isRetryable: false })
  }
  yield* sql`DROP SCHEMA IF EXISTS ${sql(schema)} CASCADE`.unprepared
})
