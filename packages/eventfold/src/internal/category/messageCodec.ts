import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Message, RecordedMessage } from "../../Message.ts"
import * as Metadata from "../../Metadata.ts"
import type { EventCodec } from "./eventCodec.ts"
import { jsonCodec, type Misfit } from "./jsonCodec.ts"

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
  readonly encode: (event: UntypedEvent) => Effect.Effect<Message, Misfit, R>
  /** None for a message of an unknown type that is skipped. */
  readonly decode: (
    recorded: RecordedMessage
  ) => Effect.Effect<Option.Option<UntypedRecordedEvent>, Misfit, R>
}

/** The schema of some fields of the metadata, and what becomes of the others: they are kept as they are. */
const metadataCodec = <R>(fields: { readonly [field: string]: Schema.Codec<unknown, unknown, R, R> }) => {
  const { decode, encode } = jsonCodec<R>(
    "metadata",
    Schema.Struct({ ...fields }) as Schema.Codec<unknown, unknown, R, R>
  )
  const others = (metadata: Metadata.Metadata): Metadata.Metadata =>
    Object.fromEntries(Object.entries(metadata).filter(([key]) => !Object.hasOwn(fields, key)))
  return { decode, encode, others }
}

type MetadataCodec<R> = ReturnType<typeof metadataCodec<R>>

// What a message goes through on its way to the store has no generators, which would be most of its cost.
const encodeMetadata = <R>(
  codec: MetadataCodec<R> | undefined,
  metadata: Metadata.Metadata | undefined,
  schemaVersion: string | undefined
): Effect.Effect<Metadata.Metadata | undefined, Misfit, R> => {
  const version = schemaVersion === undefined ? {} : { schemaVersion }
  if (codec === undefined) {
    return Effect.succeed(schemaVersion === undefined ? metadata : { ...metadata, ...version })
  }
  return Effect.mapEager(codec.encode(metadata ?? {}), (own) => ({
    ...codec.others(metadata ?? {}),
    ...own as Metadata.Metadata,
    ...version
  }))
}

const unknownType = (reason: string) => Effect.fail<Misfit>({ path: ["type"], reason })

/** The message of an `InvalidMessage` is a sentence whose subject is the path, and the reason completes it. */
const unlikeItsSchema = (misfit: Misfit): Misfit => ({ ...misfit, reason: `does not fit its schema: ${misfit.reason}` })

export const messageCodec = <R>(category: string, options: {
  readonly events: ReadonlyMap<string, EventCodec<R>>
  readonly metadata: { readonly [field: string]: Schema.Codec<unknown, unknown, R, R> } | undefined
  readonly unknownTypes: "skip" | "refuse"
  readonly recordedId: (streamName: string) => Effect.Effect<unknown, Misfit>
}): MessageCodec<R> => {
  const { events, recordedId, unknownTypes } = options
  const metadata = options.metadata === undefined ? undefined : metadataCodec(options.metadata)
  const known = `the category ${category}, whose events are ${[...events.keys()].join(", ")}`

  const encode = (event: UntypedEvent): Effect.Effect<Message, Misfit, R> => {
    const codec = events.get(event.type)
    if (codec === undefined) return unknownType(`is not an event of ${known}`)
    return Effect.flatMapEager(codec.encode(event.data), (data) =>
      Effect.mapEager(
        encodeMetadata(metadata, event.metadata as Metadata.Metadata | undefined, codec.schemaVersion),
        (metadata): Message => ({ id: event.id, type: event.type, data, metadata })
      )).pipe(Effect.mapErrorEager(unlikeItsSchema))
  }

  const decode: MessageCodec<R>["decode"] = (recorded) => {
    const codec = events.get(recorded.type)
    if (codec === undefined) {
      const isSkipped = unknownTypes === "skip" || recorded.type === handledType
      return isSkipped ? Effect.succeedNone : unknownType(`not an event of ${known}`)
    }
    const { type } = recorded
    return Effect.flatMapEager(recordedId(recorded.streamName), (id) => {
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
    })
  }

  return { encode, decode }
}
