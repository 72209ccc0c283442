/**
 * Locks of categories that are not released: what waits for them, for how long, and what goes on meanwhile.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { nextId, type RecordedMessage } from "eventfold/Message"
import * as MessageStore from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { StoreError } from "eventfold/StoreError"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

/** Short, so that the tests are: every write of a store with this limit waits for a lock that is not released. */
const lockTimeout = "500 millis"

const open = (options: Omit<Postgres.Options, "url">) =>
  Effect.flatMap(Database.Database, ({ url }) => Store.open(url, options))

let names = 0
/** A category of its own for each test. */
const newCategory = Effect.sync(() => `locks${++names}`)

const message = (data: number) => ({ type: "Numbered", data })

const appendOne = (to: Store.Store) => (category: string) => to.append(`${category}-1`, message(1))

const withId = (data: number) => Effect.map(nextId, (id) => ({ ...message(data), id }))

/** A session of psql, say, in which a transaction locks categories and stays open. */
const holding = Effect.fnUntraced(function*(categories: ReadonlyArray<string>) {
  const { url } = yield* Database.Database
  const sql = Context.get(
    yield* Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 1, applicationName: "psql of Ada" })),
    PgClient.PgClient
  )
  const [row] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
  // The functions of a stock Message DB find one another there.
  yield* sql`SET search_path = message_store, public`
  yield* sql`BEGIN`
  for (const category of categories) yield* sql`SELECT message_store.acquire_lock(${category})`
  return { pid: row?.pid ?? 0, commit: sql`COMMIT`, sql }
})

/** How many transactions of this database wait for an advisory lock. */
const waiting = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
  return rows.length
})

const expectLockTimeout = (error: unknown, ...texts: ReadonlyArray<string>) => {
  assert(error instanceof StoreError, String(error))
  assert.isTrue(error.isRetryable, error.message)
  for (const text of [...texts, "nothing was written"]) assert.include(error.message, text)
}

const failures = <A, E>(exits: ReadonlyArray<Exit.Exit<A, E>>) =>
  exits.map((exit) => {
    assert(Exit.isFailure(exit))
    return Effect.runSync(Effect.flip(exit))
  })

const stalledCategory = Effect.gen(function*() {
  const [store, impatient] = [yield* open(Store.patient), yield* open({ lockTimeout })]
  const [account, ledger, other] = [yield* newCategory, yield* newCategory, yield* newCategory]
  const messages = yield* Effect.forEach(
    Store.upTo(24),
    (i) => Effect.all({ toAccount: withId(i), toLedger: withId(i) })
  )
  const writesOf = (to: Store.Store) =>
    messages.map(({ toAccount, toLedger }, i) =>
      i >= 12
        ? Effect.asVoid(to.append(`${account}-${i}`, toAccount))
        : Effect.asVoid(to.writeAll([
          { streamName: `${ledger}-${i}`, messages: toLedger },
          { streamName: `${account}-${i}`, messages: toAccount }
        ]))
    )
  const holder = yield* holding([account])
  const waits = yield* Effect.forkChild(Effect.forEach(writesOf(store), (write) => write, together))
  yield* until("writes wait", Effect.map(waiting, (count) => count > 0))
  yield* Effect.forEach(
    Store.upTo(10),
    (i): Effect.Effect<unknown, unknown> =>
      i < 5 ? store.append(`${other}-${i}`, message(i)) : store.readCategoryPage(account),
    together
  ).pipe(within("for appends and reads of others"))
  assert.isUndefined(waits.pollUnsafe())

  const gaveUp = failures(
    yield* Effect.forEach(writesOf(impatient), (write) => Effect.exit(write), together).pipe(
      within("for the writes to give up")
    )
  )
  for (const error of gaveUp) {
    expectLockTimeout(error, account, `process ${holder.pid}`, "psql of Ada", "idle in transaction")
  }
  // They wait together and not one after the other: most give up without having had their turn.
  assert.isBelow(gaveUp.slice(0, 12).filter((error) => String(error).includes("[55P03]")).length, 6)
  assert.deepStrictEqual(yield* Store.readCategory(store, account), [])

  // What is sent while the lock is held goes on when it is released.
  yield* holder.commit
  yield* Fiber.join(waits)
  yield* Effect.forEach([...writesOf(store), ...writesOf(impatient)], (write) => write, together)
  assert.sameMembers([...Store.dataOf(yield* Store.readCategory(store, account))], [...Store.upTo(24)])
  assert.sameMembers([...Store.dataOf(yield* Store.readCategory(store, ledger))], [...Store.upTo(12)])
})

