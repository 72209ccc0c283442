/**
 * One store whose categories are in several logs: two of one database, and one on another.
 */
import { assert, layer } from "@effect/vitest"
import { Logs, Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import { nextId } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import * as ReadModel from "eventfold/ReadModel"
import { StoreError, Unsupported, WrongExpectedVersion } from "eventfold/StoreError"
import * as Streams from "eventfold/Streams"
import * as Archives from "../support/Archives.ts"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

/** The categories of each log begin with its name. */
const names = ["near", "beside", "far"] as const

const of = (category: string): typeof names[number] => names.find((name) => category.startsWith(name)) ?? "near"

/** A write to two logs of the client. */
const both = (expectedVersion: number | "noStream") => [
  { streamName: "nearBoth-1", messages: Store.numbered(2) },
  { streamName: "besideBoth-1", messages: Store.numbered(1), expectedVersion }
]

class Opened extends Context.Service<Opened, {
  readonly store: Store.Store
  readonly routed: Logs.Routed["Service"]
  readonly sql: SqlClient
  /** The logs as stores of their own. */
  readonly open: (name: typeof names[number]) => ReturnType<typeof Store.open>
}>()("@eventfold/test/Routed") {
  static readonly layer = Layer.effect(
    Opened,
    Effect.gen(function*() {
      const [one, two] = [yield* Database.make(), yield* Database.make()]
      const pool = Postgres.layerPool({ url: Redacted.make(one.url), maxConnections: 4 })
      const logs = Logs.layerRouted({
        logs: {
          near: {},
          beside: { schema: "beside" },
          far: { schema: "far", url: Redacted.make(two.url), maxConnections: 2 }
        },
        of,
        install: { role: false }
      })
      const context = yield* Layer.build(Layer.provideMerge(logs, pool))
      return {
        store: Context.get(context, MessageStore),
        routed: Context.get(context, Logs.Routed),
        sql: Context.get(context, SqlClient),
        open: (name) =>
          Store.open(name === "far" ? two.url : one.url, {
            maxConnections: 1,
            schema: name === "near" ? undefined : name
          })
      }
    })
  )
}

const Account = (name: string) => Category.make(name, { Deposited: { amount: Schema.Int } })

const [NearAccount, BesideAccount, FarAccount] = [
  Account("nearAccount"),
  Account("besideAccount"),
  Account("farAccount")
]

const balanceOf = (category: typeof NearAccount) =>
  Entity.make(category, {
    state: Schema.Int,
    initial: 0,
    evolve: { Deposited: (balance, { amount }) => balance + amount }
  })

const deposit = (category: typeof NearAccount, amount: number) =>
  category.append("1", category.events.Deposited({ amount }))

layer(Opened.layer, { excludeTestServices: true })("categories in several logs", (it) => {
  it.effect("a consumer on the store and one in its log are not at work at the same time", () =>
    Effect.gen(function*() {
      const { open, routed, store } = yield* Opened
      for (const log of names) {
        const category = `${log}Lease`
        const inLog = yield* open(log)
        const lease = PositionStore.leaseName({ category, consumerId: "one" })
        yield* Effect.scoped(Effect.gen(function*() {
          assert.isTrue(Option.isSome(yield* store.lease(lease)))
          assert.isTrue(Option.isNone(yield* inLog.lease(lease)))
        }))
        yield* Effect.scoped(Effect.gen(function*() {
          const held = yield* routed.inLog(log)(MessageStore.use((store) => store.lease(lease)))
          assert.isTrue(Option.isSome(held))
          assert.isTrue(Option.isNone(yield* store.lease(lease)))
        }))
      }
      // Of no category that a log has.
      assert.isTrue(Option.isSome(yield* Effect.scoped(store.lease("consumer of something"))))
    }))

  it.effect("a stream is in the log of its category, with its commands and snapshots", () =>
    Effect.gen(function*() {
      const { open, store } = yield* Opened
      for (const name of names) {
        for (const category of [`${name}Cart`, `${name}Cart:command`]) {
          yield* store.append(`${category}-1`, [{ type: "Opened", data: name }], { expectedVersion: "noStream" })
          assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, `${category}-1`)), [name])
          const own = yield* open(name)
          assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(own, `${category}-1`)), [name])
          for (const other of names.filter((other) => other !== name)) {
            assert.lengthOf(yield* Store.readStream(yield* open(other), `${category}-1`), 0)
          }
        }
      }
    }))

  it.effect("a write to two logs of the client is one transaction: all of it, or nothing", () =>
    Effect.gen(function*() {
      const { store } = yield* Opened
      const [first, second] = yield* store.writeAll(both("noStream"))
      assert.deepStrictEqual([first?.version, second?.version], [1, 0])
      const error = yield* Effect.flip(store.writeAll(both("noStream")))
      assert.instanceOf(error, WrongExpectedVersion)
      assert.lengthOf(yield* Store.readStream(store, "nearBoth-1"), 2)
      yield* store.writeAll(both(0))
      assert.lengthOf(yield* Store.readStream(store, "nearBoth-1"), 4)

      const transacted = yield* Entity.transactAll(
        { near: balanceOf(NearAccount).at("1"), beside: balanceOf(BesideAccount).at("1") },
        () =>
          Effect.succeed({
            near: NearAccount.events.Deposited({ amount: 1 }),
            beside: BesideAccount.events.Deposited({ amount: 2 })
          })
      ).pipe(Effect.provideService(MessageStore, store))
      assert.deepStrictEqual([transacted.entities.near.state, transacted.entities.beside.state], [1, 2])
    }))

  it.effect("a repeated write to two logs gives its first result, and its checks are not made again", () =>
    Effect.gen(function*() {
      const { store } = yield* Opened
      const message = { id: yield* nextId, type: "Once", data: 1 }
      const call = [
        { streamName: "nearOnce-1", messages: message },
        { streamName: "besideOnce-1", messages: [], expectedVersion: "noStream" as const }
      ]
      const first = yield* store.writeAll(call)
      yield* store.append("besideOnce-1", Store.numbered(1))
      const again = yield* store.writeAll(call)
      assert.deepStrictEqual(again[0], first[0])
      assert.deepStrictEqual(again[1], { version: 0, globalPosition: 0 })
      // With another message it is a call of its own, of which a part is recorded.
      const error = yield* Effect.flip(
        store.writeAll([...call.slice(0, 1), { streamName: "besideOnce-1", messages: Store.numbered(1) }])
      )
      assert.strictEqual(error._tag, "DuplicateMessageId")
      assert.lengthOf(yield* Store.readStream(store, "besideOnce-1"), 1)
    }))

  it.effect("a write to logs of two servers is refused, and nothing of it is written", () =>
    Effect.gen(function*() {
      const { sql, store } = yield* Opened
      const error = yield* Effect.flip(store.writeAll([
        { streamName: "nearTwo-1", messages: Store.numbered(1) },
        { streamName: "farTwo-1", messages: Store.numbered(1) }
      ]))
      assert.instanceOf(error, Unsupported)
      assert.include(error.message, "writing to the logs far and near at once")
      assert.instanceOf(yield* Effect.flip(store.transaction(Effect.void)), Unsupported)

      const inside = yield* Effect.flip(sql.withTransaction(Effect.andThen(
        store.append("nearTwo-1", Store.numbered(1)),
        store.append("farTwo-1", Store.numbered(1))
      )))
      assert.instanceOf(inside, StoreError)
      assert.include(inside.message, "the log far is on another server than the caller's transaction")
      const Room = Streams.make({ category: "farRoom" })
      const added = yield* Effect.flip(sql.withTransaction(Archives.on(store)(Room.add({ id: "1" }))))
      assert.include(String(added), "the log far is on another server than the caller's transaction")
      assert.lengthOf(yield* Store.readStream(store, "nearTwo-1"), 0)
      assert.lengthOf(yield* Store.readStream(store, "farTwo-1"), 0)
    }))

  it.effect("a cache keeps nothing of a transaction of the client that is rolled back, beside a log of another server", () =>
    Effect.gen(function*() {
      const { sql, store } = yield* Opened
      const Cached = Category.make("nearCached", { Deposited: { amount: Schema.Int } })
      const Balance = balanceOf(Cached)
      const transact = (amount: number) => Balance.transact("1", () => Cached.events.Deposited({ amount }))
      yield* Effect.gen(function*() {
        yield* transact(1)
        yield* Effect.exit(sql.withTransaction(Effect.andThen(transact(10), Effect.fail("rolled back"))))
        assert.strictEqual((yield* Balance.load("1", { freshness: "cached" })).state, 1)
        assert.strictEqual((yield* Balance.load("1")).state, 1)
        yield* transact(100)
        assert.strictEqual((yield* Balance.load("1")).state, 101)
      }).pipe(Effect.provideService(MessageStore, store), Effect.provide(EntityCache.layer({ capacity: 10 })))
    }))

  it.effect("everything is read in each log, and on the store that is refused with words", () =>
    Effect.gen(function*() {
      const { routed, store } = yield* Opened
      for (const name of names) yield* store.append(`${name}All-1`, Store.numbered(2))
      const error = yield* Effect.flip(Stream.runCollect(store.readAll()))
      assert.include(error.message, "each log has its own global positions")
      assert.include((yield* Effect.flip(store.lastPosition)).message, "each log has its own global positions")
      const near = yield* Stream.runCollect(store.readAll({ categories: ["nearAll", "nearCart"] }))
      assert.isAtLeast(near.length, 2)
      const found = yield* routed.each(Effect.flatMap(MessageStore, (store) =>
        Effect.map(
          Stream.runCollect(store.readAll()),
          (all) => all.map(({ streamName }): string => streamName).filter((name) => name.endsWith("All-1"))
        )))
      assert.deepStrictEqual(found, {
        near: ["nearAll-1", "nearAll-1"],
        beside: ["besideAll-1", "besideAll-1"],
        far: ["farAll-1", "farAll-1"]
      })
    }))

  it.effect("a consumer and a read model run in each log, with a position and tables for each", () =>
    Effect.gen(function*() {
      const { routed, store } = yield* Opened
      const onStore = Effect.provideService(MessageStore, store)
      yield* Effect.forEach([NearAccount, BesideAccount, FarAccount], (category) => onStore(deposit(category, 5)))
      const handled = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (category: typeof NearAccount) =>
        [
          category,
          { Deposited: () => Ref.update(handled, (all) => [...all, category.categoryName]) }
        ] as const
      const mail = Consumer.make("mail").on(...note(NearAccount)).on(...note(BesideAccount)).on(...note(FarAccount))
      const Totals = SqlReadModel.make("totals", {
        version: 1,
        tables: ["CREATE TABLE totals (amount integer NOT NULL)"]
      }).on(NearAccount, { Deposited: ({ data }) => add(data.amount) })
        .on(BesideAccount, { Deposited: ({ data }) => add(data.amount) })
        .on(FarAccount, { Deposited: ({ data }) => add(data.amount) })
      const add = Effect.fnUntraced(function*(amount: number) {
        const sql = yield* SqlClient
        yield* sql`INSERT INTO totals (amount) VALUES (${amount}::int4)`
      })

      yield* Effect.forkScoped(routed.each(Consumer.run(mail)))
      yield* Effect.forkScoped(routed.each(ReadModel.run(Totals)))
      yield* until(
        "each log's message is handled",
        Effect.map(Ref.get(handled), (all) => new Set(all).size === 3)
      )
      const sums = yield* within("for the read models")(routed.each(Effect.gen(function*() {
        const last = yield* (yield* MessageStore).lastPosition
        yield* ReadModel.waitFor(Totals, last)
        const sql = yield* SqlClient
        const schema = (yield* (yield* MessageStore).identity).database?.split(".")[1]
        const [row] = yield* sql<{ readonly sum: number }>`SELECT sum(amount)::int4 AS sum
          FROM ${sql.literal(schema === undefined ? "totals" : `${schema}__totals`)}.totals`
        return row?.sum
      })))
      // Both earlier transactions and these deposits.
      assert.deepStrictEqual(sums, { near: 6, beside: 7, far: 5 })
    }))

  it.effect("an append wakes readers of the store and of its log", () =>
    Effect.gen(function*() {
      const { routed, store } = yield* Opened
      const own = yield* routed.inLog("beside")(MessageStore)
      const wakeUps = yield* Effect.forEach([store, own], (store) => store.wakeUps("besideWoken"))
      // The first ones say that the listeners are connected.
      yield* Effect.forEach(wakeUps, (wakeUp) => within("for the listener")(wakeUp.await))
      yield* store.append("besideWoken-1", Store.numbered(1))
      yield* Effect.forEach(wakeUps, (wakeUp) => within("for a wake-up")(wakeUp.await))
    }))

  it.effect("categories and streams are listed by name over all logs, by pages of any size", () =>
    Effect.gen(function*() {
      const { store } = yield* Opened
      const written = names.flatMap((name) => ["A", "B", "C"].map((letter) => `${name}List${letter}`))
      yield* Effect.forEach(written, (category) => store.append(`${category}-1`, Store.numbered(1)))
      for (const limit of [1, 2, 100]) {
        const found: Array<string> = []
        let after: string | undefined
        do {
          const page = yield* store.streams({ limit, after })
          found.push(...page.streams.map(({ streamName }) => streamName).filter((name) => name.includes("List")))
          after = Option.getOrUndefined(page.next)
        } while (after !== undefined)
        assert.deepStrictEqual(found, written.map((category) => `${category}-1`).toSorted())
      }
      const { categories } = yield* store.categories({ limit: 1_000 })
      const listed = categories.map(({ category }) => category).filter((name) => name.includes("List"))
      assert.deepStrictEqual(listed, written.toSorted())
    }))

  it.effect("a log that is not there is refused, with those that are", () =>
    Effect.gen(function*() {
      const { routed } = yield* Opened
      const error = yield* Effect.flip(routed.inLog("nowhere")(Effect.void))
      assert.include(error.message, "near, beside, far")
      assert.strictEqual(routed.of("farCart"), "far")

      const { url } = yield* Database.make()
      const wrong = Logs.layerRouted({
        logs: { near: {} },
        of: (): "near" => JSON.parse("\"nowhere\"")
      }).pipe(Layer.provide(Postgres.layerPool({ url: Redacted.make(url) })))
      const store = Context.get(yield* Layer.build(wrong), MessageStore)
      const refusal = yield* Effect.flip(store.append("cart-1", Store.numbered(1)))
      assert.instanceOf(refusal, StoreError)
      assert.include(refusal.message, "the category cart is to be in the log \"nowhere\"")
      const none = Logs.layerRouted<never>({ logs: {}, of: () => assert.fail("no log is asked for") }).pipe(
        Layer.provide(Postgres.layerPool({ url: Redacted.make(url) }))
      )
      const empty = yield* Effect.flip(Effect.scoped(Layer.build(none)))
      assert.instanceOf(empty.reason, Postgres.InvalidOption)
    }))
})
