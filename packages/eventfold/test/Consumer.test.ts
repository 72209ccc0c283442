import { assert, describe, it } from "@effect/vitest"
import {
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Predicate,
  Queue,
  Schedule,
  Schema,
  Scope,
  Struct
} from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, MessageStore, PositionStore, StoreError } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Closed: {} })

const deposit = (id: string, amount: number) => Account.append(id, Account.events.Deposited({ amount }))

const position = Effect.gen(function*() {
  const positions = yield* PositionStore.PositionStore
  return Option.map(yield* positions.get({ category: "account", consumerId: "test" }), ({ position }) => position)
})

it.layer(MessageStore.layerMemory)("catching up and going on", (it) => {
  it.effect("catches up, follows, and resumes where it stopped", () =>
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<number>()
      const consumer = Consumer.make("test").on(Account, { Deposited: ({ data }) => Queue.offer(seen, data.amount) })
      yield* deposit("1", 1)
      yield* Account.append("1", Account.events.Closed({}))
      yield* deposit("2", 2)
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      assert.deepStrictEqual(yield* Queue.takeN(seen, 2), [1, 2])
      yield* deposit("1", 3)
      assert.strictEqual(yield* Queue.take(seen), 3)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* position, Option.some(4))
      yield* deposit("1", 4)
      const again = yield* Effect.forkChild(Consumer.run(consumer))
      assert.strictEqual(yield* Queue.take(seen), 4)
      yield* Fiber.interrupt(again)
      assert.strictEqual(yield* Queue.size(seen), 0)
    }))
})

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

it.layer(MessageStore.layerMemory)("failing", (it) => {
  it.effect("retries, then stops with the handler's error before the message", () =>
    Effect.gen(function*() {
      let attempts = 0
      const consumer = Consumer.make("test", { retry: Schedule.recurs(2) }).on(Account, {
        Deposited: ({ data }) =>
          Effect.suspend(() => {
            attempts += 1
            return data.amount === 2 ? Effect.fail(new Refused()) : Effect.void
          })
      })
      yield* Effect.forEach([1, 2, 3], (amount) => deposit("1", amount))
      const error = yield* Effect.flip(Consumer.run(consumer))
      assert.instanceOf(error, Refused)
      assert.strictEqual(attempts, 4)
      assert.deepStrictEqual(yield* position, Option.some(1))
    }))
})

class Away extends Schema.TaggedError<Away>()("Away", {}) {}

it.layer(MessageStore.layerMemory)("a retry with a condition", (it) => {
  it.effect("is given the error: a refusal is skipped at once, what may pass is tried again", () =>
    Effect.gen(function*() {
      const handled = yield* Queue.unbounded<number>()
      const attempts: Array<number> = []
      const consumer = Consumer.make("test", {
        retry: Schedule.while(Schedule.recurs(2), ({ input }) => !Predicate.isTagged(input, "Refused")),
        onFailure: "skip"
      }).on(Account, {
        Deposited: ({ data: { amount } }) => {
          attempts.push(amount)
          if (amount === 1) return Effect.fail(new Refused())
          return amount === 2 ? Effect.fail(new Away()) : Queue.offer(handled, amount)
        }
      })
      yield* Effect.forEach([1, 2, 3], (amount) => deposit("1", amount))
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      assert.strictEqual(yield* Queue.take(handled), 3)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(attempts, [1, 2, 2, 2, 3])
    }))
})

it.layer(MessageStore.layerMemory)("a time limit", (it) => {
  it.effect("ends a handler that takes longer, at each attempt, and not one that takes less", () =>
    Effect.gen(function*() {
      const began = yield* Queue.unbounded<number>()
      const ended: Array<number> = []
      const consumer = Consumer.make("test", { timeout: "10 seconds", retry: Schedule.recurs(1) }).on(Account, {
        Deposited: ({ data: { amount } }) =>
          Effect.gen(function*() {
            yield* Queue.offer(began, amount)
            yield* Effect.sleep(Duration.seconds(amount))
            ended.push(amount)
          })
      })
      yield* Effect.forEach([9, 11], (amount) => deposit("1", amount))
      const fiber = yield* Effect.forkChild(Effect.flip(Consumer.run(consumer)))
      for (const [amount, seconds] of [[9, 9], [11, 10], [11, 10]] as const) {
        assert.strictEqual(yield* Queue.take(began), amount)
        yield* TestClock.adjust(Duration.seconds(seconds))
      }
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, Consumer.HandlerTimeout)
      assert.strictEqual(
        error.message,
        "the handler of the consumer test took longer than 10s for Deposited at global position 2 of stream account-1: make " +
          "it faster, or raise the timeout"
      )
      assert.deepStrictEqual(ended, [9])
      assert.deepStrictEqual(yield* position, Option.some(1))
    }))

  it.effect("may be infinite, and is longer than zero", () =>
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<number>()
      const consumer = (timeout: Duration.Input) =>
        Consumer.make("free", { timeout }).on(Account, { Deposited: ({ data }) => Queue.offer(seen, data.amount) })
      yield* deposit("9", 1)
      const fiber = yield* Effect.forkChild(Consumer.run(consumer(Duration.infinity)))
      yield* Queue.take(seen)
      yield* Fiber.interrupt(fiber)
      const error = yield* Effect.flip(Consumer.run(consumer(0)))
      assert.include(error.message, "timeout is 0, and must be a duration longer than zero")
    }))
})

