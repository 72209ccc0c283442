/**
 * Connections that fall silent: they stay open, and nothing passes on them any more. New ones are served.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { StoreError } from "eventfold/StoreError"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

const moments = ["before the reply", "before the request"] as const

/** What is said of faults that are meant to be is not worth reading. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const poll = { min: "20 millis", max: "100 millis" } as const

/**
 * Long enough for most statements of these tests on a busy machine; those that are slower are tried again, however many there are.
 */
const brief: Postgres.StoreOptions = { statementTimeout: "500 millis", retry: Schedule.spaced("50 millis") }

/** A store whose connections go through a proxy. */
const open = Effect.fnUntraced(function*(options: Omit<Postgres.Options, "url"> = {}) {
  const proxy = yield* Proxy.start((yield* Database.Database).url)
  const store = yield* Store.open(proxy.url, { ...brief, ...options })
  // A pool that closes waits for the connections that it drops, and the client drops a silent one after five seconds.
  yield* Effect.addFinalizer(() => proxy.cutSilent)
  return { proxy, store }
})

/** A store on a client of the application, through a proxy. */
const openOn = Effect.fnUntraced(
  function*<const Models extends ReadonlyArray<Postgres.InlineModel> = []>(
    options: Postgres.StoreOptions & Postgres.Inline<Models> = {}
  ) {
    const proxy = yield* Proxy.start((yield* Database.Database).url)
    const services = yield* Layer.build(
      Layer.fresh(Layer.merge(Postgres.layerClient({ ...brief, ...options }), SqlReadModel.layer(brief))).pipe(
        Layer.provideMerge(PgClient.layer({ url: Redacted.make(proxy.url) }))
      )
    )
    yield* Effect.addFinalizer(() => proxy.cutSilent)
    return {
      proxy,
      services,
      sql: Context.get(services, PgClient.PgClient),
      store: Context.get(services, MessageStore)
    }
  }
)

let names = 0
const newCategory = Effect.sync(() => `silent${++names}`)

const written = (store: Store.Store, stream: string) => Effect.map(Store.readStream(store, stream), Store.dataOf)

/** Repeats a transaction, a statement of which may take longer than the bound on a busy machine. */
const again = <A, E, R>(transaction: Effect.Effect<A, E, R>) => Effect.retry(transaction, { times: 9 })

/** Of the bound: retryable, and naming the option that sets it. */
const assertNoAnswer = (error: unknown, bound = "500ms") => {
  assert(error instanceof StoreError)
  assert.isTrue(error.isRetryable)
  assert.include(error.message, `no answer within ${bound}, the bound that statementTimeout sets`)
}

