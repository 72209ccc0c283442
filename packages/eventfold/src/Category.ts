/**
 * A category of typed events: each kind of event has a schema, and its data is encoded and decoded by it.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import {
  type EventCodec,
  eventCodec,
  type Misfit,
  type PartCodec,
  partCodec,
  type PastVersion,
  versionedCodec
} from "./internal/category/eventCodec.ts"
import { idCodec } from "./internal/category/idCodec.ts"
import * as Eager from "./internal/runtime/eagerLoop.ts"
import type { Message, RecordedMessage } from "./Message.ts"
import * as MessageStore from "./MessageStore.ts"
import * as Metadata from "./Metadata.ts"
import type { AppendResult } from "./StoreBackend.ts"
import { InvalidMessage, type StoreError } from "./StoreError.ts"
import type * as StreamName from "./StreamName.ts"

/**
 * The events of a category by type.
 *
 * @since 0.1.0
 */
export interface Events {
  readonly [type: string]: Definition | AnyVersioned
}

/**
 * The data of an event: its schema, or the fields of a struct. A schema may need services, to decrypt a field say: they
 * become requirements of what reads and writes the category.
 *
 * @since 0.1.0
 */
export type Definition = Schema.Codec<unknown, unknown, unknown, unknown> | Fields

/** @since 0.1.0 */
export interface Fields {
  readonly [field: string]: Schema.Codec<unknown, unknown, unknown, unknown>
}

/**
 * The data that a definition describes.
 *
 * @since 0.1.0
 */
export type Data<D> = D extends Schema.Codec<infer T, unknown, unknown, unknown> ? T
  : D extends { readonly newest: infer Newest } & AnyVersioned ? Data<Newest>
  : D extends Schema.Struct.Fields ? Schema.Struct.Type<D>
  : never

/** What the schemas of a definition need. */
type DefinitionServices<D> = D extends Schema.Codec<unknown, unknown, infer RD, infer RE> ? RD | RE
  : D extends { readonly newest: infer Newest; readonly past: ReadonlyArray<PastVersion<infer R>> }
    ? R | DefinitionServices<Newest>
  : D extends Fields ? { readonly [K in keyof D]: DefinitionServices<D[K]> }[keyof D]
  : never

/**
 * The type of the message that a process writes to a stream of its own when it has no event for it. It is no event of any
 * category, and none refuses it.
 *
 * @internal
 */
export const handledType = "eventfold:Handled"

const VersionedTypeId = "~eventfold/Category/Versioned"

/**
 * Any {@link Versioned}, as a bound of type parameters.
 *
 * @since 0.1.0
 */
export interface AnyVersioned {
  readonly [VersionedTypeId]: typeof VersionedTypeId
  readonly newest: Definition
  readonly past: ReadonlyArray<PastVersion<unknown>>
}

/**
 * An event whose data has had several forms. `R` is what the older ones need.
 *
 * @since 0.1.0
 */
export interface Versioned<D extends Definition, R = never> extends AnyVersioned {
  /** The form that is written, and the only one that a program sees. */
  readonly newest: D
  readonly past: ReadonlyArray<PastVersion<R>>
  /**
   * The next version, and how its data is made of the one before: a function, or an effect, whose failure becomes a
   * `DecodeError`. What it gives is checked against the schema.
   */
  readonly upcast: <
    Next extends Definition,
    A extends Data<Next> | Effect.Effect<Data<Next>, { readonly message: string }, unknown>
  >(
    definition: Next,
    step: (data: Data<D>) => A
  ) => Versioned<Next, R | StepServices<A> | DefinitionServices<D>>
}

/**
 * What a step needs. Not a type parameter of `upcast`: where a definition is expected, the compiler would take it for
 * `unknown`.
 */
type StepServices<A> = A extends Effect.Effect<infer _B, infer _E, infer R> ? R : never

/**
 * An id of a category without an `id` schema: what follows the category's name and a dash in a stream name. An array is
 * a compound id: `["123", "456"]` is `123+456`.
 *
 * @since 0.1.0
 */
export type PlainId = string | ReadonlyArray<string>

