/**
 * Prints orders, revenue, lag, and parked messages.
 */
import Table from "cli-table3"
import { DateTime, Duration, Effect, Option, Schema, SchemaTransformation, Stream } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { type ConsumerStatus, Observe, Parking, Runners } from "eventfold"
import { OrderId } from "./Order.ts"
import { payments } from "./Payment.ts"
import * as ReadModels from "./ReadModels.ts"

const format = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" })

/** Formats cents: 1250 is `€12.50`. */
export const euros = (cents: number): string => format.format(cents / 100)

const table = (head: Array<string>, rows: ReadonlyArray<ReadonlyArray<string | number>>): string => {
  const table = new Table({
    head,
    colAligns: head.map((title) =>
      /^[a-z ]*(orders|total|revenue|behind|parked|messages|misfits)$/.test(title) ? "right" : "left"
    ),
    style: { head: [], border: [], compact: true }
  })
  table.push(...rows.map((row) => [...row]))
  return table.toString()
}

/** The result of `count` and `sum`: an int8, which the client gives as a bigint. */
const Count = Schema.BigInt.pipe(
  Schema.decodeTo(Schema.Int, SchemaTransformation.transform({ decode: Number, encode: BigInt }))
)

const findByStatus = SqlSchema.findAll({
  Request: Schema.Void,
  Result: Schema.Struct({ status: ReadModels.OrderRow.fields.status, orders: Count, cents: Count }),
  execute: () =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) =>
        sql`SELECT status, count(*) AS orders, sum(total) AS cents FROM orders.orders
        GROUP BY status ORDER BY array_position(ARRAY['placed', 'paid', 'shipped', 'cancelled'], status)`
    )
})

const findByDay = SqlSchema.findAll({
  Request: Schema.Void,
  Result: Schema.Struct({ day: Schema.String, orders: Count, cents: Count }),
  execute: () =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT day, orders, cents FROM revenue.days ORDER BY day`)
})

/** The orders by status, the revenue by day (UTC), and the total revenue. */
export const orders = Effect.gen(function*() {
  const byStatus = yield* findByStatus()
  const byDay = yield* findByDay()
  const revenue = byDay.reduce((sum, { cents }) => sum + cents, 0)
  return [
    table(["status", "orders", "total"], byStatus.map(({ cents, orders, status }) => [status, orders, euros(cents)])),
    table(["day", "orders", "revenue"], byDay.map(({ cents, day, orders }) => [day, orders, euros(cents)])),
    `revenue: ${euros(revenue)}`
  ].join("\n")
})

export class OrderNotFound extends Schema.TaggedError<OrderNotFound>()("OrderNotFound", { order: OrderId }) {
  override get message() {
    return `there is no order ${this.order}`
  }
}

/** One order. */
export const order = Effect.fnUntraced(function*(id: OrderId) {
  const found = yield* ReadModels.findOrder(id)
  if (Option.isNone(found)) return yield* new OrderNotFound({ order: id })
  const { parcel, payment, placed, status, total } = found.value
  return table(["order", "status", "total", "placed", "payment", "parcel"], [
    [id, status, euros(total), DateTime.formatIso(placed), payment, parcel ?? ""]
  ])
})

const behind = ({ age, messages }: ConsumerStatus.Lag) => messages === 0 ? "0" : `${messages} (${Duration.format(age)})`

/** What is not registered here has no lag that could be counted. */
const behindOf = (status: Option.Option<{ readonly lag: ConsumerStatus.Lag }>) =>
  Option.match(status, { onNone: () => "unknown", onSome: ({ lag }) => behind(lag) })

/** The lag of the consumers, and their parked messages. */
const ofConsumers = Effect.gen(function*() {
  const { consumers } = yield* Observe.Observe
  const rows = (yield* consumers).map(({ category, consumer, parked, status }) => [
    consumer,
    category,
    behindOf(status),
    Option.match(parked, { onNone: () => 0, onSome: ({ messages }) => messages })
  ])
  return table(["consumer", "of", "messages behind", "parked"], rows)
})

/** The lag of the read models: of the tables in use, and of those being built to replace them. */
const ofReadModels = Effect.gen(function*() {
  const { readModels } = yield* Observe.Observe
  const rows = (yield* readModels).flatMap(({ readModel, status }) =>
    Option.match(status, { onNone: () => [], onSome: ({ builds }) => builds })
      .filter(({ state }) => state !== "retired")
      .map(({ lag, state, version }) => [readModel, sourcesOf(readModel), version, state, behind(lag)])
  )
  return table(["read model", "of", "version", "state", "messages behind"], rows)
})

const sourcesOf = (name: string): string =>
  ReadModels.all.find((model) => model.name === name)?.sources.join(", ") ?? ""

/** The lag of consumers and read models. */
export const status = Effect.zipWith(
  ofConsumers,
  ofReadModels,
  (consumers, readModels) => `${consumers}\n${readModels}`
)

/** A line for each order with parked messages, with the reason. */
export const parked = Parking.list(payments).pipe(
  Stream.map(({ messages: [first, ...others], stream }) => {
    const why = Option.match(first.failure, { onNone: () => "", onSome: ({ message, tag }) => `${tag}: ${message}` })
    const more = others.length === 0 ? "" : `, and ${others.length} more behind it`
    return `${stream}: ${first.type} failed ${first.attempts} times: ${why}${more}`
  }),
  Stream.runCollect
)

/** What runs in which program. */
const ofRunners = Effect.map(Runners.list, (runners) =>
  table(
    ["runs", "of", "program", "in flight"],
    runners.flatMap(({ host, isStale, pid, runs }) =>
      runs.map(({ category, id, status }) => [
        id,
        category,
        `${pid ?? "?"} on ${host ?? "?"}${isStale ? ", silent" : ""}`,
        status.inFlight
      ])
    )
  ))

/** The deadlines that are pending, the earliest ten of each process. */
const ofDeadlines = Effect.gen(function*() {
  const { processes } = yield* Observe.Observe
  const rows = (yield* processes).flatMap(({ next }) =>
    next.map(({ due, id, isOverdue, name, process }) => [
      name,
      `${process} ${id}`,
      DateTime.formatIso(due),
      isOverdue ? "yes" : "no"
    ])
  )
  return table(["deadline", "of", "due", "overdue"], rows)
})

/** The stored messages against the schemas. */
const ofTypes = Effect.gen(function*() {
  const { loaded, storedTypes } = yield* Observe.Observe
  const checked = yield* Effect.forEach(loaded.categories, (category) => storedTypes(category))
  return table(
    ["type", "of", "messages", "misfits"],
    checked.flatMap(({ category, types }) =>
      types.map(({ messages, misfits, type }) => [type, category, messages, misfits])
    )
  )
})

/** The states of all entities with the id of an order. */
const ofEntities = Effect.fnUntraced(function*(order: OrderId) {
  const { entity, loaded } = yield* Observe.Observe
  const states = yield* Effect.forEach(loaded.entities, (name) => entity(name, order))
  return table(["entity", "state"], states.map(({ entity, state }) => [entity, JSON.stringify(state)]))
})

/** Whatever the program says of itself. */
export const inspect = (order: Option.Option<OrderId>) =>
  Effect.map(
    Effect.all([
      ofConsumers,
      ofReadModels,
      ofRunners,
      ofDeadlines,
      ofTypes,
      ...Option.toArray(Option.map(order, ofEntities))
    ]),
    (tables) => tables.join("\n")
  )
