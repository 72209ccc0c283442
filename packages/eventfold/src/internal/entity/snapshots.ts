import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import type { StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { log } from "../runtime/log.ts"
import type { Fold } from "./fold.ts"

/**
 * When to write snapshots of an entity, after an append. A load then begins with the last snapshot.
 *
 * **When to use**
 *
 * When streams grow so long that folding all of their events takes too long. An `EntityCache` helps as well, and does not
 * write anything.
 *
 * **Details**
 *
 * Snapshots are stored as Eventide's clients store them: in a stream beside the entity's own, `account:snapshot-123` for
 * `account-123`. They save time and are never a source of truth. A load ignores a snapshot of another version, or one that
 * does not decode, and a new one replaces it. When a snapshot cannot be written, the log has a warning and the transaction
 * succeeds.
 *
 * @category options
 * @since 0.1.0
 */
export type SnapshotOptions<S> =
  & {
    /** The version of the state, from 1. Raise it when the schema or `evolve` changes, so that older snapshots are ignored. */
    readonly version: number
    /**
     * Tells the snapshots of several entities of one category apart: `"Balance"` makes the stream
     * `account:snapshot+Balance-123`. Defaults to none.
     */
    readonly specifier?: string | undefined
  }
  & (
    /** Writes a snapshot when at least this many messages have been written since the last one. */
    | { readonly every: number }
    /** Writes a snapshot after each append for which this is true. */
    | { readonly when: (state: S, version: number) => boolean }
  )

/** The snapshots of an entity, by the name of its stream. */
export interface Snapshots<S> {
  /** Reads the last snapshot. Gives none when there is none that fits. */
  readonly read: (streamName: string) => Effect.Effect<Option.Option<Fold<S>>, StoreError, MessageStore>
  /**
   * Writes a snapshot if one is due, and gives the fold with its version. A failure is logged: the events are written, and
   * can be folded without a snapshot.
   */
  readonly write: (streamName: string, fold: Fold<S>) => Effect.Effect<Fold<S>, never, MessageStore>
}

const isDue = <S>(options: SnapshotOptions<S>, { snapshotAt, state, version }: Fold<S>): boolean =>
  "every" in options ? version - snapshotAt >= options.every : options.when(state, version)

/** Eventide's message. Its Ruby writes names in camel case. */
const type = "Recorded"
const Version = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Snake = Schema.Struct({ entity_data: Schema.Json, entity_version: Version })
const Camel = Schema.Struct({ entityData: Schema.Json, entityVersion: Version })
const decodeSnake = Schema.decodeUnknownOption(Snake)
const decodeCamel = Schema.decodeUnknownOption(Camel)

const decodeRecorded = (data: Schema.Json): Option.Option<typeof Snake.Type> =>
  Option.orElse(decodeSnake(data), () =>
    Option.map(decodeCamel(data), ({ entityData, entityVersion }) => ({
      entity_data: entityData,
      entity_version: entityVersion
    })))

/** The stream of an entity's snapshots: `account:snapshot-123` for `account-123`. */
const snapshotStream = (streamName: string, specifier: string | undefined): string => {
  const category = StreamName.category(streamName)
  const snapshots = StreamName.withType(category, "snapshot")
  const own = specifier === undefined ? snapshots : StreamName.withType(snapshots, specifier)
  return `${own}${streamName.slice(category.length)}`
}

export const make = <S>(schema: Schema.Codec<S, unknown>, options: SnapshotOptions<S>): Snapshots<S> => {
  const codec = Schema.toCodecJson(schema)
  const encode = Schema.encodeEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const schemaVersion = String(options.version)

  const read = Effect.fn("Snapshots.read")(function*(streamName: string) {
    const store = yield* MessageStore
    const name = snapshotStream(streamName, options.specifier)
    const last = yield* store.lastMessage(name, { type }).pipe(
      // With its additions the name is too long, so there cannot be a snapshot.
      Effect.catchTag("InvalidStreamName", () => Effect.succeedNone)
    )
    if (Option.isNone(last) || Metadata.fromJson(last.value.metadata).schemaVersion !== schemaVersion) {
      return Option.none()
    }
    const recorded = decodeRecorded(last.value.data)
    if (Option.isNone(recorded)) return Option.none()
    const { entity_data, entity_version: version } = recorded.value
    return yield* decode(entity_data).pipe(
      Effect.map((state): Option.Option<Fold<S>> => Option.some({ state, version, snapshotAt: version })),
      Effect.catchTag("SchemaError", ({ message }) =>
        Effect.as(
          log("Debug", "snapshot does not fit its schema; the entity folds all events instead", {
            streamName: name,
            message
          }),
          Option.none()
        ))
    )
  })

  const append = Effect.fn("Snapshots.write")(function*(streamName: string, { state, version }: Fold<S>) {
    const store = yield* MessageStore
    const data = {
      entity_data: yield* encode(state),
      entity_version: version,
      time: DateTime.formatIso(yield* DateTime.now)
    }
    yield* store.append(snapshotStream(streamName, options.specifier), { type, data, metadata: { schemaVersion } })
  }, Metadata.without)

  const write = (streamName: string, fold: Fold<S>) => {
    if (fold.snapshotAt >= -1 && !isDue(options, fold)) return Effect.succeed(fold)
    return append(streamName, fold).pipe(
      Effect.as({ ...fold, snapshotAt: fold.version }),
      Effect.catch((error) =>
        Effect.as(log("Warn", "entity could not write a snapshot", { streamName, error: error.message }), fold)
      )
    )
  }

  return { read, write }
}
