/**
 * A log: the messages of two schemas, and all that belongs to them. Several logs can live in one database, and touch one another nowhere:
 * each has its schemas, the locks of its categories, its leases, its channel and the schemas of its read models.
 *
 * All statements of a store are written for the default log, `message_store`. The store's own client gives those of another log its names:
 * once for each text, so that no call builds one.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Sql from "@eventfold/sql"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Fragment } from "effect/sql/Statement"
import type { OpenError } from "../../OpenError.ts"
import { fromProblem } from "./openErrors.ts"

export interface Log {
  readonly names: Sql.LogNames
  readonly isDefault: boolean
  /** Gives a text of SQL, or about it, that is written for the default log the names of this one. */
  readonly named: (text: string) => string
  /** The name that a schema, such as that of a read model, has in this log. */
  readonly schemaIn: (schema: string) => string
  /** The channel of LISTEN and NOTIFY. Each database has its own channels. */
  readonly channel: string
  /** The text whose hash is the advisory lock of a lease: it tells leases from the application's own locks. */
  readonly leaseKey: (name: string) => string
}

const make = (names: Sql.LogNames): Log => {
  const isDefault = names === Sql.defaultNames
  return {
    names,
    isDefault,
    named: Sql.inLog(names),
    schemaIn: (schema) => Sql.schemaIn(names, schema),
    // No name of a log is that of another channel.
    channel: names.eventfold,
    leaseKey: (name) => isDefault ? `eventfold:lease:${name}` : `eventfold:lease of ${names.messageStore}:${name}`
  }
}

/** The log with Message DB's names. */
export const defaultLog: Log = make(Sql.defaultNames)

/** The log of an option `schema`. Fails when no log can have the name. */
export const fromOption = (schema: string | undefined): Effect.Effect<Log, OpenError> => {
  if (schema === undefined) return Effect.succeed(defaultLog)
  const names = Sql.namesOf(schema)
  return Result.isSuccess(names)
    ? Effect.succeed(names.success === Sql.defaultNames ? defaultLog : make(names.success))
    : Effect.fail(fromProblem({ option: "schema", detail: `is ${names.failure.message}` }))
}

const logKey: unique symbol = Symbol("@eventfold/postgres/log")

/** The log whose names the statements of a client have. */
export const logOf = (sql: PgClient): Log =>
  logKey in sql ? (sql as PgClient & { readonly [logKey]: Log })[logKey] : defaultLog

const isTemplate = (strings: unknown): strings is TemplateStringsArray => Array.isArray(strings) && "raw" in strings

/**
 * The client of a store for a log: each template of a statement is written for the default log, and has the names of this one. What the
 * template is given as values stays as it is, and so do `unsafe` and `literal`.
 */
export const clientOf = (sql: PgClient, log: Log): PgClient => {
  if (log.isDefault) return sql
  const templates = new WeakMap<TemplateStringsArray, TemplateStringsArray>()
  const templateOf = (strings: TemplateStringsArray): TemplateStringsArray => {
    const known = templates.get(strings)
    if (known !== undefined) return known
    const template = Object.assign(strings.map(log.named), { raw: strings.raw })
    templates.set(strings, template)
    return template
  }
  const statement = (strings: unknown, ...values: ReadonlyArray<unknown>): unknown =>
    Reflect.apply(sql, undefined, [isTemplate(strings) ? templateOf(strings) : strings, ...values])
  const client: PgClient = Object.assign(statement as unknown as PgClient, {
    ...sql,
    [logKey]: log,
    withoutTransforms: () => client
  })
  return Object.assign(client, { safe: client })
}

/** The key of the lock of a category, whose name is a column. The locks of the default log are Message DB's. */
export const categoryLock = (sql: PgClient, category: Fragment): Fragment => {
  const { isDefault, names } = logOf(sql)
  return isDefault
    ? sql`message_store.hash_64(${category})`
    : sql`message_store.hash_64((${sql.literal(`'${Sql.lockPrefix(names)}'`)}::text || ${category}::text)::varchar)`
}
