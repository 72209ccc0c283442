import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, Schedule, Schema, Stream } from "effect"
import { Category, type Message, MessageStore, ReadModel, StoreError } from "eventfold"
import { MemoryStore } from "eventfold"

const happened: Message.Message = { type: "Happened", data: {} }

const append = (streamName: string) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => store.append(streamName, happened))

const versionOf = (streamName: string) =>
  Effect.map(
    Effect.flatMap(MessageStore.MessageStore, (store) => store.streamVersion(streamName)),
    Option.getOrElse(() => -1)
  )

const memory = Effect.provide(MessageStore.layerMemory)

/** Fails at once, in words, instead of waiting for ever. */
const assertWaitsForItself = (error: unknown) => {
  assert(error instanceof StoreError.StoreError)
  assert.isFalse(error.isRetryable)
  assert.include(error.message, "in memory other writes wait until it ends")
}

describe("an independent append", () => {
  it.effect("stays when the transaction around it is rolled back", () =>
    Effect.gen(function*() {
      yield* Effect.exit(MessageStore.transaction(Effect.gen(function*() {
        yield* MessageStore.independently(append("audit-1"))
        yield* append("account-1")
        return yield* Effect.fail("no")
      })))
      assert.deepStrictEqual([yield* versionOf("audit-1"), yield* versionOf("account-1")], [0, -1])
    }).pipe(memory))

  it.effect("is refused when the transaction has the lock, also in transactions of its own", () =>
    Effect.gen(function*() {
      const { independently, transaction } = MessageStore
      yield* transaction(Effect.gen(function*() {
        yield* append("account-1")
        assertWaitsForItself(yield* Effect.flip(independently(append("audit-1"))))
        assertWaitsForItself(yield* Effect.flip(independently(transaction(append("audit-1")))))
        const inner = independently(transaction(transaction(independently(append("audit-1")))))
        assertWaitsForItself(yield* Effect.flip(inner))
        // A fiber of the transaction could not be joined if it waited.
        const fiber = yield* Effect.forkChild(independently(append("audit-1")))
        assertWaitsForItself(yield* Effect.flip(Fiber.join(fiber)))
      }))
      assert.deepStrictEqual([yield* versionOf("audit-1"), yield* versionOf("account-1")], [-1, 0])
    }).pipe(memory))

  it.effect("does not see what the transaction has written", () =>
    MessageStore.transaction(Effect.gen(function*() {
      yield* append("account-1")
      assert.strictEqual(yield* MessageStore.independently(versionOf("account-1")), -1)
      assert.strictEqual(yield* versionOf("account-1"), 0)
    })).pipe(memory))
})

describe("a transaction", () => {
  it.effect("keeps writers waiting, who can be interrupted, and takes none of them along", () =>
    Effect.gen(function*() {
      const [locked, end] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const first = yield* append("account-1").pipe(
        Effect.andThen(Deferred.succeed(locked, undefined)),
        Effect.andThen(Deferred.await(end)),
        MessageStore.transaction,
        Effect.forkChild
      )
      yield* Deferred.await(locked)
      const startImmediately = { startImmediately: true } as const
      const leaving = yield* Effect.forkChild(append("account-2"), startImmediately)
      const staying = yield* Effect.forkChild(append("account-3"), startImmediately)
      const transaction = yield* Effect.forkChild(MessageStore.transaction(append("account-4")), startImmediately)
      yield* Fiber.interrupt(leaving)
      assert.strictEqual(yield* versionOf("account-1"), -1)
      yield* Deferred.succeed(end, undefined)
      yield* Effect.all([Fiber.await(first), Fiber.await(staying), Fiber.await(transaction)])
      const versions = yield* Effect.forEach([1, 2, 3, 4], (id) => versionOf(`account-${id}`))
      assert.deepStrictEqual(versions, [0, -1, 0, 0])
    }).pipe(memory))

  it.effect("that is rolled back leaves a gap in the global positions", () =>
    Effect.gen(function*() {
      yield* Effect.exit(MessageStore.transaction(Effect.andThen(append("account-1"), Effect.die("broken"))))
      assert.deepStrictEqual(yield* append("account-1"), { version: 0, globalPosition: 2 })
    }).pipe(memory))

  it.effect("of one store is none of another", () =>
    Effect.gen(function*() {
      const [one, other] = [
        yield* Effect.flatMap(MemoryStore.make, MessageStore.make),
        yield* Effect.flatMap(MemoryStore.make, MessageStore.make)
      ]
      const both = Effect.gen(function*() {
        yield* one.append("account-1", happened)
        yield* other.append("account-1", happened)
        yield* one.append("account-1", happened)
      })
      yield* Effect.exit(one.transaction(Effect.andThen(other.transaction(both), Effect.fail("no"))))
      assert.deepStrictEqual(
        [yield* one.streamVersion("account-1"), yield* other.streamVersion("account-1")],
        [Option.none(), Option.some(0)]
      )
    }).pipe(Effect.scoped))

  it.effect("says when it has ended to a fiber that outlives it", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      const fiber = yield* MessageStore.transaction(
        Effect.forkDetach(Effect.andThen(Deferred.await(ended), append("account-1")))
      )
      yield* Deferred.succeed(ended, undefined)
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert(error instanceof StoreError.StoreError)
      assert.include(error.message, "has already ended")
    }).pipe(memory))
})

