/**
 * Where consumers keep their positions.
 *
 * **Details**
 *
 * By default a position is a row that is updated, beside the log: in the table `eventfold.positions` on PostgreSQL and PGlite. It
 * leaves nothing in the log. A Message DB without the schema `eventfold` has no such table; there a position is a message, in a
 * stream named by Eventide's convention: the consumer `notifier` of the category `account` writes `Recorded` messages with the data
 * `{ position }` to `account:position-notifier`.
 *
 * A consumer without a row starts from the position in its stream, so it continues where a consumer in Ruby has stopped. From then
 * on its row counts, and nothing that is written to the stream: `Consumer.takeOver` imports the stream's position again.
 *
 * {@link layerStreams} keeps positions in streams on every store, so that a consumer in Ruby can continue where this one has
 * stopped. Provide another {@link PositionStore} to keep positions elsewhere.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { categoryNames, streamNames } from "./internal/store/allNames.ts"
import * as InProcess from "./internal/store/inProcess.ts"
import { MessageStore } from "./MessageStore.ts"
import * as Metadata from "./Metadata.ts"
import type { StoredPosition } from "./StoreBackend.ts"
import { StoreError, type Unsupported } from "./StoreError.ts"
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
 * A position as a position store lists it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listed {
  /** The id is empty for a stream without one, such as `account:position`. */
  readonly key: Key
  readonly position: Position
  /** When it was written. */
  readonly time: DateTime.Utc
  /** Where it is: in a row, or in a message of a stream. */
  readonly place: "row" | "stream"
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
  /**
   * Reads the position in the other place: where another client keeps it, or this program did before. `Consumer.takeOver` puts it
   * here. Defaults to none, because a position store of your own knows no other place.
   */
  readonly elsewhere?: ((key: Key) => Effect.Effect<Option.Option<Position>, StoreError, MessageStore>) | undefined
  /** Lists all positions, each key once. Without this member, `Consumer.list` fails with `Unsupported`. */
  readonly list?: Stream.Stream<Listed, StoreError | Unsupported, MessageStore> | undefined
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

/**
 * The key of the positions in a stream, by its name: the inverse of {@link streamName}. None for a stream of other messages.
 *
 * @since 0.1.0
 * @category naming
 */
export const keyOf = (name: string): Option.Option<Key> =>
  StreamName.withoutType(StreamName.category(name), "position").pipe(
    // `:position` is of no category.
    Option.filter((category) => category !== ""),
    Option.map((category) => {
      const id = Option.getOrElse(StreamName.id(name), () => "")
      // Other numbers are those of no member: two names would be one, or the number could not be told.
      const [, consumerId = id, member] = /^(.*)[+](0|[1-9]\d{0,8})$/su.exec(id) ?? []
      return member === undefined ? { category, consumerId } : { category, consumerId, member: Number(member) }
    })
  )

const leasePrefix = "consumer "

/**
 * The name of the lease that a process needs to write the positions of a key: {@link streamName} after `consumer `.
 *
 * @since 0.1.0
 * @category naming
 */
export const leaseName = (key: Key): string => `${leasePrefix}${streamName(key)}`

/**
 * The key of the positions that a lease is for: the inverse of {@link leaseName}. None for any other lease.
 *
 * @since 0.1.0
 * @category naming
 */
export const keyOfLease = (name: string): Option.Option<Key> =>
  name.startsWith(leasePrefix) ? keyOf(name.slice(leasePrefix.length)) : Option.none()

const type = "Recorded"
const Data = Schema.Struct({ position: Schema.Int, groupSize: Schema.optionalKey(Schema.Int) })
const decode = Schema.decodeUnknownEffect(Data)

const failed = (operation: string, name: string) => ({ message }: { readonly message: string }) =>
  new StoreError({ operation, reason: `${name}: ${message}`, isRetryable: false })

/** The position that the data of a message tells. */
const ofMessage = (key: Key, data: unknown) =>
  Effect.mapError(decode(data), failed("PositionStore.get", streamName(key)))

const inStream: Service["get"] = Effect.fnUntraced(function*(key) {
  const store = yield* MessageStore
  const name = streamName(key)
  const last = yield* Effect.catchTag(
    store.lastMessage(name, { type }),
    "InvalidStreamName",
    (error) => Effect.fail(failed("PositionStore.get", name)(error))
  )
  return Option.isNone(last) ? Option.none() : Option.some(yield* ofMessage(key, last.value.data))
})

