/**
 * The commands that show what reads the log: consumers, processes, read models, and what runs where.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Administration from "eventfold/Administration"
import * as HeldBack from "eventfold/HeldBack"
import * as Observe from "eventfold/Observe"
import * as Process from "eventfold/Process"
import * as Runners from "eventfold/Runners"
import * as Application from "../application/load.ts"
import * as Stores from "../connection/stores.ts"
import * as Print from "../output/print.ts"

/** The store with what the application registers. */
const ofApplication = Layer.provideMerge(Application.required, Stores.database())

/** The store, with what the application registers where it is named. Without it a stock Message DB will do, too. */
const ofMessages = Layer.unwrap(Effect.map(
  Application.isNamed,
  (isNamed) => isNamed ? ofApplication : Layer.provideMerge(Application.nothing, Stores.messageStore())
))

/** The same with read models. */
const ofReadModels = Layer.unwrap(Effect.map(
  Application.isNamed,
  (isNamed) => isNamed ? ofApplication : Layer.provideMerge(Application.nothing, Stores.database())
))

const idArgument = (what: string) =>
  Argument.String(what).pipe(Argument.optional, Argument.withDescription(`Only this ${what}; all of them without one`))

/** The lowest position of the members: up to there everything is handled. */
const positionOf = ({ status, stored }: Observe.ObservedConsumer) => {
  const known = Option.match(status, {
    onNone: () => stored.map(({ position }) => position),
    onSome: ({ members }) => members.flatMap(({ position }) => Option.toArray(position))
  })
  return known.length === 0 ? undefined : Math.min(...known)
}

/** How far a consumer is behind: in messages where its definition is loaded, else in positions. */
const behindOf = ({ status, stored }: Observe.ObservedConsumer) =>
  Option.match(status, {
    onNone: () => stored.length === 0 ? undefined : Math.max(...stored.map(({ behind }) => behind.positions)),
    onSome: ({ lag }) => lag.messages
  })

const ageOf = ({ status, stored }: Observe.ObservedConsumer) =>
  Option.match(status, {
    onNone: () => stored.flatMap(({ behind }) => Option.toArray(behind.age))[0],
    onSome: ({ lag }) => lag.age
  })

const heldBackOf = (status: Option.Option<{ readonly heldBack: Option.Option<HeldBack.HeldBack> }>) =>
  Option.map(Option.flatMap(status, ({ heldBack }) => heldBack), HeldBack.format)

/** How far consumers are. */
export const consumers = Command.make("consumers", { id: idArgument("consumer") }, ({ id }) =>
  Effect.gen(function*() {
    const observe = yield* Observe.Observe
    const found = yield* Option.match(id, { onNone: () => observe.consumers, onSome: observe.consumer })
    yield* Print.list(found, {
      schema: Observe.ObservedConsumer,
      columns: [
        { title: "consumer", cell: ({ consumer }) => consumer },
        { title: "category", cell: ({ category }) => category },
        { title: "position", cell: positionOf },
        { title: "behind", cell: behindOf },
        { title: "by", cell: ageOf },
        { title: "parked", cell: ({ parked }) => Option.map(parked, ({ messages }) => messages) },
        { title: "definition", cell: ({ status }) => Option.isSome(status) ? "loaded" : "not loaded" },
        { title: "held back", cell: ({ status }) => heldBackOf(status), isWide: true }
      ],
      none: Option.match(id, {
        onNone: () => "no consumer has written a position",
        onSome: (id) => `neither the store nor the application knows a consumer ${id}`
      })
    })
  }).pipe(Effect.provide(ofMessages))).pipe(
    Command.withDescription(
      "Lists the consumers with how far they are: in messages where the application is named, else in positions of the log"
    ),
    Command.withShortDescription("List the consumers and their lag"),
    Command.withExamples([
      { command: "eventfold consumers", description: "All that have written a position" },
      { command: "eventfold consumers notifier -m src/observe.ts", description: "The exact lag of one" }
    ])
  )

/** A build of a read model, as a row. */
const BuildRow = Schema.Struct({
  readModel: Schema.String,
  build: Schema.OptionFromNullOr(Observe.ObservedReadModel.fields.stored.value.fields.build),
  status: Observe.ObservedReadModel.fields.status
})

