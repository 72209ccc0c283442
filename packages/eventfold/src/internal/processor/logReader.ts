import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HeldBack } from "../../HeldBack.ts"
import type { RecordedMessage } from "../../Message.ts"
import {
  defaultBatchSize,
  MessageStore,
  type ReadAllError,
  type ReadCategoryError,
  type WakeUps
} from "../../MessageStore.ts"
import type { ConsumerGroup } from "../../StoreBackend.ts"
import type { Selection } from "./sources.ts"

/** A part of what is read. */
export interface Page {
  readonly messages: ReadonlyArray<RecordedMessage>
  /** The global position up to which nothing else is to come, inclusive. */
  readonly through: number
  /** Whether there is more to be read at once. */
  readonly hasMore: boolean
  /** Who keeps it from going on. */
  readonly heldBack: Option.Option<HeldBack>
}

export interface Options {
  readonly batchSize?: number | undefined
  /** Of one category only. */
  readonly correlation?: string | undefined
  /** Of one category only. */
  readonly consumerGroup?: ConsumerGroup | undefined
}

export const emptyPage = (from: number): Page => ({
  messages: [],
  through: from - 1,
  hasMore: false,
  heldBack: Option.none()
})

/** What of a selection the store is asked for when it is asked for everything. */
type Filters = Pick<Selection, "categories" | "types">

/** What sources ask of the store when they ask for everything; none when they want nothing. */
export const filtersOf = ({ categories, types }: Filters) =>
  categories?.length === 0 || types?.length === 0 ? undefined : { categories, types }

/**
 * Reads the page from a global position on, inclusive; once for all of this process who want it at the moment. Of a category
 * they are the same messages for all who read it, so those of types that nobody wants are among them.
 */
export const reader = (
  store: MessageStore["Service"],
  category: string | undefined,
  selection: Filters,
  { batchSize = defaultBatchSize, consumerGroup, correlation }: Options
): (from: number) => Effect.Effect<Page, ReadAllError | ReadCategoryError> => {
  if (category !== undefined) {
    return (from) => store.readCategoryPage(category, { correlation, consumerGroup, from, limit: batchSize })
  }
  const filters = filtersOf(selection)
  return filters === undefined
    ? (from) => Effect.succeed(emptyPage(from))
    : (from) => store.readAllPage({ ...filters, from, limit: batchSize })
}

/** Waits for a wake-up of one of the subscriptions, at most so many milliseconds. */
export const awaitAny = ([first, ...others]: ReadonlyArray<WakeUps>, millis: number): Effect.Effect<void> => {
  const pause = first === undefined ? Effect.sleep(millis) : Effect.asVoid(first.awaitAtMost(millis))
  return others.length === 0 ? pause : Effect.raceAllFirst([pause, ...others.map((wakeUps) => wakeUps.await)])
}

/** Reads one category, or several by global position, and waits for what is new. It hears of that from when it is made. */
export const make = Effect.fnUntraced(function*(
  category: string | undefined,
  selection: Selection,
  options: Options
) {
  const store = yield* MessageStore
  const wakeUps = yield* Effect.forEach(
    category === undefined ? selection.categories ?? [undefined] : [category],
    (category) => store.wakeUps(category, selection)
  )

  return {
    read: reader(store, category, selection, options),
    /** Waits for a wake-up, or so many milliseconds. */
    wait: (millis: number): Effect.Effect<void> => awaitAny(wakeUps, millis)
  }
})
