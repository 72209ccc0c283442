/**
 * The lists of several logs as one, by name.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ListingBackend, NamesPage } from "eventfold/Listing"
import type { StoreBackend } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"

interface Log {
  readonly backend: StoreBackend
}

interface Page<A> {
  readonly found: ReadonlyArray<A>
  /** The last name that was looked at, when there may be more. */
  readonly next: Option.Option<string>
}

/** Names are sorted by the bytes of UTF-8. */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** What the pages have in common: up to where each has looked. */
const merge = <A>(pages: ReadonlyArray<Page<A>>, nameOf: (one: A) => string, { limit }: NamesPage): Page<A> => {
  const ends = pages.flatMap(({ next }) => Option.toArray(next)).toSorted(byBytes)
  const [end] = ends
  const found = pages.flatMap((page) => page.found).filter((one) => end === undefined || byBytes(nameOf(one), end) <= 0)
    .toSorted((a, b) => byBytes(nameOf(a), nameOf(b)))
  const last = found[limit - 1]
  return found.length > limit && last !== undefined
    ? { found: found.slice(0, limit), next: Option.some(nameOf(last)) }
    : { found, next: Option.fromUndefinedOr(end) }
}

/** Lists of all logs; `undefined` when one of them has none. */
export const mergeListings = (
  logs: ReadonlyArray<Log>,
  find: (category: string) => Log | StoreError
): ListingBackend | undefined => {
  const all = logs.flatMap(({ backend: { listing } }) => listing === undefined ? [] : [listing])
  if (all.length < logs.length) return undefined
  const of = (category: string): Effect.Effect<ListingBackend, StoreError> => {
    const log = find(category)
    if (!("backend" in log)) return Effect.fail(log)
    return log.backend.listing === undefined
      ? Effect.die(new Error("a log without lists has none"))
      : Effect.succeed(log.backend.listing)
  }
  return {
    categories: (page) =>
      Effect.map(
        Effect.forEach(all, (listing) =>
          Effect.map(listing.categories(page), ({ categories, next }) => ({ found: categories, next }))),
        (pages) => {
          const { found, next } = merge(pages, ({ category }) =>
            category, page)
          return { categories: found, next }
        }
      ),
    newest: (category, limit) => Effect.flatMap(of(category), (listing) => listing.newest(category, limit)),
    streams: (page) =>
      page.category === undefined
        ? Effect.map(
          Effect.forEach(all, (listing) =>
            Effect.map(listing.streams(page), ({ next, streams }) => ({ found: streams, next }))),
          (pages) => {
            const { found, next } = merge(pages, ({ streamName }) =>
              streamName, page)
            return { streams: found, next }
          }
        )
        : Effect.flatMap(of(page.category), (listing) => listing.streams(page))
  }
}
