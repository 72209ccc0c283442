/**
 * A consumer: handles the messages of a category, each at least once and those of one stream in their order, first what
 * has been written and then what is written as it comes.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Category from "./Category.ts"
import { checkInt } from "./internal/arguments.ts"
import * as Consuming from "./internal/consuming.ts"
import * as Shares from "./internal/shares.ts"
import type { RecordedMessage } from "./Message.ts"
import { MessageStore } from "./MessageStore.ts"
import { streamName } from "./PositionStore.ts"
import { InvalidArgument, type StoreError } from "./StoreError.ts"
import type { InvalidCategory } from "./StreamName.ts"

/**
 * What a consumer reads: a category, whose events it gets decoded, or the name of one, whose messages it gets as they
 * are. A name may carry types, as in `account:command`.
 *
 * @since 0.1.0
 */
export type Source = Category.Any | string

/**
 * What a handler gets.
 *
 * @since 0.1.0
 */
export type Incoming<From extends Source> = From extends Category.Any ? Category.RecordedEvent<From> : RecordedMessage

/**
 * Handlers by type of message. Messages of other types are passed over.
 *
 * @since 0.1.0
 */
export type Handlers<From extends Source> = From extends Category.Any ? {
    readonly [K in keyof From["Events"] & string]?: (
      event: Extract<Category.RecordedEvent<From>, { readonly type: K }>
    ) => Effect.Effect<unknown, unknown, unknown>
  }
  : { readonly [type: string]: (message: RecordedMessage) => Effect.Effect<unknown, unknown, unknown> }

type HandlerError<H> = {
  readonly [K in keyof H]: H[K] extends (...args: never) => Effect.Effect<unknown, infer E, unknown> ? E : never
}[keyof H]

type HandlerServices<H> = {
  readonly [K in keyof H]: H[K] extends (...args: never) => Effect.Effect<unknown, unknown, infer R> ? R : never
}[keyof H]

type SourceError<From extends Source> = From extends Category.Any ? Category.DecodeError : never

type SourceServices<From extends Source> = From extends Category.Any ? Category.Services<From> : never

/**
 * Where a consumer begins that has no position yet: with the category's first message, with what is written from now on,
 * at a global position (inclusive), or with the first message that was written at a time or later.
 *
 * @since 0.1.0
 */
export type Start = "beginning" | "end" | { readonly position: number } | { readonly time: DateTime.Utc }

/**
 * What becomes of a message whose handler has failed for the last time.
 *
 * - `"stop"`: the consumer fails with the handler's error, and begins with that message when it is run again.
 * - `"skip"`: it is logged as a warning and passed over.
 * - `"park"`: it is put aside, and so is every later message of its stream (of its cardinal id), in order, until it is
 *   replayed or dropped; the other streams flow. See `Parking`.
 *
 * @since 0.1.0
 */
export type FailurePolicy = "stop" | "skip" | "park"

/** @since 0.1.0 */
export interface Options {
  /** Default `"beginning"`. */
  readonly start?: Start | undefined
  /** Only messages whose metadata has a `correlationStreamName` of this category: answers to one's own. */
  readonly correlation?: string | undefined
  /**
   * The consumer's part of a consumer group: the group's size and the members, from 0, that are run here (one position
   * each, one read for all). Messages are divided by the hash of the cardinal id, as in Message DB.
   */
  readonly group?: { readonly size: number; readonly members: ReadonlyArray<number> } | undefined
  /** How many streams (cardinal ids) may be in hand at the same time. Default: 1, so all messages in order. */
  readonly concurrency?: number | undefined
  /** How many messages one statement reads, and about how many are held. Default: 1,024. */
  readonly batchSize?: number | undefined
  /** The position is written after so many messages, or after that time if there were any, and at the end. */
  readonly checkpoint?: {
    /** Default: 1,000. */
    readonly every?: number | undefined
    /** Default: one second. */
    readonly interval?: Duration.Input | undefined
  } | undefined
  /** When a handler that failed is run again. Default: {@link defaultRetry}. A `DecodeError` is not tried again. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** Default `"stop"`. */
  readonly onFailure?: FailurePolicy | undefined
  /** How long to wait for a wake-up before looking anyway: first the shorter time, then twice as long, up to the longer. */
  readonly poll?: {
    /** Default: 100 milliseconds. */
    readonly min?: Duration.Input | undefined
    /** Default: 5 seconds. */
    readonly max?: Duration.Input | undefined
  } | undefined
  /** How long handlers may go on when the consumer is stopped, before they are interrupted. Default: 10 seconds. */
  readonly grace?: Duration.Input | undefined
}

