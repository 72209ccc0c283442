/** A category as a class is one wherever a category is taken, and its name is kept. */
import { Laws, Spec } from "@eventfold/testing"
import { Effect, Schema } from "effect"
import { Category, Consumer, Entity, Process } from "eventfold"

export class Order extends Category.make("order", { Placed: { total: Schema.Int }, Cancelled: {} }, {
  id: Schema.FiniteFromString,
  metadata: { userId: Schema.optionalKey(Schema.String) }
}) {}

export class Fulfilment extends Category.make("fulfilment", { Started: { total: Schema.Int }, GivenUp: {} }) {}

export const Progress = Entity.make(Fulfilment, {
  state: Schema.Int,
  initial: 0,
  evolve: { Started: (_, { total }) => total, GivenUp: () => 0 }
})

export const placed = Order.append(1, Order.events.Placed({ total: 1 }, { metadata: { userId: "u-7" } }))

export const lines = Effect.map(Progress.load("1"), ({ state }) => state)

export const laws = [Laws.roundTrips(Order), Laws.snapshots(Progress), Laws.idempotent(Progress, () => [])]

export const specified = Spec(Progress)
  .given(Fulfilment.events.Started({ total: 1 }))
  .when(() => Fulfilment.events.GivenUp({}))
  .then(Fulfilment.events.GivenUp({}))

export const sent = Process.send(Order, 7, Order.events.Cancelled({}))

export const process = Process.make("fulfilment", { entity: Progress })

export const consumer = Consumer.make("totals").on(Order, { Placed: ({ data, id }) => Effect.log(id, data.total) })
