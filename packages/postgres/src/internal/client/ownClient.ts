/**
 * The client of a store: that of the application, without what the application has set for its own statements. Both have the same
 * connections and transactions.
 */
import { makeCompiler, type PgClient } from "@effect/sql-pg/PgClient"
import type { Result as QueryResult, Row } from "@effect/sql-pg/PgConnection"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import { InvalidOption, OpenError } from "../../OpenError.ts"
import { asBuiltIn, type OtherCodecs, otherCodecs, typeName } from "./codecs.ts"
import { clientOf, type Log } from "./log.ts"
import { describeDatabase } from "./openErrors.ts"

/**
 * A name as it is written in SQL. Not `sql(name)`: a client may transform the names in the queries of its application, and the
 * names of a store are what they are.
 */
export const identifier = (sql: PgClient, name: string): Statement.Fragment =>
  sql.literal(`"${name.replaceAll("\"", "\"\"")}"`)

/** A parameter without a type of its own, which the client sends as its text and by no codec. */
interface Untyped {
  readonly text: string | null
  /** The type that the client would have sent it with. */
  readonly type: string | undefined
}

const arrayText = (items: ReadonlyArray<unknown>): string => {
  const texts = items.map((item) => {
    const { text } = untyped(item)
    return text === null ? "NULL" : `"${text.replaceAll("\\", "\\\\").replaceAll("\"", "\\\"")}"`
  })
  return `{${texts.join()}}`
}

const arrayType = (items: ReadonlyArray<unknown>): string | undefined => {
  for (const item of items) {
    if (typeof item === "string") return "text[]"
    const { type } = untyped(item)
    if (type !== undefined) return `${type}[]`
  }
  return undefined
}

const bytesText = (bytes: Uint8Array): string => `\\x${Buffer.from(bytes).toString("hex")}`

/** What the client would send, by the rules of its own for values without a type. */
const untyped = (value: unknown): Untyped => {
  if (PgTypes.isParameter(value)) {
    const type = typeName(value.oid)
    if (Array.isArray(value.value)) return { text: arrayText(value.value), type }
    return { text: untyped(value.value).text, type }
  }
  switch (typeof value) {
    case "string":
      return { text: value, type: undefined }
    case "bigint":
      return { text: String(value), type: "int8" }
    case "boolean":
      return { text: String(value), type: "bool" }
    case "number":
      return {
        text: String(value),
        type: Number.isSafeInteger(value) ? value === (value | 0) ? "int4" : "int8" : "float8"
      }
    default:
      if (value === null || value === undefined) return { text: null, type: undefined }
      if (value instanceof Date) return { text: value.toISOString(), type: "timestamptz" }
      if (value instanceof Uint8Array) return { text: bytesText(value), type: "bytea" }
      return Array.isArray(value)
        ? { text: arrayText(value), type: arrayType(value) }
        : { text: JSON.stringify(value), type: "jsonb" }
  }
}

const placeholder = /\$(\d+)/g

/** A statement whose parameters go by no codec. */
const withoutCodecs = (statement: string, parameters: ReadonlyArray<unknown>) => {
  if (parameters.length === 0) return { statement, parameters }
  const all = parameters.map(untyped)
  return {
    statement: statement.replace(placeholder, (written, number) => {
      const type = all[Number(number) - 1]?.type
      return type === undefined ? written : `${written}::${type}`
    }),
    parameters: all.map(({ text }) => text)
  }
}

/** At most so many statements are known with the types of their columns. */
const maxKnown = 1_000

const unreadable = (type: string, cause: PgTypes.CodecError): SqlError =>
  new SqlError({
    reason: new UnknownError({
      cause,
      message: `the client's own codec of ${type} does not give back what it has read: ${cause.message}`,
      operation: "execute"
    })
  })

/** Runs a statement in another one, which has the span and has been transformed. */
const run = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  statement.pipe(Effect.withTracerEnabled(false), Effect.provideService(Statement.CurrentTransformer, undefined))

/**
 * A connection that runs statements by a client whose codecs are other ones. Parameters are sent as texts. A value of a result is
 * turned into what it was on the wire, by the client's codec, and read from that.
 */
