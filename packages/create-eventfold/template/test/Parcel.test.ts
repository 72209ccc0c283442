import { Spec } from "@eventfold/testing"
import { Effect } from "effect"
import { test } from "node:test"
import { deliver, NotOnItsWay, Parcel, Parcels, scan } from "../src/Parcel.ts"

test("a parcel on its way can be delivered", () =>
  Effect.runPromise(
    Spec(Parcels)
      .given([Parcel.events.Registered({ to: "Ada" }), Parcel.events.Scanned({ at: "Harbour" })])
      .when(deliver)
      .then(Parcel.events.Delivered({}))
      .thenState({ to: "Ada", places: ["Harbour"], status: "delivered" })
  ))

test("nobody scans a parcel that was delivered", () =>
  Effect.runPromise(
    Spec(Parcels)
      .given([Parcel.events.Registered({ to: "Ada" }), Parcel.events.Delivered({})])
      .when(scan("Harbour"))
      .thenFails(new NotOnItsWay({ status: "delivered" }))
  ))
