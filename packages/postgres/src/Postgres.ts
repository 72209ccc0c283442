/**
 * The message store on PostgreSQL, 15 or later.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as MessageStore from "eventfold/MessageStore"
import type { ReadModel } from "eventfold/ReadModel"
import { install, type InstallOptions, schemaVersion } from "./Install.ts"
import * as Leases from "./internal/coordination/leases.ts"
import * as WakeUps from "./internal/coordination/wakeUps.ts"
import * as StockBackend from "./internal/stock/backend.ts"
import * as Backend from "./internal/store/backend.ts"
import { open as openInline } from "./internal/store/inlineReadModels.ts"
import { plainCall, stockCall } from "./internal/store/reads.ts"
import { checkUrl, describeDatabase, fromSqlError, OpenError, SchemaMissing, SchemaOutdated } from "./OpenError.ts"

/** @since 0.1.0 */
export {
  AuthenticationFailed,
  DatabaseNotFound,
  InvalidUrl,
  NotInline,
  OpenError,
  OpenFailed,
  PermissionDenied,
  SchemaMissing,
  SchemaOutdated,
  Unreachable
} from "./OpenError.ts"

/** @since 0.1.0 */
export {
  install,
  type InstallOptions,
  schemaVersion,
  uninstall,
  type Uninstalled,
  type UninstallOptions,
  UninstallRefused
} from "./Install.ts"

/** @since 0.1.0 */
export interface StoreOptions {
  /** Install the schemas, or bring them up to date, before the store is used; how, as for `install`. Default: false. */
  readonly install?: boolean | InstallOptions | undefined
  /**
   * Whether to announce to other processes which categories were written, so that their `wakeUps` complete: by a NOTIFY
   * after the commit, beside the appends, for many of them together. Default: true.
   */
  readonly announce?: boolean | undefined
}

/**
 * Read models that are kept in the transactions of the appends to their category: what an append writes and what their
 * handlers make of it is committed together, or not at all.
 *
 * @since 0.1.0
 */
export interface Inline<Models extends ReadonlyArray<InlineModel>> {
  /**
   * Each of one category. A handler that fails refuses the append, with a `StoreError` that is not retryable. What their
   * handlers need, but for the client, the layer needs.
   */
  readonly inline?: Models | undefined
}

/** @since 0.1.0 */
export type InlineModel = ReadModel<unknown, unknown>

/**
 * What the handlers of read models need, but for the client.
 *
 * @since 0.1.0
 */
export type InlineServices<Model extends InlineModel> = Model extends ReadModel<unknown, infer R>
  ? Exclude<R, PgClient.PgClient | SqlClient>
  : never

/**
 * A pool of connections and the store on it: `url`, or `host`, `port`, `database`, `username` and `password`;
 * `maxConnections` (default 10), and all else that `PgClient` takes.
 *
 * @since 0.1.0
 */
export interface Options extends PgClient.PgPoolConfig, StoreOptions {}

/** What a database has. */
interface Installed {
  /** The version of its eventfold schema. */
  readonly version: number | undefined
  /** Whose functions `message_store` has, told apart as `install/begin.sql` does: a stock one's have no SQL body. */
  readonly functions: "ours" | "stock" | "none"
}

/** The first contact with the server. */
const installed = Effect.fnUntraced(function*(sql: PgClient.PgClient): Effect.fn.Return<Installed, SqlError> {
  const [found] = yield* sql<{ readonly eventfold: boolean; readonly ours: boolean | null }>`SELECT
    to_regprocedure('eventfold.schema_version()') IS NOT NULL AS eventfold,
    (SELECT prosqlbody IS NOT NULL FROM pg_proc WHERE oid = to_regprocedure('message_store.category(varchar)')) AS ours`
  const functions = found?.ours == null ? "none" : found.ours ? "ours" : "stock"
  if (found?.eventfold !== true || functions === "none") return { version: undefined, functions }
  const [row] = yield* sql<{ readonly version: number }>`SELECT eventfold.schema_version() AS version`
  return { version: row?.version, functions }
})

