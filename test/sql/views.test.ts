import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"

/** In another order than that of the views, by stream and by type. */
const log = [
  ["payment-1", "Paid"],
  ["account-2", "Opened"],
  ["account-1", "Opened"],
  ["account-1", "Closed"],
  ["account", "Opened"],
  ["account-2", "Opened"]
] as const

/** The columns with their types, then the rows. Each of the six messages is 16.67 percent of all, in every group. */
const views = {
  stream_summary: [
    "stream_name text, message_count bigint, percent numeric",
    ["account", 1n, "16.67"],
    ["account-1", 2n, "33.33"],
    ["account-2", 2n, "33.33"],
    ["payment-1", 1n, "16.67"]
  ],
  type_summary: [
    "type text, message_count bigint, percent numeric",
    ["Closed", 1n, "16.67"],
    ["Opened", 4n, "66.67"],
    ["Paid", 1n, "16.67"]
  ],
  stream_type_summary: [
    "stream_name text, type text, message_count bigint, percent numeric",
    ["account", "Opened", 1n, "16.67"],
    ["account-1", "Closed", 1n, "16.67"],
    ["account-1", "Opened", 1n, "16.67"],
    ["account-2", "Opened", 2n, "33.33"],
    ["payment-1", "Paid", 1n, "16.67"]
  ],
  type_stream_summary: [
    "type text, stream_name text, message_count bigint, percent numeric",
    ["Closed", "account-1", 1n, "16.67"],
    ["Opened", "account", 1n, "16.67"],
    ["Opened", "account-1", 1n, "16.67"],
    ["Opened", "account-2", 2n, "33.33"],
    ["Paid", "payment-1", 1n, "16.67"]
  ],
  category_type_summary: [
    "category character varying, type text, message_count bigint, percent numeric",
    ["account", "Closed", 1n, "16.67"],
    ["account", "Opened", 4n, "66.67"],
    ["payment", "Paid", 1n, "16.67"]
  ],
  type_category_summary: [
    "type text, category character varying, message_count bigint, percent numeric",
    ["Closed", "account", 1n, "16.67"],
    ["Opened", "account", 4n, "66.67"],
    ["Paid", "payment", 1n, "16.67"]
  ]
} as const

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`views on ${server.name}`, (it) => {
    it.effect("have no rows in an empty store", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        for (const name of Object.keys(views)) {
          assert.deepStrictEqual(yield* sql`SELECT * FROM ${sql(`message_store.${name}`)}`, [])
        }
      }))
  })

  const write = Effect.gen(function*() {
    const sql = yield* SqlClient
    yield* Effect.forEach(
      log,
      ([streamName, type]) =>
        sql`SELECT message_store.write_message(gen_random_uuid()::varchar, ${streamName}, ${type}, '{}')`
    )
  })
  const written = Layer.effectDiscard(write).pipe(Layer.provideMerge(Database.layer({ server })))
  layer(written, { excludeTestServices: true })(`views on ${server.name}`, (it) => {
    it.effect.each(Object.entries(views))(
      "%s has Message DB's columns, order and percentages",
      ([name, view]) =>
        Effect.gen(function*() {
          const sql = yield* SqlClient
          const [columns, ...rows] = view
          assert.deepStrictEqual(
            yield* sql`SELECT string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = ${`message_store.${name}`}::regclass`.values,
            [[columns]]
          )
          assert.deepStrictEqual(yield* sql`SELECT * FROM ${sql(`message_store.${name}`)}`.values, rows)
        })
    )

    it.effect("with a filter on a view, the percentage is still of all messages", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(
          yield* sql`SELECT * FROM message_store.stream_type_summary WHERE stream_name = 'account-2'`.values,
          [["account-2", "Opened", 2n, "33.33"]]
        )
      }))

    it.effect("are these and no others", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const names = yield* sql<{ readonly name: string }>`SELECT relname AS name FROM pg_class
          WHERE relnamespace = 'message_store'::regnamespace AND relkind = 'v' ORDER BY relname COLLATE "C"`
        assert.deepStrictEqual(names.map((row) => row.name), Object.keys(views).sort())
      }))
  })
}
