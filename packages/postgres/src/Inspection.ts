/**
 * What a database says about its store: versions, and Message DB's summaries.
 *
 * **When to use**
 *
 * For tools and reports. It asks the database, so it needs the client and not the store: it works beside a store of any version, and on a
 * stock Message DB. What a store says of itself is `MessageStore.describe`.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { StoreError } from "eventfold/StoreError"
import { installed, type LogOptions } from "./Install.ts"
import * as Log from "./internal/client/log.ts"
import { fromSqlError } from "./internal/client/openErrors.ts"
import * as OwnClient from "./internal/client/ownClient.ts"
import { storeError } from "./internal/client/sqlError.ts"
import type { OpenError } from "./OpenError.ts"

/** The client without what the application has set for its own statements, for a log. */
const ownClient = Effect.fnUntraced(function*({ schema }: LogOptions) {
  return OwnClient.of(yield* PgClient.PgClient, yield* Log.fromOption(schema))
})

/**
 * What a database has: its server, its schemas and who asks.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Versions = Schema.Struct({
  /** The version of the server, such as `18.4`. */
  server: Schema.String,
  database: Schema.String,
  user: Schema.String,
  /** Whose functions the schema `message_store` has: eventfold's, those of a stock Message DB, or none. */
  functions: Schema.Literals(["ours", "stock", "none"]),
  /** The version of the schema `eventfold`; none without one. */
  schema: Schema.OptionFromNullOr(Schema.Int),
  /** The oldest version whose libraries the schema serves. */
  oldestServed: Schema.OptionFromNullOr(Schema.Int),
  /** The version of Message DB's interface, as `message_store.message_store_version()` gives it. */
  messageDb: Schema.OptionFromNullOr(Schema.String)
})

/**
 * What a database has: its server, its schemas and who asks.
 *
 * @category models
 * @since 0.1.0
 */
export type Versions = typeof Versions.Type

/**
 * Asks the database what it has in a log.
 *
 * @category inspecting
 * @since 0.1.0
 */
export const versionsOf = Effect.fn("Inspection.versions")(function*(
  options: LogOptions
): Effect.fn.Return<Versions, OpenError, PgClient.PgClient> {
  const sql = yield* ownClient(options)
  const ask = <A>(effect: Effect.Effect<A, SqlError>) => Effect.mapError(effect, fromSqlError(sql.config))
  const { functions, schema } = yield* ask(installed(sql))
  const [row] = yield* ask(sql<{ readonly server: string; readonly database: string; readonly user: string }>`SELECT
    pg_catalog.current_setting('server_version') AS server,
    pg_catalog.current_database()::pg_catalog.text AS database,
    current_user::pg_catalog.text AS user`)
  const [version] = functions === "none"
    ? []
    : yield* ask(
      sql<{ readonly version: string }>`SELECT message_store.message_store_version()::pg_catalog.text AS version`
    )
  return {
    server: row?.server.split(" ", 1)[0] ?? "",
    database: row?.database ?? "",
    user: row?.user ?? "",
    functions,
    schema: Option.fromUndefinedOr(schema?.version),
    oldestServed: Option.fromUndefinedOr(schema?.oldestClient),
    messageDb: Option.fromUndefinedOr(version?.version)
  }
})

/**
 * Asks the database what it has in the default log.
 *
 * @category inspecting
 * @since 0.1.0
 */
export const versions: Effect.Effect<Versions, OpenError, PgClient.PgClient> = versionsOf({})

/**
 * By what Message DB's six views count messages. Each is named as its view is, without `_summary`.
 *
 * @category models
 * @since 0.1.0
 */
export const summaries = [
  "stream",
  "type",
  "stream_type",
  "type_stream",
  "category_type",
  "type_category"
] as const

/**
 * By what one of Message DB's views counts messages.
 *
 * @category models
 * @since 0.1.0
 */
export type Summary = typeof summaries[number]

/**
 * A row of a summary: what it counts by, how many messages there are, and how many of a hundred of the store that is.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SummaryRow = Schema.Struct({
  streamName: Schema.optionalKey(Schema.String),
  category: Schema.optionalKey(Schema.String),
  type: Schema.optionalKey(Schema.String),
  messages: Schema.Int,
  percent: Schema.Finite
})

/**
 * A row of a summary.
 *
 * @category models
 * @since 0.1.0
 */
export type SummaryRow = typeof SummaryRow.Type

/** The columns of each view, by the fields of a row. The first one is what its scripts filter by. */
const columnsOf: Readonly<Record<Summary, ReadonlyArray<readonly [keyof SummaryRow, string]>>> = {
  stream: [["streamName", "stream_name"]],
  type: [["type", "type"]],
  stream_type: [["streamName", "stream_name"], ["type", "type"]],
  type_stream: [["type", "type"], ["streamName", "stream_name"]],
  category_type: [["category", "category"], ["type", "type"]],
  type_category: [["type", "type"], ["category", "category"]]
}

/**
 * The rows of one of Message DB's views, those with the most messages first, as its scripts print them.
 *
 * **Details**
 *
 * The database counts all messages of the store for it, however few rows are wanted. With `containing` only rows whose first column
 * has the text: the name of a stream, a type, or a category. The rows come while they are consumed.
 *
 * @example
 * ```ts
 * import { Inspection } from "@eventfold/postgres"
 * import { Stream } from "effect"
 *
 * const largest = Stream.take(Inspection.summary("stream", { containing: "account-" }), 10)
 * ```
 *
 * @category inspecting
 * @since 0.1.0
 */
export const summary = (
  by: Summary,
  { containing = "", ...options }: LogOptions & { readonly containing?: string | undefined } = {}
): Stream.Stream<SummaryRow, OpenError | StoreError, PgClient.PgClient> =>
  Stream.unwrap(Effect.map(ownClient(options), (sql) => {
    const columns = columnsOf[by]
    const selected = columns.map(([field, column]) => `${column}::pg_catalog.text AS "${field}"`).join(", ")
    const first = columns[0]?.[1] ?? ""
    const rows = sql<SummaryRow>`SELECT ${sql.literal(selected)},
        message_count::pg_catalog.float8 AS messages,
        percent::pg_catalog.float8 AS percent
      FROM ${sql.literal(Log.logOf(sql).named(`message_store.${by}_summary`))}
      WHERE pg_catalog.strpos(${sql.literal(first)}::pg_catalog.text, ${containing}::pg_catalog.text)
        OPERATOR(pg_catalog.>) 0
      ORDER BY message_count DESC, ${sql.literal(columns.map(([, column]) => column).join(", "))}`.stream
    return Stream.mapError(rows, storeError("summary"))
  })).pipe(
    Stream.withSpan("Inspection.summary")
  )