/** @since 0.1.0 */
export interface Options {
  /**
   * The schema of ids, whose encoded form is the id in a stream name: a branded string, a number as a string, or, for
   * compound ids, a tuple of such. Default: any {@link PlainId}.
   */
  readonly id?: Schema.Codec<unknown, PlainId> | undefined
  /**
   * Fields of the application's own in the metadata of each event, beside the keys that Eventide defines (a field may
   * also describe one of these, such as `properties`). Default: metadata is free JSON.
   */
  readonly metadata?: Fields | undefined
  /**
   * What becomes of a message whose type is not one of the category's when its streams are read: it is left out, or it is
   * a `DecodeError`. Default: `"skip"`, so that a new type does no harm to the programs that do not know it yet.
   */
  readonly unknownTypes?: "skip" | "refuse" | undefined
}

type IdOf<O> = O extends { readonly id: Schema.Codec<infer I, PlainId> } ? I : PlainId

type MetadataOf<O> = O extends { readonly metadata: infer F extends Schema.Struct.Fields }
  ? Schema.Struct.Type<F> & Omit<Metadata.Standard, keyof F>
  : Metadata.Metadata

type ServicesOf<E, O> =
  | { readonly [K in keyof E]: DefinitionServices<E[K]> }[keyof E]
  | (O extends { readonly metadata: infer F } ? DefinitionServices<F> : never)

/** An event before it is written. */
type Unrecorded<E, O> = {
  readonly [K in keyof E & string]: {} extends MetadataOf<O> ? {
      readonly type: K
      readonly data: Data<E[K]>
      readonly id?: string | undefined
      readonly metadata?: MetadataOf<O> | undefined
    }
    : {
      readonly type: K
      readonly data: Data<E[K]>
      readonly id?: string | undefined
      readonly metadata: MetadataOf<O>
    }
}[keyof E & string]

/** An event as it was read. */
type Recorded<E, O> = {
  readonly [K in keyof E & string]: O extends { readonly metadata: Fields } ? {
      readonly type: K
      readonly data: Data<E[K]>
      readonly metadata: MetadataOf<O>
      /** The message that holds it: id, positions, time. */
      readonly recorded: RecordedMessage
    }
    : {
      readonly type: K
      readonly data: Data<E[K]>
      /** The message that holds it: id, metadata, positions, time. */
      readonly recorded: RecordedMessage
    }
}[keyof E & string]

/**
 * What an event may carry beside its data.
 *
 * @since 0.1.0
 */
export type EventOptions<M = Metadata.Metadata> =
  & {
    /** The message id, a UUID; a new one when absent. To append the same events under the same ids again is safe. */
    readonly id?: string | undefined
  }
  & ({} extends M ? { readonly metadata?: M | undefined } : { readonly metadata: M })

/**
 * Any category, as a bound of type parameters.
 *
 * @since 0.1.0
 */
