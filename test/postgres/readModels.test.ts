/**
 * Read models in PostgreSQL beside everything else that goes on: writers and readers, other versions, another database, a
 * restored one, a stock Message DB, workers that stand by.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { ReadModelStore } from "eventfold/ReadModelStore"
import * as Database from "../support/Database.ts"
import * as Digests from "../support/Digests.ts"
import * as MessageDb from "../support/MessageDb.ts"
import { summary } from "../support/ReadModels.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const poll = { min: "20 millis", max: "200 millis" } as const

const client = (url: string) => PgClient.layer({ url: Redacted.make(url), maxConnections: 6 })

/** Stores of one's own, on one pool: for the messages, and for the read models, in another database if there is one. */
const open = (messages: string, tables = messages) =>
  Effect.gen(function*() {
    const readModels = SqlReadModel.layer().pipe(Layer.provideMerge(client(tables)))
    const store = tables === messages
      ? Layer.provideMerge(Postgres.layerClient(), readModels)
      : Layer.merge(Postgres.layer({ url: Redacted.make(messages) }), readModels)
    return yield* Layer.build(store)
  })

type Opened = Effect.Success<ReturnType<typeof open>>

const run = <E>(opened: Opened, model: ReadModel.ReadModel<E, SqlClient>) =>
  Effect.forkChild(ReadModel.run(model).pipe(Effect.provide(opened), quietly))

/** Waits until the read model has handled all that is written now. */
const caughtUp = Effect.fnUntraced(function*(opened: Opened, model: ReadModel.ReadModel<unknown, SqlClient>) {
  const last = yield* Context.get(opened, MessageStore).lastPosition
  yield* ReadModel.waitFor(model, last).pipe(Effect.provide(opened), within("for the read model"))
})

const buildsOf = (opened: Opened) => Effect.map(Context.get(opened, ReadModelStore).builds("digests"), summary)

const write = Effect.fnUntraced(function*(opened: Opened, category: string, count: number) {
  const store = Context.get(opened, MessageStore)
  yield* Effect.forEach(Store.upTo(4), (i) => store.append(`${category}-${i}`, Store.numbered(count, i)))
})

const exact = (opened: Opened, kind: Digests.Kind, category: string) =>
  Effect.provide(Digests.assertExact(kind, category), opened)

/** Runs it to the end of a read model's log. */
const fill = Effect.fnUntraced(function*(opened: Opened, model: ReadModel.ReadModel<unknown, SqlClient>) {
  const running = yield* run(opened, model)
  yield* caughtUp(opened, model)
  yield* Fiber.interrupt(running)
})

