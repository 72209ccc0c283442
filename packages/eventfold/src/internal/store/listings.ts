import * as Effect from "effect/Effect"
import type {
  CategoriesPage,
  ChangedOptions,
  ChangedStreams,
  ListingError,
  NamesPage,
  NewestMessage,
  Options,
  StreamsOptions,
  StreamsPage
} from "../../Listing.ts"
import type { StoreBackend } from "../../StoreBackend.ts"
import { InvalidArgument, Unsupported } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { textProblem } from "../runtime/storableJson.ts"
import { checkInt } from "./argumentChecks.ts"
import { readSpan } from "./measured.ts"

/** A page costs a few look-ups for each name, and its names are in memory. */
const defaultLimit = 100

/** The messages of one statement, without their content. */
const defaultWindow = 1_000

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

  const changedStreams = Effect.fn("MessageStore.changedStreams", readSpan(backend, "changedStreams"))(
    function*(
      name: string,
      { limit = defaultLimit, window = defaultWindow }: ChangedOptions = {}
    ): Effect.fn.Return<ChangedStreams, ListingError | StreamName.InvalidCategory> {
      yield* Effect.annotateCurrentSpan("messaging.destination.name", name)
      const category = yield* StreamName.parseCategory(name)
      yield* checkInt("limit", limit, 1)
      yield* checkInt("window", window, 1)
      if (listing === undefined) return yield* unsupported("listing streams by their last change")
      // One more tells whether there are older messages.
      const newest = yield* listing.newest(category, window + 1)
      const last = new Map<string, NewestMessage>()
      // The first one of a stream is its last message.
      for (const one of newest.slice(0, window)) {
        if (!last.has(one.place.streamName)) last.set(one.place.streamName, one)
      }
      const found = [...last.values()].filter(({ isEnd }) => !isEnd)
      return {
        streams: found.slice(0, limit).map(({ place }) => ({
          streamName: place.streamName,
          version: place.position,
          last: place
        })),
        isComplete: newest.length <= window && found.length <= limit
      }
    }
  )

  return { categories, streams, changedStreams }
}
