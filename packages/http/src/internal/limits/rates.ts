import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Limits } from "../../Limits.ts"
import * as Problem from "../../Problem.ts"

/**
 * Counts the requests of each sender in the second that is running. It keeps no sender longer than that, so that it needs no memory
 * for senders that come once.
 */
export const make = Effect.gen(function*() {
  const { requestsPerSecond } = yield* Limits
  const tooMany = new Problem.TooManyRequests({
    detail: `there are more than ${requestsPerSecond} requests a second`,
    limit: requestsPerSecond
  })
  const counts = new Map<string, number>()
  let second = -1
  return (sender: string): Effect.Effect<void, Problem.TooManyRequests> =>
    Effect.flatMap(Clock.currentTimeMillis, (millis) => {
      const now = Math.floor(millis / 1_000)
      if (now !== second) {
        counts.clear()
        second = now
      }
      const count = (counts.get(sender) ?? 0) + 1
      counts.set(sender, count)
      return count > requestsPerSecond ? Effect.fail(tooMany) : Effect.void
    })
})
