/**
 * Shipping: a parcel is requested, and shipped.
 */
import { Effect, Schema } from "effect"
import { Category, Consumer, Entity, Metadata } from "eventfold"
import { Line, OrderId } from "./Order.ts"

export const Shipping = Category.make("shipping", {
  Requested: { lines: Schema.Array(Line) },
  Shipped: { parcel: Schema.String }
}, { id: OrderId })

const State = Schema.Literals(["none", "requested", "shipped"])

export type State = typeof State.Type

export const Parcels = Entity.make(Shipping, {
  state: State,
  initial: "none",
  evolve: { Requested: (): State => "requested", Shipped: (): State => "shipped" }
})

/** A parcel that was shipped is not shipped again. */
export const decideShip = (parcel: string, metadata: Metadata.Metadata) => (state: State) =>
  state === "requested" ? [Shipping.events.Shipped({ parcel }, { metadata })] : []

export const shipping = Consumer.make("shipping", { checkpoint: { interval: "100 millis" } }).on(Shipping, {
  Requested: ({ recorded }) =>
    Effect.flatMap(
      Shipping.id(recorded.streamName),
      (order) => Parcels.transact(order, decideShip(`parcel-${order}`, Metadata.follow(recorded)))
    )
})
