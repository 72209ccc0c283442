import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Consumer from "eventfold/Consumer"
import * as MessageStore from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"

/** Positions in memory, which can be looked at at any time. */
export interface Positions {
  readonly service: PositionStore.Service
  readonly of: (key: PositionStore.Key) => number
}

export const makePositions = (): Positions => {
  const positions = new Map<string, PositionStore.Position>()
  return {
    service: {
      get: (key) => Effect.sync(() => Option.fromUndefinedOr(positions.get(PositionStore.streamName(key)))),
      put: (key, position) => Effect.sync(() => void positions.set(PositionStore.streamName(key), position))
    },
    of: (key) => positions.get(PositionStore.streamName(key))?.position ?? 0
  }
}

/** How far consumers are. Both texts are only compared: they change when what they stand for does. */
export interface Progress {
  /** What is left to handle; empty when nothing is. */
  readonly left: string
  /** All that has been written and handled. */
  readonly done: string
}

/** A consumer's part of a category: all of it, or that of a member of its group. */
const partsOf = ({ category, id: consumerId, options: { correlation, group } }: Consumer.Consumer<unknown, unknown>) =>
  (group?.members ?? [undefined]).map((member) => ({
    key: { category, consumerId, member },
    correlation,
    consumerGroup: group === undefined || member === undefined ? undefined : { size: group.size, member }
  }))

/** Looks how far consumers are, by their positions and by what the store has for them. */
export const progressOf = (
  consumers: ReadonlyArray<Consumer.Consumer<unknown, unknown>>,
  positions: Positions
): Effect.Effect<Progress, never, MessageStore.MessageStore> => {
  const parts = consumers.flatMap(partsOf)

  return Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const found = yield* Effect.forEach(parts, ({ key, ...filter }) =>
      Effect.all([
        store.lastCategoryMessage(key.category),
        store.countCategory(key.category, { ...filter, from: positions.of(key) + 1 })
      ]))
    const last = found.map(([message]) => Option.match(message, { onNone: () => 0, onSome: (m) => m.globalPosition }))
    const counts = found.map(([, count]) => count)
    const isLeft = counts.some((count) => count > 0)
    return { left: isLeft ? [...counts, ...last].join(" ") : "", done: [...counts, ...last].join(" ") }
  }).pipe(
    // The consumer itself fails on a category or a group that is wrong.
    Effect.catchTag(["InvalidCategory", "InvalidArgument"], () => Effect.succeed({ left: "?", done: "?" })),
    Effect.catchTag("StoreError", Effect.die)
  )
}
