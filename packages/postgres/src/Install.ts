/**
 * Installing the schemas in a PostgreSQL database, bringing them up to date, and removing them.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Sql from "@eventfold/sql"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { errorCode, errorText } from "./internal/client/sqlError.ts"
import { describeDatabase, fromSqlError, OpenError, OpenFailed } from "./OpenError.ts"

/**
 * The version of the `eventfold` schema that this library needs, and installs.
 *
 * @since 0.1.0
 */
export const schemaVersion = 2

/** @since 0.1.0 */
export interface InstallOptions {
  /**
   * Make the role `message_store` when the server has none, and grant it what Message DB does. A user who may not create
   * roles is refused, unless this is false: then there is nothing made or granted. Default: true.
   */
  readonly role?: boolean | undefined
  /**
   * The role that is to own the schemas that are missing. Default: the user; for `eventfold`, who owns `message_store`.
   * A schema that is there keeps its owner, who gets what is added to it if the user may act as that role.
   */
  readonly owner?: string | undefined
  /**
   * Put eventfold's functions and views in the place of those of a stock Message DB, which keeps its table. Otherwise its
   * `message_store` is left as it is and only gets `eventfold` beside it. Default: false.
   */
  readonly replaceFunctions?: boolean | undefined
}

/**
 * Installs the schemas `message_store` and `eventfold` in the client's database, or brings them up to date: the same
 * files that `sql/install.sql` runs, in one transaction. To run it again changes nothing, and two at once wait for one
 * another. Messages are never touched.
 *
 * **Details**
 *
 * The user has to own the database, or to have the right to create schemas in it; a superuser is not needed. What was
 * installed when is recorded in the table `eventfold.installations`.
 *
 * @since 0.1.0
 */
export const install = Effect.fn("Postgres.install")(
  function*(options: InstallOptions = {}): Effect.fn.Return<void, OpenError, PgClient.PgClient> {
    const sql = yield* PgClient.PgClient
    const files = yield* readFiles(sql, Sql.files)
    yield* exclusively(
      sql,
      Effect.gen(function*() {
        yield* sql`SELECT
          set_config('eventfold.install_role', ${options.role === false ? "off" : "on"}, true),
          set_config('eventfold.install_owner', ${options.owner ?? ""}, true),
          set_config('eventfold.replace_functions', ${options.replaceFunctions === true ? "on" : "off"}, true)`
        for (const file of files) {
          if (file.isConditional && !(yield* isOn(sql, "eventfold.install_message_store"))) continue
          yield* sql.unsafe(Sql.asOneStatement(file.sql))
        }
      })
    ).pipe(Effect.mapError(fromSqlError(sql.config)))
  }
)

/**
 * Nothing was removed: the database has another name, or something outside of the schemas depends on them. The message
 * says which, and how many messages there are to lose.
 *
 * @since 0.1.0
 */
export class UninstallRefused extends Schema.TaggedError<UninstallRefused>()("UninstallRefused", {
  detail: Schema.String
}) {
  override get message(): string {
    return `nothing was removed: ${this.detail}`
  }
}

/** @since 0.1.0 */
export interface UninstallOptions {
  /** The name of the client's database, so that no other one is hit. */
  readonly database: string
  /** Remove a stock Message DB as well, which otherwise only loses the `eventfold` schema. Default: false. */
  readonly stock?: boolean | undefined
}

/**
 * What is gone beside the schema `eventfold`.
 *
 * @since 0.1.0
 */
export interface Uninstalled {
  /** The schema `message_store`, with all messages. */
  readonly messageStore: boolean
  /** The role `message_store`, which stays where another database of the server, or a member, needs it. */
  readonly role: boolean
}

/**
 * Removes the schemas from the client's database, with every message in them. The database itself stays. The role
 * `message_store` goes too, unless something else uses it or the user may not remove it.
 *
 * @since 0.1.0
 */
export const uninstall = Effect.fn("Postgres.uninstall")(
  function*(
    options: UninstallOptions
  ): Effect.fn.Return<Uninstalled, OpenError | UninstallRefused, PgClient.PgClient> {
    const sql = yield* PgClient.PgClient
    const files = yield* readFiles(sql, Sql.uninstallFiles)
    return yield* exclusively(
      sql,
      Effect.gen(function*() {
        yield* sql`SELECT
          set_config('eventfold.uninstall_database', ${options.database}, true),
          set_config('eventfold.uninstall_stock', ${options.stock === true ? "on" : "off"}, true)`
        yield* Effect.forEach(files, (file) => sql.unsafe(Sql.asOneStatement(file.sql)), { discard: true })
        return {
          messageStore: yield* isOn(sql, "eventfold.uninstalled_message_store"),
          role: yield* isOn(sql, "eventfold.uninstalled_role")
        }
      })
    ).pipe(Effect.mapError((error) =>
      // Its own refusal, and "other objects depend on it".
      ["P0001", "2BP01"].includes(errorCode(error) ?? "")
        ? new UninstallRefused({ detail: errorText(error) })
        : fromSqlError(sql.config)(error)
    ))
  }
)

const readFiles = (sql: PgClient.PgClient, files: typeof Sql.files) =>
  Effect.mapError(files, (error) =>
    new OpenError({
      database: describeDatabase(sql.config),
      reason: new OpenFailed({ detail: error.message, cause: error })
    }))

/** In a transaction, one at a time in the database. */
const exclusively = <A>(sql: PgClient.PgClient, effect: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    yield* sql`SELECT pg_advisory_xact_lock(${Sql.installLock})`
    yield* sql`SELECT set_config('client_min_messages', 'warning', true)`
    return yield* effect
  }))

const isOn = (sql: PgClient.PgClient, setting: string): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql<{ readonly on: boolean }>`SELECT current_setting(${setting})::boolean AS on`,
    ([row]) => row?.on === true
  )
