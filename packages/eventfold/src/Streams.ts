/**
 * Streams with attributes and timed messages, and the only way to delete what is recorded.
 *
 * {@link make} gives the streams of a category. The stream with the id `x` is the message stream `stream-x`, so everything else of
 * eventfold works on it, and `Streams` works on the streams of every category. A stream may have *attributes*, which can be replaced,
 * and *messages*, each with a time of its own, by which they are listed.
 *
 * **Deleting.** A deleted message leaves a *tombstone*: its id and positions without its data. A *notice* at the end of the stream
 * says so to those who follow it. A deleted stream leaves only a notice. So no position comes twice, and nothing that was read
 * before passes for what is there now. `Message.isDeleted` recognises both.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { firstIssue } from "./internal/category/jsonCodec.ts"
import { parseJson } from "./internal/runtime/parseJson.ts"
import { jsonProblem, textProblem } from "./internal/runtime/storableJson.ts"
import { checkInt, formatArgument } from "./internal/store/argumentChecks.ts"
import { Attributes, type Message, type Stats } from "./internal/store/attributedStreams.ts"
import { allName } from "./internal/store/bookkeeping.ts"
import { idMaker, messageId } from "./internal/store/encodeAppend.ts"
import * as InProcess from "./internal/store/inProcess.ts"
import { isDeleted, type MessageId, nextId, type RecordedMessage } from "./Message.ts"
import * as MessageStore from "./MessageStore.ts"
import type * as Metadata from "./Metadata.ts"
import { InvalidArgument, InvalidMessage, type StoreError, Unsupported } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"
import type { DeletionRequest, StreamKey, StreamsBackend, StreamsBackendError } from "./StreamsBackend.ts"

/**
 * A stream: its id and its attributes, `{}` when it was never added.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stream<out A> {
  readonly id: string
  readonly attributes: A
}

/** @since 0.1.0 */
export { Attributes, Message, Stats } from "./internal/store/attributedStreams.ts"

/**
 * The type of the messages that `addMessage` writes.
 *
 * @category constants
 * @since 0.1.0
 */
export const messageType = "Message"

/**
 * How many streams or messages a list has unless `limit` says otherwise.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultLimit = 100

/**
 * A stream with this id was added before. Nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class StreamExists extends Schema.TaggedError<StreamExists>()("StreamExists", {
  category: Schema.String,
  id: Schema.String
}) {
  override get message(): string {
    return `the stream ${this.category}-${this.id} exists: replace its attributes with set`
  }
}

/**
 * There is no stream with this id: it has neither attributes nor messages.
 *
 * @category errors
 * @since 0.1.0
 */
export class StreamNotFound extends Schema.TaggedError<StreamNotFound>()("StreamNotFound", {
  category: Schema.String,
  id: Schema.String
}) {
  override get message(): string {
    return `there is no stream ${this.category}-${this.id}: add it`
  }
}

/**
 * Attributes that don't fit their schema, are not an object, or can't be stored. It is of those that are given, and of those that
 * are in the store when the schema has changed since.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidAttributes extends Schema.TaggedError<InvalidAttributes>()("InvalidAttributes", {
  category: Schema.String,
  id: Schema.String,
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  reason: Schema.String
}) {
  override get message(): string {
    return `the attributes of ${this.category}-${this.id}: ${["attributes", ...this.path].join(".")} ${this.reason}`
  }
}

/**
 * A name that no category or stream can have.
 *
 * @category errors
 * @since 0.1.0
 */
export type NameError = StreamName.InvalidCategory | StreamName.InvalidStreamName

/**
 * Why an operation on streams fails, beside what is wrong with its own arguments: the store lacks it, refuses it, or fails.
 *
 * @category errors
 * @since 0.1.0
 */
export type StreamsError = StreamsBackendError

/**
 * A page of a list.
 *
 * @category options
 * @since 0.1.0
 */
export interface PageOptions {
  /** How many to leave out first, from 0. Its cost grows with the number. Defaults to 0. */
  readonly base?: number | undefined
  /** How many to give at most, from 1. Defaults to {@link defaultLimit}. */
  readonly limit?: number | undefined
}

/**
 * A page of the streams of a category.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListOptions extends PageOptions {
  /**
   * Gives only streams whose ids come after this one: the id of the last stream of the page before. The cost is the same for
   * every page, so use it for many streams. Defaults to the begin.
   */
  readonly after?: string | undefined
}

