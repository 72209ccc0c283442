/**
 * The store of read models while several use it at once, connections end and others are in its way.
 */
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as References from "effect/References"
import { SqlClient } from "effect/sql/SqlClient"
import { type Build, BuildMoved } from "eventfold/ReadModelStore"
import { StoreError, Unsupported } from "eventfold/StoreError"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as ReadModels from "../support/ReadModels.ts"
import { at, define, newName, summary } from "../support/ReadModels.ts"
import * as Role from "../support/Role.ts"
import { upTo } from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

const rows = (statement: string) => Effect.flatMap(SqlClient, (sql) => sql.unsafe(statement).values)

const insert = (id: number) => rows(`INSERT INTO items (id) VALUES (${id})`)

const items = ["CREATE TABLE items (id integer PRIMARY KEY)"]

/** A store of its own, and a live build with a table. */
const fresh = Effect.fnUntraced(function*(url?: string) {
  const { sql, store } = yield* ReadModels.open(url ?? (yield* Database.Database).url)
  const name = yield* newName
  return { sql, store, name, build: yield* store.create(define(name, items), { after: 0, checkpoint: at(0) }) }
})

const failureOf = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) ? exit.cause.reasons : []

/** Of those who took the same step, one did, and the others were told that it is taken. */
const assertOneMoved = (exits: ReadonlyArray<Exit.Exit<unknown, unknown>>) => {
  assert.lengthOf(exits.filter(Exit.isSuccess), 1)
  for (const exit of exits.filter(Exit.isFailure)) {
    const [reason] = exit.cause.reasons
    assert(reason?._tag === "Fail")
    assert.instanceOf(reason.error, BuildMoved)
  }
}

