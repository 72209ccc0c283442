/**
 * Read models with tables in PostgreSQL. Each has a schema of its own, with the name of the read model.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schedule from "effect/Schedule"
import * as ReadModel from "eventfold/ReadModel"
import { ReadModelStore } from "eventfold/ReadModelStore"
import {
  installedSchema,
  installForLayer,
  type InstallOptions,
  isCurrent,
  type LogOptions,
  requestedInstallation,
  whyUnusable
} from "./Install.ts"
import * as Log from "./internal/client/log.ts"
import { fromSqlError } from "./internal/client/openErrors.ts"
import * as Pool from "./internal/client/openPool.ts"
import * as Statements from "./internal/client/statements.ts"
import * as Store from "./internal/readModel/store.ts"
import type { OpenError } from "./OpenError.ts"

/**
 * The tables of a read model.
 *
 * @since 0.1.0
 * @category options
 */
export interface Tables {
  /**
   * The statements that make the tables, with bare names: `CREATE TABLE orders (...)`. They run in a schema with the
   * name of the read model, where queries find `orders.orders`. A build beside the live one has a schema of its own, so
   * make indexes, views, functions and everything else that belongs to the tables in the same way. One text may have
   * several statements.
   */
  readonly tables: ReadonlyArray<string>
}

/**
 * Defines a read model with its tables, as `ReadModel.make` defines one without.
 *
 * **Details**
 *
 * Handlers change the tables through `SqlClient`, by their bare names. They run in the transaction that moves the
 * checkpoint.
 *
 * **Gotchas**
 *
 * The name is that of a schema, so it can't be `message_store`, `eventfold`, `public` or `information_schema`, begin with
 * `pg_`, end in `_` and a number, or be that of a schema which is there already. When the read model is first built, it fails
 * with `Unsupported`, which says so.
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
 *   tables: ["CREATE TABLE orders (id text PRIMARY KEY, status text NOT NULL, total bigint NOT NULL)"]
 * }).on(Order, {
 *   Placed: Effect.fnUntraced(function*({ data, id }) {
 *     const sql = yield* SqlClient.SqlClient
 *     yield* sql`INSERT INTO orders (id, status, total) VALUES (${id}, 'placed', ${data.total})`
 *   }),
 *   Shipped: Effect.fnUntraced(function*({ id }) {
 *     const sql = yield* SqlClient.SqlClient
 *     yield* sql`UPDATE orders SET status = 'shipped' WHERE id = ${id}`
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  name: string,
  options: ReadModel.Options & Tables
) => ReadModel.Definition<never, never> = ReadModel.make

/**
 * Defines a read model with its tables and one handler for many messages at a time, as `ReadModel.batch` defines one
 * without tables.
 *
 * **When to use**
 *
 * When one statement can handle many messages: that is what makes it fast.
 *
 * @since 0.1.0
 * @category constructors
 */
export const batch = <From extends ReadModel.Source, E, R>(
  name: string,
  options: ReadModel.Options & Tables & {
    readonly from: From | ReadonlyArray<From>
    readonly handle: (events: Arr.NonEmptyReadonlyArray<ReadModel.Incoming<From>>) => Effect.Effect<unknown, E, R>
  }
): ReturnType<typeof ReadModel.batch<From, E, R>> => ReadModel.batch(name, options)

/**
 * How the store of the read models is opened.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends LogOptions {
  /**
   * Install the schemas, or bring them up to date, before they are used; with the options of `Postgres.install`.
   * Defaults to false, because the user of an application seldom has the rights.
   */
  readonly install?: boolean | InstallOptions | undefined
  /**
   * For how long the store repeats a read that failed for a reason that passes, as `Postgres.StoreOptions` has it. Defaults to
   * 30 seconds, because that outlasts a usual failover. What moves a checkpoint is repeated by the read model's worker.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * How long one statement may wait for the server's answer, and a transaction for a connection of the pool, as
   * `Postgres.StoreOptions` has it; those of the handlers as well. Defaults to 30 seconds. Give more when a handler has
   * statements that take longer, such as `REFRESH MATERIALIZED VIEW`. `Duration.infinity` switches the bound off.
   *
   * **Details**
   *
   * The step that did not get its answer is rolled back, its connection is closed, and the worker takes the step again.
   * Statements that make tables or compare them may take ten times as long.
   */
  readonly statementTimeout?: Duration.Input | undefined
}

/**
 * The store of the read models in the client's database, which may be that of the messages or another one.
 *
 * **Details**
 *
 * Handlers get the client as `SqlClient` and `PgClient`, in the transaction that moves the checkpoint. The database
 * needs the `eventfold` schema, or the layer fails with an {@link OpenError}. The user needs the right to create
 * schemas in it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<ReadModelStore, OpenError, PgClient.PgClient> =>
  Layer.effect(
    ReadModelStore,
    Effect.gen(function*() {
      const client = yield* PgClient.PgClient
      yield* Pool.checkSessions(client)
      const log = yield* Log.fromOption(options.schema)
      const statements = yield* Statements.make(client, {
        log,
        retry: options.retry,
        timeout: options.statementTimeout
      })
      const { sql } = statements
      const look = Effect.mapError(statements.bound.statement(installedSchema(sql)), fromSqlError(sql.config))
      const installation = requestedInstallation(options.install)
      let schema = yield* look
      if (installation !== undefined && !isCurrent(schema)) {
        yield* installForLayer({ ...installation, schema: options.schema })
        schema = yield* look
      }
      const unusable = whyUnusable(sql, { schema, missing: "eventfold" })
      if (unusable !== undefined) return yield* unusable
      return Store.make(statements)
    })
  )
