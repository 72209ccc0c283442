/**
 * The `eventfold` command as an Effect, for a program that runs it in its own process.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import { LibraryNeeded } from "./internal/application/load.ts"
import * as ApplicationSettings from "./internal/application/settings.ts"
import { bench } from "./internal/commands/bench.ts"
import * as Builds from "./internal/commands/builds.ts"
import { completions } from "./internal/commands/completions.ts"
import * as Entity from "./internal/commands/entity.ts"
import * as Groups from "./internal/commands/groups.ts"
import * as Move from "./internal/commands/move.ts"
import * as Parked from "./internal/commands/parked.ts"
import * as Read from "./internal/commands/read.ts"
import * as Readers from "./internal/commands/readers.ts"
import { report } from "./internal/commands/report.ts"
import { rewind } from "./internal/commands/rewind.ts"
import { serve } from "./internal/commands/serve.ts"
import * as SetUp from "./internal/commands/setUp.ts"
import * as Streams from "./internal/commands/streams.ts"
import { trace } from "./internal/commands/trace.ts"
import { verify } from "./internal/commands/verify.ts"
import { write } from "./internal/commands/write.ts"
import * as ConnectionSettings from "./internal/connection/settings.ts"
import { describe } from "./internal/failures/describe.ts"
import { type ExitCode, exitCodes } from "./internal/failures/exitCodes.ts"
import * as Print from "./internal/output/print.ts"
import * as OutputSettings from "./internal/output/settings.ts"
import { print, tell } from "./internal/output/terminal.ts"

/**
 * The exit codes of the command, by what they mean.
 *
 * @category models
 * @since 0.1.0
 */
export { type ExitCode, exitCodes } from "./internal/failures/exitCodes.ts"

/** The flags that all commands have. */
const settings = [...ConnectionSettings.settings, ...ApplicationSettings.settings, ...OutputSettings.settings] as const

/** The command with all of its subcommands. `version` is that of the package. */
const rootOf = (version: string) =>
  Command.make("eventfold").pipe(
    Command.withDescription("Sets up, shows, looks after and checks a message store"),
    Command.withSubcommands([
      {
        group: "Set up",
        commands: [SetUp.install, SetUp.upgrade, SetUp.uninstall, SetUp.version(version), SetUp.doctor]
      },
      {
        group: "Look",
        commands: [
          Streams.categories,
          Streams.streams,
          Read.read,
          Read.last,
          Read.get,
          Read.tail,
          trace,
          Entity.entity,
          report,
          Entity.schemas
        ]
      },
      {
        group: "Operate",
        commands: [
          Readers.consumers,
          Readers.readModels,
          Readers.processes,
          Readers.deadlines,
          Readers.runners,
          Parked.parked,
          Readers.history
        ]
      },
      {
        group: "Act",
        commands: [
          write,
          Parked.replay,
          Parked.drop,
          rewind,
          Groups.regroup,
          Groups.takeOver,
          Builds.rebuild,
          Builds.switchTo,
          Builds.dropBuild,
          Builds.accept,
          Builds.resumeAt
        ]
      },
      { group: "Check and move", commands: [verify, Move.exportStore, Move.importStore, bench] },
      { group: "Serve", commands: [serve] }
    ]),
    // Before a store is opened.
    Command.provideEffectDiscard(Print.format),
    Command.withGlobalFlags(settings)
  )

/** Says what is wrong, and how to see what would be right. */
const refuse = Effect.fnUntraced(function*(message: string, hint: string | undefined) {
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const isTerminal = yield* Effect.flatMap(Stdio.Stdio, (stdio) => stdio.stderrIsTerminal)
  const label = canColor && isTerminal ? "\u001b[31merror:\u001b[0m" : "error:"
  yield* tell(`${label} ${message}${hint === undefined ? "" : `\nhint: ${hint}`}`)
})

