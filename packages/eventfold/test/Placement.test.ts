import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Latch, Layer, Option, Queue, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, Entity, MessageStore, Placement, Process, ReadModel, Runners } from "eventfold"
import { balances, isExact } from "./support/readModels.ts"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (id: string, amount: number) =>
  Effect.map(Account.append(id, Account.events.Deposited({ amount })), ({ globalPosition }) => globalPosition)

const size = 6

const members = Array.from({ length: size }, (_, member) => member)

const halves = (_reader: string, part: number): string => part < 3 ? "a" : "b"

/** Machines of a test: who runs what is said by hand. */
const machines = () => {
  let owner = halves
  const latch = Latch.makeUnsafe()
  let version = {}
  const views = new Map<string, Placement.View & { readonly of: object }>()
  const viewOf = (machine: string) => {
    const known = views.get(machine)
    if (known?.of === version) return known
    const view = {
      of: version,
      here: (reader: string, parts: number) =>
        Array.from({ length: parts }, (_, part) => part).filter((part) => owner(reader, part) === machine)
    }
    views.set(machine, view)
    return view
  }
  const layer = (machine: string) =>
    Layer.succeed(
      Placement.Placement,
      Option.some({
        view: () => viewOf(machine),
        changedFrom: (view: Placement.View) =>
          Effect.whileLoop({ while: () => viewOf(machine) === view, body: () => latch.await, step: () => {} })
      })
    )
  const place = (next: typeof owner) =>
    Effect.suspend(() => {
      owner = next
      version = {}
      return latch.release
    })
  return { layer, place }
}

/** A program of a consumer on a machine. */
const launch = (consumer: Consumer.Consumer<unknown, never>, placed: Layer.Layer<never>) =>
  Effect.provide(Consumer.start(consumer), placed)

/** A consumer that tells which machine handled what. */
const telling = (machine: string, told: Array<string>, options: Consumer.Options = {}) =>
  Consumer.make("test", { group: { size, members }, ...options }).on(Account, {
    Deposited: ({ data, id }) => Effect.sync(() => told.push(`${machine} ${id} ${data.amount}`))
  })

const ids = Array.from({ length: 24 }, (_, i) => `${i}`)

const positionsOf = (running: Consumer.Running<unknown>) =>
  Effect.map(running.status, ({ positions }) => positions.map(({ member }) => member))

it.layer(MessageStore.layerMemory)("members of a group", (it) => {
  it.effect("run where they are placed, and move without a message twice, missing or out of order", () =>
    Effect.gen(function*() {
      const { layer, place } = machines()
      const told: Array<string> = []
      yield* Effect.forEach(ids, (id) => deposit(id, 1))
      const a = yield* launch(telling("a", told), layer("a"))
      const b = yield* launch(telling("b", told), layer("b"))
      const last = yield* deposit("0", 2)
      yield* Effect.all([a.waitFor(last), b.waitFor(last)], { concurrency: 2 })
      assert.deepStrictEqual(yield* positionsOf(a), [0, 1, 2])
      assert.deepStrictEqual(yield* positionsOf(b), [3, 4, 5])

      // One moves away from each.
      yield* place((_, part) => part === 2 ? "b" : part === 3 ? "a" : part < 3 ? "a" : "b")
      const next = Math.max(...yield* Effect.forEach(ids, (id) => deposit(id, 3)))
      yield* Effect.all([a.waitFor(next), b.waitFor(next)], { concurrency: 2 })
      assert.deepStrictEqual(yield* positionsOf(a), [0, 1, 3])
      assert.deepStrictEqual(yield* positionsOf(b), [2, 4, 5])

      // One machine is gone: the other one has them all.
      yield* place(() => "b")
      const end = Math.max(...yield* Effect.forEach(ids, (id) => deposit(id, 4)))
      yield* b.waitFor(end)
      assert.deepStrictEqual(yield* positionsOf(a), [])
      assert.deepStrictEqual(yield* positionsOf(b), members)
      assert.isFalse((yield* a.status).isActive)

      for (const id of ids) {
        const of = told.filter((line) => line.split(" ")[1] === id).map((line) => Number(line.split(" ")[2]))
        assert.deepStrictEqual(of, id === "0" ? [1, 2, 3, 4] : [1, 3, 4])
      }
      assert.strictEqual((yield* a.status).handled + (yield* b.status).handled, told.length)
      // Both are one reader in what is told of them.
      const [runner] = yield* Runners.list
      assert.deepStrictEqual(runner?.runs.map((run) => run.id), ["test", "test"])
    }).pipe(Effect.scoped, TestClock.withLive))

  it.effect("a handler that runs gets its grace, and the member keeps its lease until then", () =>
    Effect.gen(function*() {
      const { layer, place } = machines()
      const gate = yield* Deferred.make<void>()
      const begun = yield* Queue.unbounded<string>()
      const hanging = Consumer.make("hanging", { group: { size, members } }).on(Account, {
        Deposited: ({ id }) => Effect.andThen(Queue.offer(begun, id), Deferred.await(gate))
      })
      yield* Effect.forEach(ids, (id) => deposit(id, 1))
      yield* place(() => "a")
      yield* launch(hanging, layer("a"))
      yield* Queue.take(begun)
      const b = yield* launch(hanging, layer("b"))
      yield* place((_, part) => part < 3 ? "a" : "b")
      // The handlers get their grace, and the lease stays where it is.
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(yield* positionsOf(b), [])
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* positionsOf(b), [3, 4, 5])
      yield* Deferred.succeed(gate, undefined)
    }).pipe(Effect.scoped))

  it.effect("a failure of one ends the consumer with its error", () =>
    Effect.gen(function*() {
      class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}
      const { layer } = machines()
      const failing = Consumer.make("failing", { group: { size, members }, retry: Schedule.recurs(0) }).on(Account, {
        Deposited: () => Effect.fail(new Refused())
      })
      yield* deposit("0", 1)
      const exit = yield* Effect.exit(Effect.provide(Consumer.run(failing), layer("a")))
      assert.deepStrictEqual(exit, Exit.fail(new Refused()))
    }))
})