layer(Database.layer(), { excludeTestServices: true })(
  "a connection that falls silent",
  (it) => {
    it.effect.each(moments)(
      "%s: an append is written once, and others go on meanwhile",
      (moment) =>
        Effect.gen(function*() {
          const { proxy, store } = yield* open({ statementTimeout: "1 second" })
          const [category, other] = [yield* newCategory, yield* newCategory]
          yield* store.append(`${other}-1`, Store.numbered(1))
          // The first attempt, and the next.
          yield* proxy.silence(moment, `${category}-1`, 2)
          const first = yield* Effect.forkChild(store.append(`${category}-1`, { type: "A", data: 0 }))
          yield* until("it is silent", Effect.map(proxy.silent, (count) => count > 0))
          yield* store.append(`${other}-1`, Store.numbered(1))
          assert.isUndefined(first.pollUnsafe())
          // Later appends of the category are not held up either.
          const later = Effect.forEach(
            Store.upTo(5),
            (i) => store.append(`${category}-2`, { type: "A", data: i }),
            together
          )
          assert.lengthOf(yield* within("for the category")(later), 5)
          assert.strictEqual((yield* Fiber.join(first)).version, 0)
          assert.deepStrictEqual(yield* written(store, `${category}-1`), [0])
          assert.sameMembers([...yield* written(store, `${category}-2`)], [...Store.upTo(5)])
        })
    )

    it.effect.each(moments)("%s: so is a writeAll", (moment) =>
      Effect.gen(function*() {
        const { proxy, store } = yield* open()
        const [one, two] = [`${yield* newCategory}-1`, `${yield* newCategory}-1`]
        yield* proxy.silence(moment, two)
        const results = yield* within("for the write")(store.writeAll([
          { streamName: one, messages: Store.numbered(2), expectedVersion: "noStream" },
          { streamName: two, messages: Store.numbered(1), expectedVersion: "noStream" }
        ]))
        assert.deepStrictEqual(results.map(({ version }) => version), [1, 0])
        assert.deepStrictEqual(yield* written(store, one), [0, 1])
        assert.deepStrictEqual(yield* written(store, two), [0])
      }))

    it.effect("is not waited for by a caller that has had enough", () =>
      Effect.gen(function*() {
        const { proxy, store } = yield* open()
        const category = yield* newCategory
        yield* proxy.silence("before the reply", category)
        const impatient = Effect.timeoutOption(store.append(`${category}-1`, { type: "A", data: 0 }), "50 millis")
        assert.isTrue((yield* impatient)._tag === "None")
        yield* within("for the lane")(store.append(`${category}-1`, { type: "A", data: 1 }))
        assert.deepStrictEqual(yield* written(store, `${category}-1`), [0, 1])
      }))

    it.effect("is replaced: a pool that is all silent serves again", () =>
      Effect.gen(function*() {
        const { proxy, store } = yield* open({ maxConnections: 2, announce: false })
        const category = yield* newCategory
        const both = Effect.forEach(
          Store.upTo(8),
          (i) => store.append(`${category}${i}-1`, Store.numbered(1)),
          together
        )
        yield* both
        yield* proxy.silenceOpen
        yield* within("for the pool")(both)
        yield* until(
          "none is left",
          Effect.map(proxy.silent, (count) => count === 0)
        )
        for (const i of Store.upTo(8)) assert.deepStrictEqual(yield* written(store, `${category}${i}-1`), [0, 0])
      }))

    it.effect("ends in a retryable error that names the option, when the retries have ended as well", () =>
      Effect.gen(function*() {
        const { proxy, store } = yield* open({ retry: Schedule.recurs(1), announce: false })
        const category = yield* newCategory
        yield* proxy.silence("before the request", category, 100)
        const operations = [
          Effect.asVoid(store.append(`${category}-1`, Store.numbered(1))),
          Effect.asVoid(store.writeAll([{ streamName: `${category}-2`, messages: Store.numbered(1) }])),
          Effect.asVoid(Store.readCategory(store, category)),
          Effect.asVoid(store.streamVersion(`${category}-1`)),
          Effect.asVoid(store.transaction(store.append(`${category}-3`, Store.numbered(1))))
        ]
        const errors = yield* within("for the errors")(
          Effect.forEach(operations, (operation) => Effect.flip<void, unknown, never>(operation), together)
        )
        for (const error of errors) assertNoAnswer(error)
      }))

    it.effect("does not end a read", () =>
      Effect.gen(function*() {
        const { proxy, store } = yield* open()
        const category = yield* newCategory
        yield* store.append(`${category}-1`, Store.numbered(3))
        yield* proxy.silence("before the reply", category, 3)
        const reads = Effect.all([
          written(store, `${category}-1`),
          Effect.map(Store.readCategory(store, category), Store.dataOf),
          Effect.map(Stream.runCollect(store.readAll({ categories: [category] })), Store.dataOf)
        ], together)
        assert.deepStrictEqual(yield* within("for the reads")(reads), [[0, 1, 2], [0, 1, 2], [0, 1, 2]])
      }))
  }
)

