import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import type { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { WakeUps } from "eventfold/MessageStore"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

/** Two stores on one database know as little of one another as two processes do. */
const open = (options?: Omit<Postgres.Options, "url">) =>
  Effect.flatMap(Database.Database, ({ url }) => Store.open(url, options))

let categories = 0
const newCategory = Effect.sync(() => `wake${++categories}`)

/** The sessions that listen in this database. From time to time they ask for a sign of life. */
const listeners = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly pid: number }>`SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query IN ('LISTEN "eventfold"', 'SELECT 1')`
  return rows.map((row) => row.pid)
})

const woken = (wakeUps: WakeUps) => within("for a wake-up")(wakeUps.await)

/** A subscription whose listener is connected: that is what the first wake-up of it says. */
const subscribe = Effect.fnUntraced(function*(store: Store.Store, category?: string) {
  const wakeUps = yield* store.wakeUps(category)
  yield* woken(wakeUps)
  return wakeUps
})

/** Counts the wake-ups from now on. */
const count = Effect.fnUntraced(function*(wakeUps: WakeUps) {
  const counter = { wakes: 0 }
  yield* wakeUps.await.pipe(
    Effect.tap(() => Effect.sync(() => counter.wakes++)),
    Effect.forever,
    Effect.forkScoped({ startImmediately: true })
  )
  return counter
})

/** What is announced in this database from now on. */
const announcements = Effect.gen(function*() {
  const { url } = yield* Database.Database
  const sql = yield* Effect.provide(PgClient.PgClient, yield* Layer.build(Database.client(url)))
  return yield* sql.listen("eventfold")
})

const payload = (queue: Effect.Success<typeof announcements>) =>
  Effect.map(within("for an announcement")(Queue.take(queue)), ({ payload }) => payload)

const categoriesOf = (text: string): unknown => JSON.parse(text).categories

layer(Database.layer(), { excludeTestServices: true })("wake-ups between processes", (it) => {
  it.effect("an append or a writeAll of one wakes those who wait in another, and nobody else", () =>
    Effect.gen(function*() {
      const [writer, reader] = [yield* open(), yield* open()]
      const [category, other] = [yield* newCategory, yield* newCategory]
      const wakeUps = yield* subscribe(reader, category)
      const others = yield* count(yield* reader.wakeUps(other))
      const any = yield* reader.wakeUps()
      for (const i of Store.upTo(10)) {
        yield* writer.append(`${category}-${i}`, Store.numbered(1))
        yield* woken(wakeUps)
        assert.lengthOf(yield* Store.readCategory(reader, category), 2 * i + 1)
        yield* woken(any)
        yield* writer.writeAll([
          { streamName: `${yield* newCategory}-1`, messages: Store.numbered(1) },
          { streamName: `${category}-${i}`, messages: Store.numbered(1) }
        ])
        yield* woken(wakeUps)
        yield* woken(any)
      }
      assert.strictEqual(others.wakes, 0)
    }))

  it.effect("what a store announces does not come back to it", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* open(), yield* open()]
      const [category, last] = [yield* newCategory, yield* newCategory]
      const own = yield* count(yield* subscribe(one, category))
      const end = yield* one.wakeUps(last)
      const elsewhere = yield* subscribe(two, category)
      yield* one.append(`${category}-1`, Store.numbered(1))
      // The announcement is there, and another one that follows it, which the first store hears in that order.
      yield* woken(elsewhere)
      yield* two.append(`${last}-1`, Store.numbered(1))
      yield* woken(end)
      assert.strictEqual(own.wakes, 1)
    }))

  it.effect("a stock Message DB's stores wake one another", () =>
    Effect.gen(function*() {
      const { url } = yield* MessageDb.makeDatabase()
      const [writer, reader] = [yield* Store.open(url), yield* Store.open(url)]
      const wakeUps = yield* subscribe(reader, "stock")
      yield* writer.append("stock-1", Store.numbered(1))
      yield* woken(wakeUps)
      yield* writer.writeAll([{ streamName: "stock-1", messages: Store.numbered(1) }])
      yield* woken(wakeUps)
    }))

  it.effect("any client may wake: for some categories by their names, or for all", () =>
    Effect.gen(function*() {
      const reader = yield* open()
      const sql = yield* SqlClient
      const [category, other] = [yield* newCategory, yield* newCategory]
      const wakeUps = yield* subscribe(reader, category)
      const others = yield* count(yield* reader.wakeUps(other))
      yield* sql`SELECT pg_notify('eventfold', ${JSON.stringify({ categories: [category] })})`
      yield* woken(wakeUps)
      assert.strictEqual(others.wakes, 0)
      for (const text of ["", "{}", "no JSON", `{"categories":1}`, `["${category}"]`, "null"]) {
        yield* sql`SELECT pg_notify('eventfold', ${text})`
        yield* woken(wakeUps)
      }
      yield* until("the others are woken as often", Effect.sync(() => others.wakes === 6))
    }))

  it.effect("an append whose caller has gone wakes when it is committed, here and elsewhere", () =>
    Effect.gen(function*() {
      const [writer, reader] = [yield* open(), yield* open()]
      const category = yield* newCategory
      const [own, elsewhere] = [yield* subscribe(writer, category), yield* subscribe(reader, category)]
      const other = yield* Database.session((yield* Database.Database).url)
      yield* other`BEGIN`
      yield* other`SELECT message_store.acquire_lock(${`${category}-1`})`
      const append = yield* Effect.forkChild(writer.append(`${category}-1`, Store.numbered(1)))
      const sql = yield* SqlClient
      yield* until(
        "it waits for the lock",
        Effect.map(
          sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          (rows) => rows.length > 0
        )
      )
      yield* Fiber.interrupt(append)
      yield* other`COMMIT`
      yield* woken(own)
      yield* woken(elsewhere)
      assert.lengthOf(yield* Store.readCategory(reader, category), 1)
    }))
})

