import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { deletedType, isDeleted, type Message, type RecordedMessage } from "../../Message.ts"
import * as Metadata from "../../Metadata.ts"
import type { FoldMessage } from "../../StoreBackend.ts"
import * as Eager from "../runtime/eagerLoop.ts"
import type { EventCodec } from "./eventCodec.ts"
import type { FoldEvent } from "./foldEvent.ts"
import type { RecordedIds } from "./idCodec.ts"
import { jsonCodec, type Misfit, unlikeItsSchema } from "./jsonCodec.ts"

/**
 * The type of the message that a process writes to its own stream when it has handled a message without an event of its own.
 * It is not an event of any category, and no category refuses it.
 */
export const handledType = "eventfold:Handled"

/** An event before it is written, of any category. */
export interface UntypedEvent {
  readonly type: string
  readonly data: unknown
  readonly id?: string | undefined
  readonly metadata?: unknown
}

/** An event as it was read, of any category. */
export interface UntypedRecordedEvent {
  readonly type: string
  readonly data: unknown
  readonly id: unknown
  readonly metadata?: unknown
  readonly recorded: RecordedMessage
}

/** Between the events of a category and messages. */
export interface MessageCodec<R> {
  /** Whether what the context gives to messages matters here. Where there is no schema for it, only the store adds it. */
  readonly takesAmbient: boolean
  readonly encode: (event: UntypedEvent, ambient: Metadata.Ambient | undefined) => Effect.Effect<Message, Misfit, R>
  /** The event with the data that readers of its message get, by the data of the message. */
  readonly readBack: (event: UntypedEvent, data: Schema.Json) => Effect.Effect<UntypedEvent, Misfit, R>
  /** None for a message of an unknown type that is skipped, and for one that stands for a deletion. */
  readonly decode: (
    recorded: RecordedMessage
  ) => Effect.Effect<Option.Option<UntypedRecordedEvent>, Misfit, R>
  /**
   * What `decode` gives to a fold, by what a fold needs of the message. `undefined` when only the whole message tells: it does not
   * fit, it may stand for a deletion, its decoding has effects, or its metadata has a schema.
   */
  readonly decodeForFold: (message: FoldMessage) => Option.Option<FoldEvent> | undefined
}

interface FieldSchemas<R> {
  readonly [field: string]: Schema.Codec<unknown, unknown, R, R>
}

/** The data of a struct with some of the fields. */
interface Values {
  readonly [field: string]: unknown
}

const structCodec = <R>(fields: FieldSchemas<R>) =>
  jsonCodec<R>("metadata", Schema.Struct({ ...fields }) as Schema.Codec<unknown, unknown, R, R>)

/** Completes the sentence of an `InvalidMessage`, whose subject is the path. */
const misfitReason = (field: string, { path, reason }: Misfit, isGiven: boolean): string =>
  path[1] === field && path.length === 2 && !isGiven
    ? "is missing: give it to the event, in the option metadata of the transaction, or by Metadata.with around the write"
    : `does not fit its schema: ${reason}`

/** The schema of some fields of the metadata, and what becomes of the others: they are kept as they are. */
const metadataCodec = <R>(fields: FieldSchemas<R>) => {
  const { decode, encode } = structCodec(fields)
  const others = (metadata: Metadata.Metadata): Metadata.Metadata =>
    Object.fromEntries(Object.entries(metadata).filter(([key]) => !Object.hasOwn(fields, key)))

  const completions = Object.entries(fields).map(([field, schema]) => ({
    field,
    isOptional: SchemaAST.isOptional(Schema.toType(schema).ast),
    codec: structCodec({ [field]: schema })
  }))

  /** Takes the fields that an event leaves out from the context, where they are in their JSON form. */
  const complete = (
    own: Metadata.Metadata,
    ambient: Metadata.Ambient | undefined
  ): Effect.Effect<Values, Misfit, R> => {
    const given = ambient === undefined ? {} : Metadata.ambientFor(ambient, own)
    const missing = completions.filter(({ field, isOptional }) =>
      own[field] === undefined && (given[field] !== undefined || !isOptional)
    )
    if (missing.length === 0) return Effect.succeed(own)
    const values: Record<string, unknown> = { ...own }
    const fill = ({ codec, field }: typeof completions[number]) => {
      const value = given[field]
      return Effect.mapErrorEager(
        codec.decode(value === undefined ? {} : { [field]: value }),
        (misfit) => ({ ...misfit, reason: misfitReason(field, misfit, value !== undefined) })
      )
    }
    return Effect.as(Eager.forEach(missing, fill, (value) => Object.assign(values, value)), values)
  }

  return {
    decode,
    others,
    encode: (own: Metadata.Metadata, ambient: Metadata.Ambient | undefined) =>
      Effect.flatMapEager(complete(own, ambient), (values) => Effect.mapErrorEager(encode(values), unlikeItsSchema))
  }
}