/**
 * A page of the messages of a stream.
 *
 * @category options
 * @since 0.1.0
 */
export interface MessagesOptions extends PageOptions {
  /** `"-at"` for the newest first, `"at"` for the oldest first. Defaults to `"-at"`. */
  readonly sort?: "at" | "-at" | undefined
}

/**
 * A moment: a number is milliseconds since 1970, a text is of ISO 8601, in UTC unless it names another zone. Its year is from 0 to
 * 9999.
 *
 * @category models
 * @since 0.1.0
 */
export type Moment = DateTime.DateTime | Date | number | string

/**
 * A message with its time. An `at` that is `undefined` is now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timed {
  readonly at: Moment | undefined
  readonly data: Schema.JsonObject
}

/**
 * The options of `addMessage`.
 *
 * @category options
 * @since 0.1.0
 */
export interface AddMessageOptions {
  /**
   * A UUID. With the same `id`, `at` and data a message is written once, however often it is sent. So give `at` as well: without
   * it, a message that is sent again is of another moment, and refused with `DuplicateMessageId`. Defaults to a new one.
   */
  readonly id?: string | undefined
  /** The key `at` of it is the message's time, whatever it has here. Defaults to none. */
  readonly metadata?: Metadata.Metadata | undefined
}

/**
 * Who deletes, and why. The tombstones and notices keep it, and anybody who may read the store can read it.
 *
 * @category options
 * @since 0.1.0
 */
export interface DeleteOptions {
  /** Not empty. */
  readonly by: string
  /** Not empty. */
  readonly reason: string
}

