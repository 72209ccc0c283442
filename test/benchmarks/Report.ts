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
    readonly ours: Quartiles
    readonly peer: Quartiles
    readonly peerName: string
    readonly unit: string
    /** Ours to the peer's: more than 1 is better for us. */
    readonly ratio: Quartiles
    readonly budget: number | null
  }>
}

const unit = "calls/s"

export const rows = (results: ReadonlyArray<Result>, peerName: string): Report["rows"] =>
  results.map(({ ours, peer, ratio, row }) => ({
    name: row.name,
    description: row.description,
    ours,
    peer,
    peerName,
    unit,
    ratio,
    budget: row.budget ?? null
  }))

const rate = (value: number) => value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 })

/** How far the middle half of the values is spread, in percent of the median. */
const spread = ({ high, low, median }: Quartiles) => `±${Math.round((high - low) / 2 / median * 100)}%`

const verdict = (ratio: Quartiles, budget: number | null) =>
  budget === null ? "" : `${budget.toFixed(1)} ${ratio.median >= budget ? "met" : "missed"}`

export const table = (results: Report["rows"]): string => {
  const table = new Table({
    head: ["row", `ours, ${unit}`, "", "peer", "", "ratio", "middle half", "budget"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right", "left"],
    style: { head: [], border: [], compact: true }
  })
  table.push(...results.map(({ budget, name, ours, peer, ratio }) => [
    name,
    rate(ours.median),
    spread(ours),
    rate(peer.median),
    spread(peer),
    ratio.median.toFixed(2),
    `${ratio.low.toFixed(2)}-${ratio.high.toFixed(2)}`,
    verdict(ratio, budget)
  ]))
  return table.toString()
}

/** What is behind each name. */
export const legend = (results: Report["rows"]): string =>
  results.filter(({ name }) => !name.endsWith("-server")).map(({ description, name }) => `  ${name}: ${description}`)
    .join("\n")
