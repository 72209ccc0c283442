/**
 * A client for each kind of database: the servers of the run, each with a new database, and PGlite.
 */
import { PgClient } from "@effect/sql-pg"
import { Pglite } from "@eventfold/pglite"
import type { Postgres } from "@eventfold/postgres"
import type { SqlFileError } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { inject } from "vitest"
import * as Database from "./Database.ts"

type Client = Layer.Layer<
  PgClient.PgClient | SqlClient,
  Postgres.OpenError | SqlError | SqlFileError | Pglite.OpenError
>

export const clients: ReadonlyArray<{ readonly name: string; readonly client: Client }> = [
  ...inject("postgres").map((server) => ({
    name: server.name,
    client: Layer.unwrap(
      Effect.map(Database.make({ server }), ({ url }) => PgClient.layer({ url: Redacted.make(url) }))
    )
  })),
  { name: "PGlite", client: Pglite.layerClient() }
]
