import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Limits } from "../../Limits.ts"
import * as Problem from "../../Problem.ts"

const tooMany = (whose: string, limit: number) =>
  new Problem.TooManyRequests({ detail: `${whose} has ${limit} live answers open, which is the most allowed`, limit })

/** Counts the live answers that are open, of each sender and in all. A sender without one needs no memory. */
export const make = Effect.gen(function*() {
  const { openLive, openLiveInAll } = yield* Limits
  const counts = new Map<string, number>()
  let inAll = 0

  /** Counts one more until the scope closes. */
  return (sender: string): Effect.Effect<void, Problem.TooManyRequests, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const count = counts.get(sender) ?? 0
        if (count >= openLive) return Effect.fail(tooMany(sender, openLive))
        if (inAll >= openLiveInAll) return Effect.fail(tooMany("the server", openLiveInAll))
        counts.set(sender, count + 1)
        inAll++
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          const count = counts.get(sender) ?? 1
          if (count === 1) counts.delete(sender)
          else counts.set(sender, count - 1)
          inAll--
        })
    )
})
