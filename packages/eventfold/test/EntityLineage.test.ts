/** What entities remember when the database becomes another one: after a failover that lost the last messages, say. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Option } from "effect"
import { Entity, EntityCache, MemoryStore, MessageStore, StoreBackend, StoreError } from "eventfold"
import { Account, amounts, Balance, deposited, write } from "./support/account.ts"

/** A memory store that another one can replace, with the signs that a database would give. */
const failingOver = Effect.gen(function*() {
  const first = yield* MemoryStore.make
  let current = first
  let [signs, looks, timeline] = [0, 0, 1]
  let knowsTimeline = true
  const reads: Array<string> = []
  const identity = Effect.sync((): StoreBackend.StoreIdentity => {
    looks += 1
    return { system: "1", database: "1", databaseName: "test", timeline: knowsTimeline ? timeline : undefined }
  })
  let beforeRead: Effect.Effect<void> = Effect.void
  const store = yield* MessageStore.make({
    ...first,
    identity,
    lineage: StoreBackend.makeLineage(() => signs, identity),
    append: (append) => current.append(append),
    writeAll: (appends) => current.writeAll(appends),
    readStream: (page) =>
      Effect.suspend(() => {
        const before = beforeRead
        beforeRead = Effect.void
        reads.push(`${page.streamName} from ${page.from}`)
        return Effect.andThen(before, Effect.suspend(() => current.readStream(page)))
      }),
    lastMessage: (name, type) => current.lastMessage(name, type),
    streamVersion: (name) => current.streamVersion(name),
    findMessage: (name, id) => current.findMessage(name, id)
  })
  const reconnect = Effect.sync(() => signs += 1)
  /** Puts a store in place whose only stream has these deposits. */
  const failOver = (...deposits: ReadonlyArray<number>) =>
    Effect.gen(function*() {
      current = yield* MemoryStore.make
      for (const amount of deposits) yield* write("account-1", { type: "Deposited", data: { amount } })
      timeline += 1
      yield* reconnect
    }).pipe(Effect.provideService(MessageStore.MessageStore, store), Effect.orDie)
  return {
    store,
    reads,
    reconnect,
    failOver,
    looks: () => looks,
    hideTimeline: () => knowsTimeline = false,
    onNextRead: (effect: Effect.Effect<unknown>): void => {
      beforeRead = Effect.asVoid(effect)
    }
  }
})

type FailingOver = Effect.Success<typeof failingOver>

/** Runs a test with an account of three deposits, whose balance of 7 is cached. */
const withCache = <A, E>(test: (over: FailingOver) => Effect.Effect<A, E, MessageStore.MessageStore>) =>
  Effect.gen(function*() {
    const over = yield* failingOver
    yield* Effect.gen(function*() {
      yield* Account.append("1", [deposited(1), deposited(2), deposited(4)])
      assert.strictEqual((yield* Balance.load("1")).state.balance, 7)
      over.reads.length = 0
      yield* test(over)
    }).pipe(
      Effect.provideService(MessageStore.MessageStore, over.store),
      Effect.provide(EntityCache.layer({ capacity: 10 }))
    )
  })

const balance = (freshness: "latest" | "cached" = "latest") =>
  Effect.map(Balance.load("1", { freshness }), ({ state }) => state.balance)

it.effect("a load gives what the new database has, also where it would not have read", () =>
  withCache(Effect.fnUntraced(function*({ failOver }) {
    yield* failOver(1)
    assert.strictEqual(yield* balance("cached"), 1)
    yield* failOver(10, 20, 40)
    assert.strictEqual(yield* balance(), 70)
    yield* failOver()
    assert.isTrue(Option.isNone((yield* Balance.load("1")).version))
  })))

it.effect("a load notices when its own read opens the connection to another database", () =>
  withCache(Effect.fnUntraced(function*({ failOver, onNextRead }) {
    onNextRead(failOver(10, 20, 40, 80))
    assert.strictEqual(yield* balance(), 150)
    assert.strictEqual(yield* balance("cached"), 150)
  })))

