/**
 * The command line: a tour, and the program piece by piece.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import * as Pglite from "@eventfold/pglite/Pglite"
import { Console, Duration, Effect, Layer, Logger, References, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Consumer, type MessageStore, Parking } from "eventfold"
import { App } from "./App.ts"
import * as Journal from "./Journal.ts"
import * as Order from "./Order.ts"
import { payments } from "./Payment.ts"
import { PaymentProvider } from "./PaymentProvider.ts"
import * as Report from "./Report.ts"
import * as Sandbox from "./Sandbox.ts"
import { tour } from "./Tour.ts"

const root = Command.make("orders").pipe(Command.withSharedFlags(CommandLine.storeFlags))

/** Runs a command on the store that the flags name. */
const onStore = Effect.fnUntraced(
  function*<E extends Error>(command: Effect.Effect<void, E, MessageStore.MessageStore>) {
    yield* Effect.provide(command, CommandLine.storeLayer(yield* root))
  },
  Effect.catch(CommandLine.report)
)

/** What consumers log that somebody should look at, a line each, beside what the program prints. */
const Warnings = Layer.merge(
  Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)

const run = Command.make("run", {
  repaired: Flag.Boolean("repaired").pipe(
    Flag.withDescription("The payment provider is repaired: charges to the card \"broken\" work"),
    Flag.withDefault(false)
  ),
  slowFor: Flag.Int("slow-for").pipe(
    Flag.withDescription("After how many seconds the provider answers about the card \"slow\""),
    Flag.filter((seconds) => seconds >= 0, () => "at least 0"),
    Flag.withDefault(15)
  )
}, ({ repaired, slowFor }) =>
  onStore(
    Effect.gen(function*() {
      const sandbox = yield* Sandbox.make({
        slow: Effect.sleep(Duration.seconds(slowFor)),
        isRepaired: repaired,
        onTrouble: Journal.sayTrouble
      })
      const journal = yield* Journal.make(yield* Journal.end)
      yield* Console.log("running; Ctrl-C stops it, and the next run goes on from there")
      return yield* Effect.raceFirst(Consumer.launch(App), journal.follow).pipe(
        Effect.provideService(PaymentProvider, sandbox.provider),
        Effect.onInterrupt(() => Console.log("stopped"))
      )
    }).pipe(Effect.scoped, Effect.provide(Warnings))
  )).pipe(
    Command.withDescription("Runs payments, shipping and the process between them, and shows what happens")
  )

const place = Command.make("place", {
  order: Argument.String("order").pipe(
    Argument.withDescription("The id of the order, such as 2001"),
    Argument.filterMap(
      Schema.decodeOption(Order.OrderId),
      () => "at most 40 small letters and digits, with single dashes between them"
    )
  ),
  card: Flag.Literals("card", Sandbox.cards).pipe(
    Flag.withDescription("What the payment provider makes of it"),
    Flag.withDefault("good")
  ),
  count: Flag.Int("teapots").pipe(
    Flag.withDescription("How many teapots, at €20.00"),
    Flag.filter((count) => count >= 1 && count <= 1_000, () => "from 1 to 1000"),
    Flag.withDefault(1)
  ),
  seconds: Flag.Int("pay-within").pipe(
    Flag.withDescription("In seconds; then the order is cancelled"),
    Flag.filter((seconds) => seconds >= 1, () => "at least 1"),
    Flag.withDefault(10)
  )
}, ({ card, count, order, seconds }) =>
  onStore(Effect.gen(function*() {
    const lines = [{ item: "teapots", count, price: 2_000 }] as const
    const { state } = yield* Order.place({ order, lines, card, payWithin: Duration.seconds(seconds) })
    yield* Console.log(`placed ${order}: ${Report.euros(state.total)}`)
  }))).pipe(Command.withDescription("Places an order; it is handled as soon as the program runs"))

const status = Command.make("status", {}, () =>
  onStore(Effect.gen(function*() {
    yield* Console.log(yield* Report.status)
    yield* Console.log(yield* Report.orders)
  }))).pipe(Command.withDescription("Shows how far the consumers have come, and the orders by status"))

const parked = Command.make(
  "parked",
  {},
  () =>
    onStore(
      Effect.flatMap(Report.parked, (parked) =>
        Console.log(parked.length === 0 ? "nothing is parked" : parked.join("\n")))
    )
).pipe(
  Command.withDescription("Shows the messages that could not be handled")
)

const replay = Command.make(
  "replay",
  {},
  () =>
    onStore(
      Effect.flatMap(Parking.replay(payments), (count) =>
        Console.log(`${count} to be replayed, at once or when the program runs`))
    )
).pipe(
  Command.withDescription("Has the messages that are parked handled again")
)

root.pipe(
  Command.withHandler(() =>
    tour.pipe(
      Effect.provide(Pglite.layer()),
      Effect.provideService(References.MinimumLogLevel, "Error"),
      Effect.catch(CommandLine.report)
    )
  ),
  Command.withDescription(
    "Orders, payment and shipping. Without a command: a tour, on a new store in memory, whatever the flags say"
  ),
  Command.withSubcommands([run, place, status, parked, replay]),
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ teardown: Consumer.teardown })
)
