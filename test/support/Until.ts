/**
 * Waits for something that happens elsewhere: polls, and gives up after a bound.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Waits until the condition holds; dies with what it waited for when the bound has passed. */
export const until = <E, R>(
  what: string,
  condition: Effect.Effect<boolean, E, R>,
  bound: Duration.Input = "10 seconds"
): Effect.Effect<void, E, R> =>
  untilSome(what, Effect.map(condition, (holds) => holds ? Option.some(undefined) : Option.none()), bound)

/** Waits until there is a value and gives it; dies with what it waited for when the bound has passed. */
export const untilSome = <A, E, R>(
  what: string,
  value: Effect.Effect<Option.Option<A>, E, R>,
  bound: Duration.Input = "10 seconds"
): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    let found = yield* value
    while (Option.isNone(found)) {
      yield* Effect.sleep("5 millis")
      found = yield* value
    }
    return found.value
  }).pipe(within(`until ${what}`, bound))

/** The effect, which dies when it has not ended within the bound. */
export const within =
  (what: string, bound: Duration.Input) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.timeoutOrElse(effect, {
      duration: bound,
      orElse: () => Effect.die(new Error(`waited in vain ${what}`))
    })
