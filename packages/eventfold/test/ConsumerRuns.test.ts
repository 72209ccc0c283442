import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Latch, Layer, Option, Queue, Ref, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, MemoryStore, MessageStore, PositionStore, StoreError } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (id: string, amount: number) => Account.append(id, Account.events.Deposited({ amount }))

const position = Effect.gen(function*() {
  const positions = yield* PositionStore.PositionStore
  return Option.map(yield* positions.get({ category: "account", consumerId: "test" }), ({ position }) => position)
})

/** Lets everything run that does not wait for the clock. */
const settle = Effect.repeat(Effect.yieldNow, { times: 200 })

const memory = Layer.merge(MessageStore.layerMemory, PositionStore.layerMemory)

it.layer(memory)("stopping", (it) => {
  it.effect("waits for handlers as long as the grace period lasts, begins no more messages, and writes its position", () =>
    Effect.gen(function*() {
      const begun: Array<number> = []
      const interrupted: Array<number> = []
      const started = yield* Latch.make()
      const consumer = Consumer.make("test", { concurrency: 2, grace: "3 seconds" }).on(Account, {
        Deposited: ({ data: { amount } }) =>
          Effect.sync(() => begun.push(amount)).pipe(
            Effect.andThen(amount === 1 ? Effect.void : started.open),
            Effect.andThen(amount === 1 ? Effect.void : amount === 2 ? Effect.sleep("2 seconds") : Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => interrupted.push(amount)))
          )
      })
      yield* deposit("a", 1)
      yield* deposit("a", 2)
      yield* deposit("b", 3)
      yield* deposit("b", 4)
      yield* deposit("a", 5)
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* started.await
      yield* settle
      const stopping = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(stopping.pollUnsafe())
      assert.deepStrictEqual(interrupted, [])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(begun.toSorted(), [1, 2, 3])
      assert.deepStrictEqual(interrupted, [3])
      assert.deepStrictEqual(yield* position, Option.some(2))
    }))
})

it.layer(memory)("the first position", (it) => {
  it.effect("of a consumer that starts at the end is stored at once, so that a crash skips nothing", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const gate = yield* Latch.make()
      const consumer = Consumer.make("test", {
        start: "end",
        checkpoint: { every: 1_000, interval: "1 hour" },
        grace: 0
      }).on(Account, {
        Deposited: ({ data: { amount } }) => Effect.andThen(gate.await, Effect.sync(() => seen.push(amount)))
      })
      yield* deposit("a", 1)
      const positions = yield* PositionStore.PositionStore
      let isDead = false
      const fiber = yield* Consumer.run(consumer).pipe(
        Effect.provideService(PositionStore.PositionStore, {
          ...positions,
          put: (key, position) => isDead ? Effect.void : positions.put(key, position)
        }),
        Effect.forkChild
      )
      yield* settle
      yield* deposit("a", 2)
      yield* settle
      isDead = true
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* position, Option.some(1))
      yield* gate.open
      const again = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      assert.deepStrictEqual(seen, [2])
      yield* Fiber.interrupt(again)
    }))
})

it.layer(memory)("streams side by side", (it) => {
  it.effect("as many slow streams as may be in flight do not block the others", () =>
    Effect.gen(function*() {
      const healthy = yield* Queue.unbounded<number>()
      const consumer = Consumer.make("test", { concurrency: 2, grace: 0 }).on(Account, {
        Deposited: ({ data: { amount }, recorded: { streamName } }) =>
          streamName === "account-healthy" ? Queue.offer(healthy, amount) : Effect.sleep("1 minute")
      })
      for (const i of [1, 2, 3, 4, 5]) {
        yield* deposit("slow1", i)
        yield* deposit("slow2", i)
      }
      yield* deposit("healthy", 1)
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Queue.size(healthy), 1)
      yield* Fiber.interrupt(fiber)
    }))
})