it.layer(MessageStore.layerMemory)("a consumer without a group", (it) => {
  it.effect("runs in one place, and its successor continues", () =>
    Effect.gen(function*() {
      const { layer, place } = machines()
      yield* place(() => "a")
      const told: Array<string> = []
      const of = (machine: string) => telling(machine, told, { group: undefined })
      yield* deposit("1", 1)
      const a = yield* launch(of("a"), layer("a"))
      const b = yield* launch(of("b"), layer("b"))
      const first = yield* deposit("1", 2)
      yield* a.waitFor(first)
      yield* place(() => "b")
      const second = yield* deposit("1", 3)
      yield* b.waitFor(second)
      assert.deepStrictEqual(told, ["a 1 1", "a 1 2", "b 1 3"])
    }).pipe(Effect.scoped, TestClock.withLive))

  it.effect("waits for the lease of one that is not placed, and takes over from it", () =>
    Effect.gen(function*() {
      const { layer, place } = machines()
      yield* place(() => "b")
      const told: Array<string> = []
      const offering = yield* Effect.forkChild(Consumer.run(telling("offering", told, { group: undefined })))
      yield* Effect.yieldNow
      const b = yield* launch(telling("b", told, { group: undefined }), layer("b"))
      yield* TestClock.adjust("10 seconds")
      assert.isFalse((yield* b.status).isActive)
      yield* Fiber.interrupt(offering)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue((yield* b.status).isActive)
    }).pipe(Effect.scoped))
})

it.layer(Layer.mergeAll(MessageStore.layerMemory, ReadModel.layerMemory))("a read model", (it) => {
  it.effect("runs in one place, and is exact when it moves", () =>
    Effect.gen(function*() {
      const { layer, place } = machines()
      yield* place(() => "a")
      const a = yield* Effect.provide(ReadModel.start(balances()), layer("a"))
      const b = yield* Effect.provide(ReadModel.start(balances()), layer("b"))
      yield* a.waitFor(yield* deposit("1", 1))
      assert.deepStrictEqual([yield* a.status, yield* b.status].map(({ isActive }) => isActive), [true, false])
      yield* place(() => "b")
      yield* b.waitFor(yield* deposit("1", 2))
      assert.deepStrictEqual([yield* a.status, yield* b.status].map(({ isActive }) => isActive), [false, true])
      yield* isExact()
    }).pipe(Effect.scoped, TestClock.withLive))
})

const Reminder = Category.make("reminder", { Reminded: { amount: Schema.Int } })

const Reminders = Entity.make(Reminder, {
  state: Schema.Int,
  initial: 0,
  evolve: { Reminded: (count) => count + 1 }
})

/** Reminds once for each deposit, and says where. */
const reminding = (machine: string, told: Array<string>) =>
  Process.make("reminder", { entity: Reminders }).on(Account, {
    Deposited: (_, { data: { amount } }) => {
      told.push(machine)
      return { events: Reminder.events.Reminded({ amount }) }
    }
  })

it.layer(MessageStore.layerMemory)("a process", (it) => {
  it.effect("reacts once to each message, wherever its consumers are", () =>
    Effect.gen(function*() {
      const { layer, place } = machines()
      yield* place(() => "a")
      const told: Array<string> = []
      const start = (machine: string) => Effect.provide(Process.start(reminding(machine, told)), layer(machine))
      const [a, b] = [yield* start("a"), yield* start("b")]
      yield* a.waitFor(yield* deposit("1", 1))
      yield* place(() => "b")
      yield* b.waitFor(yield* deposit("1", 2))
      assert.deepStrictEqual(told, ["a", "b"])
      assert.strictEqual((yield* Reminders.load("1")).state, 2)
    }).pipe(Effect.scoped, TestClock.withLive))
})
