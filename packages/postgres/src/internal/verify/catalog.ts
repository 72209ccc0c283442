/**
 * Compares the objects of the schemas with those that an installation makes.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Sql from "@eventfold/sql"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { Finding } from "eventfold/Verify"
import { createHash } from "node:crypto"
import { type Log, logOf } from "../client/log.ts"

/** What the database has, and what the library is made for. */
export interface Made {
  readonly version: number
  /** Whose functions the schema `message_store` has. */
  readonly functions: "ours" | "stock"
  /** The version of the schema `eventfold`, if the database has it. */
  readonly schema: number | undefined
}

/** Indexes that an installation makes only when it is asked to, or later. */
const optional = new Set([
  "message_store.messages_at",
  "message_store.messages_correlation",
  "message_store.messages_causation"
])

/** The objects of `message_store` that a stock Message DB has in its own form. */
const isOfStock = ({ kind, name }: Sql.SchemaObject): boolean =>
  name.startsWith("message_store.") &&
  !["messages_pkey", "messages_id", "messages_stream"].includes(name.split(".")[1] ?? "") &&
  kind !== "column"

const compared = (
  found: ReadonlyArray<Sql.SchemaObject>,
  installed: ReadonlyArray<Sql.SchemaObject>,
  { functions, schema, version }: Made,
  named: Log["named"]
): ReadonlyArray<Finding> => {
  if (schema !== undefined && schema !== version) {
    return [{ _tag: "NotCompared", installed: schema, library: version }]
  }
  const digests = new Map(found.map(({ digest, kind, name }) => [`${kind} ${name}`, digest]))
  return installed.flatMap((object): ReadonlyArray<Finding> => {
    const { digest, kind, name } = object
    if (functions === "stock" && isOfStock(object)) return []
    if (schema === undefined && name.startsWith("eventfold.")) return []
    const there = digests.get(`${kind} ${name}`)
    if (there === undefined) return optional.has(name) ? [] : [{ _tag: "ObjectMissing", kind, name: named(name) }]
    return there === digest ? [] : [{ _tag: "ObjectChanged", kind, name: named(name) }]
  })
}

/**
 * Gives a definition the names of the default log. Where it names the schema of the messages, an alias of the same name may stand as
 * well: a table comes after a word of SQL or in quotes, and a function before its arguments.
 */
const inDefaultLog = ({ eventfold, messageStore }: Sql.LogNames) => {
  const own = new RegExp(`\\b${eventfold}\\b`, "g")
  const lock = new RegExp(`'${Sql.lockPrefix({ eventfold, messageStore })}' \\|\\| `, "g")
  const messages = new RegExp(
    `(?<=^|'|\\b(?:FROM|INTO|UPDATE|JOIN|ON|SETOF) )${messageStore}(?=\\.)|(?<![\\w.])${messageStore}(?=\\.\\w+\\()` +
      `|(?<='pg_catalog', ')${messageStore}(?=', )`,
    "g"
  )
  return (definition: string): string =>
    definition.replace(own, "eventfold").replace(lock, "").replace(messages, "message_store")
}

/**
 * The objects of the schemas, under the names of the default log. The definitions of another log name its own schemas, so the server gives
 * them whole, and their digests are those of what they are in the default log.
 */
const objects = (sql: PgClient, files: Sql.VerifyFiles): Effect.Effect<ReadonlyArray<Sql.SchemaObject>, SqlError> => {
  const { isDefault, named, names } = logOf(sql)
  if (isDefault) return sql.unsafe<Sql.SchemaObject>(files.objects).unprepared
  const inDefault = inDefaultLog(names)
  const definitions = sql.unsafe<Sql.SchemaObject>(named(files.objects).replaceAll(/\bmd5\(/g, "(")).unprepared
  return Effect.map(definitions, (rows) =>
    rows.map(({ digest: definition, kind, name }) => ({
      kind,
      name: inDefault(name),
      digest: createHash("md5").update(inDefault(definition)).digest("hex")
    })))
}

interface InvalidRow {
  readonly name: string
}

const invalidIndexes = (sql: PgClient) =>
  Effect.map(
    sql<InvalidRow>`SELECT pg_index.indexrelid::regclass::text AS name
      FROM pg_index JOIN pg_class ON pg_class.oid = pg_index.indrelid
      WHERE pg_class.relnamespace IN (to_regnamespace('message_store'), to_regnamespace('eventfold'))
        AND NOT (pg_index.indisvalid AND pg_index.indisready)
      ORDER BY name`.unprepared,
    (rows) => rows.map(({ name }): Finding => ({ _tag: "IndexInvalid", name }))
  )

const Bindings = Schema.fromJsonString(Schema.Array(Schema.Struct({ text: Schema.String })))

/** What is bound to objects of others, by the file of the installation that looks for it. */
const bindings = Effect.fnUntraced(function*(sql: PgClient, file: string) {
  yield* sql`SELECT set_config('eventfold.install_bindings', '', true)`.unprepared
  yield* sql.unsafe(Sql.asOneStatement(file)).unprepared
  const [row] = yield* sql<{ readonly found: string }>`SELECT current_setting('eventfold.install_bindings') AS found`
    .unprepared
  const found = yield* Effect.orDie(Schema.decodeEffect(Bindings)(row?.found ?? "[]"))
  return found.map(({ text }) => text).toSorted().map((description): Finding => ({
    _tag: "ForeignObjectUsed",
    description
  }))
})

/** What is wrong with the objects of the schemas. In a transaction whose path has PostgreSQL's own schema alone. */
export const findings = Effect.fnUntraced(function*(sql: PgClient, made: Made, files: Sql.VerifyFiles) {
  const { named } = logOf(sql)
  return [
    ...compared(yield* objects(sql, files), files.installed, made, named),
    ...(yield* invalidIndexes(sql)),
    ...(yield* bindings(sql, named(files.bindings)))
  ]
})
