import { assert, layer } from "@effect/vitest"
import type { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import type { Lease } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import { fileURLToPath } from "node:url"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

/** Two stores on one database know as little of one another as two processes do. */
const open = (options?: Omit<Postgres.Options, "url">) =>
  Effect.flatMap(Database.Database, ({ url }) => Store.open(url, options))

let names = 0
const newName = Effect.sync(() => `lease${++names}`)

const hold = (store: Store.Store, name: string) =>
  Effect.flatMap(store.lease(name), (lease) => Effect.orDie(Effect.fromOption(lease)))

/** Whether nobody holds the name. */
const isFree = (store: Store.Store, name: string) => Effect.scoped(Effect.map(store.lease(name), Option.isSome))

const isLost = (lease: Lease) => within("for the loss")(lease.lost)

/** The locks of leases in this database. */
const locks = Effect.gen(function*() {
  const sql = yield* SqlClient
  return yield* sql<{ readonly pid: number; readonly key: bigint }>`SELECT pid,
      (classid::bigint::bit(64) << 32 | objid::bigint::bit(64))::bigint AS key
    FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND objsubid = 2 AND datname = current_database()`
})

layer(Database.layer(), { excludeTestServices: true })("leases between processes", (it) => {
  it.effect("one store holds a name; another gets it when the scope of the first closes, at once", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* open(), yield* open()]
      const [name, other] = [yield* newName, yield* newName]
      yield* hold(two, other)
      for (const _ of Store.upTo(5)) {
        const scope = yield* Scope.make()
        yield* Scope.provide(hold(one, name), scope)
        assert.isFalse(yield* isFree(two, name))
        assert.isFalse(yield* isFree(one, other))
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(yield* isFree(two, name))
      }
    }))

  it.effect("of many stores that try together one holds it", () =>
    Effect.gen(function*() {
      const stores = yield* Effect.forEach(Store.upTo(8), () => open())
      for (const _ of Store.upTo(5)) {
        const name = yield* newName
        const scope = yield* Scope.make()
        const tries = yield* Effect.forEach(stores, (store) => Scope.provide(store.lease(name), scope), together)
        assert.strictEqual(tries.filter(Option.isSome).length, 1)
        yield* Scope.close(scope, Exit.void)
      }
    }))

  it.effect("the end of a layer gives back what is held through it, and tells who holds it", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(open(), scope)
      const two = yield* open()
      const name = yield* newName
      const lease = yield* hold(one, name)
      assert.isFalse(yield* isFree(two, name))
      yield* within("for the end of the layer")(Scope.close(scope, Exit.void))
      yield* isLost(lease)
      yield* until("the name is free", isFree(two, name))
    }))

  it.effect("the end of the connection loses all of its leases, which others can have, and later the same store", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const [one, two] = [yield* open(), yield* open()]
      const [name, other] = [yield* newName, yield* newName]
      for (const _ of Store.upTo(3)) {
        const scope = yield* Scope.make()
        const leases = yield* Effect.forEach([name, other], (each) => Scope.provide(hold(one, each), scope))
        // Other tests hold leases in other databases of the server.
        yield* sql`SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database
          WHERE locktype = 'advisory' AND objsubid = 2 AND datname = current_database()`
        for (const lease of leases) {
          const error = yield* isLost(lease)
          assert.instanceOf(error, StoreError)
          assert.isTrue(error.isRetryable)
        }
        const second = yield* Scope.make()
        // The server tells a session that it ends a moment before it lets its locks go.
        yield* until("the name is free", isFree(two, name))
        yield* Scope.provide(hold(two, name), second)
        // Its holder has not let it go yet.
        assert.isFalse(yield* isFree(one, other))
        assert.isTrue(yield* isFree(two, other))
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(yield* isFree(one, name))
        assert.isTrue(yield* isFree(one, other))
        yield* Scope.close(second, Exit.void)
        assert.isTrue(yield* isFree(one, name))
      }
    }))

  it.effect("many are held on one connection, which is none of the pool's", () =>
    Effect.gen(function*() {
      const store = yield* open({ maxConnections: 1 })
      const all = yield* Effect.forEach(Store.upTo(100), () => newName)
      yield* Effect.forEach(all, (name) => hold(store, name), together)
      const held = yield* locks
      assert.lengthOf(held, 100)
      assert.strictEqual(new Set(held.map(({ pid }) => pid)).size, 1)
      assert.strictEqual((yield* store.append("many-1", Store.numbered(1))).version, 0)
    }))

  // All of them take longer than the server may take for an answer, a third of the timeout, and none does by itself.
  it.effect("thousands at once are held, and none is lost because the others are before it", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* open({ leaseTimeout: "12 seconds" })
      const name = yield* newName
      const leases = yield* Effect.forEach(
        Array.from({ length: 10_000 }, (_, n) => `${name}-${n}`),
        (one) => hold(store, one),
        together
      )
      assert.lengthOf(leases, 10_000)
      // Another one, of which the session hears after all that it was asked before.
      yield* hold(store, name)
      const lost = yield* Effect.forEach(leases, ({ lost }) => Effect.forkChild(lost, { startImmediately: true }))
      assert.isTrue(lost.every((fiber) => fiber.pollUnsafe() === undefined))
    })))

  it.effect("they and the locks of categories leave one another alone, even with the same key", () =>
    Effect.gen(function*() {
      const [store, other] = [yield* open(), yield* Database.session((yield* Database.Database).url)]
      const name = yield* newName
      yield* hold(store, name)
      assert.strictEqual((yield* store.append(`${name}-1`, Store.numbered(1))).version, 0)
      const key = (yield* locks)[0]?.key
      assert(key !== undefined)
      yield* other.withTransaction(Effect.gen(function*() {
        assert.deepStrictEqual(yield* other`SELECT pg_try_advisory_xact_lock(${key}) AS locked`, [{ locked: true }])
        const category = yield* newName
        yield* other`SELECT message_store.acquire_lock(${`${category}-1`})`
        assert.isTrue(yield* isFree(store, category))
      }))
    }))
})

