/**
 * Several logs in one database: each is a store of its own, and they touch one another nowhere.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Diagnosis, Inspection, Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Sql from "@eventfold/sql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as MessageStore from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import * as ReadModel from "eventfold/ReadModel"
import * as Streams from "eventfold/Streams"
import * as Verify from "eventfold/Verify"
import { writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { inject } from "vitest"
import * as Archives from "../support/Archives.ts"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import * as Psql from "../support/Psql.ts"
import * as Store from "../support/Store.ts"
import { within } from "../support/Until.ts"

const { on } = Archives

/** The log of Message DB's names, and two others. */
const schemas = ["message_store", "shop_eu", "shop_us"] as const

const namesOf = (schema: string) => Effect.orDie(Effect.fromResult(Sql.namesOf(schema)))

/** A database with all three logs. */
class Logs extends Context.Service<Logs, { readonly url: string }>()("@eventfold/test/Logs") {
  static readonly layer = (server: Database.NamedServer) =>
    Layer.effect(
      Logs,
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        yield* Effect.forEach(schemas, (schema) => Postgres.install({ schema, traceIndexes: true })).pipe(
          Effect.provide(Database.client(url))
        )
        return { url }
      })
    )
}

const open = (schema: string, options: Omit<Postgres.Options, "url"> = {}) =>
  Effect.flatMap(Logs, ({ url }) => Store.open(url, { maxConnections: 2, ...options, schema }))

/** Does the same on each log. */
const onEach = <A, E, R>(use: (store: Store.Store, schema: typeof schemas[number]) => Effect.Effect<A, E, R>) =>
  Effect.forEach(schemas, (schema) => Effect.flatMap(open(schema), (store) => use(store, schema)))

const onClient = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Logs,
    ({ url }) => Effect.provide(effect, PgClient.layer({ url: Redacted.make(url), maxConnections: 4 }))
  )

const Order = Category.make("order", { Placed: { total: Schema.Int } })

const Orders = SqlReadModel.make("orders", {
  version: 1,
  tables: ["CREATE TABLE orders (id text PRIMARY KEY, total integer NOT NULL)"]
}).on(Order, {
  Placed: Effect.fnUntraced(function*({ data, id }) {
    const sql = yield* SqlClient
    yield* sql`INSERT INTO orders (id, total) VALUES (${id}, ${data.total}::int4)`
  })
})

/** The read models of a log, and the client of their handlers. */
const readModelsOf = (url: string, schema: string) =>
  Layer.provideMerge(SqlReadModel.layer({ schema }), Database.client(url))

const Rooms = Streams.make({ category: "room" })

const findings = Effect.map(
  Stream.runCollect(Verify.run()),
  (all) => all.map((finding) => "name" in finding ? `${finding._tag} ${finding.name}` : finding._tag)
)

/** The checks that find something wrong with a log, and what to do. */
const problems = (schema: string) =>
  Effect.map(
    Stream.runCollect(Diagnosis.checksOf({ schema })),
    (checks) =>
      checks.filter(({ status }) => status === "problem").map(({ check, remedy }) => [
        check,
        Option.getOrElse(remedy, () => "")
      ])
  )

/** The objects of a log. */
const objectsOf = (schema: string) =>
  Effect.flatMap(namesOf(schema), (names) => Catalog.objects([names.messageStore, names.eventfold]))

/** Runs a script with psql. */
const runScript = (script: string, url: string, variables?: Readonly<Record<string, string>>) => {
  const file = join(tmpdir(), `eventfold-${process.pid}.sql`)
  writeFileSync(file, script)
  return Psql.run(url, relative(Psql.folder, file), variables)
}

