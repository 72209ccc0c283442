import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** How requests are read, by themselves and several at once. */
export interface Options<Request, A, E> {
  /** How many requests a group has at most. */
  readonly maxSize: number
  /** How many groups are read at the same time at most. */
  readonly maxGroups: number
  readonly read: (request: Request) => Effect.Effect<A, E>
  /** Reads for several requests. The results are in the order of the requests. */
  readonly readSeveral: (requests: ReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<A>, E>
}

/** A request that waits for its group, or for its result. */
interface Entry<Request, A, E> {
  readonly request: Request
  /** What its group has read. None when the caller is to read for itself. */
  readonly result: Deferred.Deferred<Option.Option<A>, E>
  /** Completes when the caller wants nothing more of its group. */
  readonly left: Deferred.Deferred<void>
}

/** Gives each caller of a group its result. Without one, the caller reads for itself. */
const tell = <Request, A, E>(group: ReadonlyArray<Entry<Request, A, E>>, results: ReadonlyArray<A>): void => {
  for (const [i, { result }] of group.entries()) {
    Deferred.doneUnsafe(
      result,
      i < results.length ? Exit.succeed(Option.some(results[i] as A)) : Exit.succeed(Option.none())
    )
  }
}

/**
 * Group reads: the requests that arrive while others are being read are read together. A request that finds nothing under way
 * is read at once, so that a caller on its own pays nothing for company that it does not have.
 *
 * A group is read after all of its callers have asked, so each of them sees what was committed before it asked.
 *
 * A group that fails says nothing about one request of it, so each of its callers reads for itself. A caller that is interrupted
 * leaves at once, and its group goes on. The groups are read in the current scope. When that has closed, callers read for
 * themselves.
 */
export const make = Effect.fnUntraced(function*<Request, A, E>(
  { maxGroups, maxSize, read, readSeveral }: Options<Request, A, E>
) {
  const scope = yield* Effect.scope
  const waiting: Array<Entry<Request, A, E>> = []
  /** How many callers are reading for themselves that found nothing under way. */
  let alone = 0
  /** How many fibers read groups. */
  let readers = 0

  const readAlone = (request: Request): Effect.Effect<A, E> => {
    alone += 1
    return Effect.onExit(read(request), () =>
      Effect.sync(() => {
        alone -= 1
      }))
  }

  const readGroup = (group: ReadonlyArray<Entry<Request, A, E>>): Effect.Effect<unknown> => {
    const [only] = group
    if (only !== undefined && group.length === 1) {
      // The caller has its own span and interruption. Its read counts as that of a group.
      tell(group, [])
      return Deferred.await(only.left)
    }
    const reading = Effect.suspend(() => readSeveral(group.map(({ request }) => request)))
    return Effect.exit(Effect.onExit(reading, (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) return tell(group, exit.value)
        if (!Cause.hasDies(exit.cause)) return tell(group, [])
        for (const { result } of group) Deferred.doneUnsafe(result, Exit.failCause(exit.cause))
      })))
  }

  const start = Effect.suspend(() => {
    let hasEnded = false
    const end = () => {
      if (!hasEnded) readers -= 1
      hasEnded = true
    }
    const groups = Effect.whileLoop({
      while: () => {
        // To find nothing and to end is one step: a request that arrived in between would wait for ever.
        if (waiting.length === 0) end()
        return !hasEnded
      },
      body: () => readGroup(waiting.splice(0, maxSize)),
      step: () => {}
    })
    readers += 1
    return Effect.map(Effect.forkIn(groups, scope), (fiber) => {
      // An observer and not a finalizer in the fiber: the scope may end, or have ended, before the fiber begins.
      fiber.addObserver((exit) => {
        end()
        if (Exit.isFailure(exit)) tell(waiting.splice(0), [])
      })
    })
  })

  const readInGroup = (request: Request): Effect.Effect<A, E> =>
    Effect.uninterruptibleMask((restore) => {
      const entry: Entry<Request, A, E> = { request, result: Deferred.makeUnsafe(), left: Deferred.makeUnsafe() }
      waiting.push(entry)
      const result = Effect.flatMap(
        Deferred.await(entry.result),
        (found) => Option.isSome(found) ? Effect.succeed(found.value) : read(request)
      )
      const waited = Effect.onExit(restore(result), () =>
        Effect.sync(() => {
          const i = waiting.indexOf(entry)
          if (i !== -1) waiting.splice(i, 1)
          Deferred.doneUnsafe(entry.left, Exit.void)
        }))
      return readers < maxGroups ? Effect.andThen(start, waited) : waited
    })

  return (request: Request): Effect.Effect<A, E> =>
    Effect.suspend(() => alone + readers === 0 ? readAlone(request) : readInGroup(request))
})
