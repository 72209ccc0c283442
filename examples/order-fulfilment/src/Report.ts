/**
 * How things stand, as people read it.
 */
import Table from "cli-table3"
import { Duration, Effect, Option, Stream } from "effect"
import { Consumer, Parking } from "eventfold"
import { consumers } from "./App.ts"
import { Order, type OrderId, Orders, type State } from "./Order.ts"
import { payments } from "./Payment.ts"

const format = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" })

/** Cents as people read them: 1250 is `€12.50`. */
export const euros = (cents: number): string => format.format(cents / 100)

const table = (head: Array<string>, rows: ReadonlyArray<ReadonlyArray<string | number>>): string => {
  const table = new Table({
    head,
    colAligns: head.map((title) => /^[a-z ]*(orders|total|behind|parked)$/.test(title) ? "right" : "left"),
    style: { head: [], border: [], compact: true }
  })
  table.push(...rows.map((row) => [...row]))
  return table.toString()
}

/** All orders, folded from the log. */
const loadOrders = Effect.gen(function*() {
  const orders = new Map<OrderId, State>()
  yield* Order.readCategory().pipe(
    Stream.runForEach(Effect.fnUntraced(function*(event) {
      const id = yield* Order.id(event.recorded.streamName)
      orders.set(id, Orders.evolve(orders.get(id) ?? Orders.initial, event))
    }))
  )
  return orders
})

const sum = (orders: ReadonlyArray<State>) => orders.reduce((sum, { total }) => sum + total, 0)

/** The orders by status, and what was earned with those that are paid. */
export const orders = Effect.map(loadOrders, (orders) => {
  const all = [...orders.values()]
  const rows = (["placed", "paid", "shipped", "cancelled"] as const).flatMap((status) => {
    const some = all.filter((order) => order.status === status)
    return some.length === 0 ? [] : [[status, some.length, euros(sum(some))]]
  })
  const revenue = sum(all.filter(({ status }) => status === "paid" || status === "shipped"))
  return `${table(["status", "orders", "total"], rows)}\nrevenue: ${euros(revenue)}`
})

const countParked = <E, R>(consumer: Consumer.Consumer<E, R>) =>
  Stream.runFold(Parking.list(consumer), () => 0, (count, { messages }) => count + messages.length)

/** How far the consumers have come. */
export const status = Effect.gen(function*() {
  const rows = yield* Effect.forEach(consumers, (consumer) =>
    Effect.gen(function*() {
      const { lag } = yield* Consumer.status(consumer)
      const behind = lag.messages === 0 ? "0" : `${lag.messages} (${Duration.format(lag.age)})`
      return [consumer.id, consumer.category, behind, yield* countParked(consumer)]
    }))
  return table(["consumer", "of", "messages behind", "parked"], rows)
})

/** What is parked and why, a line for each order. */
export const parked = Parking.list(payments).pipe(
  Stream.map(({ messages: [first, ...others], stream }) => {
    const [why = ""] = Option.getOrElse(first.error, () => "").split("\n")
    const more = others.length === 0 ? "" : `, and ${others.length} more behind it`
    return `${stream}: ${first.type} has failed ${first.attempts} times: ${why}${more}`
  }),
  Stream.runCollect
)
