import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Gives an effect that is interrupted this long to end by itself. The interruption waits for it meanwhile. */
export const withGracePeriod =
  (grace: Duration.Input) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.forkChild(Effect.interruptible(effect)),
        (fiber) =>
          Effect.onInterrupt(restore(Fiber.join(fiber)), () =>
            Effect.andThen(
              Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber)), grace),
              Fiber.interrupt(fiber)
            ))
      )
    )
