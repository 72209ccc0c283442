/**
 * Who reads a message, and how far each is with it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Consumer } from "../../Consumer.ts"
import type { StoredConsumer } from "../../ConsumerStatus.ts"
import type { RecordedMessage } from "../../Message.ts"
import type { MessageStore } from "../../MessageStore.ts"
import * as Parking from "../../Parking.ts"
import type { ReadModel } from "../../ReadModel.ts"
import { ReadModelStore } from "../../ReadModelStore.ts"
import * as Runners from "../../Runners.ts"
import type { Run } from "../../Runners.ts"
import type { StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { allName, isBookkeeping } from "../store/bookkeeping.ts"
import type { MessageReader } from "./observedMessages.ts"
import { storedConsumers } from "./readers.ts"

type AnyConsumer = Consumer<unknown, unknown>

type AnyReadModel = ReadModel<unknown, unknown>

/** What is loaded here. */
export interface Loaded {
  readonly consumers: ReadonlyArray<AnyConsumer>
  /** The names of the processes, which are the ids of their consumers. */
  readonly processes: ReadonlySet<string>
  readonly readModels: ReadonlyArray<AnyReadModel>
}

/**
 * The position that counts for a message: of a group that of the member which reads the message's stream. What runs is further than
 * the position that it has written last.
 */
const positionFor = (
  stored: ReadonlyArray<StoredConsumer>,
  runs: ReadonlyArray<Run>,
  streamName: string
): number | undefined => {
  const size = stored.flatMap(({ groupSize }) => Option.toArray(groupSize))[0]
  const member = size === undefined ? undefined : Option.getOrUndefined(StreamName.groupMember(streamName, size))
  const written = stored.filter((one) => Option.getOrUndefined(one.member) === member)
  const running = runs.flatMap(({ status }) => status.positions.filter((one) => one.member === member))
  const positions = [...written, ...running].map(({ position }) => position)
  return positions.length === 0 ? undefined : Math.max(...positions)
}

/** Whether the message waits for the consumer in a parked stream. A message can be parked before the position is past it. */
const isParked = Effect.fnUntraced(function*(owner: Parking.Owner, { globalPosition, streamName }: RecordedMessage) {
  const [parked] = yield* Stream.runCollect(Parking.list(owner, { stream: streamName })).pipe(
    // The names are those of a consumer and a stream that there are.
    Effect.catchTag(["InvalidArgument", "InvalidCategory"], () => Effect.succeed([]))
  )
  return parked?.messages.some((one) => one.globalPosition === globalPosition) ?? false
})

const selects = ({ selection: { bookkeeping, categories } }: AnyConsumer, streamName: string): boolean =>
  categories === undefined
    ? bookkeeping || !isBookkeeping(streamName)
    : categories.includes(StreamName.category(streamName))

const consumers = Effect.fnUntraced(function*(loaded: Loaded, message: RecordedMessage) {
  const category = StreamName.category(message.streamName)
  const stored = Map.groupBy(yield* storedConsumers, ({ category, consumer }) => JSON.stringify([consumer, category]))
  const runs = (yield* Runners.list).flatMap((runner) => runner.runs)
  const known = new Map(loaded.consumers.map((one) => [JSON.stringify([one.id, one.category]), one]))
  const keys = new Set([...known.keys(), ...stored.keys()])
  const found = yield* Effect.forEach(
    keys,
    Effect.fnUntraced(function*(key): Effect.fn.Return<ReadonlyArray<MessageReader>, StoreError, MessageStore> {
      const definition = known.get(key)
      const [first] = stored.get(key) ?? []
      const id = definition?.id ?? first?.consumer ?? ""
      const own = definition?.category ?? first?.category ?? ""
      // Readers of everything pass over what consumers write about themselves.
      const reads = definition === undefined
        ? own === category || (own === allName && !isBookkeeping(message.streamName))
        : selects(definition, message.streamName)
      if (!reads || id === "") return []
      const running = runs.filter((run) => run.kind === "consumer" && run.id === id && run.category === own)
      const position = positionFor(stored.get(key) ?? [], running, message.streamName)
      const state = (yield* isParked({ id, category: own }, message))
        ? "parked"
        : position !== undefined && position >= message.globalPosition
        ? "handled"
        : "behind"
      return [{
        kind: loaded.processes.has(id) ? "process" : "consumer",
        reader: id,
        category: own,
        state,
        handles: Option.map(Option.fromUndefinedOr(definition), ({ handles }) => handles(message)),
        position: Option.fromUndefinedOr(position)
      }]
    })
  )
  return found.flat()
})

/** The read models that are loaded here and read the category. Of others nobody here knows what they read. */
const readModels = Effect.fnUntraced(function*(loaded: Loaded, { globalPosition, streamName, type }: RecordedMessage) {
  const store = yield* Effect.serviceOption(ReadModelStore)
  const category = StreamName.category(streamName)
  const reading = loaded.readModels.filter(({ categories }) =>
    categories === undefined || categories.includes(category)
  )
  if (Option.isNone(store)) return []
  return yield* Effect.forEach(
    reading,
    Effect.fnUntraced(function*({ categories, name, types }): Effect.fn.Return<MessageReader, StoreError> {
      const live = (yield* store.value.builds(name)).find(({ state }) => state === "live")
      const position = live?.checkpoint.position
      return {
        kind: "read model",
        reader: name,
        category: categories?.length === 1 ? category : allName,
        state: position !== undefined && position >= globalPosition ? "handled" : "behind",
        handles: Option.some(types === undefined || types.includes(type)),
        position: Option.fromUndefinedOr(position)
      }
    })
  )
})

/** The readers of a message's category that are loaded here, and those that the store knows by their positions. */
export const readersOf = Effect.fnUntraced(function*(loaded: Loaded, message: RecordedMessage) {
  return [...yield* consumers(loaded, message), ...yield* readModels(loaded, message)]
})
