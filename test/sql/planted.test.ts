import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Diagnosis, Inspection, Postgres, SqlReadModel } from "@eventfold/postgres"
import { asOneStatement } from "@eventfold/sql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Archive from "eventfold/Archive"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import * as MemoryStore from "eventfold/MemoryStore"
import * as MessageStore from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as ReadModel from "eventfold/ReadModel"
import * as Runners from "eventfold/Runners"
import * as Streams from "eventfold/Streams"
import * as Trace from "eventfold/Trace"
import * as Verify from "eventfold/Verify"
import { inject } from "vitest"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Planted from "../support/Planted.ts"
import * as Psql from "../support/Psql.ts"
import * as Role from "../support/Role.ts"
import * as Snapshot from "../upgrade/snapshot.ts"

/** Where `public` comes: after PostgreSQL's own schema, as by default, or before it, as a session may say. */
const paths = ["\"$user\", public", "public, pg_catalog"] as const

/** With this path every overload that is planted comes into play, also those with the arguments of PostgreSQL's own. */
const worstPath = paths[1]

const clientWith = (url: string, searchPath: string) =>
  PgClient.layer({ url: Redacted.make(url), maxConnections: 4, startupParameters: { search_path: searchPath } })

/** A server whose new databases have the overloads, and nothing else: they are planted once, in a template. */
class PlantedServer extends Context.Service<PlantedServer, Database.Server>()("test/sql/PlantedServer") {
  static readonly layer = (server: Database.NamedServer) =>
    Layer.effect(
      PlantedServer,
      Effect.gen(function*() {
        const { name, url } = yield* Database.make({ server, empty: true })
        const count = yield* Effect.provide(Planted.plant, Database.client(url))
        assert.isAbove(count, 500)
        return { url: server.url, template: name }
      })
    )
}

/** A database in which the overloads have been planted. */
const makePlanted = Effect.gen(function*() {
  const { url } = yield* Database.make({ server: yield* PlantedServer })
  return url
})

/** What the client's database has of ours, by a path on which nothing was planted. */
const objects = (url: string) => Effect.provide(Catalog.objects(), clientWith(url, "pg_catalog"))

const Order = Category.make("order", { Placed: { total: Schema.Int }, Shipped: {} })

const OrderState = Entity.make(Order, {
  state: Schema.Struct({ total: Schema.Int }),
  initial: { total: 0 },
  evolve: { Placed: (state, { total }) => ({ total: state.total + total }), Shipped: (state) => state }
})

const Orders = SqlReadModel.make("orders", {
  version: 1,
  tables: ["CREATE TABLE orders (id text PRIMARY KEY, total integer NOT NULL)"]
}).on(Order, {
  Placed: Effect.fnUntraced(function*({ data, id }) {
    const sql = yield* SqlClient
    yield* sql`INSERT INTO orders (id, total) VALUES (${id}, ${data.total}::int4) ON CONFLICT (id) DO NOTHING`
  })
})

