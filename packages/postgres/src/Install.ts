/**
 * Installs the schemas in a PostgreSQL database, brings them up to date, and removes them.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Sql from "@eventfold/sql"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Schema from "effect/Schema"
import { BeginTransaction } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Log from "./internal/client/log.ts"
import { describeDatabase, fromSqlError } from "./internal/client/openErrors.ts"
import * as Pool from "./internal/client/openPool.ts"
import * as OwnClient from "./internal/client/ownClient.ts"
import { errorCode, errorText } from "./internal/client/sqlError.ts"
import { OpenError, OpenFailed, SchemaMissing, SchemaOutdated, SchemaTooNew } from "./OpenError.ts"

/**
 * The version of the `eventfold` schema that this library needs and installs.
 *
 * **Details**
 *
 * A newer schema does as well, as long as it serves this version: each schema says the oldest version whose libraries it
 * serves, in `eventfold.oldest_client_version()`. So the schema is upgraded first, and the programs after it.
 *
 * @since 0.1.0
 * @category models
 */
export const schemaVersion = 6

/**
 * Which log of a database is meant. A database can have several: each is a store of its own, with its own messages, consumers and read
 * models, and they share nothing but the role `message_store`.
 *
 * @since 0.1.0
 * @category options
 */
export interface LogOptions {
  /**
   * The schema of the log. Defaults to `message_store`, the log of Message DB's clients.
   *
   * **Details**
   *
   * A log `shop_eu` has its messages in the schema `shop_eu`, with the functions and views of Message DB, and in `shop_eu__eventfold`
   * what eventfold adds. Its read models are in schemas such as `shop_eu__orders`. The locks of its categories, its leases and its
   * wake-ups are its own. A name begins with a letter from a to z, has letters from a to z, digits and single underscores, at most 40
   * characters, and is no word of SQL. Any other is refused with the reason `InvalidOption`.
   *
   * **Gotchas**
   *
   * Clients of Message DB name the schema `message_store` in what they write, so they reach no other log.
   */
  readonly schema?: string | undefined
}

/**
 * How {@link install} installs the schemas.
 *
 * @since 0.1.0
 * @category options
 */
export interface InstallOptions {
  /**
   * Make the role `message_store` when the server has none, and grant it what Message DB grants. A user who may not create
   * roles is refused. With `false` the installation makes and grants nothing. Defaults to true, as Message DB does.
   */
  readonly role?: boolean | undefined
  /**
   * The role that owns the schemas that are missing. Defaults to the user; for `eventfold`, to the owner of
   * `message_store`. An existing schema keeps its owner, who also owns what is added if the user may act as that role.
   */
  readonly owner?: string | undefined
  /**
   * Replace the functions and views of a stock Message DB by eventfold's, and keep its table. Defaults to false: its
   * `message_store` stays as it is, and the installation only adds `eventfold`.
   */
  readonly replaceFunctions?: boolean | undefined
  /**
   * The indexes with which `Trace` finds the effects of a message and the messages of a correlation: make them, or with `false` remove
   * them. Each takes about 32 bytes for each message that names a correlation or a cause, and appends of such messages write to it.
   * They are made on a stock Message DB as well, by the owner of its table. Defaults to what there is, also in an upgrade.
   *
   * A table of more than 128 MB, or one that is in use at that moment, is left as it is, because nothing could be written meanwhile.
   * {@link Installed} `traceIndexes` has the statements to run then.
   */
  readonly traceIndexes?: boolean | undefined
}

/**
 * The indexes for `Trace`, after an installation.
 *
 * @since 0.1.0
 * @category models
 */
export interface TraceIndexes {
  /** Whether the database has both, and can use them. */
  readonly areReady: boolean
  /**
   * What the option `traceIndexes` asks for and the installation has left: a statement for each index. They run beside all writers, and
   * outside of transactions, as with psql. None when there is nothing left to do.
   */
  readonly statements: ReadonlyArray<string>
}

/**
 * What {@link install} has done.
 *
 * @since 0.1.0
 * @category models
 */
export interface Installed {
  /** The version of the `eventfold` schema, which the database now has: {@link schemaVersion}. */
  readonly version: number
  /** The version that the database had before; none when it had no `eventfold` schema. */
  readonly previousVersion: Option.Option<number>
  /**
   * What was bound wrongly, and no longer is: each text names an object of the schemas, and the function, operator, type or
   * collation of another schema that it used. An installation of version 4 or earlier could be made to do that by a role that
   * may create functions. Look who made what it used. The indexes on a mended function have been built again.
   */
  readonly mended: ReadonlyArray<string>
  /** What still is bound wrongly, because it belongs to a stock Message DB, which the installation does not change. */
  readonly unmended: ReadonlyArray<string>
  /** The indexes for `Trace`. */
  readonly traceIndexes: TraceIndexes
}