/** Appends to 30 categories, whose names are of one letter and together some 6,500 long. */
const appends = (letter: string) =>
  Store.upTo(30).map((i) => ({ streamName: `${letter.repeat(i + 200)}-1`, messages: Store.numbered(1) }))

layer(Database.layer(), { excludeTestServices: true })("announcements", (it) => {
  it.effect("of 1,000 concurrent appends are few, and the append is one round trip before its result", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const store = yield* Store.open(proxy.url)
      const heard = yield* announcements
      const before = yield* proxy.roundTrips
      yield* store.append("many-1", Store.numbered(1))
      assert.strictEqual((yield* proxy.roundTrips) - before, 1)
      assert.deepStrictEqual(categoriesOf(yield* payload(heard)), ["many"])
      yield* Effect.forEach(Store.upTo(1_000), (i) => store.append(`many${i % 50}-1`, Store.numbered(1)), together)
      const missing = new Set(Store.upTo(50).map((i) => `many${i}`))
      while (missing.size > 0) {
        for (const category of JSON.parse(yield* payload(heard)).categories) missing.delete(category)
      }
      const sent = yield* proxy.announcements
      assert.isAtLeast(sent, 2)
      assert.isBelow(sent, 250)
    }))

  it.effect("with announce: false there are none, and the store is still woken by others", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const silent = yield* Store.open(proxy.url, { announce: false })
      const other = yield* open()
      const wakeUps = yield* subscribe(silent, "silent")
      const heard = yield* announcements
      yield* silent.append("silent-1", Store.numbered(1))
      yield* woken(wakeUps)
      yield* other.append("silent-1", Store.numbered(1))
      yield* woken(wakeUps)
      assert.deepStrictEqual(categoriesOf(yield* payload(heard)), ["silent"])
      assert.strictEqual(yield* proxy.announcements, 0)
    }))

  it.effect("of more categories than fit stand for all of them", () =>
    Effect.gen(function*() {
      const [writer, reader] = [yield* open(), yield* open()]
      const wakeUps = yield* subscribe(reader, "bystander")
      const heard = yield* announcements
      yield* writer.writeAll(appends("é"))
      const text = yield* payload(heard)
      assert.isUndefined(categoriesOf(text))
      yield* woken(wakeUps)
      // As many characters, half the bytes.
      yield* writer.writeAll(appends("e"))
      assert.lengthOf(JSON.parse(yield* payload(heard)).categories, 30)
    }))

  it.effect("of an append right before the end of the layer is sent", () =>
    Effect.gen(function*() {
      const heard = yield* announcements
      const category = yield* newCategory
      for (const _ of Store.upTo(5)) {
        yield* Effect.scoped(Effect.flatMap(open(), (store) => store.append(`${category}-1`, Store.numbered(1))))
        assert.deepStrictEqual(categoriesOf(yield* payload(heard)), [category])
      }
    }))

  it.effect("that fail are forgotten", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const store = yield* Store.open(proxy.url)
      const category = yield* newCategory
      for (const i of Store.upTo(4)) {
        yield* proxy.cut(i % 2 === 0 ? "before the request" : "before the reply", "{\"from\":\"")
        assert.strictEqual((yield* store.append(`${category}-1`, Store.numbered(1))).version, i)
        yield* until("the announcement is cut", Effect.map(proxy.cuts, (cuts) => cuts === i + 1))
      }
      const heard = yield* announcements
      yield* store.append(`${category}-1`, Store.numbered(1))
      assert.deepStrictEqual(categoriesOf(yield* payload(heard)), [category])
    }))
})

