/**
 * A tour on an empty store: five orders, each with another fate.
 */
import { Console, Duration, Effect, Latch, Schedule, Stream } from "effect"
import { Consumer, Parking, ReadModel } from "eventfold"
import { App, consumers } from "./App.ts"
import * as Journal from "./Journal.ts"
import { type Line, OrderId, Orders, place, type State } from "./Order.ts"
import { Payments, payments } from "./Payment.ts"
import { PaymentProvider } from "./PaymentProvider.ts"
import * as ReadModels from "./ReadModels.ts"
import * as Report from "./Report.ts"
import * as Sandbox from "./Sandbox.ts"

const line = (count: number, item: string, price: number): Line => ({ count, item, price })

const [smooth, flaky, declined, slow, broken] = [
  OrderId.make("1001"),
  OrderId.make("1002"),
  OrderId.make("1003"),
  OrderId.make("1004"),
  OrderId.make("1005")
]

/** Waits until an order has a status. */
const awaitStatus = (order: OrderId, status: State["status"]) =>
  Orders.changes(order).pipe(Stream.takeUntil(({ state }) => state.status === status), Stream.runDrain)

const awaitRefund = Payments.changes(slow).pipe(
  Stream.takeUntil(({ state }) => state.status === "refunded"),
  Stream.runDrain
)

/** Waits until a message is parked, and gives the report of it. */
const awaitParked = Report.parked.pipe(
  Effect.repeat({ until: (parked) => parked.length > 0, schedule: Schedule.spaced("20 millis") })
)

/** Waits until the consumers and the read models have handled everything. */
const awaitIdle = Effect.flatMap(Journal.end, (end) =>
  Effect.all([
    ...consumers.map((consumer) => Consumer.waitFor(consumer, end)),
    ...ReadModels.all.map((model) => ReadModel.waitFor(model, end))
  ], { concurrency: "unbounded", discard: true }))

export const tour = Effect.gen(function*() {
  const answer = yield* Latch.make()
  const sandbox = yield* Sandbox.make({
    slow: answer.await,
    onTrouble: Journal.sayTrouble
  })
  const journal = yield* Journal.make(0)

  const title = (text: string) => Effect.andThen(journal.news, Console.log(`\n${text}`))

  const orders = Effect.gen(function*() {
    const payWithin = Duration.minutes(5)
    yield* Console.log("Each line is a time (UTC), an order, and what happens.")
    yield* title("Five orders are placed, and the payment provider has a bad day")
    yield* place({ order: smooth, lines: [line(2, "teapots", 2_000)], card: "good", payWithin })
    yield* place({ order: flaky, lines: [line(1, "samovar", 9_900)], card: "flaky", payWithin })
    yield* place({ order: declined, lines: [line(6, "cups", 500)], card: "declined", payWithin })
    yield* place({ order: slow, lines: [line(1, "kettle", 3_500)], card: "slow", payWithin: Duration.seconds(1) })
    yield* place({
      order: broken,
      lines: [line(1, "tray", 1_500), line(4, "spoons", 250)],
      card: "broken",
      payWithin
    })
    yield* Effect.forEach([smooth, flaky], (order) => awaitStatus(order, "shipped"))
    yield* Effect.forEach([declined, slow], (order) => awaitStatus(order, "cancelled"))

    yield* title("The provider answers after all, and the money goes back")
    yield* answer.open
    yield* awaitRefund

    yield* title("One message could not be handled: it is parked, and the other orders do not wait for it")
    yield* Effect.forEach(yield* awaitParked, (what) => Console.log(what))

    yield* title("The provider is repaired, and the parked message is replayed")
    yield* sandbox.repair
    yield* Parking.replay(payments)
    yield* awaitStatus(broken, "shipped")
    yield* awaitIdle
  })

  // The race stops the consumers when the orders are done.
  yield* Effect.raceAllFirst([Consumer.launch(App), journal.follow, orders]).pipe(
    Effect.provideService(PaymentProvider, sandbox.provider)
  )

  yield* title("In the end")
  yield* Console.log(yield* Report.status)
  yield* Console.log(yield* Report.orders)
}).pipe(Effect.scoped)
