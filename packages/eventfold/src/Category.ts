/**
 * A category of typed events: each kind of event has a schema, and its data is encoded and decoded by it.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { succeeded } from "./internal/eager.ts"
import { issueAt } from "./internal/issue.ts"
import type { Message, RecordedMessage } from "./Message.ts"
import * as MessageStore from "./MessageStore.ts"
import type * as Metadata from "./Metadata.ts"
import type { AppendResult } from "./StoreBackend.ts"
import { InvalidMessage } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

/**
 * The events of a category: by type, the schema of the data, or the fields of a struct.
 *
 * @since 0.1.0
 */
export interface Events {
  readonly [type: string]: Schema.Codec<unknown, unknown> | Fields
}

/** @since 0.1.0 */
export interface Fields {
  readonly [field: string]: Schema.Codec<unknown, unknown>
}

/**
 * The data of one kind of event.
 *
 * @since 0.1.0
 */
export type Data<D> = D extends Schema.Codec<infer T, unknown> ? T
  : D extends Schema.Struct.Fields ? Schema.Struct.Type<D>
  : never

/**
 * What an event may carry beside its data.
 *
 * @since 0.1.0
 */
export interface EventOptions {
  /** The message id, a UUID; a new one when absent. To append the same events under the same ids again is safe. */
  readonly id?: string | undefined
  readonly metadata?: Metadata.Metadata | undefined
}

/**
 * The union of a category's events, told apart by `type`.
 *
 * @example
 * ```ts
 * import { Category } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
 * type AccountEvent = Category.Event<typeof Account>
 * ```
 *
 * @since 0.1.0
 */
export type Event<C extends Any> = EventOf<C["Events"]>

/** @since 0.1.0 */
export type EventOf<E> = {
  readonly [K in keyof E & string]: EventOptions & { readonly type: K; readonly data: Data<E[K]> }
}[keyof E & string]

/**
 * An event as it was read.
 *
 * @since 0.1.0
 */
export type RecordedEvent<E> = {
  readonly [K in keyof E & string]: {
    readonly type: K
    readonly data: Data<E[K]>
    /** The message that holds it: id, metadata, positions, time. */
    readonly recorded: RecordedMessage
  }
}[keyof E & string]

/**
 * The id of an entity: what follows the category's name and a dash in a stream name. An array is a compound id:
 * `["123", "456"]` is `123+456`.
 *
 * @since 0.1.0
 */
export type Id = string | ReadonlyArray<string>

/**
 * A message of a category that does not fit its schema: as a value, to be reported, parked or skipped.
 *
 * @since 0.1.0
 */
export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", {
  streamName: Schema.String,
  position: Schema.Int,
  globalPosition: Schema.Int,
  type: Schema.String,
  /** Where in the data, such as `["amount"]`. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.type} at position ${this.position} of ${this.streamName}: ${
      ["data", ...this.path].join(".")
    }: ${this.reason}`
  }
}

/** @since 0.1.0 */
export interface Category<Name extends string, E extends Events> {
  readonly name: Name
  /** Only a type, for {@link Event}. */
  readonly Events: E
  /**
   * Makes events: `Account.events.Deposited({ amount: 11 })`. They are checked against their schemas when they are
   * written.
   */
  readonly events: {
    readonly [K in keyof E & string]: (
      data: Data<E[K]>,
      options?: EventOptions
    ) => EventOptions & { readonly type: K; readonly data: Data<E[K]> }
  }
  /** The stream of an id, such as `account-123`. Fails for an empty id, or when the category's own name has a dash. */
  readonly streamName: (id: Id) => Effect.Effect<StreamName.StreamName, StreamName.InvalidStreamName>
  /** Encodes events for a stream; an event that does not fit its schema is an `InvalidMessage` with its path. */
  readonly encode: (
    streamName: string,
    events: ReadonlyArray<EventOf<E>>
  ) => Effect.Effect<ReadonlyArray<Message>, InvalidMessage>
  /** Decodes a message; none when its type is not one of the category's. */
  readonly decode: (recorded: RecordedMessage) => Effect.Effect<Option.Option<RecordedEvent<E>>, DecodeError>
  /** Appends one or many events to the stream of an id: {@link MessageStore.MessageStore.append} with types. */
  readonly append: (
    id: Id,
    events: EventOf<E> | ReadonlyArray<EventOf<E>>,
    options?: MessageStore.AppendOptions
  ) => Effect.Effect<AppendResult, MessageStore.AppendError, MessageStore.MessageStore>
  /** Reads the events of an id's stream; messages of other types are skipped. */
  readonly readStream: (
    id: Id,
    options?: MessageStore.ReadStreamOptions
  ) => Stream.Stream<RecordedEvent<E>, MessageStore.ReadStreamError | DecodeError, MessageStore.MessageStore>
  /** Reads the events of all streams of the category, by global position; messages of other types are skipped. */
  readonly readCategory: (
    options?: MessageStore.ReadCategoryOptions
  ) => Stream.Stream<RecordedEvent<E>, MessageStore.ReadCategoryError | DecodeError, MessageStore.MessageStore>
}

/**
 * Any category, as a bound of type parameters.
 *
 * @since 0.1.0
 */