layer(Database.layer(), { excludeTestServices: true })("the listener", (it) => {
  const isGone = until("the listener is gone", Effect.map(listeners, (pids) => pids.length === 0))

  it.effect("is one connection for all subscribers, from the first to the last", () =>
    Effect.gen(function*() {
      const store = yield* open({ maxConnections: 1 })
      assert.deepStrictEqual(yield* listeners, [])
      for (const _ of Store.upTo(2)) {
        yield* Effect.scoped(Effect.gen(function*() {
          yield* subscribe(store, "one")
          const [pid] = yield* listeners
          yield* Effect.forEach(Store.upTo(20), (i) => store.wakeUps(`other${i}`), together)
          assert.deepStrictEqual(yield* listeners, [pid])
          // Not the pool's only one.
          yield* store.append("one-1", Store.numbered(1))
        }))
        yield* isGone
      }
    }))

  it.effect("is replaced when its backend is terminated; everybody is woken, and then by appends as before", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const [writer, reader] = [yield* open(), yield* open()]
      const category = yield* newCategory
      const wakeUps = yield* subscribe(reader, category)
      const other = yield* reader.wakeUps("other")
      for (const _ of Store.upTo(2)) {
        const [pid] = yield* listeners
        assert(pid !== undefined)
        yield* sql`SELECT pg_terminate_backend(${pid})`
        yield* woken(wakeUps)
        yield* woken(other)
        assert.notInclude(yield* listeners, pid)
        yield* writer.append(`${category}-1`, Store.numbered(1))
        yield* woken(wakeUps)
      }
    }))

  it.effect("ends with the layer, under those who wait", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const store = yield* Scope.provide(open(), scope)
      const wakeUps = yield* subscribe(store)
      const waiting = yield* Effect.forkChild(wakeUps.await, { startImmediately: true })
      yield* within("for the end of the layer")(Scope.close(scope, Exit.void))
      yield* isGone
      yield* Fiber.interrupt(waiting)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.scoped(store.wakeUps()))))
    }))
})

layer(Database.layer(), { excludeTestServices: true })("a server that has gone", (it) => {
  it.effect("wakes when it is back; meanwhile a layer closes at once", () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const { url } = yield* Database.make({ server })
      const [writer, reader] = [yield* Store.open(url), yield* Store.open(url)]
      const scope = yield* Scope.make()
      const closing = yield* Scope.provide(Store.open(url, Store.patient), scope)
      yield* subscribe(closing)
      const wakeUps = yield* subscribe(reader, "gone")
      yield* closing.append("gone-1", Store.numbered(1))
      yield* woken(wakeUps)
      yield* server.kill
      yield* within("for the end of the layer")(Scope.close(scope, Exit.void))
      yield* server.restart
      yield* woken(wakeUps)
      yield* writer.append("gone-1", Store.numbered(1))
      yield* woken(wakeUps)
    }))

  it.effect("without a word keeps a layer from closing for seconds at the most", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const scope = yield* Scope.make()
      const store = yield* Scope.provide(Store.open(proxy.url, Store.patient), scope)
      const wakeUps = yield* subscribe(store, "silent")
      // The announcement is never answered, and the listener has nobody to take leave of.
      yield* proxy.silenceFrom("{\"from\":\"")
      yield* store.append("silent-1", Store.numbered(1))
      yield* woken(wakeUps)
      yield* within("for the end of the layer")(Scope.close(scope, Exit.void))
    }))
})
