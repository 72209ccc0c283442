import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Comparison, formBy } from "../report/compare.ts"

/** A law that does not hold, before it becomes an error of the module. */
export interface Broken {
  readonly lines: ReadonlyArray<string>
  readonly counterExample: unknown
  readonly actual: unknown
  readonly expected: unknown
}

export const broken = (
  lines: ReadonlyArray<string>,
  counterExample: unknown,
  diff: Omit<Fault, "reasons"> = {}
): Broken => ({
  lines,
  counterExample,
  actual: diff.actual,
  expected: diff.expected
})

/** What is wrong with a generated value. */
export interface Fault {
  readonly reasons: ReadonlyArray<string>
  readonly actual?: unknown
  readonly expected?: unknown
}

interface Law<A, R> {
  /** What the law says, for a sentence that begins with "expected". */
  readonly says: string
  /** Throws when no values can be generated from the schemas. */
  readonly values: () => Arbitrary.Arbitrary<A>
  readonly show: (value: A) => string
  readonly holds: (value: A) => Effect.Effect<void, Fault, R>
}

export interface CheckOptions {
  readonly runs?: number | undefined
  readonly seed?: string | number | undefined
}

/** Checks a law on generated values. */
export const check = Effect.fnUntraced(function*<A, R>(law: Law<A, R>, options: CheckOptions = {}) {
  const { runs, seed = "eventfold" } = options
  const brokenBy = (lines: ReadonlyArray<string>, counterExample?: A, diff?: Omit<Fault, "reasons">) =>
    broken([`expected ${law.says}`, ...lines], counterExample, diff)

  const values = yield* Effect.try({
    try: law.values,
    catch: (error) =>
      brokenBy([`but no values can be generated: ${error instanceof Error ? error.message : String(error)}`])
  })
  const result = yield* Arbitrary.checkEffect(values, (value) => Effect.as(law.holds(value), true), { runs, seed })
  if (result._tag === "Passed") return
  if (result._tag !== "Falsified") {
    return yield* Effect.fail(
      brokenBy([`but hardly any generated values pass the checks of the schema (seed ${JSON.stringify(seed)})`])
    )
  }
  const { failure, shrunkInput } = result
  const { reasons, ...diff }: Fault = failure._tag === "PropertyError" ? failure.error : { reasons: [] }
  const lines = [
    `counter-example: ${law.show(shrunkInput)}`,
    ...reasons,
    `(run ${result.runs}, seed ${JSON.stringify(seed)})`
  ]
  return yield* Effect.fail(brokenBy(lines, shrunkInput, diff))
})

/**
 * Compares values by the equivalence of their schema, and what that may not see by the JSON form. It may be all there is to compare
 * by: a schema that needs services gives no form here.
 */
export const bySchema = <A>(schema: Schema.Schema<A>): Comparison<A> => {
  const formOf = formBy(schema)
  return { equals: Schema.toEquivalence(schema), form: (value) => formOf(value) ?? { json: undefined } }
}

/** JSON as the schema encodes it, and as it is after it was text. */
export const forms = <A extends Schema.Json>(json: A): ReadonlyArray<A> => [json, JSON.parse(JSON.stringify(json))]
