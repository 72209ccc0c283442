/**
 * A category: the events of one kind of thing, each type of event with a schema for its data.
 *
 * **Details**
 *
 * The streams of a category share its name: `account-123` is the stream of the id `123` in the category `account`. A category
 * encodes events into JSON messages when it writes, and decodes messages into events when it reads. A message that does not
 * fit its schema is a {@link DecodeError}; a message of a type that the category does not name is skipped.
 *
 * To fold the events of one stream into a state, see `Entity`; to react to them, see `Consumer`; to query them, see
 * `ReadModel`.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { EventCodec } from "./internal/category/eventCodec.ts"
import {
  type AnyVersioned,
  codecOf,
  type Data,
  type Definition,
  type DefinitionServices,
  type Fields
} from "./internal/category/eventDefinition.ts"
import type { FoldEvent } from "./internal/category/foldEvent.ts"
import { idCodec } from "./internal/category/idCodec.ts"
import type { Misfit } from "./internal/category/jsonCodec.ts"
import { messageCodec, type UntypedEvent } from "./internal/category/messageCodec.ts"
import * as Eager from "./internal/runtime/eagerLoop.ts"
import { isDeleted, type Message, type RecordedMessage } from "./Message.ts"
import * as MessageStore from "./MessageStore.ts"
import * as Metadata from "./Metadata.ts"
import type { AppendResult, FoldMessage } from "./StoreBackend.ts"
import { InvalidMessage, type StoreError } from "./StoreError.ts"
import type * as StreamName from "./StreamName.ts"

/** @since 0.1.0 */
export {
  type AnyVersioned,
  type Data,
  type Definition,
  type DefinitionServices,
  type Fields,
  type Upcasted,
  version,
  type Versioned
} from "./internal/category/eventDefinition.ts"

/**
 * The events of a category: by type, the schema of the data, the fields of a struct, or {@link version}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Events {
  readonly [type: string]: Definition | AnyVersioned
}

/**
 * An id of a category without an `id` schema: the part of a stream name after the category and the dash. An array is a
 * compound id: `["123", "456"]` is `123+456`.
 *
 * @category models
 * @since 0.1.0
 */
export type PlainId = string | ReadonlyArray<string>

/**
 * The options of a category.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The schema of ids. Its encoded form is the id in a stream name: a string, or a tuple of strings for compound ids. So an
   * id may be branded, a number, or a struct that a schema makes of such a tuple. Defaults to any {@link PlainId}.
   */
  readonly id?: Schema.Codec<unknown, PlainId> | undefined
  /**
   * The application's own fields in the metadata of each event, beside the keys that Eventide defines. A field may also
   * describe one of these keys, such as `properties`. Defaults to free JSON without checks.
   *
   * A field may be given once for a whole request, by `Metadata.with` or the option `metadata` of a transaction. So the
   * compiler does not ask for it at each event; a write without it is an `InvalidMessage`, unless the field is optional.
   */
  readonly metadata?: Fields | undefined
  /**
   * What a read does with a message of a type that the category does not name: `"skip"` leaves it out, `"refuse"` fails with
   * a {@link DecodeError}. Defaults to `"skip"`, because a new type must not break the programs that do not know it yet.
   */
  readonly unknownTypes?: "skip" | "refuse" | undefined
  /**
   * What a read does with `schemaVersion` in the metadata of an event that is declared without versions: with `"check"`, any
   * other version than `"1"` is a {@link DecodeError}; `"ignore"` does not look at it, for events of other clients that use
   * the key for something else. An event with {@link version}s is always checked. Defaults to `"check"`, because data of a
   * newer version may fit the schema and mean something else.
   */
  readonly schemaVersions?: "check" | "ignore" | undefined
}

type IdOf<O> = O extends { readonly id: Schema.Codec<infer I, PlainId> } ? I : PlainId

type RecordedIdOf<O> = O extends { readonly id: Schema.Codec<infer I, PlainId> } ? I : string

type MetadataOf<O> = O extends { readonly metadata: infer F extends Schema.Struct.Fields }
  ? Schema.Struct.Type<F> & Omit<Metadata.Standard, keyof F>
  : Metadata.Metadata

