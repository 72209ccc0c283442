import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/** How to page through something ordered: where to begin, how to read a page, where the next one begins. */
export interface Pages<A, Cursor, E> {
  readonly from: Cursor
  readonly read: (from: Cursor, limit: number) => Effect.Effect<ReadonlyArray<A>, E>
  readonly next: (last: A) => Option.Option<Cursor>
}

/**
 * A stream that reads page by page. While a page is consumed the next one is read, so at most two pages are held
 * besides the one in the consumer's hands. A short page is the last.
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
      return Effect.map(pages.read(from, limit), (items) => {
        const last = items.at(-1)
        const rest = remaining - items.length
        const next = items.length < limit || last === undefined || rest <= 0 ? Option.none() : pages.next(last)
        return { items, rest, next }
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
        if (Option.isNone(next)) return Effect.succeed(items)
        return Effect.map(Effect.forkIn(read(next.value, rest), scope), (fiber) => {
          coming = Fiber.join(fiber)
          return items
        })
      })
    })
    return Stream.fromPull(Effect.succeed(pull))
  })).pipe(Stream.withSpan(options.span, { attributes: options.attributes }))

interface Page<A, Cursor> {
  readonly items: ReadonlyArray<A>
  readonly rest: number
  readonly next: Option.Option<Cursor>
}
