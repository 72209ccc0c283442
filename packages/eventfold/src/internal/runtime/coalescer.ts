import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Runs an effect once for all fibers that ask for the same before it begins. */
export interface Coalescer<Key, A, E> {
  /**
   * Runs `before`, then `run`, and gives the result to all fibers that asked under the same key before `run` began. The first
   * fiber runs both. When it is interrupted, the next one runs its own.
   */
  readonly share: (key: Key, before: Effect.Effect<void>, run: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

export const make = <Key, A, E>(): Coalescer<Key, A, E> => {
  /** The results of runs that have not begun. */
  const coming = new Map<Key, Deferred.Deferred<A, E>>()

  const share: Coalescer<Key, A, E>["share"] = (key, before, run) =>
    Effect.suspend(() => {
      const found = coming.get(key)
      if (found !== undefined) {
        return Effect.flatMap(Effect.exit(Deferred.await(found)), (exit) =>
          Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? share(key, before, run) : exit)
      }
      const result = Deferred.makeUnsafe<A, E>()
      coming.set(key, result)
      const begin = Effect.sync(() =>
        coming.get(key) === result && coming.delete(key)
      )
      return Effect.andThen(before, Effect.andThen(begin, run)).pipe(
        Effect.onExit((exit) => Effect.andThen(begin, Deferred.done(result, exit)))
      )
    })

  return { share }
}
