/**
 * A client that the application gives to a store, with each option and each setting of a session that it may have. None of them
 * may change what the store answers.
 */
import { PgClient, PgTypes } from "@effect/sql-pg"
import { assert, describe, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Message from "eventfold/Message"
import * as MessageStores from "eventfold/MessageStore"
import type * as ReadModel from "eventfold/ReadModel"
import type { Build } from "eventfold/ReadModelStore"
import { ReadModelStore } from "eventfold/ReadModelStore"
import { InvalidMessage, StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import { randomBytes } from "node:crypto"
import * as net from "node:net"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import * as ReadModels from "../support/ReadModels.ts"
import * as Store from "../support/Store.ts"
import { within } from "../support/Until.ts"

const { MessageStore } = MessageStores

type Options = Omit<PgClient.PgPoolConfig, "url">

const camelToSnake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const snakeToCamel = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

type Register = (types: PgTypes.Registry) => void

/** Registers a codec that reads and writes the bytes of a built-in one as other values. */
const mapped = <A, B>(oid: number, to: (value: A) => B, from: (value: B) => A): Register => {
  const builtIn = PgTypes.makeRegistry()
  return (types) =>
    types.register<B>(oid, {
      decode: (bytes) => Result.map(PgTypes.decode(bytes, oid, 1, builtIn), (value) => to(value as A)),
      encode: (value) => PgTypes.encode(from(value), oid, builtIn)
    })
}

const registry = (...codecs: ReadonlyArray<Register>): PgTypes.Registry => {
  const types = PgTypes.makeRegistry()
  for (const register of codecs) register(types)
  return types
}

const { OID } = PgTypes

const numbers = mapped<bigint, number>(OID.int8, Number, BigInt)
const times = [OID.timestamp, OID.timestamptz].map((oid) =>
  mapped<Date, string>(oid, (date) => date.toISOString(), (text) => new Date(text))
)
const texts = [OID.text, OID.varchar, OID.name].map((oid) =>
  mapped<string, { readonly text: string }>(oid, (text) => ({ text }), ({ text }) => text)
)
const others = [
  mapped<string, string>(OID.uuid, (id) => id.toUpperCase(), (id) => id.toLowerCase()),
  mapped<boolean, number>(OID.bool, (is) => is ? 1 : 0, (number) => number === 1),
  mapped<number, bigint>(OID.int4, BigInt, Number),
  mapped<unknown, string>(OID.jsonb, (json) => JSON.stringify(json), (text) => JSON.parse(text))
]
const intervals = mapped<PgTypes.Interval, ReadonlyArray<number>>(
  OID.interval,
  ({ days, months }) => [days, months],
  ([days = 0, months = 0]) => ({ days, months, microseconds: 0n })
)

const transforms: Options = {
  transformResultNames: snakeToCamel,
  transformQueryNames: camelToSnake,
  transformJson: true
}

/** Every option that `PgClient` documents, but for where the server is, and TLS. What is together can't hide one another. */
const clientOptions: ReadonlyArray<readonly [string, Options]> = [
  ["transformQueryNames, to other names", { transformQueryNames: (name) => `${name}_x` }],
  ["all transforms", transforms],
  ["transformResultNames alone, transformJson: false", {
    transformResultNames: (name) => name.toUpperCase(),
    transformJson: false
  }],
  ["multiplex", { multiplex: true }],
  ["multiplex, one connection, 2 statements", { multiplex: true, maxConnections: 1, multiplexConcurrency: 2 }],
  ["prepare: false", { prepare: false }],
  ["preparedStatementCacheSize: 1", { preparedStatementCacheSize: 1 }],
  ["one connection", { maxConnections: 1, idleTimeout: "1 minute" }],
  ["connections that are soon replaced", { minConnections: 2, maxConnections: 2, connectionTTL: "100 millis" }],
  [
    "maxMessageSize, spanAttributes, applicationName, connectTimeout, keepAlive",
    {
      maxMessageSize: 64 * 1024,
      spanAttributes: { a: 1 },
      applicationName: "it's \"mine\"",
      connectTimeout: "10 seconds",
      keepAlive: "1 second"
    }
  ],
  ["int8 as numbers", { types: registry(numbers) }],
  ["times as texts", { types: registry(...times) }],
  ["texts as objects", { types: registry(...texts) }],
  ["other codecs of all else, and transforms", { ...transforms, types: registry(numbers, ...others) }],
  ["another codec of a type that no store uses", { types: registry(intervals) }]
]

const formats = {
  DateStyle: "German, DMY",
  IntervalStyle: "sql_standard",
  TimeZone: "Asia/Kathmandu",
  bytea_output: "escape",
  extra_float_digits: "-15",
  lc_messages: "C",
  xmloption: "document"
}

const parsing = {
  standard_conforming_strings: "off",
  backslash_quote: "off",
  quote_all_identifiers: "on",
  array_nulls: "off",
  transform_null_equals: "on",
  "plpgsql.extra_errors": "all"
}

/** Settings of a session that a URL, the client, a role or a database can have. */
const settings: ReadonlyArray<readonly [string, Options]> = [
  [
    "formats, a search_path with what is missing",
    { startupParameters: { ...formats, search_path: "\"no such\", message_store, pg_temp" } }
  ],
  ["how statements are read", { startupParameters: parsing }],
  ["repeatable read", { startupParameters: { default_transaction_isolation: "repeatable read" } }],
  [
    "serializable, deferrable",
    { startupParameters: { default_transaction_isolation: "serializable", default_transaction_deferrable: "on" } }
  ],
  [
    "time-outs, all else",
    {
      startupParameters: {
        statement_timeout: "20s",
        lock_timeout: "10s",
        idle_in_transaction_session_timeout: "10s",
        idle_session_timeout: "10s",
        row_security: "off",
        synchronous_commit: "off",
        client_min_messages: "debug1",
        check_function_bodies: "off",
        default_toast_compression: "pglz"
      }
    }
  ],
  [
    "an empty search_path, generic plans without indexes",
    {
      startupParameters: { search_path: "", plan_cache_mode: "force_generic_plan" },
      startupOptions: "-c enable_indexscan=off -c enable_bitmapscan=off"
    }
  ],
  [
    "custom plans without sorts",
    { startupOptions: "-c plan_cache_mode=force_custom_plan -c enable_sort=off -c enable_hashagg=off -c jit=off" }
  ]
]

const data = {
  camelCase: 1,
  snake_case: [null, true, "ä€\u{1f600}\n\"\\'$1", 2 ** 53 - 1, 1e21, -0.5],
  "nested Key": { stream_version: -1, globalPosition: "x" }
}

const metadata = { correlationStreamName: "from_one-1", own_key: { innerKey: [1] } }

/** A read model whose handlers are the application's: with its client and what that does to names. */
const defineTotals = (name: string, category: string, version = 1) => {
  const Counted = Category.make(category, { Counted: { orderTotal: Schema.Int } })
  const model = SqlReadModel.make(name, {
    version,
    tables: ["CREATE TABLE order_totals (id text PRIMARY KEY, order_total int4 NOT NULL)"]
  }).on(Counted, {
    Counted: Effect.fnUntraced(function*({ data, id }) {
      const sql = yield* SqlClient
      yield* sql`INSERT INTO order_totals VALUES (${id}, ${data.orderTotal})
        ON CONFLICT (id) DO UPDATE SET order_total = order_totals.order_total + excluded.order_total`
    })
  })
  return { Counted, model }
}

type Inline = ReadModel.ReadModel<unknown, SqlClient>

type MakeClient = (options: PgClient.PgPoolConfig) => ReturnType<typeof PgClient.layer>

const context = (
  url: string,
  options: Options,
  inline: ReadonlyArray<Inline> = [],
  client: MakeClient = PgClient.layer
) =>
  Layer.build(
    SqlReadModel.layer().pipe(
      Layer.provideMerge(Postgres.layerClient({ inline })),
      Layer.provideMerge(client({ ...options, url: Redacted.make(url) }))
    )
  )

/** Everything that a store can be asked about what the probe has written. */
const answers = Effect.fnUntraced(function*(store: Store.Store, category: string, written: Message.RecordedMessage) {
  const stream = `${category}-a+1`
  const from = written.globalPosition
  return {
    forwards: yield* Stream.runCollect(store.readStream(stream, { from: 1, batchSize: 2 })),
    backwards: yield* Stream.runCollect(store.readStream(stream, { direction: "backwards" })),
    category: yield* Stream.runCollect(store.readCategory(category)),
    types: yield* Stream.runCollect(store.readCategory(category, { types: ["Odd", "Other"] })),
    correlation: yield* Stream.runCollect(store.readCategory(category, { correlation: "from_one" })),
    group: yield* Effect.forEach(
      [0, 1],
      (member) => Stream.runCollect(store.readCategory(category, { consumerGroup: { size: 2, member } }))
    ),
    all: yield* Stream.runCollect(store.readAll({ from, categories: [category] })),
    allOfType: yield* Stream.runCollect(store.readAll({ from, categories: [category], types: ["Odd"] })),
    heldBack: yield* store.heldBack(),
    at: yield* store.messageAt(from),
    last: yield* store.lastMessage(stream),
    lastOfType: yield* store.lastMessage(stream, { type: "Odd" }),
    version: yield* store.streamVersion(stream),
    none: yield* store.streamVersion(`${category}-none`),
    found: yield* store.findMessage(stream, written.id),
    lastOfCategory: yield* store.lastCategoryMessage(category),
    count: yield* store.countCategory(category, { types: ["Odd"], consumerGroup: { size: 2, member: 0 } }),
    countAll: yield* store.countAll({ from, categories: [category] }),
    lastPosition: yield* store.lastPosition,
    identity: yield* store.identity
  }
})

const writes = Effect.fnUntraced(function*(store: Store.Store, category: string) {
  const [stream, other] = [`${category}-a+1`, `${category}-b`]
  const odd = { type: "Odd", data, metadata, id: yield* Message.nextId }
  const one = yield* store.append(stream, odd, { expectedVersion: "noStream" })
  assert.strictEqual(one.version, 0)
  assert.isAbove(one.globalPosition, 0)
  assert.deepStrictEqual(yield* store.append(stream, odd), one)
  const refusal = yield* Effect.flip(store.append(stream, Store.numbered(2), { expectedVersion: 7 }))
  assert.deepStrictEqual(
    refusal,
    new WrongExpectedVersion({ streamName: stream, expected: 7, actual: Option.some(0) })
  )
  const taken = yield* Effect.flip(store.append(other, odd))
  assert.strictEqual(taken._tag, "DuplicateMessageId")
  const many = yield* store.append(stream, Store.numbered(3), { expectedVersion: 0 })
  assert.strictEqual(many.version, 3)
  assert.isAtLeast(many.globalPosition, one.globalPosition + 3)
  const results = yield* store.writeAll([
    { streamName: other, messages: [{ type: "Other", data: null }] },
    { streamName: stream, messages: [], expectedVersion: 3 }
  ])
  const next = { version: 0, globalPosition: many.globalPosition + 1 }
  assert.deepStrictEqual(results, [next, { version: 3, globalPosition: 0 }])
  const group = Array.from({ length: 6 }, () => store.append(`${category}-c`, Store.numbered(1)))
  yield* Effect.all(group, { concurrency: "unbounded" })
})

/** The statements of the application and those of the store in one transaction, with and without what is independent of it. */
const transactions = Effect.fnUntraced(function*(category: string) {
  const [store, sql] = [yield* MessageStore, yield* SqlClient]
  const written = yield* MessageStores.transaction(Effect.gen(function*() {
    yield* sql`SELECT set_config('search_path', 'pg_temp', true)`.unprepared
    const { version } = yield* store.append(`${category}-t`, Store.numbered(2))
    yield* Effect.flip(store.append(`${category}-t`, Store.numbered(1), { expectedVersion: "noStream" }))
    yield* MessageStores.independently(store.append(`${category}Apart-t`, Store.numbered(1)))
    const seen = yield* Store.readStream(store, `${category}-t`)
    const [row] = yield* sql`SELECT current_setting('search_path') AS path`.values
    return { version, seen: Store.positions(seen), path: row?.[0] }
  }))
  yield* Effect.flip(
    MessageStores.transaction(
      Effect.andThen(store.append(`${category}-t`, Store.numbered(1)), Effect.fail("rolled back"))
    )
  )
  assert.deepStrictEqual([written.version, written.seen], [1, [0, 1]])
  assert.deepStrictEqual(yield* store.streamVersion(`${category}-t`), Option.some(1))
})

/** Builds, their tables, a comparison and a switch, step by step. */
const builds = Effect.fnUntraced(function*(name: string) {
  const [store, sql] = [yield* ReadModelStore, yield* SqlClient]
  const tables = ["CREATE TABLE things (\"Id\" text PRIMARY KEY, \"mixedCase\" int4)"]
  const fill = (build: Build, position: number) =>
    store.advance(build, ReadModels.at(position), sql`INSERT INTO things VALUES (${`n${position}`}, ${position})`)
  const created = yield* store.create(ReadModels.define(name, tables), { after: 0, checkpoint: ReadModels.at(0) })
  const live = yield* fill(created, 3)
  assert.strictEqual(live.checkpoint.position, 3)
  const next = yield* store.create(ReadModels.define(name, tables, 2), { after: 1, checkpoint: ReadModels.at(0) })
  const filled = yield* fill(yield* fill(next, 3), 5)
  const found = yield* store.switchTo(filled, (old, differences) =>
    Effect.map(differences, (differences) => {
      assert.isTrue(Option.isSome(old))
      assert.deepStrictEqual(differences, [{ table: "things", onlyLive: 0, onlyNew: 1, columns: [] }])
      return filled
    }))
  assert.deepStrictEqual([found.number, found.state, found.checkpoint.position], [2, "live", 5])
  assert.deepStrictEqual(ReadModels.summary(yield* store.builds(name)), [[1, "retired", 3], [2, "live", 5]])
  return found
})

/** What a client of the application reads, in its own way: the store must leave that alone. */
const ownNames = Effect.fnUntraced(function*({ transformResultNames = (name) => name }: Options) {
  const sql = yield* SqlClient
  const [row] = yield* sql`SELECT 1::int2 AS an_own_name`
  assert.deepStrictEqual(Object.keys(row ?? {}), [transformResultNames("an_own_name")])
})

/** A store on a pool of its own, to compare with. */
class Plain extends Context.Service<Plain, Store.Store>()("@eventfold/test/Plain") {}

const plain = Layer.effect(Plain, Effect.flatMap(Database.Database, ({ url }) => Store.open(url))).pipe(
  Layer.provideMerge(Database.layer())
)

let probes = 0

/** Uses all parts of a store on such a client, and asks a store with a pool of its own what is there. */
const probe = Effect.fnUntraced(function*(
  options: Options,
  client?: MakeClient
): Effect.fn.Return<void, unknown, Scope.Scope | Database.Database | Plain> {
  const { url } = yield* Database.Database
  const plain = yield* Plain
  const category = `probe${++probes}`
  const { Counted, model } = defineTotals(`totals${probes}`, `${category}Counted`)
  const built = yield* context(url, options, [model], client)
  yield* Effect.gen(function*() {
    const [store, sql] = [yield* MessageStore, yield* SqlClient]
    yield* writes(store, category)
    const [first] = yield* Store.readStream(plain, `${category}-a+1`)
    if (first === undefined) return assert.fail("the plain store reads nothing")
    assert.deepStrictEqual([first.data, first.metadata, first.position], [data, metadata, 0])
    assert.deepStrictEqual(yield* answers(store, category, first), yield* answers(plain, category, first))
    yield* transactions(category)

    yield* Counted.append("x", Counted.events.Counted({ orderTotal: 2 }))
    yield* Counted.append("x", Counted.events.Counted({ orderTotal: 3 }))
    const rows = yield* sql.unsafe(`SELECT order_total::int2 FROM totals${probes}.order_totals`).values
    assert.deepStrictEqual(rows, [[5]])
    yield* builds(`Builds${probes}`)
    yield* ownNames(options)

    const lease = yield* store.lease(category)
    assert.isTrue(Option.isSome(lease))
    assert.isTrue(Option.isNone(yield* Effect.scoped(plain.lease(category))))
    const wakeUps = yield* store.wakeUps(category)
    yield* within("for the listener")(wakeUps.await)
    yield* plain.append(`${category}-w`, Store.numbered(1))
    yield* within("for the wake-up by another store")(wakeUps.await)
  }).pipe(Effect.provide(built))
})

layer(plain, { excludeTestServices: true, timeout: "2 minutes" })("a client of the application", (it) => {
  const matrix = (name: string, options: ReadonlyArray<readonly [string, Options]>) =>
    describe(name, () => {
      for (const [title, given] of options) {
        it.effect(title, () => Effect.scoped(probe(given)))
      }
    })

  matrix("with an option", clientOptions)
  matrix("with settings of its sessions", settings)

  it.effect("on a stream of the application, which leads to a server that others use as well", () =>
    Effect.gen(function*() {
      const { hostname, port } = new URL((yield* Database.Database).url)
      yield* probe({ stream: () => net.connect(Number(port), hostname), maxConnections: 1 })
    }).pipe(Effect.scoped))

  it.effect("of a single connection", () =>
    Effect.scoped(probe({}, (options) => PgClient.layerFrom(PgClient.makeClient(options)))))

  it.effect("installs the same with all of that at once, also twice at the same time", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const client = PgClient.layer({
        ...transforms,
        url: Redacted.make(url),
        types: registry(numbers, ...times, ...texts, ...others),
        startupParameters: {
          ...formats,
          ...parsing,
          default_transaction_isolation: "serializable",
          search_path: "",
          check_function_bodies: "off"
        }
      })
      const install = Effect.provide(Postgres.install(), client)
      yield* Effect.all([install, install], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* Effect.provide(Catalog.objects(), Database.client(url)), yield* Catalog.objects())
    }).pipe(Effect.scoped))
})

