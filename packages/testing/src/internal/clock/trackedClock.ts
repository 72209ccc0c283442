import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as TestClock from "effect/testing/TestClock"

/** A test clock that knows who sleeps on it. */
export interface TrackedClock {
  /** For those whose sleeps are to be known. */
  readonly clock: TestClock.TestClock
  /** When the first of their sleeps ends; undefined when nobody sleeps, or for ever only. */
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
 * How often others get their turn before it is taken that they wait. A turn is one of the event loop, too, so that what is
 * done by promises, or comes in from outside meanwhile, is not taken for waiting.
 */
export const turns = 10

/** Gives others their turns. */
export const yieldTurns = Effect.repeat(Effect.yieldNow, { times: turns - 1 })

/** Waits a moment of real time: for what comes from outside. */
export const moment = (clock: TestClock.TestClock): Effect.Effect<void> => clock.withLive(Effect.sleep("1 milli"))

/** Runs an effect on a tracked clock. */
export const on = ({ clock }: TrackedClock) => Effect.provideService(Clock.Clock, clock)
