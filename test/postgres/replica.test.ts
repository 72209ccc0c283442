/**
 * Reads on a streaming replica: they see what was written before them, and the primary gives what the replica can't.
 */
import { assert, it as alone, layer } from "@effect/vitest"
import { Postgres, Replica } from "@eventfold/postgres"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import { MessageStore } from "eventfold/MessageStore"
import * as Database from "../support/Database.ts"
import { shortOrLong } from "../support/Form.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Standby from "../support/Standby.ts"
import * as Store from "../support/Store.ts"
import { Streaming } from "../support/Streaming.ts"
import { until, within } from "../support/Until.ts"

interface Options {
  readonly wait?: Duration.Input
  /** Other ways to the two servers. */
  readonly url?: string
  readonly replicaUrl?: string
}

const open = Effect.fnUntraced(function*({ replicaUrl, url, wait = "1 hour" }: Options = {}) {
  const servers = yield* Streaming
  const context = yield* Layer.build(Postgres.layerReplica({
    url: Redacted.make(replicaUrl ?? servers.replicaUrl),
    maxConnections: 2,
    wait,
    primary: { url: Redacted.make(url ?? servers.url), maxConnections: 2 }
  }))
  return { store: Context.get(context, MessageStore), replica: Context.get(context, Replica.Replica) }
})

/** Runs reads while the standby is behind: none may end before it goes on. */
const waits = <A, E, R>(reads: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { url, whileBehind } = yield* Streaming
    const reading = yield* Effect.forkChild(reads)
    // A read that waits for nothing has ended by then: it asks once, and this asks a hundred times.
    const session = yield* Database.session(url)
    yield* Effect.forEach(Store.upTo(100), () => session`SELECT 1`, { discard: true })
    assert.isUndefined(reading.pollUnsafe())
    return { reading, whileBehind }
  })

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

