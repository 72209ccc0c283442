import * as Effect from "effect/Effect"
import type { CategoriesPage, ListingError, NamesPage, Options, StreamsOptions, StreamsPage } from "../../Listing.ts"
import type { StoreBackend } from "../../StoreBackend.ts"
import { InvalidArgument, Unsupported } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { textProblem } from "../runtime/storableJson.ts"
import { checkInt } from "./argumentChecks.ts"
import { readSpan } from "./measured.ts"

/** A page costs a few look-ups for each name, and its names are in memory. */
const defaultLimit = 100

const checkText = (argument: string, text: string | undefined): Effect.Effect<void, InvalidArgument> => {
  const problem = text === undefined ? undefined : textProblem(text)
  return problem === undefined ? Effect.void : Effect.fail(
    new InvalidArgument({
      argument,
      value: JSON.stringify(text),
      expected: `a part of a name that a store can keep: it ${problem}`
    })
  )
}

const namesPage = Effect.fnUntraced(function*({ after, limit = defaultLimit, prefix = "" }: Options) {
  yield* checkText("prefix", prefix)
  yield* checkText("after", after)
  yield* checkInt("limit", limit, 1)
  const page: NamesPage = { after, limit, prefix }
  return page
})

const unsupported = (operation: string) =>
  Effect.fail(
    new Unsupported({
      operation,
      remedy: "give the store's backend the member `listing`, or read the names from the messages with readAll"
    })
  )

/** The operations that list what the store has. */
export const makeListings = (backend: Pick<StoreBackend, "systemName" | "listing">) => {
  const { listing } = backend

  const categories = Effect.fn("MessageStore.categories", readSpan(backend, "categories"))(
    function*(
      options: Options = {}
    ): Effect.fn.Return<CategoriesPage, ListingError> {
      const page = yield* namesPage(options)
      return yield* listing === undefined ? unsupported("listing categories") : listing.categories(page)
    }
  )

  const streams = Effect.fn("MessageStore.streams", readSpan(backend, "streams"))(
    function*(
      { category: name, ...options }: StreamsOptions = {}
    ): Effect.fn.Return<StreamsPage, ListingError | StreamName.InvalidCategory> {
      if (name !== undefined) yield* Effect.annotateCurrentSpan("messaging.destination.name", name)
      const category = name === undefined ? undefined : yield* StreamName.parseCategory(name)
      const page = yield* namesPage(options)
      return yield* listing === undefined ? unsupported("listing streams") : listing.streams({ ...page, category })
    }
  )

  return { categories, streams }
}