const translating = (sql: PgClient, { oids }: OtherCodecs): Connection => {
  const registry = sql.config.types
  /** The columns of statements, which the client tells only of prepared ones. */
  const known = new Map<string, QueryResult["fields"]>()

  const translate = (value: unknown, oid: number): Result.Result<unknown, SqlError> =>
    oids.has(oid)
      ? Result.mapError(asBuiltIn(value, oid, registry), (error) => unreadable(typeName(oid) ?? String(oid), error))
      : Result.succeed(value)

  const valuesOf = (fields: QueryResult["fields"], rows: ReadonlyArray<ReadonlyArray<unknown>>) =>
    Effect.fromResult(
      Result.all(
        rows.map((row) => Result.all(fields.map(({ dataTypeId }, index) => translate(row[index], dataTypeId))))
      )
    )

  const rowsOf = (
    fields: QueryResult["fields"],
    rows: ReadonlyArray<Row>
  ): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
    Effect.fromResult(
      Result.all(rows.map((row) =>
        Result.all(Object.fromEntries(fields.map(({ dataTypeId, name }) => [name, translate(row[name], dataTypeId)])))
      ))
    )

  const runRaw = (given: string, params: ReadonlyArray<unknown>) => {
    const { parameters, statement } = withoutCodecs(given, params)
    return Effect.tap(
      run(sql.unsafe(statement, parameters).raw as Effect.Effect<QueryResult, SqlError>),
      ({ fields }) =>
        Effect.sync(() => {
          if (known.size >= maxKnown) known.clear()
          known.set(given, fields)
        })
    )
  }

  const executeRaw = (given: string, params: ReadonlyArray<unknown>) =>
    Effect.flatMap(
      runRaw(given, params),
      (result) => Effect.map(rowsOf(result.fields, result.rows), (rows) => ({ ...result, rows }))
    )

  const execute = (given: string, params: ReadonlyArray<unknown>) =>
    Effect.map(executeRaw(given, params), ({ rows }) => rows)

  /** Columns with the same name are one in a row: all of a store's statements name theirs. */
  const executeValues = (given: string, params: ReadonlyArray<unknown>) =>
    Effect.flatMap(
      runRaw(given, params),
      ({ fields, rows }) => valuesOf(fields, rows.map((row) => fields.map(({ name }) => row[name])))
    )

  const executeUnprepared = (given: string, params: ReadonlyArray<unknown>) => {
    const fields = known.get(given)
    if (fields === undefined) return execute(given, params)
    const { parameters, statement } = withoutCodecs(given, params)
    return Effect.flatMap(run(sql.unsafe<Row>(statement, parameters).unprepared), (rows) => rowsOf(fields, rows))
  }

  return {
    execute,
    executeRaw,
    executeValues,
    executeUnprepared,
    executeValuesUnprepared: (given, params) => {
      const fields = known.get(given)
      if (fields === undefined) return executeValues(given, params)
      const { parameters, statement } = withoutCodecs(given, params)
      return Effect.flatMap(
        run(sql.unsafe(statement, parameters).valuesUnprepared),
        (rows) => valuesOf(fields, rows)
      )
    },
    executeStream: (given, params) => Stream.fromIterableEffect(execute(given, params))
  }
}

const withOwnCodecs = (plain: PgClient, codecs: OtherCodecs): PgClient => {
  const statements = Statement.make(
    Effect.succeed(translating(plain, codecs)),
    makeCompiler(),
    Object.entries(plain.config.spanAttributes ?? {}),
    undefined
  )
  const client: PgClient = Object.assign(statements, { ...plain, ...statements, withoutTransforms: () => client })
  return Object.assign(client, { safe: client })
}

/** The client of a store of a log, for a client that {@link check} accepts. */
export const of = (application: PgClient, log: Log): PgClient => {
  const plain = application.withoutTransforms()
  const codecs = otherCodecs(application.config)
  return clientOf(codecs.oids.size === 0 ? plain : withOwnCodecs(plain, codecs), log)
}

/** Fails when a client has codecs that lose something, so that no store could get from them what is stored. */
export const check = ({ config }: PgClient): Effect.Effect<void, OpenError> => {
  const { lossy } = otherCodecs(config)
  return lossy.length === 0 ? Effect.void : Effect.fail(
    new OpenError({
      database: describeDatabase(config),
      reason: new InvalidOption({
        option: "types",
        detail: `(or PgTypes.register) has codecs that do not give back what they have read: of ${
          lossy.join(", ")
        }. Have their encode give the bytes that decode got, or read these types as text in your own statements`
      })
    })
  )
}
