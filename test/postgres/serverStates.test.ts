/**
 * The states of a server: each SQLSTATE as docs/failures.md has it, and what stores and consumers do while a server takes no
 * writes, is full, or takes over from another one.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import { MessageStore } from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import * as Process from "eventfold/Process"
import * as ReadModel from "eventfold/ReadModel"
import { type ReadModelStore } from "eventfold/ReadModelStore"
import * as Runners from "eventfold/Runners"
import { StoreError } from "eventfold/StoreError"
import { readFile } from "node:fs/promises"
import * as Database from "../support/Database.ts"
import * as Digests from "../support/Digests.ts"
import { Mortal } from "../support/Mortal.ts"
import * as Standby from "../support/Standby.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

/** What consumers say of faults that are meant to be is not worth reading. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** However long a busy machine takes for what happens meanwhile, writes wait. */
const patiently = { retry: Schedule.spaced("100 millis") }

const briefly = { retry: Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(3)]) }

/** A consumer, one of all, a process and a read model of a category, on a client as an application makes it. */
const start = Effect.fnUntraced(function*(url: string, category: string) {
  const context = yield* Layer.build(
    Layer.merge(Postgres.layerClient(patiently), SqlReadModel.layer()).pipe(
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url) }))
    )
  )
  const store = Context.get(context, MessageStore)
  const seen = { category: new Set<number>(), all: new Set<number>() }
  const options = { checkpoint: { every: 1 }, poll: { max: "500 millis" } } as const

  const Numbers = Category.make(category, { Numbered: Schema.Int })
  const Counts = Category.make(`${category}Counts`, { Counted: {} })
  const Count = Entity.make(Counts, {
    state: Schema.Int,
    initial: 0,
    evolve: { Counted: (count) => count + 1 }
  })
  const programs = {
    consumer: Consumer.run(
      Consumer.make("test", options).on(category, {
        Numbered: ({ position }) => Effect.sync(() => seen.category.add(position))
      })
    ),
    all: Consumer.run(
      Consumer.make("all", options).on(
        Consumer.all,
        ({ position, streamName }) => Effect.sync(() => streamName.startsWith(`${category}-`) && seen.all.add(position))
      )
    ),
    process: Process.run(
      Process.make("counting", { entity: Count, ...options }).on(Numbers, {
        Numbered: () => ({ events: Counts.events.Counted({}) })
      })
    ),
    readModel: ReadModel.run(Digests.define("one by one", category))
  }
  const fibers = yield* Effect.forEach(
    Object.entries<Effect.Effect<unknown, unknown, MessageStore | ReadModelStore | PgClient.PgClient | SqlClient>>(
      programs
    ),
    ([name, program]) =>
      Effect.map(
        Effect.forkScoped(program.pipe(Effect.provide(context), quietly)),
        (fiber) => [name, fiber] as const
      )
  )

  const isAt = (count: number) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const last = (yield* store.lastMessage(`${category}-1`)).pipe(Option.getOrThrow)
      const counts = yield* store.countCategory(`${category}Counts`)
      const [row] = yield* sql<{ readonly position: bigint }>`SELECT position FROM eventfold.read_models
        WHERE read_model = 'digests' AND state = 'live'`
      const position = yield* Effect.flatMap(
        PositionStore.PositionStore,
        (positions) => positions.get({ category, consumerId: "test" })
      )
      return seen.category.size === count && seen.all.size === count && counts === count &&
        Number(row?.position ?? 0n) === last.globalPosition &&
        Option.exists(position, ({ position }) => position === last.globalPosition)
    }).pipe(Effect.provide(context))

  return {
    store,
    sql: Context.get(context, PgClient.PgClient),
    /** Waits until all of them have handled so many messages. */
    awaitHandled: (count: number) => until(`all have handled ${count} messages`, isAt(count)),
    assertRunning: Effect.sync(() => {
      for (const [name, fiber] of fibers) assert.isUndefined(fiber.pollUnsafe(), `the ${name} has ended`)
    })
  }
})

/** Waits until so much time has passed. */
const holding = (millis: number) =>
  Effect.flatMap(Clock.currentTimeMillis, (begin) =>
    until(
      "the time has passed",
      Effect.map(Clock.currentTimeMillis, (now) => now >= begin + millis)
    ))

const assertPasses = (error: unknown, code: string) => {
  assert(error instanceof StoreError)
  assert.isTrue(error.isRetryable)
  assert.include(error.reason, `[${code}]`)
}

