import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as TestClock from "effect/testing/TestClock"

/** A test clock that knows the sleeps on it. */
export interface TrackedClock {
  /** The clock to sleep on. */
  readonly clock: TestClock.TestClock
  /** When the first of the sleeps ends, in milliseconds; undefined when there are none, or only endless ones. */
  readonly nextEnd: () => number | undefined
}

export const isTestClock = (clock: Clock.Clock): clock is TestClock.TestClock => "adjust" in clock

export const track = (clock: TestClock.TestClock): TrackedClock => {
  const ends = new Set<{ readonly end: number }>()
  return {
    clock: {
      ...clock,
      sleep: (duration) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            const sleep = { end: clock.currentTimeMillisUnsafe() + Duration.toMillis(duration) }
            ends.add(sleep)
            return sleep
          }),
          () => clock.sleep(duration),
          (sleep) => Effect.sync(() => ends.delete(sleep))
        )
    },
    nextEnd: () => {
      const next = Math.min(...Array.from(ends, ({ end }) => end))
      return Number.isFinite(next) ? next : undefined
    }
  }
}

/**
 * Turns of the event loop without a change after which a program counts as waiting. More than one, so that a promise, or
 * something that arrives from outside meanwhile, does not count.
 */
export const turns = 10

/** Lets all other fibers take as many turns. */
export const yieldTurns = Effect.repeat(Effect.yieldNow, { times: turns - 1 })

/** Waits a moment of real time, for something from outside the program. */
export const moment = (clock: TestClock.TestClock): Effect.Effect<void> => clock.withLive(Effect.sleep("1 milli"))

/** Runs an effect on a tracked clock. */
export const on = ({ clock }: TrackedClock) => Effect.provideService(Clock.Clock, clock)
