/**
 * The version that an append expects: what `If-Match`, `If-None-Match` and the body say.
 */
import * as Effect from "effect/Effect"
import type * as ExpectedVersion from "eventfold/ExpectedVersion"
import type * as Problem from "../../Problem.ts"
import { invalid } from "../problems/failures.ts"

/** What the request says about the version of its stream. */
export interface Conditions {
  readonly "if-match"?: string | undefined
  readonly "if-none-match"?: string | undefined
}

/** The version that the append expects, and whether a header says so. */
export interface Expected {
  readonly version: ExpectedVersion.ExpectedVersion
  readonly byHeader: boolean
}

/** The version in an entity tag, or nothing when it is not one of ours. */
export const versionOf = (tag: string): number | undefined => {
  const [, digits] = /^"(\d{1,15})"$/.exec(tag.trim()) ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** The entity tag of a stream at a version. */
export const etag = (version: number): string => `"${version}"`

/** Whether a client that has these entity tags has the stream as it is at this version. */
export const isCurrent = (ifNoneMatch: string | undefined, version: number): boolean =>
  ifNoneMatch !== undefined &&
  ifNoneMatch.split(",").some((tag) => tag.trim() === "*" || versionOf(tag.replace(/^\s*W\//, "")) === version)

/** Fails when the request says it twice, or in words that mean nothing here. */
export const expected = (
  headers: Conditions,
  inBody: ExpectedVersion.ExpectedVersion | undefined
): Effect.Effect<Expected, Problem.InvalidRequest> => {
  const { "if-match": match, "if-none-match": noneMatch } = headers
  const given = [match, noneMatch, inBody].filter((one) => one !== undefined)
  if (given.length > 1) {
    const message = "say which version is expected once: by if-match, by if-none-match, or by expectedVersion"
    return Effect.fail(invalid(["headers"], message))
  }
  if (match !== undefined) {
    const version = match.trim() === "*" ? "exists" : versionOf(match)
    return version === undefined
      ? Effect.fail(invalid(["headers", "if-match"], "must be a version in quotes, such as \"12\", or *"))
      : Effect.succeed({ version, byHeader: true })
  }
  if (noneMatch !== undefined) {
    return noneMatch.trim() === "*"
      ? Effect.succeed({ version: "noStream", byHeader: true })
      : Effect.fail(invalid(["headers", "if-none-match"], "must be * for an append"))
  }
  return Effect.succeed({ version: inBody ?? "any", byHeader: false })
}
