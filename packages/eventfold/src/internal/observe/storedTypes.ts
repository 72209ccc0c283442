import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Category from "../../Category.ts"
import { isDeleted, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import { handledType } from "../category/messageCodec.ts"
import { checkInt } from "../store/argumentChecks.ts"
import { decoded } from "./decodedMessages.ts"
import type { Misfit, StoredTypes } from "./observedTypes.ts"

/**
 * Which messages of a category to look at.
 *
 * @category options
 * @since 0.1.0
 */
export interface CheckOptions {
  /**
   * `"all"`, or how many of the oldest and how many of the newest messages, from 1. Defaults to 1,000 of each: types and versions
   * come and go with time, so the ends show most of them.
   */
  readonly sample?: number | "all" | undefined
}

/** What has been seen of one type and version. */
interface Seen {
  readonly type: string
  readonly schemaVersion: string | undefined
  readonly first: RecordedMessage
  last: RecordedMessage
  messages: number
  misfits: number
  firstMisfit: Misfit | undefined
}

const byTypeAndVersion = (a: Seen, b: Seen): number =>
  a.type === b.type
    ? (a.schemaVersion ?? "") < (b.schemaVersion ?? "") ? -1 : 1
    : a.type < b.type
    ? -1
    : 1

const place = ({ globalPosition, time }: RecordedMessage) => ({ globalPosition, time })

/** Counts messages by type and version. It holds one entry for each, however many messages there are. */
const makeTally = (category: Category.Untyped) => {
  const seen = new Map<string, Seen>()
  let messages = 0
  const take = Effect.fnUntraced(function*(recorded: RecordedMessage) {
    if (isDeleted(recorded) || recorded.type === handledType) return
    messages++
    const { type } = recorded
    const schemaVersion = Metadata.fromJson(recorded.metadata).schemaVersion ?? undefined
    const key = JSON.stringify([type, schemaVersion])
    const one: Seen = seen.get(key) ??
      { type, schemaVersion, first: recorded, last: recorded, messages: 0, misfits: 0, firstMisfit: undefined }
    seen.set(key, one)
    one.messages++
    one.last = recorded
    const misfit = yield* decoded(category, recorded).pipe(
      Effect.as(undefined),
      Effect.catch((unfit) => Effect.succeed(unfit))
    )
    if (misfit === undefined) return
    one.misfits++
    const { globalPosition, position, streamName } = recorded
    one.firstMisfit ??= { streamName, position, globalPosition, ...misfit }
  })
  return {
    take,
    report: (isComplete: boolean): StoredTypes => ({
      category: category.categoryName,
      isComplete,
      messages,
      types: [...seen.values()].toSorted(byTypeAndVersion).map((
        { first, firstMisfit, last, messages, misfits, schemaVersion, type }
      ) => ({
        type,
        schemaVersion: Option.fromUndefinedOr(schemaVersion),
        isKnown: Object.hasOwn(category.Events, type),
        messages,
        first: place(first),
        last: place(last),
        misfits,
        firstMisfit: Option.fromUndefinedOr(firstMisfit)
      }))
    })
  }
}

/** How far back to look at first for a number of a category's newest messages, in global positions. */
const firstWindow = (sample: number): number => sample * 4

/**
 * The global position at which about the `sample` newest messages of a category begin, and how many there are from it on. The
 * window grows until it holds enough, so its cost follows the distance and not the size of the category.
 */
const newestFrom = Effect.fnUntraced(function*(categoryName: string, after: number, last: number, sample: number) {
  const store = yield* MessageStore
  for (let window = firstWindow(sample);; window *= 4) {
    const from = Math.max(after + 1, last - window + 1)
    const count = yield* store.countCategory(categoryName, { from })
    if (count >= sample || from === after + 1) return { from, count }
  }
})

/** Looks at the stored messages of a category, all or those at the ends, and decodes each. */
export const check = Effect.fnUntraced(function*(
  category: Category.Untyped,
  { sample = 1_000 }: CheckOptions = {}
) {
  const store = yield* MessageStore
  const { categoryName } = category
  const tally = makeTally(category)
  if (sample === "all") {
    yield* Stream.runForEach(store.readCategory(categoryName), tally.take)
    return tally.report(true)
  }
  yield* checkInt("sample", sample, 1)
  let through = 0
  let oldest = 0
  yield* Stream.runForEach(store.readCategory(categoryName, { limit: sample }), (recorded) => {
    through = recorded.globalPosition
    oldest++
    return tally.take(recorded)
  })
  const last = yield* store.lastCategoryMessage(categoryName)
  if (oldest < sample || Option.isNone(last) || last.value.globalPosition <= through) return tally.report(true)
  const { count, from } = yield* newestFrom(categoryName, through, last.value.globalPosition, sample)
  const newest = store.readCategory(categoryName, { from }).pipe(Stream.drop(Math.max(0, count - sample)))
  yield* Stream.runForEach(newest, tally.take)
  return tally.report(from === through + 1 && count <= sample)
})