/**
 * The streams of a category. `A` is their attributes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Streams<A> {
  readonly category: string
  /** The schema of a stream. `Schema.toCodecJson` makes the schema of its JSON form. */
  readonly Stream: Schema.Codec<Stream<A>, unknown>
  /**
   * Adds a stream, and gives it. The id defaults to a new UUID, the attributes to `{}`. It may have messages already.
   *
   * **Details**
   *
   * Fails with {@link StreamExists} when it was added before and not deleted since. Of several calls at the same time, one
   * succeeds. When the connection to the database is lost meanwhile, and the stream then exists, it fails with a `StoreError`
   * that says so: who has added it is not known. With a new id it succeeds. An id is any text that is not empty and that a
   * stream name has room for: see `StreamName.maxBytes`.
   */
  readonly add: (
    stream?: { readonly id?: string | undefined; readonly attributes?: A | undefined }
  ) => Effect.Effect<
    Stream<A>,
    StreamExists | InvalidAttributes | NameError | StreamsError,
    MessageStore.MessageStore
  >
  /**
   * Replaces all attributes of a stream, and gives the stream. A stream that has only messages counts as added then. Fails with
   * {@link StreamNotFound} when there is no such stream.
   */
  readonly set: (
    id: string,
    attributes: A
  ) => Effect.Effect<
    Stream<A>,
    StreamNotFound | InvalidAttributes | NameError | StreamsError,
    MessageStore.MessageStore
  >
  /** The stream with an id; none when it has neither attributes nor messages. */
  readonly get: (
    id: string
  ) => Effect.Effect<Option.Option<Stream<A>>, InvalidAttributes | NameError | StreamsError, MessageStore.MessageStore>
  /**
   * A page of the streams, by id. Ids are compared by their bytes in UTF-8, so capital letters come before small ones. The page
   * after a full one begins `after` its last id.
   *
   * **Gotchas**
   *
   * One stream whose attributes don't fit the schema fails its page with {@link InvalidAttributes}, which names it. Streams of the
   * same category without a schema can read and set it.
   *
   * @example
   * ```ts
   * import { Effect, Option, Stream } from "effect"
   * import { Streams } from "eventfold"
   *
   * const Sensors = Streams.make({ category: "sensor" })
   *
   * // All streams, a page at a time.
   * const all = Stream.paginate(undefined as string | undefined, (after) =>
   *   Effect.map(Sensors.list({ after }), (page) => [page, Option.fromUndefinedOr(page.at(-1)?.id)] as const))
   * ```
   */
  readonly list: (
    options?: ListOptions
  ) => Effect.Effect<
    ReadonlyArray<Stream<A>>,
    InvalidAttributes | InvalidArgument | StreamName.InvalidCategory | StreamsError,
    MessageStore.MessageStore
  >
  /** The number of streams. */
  readonly count: Effect.Effect<number, StreamName.InvalidCategory | StreamsError, MessageStore.MessageStore>
  /** The numbers of streams and messages, in one consistent view. */
  readonly stats: Effect.Effect<Stats, StreamName.InvalidCategory | StreamsError, MessageStore.MessageStore>
  /**
   * Writes a message to a stream, which need not be added first, and gives the message.
   *
   * **Details**
   *
   * The message is its data, a JSON object, or an object with exactly the keys `at` and `data`. Without `at` it is of now. It has
   * the type {@link messageType}; `at` is in the metadata, as text in UTC, while the store's own `time` is that of writing. It is
   * one append, without an expected version, so it fails as `MessageStore.append` does.
   *
   * **Gotchas**
   *
   * Data that itself has exactly the keys `at` and `data` is taken for the second form: give it as `{ at, data }`. An `at` beside
   * any other key belongs to the data, and is not the message's time.
   *
   * TypeScript takes no value of an `interface` for JSON, because an interface may get more keys. Use a `type`, or `{ ...value }`.
   *
   * @example
   * ```ts
   * import { Streams } from "eventfold"
   *
   * const Sensors = Streams.make({ category: "sensor" })
   *
   * const now = Sensors.addMessage("kitchen", { celsius: 21 })
   * const earlier = Sensors.addMessage("kitchen", { at: new Date("2026-11-29T10:00:00Z"), data: { celsius: 19 } })
   * ```
   */
  readonly addMessage: (
    id: string,
    message: Schema.JsonObject | Timed,
    options?: AddMessageOptions
  ) => Effect.Effect<
    Message,
    MessageStore.AppendError | InvalidArgument | StreamName.InvalidCategory,
    MessageStore.MessageStore
  >
  /**
   * A page of the messages of a stream, without deleted ones. The newest is first: by `at`, then by position.
   *
   * **Details**
   *
   * Messages that something else wrote have no `at` of their own. They come last, whatever the order, by position. A stream
   * that does not exist has no messages.
   */
  readonly messages: (
    id: string,
    options?: MessagesOptions
  ) => Effect.Effect<ReadonlyArray<Message>, InvalidArgument | NameError | StreamsError, MessageStore.MessageStore>
  /** The number of messages of a stream, without deleted ones. */
  readonly countMessages: (
    id: string
  ) => Effect.Effect<number, NameError | StreamsError, MessageStore.MessageStore>
  /**
   * The message of a stream with an id; none when there is none, or it was deleted. Fails with `InvalidArgument` when the id is
   * not a UUID.
   */
  readonly message: (
    id: string,
    messageId: string
  ) => Effect.Effect<
    Option.Option<Message>,
    InvalidArgument | NameError | StoreError,
    MessageStore.MessageStore
  >
  /**
   * Deletes a message: its data and metadata are gone from the store. Gives false, and does nothing, when there is no such
   * message or it was deleted before.
   *
   * **Details**
   *
   * Its tombstone keeps its id, positions and time. The stream's version rises by one, for the notice. In the same transaction the
   * snapshots of the stream are deleted, and the errors of the message in parked streams. Caches of this process forget the
   * stream; those of other processes when they next load its latest state.
   *
   * Fails with `NotPermitted` unless the store's role may delete.
   *
   * **Gotchas**
   *
   * What your own handlers have copied stays: read models until they are rebuilt, and events of other streams.
   */
  readonly deleteMessage: (
    id: string,
    messageId: string,
    options: DeleteOptions
  ) => Effect.Effect<boolean, InvalidArgument | NameError | StreamsError, MessageStore.MessageStore>
  /**
   * Deletes a stream: its attributes, its messages and all copies that {@link Streams.deleteMessage} names. Gives false, and does
   * nothing, when there is no such stream.
   *
   * **Details**
   *
   * It leaves one message, the notice, one position after the last. The same id may be added again, and continues there.
   *
   * **Gotchas**
   *
   * The ids of its messages are free again: an append of one of them that is repeated after the deletion is written. A deletion of
   * a stream without messages may give false when its answer was lost and it was sent again.
   */
  readonly delete: (
    id: string,
    options: DeleteOptions
  ) => Effect.Effect<boolean, InvalidArgument | NameError | StreamsError, MessageStore.MessageStore>
  /**
   * Deletes all streams of the category, and gives how many streams and messages went. When its answer was lost and it was sent
   * again, it gives what was left for the second time.
   */
  readonly purge: (
    options: DeleteOptions
  ) => Effect.Effect<Stats, InvalidArgument | StreamName.InvalidCategory | StreamsError, MessageStore.MessageStore>
  /**
   * The same as `purge`: positions go on after it, so that nothing that was read before becomes valid again.
   */
  readonly reset: (
    options: DeleteOptions
  ) => Effect.Effect<Stats, InvalidArgument | StreamName.InvalidCategory | StreamsError, MessageStore.MessageStore>
}