/** A store on a client that the application uses as well. */
const openOnClient = (options: Postgres.StoreOptions) =>
  Effect.gen(function*() {
    const { url } = yield* Database.Database
    const services = yield* Layer.build(
      Layer.fresh(Postgres.layerClient(options)).pipe(Layer.provideMerge(PgClient.layer({ url: Redacted.make(url) })))
    )
    return { sql: Context.get(services, PgClient.PgClient), store: Context.get(services, MessageStore.MessageStore) }
  })

const setting = (sql: SqlClient) =>
  Effect.map(sql<{ readonly lock_timeout: string }>`SHOW lock_timeout`, ([row]) => row?.lock_timeout)

/** Appends in a transaction of the application wait as long, and leave the settings of the transaction as they are. */
const inTransactionOfTheApplication = Effect.gen(function*() {
  const { sql, store } = yield* openOnClient({ lockTimeout })
  const [free, held] = [yield* newCategory, yield* newCategory]
  const holder = yield* holding([held])
  const toHeld: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
    store.append(`${held}-1`, message(1)),
    store.writeAll([{ streamName: `${free}-1`, messages: message(1) }, {
      streamName: `${held}-1`,
      messages: message(1)
    }])
  ]
  for (const write of toHeld) {
    const error = yield* Effect.flip(sql.withTransaction(write)).pipe(within("for the lock timeout"))
    expectLockTimeout(error, "500ms", held, `process ${holder.pid}`)
  }
  const patient = yield* openOnClient(Store.patient)
  for (const own of ["0", "200ms"]) {
    yield* patient.sql.withTransaction(Effect.gen(function*() {
      yield* patient.sql`SELECT set_config('lock_timeout', ${own}, true)`
      yield* patient.store.append(`${free}-1`, message(1))
      yield* patient.store.writeAll([{ streamName: `${free}-1`, messages: message(1) }])
      assert.strictEqual(yield* setting(patient.sql), own)
      if (own === "0") return
      const error = yield* Effect.flip(patient.store.append(`${held}-1`, message(1)))
      expectLockTimeout(error, held)
      return yield* Effect.fail("undo")
    })).pipe(Effect.ignore, within("for the lock timeout of the application"))
  }
  assert.strictEqual(yield* setting(sql), "0")
  assert.deepStrictEqual(yield* Store.readCategory(store, held), [])
  assert.lengthOf(yield* Store.readCategory(store, free), 2)
})

/** Each kind of append to a category that the transaction around has locked by the functions of Message DB. */
const lockedByTheCaller = Effect.gen(function*() {
  const { sql, store } = yield* openOnClient(Store.patient)
  const other = yield* open({ lockTimeout })
  const category = yield* newCategory
  yield* sql.withTransaction(Effect.gen(function*() {
    yield* sql`SELECT set_config('search_path', 'message_store, public', true)`
    yield* sql`SELECT message_store.write_message(gen_random_uuid()::varchar, ${`${category}-1`}, 'Numbered', '0')`
    assert.strictEqual((yield* store.append(`${category}-1`, message(1))).version, 1)
    const independent = MessageStore.independently(store.append(`${category}-1`, message(2)))
    const refused = yield* Effect.flip(within("for a refusal")(independent))
    assert(refused instanceof StoreError && !refused.isRetryable)
    assert.include(refused.message, "wait for itself")
    // The server does not see that this transaction waits for the other pool.
    const error = yield* Effect.flip(
      within("for the lock timeout")(other.append(`${category}-1`, message(3)))
    )
    expectLockTimeout(error, category, "idle in transaction")
  }))
  yield* other.append(`${category}-1`, message(4))
  assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, category)), [0, 1, 4])
})

const kinds = [
  { name: "our functions", database: Database.layer() },
  {
    name: "a stock Message DB",
    database: Layer.unwrap(
      Effect.map(
        MessageDb.makeDatabase(),
        (database) => Layer.merge(Layer.succeed(Database.Database, database), Database.client(database.url))
      )
    )
  }
]