layer(Database.layer(), { excludeTestServices: true })(
  "a transaction on a silent connection",
  (it) => {
    it.effect("fails between the rows of a stream", () =>
      Effect.gen(function*() {
        const { proxy, sql, store } = yield* openOn()
        const numbers = sql<{ readonly n: number }>`SELECT 'stream', n FROM generate_series(1, 3) AS n`.stream
        const transaction = store.transaction(Stream.runCollect(numbers))
        assert.deepStrictEqual((yield* again(transaction)).map(({ n }) => n), [1, 2, 3])
        yield* proxy.silence("before the reply", "'stream'")
        assertNoAnswer(yield* Effect.flip(within("for the failure")(transaction)))
        assert.lengthOf(yield* again(transaction), 3)
      }))

    it.effect("runs what waits for its commit, with the only connection free for that", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const services = yield* Layer.build(
          Layer.fresh(Postgres.layerClient()).pipe(Layer.provideMerge(Database.client(url)))
        )
        const [store, sql] = [Context.get(services, MessageStore), Context.get(services, SqlClient)]
        const ran = yield* Queue.unbounded<string>()
        yield* within("for the transaction")(store.transaction(Effect.gen(function*() {
          yield* sql.afterCommit(Effect.orDie(Effect.andThen(sql`SELECT 1`, Queue.offer(ran, "outer"))))
          yield* sql.withTransaction(sql.afterCommit(Effect.asVoid(Queue.offer(ran, "inner"))))
        })))
        assert.deepStrictEqual(yield* Queue.takeAll(ran), ["outer", "inner"])
      }))

    it.effect("of the application gets its failure, at whichever statement of the store, and the client drops the connection", () =>
      Effect.forEach(["SAVEPOINT", "the-append"], (statement) =>
        Effect.gen(function*() {
          const { proxy, sql, store } = yield* openOn()
          const category = yield* newCategory
          yield* proxy.silence("before the request", statement)
          const failures = yield* Queue.unbounded<unknown>()
          const transaction = sql.withTransaction(Effect.gen(function*() {
            // A statement of the application may take its time.
            yield* sql`SELECT pg_sleep(0.7)`
            yield* Effect.tapError(
              store.append(`${category}-the-append`, Store.numbered(1)),
              (error) => Queue.offer(failures, error)
            )
          }))
          const running = yield* Effect.forkChild(Effect.exit(transaction))
          assertNoAnswer(yield* within("for the failure")(Queue.take(failures)))
          // Its own rollback waits for the client, which drops the connection after five seconds.
          assert.isTrue(Exit.isFailure(yield* within("for the end")(Fiber.join(running))))
          yield* again(transaction)
          assert.deepStrictEqual(yield* written(store, `${category}-the-append`), [0])
        }), together))
  }
)

const Counter = Category.make("counter", { Counted: { by: Schema.Int } })

/** Sums up, and says so in a statement of its own. */
const sums = (name: string) =>
  SqlReadModel.make(name, {
    version: 1,
    poll,
    tables: ["CREATE TABLE sums (stream text PRIMARY KEY, total bigint NOT NULL)"]
  }).on(Counter, {
    Counted: Effect.fnUntraced(function*({ data, recorded }) {
      const sql = yield* SqlClient
      yield* sql`INSERT INTO sums VALUES (${recorded.streamName}, ${data.by})
        ON CONFLICT (stream) DO UPDATE SET total = sums.total + excluded.total`
    })
  })

const count = (by: number) => ({ type: "Counted", data: { by } })

layer(Database.layer(), { excludeTestServices: true })("on silent connections", (it) => {
  it.effect("an append with an inline read model is counted once", () =>
    Effect.gen(function*() {
      const { proxy, sql, store } = yield* openOn({ inline: [sums("inline_sums")] })
      yield* store.append("counter-1", count(1))
      for (const statement of ["counter-1", "BEGIN", "inline_sums", "COMMIT"]) {
        yield* proxy.silence("before the request", statement)
        yield* within(`for the append after ${statement}`)(store.append("counter-1", count(1)))
      }
      yield* proxy.silence("before the reply", "COMMIT")
      yield* proxy.silenceOpen
      yield* within("for the append")(store.append("counter-1", count(1)))
      assert.deepStrictEqual(yield* sql`SELECT total FROM inline_sums.sums`.values, [[6n]])
    }))

  it.effect("a read model and a consumer go on by themselves, and miss nothing", () =>
    Effect.gen(function*() {
      const { proxy, services } = yield* openOn()
      const sql = yield* SqlClient
      const writer = yield* Store.open((yield* Database.Database).url)
      const seen = new Set<number>()
      const consumer = Consumer.make("test", { checkpoint: { every: 2 }, poll }).on(Counter, {
        Counted: ({ data }) => Effect.sync(() => seen.add(data.by))
      })
      const workers = Effect.all([Consumer.run(consumer), ReadModel.run(sums("worker_sums"))], together)
      const running = yield* workers.pipe(Effect.provideContext(services), quietly, Effect.forkChild)
      const total = sql`SELECT total FROM worker_sums.sums WHERE stream = 'counter-9'`.values.pipe(
        // It makes its tables when it starts.
        Effect.match({ onFailure: () => undefined, onSuccess: ([row]) => row?.[0] })
      )
      let sum = 0
      for (const by of [1, 2]) {
        yield* writer.append("counter-9", count(by))
        sum += by
        yield* until(
          `both have handled ${by}`,
          Effect.map(total, (total) => total === BigInt(sum) && seen.has(by))
        )
        yield* proxy.silenceOpen
      }
      assert.deepStrictEqual([...seen], [1, 2])
      yield* within("for the end")(Fiber.interrupt(running))
    }))
})

