import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { existsSync } from "node:fs"
import * as Database from "./Database.ts"
import * as PostgresServer from "./PostgresServer.ts"

it.live("a test's own server survives a kill with all that was committed, on the same port", () =>
  Effect.gen(function*() {
    const server = yield* PostgresServer.start()
    const database = yield* Database.make({ server })
    const write = Effect.flatMap(
      SqlClient,
      (sql) => sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'kept-1', 'T', '{}') AS position`
    )

    const connected = yield* Database.session(database.url)
    yield* Effect.provideService(write, SqlClient, connected)
    yield* server.kill
    const error = yield* Effect.flip(Effect.provideService(write, SqlClient, connected))
    assert.strictEqual(error.reason._tag, "ConnectionError")

    yield* server.restart
    assert.deepStrictEqual(yield* Effect.provide(write, Database.client(database.url)), [{ position: 1n }])
    yield* server.restart
    assert.deepStrictEqual(yield* Effect.provide(write, Database.client(database.url)), [{ position: 2n }])
  }))

it.live("a test's own server leaves nothing behind", () =>
  Effect.gen(function*() {
    const [url, folder] = yield* Effect.scoped(Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const sql = yield* Database.session(server.url)
      const [row] = yield* sql<{ readonly data: string }>`SELECT current_setting('data_directory') AS data`
      return [server.url, row?.data ?? ""] as const
    }))
    const error = yield* Effect.flip(Effect.scoped(Effect.flatMap(Database.session(url), (sql) => sql`SELECT 1`)))
    assert.strictEqual(error.reason._tag, "ConnectionError")
    assert.notStrictEqual(folder, "")
    assert.isFalse(existsSync(folder))
  }))