/** The fields of the metadata, or its type when a category has no schema for it. */
type MetadataFieldsOf<O> = O extends { readonly metadata: infer F extends Fields } ? F : Metadata.Metadata

type Given<F> = F extends Fields ? PartialMetadata<F> : F

/** What an event leaves out may come from the context. One mapped type, which the compiler prints by its name. */
type PartialMetadata<F extends Fields> = {
  readonly [K in keyof F | keyof Metadata.Standard]?: K extends keyof F ? F[K]["Type"]
    : K extends keyof Metadata.Standard ? Required<Metadata.Standard>[K]
    : never
}

type ServicesOf<E, O> =
  | { readonly [K in keyof E]: DefinitionServices<E[K]> }[keyof E]
  | (O extends { readonly metadata: infer F } ? DefinitionServices<F> : never)

/**
 * An event of one type before it is written. The constructors in {@link Category} `events` make them.
 *
 * `F` is the option `metadata` of the category: the schemas of the fields. Without that option it is the type of free
 * metadata.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewEvent<Type extends string, Data, F = Metadata.Metadata> {
  readonly type: Type
  readonly data: Data
  readonly id?: string | undefined
  readonly metadata?: Given<F> | undefined
}

/** An event before it is written. */
type Unrecorded<E, O> = {
  readonly [K in keyof E & string]: NewEvent<K, Data<E[K]>, MetadataFieldsOf<O>>
}[keyof E & string]

/** An event as it was read. */
type Recorded<E, O> = {
  readonly [K in keyof E & string]: O extends { readonly metadata: Fields } ? {
      readonly type: K
      readonly data: Data<E[K]>
      /** The id of the event's stream. */
      readonly id: RecordedIdOf<O>
      readonly metadata: MetadataOf<O>
      /** The message of the event, with its own id, positions and time. */
      readonly recorded: RecordedMessage
    }
    : {
      readonly type: K
      readonly data: Data<E[K]>
      /** The id of the event's stream. */
      readonly id: RecordedIdOf<O>
      /** The message of the event, with its own id, metadata, positions and time. */
      readonly recorded: RecordedMessage
    }
}[keyof E & string]

/**
 * What an event may have beside its data: the second argument of the constructors in {@link Category} `events`. `F` is that
 * of a {@link NewEvent}.
 *
 * @category options
 * @since 0.1.0
 */
export interface EventOptions<F = Metadata.Metadata> {
  /**
   * The message id, a UUID. Defaults to a new one. When events have ids, appending them again is safe: the store recognises
   * them and does not write them twice.
   */
  readonly id?: string | undefined
  /**
   * The metadata of this event. What it leaves out comes from the option `metadata` of a transaction, or from the context:
   * see `Metadata.with`.
   */
  readonly metadata?: Given<F> | undefined
}

/**
 * Any category, as a bound of type parameters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  /** The name of the category, such as `account`. */
  readonly categoryName: string
  readonly Events: Events
  readonly Options: Options
  readonly decode: (
    recorded: RecordedMessage
  ) => Effect.Effect<Option.Option<{ readonly recorded: RecordedMessage }>, DecodeError, unknown>
}

/**
 * The union of a category's events before they are written, discriminated by `type`.
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
 * @category models
 * @since 0.1.0
 */
export type Event<C extends Any> = Unrecorded<C["Events"], C["Options"]>

/**
 * The union of a category's events as they are read. `data` is decoded, and so is `metadata` when the category has a schema
 * for it. `id` is the id of the stream: see {@link RecordedId}. `recorded` is the message, whose own id is `recorded.id`.
 *
 * @category models
 * @since 0.1.0
 */
export type RecordedEvent<C extends Any> = Recorded<C["Events"], C["Options"]>

/**
 * The type of a category's ids.
 *
 * @category models
 * @since 0.1.0
 */
export type Id<C extends Any> = IdOf<C["Options"]>

/**
 * The type of a category's ids as they are read: that of the `id` schema, or else the text of the id, `"123+456"` for a
 * compound one. It fits wherever an {@link Id} does.
 *
 * @category models
 * @since 0.1.0
 */
