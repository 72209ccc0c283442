/**
 * The metadata of messages, under the names that Eventide's clients of Message DB use.
 *
 * {@link with} gives metadata to everything that an effect writes, and {@link follow} ties a message to the one that caused
 * it. The handlers of a consumer do the latter without a word.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const fields = {
  /** The stream in which a conversation began. Reads of a category can filter by the category of this stream. */
  correlationStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  causationMessageStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  causationMessagePosition: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  causationMessageGlobalPosition: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  /** The stream to write an answer to. */
  replyStreamName: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** What {@link follow} carries from message to message. */
  properties: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
  schemaVersion: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** The span that wrote the message, in W3C's format. Not one of Eventide's keys; see `TraceContext`. */
  traceparent: Schema.optionalKey(Schema.NullOr(Schema.String))
}

/**
 * The metadata of a message: a JSON object. Eventide's keys and `traceparent` have their types; other keys are free.
 *
 * @category models
 * @since 0.1.0
 */
export const Metadata = Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Json)])

/**
 * The metadata of a message: a JSON object. Eventide's keys and `traceparent` have their types; other keys are free.
 *
 * @category models
 * @since 0.1.0
 */
export interface Metadata extends Schema.Schema.Type<typeof Metadata> {}

/**
 * Eventide's keys and `traceparent` alone.
 *
 * @category models
 * @since 0.1.0
 */
export type Standard = Schema.Struct.Type<typeof fields>

const decode = Schema.decodeUnknownOption(Metadata)
const decodeObject = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.Json))

const fieldDecoders = new Map(
  Object.entries(fields).map(([key, schema]) => [key, Schema.decodeUnknownOption(Schema.Struct({ [key]: schema }))])
)

const fits = (key: string, value: Schema.Json): boolean => {
  const decodeField = fieldDecoders.get(key)
  return decodeField === undefined || Option.isSome(decodeField({ [key]: value }))
}

/**
 * Reads metadata from any JSON that another client may have stored. It never fails.
 *
 * **Details**
 *
 * A value that is not an object gives empty metadata. A key with a value of the wrong type, such as a number as
 * `correlationStreamName`, is left out.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromJson = (json: Schema.Json): Metadata =>
  decode(json).pipe(
    Option.orElse(() =>
      Option.map(
        decodeObject(json),
        (object): Metadata => Object.fromEntries(Object.entries(object).filter(([key, value]) => fits(key, value)))
      )
    ),
    Option.getOrElse((): Metadata => ({}))
  )

/**
 * What {@link follow} needs of the preceding message. A recorded message has it all.
 *
 * @category models
 * @since 0.1.0
 */
export interface Preceding {
  readonly streamName: string
  readonly position: number
  readonly globalPosition: number
  readonly metadata: Schema.Json
}

/**
 * Makes the metadata of a message that follows from `preceding`, as Eventide does.
 *
 * **When to use**
 *
 * For what a consumer does not follow by itself: in a batch, where there is no single message to follow, and in the side
 * effects of a read model. What the handler of one message writes follows that message already.
 *
 * **Details**
 *
 * The preceding message becomes the cause. Its correlation, reply stream and properties are carried over. What `metadata` itself
 * has takes precedence, for properties key by key; a `null` there carries nothing over.
 *
 * @example
 * ```ts
 * import type { Message } from "eventfold"
 * import { Metadata } from "eventfold"
 *
 * const reply = (command: Message.RecordedMessage): Message.Message => ({
 *   type: "Deposited",
 *   data: { amount: 11 },
 *   metadata: Metadata.follow(command)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const follow = (preceding: Preceding, metadata: Metadata = {}): Metadata => {
  const carried = fromJson(preceding.metadata)
  const properties = metadata.properties === null ? {} : { ...carried.properties, ...metadata.properties }
  return {
    ...(carried.correlationStreamName == null ? {} : { correlationStreamName: carried.correlationStreamName }),
    ...(carried.replyStreamName == null ? {} : { replyStreamName: carried.replyStreamName }),
    causationMessageStreamName: preceding.streamName,
    causationMessagePosition: preceding.position,
    causationMessageGlobalPosition: preceding.globalPosition,
    ...metadata,
    ...(Object.keys(properties).length === 0 ? {} : { properties })
  }
}

/**
 * What the context gives to the messages that are written in it.
 *
 * @internal
 */
export interface Ambient {
  /** The message that is being handled, if there is one. */
  readonly handled: Preceding | undefined
  /** What {@link with} gave, the outermost first. */
  readonly given: ReadonlyArray<Metadata>
  /** What both come to. Nothing is computed before something is written. */
  resolved: { readonly given: Metadata; readonly all: Metadata } | undefined
}

/**
 * The metadata that the context gives. Defaults to none.
 *
 * @internal
 */
