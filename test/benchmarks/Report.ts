/**
 * What was measured, as a table and as JSON.
 */
import Table from "cli-table3"
import { type Result, units } from "./Rounds.ts"
import type { Quartiles } from "./Statistics.ts"

/** The contents of `bench.json`. */
export interface Report {
  readonly machine: {
    readonly cores: number
    readonly model: string
    readonly memoryGiB: number
    readonly platform: string
  }
  readonly versions: Readonly<Record<string, string>>
  readonly durability: Readonly<Record<string, string>>
  readonly date: string
  /** One for each row and peer. */
  readonly rows: ReadonlyArray<ReportRow>
}

export interface ReportRow {
  readonly name: string
  readonly description: string
  readonly ours: number
  readonly peer: number
  readonly peerName: string
  readonly unit: keyof typeof units
  /** How many times ours is better than the peer's, the median of the rounds: more than 1 is better for us. */
  readonly ratio: number
  /** The least ratio that is wanted. */
  readonly budget: number | null
  /** What is wanted for ours: the least, or the most where less is better. */
  readonly goal: number | null
  /** Where the middle half of the rounds lies. */
  readonly spread: { readonly ours: Quartiles; readonly peer: Quartiles; readonly ratio: Quartiles }
}

export const rows = (results: ReadonlyArray<Result>): ReadonlyArray<ReportRow> =>
  results.flatMap(({ description, goal, name, ours, peers, unit }) =>
    peers.map((peer) => ({
      name,
      description,
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
const percent = ({ high, low, median }: Quartiles) => `±${Math.round((high - low) / 2 / median * 100)}%`

const met = (is: boolean) => is ? "met" : "missed"

/** What is wanted of the figure itself. */
const verdictOfGoal = ({ goal, ours, unit }: ReportRow): ReadonlyArray<string> =>
  goal === null
    ? []
    : units[unit].less
    ? [`<= ${figure(goal)} ${met(ours <= goal)}`]
    : [`>= ${figure(goal)} ${met(ours >= goal)}`]

const verdict = (row: ReportRow): string => {
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
