import { PgClient } from "@effect/sql-pg"
import { Logs, Postgres } from "@eventfold/postgres"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { MessageStore } from "eventfold/MessageStore"
const count = Number(process.argv[2] ?? 100)
const memory = () => { globalThis.gc?.(); const m = process.memoryUsage(); return { heap: Math.round(m.heapUsed/1e5)/10, rss: Math.round(m.rss/1e5)/10 } }
await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const { url } = yield* PostgresServer.start()
  const pool = Postgres.layerPool({ url: Redacted.make(url), maxConnections: 10, applicationName: "tenants" })
  const logs = Context.get(yield* Layer.build(Layer.provide(Logs.layer({ of: (t) => `tenant_${t}`, idleTimeToLive: "1 hour", install: { role: false } }), pool)), Logs.Logs)
  const first = yield* logs.contextEffect("a0")
  yield* Context.get(first, MessageStore).append("cart-1", [{ type: "A", data: {} }])
  console.log("one", memory())
  let t = performance.now()
  const stores: Array<MessageStore["Service"]> = []
  for (let i = 0; i < count; i++) {
    const store = Context.get(yield* logs.contextEffect(`t${i}`), MessageStore)
    stores.push(store)
  }
  console.log("installed and opened", count, memory(), "ms each", (performance.now() - t) / count)
  for (const store of stores) { yield* store.append("cart-1", [{ type: "A", data: {} }]); yield* store.append("cart-1", [{ type: "A", data: {} }]) }
  const wakes = yield* Effect.forEach(stores, (store) => store.wakeUps("cart"))
  yield* Effect.forEach(wakes, (w) => w.await)
  console.log("used, with readers that wait", memory())
  const [row] = yield* Effect.flatMap(SqlClient, (sql) => sql`SELECT count(*)::int4 AS connections FROM pg_stat_activity WHERE application_name = 'tenants'`).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })))
  console.log(row)
  t = performance.now()
  yield* Effect.forEach(stores, (store) => store.append("cart-2", [{ type: "A", data: {} }]), { concurrency: 256 })
  console.log("append to each at once, ms", performance.now() - t)
  // opened again
  t = performance.now()
  for (let i = 0; i < Math.min(100, count); i++) { yield* logs.invalidate(`t${i}`) }
  const before = performance.now()
  for (let i = 0; i < Math.min(100, count); i++) yield* logs.contextEffect(`t${i}`)
  console.log("opened again, ms each", (performance.now() - before) / Math.min(100, count))
})))