/**
 * Installs the schemas `message_store` and `eventfold` in the client's database, or brings them up to date.
 *
 * **Details**
 *
 * A newer schema is left as it is: the installation fails with an {@link OpenError} that says so.
 *
 * Runs the same files as `install.sql` of `@eventfold/sql`, in one transaction. Running it again changes nothing, and two installations
 * at once wait for one another. Messages are never touched. The table `eventfold.installations` records which version
 * was installed when.
 *
 * The user has to own the database or have the right to create schemas in it. A superuser is not needed: a user without
 * the rights gets an {@link OpenError} with the reason `PermissionDenied`.
 *
 * The search path of the user's sessions has no effect. The installation finds what an earlier one has bound wrongly by such a
 * path, mends it, and tells it in the result. A layer with the option `install` logs it as a warning.
 *
 * @since 0.1.0
 * @category installing
 */
export const install = Effect.fn("Postgres.install")(
  function*(options: InstallOptions & LogOptions = {}): Effect.fn.Return<Installed, OpenError, PgClient.PgClient> {
    const log = yield* Log.fromOption(options.schema)
    const sql = yield* ownClient(log)
    const files = yield* readFiles(sql, Sql.files)
    return yield* exclusively(
      sql,
      Effect.gen(function*() {
        yield* set(sql, {
          "eventfold.install_role": options.role === false ? "off" : "on",
          "eventfold.install_owner": options.owner ?? "",
          "eventfold.replace_functions": options.replaceFunctions === true ? "on" : "off",
          "eventfold.trace_indexes": options.traceIndexes === undefined ? "" : options.traceIndexes ? "on" : "off"
        })
        for (const file of files) {
          if (file.isConditional && !(yield* isOn(sql, "eventfold.install_message_store"))) continue
          yield* sql.unsafe(Sql.asOneStatement(log.named(file.sql)))
        }
        const previousVersion = yield* setting(sql, "eventfold.install_previous")
        return {
          version: schemaVersion,
          previousVersion: previousVersion === "" ? Option.none() : Option.some(Number(previousVersion)),
          mended: yield* texts(sql, "eventfold.install_mended"),
          unmended: yield* texts(sql, "eventfold.install_unmended"),
          traceIndexes: {
            areReady: yield* isOn(sql, "eventfold.install_trace_indexes"),
            statements: yield* texts(sql, "eventfold.install_trace_statements")
          }
        }
      })
    ).pipe(Effect.mapError(fromSqlError(sql.config)))
  }
)

/**
 * Installs for a layer, which has no result to tell what was bound wrongly, and what is left to do.
 *
 * @internal
 */
export const installForLayer = (
  options: InstallOptions & LogOptions
): Effect.Effect<void, OpenError, PgClient.PgClient> =>
  Effect.flatMap(install(options), ({ mended, traceIndexes: { statements }, unmended }) =>
    Effect.all([
      mended.length === 0 ? Effect.void : Effect.logWarning(
        "the schemas were bound to objects of others, and are mended: look who made those objects",
        { mended }
      ),
      unmended.length === 0 ? Effect.void : Effect.logWarning(
        "the stock Message DB is bound to objects of others: look who made those objects",
        { unmended }
      ),
      statements.length === 0 ? Effect.void : Effect.logWarning(
        "the indexes for traces are left as they are, because the table is large or in use: run these statements",
        { statements }
      )
    ], { discard: true }))

/** The client without what the application has set for its own statements. */
const ownClient = Effect.fnUntraced(function*(log: Log.Log) {
  const client = yield* PgClient.PgClient
  yield* Pool.checkSessions(client)
  yield* OwnClient.check(client)
  return OwnClient.of(client, log)
})

/**
 * The schemas were not removed: the database has another name than the one given, or something outside of the schemas
 * depends on them. The message says which, and how many messages would be lost.
 *
 * @since 0.1.0
 * @category errors
 */
export class UninstallRefused extends Schema.TaggedError<UninstallRefused>()("UninstallRefused", {
  detail: Schema.String
}) {
  override get message(): string {
    return `nothing was removed: ${this.detail}`
  }
}

/**
 * What {@link uninstall} removes.
 *
 * @since 0.1.0
 * @category options
 */
export interface UninstallOptions {
  /** The name of the client's database, as a safeguard: with any other name nothing is removed. */
  readonly database: string
  /** Remove a stock Message DB as well. Defaults to false: it only loses the `eventfold` schema. */
  readonly stock?: boolean | undefined
}

