import { PgClient } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import { files, installLock } from "@eventfold/sql"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { MessageStore } from "eventfold/MessageStore"
import type { Socket } from "node:net"
import { inspect } from "node:util"
import * as Database from "../support/Database.ts"
import { GuardedServer, password } from "../support/GuardedServer.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

/** The refusal, of which no form may show the password. */
const refusal = (
  opening: Effect.Effect<unknown, Postgres.OpenError, Scope.Scope>
): Effect.Effect<Postgres.OpenError, unknown, Scope.Scope> =>
  Effect.tap(Effect.flip(opening), (error) =>
    Effect.sync(() => {
      for (const form of [error.message, String(error), inspect(error, { depth: 20 })]) {
        assert.notInclude(form, password)
        assert.notInclude(form, encodeURIComponent(password))
      }
    }))

/** A port on which nothing listens, as far as one can know. */
const freePort = Effect.scoped(Proxy.listen(() => {}, new Set()))

const withSuperuser = <A, E>(url: string, use: (sql: SqlClient) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.flatMap(Database.session(url), use))

/** A role that may log in, and nothing else. */
const makeRole = (url: string, name: string) =>
  Effect.acquireRelease(
    withSuperuser(url, (sql) => sql.unsafe(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`)),
    // On a server that outlives the test.
    () =>
      Effect.ignore(
        withSuperuser(
          url,
          (sql) => Effect.andThen(sql.unsafe(`DROP OWNED BY ${name}`), sql.unsafe(`DROP ROLE ${name}`))
        )
      )
  )

describe("a server out of reach", () => {
  it.live.each(["127.0.0.1", "localhost"])("nothing listens at %s", (host) =>
    Effect.gen(function*() {
      const port = yield* freePort
      const error = yield* refusal(Store.open(`postgres://app:${encodeURIComponent(password)}@${host}:${port}/shop`))
      assert.instanceOf(error.reason, Postgres.Unreachable)
      assert.include(error.message, `app@${host}:${port}/shop`)
      assert.include(error.message, "ECONNREFUSED")
      assert.include(error.message, "check host and port")
    }))

  it.live("by host, port, user and password instead of a URL", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const opening = Layer.build(Postgres.layer({
        host: "127.0.0.1",
        port,
        username: "app",
        password: Redacted.make(password),
        database: "shop"
      }))
      const error = yield* refusal(opening)
      assert.instanceOf(error.reason, Postgres.Unreachable)
      assert.include(error.message, `app@127.0.0.1:${port}/shop`)
    }))

  it.live("the host name does not resolve", () =>
    Effect.gen(function*() {
      const error = yield* refusal(
        Store.open(`postgres://app:${encodeURIComponent(password)}@nowhere.invalid/shop`).pipe(
          within("for a host that does not exist")
        )
      )
      assert.instanceOf(error.reason, Postgres.Unreachable)
      assert.include(error.message, "app@nowhere.invalid/shop")
    }))

  it.effect("the server takes the connection and never answers", () =>
    Effect.gen(function*() {
      const sockets = new Set<Socket>()
      const port = yield* Proxy.listen((socket) => sockets.add(socket), sockets)
      const opening = yield* Effect.forkChild(
        refusal(Store.open(`postgres://app@127.0.0.1:${port}/shop`, { connectTimeout: "200 millis" }))
      )
      yield* TestClock.withLive(until("the server has the connection", Effect.sync(() => sockets.size === 1)))
      yield* TestClock.adjust("199 millis")
      assert.isUndefined(opening.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* TestClock.withLive(within("for connectTimeout")(Fiber.join(opening)))
      assert.strictEqual(sockets.size, 1)
      assert.instanceOf(error.reason, Postgres.Unreachable)
      assert.include(error.message, "timed out")
    }))

  it.live.each([
    "postgres://app:secret@[nonsense",
    "http://app:secret@127.0.0.1/shop",
    "postgres://app:p@x/secret@127.0.0.1/shop",
    "postgres://app:1#secret@127.0.0.1/shop"
  ])("the URL is none, or not what it was meant to be: %s", (url) =>
    Effect.gen(function*() {
      const error = yield* refusal(Store.open(url))
      assert.instanceOf(error.reason, Postgres.InvalidUrl)
      assert.notInclude(error.message, "secret")
      assert.include(error.message, "percent-encoded")
    }))

  it.live("the URL names no user", () =>
    Effect.gen(function*() {
      const error = yield* refusal(Store.open("postgres://127.0.0.1/shop"))
      assert.instanceOf(error.reason, Postgres.InvalidUrl)
      assert.include(error.message, ": the URL names no user: write postgres://user@host/database")
    }))
})

