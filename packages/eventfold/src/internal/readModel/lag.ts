import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Lag } from "../../ConsumerStatus.ts"
import { MessageStore } from "../../MessageStore.ts"
import { awaitAny, emptyPage, filtersOf, type Page, reader } from "../processor/logReader.ts"
import type { ReadModel } from "./definition.ts"

type Any = Pick<ReadModel<unknown, unknown>, "name" | "categories" | "types" | "options">

/** The one category that it reads, if it is one. */
const onlyCategory = ({ categories }: Any): string | undefined => categories?.length === 1 ? categories[0] : undefined

/** Whether it reads anything. */
const isEmpty = (model: Any): boolean => filtersOf(model) === undefined

/** The next page from a global position on, inclusive. */
export const readPage = Effect.fnUntraced(function*(model: Any, from: number) {
  if (isEmpty(model)) return emptyPage(from)
  const { batchSize } = model.options
  return yield* reader(yield* MessageStore, onlyCategory(model), model, { batchSize })(from)
})

/**
 * The next messages that are to be handled, read by the fiber that asks for them, in the transaction that it may be in. One
 * category is not held back by what is written to others.
 */
export const readAlone = Effect.fnUntraced(function*(model: Any, from: number, limit: number) {
  const filters = filtersOf(model)
  if (filters === undefined) return { ...emptyPage(from), through: Number.MAX_SAFE_INTEGER }
  const store = yield* MessageStore
  const category = onlyCategory(model)
  if (category === undefined) {
    const page: Page = yield* store.readAllPage({ ...filters, from, limit })
    return page
  }
  const page = yield* store.readCategoryPage(category, { types: model.types, from, limit })
  return page.hasMore ? page : { ...page, through: Number.MAX_SAFE_INTEGER }
})

/** The first message after a position that the read model has to handle, and how far that is certain. */
const nextAfter = Effect.fnUntraced(function*(model: Any, position: number, upTo: number) {
  let from = position + 1
  while (true) {
    const { hasMore, messages, through } = yield* readAlone(model, from, 1)
    const [first] = messages
    if (first !== undefined || !hasMore || through >= upTo) return { first, through }
    from = through + 1
  }
})

/** Whether there is nothing to be handled any more up to a global position, after one up to which all is. */
export const isHandled = Effect.fnUntraced(function*(model: Any, position: number, globalPosition: number) {
  if (position >= globalPosition) return true
  const { first, through } = yield* nextAfter(model, position, globalPosition)
  return first === undefined ? through >= globalPosition : first.globalPosition > globalPosition
})

/** How many messages there are to be handled from a global position on, inclusive. */
const countFrom = Effect.fnUntraced(function*(model: Any, from: number) {
  if (isEmpty(model)) return 0
  const store = yield* MessageStore
  const { categories, types } = model
  // Of a category the index knows them; it does not of several together.
  const counts = categories === undefined
    ? [yield* store.countAll({ from, types })]
    : yield* Effect.forEach(categories, (category) => store.countCategory(category, { from, types }))
  return counts.reduce((sum, count) => sum + count, 0)
})

/** How many there are from one global position to another, both inclusive. */
export const countBetween = Effect.fnUntraced(function*(model: Any, from: number, to: number) {
  return to < from ? 0 : Math.max(0, (yield* countFrom(model, from)) - (yield* countFrom(model, to + 1)))
})

/** What is not handled yet, after a position up to which all is. */
export const lagAfter = Effect.fnUntraced(function*(model: Any, position: number) {
  const store = yield* MessageStore
  const now = yield* Clock.currentTimeMillis
  const { first } = yield* nextAfter(model, position, yield* store.lastPosition)
  const lag: Lag = first === undefined
    ? { messages: 0, age: Duration.zero }
    : {
      messages: yield* countFrom(model, first.globalPosition),
      age: Duration.millis(Math.max(0, now - first.time.epochMilliseconds))
    }
  return lag
})

/** Waits for what is new: for a wake-up, or so long. */
export const waiting = Effect.fnUntraced(function*(model: Any) {
  const store = yield* MessageStore
  const { categories } = model
  const wakeUps = yield* Effect.forEach(categories ?? [undefined], (category) => store.wakeUps(category))
  return (millis: number) => awaitAny(wakeUps, millis)
})
