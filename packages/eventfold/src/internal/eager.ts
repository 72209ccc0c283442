import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * The success of an effect that has already succeeded, as a schema's decoding has that needs no effects: a loop over
 * many messages need not run a fiber for each. `undefined` for any other effect.
 */
export const succeeded = <A, E, R>(effect: Effect.Effect<A, E, R>): Exit.Success<A, E> | undefined => {
  if (!Exit.isExit(effect)) return undefined
  const exit = effect as Exit.Exit<A, E>
  return Exit.isSuccess(exit) ? exit : undefined
}
