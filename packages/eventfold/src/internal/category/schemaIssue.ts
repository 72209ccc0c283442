import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The first thing that did not fit a schema: where it was, and why. */
export const issueAt = (
  error: Schema.SchemaError
): { readonly path: ReadonlyArray<string | number>; readonly reason: string } => {
  const issue = format(error.issue).issues[0]
  const path = (issue?.path ?? []).map((segment) => {
    const key = typeof segment === "object" ? segment.key : segment
    return typeof key === "symbol" ? String(key) : key
  })
  return { path, reason: issue?.message ?? error.message }
}
