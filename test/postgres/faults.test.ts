import { assert, layer } from "@effect/vitest"
import type { Postgres } from "@eventfold/postgres"
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import type { ExpectedVersion } from "eventfold/ExpectedVersion"
import { nextId, type RecordedMessage } from "eventfold/Message"
import { StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import { randomBytes } from "node:crypto"
import * as Database from "../support/Database.ts"
import { Mortal } from "../support/Mortal.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

const open = (options?: Omit<Postgres.Options, "url">) =>
  Effect.flatMap(Database.Database, ({ url }) => Store.open(url, options))

const session = Effect.flatMap(Database.Database, ({ url }) => Database.session(url))

/** A store whose connections go through a proxy. */
const openThroughProxy = Effect.gen(function*() {
  const proxy = yield* Proxy.start((yield* Database.Database).url)
  return { proxy, store: yield* Store.open(proxy.url) }
})

let categories = 0
const newCategory = Effect.sync(() => `faults${++categories}`)

const version = (store: Store.Store, stream: string) =>
  Effect.map(store.streamVersion(stream), Option.getOrElse(() => -1))

/** The pids of the sessions that wait for an advisory lock of this database. */
const waiting = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly pid: number }>`SELECT pid FROM pg_locks
    JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`
  return rows.map((row) => row.pid)
})

const someoneWaits = until("a writer waits for the lock", Effect.map(waiting, (pids) => pids.length > 0))

/** Runs the effect while another session holds the lock of a category. */
const whileLocked = <A, E, R>(category: string, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const sql = yield* session
    return yield* sql.withTransaction(
      Effect.andThen(sql`SELECT message_store.acquire_lock(${`${category}-1`})`, effect)
    )
  })

