import * as Effect from "effect/Effect"
import { defaultBatchSize, MessageStore } from "../../MessageStore.ts"
import type { ReadPageResult } from "../../StoreBackend.ts"
import * as LogReader from "../processor/logReader.ts"
import { ofReadModel } from "../processor/subject.ts"
import type { ReadModel } from "./definition.ts"

/** What a definition says about the messages that it reads. */
export type Reads = Pick<
  ReadModel<unknown, unknown>,
  "name" | "sources" | "categories" | "types" | "atOnce" | "options"
>

/**
 * How many messages a page has at most: as many transactions' worth as make about a usual page. The rest of a page that is no
 * multiple of what a transaction handles would be a transaction of its own.
 */
export const pageSize = ({ atOnce, options: { batchSize } }: Pick<Reads, "atOnce" | "options">): number =>
  batchSize ?? atOnce * Math.max(1, Math.floor(defaultBatchSize / atOnce))

/** The category that a read model reads; `undefined` when it reads several, or everything. */
const onlyCategory = ({ categories }: Reads): string | undefined => categories?.length === 1 ? categories[0] : undefined

/** Whether no message can reach a handler. */
export const readsNothing = (model: Reads): boolean => LogReader.filtersOf(model) === undefined

/** What a read model reads of the log: nothing when its handlers name no type at all. */
const readerOptions = (model: Reads): LogReader.Options => ({
  category: readsNothing(model) ? undefined : onlyCategory(model),
  selection: { categories: model.categories, types: model.types, bookkeeping: true },
  batchSize: pageSize(model)
})

export const makeReader = (model: Reads) => LogReader.make(ofReadModel(model), readerOptions(model))

/** A reader that hears of writes until the scope closes. */
export const makeFollowingReader = (model: Reads) => LogReader.follow(ofReadModel(model), readerOptions(model))

/**
 * Reads a page for the transaction that its caller may be in. A reader of one category is never held back by writes to others,
 * so when there is no more to read its page reaches to the end of the log.
 */
export const readAlone = Effect.fnUntraced(function*(model: Reads, from: number, limit: number) {
  const filters = LogReader.filtersOf(model)
  if (filters === undefined) return { ...LogReader.emptyPage(from), through: Number.MAX_SAFE_INTEGER }
  const store = yield* MessageStore
  const category = onlyCategory(model)
  if (category === undefined) return yield* store.readAllPage({ ...filters, from, limit })
  const page = yield* store.readCategoryPage(category, { types: model.types, from, limit })
  const result: ReadPageResult = page.hasMore ? page : { ...page, through: Number.MAX_SAFE_INTEGER }
  return result
})