layer(Database.layer(), { excludeTestServices: true })("the store of read models", (it) => {
  it.effect("lets exactly one of several workers take each step, and all of them see where it stands", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const { build, name } = yield* fresh()
      const steps = 60
      const workers = yield* Effect.forEach(upTo(4), () => ReadModels.open(url))
      const wins = yield* Effect.forEach(
        workers,
        ({ store }) =>
          Effect.gen(function*() {
            let won = 0
            let known: Build = build
            while (known.checkpoint.position < steps) {
              const position = known.checkpoint.position + 1
              const exit = yield* Effect.exit(store.advance(known, at(position), insert(position)))
              if (Exit.isSuccess(exit)) {
                won += 1
                known = exit.value
              } else {
                const [reason] = failureOf(exit)
                assert(reason?._tag === "Fail")
                assert.instanceOf(reason.error, BuildMoved)
                const [now] = yield* store.builds(name)
                assert(now !== undefined)
                known = now
              }
            }
            return won
          }),
        together
      )
      assert.strictEqual(wins.reduce((sum, n) => sum + n, 0), steps)
      assert.deepStrictEqual(
        yield* rows(`SELECT id FROM ${name}.items ORDER BY id`),
        upTo(steps).map((i) => [i + 1])
      )
    }))

  it.effect("gives two who make the next build at once one between them", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const workers = yield* Effect.forEach(upTo(4), () => ReadModels.open(url))
      const name = yield* newName
      for (const after of upTo(3)) {
        const exits = yield* Effect.forEach(
          workers,
          ({ store }) => Effect.exit(store.create(define(name, items), { after, checkpoint: at(0) })),
          together
        )
        assertOneMoved(exits)
      }
      const { store } = yield* ReadModels.open(url)
      assert.deepStrictEqual(summary(yield* store.builds(name)), [
        [1, "live", 0],
        [2, "building", 0],
        [3, "building", 0]
      ])
    }))

  it.effect("blames itself and not the handler for a connection that ends under it, and for one that ends before the commit", () =>
    Effect.gen(function*() {
      const { build, name, sql, store } = yield* fresh()
      const admin = yield* SqlClient
      const terminate = Effect.gen(function*() {
        const [row] = yield* (yield* SqlClient)<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
        yield* admin`SELECT pg_terminate_backend(${row?.pid}, 5000)`
      })
      for (const isLast of [false, true]) {
        const handle = isLast ? Effect.andThen(insert(1), terminate) : Effect.andThen(terminate, insert(1))
        const error = yield* Effect.flip(store.advance(build, at(1), Effect.asVoid(handle)))
        assert(error instanceof StoreError)
        assert.isTrue(error.isRetryable)
      }
      assert.deepStrictEqual(yield* store.builds(name), [build])
      assert.deepStrictEqual(yield* sql`SELECT * FROM ${sql(name)}.items`, [])
      yield* store.advance(build, at(1), insert(1))
    }))

  it.effect("tells by the checkpoint what became of a commit whose reply was lost", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const { build, name, store } = yield* fresh(proxy.url)
      // Prepared, so that its text is not on the wire any more the next time.
      yield* store.advance(build, at(1), insert(1))
      const [first] = yield* store.builds(name)
      assert(first !== undefined)
      const lost = Effect.andThen(insert(2), proxy.cut("before the reply", "COMMIT"))
      const fresh_ = yield* ReadModels.open(proxy.url)
      const error = yield* Effect.flip(fresh_.store.advance(first, at(2), lost))
      assert(error instanceof StoreError)
      assert.isTrue(error.isRetryable)
      assert.strictEqual(yield* proxy.cuts, 1)
      const [second] = yield* store.builds(name)
      assert.deepStrictEqual(second?.checkpoint, at(2))
      assert.instanceOf(yield* Effect.flip(store.advance(first, at(2), insert(2))), BuildMoved)
      assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}.items ORDER BY id`), [[1], [2]])
    }))

  it.effect("takes a deadlock for a conflict that passes", () =>
    Effect.gen(function*() {
      const { build, name, store } = yield* fresh()
      yield* rows(`CREATE TABLE public.${name}_locks AS SELECT * FROM generate_series(1, 2) AS id`)
      const observer = yield* SqlClient
      const other = yield* Database.session((yield* Database.Database).url)
      const [session] = yield* other<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
      const lock = (id: number) => `SELECT FROM public.${name}_locks WHERE id = ${id} FOR UPDATE`
      yield* other`BEGIN`
      // The server looks for a deadlock once in each wait: in that of the step, which begins last.
      yield* other`SET LOCAL deadlock_timeout = '1h'`
      yield* other.unsafe(lock(1))
      const error = yield* Effect.flip(store.advance(
        build,
        at(1),
        Effect.gen(function*() {
          yield* rows(lock(2))
          yield* Effect.forkScoped(other.unsafe(lock(2)))
          yield* until(
            "the other one waits",
            Effect.map(
              observer`SELECT FROM pg_locks WHERE pid = ${session?.pid} AND NOT granted`,
              (found) => found.length > 0
            )
          )
          yield* rows(lock(1))
        }).pipe(Effect.scoped)
      ))
      assert(error instanceof StoreError)
      assert.isTrue(error.isRetryable)
      assert.include(error.message, "40P01")
      yield* until("the other one has its lock", Effect.map(other`SELECT 1`, (found) => found.length === 1))
      yield* other`ROLLBACK`
      yield* store.advance(build, at(1), insert(1))
    }))

  it.effect.each(["repeatable read", "serializable"])(
    "serialises workers also where the default isolation is %s",
    (level) =>
      Effect.gen(function*() {
        const database = yield* Database.make()
        const admin = yield* Database.session(database.url)
        yield* admin.unsafe(`ALTER DATABASE ${database.name} SET default_transaction_isolation = '${level}'`)
        const { build, store } = yield* fresh(database.url)
        const exits = yield* Effect.forEach(
          upTo(6),
          () => Effect.exit(store.advance(build, at(1), insert(1))),
          together
        )
        assertOneMoved(exits)
      })
  )

  it.effect("takes 3 round trips for a step beside those of the handler", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Database.Database).url)
      const { build, store } = yield* fresh(proxy.url)
      const first = yield* store.advance(build, at(1), insert(1))
      const before = yield* proxy.roundTrips
      yield* store.advance(first, at(2), Effect.andThen(insert(2), insert(3)))
      assert.strictEqual((yield* proxy.roundTrips) - before, 5)
    }))

  it.effect(
    "switches under writers and readers: no query fails, or sees another build than a whole one",
    () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const { build, name, store } = yield* fresh()
        const readers = yield* Effect.forEach(upTo(3), () => ReadModels.open(url, { maxConnections: 2 }))
        let live = yield* store.advance(build, at(1), insert(1))
        const worker = yield* ReadModels.open(url)
        const stop = { reached: false }
        const lates: Array<Fiber.Fiber<BuildMoved | StoreError>> = []
        let queries = 0
        // The sum of what was inserted tells how far it is, and the columns which build it was.
        const reading = yield* Effect.forkChild(Effect.forEach(readers, ({ sql }) =>
          Effect.gen(function*() {
            let highest = 0
            while (!stop.reached) {
              const found = yield* sql<Record<string, unknown>>`SELECT * FROM ${sql(name)}.items ORDER BY id`
              assert.deepStrictEqual(found.map(({ id }) => id), upTo(found.length).map((i) => i + 1))
              assert.isAtLeast(found.length, highest)
              highest = found.length
              queries += 1
            }
          }), together))
        for (const number of upTo(12).map((i) => i + 2)) {
          const tables = [
            `CREATE TABLE items (${number % 2 === 0 ? "note text, " : ""}id integer PRIMARY KEY, c${number} text)`
          ]
          const created = yield* store.create(define(name, tables, number), { after: number - 1, checkpoint: at(0) })
          const filled = yield* store.advance(
            created,
            at(number - 2),
            rows(`INSERT INTO items (id) SELECT generate_series(1, ${number - 2})`)
          )
          const before = queries
          const switching = yield* Effect.forkChild(store.switchTo(filled, () =>
            Effect.gen(function*() {
              // It can't be moved any more.
              const late = yield* Effect.forkChild(
                Effect.flip(worker.store.advance(live, at(number), Effect.die("too late")))
              )
              const next = yield* store.advance(filled, at(number - 1), insert(number - 1))
              yield* until("queries have passed", Effect.sync(() => queries > before + 5))
              assert.isUndefined(late.pollUnsafe())
              return next
            })))
          const switched = yield* Fiber.join(switching)
          live = yield* store.advance(switched, at(number), insert(number))
        }
        stop.reached = true
        for (const late of lates) assert.instanceOf(yield* Fiber.join(late), BuildMoved)
        yield* within("for the readers")(Fiber.join(reading))
        assert.isAbove(queries, 60)
      })
  )

  it.effect(
    "waits for no query to switch, and for none for long to drop what was retired",
    () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const { name, store } = yield* fresh()
        const reader = yield* Database.session(url)
        const next = (number: number) =>
          Effect.gen(function*() {
            const build = yield* store.create(define(name, items, number), { after: number - 1, checkpoint: at(0) })
            return yield* store.switchTo(build, () => Effect.succeed(build))
          }).pipe(within("for a switch"))
        yield* reader`BEGIN`
        yield* reader.unsafe(`LOCK TABLE ${name}.items IN ACCESS EXCLUSIVE MODE`)
        yield* next(2)
        // The reader still has the tables of the first.
        yield* next(3).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
        assert.deepStrictEqual(summary(yield* store.builds(name)), [
          [1, "retired", 0],
          [2, "retired", 0],
          [3, "live", 0]
        ])
        const [first] = yield* store.builds(name)
        assert(first !== undefined)
        const inUse = yield* Effect.flip(store.drop(first))
        assert(inUse instanceof StoreError)
        assert.isTrue(inUse.isRetryable)
        yield* reader`ROLLBACK`
        yield* next(4)
        assert.deepStrictEqual(summary(yield* store.builds(name)), [[3, "retired", 0], [4, "live", 0]])
      })
  )

  it.effect("waits for a step that is being made before it switches, and is refused what has moved on meanwhile", () =>
    Effect.gen(function*() {
      const { build, name, store } = yield* fresh()
      const second = yield* store.create(define(name, items, 2), { after: 1, checkpoint: at(0) })
      const gate = yield* Latch.make()
      const begun = yield* Deferred.make<void>()
      const step = yield* Effect.forkChild(
        store.advance(build, at(1), Deferred.succeed(begun, undefined).pipe(Effect.andThen(gate.await)))
      )
      yield* Deferred.await(begun)
      let prepared = false
      const switching = yield* Effect.forkChild(Effect.exit(store.switchTo(second, (live) =>
        Effect.sync(() => {
          prepared = true
          assert.deepStrictEqual(live._tag === "Some" ? live.value.checkpoint : undefined, at(1))
          return second
        }))))
      yield* until(
        "the switch waits",
        Effect.map(
          rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'"),
          (found) => found.length === 1
        )
      )
      assert.isFalse(prepared)
      yield* gate.open
      yield* Fiber.join(step)
      const [reason] = failureOf(yield* Fiber.join(switching))
      assert(reason?._tag === "Fail")
      assert.instanceOf(reason.error, BuildMoved)
      assert.isTrue(prepared)
    }))

  it.effect("needs only what it says it does, and says which GRANT is missing", () =>
    Effect.gen(function*() {
      const { name: database, url } = yield* Database.Database
      const admin = yield* SqlClient
      const role = yield* Role.make()
      yield* admin`GRANT message_store TO ${admin(role.name)}`
      const { store } = yield* ReadModels.open(role.url(url))
      const name = yield* newName
      const create = store.create(define(name, items), { after: 0, checkpoint: at(0) })
      const error = yield* Effect.flip(create)
      assert(error instanceof Unsupported)
      const [, grant = ""] = /; (GRANT .*)$/.exec(error.message) ?? []
      assert.strictEqual(grant, `GRANT CREATE ON DATABASE ${database} TO ${role.name}`)
      yield* admin.unsafe(grant)
      const build = yield* create
      const live = yield* store.advance(build, at(1), insert(1))
      const second = yield* store.create(define(name, items, 2), { after: 1, checkpoint: at(1) })
      yield* store.switchTo(second, (_, differences) => Effect.as(differences, second))
      yield* store.drop({ ...live, state: "retired" })
      assert.deepStrictEqual(summary(yield* store.builds(name)), [[2, "live", 1]])
      yield* admin`DROP OWNED BY ${admin(role.name)} CASCADE`
    }))
})