layer(Database.layer(), { excludeTestServices: true })("a connection that is cut", (it) => {
  const moments = ["before the reply", "before the request"] as const

  it.effect("a unique index of the application's own is no race: its append fails, and the category goes on", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const sql = yield* Database.session(url)
      yield* sql`CREATE UNIQUE INDEX ON message_store.messages ((data ->> 'key'))`
      // Without an end, so that a repetition would have none.
      const store = yield* Store.open(url, { retry: Schedule.spaced("10 millis") })
      const taken = { type: "Keyed", data: { key: "one" } }
      yield* store.append("keyed-1", taken)
      const error = yield* Effect.flip(store.append("keyed-1", taken))
      assert.instanceOf(error, StoreError)
      assert.include(error.message, "23505")
      yield* store.append("keyed-1", { type: "Keyed", data: { key: "two" } })
    }))

  it.effect.each(moments)("%s: a single append is written once", (moment) =>
    Effect.gen(function*() {
      const { proxy, store } = yield* openThroughProxy
      const stream = `${yield* newCategory}-1`
      const expectations: ReadonlyArray<ExpectedVersion> = ["noStream", 1, "exists", "any"]
      for (const [i, expectedVersion] of expectations.entries()) {
        // The second time, the retry is cut as well.
        yield* proxy.cut(moment, stream, 2)
        const result = yield* store.append(stream, Store.numbered(2, i * 2), { expectedVersion })
        assert.strictEqual(result.version, i * 2 + 1)
        assert.strictEqual(yield* proxy.cuts, (i + 1) * 2)
      }
      const recorded = yield* Store.readStream(store, stream)
      assert.deepStrictEqual(Store.positions(recorded), Store.upTo(8))
      assert.deepStrictEqual(Store.dataOf(recorded), Store.upTo(8))
    }))

  it.effect.each(moments)(
    "%s: so are 64 concurrent ones, in their order, with a refusal among them",
    (moment) =>
      Effect.gen(function*() {
        const { proxy, store } = yield* openThroughProxy
        const category = yield* newCategory
        // They are one group, whose repetition is cut as well.
        yield* proxy.cut(moment, category, 2)
        const results = yield* Effect.forEach(Store.upTo(64), (i) => {
          const round = Math.floor(i / 8)
          const expectedVersion = i === 35
            ? 99
            : round === 0
            ? "noStream"
            : round % 3 === 1
            ? "any"
            : round % 3 === 2
            ? "exists"
            : round - 1
          const stream = `${category}-${i % 8}`
          // The stream of the refused one goes on with any version.
          return Effect.result(store.append(stream, { type: "A", data: i }, {
            expectedVersion: i % 8 === 3 && i > 35 ? "any" : expectedVersion
          }))
        }, together)
        assert.strictEqual(yield* proxy.cuts, 2)
        for (const [i, result] of results.entries()) {
          if (i === 35) {
            assert(Result.isFailure(result) && result.failure instanceof WrongExpectedVersion)
            // Refused after the repetition, when the group has been written.
            assert.deepStrictEqual(result.failure.actual, Option.some(moment === "before the reply" ? 6 : 3))
          } else {
            const at = Math.floor(i / 8) - (i % 8 === 3 && i > 35 ? 1 : 0)
            assert(Result.isSuccess(result), `append ${i}`)
            assert.strictEqual(result.success.version, at)
          }
        }
        for (const stream of Store.upTo(8)) {
          const recorded = yield* Store.readStream(store, `${category}-${stream}`)
          const expected = Store.upTo(8).map((round) => round * 8 + stream).filter((i) => i !== 35)
          assert.deepStrictEqual(Store.dataOf(recorded), expected)
          assert.deepStrictEqual(Store.positions(recorded), Store.upTo(expected.length))
          for (const message of recorded) {
            const result = results[Number(message.data)]
            assert(result !== undefined && Result.isSuccess(result))
            assert.strictEqual(result.success.globalPosition, message.globalPosition)
          }
        }
      })
  )

  it.effect.each(moments)("%s: so is a writeAll", (moment) =>
    Effect.gen(function*() {
      const { proxy, store } = yield* openThroughProxy
      const [a, b] = [`${yield* newCategory}-1`, `${yield* newCategory}-1`]
      yield* proxy.cut(moment, b, 2)
      const results = yield* store.writeAll([
        { streamName: a, messages: Store.numbered(2), expectedVersion: "noStream" },
        { streamName: b, messages: Store.numbered(1) },
        { streamName: a, messages: Store.numbered(1, 2), expectedVersion: 1 }
      ])
      assert.strictEqual(yield* proxy.cuts, 2)
      assert.deepStrictEqual(results.map((result) => result.version), [1, 0, 2])
      const recorded = yield* Store.readStream(store, a)
      assert.deepStrictEqual(Store.dataOf(recorded), [0, 1, 2])
      assert.strictEqual(recorded[2]?.globalPosition, results[2]?.globalPosition)
      assert.strictEqual(yield* version(store, b), 0)
    }))

  it.effect("a read in the middle of a stream goes on where it was", () =>
    Effect.gen(function*() {
      const { proxy, store } = yield* openThroughProxy
      const stream = `${yield* newCategory}-1`
      yield* store.append(stream, Store.numbered(50))
      yield* proxy.cut("before the reply", stream, 3)
      const recorded = yield* Stream.runCollect(store.readStream(stream, { batchSize: 10 }))
      assert.strictEqual(yield* proxy.cuts, 3)
      assert.deepStrictEqual(Store.dataOf(recorded), Store.upTo(50))
    }))
})

