/**
 * A log for each tenant, on one pool.
 */
import { assert, layer } from "@effect/vitest"
import { Logs, Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { MessageStore } from "eventfold/MessageStore"
import { ReadModelStore } from "eventfold/ReadModelStore"
import * as Database from "../support/Database.ts"
import { shortOrLong } from "../support/Form.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const maxConnections = 3

const tenants = Array.from({ length: shortOrLong(12, 1_000) }, (_, i) => `t${i}`)

const schemaOf = (tenant: string) => `tenant_${tenant}`

/** The logs of tenants, and what tells about their database. */
const open = (idleTimeToLive: "1 hour" | "50 millis") =>
  Effect.gen(function*() {
    const { url } = yield* Database.make()
    const pool = Postgres.layerPool({ url: Redacted.make(url), maxConnections, applicationName: "tenants" })
    const logs = Logs.layer({ of: schemaOf, idleTimeToLive, install: { role: false } })
    return { url, logs: Context.get(yield* Layer.build(Layer.provide(logs, pool)), Logs.Logs) }
  })

/** How many connections the logs have. */
const connections = (url: string) =>
  Effect.flatMap(
    SqlClient,
    (sql) =>
      sql<{ readonly count: number }>`SELECT count(*)::int4 AS count FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'tenants'`
  ).pipe(
    Effect.map(([row]) => row?.count ?? 0),
    Effect.provide(Database.client(url))
  )

layer(Layer.empty, { excludeTestServices: true })("logs of tenants", (it) => {
  it.effect("share one pool, one listener and one session of leases, and hear of their own log alone", () =>
    Effect.gen(function*() {
      const { logs, url } = yield* open("1 hour")
      const stores = yield* Effect.forEach(tenants, (tenant) =>
        Effect.map(logs.contextEffect(tenant), (context) => ({
          tenant,
          store: Context.get(context, MessageStore),
          readModels: Context.get(context, ReadModelStore)
        })))
      const [first, second] = stores
      assert.isDefined(first)
      assert.isDefined(second)
      for (const { readModels, store, tenant } of stores) {
        assert.strictEqual((yield* store.append("cart-1", [{ type: "Opened", data: tenant }])).globalPosition, 1)
        assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "cart-1")), [tenant])
        assert.isTrue(Option.isSome(yield* store.lease("worker")))
        assert.lengthOf(yield* readModels.list, 0)
      }
      const wakeUps = yield* Effect.forEach(stores, ({ store }) => store.wakeUps("woken"))
      // The first one says that the listener is connected.
      yield* Effect.forEach(wakeUps, (wakeUp) => within("for the listener")(wakeUp.await), { discard: true })
      // The pool, the listener and the leases.
      assert.isAtMost(yield* connections(url), maxConnections + 2)

      const other = yield* Store.open(url, { schema: schemaOf(second.tenant), maxConnections: 1 })
      yield* other.append("woken-1", Store.numbered(1))
      yield* within("for the second tenant")(wakeUps[1]?.await ?? Effect.die(new Error("no wake-ups")))
      // Had the first tenant been woken as well, it would have been before what comes now.
      const woken = yield* Effect.forkChild(wakeUps[0]?.await ?? Effect.die(new Error("no wake-ups")))
      yield* Effect.yieldNow
      assert.isUndefined(woken.pollUnsafe())
      const own = yield* Store.open(url, { schema: schemaOf(first.tenant), maxConnections: 1 })
      yield* own.append("woken-1", Store.numbered(1))
      yield* until("the first tenant is woken", Effect.sync(() => woken.pollUnsafe() !== undefined))
    }))

  it.effect("are closed when they have been idle, and opened again with their messages", () =>
    Effect.gen(function*() {
      const { logs } = yield* open("50 millis")
      const append = Effect.flatMap(MessageStore, (store) => store.append("cart-1", Store.numbered(1)))
      const once = Effect.provide(append, logs.get("one"), { local: true })
      assert.strictEqual((yield* once).version, 0)
      yield* until("the log is closed", Effect.map(RcMap.keys(logs.rcMap), (keys) => [...keys].length === 0))
      assert.strictEqual((yield* once).version, 1)
    }))

  it.effect("a tenant whose log can't have its name is refused, and no other is", () =>
    Effect.gen(function*() {
      const { logs } = yield* open("1 hour")
      const error = yield* Effect.flip(Effect.scoped(logs.contextEffect("ACME")))
      assert.include(error.message, "the option schema is \"tenant_ACME\"")
      yield* logs.contextEffect("acme")
    }))

  it.effect("the layer of a tenant is one of the service", () =>
    Effect.gen(function*() {
      const { logs } = yield* open("1 hour")
      const version = yield* Effect.flatMap(MessageStore, (store) => store.append("cart-1", Store.numbered(2))).pipe(
        Effect.provide(Logs.get("one")),
        Effect.provideService(Logs.Logs, logs)
      )
      assert.strictEqual(version.version, 1)
    }))
})