layer(GuardedServer.layer, { excludeTestServices: true })("a server that refuses", (it) => {
  const refused: ReadonlyArray<readonly [title: string, user: string, given: string]> = [
    ["a wrong password", "guarded", "wr0ng"],
    ["an unknown user", "nobody_known", password],
    ["no password", "guarded", ""]
  ]
  it.effect.each(refused)("%s", ([, user, given]) =>
    Effect.gen(function*() {
      const { url } = yield* GuardedServer
      const error = yield* refusal(Store.open(Database.urlAs(url, user, given)))
      assert.instanceOf(error.reason, Postgres.AuthenticationFailed)
      assert.include(error.message, `${user}@127.0.0.1`)
      assert.include(error.message, "check user name and password")
      assert.isTrue(given === "" || !error.message.includes(given))
    }))

  it.effect("a user who is unknown where no password is asked for", () =>
    Effect.gen(function*() {
      const { url } = yield* GuardedServer
      const error = yield* refusal(Store.open(Database.urlAs(url, "ghost", "")))
      assert.instanceOf(error.reason, Postgres.AuthenticationFailed)
      assert.include(error.message, "role \"ghost\" does not exist")
    }))

  it.effect("a role that may not log in", () =>
    Effect.gen(function*() {
      const { url } = yield* GuardedServer
      yield* withSuperuser(url, (sql) => sql.unsafe(`CREATE ROLE locked_out PASSWORD '${password}'`))
      const error = yield* refusal(Store.open(Database.urlAs(url, "locked_out", password)))
      assert.instanceOf(error.reason, Postgres.AuthenticationFailed)
      assert.include(error.message, "not permitted to log in")
    }))

  it.effect("and lets in who has the password", () =>
    Effect.gen(function*() {
      const { url } = yield* GuardedServer
      const database = yield* Database.make({ server: { url } })
      yield* withSuperuser(database.url, (sql) => sql`GRANT pg_read_all_data TO guarded`)
      const store = yield* Store.open(Database.urlAs(database.url, "guarded", password))
      assert.deepStrictEqual(yield* store.streamVersion("account-1"), Option.none())
    }))
})