describe("effects after the commit", () => {
  it.effect("run outside of the transaction, in order, and a defect of one is not its failure", () =>
    Effect.gen(function*() {
      const { transactions } = yield* MemoryStore.make
      assert.isDefined(transactions)
      const { afterCommit, isActive, run } = transactions
      assert.isDefined(run)
      const seen: Array<unknown> = []
      const note = (name: string) =>
        afterCommit(Effect.map(Effect.context<never>(), (context) => {
          seen.push(name, isActive(context))
        }))
      const result = yield* run(Effect.gen(function*() {
        yield* note("first")
        yield* run(note("second"))
        yield* Effect.exit(run(Effect.andThen(note("rolled back"), Effect.fail("no"))))
        yield* afterCommit(Effect.die("broken"))
        yield* note("last")
        assert.deepStrictEqual([...seen], [])
        return "committed"
      }))
      yield* note("outside")
      assert.strictEqual(result, "committed")
      assert.deepStrictEqual(seen, ["first", false, "second", false, "last", false, "outside", false])
      yield* Effect.exit(run(Effect.andThen(note("rolled back"), Effect.interrupt)))
      assert.lengthOf(seen, 8)
    }))
})

describe("a store without transactions", () => {
  it.effect("refuses them, and works as it did", () =>
    Effect.gen(function*() {
      const { transactions: _, ...backend } = yield* MemoryStore.make
      const store = yield* MessageStore.make(backend)
      assert.instanceOf(yield* Effect.flip(store.transaction(Effect.void)), StoreError.Unsupported)
      const wakeUps = yield* store.wakeUps("account")
      yield* MessageStore.independently(store.append("account-1", happened))
      yield* wakeUps.await
      assert.lengthOf(yield* Stream.runCollect(store.readStream("account-1")), 1)
    }).pipe(Effect.scoped))
})

describe("a read model", () => {
  it.live("whose handler appends fails, and its side effects may append", () =>
    Effect.gen(function*() {
      const Source = Category.make("source", { Happened: { isPlain: Schema.Boolean } })
      const model = ReadModel.batch("appending", {
        version: 1,
        from: Source,
        atOnce: 1,
        retry: Schedule.recurs(0),
        handle: ([{ data }]) =>
          data.isPlain ? append("target-1") : ReadModel.sideEffect(Effect.orDie(append("target-2")))
      })
      const running = yield* ReadModel.start(model)
      // The first one may be from before the first build, and then has no side effects.
      for (const _ of [1, 2]) {
        const { globalPosition } = yield* Source.append("1", Source.events.Happened({ isPlain: false }))
        yield* ReadModel.waitFor(model, globalPosition)
      }
      yield* Source.append("1", Source.events.Happened({ isPlain: true }))
      assert.include(String(yield* Effect.flip(running.await)), "a rebuild would append again")
      assert.strictEqual(yield* versionOf("target-1"), -1)
      assert.isAtLeast(yield* versionOf("target-2"), 0)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory))))
})
