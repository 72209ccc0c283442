/**
 * Transactions of the application on a client that it shares with the store.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import { BeginTransaction, SqlClient } from "effect/sql/SqlClient"
import { nextId } from "eventfold/Message"
import * as MessageStore from "eventfold/MessageStore"
import type { AppendError, ReadCategoryError } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { DuplicateMessageId, StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

interface Opened {
  readonly sql: PgClient.PgClient
  readonly store: Store.Store
}

/** A client of the application and a store on it. */
const openOn = <const Models extends ReadonlyArray<Postgres.InlineModel> = []>(
  url: string,
  config: Omit<PgClient.PgPoolConfig, "url"> = {},
  options: Postgres.StoreOptions & Postgres.Inline<Models> = {}
) =>
  Effect.map(
    Layer.build(
      Layer.fresh(Postgres.layerClient(options)).pipe(
        Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), ...config }))
      )
    ),
    (services): Opened => ({
      sql: Context.get(services, PgClient.PgClient),
      store: Context.get(services, MessageStore.MessageStore)
    })
  )

const open = (config: Omit<PgClient.PgPoolConfig, "url"> = {}, options: Postgres.StoreOptions = {}) =>
  Effect.flatMap(Database.Database, ({ url }) => openOn(url, config, options))

const message = (data: number) => ({ type: "Numbered", data })

let names = 0
/** A category of its own for each test. */
const newCategory = Effect.sync(() => `joined${++names}`)

const expectStoreError = (error: unknown, isRetryable: boolean, ...texts: ReadonlyArray<string>) => {
  assert(error instanceof StoreError)
  assert.strictEqual(error.isRetryable, isRetryable, error.message)
  for (const text of texts) assert.include(error.message, text)
}

/** Begins a transaction in each of the fibers before any of them goes on. */
const inTransactionsAtOnce = <A, E>(
  { sql }: Opened,
  count: number,
  body: (i: number) => Effect.Effect<A, E>
) =>
  Effect.gen(function*() {
    const begun = Latch.makeUnsafe()
    let waiting = count
    return yield* Effect.forEach(
      Store.upTo(count),
      (i) =>
        sql.withTransaction(Effect.gen(function*() {
          yield* sql`SELECT 1`
          waiting -= 1
          if (waiting === 0) yield* begun.open
          yield* begun.await
          return yield* body(i)
        })),
      together
    )
  })

const notes = (sql: SqlClient, note: string) => sql`SELECT note FROM public.notes WHERE note = ${note}`

/** The transactions of this database that wait for an advisory lock. */
const isWaiting = (sql: SqlClient) =>
  Effect.map(
    sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    (rows) => rows.length > 0
  )

const Notes = Layer.effectDiscard(
  Effect.flatMap(SqlClient, (sql) => sql`CREATE TABLE IF NOT EXISTS public.notes (note text)`)
)

const MessageDbNotes = Layer.provideMerge(
  Notes,
  Layer.unwrap(
    Effect.map(
      MessageDb.makeDatabase(),
      (database) => Layer.merge(Layer.succeed(Database.Database, database), Database.client(database.url))
    )
  )
)

