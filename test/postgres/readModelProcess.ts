/**
 * Not a test: a process of its own that runs a read model, for tests that kill it.
 */
import { PgClient } from "@effect/sql-pg"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as ReadModel from "eventfold/ReadModel"
import * as Digests from "../support/Digests.ts"

export const Settings = Schema.fromJsonString(Schema.Struct({
  url: Schema.String,
  /** What the process is called in the list of the server's sessions. */
  worker: Schema.String,
  category: Schema.String,
  kind: Schema.Literals(Digests.kinds)
}))

const main = Effect.gen(function*() {
  const { category, kind, url, worker } = yield* Schema.decodeUnknownEffect(Settings)(process.argv[2])
  const client = PgClient.layer({ url: Redacted.make(url), applicationName: worker, maxConnections: 3 })
  const layer = Layer.merge(Postgres.layerClient(), SqlReadModel.layer()).pipe(Layer.provideMerge(client))
  return yield* Effect.provide(ReadModel.run(Digests.define(kind, category)), layer)
})

if (import.meta.main) await Effect.runPromise(main)
