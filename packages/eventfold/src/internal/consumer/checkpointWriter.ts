import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Activity } from "../processor/activity.ts"
import { finalWrite, type RetryOutages } from "../processor/outage.ts"
import type { Consumer } from "./definition.ts"
import type { Members, Urgency } from "./members.ts"

export interface Options {
  readonly activity: Activity
  readonly members: Members
  readonly persist: RetryOutages
}

/** After so many intervals without a message the rate has been sampled as 0, and nothing is left to write. */
const quietRounds = 20

/**
 * Writes the checkpoints of a consumer: when it starts, after every `checkpoint.every` messages, every `checkpoint.interval`,
 * and when the scope closes.
 */
export const make = Effect.fnUntraced(function*(
  { id, options: { checkpoint } }: Consumer<unknown, unknown>,
  { activity, members, persist }: Options
) {
  const { every = 1_000, interval = "1 second" } = checkpoint ?? {}
  const flush = (urgency: Urgency) => Effect.forEach(members.all, (member) => member.flush(urgency), { discard: true })
  const due = yield* Latch.make()
  const active = yield* Latch.make()
  let isAbandoned = false
  let sinceFlush = 0

  // `start: "end"` is resolved once: messages after that end must not be missed when the process dies now.
  yield* persist(flush("soon"))
  // Runs last, when no handler runs any longer.
  yield* Effect.addFinalizer(() => {
    const write = Effect.suspend(() => isAbandoned ? Effect.void : flush("at the end"))
    return finalWrite(write, id, "messages will be handled again")
  })

  return {
    /** Counts a message that is done. */
    done: () => {
      sinceFlush += 1
      active.openUnsafe()
      if (sinceFlush >= every) due.openUnsafe()
    },
    /** Leaves the positions to another process: the scope closes without writing them. */
    abandon: () => {
      isAbandoned = true
    },
    run: Effect.gen(function*() {
      let quiet = 0
      while (true) {
        // A program may have thousands of consumers that have nothing to do.
        if (quiet > quietRounds) yield* active.await
        yield* Effect.timeoutOption(due.await, interval)
        due.closeUnsafe()
        active.closeUnsafe()
        quiet = sinceFlush === 0 ? quiet + 1 : 0
        sinceFlush = 0
        activity.sample()
        yield* persist(flush("soon"))
      }
    })
  }
})
