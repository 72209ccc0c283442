import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Schedule from "effect/Schedule"
import type { RunningStatus } from "../../ConsumerStatus.ts"
import { logFailure } from "../runtime/log.ts"
import { type Host, HostService, type Running } from "./host.ts"
import type { Subject } from "./subject.ts"
import { whenWritten } from "./written.ts"

/**
 * What a program does when one of its consumers fails.
 *
 * - `"fail"`: the program fails with the consumer's error.
 * - `"ignore"`: the error is logged, and the program continues without the consumer.
 * - a schedule: the consumer starts again by the schedule; when the schedule ends, the program fails.
 *
 * @since 0.1.0
 * @category options
 */
export type OnStop = "fail" | "ignore" | Schedule.Schedule<unknown>

/** A consumer or read model that this process can run. */
export interface Runnable<out E, out R> {
  readonly id: string
  readonly category: string
  readonly subject: Subject
  /** Runs until it fails or is interrupted. */
  readonly run: Effect.Effect<never, E, R>
  readonly status: Effect.Effect<RunningStatus>
  readonly waitFor: (globalPosition: number) => Effect.Effect<void, E, R>
}

/** The handle of a runnable, and the effect that runs it, in what `around` adds. */
const makeRunning = Effect.fnUntraced(function*<E, R, A, E2, R2>(
  { category, id, run, status, waitFor }: Runnable<E, R>,
  around: (run: Effect.Effect<never, E, R>) => Effect.Effect<A, E2, R2>
) {
  const context = yield* Effect.context<R>()
  const ended = yield* Deferred.make<never, E2>()
  const handle: Running<E | E2> = {
    id,
    category,
    status,
    await: Deferred.await(ended),
    waitFor: (written) =>
      whenWritten(
        written,
        (globalPosition) => Effect.raceFirst(Effect.provide(waitFor(globalPosition), context), Deferred.await(ended))
      )
  }
  const ending = Effect.onExit(
    around(run),
    (exit) => Exit.isFailure(exit) ? Deferred.failCause(ended, exit.cause) : Deferred.interrupt(ended)
  )
  return { handle, run: ending }
})

/** Runs a runnable in the background until the scope closes. */
export const start = Effect.fnUntraced(function*<E, R>(runnable: Runnable<E, R>) {
  const { handle, run } = yield* makeRunning(runnable, identity)
  yield* Effect.forkScoped(run)
  return handle
})

/** A layer that runs a runnable in the host. */
export const layer = <E, R, E2, R2, const S extends OnStop>(
  make: Effect.Effect<Runnable<E, R>, E2, R2>,
  onStop: S
): Layer.Layer<never, E2, R | R2 | Host<S extends "ignore" ? never : E>> => {
  const start = Effect.gen(function*() {
    const host = yield* HostService
    const runnable = yield* make
    const { kind, logged } = runnable.subject
    const logUnlessInterrupted = (text: string) => (cause: Cause.Cause<unknown>) =>
      Cause.hasInterruptsOnly(cause) ? Effect.void : logFailure("Error", text, logged, cause)
    const policy: OnStop = onStop
    const around = (run: Effect.Effect<never, E, R>): Effect.Effect<void, E, R> => {
      switch (policy) {
        case "fail":
          return run
        case "ignore":
          return Effect.catchCause(run, logUnlessInterrupted(`${kind} failed; the program continues without it`))
        default:
          return Effect.retry(Effect.tapCause(run, logUnlessInterrupted(`${kind} failed and starts again`)), policy)
      }
    }
    const { handle, run } = yield* makeRunning(runnable, around)
    yield* host.add(handle, runnable.subject, run)
  })
  return Layer.effectDiscard(start)
}
