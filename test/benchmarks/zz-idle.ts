import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import { PgClient } from "@effect/sql-pg"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Databases, layer } from "./Databases.ts"
const n = Number(process.argv[2])
const program = Effect.gen(function*() {
  const { store, url } = yield* (yield* Databases).ours
  const sql: any = Context.get(yield* Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })), PgClient.PgClient)
  globalThis.gc?.()
  const heap0 = process.memoryUsage().heapUsed
  yield* Effect.forEach(Array.from({ length: n }, (_, i) => i), (i) =>
    Effect.forkScoped(Effect.provideService(Consumer.run(Consumer.make(`c${i}`).on(`cat${i}`, () => Effect.void)), MessageStore, store)))
  yield* Effect.sleep(process.argv[3] as any)
  const tx = Effect.map(sql`SELECT xact_commit::float8 AS n FROM pg_stat_database WHERE datname = current_database()`, (r: any) => r[0].n)
  for (let k = 0; k < 2; k++) {
    const a: any = yield* tx; const c0 = process.cpuUsage(); const t0 = performance.now()
    yield* Effect.sleep("15 seconds")
    const b: any = yield* tx; const c = process.cpuUsage(c0); const s = (performance.now() - t0) / 1000
    console.log(n, "tx/s", ((b - a) / s).toFixed(1), "cpu %", ((c.user + c.system) / 1e4 / s).toFixed(1))
  }
  globalThis.gc?.()
  console.log("heap each kB", ((process.memoryUsage().heapUsed - heap0) / n / 1000).toFixed(1))
})
await Effect.runPromise(Effect.scoped(program as any).pipe(Effect.provideService(References.MinimumLogLevel, "Error"), Effect.provide(layer(1000)), Effect.provide(NodeServices.layer)) as any)