layer(Database.layer(), { excludeTestServices: true })("a writer in trouble", (it) => {
  it.effect("whose backend is terminated while it waits for the lock writes once afterwards", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const store = yield* open()
      const category = yield* newCategory
      const appends = yield* whileLocked(
        category,
        Effect.gen(function*() {
          const appends = yield* Effect.forkChild(Effect.forEach(
            Store.upTo(10),
            (i) => store.append(`${category}-1`, { type: "A", data: i }),
            together
          ))
          const terminated: Array<number> = []
          for (const _ of Store.upTo(2)) {
            const isNew = (pids: ReadonlyArray<number>) => pids.some((pid) => !terminated.includes(pid))
            yield* until("a new backend waits", Effect.map(waiting, isNew))
            for (const pid of yield* waiting) {
              terminated.push(pid)
              yield* sql`SELECT pg_terminate_backend(${pid})`
            }
          }
          return appends
        })
      )
      const results = yield* Fiber.join(appends)
      assert.deepStrictEqual(results.map((result) => result.version), Store.upTo(10))
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, `${category}-1`)), Store.upTo(10))
    }))

  it.effect("that gives up waiting for the lock tells so, and other categories never wait for it", () =>
    Effect.gen(function*() {
      const patient = yield* open(Store.patient)
      const store = yield* open({ lockTimeout: "300 millis" })
      const [held, free] = [yield* newCategory, yield* newCategory]
      const [errors, waiting] = yield* whileLocked(
        held,
        Effect.gen(function*() {
          const waiting = yield* Effect.forkChild(Effect.forEach(
            Store.upTo(8),
            (i) => patient.append(`${held}-${i}`, Store.numbered(1)),
            together
          ))
          yield* someoneWaits
          for (const i of Store.upTo(20)) {
            assert.strictEqual((yield* patient.append(`${free}-1`, Store.numbered(1))).version, i)
          }
          const failed = Effect.forEach(
            Store.upTo(8),
            (i) => Effect.flip(store.append(`${held}-${i}`, Store.numbered(1))),
            together
          )
          const errors = yield* within("for those who can't have the lock")(failed)
          assert.isUndefined(waiting.pollUnsafe())
          return [errors, waiting] as const
        })
      )
      yield* Fiber.join(waiting)
      for (const error of errors) {
        assert(error instanceof StoreError)
        assert.isTrue(error.isRetryable)
        assert.include(error.message, `the lock of the category ${held}`)
      }
      assert.strictEqual((yield* store.append(`${held}-0`, Store.numbered(1))).version, 1)
      assert.lengthOf(yield* Store.readCategory(store, held), 9)
    }))

  it.effect("who lacks a privilege is told so at once, and that to try again is useless", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const { name, url } = yield* Database.Database
      const role = `${name}_reader`
      yield* Effect.acquireRelease(
        sql`CREATE ROLE ${sql(role)} LOGIN PASSWORD 'reader'`,
        () => Effect.ignore(Effect.andThen(sql`DROP OWNED BY ${sql(role)}`, sql`DROP ROLE ${sql(role)}`))
      )
      yield* sql`GRANT USAGE ON SCHEMA message_store, eventfold TO ${sql(role)}`
      yield* sql`GRANT SELECT ON message_store.messages TO ${sql(role)}`
      const store = yield* Store.open(Database.urlAs(url, role, "reader"), Store.patient)
      const category = yield* newCategory
      const attempts: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        store.append(`${category}-1`, Store.numbered(1)),
        store.writeAll([{ streamName: `${category}-1`, messages: Store.numbered(1) }])
      ]
      for (const attempt of attempts) {
        const error = yield* Effect.flip(within("for a refusal")(attempt))
        assert(error instanceof StoreError)
        assert.isFalse(error.isRetryable)
        assert.include(error.message, "permission denied for table messages [42501]")
      }
      assert.strictEqual(yield* version(store, `${category}-1`), -1)
    }))

  it.effect("whose message the server refuses fails alone", () =>
    Effect.gen(function*() {
      const store = yield* open()
      const category = yield* newCategory
      // Too long for the index of categories, and nothing that could be compressed.
      const correlationStreamName = randomBytes(4_000).toString("hex")
      const results = yield* Effect.forEach(Store.upTo(64), (i) =>
        Effect.result(store.append(`${category}-${i % 4}`, {
          type: "A",
          data: i,
          metadata: i === 30 ? { correlationStreamName } : {}
        })), together)
      for (const [i, result] of results.entries()) {
        if (i === 30) {
          assert(Result.isFailure(result) && result.failure instanceof StoreError)
          assert.isFalse(result.failure.isRetryable)
          assert.include(result.failure.message, "index row")
          assert.include(result.failure.message, "[54000]")
        } else {
          assert(Result.isSuccess(result), `append ${i}`)
        }
      }
      const recorded = yield* Store.readCategory(store, category)
      assert.deepStrictEqual(Store.dataOf(recorded), Store.upTo(64).filter((i) => i !== 30))
    }))
})

/** The sessions of an application in this database. */
const backends = (name: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    return yield* sql<{ readonly state: string }>`SELECT state FROM pg_stat_activity
      WHERE application_name = ${name} AND datname = current_database()`
  })

/** A store of its own layer, which the second part ends. */
const openToClose = (options: Omit<Postgres.Options, "url">) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    return [yield* Scope.provide(open({ ...Store.patient, ...options }), scope), Scope.close(scope, Exit.void)] as const
  })

const exits = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) =>
  within("for those who waited")(Effect.forEach(fibers, Fiber.await))

const fail = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) =>
  Effect.map(exits(fibers), (all) => assert.deepStrictEqual(all.map(Exit.isFailure), all.map(() => true)))

