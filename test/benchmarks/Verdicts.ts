/**
 * What the ratios of two builds say.
 */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import type { Outcome } from "./Builds.ts"
import { circumstances, figure, Spread } from "./Report.ts"
import type { Result } from "./Rounds.ts"
import type { Quartiles } from "./Statistics.ts"
import { units } from "./Units.ts"

/** A build that is slower by no more than this share is as fast: rounds on a busy machine differ by as much. */
export const tolerance = 0.03

export type Verdict = "slower" | "same" | "faster"

/** A build is slower, or faster, when the middle half of the ratios lies wholly beyond the tolerance. */
export const verdict = ({ high, low }: Quartiles): Verdict =>
  high < 1 - tolerance ? "slower" : low > 1 + tolerance ? "faster" : "same"

const Build = Schema.Struct({ folder: Schema.String, commit: Schema.String })

const Row = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  unit: Schema.Literals(Struct.keys(units)),
  ours: Spread,
  other: Spread,
  /** How many times ours is better, round by round: more than 1 is better. */
  ratio: Spread,
  verdict: Schema.Literals(["slower", "same", "faster"])
})

type Row = typeof Row.Type

/** The contents of `bench/against.json`. */
export const Report = Schema.Struct({
  ...circumstances,
  builds: Schema.Struct({ ours: Build, other: Build }),
  rows: Schema.Array(Row),
  notComparable: Schema.Array(Schema.Struct({ name: Schema.String, reason: Schema.String }))
})

export type Report = typeof Report.Type

const rowsOf = ({ description, name, ours, peers, unit }: Result): ReadonlyArray<Row> =>
  peers.map(({ figures, ratio }) => ({ name, description, unit, ours, other: figures, ratio, verdict: verdict(ratio) }))

/** The outcomes as the report has them. */
export const rows = (outcomes: ReadonlyArray<Outcome>): Pick<Report, "rows" | "notComparable"> => ({
  rows: outcomes.flatMap((outcome) => outcome._tag === "Compared" ? outcome.results.flatMap(rowsOf) : []),
  notComparable: outcomes.flatMap((outcome) =>
    outcome._tag === "NotComparable" ? [{ name: outcome.name, reason: outcome.reason }] : []
  )
})

const ratioOf = ({ high, low, median }: Quartiles) => `${median.toFixed(2)}x (${low.toFixed(2)}-${high.toFixed(2)})`

/** The outcome of a row: a line for each of its figures. */
export const lines = (outcome: Outcome): ReadonlyArray<string> =>
  outcome._tag === "NotComparable"
    ? [`${outcome.name}: not comparable: ${outcome.reason}`]
    : outcome.results.flatMap(rowsOf).map(({ name, ours, ratio, unit, verdict }) =>
      `${name}: ${figure(ours.median)} ${unit}, ${ratioOf(ratio)}${verdict === "same" ? "" : `, ${verdict}`}`
    )

/** What a reader wants to know at the end: the rows that are slower, or not comparable. */
export const summary = (outcomes: ReadonlyArray<Outcome>): ReadonlyArray<string> => {
  const { notComparable, rows: all } = rows(outcomes)
  const slower = all.filter(({ verdict }) => verdict === "slower")
  const bound = (1 - tolerance).toFixed(2)
  return [
    ...slower.length === 0
      ? [`No row of ${all.length} has the middle half of its ratios wholly below ${bound}.`]
      : [`The middle half of the ratios lies wholly below ${bound}:`],
    ...slower.map(({ name, ratio }) => `  ${name}: ${ratioOf(ratio)}`),
    ...notComparable.length === 0 ? [] : ["Not comparable:"],
    ...notComparable.map(({ name, reason }) => `  ${name}: ${reason}`)
  ]
}

/** Whether no row is slower, and all were compared. */
export const holds = (outcomes: ReadonlyArray<Outcome>): boolean => {
  const { notComparable, rows: all } = rows(outcomes)
  return notComparable.length === 0 && all.every(({ verdict }) => verdict !== "slower")
}

/** A row is slower, or was not compared: the summary says which, and the process exits with 1. */
export class DoesNotHold extends Data.TaggedError("DoesNotHold") {
  override readonly [Runtime.errorReported] = false
}