/**
 * The definition of streams without a schema for their attributes.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The category of the streams, without a dash: `stream` for `stream-x`. */
  readonly category: string
}

/**
 * The definition of streams whose attributes have a schema.
 *
 * @category options
 * @since 0.1.0
 */
export interface OptionsWith<A> extends Options {
  /** Its JSON form is an object. Give defaults to what is required, so that a stream that was never added, `{}`, can be read. */
  readonly attributes: Schema.Codec<A, unknown>
}

const unsupported = (operation: string) =>
  new Unsupported({
    operation,
    remedy:
      "a Message DB needs eventfold's schema for it (Install), and another store the member `streams` of its backend"
  })

/** The backend of the store's streams. */
const backendOf = (operation: string): Effect.Effect<StreamsBackend, Unsupported, MessageStore.MessageStore> =>
  MessageStore.MessageStore.use((store) => {
    const { streams } = store[InProcess.TypeId]
    return streams === undefined ? Effect.fail(unsupported(operation)) : Effect.succeed(streams)
  })

const keyOf = Effect.fnUntraced(function*(name: string, id: string) {
  const category = yield* StreamName.parseCategory(name)
  const key: StreamKey = { category, id, streamName: yield* StreamName.make(category, id) }
  return key
})

/** The text, when a store can keep it. */
const checkText = (
  argument: string,
  text: string | undefined,
  mayBeEmpty: boolean
): Effect.Effect<string, InvalidArgument> => {
  const refuse = (expected: string) =>
    Effect.fail(new InvalidArgument({ argument, value: formatArgument(text), expected }))
  if (typeof text !== "string") return refuse("a text")
  if (text === "" && !mayBeEmpty) return refuse("a text that is not empty")
  const problem = textProblem(text)
  return problem === undefined ? Effect.succeed(text) : refuse(`a text that a store can keep: it ${problem}`)
}

/** An id as stores keep it. */
const checkMessageId = (id: string): Effect.Effect<MessageId, InvalidArgument> => {
  const checked = messageId(id)
  return checked === undefined
    ? Effect.fail(new InvalidArgument({ argument: "messageId", value: formatArgument(id), expected: "a UUID" }))
    : Effect.succeed(checked)
}

const pageOf = Effect.fnUntraced(function*({ base = 0, limit = defaultLimit }: PageOptions) {
  yield* checkInt("base", base, 0)
  yield* checkInt("limit", limit, 1)
  return { base, limit }
})

/** Of a checked category. When the type makes the name too long, there is no such category, and nothing to find in it. */
const ofType = (category: string, type: string) => StreamName.withType(category, type) as StreamName.CategoryName

/** What goes with a deletion in a category: its snapshots, and the errors of what is parked of it. */
const requestOf = Effect.fnUntraced(function*(category: string, options: Partial<DeleteOptions> = {}) {
  const by = yield* checkText("by", options.by, false)
  const reason = yield* checkText("reason", options.reason, false)
  const request: DeletionRequest = {
    note: { by, reason, at: DateTime.formatIso(yield* DateTime.now) },
    copies: {
      snapshots: ofType(category, "snapshot"),
      parked: [ofType(category, "parked"), ofType(allName, "parked")]
    }
  }
  return request
})

