/**
 * Runs the commands that a user of the packages would type, and gives what they print.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A command that has failed, with all that it printed. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly command: string
  readonly output: string
}> {
  override get message(): string {
    return `${this.command} failed:\n${this.output}`
  }
}

export interface Output {
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
}

/** Settings of the `pnpm` that runs the tests, which the package managers of a user's project would take for their own. */
const inherited = /^(npm|pnpm)_/i

/** The environment of a shell in which nothing of this workspace is set. */
export const plainEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      !inherited.test(name) && !/^(NODE_OPTIONS|VITEST.*|NODE_ENV)$/.test(name)
    )
  )

/** Runs a command to its end. Interruption kills it. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: Options
): Effect.Effect<Output, CommandFailed> =>
  Effect.callback((resume) => {
    const child = execFile(
      command,
      args,
      { cwd: options.cwd, env: { ...plainEnvironment(), ...options.env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) =>
        resume(
          error === null
            ? Effect.succeed({ stdout, stderr })
            : Effect.fail(
              new CommandFailed({
                command: [command, ...args].join(" "),
                output: [stdout, stderr].filter((text) => text !== "").join("\n") || error.message
              })
            )
        )
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** A folder outside of the workspace, which goes with the scope. */
export const outside = (name: string) =>
  Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), `eventfold-${name}-`))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