/** Values whose stored form is longer than their JSON: it has spaces, and no exponents. */
const shapes: ReadonlyArray<readonly [string, (size: number) => Schema.Json]> = [
  ["a text", (size) => "x".repeat(size)],
  [
    "texts with escapes and more bytes than characters",
    (size) => ["\n\"\\\u0001".repeat(size / 8), "\u20ac".repeat(size / 8)]
  ],
  ["many small values", (size) => Array.from({ length: size / 4 }, (_, i) => i % 10)],
  ["many properties", (size) => Object.fromEntries(Array.from({ length: size / 16 }, (_, i) => [`k${i}`, true]))],
  ["large numbers", (size) => Array.from({ length: size / 64 }, (_, i) => i % 2 === 0 ? 1e300 : 5e-324)]
]

const small = 64 * 1024

const openStore = (options: Options = {}) =>
  Effect.flatMap(
    Database.Database,
    ({ url }) => Effect.map(context(url, options), Context.get(MessageStore))
  )

const isRefused = (error: unknown) => {
  assert.instanceOf(error, InvalidMessage)
  assert.deepStrictEqual(error.path, ["data"])
  assert.match(error.message, /message 0 \(Large\) to .*: data is too large: .* \d+ bytes .* maxMessageSize/)
}

const isTooLong = (error: unknown) => {
  assert.instanceOf(error, StoreError)
  assert.isFalse(error.isRetryable)
  assert.match(error.message, /has given a row of \d+ bytes, and the client takes 65536 at most: .* maxMessageSize/)
}

