import { assert, describe, it, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import { asOneStatement, files } from "@eventfold/sql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as Consumer from "eventfold/Consumer"
import * as MessageStore from "eventfold/MessageStore"
import { inject } from "vitest"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import * as Psql from "../support/Psql.ts"
import * as Snapshot from "./snapshot.ts"

/** Each version before the current one. */
const pastVersions = Array.from({ length: Postgres.schemaVersion - 1 }, (_, i) => i + 1)

describe("the schema's version", () => {
  it.effect("is the same in all places that name it", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Snapshot.version, Postgres.schemaVersion)
      const begin = (yield* files).find(({ path }) => path === "install/begin.sql")
      assert.include(begin?.sql, `_version CONSTANT integer := ${Postgres.schemaVersion};`)
    }))

  it.effect("is raised with the SQL", () =>
    Effect.gen(function*() {
      const [kept, current] = yield* Effect.all([Snapshot.kept(Postgres.schemaVersion), Snapshot.current])
      assert.isTrue(
        kept === current,
        `the SQL differs from the snapshot of version ${Postgres.schemaVersion}: if that version was published, raise it in `
          + "eventfold.schema_version(), install/begin.sql and Postgres.schemaVersion; "
          + "then run `node test/upgrade/snapshot.ts`"
      )
    }))
})

const write = (sql: SqlClient, streamName: string) =>
  sql`SELECT message_store.write_message(gen_random_uuid()::varchar, ${streamName}, 'T', '{"a": 1}') AS position`.values

/** A database with the schema of an earlier version, and messages in it. */
const makePast = Effect.fnUntraced(function*(server: Database.NamedServer, version: number) {
  const { url } = yield* Database.make({ server, empty: true })
  const sql = yield* Database.session(url)
  const snapshot = yield* Snapshot.kept(version)
  yield* sql.unsafe(asOneStatement(snapshot))
  yield* Effect.forEach(["account-1", "account-1", "account-2", "payment-1"], (streamName) => write(sql, streamName))
  return { url, sql }
})

/** A database with a schema that is newer than the library, and serves libraries from a version on. */
const makeLater = Effect.fnUntraced(function*(server: Database.NamedServer, oldestClient: number) {
  const { url } = yield* Database.make({ server, empty: true })
  const sql = yield* Database.session(url)
  const later = yield* Snapshot.later(oldestClient)
  yield* sql.unsafe(asOneStatement(later.sql))
  return { url, sql, version: later.version }
})

const openStore = (url: string, options: Postgres.StoreOptions = {}) =>
  Effect.map(
    Layer.build(Layer.provide(Postgres.layerClient(options), Database.client(url))),
    Context.get(MessageStore.MessageStore)
  )

const openReadModels = (url: string, options: SqlReadModel.Options = {}) =>
  Effect.asVoid(Layer.build(Layer.provide(SqlReadModel.layer(options), Database.client(url))))

/** What a library can use of the schema eventfold: functions with their arguments and results, and columns of tables. */
const interfaces = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly object: string }>`
    SELECT format('function %s(%s) gives %s', proname, pg_get_function_arguments(oid), pg_get_function_result(oid)) AS object
    FROM pg_proc WHERE pronamespace = 'eventfold'::regnamespace
    UNION ALL
    SELECT format('column %s.%s %s', relname, attname, format_type(atttypid, atttypmod))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'eventfold'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped`
  return rows.map(({ object }) => object)
})

const installations = (sql: SqlClient) =>
  sql`SELECT version, previous_version, message_store FROM eventfold.installations ORDER BY ordinal`.values

/** The installations after an upgrade. Version 1 kept no record of its own. */
const upgradedFrom = (version: number) => [
  ...version === 1 ? [] : [[version, null, "eventfold"]],
  [Postgres.schemaVersion, version, "eventfold"]
]

