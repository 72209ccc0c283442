/** What only waits ends at once when it is told to stop; what runs has its grace. The clock stands still while they stop. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  Category,
  Consumer,
  Entity,
  MemoryStore,
  MessageStore,
  Parking,
  PositionStore,
  Process,
  ReadModel,
  StoreError
} from "eventfold"
import { balances, counted, isExact } from "./support/readModels.ts"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (id: string, ...amounts: ReadonlyArray<number>) =>
  Account.append(id, amounts.map((amount) => Account.events.Deposited({ amount })))

class Refused extends Schema.TaggedError<Refused>()("Refused", { amount: Schema.Int }) {}

/** Long pauses, and a grace that would show if the end had to wait for it. */
const pausing = { retry: Schedule.spaced("1 hour"), grace: "1 minute" } as const

/** Lets everything run that does not wait for the clock. */
const settle = Effect.repeat(Effect.yieldNow, { times: 300 })

const memory = Layer.mergeAll(MessageStore.layerMemory, PositionStore.layerMemory, ReadModel.layerMemory)

/** Stops a fiber. Fails unless it ends while the clock stands still. */
const stopsAtOnce = Effect.fnUntraced(function*<A, E>(fiber: Fiber.Fiber<A, E>) {
  yield* Effect.forkChild(Fiber.interrupt(fiber))
  yield* settle
  assert.isDefined(fiber.pollUnsafe(), "it has ended")
})

const positionOf = (key: PositionStore.Key) =>
  Effect.gen(function*() {
    const positions = yield* PositionStore.PositionStore
    return Option.map(yield* positions.get(key), ({ position }) => position)
  })

const position = positionOf({ category: "account", consumerId: "test" })

/** A handler that notes what it handles, and fails for the amounts in `bad`. */
const makeHandler = () => {
  const attempts: Array<number> = []
  const bad = new Set<number>()
  const one = (amount: number) =>
    Effect.suspend(() => {
      attempts.push(amount)
      return bad.has(amount) ? Effect.fail(new Refused({ amount })) : Effect.void
    })
  return { attempts, bad, one }
}

const away = new StoreError.StoreError({ operation: "test", reason: "the store is away", isRetryable: true })

/** The store of the context, whose reads and appends fail while it is away. */
const leaving = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  let isAway = false
  const here = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | StoreError.StoreError, R> => isAway ? Effect.fail(away) : effect)
  const service = MessageStore.MessageStore.of({
    ...store,
    append: (name, messages, options) => here(store.append(name, messages, options)),
    readCategoryPage: (name, options) => here(store.readCategoryPage(name, options)),
    readAllPage: (options) => here(store.readAllPage(options)),
    lease: (name) => here(store.lease(name))
  })
  return { leave: Effect.sync(() => isAway = true), service }
})

it.layer(memory)("a consumer whose handler pauses before its next attempt", (it) => {
  it.effect("ends at once; the message is handled again", () =>
    Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(2)
      yield* deposit("a", 1, 2, 3)
      const consumer = Consumer.make("test", pausing).on(Account, { Deposited: ({ data }) => handler.one(data.amount) })
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      assert.deepStrictEqual(handler.attempts, [1, 2])
      yield* stopsAtOnce(fiber)
      assert.deepStrictEqual(yield* position, Option.some(1))
      handler.bad.clear()
      const again = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      assert.deepStrictEqual(handler.attempts, [1, 2, 2, 3])
      yield* stopsAtOnce(again)
      assert.deepStrictEqual(yield* position, Option.some(3))
    }))

  it.effect("ends at once in batches, and in members of a group", () =>
    Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(20)
      yield* deposit("b", 20)
      const handle = (amounts: ReadonlyArray<{ readonly data: { readonly amount: number } }>) =>
        Effect.forEach(amounts, ({ data }) => handler.one(data.amount))
      const batch = Consumer.batch("batch", { ...pausing, from: Account, handle })
      const group = Consumer.make("group", { ...pausing, group: { size: 2, members: [0, 1] }, concurrency: 2 })
        .on(Account, { Deposited: ({ data }) => handler.one(data.amount) })
      const fibers = [
        yield* Effect.forkChild(Consumer.run(batch)),
        yield* Effect.forkChild(Consumer.run(group))
      ]
      yield* settle
      for (const fiber of fibers) yield* stopsAtOnce(fiber)
      assert.lengthOf(handler.attempts.filter((amount) => amount === 20), 2)
      assert.deepStrictEqual(yield* positionOf({ category: "account", consumerId: "batch" }), Option.none())
    }))
})