export interface Any {
  readonly name: string
  readonly Events: Events
  readonly Options: Options
  readonly decode: (
    recorded: RecordedMessage
  ) => Effect.Effect<Option.Option<{ readonly recorded: RecordedMessage }>, DecodeError, unknown>
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
export type Event<C extends Any> = Unrecorded<C["Events"], C["Options"]>

/**
 * The union of a category's events as they are read: `data` is decoded, and so is `metadata` when the category has a
 * schema for it; `recorded` is the message.
 *
 * @since 0.1.0
 */
export type RecordedEvent<C extends Any> = Recorded<C["Events"], C["Options"]>

/**
 * The ids of a category.
 *
 * @since 0.1.0
 */
export type Id<C extends Any> = IdOf<C["Options"]>

/**
 * The services that a category's schemas and upcasts need; usually none.
 *
 * @since 0.1.0
 */
export type Services<C extends Any> = ServicesOf<C["Events"], C["Options"]>

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
  /** Where in the message, such as `["data", "amount"]`. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.type} at position ${this.position} of ${this.streamName}: ${this.path.join(".")}: ${this.reason}`
  }
}

/** @since 0.1.0 */
export interface Category<E extends Events, O extends Options = {}> extends Any {
  /** As they were defined; also a type, for {@link Event}. */
  readonly Events: E
  readonly Options: O
  /**
   * Makes events: `Account.events.Deposited({ amount: 11 })`. They are checked against their schemas when they are
   * written.
   */
  readonly events: {
    readonly [K in keyof E & string]: (
      data: Data<E[K]>,
      ...options: {} extends MetadataOf<O> ? [options?: EventOptions<MetadataOf<O>>]
        : [options: EventOptions<MetadataOf<O>>]
    ) => Extract<Unrecorded<E, O>, { readonly type: K }>
  }
  /**
   * The stream of an id, such as `account-123`. Fails for an id that is empty or does not fit its schema, or when the
   * category's own name has a dash.
   */
  readonly streamName: (id: IdOf<O>) => Effect.Effect<StreamName.StreamName, StreamName.InvalidStreamName>
  /** The id in the name of a stream of this category. Fails for another category's, and for an id that is none. */
  readonly id: (streamName: string) => Effect.Effect<IdOf<O>, StreamName.InvalidStreamName>
  /** Encodes events for a stream; an event that does not fit its schema is an `InvalidMessage` with its path. */
  readonly encode: (
    streamName: string,
    events: ReadonlyArray<Unrecorded<E, O>>
  ) => Effect.Effect<ReadonlyArray<Message>, InvalidMessage, ServicesOf<E, O>>
  /** Decodes a message; none when its type is not one of the category's and such are skipped. */
  readonly decode: (
    recorded: RecordedMessage
  ) => Effect.Effect<Option.Option<Recorded<E, O>>, DecodeError, ServicesOf<E, O>>
  /** Appends one or many events to the stream of an id: `MessageStore.append` with types. */
  readonly append: (
    id: IdOf<O>,
    events: Unrecorded<E, O> | ReadonlyArray<Unrecorded<E, O>>,
    options?: MessageStore.AppendOptions
  ) => Effect.Effect<AppendResult, MessageStore.AppendError, MessageStore.MessageStore | ServicesOf<E, O>>
  /** The same as a part of `MessageStore.writeAll`, which appends to several streams at once. */
  readonly toAppend: (
    id: IdOf<O>,
    events: Unrecorded<E, O> | ReadonlyArray<Unrecorded<E, O>>,
    options?: MessageStore.AppendOptions
  ) => Effect.Effect<MessageStore.Append, InvalidMessage | StreamName.InvalidStreamName, ServicesOf<E, O>>
  /** Reads the events of an id's stream. */
  readonly readStream: (
    id: IdOf<O>,
    options?: MessageStore.ReadStreamOptions
  ) => Stream.Stream<
    Recorded<E, O>,
    MessageStore.ReadStreamError | DecodeError,
    MessageStore.MessageStore | ServicesOf<E, O>
  >
  /** Reads the events of all streams of the category, by global position. */
  readonly readCategory: (
    options?: MessageStore.ReadCategoryOptions
  ) => Stream.Stream<
    Recorded<E, O>,
    MessageStore.ReadCategoryError | DecodeError,
    MessageStore.MessageStore | ServicesOf<E, O>
  >
  /**
   * The last event of an id's stream, or the last one of a type. None when there is none, or when the stream's last
   * message is of an unknown type that is skipped.
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

type WithoutDash<Name extends string> = Name extends `${string}-${string}` ? "a category's name has no dash" : Name

const isSchema = (definition: Definition): definition is Schema.Codec<unknown, unknown, unknown, unknown> =>
  Schema.isSchema(definition)

const isVersioned = (definition: Definition | AnyVersioned): definition is AnyVersioned => VersionedTypeId in definition

const schemaOf = (definition: Definition): Schema.Codec<unknown, unknown, unknown, unknown> =>
  isSchema(definition) ? definition : Schema.Struct({ ...definition })

const codecOf = (definition: Definition | AnyVersioned): EventCodec<unknown> =>
  isVersioned(definition)
    ? versionedCodec(definition.past, schemaOf(definition.newest))
    : eventCodec(schemaOf(definition))

const versioned = <D extends Definition, R>(newest: D, past: ReadonlyArray<PastVersion<unknown>>): Versioned<D, R> => ({
  [VersionedTypeId]: VersionedTypeId,
  newest,
  past: past as ReadonlyArray<PastVersion<R>>,
  upcast: (next, step) => {
    const upcast = (data: unknown) => {
      const result = step(data as Data<D>)
      return (Effect.isEffect(result) ? result : Effect.succeed(result)) as Effect.Effect<
        unknown,
        { readonly message: string },
        unknown
      >
    }
    return versioned(next, [...past, { schema: schemaOf(newest), upcast }])
  }
})

/**
 * The first version of an event's data, for an event whose schema has changed: `upcast` adds the versions after it, each
 * with the way to it from the one before. Events are written in the newest version, with `schemaVersion` (from `"1"`) in
 * their metadata; older ones are lifted when they are read, so handlers know the newest alone. A message without
 * `schemaVersion` is of the first version, and one from a newer program than this is a `DecodeError`.
 *
 * @example
 * ```ts
 * import { Category } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Account = Category.make("account", {
 *   Deposited: Category.version({ amount: Schema.Finite })
 *     .upcast({ cents: Schema.Int }, ({ amount }) => ({ cents: Math.round(amount * 100) }))
 *     .upcast({ cents: Schema.Int, currency: Schema.String }, ({ cents }) => ({ cents, currency: "EUR" }))
 * })
 *
 * const deposited = Account.events.Deposited({ cents: 1_100, currency: "EUR" })
 * ```
 *
 * @since 0.1.0
 */
export const version = <D extends Definition>(definition: D): Versioned<D> => versioned(definition, [])

const unlikeItsSchema = (misfit: Misfit): Misfit => ({ ...misfit, reason: `does not fit its schema: ${misfit.reason}` })

const decodeError = (recorded: RecordedMessage) => (misfit: Misfit): DecodeError => {
  const { globalPosition, position, streamName, type } = recorded
  return new DecodeError({ streamName, position, globalPosition, type, ...misfit })
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
 * @since 0.1.0
 */
export const make = <const Name extends string, const E extends Events, const O extends Options = {}>(
  name: Name & WithoutDash<Name>,
  events: E,
  options?: O
): Category<E, O> => {
  type Services = ServicesOf<E, O>
  const { id, streamName } = idCodec<IdOf<O>>(name, options?.id)
  const codecs = new Map(
    Object.entries(events).map(([type, definition]) => [type, codecOf(definition) as EventCodec<Services>])
  )
  const metadataFields = options?.metadata
  const metadataCodec = metadataFields === undefined
    ? undefined
    : partCodec("metadata", Schema.Struct({ ...metadataFields })) as PartCodec<Services>
  const known = [...codecs.keys()].join(", ")

  /** What the schema of the metadata says nothing of. */
  const others = (metadata: Metadata.Metadata): Metadata.Metadata =>
    metadataFields === undefined
      ? metadata
      : Object.fromEntries(Object.entries(metadata).filter(([key]) => !Object.hasOwn(metadataFields, key)))

  // What a message goes through on its way to the store has no generators, which would be most of its cost.
  const encodeMetadata = (
    metadata: Metadata.Metadata | undefined,
    schemaVersion: string | undefined
  ): Effect.Effect<Metadata.Metadata | undefined, Misfit, Services> => {
    if (metadataCodec === undefined && schemaVersion === undefined) return Effect.succeed(metadata)
    const encoding = metadataCodec === undefined ? Effect.undefined : metadataCodec.encode(metadata ?? {})
    return Effect.mapEager(encoding, (own) => ({
      ...others(metadata ?? {}),
      ...own as Metadata.Metadata | undefined,
      ...(schemaVersion === undefined ? {} : { schemaVersion })
    }))
  }

  const encodeEvent = (event: Unrecorded<E, O>): Effect.Effect<Message, Misfit, Services> => {
    const codec = codecs.get(event.type)
    if (codec === undefined) {
      const reason = `is not an event of the category ${name}, whose events are ${known}`
      return Effect.fail({ path: ["type"], reason })
    }
    const encoding = Effect.flatMapEager(codec.encode(event.data), (data) =>
      Effect.mapEager(
        encodeMetadata(event.metadata as Metadata.Metadata | undefined, codec.schemaVersion),
        (metadata): Message => ({ id: event.id, type: event.type, data, metadata })
      ))
    return Effect.mapErrorEager(encoding, unlikeItsSchema)
  }

  const encode = (streamName: string, events: ReadonlyArray<Unrecorded<E, O>>) =>
    Effect.suspend(() => {
      const messages: Array<Message> = []
      const encodeNext = (event: Unrecorded<E, O>) =>
        Effect.mapErrorEager(encodeEvent(event), (misfit) =>
          new InvalidMessage({ streamName, index: messages.length, type: String(event.type), ...misfit }))
      return Effect.as(
        Eager.forEach(events, encodeNext, (message) =>
          messages.push(message)),
        messages
      )
    })

  const decode = (recorded: RecordedMessage): Effect.Effect<Option.Option<Recorded<E, O>>, DecodeError, Services> => {
    const codec = codecs.get(recorded.type)
    if (codec === undefined) {
      if (options?.unknownTypes !== "refuse" || recorded.type === handledType) return Effect.succeedNone
      const reason = `is not one of the category's, which are ${known}`
      return Effect.fail(decodeError(recorded)({ path: ["type"], reason }))
    }
    const data = codec.decode(recorded.data, recorded.metadata)
    if (metadataCodec === undefined) {
      return Effect.mapBothEager(data, {
        onSuccess: (data) => Option.some({ type: recorded.type, data, recorded } as Recorded<E, O>),
        onFailure: decodeError(recorded)
      })
    }
    const event = Effect.zipWith(
      data,
      metadataCodec.decode(recorded.metadata ?? {}),
      (data, own) => ({
        type: recorded.type,
        data,
        metadata: { ...others(Metadata.fromJson(recorded.metadata)), ...own as object },
        recorded
      })
    )
    return Effect.mapBoth(event, {
      onSuccess: (event) => Option.some(event as Recorded<E, O>),
      onFailure: decodeError(recorded)
    })
  }

  const toAppend = (
    id: IdOf<O>,
    events: Unrecorded<E, O> | ReadonlyArray<Unrecorded<E, O>>,
    options?: MessageStore.AppendOptions
  ) =>
    Effect.flatMap(
      streamName(id),
      (streamName) =>
        Effect.map(encode(streamName, Arr.ensure(events)), (messages) => ({ ...options, streamName, messages }))
    )

  // The store's span is the only one: it has the name of the stream.
  const append = (
    id: IdOf<O>,
    events: Unrecorded<E, O> | ReadonlyArray<Unrecorded<E, O>>,
    options?: MessageStore.AppendOptions
  ) =>
    MessageStore.MessageStore.use((store) =>
      Effect.flatMap(
        toAppend(id, events),
        ({ messages, streamName }) => store.append(streamName, messages, options)
      )
    )

  /** Page by page, as they come: pages of which nothing is left are passed over. */
  const decodeAll = <Error, R>(messages: Stream.Stream<RecordedMessage, Error, R>) =>
    Stream.transformPull(messages, (pull) => {
      const events: Pull.Pull<Arr.NonEmptyReadonlyArray<Recorded<E, O>>, Error | DecodeError, void, Services> = Effect
        .filterOrElse(Effect.flatMap(pull, (rows) => Eager.filterMap(rows, decode)), Arr.isArrayNonEmpty, () => next)
      const next = Effect.suspend(() => events)
      return Effect.succeed(events)
    })

  const readStream = (id: IdOf<O>, options?: MessageStore.ReadStreamOptions) =>
    Stream.unwrap(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      return decodeAll(store.readStream(yield* streamName(id), options))
    }))

  const readCategory = (options?: MessageStore.ReadCategoryOptions) =>
    Stream.unwrap(Effect.map(MessageStore.MessageStore, (store) => decodeAll(store.readCategory(name, options))))

  const lastEvent = Effect.fn("Category.lastEvent")(function*(
    id: IdOf<O>,
    options?: { readonly type?: (keyof E & string) | undefined }
  ) {
    const store = yield* MessageStore.MessageStore
    const last = yield* store.lastMessage(yield* streamName(id), options)
    return Option.isNone(last) ? Option.none() : yield* decode(last.value)
  })

  return {
    name,
    Events: events,
    Options: options ?? {} as O,
    events: constructors<E, O>(events),
    id,
    streamName,
    encode,
    decode,
    append,
    toAppend,
    readStream,
    readCategory,
    lastEvent
  }
}

const constructor = (type: string) => (data: unknown, options?: object) => ({ ...options, type, data })

const constructors = <E extends Events, O extends Options>(events: E): Category<E, O>["events"] => {
  const byType: Record<string, unknown> = Object.fromEntries(
    Object.keys(events).map((type) => [type, constructor(type)])
  )
  return byType as Category<E, O>["events"]
}
