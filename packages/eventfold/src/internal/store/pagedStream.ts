import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { RecordedMessage } from "../../Message.ts"
import type { LastMessage, MessagePage } from "../../StoreBackend.ts"
import type { StoreError } from "../../StoreError.ts"

/** What has been read, at most the limit, and where the next page begins: `undefined` after the last. */
export interface Part<A, Cursor, E> {
  readonly length: number
  /** Run when the next page is on its way. */
  readonly slice: (start: number, end: number) => Effect.Effect<ReadonlyArray<A>, E>
  readonly next: Cursor | undefined
}

/** How to page through something ordered: where to begin, and how to read a page. */
export interface Pages<A, Cursor, E> {
  /** Not `undefined`, unless only the first page begins so. */
  readonly from: Cursor
  readonly read: (from: Cursor, limit: number) => Effect.Effect<Part<A, Cursor, E>, E>
}

/** For what ends with a short page: the next one begins behind the last message of a full one. */
export const nextAfter = <Cursor>(limit: number, next: (last: LastMessage) => Cursor | undefined) =>
({
  last,
  length,
  slice
}: MessagePage): Part<RecordedMessage, Cursor, StoreError> => ({
  length,
  slice,
  next: length < limit || last === undefined ? undefined : next(last)
})

/**
 * How many items of a page are decoded and given at once. What is decoded of a large page would survive the collections of
 * the garbage that decoding makes, and to move it from one to the next is a quarter of the work of reading.
 */
const sliceSize = 128

/**
 * A stream that reads page by page. While a page is decoded and consumed the next one is read, so at most two pages are
 * held besides what is in the consumer's hands.
 */
export const paged = <A, Cursor, E, EStart>(options: {
  readonly span: string
  readonly attributes: Record<string, unknown>
  readonly limit: number | undefined
  readonly batchSize: number
  readonly start: Effect.Effect<Pages<A, Cursor, E>, EStart>
}): Stream.Stream<A, E | EStart> =>
  Stream.fromChannel(Channel.fromTransform((_: unknown, scope: Scope.Scope) =>
    // `Stream.withSpan` would cost as much as the rest of reading a short stream.
    Effect.flatMap(
      Scope.provide(Effect.makeSpanScoped(options.span, { attributes: options.attributes }), scope),
      (span) => Effect.map(options.start, (pages) => pullFrom(pages, options, span, scope))
    )
  ))

const pullFrom = <A, Cursor, E>(
  pages: Pages<A, Cursor, E>,
  options: { readonly limit: number | undefined; readonly batchSize: number },
  span: Tracer.Span,
  scope: Scope.Scope
): Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> => {
  const read = (from: Cursor, remaining: number): Effect.Effect<Page<A, Cursor, E>, E> => {
    const limit = Math.min(options.batchSize, remaining)
    return Effect.flatMap(pages.read(from, limit), (part) => {
      const rest = remaining - part.length
      const next = rest > 0 ? part.next : undefined
      // A page without items that is not the last has nothing to be consumed.
      return part.length === 0 && next !== undefined ? read(next, rest) : Effect.succeed({ ...part, rest, next })
    })
  }
  const readInSpan = (from: Cursor, remaining: number) =>
    Effect.provideService(read(from, remaining), Tracer.ParentSpan, span)

  let coming: Effect.Effect<Page<A, Cursor, E>, E> | undefined = options.limit === 0
    ? undefined
    : readInSpan(pages.from, options.limit ?? Number.POSITIVE_INFINITY)
  /** The page that is being given, and how much of it has been. */
  let current: Page<A, Cursor, E> | undefined
  let given = 0

  const give = (page: Page<A, Cursor, E>): Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> => {
    const start = given
    given = Math.min(start + sliceSize, page.length)
    if (given === page.length) current = undefined
    return Effect.filterOrElse(page.slice(start, given), Arr.isReadonlyArrayNonEmpty, () => Cause.done())
  }

  const begin = (page: Page<A, Cursor, E>): Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> => {
    coming = undefined
    current = page
    given = 0
    if (page.next === undefined) return give(page)
    // Begun at once: to decode this page takes as long as the store takes for the next one.
    return Effect.flatMap(
      Effect.forkIn(readInSpan(page.next, page.rest), scope, { startImmediately: true }),
      (fiber) => {
        coming = Fiber.join(fiber)
        return give(page)
      }
    )
  }

  return Effect.suspend(() => {
    if (current !== undefined) return give(current)
    return coming === undefined ? Cause.done() : Effect.flatMap(coming, begin)
  })
}

interface Page<A, Cursor, E> extends Part<A, Cursor, E> {
  readonly rest: number
}
