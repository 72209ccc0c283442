/**
 * Compares the objects of the schemas with those that an installation makes.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Sql from "@eventfold/sql"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Finding } from "eventfold/Verify"

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
  { functions, schema, version }: Made
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
    if (there === undefined) return optional.has(name) ? [] : [{ _tag: "ObjectMissing", kind, name }]
    return there === digest ? [] : [{ _tag: "ObjectChanged", kind, name }]
  })
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
  const found = yield* sql.unsafe<Sql.SchemaObject>(files.objects).unprepared
  return [
    ...compared(found, files.installed, made),
    ...(yield* invalidIndexes(sql)),
    ...(yield* bindings(sql, files.bindings))
  ]
})
