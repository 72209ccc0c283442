import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type { Outcome } from "../Builds.ts"
import { holds, lines, Report, rows, summary, verdict } from "../Verdicts.ts"

const compared = (name: string, low: number, median: number, high: number): Outcome => ({
  _tag: "Compared",
  results: [{
    name,
    description: "",
    unit: "messages/s",
    ours: { low: 27_000, median: 27_104, high: 27_200 },
    peers: [{ name: "the other build", figures: { low: 1, median: 2, high: 3 }, ratio: { low, median, high } }]
  }]
})

const failed: Outcome = { _tag: "NotComparable", name: "load-100", reason: "the other build: no such export" }

describe("verdict", () => {
  it("is slower only when the middle half lies wholly below 0.97", () => {
    assert.strictEqual(verdict({ low: 0.9, median: 0.93, high: 0.969 }), "slower")
    assert.strictEqual(verdict({ low: 0.5, median: 0.6, high: 0.97 }), "same")
  })

  it("is faster only when it lies wholly above 1.03", () => {
    assert.strictEqual(verdict({ low: 1.031, median: 1.1, high: 1.2 }), "faster")
    assert.strictEqual(verdict({ low: 1.03, median: 1.1, high: 1.2 }), "same")
  })
})

it("tells each row's figure, ratio and spread", () => {
  assert.deepStrictEqual(lines(compared("append-256", 0.98, 1.01, 1.04)), [
    "append-256: 27,104 messages/s, 1.01x (0.98-1.04)"
  ])
  assert.deepStrictEqual(lines(compared("append-256", 0.9, 0.91, 0.92)), [
    "append-256: 27,104 messages/s, 0.91x (0.90-0.92), slower"
  ])
  assert.deepStrictEqual(lines(failed), ["load-100: not comparable: the other build: no such export"])
})

it("names the rows that are slower and those that are not comparable, and holds without either", () => {
  const same = compared("append-1", 0.96, 0.98, 1)
  const slower = compared("append-256", 0.9, 0.91, 0.92)
  assert.deepStrictEqual(summary([same]), ["No row of 1 has the middle half of its ratios wholly below 0.97."])
  assert.deepStrictEqual(summary([same, slower, failed]), [
    "The middle half of the ratios lies wholly below 0.97:",
    "  append-256: 0.91x (0.90-0.92)",
    "Not comparable:",
    "  load-100: the other build: no such export"
  ])
  assert.deepStrictEqual([holds([same]), holds([same, slower]), holds([same, failed])], [true, false, false])
})

it("reports what was compared and what was not", () => {
  const build = { folder: "/somewhere", commit: "abc" }
  const report: Report = {
    machine: { cores: 2, model: "", memoryGiB: 8, platform: "linux x64" },
    versions: { postgres: "18.4", node: "24.21.0" },
    durability: { fsync: "on" },
    date: "2026-01-02T03:04:05.000Z",
    effort: { rounds: 9, millis: 300, warmUp: 8_000 },
    builds: { ours: build, other: build },
    ...rows([compared("append-256", 0.9, 0.91, 0.92), failed])
  }
  assert.deepStrictEqual(report.rows.map(({ name, ratio, verdict }) => [name, ratio.median, verdict]), [
    ["append-256", 0.91, "slower"]
  ])
  assert.deepStrictEqual(report.notComparable, [{ name: "load-100", reason: "the other build: no such export" }])
  assert.deepStrictEqual(Schema.decodeUnknownSync(Report)(JSON.parse(JSON.stringify(report))), report)
})
