import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Host, Running } from "../Consumer.ts"

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
