/**
 * Runs the program of a command, which ends quietly when the reader of its output does.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import type * as Runtime from "effect/Runtime"
import process from "node:process"

const isBrokenPipe = (error: Error) => "code" in error && error.code === "EPIPE"

/**
 * Ends when the reader of stdout has: `head -5` leaves after five lines. What the program releases may print again, so
 * the listener stays.
 */
const readerLeft = Effect.callback<void>((resume) => {
  process.stdout.on("error", (error) => resume(isBrokenPipe(error) ? Effect.void : Effect.die(error)))
})

/**
 * Runs a program as `NodeRuntime.runMain` does. When its reader leaves, it is interrupted, so that it releases what it has
 * open, and ends with the exit code 0: the reader has what it wanted, and pnpm reports every other code as a failure.
 */
export const run = <A, E>(
  program: Effect.Effect<A, E>,
  options?: { readonly teardown?: Runtime.Teardown | undefined }
): void => {
  // A message for a reader that has left changes nothing about the program.
  process.stderr.on("error", (error) => {
    if (!isBrokenPipe(error)) throw error
  })
  NodeRuntime.runMain(Effect.raceFirst(program, readerLeft), options)
}