for (const kind of Digests.kinds) {
  layer(Database.layer(), { excludeTestServices: true })(`a read model, ${kind},`, (it) => {
    it.effect(
      "is built anew while writers write, workers work and readers query, and is as exact as before",
      () =>
        Effect.gen(function*() {
          const opened = yield* open((yield* Database.Database).url)
          const store = Context.get(opened, MessageStore)
          const sql = Context.get(opened, SqlClient)
          const category = "rebuilt"
          const model = Digests.define(kind, category, { poll })
          yield* write(opened, category, 200)
          const workers = [yield* run(opened, model), yield* run(yield* open((yield* Database.Database).url), model)]
          yield* caughtUp(opened, model)

          const writing = { isOver: false }
          const writers = yield* Effect.forkChild(Effect.forEach(Store.upTo(4), (i) =>
            store.append(`${category}-${i}`, Store.numbered(2)).pipe(
              Effect.andThen(Effect.sleep("50 millis")),
              Effect.repeat({ until: () => writing.isOver })
            ), { concurrency: "unbounded" }))
          let queries = 0
          const table = kind === "batch" ? "handled" : "digests"
          const readers = yield* Effect.forkChild(
            Effect.gen(function*() {
              // Of the batch kind each message is a row: never fewer than before. Of the other, never fewer streams.
              let least = 0
              while (!writing.isOver) {
                const [row] = yield* sql<{ readonly count: bigint }>`SELECT count(*) FROM ${sql(`digests.${table}`)}`
                assert.isAtLeast(Number(row?.count ?? 0n), least)
                least = Number(row?.count ?? 0n)
                queries += 1
              }
            })
          )
          for (const number of [2, 3]) {
            const told = yield* ReadModel.rebuild(model, { compare: "same" }).pipe(
              Stream.runCollect,
              Effect.provide(opened),
              within("for a rebuild")
            )
            assert.deepInclude(told.at(-1), { phase: "switched", build: number })
            const before = queries
            yield* until(
              "queries have passed",
              Effect.sync(() =>
                queries > before + 10
              )
            )
            yield* exact(opened, kind, category)
          }
          writing.isOver = true
          yield* Fiber.join(writers)
          yield* Fiber.join(readers)
          yield* caughtUp(opened, model)
          assert.strictEqual(yield* exact(opened, kind, category), yield* store.lastPosition)
          for (const worker of workers) assert.isUndefined(worker.pollUnsafe())
          yield* Fiber.interruptAll(workers)
        })
    )

    it.effect(
      "gets another version with other columns beside the one in use, which goes on until then",
      () =>
        Effect.gen(function*() {
          const { url } = yield* Database.make()
          const opened = yield* open(url)
          const category = "versions"
          yield* write(opened, category, 200)
          const first = Digests.define(kind, category, { poll })
          const old = yield* run(opened, first)
          yield* caughtUp(opened, first)
          const second = Digests.define(kind, category, { version: 2, columns: ", note text DEFAULT 'new'", poll })
          const other = yield* open(url)
          const newer = yield* run(other, second)
          yield* write(opened, category, 50)
          yield* until(
            "the new version is in use",
            Effect.map(
              buildsOf(opened),
              (builds) => builds.some(([number, state]) => number === 2 && state === "live")
            )
          )
          yield* write(opened, category, 50)
          yield* caughtUp(other, second)
          yield* exact(opened, kind, category)
          const table = kind === "batch" ? "handled" : "digests"
          assert.isNotEmpty(
            yield* Effect.provide(
              Effect.flatMap(SqlClient, (sql) => sql`SELECT FROM ${sql(`digests.${table}`)} WHERE note = 'new'`),
              opened
            )
          )
          // The old version stands by.
          assert.isUndefined(old.pollUnsafe())
          yield* Fiber.interruptAll([old, newer])
        })
    )
  })
}