layer(Pglite.layerClient(), { excludeTestServices: true })("upgrading on PGlite", (it) => {
  it.effect("from every version by the layer, which keeps the messages", () =>
    Effect.forEach(pastVersions, (version) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const snapshot = yield* Snapshot.kept(version)
        yield* sql.unsafe(asOneStatement(snapshot))
        yield* write(sql, "account-1")
        const store = Context.get(
          yield* Layer.build(Postgres.layerClient({ install: true })),
          MessageStore.MessageStore
        )
        assert.strictEqual((yield* store.append("account-1", [{ type: "T", data: {} }])).version, 1)
        assert.deepStrictEqual(yield* installations(sql), upgradedFrom(version))
        const { name } = (yield* sql<{ readonly name: string }>`SELECT current_database() AS name`)[0] ?? { name: "" }
        assert.deepStrictEqual(yield* Postgres.uninstall({ database: name }), { messageStore: true, role: true })
      })))
})

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`upgrading on ${server.name}`, (it) => {
    it.effect.each(pastVersions)(
      "from version %i keeps the messages and results in what a new installation creates",
      (version) =>
        Effect.gen(function*() {
          const { sql, url } = yield* makePast(server, version)
          const messages = yield* Effect.provideService(Catalog.messages, SqlClient, sql)
          assert.lengthOf(messages, 4)

          // An open write does not block the upgrade, and open sessions keep working.
          const writer = yield* Database.session(url)
          yield* writer.withTransaction(Effect.gen(function*() {
            yield* write(writer, "open-1")
            yield* Effect.provide(Postgres.install(), Database.client(url))
          }))
          assert.deepStrictEqual(yield* write(sql, "account-1"), [[2n]])
          assert.deepStrictEqual(
            (yield* Effect.provideService(Catalog.messages, SqlClient, sql)).slice(0, 4),
            messages
          )
          // An index that writers would wait for is left to the next installation.
          yield* Effect.provide(Postgres.install(), Database.client(url))
          assert.deepStrictEqual(
            yield* Effect.provideService(Catalog.objects(), SqlClient, sql),
            yield* Catalog.objects()
          )
          assert.deepStrictEqual(yield* installations(sql), upgradedFrom(version))
        })
    )

    it.effect("from version 4: a consumer continues from the position that a library of then has written", () =>
      Effect.gen(function*() {
        const { sql, url } = yield* makePast(server, 4)
        yield* sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'account:position-test', 'Recorded',
          '{"position": 2}')`
        const store = yield* openStore(url, { install: true })
        const seen: Array<string> = []
        const consumer = Consumer.make("test").on("account", {
          T: ({ streamName }) => Effect.sync(() => seen.push(streamName))
        })
        const running = yield* Effect.provideService(Consumer.start(consumer), MessageStore.MessageStore, store)
        yield* running.waitFor(3)
        assert.deepStrictEqual(seen, ["account-2"])
      }))

    it.effect.each(pastVersions)(
      "from version %i by the layer, which refuses it unless it may install",
      (version) =>
        Effect.gen(function*() {
          const { sql, url } = yield* makePast(server, version)
          const open = (options: Postgres.StoreOptions) =>
            Layer.build(Layer.provide(Postgres.layerClient(options), Database.client(url)))
          const error = yield* Effect.flip(open({}))
          assert.deepStrictEqual(
            "reason" in error && error.reason,
            new Postgres.SchemaOutdated({
              installed: version,
              required: Postgres.schemaVersion
            })
          )
          yield* open({ install: true })
          assert.deepStrictEqual(yield* installations(sql), upgradedFrom(version))
        })
    )

    it.effect.skipIf(!Psql.isInstalled)(
      "from every version by psql",
      () =>
        Effect.forEach(pastVersions, (version) =>
          Effect.gen(function*() {
            const { sql, url } = yield* makePast(server, version)
            assert.deepStrictEqual(yield* Psql.run(url, "install.sql"), Psql.silence)
            assert.deepStrictEqual(yield* installations(sql), upgradedFrom(version))
          }))
    )

    it.effect("the snapshot is what an installation creates", () =>
      Effect.gen(function*() {
        const { sql } = yield* makePast(server, Postgres.schemaVersion)
        assert.deepStrictEqual(
          yield* Effect.provideService(Catalog.objects(), SqlClient, sql),
          yield* Catalog.objects()
        )
      }))

    it.effect("an older library leaves a newer schema alone", () =>
      Effect.gen(function*() {
        for (const oldest of [Postgres.schemaVersion, Postgres.schemaVersion + 1]) {
          const { sql, url, version } = yield* makeLater(server, oldest)
          const before = yield* Effect.provideService(Catalog.objects(), SqlClient, sql)
          const refused =
            `the eventfold schema is at version ${version}, and this would install the older version ${Postgres.schemaVersion}`
          const error = yield* Effect.flip(Effect.provide(Postgres.install(), Database.client(url)))
          assert.include(error.message, `${refused}; Install with the newest eventfold`)
          if (Psql.isInstalled) {
            const { status, stderr } = yield* Psql.run(url, "install.sql")
            assert.strictEqual(status, 3)
            assert.include(stderr, refused)
          }
          // A layer that may install has nothing to do.
          yield* Effect.exit(openStore(url, { install: true }))
          yield* Effect.exit(openReadModels(url, { install: true }))
          assert.deepStrictEqual(yield* Effect.provideService(Catalog.objects(), SqlClient, sql), before)
        }
      }))

    it.effect("an older library works with a newer schema that serves it, before and after its upgrade", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        const sql = yield* Database.session(url)
        const before = yield* openStore(url)
        yield* before.append("account-1", [{ type: "T", data: {} }])
        const { sql: later, version } = yield* Snapshot.later(Postgres.schemaVersion)
        yield* sql.unsafe(asOneStatement(later))
        for (const store of [before, yield* openStore(url), yield* openStore(url, { install: true })]) {
          yield* store.append("account-1", [{ type: "T", data: {} }])
          yield* store.writeAll([
            { streamName: "account-1", messages: [], expectedVersion: "exists" },
            { streamName: "account-2", messages: { type: "T", data: {} } }
          ])
          assert.isAbove((yield* store.readAllPage()).messages.length, 2)
        }
        yield* openReadModels(url)
        yield* openReadModels(url, { install: true })
        assert.deepStrictEqual(yield* installations(sql), [
          [Postgres.schemaVersion, null, "eventfold"],
          [version, Postgres.schemaVersion, "eventfold"]
        ])
      }))

    it.effect("an older library refuses a newer schema that does not serve it, and says what to deploy first", () =>
      Effect.gen(function*() {
        const { url, version } = yield* makeLater(server, Postgres.schemaVersion + 1)
        for (const options of [{}, { install: true }]) {
          for (const opening of [Effect.asVoid(openStore(url, options)), openReadModels(url, options)]) {
            const { message, reason } = yield* Effect.flip(opening)
            assert.deepStrictEqual(
              reason,
              new Postgres.SchemaTooNew({
                installed: version,
                oldestServed: version,
                library: Postgres.schemaVersion
              })
            )
            assert.include(message, "deploy this program with a newer eventfold first")
          }
        }
      }))

    it.effect("the schema has all that the libraries use which it serves", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const [row] = yield* sql<{ readonly oldest: number }>`SELECT eventfold.oldest_client_version() AS oldest`
        const oldest = row?.oldest ?? 0
        const now = yield* interfaces
        const served = pastVersions.filter((version) => version >= oldest)
        assert.isAtMost(oldest, Postgres.schemaVersion)
        for (const version of served) {
          const past = yield* makePast(server, version)
          const before = yield* Effect.provideService(interfaces, SqlClient, past.sql)
          assert.deepStrictEqual(before.filter((object) => !now.includes(object)), [], `of version ${version}`)
        }
      }))

    it.effect("two processes at once create one", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server, empty: true })
        const install = Effect.provide(Postgres.install(), Database.client(url), { local: true })
        yield* Effect.all(
          [install, install, ...Psql.isInstalled ? [Psql.run(url, "install.sql"), Psql.run(url, "install.sql")] : []],
          { concurrency: "unbounded" }
        )
        const sql = yield* Database.session(url)
        assert.deepStrictEqual(yield* installations(sql), [[Postgres.schemaVersion, null, "eventfold"]])
        assert.deepStrictEqual(
          yield* Effect.provideService(Catalog.objects(), SqlClient, sql),
          yield* Catalog.objects()
        )
      }))
  })
}