export interface Any {
  readonly Events: Events
}

type WithoutDash<Name extends string> = Name extends `${string}-${string}` ? "a category's name has no dash" : Name

const isCodec = (definition: Events[string]): definition is Schema.Codec<unknown, unknown> =>
  Schema.isSchema(definition)

const jsonCodec = (definition: Events[string]): Schema.Codec<unknown, Schema.Json> => {
  const codec: Schema.Codec<unknown, unknown> = isCodec(definition) ? definition : Schema.Struct({ ...definition })
  return Schema.toCodecJson(codec)
}

const decodeError = (recorded: RecordedMessage, error: Schema.SchemaError): DecodeError => {
  const { globalPosition, position, streamName, type } = recorded
  return new DecodeError({ streamName, position, globalPosition, type, ...issueAt(error) })
}

/**
 * Defines a category by its name, which has no dash, and the schemas of its events. Data is stored in the JSON form of
 * its schema (`Schema.toCodecJson`).
 *
 * @example
 * ```ts
 * import { Category } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Account = Category.make("account", {
 *   Opened: { owner: Schema.String, at: Schema.DateTimeUtc },
 *   Deposited: { amount: Schema.Int }
 * })
 *
 * const deposit = Account.append("123", Account.events.Deposited({ amount: 11 }))
 * ```
 *
 * @since 0.1.0
 */
export const make = <const Name extends string, const E extends Events>(
  name: Name & WithoutDash<Name>,
  events: E
): Category<Name, E> => {
  const codecs = Object.entries(events).map(([type, definition]) => [type, jsonCodec(definition)] as const)
  const encoders = new Map(codecs.map(([type, codec]) => [type, Schema.encodeUnknownEffect(codec)]))
  const decoders = new Map(codecs.map(([type, codec]) => [type, Schema.decodeUnknownEffect(codec)]))

  const streamName = (id: Id) => StreamName.make(name, id)

  const encode = Effect.fnUntraced(function*(streamName: string, events: ReadonlyArray<EventOf<E>>) {
    const messages: Array<Message> = []
    for (const [index, event] of events.entries()) {
      const encoder = encoders.get(event.type)
      if (encoder === undefined) {
        const known = [...encoders.keys()].join(", ")
        return yield* new InvalidMessage({
          streamName,
          index,
          type: String(event.type),
          path: ["type"],
          reason: `is not an event of the category ${name}, whose events are ${known}`
        })
      }
      const data = yield* Effect.mapError(encoder(event.data), (error) => {
        const { path, reason } = issueAt(error)
        return new InvalidMessage({
          streamName,
          index,
          type: event.type,
          path: ["data", ...path],
          reason: `does not fit its schema: ${reason}`
        })
      })
      messages.push({ id: event.id, type: event.type, data, metadata: event.metadata })
    }
    return messages
  })

  const decode = (recorded: RecordedMessage): Effect.Effect<Option.Option<RecordedEvent<E>>, DecodeError> => {
    const decoder = decoders.get(recorded.type)
    if (decoder === undefined) return Effect.succeedNone
    return Effect.mapBothEager(decoder(recorded.data), {
      onSuccess: (data) => Option.some({ type: recorded.type, data, recorded } as RecordedEvent<E>),
      onFailure: (error) => decodeError(recorded, error)
    })
  }

  const append = Effect.fn("Category.append")(function*(
    id: Id,
    events: EventOf<E> | ReadonlyArray<EventOf<E>>,
    options?: MessageStore.AppendOptions
  ) {
    const store = yield* MessageStore.MessageStore
    const name = yield* streamName(id)
    return yield* store.append(name, yield* encode(name, Arr.ensure(events)), options)
  })

  const decodeArray = Effect.fnUntraced(function*(rows: ReadonlyArray<RecordedMessage>) {
    const decoded: Array<RecordedEvent<E>> = []
    for (const recorded of rows) {
      const decoding = decode(recorded)
      const event = succeeded(decoding)?.value ?? (yield* decoding)
      if (Option.isSome(event)) decoded.push(event.value)
    }
    return decoded
  })

  const decodeAll = <Error, R>(messages: Stream.Stream<RecordedMessage, Error, R>) =>
    messages.pipe(
      Stream.mapArrayEffect((rows) => Effect.map(decodeArray(rows), Arr.of)),
      Stream.flattenIterable
    )

  const readStream = (id: Id, options?: MessageStore.ReadStreamOptions) =>
    Stream.unwrap(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      return decodeAll(store.readStream(yield* streamName(id), options))
    }))

  const readCategory = (options?: MessageStore.ReadCategoryOptions) =>
    Stream.unwrap(Effect.map(MessageStore.MessageStore, (store) => decodeAll(store.readCategory(name, options))))

  return {
    name,
    Events: events,
    events: constructors(events),
    streamName,
    encode,
    decode,
    append,
    readStream,
    readCategory
  }
}

const constructors = <E extends Events>(events: E): Category<string, E>["events"] =>
  Object.fromEntries(
    Object.keys(events).map((type) => [type, (data: unknown, options?: EventOptions) => ({ ...options, type, data })])
  ) as Category<string, E>["events"]