layer(Layer.provideMerge(Notes, Database.layer()), { excludeTestServices: true })(
  "a transaction of the application",
  (it) => {
    it.effect("commits its rows and its appends together", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open()
        const outside = yield* open()
        const category = yield* newCategory
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* sql`INSERT INTO public.notes VALUES (${category})`
          assert.strictEqual((yield* store.append(`${category}-1`, [message(1), message(2)])).version, 1)
          const results = yield* store.writeAll([
            { streamName: `${category}-1`, messages: message(3), expectedVersion: 1 },
            { streamName: `${category}-2`, messages: message(4), expectedVersion: "noStream" }
          ])
          assert.deepStrictEqual(results.map(({ version }) => version), [2, 0])
          // The transaction sees what it has written, and no other does.
          assert.deepStrictEqual(yield* store.streamVersion(`${category}-1`), Option.some(2))
          assert.deepStrictEqual(yield* outside.store.streamVersion(`${category}-1`), Option.none())
          assert.lengthOf(yield* Store.readCategory(store, category), 4)
        }))
        assert.lengthOf(yield* notes(sql, category), 1)
        assert.lengthOf(yield* Store.readCategory(outside.store, category), 4)
      }))

    it.effect("rolls both back together", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open()
        const category = yield* newCategory
        const failed = yield* Effect.flip(sql.withTransaction(Effect.gen(function*() {
          yield* sql`INSERT INTO public.notes VALUES (${category})`
          yield* store.append(`${category}-1`, message(1))
          yield* store.writeAll([{ streamName: `${category}-2`, messages: message(1) }])
          return yield* Effect.fail("undo")
        })))
        assert.strictEqual(failed, "undo")
        assert.lengthOf(yield* notes(sql, category), 0)
        assert.deepStrictEqual(yield* Store.readCategory(store, category), [])
        // The id of what was rolled back is free.
        assert.strictEqual((yield* store.append(`${category}-1`, message(1))).version, 0)
      }))

    it.effect("is usable after a refused append, and may decide again", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open()
        const category = yield* newCategory
        const elsewhere = { ...message(0), id: yield* nextId }
        yield* store.append(`${category}x-1`, elsewhere)
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* store.append(`${category}-1`, message(1))
          const wrong = yield* Effect.flip(store.append(`${category}-1`, message(2), { expectedVersion: 7 }))
          assert(wrong instanceof WrongExpectedVersion)
          assert.deepStrictEqual(wrong.actual, Option.some(0))
          yield* store.append(`${category}-1`, message(2), { expectedVersion: 0 })
          const taken = yield* Effect.flip(store.append(`${category}-1`, elsewhere))
          assert.instanceOf(taken, DuplicateMessageId)
          const takenAmongSome = yield* Effect.flip(store.writeAll([
            { streamName: `${category}-2`, messages: message(1) },
            { streamName: `${category}-3`, messages: elsewhere }
          ]))
          assert.instanceOf(takenAmongSome, DuplicateMessageId)
          yield* sql`INSERT INTO public.notes VALUES (${category})`
        }))
        assert.lengthOf(yield* notes(sql, category), 1)
        assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, category)), [1, 2])
      }))

    it.effect("knows the messages that it has appended itself", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open()
        const category = yield* newCategory
        const own = { ...message(1), id: yield* nextId }
        yield* sql.withTransaction(Effect.gen(function*() {
          const first = yield* store.append(`${category}-1`, own)
          assert.deepStrictEqual(yield* store.append(`${category}-1`, own), first)
          assert.deepStrictEqual(yield* store.append(`${category}-1`, own, { expectedVersion: "noStream" }), first)
          assert.deepStrictEqual(yield* store.writeAll([{ streamName: `${category}-1`, messages: own }]), [first])
          assert.instanceOf(
            yield* Effect.flip(store.append(`${category}-1`, { ...own, data: "other" })),
            DuplicateMessageId
          )
        }))
        assert.lengthOf(yield* Store.readCategory(store, category), 1)
      }))

    it.effect("appends from several of its fibers, and in savepoints of the application", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open()
        const category = yield* newCategory
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* Effect.forEach(Store.upTo(20), (i) => store.append(`${category}-${i}`, message(i)), together)
          yield* Effect.ignore(sql.withTransaction(Effect.andThen(
            store.append(`${category}-undone`, message(1)),
            Effect.fail("undo")
          )))
          yield* sql.withTransaction(store.append(`${category}-kept`, message(1)))
          yield* store.transaction(store.append(`${category}-kept`, message(2)))
        }))
        const messages = yield* Store.readCategory(store, category)
        assert.lengthOf(messages, 22)
        assert.notInclude(messages.map(({ streamName }) => streamName), `${category}-undone`)
      }))

    it.effect("of the store is READ COMMITTED, and commits or rolls back rows and appends", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open({ startupParameters: { default_transaction_isolation: "serializable" } })
        const category = yield* newCategory
        const write = Effect.gen(function*() {
          assert.deepStrictEqual(yield* sql`SELECT current_setting('transaction_isolation') AS level`, [
            { level: "read committed" }
          ])
          yield* sql`INSERT INTO public.notes VALUES (${category})`
          yield* store.append(`${category}-1`, message(1))
        })
        assert.strictEqual(
          yield* Effect.flip(store.transaction(Effect.andThen(write, Effect.fail("undo")))),
          "undo"
        )
        assert.lengthOf(yield* notes(sql, category), 0)
        yield* store.transaction(write)
        assert.lengthOf(yield* notes(sql, category), 1)
        assert.lengthOf(yield* Store.readCategory(store, category), 1)
      }))

    describe("with an old view of the store", () => {
      for (const isolation of ["REPEATABLE READ", "SERIALIZABLE"]) {
        it.effect(`refuses appends at ${isolation}, and goes on`, () =>
          Effect.gen(function*() {
            const { sql, store } = yield* open()
            const category = yield* newCategory
            yield* store.append(`${category}-1`, message(1))
            yield* sql.withTransaction(Effect.gen(function*() {
              // Now the transaction has its view.
              yield* sql`INSERT INTO public.notes VALUES (${category})`
              yield* MessageStore.independently(store.append(`${category}-1`, message(2)))
              const attempts: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
                store.append(`${category}-1`, message(3), { expectedVersion: 0 }),
                store.append(`${category}-1`, [message(3), message(4)]),
                store.writeAll([{ streamName: `${category}-1`, messages: message(3), expectedVersion: 1 }]),
                store.transaction(store.append(`${category}-1`, message(3)))
              ]
              for (const attempt of attempts) {
                const error = yield* Effect.flip(attempt)
                expectStoreError(error, false, isolation, "READ COMMITTED", "MessageStore.independently")
              }
            })).pipe(Effect.provideService(BeginTransaction, `BEGIN ISOLATION LEVEL ${isolation}`))
            assert.lengthOf(yield* notes(sql, category), 1)
            assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, category)), [1, 2])
          }))
      }

      it.effect("refuses appends also when the session or the database began it so", () =>
        Effect.gen(function*() {
          const { sql, store } = yield* open({
            startupParameters: { default_transaction_isolation: "repeatable read" }
          })
          const category = yield* newCategory
          const error = yield* Effect.flip(sql.withTransaction(store.append(`${category}-1`, message(1))))
          expectStoreError(error, false, "REPEATABLE READ")
          // Outside of a transaction, the store begins its own.
          assert.strictEqual((yield* store.append(`${category}-1`, message(1))).version, 0)
        }))
    })

    describe("never waits for a connection that waits for it", () => {
      it.effect("two fibers on a pool of two", () =>
        Effect.gen(function*() {
          const opened = yield* open({ maxConnections: 2 })
          const category = yield* newCategory
          yield* inTransactionsAtOnce(opened, 2, (i) => opened.store.append(`${category}${i}-1`, message(i))).pipe(
            within("for two appends")
          )
        }))

      it.effect("ten fibers on the default pool, and twenty that wait for it", () =>
        Effect.gen(function*() {
          const opened = yield* open()
          const category = yield* newCategory
          const { store } = opened
          yield* Effect.all([
            inTransactionsAtOnce(opened, 10, (i) =>
              Effect.andThen(
                store.append(`${category}-${i}`, message(i)),
                store.writeAll([{ streamName: `${category}-${i}`, messages: message(i) }])
              )),
            Effect.forEach(
              Store.upTo(20),
              (i) => opened.sql.withTransaction(store.append(`${category}-later${i}`, message(i))),
              together
            )
          ], together).pipe(within("for 30 transactions"))
          assert.lengthOf(yield* Store.readCategory(store, category), 40)
        }))

      it.effect("fibers that write and read outside of their transactions", () =>
        Effect.gen(function*() {
          const opened = yield* open({ maxConnections: 3 })
          const category = yield* newCategory
          const { sql, store } = opened
          const begun = Latch.makeUnsafe()
          // These wait for a connection of the pool all the while.
          const others = yield* Effect.forkChild(Effect.andThen(
            begun.await,
            Effect.forEach(
              Store.upTo(5),
              (i): Effect.Effect<unknown, AppendError | ReadCategoryError> =>
                i < 3 ? store.append(`${category}-other${i}`, message(i)) : store.readCategoryPage(category),
              together
            )
          ))
          yield* inTransactionsAtOnce(opened, 3, (i) =>
            Effect.gen(function*() {
              yield* begun.open
              for (const _ of Store.upTo(10)) yield* Effect.yieldNow
              yield* MessageStore.independently(store.append(`${category}-${i}`, message(i)))
              yield* MessageStore.independently(store.readCategoryPage(category))
              yield* MessageStore.independently(store.readAllPage({ categories: [category] }))
              yield* MessageStore.independently(store.transaction(Effect.andThen(
                store.append(`${category}-${i}`, message(i)),
                sql`SELECT 1`
              )))
            })).pipe(within("for independent appends"))
          yield* Fiber.join(others)
          assert.lengthOf(yield* Store.readCategory(store, category), 9)
        }))
    })

    it.effect("that deadlocks with another fails as a whole, and may be repeated", () =>
      Effect.gen(function*() {
        const opened = yield* open()
        const { sql, store } = opened
        const [a, b] = [yield* newCategory, yield* newCategory]
        const met = Latch.makeUnsafe()
        let waiting = 2
        const attempt = (first: string, second: string, id: number) =>
          store.transaction(Effect.gen(function*() {
            yield* sql`INSERT INTO public.notes VALUES (${a})`
            yield* store.append(`${first}-${id}`, message(id))
            waiting -= 1
            if (waiting === 0) yield* met.open
            yield* met.await
            yield* store.append(`${second}-${id}`, message(id))
          }))
        const exits = yield* Effect.all([Effect.exit(attempt(a, b, 1)), Effect.exit(attempt(b, a, 2))], together).pipe(
          within("for the deadlock")
        )
        assert.lengthOf(exits.filter(Exit.isSuccess), 1)
        const failed = exits.find(Exit.isFailure)
        assert(failed !== undefined)
        expectStoreError(Cause.squash(failed.cause), true, "40P01")
        assert.lengthOf(yield* notes(sql, a), 1)
        const [inA, inB] = [yield* Store.readCategory(store, a), yield* Store.readCategory(store, b)]
        assert.lengthOf(inA, 1)
        assert.deepStrictEqual(Store.dataOf(inA), Store.dataOf(inB))
      }))

    it.effect("does not commit when the caller ignores a deadlock", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open({}, Store.patient)
        const other = yield* open({}, Store.patient)
        const [a, b] = [yield* newCategory, yield* newCategory]
        const observer = yield* SqlClient
        for (const isOfTheStore of [true, false]) {
          const holdsB = Latch.makeUnsafe()
          const holdsA = Latch.makeUnsafe()
          // The server looks for a deadlock once in each wait: here, where the other one waits already, and there much later.
          const ignoring = Effect.gen(function*() {
            yield* sql`SET LOCAL deadlock_timeout = '10ms'`
            yield* sql`INSERT INTO public.notes VALUES (${a})`
            yield* store.append(`${a}-1`, message(1))
            yield* holdsA.open
            yield* holdsB.await
            yield* until("the other one waits", isWaiting(observer))
            expectStoreError(yield* Effect.flip(store.append(`${b}-1`, message(1))), true, "40P01")
            // Nor does it try again.
            expectStoreError(yield* Effect.flip(store.append(`${b}-1`, message(1))), true, "40P01")
          })
          const opposite = Effect.gen(function*() {
            yield* other.sql`SET LOCAL deadlock_timeout = '1h'`
            yield* other.store.append(`${b}-2`, message(2))
            yield* holdsA.await
            yield* holdsB.open
            yield* other.store.append(`${a}-2`, message(2))
          })
          const [exit] = yield* Effect.all([
            Effect.exit(isOfTheStore ? store.transaction(ignoring) : sql.withTransaction(ignoring)),
            other.sql.withTransaction(opposite)
          ], together).pipe(within("for the deadlock"))
          assert(Exit.isFailure(exit))
          if (isOfTheStore) expectStoreError(Cause.squash(exit.cause), true, "40P01")
          assert.lengthOf(yield* notes(sql, a), 0)
        }
        assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, a)), [2, 2])
      }))

    it.effect("whose connection is lost fails as a whole, and may be repeated", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open({ maxConnections: 2 })
        const category = yield* newCategory
        const admin = yield* SqlClient
        const write = (isCut: boolean) =>
          store.transaction(Effect.gen(function*() {
            yield* store.append(`${category}-1`, message(1))
            if (isCut) {
              const [row] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
              yield* admin`SELECT pg_terminate_backend(${row?.pid ?? 0}, 5000)`
            }
            yield* store.append(`${category}-1`, message(2), { expectedVersion: 0 })
          }))
        const error = yield* Effect.flip(within("for the failure")(write(true)))
        expectStoreError(error, true)
        assert.deepStrictEqual(yield* Store.readCategory(store, category), [])
        yield* write(false)
        assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, category)), [1, 2])
      }))

    it.effect("can't commit after an append was interrupted that the server had begun", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open({}, Store.patient)
        const other = yield* open()
        const [kept, locked] = [yield* newCategory, yield* newCategory]
        const isLocked = yield* Deferred.make<void>()
        const isDone = yield* Deferred.make<void>()
        const holder = yield* Effect.forkChild(other.sql.withTransaction(Effect.gen(function*() {
          yield* other.store.append(`${locked}-other`, message(0))
          yield* Deferred.succeed(isLocked, undefined)
          yield* Deferred.await(isDone)
        })))
        yield* Deferred.await(isLocked)
        const exit = yield* Effect.exit(sql.withTransaction(Effect.gen(function*() {
          yield* store.append(`${kept}-1`, message(1))
          yield* sql`INSERT INTO public.notes VALUES (${kept})`
          const waiting = yield* Effect.forkChild(store.append(`${locked}-1`, message(1)))
          yield* until("the append waits for the category", isWaiting(other.sql))
          yield* within("for the interruption")(Fiber.interrupt(waiting))
        })))
        yield* Deferred.succeed(isDone, undefined)
        yield* Fiber.join(holder)
        assert.isTrue(Exit.isFailure(exit))
        assert.lengthOf(yield* notes(sql, kept), 0)
        assert.lengthOf(yield* Store.readCategory(store, kept), 0)
        assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, locked)), [0])
      }))

    it.effect("keeps what its other fibers write beside appends that are refused", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open()
        const category = yield* newCategory
        const taken = { ...message(1), id: yield* nextId }
        yield* store.append(`${category}-taken`, taken)
        const count = 30
        const refused = [
          Effect.asVoid(store.append(`${category}-1`, { ...taken, data: { n: 2 } })),
          Effect.asVoid(store.append(`${category}-1`, message(1), { expectedVersion: 7 })),
          Effect.asVoid(store.writeAll([
            { streamName: `${category}-1`, messages: message(1) },
            { streamName: `${category}-2`, messages: { ...taken, data: { n: 2 } } }
          ]))
        ]
        yield* sql.withTransaction(Effect.all([
          ...refused.map((append) => Effect.asVoid(Effect.flip(append))),
          ...Store.upTo(count).map(() => Effect.asVoid(sql`INSERT INTO public.notes VALUES (${category})`)),
          Effect.asVoid(store.append(`${category}-3`, message(3)))
        ], together))
        assert.lengthOf(yield* notes(sql, category), count)
        assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, category)), [1, 3])
      }))

    it.effect("fails in words what a fiber appends that it does not wait for", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open()
        const category = yield* newCategory
        const hasEnded = Latch.makeUnsafe()
        const scope = yield* Effect.scope
        const late = yield* sql.withTransaction(
          Effect.forkIn(Effect.andThen(hasEnded.await, Effect.flip(store.append(`${category}-1`, message(1)))), scope)
        )
        yield* hasEnded.open
        const error = yield* Fiber.join(late)
        expectStoreError(error, false)
        assert.include(error.message, "join the fiber before the transaction ends")
      }))

    it.effect("wakes readers, also of other processes, when it commits and not before", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open()
        const { url } = yield* Database.Database
        const elsewhere = yield* Store.open(url)
        const listener = (yield* open()).sql
        const announced = yield* listener.listen("eventfold")
        const [category, marker] = [yield* newCategory, yield* newCategory]
        const here = yield* store.wakeUps(category)
        const there = yield* elsewhere.wakeUps(category)
        // Of the connection of the listener.
        yield* within("for the listeners")(Effect.andThen(here.await, there.await))

        yield* Effect.ignore(sql.withTransaction(Effect.andThen(
          store.append(`${category}-1`, message(1)),
          Effect.fail("undo")
        )))
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* store.append(`${category}-1`, message(1))
          yield* store.writeAll([{ streamName: `${category}-2`, messages: message(1) }])
          assert.isFalse(yield* here.awaitAtMost("100 millis"))
          // What is announced later has been, so this transaction has announced nothing.
          yield* MessageStore.independently(store.append(`${marker}-1`, message(1)))
          const seen = yield* announcedUntil(announced, marker)
          assert.isFalse(seen.some((payload) => payload.includes(`"${category}"`)))
        }))
        assert.isTrue(yield* here.awaitAtMost("1 minute"))
        assert.isTrue(yield* there.awaitAtMost("1 minute"))
      }))

    describe("that asks for independence", () => {
      it.effect("keeps an append although it is rolled back, and sees it at once", () =>
        Effect.gen(function*() {
          const { sql, store } = yield* open()
          const [audit, category] = [yield* newCategory, yield* newCategory]
          const failed = yield* Effect.flip(sql.withTransaction(Effect.gen(function*() {
            yield* store.append(`${category}-1`, message(1))
            const { version } = yield* MessageStore.independently(store.append(`${audit}-1`, message(1)))
            assert.strictEqual(version, 0)
            assert.deepStrictEqual(yield* store.streamVersion(`${audit}-1`), Option.some(0))
            assert.deepStrictEqual(
              yield* MessageStore.independently(store.streamVersion(`${category}-1`)),
              Option.none()
            )
            yield* MessageStore.independently(store.writeAll([{ streamName: `${audit}-2`, messages: message(2) }]))
            // Also when a statement has broken the transaction.
            yield* Effect.ignore(sql`SELECT 1 / 0`)
            yield* MessageStore.independently(store.append(`${audit}-3`, message(3)))
            return yield* Effect.fail("undo")
          })))
          assert.strictEqual(failed, "undo")
          assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, audit)), [1, 2, 3])
          assert.deepStrictEqual(yield* Store.readCategory(store, category), [])
        }))

      it.effect("is refused at once for a category that it has locked, and for the third transaction within two", () =>
        Effect.gen(function*() {
          const { sql, store } = yield* open({}, Store.patient)
          const [category, other] = [yield* newCategory, yield* newCategory]
          yield* sql.withTransaction(Effect.gen(function*() {
            yield* Effect.ignore(sql.withTransaction(Effect.andThen(
              store.append(`${other}-1`, message(1)),
              Effect.fail("undo")
            )))
            yield* store.append(`${category}-1`, message(1))
            const attempt = MessageStore.independently(store.append(`${category}-2`, message(2)))
            const error = yield* Effect.flip(within("for a refusal")(attempt))
            expectStoreError(error, false, category, "wait for itself")
            // The lock of what was rolled back is free.
            yield* MessageStore.independently(store.append(`${other}-1`, message(2)))

            const third = MessageStore.independently(store.transaction(
              MessageStore.independently(store.append(`${other}-2`, message(3)))
            ))
            expectStoreError(yield* Effect.flip(third), false, "beside another")
          }))
          assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, other)), [2])
        }))

      it.effect("does not wait for ever for a transaction that waits for it", () =>
        Effect.gen(function*() {
          const { url } = yield* Database.Database
          const opened = yield* openOn(url, {}, { lockTimeout: "1 second" })
          const { store } = opened
          const categories = [yield* newCategory, yield* newCategory]
          const met = Latch.makeUnsafe()
          let waiting = 2
          const results = yield* inTransactionsAtOnce(opened, 2, (i) =>
            Effect.gen(function*() {
              yield* store.append(`${categories[i]}-own`, message(1))
              waiting -= 1
              if (waiting === 0) yield* met.open
              yield* met.await
              const append = store.append(`${categories[1 - i]}-others`, message(1))
              return yield* Effect.result(MessageStore.independently(append))
            })).pipe(within("for a time limit"))
          const failed = results.filter((result) => result._tag === "Failure")
          assert.isNotEmpty(failed)
          for (const { failure } of failed) {
            expectStoreError(failure, true, "waited for 1s", "the transaction around")
          }
        }))

      it.effect("waits for no savepoint of the transaction around", () =>
        Effect.gen(function*() {
          const { sql, store } = yield* open()
          const category = yield* newCategory
          const isInSavepoint = Latch.makeUnsafe()
          yield* sql.withTransaction(Effect.gen(function*() {
            const append = MessageStore.independently(store.append(`${category}-1`, message(1)))
            const fiber = yield* Effect.forkChild(Effect.andThen(isInSavepoint.await, append))
            yield* sql.withTransaction(Effect.andThen(isInSavepoint.open, Fiber.join(fiber)))
          })).pipe(within("for the append"))
          assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, category)), [1])
        }))

      it.effect("as a transaction ends while an append of the transaction around waits for it", () =>
        Effect.gen(function*() {
          const { sql, store } = yield* open()
          const observer = yield* SqlClient
          const [held, other] = [yield* newCategory, yield* newCategory]
          const isHeld = Latch.makeUnsafe()
          const independent = MessageStore.independently(store.transaction(Effect.gen(function*() {
            yield* store.append(`${held}-1`, message(1))
            yield* isHeld.open
            yield* until("the append of the transaction around waits", isWaiting(observer))
            yield* store.append(`${other}-1`, message(2))
          })))
          const own = Effect.andThen(isHeld.await, store.append(`${held}-1`, message(3)))
          yield* sql.withTransaction(Effect.all([own, independent], together)).pipe(within("for both"))
          assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, held)), [1, 3])
          assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, other)), [2])
        }))

      it.effect("is served on a pool of one, by a connection beside the pool", () =>
        Effect.gen(function*() {
          const { sql, store } = yield* open({ maxConnections: 1 })
          const category = yield* newCategory
          yield* sql.withTransaction(Effect.gen(function*() {
            yield* store.append(`${category}-1`, message(1))
            yield* MessageStore.independently(store.append(`${category}x-1`, message(1)))
          })).pipe(within("for the appends"))
          // Without a transaction it changes nothing.
          assert.strictEqual((yield* MessageStore.independently(store.append(`${category}-1`, message(2)))).version, 1)
        }))
    })
  }
)