layer(Database.layer(), { excludeTestServices: true })("read models", (it) => {
  it.effect("are taken over by who stands by, within seconds, when a worker goes", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const category = "handed"
      const model = Digests.define("one by one", category, { poll })
      const opened = yield* Effect.forEach(Store.upTo(3), () => open(url))
      const [first] = opened
      assert(first !== undefined)
      const running = yield* Effect.forEach(opened, (stores) => run(stores, model))
      for (const worker of running) {
        yield* write(first, category, 20)
        yield* caughtUp(first, model).pipe(within("for who is left"))
        yield* Fiber.interrupt(worker)
      }
      yield* exact(first, "one by one", category)
    }))

  it.effect("that differ from those in use are found out before they take their place", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const opened = yield* open(url)
      const category = "compared"
      const model = Digests.define("one by one", category, { poll })
      yield* write(opened, category, 10)
      yield* fill(opened, model)
      yield* Effect.provide(
        Effect.flatMap(
          SqlClient,
          (sql) => sql`UPDATE digests.digests SET digest = 'wrong' WHERE stream = 'compared-1'`
        ),
        opened
      )
      const error = yield* Effect.flip(
        ReadModel.rebuild(model, { compare: "same" }).pipe(
          Stream.runDrain,
          Effect.provide(opened)
        )
      )
      assert(error instanceof ReadModel.BuildsDiffer)
      assert.deepStrictEqual(error.differences, [{ table: "digests", onlyLive: 1, onlyNew: 1, columns: [] }])
      assert.deepStrictEqual((yield* buildsOf(opened)).map(([number, state]) => [number, state]), [
        [1, "live"],
        [2, "building"]
      ])
      yield* ReadModel.rebuild(model).pipe(Stream.runDrain, Effect.provide(opened))
      yield* exact(opened, "one by one", category)
    }))

  it.effect(
    "whose definition has changed under the same version are refused, with what to do, and accepted",
    () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make()
        const opened = yield* open(url)
        const category = "changed"
        yield* write(opened, category, 10)
        yield* fill(opened, Digests.define("one by one", category, { poll }))
        const changed = Digests.define("one by one", category, { columns: ", note text", poll })
        const error = yield* Effect.flip(ReadModel.run(changed).pipe(Effect.provide(opened)))
        assert(error instanceof ReadModel.ReadModelChanged)
        for (const remedy of ["version 2", "ReadModel.rebuild", "ReadModel.accept"]) {
          assert.include(error.message, remedy)
        }
        yield* ReadModel.accept(changed).pipe(Effect.provide(opened))
        yield* write(opened, category, 10)
        yield* fill(opened, changed)
        yield* exact(opened, "one by one", category)
      })
  )

  it.effect(
    "in another database are refused when the store is an older copy, until they are built anew or rewound",
    () =>
      Effect.gen(function*() {
        const [messages, tables] = [yield* Database.make(), yield* Database.make()]
        const admin = yield* SqlClient
        const category = "restored"
        const model = Digests.define("batch", category, { poll })
        /** Nobody is connected while the database is copied. */
        const session = <A, E, R>(work: (opened: Opened) => Effect.Effect<A, E, R>) =>
          Effect.scoped(Effect.flatMap(open(messages.url, tables.url), work))
        yield* session((opened) => Effect.andThen(write(opened, category, 30), fill(opened, model)))
        yield* admin`CREATE DATABASE ${admin(`${messages.name}_backup`)} TEMPLATE ${admin(messages.name)}`
        yield* session((opened) => Effect.andThen(write(opened, category, 30), fill(opened, model)))
        const restore = Effect.gen(function*() {
          yield* admin`DROP DATABASE ${admin(messages.name)} WITH (FORCE)`
          yield* admin`CREATE DATABASE ${admin(messages.name)} TEMPLATE ${admin(`${messages.name}_backup`)}`
        })

        yield* restore
        yield* session(Effect.fnUntraced(function*(opened) {
          const attempt = ReadModel.run(model).pipe(
            Effect.provide(opened),
            quietly,
            within("for a refusal")
          )
          const error = yield* Effect.flip(attempt)
          assert(error instanceof ReadModel.StoreChanged)
          assert.include(error.message, "where the log has no message")
          for (const remedy of ["ReadModel.rebuild", "ReadModel.rewind"]) assert.include(error.message, remedy)
          // Other messages where the old ones were.
          yield* write(opened, category, 40)
          const again = yield* Effect.flip(attempt)
          assert(again instanceof ReadModel.StoreChanged)
          assert.include(again.message, "where the log has the message")
          yield* ReadModel.rebuild(model).pipe(Stream.runDrain, Effect.provide(opened), quietly)
          yield* fill(opened, model)
        }))
        const textsOf = Effect.scoped(Effect.gen(function*() {
          const opened = yield* open(messages.url, tables.url)
          const sql = Context.get(opened, SqlClient)
          const handled = yield* sql`SELECT stream, text FROM digests.handled ORDER BY ordinal`.values
          const log = yield* Store.readCategory(Context.get(opened, MessageStore), category)
          return {
            handled,
            log: log.map(({ data, position, streamName }) => [streamName, `${position}:${String(data)}`])
          }
        }))
        const rebuilt = yield* textsOf
        assert.deepStrictEqual(rebuilt.handled, rebuilt.log)

        // Who knows that the tables are right up to a position goes on from there.
        yield* restore
        yield* session(Effect.fnUntraced(function*(opened) {
          const store = Context.get(opened, MessageStore)
          const last = yield* store.lastPosition
          assert.instanceOf(
            yield* Effect.flip(ReadModel.run(model).pipe(Effect.provide(opened), quietly)),
            ReadModel.StoreChanged
          )
          const sql = Context.get(opened, SqlClient)
          yield* sql`DELETE FROM digests.handled WHERE ordinal > 120`
          yield* ReadModel.rewind(model, last).pipe(Effect.provide(opened))
          yield* write(opened, category, 5)
          yield* fill(opened, model)
        }))
        const rewound = yield* textsOf
        assert.deepStrictEqual(rewound.handled, rewound.log)
      })
  )

  it.effect("go on when the store is another one that has what they have handled", () =>
    Effect.gen(function*() {
      const [messages, tables] = [yield* Database.make(), yield* Database.make()]
      const admin = yield* SqlClient
      const category = "copied"
      const model = Digests.define("batch", category, { poll })
      yield* Effect.scoped(
        Effect.flatMap(open(messages.url, tables.url), (opened) =>
          Effect.andThen(write(opened, category, 30), fill(opened, model)))
      )
      const copy = `${messages.name}_copy`
      yield* admin`CREATE DATABASE ${admin(copy)} TEMPLATE ${admin(messages.name)}`
      yield* Effect.scoped(Effect.gen(function*() {
        const url = new URL(messages.url)
        url.pathname = `/${copy}`
        const opened = yield* open(url.href, tables.url)
        yield* write(opened, category, 10)
        yield* fill(opened, model)
        const handled = yield* Context.get(opened, SqlClient)`SELECT count(*) FROM digests.handled`.values
        assert.deepStrictEqual(handled, [[160n]])
      }))
      yield* admin`DROP DATABASE ${admin(copy)}`
    }))

  it.effect("work on a stock Message DB, in a database of their own", () =>
    Effect.gen(function*() {
      const [messages, tables] = [yield* MessageDb.makeDatabase(), yield* Database.make()]
      const opened = yield* open(messages.url, tables.url)
      const category = "stock"
      const model = Digests.define("batch", category, { poll })
      yield* write(opened, category, 30)
      const running = yield* run(opened, model)
      yield* caughtUp(opened, model)
      yield* write(opened, category, 5)
      yield* caughtUp(opened, model)
      const handled = yield* Context.get(opened, SqlClient)`SELECT count(*), count(DISTINCT (stream, text))
        FROM digests.handled`.values
      assert.deepStrictEqual(handled, [[140n, 140n]])
      yield* Fiber.interrupt(running)
    }))

  it.effect("work on PGlite, several of them at once and while they are built anew", () =>
    Effect.gen(function*() {
      const stores = Layer.mergeAll(Postgres.layerClient({ install: true }), SqlReadModel.layer({ install: true }))
        .pipe(
          Layer.provideMerge(Pglite.layerClient())
        )
      const opened = yield* Layer.build(stores)
      const category = "embedded"
      yield* write(opened, category, 100)
      const model = Digests.define("one by one", category, { poll })
      const count = SqlReadModel.batch("counted", {
        version: 1,
        tables: ["CREATE TABLE counted (count bigint)"],
        from: ReadModel.all,
        handle: (messages) => Effect.flatMap(SqlClient, (sql) => sql`INSERT INTO counted VALUES (${messages.length})`),
        poll
      })
      const running = [yield* run(opened, model), yield* run(opened, count)]
      yield* caughtUp(opened, model)
      yield* write(opened, category, 50)
      const told = yield* ReadModel.rebuild(model, { compare: "same" }).pipe(
        Stream.runCollect,
        Effect.provide(opened),
        within("for a rebuild")
      )
      assert.strictEqual(told.at(-1)?.phase, "switched")
      yield* caughtUp(opened, model)
      yield* caughtUp(opened, count)
      yield* exact(opened, "one by one", category)
      const counted = yield* Context.get(opened, SqlClient)`SELECT sum(count)::bigint FROM counted.counted`.values
      assert.deepStrictEqual(counted, [[600n]])
      const exits = yield* Effect.forEach(
        running,
        (fiber) => Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
      )
      for (const exit of exits) assert.isTrue(Exit.hasInterrupts(exit))
    }))
})