layer(Streaming.layer, { excludeTestServices: true, timeout: "5 minutes" })("a replica", (it) => {
  it.effect("has what was written, in each read after it", () =>
    Effect.gen(function*() {
      const { replica, store } = yield* open()
      const count = shortOrLong(100, 1_000)
      for (const i of Store.upTo(count)) {
        yield* store.append("each-1", Store.numbered(1, i))
        assert.deepStrictEqual(Option.map(yield* store.lastMessage("each-1"), ({ data }) => data), Option.some(i))
      }
      const { isUsed, onReplica } = yield* replica.status
      assert.isTrue(isUsed)
      assert.isAtLeast(onReplica, count)
    }))

  it.effect("has what was written by commits that do not wait for the disk", () =>
    Effect.gen(function*() {
      const { url } = yield* Streaming
      const { replica, store } = yield* open({ url: `${url}?options=-c%20synchronous_commit%3Doff` })
      for (const i of Store.upTo(5)) {
        yield* store.append("soon-1", Store.numbered(1, i))
        assert.deepStrictEqual(yield* store.streamVersion("soon-1"), Option.some(i))
      }
      assert.strictEqual((yield* replica.status).onPrimary, 0)
    }))

  it.effect("is waited for after a write, and by each kind of read", () =>
    Effect.gen(function*() {
      const { whileBehind } = yield* Streaming
      const { replica, store } = yield* open()
      yield* store.append("wait-1", Store.numbered(1))
      yield* store.streamVersion("wait-1")
      const before = yield* replica.status
      const { id } = yield* Effect.flatMap(store.lastMessage("wait-1"), Effect.fromOption)
      const reading = yield* whileBehind(Effect.gen(function*() {
        yield* store.append("wait-1", Store.numbered(1, 1))
        const { reading } = yield* waits(
          Effect.all([
            Effect.map(Store.readStream(store, "wait-1"), Store.dataOf),
            Effect.map(Store.readCategory(store, "wait"), Store.dataOf),
            Effect.map(Stream.runCollect(store.readAll({ categories: ["wait"] })), Store.dataOf),
            store.streamVersion("wait-1"),
            store.countCategory("wait"),
            Effect.map(store.findMessage("wait-1", id), Option.isSome),
            Effect.map(store.messageById(id), Option.isSome)
          ], { concurrency: "unbounded" })
        )
        return reading
      }))
      assert.deepStrictEqual(yield* within("for the replica")(Fiber.join(reading)), [
        [0, 1],
        [0, 1],
        [0, 1],
        Option.some(1),
        2,
        true,
        true
      ])
      const after = yield* replica.status
      assert.isAtLeast(after.onReplica - before.onReplica, 7)
    }))

  it.effect("waits for nothing before a first write, and shows what the standby has", () =>
    Effect.gen(function*() {
      const { level, url, whileBehind } = yield* Streaming
      const other = yield* Store.open(url)
      yield* other.append("old-1", Store.numbered(1))
      yield* level
      const { replica, store } = yield* open()
      yield* whileBehind(Effect.gen(function*() {
        yield* other.append("old-1", Store.numbered(1, 1))
        assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "old-1")), [0])
        // Someone says that there is more.
        yield* replica.refresh
        return yield* waits(Effect.map(Store.readStream(store, "old-1"), Store.dataOf))
      })).pipe(
        Effect.flatMap(({ reading }) => within("for the replica")(Fiber.join(reading))),
        Effect.map((data) => assert.deepStrictEqual(data, [0, 1]))
      )
    }))

  it.effect("that does not keep up is left alone: the primary answers, until it does", () =>
    Effect.gen(function*() {
      const { whileBehind } = yield* Streaming
      const { replica, store } = yield* open({ wait: "50 millis" })
      yield* whileBehind(Effect.gen(function*() {
        yield* store.append("behind-1", Store.numbered(1))
        assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "behind-1")), [0])
        const first = yield* replica.status
        assert.deepInclude(first, { isUsed: false, onPrimary: 1 })
        assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, "behind")), [0])
        assert.deepStrictEqual((yield* replica.status).onReplica, first.onReplica)
      }))
      // A busy machine may take longer than that now and then.
      const { onReplica } = yield* replica.status
      yield* until(
        "the replica is used again",
        Effect.gen(function*() {
          assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "behind-1")), [0])
          return (yield* replica.status).onReplica > onReplica
        })
      )
    }))

  it.effect("is waited for after a wake-up for what another process wrote", () =>
    Effect.gen(function*() {
      const { url, whileBehind } = yield* Streaming
      const { store } = yield* open()
      const other = yield* Store.open(url)
      const wakeUps = yield* store.wakeUps("woken")
      // The first one says that the listener is connected.
      yield* within("for the listener")(wakeUps.await)
      yield* Store.readCategory(store, "woken")
      const reading = yield* whileBehind(Effect.gen(function*() {
        yield* other.append("woken-1", Store.numbered(1))
        yield* within("for a wake-up")(wakeUps.await)
        const { reading } = yield* waits(store.readCategoryPage("woken"))
        return reading
      }))
      const { messages } = yield* within("for the replica")(Fiber.join(reading))
      assert.deepStrictEqual(Store.dataOf(messages), [0])
    }))

  it.effect("is waited for after the primary has shown what another process wrote", () =>
    Effect.gen(function*() {
      const { level, url, whileBehind } = yield* Streaming
      const other = yield* Store.open(url)
      const { store } = yield* open()
      const looks = {
        position: store.lastPosition,
        message: Effect.flatMap(store.lastPosition, store.messageAt),
        list: store.streams({ category: "shown" })
      }
      for (const [name, look] of Object.entries(looks)) {
        yield* level
        const reading = yield* whileBehind(Effect.gen(function*() {
          yield* store.streamVersion(`shown-${name}`)
          yield* other.append(`shown-${name}`, Store.numbered(1))
          yield* look
          return (yield* waits(store.streamVersion(`shown-${name}`))).reading
        }))
        assert.deepStrictEqual(yield* within("for the replica")(Fiber.join(reading)), Option.some(0))
      }
    }))

  it.effect("gives queries of the application what was committed before them", () =>
    Effect.gen(function*() {
      const { url, whileBehind } = yield* Streaming
      const { replica } = yield* open()
      const primary = yield* Database.session(url)
      const query = Effect.flatMap(SqlClient, (sql) =>
        sql<{ readonly n: number; readonly standby: boolean }>`SELECT n, pg_is_in_recovery() AS standby FROM noted`)
      const reading = yield* whileBehind(Effect.gen(function*() {
        yield* primary`CREATE TABLE noted (n int4)`
        yield* primary`INSERT INTO noted VALUES (1)`
        const { reading } = yield* waits(replica.query(query))
        return reading
      }))
      assert.deepStrictEqual(yield* within("for the replica")(Fiber.join(reading)), [{ n: 1, standby: true }])
    }))

  it.effect("an entity decides on what was there, whoever wrote it", () =>
    Effect.gen(function*() {
      const { url } = yield* Streaming
      const { store } = yield* open()
      const other = yield* Store.open(url)
      const deposit = (target: Store.Store) =>
        Effect.provideService(
          Balance.transact("1", (balance) => Effect.succeed(Account.events.Deposited({ amount: balance + 1 }))),
          MessageStore,
          target
        )
      for (const _ of Store.upTo(10)) {
        yield* deposit(other)
        yield* deposit(store)
      }
      const { state } = yield* Effect.provideService(Balance.load("1"), MessageStore, store)
      assert.strictEqual(state, 2 ** 20 - 1)
    }))

  it.effect("a transaction reads on the primary what it has written", () =>
    Effect.gen(function*() {
      const { whileBehind } = yield* Streaming
      const { store } = yield* open()
      yield* whileBehind(
        within("for the transaction")(store.transaction(Effect.gen(function*() {
          yield* store.append("inside-1", Store.numbered(2))
          assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "inside-1")), [0, 1])
          assert.deepStrictEqual(Store.dataOf(yield* Stream.runCollect(store.readAll({ categories: ["inside"] }))), [
            0,
            1
          ])
        })))
      )
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "inside-1")), [0, 1])
    }))

  it.effect("everything is read past gaps, and the pages after the first gap are the replica's", () =>
    Effect.gen(function*() {
      const { replica, store } = yield* open()
      const from = (yield* store.lastPosition) + 1
      for (const i of Store.upTo(10)) {
        yield* store.append("gap-1", Store.numbered(2, 2 * i))
        // Burns a position.
        yield* Effect.flip(store.transaction(Effect.andThen(
          store.append("gap-1", Store.numbered(1)),
          Effect.fail("rolled back")
        )))
      }
      const before = yield* replica.status
      const read = yield* Stream.runCollect(store.readAll({ from, batchSize: 4, categories: ["gap"] }))
      assert.deepStrictEqual(Store.dataOf(read), Store.upTo(20))
      const after = yield* replica.status
      assert.isAtLeast(after.onReplica - before.onReplica, 4)
      // The page with the first gap.
      assert.strictEqual(after.onPrimary - before.onPrimary, 1)
    }))

  it.effect("everything ends before a gap that a transaction may fill", () =>
    Effect.gen(function*() {
      const { url } = yield* Streaming
      const { store } = yield* open()
      const other = yield* Store.open(url)
      yield* store.append("open-1", Store.numbered(1))
      const from = yield* store.lastPosition
      yield* other.transaction(Effect.gen(function*() {
        yield* other.append("held-1", Store.numbered(1))
        yield* store.append("open-1", Store.numbered(1, 1))
        const { messages, through } = yield* store.readAllPage({ from })
        assert.deepStrictEqual(Store.dataOf(messages), [0])
        assert.strictEqual(through, from)
        const { heldBack } = yield* store.readAllPage({ from: from + 1 })
        assert.isTrue(Option.isSome(heldBack))
      }))
      const { messages } = yield* store.readAllPage({ from })
      assert.deepStrictEqual(messages.map(({ streamName }) => streamName), ["open-1", "held-1", "open-1"])
    }))

  it.effect("an append is one round trip; the read after it asks the primary once, and the next one nothing", () =>
    Effect.gen(function*() {
      const { replicaUrl, url } = yield* Streaming
      const [primary, standby] = [yield* Proxy.start(url), yield* Proxy.start(replicaUrl)]
      const { store } = yield* open({ url: primary.url, replicaUrl: standby.url })
      const both = Effect.all([primary.roundTrips, standby.roundTrips])
      const costOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.gen(function*() {
          const [a, b] = yield* both
          yield* effect
          const [c, d] = yield* both
          return { primary: c - a, replica: d - b }
        })
      yield* Store.warmUp(store, 2)
      yield* Effect.all(Array.from({ length: 8 }, () => store.streamVersion("cost-1")), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* costOf(store.append("cost-1", Store.numbered(1))), { primary: 1, replica: 0 })
      const { primary: asked, replica: answered } = yield* costOf(store.streamVersion("cost-1"))
      assert.strictEqual(asked, 1)
      assert.isAtLeast(answered, 2)
      assert.deepStrictEqual(yield* costOf(store.streamVersion("cost-1")), { primary: 0, replica: 1 })
      assert.deepStrictEqual(yield* costOf(store.readCategoryPage("cost")), { primary: 0, replica: 1 })
    }))

  it.effect("what is no replica of the primary is refused, with what it is", () =>
    Effect.gen(function*() {
      const { level, primary, replicaUrl, standby, url } = yield* Streaming
      const refusal = Effect.fnUntraced(function*(replicaUrl: string) {
        const { message, reason } = yield* Effect.flip(Effect.scoped(open({ replicaUrl })))
        assert.instanceOf(reason, Postgres.NotReplica)
        return message
      })
      assert.include(yield* refusal(url), "the server is a primary itself")
      assert.include(yield* refusal(replicaUrl.replace("@", "@127.0.0.1:1,")), "several hosts")
      const { url: other } = yield* Database.make({ server: { url: primary.url } })
      yield* level
      assert.include(yield* refusal(standby.urlOf(other)), "its database is")
    }))

  // The last one: the standby is another server afterwards.
  it.effect("that is gone is done without, and used when it is back", () =>
    Effect.gen(function*() {
      const { standby } = yield* Streaming
      const { replica, store } = yield* open()
      yield* store.append("gone-1", Store.numbered(1))
      yield* Store.readStream(store, "gone-1")
      yield* standby.kill
      yield* within("for the primary")(store.append("gone-1", Store.numbered(1, 1)))
      assert.deepStrictEqual(
        Store.dataOf(yield* within("for the primary")(Store.readStream(store, "gone-1"))),
        [0, 1]
      )
      assert.isFalse((yield* replica.status).isUsed)
      yield* standby.restart
      yield* until("the replica is used again", Effect.map(replica.status, ({ isUsed }) => isUsed))
      yield* store.append("gone-1", Store.numbered(1, 2))
      const before = yield* replica.status
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "gone-1")), [0, 1, 2])
      assert.strictEqual((yield* replica.status).onReplica, before.onReplica + 1)
      // A server that was promoted is no replica any more.
      yield* standby.promote
      yield* store.append("gone-1", Store.numbered(1, 3))
      assert.deepStrictEqual(Store.dataOf(yield* Store.readStream(store, "gone-1")), [0, 1, 2, 3])
      assert.isFalse((yield* replica.status).isUsed)
    }))
})

