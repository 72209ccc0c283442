/**
 * The positions of consumers as rows of `eventfold.positions`: what they cost, what they wait for, and of which database they are.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, it, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import * as Consumer from "eventfold/Consumer"
import { MessageStore, transaction } from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import { StoreError } from "eventfold/StoreError"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Standby from "../support/Standby.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const on = (store: Store.Store) => Effect.provideService(MessageStore, store)

const get = (store: Store.Store, key: PositionStore.Key) =>
  on(store)(Effect.flatMap(PositionStore.PositionStore, (positions) => positions.get(key)))

const put = (store: Store.Store, key: PositionStore.Key, position: PositionStore.Position) =>
  on(store)(Effect.flatMap(PositionStore.PositionStore, (positions) => positions.put(key, position)))

const costing = (consumerId: string): PositionStore.Key => ({ category: "costs", consumerId })

/** A session that holds the row of a key until the latch opens. */
const holding = Effect.fnUntraced(function*(url: string, category: string) {
  const [isHeld, end] = [yield* Latch.make(), yield* Latch.make()]
  const sql = yield* Database.session(url)
  yield* Effect.forkScoped(Effect.ignore(sql.withTransaction(
    sql`SELECT FROM eventfold.positions WHERE category = ${category} FOR UPDATE`.pipe(
      Effect.andThen(isHeld.open),
      Effect.andThen(end.await)
    )
  )))
  yield* isHeld.await
  return end.open
})

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`positions on ${server.name}`, (it) => {
    it.effect("are updated in their places: no index and no page grows, and nothing is written to the log", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* SqlClient
        const client = Postgres.layerClient().pipe(
          Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
        )
        const rows = yield* transaction(Effect.gen(function*() {
          const positions = yield* PositionStore.PositionStore
          for (const position of Store.upTo(11)) {
            yield* positions.put({ category: "hot", consumerId: "test" }, { position, groupSize: 1 + position })
          }
          const joined = yield* SqlClient
          return yield* joined`SELECT n_tup_ins, n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables
            WHERE relid = 'eventfold.positions'::regclass`.values
        })).pipe(Effect.provide(client))
        assert.deepStrictEqual(rows, [[1n, 10n, 10n]])

        const store = yield* Store.open(url)
        for (const position of Store.upTo(1_000)) {
          yield* put(store, { category: "hot", consumerId: "test" }, { position })
        }
        assert.deepStrictEqual(
          yield* sql`SELECT category, consumer_id, member, position, group_size, updated_at <= clock_timestamp(),
            pg_relation_size('eventfold.positions_pkey'::regclass) / 8192 FROM eventfold.positions`.values,
          [["hot", "test", -1, 999n, null, true, 2n]]
        )
        assert.strictEqual(yield* store.lastPosition, 0)
      }))

    it.effect("cost one round trip to read, with a row, from the stream or without, and one to write", () =>
      Effect.gen(function*() {
        const proxy = yield* Proxy.start((yield* Database.Database).url)
        const store = yield* Store.openWarm(proxy.url, 1)
        yield* store.append("costs:position-stream", { type: "Recorded", data: { position: 12 } })
        const costs: Array<number> = []
        const found: Array<unknown> = []
        for (
          const call of [
            get(store, costing("none")),
            get(store, costing("stream")),
            put(store, costing("row"), { position: 7 }),
            put(store, costing("row"), { position: 8 }),
            get(store, costing("row"))
          ]
        ) {
          const before = yield* proxy.roundTrips
          found.push(yield* call)
          costs.push((yield* proxy.roundTrips) - before)
        }
        assert.deepStrictEqual(costs, [1, 1, 1, 1, 1])
        assert.deepStrictEqual(found, [
          Option.none(),
          Option.some({ position: 12 }),
          undefined,
          undefined,
          Option.some({ position: 8 })
        ])
      }))

    it.effect("that another transaction holds are waited for as long as for any lock, and then written by a later attempt", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const store = yield* Store.open(url, { lockTimeout: "100 millis" })
        const key = { category: "held", consumerId: "test" }
        yield* put(store, key, { position: 1 })
        const end = yield* holding(url, "held")
        const error = yield* Effect.flip(put(store, key, { position: 2 }))
        assert.isTrue(error.isRetryable)
        assert.include(error.message, "[55P03]")
        assert.deepStrictEqual(yield* get(store, key), Option.some({ position: 1 }))
        yield* end
        yield* Effect.retry(put(store, key, { position: 2 }), { while: (error) => error.isRetryable })
        assert.deepStrictEqual(yield* get(store, key), Option.some({ position: 2 }))
      }))

    it.effect("of two stores: one writes the stream as Ruby does, the other takes over and goes on in a row", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const [ruby, store] = [yield* Database.session(url), yield* Store.open(url)]
        const other = yield* Store.open(url)
        const { globalPosition: last } = yield* store.append("shared-1", Store.numbered(10))
        const record = (position: number) =>
          ruby`SELECT message_store.write_message(gen_random_uuid()::varchar, 'shared:position-test', 'Recorded',
            jsonb_build_object('position', ${position}::bigint))`
        const recorded = ruby<{ readonly position: number }>`SELECT (data::jsonb ->> 'position')::integer AS position
          FROM message_store.get_last_stream_message('shared:position-test', 'Recorded')`
        const seen: Array<unknown> = []
        const consumer = Consumer.make("test").on("shared", {
          Numbered: ({ data }) => Effect.sync(() => seen.push(data))
        })
        const run = (store: Store.Store, through: number) =>
          Effect.flatMap(Consumer.start(consumer), (running) => running.waitFor(through)).pipe(Effect.scoped, on(store))

        yield* record(last - 3)
        yield* run(store, last)
        assert.deepStrictEqual(seen.splice(0), [7, 8, 9])
        // Another process continues from the row, though the stream has stayed behind.
        const { globalPosition: next } = yield* store.append("shared-1", Store.numbered(2, 10))
        yield* run(other, next)
        assert.deepStrictEqual(seen.splice(0), [10, 11])

        yield* Effect.provide(Consumer.takeOver(consumer), PositionStore.layerStreams).pipe(on(other))
        assert.deepStrictEqual(yield* recorded, [{ position: next }])
        const { globalPosition: end } = yield* store.append("shared-1", Store.numbered(3, 12))
        yield* record(end - 1)
        yield* on(store)(Consumer.takeOver(consumer))
        yield* run(other, end)
        assert.deepStrictEqual(seen.splice(0), [14])
      }))
  })
}

