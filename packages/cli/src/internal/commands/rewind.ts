/**
 * The command that sets a consumer back.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Consumer from "eventfold/Consumer"
import * as Steering from "eventfold/Steering"
import * as Stores from "../connection/stores.ts"
import { CommandFailed, UsageError } from "../failures/errors.ts"
import { confirm } from "../output/confirm.ts"
import * as Print from "../output/print.ts"
import { authorOf, reasonFlags } from "./author.ts"
import { positionOf, timeOf } from "./messages.ts"

/** The positions of a consumer's members. */
const storedOf = Effect.fnUntraced(function*(id: string, category: Option.Option<string>) {
  const all = yield* Stream.runCollect(Consumer.list)
  const found = all.filter((one) =>
    one.consumer === id && Option.match(category, { onNone: () => true, onSome: (name) => name === one.category })
  )
  const [first] = found
  if (first === undefined) {
    return yield* new CommandFailed({
      message: `the store has no position of a consumer ${id}`,
      hint: "eventfold consumers lists those that have one"
    })
  }
  const categories = [...new Set(found.map(({ category }) => category))]
  if (categories.length > 1) {
    return yield* new UsageError({
      message: `${categories.length} consumers have the id ${id}`,
      hint: `name the category of one with --category: ${categories.join(", ")}`
    })
  }
  return { category: first.category, position: Math.min(...found.map(({ position }) => position)) }
})

const targetOf = Effect.fnUntraced(function*(to: string) {
  if (to === "beginning") return to
  const position = positionOf(to)
  return position === undefined ? { time: yield* timeOf(to) } : { position }
})

const Rewound = Schema.Struct({
  consumer: Schema.String,
  category: Schema.String,
  members: Schema.Array(Schema.Struct({
    member: Schema.OptionFromNullOr(Schema.Int),
    from: Schema.Int,
    position: Schema.Int
  }))
})

/** Sets a consumer back. */
export const rewind = Command.make("rewind", {
  consumer: Argument.String("consumer").pipe(Argument.withDescription("The id of the consumer")),
  to: Flag.String("to").pipe(
    Flag.withDescription(
      "The first message to handle again: beginning, a global position, or a time as in 2026-11-29T10:00:00Z"
    )
  ),
  expected: Flag.Int("expected").pipe(
    Flag.optional,
    Flag.withDescription(
      "The position that you have seen; of a group the lowest. Exit code 5 when it is another one by now"
    )
  ),
  category: Flag.String("category").pipe(
    Flag.optional,
    Flag.withDescription("The category of the consumer, where several consumers have its id")
  ),
  ...reasonFlags
}, ({ by, category, consumer, expected, reason, to }) =>
  Effect.gen(function*() {
    const target = yield* targetOf(to)
    const seen = yield* storedOf(consumer, category)
    const where = target === "beginning"
      ? "the beginning"
      : "position" in target
      ? `global position ${target.position}`
      : DateTime.formatIso(target.time)
    yield* confirm(
      `Set ${consumer} on ${seen.category} back from ${seen.position} to ${where}? Its handlers see the messages a second time.`
    )
    const rewound = yield* Steering.rewind({ id: consumer, category: seen.category }, {
      to: target,
      expected: Option.getOrElse(expected, () => seen.position),
      by: yield* authorOf(by),
      reason
    })
    const members = rewound.map(({ from, member, position }) => ({
      member: Option.fromUndefinedOr(member),
      from,
      position
    }))
    yield* Print.done(
      members.map(({ from, member, position }) =>
        `${consumer}${
          Option.match(member, { onNone: () => "", onSome: (one) => `, member ${one}` })
        }: set back from ${from} to ` +
        `${position}. It begins there when it runs again`
      ).join("\n"),
      { consumer, category: seen.category, members },
      Rewound
    )
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Sets a consumer back to a message or a time, with a reason. Stop it everywhere first; its handlers see the messages a second time. It asks first"
    ),
    Command.withShortDescription("Set a consumer back"),
    Command.withExamples([
      { command: `eventfold rewind notifier --to 2026-11-29T10:00:00Z --reason "welcomed in the wrong language"` },
      {
        command: `eventfold rewind notifier --to beginning --reason "a new mailer"`,
        description: "From the first message"
      }
    ])
  )
