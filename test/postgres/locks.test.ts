/**
 * Locks of categories that are not released: what waits for them, for how long, and what goes on meanwhile.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { type Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { nextId } from "eventfold/Message"
import { StoreError } from "eventfold/StoreError"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

/** Short, so that the tests are, and longer than anything that does not wait for a lock. */
const lockTimeout = "1500 millis"

const open = (options: Omit<Postgres.Options, "url"> = {}) =>
  Effect.flatMap(Database.Database, ({ url }) => Store.open(url, { lockTimeout, ...options }))

let names = 0
/** A category of its own for each test. */
const newCategory = Effect.sync(() => `locks${++names}`)

const message = (data: number) => ({ type: "Numbered", data })

/** A session of psql, say, in which a transaction locks categories and stays open. */
const holding = Effect.fnUntraced(function*(categories: ReadonlyArray<string>) {
  const { url } = yield* Database.Database
  const sql = Context.get(
    yield* Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 1, applicationName: "psql of Ada" })),
    PgClient.PgClient
  )
  const [row] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
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
  const store = yield* open()
  const [account, ledger, other] = [yield* newCategory, yield* newCategory, yield* newCategory]
  const sent = yield* Effect.forEach(Store.upTo(24), (i) =>
    Effect.gen(function*() {
      const toAccount = { ...message(i), id: yield* nextId }
      const toLedger = { ...message(i), id: yield* nextId }
      if (i >= 12) return Effect.asVoid(store.append(`${account}-${i}`, toAccount))
      return Effect.asVoid(store.writeAll([
        { streamName: `${ledger}-${i}`, messages: toLedger },
        { streamName: `${account}-${i}`, messages: toAccount }
      ]))
    }))
  const holder = yield* holding([account])
  const stalled = yield* Effect.forkChild(Effect.forEach(sent, (write) => Effect.exit(write), together))
  yield* until("writes wait", Effect.map(waiting, (count) => count > 0))
  yield* Effect.forEach(
    Store.upTo(10),
    (i): Effect.Effect<unknown, unknown> =>
      i < 5 ? store.append(`${other}-${i}`, message(i)) : store.readCategoryPage(account),
    together
  ).pipe(within("for appends and reads of others", "1 second"))
  // However many wait, none waits for longer than two groups.
  const exits = yield* Fiber.join(stalled).pipe(within("for the writes to give up", "5 seconds"))
  for (const error of failures(exits)) {
    expectLockTimeout(error, account, `process ${holder.pid}`, "psql of Ada", "idle in transaction")
  }
  assert.deepStrictEqual(yield* Store.readCategory(store, account), [])

  // What is sent while the lock is held goes on when it is released.
  const again = yield* Effect.forkChild(Effect.forEach(sent, (write) => write, together))
  yield* until("writes wait again", Effect.map(waiting, (count) => count > 0))
  yield* holder.commit
  yield* Fiber.join(again)
  yield* Effect.forEach(sent, (write) => write, together)
  assert.sameMembers([...Store.dataOf(yield* Store.readCategory(store, account))], [...Store.upTo(24)])
  assert.sameMembers([...Store.dataOf(yield* Store.readCategory(store, ledger))], [...Store.upTo(12)])
})

layer(Database.layer(), { excludeTestServices: true, timeout: "1 minute" })("a lock that is not released", (it) => {
  it.effect(
    "of one category leaves connections for all else, and ends the writes that wait for it",
    () => stalledCategory
  )
})