it.effect("a transaction decides on the right state when the versions match", () =>
  withCache(Effect.fnUntraced(function*({ failOver }) {
    yield* failOver(10, 20, 40)
    const seen: Array<number> = []
    yield* Balance.transact("1", ({ balance }) => {
      seen.push(balance)
      return deposited(balance)
    }, { freshness: "cached" })
    assert.deepStrictEqual([seen, yield* amounts("1")], [[70], [10, 20, 40, 70]])
    assert.strictEqual(yield* balance("cached"), 140)
  })))

it.effect("a transaction decides again when the database is replaced while it decides, with a cache and without", () =>
  withCache(Effect.fnUntraced(function*({ failOver }) {
    const seen: Array<number> = []
    const transact = Balance.transact("1", ({ balance }) =>
      Effect.gen(function*() {
        seen.push(balance)
        if (seen.length === 1) yield* failOver(10, 20, 40)
        return deposited(balance)
      }))
    yield* transact
    assert.deepStrictEqual([seen, yield* amounts("1")], [[7, 70], [10, 20, 40, 70]])
    assert.strictEqual(yield* balance("cached"), 140)
    yield* failOver(1, 2)
    seen.length = 0
    yield* Effect.provideService(transact, EntityCache.EntityCache, Option.none())
    assert.deepStrictEqual([seen, yield* amounts("1")], [[3, 70], [10, 20, 40, 70]])
  })))

it.effect("transactions on several entities decide again as well", () =>
  withCache(Effect.fnUntraced(function*({ failOver }) {
    const seen: Array<number> = []
    yield* Entity.transactAll({ one: Balance.at("1"), two: Balance.at("2") }, ({ one }) =>
      Effect.gen(function*() {
        seen.push(one.balance)
        if (seen.length === 1) yield* failOver(10, 20, 40)
        return { one: deposited(one.balance), two: deposited(1) }
      }))
    assert.deepStrictEqual([seen, yield* amounts("1")], [[7, 70], [10, 20, 40, 70]])
  })))

it.effect("a connection to the same database keeps what is cached, and takes one look that concurrent loads share", () =>
  withCache(Effect.fnUntraced(function*({ looks, reads, reconnect }) {
    const before = looks()
    yield* Effect.all([balance(), balance("cached"), balance("cached")], { concurrency: "unbounded" })
    assert.strictEqual(looks(), before)
    yield* reconnect
    yield* Effect.all([balance("cached"), balance("cached"), balance()], { concurrency: "unbounded" })
    assert.strictEqual(looks(), before + 1)
    assert.deepStrictEqual(new Set(reads), new Set(["account-1 from 3"]))
  })))

it.effect("where the timeline may not be read, each new connection forgets", () =>
  withCache(Effect.fnUntraced(function*({ hideTimeline, reads, reconnect }) {
    hideTimeline()
    yield* reconnect
    yield* balance("cached")
    yield* balance("cached")
    assert.deepStrictEqual(reads, ["account-1 from 0"])
    yield* reconnect
    yield* balance("cached")
    assert.lengthOf(reads, 2)
  })))

it.effect("what can't be told apart counts as another generation, and never as another database", () =>
  Effect.gen(function*() {
    let signs = 0
    const identity: StoreBackend.StoreIdentity = {
      system: "1",
      database: "1",
      databaseName: "test",
      timeline: undefined
    }
    const lineage = StoreBackend.makeLineage(() => signs, Effect.sync(() => identity))
    yield* lineage.look
    signs += 1
    assert.isTrue(lineage.isDue())
    yield* lineage.look
    assert.strictEqual(lineage.generation(), 1)
    assert.strictEqual(lineage.replacements(), 0)
  }))

it.effect("all who need a look while one is under way share what it gives, also its failure", () =>
  Effect.gen(function*() {
    const answer = yield* Latch.make()
    let looks = 0
    const away = new StoreError.StoreError({ operation: "identity", reason: "the server is silent", isRetryable: true })
    const identity = Effect.suspend(() => {
      looks += 1
      return Effect.andThen(answer.await, Effect.fail(away))
    })
    const lineage = StoreBackend.makeLineage(() => 1, identity)
    const waiting = yield* Effect.forkChild(
      Effect.all(Array.from({ length: 5 }, () => Effect.flip(lineage.look)), { concurrency: "unbounded" })
    )
    yield* Effect.yieldNow
    yield* answer.open
    assert.deepStrictEqual(yield* Fiber.join(waiting), [away, away, away, away, away])
    assert.strictEqual(looks, 1)
  }))
