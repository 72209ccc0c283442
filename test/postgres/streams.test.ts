import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { independently, MessageStore } from "eventfold/MessageStore"
import { NotPermitted, StoreError } from "eventfold/StoreError"
import * as Streams from "eventfold/Streams"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Role from "../support/Role.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const note = { by: "Ada", reason: "a request" }

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`streams of a store on ${server.name}`, (it) => {
    it.effect("a role that may not delete learns what to grant, and nothing changes; its transaction goes on", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const { url } = yield* Database.Database
        const role = yield* Role.make()
        yield* sql`GRANT message_store TO ${sql(role.name)}`
        const store = yield* Store.open(role.url(url))
        const streams = Streams.make({ category: "denied" })
        yield* Effect.gen(function*() {
          yield* streams.add({ id: "1", attributes: { name: "one" } })
          const { id } = yield* streams.addMessage("1", { foo: 1 })
          const deletions: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore>> = [
            streams.deleteMessage("1", id, note),
            streams.delete("1", note),
            streams.purge(note),
            streams.reset(note)
          ]
          for (const deletion of deletions) {
            const error = yield* Effect.flip(deletion)
            assert.instanceOf(error, NotPermitted)
            assert.include(String(error), "GRANT UPDATE, DELETE ON message_store.messages")
          }
          yield* store.transaction(Effect.gen(function*() {
            for (const deletion of deletions) assert.instanceOf(yield* Effect.flip(deletion), NotPermitted)
            yield* streams.addMessage("1", { foo: 2 })
          }))
          assert.strictEqual(yield* streams.countMessages("1"), 2)
          assert.isTrue(Option.isSome(yield* streams.get("1")))
        }).pipe(Effect.provideService(MessageStore, store))
      }))

    it.effect("every call fails with a StoreError while the database lacks what it needs, and works afterwards", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* Database.session(url)
        const store = yield* Store.open(url)
        const streams = Streams.make({ category: "broken" })
        const id = "0197c1c2-5d7e-7c3a-9f38-3f5d4c1b2a10"
        const calls: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore>> = [
          streams.add({ id: "2" }),
          streams.set("1", {}),
          streams.get("1"),
          streams.list(),
          streams.count,
          streams.stats,
          streams.addMessage("1", { foo: 1 }),
          streams.messages("1"),
          streams.countMessages("1"),
          streams.message("1", id),
          streams.deleteMessage("1", id, note),
          streams.delete("1", note),
          streams.purge(note),
          streams.reset(note)
        ]
        const withoutTable = (schema: string, table: string) =>
          Effect.acquireRelease(
            sql`ALTER TABLE ${sql(schema)}.${sql(table)} RENAME TO away`,
            () => Effect.orDie(sql`ALTER TABLE ${sql(schema)}.away RENAME TO ${sql(table)}`)
          )
        yield* Effect.gen(function*() {
          yield* streams.add({ id: "1" })
          yield* Effect.scoped(Effect.gen(function*() {
            yield* withoutTable("message_store", "messages")
            yield* withoutTable("eventfold", "streams")
            for (const call of calls) assert.instanceOf(yield* Effect.flip(call), StoreError)
          }))
          assert.deepStrictEqual(yield* streams.list(), [{ id: "1", attributes: {} }])
        }).pipe(Effect.provideService(MessageStore, store))
      }))

    it.effect("a list notes the streams of many messages, and in a transaction it reads them without a lock", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* Database.session(url)
        const store = yield* Store.open(url)
        const streams = Streams.make({ category: "listed" })
        const noted = Effect.map(
          sql`SELECT count(*) FROM eventfold.streams WHERE category = 'listed'`.values,
          ([row]) => Number(row?.[0])
        )
        yield* sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'listed-' || lpad(i::text, 4, '0'), 'T', '{}')
          FROM generate_series(1, 2500) AS i`
        yield* Effect.gen(function*() {
          const first = yield* store.transaction(Effect.gen(function*() {
            const page = yield* streams.list({ limit: 2 })
            assert.strictEqual(yield* streams.count, 2500)
            assert.strictEqual(yield* independently(streams.count), 2500)
            assert.deepStrictEqual(
              yield* sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (
                SELECT oid FROM pg_database WHERE datname = current_database())`,
              []
            )
            return page
          }))
          assert.deepStrictEqual(first.map(({ id }) => id), ["0001", "0002"])
          assert.strictEqual(yield* noted, 0)
          assert.deepStrictEqual(yield* streams.list({ limit: 2 }), first)
          assert.strictEqual(yield* noted, 2500)
          assert.deepStrictEqual(yield* streams.stats, { streams: 2500, messages: 2500 })
          yield* streams.delete("0001", note)
          yield* streams.addMessage("0000", { foo: 1 })
          assert.deepStrictEqual((yield* streams.list({ limit: 2 })).map(({ id }) => id), ["0000", "0002"])
          assert.deepStrictEqual(yield* streams.stats, { streams: 2500, messages: 2500 })
        }).pipe(Effect.provideService(MessageStore, store))
      }))

    it.effect("writes and notes see what was committed while they waited, whatever isolation level sessions have", () =>
      Effect.gen(function*() {
        const { name, url } = yield* Database.make({ server })
        const sql = yield* Database.session(url)
        yield* sql.unsafe(`ALTER DATABASE ${name} SET default_transaction_isolation = 'repeatable read'`)
        const holder = yield* Database.session(url)
        const store = yield* Store.open(url)
        const streams = Streams.make({ category: "level" })
        const waits = Effect.map(
          sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (
            SELECT oid FROM pg_database WHERE datname = current_database())`,
          (rows) => rows.length > 0
        )
        /** Runs an effect that waits for the lock of the category, until what another session has written is committed. */
        const after = <A, E>(
          others: Effect.Effect<unknown, SqlError>,
          effect: Effect.Effect<A, E, MessageStore>
        ) =>
          Effect.flatten(holder.withTransaction(Effect.gen(function*() {
            yield* others
            const fiber = yield* Effect.forkChild(Effect.provideService(effect, MessageStore, store))
            yield* until("the lock is waited for", waits)
            return Fiber.join(fiber)
          })))
        const append = (id: string) =>
          holder`SELECT message_store.write_message(gen_random_uuid()::varchar, ${`level-${id}`}, 'T', '{}')`
        const remove = (id: string) =>
          holder`SELECT eventfold.delete_stream('level', ${id}, '{"by": "Ada"}', gen_random_uuid(), 'level:snapshot', '{}', '')`
        const notices = (id: string) =>
          sql`SELECT position, type FROM message_store.messages WHERE stream_name = ${`level-${id}`}`.values

        yield* append("set")
        assert.instanceOf(
          yield* after(remove("set"), Effect.flip(streams.set("set", { again: true }))),
          Streams.StreamNotFound
        )
        yield* append("deleted")
        assert.isTrue(yield* after(append("deleted"), streams.delete("deleted", note)))
        assert.deepStrictEqual(yield* notices("deleted"), [[2n, "Deleted"]])
        yield* append("purged")
        assert.deepStrictEqual(yield* after(append("purged"), streams.purge(note)), { streams: 1, messages: 2 })
        assert.deepStrictEqual(yield* notices("purged"), [[2n, "Deleted"]])

        yield* sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'level-noted' || i, 'T', '{}')
          FROM generate_series(1, 1001) AS i`
        yield* after(remove("noted1"), streams.list())
        assert.strictEqual(yield* Effect.provideService(streams.count, MessageStore, store), 1_000)
      }))

    it.effect("an add that is sent again after its answer was lost is no refusal, and a change and a deletion repeat", () =>
      Effect.gen(function*() {
        const proxy = yield* Proxy.start((yield* Database.Database).url)
        const store = yield* Store.open(proxy.url)
        const streams = Streams.make({ category: "lost" })
        yield* Effect.gen(function*() {
          yield* proxy.cut("before the reply", "the-new")
          const added = yield* streams.add({ attributes: { name: "the-new" } })
          yield* proxy.cut("before the reply", "the-id")
          const error = yield* Effect.flip(streams.add({ id: "the-id" }))
          assert.instanceOf(error, StoreError)
          assert.include(error.message, "whether this call has added it is not known")
          yield* proxy.cut("before the request", "the-id")
          assert.instanceOf(yield* Effect.flip(streams.add({ id: "the-id" })), StoreError)
          yield* proxy.cut("before the reply", "the-id")
          const set = yield* streams.set("the-id", { name: "one" })
          assert.deepStrictEqual(yield* streams.list(), [added, set])
          yield* streams.addMessage("the-id", {})
          yield* proxy.cut("before the reply", "the-id")
          assert.isTrue(yield* streams.delete("the-id", note))
          assert.instanceOf(yield* Effect.flip(streams.add({ id: added.id })), Streams.StreamExists)
          assert.strictEqual(yield* proxy.cuts, 5)
        }).pipe(Effect.provideService(MessageStore, store))
      }))
  })
}