const lagOf = ({ build, status }: typeof BuildRow.Type) =>
  Option.flatMap(status, ({ builds }) =>
    Option.fromUndefinedOr(
      builds.find(({ number }) => Option.isSome(build) && number === build.value.number)?.lag
    ))

/** How far read models are. */
export const readModels = Command.make(
  "read-models",
  { name: idArgument("read model") },
  ({ name }) =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      const found = yield* Option.match(name, {
        onNone: () => observe.readModels,
        onSome: (name) => Effect.map(observe.readModel(name), Option.toArray)
      })
      const none = Option.match(name, {
        onNone: () => "no read model has a build",
        onSome: (name) => `neither the store nor the application knows a read model ${name}`
      })
      const form = yield* Print.format
      if (form === "json" || form === "ndjson") {
        return yield* Print.list(found, { schema: Observe.ObservedReadModel, columns: [], none })
      }
      const rows = found.flatMap(({ readModel, status, stored }) =>
        stored.length === 0
          ? [{ readModel, build: Option.none(), status }]
          : stored.map(({ build }) => ({ readModel, build: Option.some(build), status }))
      )
      yield* Print.list(rows, {
        schema: BuildRow,
        columns: [
          { title: "read model", cell: ({ readModel }) => readModel },
          { title: "build", cell: ({ build }) => Option.map(build, ({ number }) => number) },
          { title: "version", cell: ({ build }) => Option.map(build, ({ version }) => version) },
          { title: "state", cell: ({ build }) => Option.map(build, ({ state }) => state) },
          { title: "position", cell: ({ build }) => Option.map(build, ({ checkpoint }) => checkpoint.position) },
          { title: "behind", cell: (row) => Option.map(lagOf(row), ({ messages }) => messages) },
          { title: "by", cell: (row) => Option.map(lagOf(row), ({ age }) => age) },
          { title: "held back", cell: ({ status }) => heldBackOf(status), isWide: true }
        ],
        none
      })
    }).pipe(Effect.provide(ofReadModels))
).pipe(
  Command.withDescription("Lists the builds of the read models with how far they are, and who holds them back"),
  Command.withShortDescription("List the read models and their builds"),
  Command.withExamples([
    { command: "eventfold read-models", description: "All that have a build" },
    { command: "eventfold read-models balances -m src/observe.ts", description: "The exact lag of one" }
  ])
)

/** How far processes are, and what they wait for. */
export const processes = Command.make(
  "processes",
  { name: idArgument("process") },
  ({ name }) =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      const found = yield* Option.match(name, {
        onNone: () => observe.processes,
        onSome: (name) => Effect.map(observe.process(name), (one) => [one])
      })
      yield* Print.list(found, {
        schema: Observe.ObservedProcess,
        columns: [
          { title: "process", cell: ({ process }) => process },
          { title: "behind", cell: ({ status }) => status.lag.messages },
          { title: "by", cell: ({ status }) => status.lag.age },
          { title: "pending deadlines", cell: ({ pending }) => pending },
          { title: "overdue", cell: ({ overdue }) => overdue },
          { title: "next", cell: ({ next: [first] }) => first?.due },
          { title: "of", cell: ({ next: [first] }) => first === undefined ? undefined : `${first.id} ${first.name}` }
        ],
        none: "the module registers no process"
      })
    }).pipe(Effect.provide(ofApplication))
).pipe(
  Command.withDescription(
    "Lists the processes of the application with their lag, and the deadlines that they wait for"
  ),
  Command.withShortDescription("List the processes and their lag"),
  Command.withExamples([{ command: "eventfold processes -m src/observe.ts" }])
)

