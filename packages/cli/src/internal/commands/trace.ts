/**
 * The command that shows what caused what.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore } from "eventfold/MessageStore"
import * as Trace from "eventfold/Trace"
import * as Stores from "../connection/stores.ts"
import { CommandFailed } from "../failures/errors.ts"
import * as Print from "../output/print.ts"
import { tell } from "../output/terminal.ts"
import { isMessageId, positionOf } from "./messages.ts"

/** What a trace begins with: a message by its position, or a correlation by the name of its stream. */
const startOf = Effect.fnUntraced(function*(from: string) {
  const position = positionOf(from)
  if (position !== undefined) return position
  if (!isMessageId(from)) return from
  const message = yield* (yield* MessageStore).messageById(from)
  if (Option.isNone(message)) return yield* new CommandFailed({ message: `there is no message ${from}` })
  return message.value.globalPosition
})

const waitOf = ({ wait }: Trace.Node) =>
  Option.map(wait, ({ clockDiffers, millis }) => clockDiffers ? "clock?" : Duration.millis(millis))

/** What a message or a correlation has caused. */
export const trace = Command.make("trace", {
  from: Argument.String("message or correlation").pipe(
    Argument.withDescription(
      "The id or the global position of a message, or the stream that gives a correlation its name"
    )
  ),
  depth: Flag.Int("depth").pipe(Flag.withDefault(32), Flag.withDescription("How many causes above a message at most")),
  limit: Flag.Int("limit").pipe(
    Flag.withAlias("n"),
    Flag.withDefault(500),
    Flag.withDescription("How many messages at most")
  ),
  window: Flag.Int("window").pipe(
    Flag.withDefault(Trace.defaultWindow),
    Flag.withDescription("How many messages to look through where the store has no indexes for traces")
  )
}, ({ depth, from, limit, window }) =>
  Effect.gen(function*() {
    const { isComplete, isCut, lookedFrom, lookedThrough, nodes } = yield* Trace.tree(yield* startOf(from), {
      depth,
      limit,
      window
    })
    yield* Print.list(nodes, {
      schema: Trace.Node,
      columns: [
        { title: "message", cell: ({ depth, message }) => `${"  ".repeat(depth)}${message.type}` },
        { title: "stream", cell: ({ message }) => message.streamName },
        { title: "position", cell: ({ message }) => message.position },
        { title: "global position", cell: ({ message }) => message.globalPosition },
        { title: "time", cell: ({ message }) => message.time },
        { title: "after", cell: waitOf }
      ],
      none: `no message has the correlation ${from}`
    })
    if (isCut) yield* tell("there is more: raise --depth or --limit")
    else if (!isComplete) {
      yield* tell(
        `there may be more: it has looked from ${lookedFrom} through ${lookedThrough}. Raise --window, or make the indexes for ` +
          "traces once: eventfold install --trace-indexes"
      )
    }
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Prints what caused what, as a tree with the times between: of a message, or of a correlation"
    ),
    Command.withShortDescription("Print what caused what"),
    Command.withExamples([
      { command: "eventfold trace 4711", description: "What a message has caused" },
      { command: "eventfold trace fulfilment-7", description: "All that belongs to a correlation" }
    ])
  )