layer(Database.layer(), { excludeTestServices: true })("interruption", (it) => {
  it.effect.each([1, 3])(
    "of 200 appends and reads leaves a pool of %i as it was",
    (maxConnections) =>
      Effect.gen(function*() {
        const applicationName = `interrupted${maxConnections}`
        const store = yield* open({ maxConnections, applicationName })
        const category = yield* newCategory
        const append = (i: number) => store.append(`${category}-${i % 5}`, Store.numbered(20))
        const read = (i: number) => Stream.runDrain(store.readStream(`${category}-${i % 5}`, { batchSize: 7 }))
        yield* append(0)
        for (const i of Store.upTo(50)) {
          const fibers = yield* Effect.forEach(
            Store.upTo(4),
            (k) => Effect.forkChild(k % 2 === 0 ? Effect.asVoid(append(i)) : read(i))
          )
          // From not yet started to in the middle of a statement.
          yield* Effect.forEach(Store.upTo(i % 4), () => Effect.yieldNow)
          if (i % 3 === 0) yield* version(store, `${category}-1`).pipe(Effect.timeoutOption("5 millis"))
          yield* Effect.forEach(fibers, Fiber.interrupt, together)
        }
        yield* within("for a connection")(append(1))
        // An announcement may still be under way.
        yield* until(
          "no connection is left over or busy",
          Effect.map(
            backends(applicationName),
            (all) => all.length <= maxConnections && all.every(({ state }) => state === "idle")
          )
        )
        for (const i of Store.upTo(5)) {
          const recorded = yield* Store.readStream(store, `${category}-${i}`)
          assert.deepStrictEqual(Store.dataOf(recorded), recorded.map((_, i) => i % 20))
          assert.deepStrictEqual(Store.positions(recorded), Store.upTo(recorded.length))
          assert.strictEqual(recorded.length % 20, 0)
        }
      })
  )

  it.effect("of one who waits for the lock takes nobody along, and leaves the append to the others", () =>
    Effect.gen(function*() {
      const store = yield* open(Store.patient)
      const category = yield* newCategory
      const [second, third] = yield* whileLocked(
        category,
        Effect.gen(function*() {
          const first = yield* Effect.forkChild(store.append(`${category}-1`, { type: "A", data: "first" }))
          yield* someoneWaits
          const second = yield* Effect.forkChild(store.append(`${category}-1`, { type: "A", data: "second" }))
          const third = yield* Effect.forkChild(store.append(`${category}-1`, { type: "A", data: "third" }))
          yield* Effect.yieldNow
          // The group of the first is on its way; the second withdraws.
          yield* within("for an interruption")(Fiber.interruptAll([first, second]))
          return [second, third] as const
        })
      )
      yield* Fiber.join(third)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(second)))
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, `${category}-1`)), ["first", "third"])
    }))

  it.effect("the end of the layer closes its connections, and ends everybody who waits", () =>
    Effect.gen(function*() {
      const applicationName = "closing"
      const [store, close] = yield* openToClose({ maxConnections: 3, applicationName })
      const [first, second, other] = [yield* newCategory, yield* newCategory, yield* newCategory]
      yield* store.append(`${other}-1`, Store.numbered(30))
      yield* Effect.gen(function*() {
        const stuck = yield* Effect.forEach([first, second], (category) =>
          Effect.forkChild(store.append(`${category}-1`, Store.numbered(1))))
        yield* until(
          "both connections of writes are waiting",
          Effect.map(waiting, (pids) =>
            pids.length === 2)
        )
        const later: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          // The next group, and those who wait for a connection.
          store.append(`${first}-1`, Store.numbered(1)),
          store.append(`${other}-1`, Store.numbered(1)),
          store.writeAll([{ streamName: `${other}-2`, messages: Store.numbered(1) }]),
          store.streamVersion(`${other}-1`),
          Stream.runDrain(store.readStream(`${other}-1`, { batchSize: 10 })),
          store.lastMessage(`${other}-1`)
        ]
        const behind = yield* Effect.forEach(later, (call) => Effect.forkChild(call, { startImmediately: true }))
        const closing = yield* Effect.forkChild(close)
        yield* within("for the end of the layer")(Fiber.join(closing))
        yield* fail(stuck)
        // A read may still get one of the connections that became free.
        yield* exits(behind)
      }).pipe((effect) => whileLocked(first, whileLocked(second, effect)))
      yield* until("all connections are closed", Effect.map(backends(applicationName), Arr.isReadonlyArrayEmpty))
      assert.deepStrictEqual(yield* Store.readCategory(yield* open(), first), [])
    }))

  it.effect("the end of the layer ends an append that has not begun", () =>
    Effect.gen(function*() {
      const [store, close] = yield* openToClose({ maxConnections: 2 })
      const category = yield* newCategory
      const append = yield* Effect.forkChild(store.append(`${category}-1`, Store.numbered(1)), {
        startImmediately: true
      })
      yield* close
      yield* fail([append])
    }))

  it.effect("after the end of the layer every call ends", () =>
    Effect.gen(function*() {
      const [store, close] = yield* openToClose({ maxConnections: 2 })
      const stream = `${yield* newCategory}-1`
      yield* store.append(stream, Store.numbered(1))
      yield* close
      const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        store.append(stream, Store.numbered(1)),
        store.append(stream, Store.numbered(1)),
        store.writeAll([{ streamName: stream, messages: Store.numbered(1) }]),
        store.streamVersion(stream),
        Stream.runDrain(store.readStream(stream))
      ]
      yield* fail(yield* Effect.forEach(calls, (call) => Effect.forkChild(call)))
    }))

  it.effect("the end of the layer waits for a statement that its caller's own fiber runs", () =>
    Effect.gen(function*() {
      const [store, close] = yield* openToClose({ maxConnections: 2 })
      const category = yield* newCategory
      const [writing, closing] = yield* whileLocked(
        category,
        Effect.gen(function*() {
          const writing = yield* Effect.forkChild(
            store.writeAll([{ streamName: `${category}-1`, messages: Store.numbered(1) }])
          )
          yield* someoneWaits
          return [writing, yield* Effect.forkChild(close, { startImmediately: true })] as const
        })
      )
      yield* within("for the end of the layer")(Fiber.join(closing))
      assert.deepStrictEqual((yield* Fiber.join(writing)).map((result) => result.version), [0])
    }))
})