/** The store that fits what the database has, after an installation if one is asked for and due. */
const open = Effect.fnUntraced(function*(
  sql: PgClient.PgClient,
  options: StoreOptions & Inline<ReadonlyArray<InlineModel>>,
  context: Context.Context<never>
) {
  const look = Effect.mapError(installed(sql), fromSqlError(sql.config))
  const installation = options.install === true ? {} : options.install === false ? undefined : options.install
  let { functions, version } = yield* look
  const isCurrent = version !== undefined && version >= schemaVersion
  // Up to date means no installation, for which the user may not have the rights.
  if (installation !== undefined && (!isCurrent || (installation.replaceFunctions === true && functions === "stock"))) {
    yield* install(installation)
    ;({ functions, version } = yield* look)
  }
  const wakeUps = WakeUps.make(sql, { announce: options.announce ?? true })
  const lease = Leases.make(sql)
  const { inline = [] } = options
  if (version === undefined && functions === "stock" && inline.length === 0) {
    return StockBackend.make(sql, yield* wakeUps, yield* lease)
  }
  if (version !== undefined && version >= schemaVersion) {
    const call = functions === "stock" ? stockCall(sql) : plainCall(sql)
    const kept = inline.length === 0 ? undefined : yield* openInline(sql, call, inline, context)
    return yield* Backend.make(sql, call, yield* wakeUps, yield* lease, kept)
  }
  return yield* new OpenError({
    database: describeDatabase(sql.config),
    reason: version === undefined
      ? new SchemaMissing({ schema: functions === "stock" ? "eventfold" : "message_store" })
      : new SchemaOutdated({ installed: version, required: schemaVersion })
  })
})

/**
 * The store on a client that the application provides, and may use for its own statements as well. An append is a
 * transaction of its own, also when it is called inside of one of the client's.
 *
 * **Details**
 *
 * On a Message DB without the `eventfold` schema the store works through the functions and the table of `message_store`:
 * appends are committed one by one, `readAll` takes two statements a page, and reading backwards is `Unsupported`. `install`
 * adds the schema beside it.
 *
 * Once somebody uses `wakeUps` the store listens to other processes, and once somebody asks for a `lease` it holds leases,
 * each on one connection that is not of the client's pool but made with the same configuration. LISTEN and the locks of leases
 * need a session of their own: through a pooler that shares sessions between transactions, wake-ups are those of this
 * process, and leases do not work.
 *
 * @since 0.1.0
 */
export const layerClient = <const Models extends ReadonlyArray<InlineModel> = []>(
  options: StoreOptions & Inline<Models> = {}
): Layer.Layer<MessageStore.MessageStore, OpenError, PgClient.PgClient | InlineServices<Models[number]>> =>
  Layer.effect(
    MessageStore.MessageStore,
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const context = yield* Effect.context<InlineServices<Models[number]>>()
      return yield* MessageStore.make(yield* open(sql, options, context))
    })
  )

/**
 * A pool of connections as {@link layer} makes it, and no store: for an application that has statements of its own beside the
 * store's, which is {@link layerClient} on this client.
 *
 * @example
 * ```ts
 * import { Postgres, SqlReadModel } from "@eventfold/postgres"
 * import { Layer, Redacted } from "effect"
 *
 * // MessageStore, ReadModelStore, PgClient and SqlClient, on one pool
 * const Database = SqlReadModel.layer().pipe(
 *   Layer.provideMerge(Postgres.layerClient({ install: true })),
 *   Layer.provideMerge(Postgres.layerPool({ url: Redacted.make("postgres://app:secret@localhost/shop") }))
 * )
 * ```
 *
 * @since 0.1.0
 */
export const layerPool = (
  options: PgClient.PgPoolConfig
): Layer.Layer<PgClient.PgClient | SqlClient, OpenError> => {
  const config = poolConfig(options)
  return PgClient.layerFrom(
    Effect.andThen(checkUrl(config), Effect.mapError(PgClient.make(config), fromSqlError(config)))
  )
}

/**
 * The store on a database of its own connection pool, which is closed with the layer. The server and its schema are
 * checked when the layer is built, so that what is wrong is known then: see {@link OpenError}.
 *
 * @example
 * ```ts
 * import { Postgres } from "@eventfold/postgres"
 * import { Redacted } from "effect"
 *
 * const Store = Postgres.layer({ url: Redacted.make("postgres://app:secret@localhost/shop"), install: true })
 * ```
 *
 * @since 0.1.0
 */
export const layer = <const Models extends ReadonlyArray<InlineModel> = []>(
  options: Options & Inline<Models>
): Layer.Layer<MessageStore.MessageStore, OpenError, InlineServices<Models[number]>> =>
  layerClient(options).pipe(Layer.provide(layerPool(options)))

/**
 * {@link layer} with options from `Config`.
 *
 * @example
 * ```ts
 * import { Postgres } from "@eventfold/postgres"
 * import { Config } from "effect"
 *
 * const Store = Postgres.layerConfig({ url: Config.Redacted("DATABASE_URL") })
 * ```
 *
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<MessageStore.MessageStore, OpenError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), (options) => layer(options)))

const poolConfig = (options: PgClient.PgPoolConfig): PgClient.PgPoolConfig => ({
  applicationName: "eventfold",
  // A page of large messages is one reply of the server.
  maxMessageSize: 2 ** 30,
  ...options
})