export const Ambient = Context.Reference<Ambient | undefined>("eventfold/Metadata/Ambient", {
  defaultValue: () => undefined
})

const noneGiven: ReadonlyArray<Metadata> = []

const isRecord = (value: unknown): value is { readonly [key: string]: Schema.Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Metadata with that of `own` in its place where both have a key, for properties key by key.
 *
 * @internal
 */
export const merge = <A extends { readonly [key: string]: unknown }>(base: A, own: A): A => {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(own)) {
    const below = merged[key]
    // A property that is `undefined` counts as absent, as it does in JSON.
    if (value === undefined) continue
    merged[key] = key === "properties" && isRecord(below) && isRecord(value) ? { ...below, ...value } : value
  }
  return merged as A
}

const hasCause = (metadata: object): boolean =>
  "causationMessageStreamName" in metadata ||
  "causationMessagePosition" in metadata ||
  "causationMessageGlobalPosition" in metadata

/** What names its own cause follows nothing else: half of two conversations would be neither. */
const resolve = ({ given, handled }: Ambient): NonNullable<Ambient["resolved"]> => {
  const ofGiven = given.reduce<Metadata>(merge, {})
  const all = handled === undefined || hasCause(ofGiven) ? ofGiven : given.reduce<Metadata>(merge, follow(handled))
  return { given: ofGiven, all }
}

/**
 * What the context gives to a message with some metadata of its own.
 *
 * @internal
 */
export const ambientFor = (ambient: Ambient, own: object | undefined): Metadata => {
  const { all, given } = ambient.resolved ??= resolve(ambient)
  return own !== undefined && hasCause(own) ? given : all
}

/**
 * Runs the handler of a message: what it writes follows the message. Each handling has a context of its own, because fibers
 * that outlive the handler keep it. A handler that has already ended writes nothing and needs none.
 *
 * @internal
 */
export const following = <A, E, R>(handling: Effect.Effect<A, E, R>, handled: Preceding): Effect.Effect<A, E, R> =>
  Exit.isExit(handling) ?
    handling :
    Effect.updateContext(handling, (context: Context.Context<R>) =>
      Context.add(context, Ambient, {
        handled,
        given: Context.get(context, Ambient)?.given ?? noneGiven,
        resolved: undefined
      }))

const giving: {
  (metadata: Metadata): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, metadata: Metadata): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, metadata: Metadata): Effect.Effect<A, E, R> => {
  const { schemaVersion: _, ...given } = metadata
  return Effect.updateContext(self, (context: Context.Context<R>) => {
    const outer = Context.get(context, Ambient)
    return Context.add(context, Ambient, {
      handled: outer?.handled,
      given: [...outer?.given ?? noneGiven, given],
      resolved: undefined
    })
  })
})

export {
  /**
   * Gives metadata to everything that an effect writes: with `append`, `writeAll`, `transact` and `transactAll`, and in the
   * reactions of processes that run in it.
   *
   * **When to use**
   *
   * For what holds for a whole request, such as its user or tenant: give it once, where the request begins.
   *
   * **Details**
   *
   * Where several of these give a value to the same key, this is their order, the first one winning:
   *
   * 1. the metadata of the event or message itself,
   * 2. the option `metadata` of `transact` and `transactAll`,
   * 3. the inner `with`,
   * 4. the outer `with`,
   * 5. what is carried over from the message that a consumer's handler handles: see {@link follow}.
   *
   * `properties` are merged key by key. A `null` counts as a value. An event that names a cause of its own (a key that begins
   * with `causation`), and a `with` that does, follow nothing else.
   *
   * Values are in their JSON form, also where a category has a schema for them. The category checks them when it writes.
   *
   * Consumers' positions, parked messages and snapshots take no metadata from the context.
   *
   * **Gotchas**
   *
   * Other messages that follow from these carry over `properties`, and no keys beside them. So put what must travel along a
   * conversation, such as a tenant, into `properties`.
   *
   * `schemaVersion` is left out: it is about the data of one event.
   *
   * @example
   * ```ts
   * import { Category, Metadata } from "eventfold"
   * import { Schema } from "effect"
   *
   * const Account = Category.make("account", { Deposited: { amount: Schema.Int } }, {
   *   metadata: { userId: Schema.String }
   * })
   *
   * const deposit = Account.append("123", Account.events.Deposited({ amount: 11 })).pipe(
   *   Metadata.with({ userId: "u-7", properties: { tenant: "north" } })
   * )
   * ```
   *
   * @category context
   * @since 0.1.0
   */
  giving as with
}

/**
 * Runs an effect whose writes take no metadata from the context: neither what {@link with} gives outside, nor what follows from
 * the message that is being handled.
 *
 * **When to use**
 *
 * For what begins a conversation of its own within a handler.
 *
 * @category context
 * @since 0.1.0
 */
export const without = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(self, Ambient, undefined)
