import { assert, it, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { SqlClient } from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import { independently, MessageStore } from "eventfold/MessageStore"
import { StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import { refusal } from "../support/PostgresError.ts"
import * as Store from "../support/Store.ts"
import { within } from "../support/Until.ts"

const notes = Layer.effectDiscard(
  Effect.flatMap(SqlClient, (sql) => sql`CREATE TABLE public.notes (note text PRIMARY KEY)`)
)

const both = Layer.mergeAll(Postgres.layerClient({ install: true }), notes).pipe(
  Layer.provideMerge(Pglite.layerClient())
)

const write = (note: string) => Effect.flatMap(SqlClient, (sql) => sql`INSERT INTO public.notes VALUES (${note})`)

const isWritten = (note: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    return (yield* sql`SELECT FROM public.notes WHERE note = ${note}`).length === 1
  })

/** How many statements the session has prepared. */
const prepared = Effect.gen(function*() {
  const sql = yield* SqlClient
  const [row] = yield* sql<{ readonly count: number }>`SELECT count(*)::int4 AS count FROM pg_prepared_statements`
  return row?.count ?? 0
})

const notInTransaction = "25P01"

const ticks = (count: number) => Effect.forEach(Store.upTo(count), () => Effect.yieldNow, { discard: true })

layer(both, { excludeTestServices: true })("the one session of a PGlite", (it) => {
  it.effect("interruption in the middle of a transaction rolls it back", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const reached = yield* Deferred.make<void>()
      const transaction = yield* Effect.forkChild(sql.withTransaction(
        write("interrupted").pipe(Effect.andThen(Deferred.succeed(reached, undefined)), Effect.andThen(Effect.never))
      ))
      yield* Deferred.await(reached)
      yield* within("for an interruption")(Fiber.interrupt(transaction))
      assert.strictEqual((yield* refusal(sql`SAVEPOINT anywhere`)).code, notInTransaction)
      assert.isFalse(yield* isWritten("interrupted"))
      yield* write("after")
      assert.isTrue(yield* isWritten("after"))
    }))

  it.effect("so it does at any other moment", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      for (const i of Store.upTo(40)) {
        const transaction = yield* Effect.forkChild(sql.withTransaction(
          Effect.forEach(Store.upTo(5), (k) => write(`moment ${i} ${k}`)).pipe(
            // Long enough to be interrupted.
            Effect.andThen(sql`SELECT count(*) FROM generate_series(1, 1000)`),
            Effect.andThen(Effect.never)
          )
        ))
        yield* ticks(i)
        yield* within("for an interruption")(Fiber.interrupt(transaction))
        assert.isFalse(yield* isWritten(`moment ${i} 0`))
        yield* write(`later ${i}`)
        yield* sql.withTransaction(write(`later ${i} in a transaction`))
        assert.isTrue(yield* isWritten(`later ${i}`))
        assert.isTrue(yield* isWritten(`later ${i} in a transaction`))
      }
    }))

  it.effect("a single statement that is interrupted leaves nothing open", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const store = yield* MessageStore
      for (const i of Store.upTo(30)) {
        const statement = yield* Effect.forkChild(sql`SELECT generate_series(1, 2000)`)
        yield* ticks(i % 10)
        yield* within("for an interruption")(Fiber.interrupt(statement))
        assert.strictEqual((yield* store.append("interrupted-1", Store.numbered(1))).version, i)
      }
      assert.strictEqual((yield* refusal(sql`SAVEPOINT anywhere`)).code, notInTransaction)
    }))

  it.effect("an error rolls its transaction back and harms nothing else", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const failing = sql`SELECT 1 / 0`
      for (const i of Store.upTo(3)) {
        const error = yield* Effect.flip(sql.withTransaction(Effect.andThen(write("failed"), failing)))
        assert(error._tag === "SqlError")
        assert.isFalse(yield* isWritten("failed"))
        // Caught in a savepoint, the transaction around it goes on.
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* write(`outer ${i}`)
          yield* Effect.flip(sql.withTransaction(Effect.andThen(write(`inner ${i}`), failing)))
          yield* write(`outer ${i} again`)
        }))
        assert.deepStrictEqual(
          yield* Effect.forEach([`outer ${i}`, `inner ${i}`, `outer ${i} again`], isWritten),
          [true, false, true]
        )
        // Caught without one, PostgreSQL gives the whole transaction up, and COMMIT says so.
        yield* Effect.flip(sql.withTransaction(Effect.andThen(write(`lost ${i}`), Effect.ignore(failing))))
        assert.isFalse(yield* isWritten(`lost ${i}`))
      }
    }))

  it.effect("20 MB pass in a statement and in a result", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const store = yield* MessageStore
      const size = 20_000_000
      const text = "0123456789".repeat(size / 10)
      const [row] = yield* sql<{ readonly same: boolean; readonly text: string }>`
        SELECT ${text} = repeat('0123456789', ${size / 10}) AS same, repeat('x', ${size}) AS text`
      assert.strictEqual(row?.same, true)
      assert.strictEqual(row?.text.length, size)
      yield* store.append("large-1", { type: "Large", data: text })
      const [message] = yield* Store.readStream(store, "large-1")
      assert.isTrue(message?.data === text)
      // And many rows.
      const rows = yield* sql<{ readonly n: number }>`SELECT n FROM generate_series(1, 100000) AS n`
      assert.strictEqual(rows.length, 100_000)
      assert.strictEqual(rows.at(-1)?.n, 100_000)
    }))

  it.effect.each(["rolled back", "committed"])(
    "appends wait for a transaction of the client, and are not part of it: %s",
    (end) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const store = yield* MessageStore
        const category = end.replace(" ", "")
        const open = yield* Latch.make()
        const appends = yield* Effect.forkChild(open.await.pipe(Effect.andThen(Effect.forEach(
          Store.upTo(10),
          (i) => store.append(`${category}-${i % 2}`, { type: "A", data: i }),
          { concurrency: "unbounded" }
        ))))
        yield* Effect.exit(sql.withTransaction(Effect.gen(function*() {
          yield* write(end)
          yield* open.open
          for (const _ of Store.upTo(20)) {
            yield* ticks(5)
            assert.deepStrictEqual(
              yield* sql`SELECT FROM message_store.messages WHERE stream_name LIKE ${`${category}-%`}`,
              []
            )
          }
          assert.isUndefined(appends.pollUnsafe())
          if (end === "rolled back") return yield* Effect.fail(end)
        })))
        const results = yield* within("for the appends")(Fiber.join(appends))
        assert.deepStrictEqual(results.map((result) => result.version), Store.upTo(10).map((i) => Math.floor(i / 2)))
        assert.strictEqual(yield* isWritten(end), end === "committed")
        assert.lengthOf(yield* Store.readCategory(store, category), 10)
      })
  )

  it.effect("two stores on it are as one for leases", () =>
    Effect.gen(function*() {
      const one = yield* MessageStore
      const second = yield* Layer.build(Layer.fresh(Postgres.layerClient()))
      const two = Context.get(second, MessageStore)
      for (const [first, then] of [[one, two], [two, one]] as const) {
        const held = Effect.andThen(first.lease("shared"), then.lease("shared"))
        assert.deepStrictEqual(yield* Effect.scoped(held), Option.none())
        assert.isTrue(Option.isSome(yield* Effect.scoped(then.lease("shared"))))
      }
    }))

  it.effect("a transaction of the client has its appends, and none that is independent of it", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const store = yield* MessageStore
      const wakeUps = yield* store.wakeUps("inside")
      const attempt = Effect.gen(function*() {
        yield* write("inside")
        assert.strictEqual((yield* store.append("inside-1", Store.numbered(1))).version, 0)
        assert.instanceOf(
          yield* Effect.flip(store.append("inside-1", Store.numbered(1), { expectedVersion: 7 })),
          WrongExpectedVersion
        )
        yield* store.writeAll([{ streamName: "inside-1", messages: Store.numbered(1), expectedVersion: 0 }])
        assert.isFalse(yield* wakeUps.awaitAtMost("10 millis"))
        const refused: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          store.append("independent-1", Store.numbered(1)),
          store.streamVersion("independent-1"),
          store.transaction(Effect.void)
        ]
        for (const one of refused) {
          const error = yield* Effect.flip(within("for a refusal")(independently(one)))
          assert(error instanceof StoreError)
          assert.isFalse(error.isRetryable)
          assert.include(error.message, "only connection")
        }
      })
      assert.strictEqual(yield* Effect.flip(sql.withTransaction(Effect.andThen(attempt, Effect.fail("undo")))), "undo")
      assert.isFalse(yield* isWritten("inside"))
      assert.deepStrictEqual(yield* store.streamVersion("inside-1"), Option.none())
      assert.isFalse(yield* wakeUps.awaitAtMost("10 millis"))
      yield* store.transaction(attempt)
      assert.isTrue(yield* isWritten("inside"))
      assert.deepStrictEqual(yield* store.streamVersion("inside-1"), Option.some(1))
      yield* within("for a wake-up")(wakeUps.await)
    }))
})

