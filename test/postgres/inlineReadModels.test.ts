/**
 * Read models in the transactions of appends.
 */
import type { PgClient } from "@effect/sql-pg"
import { assert, describe, it as test, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import type { RecordedMessage } from "eventfold/Message"
import { independently, MessageStore } from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import * as ReadModel from "eventfold/ReadModel"
import { StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import { clients } from "../support/Clients.ts"
import * as Database from "../support/Database.ts"
import * as Digests from "../support/Digests.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Store from "../support/Store.ts"
import { within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

const poll = { min: "20 millis", max: "200 millis" } as const

const rows = (statement: string) => Effect.flatMap(SqlClient, (sql) => sql.unsafe(statement).values)

/** What the handlers of the tests can be told to do. */
class Limit extends Context.Service<Limit, { readonly most: number }>()("@eventfold/test/Limit") {}

class TooMuch extends Schema.TaggedError<TooMuch>()("TooMuch", { total: Schema.Int }) {
  override get message(): string {
    return `${this.total} is too much`
  }
}

const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Noted: {} })

/** Refuses what takes an account over the limit. */
const Balances = SqlReadModel.make("balances", {
  version: 1,
  tables: ["CREATE TABLE balances (stream text PRIMARY KEY, total bigint NOT NULL)"]
}).on(Account, {
  Deposited: Effect.fnUntraced(function*({ data, recorded }) {
    const sql = yield* SqlClient
    const { most } = yield* Limit
    const [row] = yield* sql<
      { readonly total: bigint }
    >`INSERT INTO balances VALUES (${recorded.streamName}, ${data.amount})
      ON CONFLICT (stream) DO UPDATE SET total = balances.total + excluded.total RETURNING total`
    const total = Number(row?.total)
    if (data.amount === 666) return yield* Effect.die(new Error("a defect"))
    if (total > most) return yield* new TooMuch({ total })
  })
})

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount, Noted: (balance) => balance }
})

const transactHot = (amount: number) => Balance.transact("hot", () => Account.events.Deposited({ amount }))

const deposit = (amount: number) => ({ type: "Deposited", data: { amount } })

const total = (stream: string) => rows(`SELECT total FROM balances.balances WHERE stream = '${stream}'`)

