import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { charts } from "../Charts.ts"
import { replaceFigures } from "../Docs.ts"
import { legend, Report, rows, table } from "../Report.ts"
import type { Result } from "../Rounds.ts"

const all = (value: number) => ({ low: value * 0.9, median: value, high: value * 1.1 })

const measured: ReadonlyArray<Result> = [
  {
    name: "append-256",
    description: "many fibers",
    unit: "messages/s",
    ours: all(40_000),
    peers: [
      { name: "Message DB", budget: 12, figures: all(3_000), ratio: all(13.3) },
      { name: "COPY <in>", figures: all(90_000), ratio: all(0.44) }
    ]
  },
  {
    name: "latency-p99",
    description: "from write to handler",
    unit: "ms",
    goal: 10,
    ours: all(12),
    peers: [{ name: "Message DB", figures: all(96), ratio: all(8) }]
  },
  ...["write", "write-server"].map((name): Result => ({
    name,
    description: "write_message",
    unit: "calls/s",
    group: "functions",
    ours: all(300),
    peers: [{ name: "Message DB", budget: 1, figures: all(200), ratio: all(1.5) }]
  }))
]

const report: Report = {
  machine: { cores: 2, model: "", memoryGiB: 8, platform: "linux x64" },
  versions: { postgres: "18.4", node: "24.21.0", emmett: "0.42.0", messageDb: "1.3.0" },
  durability: { fsync: "on", synchronous_commit: "on" },
  date: "2026-01-02T03:04:05.000Z",
  effort: { rounds: 9, millis: 300, warmUp: 8_000 },
  rows: rows(measured)
}

it("has a row for each peer, with ours, the peer's, the ratio and the budget", () => {
  assert.deepStrictEqual(
    report.rows.map(({ budget, name, ours, peer, peerName, ratio, unit }) => ({
      name,
      ours,
      peer,
      peerName,
      unit,
      ratio,
      budget
    })).slice(0, 2),
    [
      {
        name: "append-256",
        ours: 40_000,
        peer: 3_000,
        peerName: "Message DB",
        unit: "messages/s",
        ratio: 13.3,
        budget: 12
      },
      {
        name: "append-256",
        ours: 40_000,
        peer: 90_000,
        peerName: "COPY <in>",
        unit: "messages/s",
        ratio: 0.44,
        budget: null
      }
    ]
  )
})

it("is read back as it was written", () => {
  assert.deepStrictEqual(Schema.decodeUnknownSync(Report)(JSON.parse(JSON.stringify(report))), report)
})

it("says of each budget whether it is met", () => {
  const lines = table(report.rows).split("\n")
  const lineOf = (text: string) => lines.find((line) => line.includes(text)) ?? ""
  assert.match(lineOf("append-256"), /12x met/)
  assert.notMatch(lineOf("COPY"), /met|missed/)
  assert.match(lineOf("latency-p99"), /<= 10 missed/)
  assert.include(legend(report.rows), "latency-p99: from write to handler")
})

describe("charts", () => {
  it("are one for each row, and one for each group", () => {
    assert.deepStrictEqual(charts(report.rows).map(({ name }) => name), ["append-256", "latency-p99", "functions"])
  })

  it("show the names and the figures as text, in the colour of the page", () => {
    const svg = charts(report.rows)[0]?.svg ?? ""
    for (
      const text of ["eventfold", "Message DB", "40,000", "3,000", "messages/s", "<title>", "currentColor", "dark"]
    ) {
      assert.include(svg, text)
    }
    assert.include(svg, "COPY &lt;in&gt;")
  })
})

describe("the page", () => {
  const page =
    "# Performance\n\n<!-- The figures begin: pnpm bench --docs -->\nold\n<!-- The figures end -->\n\nThe rest\n"

  it("gets the new figures in place of the old ones, each with its chart", () => {
    const replaced = replaceFigures(page, report) ?? ""
    assert.notInclude(replaced, "old")
    assert.match(replaced, /^# Performance\n/)
    assert.match(replaced, /\nThe rest\n$/)
    assert.include(replaced, "2026-01-02: 2 cores")
    for (const name of ["append-256", "latency-p99", "functions"]) {
      assert.include(replaced, `(performance/${name}.svg)`)
    }
    assert.strictEqual(replaceFigures(replaced, report), replaced)
  })

  it("stays as it is when it has no place for the figures", () => {
    assert.isUndefined(replaceFigures("# Performance\n", report))
  })
})
