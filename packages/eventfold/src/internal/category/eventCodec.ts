import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { withoutNegativeZero } from "./exactness.ts"
import { jsonCodec, type Misfit, misfitIn, unlikeItsSchema } from "./jsonCodec.ts"

/** Between the data of a type of event and its JSON, by the version that the metadata names. */
export interface EventCodec<R> {
  /** The version to write into the metadata; none for an event that is not versioned. */
  readonly schemaVersion: string | undefined
  /** Why an event may not be written with this version in its own metadata; `undefined` when it may. */
  readonly refuses: (schemaVersion: Schema.Json | undefined) => string | undefined
  /** The reasons of its misfits complete a sentence whose subject is the path. */
  readonly encode: (data: unknown) => Effect.Effect<Schema.Json, Misfit, R>
  readonly decode: (data: Schema.Json, metadata: Schema.Json) => Effect.Effect<unknown, Misfit, R>
  /** What readers get of data that `encode` gave. */
  readonly readBack: (data: Schema.Json) => Effect.Effect<unknown, Misfit, R>
}

/** A step between the data of two versions. */
export type Step<R> = (data: unknown) => Effect.Effect<unknown, { readonly message: string }, R>

/** A version before the newest, and how its data becomes that of the next version. */
export interface PastVersion<R> {
  readonly schema: Schema.Codec<unknown, unknown, R, R>
  readonly upcast: Step<R>
  /** From the next version back to this one, as long as programs read that know no newer one. */
  readonly downcast?: Step<R> | undefined
}

/** Eventide writes a version as a string; another client may write a number. */
const versionNumber = (schemaVersion: Schema.Json): number =>
  typeof schemaVersion === "number" || (typeof schemaVersion === "string" && /^[1-9]\d*$/.test(schemaVersion))
    ? Number(schemaVersion)
    : Number.NaN

/** What the metadata says of the version: `null` when it says nothing. */
const schemaVersionIn = (metadata: Schema.Json): Schema.Json =>
  typeof metadata === "object" && metadata !== null && "schemaVersion" in metadata ? metadata.schemaVersion : null

const isVersion = (version: number): boolean => Number.isInteger(version) && version >= 1

const knows = (newest: number): string => newest === 1 ? "version 1" : `versions 1 to ${newest}`

const unknownVersion = (schemaVersion: Schema.Json, newest: number, also = ""): Misfit => {
  const version = versionNumber(schemaVersion)
  const name = JSON.stringify(schemaVersion)
  return {
    path: ["metadata", "schemaVersion"],
    reason: isVersion(version)
      ? `${name} is newer than what this program knows, which is ${knows(newest)}: deploy a program that defines ` +
        `version ${version} here${also}`
      : `${name} is not a version: this program knows ${knows(newest)}${also}`
  }
}

/**
 * The codec of an event with one version. Unless it is told to ignore what `schemaVersion` says, a message of another version
 * is a misfit: its data may fit the schema and yet mean something else.
 */
export const eventCodec = <R>(
  schema: Schema.Codec<unknown, unknown, R, R>,
  schemaVersions: "check" | "ignore"
): EventCodec<R> => {
  const { decode, encode, readBack } = jsonCodec("data", schema)
  const isOther = (schemaVersion: Schema.Json | undefined): schemaVersion is Schema.Json =>
    schemaVersions === "check" && schemaVersion != null && versionNumber(schemaVersion) !== 1
  const also = "; if another client writes schemaVersion and means something else, the category can ignore it: " +
    `schemaVersions: "ignore"`
  return {
    schemaVersion: undefined,
    refuses: (schemaVersion) =>
      isOther(schemaVersion)
        ? `is ${JSON.stringify(schemaVersion)}, but the event is of version 1, because it has no other: ` +
          `declare its versions with Category.version`
        : undefined,
    encode: (data) => Effect.mapErrorEager(encode(data), unlikeItsSchema),
    decode: (json, metadata) => {
      const schemaVersion = schemaVersionIn(metadata)
      return isOther(schemaVersion) ? Effect.fail(unknownVersion(schemaVersion, 1, also)) : decode(json)
    },
    readBack
  }
}

const never = () => undefined

/** A failure of a step is a misfit of the data. */
const stepped = <R>(
  step: Effect.Effect<unknown, { readonly message: string }, R>,
  reason: string
): Effect.Effect<unknown, Misfit, R> =>
  Effect.mapError(step, ({ message }): Misfit => ({ path: ["data"], reason: `${reason}: ${message}` }))

/**
 * The codec of an event with several versions, the oldest first. It upcasts the older ones when it reads. It writes the newest
 * version, or the oldest one to which downcasts lead from the newest.
 */
export const versionedCodec = <R>(
  past: ReadonlyArray<PastVersion<R>>,
  newest: Schema.Codec<unknown, unknown, R, R>
): EventCodec<R> => {
  const current = jsonCodec("data", newest)
  const count = past.length + 1
  const steps = past.map(({ downcast, schema, upcast }) => ({ ...jsonCodec("data", schema), upcast, downcast }))
  // The compiler knows the type of what the last step gives, but not the checks of the schema.
  const check = Schema.decodeUnknownEffect(Schema.toType(newest))
  const written = steps.findLastIndex(({ downcast }) => downcast === undefined) + 2

  const upcastFrom = Effect.fnUntraced(function*(version: number, json: Schema.Json) {
    const oldest = steps[version - 1]
    if (oldest === undefined) return yield* current.decode(json)
    let data = yield* oldest.decode(json)
    for (const [index, { upcast }] of steps.entries()) {
      if (index < version - 1) continue
      data = yield* stepped(upcast(data), `the upcast from version ${index + 1} to version ${index + 2} failed`)
    }
    return yield* Effect.mapError(check(data), misfitIn("data"))
  })
  const decodeFrom = (version: number, json: Schema.Json) =>
    version === count ? current.decode(json) : upcastFrom(version, json)

  /** Encodes data as an older version, and refuses what no reader could read then. */
  const encodeBefore = Effect.fnUntraced(function*(given: unknown) {
    let data = yield* Effect.mapError(check(given), (error) => unlikeItsSchema(misfitIn("data")(error)))
    let { encode } = current
    for (let version = count - 1; version >= written; version--) {
      const step = steps[version - 1]
      if (step?.downcast === undefined) break
      data = yield* stepped(step.downcast(data), `cannot be written as version ${version}`)
      encode = step.encode
    }
    const cannot = (what: string) => ({ path, reason }: Misfit): Misfit => ({
      path,
      reason: `${what} version ${written}: ${reason}`
    })
    const json = yield* Effect.mapError(encode(data), cannot("does not fit the schema of"))
    yield* Effect.mapError(decodeFrom(written, json), cannot("could not be read after it was written as"))
    return json
  })

  return {
    schemaVersion: String(written),
    refuses: never,
    encode: written === count
      ? (data) => Effect.mapErrorEager(current.encode(data), unlikeItsSchema)
      : encodeBefore,
    decode: (json, metadata) => {
      const schemaVersion = schemaVersionIn(metadata)
      const version = schemaVersion === null ? 1 : versionNumber(schemaVersion)
      return isVersion(version) && version <= count
        ? decodeFrom(version, json)
        : Effect.fail(unknownVersion(schemaVersion, count))
    },
    readBack: written === count ? current.readBack : (json) => decodeFrom(written, withoutNegativeZero(json))
  }
}
