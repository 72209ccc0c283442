import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Consumer from "eventfold/Consumer"
import * as MessageStore from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import * as ReadModel from "eventfold/ReadModel"
import { ReadModelStore } from "eventfold/ReadModelStore"

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

/** How far consumers and read models are. Both texts are only compared: they change when what they stand for does. */
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

/** Looks how far a read model is. It counts what is left when nothing has changed since the last look: a count takes time. */
const lookerOf = (model: ReadModel.ReadModel<unknown, unknown>) => {
  let last: Progress = { left: "?", done: "" }
  return Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const builds = yield* (yield* ReadModelStore).builds(model.name)
    const live = builds.find(({ state, version }) => state === "live" && version === model.version)
    const end = yield* store.lastPosition
    const done = `${live?.checkpoint.position} ${end}`
    if (live === undefined || done !== last.done) last = { left: "?", done }
    else if (last.left === "?") {
      const { live } = yield* ReadModel.status(model)
      const isLeft = Option.exists(live, ({ lag }) => lag.messages > 0)
      last = { left: isLeft ? "some" : "", done }
    }
    return last
  })
}

/** Looks how far consumers and read models are, by their positions and by what the store has for them. */
export const progressOf = (
  consumers: ReadonlyArray<Consumer.Consumer<unknown, unknown>>,
  models: ReadonlyArray<ReadModel.ReadModel<unknown, unknown>>,
  positions: Positions
): Effect.Effect<Progress, never, MessageStore.MessageStore | ReadModelStore> => {
  const parts = consumers.flatMap(partsOf)
  const lookers = models.map(lookerOf)

  return Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const found = yield* Effect.forEach(parts, ({ key, ...filter }) =>
      Effect.all([
        store.lastCategoryMessage(key.category),
        store.countCategory(key.category, { ...filter, from: positions.of(key) + 1 })
      ]))
    const last = found.map(([message]) => Option.match(message, { onNone: () => 0, onSome: (m) => m.globalPosition }))
    const counts = found.map(([, count]) => count)
    const ofModels = yield* Effect.all(lookers)
    const isLeft = counts.some((count) => count > 0) || ofModels.some(({ left }) => left !== "")
    const done = [...counts, ...last, ...ofModels.map(({ done }) => done)].join(" ")
    return { left: isLeft ? [done, ...ofModels.map(({ left }) => left)].join(" ") : "", done }
  }).pipe(
    // The consumer or the read model itself fails on a category or a group that is wrong.
    Effect.catchTag(["InvalidCategory", "InvalidArgument"], () => Effect.succeed({ left: "?", done: "?" })),
    Effect.catchTag("StoreError", Effect.die)
  )
}