it.layer(memory)("handlers beside one that pauses", (it) => {
  it.effect("have their grace; what the pausing one has not done stays undone", () =>
    Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(2)
      const ended: Array<number> = []
      yield* deposit("a", 1)
      yield* deposit("b", 2)
      yield* deposit("c", 3)
      yield* deposit("c", 4)
      const consumer = Consumer.make("test", { ...pausing, concurrency: 3 }).on(Account, {
        Deposited: ({ data: { amount } }) =>
          handler.one(amount).pipe(
            Effect.andThen(amount === 3 ? Effect.sleep("2 seconds") : Effect.void),
            Effect.andThen(Effect.sync(() => ended.push(amount)))
          )
      })
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.isDefined(fiber.pollUnsafe())
      assert.deepStrictEqual([ended, handler.attempts], [[1, 3], [1, 2, 3]])
      assert.deepStrictEqual(yield* position, Option.some(1))
      handler.bad.clear()
      const again = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.deepStrictEqual(ended.toSorted(), [1, 2, 3, 3, 4])
      yield* stopsAtOnce(again)
    }))
})

it.layer(memory)("a handler that fails while its consumer stops", (it) => {
  it.effect("is not run again, and neither are the messages of its batch by themselves", () =>
    Effect.gen(function*() {
      const attempts: Array<ReadonlyArray<number>> = []
      const failing = (amounts: ReadonlyArray<number>) =>
        Effect.sync(() => attempts.push(amounts)).pipe(
          Effect.andThen(Effect.sleep("1 second")),
          Effect.andThen(new Refused({ amount: amounts[0] ?? 0 }))
        )
      yield* deposit("a", 1, 2)
      const options = { ...pausing, onFailure: "skip" } as const
      const consumers = [
        Consumer.make("test", options).on(Account, { Deposited: ({ data }) => failing([data.amount]) }),
        Consumer.batch("batch", {
          ...options,
          retry: Schedule.recurs(0),
          from: Account,
          handle: (events) => failing(events.map(({ data }) => data.amount))
        })
      ]
      const fibers = yield* Effect.forEach(consumers, (consumer) => Effect.forkChild(Consumer.run(consumer)))
      yield* settle
      for (const fiber of fibers) yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("999 millis")
      for (const fiber of fibers) assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* settle
      for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe())
      assert.deepStrictEqual(attempts.toSorted((a, b) => a.length - b.length), [[1], [1, 2]])
      assert.deepStrictEqual(yield* position, Option.none())
    }))
})

