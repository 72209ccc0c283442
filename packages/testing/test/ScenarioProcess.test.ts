import { assert, describe, it } from "@effect/vitest"
import { Scenario } from "@eventfold/testing"
import { Effect, Schema } from "effect"
import { Category, Consumer, Entity, Message, Process } from "eventfold"

const Order = Category.make("order", { Placed: { total: Schema.Int }, Cancelled: {} })
const Payment = Category.make("payment", { Requested: { orderId: Schema.String }, Paid: { orderId: Schema.String } })
const Shipping = Category.make("shipping:command", { Ship: {} })

const Fulfilment = Category.make("fulfilment", { Started: {}, Paid: {}, GivenUp: {} })
const Progress = Entity.make(Fulfilment, {
  state: Schema.Struct({ paid: Schema.Boolean, over: Schema.Boolean }),
  initial: { paid: false, over: false },
  evolve: {
    Started: (state) => state,
    Paid: (state) => ({ ...state, paid: true }),
    GivenUp: (state) => ({ ...state, over: true })
  }
})

const { Cancelled, Placed } = Order.events
const { Paid, Requested } = Payment.events
const { Ship } = Shipping.events
const { GivenUp, Started, Paid: BeenPaid } = Fulfilment.events

const fulfilment = Process.make("fulfilment", { entity: Progress })
  .deadline(
    "payment",
    (state, _, id) => state.paid ? undefined : { events: GivenUp({}), send: Process.send(Order, id, Cancelled({})) }
  )
  .on(Order, {
    Placed: (_, { recorded }) => ({
      events: Started({}),
      send: Process.send(Payment, "1", Requested({ orderId: recorded.streamName.slice(6) })),
      deadlines: { payment: "30 days" }
    })
  })
  .on(Payment, { Paid: (_, __, id) => ({ events: BeenPaid({}), send: Process.send(Shipping, id, Ship({})) }) }, {
    id: ({ data }) => data.orderId
  })

/** Pays what is asked for, up to a sum. */
const paying = Consumer.make("paying").on(Payment, {
  Requested: ({ data, recorded }) => Payment.append("1", Paid(data, { id: Message.deriveId("paying", recorded.id) }))
})

describe("a scenario of a process", () => {
  it.effect("what it writes itself, and what it sends", () =>
    Scenario(fulfilment)
      .when([Order, "1", Placed({ total: 5 })])
      .then([Fulfilment, "1", Started({})], [Payment, "1", Requested({ orderId: "1" })])
      .thenState(Progress, "1", { paid: false, over: false })
      .thenIdempotent())

  it.effect("a deadline that passes, not before its time", () =>
    Effect.gen(function*() {
      const placed = Scenario(fulfilment).given([Order, "1", Placed({ total: 5 })])
      yield* placed.after("29 days").then()
      yield* placed
        .after("30 days")
        .then([Fulfilment, "1", GivenUp({})], [Order, "1", Cancelled({})])
        .thenState(Progress, "1", { paid: false, over: true })
        .thenIdempotent()
    }))

  it.effect("and one that does not matter any more", () =>
    Scenario(fulfilment)
      .given([Order, "1", Placed({ total: 5 })])
      .when([Payment, "7", Paid({ orderId: "1" })])
      .after("31 days")
      .then([Fulfilment, "1", BeenPaid({})], [Shipping, "1", Ship({})]))

  it.effect("with a consumer that answers it", () =>
    Scenario(fulfilment, paying)
      .when([Order, "1", Placed({ total: 5 })])
      .then(
        [Fulfilment, "1", [Started({}), BeenPaid({})]],
        [Payment, "1", [Requested({ orderId: "1" }), Paid({ orderId: "1" })]],
        [Shipping, "1", Ship({})]
      )
      .thenIdempotent())

  it.effect("its deadlines count where they are expected", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Scenario(fulfilment)
          .when([Order, "1", Placed({ total: 5 })])
          .then(["fulfilment:deadline-1", []])
      )
      assert.include(
        error.message,
        "fulfilment:deadline-1 [Set {\"name\":\"payment\",\"due\":\"1970-01-31T00:00:00.000Z\"}]"
      )
    }))
})
