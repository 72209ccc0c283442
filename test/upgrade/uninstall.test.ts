import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import { asOneStatement } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import { hasRole, layers, makeDatabase, makeRole, PrivateServer } from "../support/PrivateServer.ts"
import * as Psql from "../support/Psql.ts"
import * as Snapshot from "./snapshot.ts"

const within = <A, E>(url: string, effect: Effect.Effect<A, E, SqlClient>) =>
  Effect.provide(effect, Database.client(url), { local: true })

const install = (url: string, options?: Postgres.InstallOptions) =>
  Effect.provide(Postgres.install(options), Database.client(url), { local: true })

const uninstall = (url: string, options: Postgres.UninstallOptions) =>
  Effect.provide(Postgres.uninstall(options), Database.client(url), { local: true })

const objects = (url: string, schemas?: ReadonlyArray<string>) => within(url, Catalog.objects(schemas))

const write = (url: string, count: number) =>
  within(
    url,
    Effect.flatMap(SqlClient, (sql) =>
      sql`INSERT INTO message_store.messages (stream_name, position, type)
        SELECT 'account-1', i, 'T' FROM generate_series(0, ${count}::int - 1) AS i`)
  )

for (const server of layers) {
  layer(server.layer, { excludeTestServices: true })(`uninstalling on ${server.name}`, (it) => {
    it.effect.each([[0, "0 messages"], [1, "1 message"], [12, "12 messages"]] as const)(
      "a store of %i messages asks for the database's name",
      ([count, lost]) =>
        Effect.gen(function*() {
          const url = yield* makeDatabase("shop - \"1\"")
          yield* install(url)
          yield* write(url, count)
          const before = yield* objects(url)
          const error = yield* Effect.flip(uninstall(url, { database: "shop" }))
          assert.strictEqual(
            error.message,
            "nothing was removed: this is the database \"shop - \"\"1\"\"\", but the name given is shop "
              + `(It would lose ${lost}.)`
          )
          assert.instanceOf(error, Postgres.UninstallRefused)
          if (Psql.isInstalled) {
            const { status, stderr, stdout } = yield* Psql.run(url, "uninstall.sql")
            assert.deepStrictEqual([status, stdout], [3, ""])
            assert.include(stderr, "but the name given is none\n")
            assert.include(
              stderr,
              `DETAIL:  It would lose ${lost}.\nHINT:  To remove the schemas, give the name of the database`
            )
          }
          assert.deepStrictEqual(yield* objects(url), before)
        })
    )

    it.effect("removes the schemas, and the role with the last store of the server", () =>
      Effect.gen(function*() {
        const first = yield* makeDatabase("first")
        const second = yield* makeDatabase("second")
        yield* install(first)
        yield* install(second)
        yield* write(first, 3)

        assert.deepStrictEqual(yield* uninstall(first, { database: "first" }), { messageStore: true, role: false })
        assert.deepStrictEqual(yield* objects(first), [])
        assert.isTrue(yield* hasRole)
        assert.deepStrictEqual(yield* uninstall(second, { database: "second" }), { messageStore: true, role: true })
        assert.isFalse(yield* hasRole)

        // Uninstalling again does no harm, and the database can get a store again.
        assert.deepStrictEqual(yield* uninstall(first, { database: "first" }), { messageStore: false, role: false })
        yield* install(first)
        assert.deepStrictEqual(yield* uninstall(first, { database: "first" }), { messageStore: true, role: true })
      }))

    it.effect.skipIf(!Psql.isInstalled)("psql does the same, and says what it removed", () =>
      Effect.gen(function*() {
        const url = yield* makeDatabase("shop")
        yield* install(url)
        assert.deepStrictEqual(yield* Psql.run(url, "uninstall.sql", { database: "shop" }), {
          status: 0,
          stdout: "Removed the schemas message_store and eventfold.\nRemoved the role message_store.\n",
          stderr: ""
        })
        assert.deepStrictEqual(yield* objects(url), [])
        assert.isFalse(yield* hasRole)
      }))

    it.effect("keeps a role that has a member", () =>
      Effect.gen(function*() {
        const { sql } = yield* PrivateServer
        yield* makeRole("app")
        const url = yield* makeDatabase("shop")
        yield* install(url)
        yield* sql`GRANT message_store TO app`
        assert.deepStrictEqual(yield* uninstall(url, { database: "shop" }), { messageStore: true, role: false })
        yield* sql`REVOKE message_store FROM app`
        yield* install(url)
        assert.deepStrictEqual(yield* uninstall(url, { database: "shop" }), { messageStore: true, role: true })
      }))

    it.effect("needs no superuser: the creator of the role removes it, another user leaves it", () =>
      Effect.gen(function*() {
        const admin = yield* makeRole("admin", "CREATEROLE")
        const app = yield* makeRole("app")
        const shop = yield* makeDatabase("shop", "admin")
        const other = yield* makeDatabase("other", "app")
        yield* install(admin(shop))
        yield* install(app(other))
        assert.deepStrictEqual(yield* uninstall(admin(shop), { database: "shop" }), { messageStore: true, role: false })
        assert.deepStrictEqual(yield* uninstall(app(other), { database: "other" }), { messageStore: true, role: false })
        yield* install(admin(shop))
        assert.deepStrictEqual(yield* uninstall(admin(shop), { database: "shop" }), { messageStore: true, role: true })
      }))

    it.effect("removes nothing when the application has built on it", () =>
      Effect.gen(function*() {
        const url = yield* makeDatabase("shop")
        yield* install(url)
        const sql = yield* Database.session(url)
        yield* sql`CREATE VIEW public.mine AS SELECT count(*) FROM message_store.messages`
        const before = yield* objects(url)
        const error = yield* Effect.flip(uninstall(url, { database: "shop" }))
        assert.strictEqual(
          error.message,
          "nothing was removed: cannot drop table message_store.messages because other objects depend on it "
            + "(view public.mine depends on table message_store.messages)"
        )
        assert.deepStrictEqual(yield* objects(url), before)
        yield* sql`DROP VIEW public.mine`
        assert.deepStrictEqual(yield* uninstall(url, { database: "shop" }), { messageStore: true, role: true })
      }))

    it.effect.each(MessageDb.versions)(
      "a stock Message DB %s stays, unless the option removes it as well",
      (version) =>
        Effect.gen(function*() {
          const url = yield* makeDatabase("shop")
          yield* within(url, MessageDb.install(version))
          yield* write(url, 2)
          const before = yield* objects(url)
          yield* install(url)
          assert.deepStrictEqual(yield* uninstall(url, { database: "shop" }), { messageStore: false, role: false })
          assert.deepStrictEqual(yield* objects(url), before)

          const error = yield* Effect.flip(uninstall(url, { database: "", stock: true }))
          assert.include(error.message, "but the name given is none (It would lose 2 messages.)")
          yield* install(url)
          assert.deepStrictEqual(
            yield* uninstall(url, { database: "shop", stock: true }),
            { messageStore: true, role: true }
          )
          assert.deepStrictEqual(yield* objects(url), [])
        })
    )

    it.effect("removes every past version", () =>
      Effect.gen(function*() {
        const url = yield* makeDatabase("shop")
        for (let version = 1; version <= Postgres.schemaVersion; version++) {
          const snapshot = yield* Snapshot.kept(version)
          yield* within(
            url,
            Effect.flatMap(SqlClient, (sql) =>
              sql.unsafe(
                asOneStatement(snapshot)
              ))
          )
          yield* write(url, 2)
          yield* uninstall(url, { database: "shop" })
          assert.deepStrictEqual(yield* objects(url), [])
        }
        assert.isFalse(yield* hasRole)
      }))
  })
}
