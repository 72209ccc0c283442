/**
 * What was measured, as a table and as JSON.
 */
import Table from "cli-table3"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import type { Result } from "./Rounds.ts"
import type { Quartiles } from "./Statistics.ts"
import { units } from "./Units.ts"

export const Spread = Schema.Struct({ low: Schema.Finite, median: Schema.Finite, high: Schema.Finite })

const Row = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  /** The rows of a group share a chart. */
  group: Schema.NullOr(Schema.String),
  ours: Schema.Finite,
  peer: Schema.Finite,
  peerName: Schema.String,
  unit: Schema.Literals(Struct.keys(units)),
  /** How many times ours is better than the peer's, the median of the rounds: more than 1 is better for us. */
  ratio: Schema.Finite,
  /** The least ratio that is wanted. */
  budget: Schema.NullOr(Schema.Finite),
  /** What is wanted for ours: the least, or the most where less is better. */
  goal: Schema.NullOr(Schema.Finite),
  /** Where the middle half of the rounds lies. */
  spread: Schema.Struct({ ours: Spread, peer: Spread, ratio: Spread })
})

export type ReportRow = typeof Row.Type

/** What a run was made on, and how thoroughly. */
export const circumstances = {
  machine: Schema.Struct({
    cores: Schema.Int,
    model: Schema.String,
    memoryGiB: Schema.Int,
    platform: Schema.String
  }),
  versions: Schema.Record(Schema.String, Schema.String),
  durability: Schema.Record(Schema.String, Schema.String),
  date: Schema.String,
  effort: Schema.Struct({ rounds: Schema.Int, millis: Schema.Int, warmUp: Schema.Int })
}

/** The contents of `bench.json`. */
export const Report = Schema.Struct({
  ...circumstances,
  /** One for each row and peer. */
  rows: Schema.Array(Row)
})

export type Report = typeof Report.Type

export const rows = (results: ReadonlyArray<Result>): ReadonlyArray<ReportRow> =>
  results.flatMap(({ description, goal, group, name, ours, peers, unit }) =>
    peers.map((peer) => ({
      name,
      description,
      group: group ?? null,
      ours: ours.median,
      peer: peer.figures.median,
      peerName: peer.name,
      unit,
      ratio: peer.ratio.median,
      budget: peer.budget ?? null,
      goal: goal ?? null,
      spread: { ours, peer: peer.figures, ratio: peer.ratio }
    }))
  )

/** A figure to read: no more digits than it is worth. */
export const figure = (value: number): string =>
  value.toLocaleString("en", value < 100 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 })

/** How far the middle half of the values is spread, in percent of the median. */
export const percent = ({ high, low, median }: Quartiles) => `±${Math.round((high - low) / 2 / median * 100)}%`

const met = (is: boolean) => is ? "met" : "missed"

/** What is wanted of the figure itself. */
const verdictOfGoal = ({ goal, ours, unit }: ReportRow): ReadonlyArray<string> =>
  goal === null
    ? []
    : units[unit].less
    ? [`<= ${figure(goal)} ${met(ours <= goal)}`]
    : [`>= ${figure(goal)} ${met(ours >= goal)}`]

export const verdict = (row: ReportRow): string => {
  const { budget, ratio } = row
  return [...verdictOfGoal(row), ...budget === null ? [] : [`${budget}x ${met(ratio >= budget)}`]].join(", ")
}

const cells = (row: ReportRow, isFirst: boolean): ReadonlyArray<string> => [
  isFirst ? row.name : "",
  isFirst ? figure(row.ours) : "",
  isFirst ? percent(row.spread.ours) : "",
  row.peerName,
  figure(row.peer),
  percent(row.spread.peer),
  row.unit,
  row.ratio.toFixed(2),
  `${row.spread.ratio.low.toFixed(2)}-${row.spread.ratio.high.toFixed(2)}`,
  verdict(row)
]

export const table = (results: ReadonlyArray<ReportRow>): string => {
  const table = new Table({
    head: ["row", "ours", "", "peer", "", "", "", "ratio", "middle half", "budget"],
    colAligns: ["left", "right", "right", "left", "right", "right", "left", "right", "right", "left"],
    style: { head: [], border: [], compact: true }
  })
  table.push(...results.map((row, i) => [...cells(row, results[i - 1]?.name !== row.name)]))
  return table.toString()
}

/** What is behind each name. */
export const legend = (results: ReadonlyArray<ReportRow>): string => {
  const known = new Map(results.map(({ description, name }) => [name, description]))
  return [...known].filter(([name]) => !name.endsWith("-server")).map(([name, description]) =>
    `  ${name}: ${description}`
  )
    .join("\n")
}
