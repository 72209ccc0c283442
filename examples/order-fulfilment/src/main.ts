/**
 * The command line: a tour, and a command for each part of the program.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import * as Main from "@eventfold/example-command-line/Main"
import * as Progress from "@eventfold/example-command-line/Progress"
import { Console, Duration, Effect, Layer, Logger, Option, References, Schema, type Stdio } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { SqlClient } from "effect/sql"
import { Consumer, type MessageStore, type Observe, Parking, ReadModel, type ReadModelStore } from "eventfold"
import { App, Registered } from "./App.ts"
import * as Journal from "./Journal.ts"
import * as Order from "./Order.ts"
import { payments } from "./Payment.ts"
import { PaymentProvider } from "./PaymentProvider.ts"
import * as ReadModels from "./ReadModels.ts"
import * as Report from "./Report.ts"
import * as Sandbox from "./Sandbox.ts"
import * as Served from "./Served.ts"
import { tour } from "./Tour.ts"

const root = Command.make("orders").pipe(Command.withSharedFlags(CommandLine.storeFlags))

/** Prints warnings and errors of the log on stderr, a line each. */
const Warnings = Layer.merge(
  Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)

/** Runs a command on the store that the flags name. */
const onStore = Effect.fnUntraced(
  function*<E extends Error>(
    command: Effect.Effect<
      void,
      E,
      | MessageStore.MessageStore
      | Observe.Observe
      | ReadModelStore.ReadModelStore
      | SqlClient.SqlClient
      | Stdio.Stdio
    >
  ) {
    yield* Effect.provide(command, Layer.provideMerge(Registered, CommandLine.databaseLayer(yield* root)))
  },
  Effect.provide(Warnings),
  Effect.mapError(ReadModels.remedy),
  Effect.catch(CommandLine.report)
)

const run = Command.make("run", {
  repaired: Flag.Boolean("repaired").pipe(
    Flag.withDescription("The payment provider is repaired: charges to the card \"broken\" work"),
    Flag.withDefault(false)
  ),
  slowFor: Flag.Int("slow-for").pipe(
    Flag.withDescription("The seconds that the provider takes to answer about the card \"slow\""),
    Flag.filter((seconds) => seconds >= 0, () => "at least 0"),
    Flag.withDefault(15)
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription(
      "Also shows it in a browser: the port to listen on, on this machine only; 0 for any that is free"
    ),
    Flag.filter((port) => port >= 0 && port < 65_536, () => "must be from 0 to 65535"),
    Flag.optional
  )
}, ({ port, repaired, slowFor }) =>
  onStore(
    Effect.gen(function*() {
      const sandbox = yield* Sandbox.make({
        slow: Effect.sleep(Duration.seconds(slowFor)),
        isRepaired: repaired,
        onTrouble: Journal.sayTrouble
      })
      const journal = yield* Journal.make(yield* Journal.end)
      yield* Console.log("running; Ctrl-C stops it, and the next run resumes there")
      const Running = Option.match(port, { onNone: () => App, onSome: (port) => Layer.merge(App, Served.layer(port)) })
      return yield* Effect.raceFirst(Consumer.launch(Running), journal.follow).pipe(
        Effect.provideService(PaymentProvider, sandbox.provider),
        Effect.onInterrupt(() => Console.log("stopped"))
      )
    }).pipe(Effect.scoped)
  )).pipe(
    Command.withDescription("Runs payments, shipping and the process between them, and prints what happens")
  )

const orderId = Argument.String("order").pipe(
  Argument.withDescription("The id of an order, such as 2001"),
  Argument.filterMap(
    Schema.decodeOption(Order.OrderId),
    () => "at most 40 lower-case letters and digits, with single dashes between them"
  )
)

