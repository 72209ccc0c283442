/**
 * Processes of their own that measure, and say numbers.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, fork as forkProcess } from "node:child_process"
import { PeerError } from "./BenchError.ts"

export interface Child {
  /** The next number that it says. */
  readonly next: Effect.Effect<number, PeerError>
  /** Tells it a number, and waits for what it says to that. */
  readonly ask: (question: number) => Effect.Effect<number, PeerError>
}

/** Starts a script with arguments; it is killed with the scope. */
export const fork = (script: string, args: ReadonlyArray<string>): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => forkProcess(script, [...args])),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) => ({
      next: next(child),
      ask: (question) => Effect.andThen(Effect.sync(() => child.send(question)), next(child))
    })
  )

const next = (child: ChildProcess): Effect.Effect<number, PeerError> =>
  Effect.callback((resume) => {
    const onMessage = (message: unknown) => {
      child.off("exit", onExit)
      resume(
        typeof message === "number"
          ? Effect.succeed(message)
          : Effect.fail(new PeerError({ message: `${child.spawnfile} said what is no number`, cause: message }))
      )
    }
    const onExit = (code: number | null) => {
      child.off("message", onMessage)
      resume(Effect.fail(new PeerError({ message: "A process ended that was to be measured", cause: code })))
    }
    child.once("message", onMessage)
    child.once("exit", onExit)
  })