/**
 * What {@link uninstall} has removed besides the schema `eventfold`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Uninstalled {
  /** The schema `message_store`, with all messages. */
  readonly messageStore: boolean
  /** The role `message_store`, which stays when another database of the server or a member of the role needs it. */
  readonly role: boolean
}

/**
 * Removes the schemas from the client's database, with every message in them. The database itself stays.
 *
 * **Details**
 *
 * The role `message_store` goes too, unless something else uses it or the user may not remove it. Fails with
 * {@link UninstallRefused}, and removes nothing, when `database` is not the name of the client's database, or when other
 * objects depend on the schemas.
 *
 * @since 0.1.0
 * @category installing
 */
export const uninstall = Effect.fn("Postgres.uninstall")(
  function*(
    options: UninstallOptions & LogOptions
  ): Effect.fn.Return<Uninstalled, OpenError | UninstallRefused, PgClient.PgClient> {
    const log = yield* Log.fromOption(options.schema)
    const sql = yield* ownClient(log)
    const files = yield* readFiles(sql, Sql.uninstallFiles)
    return yield* exclusively(
      sql,
      Effect.gen(function*() {
        yield* set(sql, {
          "eventfold.uninstall_database": options.database,
          "eventfold.uninstall_stock": options.stock === true ? "on" : "off"
        })
        yield* Effect.forEach(files, (file) => sql.unsafe(Sql.asOneStatement(log.named(file.sql))), { discard: true })
        return {
          messageStore: yield* isOn(sql, "eventfold.uninstalled_message_store"),
          role: yield* isOn(sql, "eventfold.uninstalled_role")
        }
      })
    ).pipe(Effect.mapError((error) =>
      // The script's own refusal, and "other objects depend on it".
      ["P0001", "2BP01"].includes(errorCode(error) ?? "")
        ? new UninstallRefused({ detail: errorText(error) })
        : fromSqlError(sql.config)(error)
    ))
  }
)

/**
 * Reads files of `@eventfold/sql`.
 *
 * @internal
 */
export const readFiles = <A>(
  sql: PgClient.PgClient,
  files: Effect.Effect<A, Sql.SqlFileError>
): Effect.Effect<A, OpenError> =>
  Effect.mapError(files, (error) =>
    new OpenError({
      database: describeDatabase(sql.config),
      reason: new OpenFailed({ detail: error.message, cause: error })
    }))

/**
 * The options of the installation that a layer's `install` asks for; `undefined` for none.
 *
 * @internal
 */
export const requestedInstallation = (install: boolean | InstallOptions | undefined): InstallOptions | undefined =>
  install === true ? {} : install === false ? undefined : install

/**
 * The `eventfold` schema of a database: its version, and the oldest version whose libraries it serves.
 *
 * @internal
 */
export interface InstalledSchema {
  readonly version: number
  readonly oldestClient: number
}

/**
 * Looks which `eventfold` schema the database has; `undefined` for none. The schemas up to version 3 do not say what they
 * serve, and served all libraries.
 *
 * @internal
 */
export const installedSchema = Effect.fnUntraced(function*(
  sql: PgClient.PgClient
): Effect.fn.Return<InstalledSchema | undefined, SqlError> {
  const [found] = yield* sql<{ readonly eventfold: boolean; readonly serves: boolean }>`SELECT
    pg_catalog.to_regprocedure('eventfold.schema_version()') IS NOT NULL AS eventfold,
    pg_catalog.to_regprocedure('eventfold.oldest_client_version()') IS NOT NULL AS serves`
  if (found?.eventfold !== true) return undefined
  const [row] = yield* found.serves
    ? sql<InstalledSchema>`SELECT eventfold.schema_version() AS version,
      eventfold.oldest_client_version() AS "oldestClient"`
    : sql<InstalledSchema>`SELECT eventfold.schema_version() AS version, 1 AS "oldestClient"`
  return row
})

/**
 * What a database has installed.
 *
 * @internal
 */
export interface Found {
  readonly schema: InstalledSchema | undefined
  /**
   * Which functions `message_store` has. As in `install/begin.sql`, the functions of a stock Message DB have no SQL
   * body.
   */
  readonly functions: "ours" | "stock" | "none"
}

/**
 * The first contact with the server. The names are qualified, because an administrator's installation begins with it, and what a
 * search_path finds may be the work of another role.
 *
 * @internal
 */
export const installed = Effect.fnUntraced(function*(sql: PgClient.PgClient): Effect.fn.Return<Found, SqlError> {
  const [found] = yield* sql<{ readonly ours: boolean | null }>`SELECT
    (
      SELECT prosqlbody IS NOT NULL
      FROM pg_catalog.pg_proc
      WHERE oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure('message_store.category(varchar)')
    ) AS ours`
  const functions = found?.ours == null ? "none" : found.ours ? "ours" : "stock"
  return { schema: functions === "none" ? undefined : yield* installedSchema(sql), functions }
})

