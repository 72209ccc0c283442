import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { RecordedMessage } from "../../Message.ts"
import type { LastMessage, MessagePage } from "../../StoreBackend.ts"
import type { StoreError } from "../../StoreError.ts"
import { isTraced } from "./spans.ts"

/** Items that have been read together, and where the next page begins: `undefined` after the last one. */
export interface Page<A, Cursor, E> {
  readonly length: number
  /** Decodes a part of the items. It runs while the next page is being read. */
  readonly slice: (start: number, end: number) => Effect.Effect<ReadonlyArray<A>, E>
  readonly next: Cursor | undefined
}

/** Where to begin to read, and how to read a page of at most `limit` items from there. */
export interface PageReader<A, Cursor, E> {
  /** `undefined` only when the first page alone begins there. */
  readonly from: Cursor
  readonly read: (from: Cursor, limit: number) => Effect.Effect<Page<A, Cursor, E>, E>
}

/** A page of a backend that ends with a short one: a full one's next begins after its last message. */
export const fullPageContinues = <Cursor>(limit: number, after: (last: LastMessage) => Cursor | undefined) =>
({
  last,
  length,
  slice
}: MessagePage): Page<RecordedMessage, Cursor, StoreError> => ({
  length,
  slice,
  next: length < limit || last === undefined ? undefined : after(last)
})

/**
 * How many items of a page are decoded and given at once. Decoding makes garbage, and what is decoded of a large page would
 * survive its collections: to move it from one to the next is a quarter of the work of reading. A caller that holds a whole
 * page anyway has no use for slices, and reads it with `readCategoryPage` or `readAllPage`.
 */
const sliceSize = 128

interface Limits {
  readonly limit: number | undefined
  readonly batchSize: number
}

/** The span of a stream, which ends with its scope; none where nothing would see it. */
const spanOf = (
  { attributes, kind, span }: { readonly span: string } & Pick<Tracer.SpanOptionsNoTrace, "kind" | "attributes">,
  scope: Scope.Scope
): Effect.Effect<Tracer.Span | undefined> =>
  Effect.contextWith((context: Context.Context<never>) =>
    isTraced(context)
      ? Scope.provide(Effect.makeSpanScoped(span, { kind, attributes }), scope)
      : Effect.succeed(undefined)
  )

/**
 * A stream that reads page by page. While one page is decoded and consumed the next one is read, so the stream holds at most
 * two pages besides what its consumer holds.
 */
export const pagedStream = <A, Cursor, E, EStart>(
  options: Limits & {
    readonly span: string
    readonly kind: Tracer.SpanKind
    readonly attributes: Record<string, unknown>
    readonly start: Effect.Effect<PageReader<A, Cursor, E>, EStart>
  }
): Stream.Stream<A, E | EStart> =>
  Stream.fromChannel(Channel.fromTransform((_: unknown, scope: Scope.Scope) =>
    // `Stream.withSpan` would cost as much as the rest of reading a short stream.
    Effect.flatMap(
      spanOf(options, scope),
      (span) => Effect.map(options.start, (reader) => pull(reader, options, span, scope))
    )
  ))

/** A page, and how many more items the stream may give after it. */
interface LimitedPage<A, Cursor, E> extends Page<A, Cursor, E> {
  readonly remaining: number
}

/** Reads pages within the limits of a stream. */
const readWithin = <A, Cursor, E>(reader: PageReader<A, Cursor, E>, batchSize: number) => {
  const read = (from: Cursor, remaining: number): Effect.Effect<LimitedPage<A, Cursor, E>, E> =>
    Effect.flatMap(reader.read(from, Math.min(batchSize, remaining)), (page) => {
      const rest = remaining - page.length
      const next = rest > 0 ? page.next : undefined
      // An empty page that is not the last gives the consumer nothing.
      return page.length === 0 && next !== undefined
        ? read(next, rest)
        : Effect.succeed({ ...page, remaining: rest, next })
    })
  return read
}

const pull = <A, Cursor, E>(
  reader: PageReader<A, Cursor, E>,
  { batchSize, limit }: Limits,
  span: Tracer.Span | undefined,
  scope: Scope.Scope
): Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> => {
  const read = readWithin(reader, batchSize)
  const readInSpan = (from: Cursor, remaining: number) =>
    span === undefined ? read(from, remaining) : Effect.provideService(read(from, remaining), Tracer.ParentSpan, span)

  let coming: Effect.Effect<LimitedPage<A, Cursor, E>, E> | undefined = limit === 0
    ? undefined
    : readInSpan(reader.from, limit ?? Number.POSITIVE_INFINITY)
  /** The page that is being given, and how many of its items have been. */
  let current: LimitedPage<A, Cursor, E> | undefined
  let given = 0

  const give = (page: LimitedPage<A, Cursor, E>): Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> => {
    const start = given
    given = Math.min(start + sliceSize, page.length)
    if (given === page.length) current = undefined
    return Effect.filterOrElse(page.slice(start, given), Arr.isReadonlyArrayNonEmpty, () => Cause.done())
  }

  const begin = (page: LimitedPage<A, Cursor, E>): Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> => {
    coming = undefined
    current = page
    given = 0
    if (page.next === undefined) return give(page)
    // At once: to decode this page takes as long as the store takes to read the next one.
    return Effect.flatMap(
      Effect.forkIn(readInSpan(page.next, page.remaining), scope, { startImmediately: true }),
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
