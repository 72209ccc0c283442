/**
 * The commands about what is parked: look, replay, drop.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FailureReport from "eventfold/FailureReport"
import * as Parking from "eventfold/Parking"
import * as Steering from "eventfold/Steering"
import * as Stores from "../connection/stores.ts"
import { CommandFailed, UsageError } from "../failures/errors.ts"
import { inWords } from "../output/cells.ts"
import { confirm } from "../output/confirm.ts"
import * as Print from "../output/print.ts"
import { authorFlags, authorOf, reasonFlags } from "./author.ts"

const categoryFlag = Flag.String("category").pipe(
  Flag.optional,
  Flag.withDescription("The category of the consumer, where several consumers have its id")
)

/** The consumer with an id for which something waits. */
const ownerOf = Effect.fnUntraced(function*(id: string, category: Option.Option<string>) {
  const owners = yield* Stream.runCollect(Parking.owners)
  const found = owners.filter((owner) =>
    owner.id === id && Option.match(category, { onNone: () => true, onSome: (name) => name === owner.category })
  )
  const [one] = found
  if (one === undefined) return yield* new CommandFailed({ message: `nothing is parked for ${id}` })
  if (found.length > 1) {
    return yield* new UsageError({
      message: `${found.length} consumers have the id ${id}`,
      hint: `name the category of one with --category: ${found.map(({ category }) => category).join(", ")}`
    })
  }
  return one
})

/** A parked stream of a consumer. */
const parkedOf = Effect.fnUntraced(function*(owner: Parking.Owner, stream: string) {
  const found = yield* Stream.runHead(Stream.filter(Parking.list(owner), (parked) => parked.stream === stream))
  return Option.isSome(found)
    ? found.value
    : yield* new CommandFailed({
      message: `nothing of ${stream} is parked for ${owner.id}`,
      hint: `eventfold parked ${owner.id} lists what is`
    })
})

const list = (owner: Parking.Owner) =>
  Print.rows(Parking.list(owner), {
    schema: Parking.ParkedStream,
    columns: [
      { title: "stream", cell: ({ stream }) => stream },
      { title: "messages", cell: ({ messages }) => messages.length },
      { title: "first", cell: ({ messages: [first] }) => first.globalPosition },
      { title: "type", cell: ({ messages: [first] }) => first.type },
      { title: "parked", cell: ({ messages: [first] }) => first.time },
      { title: "attempts", cell: ({ messages: [first] }) => first.attempts },
      {
        title: "failure",
        cell: ({ messages: [first] }) => Option.map(first.failure, FailureReport.format),
        isWide: true
      }
    ],
    none: "nothing is parked"
  })