/**
 * Whether the indexes for `Trace` are as an installation is to leave them.
 *
 * @internal
 */
export const hasTraceIndexes = (
  sql: PgClient.PgClient,
  { traceIndexes }: InstallOptions
): Effect.Effect<boolean, SqlError> =>
  traceIndexes === undefined ? Effect.succeed(true) : Effect.map(
    sql<{ readonly there: boolean; readonly gone: boolean }>`SELECT
        pg_catalog.count(*) FILTER (WHERE indisvalid) OPERATOR(pg_catalog.=) 2 AS there,
        pg_catalog.count(*) OPERATOR(pg_catalog.=) 0 AS gone
      FROM pg_catalog.pg_index
      WHERE indexrelid OPERATOR(pg_catalog.=) ANY (ARRAY[
        pg_catalog.to_regclass('message_store.messages_correlation'),
        pg_catalog.to_regclass('message_store.messages_causation')
      ]::pg_catalog.oid[])`,
    ([row]) => (traceIndexes ? row?.there : row?.gone) === true
  )

/**
 * Whether a schema is new enough for this library.
 *
 * @internal
 */
export const isCurrent = (schema: InstalledSchema | undefined): boolean =>
  schema !== undefined && schema.version >= schemaVersion

/**
 * Why this library can't use a database: a schema is missing, too old, or so new that it no longer serves this library.
 * `undefined` when it can.
 *
 * @internal
 */
export const whyUnusable = (
  sql: PgClient.PgClient,
  { missing, schema }: {
    readonly schema: InstalledSchema | undefined
    readonly missing: keyof Sql.LogNames
  }
): OpenError | undefined => {
  if (schema !== undefined && isCurrent(schema) && schema.oldestClient <= schemaVersion) return undefined
  const { isDefault, names } = Log.logOf(sql)
  const database = describeDatabase(sql.config)
  const log = isDefault ? {} : { log: names.messageStore }
  return new OpenError({
    database: isDefault ? database : `${database}, log ${names.messageStore}`,
    reason: schema === undefined
      ? new SchemaMissing({ schema: names[missing], ...log })
      : isCurrent(schema)
      ? new SchemaTooNew({ installed: schema.version, oldestServed: schema.oldestClient, library: schemaVersion })
      : new SchemaOutdated({ installed: schema.version, required: schemaVersion, ...log })
  })
}

/** The settings of the session that hold while statements run {@link exclusively}. */
const quietSettings = { statement_timeout: "0", lock_timeout: "0", client_min_messages: "warning" }

/**
 * Runs statements in a transaction. The database runs one installation at a time. In a transaction of the application the settings
 * of before are put back; a rollback to the savepoint does so as well.
 *
 * They have no bound of time, whatever the role's or the database's: one installation waits for another, and an index over all
 * messages may take hours. The keep-alive of the client ends them when the server has gone. With a higher isolation level, an
 * installation would not see what the one before it has done.
 *
 * The names are qualified: what an administrator's search_path finds may be the work of another role. The files set a path of
 * their own.
 */
const exclusively = <A>(sql: PgClient.PgClient, effect: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    const before = yield* Effect.all(
      Record.map(quietSettings, (_, name) => setting(sql, name))
    )
    yield* set(sql, quietSettings)
    yield* sql`SELECT pg_catalog.pg_advisory_xact_lock(${Sql.installLock})`
    const result = yield* effect
    yield* set(sql, before)
    return result
  })).pipe(Effect.provideService(BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"))

/** Sets settings until the transaction ends. */
const set = (sql: PgClient.PgClient, settings: Record<string, string>): Effect.Effect<void, SqlError> =>
  Effect.forEach(
    Object.entries(settings),
    ([name, value]) => sql`SELECT pg_catalog.set_config(${name}, ${value}, true)`,
    { discard: true }
  )

const setting = (sql: PgClient.PgClient, name: string): Effect.Effect<string, SqlError> =>
  Effect.map(
    sql<{ readonly value: string }>`SELECT pg_catalog.current_setting(${name}) AS value`,
    ([row]) => row?.value ?? ""
  )

const isOn = (sql: PgClient.PgClient, name: string): Effect.Effect<boolean, SqlError> =>
  Effect.map(setting(sql, name), (value) => value === "on" || value === "true")

/** The texts of a setting that is a JSON array of texts. */
const texts = (sql: PgClient.PgClient, name: string): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(
    sql<{ readonly text: string }>`SELECT text
      FROM pg_catalog.jsonb_array_elements_text(pg_catalog.current_setting(${name})::pg_catalog.jsonb) AS elements (text)`,
    (rows) => rows.map(({ text }) => text)
  )
