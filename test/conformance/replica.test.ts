/**
 * A store that reads on a streaming replica, in a log that is installed when the layer opens.
 */
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
import * as ReadModelSuite from "@eventfold/testing/ReadModelSuite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Counts from "../support/Counts.ts"
import { isLong } from "../support/Form.ts"
import { Streaming } from "../support/Streaming.ts"

const replicaOf = ({ replicaUrl }: Streaming["Service"]) => ({
  url: Redacted.make(replicaUrl),
  maxConnections: 4,
  // A busy machine is no reason to read on the primary.
  wait: "1 hour"
} as const)

const store = Layer.unwrap(
  Effect.map(
    Streaming,
    (servers) =>
      Postgres.layerReplica({
        ...replicaOf(servers),
        primary: { url: Redacted.make(servers.url), schema: "shop_eu", install: true }
      })
  )
)

// Entities, consumers and processes call nothing but the store.
MessageStoreSuite.suite("reads on a replica", Layer.provide(store, Streaming.layer), {
  about: isLong ? "everything" : "store"
})

if (isLong) {
  const stores = Layer.unwrap(
    Effect.map(
      Streaming,
      (servers) =>
        Layer.merge(Postgres.layerReplicaClient({ ...replicaOf(servers), primary: {} }), SqlReadModel.layer()).pipe(
          Layer.provideMerge(Postgres.layerPool({ url: Redacted.make(servers.url), maxConnections: 8 }))
        )
    )
  )
  ReadModelSuite.suite("reads on a replica", Layer.provide(stores, Streaming.layer), Counts.counting())
}
