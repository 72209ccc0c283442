/**
 * The rule that tells which gaps are final, by the functions and by their text, which is all that a stock Message DB gets.
 */
import { assert, layer } from "@effect/vitest"
import { gapRule } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as Role from "../support/Role.ts"

interface Writer {
  readonly transaction: string
  readonly pid: number | null
}

const session = Effect.flatMap(Database.Database, ({ url }) => Database.session(url))

/** What the session of a client may see, by the function and by its text: one result, because they have to agree. */
const writers = Effect.fnUntraced(function*(sql: SqlClient) {
  const { writers } = yield* gapRule
  const rows = yield* sql<Writer>`SELECT transaction, pid FROM eventfold.gap_writers() ORDER BY transaction`
  assert.deepStrictEqual(
    yield* sql<Writer>`SELECT transaction, pid FROM (${sql.literal(writers)}) AS writers ORDER BY transaction`,
    rows
  )
  return rows.map(({ pid }) => pid)
})

const run = Effect.fnUntraced(function*(sql: SqlClient) {
  const { run } = yield* gapRule
  const [row] = yield* sql<{ readonly run: string; readonly same: boolean }>`SELECT
    eventfold.log_run() AS run, eventfold.log_run() = (${sql.literal(run)}) AS same`
  assert.isTrue(row?.same)
  return row?.run
})

const pidOf = Effect.fnUntraced(function*(sql: SqlClient) {
  const [row] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
  return row?.pid ?? null
})

const takePosition = (sql: SqlClient) => sql`SELECT nextval('message_store.messages_global_position_seq')`

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`gaps on ${server.name}`, (it) => {
    it.effect("the writers are the transactions of other sessions that have taken a position, until they end", () =>
      Effect.gen(function*() {
        const [reader, writer] = [yield* session, yield* session]
        const pid = yield* pidOf(writer)
        yield* writer.withTransaction(Effect.gen(function*() {
          yield* writer`SELECT count(*) FROM message_store.messages`
          yield* writer`SELECT message_store.acquire_lock('account-1')`
          assert.deepStrictEqual(yield* writers(reader), [])
          yield* takePosition(writer)
          assert.deepStrictEqual(yield* writers(reader), [pid])
          assert.deepStrictEqual(yield* writers(writer), [])
        }))
        assert.deepStrictEqual(yield* writers(reader), [])
      }))

    it.effect("a prepared transaction is one without a process", () =>
      Effect.gen(function*() {
        const [reader, writer] = [yield* session, yield* session]
        const [setting] = yield* reader<{ readonly max: number }>`
          SELECT current_setting('max_prepared_transactions')::integer AS max`
        if (setting?.max === 0) return
        yield* writer`BEGIN`
        yield* takePosition(writer)
        yield* writer`PREPARE TRANSACTION 'gap'`
        assert.deepStrictEqual(yield* writers(reader), [null])
        yield* writer`ROLLBACK PREPARED 'gap'`
        assert.deepStrictEqual(yield* writers(reader), [])
      }))

    it.effect("a role that may only read the messages sees the same writers", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const { url } = yield* Database.Database
        const role = yield* Role.make()
        yield* sql`GRANT USAGE ON SCHEMA message_store, eventfold TO ${sql(role.name)}`
        yield* sql`GRANT SELECT ON message_store.messages TO ${sql(role.name)}`
        const [reader, writer] = [yield* Database.session(role.url(url)), yield* session]
        const pid = yield* pidOf(writer)
        yield* writer.withTransaction(Effect.gen(function*() {
          yield* takePosition(writer)
          assert.deepStrictEqual(yield* writers(reader), [pid])
          assert.strictEqual(yield* run(reader), yield* run(writer))
        }))
      }))

    it.effect("another run begins when the table is emptied, and when another table takes its name", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        const sql = yield* Database.session(url)
        const first = yield* run(sql)
        assert.strictEqual(yield* run(sql), first)
        yield* sql`TRUNCATE message_store.messages`
        const second = yield* run(sql)
        assert.notStrictEqual(second, first)
        yield* sql`ALTER TABLE message_store.messages RENAME TO old_messages`
        yield* sql`CREATE TABLE message_store.messages (LIKE message_store.old_messages)`
        assert.notInclude([first, second], yield* run(sql))
      }))

    it.effect("the planner puts the query in the place of a call", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const rows = yield* sql`EXPLAIN (VERBOSE) SELECT transaction, eventfold.log_run() FROM eventfold.gap_writers()`
          .values
        const plan = rows.flat().join("\n")
        assert.include(plan, "pg_lock_status()")
        assert.notInclude(plan, "gap_writers")
        assert.notInclude(plan, "log_run")
      }))
  })
}