layer(Database.layer(), { excludeTestServices: true })("foreign writers", (it) => {
  it.effect("without the lock and with it, to the same stream", () =>
    Effect.gen(function*() {
      const store = yield* open()
      const category = yield* newCategory
      const stream = `${category}-1`
      const insert = (sql: SqlClient, i: number) =>
        sql`INSERT INTO message_store.messages (stream_name, position, type, data)
          SELECT ${stream}, coalesce(max(position), -1) + 1, 'Inserted', ${String(i)}::jsonb
          FROM message_store.messages WHERE stream_name = ${stream}`.pipe(
          Effect.retry({ while: (error) => error.reason._tag === "UniqueViolation" })
        )
      const call = (sql: SqlClient, i: number) =>
        sql`SELECT message_store.write_message(gen_random_uuid()::varchar, ${stream}, 'Called', ${String(i)}::jsonb)`
          .pipe(Effect.retry({ while: (error) => error.reason._tag === "UniqueViolation" }))
      const [inserter, caller] = [yield* session, yield* session]
      const appendAny = Effect.forEach(Store.upTo(60), (i) => store.append(stream, { type: "Any", data: i }))
      const appendExact = Effect.forEach(Store.upTo(60), (i) =>
        Effect.gen(function*() {
          const at = yield* version(store, stream)
          return yield* store.append(stream, { type: "Exact", data: i }, {
            expectedVersion: at === -1 ? "noStream" : at
          })
        }).pipe(Effect.catchTag("WrongExpectedVersion", () => Effect.void)))
      const [, , any, exact] = yield* Effect.all([
        Effect.forEach(Store.upTo(60), (i) => insert(inserter, i)),
        Effect.forEach(Store.upTo(60), (i) => call(caller, i)),
        appendAny,
        appendExact
      ], together)
      const recorded = yield* Store.readStream(store, stream)
      assert.deepStrictEqual(Store.positions(recorded), Store.upTo(recorded.length))
      const of = (type: string) => recorded.filter((message) => message.type === type)
      for (const type of ["Inserted", "Called"]) assert.deepStrictEqual(Store.dataOf(of(type)), Store.upTo(60))
      assert.deepStrictEqual(of("Any").map(({ position }) => position), any.map((result) => result.version))
      assert.deepStrictEqual(
        of("Exact").map(({ data, position }) => [data, position]),
        exact.flatMap((result, i) => result === undefined ? [] : [[i, result.version]])
      )
    }))

  it.effect.each(["repeatable read", "serializable"])(
    "and a database whose default isolation is %s",
    (level) =>
      Effect.gen(function*() {
        const database = yield* Database.make()
        const admin = yield* Database.session(database.url)
        yield* admin`ALTER DATABASE ${admin(database.name)} SET default_transaction_isolation = ${
          admin.literal(`'${level}'`)
        }`
        const stores = [
          yield* Store.open(database.url, { maxConnections: 3 }),
          yield* Store.open(database.url, { maxConnections: 3 })
        ]
        const sql = yield* Database.session(database.url)
        assert.deepStrictEqual(yield* sql`SHOW transaction_isolation`, [{ transaction_isolation: level }])

        for (const round of Store.upTo(5)) {
          const expectedVersion = round === 0 ? "noStream" : round - 1
          const results = yield* Effect.forEach(
            Store.upTo(16),
            (i) =>
              Effect.forEach(
                stores.slice(i % 2, i % 2 + 1),
                (store) => Effect.result(store.append("race-1", { type: "A", data: i }, { expectedVersion }))
              ),
            together
          )
          const all = results.flat()
          assert.deepStrictEqual(all.filter(Result.isSuccess).map((result) => result.success.version), [round])
          for (const { failure } of all.filter(Result.isFailure)) {
            assert(failure instanceof WrongExpectedVersion, String(failure))
            assert.deepStrictEqual(failure.actual, Option.some(round))
          }
        }
        yield* Effect.forEach(
          stores,
          (store, k) => Effect.forEach(Store.upTo(25), (i) => store.append("any-1", { type: "A", data: [k, i] })),
          together
        )
        for (const store of stores) {
          const recorded = yield* Store.readStream(store, "any-1")
          assert.deepStrictEqual(Store.positions(recorded), Store.upTo(50))
          for (const k of [0, 1]) {
            const own = Store.dataOf(recorded).filter((data) => Array.isArray(data) && data[0] === k)
            assert.deepStrictEqual(own, Store.upTo(25).map((i) => [k, i]))
          }
        }
      })
  )
})

