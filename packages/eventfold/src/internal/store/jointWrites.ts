/**
 * Writes of several appends, all or none, that wait for one another because they are of one category: those that come while one is under way
 * are written together, in one transaction. So many small rounds of transactions cost as little as one large one.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { AppendResult, EncodedAppend } from "../../StoreBackend.ts"
import * as StreamName from "../../StreamName.ts"
import { sizeOf } from "./encodeAppend.ts"

/** Writes appends, all or none. */
export type Write<E> = (
  appends: ReadonlyArray<EncodedAppend>
) => Effect.Effect<ReadonlyArray<AppendResult>, E>

/** A write that waits for the one that is under way. */
interface Waiting<E> {
  readonly appends: ReadonlyArray<EncodedAppend>
  readonly result: Deferred.Deferred<ReadonlyArray<AppendResult>, E>
  readonly context: Context.Context<never>
}

/** A joint write is of this size at most, and always has what waits first. */
const maxSize = 2_000

const takeGroup = <E>(waiting: Array<Waiting<E>>): ReadonlyArray<Waiting<E>> => {
  let size = 0
  const end = waiting.findIndex(({ appends }, index) => {
    size = appends.reduce((sum, append) => sum + sizeOf(append), size)
    return index > 0 && size > maxSize
  })
  return waiting.splice(0, end === -1 ? waiting.length : end)
}

/**
 * Gives a write that joins those of its category. When the joint one is refused, each is written by itself, so that one's refusal touches
 * no other. `isShared` tells which errors are the answer to all of them: after a failure of the store nothing is gained by asking again.
 */
export const make = <E>(write: Write<E>, isShared: (error: E) => boolean): Write<E> => {
  /** What waits, by the categories of which a write is under way. */
  const lanes = new Map<string, Array<Waiting<E>>>()

  const writeGroup = (group: ReadonlyArray<Waiting<E>>): Effect.Effect<unknown> => {
    const singly = Effect.forEach(group, ({ appends, result }) => Deferred.into(write(appends), result), {
      discard: true
    })
    if (group.length === 1) return singly
    return Effect.flatMap(
      Effect.exit(write(group.flatMap(({ appends }) => appends))),
      (exit): Effect.Effect<unknown> => {
        if (Option.exists(Exit.findErrorOption(exit), (error) => !isShared(error))) return singly
        let end = 0
        return Effect.forEach(group, ({ appends, result }) => {
          const begin = end
          end += appends.length
          return Deferred.done(result, Exit.map(exit, (results) => results.slice(begin, begin + appends.length)))
        }, { discard: true })
      }
    )
  }

  /** Writes what has come meanwhile. To find nothing and to leave is one step: a write that came in between would wait for ever. */
  const next = (category: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const group = takeGroup(lanes.get(category) ?? [])
      const [first] = group
      if (first !== undefined) {
        // Not in the context of the write before it, whose trace may have ended.
        const written: Effect.Effect<unknown> = Effect.updateContext(writeGroup(group), () => first.context)
        return Effect.asVoid(Effect.forkDetach(Effect.ensuring(written, next(category))))
      }
      lanes.delete(category)
      return Effect.void
    })

  return (appends) =>
    Effect.withFiber(({ context }) => {
      const category = StreamName.category(appends[0]?.streamName ?? "")
      const waiting = lanes.get(category)
      if (waiting === undefined) {
        lanes.set(category, [])
        return Effect.ensuring(write(appends), next(category))
      }
      const one: Waiting<E> = { appends, result: Deferred.makeUnsafe(), context }
      waiting.push(one)
      return Deferred.await(one.result)
    })
}
