import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/**
 * The success of an effect that has already succeeded; `undefined` for any other effect. Decoding by a schema that needs no
 * effects has: a loop over many messages need not run a fiber for each of them.
 */
export const knownSuccess = <A, E, R>(effect: Effect.Effect<A, E, R>): Exit.Success<A, E> | undefined => {
  if (!Exit.isExit(effect)) return undefined
  const exit = effect as Exit.Exit<A, E>
  return Exit.isSuccess(exit) ? exit : undefined
}

/**
 * Runs an effect for each item, in order, and calls `use` with each result. While the effects have already succeeded it is a
 * plain loop.
 */
export const forEach = <Item, A, E, R>(
  items: ReadonlyArray<Item>,
  run: (item: Item) => Effect.Effect<A, E, R>,
  use: (value: A, item: Item) => void
): Effect.Effect<void, E, R> =>
  Effect.suspend(() => {
    const rest = items.values()
    const loop = (): Effect.Effect<void, E, R> => {
      for (let next = rest.next(); next.done !== true; next = rest.next()) {
        const item = next.value
        const effect = run(item)
        const done = knownSuccess(effect)
        if (done === undefined) {
          return Effect.flatMap(effect, (value) => {
            use(value, item)
            return loop()
          })
        }
        use(done.value, item)
      }
      return Effect.void
    }
    return loop()
  })

/** Runs an effect for each item, in order, and collects the results that are some: a plain loop, as `forEach`. */
export const filterMap = <Item, A, E, R>(
  items: ReadonlyArray<Item>,
  run: (item: Item) => Effect.Effect<Option.Option<A>, E, R>
): Effect.Effect<Array<A>, E, R> =>
  Effect.suspend(() => {
    const found: Array<A> = []
    const keep = (value: Option.Option<A>) => {
      if (Option.isSome(value)) found.push(value.value)
    }
    return Effect.as(forEach(items, run, keep), found)
  })