for (const server of inject("postgres")) {
  layer(Logs.layer(server), { excludeTestServices: true })(`logs of one database, on ${server.name}`, (it) => {
    it.effect("each has its own streams, positions and messages", () =>
      Effect.gen(function*() {
        const results = yield* onEach((store, schema) =>
          Effect.gen(function*() {
            const first = yield* store.append("cart-1", [{ type: "Opened", data: schema }], {
              expectedVersion: "noStream"
            })
            yield* store.append("cart-2", [{ type: "Opened", data: schema }])
            return first
          })
        )
        for (const { globalPosition, version } of results) {
          assert.deepStrictEqual({ globalPosition, version }, { globalPosition: 1, version: 0 })
        }
        yield* onEach((store, schema) =>
          Effect.gen(function*() {
            assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "cart-1")), [schema])
            assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, "cart")), [schema, schema])
            assert.deepStrictEqual(Store.dataOf(yield* Stream.runCollect(store.readAll())), [schema, schema])
            assert.strictEqual(yield* store.lastPosition, 2)
          })
        )
      }))

    it.effect("the same id is free in each", () =>
      onEach((store) =>
        store.append("ids-1", [{ id: "00000000-0000-4000-8000-000000000001", type: "Once", data: null }])
      ))

    it.effect("a transaction that holds the lock of a category keeps no other log waiting", () =>
      Effect.gen(function*() {
        const [one, ...others] = yield* Effect.forEach(schemas, (schema) => open(schema, Store.patient))
        assert.isDefined(one)
        const outside = yield* Effect.scope
        yield* one.transaction(Effect.gen(function*() {
          yield* one.append("locked-1", Store.numbered(1))
          for (const other of others) {
            // In a fiber that is in no transaction.
            const fiber = yield* Effect.forkIn(other.append("locked-1", Store.numbered(1)), outside)
            yield* within("for another log")(Fiber.join(fiber))
          }
        }))
      }))

    it.effect("a lease of one leaves the name free in the others", () =>
      Effect.gen(function*() {
        yield* onEach((store) => Effect.map(store.lease("worker"), (lease) => assert.isTrue(Option.isSome(lease))))
        yield* onEach((store) => Effect.map(store.lease("worker"), (lease) => assert.isTrue(Option.isNone(lease))))
      }))

    it.effect("an announcement of one goes over its channel, and over no other", () =>
      Effect.gen(function*() {
        const { url } = yield* Logs
        // A client listens on a connection of its own.
        const channels = yield* Effect.forEach(
          schemas,
          Effect.fnUntraced(function*(schema) {
            const client = yield* Layer.build(Layer.fresh(Database.client(url)))
            return yield* Context.get(client, PgClient.PgClient).listen((yield* namesOf(schema)).eventfold)
          })
        )
        for (const round of ["first", "second"]) {
          yield* onEach((store, schema) => store.append(`${round}:${schema}-1`, Store.numbered(1)))
          for (const [index, schema] of schemas.entries()) {
            const { payload } = yield* within("for an announcement")(
              Queue.take(channels[index] ?? (yield* Effect.die(new Error("no channel"))))
            )
            assert.deepStrictEqual(JSON.parse(payload).categories, [`${round}:${schema}`])
          }
        }
      }))

    it.effect("a write wakes the readers of its log in another process", () =>
      Effect.gen(function*() {
        yield* onEach((writer, schema) =>
          Effect.gen(function*() {
            const wakeUps = yield* (yield* open(schema)).wakeUps("woken")
            // The first one says that the listener is connected.
            yield* within("for the listener")(wakeUps.await)
            yield* writer.append("woken-1", Store.numbered(1))
            yield* within("for a wake-up")(wakeUps.await)
          })
        )
      }))

    it.effect("each has the positions of its consumers", () =>
      Effect.gen(function*() {
        const key = { category: "cart", consumerId: "mail" }
        yield* onEach((store, schema) =>
          on(store)(Effect.gen(function*() {
            const positions = yield* PositionStore.PositionStore
            yield* positions.put(key, { position: schemas.indexOf(schema) + 1 })
          }))
        )
        yield* onEach((store, schema) =>
          on(store)(Effect.gen(function*() {
            const positions = yield* PositionStore.PositionStore
            assert.deepStrictEqual(yield* positions.get(key), Option.some({ position: schemas.indexOf(schema) + 1 }))
          }))
        )
      }))

    it.effect("each has streams with attributes, and deletes its own", () =>
      Effect.gen(function*() {
        yield* onEach((store, schema) => on(store)(Rooms.add({ id: "1", attributes: { log: schema } })))
        const [one] = yield* onEach((store) => Effect.succeed(store))
        assert.isDefined(one)
        yield* on(one)(Rooms.delete("1", { by: "ann", reason: "test" }))
        const left = yield* onEach((store) => on(store)(Rooms.get("1")))
        assert.deepStrictEqual(left.map(Option.isSome), [false, true, true])
      }))

    it.effect("each has its read models, in schemas of its own", () =>
      Effect.gen(function*() {
        const { url } = yield* Logs
        yield* onEach((store, schema) =>
          Effect.gen(function*() {
            yield* on(store)(Order.append("1", Order.events.Placed({ total: schemas.indexOf(schema) })))
            const last = yield* store.lastPosition
            yield* on(store)(
              Effect.gen(function*() {
                yield* Effect.forkChild(ReadModel.run(Orders))
                yield* within("for the read model")(ReadModel.waitFor(Orders, last))
              }).pipe(Effect.provide(readModelsOf(url, schema)))
            )
          })
        )
        const totals = yield* onClient(Effect.flatMap(SqlClient, (sql) =>
          sql<{ readonly total: number }>`SELECT total FROM orders.orders
            UNION ALL SELECT total FROM shop_eu__orders.orders UNION ALL SELECT total FROM shop_us__orders.orders`))
        assert.deepStrictEqual(
          totals.map(({ total }) =>
            total
          ),
          [0, 1, 2]
        )
      }))

    it.effect("a read model whose schema would have a name that is too long is refused", () =>
      Effect.gen(function*() {
        const { url } = yield* Logs
        const schema = "shop_eu_west_1"
        const store = yield* open(schema, { install: true })
        // shop_eu_west_1__, the longest name of a read model, and _1 are 68 characters.
        const long = SqlReadModel.make("o".repeat(50), { version: 1, tables: [] }).on(Order, {
          Placed: () => Effect.void
        })
        const error = yield* on(store)(Effect.flip(ReadModel.run(long))).pipe(
          Effect.provide(readModelsOf(url, schema)),
          within("for the refusal")
        )
        assert.include(error.message, "longer name than the 63 bytes that PostgreSQL keeps")
      }))

    it.effect("each is a store of its own by its identity, and finds nothing wrong with itself", () =>
      Effect.gen(function*() {
        const identities = yield* onEach((store) => store.identity)
        assert.strictEqual(new Set(identities.map(({ database }) => database)).size, schemas.length)
        assert.deepStrictEqual(yield* onEach((store) => on(store)(findings)), [[], [], []])
        const described = yield* onEach((store) => store.describe)
        for (const [index, { relations }] of described.entries()) {
          const names = yield* namesOf(schemas[index] ?? "")
          assert.deepStrictEqual(
            [...new Set(relations.map(({ schema }) => schema))].toSorted(),
            [names.eventfold, names.messageStore].toSorted()
          )
        }
      }))

    it.effect("the diagnosis and the versions are of a log", () =>
      onClient(Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* sql`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'shop_eu.messages_id'::regclass`
        assert.deepStrictEqual(yield* problems("shop_eu"), [
          ["indexes", "REINDEX INDEX CONCURRENTLY shop_eu.messages_id"]
        ])
        assert.deepStrictEqual(yield* problems("shop_us"), [])
        yield* sql`UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'shop_eu.messages_id'::regclass`
        const { functions, schema } = yield* Inspection.versionsOf({ schema: "shop_eu" })
        assert.deepStrictEqual([functions, schema], ["ours", Option.some(Postgres.schemaVersion)])
        assert.strictEqual((yield* Inspection.versionsOf({ schema: "nowhere" })).functions, "none")
        const [row] = yield* Stream.runCollect(
          Inspection.summary("stream", { schema: "shop_us", containing: "cart-1" })
        )
        assert.deepInclude(row, { streamName: "cart-1", messages: 1 })
      })))

    it.effect("an installation or a removal of one changes nothing of the others", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        yield* Effect.gen(function*() {
          yield* Effect.forEach(schemas, (schema) => Postgres.install({ schema }))
          const before = yield* Effect.forEach(schemas, objectsOf)
          yield* Postgres.install({ schema: "shop_eu", traceIndexes: true })
          const { messageStore } = yield* Postgres.uninstall({
            schema: "shop_eu",
            database: new URL(url).pathname.slice(1)
          })
          assert.isTrue(messageStore)
          const after = yield* Effect.forEach(schemas, objectsOf)
          assert.deepStrictEqual(after, [before[0], [], before[2]])
          const missing = yield* Effect.flip(Effect.scoped(Store.open(url, { schema: "shop_eu" })))
          assert.include(missing.message, "log shop_eu: the database has no schema shop_eu:")
          assert.include(missing.message, "`npx @eventfold/cli install --schema shop_eu`")
          assert.strictEqual(yield* Effect.scoped(Effect.flatMap(Store.open(url), (store) => store.lastPosition)), 0)
        }).pipe(Effect.provide(Database.client(url)))
      }))

    it.effect("a log needs no other, and names none, whatever it is called", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server, empty: true })
        yield* Effect.gen(function*() {
          const sql = yield* SqlClient
          // Names that aliases in our SQL have as well.
          for (const schema of ["alone", "streams", "category", "id", "names", "eventfold_2"]) {
            yield* Postgres.install({ schema, role: false, traceIndexes: true })
            const { eventfold, messageStore } = yield* namesOf(schema)
            const mentions = (yield* Catalog.objects([eventfold, messageStore])).join("\n").split("\n")
              .map((line) => line.replace(/--.*/, "").replaceAll(/current_setting\('(message_store|eventfold)\./g, ""))
              .filter((line) => /(?<!_)\b(message_store|eventfold)\b/.test(line))
            // The column that says whose functions there are.
            const column =
              /^(column \S+installations\.\d+ message_store text|constraint installations_message_store_not_null NOT NULL) ?/
            assert.deepStrictEqual(mentions.filter((line) => !column.test(line)), [])
            const store = yield* Store.open(url, { schema, maxConnections: 2 })
            yield* store.append("cart-1", Store.numbered(3))
            assert.deepStrictEqual(yield* on(store)(findings), [])
          }
          const rows = yield* sql`SELECT FROM pg_namespace WHERE nspname IN ('message_store', 'eventfold')`
          assert.lengthOf(rows, 0)
        }).pipe(Effect.scoped, Effect.provide(Database.client(url)))
      }))

    it.effect("a schema with tables of an application does not become a log", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server, empty: true })
        yield* Effect.gen(function*() {
          const sql = yield* SqlClient
          yield* sql`CREATE SCHEMA app`
          yield* sql`CREATE TABLE app.messages (id integer)`
          const error = yield* Effect.flip(Postgres.install({ schema: "app" }))
          assert.include(error.message, "the schema app has objects, and they are not those of a message store")
        }).pipe(Effect.provide(Database.client(url)))
      }))

    it.effect("no word of SQL is the name of a log, and the refusal says what a name is", () =>
      Effect.gen(function*() {
        const words = yield* onClient(Effect.flatMap(SqlClient, (sql) =>
          sql<{ readonly word: string }>`SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'`))
        assert.isAbove(words.length, 100)
        for (const { word } of words) {
          assert.isTrue(Result.isFailure(Sql.namesOf(word)), word)
        }
        const { url } = yield* Logs
        for (
          const [schema, says] of [
            ["Shop", "a name begins with a letter from a to z"],
            ["shop-eu", "a name begins with a letter from a to z"],
            ["shop__eu", "single underscores"],
            ["", "a name begins with a letter from a to z"],
            ["a".repeat(41), "it has 41 characters, and 40 are the most"],
            ["pg_shop", "are PostgreSQL's"],
            ["user", "it is a word of SQL; choose another one, such as user_log"],
            ["messages", "it is the name of the table of messages"],
            ["public", "a schema for something else"]
          ] as const
        ) {
          const error = yield* Effect.flip(Effect.scoped(Store.open(url, { schema })))
          assert.strictEqual(error.reason._tag, "InvalidOption")
          assert.include(error.message, "the option schema is")
          assert.include(error.message, says)
        }
      }))

    it.effect.skipIf(!Psql.isInstalled)(
      "psql installs a log as the library does, and removes it",
      () =>
        Effect.gen(function*() {
          const names = yield* namesOf("shop_eu")
          const [one, other] = [
            yield* Database.make({ server, empty: true }),
            yield* Database.make({ server, empty: true })
          ]
          const objects = (url: string) =>
            Effect.provide(Catalog.objects([names.messageStore, names.eventfold]), Database.client(url))
          yield* Effect.provide(Postgres.install({ schema: "shop_eu" }), Database.client(one.url))
          assert.deepStrictEqual(yield* runScript(yield* Sql.installScript(names), other.url), Psql.silence)
          assert.deepStrictEqual(yield* objects(other.url), yield* objects(one.url))
          const removed = yield* runScript(yield* Sql.uninstallScript(names), other.url, { database: other.name })
          assert.include(removed.stdout, "Removed the schemas shop_eu and shop_eu__eventfold.")
          assert.deepStrictEqual(yield* objects(other.url), [])
        })
    )
  })
}

layer(Layer.empty, { excludeTestServices: true })("logs of one PGlite", (it) => {
  it.effect("each has its messages and its leases", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Pglite.layerClient())
      const stores = yield* Effect.forEach(schemas, (schema) =>
        Effect.map(
          Layer.build(Layer.fresh(Postgres.layerClient({ install: true, schema }))),
          Context.get(MessageStore.MessageStore)
        )).pipe(Effect.provideContext(context))
      for (const store of stores) {
        assert.strictEqual((yield* store.append("cart-1", Store.numbered(1))).globalPosition, 1)
        assert.isTrue(Option.isSome(yield* store.lease("worker")))
        assert.isTrue(Option.isNone(yield* store.lease("worker")))
      }
    }))

  it.effect("the layer takes the name of its log", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* store.append("cart-1", Store.numbered(1))
      const { privileges } = yield* store.describe
      assert.include(privileges.map(({ on }) => on), "shop_eu.messages")
    }).pipe(Effect.provide(Pglite.layer({ schema: "shop_eu" }))))
})
