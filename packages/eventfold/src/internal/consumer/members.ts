import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MessageStore } from "../../MessageStore.ts"
import { type Key, PositionStore, streamName } from "../../PositionStore.ts"
import type { StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { type Consumer, readsAll } from "./definition.ts"
import { GroupSizeChanged } from "./errors.ts"
import * as LowWaterMark from "./lowWaterMark.ts"

type AnyConsumer = Consumer<unknown, unknown>

/** A part of what a consumer reads that has a position of its own: all of it, or the share of one member of a group. */
export interface Share {
  readonly member: number | undefined
  readonly mark: LowWaterMark.LowWaterMark
  /** There has been a message, so that the position is worth writing: soon, or when the consumer ends. */
  readonly touch: (when: "soon" | "at the end") => void
  /**
   * Writes the position if it is another than the one that was written last, and worth it. One that moves only because
   * nothing comes is written now and then, since it saves nothing but a way that is passed quickly; otherwise those who read
   * everything would go on for ever writing positions because positions are written.
   */
  readonly flush: (when: "soon" | "at the end") => Effect.Effect<void, StoreError, MessageStore>
}

/** How many global positions a position may be behind when there was nothing to be handled. */
const farBehind = 10_000

/** The shares that a consumer has here, and whose a message is. */
export interface Shares {
  readonly all: ReadonlyArray<Share>
  readonly of: (message: { readonly streamName: string }) => Share | undefined
}

/** Whose positions a consumer has here: in one order everywhere, so that two can't each wait for a lease of the other. */
export const keysOf = (
  { category, id: consumerId, options: { group } }: AnyConsumer
): ReadonlyArray<Key> =>
  group === undefined
    ? [{ category, consumerId }]
    : group.members.toSorted((a, b) => a - b).map((member) => ({ category, consumerId, member }))

/** The name of the lease that whoever writes a position has to hold. */
export const leaseName = (key: Key): string => `consumer ${streamName(key)}`

/** The global position up to which everything is there that a consumer reads: what is written later comes after it. */
export const endOf = Effect.fnUntraced(function*(consumer: AnyConsumer) {
  const store = yield* MessageStore
  if (!readsAll(consumer)) {
    const last = yield* store.lastCategoryMessage(consumer.category)
    return Option.match(last, { onNone: () => 0, onSome: ({ globalPosition }) => globalPosition })
  }
  // In this order: who writes before the last message, and has not ended yet, is among those who hold back afterwards.
  const last = yield* store.lastPosition
  const heldBack = yield* store.heldBack()
  return Option.match(heldBack, { onNone: () => last, onSome: ({ position }) => Math.min(last, position - 1) })
})

/** The global position, exclusive, that a consumer begins after. */
export const startAfter = Effect.fnUntraced(function*(consumer: AnyConsumer) {
  const { category, options: { start = "beginning" }, selection: { categories } } = consumer
  const store = yield* MessageStore
  if (start === "beginning") return 0
  if (start === "end") return yield* endOf(consumer)
  if ("position" in start) return Math.max(0, start.position - 1)
  let after = 0
  const messages = readsAll(consumer) ? store.readAll({ categories }) : store.readCategory(category)
  yield* messages.pipe(
    Stream.takeWhile(({ time }) => time.epochMilliseconds < start.time.epochMilliseconds),
    Stream.runForEachArray((rows) => Effect.sync(() => after = rows.at(-1)?.globalPosition ?? after))
  )
  return after
})

/** The shares as they were left, or where the consumer is to begin. */
export const load = Effect.fnUntraced(function*(consumer: AnyConsumer) {
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
      const after = Option.isSome(recorded) ? recorded.value.position : yield* startAfter(consumer)
      const mark = LowWaterMark.make(after)
      let written = Option.isSome(recorded) || start === "beginning" ? after : undefined
      let soon = false
      let atTheEnd = false
      const share: Share = {
        mark,
        member: key.member,
        touch: (when) => {
          if (when === "soon") soon = true
          else atTheEnd = true
        },
        flush: (when) =>
          Effect.suspend(() => {
            const position = mark.position()
            if (position === written) return Effect.void
            const isWorthIt = soon || (atTheEnd && when === "at the end") || written === undefined ||
              position - written >= farBehind
            if (!isWorthIt) return Effect.void
            // What is handled from now on is not in it.
            soon = false
            atTheEnd = false
            return positions.put(key, group === undefined ? { position } : { position, groupSize: group.size }).pipe(
              Effect.tap(() => Effect.sync(() => written = position)),
              Effect.onError(() => Effect.sync(() => soon = true))
            )
          })
      }
      return share
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
