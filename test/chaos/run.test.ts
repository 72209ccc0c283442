/**
 * A short run of the harness, so that it stays able to run: `pnpm chaos` is the long one.
 */
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Chaos from "./Chaos.ts"
import * as Table from "./Table.ts"

it.live("a few kills lose nothing, and the harness counts them", () =>
  Effect.gen(function*() {
    const report = yield* Chaos.run(
      { seed: "8", time: Duration.zero, workers: 2, writers: 2, faults: 7 },
      () => Effect.void
    )
    assert.deepStrictEqual(report.violations, [], Table.lines(report).join("\n"))
    assert.strictEqual(report.rounds, 1)
    assert.isAtLeast(Chaos.killsIn(report.done), 3)
    for (const count of [report.acknowledged, report.handled, report.reactions, report.compared]) {
      assert.isAbove(count, 0)
    }
  }), 600_000)