const script = fileURLToPath(new URL("leaseHolder.ts", import.meta.url))

layer(Database.layer(), { excludeTestServices: true })("the process that holds a lease", (it) => {
  const start = Effect.fnUntraced(function*(name: string) {
    const child = yield* Child.start(script, [(yield* Database.Database).url, name])
    yield* Child.says(child, 1)
    assert.deepStrictEqual(child.lines, ["held"])
    return child
  })

  it.effect("gives it back when it is killed", () =>
    Effect.gen(function*() {
      const store = yield* open()
      const name = yield* newName
      const holder = yield* start(name)
      assert.isFalse(yield* isFree(store, name))
      yield* holder.kill
      yield* until("the name is free", isFree(store, name))
    }))

  it.effect("loses it when it is frozen, and learns of it when it goes on", () =>
    Effect.gen(function*() {
      const store = yield* open()
      const name = yield* newName
      const holder = yield* start(name)
      yield* holder.freeze
      assert.isFalse(yield* isFree(store, name))
      yield* until("the name is free", isFree(store, name))
      yield* hold(store, name)
      assert.deepStrictEqual(holder.lines, ["held"])
      yield* holder.thaw
      yield* Child.says(holder, 2)
      assert.deepStrictEqual(holder.lines, ["held", "lost"])
    }))
})

layer(Database.layer())("the connection of leases", (it) => {
  it.effect("asks for a sign of life each three seconds, and closes ten seconds after the last lease", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const store = yield* Store.open(proxy.url)
      const sql = yield* SqlClient
      /** Time goes on when the server has answered. */
      const threeSeconds = Effect.gen(function*() {
        const before = yield* proxy.leases
        yield* TestClock.adjust("3 seconds")
        yield* TestClock.withLive(until("it has asked", Effect.map(proxy.leases, (now) => now === before + 1)))
        // The answer has arrived before one that was given later.
        yield* store.lastPosition
      })
      const session = Effect.scoped(Effect.andThen(hold(store, yield* newName), locks))
      const [first] = yield* session
      assert(first !== undefined)
      for (const _ of Store.upTo(2)) {
        yield* Effect.replicateEffect(threeSeconds, 3)
        assert.deepStrictEqual((yield* session).map(({ pid }) => pid), [first.pid])
      }
      yield* Effect.replicateEffect(threeSeconds, 3)
      yield* TestClock.adjust("1 second")
      const isGone = Effect.map(
        sql`SELECT FROM pg_stat_activity WHERE pid = ${first.pid}`,
        (rows) => rows.length === 0
      )
      yield* TestClock.withLive(until("the session is gone", isGone))
      assert.notStrictEqual((yield* session)[0]?.pid, first.pid)
    }))

  it.effect("to a server that falls silent is given up after eight seconds", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const [store, other] = [yield* Store.open(proxy.url), yield* open()]
      const name = yield* newName
      const lease = yield* hold(store, name)
      const lost = yield* Effect.forkChild(lease.lost)
      yield* proxy.silenceFrom("SELECT 1")
      yield* TestClock.adjust("7999 millis")
      assert.isFalse(yield* isFree(other, name))
      assert.isUndefined(lost.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* TestClock.withLive(within("for the loss")(Fiber.join(lost)))
      assert.include(error.message, "does not answer")
    }))
})

layer(Database.layer(), { excludeTestServices: true })("a server that has gone", (it) => {
  it.effect("loses its leases; a layer closes at once, and there are leases again when it is back", () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const { url } = yield* Database.make({ server })
      const scope = yield* Scope.make()
      const closing = yield* Scope.provide(Store.open(url, Store.patient), scope)
      const store = yield* Store.open(url)
      yield* Scope.provide(hold(closing, "one"), scope)
      const held = yield* Scope.make()
      const lease = yield* Scope.provide(hold(store, "two"), held)
      yield* server.kill
      yield* isLost(lease)
      yield* within("for the end of the layer")(Scope.close(scope, Exit.void))
      yield* within("for the end of the lease")(Scope.close(held, Exit.void))
      const error = yield* Effect.flip(store.lease("two"))
      assert.instanceOf(error, StoreError)
      assert.isTrue(error.isRetryable)
      yield* server.restart
      yield* hold(store, "two")
    }))

  it.effect("without a word keeps a layer from closing for seconds at the most", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const scope = yield* Scope.make()
      const store = yield* Scope.provide(Store.open(proxy.url, Store.patient), scope)
      yield* Scope.provide(hold(store, yield* newName), scope)
      yield* proxy.silenceFrom("pg_advisory_unlock")
      yield* within("for the end of the layer")(Scope.close(scope, Exit.void))
    }))
})