/**
 * A consumer group was run with another size before. Messages are divided by the size, so with a new one each member
 * would miss messages that another has not handled yet.
 *
 * The safe way: stop all members, let them come up with one another to the same global position or run `regroup`, which
 * sets the positions of all members of the new size to the lowest of the old, and start them with the new size.
 *
 * @since 0.1.0
 */
export class GroupSizeChanged extends Schema.TaggedError<GroupSizeChanged>()("GroupSizeChanged", {
  consumer: Schema.String,
  category: Schema.String,
  recorded: Schema.Int,
  given: Schema.Int
}) {
  override get message(): string {
    return `the group of the consumer ${this.consumer} of ${this.category} has ${this.recorded} members, and not ` +
      `${this.given}: stop all of them and change it with Consumer.regroup`
  }
}

/**
 * A definition of a consumer: `E` is what it can fail with, `R` what its handlers need. It does nothing until it is run.
 *
 * @since 0.1.0
 */
export interface Consumer<out E, out R> {
  readonly id: string
  readonly category: string
  readonly options: Options
  /** How many messages `handle` takes at a time. */
  readonly handlesAtOnce: number
  /** Whether messages of a type are handled at all. */
  readonly handles: (type: string) => boolean
  /** Handles messages in their order. */
  readonly handle: (messages: Arr.NonEmptyReadonlyArray<RecordedMessage>) => Effect.Effect<void, E, R>
  /** What runs beside the handlers, where and as long as they run. */
  readonly background?: Effect.Effect<never, E | RunError, R | MessageStore> | undefined
}

/**
 * Five more attempts, the first after about 100 milliseconds and each after twice the time of the one before, jittered.
 *
 * @since 0.1.0
 */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.max([
  Schedule.exponential("100 millis").pipe(Schedule.jittered),
  Schedule.recurs(5)
])

const nameOf = (from: Source): string => typeof from === "string" ? from : from.name

/** The message in the form that handlers want; none when it is of a type that the category does not know. */
const incoming = <From extends Source>(from: From) => {
  type Decoded = Effect.Effect<Option.Option<Incoming<From>>, SourceError<From>, SourceServices<From>>
  return (message: RecordedMessage): Decoded =>
    (typeof from === "string" ? Effect.succeedSome(message) : from.decode(message)) as Decoded
}

/**
 * Defines a consumer by its id, which is its name in the store (no `+`), and its handlers.
 *
 * @example
 * ```ts
 * import { Category, Consumer } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String }, Closed: {} })
 *
 * const greeter = Consumer.make("greeter", {
 *   from: Account,
 *   on: {
 *     Opened: ({ data, recorded }) => Effect.log(`welcome ${data.owner}, owner of ${recorded.streamName}`)
 *   },
 *   concurrency: 16,
 *   onFailure: "park"
 * })
 * ```
 *
 * @since 0.1.0
 */
export const make = <From extends Source, H extends Handlers<From>>(
  id: string,
  options: Options & {
    readonly from: From
    readonly on: H & { readonly [K in Exclude<keyof H, keyof Handlers<From>>]: never }
  }
): Consumer<HandlerError<H> | SourceError<From>, HandlerServices<H> | SourceServices<From>> => {
  type Handler = (message: Incoming<From>) => Effect.Effect<unknown, HandlerError<H>, HandlerServices<H>>
  const handlers = new Map(Object.entries<unknown>(options.on) as ReadonlyArray<[string, Handler]>)
  const decode = incoming(options.from)
  return {
    id,
    category: nameOf(options.from),
    options,
    handlesAtOnce: 1,
    handles: (type) => handlers.has(type),
    handle: ([message]) => {
      const handler = handlers.get(message.type)
      if (handler === undefined) return Effect.void
      return Effect.flatMap(
        decode(message),
        (event) => Option.isNone(event) ? Effect.void : Effect.asVoid(handler(event.value))
      )
    }
  }
}

/**
 * Defines a consumer whose handler takes many messages at a time, in the order in which they were written: at most
 * `atOnce` (default 100), and those that are there rather than wait for more. When it fails for the last time they are
 * given to it one by one, so that `onFailure` concerns the one that can't be handled.
 *
 * @example
 * ```ts
 * import { Category, Consumer } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String } })
 *
 * const counter = Consumer.batch("counter", {
 *   from: Account,
 *   handle: (events) => Effect.log(`${events.length} accounts more`)
 * })
 * ```
 *
 * @since 0.1.0
 */
