/**
 * Measures eventfold beside its peers, in one run: `pnpm bench`, `pnpm bench --quick`, `pnpm bench category-idle write`.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Argument, Command, Flag } from "effect/cli"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as AppendRows from "./AppendRows.ts"
import * as ConsumerRows from "./ConsumerRows.ts"
import { Databases, layer } from "./Databases.ts"
import * as Emmett from "./Emmett.ts"
import * as MessageDbRows from "./MessageDbRows.ts"
import * as ProcessRows from "./ProcessRows.ts"
import * as ReadRows from "./ReadRows.ts"
import * as Report from "./Report.ts"
import * as Rounds from "./Rounds.ts"
import * as ScaleRows from "./ScaleRows.ts"

/** How large the table of Message DB's functions is, and how long everything is measured. */
const thorough = { messages: 1_000_000, effort: { rounds: 9, millis: 300 } }

const quick = { messages: 100_000, effort: { rounds: 5, millis: 120 } }

const machine: Report.Report["machine"] = {
  cores: availableParallelism(),
  model: cpus()[0]?.model ?? "",
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${platform()} ${arch()}`
}

const rows: ReadonlyArray<Rounds.Row<Databases>> = [
  ...AppendRows.rows,
  ...ReadRows.rows,
  ...ConsumerRows.rows,
  ...ProcessRows.rows,
  ...ScaleRows.rows,
  ...MessageDbRows.rows
]

/** Measures the rows and writes the report after each of them, so that what was measured is there whatever comes. */
const bench = Effect.fnUntraced(
  function*(selected: ReadonlyArray<Rounds.Row<Databases>>, effort: Rounds.Effort, out: string) {
    const { facts: { version, ...durability } } = yield* Databases
    yield* Console.log(
      `PostgreSQL ${version} of its own, all settings at their defaults (fsync ${durability.fsync}, synchronous_commit `
        + `${durability.synchronous_commit}), on ${machine.cores} cores. ${effort.rounds} rounds of ${effort.millis} ms.`
    )
    const measured = yield* Effect.forEach(selected, (row) =>
      Effect.timed(Rounds.measure(row, effort)).pipe(
        Effect.tap(([took, results]) =>
          Effect.forEach(results, ({ name, ours, peers, unit }) =>
            Console.log(
              `${name}: ${Report.figure(ours.median)} ${unit}${
                peers.map(({ name, ratio }) => `, ${ratio.median.toFixed(2)}x ${name}`).join("")
              } (${Math.round(Duration.toSeconds(took))} s)`
            ))
        ),
        Effect.map(([, results]) => results)
      ))
    const report: Report.Report = {
      machine,
      versions: {
        postgres: version,
        node: process.versions.node,
        messageDb: "1.3.0",
        emmett: Emmett.version
      },
      durability,
      date: DateTime.formatIso(yield* DateTime.now),
      rows: Report.rows(measured.flat())
    }
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(dirname(out), { recursive: true })
    yield* fs.writeFileString(out, `${JSON.stringify(report, null, 2)}\n`)
    yield* Console.log(`\n${Report.table(report.rows)}\n${Report.legend(report.rows)}\n\nWritten to ${out}`)
  }
)

const command = Command.make("bench", {
  rows: Argument.String("row").pipe(
    Argument.withDescription("What to measure, by name or by how the name begins: append, read-category, stream-idle"),
    Argument.filter(
      (name) => Rounds.select(rows, [name], false).length > 0,
      () => `must be one of ${rows.map((row) => row.name).join(", ")}, or how some of them begin`
    ),
    Argument.variadic()
  ),
  quick: Flag.Boolean("quick").pipe(
    Flag.withDescription("At most three minutes: short rounds on smaller tables"),
    Flag.withDefault(false)
  ),
  out: Flag.String("out").pipe(
    Flag.withDescription("The file for the figures"),
    // Which git ignores.
    Flag.withDefault(fileURLToPath(new URL("../../bench.json", import.meta.url)))
  )
}, ({ out, quick: isQuick, rows: names }) => {
  const { effort, messages } = isQuick ? quick : thorough
  return Effect.provide(bench(Rounds.select(rows, names, isQuick), effort, out), layer(messages))
}).pipe(
  Command.withDescription("Measures eventfold beside its peers")
)

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
