import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as MessageStore from "eventfold/MessageStore"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import { dropRole, hasRole, layers, makeDatabase, makeRole, PrivateServer } from "../support/PrivateServer.ts"
import * as Psql from "../support/Psql.ts"

const install = (url: string, options?: Postgres.InstallOptions) =>
  Effect.provide(Postgres.install(options), Database.client(url), { local: true })

const objects = (url: string) => Effect.provide(Catalog.objects(), Database.client(url), { local: true })

/** Appends and reads as the library does. */
const use = Effect.fnUntraced(function*(url: string) {
  const store = Context.get(
    yield* Layer.build(Layer.provide(Postgres.layerClient(), Database.client(url))),
    MessageStore.MessageStore
  )
  const { version } = yield* store.append("account-1", [{ type: "T", data: {} }])
  const read = yield* Stream.runCollect(store.readCategory("account"))
  return [version, read.length]
})

/** The owners of all objects in the schemas. */
const owners = (url: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const rows = yield* sql<{ readonly owner: string }>`
      SELECT DISTINCT pg_get_userbyid(owner) AS owner FROM (
        SELECT nspowner FROM pg_namespace WHERE nspname IN ('message_store', 'eventfold')
        UNION SELECT relowner FROM pg_class WHERE relnamespace IN (to_regnamespace('message_store'), to_regnamespace('eventfold'))
        UNION SELECT proowner FROM pg_proc WHERE pronamespace IN (to_regnamespace('message_store'), to_regnamespace('eventfold'))
        UNION SELECT typowner FROM pg_type WHERE typnamespace IN (to_regnamespace('message_store'), to_regnamespace('eventfold'))
      ) AS objects (owner) ORDER BY owner`
    return rows.map((row) => row.owner)
  }).pipe(Effect.provide(Database.client(url), { local: true }))

const hint = "Ask an administrator to run CREATE ROLE message_store LOGIN, or install without the role: "
  + "psql -v role=off, or role: false in the library."

