/**
 * The checks that ask the server's catalogs and settings.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Found } from "../../Install.ts"
import { logOf } from "../client/log.ts"
import { type Finding, looking, notice, ok, orProblem, problem, skipped } from "./check.ts"

type Findings = Effect.Effect<ReadonlyArray<Finding>, SqlError>

const oldestServer = 150_000

/** The server, the database, the user, and TLS. */
export const connection = (sql: PgClient, isInProcess: boolean): Findings =>
  Effect.map(
    looking(
      sql,
      sql<{
        readonly number: number
        readonly version: string
        readonly database: string
        readonly user: string
        readonly tls: boolean | null
      }>`SELECT current_setting('server_version_num')::int4 AS number, current_setting('server_version') AS version,
        current_database()::text AS database, current_user::text AS user,
        (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls`
    ),
    ([row]) => {
      if (row === undefined) return []
      const encryption = isInProcess ? "in this process" : row.tls === true ? "with TLS" : "without TLS"
      const detail = `PostgreSQL ${
        row.version.split(" ", 1)[0]
      }, database ${row.database}, user ${row.user}, ${encryption}`
      return [
        row.number < oldestServer
          ? problem(detail, "eventfold needs PostgreSQL 15 or later: upgrade the server")
          : ok(detail)
      ]
    }
  )

/** The schemas, and whether they serve this library. */
export const schema = (found: Found, required: number): ReadonlyArray<Finding> => {
  const { functions, schema } = found
  if (functions === "none") return [problem("the database has no message store", "install it: eventfold install")]
  const whose = functions === "stock" ? "beside a stock Message DB" : "with Message DB's interface"
  if (schema === undefined) {
    return [notice(
      "a stock Message DB without the schema eventfold: no read models, no listing by page, slower appends",
      "add the schema beside it, which changes nothing of it: eventfold install"
    )]
  }
  if (schema.version < required) {
    return [problem(
      `the schema eventfold is at version ${schema.version}, and this library needs ${required}`,
      "bring it up to date: eventfold upgrade"
    )]
  }
  if (schema.oldestClient > required) {
    return [problem(
      `the schema eventfold is at version ${schema.version} and serves libraries from ${schema.oldestClient} on, and this one is ` +
        `of ${required}`,
      "use a newer eventfold"
    )]
  }
  return [ok(`the schema eventfold is at version ${schema.version}, ${whose}`)]
}

/** What an application does with each table. */
const needed: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
  ["message_store.messages", ["SELECT", "INSERT"]],
  ["eventfold.positions", ["SELECT", "INSERT", "UPDATE"]],
  ["eventfold.read_models", ["SELECT", "INSERT", "UPDATE", "DELETE"]],
  ["eventfold.runners", ["SELECT", "INSERT", "UPDATE", "DELETE"]],
  ["eventfold.streams", ["SELECT", "INSERT", "UPDATE"]]
]

/** What the user may do with the schemas. */
export const privileges = (sql: PgClient): Findings =>
  looking(
    sql,
    Effect.gen(function*() {
      const wanted = JSON.stringify(
        needed.flatMap(([table, kinds]) => kinds.map((kind) => ({ table: logOf(sql).named(table), kind })))
      )
      const missing = yield* sql<{ readonly lacks: string }>`SELECT DISTINCT
          CASE WHEN has_schema_privilege(nspname, 'USAGE') THEN kind || ' on ' || wanted.table
            ELSE 'USAGE on schema ' || nspname::text END AS lacks
        FROM jsonb_to_recordset(${wanted}::jsonb) AS wanted ("table" text, kind text)
        JOIN pg_namespace ON nspname = split_part(wanted.table, '.', 1)
        JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = split_part(wanted.table, '.', 2)
        WHERE NOT has_schema_privilege(nspname, 'USAGE') OR NOT has_table_privilege(pg_class.oid, kind)
        ORDER BY lacks`
      const [user] = yield* sql<{ readonly name: string; readonly superuser: boolean }>`SELECT
        current_user::text AS name, rolsuper AS superuser FROM pg_roles WHERE rolname = current_user`
      const name = user?.name ?? "the user"
      if (missing.length > 0) {
        return [problem(
          `${name} lacks ${missing.map(({ lacks }) => lacks).join(", ")}`,
          `as the owner: GRANT message_store TO ${name}`
        )]
      }
      return user?.superuser === true
        ? [notice(
          `${name} is a superuser, who may do everything`,
          "let programs log in as a role of their own: CREATE ROLE app LOGIN; GRANT message_store TO app"
        )]
        : [ok(`${name} may do what an application needs`)]
    })
  )

