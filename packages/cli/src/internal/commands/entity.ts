/**
 * The commands that show what definitions of an application make of messages.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Observe from "eventfold/Observe"
import * as StreamName from "eventfold/StreamName"
import * as Application from "../application/load.ts"
import * as Stores from "../connection/stores.ts"
import { ProblemsFound, UsageError } from "../failures/errors.ts"
import * as Print from "../output/print.ts"
import { print, shown, styles } from "../output/terminal.ts"
import { positionOf, timeOf } from "./messages.ts"

/** The definitions of the application on its store. */
const definitions = Layer.provideMerge(Application.required, Stores.database())

/** Which entity a stream is of: the one of its category, when there is one. */
const entityOf = Effect.fnUntraced(function*(stream: string, name: Option.Option<string>) {
  const { definitions, loaded } = yield* Observe.Observe
  const id = StreamName.id(stream)
  if (Option.isNone(id)) {
    return yield* new UsageError({ message: `${stream} is a category`, hint: "name a stream, such as account-123" })
  }
  if (Option.isSome(name)) return { name: name.value, id: id.value }
  const category = StreamName.category(stream)
  const found = definitions.entities.filter((entity) => entity.category === category)
  const [one] = found
  if (one !== undefined && found.length === 1) return { name: one.entity, id: id.value }
  const names = (one === undefined ? loaded.entities : found.map(({ entity }) => entity)).join(", ")
  return yield* new UsageError({
    message: one === undefined
      ? `no entity of the category ${category} is registered`
      : `${found.length} entities of the category ${category} are registered`,
    hint: `name one of ${names === "" ? "none" : names} with --entity`
  })
})

