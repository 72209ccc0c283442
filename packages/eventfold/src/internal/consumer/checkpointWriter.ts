import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Activity } from "../processor/activity.ts"
import { lastWrite } from "../processor/lastWrite.ts"
import type { Consumer } from "./definition.ts"
import type { Shares } from "./members.ts"

export interface Options {
  readonly activity: Activity
  readonly shares: Shares
  /** Goes on with an effect when the store is back. */
  readonly persist: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * Writes the positions of a consumer: at the beginning, after so many messages, every so often, and when the scope closes.
 */
export const make = Effect.fnUntraced(function*(
  { id, options: { checkpoint } }: Consumer<unknown, unknown>,
  { activity, persist, shares }: Options
) {
  const { every = 1_000, interval = "1 second" } = checkpoint ?? {}
  const flush = (when: "soon" | "at the end") =>
    Effect.forEach(shares.all, ({ flush }) => flush(when), { discard: true })
  const due = yield* Latch.make()
  let isMine = true
  let sinceFlush = 0

  // Where "the end" is, is decided once: what comes after it is not to be missed when the process dies now.
  yield* persist(flush("soon"))
  // The last thing that is done, when no handler runs any more.
  yield* Effect.addFinalizer(() => {
    activity.stopped()
    const write = Effect.suspend(() => isMine ? flush("at the end") : Effect.void)
    return lastWrite(write, id, "messages will be handled again")
  })

  return {
    /** One more message is done. */
    done: () => {
      sinceFlush += 1
      if (sinceFlush >= every) due.openUnsafe()
    },
    /** Leaves the positions to somebody else: the last ones are not written. */
    abandon: () => {
      isMine = false
    },
    run: Effect.gen(function*() {
      while (true) {
        yield* Effect.timeoutOption(due.await, interval)
        due.closeUnsafe()
        sinceFlush = 0
        activity.sample()
        yield* persist(flush("soon"))
      }
    })
  }
})
