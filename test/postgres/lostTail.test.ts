/**
 * A failover that loses the last messages: what a program remembers of them is forgotten.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import { nextId } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { WrongExpectedVersion } from "eventfold/StoreError"
import * as Database from "../support/Database.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Standby from "../support/Standby.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

/** An append waits for a lock until its server goes away, and is sent again until another one has taken over. */
const patiently = { ...Store.patient, retry: Schedule.spaced("50 millis"), maxConnections: 2 }

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

const deposit = (id: string, ...amounts: ReadonlyArray<number>) =>
  Account.append(id, amounts.map((amount) => Account.events.Deposited({ amount })))

const balance = (id: string, freshness: "latest" | "cached" = "latest") =>
  Effect.map(Balance.load(id, { freshness }), ({ state }) => state)

it.live(
  "entities have what the new server has, and decide on it, also when versions match",
  () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const { url } = yield* Database.make({ server })
      const direct = yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* Store.open(url)
        yield* Effect.provideService(
          Effect.forEach(["1", "2", "3", "4"], (id) => deposit(id, 1)),
          MessageStore,
          store
        )
      })).pipe(Effect.andThen(Standby.of(server)))
      const link = yield* Standby.route(url)
      const store = yield* Store.open(link.url, patiently)
      const onIt = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, MessageStore, store)

      yield* Effect.gen(function*() {
        // The lost tail.
        yield* Effect.forEach(["1", "2", "3", "4"], (id) => deposit(id, 2))
        for (const id of ["1", "2", "3", "4"]) assert.strictEqual(yield* balance(id), 3)

        // Connections to the same server forget nothing.
        yield* link.switchTo(url)
        assert.strictEqual(yield* balance("1", "cached"), 3)

        // One transaction decides before the failover and appends after it.
        const [decides, goesOn] = [yield* Latch.make(), yield* Latch.make()]
        const decided: Array<number> = []
        const slow = yield* Effect.forkChild(Balance.transact("3", (balance) =>
          Effect.gen(function*() {
            decided.push(balance)
            yield* decides.open
            yield* goesOn.await
            return Account.events.Deposited({ amount: balance })
          })))
        yield* decides.await
        yield* direct.promote
        yield* link.switchTo(direct.urlOf(url))
        const other = yield* Store.open(direct.urlOf(url))
        yield* Effect.provideService(
          Effect.forEach(["2", "3", "4"], (id) => deposit(id, 10)),
          MessageStore,
          other
        )

        yield* goesOn.open
        yield* Fiber.join(slow)
        assert.deepStrictEqual([decided, yield* balance("3")], [[3, 11], 22])

        assert.strictEqual(yield* balance("1", "cached"), 1)
        const { state } = yield* Balance.transact(
          "2",
          (balance) => Account.events.Deposited({ amount: balance }),
          { freshness: "cached" }
        )
        assert.strictEqual(state, 22)
        assert.strictEqual(yield* balance("4"), 11)
      }).pipe(onIt, Effect.provide(EntityCache.layer({ capacity: 100 })))
    })
)

it.live(
  "an append that expects a version of the lost tail is not written when it is sent again",
  () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const { url } = yield* Database.make({ server })
      const first = yield* Effect.scoped(
        Effect.flatMap(Store.open(url), (store) => store.append("account-1", Store.numbered(1)))
      )
      assert.strictEqual(first.version, 0)
      const standby = yield* Standby.of(server)
      const link = yield* Standby.route(url)
      const store = yield* Store.open(link.url, patiently)
      yield* store.append("account-1", Store.numbered(1, 1))
      const sql = yield* Database.session(url)
      // The append waits for the lock of its category while its server goes away.
      const held = yield* Latch.make()
      const holding = yield* Effect.forkChild(sql.withTransaction(
        Effect.andThen(sql`SELECT message_store.acquire_lock('account-1')`, Effect.andThen(held.open, Effect.never))
      ))
      yield* held.await
      const append = yield* Effect.forkChild(store.append("account-1", Store.numbered(1, 2), { expectedVersion: 1 }))
      const waiters = yield* Database.session(url)
      yield* until(
        "the append waits for the lock",
        Effect.map(
          waiters`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
          ({ length }) => length > 0
        )
      )
      yield* standby.promote
      const other = yield* Store.open(standby.urlOf(url))
      yield* other.append("account-1", Store.numbered(1, 100))
      yield* link.switchTo(standby.urlOf(url))
      const refusal = yield* Effect.flip(Fiber.join(append))
      assert.instanceOf(refusal, WrongExpectedVersion)
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(other, "account-1")), [0, 100])
      yield* Fiber.interrupt(holding)
    })
)

it.live(
  "an append of a group that breaks is refused as well when another server has taken over",
  () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const { url } = yield* Database.make({ server })
      const repeated = { type: "Numbered", data: 7, id: yield* nextId }
      yield* Effect.scoped(Effect.flatMap(Store.open(url), (store) =>
        Effect.andThen(store.append("account-1", Store.numbered(1)), store.append("account-2", repeated))))
      const standby = yield* Standby.of(server)
      const link = yield* Standby.route(url)
      const store = yield* Store.open(link.url, patiently)
      // The lost tail.
      yield* store.append("account-1", Store.numbered(1, 1))

      const watcher = yield* Database.session(url)
      const waiting = (count: number) =>
        until(
          `${count} wait for the category`,
          Effect.map(
            watcher`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
            ({ length }) =>
              length === count
          )
        )
      const holding = Effect.fnUntraced(function*() {
        const [isHeld, end] = [yield* Latch.make(), yield* Latch.make()]
        const sql = yield* Database.session(url)
        yield* Effect.forkScoped(sql.withTransaction(
          sql`SELECT message_store.acquire_lock('account-1')`.pipe(
            Effect.andThen(isHeld.open),
            Effect.andThen(end.await)
          )
        ))
        return { isHeld: isHeld.await, end: end.open }
      })
      const first = yield* holding()
      yield* first.isHeld
      // One group, which the id that is recorded breaks. Then each is sent by itself, and waits for the second holder.
      const again = yield* Effect.forkChild(store.append("account-2", repeated))
      const decided = yield* Effect.forkChild(
        Effect.flip(store.append("account-1", Store.numbered(1, 2), { expectedVersion: 1 }))
      )
      yield* waiting(1)
      const second = yield* holding()
      yield* waiting(2)
      yield* first.end
      yield* second.isHeld
      yield* waiting(1)
      yield* standby.promote
      const other = yield* Store.open(standby.urlOf(url))
      yield* other.append("account-1", Store.numbered(1, 100))
      yield* link.switchTo(standby.urlOf(url))

      assert.instanceOf(yield* Fiber.join(decided), WrongExpectedVersion)
      yield* Fiber.join(again)
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(other, "account-1")), [0, 100])
    })
)
