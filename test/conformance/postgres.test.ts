import { Postgres } from "@eventfold/postgres"
import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"

for (const server of inject("postgres")) {
  const store = Layer.unwrap(
    Effect.map(Database.make({ server }), ({ url }) => Postgres.layer({ url: Redacted.make(url) }))
  )
  MessageStoreSuite.suite(server.name, store)
}