/** Where names are looked up, and who may put something there. */
export const searchPath = (sql: PgClient): Findings =>
  Effect.gen(function*() {
    const [row] = yield* sql<{ readonly path: string; readonly schemas: ReadonlyArray<string> }>`SELECT
      pg_catalog.current_setting('search_path') AS path, pg_catalog.current_schemas(false)::pg_catalog.text[] AS schemas`
    const path = row?.path ?? ""
    const open = yield* looking(
      sql,
      sql<{ readonly name: string }>`SELECT nspname::text AS name
        FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS granted
        WHERE nspname = ANY (${[...row?.schemas ?? []]}::name[]) AND grantee = 0 AND privilege_type = 'CREATE'`
    )
    return open.length === 0
      ? [ok(`the search path is ${path}`)]
      : [notice(
        `everybody may create objects in ${
          open.map(({ name }) => name).join(", ")
        }, which is on the search path (${path})`,
        open.map(({ name }) => `REVOKE CREATE ON SCHEMA ${name} FROM PUBLIC`).join("; ")
      )]
  })

/** The indexes that reads need. */
const neededIndexes = ["messages_id", "messages_stream", "messages_category"] as const

/** Whether the indexes are there and valid, and the planner can use them. */
export const indexes = (sql: PgClient): Findings =>
  looking(
    sql,
    Effect.gen(function*() {
      const found = yield* sql<{ readonly name: string; readonly valid: boolean }>`SELECT
          pg_class.relname::text AS name, indisvalid AND indisready AS valid
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = to_regclass('message_store.messages')
        ORDER BY pg_class.relname`
      const names = new Set(found.map(({ name }) => name))
      const missing = neededIndexes.filter((name) => !names.has(name))
      const invalid = found.filter(({ valid }) => !valid)
      const findings: Array<Finding> = []
      if (missing.length > 0) {
        findings.push(problem(`there is no index ${missing.join(", ")}`, "install it: eventfold install"))
      }
      for (const { name } of invalid) {
        findings.push(problem(
          `the index ${name} is not valid: it was interrupted while it was made`,
          `REINDEX INDEX CONCURRENTLY message_store.${name}`
        ))
      }
      if (findings.length > 0) return findings
      // Small tables are read as a whole. So it is asked what it would do if it could not.
      yield* sql`SELECT set_config('enable_seqscan', 'off', true)`
      const plans = yield* sql`EXPLAIN SELECT id FROM message_store.messages
        WHERE message_store.category(stream_name) BETWEEN 'a' AND 'a' AND global_position >= 1
        ORDER BY message_store.category(stream_name), global_position LIMIT 1`.values
      const isUsed = plans.flat().some((line) => String(line).includes("messages_category"))
      return [
        isUsed
          ? ok(`the indexes are valid, and reads use them: ${[...names].join(", ")}`)
          : problem(
            "reads of a category do not use the index messages_category",
            "its function may have been replaced: REINDEX INDEX CONCURRENTLY message_store.messages_category, and see that " +
              "enable_indexscan is on"
          )
      ]
    })
  )

/** How many messages make statistics worth having. */
const worthStatistics = 1_000

/** At this age the server is not far from stopping to take writes. */
const oldTransactions = 1_500_000_000

/** Whether the table of messages is looked after. */
export const autovacuum = (sql: PgClient): Findings =>
  Effect.map(
    looking(
      sql,
      sql<{
        readonly isOn: boolean
        readonly counts: boolean
        readonly isOff: boolean
        readonly live: number
        readonly isAnalyzed: boolean
        readonly age: number
      }>`SELECT current_setting('autovacuum')::bool AS "isOn", current_setting('track_counts')::bool AS "counts",
          coalesce('autovacuum_enabled=false' = ANY (reloptions) OR 'autovacuum_enabled=off' = ANY (reloptions), false) AS "isOff",
          coalesce(pg_stat_get_live_tuples(oid), 0)::float8 AS live, reltuples >= 0 AS "isAnalyzed",
          age(relfrozenxid)::float8 AS age
        FROM pg_class WHERE oid = to_regclass('message_store.messages')`
    ),
    ([row]) => {
      if (row === undefined) return [skipped("there is no table of messages")]
      const findings: Array<Finding> = []
      if (!row.isOn || !row.counts) {
        findings.push(problem(
          "autovacuum is off on this server",
          "ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf()"
        ))
      } else if (row.isOff) {
        findings.push(problem(
          "autovacuum is off for the table of messages",
          "ALTER TABLE message_store.messages RESET (autovacuum_enabled)"
        ))
      }
      if (row.age > oldTransactions) {
        findings.push(problem(
          `the oldest transaction of the table of messages is ${row.age} transactions old`,
          "VACUUM (FREEZE) message_store.messages"
        ))
      }
      if (!row.isAnalyzed && row.live > worthStatistics) {
        findings.push(notice("the table of messages has no statistics yet", "ANALYZE message_store.messages"))
      }
      return findings.length > 0 ? findings : [ok("autovacuum is on, and looks after the table of messages")]
    }
  )