export type RecordedId<C extends Any> = RecordedIdOf<C["Options"]>

/**
 * The type of the metadata that a program gives to events of a category. Each field may be left out, because it may come from
 * the context: see `Metadata.with`.
 *
 * @category models
 * @since 0.1.0
 */
export type GivenMetadata<C extends Any> = Given<MetadataFieldsOf<C["Options"]>>

/**
 * The services that a category's schemas and upcasts need; usually `never`.
 *
 * @category models
 * @since 0.1.0
 */
export type Services<C extends Any> = ServicesOf<C["Events"], C["Options"]>

/**
 * A stored message does not fit the schema of its type, or its stream has no id that fits the category.
 *
 * **Details**
 *
 * The fields say which message, where in it, and what is wrong. Reading it again gives the same error. A consumer can park or
 * skip such a message; a schema that accepts it, or an upcast, repairs it.
 *
 * @category errors
 * @since 0.1.0
 */
export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", {
  streamName: Schema.String,
  /** The position in the stream, from 0. */
  position: Schema.Int,
  /** The position in the store, from 1. */
  globalPosition: Schema.Int,
  type: Schema.String,
  /** Where in the message, such as `["data", "amount"]`, or `["streamName"]` for an id. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  /** What is wrong there, such as `"Expected an integer"`. */
  reason: Schema.String
}) {
  override get message(): string {
    const { path, position, reason, streamName, type } = this
    return `cannot decode ${type} at position ${position} of stream ${streamName}: ${path.join(".")}: ${reason}`
  }
}

/**
 * Constructors of the events of a category, by type.
 *
 * @category models
 * @since 0.1.0
 */
export type Constructors<E extends Events, O extends Options = {}> = {
  readonly [K in keyof E & string]: (
    data: Data<E[K]>,
    options?: EventOptions<MetadataFieldsOf<O>>
  ) => NewEvent<K, Data<E[K]>, MetadataFieldsOf<O>>
}

