import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SqlClient } from "effect/sql/SqlClient"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { refusal } from "../support/PostgresError.ts"
import { within } from "../support/Until.ts"

const write = (sql: SqlClient, streamName: string, expectedVersion: number | null = null) =>
  Effect.map(
    sql<{ readonly position: bigint }>`SELECT message_store.write_message(
      gen_random_uuid()::varchar, ${streamName}, 'T', '{}', NULL, ${expectedVersion}::bigint
    ) AS position`,
    (rows) => Number(rows[0]?.position)
  )

const append = (sql: SqlClient, streamName: string) =>
  sql`SELECT outcome FROM eventfold.append(ARRAY[${streamName}], ARRAY[-3::bigint], ARRAY[1], ARRAY[gen_random_uuid()],
    ARRAY['T'], ARRAY['{}'], ARRAY[''])`

/** Fails instead of waiting, so that a test sees the wait without a clock. */
const impatient = (sql: SqlClient, effect: ReturnType<typeof write>) =>
  sql.withTransaction(Effect.andThen(sql`SET LOCAL lock_timeout = '50ms'`, effect))

const session = Effect.flatMap(Database.Database, ({ url }) => Database.session(url))

/** Ends when a session of this database waits for an advisory lock. */
const aSessionWaits: Effect.Effect<void, unknown, SqlClient> = Effect.gen(function*() {
  const sql = yield* SqlClient
  const waiting = yield* sql`SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`
  if (waiting.length === 0) yield* Effect.andThen(Effect.yieldNow, aSessionWaits)
})

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`locking on ${server.name}`, (it) => {
    it.effect("acquire_lock takes the category's exclusive lock until the transaction ends", () =>
      Effect.gen(function*() {
        const sql = yield* session
        const locks = sql`SELECT locktype, mode, granted, objsubid, (classid::bigint << 32) | objid::bigint AS key
          FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`
        yield* sql.withTransaction(Effect.gen(function*() {
          assert.deepStrictEqual(yield* sql`SELECT message_store.acquire_lock(stream_name => 'account-1') AS key`, [
            { key: -2132379389342958165n }
          ])
          assert.deepStrictEqual(yield* locks, [
            { locktype: "advisory", mode: "ExclusiveLock", granted: true, objsubid: 1, key: -2132379389342958165n }
          ])
        }))
        assert.deepStrictEqual(yield* locks, [])
      }))

    it.effect("acquire_lock takes no lock without a name", () =>
      Effect.gen(function*() {
        const sql = yield* session
        yield* sql.withTransaction(Effect.gen(function*() {
          assert.deepStrictEqual(yield* sql`SELECT message_store.acquire_lock(NULL) AS key`, [{ key: null }])
          assert.deepStrictEqual(
            yield* sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`,
            []
          )
        }))
      }))

    it.effect("a second writer to the category waits; a writer to another category and readers do not", () =>
      Effect.gen(function*() {
        const first = yield* session
        const second = yield* session
        yield* first.withTransaction(Effect.gen(function*() {
          yield* write(first, "held-1")
          for (const streamName of ["held-1", "held-2", "held"]) {
            assert.deepStrictEqual(yield* refusal(impatient(second, write(second, streamName))), {
              code: "55P03",
              message: "canceling statement due to lock timeout"
            })
          }
          for (const streamName of ["free-1", "held:command-1", "Held-1"]) {
            assert.strictEqual(yield* impatient(second, write(second, streamName)), 0)
          }
          assert.deepStrictEqual(yield* second`SELECT * FROM message_store.get_stream_messages('held-1')`, [])
          assert.deepStrictEqual(yield* second`SELECT * FROM message_store.get_category_messages('held')`, [])
        }))
        assert.strictEqual(yield* impatient(second, write(second, "held-1")), 1)
      }))

    it.effect("a writer that waited sees the version the first one left", () =>
      Effect.gen(function*() {
        const first = yield* session
        const second = yield* session
        const loser = yield* first.withTransaction(Effect.gen(function*() {
          yield* write(first, "waited-1", -1)
          const fiber = yield* Effect.forkScoped(refusal(write(second, "waited-1", -1)))
          yield* within("for a session that waits")(aSessionWaits)
          return fiber
        }))
        assert.deepStrictEqual(yield* Fiber.join(loser), {
          code: "P0001",
          message: "Wrong expected version: -1 (Stream: waited-1, Stream Version: 0)"
        })
      }))

    it.effect("an advisory lock of the application on the same key is the same lock", () =>
      Effect.gen(function*() {
        const first = yield* session
        const second = yield* session
        const error = yield* first.withTransaction(Effect.gen(function*() {
          yield* first`SELECT pg_advisory_xact_lock(message_store.hash_64('shared'))`
          return yield* refusal(impatient(second, write(second, "shared-1")))
        }))
        assert.strictEqual(error.code, "55P03")
      }))

    it.effect("transactions that write two categories in opposite order deadlock", () =>
      Effect.gen(function*() {
        const first = yield* session
        const second = yield* session
        yield* Effect.forEach([first, second], (sql) => sql`BEGIN`)
        // So that PostgreSQL refuses the first one.
        yield* first`SET LOCAL deadlock_timeout = '10ms'`
        yield* second`SET LOCAL deadlock_timeout = '1h'`
        yield* write(first, "left-1")
        yield* write(second, "right-1")
        const waiting = yield* Effect.forkScoped(write(second, "left-1"))
        yield* within("for a session that waits")(aSessionWaits)
        const { code, message } = yield* refusal(write(first, "right-1"))
        assert.deepStrictEqual({ code, message }, { code: "40P01", message: "deadlock detected" })
        yield* first`ROLLBACK`
        assert.strictEqual(yield* Fiber.join(waiting), 0)
        yield* second`ROLLBACK`
      }))

    it.effect("global positions of different categories can become visible out of order", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const first = yield* session
        const second = yield* session
        const visible = sql<{ readonly stream: string }>`SELECT stream_name AS stream FROM message_store.messages
          WHERE stream_name IN ('early-1', 'late-1') ORDER BY global_position`
        yield* first.withTransaction(Effect.gen(function*() {
          yield* write(first, "early-1")
          yield* write(second, "late-1")
          assert.deepStrictEqual((yield* visible).map((row) => row.stream), ["late-1"])
        }))
        assert.deepStrictEqual((yield* visible).map((row) => row.stream), ["early-1", "late-1"])
      }))

    it.effect("a function that replaces acquire_lock is the one that writers call", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.make({ server })
        const first = yield* Database.session(url)
        const second = yield* Database.session(url)
        yield* first`CREATE OR REPLACE FUNCTION message_store.acquire_lock(stream_name varchar) RETURNS bigint
          LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(hashtext(stream_name)); RETURN 0; END'`
        yield* first.withTransaction(Effect.gen(function*() {
          yield* write(first, "mine-1")
          yield* append(first, "mine-2")
          assert.strictEqual(yield* impatient(second, write(second, "mine-3")), 0)
          assert.strictEqual((yield* refusal(impatient(second, write(second, "mine-1")))).code, "55P03")
          assert.strictEqual((yield* refusal(impatient(second, write(second, "mine-2")))).code, "55P03")
        }))
      }))

    it.effect("a writer with an older snapshot violates the unique index instead", () =>
      Effect.gen(function*() {
        const first = yield* session
        const second = yield* session
        const late = second.withTransaction(Effect.gen(function*() {
          yield* second`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
          yield* second`SELECT 1`
          yield* write(first, "snapshot-1")
          return yield* write(second, "snapshot-1")
        }))
        const { code, constraint, message } = yield* refusal(late)
        assert.deepStrictEqual({ code, constraint, message }, {
          code: "23505",
          constraint: "messages_stream",
          message: "duplicate key value violates unique constraint \"messages_stream\""
        })
      }))

    it.effect("eight writers at once leave no gap, in the order of the log", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const written = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => Effect.replicateEffect(write(sql, "race-1"), 25),
          { concurrency: 8 }
        )
        assert.deepStrictEqual(
          written.flat().sort((a, b) => a - b),
          Array.from({ length: 200 }, (_, position) => position)
        )
        const log = yield* sql<{ readonly position: bigint }>`SELECT position FROM message_store.messages
          WHERE stream_name = 'race-1' ORDER BY global_position`
        assert.deepStrictEqual(log.map((row) => Number(row.position)), Array.from({ length: 200 }, (_, i) => i))
      }))

    it.effect("of eight writers that expect no stream, one wins", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const results = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => Effect.result(Effect.flip(refusal(write(sql, "once-1", -1)))),
          { concurrency: 8 }
        )
        assert.deepStrictEqual(
          results.flatMap((result) => result._tag === "Success" ? [result.success] : []),
          [0]
        )
        assert.deepStrictEqual(
          results.flatMap((result) => result._tag === "Failure" ? [result.failure] : []),
          Array.from({ length: 7 }, () => ({
            code: "P0001",
            message: "Wrong expected version: -1 (Stream: once-1, Stream Version: 0)"
          }))
        )
      }))
  })
}
