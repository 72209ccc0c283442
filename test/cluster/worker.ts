/** Not a test: a machine of the demo, as a user writes it: `worker.ts NAME URL ADDRESS SIZE`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cluster from "@eventfold/cluster/Cluster"
import * as Postgres from "@eventfold/postgres/Postgres"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Consumer from "eventfold/Consumer"
import { consumer } from "./Ledger.ts"

const [, , name = "", text = "", address = "", size = ""] = process.argv

const url = Redacted.make(text)

const App = Consumer.layer(consumer(name, Number(size))).pipe(
  Layer.provide(Cluster.layer({ url, address })),
  Layer.provide(Postgres.layerClient({ leaseTimeout: "6 seconds" })),
  Layer.provide(Postgres.layerPool({ url, applicationName: name })),
  Layer.provide(Layer.succeed(References.MinimumLogLevel, "Warn"))
)

Consumer.launch(App).pipe(NodeRuntime.runMain({ teardown: Consumer.teardown }))
