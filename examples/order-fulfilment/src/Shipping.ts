/**
 * Shipping: a parcel is requested, and shipped.
 */
import { Schema } from "effect"
import { Category, Consumer, Entity } from "eventfold"
import { Line, OrderId } from "./Order.ts"

export class Shipping extends Category.make("shipping", {
  Requested: { lines: Schema.Array(Line) },
  Shipped: { parcel: Schema.String }
}, { id: OrderId }) {}

const State = Schema.Literals(["none", "requested", "shipped"])

export type State = typeof State.Type

export const Parcels = Entity.make(Shipping, {
  state: State,
  initial: "none",
  evolve: { Requested: () => "requested", Shipped: () => "shipped" }
})

/** A parcel that was shipped is not shipped again. */
export const decideShip = (parcel: string) => (state: State) =>
  state === "requested" ? [Shipping.events.Shipped({ parcel })] : []

export const shipping = Consumer.make("shipping", { checkpoint: { interval: "100 millis" } }).on(Shipping, {
  Requested: ({ id }) => Parcels.transact(id, decideShip(`parcel-${id}`))
})
