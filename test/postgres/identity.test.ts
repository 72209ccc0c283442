/**
 * Which store it is, and what is known of it, through restarts, renamings and a replica that takes over. It has a server of
 * its own.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { SqlClient } from "effect/sql/SqlClient"
import { StoreError } from "eventfold/StoreError"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Role from "../support/Role.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"
import { withoutPauses } from "../support/WithoutPauses.ts"

class Server extends Context.Service<Server, PostgresServer.PostgresServer & { readonly database: string }>()(
  "@eventfold/test/Server"
) {
  static readonly layer = Layer.effect(
    Server,
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const { url } = yield* Database.make({ server })
      return { ...server, database: url }
    })
  )
}

/** Runs statements in a database as its superuser. */
const administer = (url: string, ...statements: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.flatMap(Database.session(url), (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement)))
  )

const identityOf = (url: string) =>
  Effect.scoped(Effect.flatMap(Store.open(url, { announce: false }), (store) => store.identity))

const write = (stream: string) => `SELECT message_store.write_message(gen_random_uuid()::text, '${stream}', 'T', '0')`

// One after another: each leaves the server as the next one wants it.
layer(Server.layer, { excludeTestServices: true })("a server's life", (it) => {
  it.effect("two databases of a server are different stores, and a renamed one is the same", () =>
    Effect.gen(function*() {
      const server = yield* Server
      const other = yield* Database.make({ server })
      const [one, two] = [yield* identityOf(server.database), yield* identityOf(other.url)]
      assert.match(one.system ?? "", /^\d+$/)
      assert.strictEqual(one.timeline, 1)
      assert.strictEqual(two.system, one.system)
      assert.notStrictEqual(two.database, one.database)
      assert.strictEqual(two.databaseName, other.name)
      const [from, to] = [other.name, `${other.name}_renamed`]
      yield* administer(server.url, `ALTER DATABASE ${from} RENAME TO ${to}`)
      assert.deepStrictEqual(yield* identityOf(other.url.replace(from, to)), { ...two, databaseName: to })
      yield* administer(server.url, `ALTER DATABASE ${to} RENAME TO ${from}`)
    }))

  it.effect("a role without the right to know the system knows the database", () =>
    Effect.gen(function*() {
      const server = yield* Server
      const all = yield* identityOf(server.database)
      const admin = yield* Database.session(server.database)
      const role = yield* Effect.provideService(Role.make(), SqlClient, admin)
      yield* admin.unsafe(`GRANT message_store TO ${role.name}`)
      assert.deepStrictEqual(yield* identityOf(role.url(server.database)), all)
      yield* admin.unsafe("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
      assert.deepStrictEqual(yield* identityOf(role.url(server.database)), { ...all, system: undefined })
      yield* admin.unsafe("REVOKE EXECUTE ON FUNCTION pg_control_checkpoint() FROM PUBLIC")
      const { database, databaseName } = all
      assert.deepStrictEqual(yield* identityOf(role.url(server.database)), {
        system: undefined,
        database,
        databaseName,
        timeline: undefined
      })
      yield* admin.unsafe("GRANT EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint() TO PUBLIC")
    }))

  it.effect("a prepared transaction is waited for through a crash of the server, which changes its name", () =>
    Effect.gen(function*() {
      const server = yield* Server
      const before = yield* identityOf(server.database)
      const store = yield* Store.open(server.database, { announce: false })
      const { globalPosition } = yield* store.append("here-1", Store.numbered(1))
      const page = withoutPauses(store.readAllPage({ from: globalPosition + 1 }))
      yield* administer(server.database, "BEGIN", write("slow-1"), "PREPARE TRANSACTION 'slow'")
      yield* administer(server.database, write("quick-1"))
      const held = yield* page
      assert.deepStrictEqual([held.messages, Option.isSome(held.heldBack)], [[], true])
      yield* server.restart
      const still = yield* page
      assert.deepStrictEqual(still.messages, [])
      const { writers } = Option.getOrThrow(still.heldBack)
      assert.deepStrictEqual(writers.map(({ pid, preparedAs }) => [pid, preparedAs]), [[undefined, "slow"]])
      yield* administer(server.database, "COMMIT PREPARED 'slow'")
      const { messages } = yield* page
      assert.deepStrictEqual(messages.map(({ streamName }) => streamName as string), ["slow-1", "quick-1"])
      assert.deepStrictEqual(yield* store.identity, before)
    }))

  it.effect("a replica gives what has no gap, is the same system, and when it takes over is on another timeline", () =>
    Effect.gen(function*() {
      const server = yield* Server
      const before = yield* identityOf(server.database)
      const stock = yield* MessageDb.makeDatabase({ server })
      const urls = [server.database, stock.url]
      const froms = yield* Effect.forEach(urls, (url) =>
        Effect.scoped(Effect.gen(function*() {
          const store = yield* Store.open(url, { announce: false })
          const { globalPosition } = yield* store.append("here-1", Store.numbered(3))
          yield* administer(url, "SELECT nextval('message_store.messages_global_position_seq')")
          yield* store.append("here-1", Store.numbered(1))
          return globalPosition - 2
        })))
      yield* server.restartAsReplica

      const stores = yield* Effect.forEach(urls, (url) => Store.open(url, { announce: false }))
      for (const [i, store] of stores.entries()) {
        const from = froms[i] ?? 0
        assert.lengthOf((yield* store.readAllPage({ from, limit: 3 })).messages, 3)
        for (const options of [{ from: from + 3 }, { from, categories: ["here"] }]) {
          const error = yield* Effect.flip(store.readAllPage(options))
          assert(error instanceof StoreError)
          assert.include(error.reason.toLowerCase(), "read everything on the primary")
          assert.isTrue(error.isRetryable)
        }
        assert.instanceOf(yield* Effect.flip(store.heldBack()), StoreError)
      }
      assert.deepStrictEqual(yield* identityOf(server.database), before)

      yield* administer(server.database, "SELECT pg_promote()")
      const isPromoted = Effect.map(identityOf(server.database), ({ timeline }) => timeline !== before.timeline)
      yield* until("it has taken over", isPromoted)
      assert.deepStrictEqual(yield* identityOf(server.database), { ...before, timeline: 2 })
      for (const [i, store] of stores.entries()) {
        assert.lengthOf((yield* store.readAllPage({ from: froms[i] })).messages, 4)
      }
    }))
})