layer(Database.layer(), { excludeTestServices: true })("a handler of a read model", (it) => {
  it.effect("may append only independently, and its side effects as they like", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const services = yield* Layer.build(
        SqlReadModel.layer().pipe(
          Layer.provideMerge(Layer.fresh(Postgres.layerClient())),
          Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 2 }))
        )
      )
      const store = Context.get(services, MessageStore.MessageStore)
      const refused: Array<unknown> = []
      const Appending = SqlReadModel.make("appending", { version: 1, tables: ["CREATE TABLE appending (n integer)"] })
        .on(
          "handled",
          {
            Numbered: Effect.fnUntraced(function*() {
              const sql = yield* SqlClient
              yield* sql`INSERT INTO appending VALUES (1)`
              refused.push(yield* Effect.flip(store.append("made-refused", message(1))))
              refused.push(yield* Effect.flip(store.transaction(store.append("made-refused", message(1)))))
              yield* MessageStore.independently(store.append("made-independently", message(1)))
              yield* ReadModel.sideEffect(Effect.orDie(store.append("made-afterwards", message(1))))
            })
          }
        )
      const worker = yield* Effect.forkChild(Effect.provide(ReadModel.run(Appending), services))
      const handled = Effect.gen(function*() {
        const { globalPosition } = yield* store.append("handled-1", message(1))
        yield* ReadModel.waitFor(Appending, globalPosition).pipe(
          Effect.provide(services),
          within("for the worker")
        )
      })
      // Side effects do not run for what was there before the first build.
      yield* Effect.andThen(handled, handled)
      yield* until(
        "the side effect has run",
        Effect.map(store.streamVersion("made-afterwards"), Option.isSome)
      )
      yield* Fiber.interrupt(worker)
      assert.isNotEmpty(refused)
      for (const error of refused) expectStoreError(error, false, "appending", "can't append")
      assert.deepStrictEqual(yield* store.streamVersion("made-refused"), Option.none())
      assert.isTrue(Option.isSome(yield* store.streamVersion("made-independently")))
    }))
})

