/**
 * The two databases that are measured: eventfold's schema and stock Message DB, on one server, with clients of one make.
 */
import { PgClient } from "@effect/sql-pg"
import type { Postgres } from "@eventfold/postgres"
import type { SqlFileError } from "@eventfold/sql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { MessageStore } from "eventfold/MessageStore"
import { install } from "../support/Installer.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Store from "../support/Store.ts"

/** One of the two. */
export interface Contender {
  readonly name: string
  /** One session. */
  readonly sql: SqlClient
  /** A pool of {@link poolSize} sessions. */
  readonly pool: SqlClient
  /** Two stores on it, which know as little of one another as two processes do. */
  readonly stores: readonly [MessageStore["Service"], MessageStore["Service"]]
}

export interface Contenders {
  readonly ours: Contender
  readonly peer: Contender
  /** What the server says about itself. */
  readonly server: ServerFacts
}

export interface ServerFacts {
  readonly version: string
  readonly fsync: string
  readonly synchronous_commit: string
  readonly full_page_writes: string
  readonly shared_buffers: string
}

export const poolSize = 8

const client = (url: string, size: number): Effect.Effect<SqlClient, SqlError, Scope.Scope> =>
  Effect.map(
    Layer.build(PgClient.layer({
      url: Redacted.make(url),
      minConnections: size,
      maxConnections: size,
      // Message DB's functions find each other by the search path, and its clients call them by their bare names.
      startupParameters: { search_path: "message_store, public" }
    })),
    Context.get(SqlClient)
  )

const make = Effect.fnUntraced(function*(
  server: string,
  name: string,
  database: string,
  installation: Effect.Effect<void, SqlError | SqlFileError, SqlClient>
) {
  const admin = yield* client(server, 1)
  yield* admin`CREATE DATABASE ${admin(database)} TEMPLATE template0`
  const url = new URL(server)
  url.pathname = `/${database}`
  const sql = yield* client(url.href, 1)
  yield* Effect.provideService(installation, SqlClient, sql)
  const contender: Contender = {
    name,
    sql,
    pool: yield* client(url.href, poolSize),
    stores: [yield* Store.open(url.href), yield* Store.open(url.href)]
  }
  return contender
})

/** Starts the server, with every setting at its default, and makes both databases. */
export const start: Effect.Effect<
  Contenders,
  SqlError | SqlFileError | Postgres.OpenError | PostgresServer.PostgresServerError,
  Scope.Scope
> = Effect.gen(function*() {
  const { url } = yield* PostgresServer.start()
  const peer = yield* make(url, "Message DB 1.3.0", "message_db", MessageDb.install("1.3.0"))
  const ours = yield* make(url, "eventfold", "eventfold", install)
  const [server] = yield* ours.sql<ServerFacts>`SELECT
    current_setting('server_version') AS version,
    current_setting('fsync') AS fsync,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('shared_buffers') AS shared_buffers`
  return { ours, peer, server: server ?? (yield* Effect.die("The server tells nothing about itself")) }
})
