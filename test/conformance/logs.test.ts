/**
 * A log with a name of its own, in a database that has another one and not that of Message DB's names.
 */
import { PgClient } from "@effect/sql-pg"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
import * as ReadModelSuite from "@eventfold/testing/ReadModelSuite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Counts from "../support/Counts.ts"
import * as Database from "../support/Database.ts"
import { isLong } from "../support/Form.ts"

const schema = "shop_eu"

const makeDatabase = Effect.fnUntraced(function*(server: Database.NamedServer) {
  const database = yield* Database.make({ server, empty: true })
  yield* Effect.forEach([schema, "shop_us"], (schema) => Postgres.install({ schema })).pipe(
    Effect.provide(Database.client(database.url))
  )
  return database
})

const counting = Counts.counting((readModel) => `${schema}__${readModel}`)

for (const server of Database.serversOfForm()) {
  const store = Layer.unwrap(
    Effect.map(makeDatabase(server), ({ url }) => Postgres.layer({ url: Redacted.make(url), schema }))
  )
  // Entities, consumers and processes call nothing but the store.
  MessageStoreSuite.suite(`a log on ${server.name}`, store, { about: isLong ? "everything" : "store" })

  if (isLong) {
    const stores = Layer.merge(Postgres.layerClient({ schema }), SqlReadModel.layer({ schema }))
    const layer = Layer.unwrap(
      Effect.map(
        makeDatabase(server),
        ({ url }) => Layer.provideMerge(stores, PgClient.layer({ url: Redacted.make(url) }))
      )
    )
    ReadModelSuite.suite(`a log on ${server.name}`, layer, counting)
  }
}