/** The values of a state by their paths. */
const leaves = (value: Schema.Json, path: string): ReadonlyArray<readonly [string, string]> => {
  if (typeof value !== "object" || value === null) return [[path, JSON.stringify(value)]]
  const entries = Object.entries(value)
  if (entries.length === 0) return [[path, JSON.stringify(value)]]
  return entries.flatMap(([key, inner]) =>
    leaves(inner, Array.isArray(value) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`)
  )
}

/** What differs between two states: what was there, and what is. */
const differences = (before: Schema.Json, after: Schema.Json) => {
  const [one, other] = [new Map(leaves(before, "")), new Map(leaves(after, ""))]
  const lines: Array<string> = []
  for (const path of new Set([...one.keys(), ...other.keys()])) {
    const [was, is] = [one.get(path), other.get(path)]
    if (was === is) continue
    const at = path === "" ? "state" : path
    if (was !== undefined) lines.push(`- ${at}: ${was}`)
    if (is !== undefined) lines.push(`+ ${at}: ${is}`)
  }
  return lines
}

/** A state for a person: JSON, and how it differs from the other one. */
const show = Effect.fnUntraced(function*(found: Observe.EntityState) {
  const { bold, green, red } = yield* styles
  const version = Option.match(found.version, {
    onNone: () => "before its first message",
    onSome: (at) => `at version ${at}`
  })
  const last = Option.match(found.last, { onNone: () => "which does not exist", onSome: (at) => `of ${at}` })
  yield* print(bold(shown(`${found.streamName} ${version} ${last}`)))
  if (Option.isNone(found.compared)) {
    return yield* print(JSON.stringify(found.state, undefined, 2).split("\n").map(shown).join("\n"))
  }
  const lines = differences(found.compared.value.state, found.state)
  yield* print(
    lines.length === 0
      ? "both states are the same"
      : lines.map((line) => line.startsWith("+") ? green(shown(line)) : red(shown(line))).join("\n")
  )
})

/** The state of an entity. */
export const entity = Command.make("entity", {
  stream: Argument.String("stream").pipe(Argument.withDescription("The stream of the entity, such as account-123")),
  name: Flag.String("entity").pipe(
    Flag.optional,
    Flag.withDescription("The name under which it is registered, where a category has several")
  ),
  at: Flag.String("at").pipe(
    Flag.optional,
    Flag.withDescription("A version, or a time as in 2026-11-29T10:00:00Z; the latest state by default")
  ),
  diff: Flag.Int("diff").pipe(Flag.optional, Flag.withDescription("Show what differs from the state at this version")),
  changes: Flag.Boolean("changes").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Show each message with what it has changed")
  )
}, ({ at, changes, diff, name, stream }) =>
  Effect.gen(function*() {
    const observe = yield* Observe.Observe
    const { id, name: registered } = yield* entityOf(stream, name)
    if (changes) {
      return yield* Print.rows(observe.entityChanges(registered, id), {
        schema: Observe.EntityChange,
        columns: [
          { title: "position", cell: ({ message }) => message.position },
          { title: "time", cell: ({ message }) => message.time },
          { title: "type", cell: ({ message }) => message.type },
          { title: "changes", cell: ({ after, before }) => differences(before, after).join("  "), isWide: true }
        ],
        none: `${stream} has no message`
      })
    }
    const version = Option.match(at, { onNone: () => undefined, onSome: positionOf })
    const state = yield* observe.entity(registered, id, {
      at: Option.isNone(at)
        ? undefined
        : version === undefined
        ? { time: yield* timeOf(at.value) }
        : { version },
      compare: Option.getOrUndefined(diff)
    })
    if (yield* Print.isTable) return yield* show(state)
    yield* Print.record(state, {
      schema: Observe.EntityState,
      columns: [
        { title: "stream", cell: ({ streamName }) => streamName },
        { title: "version", cell: ({ version }) => version },
        { title: "state", cell: ({ state }) => state }
      ]
    })
  }).pipe(Effect.provide(definitions))).pipe(
    Command.withDescription(
      "Folds the messages of a stream by the definition of the application, and prints the state"
    ),
    Command.withShortDescription("Print the state of an entity"),
    Command.withExamples([
      { command: "eventfold entity account-123 --module src/observe.ts", description: "The latest state" },
      {
        command: "eventfold entity account-123 --at 7 --diff 6 -m src/observe.ts",
        description: "What version 7 has changed"
      },
      {
        command: "eventfold entity account-123 --at 2026-11-29T10:00:00Z -m src/observe.ts",
        description: "What it was then"
      }
    ])
  )

/** A stored type of a category. */
const TypeRow = Schema.Struct({ category: Schema.String, ...Observe.StoredType.fields })

const verdictOf = ({ firstMisfit, isKnown }: typeof TypeRow.Type): string =>
  Option.match(firstMisfit, {
    onNone: () => isKnown ? "fits" : "is not a type of the category: readers skip it, or refuse it",
    onSome: ({ path, position, reason, streamName }) => `${path.join(".")} of ${streamName}/${position}: ${reason}`
  })

/** Stored messages against the schemas. */
const check = Command.make("check", {
  categories: Argument.String("category").pipe(
    Argument.atLeast(0),
    Argument.withDescription("Categories that are registered; all of them without one")
  ),
  all: Flag.Boolean("all").pipe(Flag.withDefault(false), Flag.withDescription("Look at all messages, not at a sample")),
  sample: Flag.Int("sample").pipe(
    Flag.withDefault(1_000),
    Flag.withDescription("How many of the oldest, and how many of the newest messages of a category")
  )
}, ({ all, categories, sample }) =>
  Effect.gen(function*() {
    const observe = yield* Observe.Observe
    const names = categories.length === 0 ? observe.loaded.categories : categories
    if (names.length === 0) {
      return yield* new UsageError({
        message: "the module registers no category",
        hint: "give Observe.layer its categories"
      })
    }
    const found = yield* Effect.forEach(names, (name) => observe.storedTypes(name, { sample: all ? "all" : sample }))
    const types = found.flatMap(({ category, types }) => types.map((type) => ({ category, ...type })))
    yield* Print.list(types, {
      schema: TypeRow,
      columns: [
        { title: "category", cell: ({ category }) => category },
        { title: "type", cell: ({ type }) => type },
        { title: "version", cell: ({ schemaVersion }) => schemaVersion },
        { title: "messages", cell: ({ messages }) => messages },
        { title: "misfits", cell: ({ misfits }) => misfits },
        { title: "verdict", cell: verdictOf, isWide: true }
      ],
      none: "no message is stored"
    })
    const misfits = types.reduce((sum, { misfits }) => sum + misfits, 0)
    if (misfits > 0) {
      return yield* new ProblemsFound({
        message: misfits === 1 ? "1 message does not fit its schema" : `${misfits} messages do not fit their schemas`
      })
    }
  }).pipe(Effect.provide(definitions))).pipe(
    Command.withDescription(
      "Looks whether the stored messages fit the schemas of the application: exit code 4 when some don't"
    ),
    Command.withShortDescription("Check stored messages against the schemas"),
    Command.withExamples([
      { command: "eventfold schemas check account --module src/observe.ts", description: "A sample of a category" },
      { command: "eventfold schemas check --all -m src/observe.ts", description: "Every message of every category" }
    ])
  )

/** What is about schemas. */
export const schemas = Command.make("schemas").pipe(
  Command.withDescription("What is about the schemas of an application"),
  Command.withShortDescription("Check schemas"),
  Command.withSubcommands([check])
)