const isObject = (value: unknown): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Between the attributes of streams and their JSON text. */
const attributesCodec = <A>(category: string, schema: Schema.Codec<A, unknown>, isJson: boolean) => {
  const codec = Schema.toCodecJson(schema)
  const decode = Schema.decodeUnknownEffect(codec)
  // What is JSON already stays as it is given: a schema would take a Date for an object without keys.
  const encode: (attributes: unknown) => Effect.Effect<unknown, Schema.SchemaError> = isJson
    ? Effect.succeed
    : Schema.encodeUnknownEffect(codec)
  const invalid = (id: string, path: ReadonlyArray<string | number>, reason: string) =>
    new InvalidAttributes({ category, id, path, reason })
  const misfit = (id: string, hint: string) => (error: Schema.SchemaError) => {
    const { path, reason } = firstIssue(error)
    return invalid(id, path, `does not fit its schema: ${reason}${hint}`)
  }
  const storable = (id: string, json: unknown) => {
    if (!isObject(json)) return Effect.fail(invalid(id, [], "is not an object"))
    const problem = jsonProblem(json)
    return problem === undefined
      ? Effect.succeed(JSON.stringify(json))
      : Effect.fail(invalid(id, problem.path, problem.reason))
  }
  const decodeText = (id: string, text: string) =>
    Effect.map(
      Effect.mapError(decode(parseJson(text)), misfit(id, text === none ? hintOfNone : "")),
      (attributes): Stream<A> => ({ id, attributes })
    )
  const kept = (id: string, text: string) => Effect.map(decodeText(id, text), (stream) => ({ text, stream }))
  return {
    /** The JSON text of attributes, and the stream as it is read back. */
    encode: Effect.fnUntraced(function*(id: string, attributes: A) {
      const json = yield* Effect.mapError(encode(attributes), misfit(id, ""))
      return yield* kept(id, yield* storable(id, json))
    }),
    /** The same of a stream without attributes. */
    none: (id: string) => kept(id, none),
    decode: decodeText
  }
}

/** The JSON text of no attributes. */
const none = "{}"

const hintOfNone = ". A stream without attributes has {}: give the schema defaults, or make its fields optional"

/** The length of a time of the years 0 to 9999 as text in UTC. The order of such texts is that of time. */
const isoLength = "2026-11-29T10:00:00.000Z".length

const invalidMoment = (moment: unknown) =>
  Effect.fail(
    new InvalidArgument({
      argument: "at",
      value: formatArgument(moment),
      expected: "a DateTime, a Date, milliseconds or a text of ISO 8601, of the years 0 to 9999"
    })
  )

/** A time, and the text that the metadata keeps of it. */
interface TimeText {
  readonly at: DateTime.Utc
  readonly text: string
}

/** Other texts mean what the engine makes of them, such as a time of its own zone. */
const isoText = /^\d{4}-\d{2}-\d{2}(T|$)/

const isTime = (value: unknown): value is Date | DateTime.DateTime =>
  value instanceof Date || DateTime.isDateTime(value)

/** The moment, and its text in UTC. None of what is no moment, also where JSON has lost it: a Date that is invalid is null there. */
const timeText = (moment: unknown): TimeText | undefined => {
  if (!isTime(moment) && typeof moment !== "number" && !(typeof moment === "string" && isoText.test(moment))) {
    return undefined
  }
  const made = DateTime.make(moment)
  if (Option.isNone(made)) return undefined
  const at = DateTime.toUtc(made.value)
  const text = DateTime.formatIso(at)
  return text.length === isoLength ? { at, text } : undefined
}

/** Makes the text of a millisecond once for the messages of now: it would be a good part of what an append costs. */
const rememberTimeText = () => {
  let millis = Number.NaN
  let made: TimeText | undefined
  return (moment: unknown): TimeText | undefined => {
    if (typeof moment !== "number") return timeText(moment)
    if (moment !== millis) {
      made = timeText(moment)
      millis = moment
    }
    return made
  }
}

const isTimed = (message: Schema.JsonObject | Timed): message is Timed =>
  isObject(message) && "at" in message && "data" in message && Object.keys(message).length === 2

const refuseData = (streamName: StreamName.StreamName, path: ReadonlyArray<string>, reason: string) =>
  Effect.fail(new InvalidMessage({ streamName, index: 0, type: messageType, path: ["data", ...path], reason }))