for (const { client, name } of clients) {
  const store = Postgres.layerClient({ install: true, inline: [Balances] }).pipe(
    Layer.provide(Layer.succeed(Limit, { most: 100 })),
    Layer.provideMerge(client)
  )
  layer(store, { excludeTestServices: true })(`an inline read model on ${name}`, (it) => {
    it.effect("is as far as an append as soon as that has ended", () =>
      Effect.gen(function*() {
        const { append, writeAll } = yield* MessageStore
        yield* append("account-1", [deposit(10), { type: "Noted", data: {} }, deposit(5)])
        assert.deepStrictEqual(yield* total("account-1"), [[15n]])
        yield* append("other-1", deposit(1))
        yield* writeAll([
          { streamName: "account-1", messages: deposit(1) },
          { streamName: "other-1", messages: deposit(1) },
          { streamName: "account-2", messages: deposit(2) }
        ])
        assert.deepStrictEqual(yield* rows("SELECT * FROM balances.balances ORDER BY stream"), [
          ["account-1", 16n],
          ["account-2", 2n]
        ])
        assert.deepStrictEqual(
          yield* rows(
            "SELECT max(global_position) - max(read_models.position) FROM message_store.messages, " +
              "eventfold.read_models WHERE message_store.category(stream_name) = 'account'"
          ),
          [[0n]]
        )
      }))

    it.effect("refuses that of one transaction of an entity, and none that are written with it", () =>
      Effect.gen(function*() {
        // The first of those at the same time goes ahead, and the others wait and are written together.
        yield* transactHot(0)
        const amounts = [1, 2, 3, 1_000, 4, 5, 6]
        const exits = yield* Effect.forEach(amounts, (amount) => Effect.exit(transactHot(amount)), together)
        assert.deepStrictEqual(exits.map(Exit.isSuccess), amounts.map((amount) => amount < 1_000))
        assert.deepStrictEqual(yield* total("account-hot"), [[21n]])
      }).pipe(Effect.provide(EntityCache.layer({ capacity: 10 }))))

    it.effect("refuses what its handler does not accept, whole and for good, and nothing else", () =>
      Effect.gen(function*() {
        const { append, streamVersion, writeAll } = yield* MessageStore
        yield* append("account-3", deposit(90))
        const error = yield* Effect.flip(append("account-3", [deposit(1), deposit(20)]))
        assert(error instanceof StoreError)
        assert.isFalse(error.isRetryable)
        assert.strictEqual(error.message, "append: the read model balances does not accept it: 111 is too much")
        assert.instanceOf(error.cause, TooMuch)
        const both = yield* Effect.flip(writeAll([
          { streamName: "account-4", messages: deposit(1) },
          { streamName: "account-3", messages: deposit(20) }
        ]))
        assert.instanceOf(both, StoreError)
        assert.deepStrictEqual(yield* total("account-3"), [[90n]])
        assert.deepStrictEqual(yield* total("account-4"), [])
        assert.strictEqual((yield* streamVersion("account-3"))._tag, "Some")
        assert.strictEqual((yield* streamVersion("account-4"))._tag, "None")
        const wrong = yield* Effect.flip(append("account-3", deposit(1), { expectedVersion: 7 }))
        assert.instanceOf(wrong, WrongExpectedVersion)
        assert.deepStrictEqual(yield* total("account-3"), [[90n]])
      }))

    it.effect("fails no neighbour in a group with an append that it refuses, or over which a handler dies", () =>
      Effect.gen(function*() {
        const { append } = yield* MessageStore
        const exits = yield* Effect.forEach(
          Store.upTo(30),
          (i) => Effect.exit(append(`account-g${i}`, deposit(i === 7 ? 101 : i === 20 ? 666 : 50))),
          together
        )
        assert.deepStrictEqual(
          exits.flatMap((exit, i) => Exit.isSuccess(exit) ? [] : [i]),
          [7, 20]
        )
        assert.deepStrictEqual(
          yield* rows("SELECT count(*), sum(total)::bigint FROM balances.balances WHERE stream LIKE 'account-g%'"),
          [[28n, 1_400n]]
        )
      }))

    it.effect("handles once what is sent twice", () =>
      Effect.gen(function*() {
        const { append } = yield* MessageStore
        const message = { ...deposit(3), id: "5a3d7a53-1d1e-4d4c-8b7e-1c1c1c1c1c1c" }
        const first = yield* append("account-5", message)
        assert.deepStrictEqual(yield* append("account-5", message), first)
        assert.deepStrictEqual(yield* total("account-5"), [[3n]])
      }))

    it.effect("is kept in the transaction of the caller, and rolled back with it", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const store = yield* MessageStore
        const path = yield* rows("SHOW search_path")
        const failed = yield* Effect.flip(sql.withTransaction(Effect.gen(function*() {
          yield* store.append("account-t1", deposit(10))
          yield* store.writeAll([{ streamName: "account-t1", messages: deposit(5) }])
          assert.deepStrictEqual(yield* total("account-t1"), [[15n]])
          // What a handler does not accept is refused, and the transaction goes on.
          const error = yield* Effect.flip(store.append("account-t1", deposit(90)))
          assert(error instanceof StoreError)
          assert.include(error.message, "105 is too much")
          assert.deepStrictEqual(yield* total("account-t1"), [[15n]])
          // The caller's statements do not find the tables of the read model by their bare names.
          assert.deepStrictEqual(yield* rows("SHOW search_path"), path)
          return yield* Effect.fail("undo")
        })))
        assert.strictEqual(failed, "undo")
        assert.deepStrictEqual(yield* total("account-t1"), [])
        yield* sql.withTransaction(store.append("account-t1", deposit(3)))
        assert.deepStrictEqual(yield* total("account-t1"), [[3n]])
      }))

    it.effect("makes up for what others have written first", () =>
      Effect.gen(function*() {
        const { append } = yield* MessageStore
        yield* rows(
          `SELECT message_store.write_message(gen_random_uuid()::varchar, 'account-6', 'Deposited', '{"amount": 4}')`
        )
        assert.deepStrictEqual(yield* total("account-6"), [])
        yield* append("account-7", deposit(1))
        assert.deepStrictEqual(yield* total("account-6"), [[4n]])
      }))
  })
}