/**
 * A category: constructors for its events, and typed reads and appends. `E` is its events and `O` its options, as they were
 * defined.
 *
 * **Details**
 *
 * A class can extend a category. Then types have the name of the class, `typeof Account`, instead of its events one by one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Category<E extends Events, O extends Options = {}> extends Any {
  /** For `extends` only: a category has no instances. */
  new(_: never): {}
  /** A class has the name of the class here: use `categoryName`. */
  readonly name: never
  /** The definitions of the events, also for types such as {@link Event}. */
  readonly Events: E
  readonly Options: O
  /**
   * Constructors of the events by type: `Account.events.Deposited({ amount: 11 })`. A write checks events against their
   * schemas; a constructor does not.
   */
  readonly events: Constructors<E, O>
  /**
   * The stream of an id, such as `account-123`. Fails with `InvalidStreamName` when the id is empty or does not fit its
   * schema, or when the category's own name has a dash.
   */
  readonly streamName: (id: IdOf<O>) => Effect.Effect<StreamName.StreamName, StreamName.InvalidStreamName>
  /**
   * The id in a stream name of this category. Fails with `InvalidStreamName` when the stream belongs to another category,
   * has no id, or has an id that does not fit its schema.
   */
  readonly id: (streamName: string) => Effect.Effect<RecordedIdOf<O>, StreamName.InvalidStreamName>
  /**
   * Encodes events into messages for a stream. Fails with `InvalidMessage` when an event does not fit its schema; the error
   * has the index of the event and the path in it.
   */
  readonly encode: (
    streamName: string,
    events: ReadonlyArray<Unrecorded<E, O>>
  ) => Effect.Effect<ReadonlyArray<Message>, InvalidMessage, ServicesOf<E, O>>
  /**
   * The events with the data that readers of their messages get: what was lost on the way is lost at once. Fails with
   * `InvalidMessage` when an event could not be read.
   *
   * @internal
   */
  readonly readBack: (
    streamName: string,
    events: ReadonlyArray<Unrecorded<E, O>>,
    messages: ReadonlyArray<Message>
  ) => Effect.Effect<ReadonlyArray<Unrecorded<E, O>>, InvalidMessage, ServicesOf<E, O>>
  /**
   * Decodes a message of the category into an event. Gives none for a message of an unknown type that the category skips, and for
   * what stands for a deletion (see `Message.isDeleted`). Fails with {@link DecodeError} when the data, the metadata or the id of the stream does not fit.
   */
  readonly decode: (
    recorded: RecordedMessage
  ) => Effect.Effect<Option.Option<Recorded<E, O>>, DecodeError, ServicesOf<E, O>>
  /**
   * An event by what a fold needs of its message; `undefined` when only the whole message tells.
   *
   * @internal
   */
  readonly decodeForFold: (message: FoldMessage) => Option.Option<FoldEvent> | undefined
  /**
   * Appends one or more events to the stream of an id: `MessageStore.append` with types. Fails as that does, and with
   * `InvalidMessage` when an event does not fit its schema; then nothing is written.
   */
  readonly append: (
    id: IdOf<O>,
    events: Unrecorded<E, O> | ReadonlyArray<Unrecorded<E, O>>,
    options?: MessageStore.AppendOptions
  ) => Effect.Effect<AppendResult, MessageStore.AppendError, MessageStore.MessageStore | ServicesOf<E, O>>
  /** Encodes an append without writing it, for `MessageStore.writeAll`, which appends to several streams at once. */
  readonly toAppend: (
    id: IdOf<O>,
    events: Unrecorded<E, O> | ReadonlyArray<Unrecorded<E, O>>,
    options?: MessageStore.AppendOptions
  ) => Effect.Effect<MessageStore.Append, InvalidMessage | StreamName.InvalidStreamName, ServicesOf<E, O>>
  /** Reads the events of an id's stream, in order: `MessageStore.readStream` with types. */
  readonly readStream: (
    id: IdOf<O>,
    options?: MessageStore.ReadStreamOptions
  ) => Stream.Stream<
    Recorded<E, O>,
    MessageStore.ReadStreamError | DecodeError,
    MessageStore.MessageStore | ServicesOf<E, O>
  >
  /** Reads the events of all streams of the category, by global position: `MessageStore.readCategory` with types. */
  readonly readCategory: (
    options?: MessageStore.ReadCategoryOptions
  ) => Stream.Stream<
    Recorded<E, O>,
    MessageStore.ReadCategoryError | DecodeError,
    MessageStore.MessageStore | ServicesOf<E, O>
  >
  /**
   * Reads the last event of an id's stream, or the last one of a type. Gives none when there is no such message, or when the
   * last message is of an unknown type that the category skips.
   */
  readonly lastEvent: (
    id: IdOf<O>,
    options?: { readonly type?: (keyof E & string) | undefined }
  ) => Effect.Effect<
    Option.Option<Recorded<E, O>>,
    StreamName.InvalidStreamName | StoreError | DecodeError,
    MessageStore.MessageStore | ServicesOf<E, O>
  >
}

type WithoutDash<Name extends string> = Name extends `${string}-${string}`
  ? "A category's name has no dash: in a stream name, a dash comes before the id"
  : Name

/**
 * A category as the interface that its events and options make it.
 *
 * @internal
 */
export type Plain<C extends Any> = Category<C["Events"], C["Options"]>

/**
 * The operations of a category, for code that is generic in it: the compiler cannot know that every category has them.
 *
 * @internal
 */
export const plain = <C extends Any>(category: C): Plain<C> => category as Any as Plain<C>

/**
 * A category of whatever events, with its operations: what code works with that does not know the events.
 *
 * @category models
 * @since 0.1.0
 */
export type Untyped = Category<Events, Options>

/**
 * The operations of any category, for code that does not know its events. What its schemas need must be in the context.
 *
 * @internal
 */
export const untyped = (category: Any) => category as Untyped

const decodeError = (recorded: RecordedMessage) => (misfit: Misfit): DecodeError => {
  const { globalPosition, position, streamName, type } = recorded
  return new DecodeError({ streamName, position, globalPosition, type, ...misfit })
}

