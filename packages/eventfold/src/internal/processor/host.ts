import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { RunningStatus } from "../../ConsumerStatus.ts"
import { logFailure } from "../runtime/log.ts"
import type { Subject } from "./subject.ts"
import type { Written } from "./written.ts"

/**
 * A consumer or read model that runs in this process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Running<out E> {
  /** The id of the consumer, or the name of the read model. */
  readonly id: string
  /** The category that it reads. Of a read model with several sources, their names joined by commas; `*` is everything. */
  readonly category: string
  /** Its status in this process. Reading it does not query the store. */
  readonly status: Effect.Effect<RunningStatus>
  /** Waits until it fails, and fails with its error. It is interrupted when the consumer stops. */
  readonly await: Effect.Effect<never, E>
  /**
   * Waits until everything up to a global position (inclusive), such as that of an append, is handled: then one's own writes
   * are in what the consumer keeps. Messages that are written after the call are not waited for. It fails when the consumer
   * fails.
   *
   * **Details**
   *
   * It completes with the last handler (of a read model, with its transaction), not with the checkpoint that a consumer writes
   * later. When another process runs the consumer or another member of its group, it completes as `Consumer.waitFor` does,
   * with the checkpoint. A message that was skipped or parked counts as handled.
   */
  readonly waitFor: (globalPosition: Written) => Effect.Effect<void, E>
}

declare const HostError: unique symbol

/**
 * Runs consumers and read models as layers: `Consumer.launch` provides it. Its parameter is what they can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Host<out E> {
  readonly [HostError]: E
}

/** The consumers and read models of a process. */
interface Service {
  readonly running: ReadonlySet<Running<unknown>>
  /** Runs one in the scope. The host fails when it fails. */
  readonly add: <E, R>(
    running: Running<unknown>,
    subject: Subject,
    run: Effect.Effect<void, E, R>
  ) => Effect.Effect<void, never, R | Scope.Scope>
  /** Fails with the first error of any of them. */
  readonly failure: Effect.Effect<never, unknown>
  /** Stops all at the same time, and waits for them. */
  readonly stop: Effect.Effect<void>
}

/** `Host<never>`: a host that accepts a consumer's errors also serves one without errors. */
export const HostService = Context.Service<Host<never>, Service>("eventfold/Consumer/Host")

export const make = Effect.gen(function*() {
  const failed = yield* Deferred.make<never, unknown>()
  const running = new Set<Running<unknown>>()
  const fibers = new Set<Fiber.Fiber<void, unknown>>()

  /** The host fails with the first error, which its program reports. Later ones can only be logged. */
  const fail = ({ kind, logged }: Subject, cause: Cause.Cause<unknown>) =>
    Effect.flatMap(Deferred.failCause(failed, cause), (isFirst) =>
      isFirst
        ? Effect.void
        : logFailure("Error", `${kind} failed too; the program reports the first failure`, logged, cause))

  const service: Service = {
    running,
    add: Effect.fnUntraced(function*(one, subject, run) {
      const watched = Effect.onExit(run, (exit) => {
        running.delete(one)
        return Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? Effect.void : fail(subject, exit.cause)
      })
      running.add(one)
      fibers.add(yield* Effect.forkScoped(watched))
    }),
    failure: Deferred.await(failed),
    stop: Effect.suspend(() => Fiber.interruptAll(fibers))
  }
  return service
})