layer(Database.layer(), { excludeTestServices: true })("odd settings", (it) => {
  it.effect("a position that a number can't hold is refused, never rounded", () =>
    Effect.gen(function*() {
      const database = yield* Database.make()
      const sql = yield* Database.session(database.url)
      const store = yield* Store.open(database.url)
      const category = yield* newCategory
      yield* sql`INSERT INTO message_store.messages (stream_name, position, type)
        VALUES (${`${category}-p`}, ${2n ** 53n + 1n}, 'A')`
      yield* sql`SELECT setval('message_store.messages_global_position_seq', ${2n ** 53n})`
      const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        store.append(`${category}-p`, Store.numbered(1)),
        store.append(`${category}-g`, Store.numbered(1)),
        store.writeAll([{ streamName: `${category}-h`, messages: Store.numbered(1) }]),
        Store.readStream(store, `${category}-p`),
        Store.readStream(store, `${category}-g`),
        Store.readCategory(store, category),
        store.lastMessage(`${category}-p`),
        store.lastMessage(`${category}-g`),
        store.streamVersion(`${category}-p`)
      ]
      for (const [i, call] of calls.entries()) {
        const error = yield* Effect.flip(call)
        assert(error instanceof StoreError, `call ${i}`)
        assert.isFalse(error.isRetryable)
        assert.match(error.message, /\b90071992547409\d\d is past the range/)
      }
      assert.strictEqual(yield* version(store, `${category}-g`), 0)
    }))

  it.effect("time zones, of the session or the process, don't shift the time of a message", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const category = yield* newCategory
      const zone = process.env["TZ"]
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (zone === undefined) delete process.env["TZ"]
          else process.env["TZ"] = zone
        })
      )
      const serverTime = Effect.map(
        sql<{ readonly now: number }>`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`,
        ([row]) => row?.now ?? 0
      )
      for (const [i, tz] of ["UTC", "Pacific/Auckland", "America/St_Johns"].entries()) {
        process.env["TZ"] = tz
        assert.strictEqual(new Date(2026, 0, 1).getTimezoneOffset() !== 0, tz !== "UTC")
        const writer = yield* open({ startupParameters: { TimeZone: i === 0 ? "Asia/Kathmandu" : tz } })
        const reader = yield* open({ startupParameters: { timezone: "America/Los_Angeles" } })
        const before = Math.floor(yield* serverTime)
        yield* writer.append(`${category}-${i}`, Store.numbered(1))
        const after = yield* serverTime
        for (const store of [writer, reader]) {
          const read: ReadonlyArray<RecordedMessage> = [
            ...yield* Store.readStream(store, `${category}-${i}`),
            ...yield* Stream.runCollect(store.readStream(`${category}-${i}`, { direction: "backwards" }))
          ]
          assert.lengthOf(read, 2)
          for (const { time } of read) {
            assert.isAtLeast(DateTime.toEpochMillis(time), before)
            assert.isAtMost(DateTime.toEpochMillis(time), after)
          }
        }
      }
    }))
})

