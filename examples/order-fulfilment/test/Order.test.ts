import { describe, it } from "@effect/vitest"
import { Spec } from "@eventfold/testing"
import { Duration } from "effect"
import { AlreadyPlaced, decidePlace, Order, OrderId, Orders, type Place } from "../src/Order.ts"

const order = OrderId.make("1")

const command: Place = {
  order,
  lines: [{ item: "teapots", count: 2, price: 2_000 }, { item: "tray", count: 1, price: 1_500 }],
  card: "good",
  payWithin: Duration.minutes(5)
}

const { card, lines, payWithin } = command

describe("to place an order", () => {
  it.effect("adds its lines up, and begins a conversation", () =>
    Spec(Orders)
      .when(decidePlace(command))
      .then(
        Order.events.Placed({ lines, card, payWithin, total: 5_500 }, {
          metadata: { correlationStreamName: "order-1" }
        })
      )
      .thenState({ status: "placed", total: 5_500 }))

  it.effect("is done once", () =>
    Spec(Orders)
      .given([Order.events.Placed({ lines, card, payWithin, total: 5_500 }), Order.events.Cancelled({ reason: "" })])
      .when(decidePlace(command))
      .thenFails(new AlreadyPlaced({ order })))
})