/** Whether a commit survives a crash. */
export const durability = (sql: PgClient): Findings =>
  Effect.map(
    looking(
      sql,
      sql<{ readonly fsync: string; readonly pages: string; readonly commit: string }>`SELECT
        current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
        current_setting('synchronous_commit') AS commit`
    ),
    ([row]) => {
      if (row?.fsync === "off" || row?.pages === "off") {
        return [problem(
          `a crash of the server can destroy the data: fsync is ${row.fsync}, full_page_writes is ${row.pages}`,
          "ALTER SYSTEM RESET fsync; ALTER SYSTEM RESET full_page_writes; SELECT pg_reload_conf()"
        )]
      }
      return row?.commit === "off"
        ? [
          notice(
            "a crash can lose the last commits: synchronous_commit is off",
            "SET it to on where no message may be lost"
          )
        ]
        : [ok(`commits are on disk when they are confirmed: synchronous_commit is ${row?.commit ?? "unknown"}`)]
    }
  )

/** How long a transaction is open that is worth a look. */
const longMinutes = 5

/** Transactions that are open for long. */
export const transactions = (sql: PgClient): Findings =>
  Effect.map(
    looking(
      sql,
      sql<{ readonly who: string; readonly minutes: number; readonly end: string }>`SELECT
          'process ' || pid::text || coalesce(' (' || nullif(application_name, '') || ', ' || state || ')', '') AS who,
          floor(extract(epoch FROM clock_timestamp() - xact_start) / 60)::float8 AS minutes,
          'SELECT pg_terminate_backend(' || pid::text || ')' AS end
        FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
          AND xact_start < clock_timestamp() - make_interval(mins => ${longMinutes}::int4)
        UNION ALL
        SELECT 'prepared transaction ' || gid,
          floor(extract(epoch FROM clock_timestamp() - prepared) / 60)::float8,
          'ROLLBACK PREPARED ' || quote_literal(gid)
        FROM pg_prepared_xacts
        WHERE database = current_database() AND prepared < clock_timestamp() - make_interval(mins => ${longMinutes}::int4)`
    ),
    (rows) =>
      rows.length === 0
        ? [ok(`no transaction is open for more than ${longMinutes} minutes`)]
        : rows.map(({ end, minutes, who }) =>
          notice(
            `${who} has a transaction open for ${minutes} minutes: it may hold readers back`,
            `look what it does, or end it: ${end}`
          )
        )
  )

/** A clock this far away makes times of messages and deadlines look wrong. */
const farMillis = 1_000

/** The server's clock beside that of this machine. */
export const clock = (sql: PgClient): Findings =>
  Effect.gen(function*() {
    const before = yield* Clock.currentTimeMillis
    const [row] = yield* sql<{ readonly millis: number }>`SELECT
      (pg_catalog.date_part('epoch'::pg_catalog.text, pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000)::pg_catalog.float8 AS millis`
    const after = yield* Clock.currentTimeMillis
    const server = row?.millis ?? before
    // Somewhere between the question and the answer.
    const difference = server < before ? server - before : server > after ? server - after : 0
    const rounded = Math.round(Math.abs(difference))
    return Math.abs(difference) <= farMillis
      ? [ok("the server's clock agrees with that of this machine")]
      : [notice(
        `the server's clock is ${rounded} ms ${difference > 0 ? "ahead of" : "behind"} that of this machine`,
        "run NTP on both: times of messages are the server's, deadlines those of the programs"
      )]
  })

/** A check by the catalog that fails says so. */
export const guarded = (findings: Findings): Effect.Effect<ReadonlyArray<Finding>> =>
  findings.pipe(orProblem("see that the user may connect to the database and look at its catalogs"))
