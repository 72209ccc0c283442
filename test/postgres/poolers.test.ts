import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as MessageStores from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import type { ReadModelStore } from "eventfold/ReadModelStore"
import { Unsupported } from "eventfold/StoreError"
import { describe } from "vitest"
import * as Database from "../support/Database.ts"
import * as PgBouncer from "../support/PgBouncer.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const { MessageStore } = MessageStores

/** A database, and poolers in front of its server. */
class Poolers extends Context.Service<Poolers, {
  readonly direct: string
  readonly transaction: string
  readonly session: string
  readonly statement: string
}>()("@eventfold/test/Poolers") {}

const poolers = Layer.effect(
  Poolers,
  Effect.gen(function*() {
    const { url } = yield* Database.Database
    const start = (options: PgBouncer.Options) => Effect.map(PgBouncer.start(url, options), (pooler) => pooler.url())
    return {
      direct: url,
      transaction: yield* start({ poolMode: "transaction", poolSize: 2 }),
      session: yield* start({ poolMode: "session", poolSize: 8 }),
      statement: yield* start({ poolMode: "statement" })
    }
  })
).pipe(Layer.provideMerge(Database.layer()))

const orders = Category.make("order", { Placed: { total: Schema.Int } })

const inlineOrders = Category.make("inlineOrder", { Placed: { total: Schema.Int } })

const place = (id: string) => inlineOrders.append(id, inlineOrders.events.Placed({ total: 1 }))

const tables = ["CREATE TABLE totals (id text PRIMARY KEY, total bigint NOT NULL)"]

const add = Effect.fnUntraced(
  function*({ data, id }: { readonly id: string; readonly data: { readonly total: number } }) {
    const sql = yield* SqlClient
    yield* sql`INSERT INTO totals VALUES (${id}, ${data.total})
      ON CONFLICT (id) DO UPDATE SET total = totals.total + excluded.total`
  }
)

const totals = SqlReadModel.make("totals", { version: 1, tables }).on(orders, { Placed: add })

const inlineTotals = SqlReadModel.make("inline_totals", { version: 1, tables }).on(inlineOrders, { Placed: add })

/** A client of the application, which prepares statements by name unless it is told not to. */
const client = (url: string, options: PgClient.PgClientConfig = {}) =>
  PgClient.layer({ ...options, url: Redacted.make(url) })

const openOn = (
  client: Layer.Layer<PgClient.PgClient | SqlClient, unknown>,
  options?: Postgres.StoreOptions
): Effect.Effect<Store.Store, unknown, Scope.Scope> =>
  Effect.map(Layer.build(Layer.provide(Postgres.layerClient(options), client)), Context.get(MessageStore))

/** The store, its read models and its client, on one pool. */
const openAll = (
  url: string,
  options?: Postgres.StoreOptions
): Effect.Effect<
  Context.Context<MessageStores.MessageStore | ReadModelStore | PgClient.PgClient | SqlClient>,
  unknown,
  Scope.Scope
> =>
  Layer.build(
    Layer.merge(Postgres.layerClient(options), SqlReadModel.layer()).pipe(
      Layer.provideMerge(Postgres.layerPool({ url: Redacted.make(url) }))
    )
  )

const isUnsupported = (error: unknown): void => {
  assert.instanceOf(error, Unsupported)
  assert.strictEqual(error.operation, "leases")
  assert.include(error.message, "directUrl")
}

const reasonOf = (error: unknown) => error instanceof Postgres.OpenError ? error.reason : error

/** The poolers' sessions that have what should not stay behind on them. */
const remains = Effect.gen(function*() {
  const sql = yield* SqlClient
  return yield* sql`SELECT pid, state, query FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND (state LIKE 'idle in transaction%'
        OR pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'))`
})