/** What is parked. */
export const parked = Command.make("parked", {
  consumer: Argument.String("consumer").pipe(
    Argument.optional,
    Argument.withDescription("What is parked for this consumer; without one, for whom something is parked")
  ),
  category: categoryFlag
}, ({ category, consumer }) =>
  Effect.gen(function*() {
    if (Option.isSome(consumer)) return yield* list(yield* ownerOf(consumer.value, category))
    yield* Print.rows(Parking.owners, {
      schema: Parking.OwnerSummary,
      columns: [
        { title: "consumer", cell: ({ id }) => id },
        { title: "category", cell: ({ category }) => category },
        { title: "streams", cell: ({ streams }) => streams },
        { title: "messages", cell: ({ messages }) => messages },
        { title: "since", cell: ({ since }) => since }
      ],
      none: "nothing is parked"
    })
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Lists the consumers for which messages are parked, or the streams that are parked for one, with why"
    ),
    Command.withShortDescription("List what is parked"),
    Command.withExamples([
      { command: "eventfold parked", description: "For whom" },
      { command: "eventfold parked notifier", description: "What, and why" }
    ])
  )

/** For whom something was replayed or dropped, and how much. */
const Steered = Schema.Struct({
  consumer: Schema.String,
  category: Schema.String,
  streams: Schema.Int,
  messages: Schema.Int
})

/** Replays what is parked. */
export const replay = Command.make("replay", {
  consumer: Argument.String("consumer").pipe(Argument.withDescription("The id of the consumer")),
  stream: Argument.String("stream").pipe(Argument.optional, Argument.withDescription("The parked stream")),
  all: Flag.Boolean("all").pipe(Flag.withDefault(false), Flag.withDescription("All streams, in place of one")),
  limit: Flag.Int("limit").pipe(
    Flag.withAlias("n"),
    Flag.optional,
    Flag.withDescription("How many messages of each stream, the oldest first: 1 to try")
  ),
  category: categoryFlag,
  ...authorFlags
}, ({ all, by, category, consumer, limit, reason, stream }) =>
  Effect.gen(function*() {
    if (all === Option.isSome(stream)) {
      return yield* new UsageError({ message: "replay needs the name of a stream, or --all, and one of them" })
    }
    const owner = yield* ownerOf(consumer, category)
    const author = {
      by: yield* authorOf(by),
      reason: Option.getOrUndefined(reason),
      limit: Option.getOrUndefined(limit)
    }
    const { messages, streams } = yield* Effect.gen(function*() {
      if (Option.isNone(stream)) {
        yield* confirm(
          `Replay ${inWords(owner.messages, "message")} of ${inWords(owner.streams, "stream")} for ${consumer}?`
        )
        yield* Steering.replayAll(owner, { ...author, expected: owner })
        return owner
      }
      const found = yield* parkedOf(owner, stream.value)
      yield* Steering.replay(owner, { ...author, stream: found.stream, expected: Steering.seen(found) })
      return { streams: 1, messages: found.messages.length }
    })
    yield* Print.done(
      `a replay is requested of ${
        Option.getOrElse(stream, () => inWords(streams, "stream"))
      } for ${consumer}, in which ` +
        `${inWords(messages, "message")} ${
          messages === 1 ? "waits" : "wait"
        }. The consumer carries it out when it runs; ` +
        `eventfold parked ${consumer} shows what is left`,
      { consumer, category: owner.category, streams, messages },
      Steered
    )
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Has a consumer handle parked messages again: of one stream, or all. Replay one stream first"
    ),
    Command.withShortDescription("Replay parked messages"),
    Command.withExamples([
      { command: "eventfold replay notifier account-123 -n 1", description: "Tries the oldest message of a stream" },
      { command: "eventfold replay notifier account-123", description: "A stream" },
      { command: "eventfold replay notifier --all --yes", description: "Everything, without asking" }
    ])
  )

/** Drops what is parked. */
export const drop = Command.make("drop", {
  consumer: Argument.String("consumer").pipe(Argument.withDescription("The id of the consumer")),
  stream: Argument.String("stream").pipe(Argument.optional, Argument.withDescription("The parked stream")),
  message: Flag.Int("message").pipe(
    Flag.optional,
    Flag.withDescription("Only the message at this global position; all that wait in the stream without it")
  ),
  all: Flag.Boolean("all").pipe(Flag.withDefault(false), Flag.withDescription("All streams, in place of one")),
  category: categoryFlag,
  ...reasonFlags
}, ({ all, by, category, consumer, message, reason, stream }) =>
  Effect.gen(function*() {
    if (all === Option.isSome(stream) || (all && Option.isSome(message))) {
      return yield* new UsageError({
        message: "drop needs the name of a stream, or --all, and one of them; --message is one of a stream"
      })
    }
    const owner = yield* ownerOf(consumer, category)
    const author = { by: yield* authorOf(by), reason }
    const [streams, messages] = yield* Effect.gen(function*() {
      if (Option.isNone(stream)) {
        yield* confirm(
          `Drop ${inWords(owner.messages, "message")} of ${
            inWords(owner.streams, "stream")
          }, which ${consumer} will not handle?`
        )
        const found = yield* Stream.runCollect(Parking.list(owner))
        const dropped = yield* Effect.forEach(
          found,
          (one) => Steering.drop(owner, { ...author, stream: one.stream, expected: Steering.seen(one) })
        )
        return [found.length, dropped.reduce((sum, one) => sum + one, 0)] as const
      }
      const found = yield* parkedOf(owner, stream.value)
      if (Option.isSome(message)) {
        yield* confirm(`Drop the message at ${message.value} of ${found.stream}, which ${consumer} will not handle?`)
        return [
          1,
          yield* Steering.drop(owner, { ...author, stream: found.stream, globalPosition: message.value })
        ] as const
      }
      yield* confirm(
        `Drop ${inWords(found.messages.length, "message")} of ${found.stream}, which ${consumer} will not handle?`
      )
      const count = yield* Steering.drop(owner, { ...author, stream: found.stream, expected: Steering.seen(found) })
      return [1, count] as const
    })
    yield* Print.done(
      `${inWords(messages, "message")} dropped: ${consumer} will not handle them`,
      { consumer, category: owner.category, streams, messages },
      Steered
    )
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription("Gives parked messages up, with a reason: one, those of a stream, or all. It asks first"),
    Command.withShortDescription("Give parked messages up"),
    Command.withExamples([
      { command: `eventfold drop notifier account-123 --reason "the address is gone"` },
      {
        command: `eventfold drop notifier account-123 --message 4711 --reason "sent by hand"`,
        description: "One message"
      }
    ])
  )
