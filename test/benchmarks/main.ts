/**
 * Measures eventfold beside its peers, in one run: `pnpm bench`, `pnpm bench --quick`, `pnpm bench category-idle write`.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Argument, Command, Flag } from "effect/cli"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as ConsumerRows from "./ConsumerRows.ts"
import * as Contenders from "./Contenders.ts"
import * as MessageDbRows from "./MessageDbRows.ts"
import * as Report from "./Report.ts"
import * as Rounds from "./Rounds.ts"
import * as Table from "./Table.ts"

const thorough = { messages: 1_000_000, effort: { rounds: 15, millis: 400 } }

const quick = { messages: 100_000, effort: { rounds: 7, millis: 80 } }

const machine: Report.Report["machine"] = {
  cores: availableParallelism(),
  model: cpus()[0]?.model ?? "",
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${platform()} ${arch()}`
}

/** The rows of these names, and those whose names begin with one of them. All if there are none. */
const select = (rows: ReadonlyArray<Rounds.Row>, names: ReadonlyArray<string>): ReadonlyArray<Rounds.Row> =>
  names.length === 0
    ? rows
    : rows.filter((row) => names.some((name) => row.name === name || row.name.startsWith(`${name}-`)))

const rowsOf = (table: Table.Table) => [...MessageDbRows.make(table), ...ConsumerRows.make()]

/** The same rows for a table that is not there yet, to know their names before it is. */
const known = rowsOf({ messages: 0, categories: 0, streams: 0, names: [], rowBytes: 0 })

const bench = Effect.fnUntraced(function*(names: ReadonlyArray<string>, isQuick: boolean, out: string) {
  const { effort, messages } = isQuick ? quick : thorough
  const contenders = yield* Contenders.start
  const { ours, peer, server: { version, ...durability } } = contenders
  yield* Console.log(
    `PostgreSQL ${version} of its own, all settings at their defaults (fsync ${durability.fsync}, synchronous_commit `
      + `${durability.synchronous_commit}), on ${machine.cores} cores.\n`
      + `Writing the same ${messages.toLocaleString("en")} messages for ${ours.name} and ${peer.name} ...`
  )
  const table = yield* Table.fillBoth([ours, peer], messages)
  yield* Console.log(`${table.categories} categories, ${table.streams} streams, ${table.rowBytes} bytes a row.`)

  const results = yield* Effect.forEach(select(rowsOf(table), names), (row) =>
    Effect.tap(
      Rounds.measure(row, contenders, effort),
      ({ ratio }) => Console.log(`${ratio.median.toFixed(2)} ${row.name}`)
    ))
  const rows = Report.rows(results, peer.name)
  const report: Report.Report = {
    machine,
    versions: { postgres: version, messageDb: "1.3.0", node: process.versions.node },
    durability,
    date: DateTime.formatIso(yield* DateTime.now),
    table: { messages, categories: table.categories, streams: table.streams, rowBytes: table.rowBytes },
    rows
  }
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(dirname(out), { recursive: true })
  yield* fs.writeFileString(out, `${JSON.stringify(report, null, 2)}\n`)
  yield* Console.log(`\n${Report.table(rows)}\n${Report.legend(rows)}\n\nWritten to ${out}`)
})

const command = Command.make("bench", {
  rows: Argument.String("row").pipe(
    Argument.withDescription("What to measure, by name or by how the name begins: category, stream-idle, write"),
    Argument.filter(
      (name) => select(known, [name]).length > 0,
      () => `must be one of ${known.map((row) => row.name).join(", ")}, or how some of them begin`
    ),
    Argument.variadic()
  ),
  quick: Flag.Boolean("quick").pipe(
    Flag.withDescription("About two minutes: 100,000 messages instead of 1,000,000, and short rounds"),
    Flag.withDefault(false)
  ),
  out: Flag.String("out").pipe(
    Flag.withDescription("The file for the figures"),
    // In a folder that git ignores.
    Flag.withDefault(fileURLToPath(new URL("../node_modules/.cache/bench.json", import.meta.url)))
  )
}, ({ out, quick, rows }) => Effect.scoped(bench(rows, quick, out))).pipe(
  Command.withDescription("Measures eventfold beside stock Message DB")
)

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
