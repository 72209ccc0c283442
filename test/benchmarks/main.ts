/**
 * Measures eventfold beside its peers, in one run: `pnpm bench`, `pnpm bench --quick`, `pnpm bench category-idle write`.
 * Or this build beside the one of another checkout: `pnpm bench --against ../other`.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@eventfold/example-command-line/Main"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import { Argument, Command, Flag } from "effect/cli"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { BenchError } from "./BenchError.ts"
import * as Builds from "./Builds.ts"
import * as Charts from "./Charts.ts"
import * as Checkout from "./Checkout.ts"
import { Databases, layer, layerOn } from "./Databases.ts"
import * as Docs from "./Docs.ts"
import * as Emmett from "./Emmett.ts"
import * as Report from "./Report.ts"
import * as Rounds from "./Rounds.ts"
import * as Rows from "./Rows.ts"
import * as Verdicts from "./Verdicts.ts"

const rows = await Rows.all()

/** The size of the table that Message DB's functions are measured on, and how thoroughly the run measures. */
const thorough = { messages: 1_000_000, effort: { rounds: 9, millis: 300, warmUp: 8_000 } }

const quick = { messages: 100_000, effort: { rounds: 4, millis: 100, warmUp: 1_000 } }

/** Two sides leave time for longer rounds, and for an even number of them: as many begin with the one as with the other. */
const quickAgainst = { ...quick, effort: { ...quick.effort, rounds: 8, millis: 200 } }

