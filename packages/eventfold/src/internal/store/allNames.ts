import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ListingError } from "../../Listing.ts"
import type { MessageStore } from "../../MessageStore.ts"
import type { StoreError, Unsupported } from "../../StoreError.ts"
import type { InvalidCategory } from "../../StreamName.ts"

type Store = Pick<MessageStore["Service"], "categories" | "streams">

/** The names of all pages. Names and limits are the library's own, so they are right. */
const allPages = (
  read: (after: string | undefined) => Effect.Effect<
    readonly [ReadonlyArray<string>, Option.Option<string>],
    ListingError | InvalidCategory
  >
): Stream.Stream<string, StoreError | Unsupported> => {
  return Stream.paginate<string | undefined, string, StoreError | Unsupported>(
    undefined,
    (after) => Effect.catchTag(read(after), ["InvalidArgument", "InvalidCategory"], (error) => Effect.die(error))
  )
}

/** The names of all categories, read by page. */
export const categoryNames = (store: Store) =>
  allPages((after) =>
    Effect.map(
      store.categories({ after }),
      ({ categories, next }) => [categories.map(({ category }) => category), next] as const
    )
  )

/** The names of all streams of a category, read by page. */
export const streamNames = (store: Store, category: string) =>
  allPages((after) =>
    Effect.map(
      store.streams({ category, after }),
      ({ next, streams }) => [streams.map(({ streamName }) => streamName), next] as const
    )
  )