/** The deadlines that a process waits for. */
export const deadlines = Command.make("deadlines", {
  process: Argument.String("process").pipe(Argument.withDescription("The name of the process")),
  id: Flag.String("id").pipe(Flag.optional, Flag.withDescription("Only those of the process with this id")),
  limit: Flag.Int("limit").pipe(Flag.withAlias("n"), Flag.optional, Flag.withDescription("How many at most")),
  overdue: Flag.Boolean("overdue").pipe(Flag.withDefault(false), Flag.withDescription("Only those that are overdue"))
}, ({ id, limit, overdue, process }) =>
  Effect.gen(function*() {
    const pending = yield* Process.deadlines({ name: process }, {
      id: Option.getOrUndefined(id),
      limit: Option.getOrUndefined(limit)
    })
    yield* Print.list(overdue ? pending.filter(({ isOverdue }) => isOverdue) : pending, {
      schema: Process.PendingDeadline,
      columns: [
        { title: "due", cell: ({ due }) => due },
        { title: "id", cell: ({ id }) => id },
        { title: "deadline", cell: ({ name }) => name },
        { title: "overdue", cell: ({ isOverdue }) => isOverdue ? "overdue" : "" }
      ],
      none: "no deadline is pending"
    })
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Lists the deadlines that a process waits for, the earliest first, so those that are overdue"
    ),
    Command.withShortDescription("List pending deadlines"),
    Command.withExamples([
      { command: "eventfold deadlines fulfilment -n 20" },
      { command: "eventfold deadlines fulfilment --overdue --json", description: "For a scheduled job" }
    ])
  )

/** A run of a program, as a row. */
const RunRow = Schema.Struct({ ...Runners.Runner.fields, runs: Schema.Array(Runners.Run) })

/** What runs where. */
export const runners = Command.make("runners", {}, () =>
  Effect.gen(function*() {
    const all = yield* Runners.list
    const form = yield* Print.format
    if (form === "json" || form === "ndjson") {
      return yield* Print.list(all, { schema: Runners.Runner, columns: [], none: "nothing runs" })
    }
    const rows = all.flatMap((runner) => runner.runs.map((run) => ({ ...runner, runs: [run] })))
    yield* Print.list(rows, {
      schema: RunRow,
      columns: [
        { title: "what", cell: ({ runs: [run] }) => run?.kind },
        { title: "id", cell: ({ runs: [run] }) => run?.id },
        { title: "category", cell: ({ runs: [run] }) => run?.category },
        { title: "host", cell: ({ host }) => host },
        { title: "pid", cell: ({ pid }) => pid === undefined ? undefined : String(pid) },
        {
          title: "does",
          cell: ({ isStale, runs: [run] }) => isStale ? "silent" : run?.status.isActive ? "works" : "stands by"
        },
        { title: "per second", cell: ({ runs: [run] }) => run === undefined ? undefined : Math.round(run.status.rate) },
        { title: "in flight", cell: ({ runs: [run] }) => run?.status.inFlight },
        { title: "parked", cell: ({ runs: [run] }) => run?.status.parked },
        {
          title: "retries",
          cell: ({ runs: [run] }) =>
            run?.status.stuck.map(({ attempts, failure, message }) =>
              `${message.streamName}/${message.position} after ${attempts}: ${failure.message}`
            ).join("; "),
          isWide: true
        }
      ],
      none: "nothing runs"
    })
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription("Lists what runs in all programs of the store, and what they retry"),
    Command.withShortDescription("List what runs where"),
    Command.withExamples([{ command: "eventfold runners" }])
  )

/** Who did what. */
export const history = Command.make("history", {
  limit: Flag.Int("limit").pipe(
    Flag.withAlias("n"),
    Flag.withDefault(20),
    Flag.withDescription("How many records at most")
  )
}, ({ limit }) =>
  Effect.gen(function*() {
    const records = Administration.history({ direction: "backwards", limit })
    yield* Print.rows(
      Stream.map(records, ({ data, recorded: { time } }) => ({ time, ...data })),
      {
        schema: RecordRow,
        columns: [
          { title: "time", cell: ({ time }) => time },
          { title: "by", cell: ({ by }) => by },
          { title: "action", cell: ({ action }) => action },
          { title: "subject", cell: ({ subject }) => subject },
          { title: "reason", cell: ({ reason }) => reason },
          { title: "details", cell: ({ details }) => details, isWide: true }
        ],
        none: "nothing is recorded"
      }
    )
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Lists what administrators have done, the newest first: replays, drops, rewinds, rebuilds, deletions"
    ),
    Command.withShortDescription("List who did what"),
    Command.withExamples([{ command: "eventfold history -n 5" }])
  )

/** A record of what was done. */
const RecordRow = Schema.Struct({ time: Schema.DateTimeUtc, ...Administration.Administered.fields })
