import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/** What has been read, at most the limit, and where the next page begins: `undefined` after the last. */
export interface Part<A, Cursor> {
  readonly items: ReadonlyArray<A>
  readonly next: Cursor | undefined
}

/** How to page through something ordered: where to begin, and how to read a page. */
export interface Pages<A, Cursor, E> {
  /** Not `undefined`, unless only the first page begins so. */
  readonly from: Cursor
  readonly read: (from: Cursor, limit: number) => Effect.Effect<Part<A, Cursor>, E>
}

/** For what ends with a short page: the next one begins behind the last item of a full one. */
export const nextAfter = <A, Cursor>(limit: number, next: (last: A) => Cursor | undefined) =>
(
  items: ReadonlyArray<A>
): Part<A, Cursor> => {
  const last = items.at(-1)
  return { items, next: items.length < limit || last === undefined ? undefined : next(last) }
}

/**
 * A stream that reads page by page. While a page is consumed the next one is read, so at most two pages are held
 * besides the one in the consumer's hands.
 */
export const paged = <A, Cursor, E, EStart>(options: {
  readonly span: string
  readonly attributes: Record<string, unknown>
  readonly limit: number | undefined
  readonly batchSize: number
  readonly start: Effect.Effect<Pages<A, Cursor, E>, EStart>
}): Stream.Stream<A, E | EStart> =>
  Stream.unwrap(Effect.gen(function*() {
    const scope = yield* Effect.scope
    const pages = yield* options.start

    const read = (from: Cursor, remaining: number): Effect.Effect<Page<A, Cursor>, E> => {
      const limit = Math.min(options.batchSize, remaining)
      return Effect.flatMap(pages.read(from, limit), ({ items, next }) => {
        const rest = remaining - items.length
        const following = rest > 0 ? next : undefined
        // A page without items that is not the last has nothing to be consumed.
        return items.length === 0 && following !== undefined
          ? read(following, rest)
          : Effect.succeed({ items, rest, next: following })
      })
    }

    let coming: Effect.Effect<Page<A, Cursor>, E> | undefined = options.limit === 0
      ? undefined
      : read(pages.from, options.limit ?? Number.POSITIVE_INFINITY)

    const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> = Effect.suspend(() => {
      if (coming === undefined) return Cause.done()
      return Effect.flatMap(coming, ({ items, next, rest }) => {
        coming = undefined
        if (!Arr.isReadonlyArrayNonEmpty(items)) return Cause.done()
        if (next === undefined) return Effect.succeed(items)
        return Effect.map(Effect.forkIn(read(next, rest), scope), (fiber) => {
          coming = Fiber.join(fiber)
          return items
        })
      })
    })
    return Stream.fromPull(Effect.succeed(pull))
  })).pipe(Stream.withSpan(options.span, { attributes: options.attributes }))

interface Page<A, Cursor> extends Part<A, Cursor> {
  readonly rest: number
}
