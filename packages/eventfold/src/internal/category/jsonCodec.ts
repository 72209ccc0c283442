import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** What is wrong with a value, and where in the message. */
export interface Misfit {
  readonly path: ReadonlyArray<string | number>
  readonly reason: string
}

/** Between a value and its JSON. */
export interface JsonCodec<R> {
  readonly encode: (value: unknown) => Effect.Effect<Schema.Json, Misfit, R>
  readonly decode: (json: Schema.Json) => Effect.Effect<unknown, Misfit, R>
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The first thing that does not fit a schema: where it is, and why. */
export const firstIssue = (error: Schema.SchemaError): Misfit => {
  const issue = format(error.issue).issues[0]
  const path = (issue?.path ?? []).map((segment) => {
    const key = typeof segment === "object" ? segment.key : segment
    return typeof key === "symbol" ? String(key) : key
  })
  return { path, reason: issue?.message ?? error.message }
}

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

/** The codec of a field of messages. */
export const jsonCodec = <R>(
  field: "data" | "metadata",
  schema: Schema.Codec<unknown, unknown, R, R>
): JsonCodec<R> => {
  const codec = Schema.toCodecJson(schema)
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const misfit = misfitIn(field)
  return {
    encode: (value) => Effect.mapErrorEager(encode(value), misfit),
    decode: (json) => Effect.mapErrorEager(decode(json), misfit)
  }
}