it.layer(MessageStore.layerMemory)("parallel", (it) => {
  it.effect("streams are in flight at the same time, and the position is the low-water mark", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const seen = yield* Queue.unbounded<number>()
      const consumer = Consumer.make("test", { concurrency: 4, checkpoint: { every: 1 } }).on(Account, {
        Deposited: ({ data }) => data.amount === 1 ? Deferred.await(gate) : Queue.offer(seen, data.amount)
      })
      yield* deposit("a", 1)
      yield* deposit("b", 2)
      yield* deposit("a", 3)
      yield* deposit("c", 4)
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      assert.deepStrictEqual((yield* Queue.takeN(seen, 2)).toSorted(), [2, 4])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* position, Option.none())
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Queue.take(seen), 3)
      yield* Fiber.interrupt(fiber)
    }))
})

it.layer(MessageStore.layerMemory)("beginning at the end", (it) => {
  it.effect("is stored as the position before anything is handled, so that the next run begins there", () =>
    Effect.gen(function*() {
      yield* deposit("a", 1)
      const consumer = Consumer.make("test", { start: "end" }).on(Account, { Closed: () => Effect.void })
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* Effect.repeat(Effect.andThen(Effect.yieldNow, position), { until: Option.isSome, times: 1_000 })
      assert.deepStrictEqual(yield* position, Option.some(1))
      yield* Fiber.interrupt(fiber)
    }))
})

const kinds = (seen: Array<string>) => {
  const note = ({ streamName }: { readonly streamName: string }) => Effect.sync(() => seen.push(streamName))
  const Other = Category.make("other", { Closed: {} })
  return {
    category: Consumer.make("one", { start: "end" }).on(Account, { Deposited: ({ recorded }) => note(recorded) }),
    several: Consumer.make("several", { start: "end" })
      .on(Account, { Deposited: ({ recorded }) => note(recorded) })
      .on(Other, { Closed: () => Effect.void }),
    everything: Consumer.make("everything", { start: "end" }).on(Consumer.all, note),
    group: Consumer.make("group", { start: "end", group: { size: 2, members: [0, 1] } }).on(Account, {
      Deposited: ({ recorded }) => note(recorded)
    })
  }
}

describe("starting at the end", () => {
  for (const kind of Struct.keys(kinds([]))) {
    it.effect(`handles what is appended directly after the start: ${kind}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        yield* deposit("before", 1)
        const running = yield* Consumer.start(kinds(seen)[kind])
        const { globalPosition } = yield* deposit("after", 2)
        yield* running.waitFor(globalPosition)
        assert.deepStrictEqual(seen, ["account-after"])
      }).pipe(Effect.provide(Layer.fresh(MessageStore.layerMemory))))

    it.effect(`handles it too when the lease becomes free much later: ${kind}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        yield* deposit("before", 1)
        const store = yield* MessageStore.MessageStore
        const held = yield* Scope.make()
        const names: Array<string> = []
        // The leases of whatever members the consumer has.
        const first = yield* Consumer.start(kinds([])[kind]).pipe(
          Effect.provideService(MessageStore.MessageStore, {
            ...store,
            lease: (name) => {
              names.push(name)
              return store.lease(name)
            }
          }),
          Scope.provide(held)
        )
        yield* Effect.repeat(first.status, { until: ({ isActive }) => isActive })
        yield* Scope.close(held, Exit.void)
        assert.isAbove(names.length, 0)
        const consumer = kinds(seen)[kind]
        const positions = yield* PositionStore.PositionStore
        const other = yield* Scope.make()
        for (const name of names) assert.isTrue(Option.isSome(yield* Scope.provide(store.lease(name), other)))

        const running = yield* Consumer.start(consumer).pipe(
          // No position is recorded: the holder died before it wrote one.
          Effect.provideService(PositionStore.PositionStore, {
            get: () => Effect.succeedNone,
            put: positions.put
          })
        )
        const { globalPosition } = yield* deposit("after", 2)
        const waiting = yield* Effect.forkChild(running.waitFor(globalPosition))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(seen, [])
        assert.isUndefined(waiting.pollUnsafe(), "nobody has handled it")
        yield* Scope.close(other, Exit.void)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(waiting)
        assert.deepStrictEqual(seen, ["account-after"])
      }).pipe(Effect.provide(Layer.fresh(MessageStore.layerMemory))))
  }

  it.effect("is waited for, from another process, until its first position is written", () =>
    Effect.gen(function*() {
      const consumer = kinds([]).category
      const { globalPosition } = yield* deposit("a", 1)
      const waiting = yield* Effect.forkChild(Consumer.waitFor(consumer, globalPosition))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(waiting.pollUnsafe(), "no consumer has run")
      yield* Consumer.start(consumer)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(Layer.fresh(MessageStore.layerMemory))))

  it.effect("waits for a store that is away", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const store = yield* MessageStore.MessageStore
      let isAway = true
      const away = new StoreError.StoreError({ operation: "lastCategoryMessage", reason: "away", isRetryable: true })
      const starting = yield* Consumer.start(kinds(seen).category).pipe(
        Effect.provideService(MessageStore.MessageStore, {
          ...store,
          lastCategoryMessage: (category) =>
            Effect.suspend(() => isAway ? Effect.fail(away) : store.lastCategoryMessage(category))
        }),
        Effect.forkChild
      )
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(starting.pollUnsafe())
      yield* deposit("before", 1)
      isAway = false
      yield* TestClock.adjust("1 minute")
      const running = yield* Fiber.join(starting)
      const { globalPosition } = yield* deposit("after", 1)
      yield* running.waitFor(globalPosition)
      assert.deepStrictEqual(seen, ["account-after"])
    }).pipe(Effect.provide(Layer.fresh(MessageStore.layerMemory))))
})
