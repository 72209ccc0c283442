/**
 * Where consumers keep how far they have come.
 *
 * By default that is the message store itself, in streams by Eventide's convention: `account:position-notifier` for the
 * consumer `notifier` of the category `account`, with `Recorded` messages whose data is `{ position }`, so that a consumer
 * in Ruby can go on where this one has stopped, and the other way round.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MessageStore } from "./MessageStore.ts"
import { StoreError } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"
import { TraceContext } from "./TraceContext.ts"

/**
 * Whose position it is.
 *
 * @since 0.1.0
 */
export interface Key {
  /** The category that the consumer reads; `$all` when it reads several, or everything. */
  readonly category: string
  readonly consumerId: string
  /** The member of a consumer group; none when the consumer has no group. */
  readonly member?: number | undefined
}

/** @since 0.1.0 */
export interface Position {
  /** The global position up to which everything has been handled, inclusive. */
  readonly position: number
  /** The size of the consumer's group, if it has one. */
  readonly groupSize?: number | undefined
}

/** @since 0.1.0 */
export interface Service {
  /** The last position that was put; none when there is none. */
  readonly get: (key: Key) => Effect.Effect<Option.Option<Position>, StoreError, MessageStore>
  readonly put: (key: Key, position: Position) => Effect.Effect<void, StoreError, MessageStore>
}

/**
 * The stream of a consumer's positions: `account:position-notifier`, and for member 2 of its group
 * `account:position-notifier+2`; `$all:position-notifier` for a consumer of more than one category.
 *
 * @since 0.1.0
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
  put: Effect.fn("PositionStore.put")(function*(key, { groupSize, position }) {
    const store = yield* MessageStore
    const name = streamName(key)
    const data = groupSize === undefined ? { position } : { position, groupSize }
    yield* Effect.mapError(
      store.append(name, { type, data }),
      (error) => error._tag === "StoreError" ? error : failed("PositionStore.put", name)(error)
    )
    // Nobody follows a position to its cause.
  }, Effect.provideService(TraceContext, false))
}

/**
 * The position store of the context: the message store's own streams, unless there is a layer.
 *
 * @since 0.1.0
 */
export const PositionStore = Context.Reference<Service>("eventfold/PositionStore", { defaultValue: () => streams })

/**
 * Positions in memory, for tests and for consumers that begin anew with each process.
 *
 * @since 0.1.0
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
