/**
 * Runs the program of an example as a user does, for its tests.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import process from "node:process"

type Spawner = ChildProcessSpawner.ChildProcessSpawner

/** What a program printed, and its exit code. */
export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** A program failed that should not have. */
class Failed extends Error {
  override name = "ProgramFailed"
}

/** Everything that a program writes to one of its outputs. */
export const text = <E>(output: Stream.Stream<Uint8Array, E>): Effect.Effect<string, E> =>
  Stream.mkString(Stream.decodeText(output))

/** A folder with a space in its name, removed when the scope closes. */
export const temporaryFolder: Effect.Effect<string, PlatformError, FileSystem.FileSystem | Scope.Scope> = Effect
  .flatMap(
    FileSystem.FileSystem,
    (fs) => fs.makeTempDirectoryScoped({ prefix: "eventfold example-" })
  )

/** Whether the long form of the tests runs: see CONTRIBUTING.md. */
export const isLong: boolean = process.env["EVENTFOLD_LONG"] === "1"

/** The program in a file, with variables for its environment. */
export const make = (main: string, env: Record<string, string> = {}) => {
  /** Starts the program in a folder. `args` is what a user types. */
  const spawn = (folder: string, args: string | ReadonlyArray<string>) =>
    Effect.flatMap(ChildProcessSpawner.ChildProcessSpawner, (spawner) => {
      const words = typeof args === "string" ? args.split(" ").filter((arg) => arg !== "") : args
      return spawner.spawn(ChildProcess.make(process.execPath, [main, ...words], { cwd: folder, env, extendEnv: true }))
    })

  /** Runs the program to its end. */
  const run = (
    folder: string,
    args: string | ReadonlyArray<string>
  ): Effect.Effect<Outcome, PlatformError, Spawner> =>
    Effect.scoped(Effect.gen(function*() {
      const child = yield* spawn(folder, args)
      const [stdout, stderr, code] = yield* Effect.all([text(child.stdout), text(child.stderr), child.exitCode], {
        concurrency: "unbounded"
      })
      return { stdout, stderr, code: Number(code) }
    }))

  /** Runs the program, which has to succeed without errors, and gives what it prints. */
  const prints = Effect.fnUntraced(function*(folder: string, args: string | ReadonlyArray<string>) {
    const { code, stderr, stdout } = yield* run(folder, args)
    if (code !== 0 || stderr !== "") {
      return yield* Effect.die(new Failed(`${String(args)}: exit code ${code}, ${stderr}\n${stdout}`))
    }
    return stdout.trimEnd()
  })

  /** Runs the program with a reader that leaves at once, and gives what it says on stderr and its exit code. */
  const unread = (folder: string, args: string | ReadonlyArray<string>) =>
    Effect.scoped(Effect.gen(function*() {
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const words = typeof args === "string" ? args.split(" ").filter((arg) => arg !== "") : args
      const script = "{ \"$0\" \"$@\"; echo \"exit code $?\" >&2; } | true"
      const command = ChildProcess.make("sh", ["-c", script, process.execPath, main, ...words], {
        cwd: folder,
        env,
        extendEnv: true
      })
      return yield* text((yield* spawner.spawn(command)).stderr)
    }))

  return { spawn, run, prints, unread }
}
