/**
 * The codecs of a client, which the application may have replaced: those of its option `types`, or those of all clients, by
 * `PgTypes.register`. The values that a store sends and gets must not depend on them.
 */
import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Result from "effect/Result"
import { isDeepStrictEqual } from "node:util"

/** The codecs of `@effect/sql-pg`, whatever an application has registered. */
export const builtIn: PgTypes.Registry = PgTypes.makeRegistry()

const { OID } = PgTypes

/** A type of the columns and parameters of a store's statements, with values that tell whether a codec is another one. */
interface Type {
  readonly name: string
  readonly oid: number
  readonly samples: ReadonlyArray<unknown>
}

const texts = [
  "",
  " a  B ",
  "null",
  "true",
  "12",
  "1.50",
  "2026-01-31",
  `{"a": 1}`,
  "{a,b}",
  "\u00e4\u20ac\u{1f600}\n\"\\"
]
const uuids = ["00000000-0000-0000-0000-000000000000", "0191b2c3-d4e5-7f60-8a9b-0c1d2e3f4a5b"]
const bigints = [0n, 1n, -1n, 2n ** 32n, -(2n ** 40n), 2n ** 53n - 1n]
const integers = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]
const times = [0, 1, 1_700_000_000_123, -1_000_000_000_001].map((millis) => new Date(millis))

const types: ReadonlyArray<Type> = [
  { name: "bool", oid: OID.bool, samples: [true, false] },
  { name: "int4", oid: OID.int4, samples: integers },
  { name: "int8", oid: OID.int8, samples: bigints },
  { name: "float8", oid: OID.float8, samples: [0, 0.1, -1.5, 1e300] },
  { name: "text", oid: OID.text, samples: texts },
  { name: "varchar", oid: OID.varchar, samples: texts },
  { name: "name", oid: OID.name, samples: texts },
  { name: "bytea", oid: OID.bytea, samples: [new Uint8Array([]), new Uint8Array([0, 1, 127, 128, 255])] },
  { name: "uuid", oid: OID.uuid, samples: uuids },
  { name: "timestamp", oid: OID.timestamp, samples: times },
  { name: "timestamptz", oid: OID.timestamptz, samples: times },
  { name: "jsonb", oid: OID.jsonb, samples: [{ a: [1, "b", null, 0.5] }, [], "a", 1, true] }
]

/** The array types of the above, each with the name that the server knows it by. */
const arrays: ReadonlyArray<Type> = types.flatMap(({ name, oid, samples }) => {
  const array = PgTypes.arrayOidFor(oid, builtIn)
  return array === undefined ? [] : [{ name: `${name}[]`, oid: array, samples: [[], samples] }]
})

const all = [...types, ...arrays]

const names = new Map(all.map(({ name, oid }) => [oid, name]))

/** The name of a type that stores use. */
export const typeName = (oid: number): string | undefined => names.get(oid)

const isSame = (a: Result.Result<unknown, unknown>, b: Result.Result<unknown, unknown>): boolean =>
  Result.isSuccess(a) && Result.isSuccess(b) && isDeepStrictEqual(a.success, b.success)

/** Reads a value that a client has read by its own codec as that of `@effect/sql-pg` reads it. */
export const asBuiltIn = (
  value: unknown,
  oid: number,
  registry: PgTypes.Registry | undefined
): Result.Result<unknown, PgTypes.CodecError> => {
  if (value === null) return Result.succeed(null)
  const bytes = PgTypes.encode(value, oid, registry)
  return Result.isFailure(bytes) ? Result.fail(bytes.failure) : PgTypes.decode(bytes.success, oid, 1, builtIn)
}

/** How the codec of a client does with a value: as the built-in one; otherwise whether it gives back what it has read. */
const judge = ({ oid }: Type, registry: PgTypes.Registry | undefined) => (sample: unknown) => {
  const bytes = PgTypes.encode(sample, oid, builtIn)
  if (Result.isFailure(bytes)) return "same"
  const read = PgTypes.decode(bytes.success, oid, 1, builtIn)
  const own = PgTypes.decode(bytes.success, oid, 1, registry)
  if (isSame(own, read) && isSame(PgTypes.encode(sample, oid, registry), bytes)) return "same"
  return Result.isSuccess(own) && isSame(asBuiltIn(own.success, oid, registry), read) ? "exact" : "lossy"
}

/** The codecs of a client that are not those of `@effect/sql-pg`. */
export interface OtherCodecs {
  /** By the OIDs of their types. */
  readonly oids: ReadonlySet<number>
  /** The names of types whose codec does not give back what it has read. */
  readonly lossy: ReadonlyArray<string>
}

/** Looks which types that stores use have another codec in a client. That needs no connection. */
export const otherCodecs = ({ types: registry }: PgClientConfig): OtherCodecs => {
  const oids = new Set<number>()
  const lossy: Array<string> = []
  for (const type of all) {
    const judgements = type.samples.map(judge(type, registry))
    if (judgements.some((judgement) => judgement !== "same")) oids.add(type.oid)
    if (judgements.includes("lossy")) lossy.push(type.name)
  }
  return { oids, lossy }
}
