/**
 * Reading everything beside writers that are slow to commit, seen session by session.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"

class Opened extends Context.Service<Opened, { readonly store: Store.Store }>()("@eventfold/test/Opened") {
  static readonly layer = Layer.effect(
    Opened,
    Effect.flatMap(Database.Database, ({ url }) => Effect.map(Store.open(url), (store) => ({ store })))
  )
}

/** A session that writes by Message DB's own function, step by step. */
const session = Effect.gen(function*() {
  const sql = yield* Database.session((yield* Database.Database).url)
  return {
    begin: sql`BEGIN`,
    write: (stream: string) => sql`SELECT message_store.write_message(gen_random_uuid()::text, ${stream}, 'T', '0')`,
    run: (statement: string) => sql.unsafe(statement),
    commit: sql`COMMIT`,
    rollback: sql`ROLLBACK`
  }
})

/** Where a test begins: behind everything that is there, and how it reads on. */
const fromHere = Effect.gen(function*() {
  const { store } = yield* Opened
  const { globalPosition } = yield* store.append("here-1", Store.numbered(1))
  const read = Effect.map(
    Stream.runCollect(store.readAll({ from: globalPosition + 1 })),
    (messages) => messages.map((message) => message.streamName as string)
  )
  return { read }
})

for (const server of inject("postgres")) {
  layer(Layer.provideMerge(Opened.layer, Database.layer({ server })), { excludeTestServices: true })(
    `reading everything on ${server.name}`,
    (it) => {
      it.effect("ends before a position that is still to be committed, and gives it in its place", () =>
        Effect.gen(function*() {
          const [slow, quick, { read }] = [yield* session, yield* session, yield* fromHere]
          yield* slow.begin
          yield* slow.write("slow-1")
          yield* quick.write("quick-1")
          assert.deepStrictEqual(yield* read, [])
          yield* slow.write("slow-2")
          assert.deepStrictEqual(yield* read, [])
          yield* slow.commit
          assert.deepStrictEqual(yield* read, ["slow-1", "quick-1", "slow-2"])
        }))

      it.effect("gives what is before the gap", () =>
        Effect.gen(function*() {
          const [slow, quick, { read }] = [yield* session, yield* session, yield* fromHere]
          yield* quick.write("quick-1")
          yield* slow.begin
          yield* slow.write("slow-1")
          yield* quick.write("quick-2")
          assert.deepStrictEqual(yield* read, ["quick-1"])
          yield* slow.rollback
          assert.deepStrictEqual(yield* read, ["quick-1", "quick-2"])
        }))

      it.effect("waits for those who can fill a gap, not for those who began to write later", () =>
        Effect.gen(function*() {
          const [rolledBack, later, quick, { read }] = [yield* session, yield* session, yield* session, yield* fromHere]
          yield* rolledBack.begin
          yield* rolledBack.write("never-1")
          yield* quick.write("quick-1")
          const reading = yield* Effect.forkChild(read, { startImmediately: true })
          yield* later.begin
          yield* later.write("later-1")
          yield* rolledBack.rollback
          const first = yield* Fiber.join(reading)
          // The one that began later may have been noted as well; it is not when the reader was quick.
          assert.isTrue(first.length === 0 || first[0] === "quick-1")
          yield* later.commit
          assert.deepStrictEqual(yield* read, ["quick-1", "later-1"])
        }))

      it.effect("is not held up by a transaction that has written no message", () =>
        Effect.gen(function*() {
          const [idle, failed, { read }] = [yield* session, yield* session, yield* fromHere]
          yield* idle.run("CREATE TABLE other (id int)")
          yield* idle.begin
          yield* idle.run("INSERT INTO other VALUES (1)")
          yield* idle.run("SELECT count(*) FROM message_store.messages")
          yield* failed.begin
          yield* failed.write("failed-1")
          yield* failed.rollback
          yield* failed.write("after-1")
          assert.deepStrictEqual(yield* read, ["after-1"])
          yield* idle.rollback
        }))

      it.effect("sees a writer that takes no lock of a category and inserts by itself", () =>
        Effect.gen(function*() {
          const [foreign, quick, { read }] = [yield* session, yield* session, yield* fromHere]
          yield* foreign.begin
          yield* foreign.run(
            "INSERT INTO message_store.messages (stream_name, position, type) VALUES ('foreign-1', 0, 'T')"
          )
          yield* quick.write("quick-9")
          assert.deepStrictEqual(yield* read, [])
          yield* foreign.commit
          assert.deepStrictEqual(yield* read, ["foreign-1", "quick-9"])
        }))

      it.effect("is one statement a page, and does not wait when there is no gap", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient
          const { store } = yield* Opened
          const { globalPosition } = yield* store.append("full-1", Store.numbered(10))
          const writer = yield* session
          yield* writer.begin
          yield* writer.write("full-2")
          const rows = yield* sql`SELECT * FROM eventfold.read_all(${BigInt(globalPosition - 9)}, 10, '1 hour')`
          assert.strictEqual(rows.length, 10)
          yield* writer.rollback
        }))
    }
  )
}
