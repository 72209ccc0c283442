import { assert, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Option, Queue, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, MessageStore, PositionStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Closed: {} })

const deposit = (id: string, amount: number) => Account.append(id, Account.events.Deposited({ amount }))

const lagOf = (consumer: Consumer.Consumer<unknown, unknown>) =>
  Effect.map(Consumer.status(consumer), ({ lag }) => [lag.messages, Duration.toSeconds(lag.age)])

/** Starts a consumer and waits until it has begun. */
const startActive = <E, R>(consumer: Consumer.Consumer<E, R>) =>
  Effect.gen(function*() {
    const running = yield* Consumer.start(consumer)
    const look = Effect.andThen(Effect.yieldNow, running.status)
    assert.isTrue((yield* Effect.repeat(look, { until: ({ isActive }) => isActive, times: 1_000 })).isActive)
    return running
  })

class Refused extends Schema.TaggedError<Refused>()("Refused", { amount: Schema.Int }) {}

it.layer(MessageStore.layerMemory)("status from any process", (it) => {
  it.effect("reports position, lag and the last message before, during and after a run", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const consumer = Consumer.make("test").on(Account, {
        Deposited: ({ data }) => data.amount === 2 ? Deferred.await(gate) : Effect.void
      })
      const empty = yield* Consumer.status(consumer)
      assert.deepStrictEqual(empty.last, Option.none())
      assert.deepStrictEqual(empty.members.map(({ position }) => position), [Option.none()])
      assert.deepStrictEqual(yield* lagOf(consumer), [0, 0])

      yield* TestClock.setTime(1_000_000)
      yield* deposit("1", 1)
      yield* TestClock.adjust("10 seconds")
      yield* deposit("2", 2)
      yield* deposit("3", 3)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* lagOf(consumer), [3, 15])

      const running = yield* Consumer.start(consumer)
      yield* running.waitFor(1)
      yield* TestClock.adjust("1 second")
      const status = yield* Consumer.status(consumer)
      assert.deepStrictEqual(status.members.map(({ member, position }) => [member, position]), [[
        undefined,
        Option.some(1)
      ]])
      assert.deepStrictEqual(yield* lagOf(consumer), [2, 6])
      assert.strictEqual(Option.getOrThrow(status.last).streamName, "account-3")
      assert.strictEqual(Option.getOrThrow(status.last).globalPosition, 3)
      assert.notProperty(Option.getOrThrow(status.last), "data")

      yield* Deferred.succeed(gate, undefined)
      yield* running.waitFor(3)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* lagOf(consumer), [0, 0])
    }))
})

it.layer(MessageStore.layerMemory)("status of a group", (it) => {
  it.effect("counts for each member its own messages, and for a consumer of answers those that correlate", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* Effect.forEach(Array.from({ length: 40 }, (_, n) => n), (n) => deposit(`${n}`, n))
      const group = Consumer.make("test", { group: { size: 2, members: [0] } }).on(Account, {})
      const { lag, members } = yield* Consumer.status(group)
      const counts = yield* Effect.forEach(
        [0, 1],
        (member) => store.countCategory("account", { consumerGroup: { member, size: 2 } })
      )
      assert.deepStrictEqual(members.map(({ lag, member }) => [member, lag.messages]), [[0, counts[0]], [1, counts[1]]])
      assert.strictEqual(lag.messages, 40)
      const answers = Consumer.make("answers", { correlation: "transfer" }).on(Account, {})
      assert.deepStrictEqual(yield* lagOf(answers), [0, 0])
    }))
})