/** The store of the context, which takes leases away when the latch opens and grants them no more. */
const losing = Effect.fnUntraced(function*(latch: Latch.Latch) {
  const store = yield* MessageStore.MessageStore
  const error = new StoreError.StoreError({ operation: "lease", reason: "test", isRetryable: true })
  const isLost = yield* Ref.make(false)
  const lose = Effect.as(Effect.andThen(latch.await, Ref.set(isLost, true)), error)
  return MessageStore.MessageStore.of({
    ...store,
    lease: () => Effect.map(Ref.get(isLost), (isLost) => isLost ? Option.none() : Option.some({ lost: lose }))
  })
})

it.layer(memory)("a lease that is lost", (it) => {
  it.effect("ends the handlers at once, and leaves the position to the new holder", () =>
    Effect.gen(function*() {
      const lost = yield* Latch.make()
      const store = yield* losing(lost)
      const third = yield* Latch.make()
      const interrupted = yield* Deferred.make<void>()
      const consumer = Consumer.make("test").on(Account, {
        Deposited: ({ data: { amount } }) =>
          amount < 3
            ? Effect.void
            : Effect.andThen(third.open, Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
      })
      for (const amount of [1, 2, 3]) yield* deposit("a", amount)
      const fiber = yield* Consumer.run(consumer).pipe(
        Effect.provideService(MessageStore.MessageStore, store),
        Effect.forkChild
      )
      yield* third.await
      const positions = yield* PositionStore.PositionStore
      yield* positions.put({ category: "account", consumerId: "test" }, { position: 3 })
      yield* lost.open
      yield* Deferred.await(interrupted)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* position, Option.some(3))
      yield* Fiber.interrupt(fiber)
    }))
})

it.layer(memory)("members of a group", (it) => {
  it.effect("that two processes name in different orders run in one of them", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const seen = yield* Queue.unbounded<number>()
      const run = (members: ReadonlyArray<number>) =>
        Consumer.run(
          Consumer.make("test", { group: { size: 2, members } }).on(Account, {
            Deposited: ({ data }) => Queue.offer(seen, data.amount)
          })
        ).pipe(
          // Time for the other process to take a lease.
          Effect.provideService(
            MessageStore.MessageStore,
            { ...store, lease: (name) => Effect.tap(store.lease(name), Effect.sleep("10 millis")) }
          ),
          Effect.forkChild
        )
      for (const i of [1, 2, 3, 4, 5, 6]) yield* deposit(`${i}`, i)
      const fibers = [yield* run([0, 1]), yield* run([1, 0])]
      yield* settle
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Queue.size(seen), 6)
      yield* Fiber.interruptAll(fibers)
    }))
})

it.layer(memory)("consumers of one category", (it) => {
  it.effect("that have caught up with it read together, also when nothing wakes them", () =>
    Effect.gen(function*() {
      let reads = 0
      const memory = yield* MemoryStore.make
      const store = yield* MessageStore.make({
        ...memory,
        readCategory: (page) => {
          reads += 1
          return memory.readCategory(page)
        }
      })
      const seen = yield* Queue.unbounded<string>()
      const fibers = yield* Effect.forEach(Array.from({ length: 10 }, (_, i) => `test${i}`), (id) =>
        Consumer.run(
          Consumer.make(id, { poll: { min: "100 millis", max: "1 second" } }).on(Account, {
            Deposited: () => Queue.offer(seen, id)
          })
        ).pipe(
          Effect.provideService(MessageStore.MessageStore, store),
          Effect.forkChild,
          // They begin at different times.
          Effect.tap(() => TestClock.adjust("237 millis"))
        ))
      yield* TestClock.adjust("5 seconds")
      reads = 0
      for (const _ of Array.from({ length: 10 })) {
        const before = reads
        yield* TestClock.adjust("1 second")
        assert.strictEqual(reads - before, 1)
      }
      yield* Effect.provideService(deposit("a", 1), MessageStore.MessageStore, store)
      yield* Queue.takeN(seen, 10)
      assert.strictEqual(reads, 11)
      // When one stops, even the one that reads for all, the others continue.
      yield* TestClock.adjust("10 seconds")
      for (const fiber of fibers.slice(0, 9)) {
        yield* TestClock.adjust("300 millis")
        yield* Fiber.interrupt(fiber)
      }
      yield* TestClock.adjust("2 seconds")
      reads = 0
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(reads, 3)
      yield* Fiber.interruptAll(fibers)
    }))
})