const ended = <A, E>(reading: Fiber.Fiber<A, E>) => TestClock.withLive(within("for the read")(Fiber.join(reading)))

layer(Database.layer())("the bound of a statement", (it) => {
  /** A read of a silent connection, after so much time has passed. */
  const afterSilence = Effect.fnUntraced(function*<A, E>(
    options: Omit<Postgres.Options, "url">,
    read: (store: Store.Store, category: string) => Effect.Effect<A, E>
  ) {
    const { proxy, store } = yield* open({ statementTimeout: undefined, announce: false, ...options })
    const category = yield* newCategory
    yield* store.append(`${category}-1`, Store.numbered(3))
    yield* proxy.silence("before the reply", category)
    const reading = yield* Effect.forkChild(read(store, category))
    yield* TestClock.withLive(until("it is silent", Effect.map(proxy.silent, (count) => count > 0)))
    return reading
  })

  it.effect.each(["BEGIN", "the-append", "SELECT 'mine'", "COMMIT"])(
    "ends a transaction at %s, whoever's statement it is, and its connection is dropped at once",
    (statement) =>
      Effect.gen(function*() {
        const { proxy, sql, store } = yield* openOn({ statementTimeout: undefined })
        const category = yield* newCategory
        const transaction = store.transaction(Effect.gen(function*() {
          yield* store.append(`${category}-the-append`, Store.numbered(1))
          yield* sql`SELECT 'mine'`
        }))
        yield* proxy.silence("before the request", statement)
        const failing = yield* Effect.forkChild(Effect.flip(transaction))
        yield* TestClock.withLive(until("it is silent", Effect.map(proxy.silent, (count) => count > 0)))
        // The client itself drops a connection five seconds later.
        yield* TestClock.adjust("33750 millis")
        assertNoAnswer(yield* ended(failing), "30s")
        yield* TestClock.withLive(until("it is dropped", Effect.map(proxy.silent, (count) => count === 0)))
        yield* transaction
        assert.deepStrictEqual(yield* written(store, `${category}-the-append`), [0])
      })
  )

  it.effect("is none for a caller that has had enough, who waits a second for the client", () =>
    Effect.gen(function*() {
      const reading = yield* afterSilence(
        {},
        (store, category) => Effect.timeoutOption(store.lastMessage(`${category}-1`), "50 millis")
      )
      yield* TestClock.adjust("50 millis")
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isNone(yield* ended(reading)))
    }))

  it.effect("is 30 seconds by default, and an eighth more at most", () =>
    Effect.gen(function*() {
      const reading = yield* afterSilence({ retry: Schedule.recurs(0) }, (store, category) =>
        Effect.flip(Store.readCategory(store, category)))
      yield* TestClock.adjust("29999 millis")
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust("3751 millis")
      assert.include((yield* ended(reading)).message, "no answer within 30s")
    }))

  it.effect("is ten times as long for a count, which reads all that it counts", () =>
    Effect.gen(function*() {
      const reading = yield* afterSilence({}, (store, category) => store.countCategory(category))
      yield* TestClock.adjust("299 seconds")
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(yield* ended(reading), 3)
    }))

  it.effect("of zero or less is refused", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const error = yield* Effect.flip(Store.open(url, { statementTimeout: 0 }))
      assert.include(error.message, "the option statementTimeout is 0, and must be more than 0")
    }))

  it.effect("can be switched off", () =>
    Effect.gen(function*() {
      const reading = yield* afterSilence({ statementTimeout: Duration.infinity }, Store.readCategory)
      yield* TestClock.adjust("1 day")
      assert.isUndefined(reading.pollUnsafe())
    }))

  it.effect("of the listener for announcements is some seconds: it connects again, and wakes all", () =>
    Effect.gen(function*() {
      const { proxy, store } = yield* open()
      const wakeUps = yield* store.wakeUps(yield* newCategory)
      const woken = TestClock.withLive(within("for a wake-up")(wakeUps.await))
      // It is connected, and does not close the connection while the server answers.
      yield* woken
      yield* proxy.silenceOpen
      yield* TestClock.adjust("10 seconds")
      yield* TestClock.adjust("5 seconds")
      yield* TestClock.adjust("100 millis")
      yield* woken
    }))
})