/** What a class can extend. The class has a name of its own. */
const extensible = (name: string): Pick<Category<Events>, "name"> & (new(_: never) => {}) => {
  const Category = function() {} as Function as Pick<Category<Events>, "name"> & (new(_: never) => {})
  return Object.defineProperty(Category, "name", { value: name })
}

const invalid = (streamName: string, index: number, { type }: UntypedEvent) => (misfit: Misfit): InvalidMessage =>
  new InvalidMessage({ streamName, index, type: String(type), ...misfit })

/** The last message before one that stands for a deletion, or the last one of a type. None where the store can't read backwards. */
const lastBefore = (
  store: MessageStore.MessageStore["Service"],
  { position, streamName }: RecordedMessage,
  type: string | undefined
): Effect.Effect<Option.Option<RecordedMessage>, StoreError> =>
  store.readStream(streamName, { direction: "backwards", from: position, batchSize: lastBatch }).pipe(
    Stream.filter((message) => !isDeleted(message) && (type === undefined || message.type === type)),
    Stream.runHead,
    Effect.catchTag("Unsupported", () => Effect.succeedNone),
    // The name and the position are ours: these failures would be bugs.
    Effect.catchTag(["InvalidStreamName", "InvalidArgument"], Effect.die)
  )

/** How many messages to look at at a time for the last that is not deleted: mostly, it is the second. */
const lastBatch = 10

/** Decodes messages page by page, as they come. A page of which no event is left is skipped. */
const decodePages = <Event, E, R, RDecode>(
  messages: Stream.Stream<RecordedMessage, E, R>,
  decode: (recorded: RecordedMessage) => Effect.Effect<Option.Option<Event>, DecodeError, RDecode>
): Stream.Stream<Event, E | DecodeError, R | RDecode> =>
  Stream.transformPull(messages, (pull) => {
    const events: Pull.Pull<Arr.NonEmptyReadonlyArray<Event>, E | DecodeError, void, RDecode> = Effect.filterOrElse(
      Effect.flatMap(pull, (page) => Eager.filterMap(page, decode)),
      Arr.isArrayNonEmpty,
      () => next
    )
    const next = Effect.suspend(() => events)
    return Effect.succeed(events)
  })

const constructor = (type: string) => (data: unknown, options?: object) => ({ ...options, type, data })

const constructors = <E extends Events, O extends Options>(events: E): Constructors<E, O> => {
  const byType: Record<string, unknown> = Object.fromEntries(
    Object.keys(events).map((type) => [type, constructor(type)])
  )
  return byType as Constructors<E, O>
}

