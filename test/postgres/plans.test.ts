/**
 * What the store's own statements cost, as the table grows: how much of it they look at.
 */
import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import { MessageStore, type ReadAllPageOptions } from "eventfold/MessageStore"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as PageCosts from "../support/PageCosts.ts"
import * as Store from "../support/Store.ts"

const Loaded = Entity.make(Category.make("loaded", { T: {} }), {
  state: Schema.Int,
  initial: 0,
  evolve: { T: (count) => count + 1 }
})

const load = (id: number) => Effect.map(Loaded.load(`${id}`), ({ state }) => assert.isAbove(state, 0))

/** Two common categories, of which one goes quiet half way, and a rare one. */
const insert = Effect.flatMap(
  SqlClient,
  (sql) =>
    sql`INSERT INTO message_store.messages (stream_name, position, type, data)
    SELECT CASE WHEN i % 1000 = 1 THEN 'rare-' WHEN i % 2 = 0 AND i <= 60000 THEN 'quiet-' ELSE 'busy-' END || i % 100,
      i, CASE WHEN i % 10000 = 7 THEN 'Rare' ELSE 'T' END, '{"filler": "some text"}'
    FROM generate_series(1, 120000) AS i`
)

/** With the planner's statistics. */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* PageCosts.withoutAutovacuum
  yield* insert
  yield* sql`ANALYZE message_store.messages`
})

