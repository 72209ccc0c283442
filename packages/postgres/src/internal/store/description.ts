/**
 * What there is to say of the database, from its catalogs.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreBackend } from "eventfold/StoreBackend"
import type { Places } from "../client/independence.ts"
import type { Statements } from "../client/statements.ts"
import { safePosition } from "../client/wireValues.ts"

interface DatabaseRow {
  readonly server: string
  readonly standby: boolean
  readonly role: string
  readonly bytes: bigint | null
}

interface RelationRow {
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly of_table: string | null
  readonly bytes: bigint | null
  readonly total: number
  readonly valid: boolean | null
  readonly scans: bigint | null
}

interface PrivilegeRow {
  readonly object: string
  readonly privilege: string
  readonly granted: boolean | null
}

// Two values that are compared have one type, and polymorphic functions their schema: no operator or function of another role fits
// better than PostgreSQL's own.

const database = (sql: PgClient) =>
  sql<DatabaseRow>`SELECT
      current_setting('server_version'::text) AS server,
      pg_is_in_recovery() AS standby,
      current_user::text AS role,
      CASE
        WHEN has_database_privilege(pg_database.oid::oid, 'CONNECT'::text) THEN pg_database_size(pg_database.oid::oid)
      END AS bytes
    FROM pg_catalog.pg_database WHERE pg_database.datname = current_database()`.unprepared

const relations = (sql: PgClient) =>
  sql<RelationRow>`SELECT
      space.nspname::text AS schema,
      class.relname::text AS name,
      class.relkind::text AS kind,
      indexed.relname::text AS of_table,
      CASE
        WHEN class.relkind = 'r'::"char" THEN pg_table_size(class.oid::regclass)
        ELSE pg_relation_size(class.oid::regclass)
      END AS bytes,
      class.reltuples::float8 AS total,
      built.indisvalid AS valid,
      used.idx_scan AS scans
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_index AS built ON built.indexrelid = class.oid
    LEFT JOIN pg_catalog.pg_class AS indexed ON indexed.oid = built.indrelid
    LEFT JOIN pg_catalog.pg_stat_all_indexes AS used ON used.indexrelid = class.oid
    WHERE (space.nspname = 'message_store'::name OR space.nspname = 'eventfold'::name)
      AND (class.relkind = 'r'::"char" OR class.relkind = 'i'::"char")
    ORDER BY space.nspname::text COLLATE "C", class.relname::text COLLATE "C"`.unprepared

const privileges = (sql: PgClient) =>
  sql<PrivilegeRow>`SELECT 'message_store.messages'::text AS object, wanted.name AS privilege,
      has_table_privilege(to_regclass('message_store.messages'::text)::oid, wanted.name) AS granted
    FROM (VALUES ('SELECT'::text), ('INSERT'::text), ('UPDATE'::text), ('DELETE'::text)) AS wanted (name)
    UNION ALL
    SELECT space.nspname::text, 'USAGE'::text, has_schema_privilege(space.oid::oid, 'USAGE'::text)
    FROM pg_catalog.pg_namespace AS space
    WHERE space.nspname = 'message_store'::name OR space.nspname = 'eventfold'::name`.unprepared

const schemaVersion = (sql: PgClient) =>
  sql<{ readonly version: number }>`SELECT called.version FROM eventfold.schema_version() AS called (version)`

/** A size that can't be one is a mistake of the catalogs. */
const bytesOf = (bytes: bigint | null) => bytes === null ? Effect.succeed(0) : safePosition(bytes)

/** What there is to say of a database, with the schema `eventfold` or without. */
export const make = (
  { query, sql }: Statements,
  { read }: Places,
  hasSchema: boolean
): NonNullable<StoreBackend["description"]> =>
  read(
    "describe",
    Effect.gen(function*() {
      const [own] = yield* query("describe", database(sql))
      const [version] = hasSchema ? yield* query("describe", schemaVersion(sql)) : []
      const found = yield* query("describe", relations(sql))
      const granted = yield* query("describe", privileges(sql))
      return {
        serverVersion: Option.fromUndefinedOr(own?.server),
        schemaVersion: Option.fromUndefinedOr(version?.version),
        isStandby: own?.standby === true,
        user: Option.fromUndefinedOr(own?.role),
        bytes: own?.bytes == null ? Option.none() : Option.some(yield* safePosition(own.bytes)),
        relations: yield* Effect.forEach(
          found,
          Effect.fnUntraced(function*({ bytes, kind, name, of_table, scans, schema, total, valid }) {
            const isTable = kind === "r"
            return {
              schema,
              name,
              kind: isTable ? "table" as const : "index" as const,
              table: Option.fromNullOr(of_table),
              bytes: yield* bytesOf(bytes),
              // -1 says that the table was never analyzed.
              rows: isTable && total >= 0 ? Option.some(Math.round(total)) : Option.none(),
              isValid: valid ?? true,
              scans: scans === null ? Option.none() : Option.some(yield* safePosition(scans))
            }
          })
        ),
        privileges: granted.map(({ granted, object, privilege }) => ({
          on: object,
          privilege,
          isGranted: granted === true
        }))
      }
    })
  )
