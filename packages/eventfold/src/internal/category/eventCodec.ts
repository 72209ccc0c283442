import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { jsonCodec, type Misfit, misfitIn } from "./jsonCodec.ts"

/** Between the data of a type of event and its JSON, by the version that the metadata names. */
export interface EventCodec<R> {
  /** The version to write into the metadata; none for an event that is not versioned. */
  readonly schemaVersion: string | undefined
  readonly encode: (data: unknown) => Effect.Effect<Schema.Json, Misfit, R>
  readonly decode: (data: Schema.Json, metadata: Schema.Json) => Effect.Effect<unknown, Misfit, R>
}

/** A version that is no longer written, and how its data becomes that of the next version. */
export interface PastVersion<R> {
  readonly schema: Schema.Codec<unknown, unknown, R, R>
  readonly upcast: (data: unknown) => Effect.Effect<unknown, { readonly message: string }, R>
}

/** Eventide writes a version as a string; another client may write a number. */
const versionNumber = (schemaVersion: Schema.Json): number =>
  typeof schemaVersion === "number" || (typeof schemaVersion === "string" && /^[1-9]\d*$/.test(schemaVersion))
    ? Number(schemaVersion)
    : Number.NaN

/** The version in the metadata, from 1. A message without one is of the first version. */
const versionIn = (metadata: Schema.Json, newest: number): Effect.Effect<number, Misfit> => {
  const isObject = typeof metadata === "object" && metadata !== null
  const schemaVersion = isObject && "schemaVersion" in metadata ? metadata.schemaVersion : null
  const version = schemaVersion === null ? 1 : versionNumber(schemaVersion)
  return Number.isInteger(version) && version >= 1 && version <= newest ? Effect.succeed(version) : Effect.fail({
    path: ["metadata", "schemaVersion"],
    reason: `${JSON.stringify(schemaVersion)} is not a version that this program knows, from 1 to ${newest}`
  })
}

/** The codec of an event with one version. It ignores `schemaVersion` in the metadata, which may be another client's. */
export const eventCodec = <R>(schema: Schema.Codec<unknown, unknown, R, R>): EventCodec<R> => ({
  schemaVersion: undefined,
  ...jsonCodec("data", schema)
})

/** The codec of an event with several versions, the oldest first. It writes the newest, and upcasts the others. */
export const versionedCodec = <R>(
  past: ReadonlyArray<PastVersion<R>>,
  newest: Schema.Codec<unknown, unknown, R, R>
): EventCodec<R> => {
  const current = jsonCodec("data", newest)
  const count = past.length + 1
  const steps = past.map(({ schema, upcast }) => ({ ...jsonCodec("data", schema), upcast }))
  // The compiler knows the type of what the last step gives, but not the checks of the schema.
  const check = Schema.decodeUnknownEffect(Schema.toType(newest))

  const decodeFrom = Effect.fnUntraced(function*(version: number, json: Schema.Json) {
    const oldest = steps[version - 1]
    if (oldest === undefined) return yield* current.decode(json)
    let data = yield* oldest.decode(json)
    for (const [index, { upcast }] of steps.entries()) {
      if (index < version - 1) continue
      data = yield* Effect.mapError(upcast(data), ({ message }): Misfit => ({
        path: ["data"],
        reason: `the upcast from version ${index + 1} to version ${index + 2} failed: ${message}`
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
