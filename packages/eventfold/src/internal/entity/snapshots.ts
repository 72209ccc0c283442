import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MessageStore } from "../../MessageStore.ts"
import { fromJson } from "../../Metadata.ts"
import type { StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { log } from "../runtime/log.ts"
import type { Fold } from "./fold.ts"

/** The snapshots of an entity, by the name of its stream. */
export interface Snapshots<S> {
  /** None when there is none, or none that fits. */
  readonly read: (streamName: string) => Effect.Effect<Option.Option<Fold<S>>, StoreError, MessageStore>
  /** Writes a snapshot if one is due. A failure is logged: the events are written, and the state can be folded. */
  readonly write: (streamName: string, fold: Fold<S>) => Effect.Effect<Fold<S>, never, MessageStore>
}

export interface SnapshotRule<S> {
  /** The version of the state's form, as text in `schemaVersion`. */
  readonly version: number
  readonly specifier: string | undefined
  readonly isDue: (fold: Fold<S>) => boolean
}

/** Eventide's message, whose Ruby writes names in camel case. */
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

/** `account:snapshot-123` of `account-123`. */
const snapshotStream = (streamName: string, specifier: string | undefined): string => {
  const category = StreamName.category(streamName)
  const snapshots = StreamName.withType(category, "snapshot")
  const own = specifier === undefined ? snapshots : StreamName.withType(snapshots, specifier)
  return `${own}${streamName.slice(category.length)}`
}

export const make = <S>(schema: Schema.Codec<S, unknown>, rule: SnapshotRule<S>): Snapshots<S> => {
  const codec = Schema.toCodecJson(schema)
  const encode = Schema.encodeEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const schemaVersion = String(rule.version)

  const read = Effect.fn("Snapshots.read")(function*(streamName: string) {
    const store = yield* MessageStore
    const name = snapshotStream(streamName, rule.specifier)
    const last = yield* store.lastMessage(name, { type }).pipe(
      // A name that is too long with its additions: there can't be a snapshot.
      Effect.catchTag("InvalidStreamName", () => Effect.succeedNone)
    )
    if (Option.isNone(last) || fromJson(last.value.metadata).schemaVersion !== schemaVersion) return Option.none()
    const recorded = decodeRecorded(last.value.data)
    if (Option.isNone(recorded)) return Option.none()
    const { entity_data, entity_version: version } = recorded.value
    return yield* decode(entity_data).pipe(
      Effect.map((state): Option.Option<Fold<S>> => Option.some({ state, version, snapshotAt: version })),
      Effect.catchTag("SchemaError", ({ message }) =>
        Effect.as(
          log("Debug", "a snapshot does not fit its schema, and is left alone", { streamName: name, message }),
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
    yield* store.append(snapshotStream(streamName, rule.specifier), { type, data, metadata: { schemaVersion } })
  })

  const write = (streamName: string, fold: Fold<S>) => {
    if (fold.snapshotAt >= -1 && !rule.isDue(fold)) return Effect.succeed(fold)
    return append(streamName, fold).pipe(
      Effect.as({ ...fold, snapshotAt: fold.version }),
      Effect.catch((error) =>
        Effect.as(log("Warn", "a snapshot could not be written", { streamName, error: error.message }), fold)
      )
    )
  }

  return { read, write }
}
