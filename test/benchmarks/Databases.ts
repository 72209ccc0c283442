/**
 * The server of a run, and a database for each side, created when the first row needs it.
 */
import { PgClient } from "@effect/sql-pg"
import type { SqlFileError } from "@eventfold/sql"
import { install } from "@eventfold/test/support/Installer"
import * as MessageDb from "@eventfold/test/support/MessageDb"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import * as Store from "@eventfold/test/support/Store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { MessageStore } from "eventfold/MessageStore"
import type { BenchError } from "./BenchError.ts"
import * as Copy from "./Copy.ts"
import * as Emmett from "./Emmett.ts"
import * as MessageDbClient from "./MessageDbClient.ts"
import type { Dataset } from "./Messages.ts"
import * as Scale from "./Scale.ts"
import * as Table from "./Table.ts"

/** The version and settings of the server. */
export interface ServerFacts {
  readonly version: string
  readonly fsync: string
  readonly synchronous_commit: string
  readonly full_page_writes: string
  readonly shared_buffers: string
}

/** A database with the functions of Message DB, and clients of the same kind for each side. */
export interface Contender {
  /** One session. */
  readonly sql: SqlClient
  /** A pool of {@link poolSize} sessions. */
  readonly pool: SqlClient
}

/** A contender whose table is large: the same rows in the same order for each. */
export interface Filled {
  readonly contender: Contender
  readonly table: Table.Table
}

export const poolSize = 8

/** Our database and a store on it. */
export interface Ours {
  readonly url: string
  readonly store: MessageStore["Service"]
  readonly load: (dataset: Dataset) => Effect.Effect<void, BenchError>
}

/** What the rows are measured on. */
export class Databases extends Context.Service<Databases, {
  readonly facts: ServerFacts
  /** Our schema, and stock Message DB. */
  readonly functions: {
    readonly ours: Effect.Effect<Filled, BenchError>
    readonly peer: Effect.Effect<Filled, BenchError>
  }
  readonly ours: Effect.Effect<Ours, BenchError>
  readonly messageDb: Effect.Effect<MessageDbClient.MessageDbClient, BenchError>
  readonly emmett: Effect.Effect<Emmett.Emmett, BenchError>
  /** Another database of emmett, which has the consumed messages only. */
  readonly emmettConsumed: Effect.Effect<Emmett.Emmett, BenchError>
  readonly copy: Effect.Effect<Copy.Copy, BenchError>
  /** Ours with nothing but this many messages of several categories, in streams that take turns. */
  readonly whole: Effect.Effect<{ readonly ours: Ours; readonly messages: number }, BenchError>
  /** Ours with an empty table. */
  readonly target: Effect.Effect<Ours, BenchError>
  /** Ours with a small or a large table. */
  readonly scale: (size: keyof typeof Scale.sizes) => Effect.Effect<Ours, BenchError>
}>()("@eventfold/benchmarks/Databases") {}

type Installation = Effect.Effect<void, SqlError | SqlFileError, SqlClient>

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

/** Starts the server, with every setting at its default. `messages` is how many the table of the functions gets. */
export const layer = (
  messages: number
): Layer.Layer<Databases, SqlError | PostgresServer.PostgresServerError> =>
  Layer.unwrap(Effect.map(PostgresServer.start(), ({ url }) => layerOn(url, { messages })))

/** The databases on a server that runs already; their names begin with the prefix. */
export const layerOn = (
  server: string,
  { messages, prefix = "" }: { readonly messages: number; readonly prefix?: string }
): Layer.Layer<Databases, SqlError> =>
  Layer.effect(
    Databases,
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      const admin = yield* client(server, 1)
      const [facts] = yield* admin<ServerFacts>`SELECT
        current_setting('server_version') AS version,
        current_setting('fsync') AS fsync,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('full_page_writes') AS full_page_writes,
        current_setting('shared_buffers') AS shared_buffers`
      const inScope = Effect.provideService(Scope.Scope, scope)

      const empty = Effect.fnUntraced(function*(base: string) {
        const name = `${prefix}${base}`
        yield* admin`CREATE DATABASE ${admin(name)} TEMPLATE template0`
        const url = new URL(server)
        url.pathname = `/${name}`
        return url.href
      })
      const make = Effect.fnUntraced(function*(name: string, installation: Installation = install) {
        const url = yield* empty(name)
        yield* Effect.scoped(
          Effect.flatMap(client(url, 1), (sql) => Effect.provideService(installation, SqlClient, sql))
        )
        return url
      })
      const filled = Effect.fnUntraced(function*(name: string, installation: Installation) {
        const url = yield* make(name, installation)
        const contender: Contender = { sql: yield* client(url, 1), pool: yield* client(url, poolSize) }
        const made: Filled = { contender, table: yield* Table.fill(contender.sql, messages) }
        return made
      })

      const stock = MessageDb.install("1.3.0")
      const ours = Effect.gen(function*() {
        const url = yield* make("eventfold")
        const made: Ours = { url, store: yield* Store.open(url), load: yield* Copy.loader(url) }
        return made
      })
      const scale = Effect.fnUntraced(function*(size: keyof typeof Scale.sizes) {
        const url = yield* make(`eventfold_${size}`)
        yield* Scale.fill(url, Scale.sizes[size])
        const made: Ours = { url, store: yield* Store.open(url), load: yield* Copy.loader(url) }
        return made
      })
      const whole = Effect.gen(function*() {
        const url = yield* make("eventfold_whole")
        yield* Scale.fill(url, messages)
        const made: Ours = { url, store: yield* Store.open(url), load: yield* Copy.loader(url) }
        return { ours: made, messages }
      })
      const target = Effect.gen(function*() {
        const url = yield* make("eventfold_target")
        const made: Ours = { url, store: yield* Store.open(url), load: yield* Copy.loader(url) }
        return made
      })
      const scales = {
        small: yield* Effect.cached(inScope(scale("small"))),
        large: yield* Effect.cached(inScope(scale("large")))
      }
      return {
        facts: facts ?? (yield* Effect.die("The server tells nothing about itself")),
        functions: {
          ours: yield* Effect.cached(inScope(filled("eventfold_functions", install))),
          peer: yield* Effect.cached(inScope(filled("message_db_functions", stock)))
        },
        ours: yield* Effect.cached(inScope(ours)),
        messageDb: yield* Effect.cached(inScope(Effect.flatMap(make("message_db", stock), MessageDbClient.open))),
        emmett: yield* Effect.cached(inScope(Effect.flatMap(empty("emmett"), Emmett.open))),
        emmettConsumed: yield* Effect.cached(inScope(Effect.flatMap(empty("emmett_consumed"), Emmett.open))),
        copy: yield* Effect.cached(inScope(Effect.flatMap(make("copy"), Copy.open))),
        whole: yield* Effect.cached(inScope(whole)),
        target: yield* Effect.cached(inScope(target)),
        scale: (size) => scales[size]
      }
    })
  )
