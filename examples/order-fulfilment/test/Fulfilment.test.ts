import { assert, describe, it } from "@effect/vitest"
import { Scenario, withClock } from "@eventfold/testing"
import { Duration, Effect, Fiber, Latch, Layer, References, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Consumer, MessageStore, Parking, PositionStore } from "eventfold"
import { Consumers, consumers } from "../src/App.ts"
import { Fulfilment, fulfilment } from "../src/Fulfilment.ts"
import { Order, OrderId, Orders, place } from "../src/Order.ts"
import { Payment, PaymentCommand, Payments, payments } from "../src/Payment.ts"
import { PaymentProvider } from "../src/PaymentProvider.ts"
import * as Sandbox from "../src/Sandbox.ts"
import { Parcels, Shipping, shipping } from "../src/Shipping.ts"

const order = OrderId.make("1")

const lines = [{ item: "teapots", count: 2, price: 2_000 }] as const

const placed = (card: string) =>
  Order.events.Placed({ lines, total: 4_000, card, payWithin: Duration.minutes(5) }, {
    metadata: { correlationStreamName: "order-1" }
  })

const answer = { metadata: { correlationStreamName: "order-1" } }

const started = Fulfilment.events.Started({ lines, payWithin: Duration.minutes(5) })

const charge = (card: string) => PaymentCommand.events.Charge({ cents: 4_000, card })

const charged = Payment.events.Charged({ cents: 4_000, reference: "pay-1" }, answer)

const notPaid = Order.events.Cancelled({ reason: "not paid within 5m" })

describe("the process", () => {
  it.effect("has an order that is placed charged for", () =>
    Scenario(fulfilment)
      .when([Order, order, placed("good")])
      .then([Fulfilment, order, started], [PaymentCommand, order, charge("good")])
      .thenIdempotent())

  it.effect("has one that is paid shipped, and is at its end with that", () =>
    Scenario(fulfilment)
      .given([Order, order, placed("good")])
      .when([Payment, order, charged])
      .then(
        [Fulfilment, order, Fulfilment.events.Paid({})],
        [Order, order, Order.events.Paid({ reference: "pay-1" })],
        [Shipping, order, Shipping.events.Requested({ lines })]
      )
      .thenIdempotent())

  it.effect("does nothing about a deadline that has been met", () =>
    Scenario(fulfilment)
      .given([Order, order, placed("good")], [Payment, order, charged])
      .when([Shipping, order, Shipping.events.Shipped({ parcel: "p" })])
      .after("5 minutes")
      .then([Fulfilment, order, Fulfilment.events.Completed({})], [Order, order, Order.events.Shipped({ parcel: "p" })])
      .thenIdempotent())

  it.effect("cancels one whose payment is declined", () =>
    Scenario(fulfilment)
      .given([Order, order, placed("declined")])
      .when([Payment, order, Payment.events.Declined({ reason: "the card is expired" }, answer)])
      .after("5 minutes")
      .then(
        [Fulfilment, order, Fulfilment.events.Cancelled({})],
        [Order, order, Order.events.Cancelled({ reason: "the card is expired" })]
      )
      .thenIdempotent())

  it.effect("waits for the payment until the deadline, not longer", () => {
    const waiting = Scenario(fulfilment).given([Order, order, placed("slow")])
    return Effect.all([
      waiting.after("299999 millis").then(),
      waiting.after("300000 millis")
        .then([Fulfilment, order, Fulfilment.events.Cancelled({})], [Order, order, notPaid])
        .thenIdempotent()
    ])
  })

  it.effect("gives money back that comes too late", () =>
    Scenario(fulfilment)
      .given([Order, order, placed("slow")])
      .after("5 minutes")
      .when([Payment, order, charged])
      .then(
        [Fulfilment, order, [Fulfilment.events.Cancelled({}), Fulfilment.events.RefundRequested({})]],
        [Order, order, notPaid],
        [PaymentCommand, order, PaymentCommand.events.Refund({})]
      )
      .thenIdempotent())

  it.effect("skips payments for something else", () =>
    Scenario(fulfilment)
      .given([Order, order, placed("good")])
      .when([
        Payment,
        order,
        Payment.events.Charged({ cents: 1, reference: "" }, {
          metadata: { correlationStreamName: "subscription-1" }
        })
      ])
      .then())
})

