/**
 * A read model in PostgreSQL while its workers and its server are killed: its tables are always exactly what the log makes
 * of them.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { fileURLToPath } from "node:url"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import * as Digests from "../support/Digests.ts"
import { shortOrLong } from "../support/Form.ts"
import { Mortal } from "../support/Mortal.ts"
import * as Store from "../support/Store.ts"
import { until, untilSome, within } from "../support/Until.ts"
import { Settings } from "./readModelProcess.ts"

const script = fileURLToPath(new URL("readModelProcess.ts", import.meta.url))

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** Appends to six streams until the latch opens; gives the fiber that writes. */
const writing = Effect.fnUntraced(function*(store: Store.Store, category: string, stop: Latch.Latch) {
  let isStopping = false
  yield* Effect.forkScoped(Effect.andThen(stop.await, Effect.sync(() => isStopping = true)))
  const write = (stream: number) =>
    Effect.gen(function*() {
      const count = yield* Random.nextIntBetween(1, 5)
      yield* store.append(`${category}-${stream}`, Store.numbered(count, yield* Random.nextIntBetween(0, 1_000))).pipe(
        Effect.retry({
          while: (error) => error._tag === "StoreError" && error.isRetryable,
          schedule: Schedule.spaced("50 millis")
        })
      )
      yield* Effect.sleep("20 millis")
    }).pipe(Effect.repeat({ until: () => isStopping }))
  return yield* Effect.forkChild(Effect.forEach(Store.upTo(6), write, { concurrency: "unbounded" }))
})

const positionOf = Effect.gen(function*() {
  const sql = yield* SqlClient
  const [row] = yield* sql<{ readonly position: bigint }>`SELECT position FROM eventfold.read_models
    WHERE read_model = 'digests' AND state = 'live'`
  return Number(row?.position ?? 0n)
})

const lastPosition = (category: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const [row] = yield* sql<{ readonly last: bigint | null }>`SELECT max(global_position) AS last
      FROM message_store.messages WHERE message_store.category(stream_name) = ${category}`
    return Number(row?.last ?? 0n)
  })

/** The name of the worker that holds the lease: what its sessions are called. */
const leaseHolder = Effect.gen(function*() {
  const sql = yield* SqlClient
  const [row] = yield* sql<{ readonly worker: string }>`SELECT application_name AS worker
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND database = (
      SELECT oid FROM pg_database WHERE datname = current_database()
    ) AND application_name LIKE 'worker%'`
  return Option.fromUndefinedOr(row?.worker)
})

/** For each kind of read model: docs/promises.md counts the kills of all kinds. `npx pnpm chaos` kills hundreds. */
const kills = shortOrLong(3, 12)

/** Workers of one read model, each a process. */
const makeWorkers = Effect.fnUntraced(function*(settings: Omit<typeof Settings.Type, "worker">) {
  const running = new Map<string, Child.Child>()
  let started = 0
  const start = Effect.gen(function*() {
    const worker = `worker ${++started}`
    running.set(worker, yield* Child.start(script, [yield* Schema.encodeEffect(Settings)({ ...settings, worker })]))
  })
  /**
   * Kills the worker that holds the lease, or fails. The lease may be between two holders, or its session may outlive a
   * killed process for a moment: it waits for a holder that runs.
   */
  const killHolder = Effect.gen(function*() {
    const [name, victim] = yield* untilSome(
      "a running worker holds the lease",
      Effect.map(
        leaseHolder,
        Option.flatMap((name) =>
          Option.map(Option.fromUndefinedOr(running.get(name)), (child) => [name, child] as const)
        )
      )
    )
    assert.isFalse(yield* victim.ended, `${name} ended before it was killed`)
    yield* victim.kill
    assert.isNull(yield* victim.exitCode, `${name} exited instead of being killed`)
    running.delete(name)
  })
  yield* Effect.repeat(start, { times: 2 })
  return { start, killHolder }
})

for (const kind of Digests.kinds) {
  layer(Database.layer(), { excludeTestServices: true })(`workers that are killed, ${kind}`, (it) => {
    it.effect(
      `at random points, ${kills} times: another takes over within seconds, and the tables are exact each time`,
      () =>
        Effect.gen(function*() {
          const { url } = yield* Database.Database
          const category = "killed"
          const store = yield* Store.open(url)
          yield* Effect.forEach(
            Store.upTo(8),
            (i) => store.append(`${category}-${i}`, Store.numbered(1_000, i)),
            { concurrency: "unbounded" }
          )
          const stop = yield* Latch.make()
          const writers = yield* writing(store, category, stop)

          const workers = yield* makeWorkers({ url, category, kind })
          for (const _ of Store.upTo(kills)) {
            const from = yield* positionOf
            const by = yield* Random.nextIntBetween(1, 300)
            yield* until(
              "a worker is at work",
              Effect.map(positionOf, (position) => position >= from + by)
            )
            yield* workers.killHolder
            yield* Digests.assertExact(kind, category)
            yield* workers.start
          }
          yield* stop.open
          yield* Fiber.join(writers)
          const last = yield* lastPosition(category)
          yield* until("it has caught up", Effect.map(positionOf, (position) => position === last))
          assert.strictEqual(yield* Digests.assertExact(kind, category), last)
        })
    )
  })
}

layer(Mortal.layer, { excludeTestServices: true })(
  "a server that dies under a read model",
  (it) => {
    it.effect(
      "and comes back, three times: the read model resumes by itself, and its tables are exact each time",
      () =>
        Effect.gen(function*() {
          const server = yield* Mortal
          const category = "mortal"
          const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(server.database) }))
          const stores = Layer.merge(Postgres.layerClient(), SqlReadModel.layer()).pipe(
            Layer.provideMerge(Layer.succeedContext(client))
          )
          const context = yield* Layer.build(stores)
          const writer = Context.get(context, MessageStore)
          const stop = yield* Latch.make()
          const writers = yield* writing(writer, category, stop)
          const running = yield* Effect.forkChild(
            ReadModel.run(Digests.define("one by one", category, { atOnce: 5 })).pipe(Effect.provide(context), quietly)
          )
          const inDatabase = Effect.provide(client)
          for (const _ of Store.upTo(3)) {
            const from = yield* inDatabase(positionOf)
            yield* until(
              "it is at work",
              Effect.map(inDatabase(positionOf), (at) => at > from + 50)
            )
            yield* server.kill
            yield* server.restart
            yield* inDatabase(Digests.assertExact("one by one", category))
          }
          yield* stop.open
          yield* within("for the writers")(Fiber.join(writers))
          const last = yield* inDatabase(lastPosition(category))
          yield* until("it has caught up", Effect.map(inDatabase(positionOf), (at) => at === last))
          assert.isUndefined(running.pollUnsafe())
          assert.strictEqual(yield* inDatabase(Digests.assertExact("one by one", category)), last)
          yield* Fiber.interrupt(running)
        })
    )
  }
)