const open = <const Models extends ReadonlyArray<Postgres.InlineModel>>(url: string, inline: Models) =>
  Effect.map(
    Layer.build(Postgres.layer({ url: Redacted.make(url), inline })),
    Context.get(MessageStore)
  )

layer(Database.layer(), { excludeTestServices: true })("an inline read model", (it) => {
  it.effect(
    "is exact beside foreign writers with and without the lock, several stores and a worker",
    () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const category = "mixed"
        const model = Digests.define("one by one", category, { poll })
        const stores = [yield* open(url, [model]), yield* open(url, [model])]
        const plain = yield* Store.open(url)
        const workers = SqlReadModel.layer().pipe(
          Layer.provideMerge(
            Layer.merge(
              Layer.succeed(MessageStore, plain),
              Layer.effectContext(Effect.context<PgClient.PgClient | SqlClient>())
            )
          )
        )
        const worker = yield* Effect.forkChild(Effect.provide(ReadModel.run(model), workers))
        const foreign = yield* Database.session(url)
        const writers = [
          ...stores.flatMap((store, s) =>
            Store.upTo(4).map((i) =>
              Effect.forEach(
                Store.upTo(25),
                (n) => store.append(`${category}-${(i + n + s) % 5}`, Store.numbered(2, n))
              )
            )
          ),
          Effect.forEach(Store.upTo(40), (n) => plain.append(`${category}-${n % 5}`, Store.numbered(1, n))),
          Effect.forEach(
            Store.upTo(40),
            (n) =>
              foreign`SELECT message_store.write_message(gen_random_uuid()::varchar, ${`${category}-${
                n % 5
              }`}, 'Numbered', '7')`
          )
        ]
        yield* Effect.all(writers, together).pipe(within("for the writers"))
        yield* stores[0]?.append(`${category}-1`, Store.numbered(1)) ?? Effect.void
        const last = yield* plain.lastPosition
        assert.strictEqual(yield* Digests.assertExact("one by one", category), last)
        yield* Fiber.interrupt(worker)
      })
  )

  it.effect(
    "leaves what it has missed to a worker when that is much, or when another version is in use",
    () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make()
        const client = yield* Layer.build(Database.client(url))
        const category = "missed"
        const model = Digests.define("batch", category, { poll })
        const plain = yield* Store.open(url)
        yield* plain.append(`${category}-1`, Store.numbered(1_500))
        const store = yield* open(url, [model])
        const exact = Effect.provide(Digests.assertExact("batch", category), client)
        yield* store.append(`${category}-1`, Store.numbered(1))
        assert.strictEqual(yield* exact, 0)
        const stores = SqlReadModel.layer().pipe(
          Layer.provideMerge(Layer.merge(Layer.succeed(MessageStore, plain), Layer.succeedContext(client)))
        )
        const workers = yield* Layer.build(stores)
        const fill = Effect.fnUntraced(function*(model: ReadModel.ReadModel<unknown, SqlClient>) {
          const worker = yield* Effect.forkChild(ReadModel.run(model).pipe(Effect.provide(workers)))
          yield* ReadModel.waitFor(model, yield* plain.lastPosition).pipe(
            Effect.provide(workers),
            within("for the worker")
          )
          yield* Fiber.interrupt(worker)
        })
        yield* fill(model)
        assert.strictEqual(yield* exact, yield* plain.lastPosition)
        yield* store.append(`${category}-1`, Store.numbered(1))
        assert.strictEqual(yield* exact, yield* plain.lastPosition)

        const second = Digests.define("batch", category, { version: 2, columns: ", note text", poll })
        const newer = yield* open(url, [second])
        const before = yield* plain.lastPosition
        yield* newer.append(`${category}-1`, Store.numbered(1))
        assert.strictEqual(yield* exact, before)
        yield* fill(second)
        yield* newer.append(`${category}-1`, Store.numbered(1))
        assert.strictEqual(yield* exact, yield* plain.lastPosition)
        // The old one can't handle it any more.
        yield* store.append(`${category}-1`, Store.numbered(1))
        assert.isBelow(yield* exact, yield* plain.lastPosition)
      })
  )

  it.effect("runs side effects after the commit, and none for what was there before it or is refused", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const plain = yield* Store.open(url)
      yield* plain.append("told-1", Store.numbered(2))
      const told: Array<unknown> = []
      const seen: Array<number> = []
      const Told = SqlReadModel.make("told", { version: 1, tables: ["CREATE TABLE told (n integer CHECK (n < 100))"] })
        .on("told", {
          Numbered: Effect.fnUntraced(function*({ data }: RecordedMessage) {
            const sql = yield* SqlClient
            yield* ReadModel.sideEffect(Effect.gen(function*() {
              told.push(data)
              seen.push((yield* Effect.orDie(plain.lastPosition)) ?? 0)
            }))
            yield* sql`INSERT INTO told VALUES (${Number(data)})`
          })
        })
      const store = yield* open(url, [Told])
      yield* store.append("told-1", Store.numbered(2, 10))
      assert.deepStrictEqual(told, [10, 11])
      assert.deepStrictEqual(seen, [4, 4])
      const error = yield* Effect.flip(store.append("told-1", Store.numbered(1, 100)))
      assert(error instanceof StoreError)
      assert.include(error.message, "does not accept it")
      assert.deepStrictEqual(told, [10, 11])
    }))

  it.effect("gives the metadata of no append to what its side effects write", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const plain = yield* Store.open(url)
      const Echo = SqlReadModel.make("echo", { version: 1, tables: ["CREATE TABLE echo (n integer)"] }).on("echo", {
        Numbered: ({ streamName }: RecordedMessage) =>
          ReadModel.sideEffect(Effect.orDie(plain.append(`echoed-${streamName.slice(5)}`, Store.numbered(1))))
      })
      const store = yield* open(url, [Echo])
      yield* Effect.forEach(["a", "b", "c"], (tenant) =>
        store.append(`echo-${tenant}`, Store.numbered(1)).pipe(Metadata.with({ properties: { tenant } })), together)
      const tenants = (yield* Store.readCategory(plain, "echo")).map(({ metadata }) =>
        metadata
      )
      assert.sameDeepMembers([...tenants], ["a", "b", "c"].map((tenant) => ({ properties: { tenant } })))
      const echoed = (yield* Store.readCategory(plain, "echoed")).map(({ metadata }) => metadata)
      assert.deepStrictEqual([...echoed], [null, null, null])
    }))
})

