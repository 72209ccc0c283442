/**
 * Read models whose tables are in PostgreSQL.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ReadModelStore } from "eventfold/ReadModelStore"
import { install, type InstallOptions, schemaVersion } from "./Install.ts"
import * as Store from "./internal/readModelStore.ts"
import { describeDatabase, fromSqlError, OpenError, SchemaMissing, SchemaOutdated } from "./OpenError.ts"

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
