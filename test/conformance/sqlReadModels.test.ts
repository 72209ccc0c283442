import { PgClient } from "@effect/sql-pg"
import { Pglite } from "@eventfold/pglite"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as ReadModelSuite from "@eventfold/testing/ReadModelSuite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Counts from "../support/Counts.ts"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"

const counting = Counts.counting()

const client = (url: string) => PgClient.layer({ url: Redacted.make(url) })

const stores = Layer.merge(Postgres.layerClient({ install: true }), SqlReadModel.layer({ install: true }))

for (const server of Database.serversOfForm()) {
  const layer = Layer.unwrap(
    Effect.map(Database.make({ server }), ({ url }) => Layer.provideMerge(stores, client(url)))
  )
  ReadModelSuite.suite(server.name, layer, counting)
}

ReadModelSuite.suite("PGlite", Layer.provideMerge(stores, Pglite.layerClient()), counting)

ReadModelSuite.suite(
  "a stock Message DB, and tables in another database",
  Layer.unwrap(Effect.gen(function*() {
    const [messages, tables] = [yield* MessageDb.makeDatabase(), yield* Database.make()]
    const store = Postgres.layer({ url: Redacted.make(messages.url) })
    return Layer.merge(store, Layer.provideMerge(SqlReadModel.layer(), client(tables.url)))
  })),
  counting
)