layer(Database.layer(), { excludeTestServices: true })(
  "an inline read model in a transaction of the application",
  (it) => {
    it.effect("runs its side effects when that commits, outside of it, and none when it is rolled back", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const told: Array<unknown> = []
        const Told = SqlReadModel.make("toldLater", { version: 1, tables: ["CREATE TABLE told (n integer)"] })
          .on("toldLater", {
            Numbered: ({ data }: RecordedMessage) =>
              ReadModel.sideEffect(Effect.gen(function*() {
                const sql = yield* SqlClient
                const [row] = yield* Effect.orDie(sql`SELECT count(*)::int AS count FROM message_store.messages
                WHERE stream_name = 'toldLater-1'`)
                told.push([data, row])
              }))
          })
        const services = yield* Layer.build(
          Layer.fresh(Postgres.layerClient({ inline: [Told] })).pipe(Layer.provideMerge(Database.client(url)))
        )
        const [sql, store] = [Context.get(services, SqlClient), Context.get(services, MessageStore)]
        yield* Effect.ignore(sql.withTransaction(Effect.andThen(
          store.append("toldLater-1", Store.numbered(1)),
          Effect.fail("undo")
        )))
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* store.append("toldLater-1", Store.numbered(2, 5))
          yield* store.append("toldLater-1", Store.numbered(1, 7))
          assert.deepStrictEqual(told, [])
        })).pipe(within("for the transaction"))
        assert.deepStrictEqual(told, [[5, { count: 3 }], [6, { count: 3 }], [7, { count: 3 }]])
      }))

    it.effect("refuses appends of its handlers, unless they are independent", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const refused: Array<unknown> = []
        const Appending = SqlReadModel.make("appendsInline", { version: 1, tables: ["CREATE TABLE told (n integer)"] })
          .on("appendsInline", {
            Numbered: Effect.fnUntraced(function*() {
              const store = yield* MessageStore
              refused.push(yield* Effect.flip(store.append("byHandler-1", Store.numbered(1))))
              yield* independently(store.append("byHandler-1", Store.numbered(1)))
            })
          })
        const plain = yield* Store.open(url)
        const store = Context.get(
          yield* Layer.build(
            Layer.fresh(Postgres.layer({ url: Redacted.make(url), inline: [Appending], maxConnections: 1 })).pipe(
              Layer.provide(Layer.succeed(MessageStore, plain))
            )
          ),
          MessageStore
        )
        yield* store.append("appendsInline-1", Store.numbered(1)).pipe(within("for the append"))
        // The append is independent, and what its handlers append by themselves is refused all the same.
        yield* independently(store.transaction(store.append("appendsInline-1", Store.numbered(1))))
        yield* independently(store.append("appendsInline-1", Store.numbered(1)))
        assert.lengthOf(refused, 3)
        for (const error of refused) {
          assert(error instanceof StoreError)
          assert.include(error.message, "can't append")
        }
        assert.lengthOf(yield* Store.readStream(plain, "byHandler-1"), 3)
      }))
  }
)

