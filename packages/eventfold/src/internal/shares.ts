import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MessageStore } from "../MessageStore.ts"
import { type Key, PositionStore, streamName } from "../PositionStore.ts"
import type { StoreError } from "../StoreError.ts"
import * as StreamName from "../StreamName.ts"
import type { Consumer, Start } from "./consumer.ts"
import { GroupSizeChanged } from "./consumerErrors.ts"
import * as LowWaterMark from "./lowWaterMark.ts"

/** A part of a category that has a position of its own: all of it, or the share of one member of a group. */
export interface Share {
  readonly member: number | undefined
  readonly mark: LowWaterMark.LowWaterMark
  /** Writes the position, if it is another than the one that was written last. */
  readonly flush: Effect.Effect<void, StoreError, MessageStore>
}

/** The shares that a consumer has here, and whose a message is. */
export interface Shares {
  readonly all: ReadonlyArray<Share>
  readonly of: (message: { readonly streamName: string }) => Share | undefined
}

/** Whose positions a consumer has here: in one order everywhere, so that two can't each wait for a lease of the other. */
export const keysOf = (
  { category, id: consumerId, options: { group } }: Consumer<unknown, unknown>
): ReadonlyArray<Key> =>
  group === undefined
    ? [{ category, consumerId }]
    : group.members.toSorted((a, b) => a - b).map((member) => ({ category, consumerId, member }))

/** The name of the lease that whoever writes a position has to hold. */
export const leaseName = (key: Key): string => `consumer ${streamName(key)}`

/** The global position, exclusive, that a consumer begins after. */
export const startAfter = Effect.fnUntraced(function*(category: string, start: Start) {
  const store = yield* MessageStore
  if (start === "beginning") return 0
  if (start === "end") {
    return Option.match(yield* store.lastCategoryMessage(category), {
      onNone: () => 0,
      onSome: ({ globalPosition }) => globalPosition
    })
  }
  if ("position" in start) return start.position - 1
  let after = 0
  yield* store.readCategory(category).pipe(
    Stream.takeWhile(({ time }) => time.epochMilliseconds < start.time.epochMilliseconds),
    Stream.runForEachArray((rows) => Effect.sync(() => after = rows.at(-1)?.globalPosition ?? after))
  )
  return after
})

/** The shares as they were left, or where the consumer is to begin. */
export const load = Effect.fnUntraced(function*(consumer: Consumer<unknown, unknown>) {
  const { category, id: consumerId, options: { group, start = "beginning" } } = consumer
  const positions = yield* PositionStore

  if (group !== undefined) {
    // Member 0 is in every group, so that a new member is not begun while others keep to the old division.
    const sizes = yield* Effect.forEach(
      new Set([0, ...group.members]),
      (member) => positions.get({ category, consumerId, member })
    )
    const other = sizes.map(Option.getOrUndefined).find((found) =>
      found?.groupSize !== undefined && found.groupSize !== group.size
    )
    if (other?.groupSize !== undefined) {
      return yield* new GroupSizeChanged({
        consumer: consumerId,
        category,
        recorded: other.groupSize,
        given: group.size
      })
    }
  }

  const all = yield* Effect.forEach(
    keysOf(consumer),
    Effect.fnUntraced(function*(key) {
      const recorded = yield* positions.get(key)
      const after = Option.isSome(recorded) ? recorded.value.position : yield* startAfter(category, start)
      const mark = LowWaterMark.make(after)
      let written = Option.isSome(recorded) || start === "beginning" ? after : undefined
      const flush = Effect.suspend(() => {
        const position = mark.position()
        if (position === written) return Effect.void
        const put = positions.put(key, group === undefined ? { position } : { position, groupSize: group.size })
        return Effect.tap(put, () => Effect.sync(() => written = position))
      })
      return { mark, flush, member: key.member }
    })
  )

  const byMember = new Map(all.map((share) => [share.member, share]))
  const shares: Shares = {
    all,
    of: group === undefined
      ? () => byMember.get(undefined)
      : ({ streamName }) => byMember.get(Option.getOrUndefined(StreamName.groupMember(streamName, group.size)) ?? -1)
  }
  return shares
})