/**
 * Defines a category by its name and its events.
 *
 * **Details**
 *
 * The name has no dash, because a stream name is `category-id`. It may have types after a colon, as in `account:command`.
 * Data is stored in the JSON form of its schema (`Schema.toCodecJson`).
 *
 * @example
 * ```ts
 * import { Category } from "eventfold"
 * import { Schema } from "effect"
 *
 * const AccountId = Schema.String.pipe(Schema.brand("AccountId"))
 *
 * const Account = Category.make("account", {
 *   Opened: { owner: Schema.String, at: Schema.DateTimeUtc },
 *   Deposited: { amount: Schema.Int }
 * }, { id: AccountId, metadata: { userId: Schema.String } })
 *
 * const deposit = Account.append(
 *   AccountId.make("123"),
 *   Account.events.Deposited({ amount: 11 }, { metadata: { userId: "u-7" } })
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Name extends string, const E extends Events, const O extends Options = {}>(
  name: WithoutDash<Name>,
  events: E,
  options?: O
): Category<E, O> => {
  type Services = ServicesOf<E, O>
  type Given = Unrecorded<E, O> | ReadonlyArray<Unrecorded<E, O>>
  const { id, recorded, streamName } = idCodec<IdOf<O>, RecordedIdOf<O>>(name, options?.id)
  const messages = messageCodec<Services>(name, {
    events: new Map(
      Object.entries(events).map(([type, definition]) => [
        type,
        codecOf(definition, options?.schemaVersions ?? "check") as EventCodec<Services>
      ])
    ),
    metadata: options?.metadata as
      | { readonly [field: string]: Schema.Codec<unknown, unknown, Services, Services> }
      | undefined,
    unknownTypes: options?.unknownTypes ?? "skip",
    ids: recorded
  })

  const encodeIn = (
    ambient: Metadata.Ambient | undefined,
    streamName: string,
    events: ReadonlyArray<Unrecorded<E, O>>
  ) =>
    Effect.suspend(() => {
      const encoded: Array<Message> = []
      const encodeNext = (event: UntypedEvent) =>
        Effect.mapErrorEager(messages.encode(event, ambient), invalid(streamName, encoded.length, event))
      return Effect.as(
        Eager.forEach(events, encodeNext, (message) => encoded.push(message)),
        encoded
      )
    })

  const encode = (streamName: string, events: ReadonlyArray<Unrecorded<E, O>>) =>
    messages.takesAmbient
      ? Effect.contextWith((context: Context.Context<never>) =>
        encodeIn(Context.get(context, Metadata.Ambient), streamName, events)
      )
      : encodeIn(undefined, streamName, events)

  const decode = (recorded: RecordedMessage) =>
    Effect.mapErrorEager(messages.decode(recorded), decodeError(recorded)) as Effect.Effect<
      Option.Option<Recorded<E, O>>,
      DecodeError,
      Services
    >

  const { readBack: readEventBack } = messages
  const readBack = (
    streamName: string,
    events: ReadonlyArray<Unrecorded<E, O>>,
    messages: ReadonlyArray<Message>
  ): Effect.Effect<ReadonlyArray<Unrecorded<E, O>>, InvalidMessage, Services> =>
    Effect.suspend(() => {
      const read: Array<UntypedEvent> = []
      const readNext = (event: UntypedEvent) =>
        Effect.mapErrorEager(
          readEventBack(event, messages[read.length]?.data as Schema.Json),
          invalid(streamName, read.length, event)
        )
      return Effect.as(
        Eager.forEach(events, readNext, (event) => read.push(event)),
        read as ReadonlyArray<UntypedEvent> as ReadonlyArray<Unrecorded<E, O>>
      )
    })

  const toAppend = (id: IdOf<O>, events: Given, options?: MessageStore.AppendOptions) =>
    Effect.flatMap(
      streamName(id),
      (streamName) =>
        Effect.map(encode(streamName, Arr.ensure(events)), (messages) => ({ ...options, streamName, messages }))
    )

  // The store's span is the only one: it has the name of the stream.
  const append = (id: IdOf<O>, events: Given, options?: MessageStore.AppendOptions) =>
    MessageStore.MessageStore.use((store) =>
      Effect.flatMap(
        toAppend(id, events),
        ({ messages, streamName }) => store.append(streamName, messages, options)
      )
    )

  const readStream = (id: IdOf<O>, options?: MessageStore.ReadStreamOptions) =>
    Stream.unwrap(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      return decodePages(store.readStream(yield* streamName(id), options), decode)
    }))

  const readCategory = (options?: MessageStore.ReadCategoryOptions) =>
    Stream.unwrap(
      Effect.map(MessageStore.MessageStore, (store) => decodePages(store.readCategory(name, options), decode))
    )

  const lastEvent = Effect.fn("Category.lastEvent")(function*(
    id: IdOf<O>,
    options?: { readonly type?: (keyof E & string) | undefined }
  ) {
    const store = yield* MessageStore.MessageStore
    const name = yield* streamName(id)
    const last = yield* store.lastMessage(name, options)
    const event = yield* Option.isSome(last) && isDeleted(last.value)
      ? lastBefore(store, last.value, options?.type)
      : Effect.succeed(last)
    return Option.isNone(event) ? Option.none() : yield* decode(event.value)
  })

  return Object.assign(extensible(name), {
    categoryName: name,
    Events: events,
    Options: options ?? {} as O,
    events: constructors<E, O>(events),
    id,
    streamName,
    encode,
    readBack,
    decode,
    decodeForFold: messages.decodeForFold,
    append,
    toAppend,
    readStream,
    readCategory,
    lastEvent
  })
}
