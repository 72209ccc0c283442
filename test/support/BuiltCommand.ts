/**
 * The `eventfold` command as it is published, built once for a test file, and run as a process.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"

const sources = join(import.meta.dirname, "../../packages/cli")

/** What a process has printed, and its exit code; null when a signal has killed it. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
  readonly stdin?: string | undefined
}

/** A process that runs. */
export interface Running {
  readonly printed: () => string
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  readonly outcome: Effect.Effect<Outcome>
}

/** Nothing of the environment names a store. */
const environment = (env: Readonly<Record<string, string>> = {}) => {
  const { DATABASE_URL: _url, ...inherited } = process.env
  const kept = Object.entries(inherited).filter(([name]) => !name.startsWith("PG") && !name.startsWith("EVENTFOLD_"))
  return { ...Object.fromEntries(kept), HOME: tmpdir(), NO_COLOR: "1", ...env }
}

const ended = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** Starts a program. The end of the scope kills it. */
const start = (file: string, args: ReadonlyArray<string>, { cwd, env, stdin }: Options = {}) =>
  Effect.gen(function*() {
    const [stdout, stderr]: [Array<string>, Array<string>] = [[], []]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(file, args, { cwd: cwd ?? tmpdir(), env: environment(env), stdio: ["pipe", "pipe", "pipe"] })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout.push(text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text))
    child.stdin.on("error", () => {})
    child.stdin.end(stdin)
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()))
    const running: Running = {
      printed: () => stdout.join(""),
      signal: (name) => Effect.sync(() => void (ended(child) || child.kill(name))),
      outcome: Effect.map(Effect.promise(() => closed), () => ({
        code: child.exitCode,
        stdout: stdout.join(""),
        stderr: stderr.join("")
      }))
    }
    return running
  })

/** Runs a program to its end. */
const run = (program: string, args: ReadonlyArray<string>, options?: Options) =>
  Effect.scoped(Effect.flatMap(start(program, args, options), ({ outcome }) => outcome))

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** The command. */
export class BuiltCommand extends Context.Service<BuiltCommand, {
  /** The file that is run. */
  readonly file: string
  /** Runs it to its end. */
  readonly run: (args: ReadonlyArray<string>, options?: Options) => Effect.Effect<Outcome>
  /** Starts it. */
  readonly start: (args: ReadonlyArray<string>, options?: Options) => Effect.Effect<Running, never, Scope.Scope>
  /** Runs a line of a shell, in which `eventfold` is the command. */
  readonly shell: (line: string, options?: Options) => Effect.Effect<Outcome>
}>()("@eventfold/test/BuiltCommand") {
  static readonly layer = Layer.effect(
    BuiltCommand,
    Effect.gen(function*() {
      // Where its packages are found, and nothing of it is published.
      const folder = join(sources, "node_modules/.cache/command")
      const modules = pathToFileURL(join(sources, "src/main.ts")).href
      yield* Effect.promise(() =>
        promisify(execFile)(process.execPath, [join(sources, "scripts/bundle.ts"), folder, modules])
      )
      const file = join(folder, "eventfold.js")
      return {
        file,
        run: (args, options) => run(process.execPath, [file, ...args], options),
        start: (args, options) => start(process.execPath, [file, ...args], options),
        shell: (line, options) =>
          run("bash", ["-c", `eventfold() { ${quoted(process.execPath)} ${quoted(file)} "$@"; }; ${line}`], options)
      }
    })
  )
}