const machine: Report.Report["machine"] = {
  cores: availableParallelism(),
  model: cpus()[0]?.model ?? "",
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${platform()} ${arch()}`
}

/** Prints the line of a result during the run. */
const say = ({ name, ours, peers, unit }: Rounds.Result, took: Duration.Duration) => {
  const ratios = peers.map(({ name, ratio }) => `, ${ratio.median.toFixed(2)}x ${name}`).join("")
  return Console.log(
    `${name}: ${Report.figure(ours.median)} ${unit}${ratios} (${Math.round(Duration.toSeconds(took))} s)`
  )
}

const sayCircumstances = (
  { synchronous_commit, fsync, version }: Databases["Service"]["facts"],
  { millis, rounds }: Rounds.Effort
) =>
  Console.log(
    `PostgreSQL ${version} of its own, all settings at their defaults (fsync ${fsync}, synchronous_commit `
      + `${synchronous_commit}), on ${machine.cores} cores. ${rounds} rounds of ${millis} ms or more.`
  )

const measure = Effect.fnUntraced(function*(
  selected: ReadonlyArray<Rounds.Row<Databases>>,
  effort: Rounds.Effort
): Effect.fn.Return<Report.Report, BenchError, Databases> {
  const { facts } = yield* Databases
  const { version, ...durability } = facts
  yield* sayCircumstances(facts, effort)
  const measured = yield* Effect.forEach(selected, (row) =>
    Effect.timed(Rounds.measure(row, effort)).pipe(
      Effect.tap(([took, results]) => Effect.forEach(results, (result) => say(result, took))),
      Effect.map(([, results]) => results)
    ))
  return {
    machine,
    versions: {
      postgres: version,
      node: process.versions.node,
      messageDb: "1.3.0",
      emmett: Emmett.version
    },
    durability,
    date: DateTime.formatIso(yield* DateTime.now),
    effort,
    rows: Report.rows(measured.flat())
  }
})

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

const writeCharts = Effect.fnUntraced(function*(report: Report.Report, folder: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(folder, { recursive: true })
  yield* Effect.forEach(
    Charts.charts(report.rows),
    ({ name, svg }) => fs.writeFileString(join(folder, `${name}.svg`), svg),
    { discard: true }
  )
})

/** Writes the figures and the charts to where docs/performance.md shows them. */
const writeDocs = Effect.fnUntraced(function*(report: Report.Report) {
  const fs = yield* FileSystem.FileSystem
  const page = root("docs/performance.md")
  const replaced = Docs.replaceFigures(yield* fs.readFileString(page), report)
  if (replaced === undefined) return yield* Console.error(`${page} has no place for the figures`)
  yield* fs.writeFileString(page, replaced)
  const folder = root("docs/performance")
  // Also the charts of rows that no longer exist.
  yield* fs.remove(folder, { recursive: true, force: true })
  yield* writeCharts(report, folder)
})

const readReport = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Schema.decodeEffect(Schema.fromJsonString(Report.Report))(yield* fs.readFileString(file))
})

const writeJson = Effect.fnUntraced(function*(report: unknown, out: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(dirname(out), { recursive: true })
  yield* fs.writeFileString(out, `${JSON.stringify(report, null, 2)}\n`)
})

/** Measures this build and another one, and fails when it is slower in a row, or can't be compared in one. */
const compare = Effect.fnUntraced(function*({ against, out, quick: isQuick, rows: names }: {
  readonly against: string
  readonly out: string
  readonly quick: boolean
  readonly rows: ReadonlyArray<string>
}) {
  const { effort, messages } = isQuick ? quickAgainst : thorough
  const selected = Builds.comparable(rows, names)
  if (selected.length === 0) {
    yield* Console.error(Builds.nothingToCompare(rows, names))
    return yield* new Verdicts.DoesNotHold()
  }
  const builds = { ours: yield* Checkout.own, other: yield* Checkout.open(against) }
  const { url } = yield* PostgresServer.start()
  const { facts } = Context.get(yield* Layer.build(layerOn(url, { messages })), Databases)
  yield* sayCircumstances(facts, effort)
  yield* Console.log(`This build (${builds.ours.commit}) beside ${builds.other.folder} (${builds.other.commit})`)
  const outcomes = yield* Builds.compare(
    selected,
    effort,
    Builds.pairs(url, messages, builds),
    (outcome) => Console.log(Verdicts.lines(outcome).join("\n"))
  )
  const { version, ...durability } = facts
  yield* writeJson(
    {
      machine,
      versions: { postgres: version, node: process.versions.node },
      durability,
      date: DateTime.formatIso(yield* DateTime.now),
      effort,
      builds,
      ...Verdicts.rows(outcomes)
    } satisfies Verdicts.Report,
    out
  )
  yield* Console.log(`\n${Verdicts.summary(outcomes).join("\n")}\nWritten to ${out}`)
  if (!Verdicts.holds(outcomes)) return yield* new Verdicts.DoesNotHold()
}, Effect.scoped)

interface Options {
  readonly rows: ReadonlyArray<string>
  readonly quick: boolean
  readonly out: Option.Option<string>
  readonly against: Option.Option<string>
  readonly alone: boolean
  readonly docs: boolean
  readonly from: Option.Option<string>
}

const bench = Effect.fnUntraced(function*(options: Options) {
  const { against, alone, docs, from, quick: isQuick, rows: names } = options
  if (Option.isSome(against)) {
    const out = Option.getOrElse(options.out, () => root("bench/against.json"))
    return yield* compare({ against: against.value, out, quick: isQuick, rows: names })
  }
  const out = Option.getOrElse(options.out, () => root("bench.json"))
  const { effort, messages } = isQuick ? quick : thorough
  const selected = Rounds.select(rows, names, isQuick)
  if (alone) {
    yield* Effect.provide(measure(selected.map(Rounds.alone), effort), layer(messages))
    return
  }
  const report = Option.isSome(from)
    ? yield* readReport(from.value)
    : yield* Effect.provide(measure(selected, effort), layer(messages))
  yield* Console.log(`\n${Report.table(report.rows)}\n${Report.legend(report.rows)}\n`)
  if (docs) yield* writeDocs(report)
  if (Option.isSome(from)) return
  yield* writeJson(report, out)
  const charts = join(dirname(out), "bench")
  yield* writeCharts(report, charts)
  yield* Console.log(`Written to ${out}, the charts to ${charts}`)
})

const command = Command.make("bench", {
  rows: Argument.String("row").pipe(
    Argument.withDescription(
      "The rows to measure, by name or by the beginning of the name: append, read-category, stream-idle"
    ),
    Argument.filter(
      (name) => Rounds.select(rows, [name], false).length > 0,
      () => `must be one of ${rows.map((row) => row.name).join(", ")}, or the beginning of one of them`
    ),
    Argument.variadic()
  ),
  quick: Flag.Boolean("quick").pipe(
    Flag.withDescription("At most three minutes: short rounds on smaller tables"),
    Flag.withDefault(false)
  ),
  against: Flag.String("against").pipe(
    Flag.withDescription(
      "Measure this build beside the one of another checkout, whose dependencies are installed, and no peer. Exits with 1 "
        + "when a row is slower here (the middle half of the ratios wholly below 0.97), or can't be compared"
    ),
    Flag.optional
  ),
  alone: Flag.Boolean("alone").pipe(
    Flag.withDescription("Measure eventfold without its peers, and write no file: for a profile"),
    Flag.withDefault(false)
  ),
  docs: Flag.Boolean("docs").pipe(
    Flag.withDescription("Write the figures and the charts into docs/performance.md"),
    Flag.withDefault(false)
  ),
  from: Flag.String("from").pipe(
    Flag.withDescription("Measure nothing: show the figures of this file"),
    Flag.optional
  ),
  out: Flag.String("out").pipe(
    Flag.withDescription(
      "The file for the figures: bench.json, with the charts in the folder bench beside it, or bench/against.json"
    ),
    // All of which git ignores.
    Flag.optional
  )
}, bench).pipe(
  Command.withDescription("Measures eventfold beside its peers, or beside another build of itself")
)

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.tapErrorTag("CheckoutError", ({ message }) => Console.error(message)),
  Effect.provide(NodeServices.layer),
  Main.run
)