it.layer(memory)("a store that is away", (it) => {
  it.effect("does not delay the end of a consumer, of a read model, of a rebuild, or of those that wait for their leases", () =>
    Effect.gen(function*() {
      const { leave, service } = yield* leaving
      const onIt = Effect.provideService(MessageStore.MessageStore, service)
      const consumer = Consumer.make("test", pausing).on(Account, { Deposited: () => Effect.void })
      const running = [
        yield* Effect.forkChild(onIt(Consumer.run(consumer))),
        yield* Effect.forkChild(onIt(Consumer.run(Consumer.make("all", pausing).on(Consumer.all, () => Effect.void)))),
        yield* Effect.forkChild(onIt(Effect.orDie(ReadModel.run(balances(pausing)))))
      ]
      yield* settle
      yield* leave
      yield* TestClock.adjust("20 seconds")
      const late = Consumer.make("late", pausing).on(Account, { Deposited: () => Effect.void })
      const model = ReadModel.make("late", { version: 1 }).on(Account, { Deposited: () => Effect.void })
      const waiting = [
        yield* Effect.forkChild(onIt(Consumer.run(late))),
        yield* Effect.forkChild(onIt(Effect.orDie(ReadModel.run(model))))
      ]
      yield* settle
      for (const fiber of [...running, ...waiting]) {
        assert.isUndefined(fiber.pollUnsafe())
        yield* stopsAtOnce(fiber)
      }
    }))

  it.effect("does not delay the end of those whose leases another process holds", () =>
    Effect.gen(function*() {
      const consumer = Consumer.make("held", pausing).on(Account, { Deposited: () => Effect.void })
      const [holder, waiting] = [
        yield* Effect.forkChild(Consumer.run(consumer)),
        yield* Effect.forkChild(Consumer.run(consumer))
      ]
      const model = balances(pausing)
      const [first, second] = [
        yield* Effect.forkChild(ReadModel.run(model)),
        yield* Effect.forkChild(ReadModel.run(model))
      ]
      yield* settle
      for (const fiber of [waiting, holder]) yield* stopsAtOnce(fiber)
      for (const fiber of [second, first]) yield* stopsAtOnce(fiber)
    }))
})

it.layer(memory)("parking", (it) => {
  const owner = { id: "test", category: "account" }

  it.effect("a replay that pauses ends at once, and the message stays parked", () =>
    Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(1)
      yield* deposit("a", 1)
      const make = (retry: Schedule.Schedule<unknown>) =>
        Consumer.make("test", { ...pausing, retry, onFailure: "park" }).on(Account, {
          Deposited: ({ data }) => handler.one(data.amount)
        })
      const parking = yield* Effect.forkChild(Consumer.run(make(Schedule.recurs(0))))
      yield* settle
      yield* stopsAtOnce(parking)
      yield* Parking.replay(owner)
      const fiber = yield* Effect.forkChild(Consumer.run(make(pausing.retry)))
      yield* settle
      assert.deepStrictEqual(handler.attempts, [1, 1])
      yield* stopsAtOnce(fiber)
      const [stream] = yield* Stream.runCollect(Parking.list(owner))
      assert.lengthOf(stream?.messages ?? [], 1)
    }))

  it.effect("a message that can't be parked while the store is away is left to the next run", () =>
    Effect.gen(function*() {
      const { leave, service } = yield* leaving
      const consumer = Consumer.make("other", { ...pausing, retry: Schedule.recurs(0), onFailure: "park" }).on(
        Account,
        {
          Deposited: ({ data }) => Effect.andThen(leave, new Refused(data))
        }
      )
      yield* deposit("b", 1)
      const fiber = yield* Effect.forkChild(
        Effect.provideService(Consumer.run(consumer), MessageStore.MessageStore, service)
      )
      yield* TestClock.adjust("20 seconds")
      yield* stopsAtOnce(fiber)
      assert.deepStrictEqual(yield* positionOf({ category: "account", consumerId: "other" }), Option.none())
    }))
})

