/**
 * What entities cost, counted where nothing can hide: in round trips on the wire.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import { MessageStore } from "eventfold/MessageStore"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"

class Counter extends Context.Service<Counter, {
  /** The round trips that the effect takes: one for each call of the store, and those that the store adds. */
  readonly costOf: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    added?: number
  ) => Effect.Effect<ReadonlyArray<string>, E, R>
}>()("@eventfold/test/Counter") {}

/** A store that notes what it is asked, each of which a proxy has to see as one round trip. */
const counted = Layer.effectContext(Effect.gen(function*() {
  const { url } = yield* Database.Database
  const proxy = yield* Proxy.start(url)
  const opened = yield* Store.openWarm(proxy.url, 4)
  const asked: Array<string> = []
  const noting =
    <Args extends ReadonlyArray<unknown>, Result>(name: string, ask: (...args: Args) => Result) =>
    (...args: Args): Result => {
      asked.push(name)
      return ask(...args)
    }
  const store = MessageStore.of({
    ...opened,
    append: noting("append", opened.append),
    writeAll: noting("writeAll", opened.writeAll),
    readStream: noting("read", opened.readStream),
    lastMessage: noting("last", opened.lastMessage),
    streamVersion: noting("version", opened.streamVersion),
    findMessage: noting("find", opened.findMessage)
  })
  const costOf = <A, E, R>(effect: Effect.Effect<A, E, R>, added = 0) =>
    Effect.gen(function*() {
      const before = yield* proxy.roundTrips
      asked.length = 0
      yield* effect
      assert.strictEqual((yield* proxy.roundTrips) - before, asked.length + added, asked.join(", "))
      return [...asked]
    })
  return Context.make(Counter, Counter.of({ costOf })).pipe(Context.add(MessageStore, store))
}))

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (amount: number) => Account.events.Deposited({ amount })

const folding = {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (state: number, { amount }: { readonly amount: number }) => state + amount }
}

const Balance = Entity.make(Account, folding)

const Snapshotted = Entity.make(Account, { ...folding, snapshots: { version: 1, every: 3 } })

const cache = Effect.provide(EntityCache.layer({ capacity: 100 }))

