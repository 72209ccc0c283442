/**
 * The commands that show messages.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as StreamName from "eventfold/StreamName"
import * as Tail from "eventfold/Tail"
import * as Stores from "../connection/stores.ts"
import { CommandFailed, UsageError } from "../failures/errors.ts"
import * as Print from "../output/print.ts"
import { tell } from "../output/terminal.ts"
import {
  isMessageId,
  placeArgument,
  placeOf,
  positionOf,
  printed,
  typesFlag,
  typesOf,
  wholeMessage
} from "./messages.ts"

interface ReadFlags {
  readonly from: Option.Option<number>
  readonly to: Option.Option<number>
  readonly limit: Option.Option<number>
  readonly type: ReadonlyArray<string>
  readonly correlation: Option.Option<string>
  readonly backwards: boolean
}

/** The messages of a place, by the flags of `read`. */
const messagesOf = Effect.fnUntraced(function*(place: Tail.Place, flags: ReadFlags): Effect.fn.Return<
  Stream.Stream<RecordedMessage, Tail.TailError>,
  UsageError,
  MessageStore
> {
  const store = yield* MessageStore
  const { backwards } = flags
  const from = Option.getOrUndefined(flags.from)
  const to = Option.getOrUndefined(flags.to)
  const limit = Option.getOrUndefined(flags.limit)
  const types = typesOf(flags.type)
  const correlation = Option.getOrUndefined(flags.correlation)
  const isStream = place !== "everything" && "stream" in place
  if (backwards && !isStream) {
    return yield* new UsageError({
      message: "only a stream can be read backwards",
      hint: "eventfold tail shows the last messages of a category, or of everything"
    })
  }
  if (correlation !== undefined && (place === "everything" || isStream)) {
    return yield* new UsageError({
      message: "--correlation needs a category to read",
      hint: "eventfold trace CORRELATION shows all messages of one, wherever they are"
    })
  }
  const isBeyond = (message: RecordedMessage): boolean => {
    if (to === undefined) return false
    const position = isStream ? message.position : message.globalPosition
    return backwards ? position < to : position > to
  }
  if (!isStream) {
    const read: Stream.Stream<RecordedMessage, Tail.TailError> = place === "everything"
      ? store.readAll({ from, types, limit })
      : store.readCategory(place.category, { from, types, limit, correlation })
    return Stream.takeWhile(read, (message) => !isBeyond(message))
  }
  // Types are chosen here, so a limit is what is left of them.
  const read = store.readStream(place.stream, {
    from,
    limit: types === undefined ? limit : undefined,
    direction: backwards ? "backwards" : "forwards"
  })
  const chosen = Stream.filter(
    Stream.takeWhile(read, (message) => !isBeyond(message)),
    ({ type }) => types?.includes(type) ?? true
  )
  return limit === undefined ? chosen : Stream.take(chosen, limit)
})