for (const server of layers) {
  layer(server.layer, { excludeTestServices: true })(`roles on ${server.name}`, (it) => {
    it.effect("a user that may not create the role is told what to do, and nothing is installed", () =>
      Effect.gen(function*() {
        const app = yield* makeRole("app")
        const url = yield* makeDatabase("shop", "app")
        assert.isFalse(yield* hasRole)
        const error = yield* Effect.flip(install(app(url)))
        assert.deepStrictEqual(
          error.reason,
          new Postgres.PermissionDenied({
            detail: `the role message_store does not exist, and app may not create it; ${hint}`
          })
        )
        if (Psql.isInstalled) {
          const { status, stderr } = yield* Psql.run(app(url), "install.sql")
          assert.strictEqual(status, 3)
          assert.include(stderr, "ERROR:  the role message_store does not exist, and app may not create it\n")
          assert.include(stderr, `HINT:  ${hint}\n`)
        }
        assert.deepStrictEqual(yield* objects(url), [])
        assert.isFalse(yield* hasRole)
      }))

    it.effect("the owner of the database installs without the role, and uses the store", () =>
      Effect.gen(function*() {
        const app = yield* makeRole("app")
        const url = yield* makeDatabase("shop", "app")
        yield* install(app(url), { role: false })
        yield* install(app(url), { role: false })
        if (Psql.isInstalled) {
          assert.include(
            (yield* Psql.run(app(url), "install.sql", { role: "none" })).stderr,
            "invalid input syntax for type boolean: \"none\""
          )
        }
        assert.deepStrictEqual(yield* use(app(url)), [0, 1])
        assert.deepStrictEqual(yield* owners(url), ["app"])
        if (Psql.isInstalled) {
          const other = yield* makeDatabase("other", "app")
          assert.deepStrictEqual(yield* Psql.run(app(other), "install.sql", { role: "no" }), Psql.silence)
          assert.deepStrictEqual(yield* objects(other), yield* objects(url))
        }
        assert.isFalse(yield* hasRole)
      }))

    it.effect("four databases of a server create the role once", () =>
      Effect.gen(function*() {
        // A finalizer from before the databases, so that it runs after they are dropped.
        yield* Effect.addFinalizer(() => Effect.ignore(dropRole))
        const admin = yield* makeRole("admin", "CREATEROLE")
        const urls = yield* Effect.forEach(["a", "b", "c", "d"], (name) => makeDatabase(name, "admin"))
        assert.isFalse(yield* hasRole)
        yield* Effect.forEach(urls, (url) => install(admin(url)), { concurrency: 4 })
        const [first, ...rest] = yield* Effect.forEach(urls, objects)
        for (const other of rest) assert.deepStrictEqual(other, first)

        // When the role exists, an installation needs no right to create it.
        const app = yield* makeRole("app")
        const url = yield* makeDatabase("shop", "app")
        yield* install(app(url))
        const { sql } = yield* PrivateServer
        const reader = yield* makeRole("reader")
        yield* sql`GRANT message_store TO reader`
        assert.deepStrictEqual(yield* use(reader(url)), [0, 1])
      }))

    it.effect("a user that owns neither the database nor the schemas is refused", () =>
      Effect.gen(function*() {
        const app = yield* makeRole("app")
        const url = yield* makeDatabase("shop")
        const error = yield* Effect.flip(install(app(url), { role: false }))
        assert.deepStrictEqual(
          error.reason,
          new Postgres.PermissionDenied({ detail: "permission denied for database shop" })
        )
        yield* install(url, { role: false })
        const again = yield* Effect.flip(install(app(url), { role: false }))
        assert.instanceOf(again.reason, Postgres.PermissionDenied)
      }))

    it.effect("schemas created for another owner belong to that owner, with all objects in them", () =>
      Effect.gen(function*() {
        const name = "Owner's \"own\" - x"
        const owner = yield* makeRole(name)
        // A superuser installs into schemas that exist.
        const url = yield* makeDatabase("shop")
        const sql = yield* Database.session(url)
        yield* sql`CREATE SCHEMA message_store AUTHORIZATION ${sql(name)}`
        yield* install(url, { role: false })
        assert.deepStrictEqual(yield* owners(url), [name])
        // Their owner installs again, without a right on the database.
        yield* install(owner(url), { role: false })
        assert.deepStrictEqual(yield* use(owner(url)), [0, 1])

        // The option names the owner.
        const named = yield* makeDatabase("named")
        yield* install(named, { role: false, owner: name })
        assert.deepStrictEqual(yield* owners(named), [name])
        assert.deepStrictEqual(yield* objects(named), yield* objects(url))
        if (Psql.isInstalled) {
          const other = yield* makeDatabase("other")
          assert.deepStrictEqual(yield* Psql.run(other, "install.sql", { role: "off", owner: name }), Psql.silence)
          assert.deepStrictEqual(yield* objects(other), yield* objects(url))
        }

        // The owner installs into schemas that an administrator created.
        const own = yield* makeDatabase("own")
        const admin = yield* Database.session(own)
        yield* admin`CREATE SCHEMA message_store AUTHORIZATION ${admin(name)}`
        yield* admin`CREATE SCHEMA eventfold AUTHORIZATION ${admin(name)}`
        yield* install(owner(own), { role: false })
        assert.deepStrictEqual(yield* objects(own), yield* objects(url))
      }))

    it.effect("the owner of the database adds eventfold to a Message DB that a superuser installed", () =>
      Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.ignore(dropRole))
        const app = yield* makeRole("app")
        const url = yield* makeDatabase("shop", "app")
        const { sql } = yield* PrivateServer
        yield* Effect.provide(MessageDb.install("1.3.0"), Database.client(url))
        const before = yield* objects(url)

        const error = yield* Effect.flip(install(app(url)))
        assert.deepStrictEqual(
          error.reason,
          new Postgres.PermissionDenied({ detail: "permission denied for schema message_store" })
        )
        assert.deepStrictEqual(yield* objects(url), before)

        yield* sql`GRANT message_store TO app`
        yield* install(app(url))
        assert.deepStrictEqual((yield* objects(url)).filter((object) => before.includes(object)), before)
        const session = yield* Database.session(app(url))
        assert.deepStrictEqual(
          yield* session`SELECT outcome, pg_get_userbyid(nspowner) FROM pg_namespace,
            eventfold.append(ARRAY['account-1'], ARRAY[-1::bigint], ARRAY[1], ARRAY[gen_random_uuid()], ARRAY['T'],
              ARRAY['{}'], ARRAY['']) WHERE nspname = 'eventfold'`.values,
          [["written", "app"]]
        )
        // The user does not own its functions, and can't replace them.
        const refused = yield* Effect.flip(install(app(url), { replaceFunctions: true }))
        assert.instanceOf(refused.reason, Postgres.PermissionDenied)
      }))

    it.effect("an installation in a transaction of the application leaves its role as it was", () =>
      Effect.gen(function*() {
        yield* makeRole("owner")
        const url = yield* makeDatabase("shop")
        const installing = Effect.gen(function*() {
          const sql = yield* SqlClient
          yield* Postgres.install({ role: false, owner: "owner" })
          return yield* sql`SELECT current_user, session_user`.values
        })
        const users = yield* Effect.gen(function*() {
          const sql = yield* SqlClient
          return yield* sql.withTransaction(installing)
        }).pipe(Effect.provide(Database.client(url)))
        assert.deepStrictEqual(users, [["postgres", "postgres"]])
        assert.deepStrictEqual(yield* owners(url), ["owner"])
      }))

    it.effect.each(["we\"ird - name", "it's 100% $1 é;"])("a database called %s", (name) =>
      Effect.gen(function*() {
        const url = yield* makeDatabase(name)
        yield* install(url, { role: false })
        assert.deepStrictEqual(yield* use(url), [0, 1])
        if (Psql.isInstalled) {
          const options = { role: "off" }
          assert.deepStrictEqual(yield* Psql.run(url, "install.sql", options), Psql.silence)
          assert.deepStrictEqual(yield* Psql.run(url, "uninstall.sql", { database: name }), {
            status: 0,
            stdout: "Removed the schemas message_store and eventfold.\n",
            stderr: ""
          })
          assert.deepStrictEqual(yield* Psql.run(url, "install.sql", options), Psql.silence)
        }
        assert.deepStrictEqual(
          yield* Effect.provide(Postgres.uninstall({ database: name }), Database.client(url)),
          { messageStore: true, role: false }
        )
        assert.deepStrictEqual(yield* objects(url), [])
      }))
  })
}