layer(Layer.provideMerge(counted, Database.layer()), { excludeTestServices: true })("round trips of entities", (it) => {
  it.effect("without a cache: a read and an append, and twice that when another was faster", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      const transact = Balance.transact("cold", () => deposit(1))
      assert.deepStrictEqual(yield* costOf(transact), ["read", "append"])
      assert.deepStrictEqual(yield* costOf(transact), ["read", "append"])
      assert.deepStrictEqual(yield* costOf(Balance.load("cold", { freshness: "cached" })), ["read"])
      assert.deepStrictEqual(yield* costOf(Balance.transact("cold", () => [])), ["read"])
      const checked = Balance.transact("cold", () => [], { alwaysCheck: true })
      assert.deepStrictEqual(yield* costOf(checked), ["read", "version"])

      let decisions = 0
      const overtaken = Balance.transact("cold", () =>
        decisions++ === 0
          ? Effect.as(Account.append("cold", deposit(10)), deposit(100))
          : Effect.succeed(deposit(100)), { retry: Schedule.recurs(1) })
      // The second of them is the other's.
      assert.deepStrictEqual(yield* costOf(overtaken), ["read", "append", "append", "read", "append"])
      assert.strictEqual((yield* Balance.load("cold")).state, 112)
    }))

  it.effect("assumed empty: an append, and what any conflict costs when it is not", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      const open = Balance.transact("empty", () => deposit(1), {
        freshness: "assumeEmpty",
        retry: Schedule.recurs(1)
      })
      assert.deepStrictEqual(yield* costOf(open), ["append"])
      assert.deepStrictEqual(yield* costOf(open), ["append", "read", "append"])
    }))

  it.effect("with a cache: an append, and for a load a read of what is new, which is nothing", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      yield* Account.append("cached", Array.from({ length: 500 }, () => deposit(1)))
      yield* Balance.load("cached")
      const rows: Array<number> = []
      const store = yield* MessageStore
      const spied = MessageStore.of({
        ...store,
        readStream: (name, options) => {
          rows.push(options?.from ?? 0)
          return store.readStream(name, options)
        }
      })
      assert.deepStrictEqual(yield* costOf(Balance.load("cached")), ["read"])
      assert.deepStrictEqual(yield* costOf(Balance.transact("cached", () => deposit(1))), ["append"])
      const latest = Balance.transact("cached", () => deposit(1), { freshness: "latest" })
      assert.deepStrictEqual(yield* costOf(latest), ["read", "append"])
      // From where the read begins there is nothing.
      yield* Effect.provideService(
        Effect.andThen(Balance.load("cached"), Balance.load("cached")),
        MessageStore,
        spied
      )
      assert.deepStrictEqual(rows, [0, 502])
    }).pipe(cache))

  it.effect("with a cache and an older state, or one of the last minute: an append", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      yield* Balance.load("older")
      for (const freshness of ["cached", { maxAge: "1 minute" }] as const) {
        const transact = Balance.transact("older", () => deposit(1), { freshness })
        assert.deepStrictEqual(yield* costOf(transact), ["append"])
        assert.deepStrictEqual(yield* costOf(transact), ["append"])
        assert.deepStrictEqual(yield* costOf(Balance.load("older", { freshness })), [])
      }
      assert.strictEqual((yield* Balance.load("older")).state, 4)
    }).pipe(cache))

  it.effect("with a cache: 50 loads at the same time are a read", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      yield* Account.append("many", deposit(7))
      const loads = Effect.all(Array.from({ length: 50 }, () => Balance.load("many")), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* costOf(loads), ["read"])
      assert.deepStrictEqual(yield* costOf(loads), ["read"])
      assert.isTrue((yield* loads).every(({ state }) => state === 7))
    }).pipe(cache))

  it.effect("with snapshots: a load is two reads, and an append whose snapshot is due two appends", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      const transact = Snapshotted.transact("photo", () => deposit(1))
      assert.deepStrictEqual(yield* costOf(transact), ["last", "read", "append"])
      yield* transact
      assert.deepStrictEqual(yield* costOf(transact), ["last", "read", "append", "append"])
      assert.deepStrictEqual(yield* costOf(Snapshotted.load("photo")), ["last", "read"])
      assert.deepStrictEqual(yield* costOf(transact), ["last", "read", "append"])
    }))

  it.effect("with snapshots and a cache: the snapshot is read once", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      yield* Account.append("album", [deposit(1), deposit(1), deposit(1)])
      assert.deepStrictEqual(yield* costOf(Snapshotted.load("album")), ["last", "read"])
      assert.deepStrictEqual(yield* costOf(Snapshotted.load("album")), ["read"])
    }).pipe(cache))

  it.effect("a command costs nothing more the first time, and when it is repeated what it takes to find it", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      const send = Balance.transact("command", (balance) => balance === 0 ? [deposit(1), deposit(2)] : [], {
        commandId: "1"
      })
      assert.deepStrictEqual(yield* costOf(send), ["read", "append"])
      // The state, whether it was done, the state before it, and its events.
      assert.deepStrictEqual(yield* costOf(send), ["read", "find", "read", "read"])
      const same = Balance.transact("same", () => deposit(1), { commandId: "1" })
      assert.deepStrictEqual(yield* costOf(same), ["read", "append"])
      // The append has to look why the ids are taken.
      assert.deepStrictEqual(yield* costOf(same, 1), ["read", "append", "find", "read", "read"])
    }))

  it.effect("transactAll over two streams: two reads and an append", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      const targets = { a: Balance.at("a"), b: Balance.at("b") }
      const both = Entity.transactAll(targets, () => ({ a: deposit(1), b: deposit(1) }))
      assert.deepStrictEqual(yield* costOf(both), ["read", "read", "writeAll"])
      const one = Entity.transactAll(targets, () => ({ a: deposit(1) }))
      assert.deepStrictEqual(yield* costOf(one), ["read", "read", "writeAll"])
      assert.deepStrictEqual(yield* costOf(Entity.transactAll(targets, () => ({}))), ["read", "read"])
      const command = Entity.transactAll(targets, () => ({ a: deposit(1), b: deposit(1) }), { commandId: "1" })
      assert.deepStrictEqual(yield* costOf(command), ["read", "read", "writeAll"])
      assert.deepStrictEqual((yield* Balance.load("a")).version, Option.some(2))
    }))

  it.effect("transactAll over two streams with a cache and older states: an append", () =>
    Effect.gen(function*() {
      const { costOf } = yield* Counter
      const both = Entity.transactAll(
        { a: Balance.at("cached-a"), b: Balance.at("cached-b") },
        () => ({ a: deposit(1), b: deposit(1) }),
        { freshness: "cached" }
      )
      assert.deepStrictEqual(yield* costOf(both), ["read", "read", "writeAll"])
      assert.deepStrictEqual(yield* costOf(both), ["writeAll"])
    }).pipe(cache))
})
