/**
 * Where consumers keep their positions.
 *
 * **Details**
 *
 * By default a position is a message in the message store, in a stream named by Eventide's convention: the consumer
 * `notifier` of the category `account` writes `Recorded` messages with the data `{ position }` to
 * `account:position-notifier`. A consumer in Ruby can continue where this one stopped, and this one where that one did.
 *
 * Provide another {@link PositionStore} to keep positions elsewhere.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MessageStore } from "./MessageStore.ts"
import * as Metadata from "./Metadata.ts"
import { StoreError } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"
import { TraceContext } from "./TraceContext.ts"

/**
 * Names a position: the consumer that it belongs to, and the member of its group.
 *
 * @since 0.1.0
 * @category models
 */
export interface Key {
  /** The category that the consumer reads. `$all` when it reads several categories or everything. */
  readonly category: string
  readonly consumerId: string
  /** The member of a consumer group, from 0. Absent when the consumer has no group. */
  readonly member?: number | undefined
}

/**
 * The position of a consumer: its low-water mark.
 *
 * @since 0.1.0
 * @category models
 */
export interface Position {
  /** The global position, inclusive, up to which every message has been handled, skipped or parked. */
  readonly position: number
  /** The size of the consumer's group. Absent when the consumer has no group. */
  readonly groupSize?: number | undefined
}

/**
 * What a position store does.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Reads the position that was put last. None when none was. */
  readonly get: (key: Key) => Effect.Effect<Option.Option<Position>, StoreError, MessageStore>
  /** Replaces the position. The consumer holds the lease of the key, so that no other consumer writes it. */
  readonly put: (key: Key, position: Position) => Effect.Effect<void, StoreError, MessageStore>
}

/**
 * Names the stream of a consumer's positions.
 *
 * **Details**
 *
 * It is `account:position-notifier` for the consumer `notifier` of the category `account`, `account:position-notifier+2` for
 * member 2 of its group, and `$all:position-notifier` for a consumer of several categories.
 *
 * @since 0.1.0
 * @category naming
 */
export const streamName = ({ category, consumerId, member }: Key): string =>
  `${StreamName.withType(category, "position")}-${consumerId}${member === undefined ? "" : `+${member}`}`

const type = "Recorded"
const Data = Schema.Struct({ position: Schema.Int, groupSize: Schema.optionalKey(Schema.Int) })
const decode = Schema.decodeUnknownEffect(Data)

const failed = (operation: string, name: string) => ({ message }: { readonly message: string }) =>
  new StoreError({ operation, reason: `${name}: ${message}`, isRetryable: false })

const streams: Service = {
  get: Effect.fn("PositionStore.get")(function*(key) {
    const store = yield* MessageStore
    const name = streamName(key)
    const last = yield* Effect.catchTag(
      store.lastMessage(name, { type }),
      "InvalidStreamName",
      (error) => Effect.fail(failed("PositionStore.get", name)(error))
    )
    if (Option.isNone(last)) return Option.none()
    return Option.some(yield* Effect.mapError(decode(last.value.data), failed("PositionStore.get", name)))
  }),
  put: Effect.fn("PositionStore.put")(
    function*(key, { groupSize, position }) {
      const store = yield* MessageStore
      const name = streamName(key)
      const data = groupSize === undefined ? { position } : { position, groupSize }
      yield* Effect.mapError(
        store.append(name, { type, data }),
        (error) => {
          if (error._tag === "StoreError") return error
          const isRetryable = error._tag === "WrongExpectedVersion"
          // Only a store whose database was replaced by another one refuses it so.
          return new StoreError({ operation: "PositionStore.put", reason: `${name}: ${error.message}`, isRetryable })
        }
      )
      // A position carries no trace: no handler continues one from it.
    },
    Effect.provideService(TraceContext, false),
    Metadata.without
  )
}

/**
 * The position store that consumers use. Defaults to streams of the message store, because other clients of the store find
 * them there.
 *
 * @since 0.1.0
 * @category services
 */
export const PositionStore = Context.Reference<Service>("eventfold/PositionStore", { defaultValue: () => streams })

/**
 * Keeps positions in memory, for tests and for consumers that start from the beginning with each run of the program.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<never> = Layer.effect(
  PositionStore,
  Effect.sync(() => {
    const positions = new Map<string, Position>()
    return {
      get: (key) => Effect.sync(() => Option.fromUndefinedOr(positions.get(streamName(key)))),
      put: (key, position) => Effect.sync(() => void positions.set(streamName(key), position))
    }
  })
)
