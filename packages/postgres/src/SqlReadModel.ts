/**
 * Read models whose tables are in PostgreSQL, each in a schema of its name.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ReadModel from "eventfold/ReadModel"
import { ReadModelStore } from "eventfold/ReadModelStore"
import { install, type InstallOptions, schemaVersion } from "./Install.ts"
import * as Store from "./internal/readModel/store.ts"
import { describeDatabase, fromSqlError, OpenError, SchemaMissing, SchemaOutdated } from "./OpenError.ts"

/** @since 0.1.0 */
export interface Tables {
  /**
   * The statements that make the tables, with bare names: `CREATE TABLE orders (...)`. They are run in a schema of the read
   * model's name, where queries find `orders.orders`; in another one for a build beside the one in use. Indexes, views,
   * functions and whatever else belongs to the tables is made in the same way; one text may have several statements.
   */
  readonly tables: ReadonlyArray<string>
}

/**
 * Defines a read model with its tables, as `ReadModel.make` does one without. Handlers change the tables through `SqlClient`,
 * by their bare names, and join the transaction that moves the checkpoint.
 *
 * @example
 * ```ts
 * import { SqlReadModel } from "@eventfold/postgres"
 * import { Effect, Schema } from "effect"
 * import { SqlClient } from "effect/sql"
 * import { Category } from "eventfold"
 *
 * const Order = Category.make("order", { Placed: { total: Schema.Int }, Shipped: {} })
 *
 * const Orders = SqlReadModel.make("orders", {
 *   version: 1,
 *   tables: ["CREATE TABLE orders (stream text PRIMARY KEY, status text NOT NULL, total bigint NOT NULL)"]
 * }).on(Order, {
 *   Placed: Effect.fnUntraced(function*({ data, recorded }) {
 *     const sql = yield* SqlClient.SqlClient
 *     yield* sql`INSERT INTO orders (stream, status, total) VALUES (${recorded.streamName}, 'placed', ${data.total})`
 *   }),
 *   Shipped: Effect.fnUntraced(function*({ recorded }) {
 *     const sql = yield* SqlClient.SqlClient
 *     yield* sql`UPDATE orders SET status = 'shipped' WHERE stream = ${recorded.streamName}`
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 */
export const make: (
  name: string,
  options: ReadModel.Options & Tables
) => ReadModel.Definition<never, never> = ReadModel.make

/**
 * Defines a read model with its tables whose handler takes many messages at a time, as `ReadModel.batch` does one without.
 * One statement for all of them is what makes it fast.
 *
 * @since 0.1.0
 */
export const batch = <From extends ReadModel.Source, E, R>(
  name: string,
  options: ReadModel.Options & Tables & {
    readonly from: From | ReadonlyArray<From>
    readonly handle: (events: Arr.NonEmptyReadonlyArray<ReadModel.Incoming<From>>) => Effect.Effect<unknown, E, R>
  }
): ReturnType<typeof ReadModel.batch<From, E, R>> => ReadModel.batch(name, options)

/** @since 0.1.0 */
export interface Options {
  /** Install the schemas, or bring them up to date, before they are used; how, as for `install`. Default: false. */
  readonly install?: boolean | InstallOptions | undefined
}

/** The version of the eventfold schema that the database has. */
const installedVersion = Effect.fnUntraced(function*(sql: PgClient.PgClient) {
  const [found] = yield* sql<{ readonly found: boolean }>`SELECT
    to_regprocedure('eventfold.schema_version()') IS NOT NULL AS found`
  if (found?.found !== true) return undefined
  const [row] = yield* sql<{ readonly version: number }>`SELECT eventfold.schema_version() AS version`
  return row?.version
})

/**
 * The store of the read models in the client's database, which may be that of the messages or another one. Handlers get the
 * client as `SqlClient` and `PgClient`, in the transaction that moves the checkpoint.
 *
 * The database needs the `eventfold` schema: see {@link OpenError}. The user needs to be allowed to create schemas in it.
 *
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<ReadModelStore, OpenError, PgClient.PgClient> =>
  Layer.effect(
    ReadModelStore,
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const look = Effect.mapError(installedVersion(sql), fromSqlError(sql.config))
      const installation = options.install === true ? {} : options.install === false ? undefined : options.install
      let version = yield* look
      if (installation !== undefined && (version === undefined || version < schemaVersion)) {
        yield* install(installation)
        version = yield* look
      }
      if (version === undefined || version < schemaVersion) {
        return yield* new OpenError({
          database: describeDatabase(sql.config),
          reason: version === undefined
            ? new SchemaMissing({ schema: "eventfold" })
            : new SchemaOutdated({ installed: version, required: schemaVersion })
        })
      }
      return Store.make(sql)
    })
  )