layer(Mortal.layer, { excludeTestServices: true })("a server that dies", (it) => {
  it.effect("under 32 writers, and is back at once: what was reported is there once, and nothing is there in part", () =>
    Effect.gen(function*() {
      const server = yield* Mortal
      const store = yield* Store.open(server.database)
      const reported: Array<readonly [stream: string, version: number, data: ReadonlyArray<unknown>]> = []
      const writers = yield* Effect.forEach(
        Store.upTo(32),
        (writer) =>
          Effect.forEach(Store.upTo(60), (i) =>
            Effect.gen(function*() {
              const stream = `crash${writer % 4}-${writer % 8}`
              const data = Store.upTo(3).map((k) => [writer, i, k])
              const messages = yield* Effect.forEach(data, (data) =>
                Effect.map(nextId, (id) => ({ id, type: "A", data })))
              // A slow machine can take longer to start the server again than the store tries by itself.
              const result = yield* Effect.retry(store.append(stream, messages), {
                schedule: Schedule.spaced("100 millis"),
                while: (error) =>
                  error instanceof StoreError && error.isRetryable
              })
              reported.push([stream, result.version, data])
            })),
        together
      ).pipe(Effect.forkChild)
      yield* until("the writers are at it", Effect.sync(() => reported.length > 150))
      yield* server.kill
      assert.isBelow(reported.length, 32 * 60)
      yield* server.restart
      yield* within("for the writers to go on")(Fiber.join(writers))
      assert.lengthOf(reported, 32 * 60)
      for (const stream of Store.upTo(8).map((i) => `crash${i % 4}-${i}`)) {
        const recorded = yield* Store.readStream(store, stream)
        assert.deepStrictEqual(Store.positions(recorded), Store.upTo(recorded.length))
        const own = reported.filter(([name]) => name === stream)
        assert.lengthOf(recorded, own.length * 3)
        for (const [, version, data] of own) {
          assert.deepStrictEqual(Store.dataOf(recorded.slice(version - 2, version + 1)), data)
        }
      }
    }))

  it.effect("and stays away: calls fail within a bound as worth a retry, and succeed when it is back", () =>
    Effect.gen(function*() {
      const server = yield* Mortal
      const store = yield* Store.open(server.database, {
        retry: Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(5)])
      })
      yield* store.append("away-1", Store.numbered(3))
      yield* server.kill
      const id = yield* nextId
      const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        store.append("away-1", { id, type: "A", data: 3 }),
        store.append("away-1", Store.numbered(1)),
        store.append("other-1", Store.numbered(1)),
        store.writeAll([{ streamName: "away-2", messages: Store.numbered(1) }]),
        Store.readStream(store, "away-1"),
        Store.readCategory(store, "away"),
        store.lastMessage("away-1"),
        store.streamVersion("away-1")
      ]
      const errors = yield* within("for errors")(
        Effect.forEach(calls, (call) => Effect.flip(call), together)
      )
      for (const error of errors) {
        assert(error instanceof StoreError)
        assert.isTrue(error.isRetryable)
        assert.include(error.message, "ECONNREFUSED")
      }
      yield* server.restart
      assert.strictEqual((yield* store.append("away-1", { id, type: "A", data: 3 })).version, 3)
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "away-1")), [0, 1, 2, 3])
      yield* Effect.forEach(Store.upTo(20), () => store.append("away-1", Store.numbered(1)), together)
      assert.strictEqual(yield* version(store, "away-1"), 23)
    }))
})