const place = Command.make("place", {
  order: orderId,
  card: Flag.Literals("card", Sandbox.cards).pipe(
    Flag.withDescription("The card, which decides what the payment provider does"),
    Flag.withDefault("good")
  ),
  count: Flag.Int("teapots").pipe(
    Flag.withDescription("How many teapots, at €20.00"),
    Flag.filter((count) => count >= 1 && count <= 1_000, () => "from 1 to 1000"),
    Flag.withDefault(1)
  ),
  seconds: Flag.Int("pay-within").pipe(
    Flag.withDescription("The seconds after which an unpaid order is cancelled"),
    Flag.filter((seconds) => seconds >= 1, () => "at least 1"),
    Flag.withDefault(10)
  )
}, ({ card, count, order, seconds }) =>
  onStore(Effect.gen(function*() {
    const lines = [{ item: "teapots", count, price: 2_000 }] as const
    const { state } = yield* Order.place({ order, lines, card, payWithin: Duration.seconds(seconds) })
    yield* Console.log(`placed ${order}: ${Report.euros(state.total)}`)
  }))).pipe(Command.withDescription("Places an order, which is handled when the program runs"))

const status = Command.make("status", {}, () =>
  onStore(Effect.gen(function*() {
    // The status is printed even when a read model refuses to continue.
    const caughtUp = yield* Effect.result(ReadModels.catchUp)
    yield* Console.log(yield* Report.status)
    yield* Effect.fromResult(caughtUp)
    yield* Console.log(yield* Report.orders)
  }))).pipe(Command.withDescription("Shows the lag of consumers and read models, and the orders"))

const inspect = Command.make(
  "inspect",
  { order: Argument.optional(orderId) },
  ({ order }) => onStore(Effect.flatMap(Report.inspect(order), Console.log))
).pipe(
  Command.withDescription(
    "Shows what the program says of itself: lag, what runs where, deadlines, stored types, states"
  )
)

const report = Command.make(
  "report",
  { order: Argument.optional(orderId) },
  ({ order }) =>
    onStore(Effect.gen(function*() {
      yield* ReadModels.catchUp
      yield* Console.log(yield* Option.match(order, { onNone: () => Report.orders, onSome: Report.order }))
    }))
).pipe(Command.withDescription("Shows the orders by status and the revenue by day, or one order"))

const rebuild = Command.make("rebuild", {
  name: Argument.Literals("name", ReadModels.names).pipe(
    Argument.withDescription("The read model; by default all of them"),
    Argument.optional
  ),
  throttle: Flag.Int("throttle").pipe(
    Flag.withDescription("The most messages to handle per second"),
    Flag.filter((perSecond) => perSecond >= 1, () => "at least 1"),
    Flag.optional
  )
}, ({ name, throttle }) =>
  onStore(Effect.forEach(
    ReadModels.all.filter((model) => Option.getOrElse(name, () => model.name) === model.name),
    (model) =>
      Effect.gen(function*() {
        const building = ReadModel.rebuild(model, { throttle: Option.getOrUndefined(throttle) })
        const last = yield* Progress.building(model.name, building)
        const handled = Option.match(last, { onNone: () => 0, onSome: ({ handled }) => handled })
        yield* Console.log(`rebuilt ${model.name}: messages ${handled}`)
      }),
    { discard: true }
  ))).pipe(
    Command.withDescription("Rebuilds the tables of read models beside those in use, and then replaces them")
  )

const parked = Command.make(
  "parked",
  {},
  () =>
    onStore(
      Effect.flatMap(Report.parked, (parked) =>
        Console.log(parked.length === 0 ? "nothing is parked" : parked.join("\n")))
    )
).pipe(
  Command.withDescription("Shows the parked messages")
)

const replay = Command.make(
  "replay",
  {},
  () =>
    onStore(
      Effect.flatMap(Parking.replay(payments), (count) =>
        Console.log(
          `replay requested for ${count} ${count === 1 ? "order" : "orders"}: at once, or when the program runs`
        ))
    )
).pipe(
  Command.withDescription("Requests a replay of the parked messages")
)

root.pipe(
  Command.withHandler(() =>
    tour.pipe(
      Effect.provide(Layer.provideMerge(Registered, CommandLine.databaseLayer({ store: "memory", data: "" }))),
      Effect.provideService(References.MinimumLogLevel, "Error"),
      Effect.catch(CommandLine.report)
    )
  ),
  Command.withDescription(
    "Orders, payment and shipping. Without a command: a tour on a new store in memory, whatever the flags say"
  ),
  Command.withSubcommands([run, place, status, inspect, report, rebuild, parked, replay]),
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  (program) => Main.run(program, { teardown: Consumer.teardown })
)
