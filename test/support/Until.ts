/**
 * Waiting for something that happens elsewhere: asking again and again, with a bound.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Waits until the condition holds; dies, saying what was waited for, when it does not within the bound. */
export const until = <E, R>(
  what: string,
  condition: Effect.Effect<boolean, E, R>,
  bound: Duration.Input = "10 seconds"
): Effect.Effect<void, E, R> =>
  condition.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("5 millis") }),
    within(`until ${what}`, bound),
    Effect.asVoid
  )

/** The effect, which dies when it does not end within the bound. */
export const within =
  (what: string, bound: Duration.Input) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.timeoutOrElse(effect, {
      duration: bound,
      orElse: () => Effect.die(new Error(`waited in vain ${what}`))
    })