/** Messages by position. */
export const read = Command.make("read", {
  place: placeArgument,
  from: Flag.Int("from").pipe(
    Flag.optional,
    Flag.withDescription("The first position, inclusive: of a stream its own, otherwise the global one")
  ),
  to: Flag.Int("to").pipe(Flag.optional, Flag.withDescription("The last position, inclusive")),
  limit: Flag.Int("limit").pipe(Flag.withAlias("n"), Flag.optional, Flag.withDescription("How many messages at most")),
  type: typesFlag,
  correlation: Flag.String("correlation").pipe(
    Flag.optional,
    Flag.withDescription("Only messages of a category that are correlated with a stream of this category")
  ),
  backwards: Flag.Boolean("backwards").pipe(
    Flag.withDefault(false),
    Flag.withDescription("The newest message of the stream first")
  )
}, ({ place, ...flags }) =>
  Effect.gen(function*() {
    const messages = yield* messagesOf(placeOf(place), flags)
    yield* Print.rows(messages, printed("no message is there"))
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription("Prints the messages of a stream, of a category, or all, in order and in bounded memory"),
    Command.withShortDescription("Print messages"),
    Command.withExamples([
      { command: "eventfold read account-123", description: "A stream" },
      { command: "eventfold read account -t Deposited -n 10", description: "The first ten deposits of a category" },
      { command: "eventfold read account-123 --backwards -n 1", description: "The last message of a stream" },
      {
        command: "eventfold read --from 1000 --to 2000 --json | gzip > part.ndjson.gz",
        description: "A part of the log"
      }
    ])
  )

const found = (message: Option.Option<RecordedMessage>, missing: CommandFailed) =>
  Option.match(message, {
    onNone: () => Effect.fail(missing),
    onSome: (message) => Print.record(message, wholeMessage)
  })

/** The last message of a stream or a category. */
export const last = Command.make("last", {
  name: Argument.String("stream or category").pipe(
    Argument.withDescription("A stream such as account-123, or a category such as account")
  ),
  type: Flag.String("type").pipe(
    Flag.withAlias("t"),
    Flag.optional,
    Flag.withDescription("The last one of this type; of a stream only")
  )
}, ({ name, type }) =>
  Effect.gen(function*() {
    const store = yield* MessageStore
    const missing = new CommandFailed({ message: `${name} has no ${Option.getOrElse(type, () => "message")}` })
    if (!StreamName.isCategory(name)) {
      return yield* found(yield* store.lastMessage(name, { type: Option.getOrUndefined(type) }), missing)
    }
    if (Option.isSome(type)) {
      return yield* new UsageError({
        message: "--type needs a stream",
        hint: `eventfold tail ${name} -n 1 -t ${type.value} finds it in a category`
      })
    }
    return yield* found(yield* store.lastCategoryMessage(name), missing)
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription("Prints the last message of a stream, or of a category"),
    Command.withShortDescription("Print the last message"),
    Command.withExamples([
      { command: "eventfold last account-123" },
      { command: "eventfold last account-123 -t Deposited", description: "The last one of a type" }
    ])
  )

/** One message by its place. */
export const get = Command.make("get", {
  message: Argument.String("message").pipe(Argument.withDescription("The id of a message, or its global position"))
}, ({ message }) =>
  Effect.gen(function*() {
    const store = yield* MessageStore
    const position = positionOf(message)
    const missing = new CommandFailed({ message: `there is no message ${message}` })
    if (position !== undefined) return yield* found(yield* store.messageAt(position), missing)
    if (!isMessageId(message)) {
      return yield* new UsageError({
        message: `"${message}" is neither the id of a message, which is a UUID, nor a global position`
      })
    }
    return yield* found(yield* store.messageById(message), missing)
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription("Prints one message, with its metadata"),
    Command.withShortDescription("Print one message"),
    Command.withExamples([
      { command: "eventfold get 4711", description: "By its global position" },
      { command: "eventfold get 0197c1c2-5d7e-7c3a-9f38-3f5d4c1b2a10", description: "By its id" }
    ])
  )

const isAway = (error: Tail.TailError): boolean => error._tag === "StoreError" && error.isRetryable

/** Follows a place, also when the store is away for a while. */
const followed = (place: Tail.Place, from: number, types: ReadonlyArray<string> | undefined) => {
  let next = from
  const isStream = place !== "everything" && "stream" in place
  return Stream.suspend(() => Tail.follow(place, { from: next, types })).pipe(
    Stream.tap((message) => Effect.sync(() => next = (isStream ? message.position : message.globalPosition) + 1)),
    Stream.tapError((error) => isAway(error) ? tell(`the store is away, and it waits: ${error.message}`) : Effect.void),
    Stream.retry(
      Schedule.spaced("1 second").pipe(
        Schedule.setInputType<Tail.TailError>(),
        Schedule.while(({ input }) => isAway(input))
      )
    )
  )
}

/** The last messages, and those that come. */
export const tail = Command.make("tail", {
  place: placeArgument,
  follow: Flag.Boolean("follow").pipe(
    Flag.withAlias("f"),
    Flag.withDefault(false),
    Flag.withDescription("Print what comes, until Ctrl-C")
  ),
  count: Flag.Int("lines").pipe(
    Flag.withAlias("n"),
    Flag.withDefault(10),
    Flag.withDescription("How many of the last messages")
  ),
  from: Flag.Int("from").pipe(
    Flag.optional,
    Flag.withDescription("With -f: the first position, inclusive, in place of the last messages")
  ),
  type: typesFlag
}, ({ count, follow, from, place, type }) =>
  Effect.gen(function*() {
    const store = yield* MessageStore
    const at = placeOf(place)
    const types = typesOf(type)
    const isStream = at !== "everything" && "stream" in at
    const options = printed("no message is there")
    if (!follow) return yield* Print.list(yield* Tail.last(at, count, { types }), options)
    if (Option.isSome(from)) {
      return yield* Print.rows(followed(at, from.value, types), { ...options, isLive: true })
    }
    // The end is looked up first, so that nothing is missed between the two.
    const end = isStream
      ? Option.getOrElse(yield* store.streamVersion(at.stream), () => -1)
      : (yield* store.readAllPage({ from: (yield* store.lastPosition) + 1, limit: 1 })).through
    const before = (yield* Tail.last(at, count, { types })).filter((message) =>
      (isStream ? message.position : message.globalPosition) <= end
    )
    yield* Print.rows(
      Stream.concat(Stream.fromIterable(before), followed(at, end + 1, types)),
      { ...options, isLive: true }
    )
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Prints the last messages of a stream, of a category, or of all; with -f also those that come, through outages of the store"
    ),
    Command.withShortDescription("Print the last messages, and follow"),
    Command.withExamples([
      { command: "eventfold tail account", description: "The last ten of a category" },
      { command: "eventfold tail -f", description: "Everything that comes" },
      { command: "eventfold tail -f account --from 4712 --json", description: "Goes on after what was seen" }
    ])
  )
