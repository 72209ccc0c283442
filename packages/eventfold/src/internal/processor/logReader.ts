import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { HeldBack } from "../../HeldBack.ts"
import { defaultBatchSize, MessageStore, type ReadAllError, type WakeUps } from "../../MessageStore.ts"
import type { ConsumerGroup, ReadPageResult } from "../../StoreBackend.ts"
import type { InvalidCategory } from "../../StreamName.ts"
import * as InProcess from "../store/inProcess.ts"
import * as NewsWatch from "../store/newsWatch.ts"
import * as HeldBackWarning from "./heldBackWarning.ts"
import type { Selection } from "./sources.ts"
import type { Subject } from "./subject.ts"

/** What a reader reads. */
export interface Options {
  /** The only category; `undefined`: the selection, by global position. */
  readonly category: string | undefined
  readonly selection: Selection
  readonly batchSize?: number | undefined
  /** Selects messages of a single category in the store. */
  readonly correlation?: string | undefined
  /** Selects messages of a single category in the store. */
  readonly consumerGroup?: ConsumerGroup | undefined
}

/** Reads the log for a consumer or read model page by page. */
export interface LogReader {
  /**
   * Reads the page from a global position on, inclusive. A page of a single category holds messages of all types, because so
   * all processors that read the category share it; those of several categories are filtered by the store.
   */
  readonly read: (from: number) => Effect.Effect<ReadPageResult, ReadAllError>
  /** What holds back the reader, by the last page. */
  readonly heldBack: () => Option.Option<HeldBack>
}

/** A reader that also waits for news. */
export interface FollowingReader extends LogReader {
  /** Waits for a wake-up, or for this many milliseconds. */
  readonly wait: (millis: number) => Effect.Effect<void>
}

export const emptyPage = (from: number): ReadPageResult => ({
  messages: [],
  through: from - 1,
  hasMore: false,
  heldBack: Option.none()
})

/** The filters of a selection for reading all of the store; none when the selection is empty. */
export const filtersOf = ({ categories, types }: Pick<Selection, "categories" | "types">) =>
  categories?.length === 0 || types?.length === 0 ? undefined : { categories, types }

/** Only the first subscription polls: its pause is then shared with the other readers of that subscription. */
const awaitAny = ([first, ...others]: ReadonlyArray<WakeUps>, millis: number): Effect.Effect<void> => {
  const polling = first === undefined ? Effect.sleep(millis) : Effect.asVoid(first.awaitAtMost(millis))
  return others.length === 0 ? polling : Effect.raceAllFirst([polling, ...others.map((wakeUps) => wakeUps.await)])
}

export const make = Effect.fnUntraced(function*(
  subject: Subject,
  { batchSize = defaultBatchSize, category, consumerGroup, correlation, selection }: Options
): Effect.fn.Return<LogReader, never, MessageStore> {
  const store = yield* MessageStore
  const warning = HeldBackWarning.make(subject)
  const filters = filtersOf(selection)

  const read = (from: number): Effect.Effect<ReadPageResult, ReadAllError> => {
    if (category !== undefined) {
      return store.readCategoryPage(category, { from, limit: batchSize, correlation, consumerGroup })
    }
    return filters === undefined
      ? Effect.succeed(emptyPage(from))
      : Effect.tap(
        store.readAllPage({ ...filters, from, limit: batchSize }),
        ({ heldBack }) => warning.observe(heldBack)
      )
  }
  return { read, heldBack: warning.current }
})

/**
 * Waits for a wake-up, or for this many milliseconds. A reader of one category that has read to its end, and would wait as long as the
 * looks for all readers are apart, leaves it to those to find something new.
 */
const waiting = (
  watch: NewsWatch.NewsWatch,
  category: string,
  wakeUps: ReadonlyArray<WakeUps>,
  looksBefore: () => number
) =>
(millis: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const [own] = wakeUps
    return own === undefined || millis < NewsWatch.interval || !watch.canRest(category, looksBefore())
      ? awaitAny(wakeUps, millis)
      : Effect.raceFirst(own.await, watch.rest(category))
  })

/** Makes a reader that hears of writes from now on until the scope closes. */
export const follow = Effect.fnUntraced(function*(
  subject: Subject,
  options: Options
): Effect.fn.Return<FollowingReader, InvalidCategory, MessageStore | Scope.Scope> {
  const { category, selection } = options
  const store = yield* MessageStore
  const wakeUps = yield* Effect.forEach(
    category === undefined ? selection.categories ?? [undefined] : [category],
    (category) => store.wakeUps(category, selection)
  )
  const reader = yield* make(subject, options)
  const { newsWatch } = store[InProcess.TypeId]
  if (category === undefined || newsWatch === undefined) {
    return { ...reader, wait: (millis) => awaitAny(wakeUps, millis) }
  }
  yield* newsWatch.register
  // Nothing is known before the first read.
  let looksBefore = -1
  return {
    ...reader,
    read: (from) =>
      Effect.suspend(() => {
        const looks = newsWatch.looks()
        return Effect.tap(reader.read(from), () => {
          looksBefore = looks
          return Effect.void
        })
      }),
    wait: waiting(newsWatch, category, wakeUps, () => looksBefore)
  }
})
