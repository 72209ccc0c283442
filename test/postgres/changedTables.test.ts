/**
 * Tables that change under programs that run, as a rolling upgrade does it. A session has prepared statements whose result is another
 * now: outside of a transaction the client prepares them again, in one the server fails the transaction.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Consumer from "eventfold/Consumer"
import { MessageStore, transaction } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as ReadModel from "eventfold/ReadModel"
import { StoreError } from "eventfold/StoreError"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

/** What consumers say of faults that are meant to be is not worth reading. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const poll = { max: "500 millis" } as const

/** No failure is tried again that is the fault of a message. */
const once = { retry: Schedule.recurs(0), poll } as const

let columns = 0
/** Gives the table of prices one more column, and with it another result to what selects them all. */
const change = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql.unsafe(`ALTER TABLE public.prices ADD COLUMN note${++columns} text`).unprepared
})

const Prices = Layer.effectDiscard(Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`CREATE TABLE public.prices (price integer)`
  yield* sql`INSERT INTO public.prices VALUES (5)`
}))

/** Every column of a table, as `SqlModel` and `RETURNING *` read it too. */
const prices = Effect.flatMap(SqlClient, (sql) => sql`SELECT * FROM public.prices`)

/** The stores on one client of an application, with so many connections. */
const open = Effect.fnUntraced(
  function*(maxConnections: number, inline: ReadonlyArray<ReadModel.ReadModel<unknown, SqlClient>> = []) {
    const { url } = yield* Database.Database
    const client = PgClient.layer({ url: Redacted.make(url), maxConnections })
    const stores = Layer.merge(Postgres.layerClient({ inline }), SqlReadModel.layer()).pipe(Layer.provideMerge(client))
    const context = yield* Layer.build(stores)
    return { context, store: Context.get(context, MessageStore), sql: Context.get(context, PgClient.PgClient) }
  }
)

/** A read model that counts messages, and reads the prices for each. */
const counting = (category: string, onFailure: "skip" | "stop") =>
  SqlReadModel.make(`counted_${category}`, {
    version: 1,
    tables: ["CREATE TABLE counted (stream text, position bigint)"],
    onFailure,
    ...once
  }).on(category, {
    Numbered: ({ position, streamName }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* prices
        yield* sql`INSERT INTO counted VALUES (${streamName}, ${position})`
      })
  })

const counted = (sql: SqlClient, category: string) =>
  Effect.map(
    sql<{ readonly position: bigint }>`SELECT position FROM ${sql(`counted_${category}`)}.counted ORDER BY position`,
    (rows) => rows.map(({ position }) => Number(position))
  )

layer(Layer.provideMerge(Prices, Database.layer()), { excludeTestServices: true })("a table that changes", (it) => {
  for (const onFailure of ["skip", "stop"] as const) {
    it.effect(`under the handlers of a read model is none of a message's failures (${onFailure})`, () =>
      Effect.gen(function*() {
        const category = `model${onFailure}`
        const { context, sql, store } = yield* open(3)
        const model = counting(category, onFailure)
        const running = yield* Effect.forkChild(ReadModel.run(model).pipe(Effect.provide(context), quietly))
        for (const i of Store.upTo(4)) {
          const { globalPosition } = yield* store.append(`${category}-1`, Store.numbered(1, i))
          yield* ReadModel.waitFor(model, globalPosition).pipe(
            Effect.provide(context),
            Effect.raceFirst(Fiber.join(running)),
            within("for the read model")
          )
          yield* change
        }
        assert.deepStrictEqual(yield* counted(sql, category), Store.upTo(4))
      }))
  }

  it.effect("under an inline read model is not seen by those who append", () =>
    Effect.gen(function*() {
      const category = "inline"
      const model = counting(category, "stop")
      const { sql, store } = yield* open(3, [model])
      for (const i of Store.upTo(4)) {
        yield* store.append(`${category}-1`, Store.numbered(1, i))
        yield* change
      }
      assert.deepStrictEqual(yield* counted(sql, category), Store.upTo(4))
    }))

  it.effect("fails a transaction of the store as something that passes", () =>
    Effect.gen(function*() {
      const { context, store } = yield* open(1)
      const reading = Effect.andThen(prices, store.append("changing-1", Store.numbered(1)))
      yield* transaction(reading).pipe(Effect.provide(context))
      yield* change
      const error = yield* Effect.flip(transaction(reading).pipe(Effect.provide(context)))
      assert(error instanceof StoreError)
      assert.isTrue(error.isRetryable)
      assert.include(error.reason, "[0A000]")
      yield* transaction(reading).pipe(Effect.provide(context))
      assert.lengthOf(yield* Store.readStream(store, "changing-1"), 2)
    }))

  it.effect("takes one attempt of a handler that reads it in a transaction of its own", () =>
    Effect.gen(function*() {
      const { context, sql, store } = yield* open(1)
      const attempts: Array<number> = []
      const handled: Array<number> = []
      const consumer = Consumer.make("own", { ...once, retry: Schedule.recurs(1), onFailure: "park" }).on("own", {
        Numbered: ({ position }) =>
          Effect.sync(() => attempts.push(position)).pipe(
            Effect.andThen(sql.withTransaction(prices)),
            Effect.andThen(Effect.sync(() => handled.push(position)))
          )
      })
      yield* Effect.forkChild(Consumer.run(consumer).pipe(Effect.provide(context), quietly))
      for (const i of Store.upTo(3)) {
        yield* store.append("own-1", Store.numbered(1, i))
        yield* until("the message is handled", Effect.sync(() => handled.length === i + 1))
        yield* change
      }
      assert.deepStrictEqual(attempts, [0, 1, 1, 2, 2])
    }))

  const handlers = {
    "without a transaction": () => prices,
    "in a transaction of the store": () => transaction(prices)
  }
  for (const [how, handler] of Object.entries(handlers)) {
    it.effect(`parks nothing of a consumer whose handlers read it ${how}`, () =>
      Effect.gen(function*() {
        const category = how.replaceAll(" ", "")
        const { context, store } = yield* open(3)
        const seen: Array<number> = []
        const consumer = Consumer.make(category, { ...once, onFailure: "park" }).on(category, {
          Numbered: ({ position }) => Effect.andThen(handler(), Effect.sync(() => seen.push(position)))
        })
        const parked = Stream.runCollect(Parking.list(consumer)).pipe(Effect.provide(context))
        yield* Effect.forkChild(Consumer.run(consumer).pipe(Effect.provide(context), quietly))
        for (const i of Store.upTo(4)) {
          yield* store.append(`${category}-1`, Store.numbered(1, i))
          yield* until(
            "the messages are handled, or parked",
            Effect.map(parked, ({ length }) => length > 0 || seen.length === i + 1)
          )
          assert.lengthOf(yield* parked, 0)
          yield* change
        }
        assert.deepStrictEqual(seen, Store.upTo(4))
      }))
  }
})
