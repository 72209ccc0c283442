import { NodeRuntime } from "@effect/platform-node"
import { Authentication, Server } from "@eventfold/http"
import { Pglite } from "@eventfold/pglite"
import { Config, Effect, Layer } from "effect"
import { Consumer, Observe } from "eventfold"
import { notices } from "./notices.ts"
import { deliver, Parcels, register, scan } from "./Parcel.ts"

/** One parcel's way, so that there is something to look at. The second time it changes nothing: the parcel is there. */
const example = Effect.gen(function*() {
  yield* Parcels.transact("1001", register("Ada"))
  yield* Parcels.transact("1001", scan("Harbour"))
  yield* Parcels.transact("1001", deliver)
}).pipe(Effect.catchTag("NotOnItsWay", () => Effect.void))

/** The page and the API, for this machine only. For others provide `Tokens.layerFile` and a `host`. */
const Served = Layer.unwrap(Effect.gen(function*() {
  const port = yield* Config.Port("PORT").pipe(Config.withDefault(8080))
  yield* Effect.log(`open http://127.0.0.1:${port}/entities/parcel/1001`)
  return Server.layer({ port, accessLog: false })
})).pipe(
  Layer.provide(Authentication.layerOpen),
  Layer.provide(Observe.layer({ entities: { parcel: Parcels }, consumers: [notices] }))
)

const App = Layer.mergeAll(Served, Consumer.layer(notices), Layer.effectDiscard(example)).pipe(
  Layer.provide(Pglite.layer({ dataDir: ".data" }))
)

Consumer.launch(App).pipe(NodeRuntime.runMain({ teardown: Consumer.teardown }))