/** Keeps all sessions of a pool busy: with transactions, from more clients than there are sessions. */
const busy = (url: string) =>
  Effect.forEach(Store.upTo(4), () =>
    Effect.gen(function*() {
      const sql = Context.get(yield* Layer.build(client(url, { prepare: false })), SqlClient)
      yield* Effect.forkScoped(Effect.forever(sql.withTransaction(sql`SELECT pg_sleep(random() * 0.004)`)))
    }))

describe.skipIf(PgBouncer.program === undefined)("PgBouncer", () => {
  layer(poolers, { excludeTestServices: true })("in transaction mode", (it) => {
    it.effect("a client that prepares statements by name is refused, with what to set, also while others use the pooler", () =>
      Effect.gen(function*() {
        const { transaction } = yield* Poolers
        const open = Effect.scoped(openOn(client(transaction)))
        const refused = Effect.gen(function*() {
          const error = yield* Effect.flip(open)
          const reason = reasonOf(error)
          assert.instanceOf(reason, Postgres.SessionsShared)
          assert.strictEqual(reason.between, "transactions")
          assert.include(String(error), "prepare: false")
        })
        yield* refused
        yield* Effect.scoped(Effect.andThen(busy(transaction), Effect.repeat(refused, { times: 14 })))
        const readModels = Effect.scoped(Layer.build(Layer.provide(SqlReadModel.layer(), client(transaction))))
        assert.instanceOf(reasonOf(yield* Effect.flip(readModels)), Postgres.SessionsShared)
        const install = Effect.provide(Postgres.install(), client(transaction))
        assert.instanceOf(reasonOf(yield* Effect.flip(install)), Postgres.SessionsShared)
        yield* until("nothing remains", Effect.map(remains, (rows) => rows.length === 0))
      }))

    it.effect("a client that prepares nothing, and the store's own, write, read and take part in transactions at once", () =>
      Effect.gen(function*() {
        const { direct, transaction } = yield* Poolers
        const own = yield* Store.open(transaction)
        const given = yield* openOn(client(transaction, { prepare: false }))
        const zero = yield* openOn(client(transaction, { preparedStatementCacheSize: 0 }))
        const writes = [own, given, zero].flatMap((store, i) =>
          Store.upTo(20).map((j) => Effect.suspend(() => store.append(`pooled${j % 3}-${i}`, Store.numbered(3))))
        )
        yield* Effect.all(writes, { concurrency: "unbounded" })
        const store = yield* Store.open(direct)
        for (const j of Store.upTo(3)) {
          assert.strictEqual((yield* Store.readCategory(store, `pooled${j}`)).length, (j === 2 ? 6 : 7) * 3 * 3)
        }
        assert.deepStrictEqual(yield* remains, [])
      }))

    it.effect("without a directUrl, leases and what needs them fail at once, and leave nothing behind", () =>
      Effect.gen(function*() {
        const { transaction } = yield* Poolers
        const context = yield* openAll(transaction)
        const store = Context.get(context, MessageStore)
        yield* busy(transaction)
        for (const _ of Store.upTo(5)) isUnsupported(yield* Effect.flip(Effect.scoped(store.lease("name"))))
        const consumer = Consumer.make("billing").on(orders, { Placed: () => Effect.void })
        const stopped = within("for what needs a lease")
        isUnsupported(yield* stopped(Effect.provide(Effect.flip(Consumer.run(consumer)), context)))
        isUnsupported(yield* stopped(Effect.provide(Effect.flip(ReadModel.run(totals)), context)))
        isUnsupported(yield* stopped(Effect.provide(Effect.flip(Consumer.regroup(consumer, 2)), context)))
      }).pipe(
        Effect.scoped,
        Effect.andThen(until("nothing remains", Effect.map(remains, (rows) => rows.length === 0)))
      ))

    it.effect("without a directUrl, readers wake for the writes of their own process, and one warning says so", () =>
      Effect.gen(function*() {
        const { transaction } = yield* Poolers
        const warnings: Array<string> = []
        const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
          if (logLevel === "Warn") warnings.push(String(message))
        })
        yield* Effect.gen(function*() {
          const store = yield* Store.open(transaction)
          for (const _ of Store.upTo(2)) {
            yield* Effect.scoped(Effect.gen(function*() {
              const wakeUps = yield* store.wakeUps("local")
              yield* until("the store does not listen", Effect.sync(() => warnings.length > 0))
              yield* store.append("local-1", Store.numbered(1))
              yield* within("for the wake-up")(wakeUps.await)
            }))
          }
        }).pipe(Effect.provide(Logger.layer([logger])))
        assert.strictEqual(warnings.length, 1)
        assert.include(warnings[0] ?? "", "directUrl")
      }))

    it.effect("an inline read model and transactions of the application need no session that lasts", () =>
      Effect.gen(function*() {
        const { transaction } = yield* Poolers
        const pool = Postgres.layerPool({ url: Redacted.make(transaction) })
        const context = yield* Layer.build(
          Layer.provideMerge(Postgres.layerClient({ inline: [inlineTotals] }), pool)
        )
        const sql = Context.get(context, SqlClient)
        const record = Context.get(context, MessageStore).append("record-1", Store.numbered(1))
        yield* busy(transaction)
        yield* Effect.gen(function*() {
          yield* Effect.forEach(Store.upTo(10), (i) => place(String(i)), { concurrency: "unbounded" })
          yield* MessageStores.transaction(Effect.andThen(place("a"), place("b")))
          yield* Effect.flip(MessageStores.transaction(Effect.andThen(place("c"), Effect.fail("rolled back"))))
          yield* MessageStores.transaction(Effect.andThen(
            MessageStores.independently(record),
            Effect.andThen(place("d"), sql`SELECT pg_backend_pid()`)
          ))
        }).pipe(Effect.provide(context))
        const [row] = yield* sql<{ readonly count: bigint }>`SELECT count(*) FROM inline_totals.totals`
        assert.strictEqual(row?.count, 13n)
      }))

    it.effect("with a directUrl a consumer and a read model run through it, beside a second one that waits", () =>
      Effect.gen(function*() {
        const { direct, session, transaction } = yield* Poolers
        const options = { directUrl: Redacted.make(direct) }
        const throughPooler = { directUrl: Redacted.make(session) }
        const [one, two] = [yield* openAll(transaction, options), yield* openAll(transaction, throughPooler)]
        const handled: Array<number> = []
        const consumer = Consumer.make("shipping").on(orders, {
          Placed: ({ data }) => Effect.sync(() => handled.push(data.total))
        })
        const run = Effect.all([Consumer.run(consumer), ReadModel.run(totals)], { concurrency: "unbounded" })
        const first = yield* Effect.forkScoped(Effect.provide(run, one))
        yield* Effect.forkScoped(Effect.provide(run, two))
        const placeIn = (total: number) => Effect.provide(orders.append(`1`, orders.events.Placed({ total })), two)
        for (const total of [1, 2, 3]) yield* placeIn(total)
        yield* until("all is handled", Effect.sync(() => handled.length === 3))
        yield* Fiber.interrupt(first)
        for (const total of [4, 5]) yield* placeIn(total)
        yield* until("the second has taken over", Effect.sync(() => handled.length === 5))
        const sql = Context.get(two, SqlClient)
        yield* until(
          "the read model has all",
          sql<{ readonly total: bigint }>`SELECT total FROM totals.totals`.pipe(
            Effect.map(([row]) => row?.total === 15n),
            // The read model makes its table when it starts.
            Effect.orElseSucceed(() => false)
          )
        )
        assert.deepStrictEqual(handled, [1, 2, 3, 4, 5])
      }))

    it.effect("a directUrl that goes through the pooler, or to another database, or nowhere, is refused", () =>
      Effect.gen(function*() {
        const { direct, transaction } = yield* Poolers
        const other = new URL(direct)
        other.pathname = "/postgres"
        const open = (directUrl: string) =>
          Effect.map(
            Effect.flip(Effect.scoped(Store.open(transaction, { directUrl: Redacted.make(directUrl) }))),
            reasonOf
          )
        for (const [url, text] of [[transaction, "pooler"], [other.href, "another database"]] as const) {
          const reason = yield* open(url)
          assert.instanceOf(reason, Postgres.NotDirect)
          assert.include(reason.message, text)
        }
        assert.instanceOf(yield* open("postgres://postgres@127.0.0.1:1/shop"), Postgres.Unreachable)
        assert.instanceOf(yield* open("localhost"), Postgres.InvalidUrl)
      }))

    it.effect("the schemas are installed and removed through it, and two installations wait for one another", () =>
      Effect.gen(function*() {
        const { transaction } = yield* Poolers
        const database = yield* Database.make({ empty: true })
        const url = new URL(transaction)
        url.pathname = `/${database.name}`
        const pool = Postgres.layerPool({ url: Redacted.make(url.href) })
        yield* Effect.all([0, 1].map(() => Effect.provide(Postgres.install(), pool)), { concurrency: 2 })
        const store = yield* Store.open(url.href)
        yield* store.append("thing-1", Store.numbered(2))
        yield* Effect.provide(Postgres.uninstall({ database: database.name }), pool)
        const error = yield* Effect.flip(Effect.scoped(Store.open(url.href)))
        assert.instanceOf(error.reason, Postgres.SchemaMissing)
      }))

    it.effect("a startup parameter that it does not know is named, with what to do", () =>
      Effect.gen(function*() {
        const { transaction } = yield* Poolers
        const error = yield* Effect.flip(Effect.scoped(Store.open(transaction, { startupOptions: "-c work_mem=8MB" })))
        assert.instanceOf(error.reason, Postgres.OpenFailed)
        assert.include(error.message, "unsupported startup parameter: options")
        assert.include(error.message, "ignore_startup_parameters")
      }))
  })

  layer(poolers, { excludeTestServices: true })("in session mode", (it) => {
    it.effect("all is as without it: prepared statements, leases and wake-ups of other processes", () =>
      Effect.gen(function*() {
        const { direct, session } = yield* Poolers
        const store = yield* openOn(client(session))
        const other = yield* Store.open(direct)
        const lease = yield* store.lease("name")
        assert.isTrue(Option.isSome(lease))
        assert.isTrue(Option.isNone(yield* Effect.scoped(other.lease("name"))))
        const wakeUps = yield* store.wakeUps("account")
        // Until it listens.
        yield* until(
          "a write of another store wakes the reader",
          Effect.andThen(
            other.append("account-1", Store.numbered(1)),
            Effect.map(Effect.timeoutOption(wakeUps.await, "500 millis"), Option.isSome)
          )
        )
      }))

    it.effect("a pool that is used up is no sign that sessions are shared", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const small = yield* PgBouncer.start(url, { poolMode: "session", poolSize: 1 })
        const sql = yield* Layer.build(PgClient.layer({ url: Redacted.make(small.url()), maxConnections: 1 }))
        // The look leaves the only session to the store.
        const store = yield* openOn(Layer.succeedContext(sql))
        assert.deepStrictEqual(yield* store.lastPosition, yield* store.lastPosition)
      }))
  })

  layer(poolers, { excludeTestServices: true })("in statement mode", (it) => {
    it.effect("every client is refused: there are no transactions", () =>
      Effect.gen(function*() {
        const { statement } = yield* Poolers
        for (const open of [Store.open(statement), openOn(client(statement, { prepare: false }))]) {
          const reason = reasonOf(yield* Effect.flip(Effect.scoped(open)))
          assert.instanceOf(reason, Postgres.SessionsShared)
          assert.strictEqual(reason.between, "statements")
          assert.include(reason.message, "pool_mode = transaction")
        }
      }))
  })
})
