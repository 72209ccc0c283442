import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** Runs effects of one key one after the other, in the order in which they came. Keys that nothing runs for take no memory. */
export const make = () => {
  const turns = new Map<string, { readonly semaphore: Semaphore.Semaphore; waiting: number }>()
  return <A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const turn = turns.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), waiting: 0 }
      turns.set(key, turn)
      turn.waiting += 1
      return Effect.ensuring(
        turn.semaphore.withPermits(1)(effect),
        Effect.sync(() => {
          turn.waiting -= 1
          if (turn.waiting === 0) turns.delete(key)
        })
      )
    })
}