type MetadataCodec<R> = ReturnType<typeof metadataCodec<R>>

// What a message goes through on its way to the store has no generators, which would be most of its cost.
const encodeMetadata = <R>(
  codec: MetadataCodec<R> | undefined,
  metadata: Metadata.Metadata | undefined,
  schemaVersion: string | undefined,
  ambient: Metadata.Ambient | undefined
): Effect.Effect<Metadata.Metadata | undefined, Misfit, R> => {
  const version = schemaVersion === undefined ? {} : { schemaVersion }
  if (codec === undefined) {
    return Effect.succeed(schemaVersion === undefined ? metadata : { ...metadata, ...version })
  }
  return Effect.mapEager(codec.encode(metadata ?? {}, ambient), (own) => ({
    ...codec.others(metadata ?? {}),
    ...own as Metadata.Metadata,
    ...version
  }))
}

const unknownType = (reason: string) => Effect.fail<Misfit>({ path: ["type"], reason })

export const messageCodec = <R>(category: string, options: {
  readonly events: ReadonlyMap<string, EventCodec<R>>
  readonly metadata: FieldSchemas<R> | undefined
  readonly unknownTypes: "skip" | "refuse"
  readonly ids: RecordedIds<unknown>
}): MessageCodec<R> => {
  const { events, ids, unknownTypes } = options
  const metadata = options.metadata === undefined ? undefined : metadataCodec(options.metadata)
  const known = `the category ${category}, whose events are ${[...events.keys()].join(", ")}`

  const encode: MessageCodec<R>["encode"] = (event, ambient) => {
    const codec = events.get(event.type)
    if (codec === undefined) return unknownType(`is not an event of ${known}`)
    const { id, type } = event
    const own = event.metadata as Metadata.Metadata | undefined
    const refusal = codec.refuses(own?.schemaVersion)
    if (refusal !== undefined) return Effect.fail<Misfit>({ path: ["metadata", "schemaVersion"], reason: refusal })
    return Effect.flatMapEager(codec.encode(event.data), (data) =>
      Effect.mapEager(
        encodeMetadata(metadata, own, codec.schemaVersion, ambient),
        (metadata): Message => ({ id, type, data, metadata })
      ))
  }

  const decodeWith = (
    codec: EventCodec<R>,
    recorded: RecordedMessage,
    id: unknown
  ): Effect.Effect<Option.Option<UntypedRecordedEvent>, Misfit, R> => {
    const { type } = recorded
    const decoding = codec.decode(recorded.data, recorded.metadata)
    if (metadata === undefined) return Effect.mapEager(decoding, (data) => Option.some({ type, data, id, recorded }))
    return Effect.zipWith(decoding, metadata.decode(recorded.metadata ?? {}), (data, own) =>
      Option.some({
        type,
        data,
        id,
        metadata: { ...metadata.others(Metadata.fromJson(recorded.metadata)), ...own as object },
        recorded
      }))
  }

  const decode: MessageCodec<R>["decode"] = (recorded) => {
    if (isDeleted(recorded)) return Effect.succeedNone
    const codec = events.get(recorded.type)
    if (codec === undefined) {
      const isSkipped = unknownTypes === "skip" || recorded.type === handledType
      return isSkipped ? Effect.succeedNone : unknownType(`not an event of ${known}`)
    }
    const id = ids.known(recorded.streamName)
    return id === undefined
      ? Effect.flatMapEager(ids.decode(recorded.streamName), (id) => decodeWith(codec, recorded, id))
      : decodeWith(codec, recorded, id)
  }

  const decodeForFold: MessageCodec<R>["decodeForFold"] = ({ data, schemaVersion, type }) => {
    if (metadata !== undefined || (type === deletedType && data === null)) return undefined
    const codec = events.get(type)
    if (codec === undefined) return unknownTypes === "skip" || type === handledType ? Option.none() : undefined
    const decoded = Eager.knownSuccess(codec.decode(data, schemaVersion === null ? null : { schemaVersion }))
    return decoded === undefined ? undefined : Option.some({ type, data: decoded.value })
  }

  const readBack = (event: UntypedEvent, data: Schema.Json): Effect.Effect<UntypedEvent, Misfit, R> => {
    const codec = events.get(event.type)
    return codec === undefined
      ? Effect.succeed(event)
      : Effect.mapEager(codec.readBack(data), (data) => ({ ...event, data }))
  }

  return {
    takesAmbient: metadata !== undefined,
    encode,
    readBack,
    decode,
    decodeForFold
  }
}