it.live("statements have no bound, for the session could not be opened again", () =>
  Effect.gen(function*() {
    const [sql, store] = [yield* SqlClient, yield* MessageStore]
    yield* store.append("unbounded-1", Store.numbered(1))
    const slow = sql`SELECT count(*) FROM generate_series(1, 300000)`
    yield* store.transaction(Effect.andThen(slow, store.append("unbounded-1", Store.numbered(1))))
    assert.lengthOf(yield* Store.readStream(store, "unbounded-1"), 2)
  }).pipe(Effect.provide(
    Postgres.layerClient({ install: true, statementTimeout: "1 millis" }).pipe(Layer.provideMerge(Pglite.layerClient()))
  )))

// The pool closes what is idle on Effect's clock.
it.effect("a connection that follows another finds nothing that the other prepared or set", () =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const store = yield* MessageStore
    for (const i of Store.upTo(3)) {
      yield* sql`SET search_path = nowhere`
      for (const _ of Store.upTo(2)) {
        yield* write(`idle ${i}`).pipe(Effect.andThen(Effect.fail("undo")), sql.withTransaction, Effect.flip)
        assert.isFalse(yield* isWritten(`idle ${i}`))
      }
      assert.strictEqual((yield* store.append("idle-1", Store.numbered(1))).version, i)
      assert.lengthOf(yield* Store.readStream(store, "idle-1"), i + 1)
      const before = yield* prepared
      assert.isAbove(before, 4)
      yield* TestClock.adjust("10 minutes")
      assert.isBelow(yield* prepared, before)
      assert.notDeepEqual(yield* sql`SHOW search_path`, [{ search_path: "nowhere" }])
    }
  }).pipe(Effect.provide(both)))
