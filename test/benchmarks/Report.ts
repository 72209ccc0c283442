/**
 * What was measured, as a table and as JSON.
 */
import Table from "cli-table3"
import type { Quartiles, Result } from "./Rounds.ts"

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
  readonly table: {
    readonly messages: number
    readonly categories: number
    readonly streams: number
    readonly rowBytes: number
  }
  readonly rows: ReadonlyArray<{
    readonly name: string
    readonly description: string
    readonly ours: number
    readonly peer: number
    readonly peerName: string
    readonly unit: string
    /** How many times ours is better than the peer's, the median of the rounds: more than 1 is better for us. */
    readonly ratio: number
    /** The least ratio that is wanted. */
    readonly budget: number | null
    /** What is wanted for ours: the least, or the most milliseconds. */
    readonly goal: number | null
    /** Where the middle half of the rounds lies. */
    readonly spread: { readonly ours: Quartiles; readonly peer: Quartiles; readonly ratio: Quartiles }
  }>
}

export const rows = (results: ReadonlyArray<Result>, peerName: string): Report["rows"] =>
  results.map(({ ours, peer, ratio, row }) => ({
    name: row.name,
    description: row.description,
    ours: ours.median,
    peer: peer.median,
    peerName,
    unit: row.unit ?? "calls/s",
    ratio: ratio.median,
    budget: row.budget ?? null,
    goal: row.goal ?? null,
    spread: { ours, peer, ratio }
  }))

const rate = (value: number) => value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 })

/** How far the middle half of the values is spread, in percent of the median. */
const percent = ({ high, low, median }: Quartiles) => `±${Math.round((high - low) / 2 / median * 100)}%`

const verdict = ({ budget, goal, ours, ratio, unit }: Report["rows"][number]) => {
  if (goal !== null) return `${rate(goal)} ${(unit === "ms" ? ours <= goal : ours >= goal) ? "met" : "missed"}`
  return budget === null ? "" : `${budget.toFixed(1)}x ${ratio >= budget ? "met" : "missed"}`
}

export const table = (results: Report["rows"]): string => {
  const table = new Table({
    head: ["row", "ours", "", "peer", "", "", "ratio", "middle half", "budget"],
    colAligns: ["left", "right", "right", "right", "right", "left", "right", "right", "left"],
    style: { head: [], border: [], compact: true }
  })
  table.push(...results.map((row) => [
    row.name,
    rate(row.ours),
    percent(row.spread.ours),
    rate(row.peer),
    percent(row.spread.peer),
    row.unit,
    row.ratio.toFixed(2),
    `${row.spread.ratio.low.toFixed(2)}-${row.spread.ratio.high.toFixed(2)}`,
    verdict(row)
  ]))
  return table.toString()
}

/** What is behind each name. */
export const legend = (results: Report["rows"]): string =>
  results.filter(({ name }) => !name.endsWith("-server")).map(({ description, name }) => `  ${name}: ${description}`)
    .join("\n")