alone.live("a replica that has what a new primary never had is not read", () =>
  Effect.gen(function*() {
    const former = yield* PostgresServer.start()
    const { url } = yield* Database.make({ server: { url: former.url } })
    // Both have the database. The second one gets nothing of what is written from now on.
    const replica = yield* Standby.streaming(former)
    const next = yield* Standby.of(former)
    const link = yield* Standby.route(url)
    const context = yield* Layer.build(Postgres.layerReplica({
      url: Redacted.make(replica.urlOf(url)),
      wait: "1 second",
      primary: { url: Redacted.make(link.url), maxConnections: 2 }
    }))
    const store = Context.get(context, MessageStore)
    const status = Context.get(context, Replica.Replica).status
    // So much that the new primary's log does not get as far.
    yield* store.append("lost-1", Array.from({ length: 100 }, () => ({ type: "Lost", data: "x".repeat(50_000) })))
    yield* until(
      "the replica has what is lost",
      Effect.andThen(store.streamVersion("lost-1"), Effect.map(status, ({ onReplica }) => onReplica > 0))
    )

    yield* next.promote
    yield* link.switchTo(next.urlOf(url))
    yield* store.append("found-1", Store.numbered(1))
    assert.deepStrictEqual(yield* store.streamVersion("found-1"), Option.some(0))
    assert.deepStrictEqual(yield* store.streamVersion("lost-1"), Option.none())
    assert.isFalse((yield* status).isUsed)
  }))
