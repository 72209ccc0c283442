/**
 * A chart for each row: bars, with the middle half of the rounds as a line. SVG with text, in the colours of the page.
 */
import * as Plot from "@observablehq/plot"
import { parseHTML } from "linkedom"
import { figure, type ReportRow } from "./Report.ts"
import type { Quartiles } from "./Statistics.ts"
import { units } from "./Units.ts"

export interface Chart {
  /** The name of the file, without its extension. */
  readonly name: string
  readonly svg: string
}

interface Bar {
  readonly name: string
  readonly value: number
  readonly spread: Quartiles
  readonly text: string
  readonly isOurs: boolean
}

const { document } = parseHTML("<!doctype html><html><body></body></html>")

/** Adds a title for screen readers, colours for a dark page, and a namespace, so that the file opens by itself. */
const finish = (svg: string, title: string): string =>
  svg.replace(/^<svg /, `<svg xmlns="http://www.w3.org/2000/svg" role="img" `).replace(
    ">",
    `><title>${escape(title)}</title><style>
svg { color: #1f2328 }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3 } }
</style>`
  ).concat("\n")

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const draw = (title: string, label: string, bars: ReadonlyArray<Bar>, rule: number): string => {
  const farthest = Math.max(rule, ...bars.map(({ spread, value }) => Math.max(value, spread.high)))
  const plot = Plot.plot({
    document,
    width: 720,
    height: 56 + 26 * bars.length,
    marginLeft: 290,
    marginRight: 80,
    marginBottom: 36,
    style: { fontSize: "12px" },
    x: { label, grid: true, domain: [0, farthest], ticks: 5 },
    y: { label: null, domain: bars.map(({ name }) => name), tickSize: 0, padding: 0.3 },
    marks: [
      Plot.barX(bars, { y: "name", x: "value", fill: ({ isOurs }: Bar) => isOurs ? "#2f81f7" : "#8b949e" }),
      Plot.ruleY(bars, {
        y: "name",
        x1: ({ spread }: Bar) => spread.low,
        x2: ({ spread }: Bar) => spread.high,
        stroke: "currentColor",
        strokeWidth: 1.5
      }),
      Plot.text(bars, {
        y: "name",
        x: ({ spread, value }: Bar) => Math.max(value, spread.high),
        text: "text",
        textAnchor: "start",
        dx: 6,
        fill: "currentColor"
      }),
      Plot.ruleX([rule], { stroke: "currentColor" })
    ]
  })
  return finish(plot.outerHTML, title)
}

const groupBy = (rows: ReadonlyArray<ReportRow>, key: (row: ReportRow) => string) => Map.groupBy(rows, key)

/** Ours and its peers, in the row's unit. */
const chartOf = (name: string, rows: ReadonlyArray<ReportRow>): Chart => {
  const [first] = rows
  if (first === undefined) return { name, svg: "" }
  const bars = [
    { name: "eventfold", value: first.ours, spread: first.spread.ours, text: figure(first.ours), isOurs: true },
    ...rows.map(({ peer, peerName, spread }) => ({
      name: peerName,
      value: peer,
      spread: spread.peer,
      text: figure(peer),
      isOurs: false
    }))
  ]
  const better = units[first.unit].less ? ", less is better" : ""
  return { name, svg: draw(`${name}: ${first.description}`, `${first.unit}${better}`, bars, 0) }
}

/** The ratios of a group of similar rows. */
const chartOfRatios = (name: string, rows: ReadonlyArray<ReportRow>): Chart => ({
  name,
  svg: draw(
    `${name}: how many times ours is better`,
    "how many times ours is better",
    rows.map((row) => ({
      name: row.name,
      value: row.ratio,
      spread: row.spread.ratio,
      text: row.ratio.toFixed(2),
      isOurs: row.ratio >= 1
    })),
    1
  )
})

/** A chart for each row, and one for each group of rows. */
export const charts = (rows: ReadonlyArray<ReportRow>): ReadonlyArray<Chart> => [
  ...[...groupBy(rows.filter(({ group }) => group === null), ({ name }) => name)]
    .map(([name, own]) => chartOf(name, own)),
  ...[...groupBy(rows.filter(({ group }) => group !== null), ({ group }) => group ?? "")]
    .map(([group, own]) => chartOfRatios(group, own))
]
