/**
 * Runs the command in this process, on a store that is open already: the same Effect that the program runs.
 */
import { NodeServices } from "@effect/platform-node"
import type { PgClient } from "@effect/sql-pg"
import { Pglite } from "@eventfold/pglite"
import type * as Cause from "effect/Cause"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Sink from "effect/Sink"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { fileURLToPath } from "node:url"
import { Cli } from "../../src/index.ts"
import { Opening } from "../../src/internal/connection/stores.ts"

/** The client of the store that all commands of a test file share. */
export class Shared
  extends Context.Service<Shared, Context.Context<PgClient.PgClient | SqlClient>>()("cli/test/Shared")
{
  static readonly layer = Layer.effect(Shared, Layer.build(Pglite.layerClient()))
}

/** What a command has printed, and its exit code. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  /** Whether a person looks. Defaults to false. */
  readonly isTerminal?: boolean | undefined
  /** What stdin has. */
  readonly stdin?: string | Uint8Array | undefined
  /** The keys that a person presses. */
  readonly keys?: ReadonlyArray<string> | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

const text = new TextDecoder()

/** An output that keeps what it gets. */
const keeping = (parts: Array<string>) => () =>
  Sink.forEach((part: string | Uint8Array) =>
    Effect.sync(() => {
      parts.push(typeof part === "string" ? part : text.decode(part))
    })
  )

/** A terminal on which keys are pressed, and whose own output counts as stdout. */
const terminal = (keys: ReadonlyArray<string>) =>
  Layer.effect(
    Terminal.Terminal,
    Effect.gen(function*() {
      const input = yield* Queue.unbounded<Terminal.UserInput, Cause.Done>()
      yield* Queue.offerAll(
        input,
        keys.map((name) => ({ input: Option.some(name), key: { name, ctrl: false, meta: false, shift: false } }))
      )
      return Terminal.make({
        columns: Effect.succeed(120),
        rows: Effect.succeed(40),
        size: Queue.unbounded<Terminal.Size, Cause.Done>(),
        readInput: Effect.succeed(input),
        readLine: Effect.fail(new Terminal.QuitError({})),
        display: () => Effect.void
      })
    })
  )

/** The module of the application. */
export const application = fileURLToPath(new URL("../fixtures/observe.ts", import.meta.url))

/** Runs a command on the store that the test shares. `args` is what a user types; a text is split at its spaces. */
export const run = Effect.fnUntraced(function*(
  args: string | ReadonlyArray<string>,
  { env = {}, isTerminal = false, keys = [], stdin = "" }: Options = {}
): Effect.fn.Return<Outcome, never, Shared> {
  const shared = yield* Shared
  const [stdout, stderr]: [Array<string>, Array<string>] = [[], []]
  const words = typeof args === "string" ? args.split(" ").filter((word) => word !== "") : args
  const services = Layer.mergeAll(
    Layer.succeed(
      Stdio.Stdio,
      Stdio.make({
        args: Effect.succeed(words),
        stdinIsTerminal: Effect.succeed(isTerminal),
        stdoutIsTerminal: Effect.succeed(isTerminal),
        stderrIsTerminal: Effect.succeed(false),
        stdout: keeping(stdout),
        stderr: keeping(stderr),
        stdin: Stream.make(typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin)
      })
    ),
    terminal(keys),
    Layer.succeed(TerminalCapabilities.TerminalCapabilities, {
      canColor: false,
      canAnimate: false,
      canPrompt: isTerminal
    }),
    Layer.succeed(Opening, () => Layer.succeedContext(shared)),
    ConfigProvider.layer(ConfigProvider.fromEnvRecord({ DATABASE_URL: "postgres://shared/test", ...env }))
  )
  const code = yield* Cli.run(words, { version: "1.2.3" }).pipe(
    Effect.provide(Layer.provideMerge(services, NodeServices.layer))
  )
  return { code, stdout: stdout.join(""), stderr: stderr.join("") }
})

/** Runs a command that has to succeed, and gives what it prints. */
export const prints = (args: string | ReadonlyArray<string>, options?: Options) =>
  Effect.flatMap(
    run(args, options),
    ({ code, stderr, stdout }) =>
      code === 0 ? Effect.succeed(stdout) : Effect.die(new Error(`${String(args)}: exit code ${code}, ${stderr}`))
  )

/** Text in which what differs from run to run is the same: ids, times, durations, and the name of who runs it. */
export const stable = (output: string): string =>
  output
    .replace(/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g, "ID")
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "TIME")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/g, "TIME                   ")