const putInStream: Service["put"] = Effect.fnUntraced(
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

/** The rows of the store; `undefined` where it has none. */
const rows = MessageStore.useSync((store) => store[InProcess.TypeId].positions)

/** The row of a key or, without one, the last message of its stream. None on a store without rows. */
const stored = (key: Key) =>
  Effect.flatMap(
    rows,
    (rows): Effect.Effect<Option.Option<StoredPosition>, StoreError> =>
      rows === undefined ? Effect.succeedNone : rows.get(key, streamName(key))
  )

const inRow: Service["get"] = (key) =>
  Effect.map(stored(key), Option.flatMap((found) => found._tag === "Row" ? Option.some(found.position) : Option.none()))

/** How many rows one statement lists. */
const pageSize = 100

const listRows = Stream.unwrap(Effect.map(rows, (rows) =>
  rows === undefined ? Stream.empty : Stream.paginate(
    undefined as Key | undefined,
    (after) =>
      Effect.map(rows.list(after, pageSize), (page) => [
        page.map((row): Listed => ({ ...row, place: "row" })),
        page.length < pageSize ? Option.none() : Option.fromUndefinedOr(page.at(-1)?.key)
      ])
  )))

/** The names of all streams of positions, by category. */
const positionStreams = Stream.unwrap(MessageStore.useSync((store) =>
  categoryNames(store).pipe(
    Stream.filter((name) => Option.isSome(keyOf(name))),
    Stream.flatMap((category) => streamNames(store, category))
  )
))

/** The positions in streams. A stream whose last `Recorded` message tells none is another client's, and is left out. */
const listStreams = Stream.mapEffect(
  positionStreams,
  Effect.fnUntraced(function*(name): Effect.fn.Return<ReadonlyArray<Listed>, StoreError, MessageStore> {
    const store = yield* MessageStore
    const last = yield* Effect.catchTag(
      store.lastMessage(name, { type }),
      "InvalidStreamName",
      () => Effect.succeedNone
    )
    const key = keyOf(name)
    if (Option.isNone(last) || Option.isNone(key)) return []
    const position = Schema.decodeUnknownOption(Data)(last.value.data)
    return Option.isNone(position)
      ? []
      : [{ key: key.value, position: position.value, time: last.value.time, place: "stream" }]
  })
).pipe(Stream.flattenIterable)

/** Two lists, without what the second has of the keys of the first. */
const both = (
  first: Stream.Stream<Listed, StoreError | Unsupported, MessageStore>,
  second: Stream.Stream<Listed, StoreError | Unsupported, MessageStore>,
  isInFirst: (key: Key) => Effect.Effect<boolean, StoreError, MessageStore>
) => Stream.concat(first, Stream.filterEffect(second, ({ key }) => Effect.map(isInFirst(key), (isIn) => !isIn)))

/** A row counts more than its stream: a consumer that was set back would otherwise be where it had been. */
const standard: Service = {
  get: Effect.fn("PositionStore.get")(function*(key) {
    if ((yield* rows) === undefined) return yield* inStream(key)
    const found = yield* stored(key)
    if (Option.isNone(found)) return Option.none()
    return Option.some(found.value._tag === "Row" ? found.value.position : yield* ofMessage(key, found.value.data))
  }),
  put: Effect.fn("PositionStore.put")(function*(key, position) {
    const own = yield* rows
    yield* own === undefined ? putInStream(key, position) : own.put(key, position)
  }),
  elsewhere: (key) => Effect.flatMap(rows, (rows) => rows === undefined ? Effect.succeedNone : inStream(key)),
  list: both(listRows, listStreams, (key) => Effect.map(inRow(key), Option.isSome))
}

const streams: Service = {
  get: Effect.fn("PositionStore.get")(function*(key) {
    const found = yield* inStream(key)
    return Option.isSome(found) ? found : yield* inRow(key)
  }),
  put: Effect.fn("PositionStore.put")(putInStream),
  elsewhere: inRow,
  list: both(listStreams, listRows, (key) => Effect.map(inStream(key), Option.isSome))
}

/**
 * The position store that consumers use. Defaults to rows that are updated, and where the store has none, as on a stock Message
 * DB, to streams of messages.
 *
 * @since 0.1.0
 * @category services
 */
export const PositionStore = Context.Reference<Service>("eventfold/PositionStore", { defaultValue: () => standard })

/**
 * Keeps positions in streams of the message store, by Eventide's convention.
 *
 * **When to use**
 *
 * While consumers in Ruby take turns with those of this program, or before one of them takes over for good. Provide it to all that
 * runs or asks about the consumer.
 *
 * **Details**
 *
 * Each position is one more message in the log. A consumer without a stream starts from the position in its row. A position in the
 * stream counts more than one in the row: `Consumer.takeOver` with this layer writes the row's position to the stream.
 *
 * On a Message DB without the schema `eventfold` positions are in streams anyway.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStreams: Layer.Layer<never> = Layer.succeed(PositionStore, streams)

/**
 * Keeps positions in memory, for tests and for consumers that start from the beginning with each run of the program.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<never> = Layer.effect(
  PositionStore,
  Effect.sync(() => {
    const positions = new Map<string, Listed>()
    return {
      get: (key) => Effect.sync(() => Option.fromUndefinedOr(positions.get(streamName(key))?.position)),
      put: (key, position) =>
        Effect.map(DateTime.now, (time) => void positions.set(streamName(key), { key, position, time, place: "row" })),
      list: Stream.suspend(() => Stream.fromIterable([...positions.values()]))
    }
  })
)
