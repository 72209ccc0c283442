/**
 * Processes of their own, for tests that stop or kill them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { until } from "./Until.ts"

export interface Child {
  /** What it has written to its output so far. */
  readonly lines: ReadonlyArray<string>
  /** Whether it has ended, by itself or not. */
  readonly ended: Effect.Effect<boolean>
  /** The exit code; none while it runs, and of one that was killed. */
  readonly exitCode: Effect.Effect<number | null>
  readonly kill: Effect.Effect<void>
  /** Asks it to end. */
  readonly terminate: Effect.Effect<void>
  /** Stops it, until it is told to go on, wherever it is. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
}

/** Runs a script with arguments; the process is killed with the scope at the latest. */
export const start = (
  script: string,
  args: ReadonlyArray<string>,
  account: { readonly uid?: number; readonly gid?: number } = {}
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const process_ = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"], ...account })
      ),
      kill
    )
    let rest = ""
    process_.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\n")
      // A line that was cut by the kill was not reported.
      rest = parts.pop() ?? ""
      lines.push(...parts)
    })
    const signal = (name: NodeJS.Signals) => Effect.asVoid(Effect.sync(() => process_.kill(name)))
    return {
      lines,
      ended: Effect.sync(() => hasEnded(process_)),
      exitCode: Effect.sync(() => process_.exitCode),
      kill: kill(process_),
      terminate: signal("SIGTERM"),
      freeze: signal("SIGSTOP"),
      thaw: signal("SIGCONT")
    }
  })

const hasEnded = (process_: ChildProcess) => process_.exitCode !== null || process_.signalCode !== null

const kill = (process_: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (process_.stdout?.closed === true && hasEnded(process_)) return resume(Effect.void)
    // Of its streams as well, so that all it said has arrived.
    process_.once("close", () => resume(Effect.void))
    process_.kill("SIGKILL")
  })

/** Waits until a process has written as many lines. */
export const says = (child: Child, count: number): Effect.Effect<void> =>
  until(`a process of its own has said ${count} lines`, Effect.sync(() => child.lines.length >= count), "30 seconds")