it.live(
  "a position is not written to a database that has taken the place of the one that it is of",
  () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const { url } = yield* Database.make({ server })
      const key = { category: "account", consumerId: "test" }
      yield* Effect.scoped(Effect.flatMap(Store.open(url), (store) => put(store, key, { position: 1 })))
      const standby = yield* Standby.of(server)
      const link = yield* Standby.route(url)
      const store = yield* Store.open(link.url, {
        ...Store.patient,
        retry: Schedule.spaced("50 millis"),
        maxConnections: 2
      })
      // What the standby does not have.
      yield* put(store, key, { position: 50 })
      // The write waits for the row while its server goes away.
      const end = yield* holding(url, "account")
      const writing = yield* Effect.forkChild(Effect.flip(put(store, key, { position: 100 })))
      const watcher = yield* Database.session(url)
      yield* until(
        "the write waits for the row",
        Effect.map(watcher`SELECT FROM pg_locks WHERE NOT granted`, ({ length }) => length > 0)
      )
      yield* standby.promote
      const other = yield* Store.open(standby.urlOf(url))
      yield* put(other, key, { position: 2 })
      yield* link.switchTo(standby.urlOf(url))
      const refusal = yield* Fiber.join(writing)
      assert.instanceOf(refusal, StoreError)
      assert.isTrue(refusal.isRetryable)
      assert.include(refusal.message, "the database has become another one")
      assert.deepStrictEqual(yield* get(store, key), Option.some({ position: 2 }))
      yield* end
    })
)