export const batch = <From extends Source, E, R>(
  id: string,
  options: Options & {
    readonly from: From
    readonly handle: (messages: Arr.NonEmptyReadonlyArray<Incoming<From>>) => Effect.Effect<unknown, E, R>
    readonly atOnce?: number | undefined
  }
): Consumer<E | SourceError<From>, R | SourceServices<From>> => {
  const decode = incoming(options.from)
  return {
    id,
    category: nameOf(options.from),
    options,
    handlesAtOnce: options.atOnce ?? 100,
    handles: () => true,
    handle: (messages) =>
      Effect.flatMap(Effect.forEach(messages, decode), (decoded) => {
        const events = Arr.getSomes(decoded)
        return Arr.isReadonlyArrayNonEmpty(events) ? Effect.asVoid(options.handle(events)) : Effect.void
      })
  }
}

/**
 * What a consumer can fail with beside the errors of its handlers: a store that fails for good (while it is only away,
 * the consumer waits for it), wrong options, a group of another size.
 *
 * @since 0.1.0
 */
export type RunError = StoreError | InvalidArgument | InvalidCategory | GroupSizeChanged

/** How long to wait for a lease that somebody else holds before the next try. */
const leaseInterval = "1 second"

const check = Effect.fnUntraced(function*({ id, options }: Consumer<unknown, unknown>) {
  const { batchSize, checkpoint, concurrency, group, start } = options
  if (id === "" || id.includes("+")) {
    const expected = "a name that is not empty and has no +"
    return yield* new InvalidArgument({ argument: "id", value: id, expected })
  }
  yield* checkInt("concurrency", concurrency, 1)
  yield* checkInt("batchSize", batchSize, 1)
  yield* checkInt("checkpoint.every", checkpoint?.every, 1)
  if (typeof start === "object" && "position" in start) yield* checkInt("start.position", start.position, 0)
  if (group === undefined) return
  yield* checkInt("group.size", group.size, 1)
  for (const member of group.members) yield* checkInt("group.members", member, 0)
  const { size: length } = new Set(group.members.filter((member) => member < group.size))
  if (length === 0 || length < group.members.length) {
    const expected = `different members from 0 to ${group.size - 1}, one at least`
    return yield* new InvalidArgument({ argument: "group.members", value: group.members.join(", "), expected })
  }
})

/**
 * Runs a consumer until it fails or is interrupted. When it is interrupted it takes nothing more, lets the handlers that
 * run come to an end within its `grace`, and writes its position.
 *
 * **Details**
 *
 * Of all the processes on a store one at a time runs a consumer id (or a member of its group); the others wait, and one
 * of them takes over within seconds when the first stops or dies. Delivery is at least once: after a crash, what was
 * handled since the last position was written is handled again. A process that was frozen and comes back may handle a
 * message beside its successor before it learns of it.
 *
 * @since 0.1.0
 */
export const run = Effect.fn("Consumer.run")(function*<E, R>(consumer: Consumer<E, R>): Effect.fn.Return<
  never,
  E | RunError,
  R | MessageStore
> {
  yield* check(consumer)
  const store = yield* MessageStore
  const lease = (name: string) =>
    store.lease(name).pipe(
      Effect.flatMap(Option.match({ onNone: () => Effect.fail("taken" as const), onSome: Effect.succeed })),
      Effect.retry({
        schedule: Schedule.spaced(leaseInterval),
        while: (error) => error === "taken" || error.isRetryable
      }),
      Effect.catchIf((error) => error === "taken", Effect.die)
    )
  const untilLost = Effect.gen(function*() {
    const leases = yield* Effect.forEach(Shares.keysOf(consumer), (key) => lease(`consumer ${streamName(key)}`))
    const session = yield* Consuming.start(consumer)
    const lost = yield* Effect.raceFirst(session.run, Effect.raceAll(leases.map(({ lost }) => lost)))
    yield* Effect.logWarning("a consumer has lost its lease, and tries to get it again", {
      consumer: consumer.id,
      lost
    })
    // Somebody else may have begun.
    yield* session.abandon
  })
  return yield* Effect.forever(Effect.scoped(untilLost))
})
