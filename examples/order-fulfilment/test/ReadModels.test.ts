import { assert, it } from "@effect/vitest"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import { DateTime, Duration, Effect, Fiber, HashMap, Option, References, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Consumer, ReadModel } from "eventfold"
import { Order, OrderId, Orders, place } from "../src/Order.ts"
import { Payment, Payments } from "../src/Payment.ts"
import * as ReadModels from "../src/ReadModels.ts"
import * as Report from "../src/Report.ts"
import { Shipping } from "../src/Shipping.ts"

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const lines = [{ item: "teapots", count: 1, price: 2_000 }] as const

const placed = (total: number) => Order.events.Placed({ lines, total, card: "good", payWithin: Duration.minutes(5) })

const charged = (cents: number) => Payment.events.Charged({ cents, reference: "pay" })

const [shipped, declined, open, refunded, other] = [
  OrderId.make("1"),
  OrderId.make("2"),
  OrderId.make("3"),
  OrderId.make("4"),
  OrderId.make("subscription-5")
]

const written = Effect.gen(function*() {
  yield* Order.append(shipped, placed(4_000))
  yield* Payment.append(shipped, charged(4_000))
  yield* Order.append(shipped, Order.events.Paid({ reference: "pay" }))
  yield* Shipping.append(shipped, Shipping.events.Requested({ lines }))
  yield* Shipping.append(shipped, Shipping.events.Shipped({ parcel: "p-1" }))
  yield* Order.append(shipped, Order.events.Shipped({ parcel: "p-1" }))
  yield* Order.append(declined, placed(100))
  yield* Payment.append(declined, Payment.events.Declined({ reason: "" }))
  yield* Order.append(declined, Order.events.Cancelled({ reason: "" }))
  yield* Order.append(open, placed(50))
  yield* Order.append(refunded, placed(7))
  yield* Order.append(refunded, Order.events.Cancelled({ reason: "" }))
  yield* Payment.append(refunded, charged(7))
  yield* Payment.append(refunded, Payment.events.Refunded({ cents: 7 }))
  // No order's.
  yield* Payment.append(other, charged(500))
})

/** What the tables hold. */
const tables = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return {
    orders: yield* sql`SELECT id, status, total, payment FROM orders.orders ORDER BY id`,
    days: yield* sql`SELECT * FROM revenue.days ORDER BY day`
  }
})

/** What they have to hold, folded from the log. */
const folded = Effect.gen(function*() {
  const ids = yield* Stream.runFold(
    Order.readCategory(),
    () => new Set<string>(),
    (ids, { recorded }) => ids.add(recorded.streamName.slice("order-".length))
  )
  const orders = yield* Effect.forEach([...ids].toSorted(), (text) =>
    Effect.gen(function*() {
      const id = OrderId.make(text)
      const { status: payment } = (yield* Payments.load(id)).state
      return { id, ...(yield* Orders.load(id)).state, payment }
    }))
  const days = yield* Stream.runFold(
    Payment.readCategory(),
    () => HashMap.empty<string, { readonly orders: bigint; readonly cents: bigint }>(),
    (days, event) => {
      if (event.type === "Declined") return days
      const sign = event.type === "Charged" ? 1n : -1n
      return HashMap.modifyAt(days, DateTime.formatIsoDateUtc(event.recorded.time), (day) => {
        const { cents, orders } = Option.getOrElse(day, () => ({ orders: 0n, cents: 0n }))
        return Option.some({ orders: orders + sign, cents: cents + sign * BigInt(event.data.cents) })
      })
    }
  )
  return {
    orders,
    days: HashMap.toEntries(days)
      .map(([day, { cents, orders }]) => ({ day, orders, cents }))
      .toSorted((a, b) => a.day < b.day ? -1 : 1)
  }
})

it.layer(CommandLine.databaseLayer({ store: "memory", data: "" }), { excludeTestServices: true })(
  "the tables",
  (it) => {
    it.effect("hold what the log says, once they have caught up", () =>
      Effect.gen(function*() {
        yield* written
        yield* ReadModels.catchUp
        const found = yield* tables
        assert.deepStrictEqual(found.orders.map(({ payment, status }) => [status, payment]), [
          ["shipped", "charged"],
          ["cancelled", "declined"],
          ["placed", "open"],
          ["cancelled", "refunded"]
        ])
        assert.deepStrictEqual(found, yield* folded)
      }).pipe(quietly))

    it.effect("are asked for one order", () =>
      Effect.gen(function*() {
        const one = yield* ReadModels.findOrder(OrderId.make("1"))
        assert.deepStrictEqual(
          Option.map(one, ({ parcel, status, total }) => ({ parcel, status, total })),
          Option.some({ parcel: "p-1", status: "shipped", total: 4_000 } as const)
        )
        assert.include(yield* Report.order(OrderId.make("1")), "€40.00")
        const refused = yield* Effect.flip(Report.order(OrderId.make("99")))
        assert.strictEqual(refused.message, "there is no order 99")
      }).pipe(quietly))

    it.effect("have what one has written oneself, when another keeps them", () =>
      Effect.gen(function*() {
        const another = yield* Effect.forkChild(Consumer.launch(ReadModels.App))
        for (const id of ["6", "7", "8"]) {
          const order = OrderId.make(id)
          yield* place({ order, lines, card: "good", payWithin: Duration.minutes(5) })
          yield* ReadModels.catchUp
          assert.isTrue(Option.isSome(yield* ReadModels.findOrder(order)), id)
        }
        yield* Fiber.interrupt(another)
        assert.deepStrictEqual(yield* tables, yield* folded)
      }).pipe(quietly))

    it.effect("are the same after a rebuild", () =>
      Effect.gen(function*() {
        const before = yield* tables
        for (const model of ReadModels.all) {
          const last = yield* Stream.runLast(ReadModel.rebuild(model, { compare: "same" }))
          assert.deepStrictEqual(Option.map(last, ({ phase }) => phase), Option.some("switched"))
        }
        assert.deepStrictEqual(yield* tables, before)
      }).pipe(quietly))

    it.effect(
      "are not touched by a changed definition until they are rebuilt",
      () =>
        Effect.gen(function*() {
          const before = yield* tables
          yield* ReadModel.accept({ ...ReadModels.revenue, fingerprint: "of another definition" })
          yield* Order.append(OrderId.make("9"), placed(1))
          const refused = yield* Effect.flip(ReadModels.catchUp)
          assert.strictEqual(
            ReadModels.remedy(refused).message,
            "the definition of the read model revenue has changed, but its version is still 1: " +
              "rebuild it with npx pnpm orders rebuild revenue"
          )
          assert.deepStrictEqual((yield* tables).days, before.days)
          yield* Stream.runDrain(ReadModel.rebuild(ReadModels.revenue))
          yield* ReadModels.catchUp
          assert.deepStrictEqual(yield* tables, yield* folded)
        }).pipe(quietly)
    )
  }
)