it.layer(MessageStore.layerMemory)("the status of one that runs here", (it) => {
  it.effect("counts messages, and shows those in flight and those that are retried", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const tried = yield* Queue.unbounded<number>()
      const consumer = Consumer.make("test", {
        concurrency: 3,
        retry: Schedule.max([Schedule.spaced("1 minute"), Schedule.recurs(2)]),
        onFailure: "skip"
      }).on(Account, {
        Deposited: ({ data: { amount } }) =>
          amount === 1
            ? Deferred.await(gate)
            : amount === 2
            ? Effect.andThen(Queue.offer(tried, amount), new Refused({ amount }))
            : amount === 3
            ? new Refused({ amount })
            : Effect.void
      })
      for (const amount of [1, 2, 4, 5]) yield* deposit(`${amount}`, amount)
      yield* deposit("1", 6)
      yield* TestClock.setTime(1_000_000)
      const running = yield* Consumer.start(consumer)
      yield* Queue.take(tried)
      yield* TestClock.adjust("1 minute")
      yield* Queue.take(tried)
      yield* TestClock.adjust(0)
      const status = yield* running.status
      assert.strictEqual(status.isActive, true)
      assert.deepStrictEqual(status.positions, [{ member: undefined, position: 0 }])
      assert.strictEqual(status.lastRead, 5)
      assert.deepStrictEqual([status.inFlight, status.pending], [2, 3])
      assert.deepStrictEqual([status.handled, status.failed, status.retried, status.skipped], [2, 0, 2, 0])
      const [stuck] = status.stuck
      assert.strictEqual(status.stuck.length, 1)
      assert.strictEqual(stuck?.message.streamName, "account-2")
      assert.notProperty(stuck?.message, "data")
      assert.deepStrictEqual([stuck?.attempts, stuck?.messages, stuck?.since.epochMilliseconds], [2, 1, 1_000_000])
      assert.deepInclude(stuck?.failure, { kind: "error", tag: "Refused", fields: { amount: 2 } })
      assert.deepStrictEqual(status.lastFailure, Option.none())

      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("1 minute")
      yield* running.waitFor(5)
      const after = yield* running.status
      assert.deepStrictEqual([after.handled, after.failed, after.retried, after.skipped], [4, 1, 2, 1])
      assert.deepStrictEqual([after.inFlight, after.pending, after.stuck], [0, 0, []])
      const last = Option.getOrThrow(after.lastFailure)
      assert.deepStrictEqual([last.message.streamName, last.message.position, last.attempts], ["account-2", 0, 3])
      assert.notProperty(last.message, "data")
      assert.isAbove(last.time.epochMilliseconds, 1_000_000)
      assert.deepInclude(last.failure, { kind: "error", tag: "Refused", fields: { amount: 2 } })
      assert.deepStrictEqual(after.positions, [{ member: undefined, position: 5 }])
    }))

  it.effect("the rate is the mean of the last ten seconds", () =>
    Effect.gen(function*() {
      const running = yield* Consumer.start(Consumer.make("rate").on(Account, { Closed: () => Effect.void }))
      assert.strictEqual((yield* running.status).rate, 0)
      const closeOne = Effect.gen(function*() {
        const { globalPosition } = yield* Account.append("1", Account.events.Closed({}))
        yield* running.waitFor(globalPosition)
        yield* TestClock.adjust("1 second")
      })
      yield* Effect.repeat(closeOne, { times: 19 })
      assert.approximately((yield* running.status).rate, 1, 0.15)
      yield* TestClock.adjust("5 seconds")
      assert.approximately((yield* running.status).rate, 0.5, 0.2)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* running.status).rate, 0)
    }))
})

it.layer(MessageStore.layerMemory)("waiting for a position", (it) => {
  it.effect("Running.waitFor ends with the handler of that message, and not with an earlier one", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const consumer = Consumer.make("here", { concurrency: 2 }).on(Account, {
        Deposited: ({ data }) => Deferred.await(data.amount === 0 ? first : second)
      })
      const running = yield* Consumer.start(consumer)
      yield* deposit("a", 0)
      const { globalPosition } = yield* deposit("b", 1)
      const store = yield* MessageStore.MessageStore
      const elsewhere = yield* store.append("other-1", { type: "X", data: {} })

      const waiting = yield* Effect.forkChild(running.waitFor(globalPosition))
      const waitingElsewhere = yield* Effect.forkChild(running.waitFor(elsewhere.globalPosition))
      yield* Deferred.succeed(second, undefined)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(waiting.pollUnsafe(), "the message before it is still in hand")
      yield* Deferred.succeed(first, undefined)
      yield* Fiber.join(waiting)
      yield* Fiber.join(waitingElsewhere)
    }))

  it.effect("Running.waitFor fails with the consumer", () =>
    Effect.gen(function*() {
      const consumer = Consumer.make("failing", { retry: Schedule.recurs(0), start: "end" }).on(Account, {
        Deposited: ({ data }) => new Refused({ amount: data.amount })
      })
      const running = yield* startActive(consumer)
      const { globalPosition } = yield* deposit("a", 7)
      assert.deepStrictEqual(yield* Effect.flip(running.waitFor(globalPosition)), new Refused({ amount: 7 }))
      assert.deepStrictEqual(yield* Effect.flip(running.await), new Refused({ amount: 7 }))
      assert.strictEqual((yield* running.status).isActive, false)
    }))

  it.effect("a consumer that waits for its lease learns from the positions what the holder has done", () =>
    Effect.gen(function*() {
      const consumer = Consumer.make("turns", { start: "end" }).on(Account, { Deposited: () => Effect.void })
      yield* startActive(consumer)
      const second = yield* Consumer.start(consumer)
      const { globalPosition } = yield* deposit("a", 1)
      const waiting = yield* Effect.forkChild(second.waitFor(globalPosition))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(waiting)
      assert.strictEqual((yield* second.status).isActive, false)
    }))

  it.effect("Consumer.waitFor ends when the position is written, for all members of a group", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const define = (members: ReadonlyArray<number>) =>
        Consumer.make("group", { group: { size: 2, members }, concurrency: 4, start: "end" }).on(Account, {
          Deposited: () => members.includes(1) ? Deferred.await(gate) : Effect.void
        })
      yield* startActive(define([0]))
      yield* startActive(define([1]))
      const written = yield* Effect.forEach(["a", "b", "c", "d", "e", "f"], (id) => deposit(id, 1))
      const last = Math.max(...written.map(({ globalPosition }) => globalPosition))
      const waiting = yield* Effect.forkChild(Consumer.waitFor(define([0]), last))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(waiting.pollUnsafe(), "member 1 has not handled its messages")
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(waiting)))
    }))
})

