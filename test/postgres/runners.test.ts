/**
 * What runs in other processes, by the rows of `eventfold.runners`: told, at most once a second, gone with the process, and known
 * as stale when it was killed.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as Runners from "eventfold/Runners"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"
import { until, untilSome } from "../support/Until.ts"
import { Settings } from "./consumerProcess.ts"

const script = fileURLToPath(new URL("consumerProcess.ts", import.meta.url))

/** The runners of a database, as another program sees them. */
const list = (store: Store.Store) => Effect.provideService(Runners.list, MessageStore, store)

/** The runners with a run of a category, as soon as there is one. */
const running = (store: Store.Store, category: string) =>
  untilSome(
    `something runs on ${category}`,
    Effect.map(list(store), (all) => {
      const found = all.filter(({ runs }) => runs.some((run) => run.category === category))
      return found.length === 0 ? Option.none() : Option.some(found)
    })
  )

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`runners on ${server.name}`, (it) => {
    it.effect("of another process are seen, and are stale when it was killed", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* SqlClient
        const store = yield* Store.open(url)
        yield* sql`CREATE TABLE handled (id serial, worker text, phase text, stream text, position int, global_position int)`
        const settings = {
          url,
          worker: "one",
          category: "killed",
          concurrency: 2,
          every: 10,
          interval: 1_000,
          millis: 60_000
        }
        yield* store.append("killed-1", { type: "Numbered", data: 1 })
        const child = yield* Child.start(script, [yield* Schema.encodeEffect(Settings)(settings)])
        const busy = yield* untilSome(
          "the handler runs there",
          Effect.map(list(store), (all) =>
            Option.fromUndefinedOr(all.find(({ runs }) => runs.some(({ status }) => status.inFlight === 1))))
        )
        assert.isFalse(busy.isStale)
        assert.notStrictEqual(busy.pid, process.pid)
        assert.deepStrictEqual(busy.runs.map(({ id, kind }) => [kind, id]), [["consumer", "test"]])
        yield* child.kill
        assert.lengthOf(yield* running(store, "killed"), 1)
        // In place of 31 seconds of silence, and of an hour.
        yield* sql`UPDATE eventfold.runners SET told_at = told_at - interval '31 seconds' WHERE id = ${busy.id}::uuid`
        assert.deepStrictEqual(
          (yield* running(store, "killed")).map(({ isStale }) =>
            isStale
          ),
          [true]
        )
        yield* sql`UPDATE eventfold.runners SET told_at = told_at - interval '1 hour' WHERE id = ${busy.id}::uuid`
        const consumer = Consumer.make("next").on("next", { Numbered: () => Effect.void })
        yield* Effect.scoped(Effect.andThen(
          Effect.provideService(Consumer.start(consumer), MessageStore, yield* Store.open(url)),
          running(store, "next")
        ))
        assert.isUndefined((yield* list(store)).find(({ id }) => id === busy.id))
      }))

    // It takes eleven seconds, and is the client's doing.
    it.effect.skipIf(server !== inject("postgres")[0])(
      "go with their programs, and an idle one tells once in ten seconds",
      () =>
        Effect.gen(function*() {
          const { url } = yield* Database.Database
          const sql = yield* SqlClient
          const store = yield* Store.open(url)
          const consumer = Consumer.make("idle").on("idle", { Numbered: () => Effect.void })
          const told = Effect.map(
            sql<{ told_at: Date }>`SELECT told_at FROM eventfold.runners WHERE runs::text LIKE '%"idle"%'`,
            (rows) => rows.map((row) => row.told_at.getTime())
          )
          yield* Effect.scoped(Effect.gen(function*() {
            const other = yield* Store.open(url)
            yield* Effect.provideService(Consumer.start(consumer), MessageStore, other)
            yield* running(store, "idle")
            const [runner] = yield* list(other)
            // Its own program sees it as it is now, and once.
            assert.lengthOf((yield* list(other)).filter(({ id }) => id === runner?.id), 1)
            yield* until(
              "it is active",
              Effect.map(running(store, "idle"), ([one]) => one?.runs[0]?.status.isActive ?? false)
            )
            const first = yield* told
            const second = yield* untilSome(
              "it tells again",
              Effect.map(told, ([at]) => at === undefined || at === first[0] ? Option.none() : Option.some(at))
            )
            // The pauses are of a second each, and of no less, however busy the machine is.
            assert.isAtLeast(second - (first[0] ?? 0), 8_000)
          }))
          assert.deepStrictEqual(yield* told, [])
        })
    )

    it.effect("of another version, whose row can't be read, do not hide the others", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* SqlClient
        const store = yield* Store.open(url)
        yield* sql`INSERT INTO eventfold.runners (id, host, pid, started_at, runs)
          VALUES (gen_random_uuid(), 'newer', 1, now(), '[{"kind":"saga"}]')`
        const consumer = Consumer.make("beside").on("beside", { Numbered: () => Effect.void })
        yield* Effect.provideService(Consumer.start(consumer), MessageStore, yield* Store.open(url))
        assert.lengthOf(yield* running(store, "beside"), 1)
        assert.notInclude((yield* list(store)).map(({ host }) => host), "newer")
      }))

    it.effect("that may not tell, or are told not to, run all the same", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* SqlClient
        const store = yield* Store.open(url)
        const silent = Postgres.layerClient().pipe(
          Layer.provideMerge(PgClient.layer({ url: Redacted.make(url) })),
          Layer.provide(Layer.succeed(Runners.Telling, false))
        )
        const handled = Effect.fnUntraced(function*(category: string) {
          const consumer = Consumer.make("quiet").on(category, { Numbered: () => Effect.void })
          const { append } = yield* MessageStore
          const { globalPosition } = yield* append(`${category}-1`, { type: "Numbered", data: 1 })
          const { waitFor } = yield* Consumer.start(consumer)
          yield* waitFor(globalPosition)
          return (yield* Runners.list).flatMap(({ runs }) => runs.map(({ category }) => category))
        }, Effect.scoped)
        assert.include(yield* Effect.provide(handled("silent"), silent), "silent")
        assert.deepStrictEqual(yield* sql`SELECT FROM eventfold.runners WHERE runs::text LIKE '%"quiet"%'`, [])
        yield* sql`ALTER TABLE eventfold.runners RENAME TO hidden`
        yield* Effect.addFinalizer(() => Effect.orDie(sql`ALTER TABLE eventfold.hidden RENAME TO runners`))
        const consumer = Consumer.make("quiet").on("refused", { Numbered: () => Effect.void })
        const { globalPosition } = yield* store.append("refused-1", { type: "Numbered", data: 1 })
        yield* Effect.gen(function*() {
          const { waitFor } = yield* Consumer.start(consumer)
          yield* waitFor(globalPosition)
        }).pipe(Effect.scoped, Effect.provideService(MessageStore, store))
      }))
  })
}
