import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { issueAt } from "./schemaIssue.ts"

/** Why a value is not what its schema says, and where in the message. */
export interface Misfit {
  readonly path: ReadonlyArray<string | number>
  readonly reason: string
}

/** Between a part of a message and its JSON. */
export interface PartCodec<R> {
  readonly encode: (value: unknown) => Effect.Effect<Schema.Json, Misfit, R>
  readonly decode: (json: Schema.Json) => Effect.Effect<unknown, Misfit, R>
}

/** Between the data of a type of event and its JSON, by the version that the metadata names. */
export interface EventCodec<R> {
  /** What the metadata is to say; nothing for an event that is not versioned. */
  readonly schemaVersion: string | undefined
  readonly encode: (data: unknown) => Effect.Effect<Schema.Json, Misfit, R>
  readonly decode: (data: Schema.Json, metadata: Schema.Json) => Effect.Effect<unknown, Misfit, R>
}

/** A version that is no longer written, and the way from its data to that of the next. */
export interface PastVersion<R> {
  readonly schema: Schema.Codec<unknown, unknown, R, R>
  readonly upcast: (data: unknown) => Effect.Effect<unknown, { readonly message: string }, R>
}

const misfitIn = (part: string) => (error: Schema.SchemaError): Misfit => {
  const { path, reason } = issueAt(error)
  return { path: [part, ...path], reason }
}

/** Errors have a path that begins with the part's name. */
export const partCodec = <R>(part: string, schema: Schema.Codec<unknown, unknown, R, R>): PartCodec<R> => {
  const codec = Schema.toCodecJson(schema)
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const misfit = misfitIn(part)
  return {
    encode: (value) => Effect.mapErrorEager(encode(value), misfit),
    decode: (json) => Effect.mapErrorEager(decode(json), misfit)
  }
}

/** As Eventide writes it, a string, or as a number, which another client may write. */
const versionNumber = (schemaVersion: Schema.Json): number =>
  typeof schemaVersion === "number" || (typeof schemaVersion === "string" && /^[1-9]\d*$/.test(schemaVersion))
    ? Number(schemaVersion)
    : Number.NaN

/** The version in the metadata, from 1; a message that says nothing is of the first. */
const versionIn = (metadata: Schema.Json, newest: number): Effect.Effect<number, Misfit> => {
  const isObject = typeof metadata === "object" && metadata !== null
  const schemaVersion = isObject && "schemaVersion" in metadata ? metadata.schemaVersion : null
  const version = schemaVersion === null ? 1 : versionNumber(schemaVersion)
  return Number.isInteger(version) && version >= 1 && version <= newest ? Effect.succeed(version) : Effect.fail({
    path: ["metadata", "schemaVersion"],
    reason: `is ${JSON.stringify(schemaVersion)}, and the versions known are 1 to ${newest}`
  })
}

/** Of an event that has one form, whatever its metadata says: `schemaVersion` may be another client's. */
export const eventCodec = <R>(schema: Schema.Codec<unknown, unknown, R, R>): EventCodec<R> => ({
  schemaVersion: undefined,
  ...partCodec("data", schema)
})

export const versionedCodec = <R>(
  past: ReadonlyArray<PastVersion<R>>,
  newest: Schema.Codec<unknown, unknown, R, R>
): EventCodec<R> => {
  const current = partCodec("data", newest)
  const count = past.length + 1
  const steps = past.map(({ schema, upcast }) => ({ ...partCodec("data", schema), upcast }))
  // The compiler knows the type of what the last step gives, not the checks of the schema.
  const check = Schema.decodeUnknownEffect(Schema.toType(newest))

  const decodeFrom = Effect.fnUntraced(function*(version: number, json: Schema.Json) {
    const oldest = steps[version - 1]
    if (oldest === undefined) return yield* current.decode(json)
    let data = yield* oldest.decode(json)
    for (const [index, { upcast }] of steps.entries()) {
      if (index < version - 1) continue
      data = yield* Effect.mapError(upcast(data), ({ message }): Misfit => ({
        path: ["data"],
        reason: `can't be made version ${index + 2} of version ${index + 1}: ${message}`
      }))
    }
    return yield* Effect.mapError(check(data), misfitIn("data"))
  })

  return {
    schemaVersion: String(count),
    encode: current.encode,
    decode: (json, metadata) => Effect.flatMap(versionIn(metadata, count), (version) => decodeFrom(version, json))
  }
}