/** What an application does with a store: each kind of write, of read, and of worker. */
const everything = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  const id = "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b"
  const first = yield* store.append("account-1", [{ id, type: "T", data: {} }], { expectedVersion: "noStream" })
  assert.deepStrictEqual(yield* store.append("account-1", [{ id, type: "T", data: {} }]), first)
  yield* store.append("account-1", [{ type: "T", data: {} }, { type: "U", data: {} }], { expectedVersion: 0 })
  yield* Effect.flip(store.append("account-1", [{ type: "T", data: {} }], { expectedVersion: 0 }))
  yield* Effect.forEach([1, 2, 3, 4], () => store.append("account-2", [{ type: "T", data: {} }]), {
    concurrency: "unbounded"
  })
  yield* store.writeAll([
    { streamName: "account-3", messages: [{ type: "T", data: {} }], expectedVersion: "noStream" },
    { streamName: "account-1", messages: [], expectedVersion: 2 }
  ])
  assert.lengthOf(yield* Stream.runCollect(store.readStream("account-1")), 3)
  assert.lengthOf(yield* Stream.runCollect(store.readStream("account-1", { direction: "backwards" })), 3)
  const together = yield* Effect.forEach(
    ["account-1", "account-2", "account-3"],
    (name) => Stream.runCollect(store.readStream(name)),
    { concurrency: "unbounded" }
  )
  assert.deepStrictEqual(together.map(({ length }) => length), [3, 4, 1])
  assert.lengthOf(
    yield* Stream.runCollect(
      store.readCategory("account", { types: ["T"], consumerGroup: { member: 0, size: 1 } })
    ),
    7
  )
  assert.lengthOf(yield* Stream.runCollect(store.readAll({ categories: ["account"], types: ["U"] })), 1)
  assert.lengthOf(yield* Stream.runCollect(store.readAll()), 8)
  assert.isTrue(Option.isSome(yield* store.lastMessage("account-1", { type: "U" })))
  yield* Effect.forEach([1, 2], () => OrderState.transact("1", () => Effect.succeed(Order.events.Placed({ total: 1 }))))
  assert.deepStrictEqual((yield* OrderState.load("1")).state, { total: 2 })
  yield* MessageStore.transaction(store.append("order-2", [{ type: "Placed", data: { total: 5 } }]))

  const consumer = yield* Consumer.start(Consumer.make("mailer").on(Order, { Placed: () => Effect.void }))
  yield* consumer.waitFor(yield* store.lastPosition)
  const worker = yield* ReadModel.start(Orders)
  yield* worker.waitFor(yield* store.lastPosition)
  const sql = yield* SqlClient
  assert.deepStrictEqual(yield* sql`SELECT id, total FROM orders.orders`.values, [["1", 1], ["2", 5]])
  yield* Stream.runDrain(ReadModel.rebuild(Orders))
  yield* store.heldBack()
  yield* Effect.scoped(store.lease("mine"))
  yield* store.streamVersion("account-1")
  yield* store.findMessage("account-1", id)
  yield* store.lastCategoryMessage("account")
  yield* store.countCategory("account")
  const { categories } = yield* store.categories({ prefix: "a", after: "a" })
  assert.include(categories.map(({ category }) => category), "account")
  assert.lengthOf((yield* store.streams({ category: "account", prefix: "account-", after: "account-1" })).streams, 2)
  assert.lengthOf((yield* store.changedStreams("account")).streams, 3)
  assert.isTrue(Option.isSome(yield* store.messageById(id)))
  yield* Stream.runDrain(Consumer.list)
  yield* Stream.runDrain(Parking.owners)
  yield* Runners.list
  yield* store.countAll()
  yield* store.messageAt(1)
  const trace = Effect.andThen(Trace.effects(1), Trace.tree("account-1"))
  assert.isFalse((yield* Postgres.install()).traceIndexes.areReady)
  yield* trace
  assert.isTrue((yield* Postgres.install({ traceIndexes: true })).traceIndexes.areReady)
  yield* trace
  yield* store.identity
  const { relations } = yield* store.describe
  assert.isTrue(relations.every(({ isValid }) => isValid))
  yield* Inspection.versions
  assert.lengthOf(yield* Stream.runCollect(Inspection.summary("stream", { containing: "account-" })), 3)
  const checks = yield* Stream.runCollect(Diagnosis.checks)
  assert.deepStrictEqual(checks.filter(({ status }) => status === "problem"), [])
  const room = Streams.make({ category: "room" })
  yield* room.add({ id: "1", attributes: { a: 1 } })
  const archives = [{}, { category: "account", from: 2 }, { streamName: "account-1", from: 2 }]
  for (const options of archives) {
    const pieces = yield* Stream.runCollect(Archive.toStream(options))
    const { written } = yield* Archive.fromStream(Stream.fromIterable(pieces), { globalPositions: "new" })
    assert.strictEqual(written, 0)
  }
  const other = yield* MemoryStore.make.pipe(Effect.flatMap(MessageStore.make))
  yield* other.append("moved-1", [{ type: "T", data: {} }, { type: "T", data: {} }])
  const moved = yield* Stream.runCollect(
    Stream.provideService(Archive.toStream(), MessageStore.MessageStore, other)
  )
  assert.strictEqual((yield* Archive.fromStream(Stream.fromIterable(moved))).written, 2)
  assert.deepStrictEqual(yield* Stream.runCollect(Verify.run()), [])
}).pipe(Effect.scoped)

const noIndexes = { traceIndexes: { areReady: false, statements: [] } }

const nothingWrong = { mended: [], unmended: [] }

