/**
 * Loads of entities: what they read, and what becomes of those that go together in one statement.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import { independently, MessageStore } from "eventfold/MessageStore"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (amount: number) => Account.events.Deposited({ amount })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (state, { amount }) => state + amount }
})

const together = { concurrency: "unbounded" } as const

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

const balanceOf = (id: string) => Effect.map(Balance.load(id), ({ state }) => state)

const store = Layer.effect(
  MessageStore,
  Effect.flatMap(Database.Database, ({ url }) => Store.open(url, { maxConnections: 4 }))
)

const client = Effect.gen(function*() {
  const { url } = yield* Database.Database
  return Context.get(
    yield* Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
    PgClient.PgClient
  )
})

/** A session in which the test holds the table, and one that ends what waits for it: a transaction sees who waits only once. */
const sessions = Effect.gen(function*() {
  const [holding, watching] = [yield* client, yield* client]
  const waiting = watching<{ readonly pid: number }>`SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%unnest%'`
  return {
    lock: Effect.andThen(holding`BEGIN`, holding`LOCK TABLE message_store.messages IN ACCESS EXCLUSIVE MODE`),
    release: holding`COMMIT`,
    waiting,
    endWaiting: Effect.flatMap(
      waiting,
      (rows) => Effect.forEach(rows, ({ pid }) => watching`SELECT pg_terminate_backend(${pid})`)
    )
  }
})

layer(Layer.provideMerge(store, Database.layer()), { excludeTestServices: true })("loads at the same time", (it) => {
  it.effect("take a few statements for all, and give each the state of its own stream", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const proxy = yield* Proxy.start(url)
      const warm = yield* Store.openWarm(proxy.url, 4)
      const ids = range(60)
      yield* Effect.forEach(ids, (id) => Account.append(`own-${id}`, range(1 + (id % 4)).map(() => deposit(id + 1))))
      const before = yield* proxy.roundTrips
      const states = yield* Effect.provideService(
        Effect.forEach(ids, (id) => balanceOf(`own-${id}`), together),
        MessageStore,
        warm
      )
      assert.deepStrictEqual(states, ids.map((id) => (1 + (id % 4)) * (id + 1)))
      assert.isAtMost((yield* proxy.roundTrips) - before, 6)
    }))

  it.effect("of one stream that grows meanwhile give what was written before they began", () =>
    Effect.gen(function*() {
      for (const written of range(30)) {
        yield* Account.append("growing", deposit(1))
        const states = yield* Effect.forEach(range(10), () => balanceOf("growing"), together)
        assert.deepStrictEqual(states, range(10).map(() => written + 1))
      }
    }))

  it.effect("also fold long streams, beside short ones", () =>
    Effect.gen(function*() {
      const lengths = [127, 128, 129, 1_500, 0, 1]
      yield* Effect.forEach(
        lengths.filter((length) => length > 0),
        (length) => Account.append(`long-${length}`, range(length).map(() => deposit(1)))
      )
      const loaded = yield* Effect.forEach(lengths, (length) => Balance.load(`long-${length}`), together)
      assert.deepStrictEqual(
        loaded,
        lengths.map((state) => ({ state, version: state === 0 ? Option.none() : Option.some(state - 1) }))
      )
    }))

  it.effect("of a message that does not fit its schema fails alone, in words that name the message", () =>
    Effect.gen(function*() {
      yield* Account.append("good", deposit(3))
      yield* MessageStore.use((store) =>
        store.append("account-bad", [{ type: "Deposited", data: { amount: 1 } }, {
          type: "Deposited",
          data: { amount: "2" }
        }])
      )
      const [good, error] = yield* Effect.all([balanceOf("good"), Effect.flip(balanceOf("bad"))], together)
      assert.strictEqual(good, 3)
      assert.strictEqual(error._tag, "DecodeError")
      assert.include(error.message, "Deposited at position 1 of stream account-bad: data.amount")
    }))

  it.effect("see what their transaction has written", () =>
    MessageStore.use((store) =>
      store.transaction(Effect.gen(function*() {
        yield* Balance.transact("joined", () => deposit(5))
        assert.deepStrictEqual(yield* Effect.forEach(range(3), () => balanceOf("joined"), together), [5, 5, 5])
        assert.strictEqual(yield* independently(balanceOf("joined")), 0)
      }))
    ))

  it.effect("of a statement whose session ends are each read again", () =>
    Effect.gen(function*() {
      const { endWaiting, lock, release, waiting } = yield* sessions
      yield* Effect.forEach(range(40), (id) => Account.append(`ended-${id}`, deposit(id)), together)
      yield* lock
      const loads = yield* Effect.forkChild(Effect.forEach(range(40), (id) => balanceOf(`ended-${id}`), together))
      yield* until("a statement waits", Effect.map(waiting, (rows) => rows.length > 0))
      yield* endWaiting
      yield* release
      assert.deepStrictEqual(yield* Fiber.join(loads), range(40))
    }))

  it.effect("that are interrupted end at once, and the others get their states", () =>
    Effect.gen(function*() {
      const { lock, release, waiting } = yield* sessions
      yield* Effect.forEach(range(100), (id) => Account.append(`waits-${id}`, deposit(id)), together)
      yield* lock
      const fibers = yield* Effect.forEach(range(100), (id) => Effect.forkChild(balanceOf(`waits-${id}`)))
      yield* until("a statement waits", Effect.map(waiting, (rows) => rows.length > 0))
      // Those of the first statements, and of those that wait for one to come back.
      yield* Effect.forEach(fibers.filter((_, n) => n % 2 === 0), Fiber.interrupt, together)
      yield* release
      const odd = fibers.filter((_, n) => n % 2 === 1)
      assert.deepStrictEqual(yield* Effect.forEach(odd, Fiber.join), range(50).map((n) => 2 * n + 1))
      assert.strictEqual(yield* balanceOf("waits-2"), 2)
    }))
})