layer(Database.layer(), { excludeTestServices: true })("a database that is not ready", (it) => {
  const emptyUrl = Effect.map(Database.make({ empty: true }), ({ url }) => url)

  it.effect("there is none of the name", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const error = yield* refusal(Store.open(url.replace(/[^/]*$/, "no_such_database")))
      assert.instanceOf(error.reason, Postgres.DatabaseNotFound)
      assert.include(error.message, "\"no_such_database\" does not exist")
      assert.include(error.message, "create it")
    }))

  it.effect("it is empty", () =>
    Effect.gen(function*() {
      const error = yield* refusal(Store.open(yield* emptyUrl))
      assert.instanceOf(error.reason, Postgres.SchemaMissing)
      assert.include(error.message, "install: true")
      assert.include(error.message, "npx @eventfold/cli install")
    }))

  it.effect("it has Message DB's schema only", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      yield* withSuperuser(url, (sql) => sql`DROP SCHEMA eventfold CASCADE`)
      assert.instanceOf((yield* refusal(Store.open(url))).reason, Postgres.SchemaMissing)
      const store = yield* Store.open(url, { install: true })
      assert.strictEqual((yield* store.append("account-1", Store.numbered(1))).version, 0)
    }))

  it.effect("its schema is of another version", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const claim = (version: number) =>
        withSuperuser(url, (sql) =>
          sql.unsafe(`CREATE OR REPLACE FUNCTION eventfold.schema_version() RETURNS integer
            LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ${version}`))
      yield* claim(0)
      const { message, reason } = yield* refusal(Store.open(url))
      assert(reason instanceof Postgres.SchemaOutdated)
      assert.deepStrictEqual([reason.installed, reason.required], [0, Postgres.schemaVersion])
      assert.include(message, "install: true")
      yield* Store.open(url, { install: true })
      yield* Store.open(url)
      // A program of yesterday beside one of tomorrow.
      yield* claim(Postgres.schemaVersion + 1)
      yield* Store.open(url)
    }))

  it.effect("the role may not use the schemas, nor make them", () =>
    Effect.gen(function*() {
      const { name, url } = yield* Database.Database
      const role = `${name}_plain`
      yield* makeRole(url, role)
      const empty = yield* emptyUrl
      for (
        const opening of [
          Store.open(Database.urlAs(url, role, password)),
          Store.open(Database.urlAs(empty, role, password), { install: true })
        ]
      ) {
        const error = yield* refusal(opening)
        assert.instanceOf(error.reason, Postgres.PermissionDenied)
        assert.include(error.message, "permission denied for")
        assert.include(error.message, role)
      }
      const error = yield* refusal(Store.open(Database.urlAs(url, role, password), { install: true }))
      assert.instanceOf(error.reason, Postgres.PermissionDenied)
    }))

  it.effect("the role may not even connect", () =>
    Effect.gen(function*() {
      const { name, url } = yield* Database.Database
      const role = `${name}_stranger`
      yield* makeRole(url, role)
      const closed = yield* Database.make()
      yield* withSuperuser(closed.url, (sql) => sql`REVOKE CONNECT ON DATABASE ${sql(closed.name)} FROM PUBLIC`)
      const error = yield* refusal(Store.open(Database.urlAs(closed.url, role, password)))
      assert.instanceOf(error.reason, Postgres.PermissionDenied)
    }))
})

layer(Database.layer(), { excludeTestServices: true })("installing", (it) => {
  it.effect("into an empty database, by four layers at once, and again", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const stores = yield* Effect.forEach(
        Store.upTo(4),
        () => Store.open(url, { install: true, maxConnections: 2 }),
        { concurrency: "unbounded" }
      )
      yield* Effect.forEach(stores, (store) => store.append("account-1", Store.numbered(1)), {
        concurrency: "unbounded"
      })
      const again = yield* Store.open(url, { install: true })
      assert.deepStrictEqual(Store.positions(yield* Store.readStream(again, "account-1")), [0, 1, 2, 3])
      // By hand, through a client, over what is there.
      yield* Effect.provide(Postgres.install(), Database.client(url))
      assert.lengthOf(yield* Store.readStream(again, "account-1"), 4)
    }))

  it.effect("needs no right, makes nothing and waits for nobody when all is up to date", () =>
    Effect.gen(function*() {
      const { name, url } = yield* Database.make()
      const role = `${name}_app`
      yield* makeRole(url, role)
      yield* withSuperuser(url, (sql) =>
        Effect.forEach([
          `GRANT USAGE ON SCHEMA message_store, eventfold TO ${role}`,
          `GRANT SELECT, INSERT ON message_store.messages TO ${role}`,
          `GRANT USAGE ON SEQUENCE message_store.messages_global_position_seq TO ${role}`
        ], (grant) => sql.unsafe(grant)))
      const installer = yield* Database.session(url)
      yield* installer.withTransaction(Effect.gen(function*() {
        yield* installer`SELECT pg_advisory_xact_lock(${installLock})`
        yield* installer`LOCK TABLE message_store.messages IN ROW EXCLUSIVE MODE`
        const store = yield* Store.open(Database.urlAs(url, role, password), { install: true }).pipe(
          within("for a store that has nothing to install")
        )
        assert.strictEqual((yield* store.append("account-1", Store.numbered(2))).version, 1)
        assert.lengthOf(yield* Store.readCategory(store, "account"), 2)
        assert.lengthOf(yield* Stream.runCollect(store.readStream("account-1", { direction: "backwards" })), 2)
      }))
    }))

  it.effect("that fails leaves nothing behind, and says why", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const [, ...rest] = yield* files
      assert.isAbove(rest.length, 1)
      // The views are made late.
      yield* withSuperuser(url, (sql) =>
        sql.unsafe(`DO $$ BEGIN
          CREATE FUNCTION public.refuse_views() RETURNS event_trigger LANGUAGE plpgsql
            AS 'BEGIN RAISE EXCEPTION ''no views in this database''; END';
          CREATE EVENT TRIGGER refuse_views ON ddl_command_start WHEN TAG IN ('CREATE VIEW')
            EXECUTE FUNCTION public.refuse_views();
        END $$`))
      const error = yield* refusal(Store.open(url, { install: true }))
      assert.instanceOf(error.reason, Postgres.OpenFailed)
      assert.include(error.message, "no views in this database")
      const tables = yield* withSuperuser(url, (sql) =>
        sql`SELECT to_regclass('message_store.messages')::text AS messages`)
      assert.deepStrictEqual(tables, [{ messages: null }])
    }))

  it.effect("leaves a schema alone that has something else in it", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      yield* withSuperuser(url, (sql) =>
        sql.unsafe("DO $$ BEGIN CREATE SCHEMA message_store; CREATE TABLE message_store.messages (text text); END $$"))
      const error = yield* refusal(Store.open(url, { install: true }))
      assert.include(error.message, "the schema message_store has objects, and they are not those of a message store")
      const columns = yield* withSuperuser(url, (sql) =>
        sql`SELECT * FROM message_store.messages`)
      assert.deepStrictEqual(columns, [])
      const schemas = yield* withSuperuser(url, (sql) =>
        sql`SELECT to_regnamespace('eventfold')::text AS eventfold`)
      assert.deepStrictEqual(schemas, [{ eventfold: null }])
    }))
})

