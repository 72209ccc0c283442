import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { isExact, withoutNegativeZero } from "./exactness.ts"

/** What is wrong with a value, and where in the message. */
export interface Misfit {
  readonly path: ReadonlyArray<string | number>
  readonly reason: string
}

/** Between a value and its JSON. */
export interface JsonCodec<R> {
  readonly encode: (value: unknown) => Effect.Effect<Schema.Json, Misfit, R>
  readonly decode: (json: Schema.Json) => Effect.Effect<unknown, Misfit, R>
  /** What decoding gives of a value that `encode` gave. An exact codec need not decode it. */
  readonly readBack: (json: Schema.Json) => Effect.Effect<unknown, Misfit, R>
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** What does not fit a schema: where it is, and why. */
export const misfitsOf = ({ issue }: Schema.SchemaError): ReadonlyArray<Misfit> =>
  format(issue).issues.map(({ message, path = [] }) => ({
    path: path.map((segment) => {
      const key = typeof segment === "object" ? segment.key : segment
      return typeof key === "symbol" ? String(key) : key
    }),
    reason: message
  }))

/** The first thing that does not fit a schema. */
export const firstIssue = (error: Schema.SchemaError): Misfit =>
  misfitsOf(error)[0] ?? { path: [], reason: error.message }

/** The misfit of a field of a message. Its path begins with the field's name. */
export const misfitIn = (field: "data" | "metadata") => (error: Schema.SchemaError): Misfit => {
  const { path, reason } = firstIssue(error)
  return { path: [field, ...path], reason }
}

/** The message of an `InvalidMessage` is a sentence whose subject is the path, and the reason completes it. */
export const unlikeItsSchema = (misfit: Misfit): Misfit => ({
  ...misfit,
  reason: `does not fit its schema: ${misfit.reason}`
})

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value)

const kindOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`

/** A struct without fields, whose schema accepts all but null. */
const isWithoutFields = ({ ast }: Schema.Top): boolean =>
  ast._tag === "Objects" && ast.encoding === undefined && ast.checks === undefined &&
  ast.propertySignatures.length === 0 && ast.indexSignatures.length === 0

/** The codec of data without fields: an object, whatever is in it. Other clients store nothing in its place. */
const withoutFields: JsonCodec<never> = {
  encode: (value) =>
    isObject(value)
      ? Effect.succeed({})
      : Effect.fail({ path: ["data"], reason: `Expected an object, got ${kindOf(value)}` }),
  decode: (json) =>
    json === null || isObject(json)
      ? Effect.succeed({})
      : Effect.fail({ path: ["data"], reason: `Expected an object or nothing, got ${kindOf(json)}` }),
  readBack: () => Effect.succeed({})
}

/** The codec of a field of messages. */
export const jsonCodec = <R>(
  field: "data" | "metadata",
  schema: Schema.Codec<unknown, unknown, R, R>
): JsonCodec<R> => {
  if (field === "data" && isWithoutFields(schema)) return withoutFields
  const codec = Schema.toCodecJson(schema)
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const misfit = misfitIn(field)
  const unreadable = (error: Schema.SchemaError): Misfit => {
    const { path, reason } = misfit(error)
    return { path, reason: `could not be read after it was written: ${reason}` }
  }
  return {
    encode: (value) => Effect.mapErrorEager(encode(value), misfit),
    decode: (json) => Effect.mapErrorEager(decode(json), misfit),
    readBack: isExact(codec)
      ? (json) => Effect.succeed(withoutNegativeZero(json))
      : (json) => Effect.mapErrorEager(decode(withoutNegativeZero(json)), unreadable)
  }
}
