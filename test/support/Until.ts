/**
 * Waits for something that happens elsewhere: polls, and gives up after a bound. The bound is there only so that what never
 * happens ends in an error that says what it was: it is far longer than anything takes on a machine that is busy, and no test
 * may pass or fail by it. How soon something must happen is tested by what would come before it, or by a test clock.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Shorter than the time that Vitest gives a test. */
const bound = "3 minutes"

/** Waits until the condition holds; dies with what it waited for when the bound has passed. */
export const until = <E, R>(what: string, condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  untilSome(what, Effect.map(condition, (holds) => holds ? Option.some(undefined) : Option.none()))

/** Waits until there is a value and gives it; dies with what it waited for when the bound has passed. */
export const untilSome = <A, E, R>(
  what: string,
  value: Effect.Effect<Option.Option<A>, E, R>
): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    let found = yield* value
    while (Option.isNone(found)) {
      yield* Effect.sleep("5 millis")
      found = yield* value
    }
    return found.value
  }).pipe(within(`until ${what}`))

/** The effect, which dies when it has not ended within the bound. */
export const within = (what: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.timeoutOrElse(effect, {
    duration: bound,
    orElse: () => Effect.die(new Error(`waited in vain ${what}`))
  })