layer(Database.layer(), { excludeTestServices: true })("ways to open", (it) => {
  it.effect("layerConfig reads from the ConfigProvider", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const store = Postgres.layerConfig({
        url: Config.Redacted("DATABASE_URL"),
        maxConnections: Config.Int("DATABASE_POOL").pipe(Config.withDefault(3)),
        install: Config.Boolean("DATABASE_INSTALL")
      })
      const open = (env: Record<string, string>) =>
        Layer.build(Layer.fresh(store)).pipe(
          Effect.map(Context.get(MessageStore)),
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))
        )
      const opened = yield* open({ DATABASE_URL: url, DATABASE_INSTALL: "true" })
      assert.strictEqual((yield* opened.append("account-1", Store.numbered(1))).version, 0)
      const error = yield* Effect.flip(open({ DATABASE_INSTALL: "true" }))
      assert(error._tag === "ConfigError")
      assert.include(error.message, "DATABASE_URL")
    }))

  it.effect("layerClient takes the application's client, which stays open", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      yield* Effect.scoped(Effect.gen(function*() {
        const store = Context.get(yield* Layer.build(Postgres.layerClient()), MessageStore)
        yield* store.append("client-1", Store.numbered(2))
      }))
      assert.deepStrictEqual(yield* sql`SELECT message_store.stream_version('client-1') AS version`, [{ version: 1n }])
    }))

  it.effect("layerClient gives reasons of its own", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const opening = Layer.build(Layer.fresh(Postgres.layerClient())).pipe(Effect.provide(Database.client(url)))
      const error = yield* refusal(Effect.mapError(opening, (error) => {
        assert(error._tag === "OpenError")
        return error
      }))
      assert.instanceOf(error.reason, Postgres.SchemaMissing)
    }))

  it.effect("on a client, others' appends stay out of a transaction in which one appends as well", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const store = Context.get(yield* Layer.build(Postgres.layerClient()), MessageStore)
      const append = (i: number) => store.append(`mixed-${i}`, Store.numbered(1))
      const inTransaction = yield* Effect.forkChild(Effect.flip(sql.withTransaction(
        Effect.andThen(Effect.forEach(Store.upTo(8), append, { concurrency: "unbounded" }), Effect.fail("undo"))
      )))
      const outside = yield* Effect.forEach(Store.upTo(50), append, { concurrency: 4 })
      assert.strictEqual(yield* Fiber.join(inTransaction), "undo")
      assert.lengthOf(outside, 50)
      assert.lengthOf(yield* Store.readCategory(store, "mixed"), 50)
    }))
})
