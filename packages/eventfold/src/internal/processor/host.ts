import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { RunningStatus } from "../../ConsumerStatus.ts"

/**
 * A consumer, or a read model, that runs in this process.
 *
 * @since 0.1.0
 */
export interface Running<out E> {
  /** Of a read model, its name. */
  readonly id: string
  /** Of a read model with several sources, their names with a comma between, and `*` when it reads everything. */
  readonly category: string
  /** What it does now, without asking the store. */
  readonly status: Effect.Effect<RunningStatus>
  /** Waits until it fails, with its error. It is interrupted when the consumer is stopped. */
  readonly await: Effect.Effect<never, E>
  /**
   * Waits until everything is handled up to a global position (inclusive), such as that of an append: then one's own writes
   * are in what the consumer keeps. What has not been written when it is called is not waited for. It fails when the
   * consumer fails.
   *
   * **Details**
   *
   * It completes with the last handler (of a read model, with its transaction), not with the position that a consumer
   * writes later, unless the consumer (or another member of its group) is run by another process: then it is
   * `Consumer.waitFor`. A message that was skipped or put aside
   * counts as handled.
   */
  readonly waitFor: (globalPosition: number) => Effect.Effect<void, E>
}

declare const HostError: unique symbol

/**
 * What runs consumers as layers: `Consumer.launch` is it. Its parameter is what they can fail with.
 *
 * @since 0.1.0
 */
export interface Host<out E> {
  readonly [HostError]: E
}

/** What the consumers of a process have in common. */
interface Service {
  readonly running: ReadonlySet<Running<unknown>>
  /** Runs a consumer in the scope, and has the host fail when it fails. */
  readonly add: <E, R>(
    running: Running<unknown>,
    run: Effect.Effect<void, E, R>
  ) => Effect.Effect<void, never, R | Scope.Scope>
  /** Fails when a consumer has failed. */
  readonly failure: Effect.Effect<never, unknown>
  /** Stops all consumers at the same time, and waits for them. */
  readonly stop: Effect.Effect<void>
}

/** A consumer that needs a host which takes no error can do with one that takes its own. */
export const HostService = Context.Service<Host<never>, Service>("eventfold/Consumer/Host")

export const make = Effect.gen(function*() {
  const failed = yield* Deferred.make<never, unknown>()
  const running = new Set<Running<unknown>>()
  const fibers = new Set<Fiber.Fiber<void, unknown>>()
  const service: Service = {
    running,
    add: Effect.fnUntraced(function*(one, run) {
      const watched = Effect.onExit(run, (exit) => {
        running.delete(one)
        if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return Effect.void
        return Effect.flatMap(Deferred.failCause(failed, exit.cause), (isFirst) =>
          // The host fails with the first error, and says it then.
          isFirst ? Effect.void : Effect.logError("one more consumer has failed", exit.cause))
      })
      running.add(one)
      const fiber = yield* Effect.forkScoped(watched)
      fibers.add(fiber)
    }),
    failure: Deferred.await(failed),
    stop: Effect.suspend(() => Fiber.interruptAll(fibers))
  }
  return service
})