/** Help goes to stdout when it was asked for. What is wrong with a command line goes to stderr, in a few lines. */
const presenter = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  const formatter = Effect.map(
    TerminalCapabilities.TerminalCapabilities,
    ({ canColor }) => CliOutput.defaultFormatter({ colors: canColor, globalFlags: "summary" })
  )
  return CliOutput.Presenter.of({
    present: (event) =>
      Effect.gen(function*() {
        switch (event._tag) {
          case "Help":
            return yield* print((yield* formatter).formatHelpDoc(event.helpDoc))
          case "Version":
            return yield* print(event.version)
          case "InvalidInvocation":
            return yield* refuse(
              event.errors.map((error) => describe(error).message).join("; "),
              `${event.commandPath.join(" ")} --help shows how it is used`
            )
        }
      }).pipe(Effect.ignore, Effect.provideService(Stdio.Stdio, stdio))
  })
})

/** Tells why a command has failed, and gives its exit code. */
const failure = Effect.fnUntraced(function*(
  cause: Cause.Cause<unknown>,
  isDebug: boolean
): Effect.fn.Return<ExitCode, LibraryNeeded, Stdio.Stdio> {
  if (Cause.hasInterruptsOnly(cause)) return exitCodes.interrupted
  const error = Cause.squash(cause)
  if (error instanceof LibraryNeeded) return yield* error
  // What it says is printed already.
  if (CliError.isCliError(error) && error._tag === "ShowHelp") {
    return error.errors.length === 0 ? exitCodes.done : exitCodes.usage
  }
  const { code, hint, message } = describe(error)
  yield* refuse(message, hint)
  if (isDebug) yield* tell(Cause.pretty(cause))
  return code
})

/** The arguments before `--` are the command's own. */
const hasFlag = (args: ReadonlyArray<string>, flag: string): boolean =>
  args.slice(0, args.includes("--") ? args.indexOf("--") : undefined).includes(flag)

/**
 * Runs the command as {@link run} does. The command that is built into one file fails when an application's module is named.
 *
 * @internal
 */
export const runBuilt = (
  given: ReadonlyArray<string>,
  options: { readonly version: string }
): Effect.Effect<ExitCode, LibraryNeeded, Command.Environment> => {
  // As git, npm and gh have it.
  const args = given[0] === "help" ? [...given.slice(1), "--help"] : given
  const isDebug = hasFlag(args, "--debug")
  return Command.runWith(rootOf(options.version), options)(args).pipe(
    Effect.as<ExitCode>(exitCodes.done),
    Effect.catchCause((cause) => failure(cause, isDebug)),
    Effect.provide(Layer.mergeAll(
      Layer.effect(CliOutput.Presenter, presenter),
      Layer.effect(
        CliConfig.CliConfig,
        Effect.map(
          completions(settings.map(({ flag }) => flag)),
          (completions) =>
            CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, completions, GlobalFlag.LogLevel] })
        )
      ),
      Layer.succeed(References.MinimumLogLevel, isDebug ? "Debug" : "Warn")
    ))
  )
}

/**
 * Runs the command with arguments, and gives its exit code. It prints its answer to stdout, and all else to stderr, errors included.
 *
 * **Details**
 *
 * The services are those of `NodeServices.layer` of `@effect/platform-node`. Variables of the environment come from the
 * `ConfigProvider`. When it is interrupted, it releases what it has open.
 *
 * @example
 * ```ts no-run
 * import { NodeServices } from "@effect/platform-node"
 * import { Cli } from "@eventfold/cli"
 * import { Effect } from "effect"
 *
 * const code = Cli.run(["streams", "account", "--data", ".eventfold"], { version: "1.0.0" }).pipe(
 *   Effect.provide(NodeServices.layer)
 * )
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  args: ReadonlyArray<string>,
  options: {
    /** What `--version` prints. */
    readonly version: string
  }
): Effect.Effect<ExitCode, never, Command.Environment> => Effect.orDie(runBuilt(args, options))