for (const { database, name } of kinds) {
  layer(database, { excludeTestServices: true })(
    `on ${name}, a lock that is not released`,
    (it) => {
      it.effect("of one category leaves connections for all else, and ends the writes that wait for it", () =>
        stalledCategory)

      it.effect("ends appends in transactions of the application, whose settings stay", () =>
        inTransactionOfTheApplication)

      it.effect("because the caller's own transaction has it is refused, or ends the wait", () => lockedByTheCaller)
    }
  )
}

layer(Database.layer(), { excludeTestServices: true })("locks", (it) => {
  it.effect("of many categories leave connections for reads", () =>
    Effect.gen(function*() {
      const [store, impatient] = [yield* open(Store.patient), yield* open({ lockTimeout })]
      const categories = yield* Effect.forEach(Store.upTo(15), () => newCategory)
      const holder = yield* holding(categories)
      const waits = yield* Effect.forkChild(Effect.forEach(categories, appendOne(store), together))
      yield* until("writes wait", Effect.map(waiting, (count) => count > 5))
      yield* Effect.forEach(categories, (category) => store.readCategoryPage(category), together).pipe(
        within("for reads")
      )
      assert.isUndefined(waits.pollUnsafe())
      const gaveUp = Effect.forEach(categories, (category) => Effect.exit(appendOne(impatient)(category)), together)
      for (const error of failures(yield* within("for the writes")(gaveUp))) expectLockTimeout(error, "[55P03]")
      yield* holder.commit
      yield* Fiber.join(waits)
      yield* Effect.forEach(categories, appendOne(impatient), together)
    }))

  it.effect("of the table are named as well", () =>
    Effect.gen(function*() {
      const store = yield* open({ lockTimeout: "200 millis" })
      const category = yield* newCategory
      const holder = yield* holding([])
      yield* holder.sql`LOCK TABLE message_store.messages IN SHARE MODE`
      const error = yield* Effect.flip(store.append(`${category}-1`, message(1)))
      expectLockTimeout(error, "the table of messages", `process ${holder.pid}`)
      yield* holder.commit
      yield* store.append(`${category}-1`, message(1))
    }))

  it.effect("are waited for as long as it takes when there is no limit, and when the queue moves", () =>
    Effect.gen(function*() {
      const category = yield* newCategory
      const patient = yield* open({ lockTimeout: Infinity })
      const holder = yield* holding([category])
      const append = yield* Effect.forkChild(patient.append(`${category}-1`, message(1)))
      yield* until("it waits", Effect.map(waiting, (count) => count > 0))
      yield* holder.commit
      yield* Fiber.join(append)
      // Together they take longer than one may wait for a lock, and each a small part of that.
      const store = yield* open({ lockTimeout: "3 seconds" })
      const sql = yield* SqlClient
      yield* sql.unsafe(`CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.15); RETURN NEW; END'`)
      yield* sql.unsafe(`CREATE TRIGGER dawdle BEFORE INSERT ON message_store.messages FOR EACH ROW
        WHEN (NEW.stream_name LIKE '${category}-%') EXECUTE FUNCTION public.dawdle()`)
      yield* Effect.forEach(
        Store.upTo(24),
        (i) => store.writeAll([{ streamName: `${category}-${i}`, messages: message(i) }]),
        together
      )
      yield* sql`DROP TRIGGER dawdle ON message_store.messages`
      assert.lengthOf(yield* Store.readCategory(store, category), 25)
    }))

  it.effect("are not what a side effect of an inline read model waits for that appends to its category", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const category = yield* newCategory
      let own: Store.Store | undefined
      const Echo = SqlReadModel.make(category, { version: 1, tables: ["CREATE TABLE echo (n integer)"] }).on(category, {
        Numbered: ({ data }: RecordedMessage) =>
          ReadModel.sideEffect(
            data === 1 && own !== undefined ? Effect.orDie(own.append(`${category}-1`, message(2))) : Effect.void
          )
      })
      const store = Context.get(
        yield* Layer.build(Postgres.layer({ url: Redacted.make(url), inline: [Echo] })),
        MessageStore.MessageStore
      )
      own = store
      yield* store.append(`${category}-1`, message(1)).pipe(within("for the append"))
      assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, category)), [1, 2])
    }))
})
