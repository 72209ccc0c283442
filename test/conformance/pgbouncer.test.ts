import { Postgres } from "@eventfold/postgres"
import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { describe, inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as PgBouncer from "../support/PgBouncer.ts"

// An append in a transaction beside another one takes two sessions at once.
const throughPooler = Effect.gen(function*() {
  const { url } = yield* Database.make({ server: inject("postgres")[0] })
  const pooler = yield* PgBouncer.start(url, { poolMode: "transaction", poolSize: 5 })
  return { url: Redacted.make(pooler.url()), directUrl: Redacted.make(url) }
})

describe.skipIf(PgBouncer.program === undefined)("through PgBouncer in transaction mode", () => {
  MessageStoreSuite.suite("with a directUrl", Layer.unwrap(Effect.map(throughPooler, Postgres.layer)))
})
