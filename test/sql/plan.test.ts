import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"

/** How many pages of 8 KB a statement reads, with the functions it calls: a cost that does not depend on the machine. */
const pages = Effect.fnUntraced(function*(statement: string) {
  const sql = yield* SqlClient
  const rows = yield* sql.unsafe<{
    readonly "QUERY PLAN": ReadonlyArray<
      { readonly Plan: { readonly "Shared Hit Blocks": number; readonly "Shared Read Blocks": number } }
    >
  }>(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement}`)
  const plan = rows[0]?.["QUERY PLAN"][0]?.Plan
  return plan === undefined ? Infinity : plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
})

const explain = Effect.fnUntraced(function*(statement: string) {
  const sql = yield* SqlClient
  const rows = yield* sql.unsafe<{ readonly "QUERY PLAN": string }>(`EXPLAIN (COSTS OFF) ${statement}`)
  return rows.map((row) => row["QUERY PLAN"]).join("\n")
})

/** Two common categories, one of which goes quiet half way, and a long stream; with statistics for the planner. */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data)
    SELECT CASE WHEN i % 2 = 0 AND i <= 20000 THEN 'quiet-' ELSE 'busy-' END || i % 100, i, 'T', '{"filler": "some text"}'
    FROM generate_series(1, 40000) AS i`
  yield* sql`INSERT INTO message_store.messages (stream_name, position, type)
    SELECT 'long-1', i, 'T' FROM generate_series(0, 9999) AS i`
  yield* sql`ANALYZE message_store.messages`
})

const categoryPolls = [
  "SELECT * FROM message_store.get_category_messages('quiet', 20001)",
  "SELECT * FROM message_store.get_category_messages('quiet', 20001, 1000, 'other')",
  "SELECT * FROM message_store.get_category_messages('quiet', 20001, 1000, NULL, 0, 2)",
  "SELECT * FROM message_store.get_category_messages('quiet', 20001, 1000, 'other', 0, 2)",
  "SELECT * FROM message_store.get_category_messages('quiet', 20001, -1)",
  "SELECT * FROM message_store.get_category_messages('missing', 1)"
]

const polls = [
  ...categoryPolls,
  "SELECT * FROM message_store.get_stream_messages('long-1', 10000)",
  "SELECT * FROM message_store.get_last_stream_message('long-1')",
  "SELECT * FROM message_store.get_last_stream_message('long-1', 'T')",
  "SELECT message_store.stream_version('long-1')",
  "SELECT message_store.write_message(gen_random_uuid()::varchar, 'long-1', 'T', '{}')"
]

for (const server of inject("postgres")) {
  const filled = Layer.effectDiscard(fill).pipe(Layer.provideMerge(Database.layer({ server })))
  layer(filled, { excludeTestServices: true })(`plans on ${server.name}`, (it) => {
    it.effect("the planner inlines the parse functions, and uses the index on them", () =>
      Effect.gen(function*() {
        const plan = yield* explain(
          `SELECT FROM message_store.messages WHERE message_store.category(stream_name) = 'account'
            AND abs(message_store.hash_64(message_store.cardinal_id(stream_name)) % 2) = 1
            AND NOT message_store.is_category(stream_name)`
        )
        assert.match(plan, /messages_category/)
        assert.match(plan, /Index Cond: \(split_part\(stream_name, '-'::text, 1\) = 'account'::text\)/)
        assert.notMatch(plan, /hash_64|cardinal_id|is_category|category\(/)
      }))

    it.effect("writes read no more pages as the table grows, in a session that planned them when it was empty", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        const cost = yield* Effect.gen(function*() {
          const sql = yield* SqlClient
          const write = (from: number, to: number) =>
            sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'grow-' || i % 50, 'T', '{}')
              FROM generate_series(${from}::int, ${to}::int) AS i`
          yield* write(1, 100)
          yield* write(101, 5000)
          return yield* pages(
            "SELECT message_store.write_message(gen_random_uuid()::varchar, 'grow-1', 'T', '{}')"
          )
        }).pipe(Effect.provide(Database.client(url)))
        assert.isBelow(cost, 50)
      }))

    it.effect("a poll that finds nothing new reads a few pages, however often a session has planned it", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        for (const poll of polls) {
          const costs = yield* Effect.replicateEffect(pages(poll), 8).pipe(Effect.provide(Database.client(url)))
          // The first poll of a session also reads the catalog.
          assert.isBelow(Math.max(...costs.slice(1)), 60, poll)
        }
      }))

    it.effect("a poll of a category has one plan, whatever the planner estimates", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        for (const poll of categoryPolls) {
          const costs = yield* Effect.gen(function*() {
            const sql = yield* SqlClient
            yield* sql`SET random_page_cost = 1000`
            return yield* Effect.replicateEffect(pages(poll), 8)
          }).pipe(Effect.provide(Database.client(url)))
          assert.isBelow(Math.max(...costs.slice(1)), 60, poll)
        }
      }))
  })
}
