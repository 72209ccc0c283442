/**
 * Watches the log for the readers of single categories that have caught up: one look for all of them, and not one read for each.
 *
 * A look finds the categories that have messages after the position up to which all was final at the look before. Whatever becomes visible
 * later is after that position, so the next look finds it. A reader that read after a look has ended has therefore missed nothing, as long
 * as no later look has found its category.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { LogNews, StoreBackend } from "../../StoreBackend.ts"

/** How long it takes from one look to the next, in milliseconds. A reader that wants to wait less reads for itself. */
export const interval = 5_000

/** With fewer readers than this at rest, their reads cost less than the looks. */
const minReaders = 8

/** A reader at rest. */
interface Resting {
  readonly category: string
  readonly latch: Latch.Latch
}

export interface NewsWatch {
  /** The number of looks that have ended. What a reader reads from now on has all that they found. */
  readonly looks: () => number
  /** Counts a reader that may come to rest, until the scope closes. */
  readonly register: Effect.Effect<void, never, Scope.Scope>
  /**
   * Whether a reader can rest that has read its category to the end since `looks` was that number: there are enough readers, and no look
   * has found the category since.
   */
  readonly canRest: (category: string, looks: number) => boolean
  /** Waits until a look has found the category, or has failed. */
  readonly rest: (category: string) => Effect.Effect<void>
}

/** Remembers which look has found a category. When there are too many, all count as found by the last look. */
const makeFound = () => {
  const maxCategories = 100_000
  const byCategory = new Map<string, number>()
  let all = 0
  return {
    add: (categories: LogNews["categories"], look: number) => {
      if (categories === undefined || byCategory.size + categories.length > maxCategories) {
        byCategory.clear()
        all = look
      } else {
        for (const category of categories) byCategory.set(category, look)
      }
    },
    last: (category: string) => Math.max(all, byCategory.get(category) ?? 0)
  }
}

/** The looks end with the current scope. */
export const make = Effect.fnUntraced(function*(
  { news }: Pick<StoreBackend, "news">
): Effect.fn.Return<NewsWatch | undefined, never, Scope.Scope> {
  if (news === undefined) return undefined
  const scope = yield* Effect.scope
  const found = makeFound()
  const resting = new Set<Resting>()
  let readers = 0
  let looks = 0
  let final: number | undefined
  let isLooking = false

  const wake = (isFound: (category: string) => boolean) => {
    for (const { category, latch } of resting) if (isFound(category)) latch.openUnsafe()
  }

  const lookOnce = Effect.suspend(() => {
    const after = final
    return Effect.matchCause(news(after ?? 0), {
      onSuccess: ({ categories, final: next }) => {
        looks += 1
        // The first look knows of no position before it.
        found.add(after === undefined ? undefined : categories, looks)
        final = next
        wake((category) => found.last(category) === looks)
      },
      // The reads of those that are woken fail as well, or find what there is.
      onFailure: () => wake(() => true)
    })
  })

  const run = Effect.whileLoop({
    while: () => {
      if (resting.size > 0) return true
      // To find nobody and to end is one step: who comes to rest in between would not be woken.
      isLooking = false
      return false
    },
    body: () => Effect.andThen(Effect.sleep(interval), lookOnce),
    step: () => {}
  })

  return {
    looks: () => looks,
    register: Effect.acquireRelease(
      Effect.sync(() => {
        readers += 1
      }),
      () =>
        Effect.sync(() => {
          readers -= 1
        })
    ),
    canRest: (category, since) => readers >= minReaders && found.last(category) <= since,
    rest: (category) =>
      Effect.uninterruptibleMask((restore) => {
        const one: Resting = { category, latch: Latch.makeUnsafe() }
        resting.add(one)
        const woken = Effect.ensuring(restore(one.latch.await), Effect.sync(() => resting.delete(one)))
        if (isLooking) return woken
        isLooking = true
        return Effect.andThen(Effect.forkIn(run, scope), woken)
      })
  }
})
