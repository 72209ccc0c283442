/**
 * Not a test: how many commands three machines decide in a second, on streams that all of them write and on streams that are seldom
 * written: `node test/cluster/rates.ts`.
 */
import * as Cluster from "@eventfold/cluster/Cluster"
import * as Postgres from "@eventfold/postgres/Postgres"
import * as Child from "@eventfold/test/support/Child"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import { until } from "@eventfold/test/support/Until"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { fileURLToPath } from "node:url"
import { freePort } from "./Machines.ts"

const seconds = 5

const measure = Effect.fnUntraced(function*(mode: string, kind: string) {
  const { url } = yield* PostgresServer.start()
  yield* Postgres.install({}).pipe(Effect.provide(Postgres.layerPool({ url: Redacted.make(url) })))
  yield* Cluster.install({ url: Redacted.make(url) })
  const script = fileURLToPath(new URL("ratesWorker.ts", import.meta.url))
  const workers = yield* Effect.forEach(
    [1, 2, 3],
    () => Effect.flatMap(freePort, (port) => Child.start(script, [mode, kind, url, `127.0.0.1:${port}`, `${seconds}`]))
  )
  yield* until(
    "all have measured",
    Effect.map(Effect.forEach(workers, ({ ended }) => ended), (all) => all.every(Boolean))
  )
  // Others are what the machine logs.
  const found = workers.map(({ lines }) => (lines.find((line) => /^\d+ \d+$/.test(line)) ?? "").split(" ").map(Number))
  const total = (index: number) => found.reduce((sum, one) => sum + (one[index] ?? 0), 0)
  yield* Console.log(
    `${kind} ${mode}: ${Math.round(total(0) / seconds)} commands a second, ${
      (total(1) / total(0)).toFixed(2)
    } decisions each`
  )
}, Effect.scoped)

const program = Effect.gen(function*() {
  for (const kind of process.argv[2] === undefined ? ["hot", "cold"] : [process.argv[2]]) {
    for (const mode of ["uncached", "cached", "routed"]) yield* measure(mode, kind)
  }
})

await Effect.runPromise(program)
