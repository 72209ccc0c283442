import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type { ExpectedVersion } from "eventfold/ExpectedVersion"
import { StoreError } from "eventfold/StoreError"

/** An expected version as a number: -1 for no stream, -2 for an existing one, -3 for any; otherwise the exact version. */
export const wireVersion = (expected: ExpectedVersion): bigint => {
  switch (expected) {
    case "any":
      return -3n
    case "exists":
      return -2n
    case "noStream":
      return -1n
    default:
      // A number that can't be a version becomes -4, which has no meaning and never matches.
      return Number.isSafeInteger(expected) && expected >= 0 ? BigInt(expected) : -4n
  }
}

export const wireNumber = (value: number | undefined): bigint | null => value === undefined ? null : BigInt(value)

export const unsafePosition = (value: bigint): StoreError =>
  new StoreError({
    operation: "decode a position",
    reason: `${value} is past the range of positions that a number can hold exactly`,
    isRetryable: false
  })

/** A position as a number; fails when a number can't hold it exactly. */
export const safePosition = (value: bigint): Exit.Exit<number, StoreError> => {
  const position = Number(value)
  return Number.isSafeInteger(position) ? Exit.succeed(position) : Exit.fail(unsafePosition(value))
}

/** An array parameter with a given element type, so that the client does not search the elements for it. */
const arrayOf = (elementOid: number) => (values: ReadonlyArray<unknown>): PgTypes.Parameter =>
  Result.getOrThrow(PgTypes.array(values, elementOid))

export const texts = arrayOf(PgTypes.OID.text)
export const uuids = arrayOf(PgTypes.OID.uuid)
export const integers = arrayOf(PgTypes.OID.int4)
export const bigints = arrayOf(PgTypes.OID.int8)