const readMessage = ({ data, globalPosition, id, metadata, position, time, type }: RecordedMessage): Message => {
  const given = isObject(metadata) ? metadata["at"] : undefined
  const at = typeof given === "string" ? DateTime.make(given) : Option.none()
  return { id, type, at: Option.getOrElse(Option.map(at, DateTime.toUtc), () => time), data, position, globalPosition }
}

/**
 * Defines the streams of a category. Its members are effects that need the `MessageStore`.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { MessageStore, Streams } from "eventfold"
 *
 * const Rooms = Streams.make({
 *   category: "room",
 *   attributes: Schema.Struct({ title: Schema.optionalKey(Schema.String) })
 * })
 *
 * const program = Effect.gen(function*() {
 *   const { id } = yield* Rooms.add({ attributes: { title: "Kitchen" } })
 *   yield* Rooms.addMessage(id, { text: "The kettle is on" })
 *   const [newest] = yield* Rooms.messages(id, { limit: 1 })
 *   if (newest !== undefined) yield* Rooms.deleteMessage(id, newest.id, { by: "ann", reason: "a typo" })
 *   return yield* Rooms.list()
 * }).pipe(Effect.provide(MessageStore.layerMemory))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: {
  (options: Options): Streams<Attributes>
  <A>(options: OptionsWith<A>): Streams<A>
} = <A>(options: Options | OptionsWith<A>): Streams<A> => {
  const { category } = options
  // Without a schema, the first overload says what `A` is.
  const schema = ("attributes" in options ? options.attributes : Attributes) as Schema.Codec<A, unknown>
  const attributes = attributesCodec(category, schema, Object.is(schema, Attributes))

  const add: Streams<A>["add"] = Effect.fn("Streams.add")(function*(stream = {}) {
    const id = stream.id ?? (yield* nextId)
    const key = yield* keyOf(category, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", key.streamName)
    const backend = yield* backendOf("Streams.add")
    const encoded = yield* stream.attributes === undefined
      ? attributes.none(id)
      : attributes.encode(id, stream.attributes)
    const isNewId = stream.id === undefined
    // Nobody else has a new id: an add of it that finds the stream was sent again after its answer was lost.
    return (yield* backend.add(key, encoded.text, isNewId)) || isNewId
      ? encoded.stream
      : yield* new StreamExists({ category, id })
  })

  const set: Streams<A>["set"] = Effect.fn("Streams.set")(function*(id, given) {
    const key = yield* keyOf(category, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", key.streamName)
    const backend = yield* backendOf("Streams.set")
    const encoded = yield* attributes.encode(id, given)
    return (yield* backend.set(key, encoded.text)) ? encoded.stream : yield* new StreamNotFound({ category, id })
  })

  const get: Streams<A>["get"] = Effect.fn("Streams.get")(function*(id) {
    const key = yield* keyOf(category, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", key.streamName)
    const found = yield* (yield* backendOf("Streams.get")).get(key)
    return Option.isNone(found) ? Option.none() : Option.some(yield* attributes.decode(id, found.value))
  })

  const list: Streams<A>["list"] = Effect.fn("Streams.list")(function*(options = {}) {
    const page = yield* pageOf(options)
    const { after } = options
    if (after !== undefined) yield* checkText("after", after, true)
    const name = yield* StreamName.parseCategory(category)
    yield* Effect.annotateCurrentSpan("eventfold.category", category)
    const found = yield* (yield* backendOf("Streams.list")).list({ ...page, category: name, after })
    return yield* Effect.forEach(found, (stream) => attributes.decode(stream.id, stream.attributes))
  })

  const ofCategory = Effect.fnUntraced(function*(operation: string) {
    const name = yield* StreamName.parseCategory(category)
    yield* Effect.annotateCurrentSpan("eventfold.category", category)
    return { name, backend: yield* backendOf(operation) }
  })

  const count: Streams<A>["count"] = Effect.withSpan(
    Effect.flatMap(ofCategory("Streams.count"), ({ backend, name }) => backend.countStreams(name)),
    "Streams.count"
  )

  const stats: Streams<A>["stats"] = Effect.withSpan(
    Effect.flatMap(ofCategory("Streams.stats"), ({ backend, name }) => backend.stats(name)),
    "Streams.stats"
  )

  const categoryName = StreamName.parseCategory(category)
  const timeTextOf = rememberTimeText()

  // No span of its own: the store's says the same. It is nearly as cheap as an append, so it has as few steps as that allows.
  const addMessage: Streams<A>["addMessage"] = (id, message, options) =>
    Effect.flatMapEager(
      // `make` says what is wrong with an id that is empty or no text. It would check the category for each message.
      Effect.flatMapEager(categoryName, (name) =>
        typeof id !== "string" || id === "" ? StreamName.make(name, id) : StreamName.parse(`${name}-${id}`)),
      (streamName) =>
        Effect.contextWith((
          context: Context.Context<MessageStore.MessageStore>
        ): Effect.Effect<Message, MessageStore.AppendError | InvalidArgument> => {
          const { at: moment, data } = isTimed(message) ? message : { at: undefined, data: message }
          if (!isObject(data)) {
            return refuseData(streamName, [], "is not an object")
          }
          if (data === message && isTime(message["at"])) {
            return refuseData(streamName, ["at"], "is a time beside the data: give { at, data }")
          }
          const time = timeTextOf(
            moment === undefined ? Context.get(context, Clock.Clock).currentTimeMillisUnsafe() : moment
          )
          if (time === undefined) {
            return invalidMoment(moment)
          }
          const ownId = options?.id
          const id = ownId ?? idMaker(context)()
          const metadata = { ...options?.metadata, at: time.text }
          return Effect.map(
            Context.get(context, MessageStore.MessageStore).append(streamName, {
              id,
              type: messageType,
              data,
              metadata
            }),
            ({ globalPosition, version }): Message => ({
              // The append has checked it, and the store keeps it in lower case.
              id: (ownId === undefined ? id : id.toLowerCase()) as MessageId,
              type: messageType,
              at: time.at,
              data,
              position: version,
              globalPosition
            })
          )
        })
    )

  const messages: Streams<A>["messages"] = Effect.fn("Streams.messages")(function*(id, options = {}) {
    const page = yield* pageOf(options)
    const { sort = "-at" } = options
    if (sort !== "at" && sort !== "-at") {
      return yield* new InvalidArgument({
        argument: "sort",
        value: formatArgument(sort),
        expected: "\"at\" or \"-at\""
      })
    }
    const { streamName } = yield* keyOf(category, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", streamName)
    const backend = yield* backendOf("Streams.messages")
    const found = yield* backend.listMessages({ ...page, streamName, ascending: sort === "at" })
    return found.map(readMessage)
  })

  const countMessages: Streams<A>["countMessages"] = Effect.fn("Streams.countMessages")(function*(id) {
    const { streamName } = yield* keyOf(category, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", streamName)
    return yield* (yield* backendOf("Streams.countMessages")).countMessages(streamName)
  })

  const findMessage: Streams<A>["message"] = Effect.fn("Streams.message")(function*(id, messageId) {
    const { streamName } = yield* keyOf(category, id)
    const wanted = yield* checkMessageId(messageId)
    const store = yield* MessageStore.MessageStore
    const found = yield* store.findMessage(streamName, wanted)
    return Option.map(Option.filter(found, (recorded) => !isDeleted(recorded)), readMessage)
  })

  const deleteMessage: Streams<A>["deleteMessage"] = Effect.fn("Streams.deleteMessage")(function*(id, given, options) {
    const key = yield* keyOf(category, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", key.streamName)
    const wanted = yield* checkMessageId(given)
    const request = yield* requestOf(category, options)
    return yield* (yield* backendOf("Streams.deleteMessage")).deleteMessage(key, wanted, request)
  })

  const deleteStream: Streams<A>["delete"] = Effect.fn("Streams.delete")(function*(id, options) {
    const key = yield* keyOf(category, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", key.streamName)
    const request = yield* requestOf(category, options)
    return yield* (yield* backendOf("Streams.delete")).deleteStream(key, request)
  })

  const purge: Streams<A>["purge"] = Effect.fn("Streams.purge")(function*(options) {
    const { backend, name } = yield* ofCategory("Streams.purge")
    return yield* backend.purge(name, yield* requestOf(category, options))
  })

  return {
    category,
    Stream: Schema.Struct({ id: Schema.String, attributes: schema }),
    add,
    set,
    get,
    list,
    count,
    stats,
    addMessage,
    messages,
    countMessages,
    message: findMessage,
    deleteMessage,
    delete: deleteStream,
    purge,
    reset: purge
  }
}
