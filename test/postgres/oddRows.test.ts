/** Rows that another client has written by INSERT, as Message DB's role may, and that no function of the store would write. */
import { assert, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Postgres } from "@eventfold/postgres"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import { MessageStore } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"

const Order = Category.make("order", { Placed: { total: Schema.Finite } })

const Total = Entity.make(Order, {
  state: Schema.Struct({ total: Schema.Finite }),
  initial: { total: 0 },
  evolve: { Placed: (state, { total }) => ({ total: state.total + total }) }
})

const insert = Effect.fnUntraced(function*(id: string, options: { readonly data?: string; readonly time?: string }) {
  const { data = "{\"total\": 1}", time = "2026-01-02 03:04:05" } = options
  const sql = yield* SqlClient
  yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data, time)
    SELECT ${`order-${id}`}, count(*), 'Placed', ${data}::text::jsonb, ${time}::text::timestamp
    FROM message_store.messages WHERE stream_name = ${`order-${id}`}`
})

const OnPostgres = Layer.unwrap(Effect.map(Database.Database, () => Postgres.layerClient({ exactNumbers: true })))

const stores: ReadonlyArray<readonly [string, Layer.Layer<MessageStore | SqlClient, unknown>]> = [
  ["PostgreSQL", Layer.provideMerge(OnPostgres, Database.layer())],
  [
    "PGlite",
    Layer.provideMerge(Postgres.layerClient({ install: true, exactNumbers: true }), Pglite.layerClient())
  ]
]

for (const [name, store] of stores) {
  layer(store, { excludeTestServices: true })(`odd rows on ${name}`, (it) => {
    it.effect("have a position past all numbers, which keeps only the readers of its stream", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data)
          VALUES ('far-1', 9223372036854775807, 'Gone', '{}'), ('far-2', 0, 'Gone', '{}')`
        const { readAll, readCategory, readStream } = yield* MessageStore
        for (const read of [readCategory("far", { batchSize: 1 }), readAll({ categories: ["far"], batchSize: 1 })]) {
          const messages = yield* Stream.runCollect(read)
          assert.deepStrictEqual(messages.map(({ position }) => position), [Number.MAX_SAFE_INTEGER, 0])
        }
        const error = yield* Effect.flip(Stream.runCollect(readStream("far-1")))
        assert.deepInclude(error, { _tag: "StoreError", isRetryable: false })
      }))

    it.effect("have a time that can be read on, handled and parked", () =>
      Effect.gen(function*() {
        const times = ["infinity", "-infinity", "294276-12-31 23:59:59", "4713-02-03 00:00:00 BC"]
        yield* Effect.forEach(times, (time) => insert("times", { time }))
        yield* insert("times", {})
        const { lastPosition, readAll, readCategory, readStream } = yield* MessageStore
        const reads = [
          yield* Stream.runCollect(readStream("order-times")),
          yield* Stream.runCollect(readCategory("order")),
          yield* Stream.runCollect(readAll({ categories: ["order"] }))
        ]
        for (const messages of reads) {
          assert.deepStrictEqual(messages.map(({ time }) => DateTime.formatIso(time)), [
            "+275760-09-13T00:00:00.000Z",
            "+275760-09-13T00:00:00.000Z",
            "+275760-09-13T00:00:00.000Z",
            "-004712-02-03T00:00:00.000Z",
            "2026-01-02T03:04:05.000Z"
          ])
        }
        assert.strictEqual((yield* Total.load("times")).state.total, 5)

        const consumer = Consumer.make("parking", { onFailure: "park" }).on(Order, {
          Placed: () => Effect.die("the first is parked, and the others behind it")
        })
        const running = yield* Consumer.start(consumer)
        yield* running.waitFor(yield* lastPosition)
        const parked = yield* Stream.runCollect(Parking.list(consumer))
        assert.lengthOf(parked, 1)
      }).pipe(Effect.scoped))

    it.effect("have numbers that are read as texts when a number would change them", () =>
      Effect.gen(function*() {
        yield* insert("numbers", { data: "{\"total\": 0.1}" })
        const { readStream } = yield* MessageStore
        for (const number of ["9007199254740993", `1${"0".repeat(400)}`, "0.1000000000000000055511151231257827"]) {
          yield* insert(number.slice(0, 20), { data: `{"total": ${number}}` })
          const [message] = yield* Stream.runCollect(readStream(`order-${number.slice(0, 20)}`))
          assert.deepStrictEqual(message?.data, { total: number })
          const error = yield* Effect.flip(Total.load(number.slice(0, 20)))
          assert(error._tag === "DecodeError")
          assert.deepStrictEqual(error.path, ["data", "total"])
        }
        assert.strictEqual((yield* Total.load("numbers")).state.total, 0.1)
      }))
  })
}

/** Inserts a message, appends a later one beside it, and gives what a reader misses that reads before the commit. */
const missed = (id: string, isLocked: boolean, options: { readonly categories: ReadonlyArray<string> } | undefined) =>
  Effect.gen(function*() {
    const { url } = yield* Database.Database
    const store = yield* Store.open(url)
    const sql = yield* Database.session(url)
    const category = `late${id}`
    const read = (from: number) =>
      Stream.runCollect(
        options === undefined ? store.readCategory(category, { from }) : store.readAll({ ...options, from })
      )
    const [early, later] = yield* sql.withTransaction(Effect.gen(function*() {
      if (isLocked) yield* sql`SELECT message_store.acquire_lock(${`${category}-1`})`
      yield* sql`INSERT INTO message_store.messages (stream_name, position, type) VALUES (${`${category}-1`}, 0, 'Late')`
      const later = yield* Effect.forkChild(store.append(`${category}-2`, { type: "Later", data: {} }))
      if (!isLocked) yield* Fiber.join(later)
      return [yield* read(1), later] as const
    }))
    yield* Fiber.join(later)
    const rest = yield* read((early.at(-1)?.globalPosition ?? 0) + 1)
    return 2 - early.length - rest.length
  })

layer(Database.layer(), { excludeTestServices: true })("a plain INSERT that commits late", (it) => {
  it.effect("is missed by who has read a category past it, as in Message DB", () =>
    Effect.map(missed("a", false, undefined), (count) => assert.strictEqual(count, 1)))

  it.effect("is not missed when it has locked the category", () =>
    Effect.map(missed("b", true, undefined), (count) => assert.strictEqual(count, 0)))

  it.effect("is not missed by who reads everything", () =>
    Effect.map(missed("c", false, { categories: ["latec"] }), (count) => assert.strictEqual(count, 0)))
})