layer(plain, { excludeTestServices: true, timeout: "2 minutes" })("the longest message that a client takes", (it) => {
  it.effect("what is appended can be read, and more is refused before it is written", () =>
    Effect.gen(function*() {
      const store = yield* openStore({ maxMessageSize: small })
      for (const [index, [, shape]] of shapes.entries()) {
        const stream = `grown-${index}`
        let size = 8 * 1024
        let refusal = Option.none<unknown>()
        while (Option.isNone(refusal)) {
          const message = { type: "Large", data: shape(size) }
          const written = yield* Effect.result(store.append(stream, message))
          if (Result.isFailure(written)) refusal = Option.some(written.failure)
          else {
            const last = yield* store.lastMessage(stream)
            assert.deepStrictEqual(Option.map(last, ({ data }) => data), Option.some(message.data))
            size = Math.floor(size * 1.2)
          }
        }
        isRefused(Option.getOrThrow(refusal))
        // It is no stricter than it has to be.
        assert.isAbove(size, index === 4 ? 10 * 1024 : 28 * 1024)
        const messages = { type: "Large", data: shape(size) }
        isRefused(yield* Effect.flip(store.writeAll([{ streamName: stream, messages }])))
        const all = yield* Store.readStream(store, stream)
        assert.deepStrictEqual(Store.positions(all), Store.upTo(all.length))
      }
    }).pipe(Effect.scoped))

  it.effect("a page whose messages are longer together is read", () =>
    Effect.gen(function*() {
      const store = yield* openStore({ maxMessageSize: small })
      const messages = Array.from({ length: 40 }, (_, i) => ({ type: "Large", data: String(i).repeat(10_000) }))
      yield* store.append("page-1", messages)
      const lengths = [
        yield* Store.readStream(store, "page-1"),
        yield* Store.readCategory(store, "page"),
        yield* Stream.runCollect(store.readAll({ categories: ["page"] }))
      ].map(({ length }) => length)
      assert.deepStrictEqual(lengths, [40, 40, 40])
    }).pipe(Effect.scoped))

  it.effect("a longer message of another program fails its reads at once and for good, and a consumer ends", () =>
    Effect.gen(function*() {
      const other = yield* Plain
      const store = yield* openStore({ maxMessageSize: small })
      yield* other.append("large-1", [{ type: "Small", data: 1 }, { type: "Large", data: "x".repeat(70_000) }])
      yield* other.append("large-2", { type: "Small", data: 2 })
      const reads: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Store.readStream(store, "large-1"),
        Store.readCategory(store, "large"),
        Stream.runCollect(store.readAll({ categories: ["large"] })),
        store.lastMessage("large-1")
      ]
      for (const read of reads) {
        isTooLong(yield* Effect.flip(read).pipe(within("for the failure of a read")))
      }
      assert.strictEqual((yield* Store.readStream(store, "large-2")).length, 1)
      const consumer = Consumer.make("large").on(Category.make("large", { Small: Schema.Int }), {
        Small: () => Effect.void
      })
      const ended = Consumer.run(consumer).pipe(Effect.provideService(MessageStore, store), Effect.flip)
      isTooLong(yield* within("for the end of a consumer")(ended))
    }).pipe(Effect.scoped))

  it.effect("with statements of several fibers on one connection, only the one that reads it fails", () =>
    Effect.gen(function*() {
      const other = yield* Plain
      const store = yield* openStore({ maxMessageSize: small, multiplex: true, maxConnections: 1 })
      yield* other.append("shared-1", { type: "Large", data: "x".repeat(70_000) })
      const beside = Array.from({ length: 10 }, (_, i) => store.append(`beside-${i}`, Store.numbered(1)))
      const [failure, versions] = yield* Effect.all(
        [Effect.flip(store.lastMessage("shared-1")), Effect.all(beside, { concurrency: "unbounded" })],
        { concurrency: "unbounded" }
      )
      isTooLong(failure)
      assert.deepStrictEqual(versions.map(({ version }) => version), beside.map(() => 0))
    }).pipe(Effect.scoped))

  it.effect("is that of PgClient for a client of the application, and that of PostgreSQL for our own", () =>
    Effect.gen(function*() {
      const own = yield* Plain
      const message = { type: "Large", data: randomBytes(13 * 2 ** 20).toString("base64") }
      isRefused(yield* Effect.flip(Effect.flatMap(openStore(), (store) => store.append("huge-1", message))))
      yield* own.append("huge-1", message)
      assert.deepStrictEqual(
        Option.map(yield* own.lastMessage("huge-1"), ({ data, position }) => [data === message.data, position]),
        Option.some([true, 0])
      )
    }).pipe(Effect.scoped))
})

layer(Database.layer(), { excludeTestServices: true, timeout: "1 minute" })("codecs that lose something", (it) => {
  it.effect("are refused when the layer is built, and the types are named", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const days = mapped<Date, string>(
        OID.timestamp,
        (date) => date.toISOString().slice(0, 10),
        (text) => new Date(text)
      )
      const error = yield* Effect.flip(context(url, { types: registry(days, numbers) }))
      assert.instanceOf(error, Postgres.OpenError)
      assert.instanceOf(error.reason, Postgres.InvalidOption)
      assert.strictEqual(error.reason.option, "types")
      assert.include(error.message, "timestamp, timestamp[]")
      assert.notInclude(error.message, "int8")
    }).pipe(Effect.scoped))
})
