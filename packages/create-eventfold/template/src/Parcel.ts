import { Effect, Schema } from "effect"
import { Category, Entity } from "eventfold"

/** What happens to parcels. Each parcel has a stream: parcel-1001, parcel-1002, ... */
export class Parcel extends Category.make("parcel", {
  Registered: { to: Schema.NonEmptyString },
  Scanned: { at: Schema.NonEmptyString },
  Delivered: {}
}) {}

/** What a parcel is, folded from its events. */
export const Parcels = Entity.make(Parcel, {
  state: Schema.Struct({
    to: Schema.String,
    places: Schema.Array(Schema.String),
    status: Schema.Literals(["unknown", "onItsWay", "delivered"])
  }),
  initial: { to: "", places: [], status: "unknown" },
  evolve: {
    Registered: (parcel, { to }) => ({ ...parcel, to, status: "onItsWay" }),
    Scanned: (parcel, { at }) => ({ ...parcel, places: [...parcel.places, at] }),
    Delivered: (parcel) => ({ ...parcel, status: "delivered" })
  }
})

type State = typeof Parcels.state.Type

export class NotOnItsWay extends Schema.TaggedError<NotOnItsWay>()("NotOnItsWay", { status: Schema.String }) {}

/** Decisions are plain functions of the state. They give events, or refuse. */
export const register = (to: string) => ({ status }: State) =>
  status === "unknown" ? [Parcel.events.Registered({ to })] : []

export const scan = (at: string) => ({ status }: State) =>
  status === "onItsWay" ? Effect.succeed(Parcel.events.Scanned({ at })) : Effect.fail(new NotOnItsWay({ status }))

export const deliver = ({ status }: State) =>
  status === "onItsWay" ? Effect.succeed(Parcel.events.Delivered({})) : Effect.fail(new NotOnItsWay({ status }))
