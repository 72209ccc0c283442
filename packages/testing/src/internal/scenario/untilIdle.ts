import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { moment, type TrackedClock, turns } from "../clock/trackedClock.ts"
import type { Attempts } from "./attempts.ts"
import type { Progress } from "./progress.ts"

/** Consumers still work when they should have finished long ago. */
export class Restless extends Data.TaggedError("Restless")<{ readonly message: string }> {}

/** More attempts than this are taken for an endless loop. */
const mostAttempts = 5_000

/** How many pauses of handlers to wait for while they make no progress. */
const mostPauses = 500

/** How many moments to wait for something from outside the program. */
const mostMoments = 1_000

/**
 * Waits until consumers have handled all messages, and moves the clock to the end of the next pause whenever all that is
 * left to do waits for the clock.
 */
export const untilIdle = Effect.fnUntraced(function*<R>(
  look: Effect.Effect<Progress, never, R>,
  attempts: Attempts,
  tracked: TrackedClock
) {
  const restless = (why: string) => {
    const running = attempts.running()
    return new Restless({ message: running.length === 0 ? why : `${why}; still running: ${running.join(", ")}` })
  }
  /** Texts that differ as soon as a handler has started or ended, or a message is written or handled. */
  const lookAll = Effect.map(look, ({ done, left }): Progress => ({
    left,
    done: `${attempts.started()} ${attempts.ended()} ${done}`
  }))

  const attemptsBefore = attempts.started()
  // Turns without a change and without work left, turns without a change, pauses and moments that changed nothing.
  let [calm, idle, pauses, moments] = [0, 0, 0, 0]
  let before = yield* lookAll
  while (calm < turns) {
    yield* Effect.yieldNow
    const now = yield* lookAll
    const isSame = now.done === before.done
    if (now.left !== before.left) pauses = 0
    if (!isSame) moments = 0
    calm = isSame && now.left === "" ? calm + 1 : 0
    idle = isSame ? idle + 1 : 0
    before = now
    if (attempts.started() - attemptsBefore > mostAttempts) {
      return yield* restless(`handlers ran more than ${mostAttempts} times`)
    }
    if (now.left === "" || idle < turns) continue
    const next = tracked.nextEnd()
    if (next !== undefined) {
      if (++pauses > mostPauses) return yield* restless(`handlers made no progress in ${mostPauses} pauses`)
      yield* tracked.clock.setTime(next)
      idle = 0
    } else {
      if (++moments > mostMoments) return yield* restless("handlers wait for something that does not come")
      yield* moment(tracked.clock)
    }
  }
})