const never = Sandbox.make({ slow: Effect.never })

/** A provider that hangs until it is to have answered. */
const slowly = Effect.gen(function*() {
  const [answered, hanging] = [yield* Latch.make(), yield* Latch.make()]
  const sandbox = yield* Sandbox.make({ slow: answered.await, onTrouble: () => hanging.open })
  return { answered, hanging, sandbox }
})

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** The state of an order, its payment and its parcel. */
const states = Effect.gen(function*() {
  const [{ state: { status } }, { state: payment }, { state: parcel }] = [
    yield* Orders.load(order),
    yield* Payments.load(order),
    yield* Parcels.load(order)
  ]
  return { order: status, payment: payment.status, parcel }
})

const countOf = (category: string) =>
  Effect.flatMap(MessageStore.MessageStore, (store) =>
    Stream.runCollect(store.readCategory(category)).pipe(
      Effect.map((messages) => messages.length)
    ))

const awaitOrder = (status: string) =>
  Orders.changes(order).pipe(Stream.takeUntil(({ state }) => state.status === status), Stream.runDrain)

const placing = (card: string) => place({ order, lines, card, payWithin: Duration.minutes(5) })

describe("the whole program", () => {
  it.effect("handles an order from its placing to its shipping", () =>
    Effect.gen(function*() {
      const { asked, booked, provider } = yield* never
      yield* Scenario(payments, shipping, fulfilment)
        .when([Order, order, placed("flaky")])
        .thenState(Orders, order, { status: "shipped", total: 4_000 })
        .thenState(Parcels, order, "shipped")
        .thenIdempotent()
        .pipe(Effect.provideService(PaymentProvider, provider))
      // Twice in vain.
      assert.deepStrictEqual([[...asked.values()], [...booked.values()]], [[3], [4_000]])
    }))

  it.effect("cancels an order whose card is declined, having asked once", () =>
    Effect.gen(function*() {
      const { asked, booked, provider } = yield* never
      yield* Scenario(payments, shipping, fulfilment)
        .when([Order, order, placed("declined")])
        .thenState(Orders, order, { status: "cancelled", total: 4_000 })
        .thenIdempotent()
        .pipe(Effect.provideService(PaymentProvider, provider))
      assert.deepStrictEqual([[...asked.values()], booked.size], [[1], 0])
    }))

  it.effect("parks what the provider fails at, and no other order waits", () =>
    Effect.gen(function*() {
      const { provider } = yield* never
      const other = OrderId.make("2")
      yield* Scenario(payments, shipping, fulfilment)
        .given([Order, order, placed("broken")])
        .when([Order, other, placed("good")])
        .thenParked([PaymentCommand, order, charge("broken")])
        .thenState(Orders, other, { status: "shipped", total: 4_000 })
        .pipe(Effect.provideService(PaymentProvider, provider))
    }))

  it.effect("goes on with what was parked when the provider is repaired", () =>
    Effect.gen(function*() {
      const { booked, provider, repair } = yield* never
      const host = yield* Consumer.launch(Consumers).pipe(
        Effect.provideService(PaymentProvider, provider),
        quietly,
        Effect.forkChild
      )
      yield* placing("broken")
      yield* Parking.list(payments).pipe(
        Stream.runCollect,
        Effect.repeat({ until: (parked) => parked.length > 0, schedule: Schedule.spaced("10 millis") }),
        withClock
      )
      assert.deepStrictEqual(yield* states, { order: "placed", payment: "open", parcel: "none" })
      yield* repair
      assert.strictEqual(yield* Parking.replay(payments), 1)
      yield* awaitOrder("shipped")
      assert.deepStrictEqual([...booked.values()], [4_000])
      assert.deepStrictEqual(yield* Stream.runCollect(Parking.list(payments)), [])
      yield* Fiber.interrupt(host)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("gives the money back when the provider answers after the deadline", () =>
    Effect.gen(function*() {
      const { answered, hanging, sandbox: { booked, provider } } = yield* slowly
      const host = yield* Consumer.launch(Consumers).pipe(
        Effect.provideService(PaymentProvider, provider),
        Effect.forkChild
      )
      yield* placing("slow")
      yield* hanging.await
      yield* TestClock.adjust("5 minutes")
      yield* awaitOrder("cancelled")
      yield* answered.open
      yield* Payments.changes(order).pipe(
        Stream.takeUntil(({ state }) => state.status === "refunded"),
        Stream.runDrain
      )
      assert.deepStrictEqual([...booked.values()], [4_000, -4_000])
      yield* Fiber.interrupt(host)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("stopped after the money has moved and before that is written, charges once", () =>
    Effect.gen(function*() {
      const { answered, hanging, sandbox: { asked, booked, provider } } = yield* slowly
      const launched = Consumer.launch(Consumers).pipe(
        Effect.provideService(PaymentProvider, provider),
        Effect.forkChild
      )

      const first = yield* launched
      yield* placing("slow")
      yield* hanging.await
      assert.deepStrictEqual([[...asked.values()], [...booked.values()]], [[1], [4_000]])
      const stopping = yield* Effect.forkChild(Fiber.interrupt(first))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* states, { order: "placed", payment: "open", parcel: "none" })

      yield* answered.open
      const second = yield* launched
      yield* awaitOrder("shipped")
      yield* Fiber.interrupt(second)
      assert.deepStrictEqual([[...asked.values()], [...booked.values()]], [[2], [4_000]])
      assert.deepStrictEqual(
        [yield* countOf("payment:command"), yield* countOf("payment"), yield* countOf("shipping")],
        [1, 1, 2]
      )
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("having lost its positions, handles everything again and changes nothing", () =>
    Effect.gen(function*() {
      const { asked, provider } = yield* never
      const running = Consumer.launch(Consumers).pipe(
        Effect.provideService(PaymentProvider, provider),
        Effect.provide(Layer.fresh(PositionStore.layerMemory))
      )
      const first = yield* Effect.forkChild(running)
      yield* placing("good")
      yield* awaitOrder("shipped")
      yield* Fiber.interrupt(first)
      const store = yield* MessageStore.MessageStore
      const log = yield* Stream.runCollect(store.readAll())

      const second = yield* Effect.forkChild(running)
      const marker = OrderId.make("2")
      yield* place({ order: marker, lines, card: "good", payWithin: Duration.minutes(5) })
      yield* Orders.changes(marker).pipe(
        Stream.takeUntil(({ state }) => state.status === "shipped"),
        Stream.runDrain
      )
      yield* Fiber.interrupt(second)
      const later = yield* Stream.runCollect(store.readAll({ from: (log.at(-1)?.globalPosition ?? 0) + 1 }))
      assert.isAbove(later.length, 0)
      assert.deepStrictEqual(later.filter(({ streamName }) => streamName.endsWith("-1")), [])
      assert.deepStrictEqual([...asked.values()], [1, 1])
    }).pipe(Effect.provide(MessageStore.layerMemory)))
})

it("has the consumers that the tour waits for", () => {
  assert.deepStrictEqual(consumers.map(({ category, id }) => `${id} of ${category}`), [
    "payments of payment:command",
    "shipping of shipping",
    "fulfilment of order",
    "fulfilment of payment",
    "fulfilment of shipping",
    "fulfilment of fulfilment:deadline"
  ])
})
