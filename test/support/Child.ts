/**
 * Child processes, for tests that stop or kill them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { until } from "./Until.ts"

export interface Child {
  /** Its process id; -1 when it could not be started. */
  readonly pid: number
  /** The lines that it has printed so far. */
  readonly lines: ReadonlyArray<string>
  /** Whether it has ended, by itself or killed. */
  readonly ended: Effect.Effect<boolean>
  /** The exit code; null while it runs, and when a signal has killed it. */
  readonly exitCode: Effect.Effect<number | null>
  readonly kill: Effect.Effect<void>
  /** Sends SIGTERM. */
  readonly terminate: Effect.Effect<void>
  /** Stops it wherever it is, until `thaw`. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
}

/** PGlite opens in half the time where the optimizing compiler leaves it alone: most of these processes are soon killed. */
const flags = ["--liftoff-only", "--no-wasm-tier-up", "--no-wasm-dynamic-tiering"]

/** Runs a script with arguments. The end of the scope kills the process. */
export const start = (
  script: string,
  args: ReadonlyArray<string>,
  account: { readonly uid?: number; readonly gid?: number } = {}
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const process_ = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [...flags, script, ...args], { stdio: ["ignore", "pipe", "inherit"], ...account })
      ),
      kill
    )
    let rest = ""
    process_.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\n")
      // A line that the kill has cut does not count.
      rest = parts.pop() ?? ""
      lines.push(...parts)
    })
    const signal = (name: NodeJS.Signals) => Effect.asVoid(Effect.sync(() => process_.kill(name)))
    return {
      pid: process_.pid ?? -1,
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
    // `close` also waits for its output, so that all lines have arrived.
    process_.once("close", () => resume(Effect.void))
    process_.kill("SIGKILL")
  })

/** Waits until a process has printed this many lines. */
export const says = (child: Child, count: number): Effect.Effect<void> =>
  until(`a process has printed ${count} lines`, Effect.sync(() => child.lines.length >= count))