for (const server of inject("postgres")) {
  const databases = Layer.merge(Database.layer({ server }), PlantedServer.layer(server))

  layer(databases, { excludeTestServices: true })(`planted overloads on ${server.name}`, (it) => {
    it.effect("every function is bound when it is made, or has a path that begins with PostgreSQL's own schema", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const [{ names } = { names: [] }] = yield* sql<{ readonly names: ReadonlyArray<string> }>`
          SELECT array_agg(oid::regprocedure::text) AS names FROM pg_proc
          WHERE pronamespace IN ('message_store'::regnamespace, 'eventfold'::regnamespace)
            AND prosqlbody IS NULL
            AND NOT EXISTS (
              SELECT FROM unnest(proconfig) AS setting WHERE setting ~ '^search_path=pg_catalog, ((message_store|eventfold), )?pg_temp$'
            )`
        assert.isNull(names)
      }))

    it.effect.each([worstPath])("the library installs, with the path %s", (path) =>
      Effect.gen(function*() {
        const url = yield* makePlanted
        const installed = yield* Effect.provide(Postgres.install(), clientWith(url, path))
        assert.deepStrictEqual(installed, {
          version: Postgres.schemaVersion,
          previousVersion: Option.none(),
          ...nothingWrong,
          ...noIndexes
        })
        assert.deepStrictEqual(
          yield* objects(url),
          yield* objects((yield* Database.Database).url)
        )
        const again = yield* Effect.provide(Postgres.install(), clientWith(url, path))
        assert.deepStrictEqual(again.previousVersion, Option.some(Postgres.schemaVersion))
        const database = new URL(url).pathname.slice(1)
        yield* Effect.provide(Postgres.uninstall({ database }), clientWith(url, path))
      }))

    it.effect.each(Psql.isInstalled ? [worstPath] : [])(
      "psql installs and uninstalls, with the path %s",
      (path) =>
        Effect.gen(function*() {
          const url = yield* makePlanted
          const name = new URL(url).pathname.slice(1)
          const withPath = new URL(url)
          withPath.search = `options=${encodeURIComponent(`-csearch_path=${path.replaceAll(" ", "")}`)}`
          assert.deepStrictEqual(yield* Psql.run(withPath.href, "install.sql"), Psql.silence)
          assert.deepStrictEqual(yield* objects(url), yield* objects((yield* Database.Database).url))
          assert.strictEqual((yield* Psql.run(withPath.href, "uninstall.sql", { database: name })).status, 0)
        })
    )

    it.effect.each([worstPath])("no function calls one, with the path %s", (path) =>
      Effect.gen(function*() {
        const url = yield* makePlanted
        yield* Effect.provide(Postgres.install(), clientWith(url, path))
        const sql = yield* SqlClient
        const role = yield* Role.make()
        yield* sql`GRANT message_store TO ${sql(role.name)}`
        const session = Context.get(yield* Layer.build(clientWith(role.url(url), path)), SqlClient)
        const call = (statement: string) => session.unsafe(statement).values
        const write = (id: string, stream: string) =>
          call(
            `SELECT message_store.write_message('${id}'::varchar, '${stream}'::varchar, 'T'::varchar, '{"a":1}'::jsonb,
            '{"correlationStreamName":"other-1"}'::jsonb, NULL::bigint)`
          )
        assert.deepStrictEqual(yield* write("0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a01", "account-1"), [[0n]])
        assert.deepStrictEqual(yield* write("0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a02", "account-1"), [[1n]])
        const called = yield* Effect.forEach([
          "message_store.get_stream_messages('account-1'::varchar, 0::bigint, 10::bigint, NULL::varchar)",
          `message_store.get_category_messages('account'::varchar, 1::bigint, 10::bigint, 'other'::varchar, 0::bigint, 1::bigint,
            NULL::varchar)`,
          "message_store.get_category_messages('account'::varchar, 1::bigint, -1::bigint, NULL::varchar, NULL, NULL, NULL)",
          "message_store.get_last_stream_message('account-1'::varchar, NULL::varchar)",
          "message_store.get_last_stream_message('account-1'::varchar, 'T'::varchar)",
          "message_store.stream_version('account-1'::varchar)",
          "message_store.acquire_lock('account-1'::varchar)",
          "message_store.category('account-1'::varchar)",
          "message_store.id('account-1'::varchar)",
          "message_store.cardinal_id('account-1'::varchar)",
          "message_store.is_category('account-1'::varchar)",
          "message_store.hash_64('account-1'::varchar)",
          "message_store.message_store_version()",
          "message_store.stream_summary",
          "message_store.type_summary",
          "message_store.stream_type_summary",
          "message_store.type_stream_summary",
          "message_store.category_type_summary",
          "message_store.type_category_summary",
          `eventfold.append(ARRAY['account-2','account-3']::text[], ARRAY[-1,-1]::bigint[], ARRAY[1,2]::integer[],
            ARRAY['0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a03','0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a04',
              '0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a05']::uuid[],
            ARRAY['T','T','T']::text[], ARRAY['{}','{}','{}']::text[], ARRAY['','','']::text[], false, false)`,
          `eventfold.append(ARRAY['account-2','account-3']::text[], ARRAY[5,-1]::bigint[], ARRAY[1,1]::integer[],
            ARRAY['0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a03','0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a06']::uuid[],
            ARRAY['T','T']::text[], ARRAY['{}','{}']::text[], ARRAY['','{"traceparent":"x"}']::text[], true, true)`,
          `eventfold.append_message('account-4'::text, -1::bigint, '0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a07'::uuid, 'T'::text,
            '{}'::jsonb, NULL::jsonb)`,
          `eventfold.append_message('account-4'::text, -1::bigint, '0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a07'::uuid, 'T'::text,
            '{}'::jsonb, NULL::jsonb)`,
          "eventfold.read_all(1::bigint, 10::bigint, NULL::varchar[], NULL::text[], 0::bigint)",
          "eventfold.read_all(1::bigint, 10::bigint, ARRAY['account']::varchar[], ARRAY['T']::text[], 0::bigint)",
          "eventfold.read_for_fold('account-2'::text, 0::bigint, 10::bigint)",
          "eventfold.gap_writers()",
          "eventfold.log_run()",
          "eventfold.schema_version()",
          "eventfold.oldest_client_version()",
          "eventfold.dependents('message_store'::text)"
        ], (from) => Effect.map(call(`SELECT * FROM ${from}`), (rows) => [from.split("(")[0], rows.length]))
        assert.deepStrictEqual(
          called.filter(([, count]) => count === 0).map(([name]) => name),
          ["eventfold.gap_writers"]
        )
        const admin = Context.get(yield* Layer.build(clientWith(url, path)), SqlClient)
        yield* admin.unsafe("CREATE SCHEMA shop")
        yield* admin.unsafe("CREATE SCHEMA shop_2")
        yield* admin.unsafe("SELECT eventfold.replace_schema('shop'::text, 'shop_1'::text, 'shop_2'::text)")
      }))

    it.effect("the store, consumers and read models call none, with the default path", () =>
      Effect.gen(function*() {
        const url = yield* makePlanted
        const stores = Layer.merge(Postgres.layerClient({ install: true }), SqlReadModel.layer({ install: true })).pipe(
          Layer.provideMerge(clientWith(url, "\"$user\", public"))
        )
        yield* Effect.provide(everything, stores)
      }))

    it.effect.each(paths)(
      "a store that was bound wrongly is mended, with the path %s",
      (path) =>
        Effect.gen(function*() {
          const { url } = yield* Database.make({ server, empty: true })
          const sql = Context.get(yield* Layer.build(clientWith(url, path)), SqlClient)
          yield* sql.unsafe(
            `CREATE FUNCTION public.split_part(varchar, text, integer) RETURNS text LANGUAGE sql IMMUTABLE
          RETURN 'planted'`
          )
          if (path.startsWith("public")) {
            yield* sql.unsafe(
              `CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE RETURN '2000-01-01Z'::timestamptz`
            )
          }
          yield* sql.unsafe(asOneStatement(yield* Snapshot.kept(4)))
          yield* sql.unsafe(
            `SELECT message_store.write_message(gen_random_uuid()::varchar, 'account-1', 'T', '{}')`
          )
          yield* sql.unsafe("CREATE INDEX mine ON message_store.messages (message_store.cardinal_id(stream_name))")
          assert.deepStrictEqual(yield* sql`SELECT message_store.category('account-1') AS category`, [{
            category: "planted"
          }])

          const installed = yield* Effect.provide(Postgres.install(), clientWith(url, path))
          const uses = "uses function public.split_part(character varying,text,integer)"
          const defaults = "uses function public.now()"
          assert.deepStrictEqual(installed, {
            version: Postgres.schemaVersion,
            previousVersion: Option.some(4),
            mended: [
              ...path.startsWith("public")
                ? [
                  `default value for column installed_at of table eventfold.installations ${defaults}`,
                  `default value for column time of table message_store.messages ${defaults}`
                ]
                : [],
              `function message_store.cardinal_id(character varying) ${uses}`,
              `function message_store.category(character varying) ${uses}`
            ],
            unmended: [],
            ...noIndexes
          })
          const plain = Context.get(yield* Layer.build(clientWith(url, "pg_catalog")), SqlClient)
          yield* plain`SET enable_seqscan = off`
          assert.deepStrictEqual(
            yield* plain`SELECT stream_name FROM message_store.get_category_messages('account')`,
            [{ stream_name: "account-1" }]
          )
          assert.deepStrictEqual(
            yield* plain`SELECT stream_name FROM message_store.messages WHERE message_store.cardinal_id(stream_name) = '1'`,
            [{ stream_name: "account-1" }]
          )
          yield* plain`DROP INDEX message_store.mine`
          assert.deepStrictEqual(yield* objects(url), yield* objects((yield* Database.Database).url))
          const again = yield* Effect.provide(Postgres.install(), clientWith(url, path))
          assert.deepStrictEqual({ mended: again.mended, unmended: again.unmended }, nothingWrong)
        })
    )

    it.effect("what another role has put into the schema eventfold is not run, and nothing is installed", () =>
      Effect.gen(function*() {
        const { name, url } = yield* Database.make({ server, empty: true })
        const admin = Context.get(yield* Layer.build(clientWith(url, paths[0])), SqlClient)
        const role = yield* Role.make()
        yield* admin`GRANT CREATE ON DATABASE ${admin(name)} TO ${admin(role.name)}`
        const session = yield* Database.session(role.url(url))
        yield* session`CREATE SCHEMA eventfold`
        const install = Effect.flip(Effect.provide(Postgres.install(), clientWith(url, paths[0])))
        const refusal = `the schema eventfold has objects that eventfold has not made; it belongs to ${role.name}`
        yield* session.unsafe("CREATE TABLE eventfold.installations ()")
        assert.include((yield* install).message, refusal)
        yield* session.unsafe(
          "CREATE FUNCTION eventfold.schema_version() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''planted''; END'"
        )
        assert.include((yield* install).message, refusal)
        assert.deepStrictEqual(yield* admin`SELECT to_regnamespace('message_store') IS NULL AS missing`, [{
          missing: true
        }])
        yield* session`DROP SCHEMA eventfold CASCADE`
      }))

    it.effect("no function of a stock Message DB is run, which another role may own", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server, empty: true })
        const client = Database.client(url)
        const sql = Context.get(yield* Layer.build(client), SqlClient)
        yield* Effect.provide(MessageDb.install("1.3.0"), client)
        yield* sql.unsafe(
          `CREATE OR REPLACE FUNCTION message_store.message_store_version() RETURNS varchar LANGUAGE plpgsql
          AS 'BEGIN RAISE EXCEPTION ''planted''; RETURN ''1.3.0''; END'`
        )
        yield* Effect.provide(Postgres.install(), client)
        assert.deepStrictEqual(yield* sql`SELECT message_store FROM eventfold.installations`, [
          { message_store: "Message DB 1.3.0" }
        ])
      }))

    it.effect("a view whose columns have other types by what it was bound to is made again", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server, empty: true })
        const sql = Context.get(yield* Layer.build(clientWith(url, paths[0])), SqlClient)
        yield* sql.unsafe(`CREATE FUNCTION public.div(bigint, numeric) RETURNS float8 LANGUAGE sql IMMUTABLE RETURN 1`)
        yield* sql.unsafe("CREATE OPERATOR public./ (leftarg = bigint, rightarg = numeric, function = public.div)")
        yield* sql.unsafe(
          `CREATE FUNCTION public.round(float8, integer) RETURNS float8 LANGUAGE sql IMMUTABLE RETURN 1`
        )
        yield* sql.unsafe(asOneStatement(yield* Snapshot.kept(4)))
        const { mended, unmended } = yield* Effect.provide(Postgres.install(), clientWith(url, paths[0]))
        assert.lengthOf(mended, 12)
        assert.include(mended, "view message_store.type_summary uses operator public./(bigint,numeric)")
        assert.deepStrictEqual(unmended, [])
        assert.deepStrictEqual(yield* objects(url), yield* objects((yield* Database.Database).url))
      }))

    it.effect("an index that was bound wrongly is made again, and of a stock Message DB it is told", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server, empty: true })
        const client = Database.client(url)
        const sql = Context.get(yield* Layer.build(client), SqlClient)
        yield* Effect.provide(MessageDb.install("1.3.0"), client)
        yield* sql.unsafe(
          `CREATE FUNCTION public.category(text) RETURNS varchar LANGUAGE sql IMMUTABLE RETURN 'planted'`
        )
        yield* sql`DROP INDEX message_store.messages_category`
        yield* sql`CREATE INDEX messages_category ON message_store.messages (public.category(stream_name), global_position)`
        const beside = yield* Effect.provide(Postgres.install(), client)
        const wrong = ["index message_store.messages_category uses function public.category(text)"]
        assert.deepInclude(beside, { mended: [], unmended: wrong })
        const replaced = yield* Effect.provide(Postgres.install({ replaceFunctions: true }), client)
        assert.deepInclude(replaced, { mended: wrong, unmended: [] })
        const [index] = yield* sql`SELECT pg_get_indexdef('message_store.messages_category'::regclass) AS definition`
        assert.include(String(index?.["definition"]), "message_store.category(")
      }))
  })
}
