/**
 * The process between orders, payments and shipping. Its state is how far an order has come, and its reactions write the
 * next steps. Everything that a reaction writes is written in one transaction, and once.
 */
import { Duration, Schema } from "effect"
import { Category, Entity, Process } from "eventfold"
import { Line, Order, OrderId } from "./Order.ts"
import { Payment, PaymentCommand } from "./Payment.ts"
import { Shipping } from "./Shipping.ts"

export class Fulfilment extends Category.make("fulfilment", {
  Started: { lines: Schema.Array(Line), payWithin: Schema.DurationFromMillis },
  Paid: {},
  Completed: {},
  Cancelled: {},
  RefundRequested: {}
}, { id: OrderId }) {}

const State = Schema.Struct({
  status: Schema.Literals(["new", "paying", "shipping", "completed", "cancelled"]),
  lines: Schema.Array(Line),
  payWithin: Schema.DurationFromMillis
})

export const Fulfilments = Entity.make(Fulfilment, {
  state: State,
  initial: { status: "new", lines: [], payWithin: Duration.zero },
  evolve: {
    Started: (_, { lines, payWithin }) => ({ status: "paying", lines, payWithin }),
    Paid: (state) => ({ ...state, status: "shipping" }),
    Completed: (state) => ({ ...state, status: "completed" }),
    Cancelled: (state) => ({ ...state, status: "cancelled" }),
    RefundRequested: (state) => state
  }
})

const cancel = (order: OrderId, reason: string) => ({
  events: Fulfilment.events.Cancelled({}),
  send: Process.send(Order, order, Order.events.Cancelled({ reason }))
})

export const fulfilment = Process.make("fulfilment", {
  entity: Fulfilments,
  // Orders do not wait for each other.
  concurrency: 16,
  checkpoint: { interval: "100 millis" }
})
  // A deadline is never cancelled: when it passes, the state tells whether it still matters.
  .deadline(
    "payment",
    ({ payWithin, status }, _, order) =>
      status === "paying" ? cancel(order, `not paid within ${Duration.format(payWithin)}`) : undefined
  )
  .on(Order, {
    Placed: (_, { data: { card, lines, payWithin, total } }, order) => ({
      events: Fulfilment.events.Started({ lines, payWithin }),
      send: Process.send(PaymentCommand, order, PaymentCommand.events.Charge({ cents: total, card })),
      deadlines: { payment: payWithin }
    })
  })
  .on(Payment, {
    Charged: ({ lines, status }, { data: { reference } }, order) => {
      switch (status) {
        case "paying":
          return {
            events: Fulfilment.events.Paid({}),
            send: [
              Process.send(Order, order, Order.events.Paid({ reference })),
              Process.send(Shipping, order, Shipping.events.Requested({ lines }))
            ]
          }
        // The payment came too late.
        case "cancelled":
          return {
            events: Fulfilment.events.RefundRequested({}),
            send: Process.send(PaymentCommand, order, PaymentCommand.events.Refund({}))
          }
        default:
          return {}
      }
    },
    Declined: ({ status }, { data: { reason } }, order) => status === "paying" ? cancel(order, reason) : undefined
  }, {
    // Only payments that follow from an order: other payments are skipped.
    correlation: Order.categoryName
  })
  .on(Shipping, {
    Shipped: ({ status }, { data: { parcel } }, order) =>
      status === "shipping"
        ? {
          events: Fulfilment.events.Completed({}),
          send: Process.send(Order, order, Order.events.Shipped({ parcel }))
        }
        : undefined
  })
