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
    /** Ours to the peer's, the median of the rounds: more than 1 is better for us. */
    readonly ratio: number
    readonly budget: number | null
    /** Where the middle half of the rounds lies. */
    readonly spread: { readonly ours: Quartiles; readonly peer: Quartiles; readonly ratio: Quartiles }
  }>
}

const unit = "calls/s"

export const rows = (results: ReadonlyArray<Result>, peerName: string): Report["rows"] =>
  results.map(({ ours, peer, ratio, row }) => ({
    name: row.name,
    description: row.description,
    ours: ours.median,
    peer: peer.median,
    peerName,
    unit,
    ratio: ratio.median,
    budget: row.budget ?? null,
    spread: { ours, peer, ratio }
  }))

const rate = (value: number) => value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 })

/** How far the middle half of the values is spread, in percent of the median. */
const percent = ({ high, low, median }: Quartiles) => `±${Math.round((high - low) / 2 / median * 100)}%`

const verdict = (ratio: number, budget: number | null) =>
  budget === null ? "" : `${budget.toFixed(1)} ${ratio >= budget ? "met" : "missed"}`

export const table = (results: Report["rows"]): string => {
  const table = new Table({
    head: ["row", `ours, ${unit}`, "", "peer", "", "ratio", "middle half", "budget"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right", "left"],
    style: { head: [], border: [], compact: true }
  })
  table.push(...results.map(({ budget, name, ours, peer, ratio, spread }) => [
    name,
    rate(ours),
    percent(spread.ours),
    rate(peer),
    percent(spread.peer),
    ratio.toFixed(2),
    `${spread.ratio.low.toFixed(2)}-${spread.ratio.high.toFixed(2)}`,
    verdict(ratio, budget)
  ]))
  return table.toString()
}

/** What is behind each name. */
export const legend = (results: Report["rows"]): string =>
  results.filter(({ name }) => !name.endsWith("-server")).map(({ description, name }) => `  ${name}: ${description}`)
    .join("\n")
