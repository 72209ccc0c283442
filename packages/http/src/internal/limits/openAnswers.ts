import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Limits } from "../../Limits.ts"
import * as Problem from "../../Problem.ts"

const tooMany = (whose: string, limit: number) =>
  new Problem.TooManyRequests({ detail: `${whose} has ${limit} live answers open, which is the most allowed`, limit })

/** Counts one more live answer of a sender until the scope closes. Those of all routes count together. */
export class OpenAnswers extends Context.Service<
  OpenAnswers,
  (sender: string) => Effect.Effect<void, Problem.TooManyRequests, Scope.Scope>
>()("@eventfold/http/OpenAnswers") {}

/** Counts the live answers that are open, of each sender and in all. A sender without one needs no memory. */
const make = Effect.gen(function*() {
  const { openLive, openLiveInAll } = yield* Limits
  const counts = new Map<string, number>()
  let inAll = 0

  return OpenAnswers.of((sender) =>
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
  )
})

export const layer = Layer.effect(OpenAnswers, make)
