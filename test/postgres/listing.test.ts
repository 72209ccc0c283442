/**
 * Lists of categories and streams on PostgreSQL: what they cost, what they know about sizes, and databases that sort by the rules
 * of a language.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { MessageStore } from "eventfold/MessageStore"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { install } from "../support/Installer.ts"
import * as PageCosts from "../support/PageCosts.ts"
import * as Store from "../support/Store.ts"

/** 40,000 messages in 20,000 streams: half of them in one category, and 20 categories with the rest. */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* PageCosts.withoutAutovacuum
  yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data)
    SELECT CASE WHEN i % 2 = 0 THEN 'busy' ELSE 'c' || lpad((i % 40 / 2)::text, 2, '0') END || '-' || i, n, 'T', 'null'
    FROM generate_series(1, 20000) AS i, generate_series(0, 1) AS n`
})

for (const server of inject("postgres")) {
  for (const kind of PageCosts.kinds) {
    layer(PageCosts.filled(kind, server, fill), { excludeTestServices: true })(
      `lists on ${kind} schema of ${server.name}`,
      (it) => {
        it.effect("cost a few pages for each name, before there are statistics and after", () =>
          Effect.gen(function*() {
            const store = yield* MessageStore
            const sql = yield* SqlClient
            const look = Effect.gen(function*() {
              const names = ["busy", ...Store.upTo(20).map((i) => `c${String(i).padStart(2, "0")}`)]
              const all = store.categories().pipe(
                Effect.tap(({ categories }) =>
                  Effect.sync(() => assert.deepStrictEqual(categories.map(({ category }) => category), names))
                )
              )
              assert.isBelow(yield* PageCosts.costOf(all), 21 * 16)
              const streams = store.streams({ category: "busy", after: "busy-15000", limit: 50 })
              const page = Effect.tap(streams, ({ streams }) =>
                Effect.sync(() => {
                  assert.strictEqual(streams.length, 50)
                  assert.strictEqual(streams[0]?.streamName, "busy-15002")
                  assert.strictEqual(streams[0]?.version, 1)
                }))
              assert.isBelow(yield* PageCosts.costOf(page), 50 * 16)
              assert.isBelow(yield* PageCosts.costOf(store.streams({ after: "busy-15000", limit: 50 })), 50 * 16)
              assert.isBelow(yield* PageCosts.costOf(store.streams({ prefix: "c07-1", limit: 1 })), 32)
              assert.isBelow(yield* PageCosts.costOf(store.streams({ category: "missing" })), 32)
            })
            yield* look
            yield* sql`ANALYZE message_store.messages`
            yield* look
          }))

        it.effect("tell about how many messages a category has, once there are statistics", () =>
          Effect.gen(function*() {
            const store = yield* MessageStore
            const sql = yield* SqlClient
            yield* sql`ANALYZE message_store.messages`
            const sizes = new Map(
              (yield* store.categories()).categories.map(({ category, size }) => [category, Option.getOrThrow(size)])
            )
            const busy = sizes.get("busy")
            assert.isFalse(busy?.isExact)
            assert.isAtLeast(busy?.messages ?? 0, 18_000)
            assert.isAtMost(busy?.messages ?? 0, 22_000)
            const total = [...sizes.values()].reduce((sum, { messages }) => sum + messages, 0)
            assert.isAtLeast(total, 38_000)
            assert.isAtMost(total, 42_000)
          }))
      }
    )
  }
}

for (const server of inject("postgres")) {
  describe(`lists in a database with the rules of a language on ${server.name}`, () => {
    const own = Layer.unwrap(Effect.gen(function*() {
      const { url } = yield* Database.make({ server, empty: true, language: "en" })
      yield* Effect.provide(install, Database.client(url))
      return Layer.merge(Postgres.layer({ url: Redacted.make(url) }), Database.client(url))
    }))
    layer(own, { excludeTestServices: true })("with the schema eventfold", (it) => {
      it.effect("sort by bytes all the same", () =>
        Effect.gen(function*() {
          const store = yield* MessageStore
          for (const name of ["b-1", "B-1", "a-1", "a-10", "a-B", "a-a", "a", "a1-1", "a+x-1", "ä-1"]) {
            yield* store.append(name, Store.numbered(1))
          }
          const names = (yield* store.categories()).categories.map(({ category }) => category)
          assert.deepStrictEqual(names, ["B", "a", "a+x", "a1", "b", "ä"])
          const after = yield* store.categories({ after: "a", prefix: "a", limit: 1 })
          assert.deepStrictEqual(after.categories.map(({ category }) => category), ["a+x"])
          const list = (options: { readonly prefix?: string; readonly after?: string; readonly limit?: number }) =>
            Effect.map(store.streams({ category: "a", ...options }), ({ streams }) =>
              streams.map(({ streamName }) => streamName))
          assert.deepStrictEqual(yield* list({}), ["a", "a-1", "a-10", "a-B", "a-a"])
          assert.deepStrictEqual(yield* list({ prefix: "a-1" }), ["a-1", "a-10"])
          assert.deepStrictEqual(yield* list({ prefix: "a-1", after: "a-1" }), ["a-10"])
          assert.deepStrictEqual(yield* list({ after: "a", limit: 2 }), ["a-1", "a-10"])
          assert.deepStrictEqual(yield* list({ after: "a-10" }), ["a-B", "a-a"])
          assert.deepStrictEqual(yield* list({ after: "a." }), [])
          assert.deepStrictEqual(yield* list({ after: "a+" }), ["a-1", "a-10", "a-B", "a-a"])
          const error = yield* Effect.flip(store.streams())
          assert.strictEqual(error._tag, "Unsupported")
          assert.include(error.message, "give a category")
        }))
    })
  })
}