for (const server of inject("postgres")) {
  for (const kind of PageCosts.kinds) {
    layer(PageCosts.filled(kind, server, fill), { excludeTestServices: true })(
      `plans on ${kind} schema of ${server.name}`,
      (it) => {
        it.effect("the last message of a category is found in a few pages, however many there are, or none", () =>
          Effect.gen(function*() {
            const store = yield* MessageStore
            const lasts = {
              busy: 120_000,
              quiet: 60_000,
              rare: 119_001,
              missing: undefined,
              aa: undefined,
              zz: undefined
            }
            for (const [category, last] of Object.entries(lasts)) {
              // Often enough for a plan that knows no category.
              for (const _ of Store.upTo(8)) {
                const cost = PageCosts.costOf(Effect.map(store.lastCategoryMessage(category), (found) => {
                  assert.strictEqual(Option.getOrUndefined(found)?.globalPosition, last)
                }))
                assert.isBelow(yield* cost, 20, category)
              }
            }
          }))

        it.effect("what is new in a category is counted in a few pages, also when it has gone quiet", () =>
          Effect.gen(function*() {
            const store = yield* MessageStore
            const options = [{}, { correlation: "other" }, { consumerGroup: { member: 0, size: 2 } }]
            for (
              const [category, from] of [["busy", 119_990], ["quiet", 60_001], ["rare", 119_001], [
                "missing",
                1
              ]] as const
            ) {
              for (const filter of options) {
                for (const _ of Store.upTo(8)) {
                  assert.isBelow(
                    yield* PageCosts.costOf(store.countCategory(category, { from, ...filter })),
                    30,
                    category
                  )
                }
              }
            }
            assert.strictEqual(yield* store.countCategory("quiet"), 30_000)
            assert.strictEqual(yield* store.countCategory("busy", { from: 119_990 }), 11)
          }))

        it.effect("a filter by type costs what it passes over, from where it begins, and not the rest of the table", () =>
          Effect.gen(function*() {
            const store = yield* MessageStore
            for (
              const [category, from] of [["busy", 119_990], ["quiet", 60_001], ["rare", 119_001], [
                "missing",
                1
              ]] as const
            ) {
              for (const types of [["T"], ["Rare"], ["None"]]) {
                for (const _ of Store.upTo(8)) {
                  const read = Stream.runDrain(store.readCategory(category, { from, types }))
                  assert.isBelow(yield* PageCosts.costOf(read), 40, `${category} ${types[0]}`)
                  assert.isBelow(yield* PageCosts.costOf(store.countCategory(category, { from, types })), 40, category)
                }
              }
            }
            assert.strictEqual(yield* Stream.runCount(store.readCategory("busy", { types: ["Rare"] })), 12)
          }))

        it.effect("a page of everything costs what it gives or passes over, wherever it begins", () =>
          Effect.gen(function*() {
            const store = yield* MessageStore
            const page = (options: ReadAllPageOptions, count: number, through: number, cost: number) =>
              Effect.gen(function*() {
                for (const _ of Store.upTo(8)) {
                  const read = Effect.map(store.readAllPage(options), (found) => {
                    assert.deepStrictEqual([found.messages.length, found.through], [count, through])
                  })
                  assert.isBelow(yield* PageCosts.costOf(read), cost, JSON.stringify(options))
                }
              })
            yield* page({ from: 120_001 }, 0, 120_000, 30)
            yield* page({ from: 119_901 }, 100, 120_000, 60)
            yield* page({ from: 60_000, limit: 100 }, 100, 60_099, 60)
            // Few categories: along the index, however far it is.
            yield* page({ categories: ["missing", "zz", "aa"] }, 0, 120_000, 60)
            yield* page({ from: 60_001, categories: ["quiet"] }, 0, 120_000, 40)
            yield* page({ from: 1, categories: ["rare"] }, 120, 120_000, 300)
            yield* page({ from: 1, categories: ["rare", "quiet"], limit: 50 }, 50, 98, 200)
            yield* page({ from: 119_990, categories: ["busy", "quiet", "rare"] }, 11, 120_000, 60)
            // With a filter by type: a part of the log, of those categories only.
            yield* page({ from: 119_990, types: ["None"] }, 0, 120_000, 60)
            yield* page({ from: 10_001, types: ["None"] }, 0, 60_000, 3_000)
            yield* page({ from: 1, types: ["None"], categories: ["rare"] }, 0, 50_000, 200)
            // With many categories: a part of the log.
            const many = ["rare", ...Store.upTo(10).map((i) => `missing${i}`)]
            yield* page({ from: 1, categories: many }, 50, 50_000, 3_000)
          }))

        it.effect("the counting of pages counts", () =>
          Effect.gen(function*() {
            const sql = yield* SqlClient
            assert.isAbove(yield* PageCosts.costOf(sql`SELECT count(data) FROM message_store.messages`), 300)
          }))
      }
    )
  }

  const database = Layer.unwrap(Effect.map(Database.make({ server }), ({ url }) => Database.client(url)))
  layer(Layer.provideMerge(Postgres.layerClient({ announce: false }), database), { excludeTestServices: true })(
    `plans that were made while the table was empty or small on ${server.name}`,
    (it) => {
      it.effect("an append looks at a few pages, of one message or of many, by one or several at a time", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient
          const store = yield* MessageStore
          const message = { type: "T", data: {} }
          const many = Array.from({ length: 100 }, () => message)
          const appends = [
            { append: store.append("early-1", message), pages: 40 },
            { append: store.append("early-1", many), pages: 2_000 },
            {
              append: Effect.forEach(Store.upTo(10), (i) => store.append(`early-${i}`, message), {
                concurrency: "unbounded",
                discard: true
              }),
              pages: 400
            }
          ]
          yield* PageCosts.withoutAutovacuum
          // So that the planner knows it to be empty.
          yield* sql`VACUUM message_store.messages`
          for (const { append } of appends) {
            for (const _ of Store.upTo(8)) yield* append
          }
          yield* insert
          for (const { append, pages } of appends) assert.isBelow(yield* PageCosts.costOf(append), pages)
        }))

      it.effect("a read of messages is compiled for none of its calls, however long the streams are", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient
          // A generic plan knows no limit, and a table that has to be scanned costs without end where scans are off: both would turn on
          // JIT, which takes a hundred times as long as the read.
          const reads = ["get_category_messages", "get_stream_messages", "read_all", "read_for_fold"]
          const rows = yield* sql<{ readonly name: string }>`SELECT proname AS name FROM pg_proc
            WHERE pronamespace IN ('message_store'::regnamespace, 'eventfold'::regnamespace)
              AND proname = ANY(${reads}) AND 'jit=off' = ANY(proconfig)
            ORDER BY proname`
          assert.deepStrictEqual(rows.map(({ name }) => name), reads)
        }))

      it.effect("a look at a stream or at a message looks at a few pages, whatever the look", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient
          const store = yield* MessageStore
          const ids = Store.upTo(10)
          const message = { type: "T", data: {} }
          const messageId = "0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a01"
          yield* PageCosts.withoutAutovacuum
          yield* sql`TRUNCATE message_store.messages`
          yield* Effect.forEach(ids, (id) => store.append(`loaded-${id}`, message), { discard: true })
          const { globalPosition } = yield* store.append("loaded-0", { ...message, id: messageId })
          // So that the planner knows it to be small.
          yield* sql`VACUUM ANALYZE message_store.messages`
          const looks: Readonly<Record<string, Effect.Effect<unknown, unknown, MessageStore>>> = {
            load: load(0),
            loads: Effect.forEach(ids, load, { concurrency: "unbounded", discard: true }),
            readStream: Stream.runDrain(store.readStream("loaded-0")),
            backwards: Stream.runDrain(store.readStream("loaded-0", { direction: "backwards" })),
            readCategory: Stream.runDrain(store.readCategory("loaded")),
            readAll: Stream.runDrain(store.readAll({ limit: 10 })),
            lastMessage: store.lastMessage("loaded-0"),
            lastOfType: store.lastMessage("loaded-0", { type: "T" }),
            streamVersion: store.streamVersion("loaded-0"),
            findMessage: store.findMessage("loaded-0", messageId),
            messageById: store.messageById(messageId),
            messageAt: store.messageAt(globalPosition),
            lastCategoryMessage: store.lastCategoryMessage("loaded"),
            countCategory: store.countCategory("loaded"),
            lastPosition: store.lastPosition
          }
          // Often enough for each connection to have plans that are made for no stream in particular.
          for (const _ of Store.upTo(100)) yield* Effect.all(looks)
          yield* insert
          for (const [name, look] of Object.entries(looks)) assert.isBelow(yield* PageCosts.costOf(look), 100, name)
        }))
    }
  )
}
