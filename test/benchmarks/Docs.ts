/**
 * The figures as a part of docs/performance.md.
 */
import * as Arr from "effect/Array"
import { figure, percent, type Report, type ReportRow, verdict } from "./Report.ts"

const begin = "<!-- The figures begin: pnpm bench --docs -->"
const end = "<!-- The figures end -->"

/** A table with aligned columns, as the formatter writes it. */
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${widths.map((width, i) => (cells[i] ?? "").padEnd(width)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

const middleHalf = ({ spread: { ratio } }: ReportRow) => `${ratio.low.toFixed(2)}-${ratio.high.toFixed(2)}`

const comparisons = (rows: ReadonlyArray<ReportRow>) =>
  table(
    ["row", "ours", "", "peer", "", "", "ratio", "middle half", "budget"],
    rows.map((row, i) => {
      const isFirst = rows[i - 1]?.name !== row.name
      return [
        ...isFirst ? [`\`${row.name}\``, `${figure(row.ours)} ${row.unit}`, percent(row.spread.ours)] : ["", "", ""],
        row.peerName,
        figure(row.peer),
        percent(row.spread.peer),
        row.ratio.toFixed(2),
        middleHalf(row),
        verdict(row)
      ]
    })
  )

/** The functions: through a client, and in the server. */
const functions = (rows: ReadonlyArray<ReportRow>) => {
  const inServer = (name: string) => rows.find((row) => row.name === `${name}-server`)
  return table(
    ["row", "what", "ratio (middle half)", "in the server", "budget"],
    rows.filter(({ name }) => !name.endsWith("-server")).map((row) => {
      const server = inServer(row.name)
      return [
        `\`${row.name}\``,
        row.description,
        `${row.ratio.toFixed(2)} (${middleHalf(row)})`,
        server === undefined ? "" : `${server.ratio.toFixed(2)} (${middleHalf(server)})`,
        verdict(row)
      ]
    })
  )
}

/** The circumstances of the figures. */
const conditions = ({ date, durability, effort, machine, versions }: Report) =>
  `${date.slice(0, 10)}: ${machine.cores} cores, ${machine.memoryGiB} GB of memory, PostgreSQL ${
    versions["postgres"]
  } (${Object.entries(durability).map(([name, value]) => `${name} ${value}`).join(", ")}), Node ${
    versions["node"]
  }, emmett ${versions["emmett"]}, Message DB ${
    versions["messageDb"]
  }. ${effort.rounds} rounds of ${effort.millis} ms or more.`

/** The figures, with a link to each chart in the folder `performance`. */
export const figures = (report: Report): string => {
  const own = report.rows.filter(({ group }) => group === null)
  const grouped = report.rows.filter(({ group }) => group !== null)
  const images = Arr.dedupe(own.map(({ name }) => name)).map((name) => {
    const description = own.find((row) => row.name === name)?.description ?? ""
    return `**\`${name}\`**: ${description}\n\n![${name}](performance/${name}.svg)`
  })
  const sections = [
    conditions(report),
    ...own.length > 0 ? [comparisons(own), ...images] : [],
    ...grouped.length > 0 ? ["### The functions of Message DB", functions(grouped)] : [],
    ...Arr.dedupe(grouped.map(({ group }) => group ?? "")).map((name) => `![${name}](performance/${name}.svg)`)
  ]
  return sections.join("\n\n")
}

/** Replaces the figures of the page. Undefined when the page has no place for them. */
export const replaceFigures = (page: string, report: Report): string | undefined => {
  const [before, rest] = page.split(begin)
  const after = rest?.split(end)[1]
  return before === undefined || after === undefined
    ? undefined
    : `${before}${begin}\n\n${figures(report)}\n\n${end}${after}`
}
