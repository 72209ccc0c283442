import * as Data from "effect/Data"
import * as Result from "effect/Result"

/**
 * The names of the two schemas of a log. A log is a store of messages of its own; several logs can live in one database.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogNames {
  /** The schema of the messages, with Message DB's interface. A log is called by its name. */
  readonly messageStore: string
  /** The schema of what eventfold adds. */
  readonly eventfold: string
}

/**
 * The log whose names are Message DB's.
 *
 * @category models
 * @since 0.1.0
 */
export const defaultNames: LogNames = { messageStore: "message_store", eventfold: "eventfold" }

/**
 * No log can have the name: `detail` says why, and what it may be.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidLogName extends Data.TaggedError("InvalidLogName")<{
  readonly schema: string
  readonly detail: string
}> {
  override get message() {
    return `${JSON.stringify(this.schema)}, which can't be the schema of a log: ${this.detail}`
  }
}

/**
 * The longest name of a log, in characters. PostgreSQL cuts names off after 63, and those of a log's other schemas begin with its own:
 * `shop_eu__eventfold`, and `shop_eu__orders_2` for the second build of a read model.
 *
 * @category models
 * @since 0.1.0
 */
export const maxNameLength = 40

/** What stands between the name of a log and the rest of the name of a schema of it. */
const separator = "__"

/** The words that PostgreSQL 15 to 18 take for something else than a name, unless they are in quotes. */
const words = new Set(
  ("all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char " +
    "character check coalesce collate collation column concurrently constraint create cross current_catalog current_date " +
    "current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do " +
    "else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike " +
    "in initially inner inout int integer intersect interval into is isnull join json json_array json_arrayagg json_exists " +
    "json_object json_objectagg json_query json_scalar json_serialize json_table json_value lateral leading least left like " +
    "limit localtime localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset " +
    "on only or order out outer overlaps overlay placing position precision primary real references returning right row " +
    "select session_user setof similar smallint some substring symmetric system_user table tablesample then time timestamp to " +
    "trailing treat trim true union unique user using values varchar variadic verbose when where window with xmlattributes " +
    "xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable").split(" ")
)

/** Schemas that are there for something else. */
const taken = new Set(["eventfold", "public", "information_schema"])

const whyRefused = (schema: string): string | undefined => {
  if (!/^[a-z][a-z0-9_]*$/.test(schema) || schema.includes(separator) || schema.endsWith("_")) {
    return "a name begins with a letter from a to z, has letters from a to z, digits and single underscores, and ends with none, " +
      "as shop_eu does"
  }
  if (schema.length > maxNameLength) {
    return `it has ${schema.length} characters, and ${maxNameLength} are the most, so that the names of its other schemas fit`
  }
  if (schema.startsWith("pg_")) return "names that begin with pg_ are PostgreSQL's; choose another one"
  if (schema === "messages") return "it is the name of the table of messages; choose another one, such as messages_log"
  if (taken.has(schema)) return "it is the name of a schema for something else; choose another one"
  return words.has(schema) ? `it is a word of SQL; choose another one, such as ${schema}_log` : undefined
}

/**
 * The names of the log that is called by the name of its schema. `message_store` is the default log.
 *
 * **Details**
 *
 * A name needs no quotes in SQL: it has lower-case letters, digits and single underscores, begins with a letter, has at most
 * {@link maxNameLength} characters, and is no word of SQL. The second schema is called `shop_eu__eventfold` for `shop_eu`: no log can
 * have a name with two underscores in a row, so the schemas of two logs never have the same name.
 *
 * @category names
 * @since 0.1.0
 */
export const namesOf = (schema: string): Result.Result<LogNames, InvalidLogName> => {
  if (schema === defaultNames.messageStore) return Result.succeed(defaultNames)
  const detail = whyRefused(schema)
  return detail === undefined
    ? Result.succeed({
      messageStore: schema,
      eventfold: schemaIn({ ...defaultNames, messageStore: schema }, "eventfold")
    })
    : Result.fail(new InvalidLogName({ schema, detail }))
}

/** Whether these are Message DB's names. */
const areDefault = ({ messageStore }: LogNames): boolean => messageStore === defaultNames.messageStore

/**
 * The name that a schema, such as that of a read model, has in a log: `orders` in the default log, `shop_eu__orders` in `shop_eu`.
 *
 * @category names
 * @since 0.1.0
 */
export const schemaIn = (names: LogNames, schema: string): string =>
  areDefault(names) ? schema : `${names.messageStore}${separator}${schema}`

/**
 * What stands before the name of a category in the text whose hash is its lock; none in the default log, whose locks are Message DB's.
 * No category has a dash, so no lock of one log is a lock of another.
 *
 * @category names
 * @since 0.1.0
 */
export const lockPrefix = (names: LogNames): string => areDefault(names) ? "" : `${names.messageStore}-`

// Where SQL names one of the two schemas. A setting such as `message_store.debug`, the role message_store, the column of that name and
// the channel are none: they are the same for all logs of a database.
const beforeName = "(?<!\\b(?:current_setting|set_config)\\('|[\\w.])(?:message_store|eventfold)(?=\\.[\\w\"%])"
const afterWord =
  "(?<=\\bSCHEMAS? |\\bSCHEMAS message_store and |regnamespace\\('|\\bnspname = '|\\bschemaname = '|_schema = '|\\bnspname IN \\('|" +
  "\\bnspname IN \\('message_store', '|\\bpg_catalog, |\\{|\\{eventfold,)(?:message_store|eventfold)\\b"
const beforeWord = "\\b(?:message_store|eventfold)(?='::(?:pg_catalog\\.)?(?:regnamespace|name)\\b| schema\\b)"
const mention = new RegExp([beforeName, afterWord, beforeWord].join("|"), "gi")

/** The key of a category's lock, in `message_store.acquire_lock`. */
const lockKey = "message_store.hash_64(_category)"

/**
 * SQL for a log: the text of a file of this package, or of a statement for the default log, with the schemas of another log in place of
 * `message_store` and `eventfold`.
 *
 * **Details**
 *
 * It changes what names the two schemas, and nothing else: not the settings that begin with `message_store.` and `eventfold.`, nor the
 * role `message_store`, which are the same for all logs. The function `acquire_lock` gets a lock of its own for each category.
 *
 * @category names
 * @since 0.1.0
 */
export const inLog = (names: LogNames): (sql: string) => string =>
  areDefault(names)
    ? (sql) => sql
    : (sql) =>
      sql.replaceAll(lockKey, `message_store.hash_64('${lockPrefix(names)}' || _category)`)
        .replaceAll(mention, (name) => name.toLowerCase() === "eventfold" ? names.eventfold : names.messageStore)