layer(MessageDbNotes, { excludeTestServices: true })(
  "a transaction of the application on a stock Message DB",
  (it) => {
    it.effect("commits or rolls back its rows and its appends together, and is usable after a refusal", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* open({}, Store.patient)
        const category = yield* newCategory
        const own = { ...message(1), id: yield* nextId }
        const write = Effect.gen(function*() {
          yield* sql`INSERT INTO public.notes VALUES (${category})`
          const first = yield* store.append(`${category}-1`, own)
          assert.deepStrictEqual(yield* store.append(`${category}-1`, own), first)
          assert.instanceOf(
            yield* Effect.flip(store.append(`${category}-1`, message(2), { expectedVersion: 7 })),
            WrongExpectedVersion
          )
          assert.instanceOf(
            yield* Effect.flip(store.append(`${category}-1`, { ...own, data: "other" })),
            DuplicateMessageId
          )
          yield* store.writeAll([
            { streamName: `${category}-1`, messages: message(2), expectedVersion: 0 },
            { streamName: `${category}-2`, messages: message(3) }
          ])
          yield* MessageStore.independently(store.append(`${category}x-1`, message(1)))
          const blocked = MessageStore.independently(store.append(`${category}-3`, message(1)))
          expectStoreError(yield* Effect.flip(within("for a refusal")(blocked)), false, "wait for itself")
        })
        yield* Effect.flip(sql.withTransaction(Effect.andThen(write, Effect.fail("undo"))))
        assert.lengthOf(yield* notes(sql, category), 0)
        assert.deepStrictEqual(yield* Store.readCategory(store, category), [])
        yield* sql.withTransaction(write)
        assert.lengthOf(yield* notes(sql, category), 1)
        assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, category)), [1, 2, 3])
        assert.lengthOf(yield* Store.readCategory(store, `${category}x`), 2)
      }))

    it.effect("refuses appends at REPEATABLE READ, and waits for no connection on a pool of two", () =>
      Effect.gen(function*() {
        const opened = yield* open({ maxConnections: 2 })
        const { sql, store } = opened
        const category = yield* newCategory
        const error = yield* Effect.flip(sql.withTransaction(store.append(`${category}-1`, message(1)))).pipe(
          Effect.provideService(BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ")
        )
        expectStoreError(error, false, "REPEATABLE READ")
        yield* inTransactionsAtOnce(opened, 2, (i) => store.append(`${category}${i}-1`, message(i))).pipe(
          within("for two appends")
        )
      }))
  }
)

const announcedUntil = Effect.fnUntraced(function*(
  notifications: Effect.Success<ReturnType<PgClient.PgClient["listen"]>>,
  marker: string
) {
  const seen: Array<string> = []
  yield* until(
    `the announcement of ${marker}`,
    Effect.map(Queue.clear(notifications), (taken) => {
      for (const { payload } of taken) seen.push(payload)
      return seen.some((payload) => payload.includes(`"${marker}"`))
    })
  )
  return seen
})
