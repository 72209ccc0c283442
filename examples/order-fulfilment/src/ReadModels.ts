/**
 * The read models: tables that are kept in step with the log, for questions that no single stream answers.
 */
import * as SqlReadModel from "@eventfold/postgres/SqlReadModel"
import { DateTime, Effect, Layer, Schema } from "effect"
import { Model } from "effect/schema"
import { SqlClient, SqlModel } from "effect/sql"
import { MessageStore, ReadModel } from "eventfold"
import { Order, OrderId } from "./Order.ts"
import { Payment } from "./Payment.ts"
import { Shipping } from "./Shipping.ts"

/** The row of an order, with the data of three categories. */
export class OrderRow extends Model.Class<OrderRow>("OrderRow")({
  id: OrderId,
  status: Schema.Literals(["placed", "paid", "shipped", "cancelled"]),
  /** In cents. */
  total: Schema.Int,
  placed: Schema.DateTimeUtcFromDate,
  payment: Schema.Literals(["open", "charged", "declined", "refunded"]),
  parcel: Schema.NullOr(Schema.String)
}) {}

/** The rows of a table: handlers use its bare name, and queries elsewhere its qualified name. */
const rowsOf = (tableName: "orders" | "orders.orders") =>
  SqlModel.makeRepository(OrderRow, { tableName, spanPrefix: "OrderRow", idColumn: "id" })

/** Changes some columns of an order's row. */
const update = (id: OrderId, columns: Partial<typeof OrderRow.update.Encoded>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`UPDATE orders SET ${sql.update(columns)} WHERE id = ${id}`)

export const orders = SqlReadModel.make("orders", {
  version: 1,
  tables: [
    `CREATE TABLE orders (
      id text PRIMARY KEY,
      status text NOT NULL,
      total integer NOT NULL,
      placed timestamptz NOT NULL,
      payment text NOT NULL,
      parcel text
    )`,
    "CREATE INDEX ON orders (status)"
  ]
})
  .on(Order, {
    Placed: ({ data: { total }, id, recorded: { time } }) =>
      Effect.flatMap(
        rowsOf("orders"),
        (rows) => rows.insertVoid({ id, status: "placed", total, placed: time, payment: "open", parcel: null })
      ),
    Paid: ({ id }) => update(id, { status: "paid" }),
    Shipped: ({ id }) => update(id, { status: "shipped" }),
    Cancelled: ({ id }) => update(id, { status: "cancelled" })
  })
  .on(Payment, {
    Charged: ({ id }) => update(id, { payment: "charged" }),
    Declined: ({ id }) => update(id, { payment: "declined" }),
    Refunded: ({ id }) => update(id, { payment: "refunded" })
  })
  .on(Shipping, {
    Shipped: ({ data: { parcel }, id }) => update(id, { parcel })
  })

/** Adds to a day. This is not idempotent, and need not be: the checkpoint moves in the same transaction. */
const book = (time: DateTime.Utc, orders: number, cents: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql`INSERT INTO days (day, orders, cents)
      VALUES (${DateTime.formatIsoDateUtc(time)}::date, ${BigInt(orders)}, ${BigInt(cents)})
      ON CONFLICT (day) DO UPDATE SET orders = days.orders + excluded.orders, cents = days.cents + excluded.cents`)

export const revenue = SqlReadModel.make("revenue", {
  version: 1,
  tables: ["CREATE TABLE days (day date PRIMARY KEY, orders bigint NOT NULL, cents bigint NOT NULL)"]
}).on(Payment, {
  Charged: ({ data: { cents }, recorded: { time } }) => book(time, 1, cents),
  // On the day of the refund.
  Refunded: ({ data: { cents }, recorded: { time } }) => book(time, -1, -cents)
})

export const all = [orders, revenue] as const

export const names = all.map(({ name }) => name)

export const App = Layer.merge(ReadModel.layer(orders), ReadModel.layer(revenue))

/** A read model refuses to continue with the tables that it has. */
export class NeedsRebuild extends Schema.TaggedError<NeedsRebuild>()("NeedsRebuild", {
  readModel: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.reason}: rebuild it with npx pnpm orders rebuild ${this.readModel}`
  }
}

/** Replaces an error by one that says what to do in this program. */
export const remedy = <E>(error: E): E | NeedsRebuild => {
  if (error instanceof ReadModel.ReadModelChanged) {
    const { readModel, version } = error
    const reason = `the definition of the read model ${readModel} has changed, but its version is still ${version}`
    return new NeedsRebuild({ readModel, reason })
  }
  if (error instanceof ReadModel.StoreChanged) {
    const { readModel } = error
    const reason =
      `the read model ${readModel} was built from messages that are no longer in the store, as after a restore`
    return new NeedsRebuild({ readModel, reason })
  }
  return error
}

export class StillBehind extends Schema.TaggedError<StillBehind>()("StillBehind", { readModel: Schema.String }) {
  override get message() {
    return `the read model ${this.readModel} is still behind: see its lag with npx pnpm orders status`
  }
}

/** Brings the tables up to date: handles new messages here, or waits when another process handles them. */
export const catchUp = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  const end = yield* store.lastPosition
  yield* Effect.forEach(all, (model) =>
    ReadModel.start(model).pipe(
      Effect.flatMap((running) => running.waitFor(end)),
      Effect.timeoutOrElse({
        duration: "30 seconds",
        orElse: () => Effect.fail(new StillBehind({ readModel: model.name }))
      })
    ), { concurrency: "unbounded", discard: true })
}).pipe(Effect.scoped)

/** The row of an order, if there is one. */
export const findOrder = (id: OrderId) =>
  Effect.flatMap(rowsOf("orders.orders"), (rows) => Effect.option(rows.findById(id)))