/** What the docs say of SQLSTATEs: single codes, and classes as `08xxx`. */
const documented = Effect.promise(async () => {
  const text = await readFile(new URL("../../docs/failures.md", import.meta.url), "utf8")
  const states = new Map<string, string>()
  for (const row of text.split("<!-- sqlstates -->")[1]?.matchAll(/^\| (`.*?) *\|.*\| (\w+) *\|$/gm) ?? []) {
    for (const [, code = ""] of row[1]?.matchAll(/`(\w{5})`/g) ?? []) states.set(code, row[2] ?? "")
  }
  return states
})

/** Every SQLSTATE of an error, from the list that comes with the server. */
const listed = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly code: string }>`SELECT DISTINCT line.found[1] AS code
    FROM pg_config AS place, regexp_matches(pg_read_file(place.setting || '/errcodes.txt'),
      '^([0-9A-Z]{5})\\s+E\\s', 'gn') AS line (found)
    WHERE place.name = 'SHAREDIR' ORDER BY code`
  return rows.map(({ code }) => code)
})

layer(Database.layer(), { excludeTestServices: true })("an error of the server", (it) => {
  it.effect("is by its SQLSTATE what the docs say, for every code that PostgreSQL has", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const states = yield* documented
      assert.isAbove(states.size, 20)
      yield* sql`CREATE SEQUENCE attempts`
      yield* sql`CREATE OR REPLACE FUNCTION message_store.stream_version(stream_name varchar) RETURNS bigint
        LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM nextval('public.attempts');
          RAISE EXCEPTION 'raised' USING ERRCODE = message_store.id(stream_name);
        END;
        $$`
      const store = yield* Store.open((yield* Database.Database).url, { retry: Schedule.recurs(2) })
      const attempts = Effect.map(
        sql<{ readonly last: bigint }>`SELECT last_value AS last FROM attempts`,
        ([row]) => Number(row?.last)
      )
      const codes = yield* listed
      assert.isAbove(codes.length, 230)
      for (const code of codes) {
        yield* sql`SELECT setval('attempts', 1)`
        const exit = yield* Effect.exit(store.streamVersion(`raise-${code}`))
        assert(Exit.isFailure(exit))
        const [reason] = exit.cause.reasons
        assert(reason?._tag === "Fail" && reason.error instanceof StoreError, code)
        assert.include(reason.error.reason, `raised [${code}]`)
        // The client itself repeats what may be a stale prepared statement, once.
        const repeated = (yield* attempts) > 3
        const state = states.get(code) ?? states.get(`${code.slice(0, 2)}xxx`) ?? "final"
        assert.deepStrictEqual(
          [code, reason.error.isRetryable, repeated],
          [code, state !== "final", state === "passes" || state === "elsewhere"]
        )
      }
    }))
})

layer(Mortal.layer, { excludeTestServices: true })("a server that takes over", (it) => {
  it.effect("and answers for six seconds before it takes writes: appends wait and are written once, and nothing ends", () =>
    Effect.gen(function*() {
      const server = yield* Mortal
      const route = yield* Standby.route(server.database)
      const { assertRunning, awaitHandled, store } = yield* start(route.url, "failover")
      yield* store.append("failover-1", Store.numbered(3))
      yield* awaitHandled(3)
      const standby = yield* Standby.of(server)
      yield* server.kill
      yield* route.lead(standby.url)

      const append = yield* Effect.forkChild(store.append("failover-1", Store.numbered(1, 3)))
      const hasty = yield* Store.open(route.url, briefly)
      assert.lengthOf(yield* Store.readStream(hasty, "failover-1"), 3)
      // The table of runners is unlogged, so a standby has none.
      assert.deepStrictEqual(yield* Effect.provideService(Runners.list, MessageStore, hasty), [])
      assertPasses(yield* Effect.flip(hasty.append("hasty-1", Store.numbered(1))), "25006")
      assertPasses(yield* Effect.flip(hasty.lease("another")), "25006")
      const givenUp = Effect.timeoutOption(store.append("timely-1", Store.numbered(1)), "200 millis")
      assert.isTrue(Option.isNone(yield* within("for a timeout")(givenUp)))
      yield* holding(6_000)
      yield* assertRunning
      assert.isUndefined(append.pollUnsafe())

      yield* standby.promote
      const { version } = yield* within("for the append")(Fiber.join(append))
      assert.strictEqual(version, 3)
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "failover-1")), [0, 1, 2, 3])
      yield* awaitHandled(4)
      yield* assertRunning
    }))
})

layer(Database.layer(), { excludeTestServices: true })("a database", (it) => {
  it.effect("that takes no writes for a while is waited for, and sessions from that time are given up", () =>
    Effect.gen(function*() {
      const admin = yield* SqlClient
      const { name, url } = yield* Database.Database
      const { assertRunning, awaitHandled, sql, store } = yield* start(url, "readonly")
      yield* store.append("readonly-1", Store.numbered(2))
      yield* awaitHandled(2)
      yield* admin`ALTER DATABASE ${admin(name)} SET default_transaction_read_only = on`
      yield* admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`
      const append = yield* Effect.forkChild(store.append("readonly-1", Store.numbered(1, 2)))
      const hasty = yield* Store.open(url, briefly)
      assertPasses(yield* Effect.flip(hasty.append("hasty-1", Store.numbered(1))), "25006")
      // These stay read-only whatever the database says later.
      const idle = yield* Effect.scoped(Effect.all(Array.from({ length: 4 }, () => sql.reserve)))
      assert.lengthOf(idle, 4)
      yield* holding(500)
      yield* assertRunning
      assert.isUndefined(append.pollUnsafe())

      yield* admin`ALTER DATABASE ${admin(name)} RESET default_transaction_read_only`
      yield* within("for the append")(Fiber.join(append))
      yield* within("for an append")(
        hasty.append("hasty-1", Store.numbered(1)).pipe(
          Effect.retry({ while: (error) => error._tag === "StoreError" && error.isRetryable })
        )
      )
      yield* awaitHandled(3)
      yield* assertRunning
    }))

  it.effect("that is full for a while is waited for", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const admin = yield* Database.session(url)
      const { assertRunning, awaitHandled, store } = yield* start(url, "full")
      yield* admin`CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END; $$`
      yield* admin`CREATE TRIGGER full_disk BEFORE INSERT ON message_store.messages FOR EACH ROW
        WHEN (NEW.stream_name <> 'full-1') EXECUTE FUNCTION disk_full()`
      yield* admin`CREATE TRIGGER full_disk BEFORE UPDATE ON eventfold.read_models FOR EACH ROW
        EXECUTE FUNCTION disk_full()`
      const append = yield* Effect.forkChild(store.append("waiting-1", Store.numbered(1)))
      yield* store.append("full-1", Store.numbered(3))
      yield* holding(500)
      yield* assertRunning
      assert.isUndefined(append.pollUnsafe())
      const hasty = yield* Store.open(url, briefly)
      assertPasses(yield* Effect.flip(hasty.append("hasty-1", Store.numbered(1))), "53100")

      yield* admin`DROP TRIGGER full_disk ON message_store.messages`
      yield* admin`DROP TRIGGER full_disk ON eventfold.read_models`
      yield* within("for the append")(Fiber.join(append))
      yield* awaitHandled(3)
      yield* assertRunning
    }))

  it.effect("whose server ends the session of a worker that was frozen while it waited for a lease is asked again", () =>
    Effect.gen(function*() {
      const admin = yield* SqlClient
      const { name, url } = yield* Database.Database
      const role = `${name}_frozen`
      yield* Effect.acquireRelease(
        admin`CREATE ROLE ${admin(role)} LOGIN SUPERUSER PASSWORD 'frozen'`,
        () => Effect.ignore(admin`DROP ROLE ${admin(role)}`)
      )
      // The sessions of leases of this role may be silent for a little more than one second, in place of 15.
      yield* admin`CREATE SCHEMA hasty`
      yield* admin`CREATE FUNCTION hasty.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$
        SELECT pg_catalog.set_config($1, CASE $1 WHEN 'idle_session_timeout' THEN '1500ms' ELSE $2 END, $3) $$`
      yield* admin`ALTER ROLE ${admin(role)} SET search_path = hasty, pg_catalog, public`

      const holder = yield* Store.open(url)
      const waiting = yield* Store.open(Database.urlAs(url, role, "frozen"))
      const handled: Array<number> = []
      const consumer = Consumer.make("frozen").on("frozen", {
        Numbered: ({ position }) => Effect.sync(() => handled.push(position))
      })
      const run = (store: Store.Store) =>
        Effect.forkChild(Consumer.run(consumer).pipe(Effect.provideService(MessageStore, store), quietly))
      const first = yield* run(holder)
      yield* holder.append("frozen-1", Store.numbered(1))
      yield* until("the first one has the lease", Effect.sync(() => handled.length === 1))
      const second = yield* run(waiting)
      const sessions = Effect.map(
        admin<{ readonly pid: number }>`SELECT pid FROM pg_stat_activity
          WHERE usename = ${role} AND query LIKE '%pg_try_advisory_lock%'`,
        (rows) => rows.map(({ pid }) => pid)
      )
      yield* until("the second one waits", Effect.map(sessions, (pids) => pids.length === 1))
      const before = yield* sessions
      yield* Effect.sync(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500))
      yield* until(
        "it waits in another session",
        Effect.map(sessions, (pids) => pids.length === 1 && pids[0] !== before[0])
      )
      assert.isUndefined(second.pollUnsafe())
      yield* Fiber.interrupt(first)
      yield* holder.append("frozen-1", Store.numbered(1, 1))
      yield* until("the second one takes over", Effect.sync(() => handled.includes(1)))
      yield* Fiber.interrupt(second)
    }))
})
