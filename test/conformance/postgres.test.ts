import { Postgres } from "@eventfold/postgres"
import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { isLong } from "../support/Form.ts"

const [newest, ...others] = inject("postgres")

for (const server of [newest, ...others]) {
  const store = Layer.unwrap(
    Effect.map(Database.make({ server }), ({ url }) => Postgres.layer({ url: Redacted.make(url) }))
  )
  // Entities, consumers and processes call nothing but the store: on one server is enough for every day.
  MessageStoreSuite.suite(server.name, store, { about: isLong || server === newest ? "everything" : "store" })
}
