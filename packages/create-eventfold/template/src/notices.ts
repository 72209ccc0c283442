import { Effect } from "effect"
import { Consumer } from "eventfold"
import { Parcel, Parcels } from "./Parcel.ts"

/** Tells who is to know. It handles each parcel's events in order, and continues where it was when the program starts again. */
export const notices = Consumer.make("notices").on(Parcel, {
  Scanned: ({ data, id }) => Effect.log(`parcel ${id} has come to ${data.at}`),
  Delivered: ({ id }) =>
    Effect.flatMap(
      Parcels.load(id),
      ({ state }) => Effect.log(`${state.to} has parcel ${id}, by way of ${state.places.join(" and ")}`)
    )
})
