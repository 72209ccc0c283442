import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"

/**
 * Work that may be told to stop. What runs then has a grace period to come to its end; what only waits (for its next attempt, for
 * a lock) ends at once, because nothing is gained by its wait.
 */
export interface Stopping {
  /** Whether the work has been told to stop: then nothing more begins. */
  readonly isStopping: () => boolean
  /** Interrupts the fibers that wait. From now on, those that would wait are interrupted as well. */
  readonly begin: Effect.Effect<void>
  /** The calling fiber only waits from now on, until `works`. Its interruption must do no harm meanwhile. */
  readonly waits: Effect.Effect<void>
  /** The calling fiber works again. */
  readonly works: Effect.Effect<void>
}

export const make = (): Stopping => {
  const waiting = new Set<Fiber.Fiber<unknown, unknown>>()
  let isStopping = false
  return {
    isStopping: () => isStopping,
    begin: Effect.sync(() => {
      isStopping = true
      for (const fiber of waiting) fiber.interruptUnsafe()
    }),
    waits: Effect.withFiber((fiber) => {
      if (isStopping) return Effect.interrupt
      waiting.add(fiber)
      return Effect.void
    }),
    works: Effect.withFiber((fiber) => {
      waiting.delete(fiber)
      return Effect.void
    })
  }
}

/** Runs an effect again after a failure, as `Effect.retry` does. Between two attempts the fiber only waits. */
export const retryUntilStop = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  schedule: Schedule.Schedule<unknown, E>,
  { waits, works }: Stopping
): Effect.Effect<A, E, R> =>
  Effect.ensuring(
    Effect.retry(
      Effect.andThen(works, effect),
      Schedule.modifyDelay(schedule, ({ duration }) => Effect.as(waits, duration))
    ),
    works
  )

/** Gives an effect that is interrupted this long to end by itself, unless it only waits. The interruption waits for it meanwhile. */
export const withGracePeriod =
  ({ begin }: Stopping, grace: Duration.Input) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.forkChild(Effect.interruptible(effect)),
        (fiber) =>
          Effect.onInterrupt(restore(Fiber.join(fiber)), () =>
            Effect.andThen(
              begin,
              Effect.andThen(
                Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber)), grace),
                Fiber.interrupt(fiber)
              )
            ))
      )
    )