const sizes = (id: string, members: ReadonlyArray<number>) =>
  Effect.gen(function*() {
    const positions = yield* PositionStore.PositionStore
    return yield* Effect.forEach(members, (member) =>
      Effect.map(positions.get({ category: "account", consumerId: id, member }), Option.getOrUndefined))
  })

const group = (
  size: number,
  members: ReadonlyArray<number>,
  handled: (id: string) => Effect.Effect<unknown, Refused>
) =>
  Consumer.make("test", { group: { size, members }, retry: Schedule.recurs(0) }).on(Account, {
    Deposited: ({ recorded }) => handled(recorded.id)
  })

it.layer(Layer.merge(MessageStore.layerMemory, PositionStore.layerMemory))("regroup", (it) => {
  it.effect("sets the members of the new size to the first message that any has not handled", () =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 30 }, (_, n) => `${n}`)
      yield* Effect.forEach(ids, (id) => deposit(id, 1))
      const seen = new Set<string>()
      const see = (id: string) => Effect.sync(() => seen.add(id))

      yield* Effect.scoped(Effect.gen(function*() {
        yield* startActive(group(2, [0], see))
        const refused = yield* Effect.flip(Consumer.regroup(group(2, [0], see), 3))
        assert(refused instanceof Consumer.ConsumerIsRunning)
        assert.deepStrictEqual(refused.member, Option.some(0))
        yield* TestClock.adjust("2 seconds")
      }))
      const handledByFirst = seen.size
      assert.isAbove(handledByFirst, 0)

      // Member 1 has handled up to its third message.
      let left = 3
      const third = yield* Effect.flip(
        Consumer.run(group(2, [1], (id) => left-- > 0 ? see(id) : new Refused({ amount: 0 })))
      )
      assert.instanceOf(third, Refused)
      assert.strictEqual(seen.size, handledByFirst + 3)

      assert.instanceOf(yield* Effect.flip(Consumer.run(group(3, [0], see))), Consumer.GroupSizeChanged)
      const position = yield* Consumer.regroup(group(3, [0], see), 3)
      assert.deepStrictEqual(
        yield* sizes("test", [0, 1, 2]),
        [0, 1, 2].map(() => ({ position, groupSize: 3 }))
      )
      assert.isAbove(position, 3)
      const all = yield* Consumer.start(group(3, [0, 1, 2], see))
      yield* all.waitFor(30)
      assert.strictEqual(seen.size, 30, "none is missed")
      assert.strictEqual((yield* all.status).handled, 30 - position)
    }).pipe(Effect.scoped))

  it.effect("a consumer without a group gets one at its position, and one that has never run begins at its start", () =>
    Effect.gen(function*() {
      const last = yield* deposit("x", 1)
      const single = Consumer.make("single").on(Account, { Deposited: () => Effect.void })
      yield* Effect.scoped(Effect.flatMap(Consumer.start(single), ({ waitFor }) => waitFor(last.globalPosition)))
      assert.strictEqual(yield* Consumer.regroup(single, 2), last.globalPosition)
      const members = [0, 1].map(() => ({ position: last.globalPosition, groupSize: 2 }))
      assert.deepStrictEqual(yield* sizes("single", [0, 1]), members)
      const fresh = Consumer.make("fresh", { start: { position: 10 } }).on(Account, {})
      assert.strictEqual(yield* Consumer.regroup(fresh, 2), 9)
    }))

  it.effect("refuses a size below 1", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Consumer.regroup(Consumer.make("zero").on(Account, {}), 0))
      assert.strictEqual(error._tag, "InvalidArgument")
    }))
})
