import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MessageStore } from "../../MessageStore.ts"
import { emptyPage, filtersOf, type Page, reader } from "../processor/logReader.ts"
import { sharedPause } from "../store/sharedReads.ts"
import type { ReadModel } from "./definition.ts"

/** What a definition says about the messages that it reads. */
export type Reads = Pick<ReadModel<unknown, unknown>, "categories" | "types" | "options">

/** The category that a read model reads; `undefined` when it reads several, or everything. */
const onlyCategory = ({ categories }: Reads): string | undefined => categories?.length === 1 ? categories[0] : undefined

/** Whether no message can reach a handler. */
export const readsNothing = (model: Reads): boolean => filtersOf(model) === undefined

/** Reads the next page from a global position on, inclusive. Readers that ask for the same page at once share it. */
export const readPage = Effect.fnUntraced(function*(model: Reads, from: number) {
  if (readsNothing(model)) return emptyPage(from)
  const { batchSize } = model.options
  return yield* reader(yield* MessageStore, onlyCategory(model), model, { batchSize })(from)
})

/**
 * Reads the next page in the fiber that asks for it, and so within its transaction: on a store of one session a shared read
 * would wait for that transaction to end. A reader of one category is never blocked by writes to others, so when there is
 * no more to read its page reaches to the end of the log.
 */
export const readAlone = Effect.fnUntraced(function*(model: Reads, from: number, limit: number) {
  const filters = filtersOf(model)
  if (filters === undefined) return { ...emptyPage(from), through: Number.MAX_SAFE_INTEGER }
  const store = yield* MessageStore
  const category = onlyCategory(model)
  if (category === undefined) {
    const page: Page = yield* store.readAllPage({ ...filters, from, limit })
    return page
  }
  const messages = yield* Stream.runCollect(store.readCategory(category, { types: model.types, from, limit }))
  const hasMore = messages.length === limit
  const through = hasMore ? messages.at(-1)?.globalPosition ?? from - 1 : Number.MAX_SAFE_INTEGER
  return { messages, through, hasMore, heldBack: Option.none() } satisfies Page
})

/** Waits for a wake-up from one of the categories, or for a number of milliseconds. */
export const waiting = Effect.fnUntraced(function*(model: Reads) {
  const store = yield* MessageStore
  const { categories } = model
  const wakeUps = yield* Effect.forEach(categories ?? [undefined], (category) => store.wakeUps(category))
  return (millis: number) =>
    Effect.raceAllFirst([
      ...wakeUps.map((wakeUp) => wakeUp.await),
      sharedPause(store, onlyCategory(model) ?? "", millis)
    ])
})