it.layer(memory)("a read model", (it) => {
  it.effect("that pauses before its next attempt ends at once, and resumes with that message", () =>
    Effect.gen(function*() {
      let isBad = true
      const handling = balances(pausing)
      const model: typeof handling = {
        ...handling,
        handle: (messages) => isBad ? Effect.die(new Refused({ amount: 1 })) : handling.handle(messages)
      }
      const failing = ReadModel.make("balances", { version: 1, fingerprint: "by 1", ...pausing }).on(Account, {
        Deposited: ({ data }) => isBad ? new Refused(data) : Effect.void
      })
      yield* deposit("a", 1, 2)
      const fiber = yield* Effect.forkChild(ReadModel.run(failing))
      yield* settle
      yield* stopsAtOnce(fiber)
      assert.deepStrictEqual(yield* counted, {})
      isBad = false
      const again = yield* Effect.forkChild(ReadModel.run(model))
      yield* settle
      yield* isExact()
      yield* stopsAtOnce(again)
    }))

  it.effect("whose handler fails while it stops is not tried again", () =>
    Effect.gen(function*() {
      let attempts = 0
      const slow = ReadModel.make("slow", { version: 1, ...pausing, onFailure: "skip" }).on(Account, {
        Deposited: ({ data }) =>
          Effect.sync(() => attempts += 1).pipe(
            Effect.andThen(Effect.sleep("1 second")),
            Effect.andThen(new Refused(data))
          )
      })
      const fiber = yield* Effect.forkChild(ReadModel.run(slow))
      yield* settle
      yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.isDefined(fiber.pollUnsafe())
      assert.strictEqual(attempts, 1)
    }))

  it.effect("that is rebuilt ends at once in its pauses, and in those of its throttle", () =>
    Effect.gen(function*() {
      let isBad = false
      const model = ReadModel.make("rebuilt", { version: 1, ...pausing }).on(Account, {
        Deposited: ({ data }) => isBad ? new Refused(data) : Effect.void
      })
      yield* deposit("b", 3, 4, 5)
      yield* Stream.runDrain(ReadModel.rebuild(model))
      const throttled = yield* Effect.forkChild(Stream.runDrain(ReadModel.rebuild(model, { throttle: 0.001 })))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(throttled.pollUnsafe())
      yield* stopsAtOnce(throttled)
      isBad = true
      const fiber = yield* Effect.forkChild(Stream.runDrain(ReadModel.rebuild(model)))
      yield* settle
      assert.isUndefined(fiber.pollUnsafe())
      yield* stopsAtOnce(fiber)
    }))
})

it.layer(memory)("a process", (it) => {
  const Order = Category.make("order", { Placed: {} })
  const Delivery = Category.make("delivery", { Begun: {} })
  const State = Entity.make(Delivery, { state: Schema.Int, initial: 0, evolve: { Begun: (count) => count + 1 } })

  it.effect("that pauses before its next reaction, or waits for a deadline, ends at once", () =>
    Effect.gen(function*() {
      let [attempts, passed] = [0, 0]
      const process = Process.make("delivery", { entity: State, ...pausing })
        .deadline("late", (count) => {
          passed += 1
          return new Refused({ amount: count })
        })
        .on(Order, {
          Placed: Effect.fnUntraced(function*(count) {
            attempts += 1
            if (attempts > 1) return yield* new Refused({ amount: count })
            return { events: Delivery.events.Begun({}), deadlines: { late: "1 minute" } }
          })
        })
      yield* Order.append("1", [Order.events.Placed({})])
      const first = yield* Effect.forkChild(Process.run(process))
      yield* settle
      assert.strictEqual(attempts, 1)
      yield* stopsAtOnce(first)

      yield* Order.append("2", [Order.events.Placed({})])
      const second = yield* Effect.forkChild(Process.run(process))
      yield* settle
      assert.strictEqual(attempts, 2)
      yield* stopsAtOnce(second)

      const third = yield* Effect.forkChild(Process.run(process))
      yield* TestClock.adjust("1 minute")
      yield* settle
      assert.deepStrictEqual([attempts, passed], [3, 1])
      yield* stopsAtOnce(third)
    }))
})

it.effect("a consumer that is woken in the moment in which it stops begins nothing more", () =>
  Effect.gen(function*() {
    const store = yield* MessageStore.make(yield* MemoryStore.make)
    const seen: Array<number> = []
    yield* Effect.gen(function*() {
      const consumer = Consumer.make("test", pausing).on(Account, {
        Deposited: ({ data }) => Effect.sync(() => seen.push(data.amount))
      })
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* stopsAtOnce(fiber)
      yield* deposit("a", 1)
      yield* settle
      assert.deepStrictEqual(seen, [])
    }).pipe(Effect.provideService(MessageStore.MessageStore, store), Effect.provide(PositionStore.layerMemory))
  }))