const reasonOf = (inline: ReadonlyArray<ReadModel.ReadModel<unknown, SqlClient>>, url?: string) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(open(url ?? (yield* Database.make()).url, inline))
    return error.reason
  }).pipe(Effect.scoped)

const make = (tables: ReadonlyArray<string> = []) => SqlReadModel.make("wrong", { version: 1, tables })

const ignore = () => Effect.void

describe("what can't be inline", () => {
  test.live("is refused when the store is opened, with the reason", () =>
    Effect.gen(function*() {
      const several = yield* reasonOf([make().on("one", ignore).on("two", ignore)])
      assert(several instanceof Postgres.NotInline)
      assert.include(
        several.message,
        "the read model wrong can't be inline: it reads one, two, and must read exactly one category"
      )
      assert.include((yield* reasonOf([make().on(ReadModel.all, ignore)])).message, "it reads everything")
      assert.include((yield* reasonOf([make()])).message, "it reads nothing")
      const good = make().on("one", ignore)
      assert.include((yield* reasonOf([good, good])).message, "it is given twice: give it once")
      assert.include((yield* reasonOf([make(["CREATE NONSENSE"]).on("one", ignore)])).message, "NONSENSE")
      const stock = yield* reasonOf([good], (yield* MessageDb.makeDatabase()).url)
      assert(stock instanceof Postgres.SchemaMissing)
      assert.strictEqual(stock.schema, "eventfold")
    }))
})
