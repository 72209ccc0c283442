import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Waits before each batch, so that at most `perSecond` messages are handled per second; never without a limit. */
export const throttling = (
  clock: Clock.Clock,
  perSecond: number | undefined
): (messages: number) => Effect.Effect<void> => {
  if (perSecond === undefined) return () => Effect.void
  let due = clock.currentTimeMillisUnsafe()
  return (messages) =>
    Effect.suspend(() => {
      const now = clock.currentTimeMillisUnsafe()
      const wait = Math.max(0, due - now)
      due = Math.max(due, now) + messages * 1_000 / perSecond
      return Effect.sleep(wait)
    })
}
