/**
 * The commands that change how the members of a consumer share its category, and where its positions come from.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Administration from "eventfold/Administration"
import * as Consumer from "eventfold/Consumer"
import { Observe } from "eventfold/Observe"
import * as PositionStore from "eventfold/PositionStore"
import * as Application from "../application/load.ts"
import * as Stores from "../connection/stores.ts"
import { UsageError } from "../failures/errors.ts"
import { confirm } from "../output/confirm.ts"
import * as Print from "../output/print.ts"
import { authorFlags, authorOf } from "./author.ts"

const ofApplication = Layer.provideMerge(Application.required, Stores.database())

const consumerArgument = Argument.String("consumer").pipe(Argument.withDescription("The id of the consumer"))

const categoryFlag = Flag.String("category").pipe(
  Flag.optional,
  Flag.withDescription("The category of the consumer, where several consumers have its id")
)

/** The definition of a consumer. */
const definitionOf = Effect.fnUntraced(function*(id: string, category: Option.Option<string>) {
  const found = yield* (yield* Observe).consumerDefinitions(id)
  const wanted = Option.isNone(category) ? found : found.filter((one) => one.category === category.value)
  const [one] = wanted
  if (one !== undefined && wanted.length === 1) return one
  return yield* new UsageError({
    message: `${
      wanted.length === 0 ? "no consumer" : `${wanted.length} consumers`
    } of this category and id are registered`,
    hint: `name the category of one with --category: ${found.map((one) => one.category).join(", ")}`
  })
})

const Regrouped = Schema.Struct({
  consumer: Schema.String,
  category: Schema.String,
  size: Schema.Int,
  position: Schema.Int
})

/** Changes the size of a group. */
export const regroup = Command.make("regroup", {
  consumer: consumerArgument,
  size: Argument.Int("size").pipe(Argument.withDescription("How many members the group has from now on")),
  category: categoryFlag,
  ...authorFlags
}, ({ by, category, consumer, reason, size }) =>
  Effect.gen(function*() {
    const definition = yield* definitionOf(consumer, category)
    const author = yield* authorOf(by)
    yield* confirm(`Have ${consumer} on ${definition.category} share its category among ${size} members?`)
    const position = yield* Administration.recorded(Consumer.regroup(definition, size), (position) => ({
      by: author,
      action: "Consumer.regroup",
      subject: consumer,
      ...(Option.isSome(reason) && { reason: reason.value }),
      details: { category: definition.category, size, position }
    }))
    yield* Print.done(
      `${consumer} has ${size} members, which begin after ${position}. Start it with the new size`,
      { consumer, category: definition.category, size, position },
      Regrouped
    )
  }).pipe(Effect.provide(ofApplication))).pipe(
    Command.withDescription(
      "Changes how many members share the category of a consumer. Stop it everywhere first. It asks first"
    ),
    Command.withShortDescription("Change the size of a consumer group"),
    Command.withExamples([{ command: "eventfold regroup mailer 4 -m src/observe.ts" }])
  )

const TakenOver = Schema.Struct({
  consumer: Schema.String,
  category: Schema.String,
  members: Schema.Array(Schema.Struct({ member: Schema.OptionFromNullOr(Schema.Int), position: Schema.Int }))
})

/** Takes positions over from position streams, or hands them over. */
export const takeOver = Command.make("take-over", {
  consumer: consumerArgument,
  to: Flag.Literals("to", ["rows", "streams"]).pipe(
    Flag.withDescription("rows: from Ruby to eventfold; streams: from eventfold to Ruby")
  ),
  category: categoryFlag,
  ...authorFlags
}, ({ by, category, consumer, reason, to }) =>
  Effect.gen(function*() {
    const definition = yield* definitionOf(consumer, category)
    const author = yield* authorOf(by)
    yield* confirm(
      `Have ${consumer} on ${definition.category} continue where its position in ${
        to === "rows" ? "its stream" : "eventfold's rows"
      } is?`
    )
    const taken = Consumer.takeOver(definition).pipe(
      to === "streams" ? Effect.provide(PositionStore.layerStreams) : (effect) => effect
    )
    const found = yield* Administration.recorded(taken, (found) => ({
      by: author,
      action: "Consumer.takeOver",
      subject: consumer,
      ...(Option.isSome(reason) && { reason: reason.value }),
      details: { category: definition.category, to, positions: found.map(({ position }) => position) }
    }))
    const members = found.map(({ member, position }) => ({ member: Option.fromUndefinedOr(member), position }))
    yield* Print.done(
      members.length === 0
        ? `${consumer} has no position there, so nothing was changed`
        : members.map(({ member, position }) =>
          `${consumer}${
            Option.match(member, { onNone: () => "", onSome: (one) => `, member ${one}` })
          } continues after ${position}`
        ).join("\n"),
      { consumer, category: definition.category, members },
      TakenOver
    )
  }).pipe(Effect.provide(ofApplication))).pipe(
    Command.withDescription(
      "Has a consumer continue where another client has stopped, by the position in its stream, or hands it over. Stop it everywhere first. It asks first"
    ),
    Command.withShortDescription("Hand a consumer over to Ruby, or back"),
    Command.withExamples([{
      command: "eventfold take-over mailer --to rows -m src/observe.ts",
      description: "From Ruby to here"
    }])
  )
