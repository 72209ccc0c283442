import { assert, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Option, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Consumer, MessageStore, ReadModel } from "eventfold"
import { logged, storeOver } from "./support/account.ts"
import {
  Account,
  add,
  balances,
  caughtUp,
  counted,
  deposit,
  eventually,
  folded,
  inMemory,
  isExact
} from "./support/readModels.ts"

const drain = <E, R>(model: ReadModel.ReadModel<E, R>, options?: ReadModel.BuildOptions) =>
  Stream.runDrain(ReadModel.rebuild(model, options))

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const define = (name: string, options: Partial<ReadModel.Options> = {}) =>
  ReadModel.make(name, { version: 1, ...options }).on("account", () => Effect.void)

/** The message of the error that refuses a read model. */
const message = (model: ReadModel.ReadModel<never, never>) =>
  Effect.map(Effect.flip(ReadModel.start(model)), (error) => error.message)

/** The fingerprint of a definition with these sources. */
const print = (define: (model: ReadModel.Definition<never, never>) => ReadModel.ReadModel<unknown, unknown>) =>
  define(ReadModel.make("a", { version: 1, tables: ["CREATE TABLE a (b int)"] })).fingerprint

const named = (text: string) => ReadModel.make("a", { version: 1, fingerprint: text })

it.layer(inMemory)("definitions", (it) => {
  it.effect("an invalid definition is refused, with what would be valid", () =>
    Effect.gen(function*() {
      for (const name of ["", "Orders", "1st", "a-b", `a${"b".repeat(50)}`]) {
        assert.include(
          yield* message(define(name)),
          "must be 1 to 50 lower-case letters, digits and _, starting with a letter"
        )
      }
      assert.include(yield* message(define("a", { version: 0 })), "version is 0, and must be an integer of at least 1")
      assert.include(yield* message(define("a", { atOnce: 0 })), "atOnce is 0")
      assert.include(yield* message(define("a", { batchSize: 0.5 })), "batchSize is 0.5")
      assert.include(yield* message(define("a", { build: { throttle: 0 } })), "throttle is 0")
      assert.include(
        yield* message(define("a", { timeout: 0 })),
        "timeout is 0, and must be a duration longer than zero"
      )
      assert.include(yield* message(define("a").on("account", () => Effect.void)), "sources is account")
      assert.include(yield* message(define("a").on(ReadModel.all, () => Effect.void)), "nothing beside it")
      assert.include(yield* message(ReadModel.make("a", { version: 1 })), "sources is none")
      const tables = yield* Effect.flip(ReadModel.run(define("a", { tables: ["CREATE TABLE a ()"] })))
      assert.include(tables.message, "MemoryTable")
    }))

  it.effect("the fingerprint depends on sources, types, tables and handlers, and not on layout or order", () =>
    Effect.sync(() => {
      const one = print((model) => model.on("a", { A: () => Effect.void }).on("b", () => Effect.void))
      assert.strictEqual(
        one,
        print((model) =>
          model.on("b", () => Effect.void)
            .on("a", {
              // dprint-ignore
              A: ()   =>
                Effect.void
            })
        )
      )
      const others = [
        print((model) => model.on("a", { A: () => Effect.void }).on("c", () => Effect.void)),
        print((model) => model.on("a", { B: () => Effect.void }).on("b", () => Effect.void)),
        print((model) => model.on("a", { A: () => Effect.never }).on("b", () => Effect.void)),
        ReadModel.make("a", { version: 1 }).on("a", { A: () => Effect.void }).on("b", () => Effect.void).fingerprint
      ]
      assert.lengthOf(new Set([one, ...others]), 5)
      assert.strictEqual(
        named("x").on("a", () => Effect.void).fingerprint,
        named("x").on("a", () => Effect.never).fingerprint
      )
      assert.notStrictEqual(named("x").fingerprint, named("y").fingerprint)
    }))
})

it.layer(inMemory)("running", (it) => {
  it.effect("in the process of the runner, waitFor completes with the transaction", () =>
    Effect.gen(function*() {
      const running = yield* ReadModel.start(balances({ poll: { min: "1 hour", max: "1 hour" } }))
      for (const amount of [1, 2, 3]) {
        const { globalPosition } = yield* deposit("1", amount)
        // No virtual time passes.
        yield* running.waitFor(globalPosition)
        yield* ReadModel.waitFor(balances(), globalPosition)
        yield* isExact()
      }
      const { handled, isActive, positions } = yield* running.status
      assert.deepStrictEqual({ handled, isActive, positions: positions.length }, {
        handled: 3,
        isActive: true,
        positions: 1
      })
      // A message that no handler takes does not delay it.
      const { globalPosition } = yield* Account.append("1", Account.events.Closed({}))
      yield* ReadModel.waitFor(balances(), globalPosition)
    }))

  it.effect("a failure is the error of waitFor, and ends a program", () =>
    Effect.gen(function*() {
      const failing = ReadModel.make("failing", { version: 1, retry: Schedule.recurs(0) })
        .on(Account, { Deposited: () => new Refused() })
      const running = yield* ReadModel.start(failing)
      const { globalPosition } = yield* deposit("1", 1)
      assert.instanceOf(yield* Effect.flip(running.waitFor(globalPosition)), Refused)
      const program = Layer.mergeAll(ReadModel.layer(failing), ReadModel.layer(balances()))
      assert.instanceOf(yield* Effect.flip(Consumer.launch(program)), Refused)
      const others = Consumer.launch(Layer.mergeAll(
        ReadModel.layer(failing, { onStop: "ignore" }),
        ReadModel.layer(balances())
      ))
      const fiber = yield* Effect.forkChild(others)
      yield* deposit("9", 1)
      yield* caughtUp()
      yield* isExact()
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(logged().layer)))

  it.effect("a transaction may end within the grace when the read model is stopped", () =>
    Effect.gen(function*() {
      let begun = false
      const slow = ReadModel.make("slow", { version: 1, grace: "10 seconds" }).on("slow", () =>
        Effect.andThen(Effect.sync(() => begun = true), Effect.sleep("5 seconds")))
      const store = yield* MessageStore.MessageStore
      const { globalPosition } = yield* store.append("slow-1", { type: "A", data: {} })
      const fiber = yield* Effect.forkChild(ReadModel.run(slow))
      yield* eventually(Effect.sync(() =>
        begun
      ))
      const stopped = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(stopped)
      const { live } = yield* ReadModel.status(slow)
      assert.strictEqual(Option.getOrThrow(live).checkpoint.position, globalPosition)
    }))
})

it.effect("one that is held back counts what it may not read yet, as old as what holds it back", () => {
  const writer = {
    pid: 7,
    preparedAs: undefined,
    state: "idle in transaction",
    since: undefined,
    age: Duration.minutes(7),
    applicationName: undefined,
    user: undefined,
    clientAddress: undefined,
    query: undefined
  }
  let isHeld = true
  const held = Layer.effect(
    MessageStore.MessageStore,
    Effect.map(MessageStore.MessageStore, (store) => ({
      ...store,
      readAllPage: (options) =>
        isHeld
          ? Effect.succeed({
            messages: [],
            through: 1,
            hasMore: false,
            heldBack: Option.some({ position: 2, writers: [writer] })
          })
          : store.readAllPage(options)
    }))
  ).pipe(Layer.provide(MessageStore.layerMemory))
  const model = ReadModel.make("held", { version: 1 }).on("account", () => Effect.void).on("other", () => Effect.void)
  const lag = Effect.map(ReadModel.status(model), ({ live }) => Option.map(live, ({ lag }) => lag))
  return Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    isHeld = false
    yield* store.append("account-1", { type: "A", data: {} })
    const fiber = yield* Effect.forkChild(ReadModel.run(model))
    yield* eventually(Effect.map(lag, Option.isSome))
    yield* Fiber.interrupt(fiber)
    isHeld = true
    assert.deepStrictEqual(yield* lag, Option.some({ messages: 0, age: Duration.zero }))
    yield* store.append("ignored-1", { type: "A", data: {} })
    yield* store.append("account-2", { type: "A", data: {} })
    yield* store.append("other-2", { type: "A", data: {} })
    assert.deepStrictEqual(yield* lag, Option.some({ messages: 2, age: Duration.minutes(7) }))
  }).pipe(Effect.provide(Layer.provideMerge(ReadModel.layerMemory, held)))
})

it.layer(inMemory)("versions", (it) => {
  it.effect("an older version stands by, logs that once, and resumes when it is live again", () =>
    Effect.gen(function*() {
      const { layer, lines } = logged()
      yield* deposit("1", 1)
      const newer = yield* Effect.forkChild(ReadModel.run(balances({ version: 2 }, 10)))
      yield* caughtUp(balances({ version: 2 }, 10))
      yield* Fiber.interrupt(newer)
      const older = yield* ReadModel.start(balances()).pipe(Effect.provide(layer))
      yield* deposit("1", 1)
      yield* TestClock.adjust("1 minute")
      assert.isFalse((yield* older.status).isActive)
      assert.lengthOf(lines.filter((line) => line.includes("a newer version")), 1)
      assert.deepStrictEqual(yield* counted, { "account-1": 10 })
      const rebuilt = yield* Effect.forkChild(drain(balances()))
      yield* eventually(Effect.sync(() => rebuilt.pollUnsafe() !== undefined))
      assert.deepStrictEqual(yield* Fiber.await(rebuilt), Exit.void)
      yield* eventually(Effect.map(older.status, ({ isActive }) => isActive))
      yield* caughtUp()
      yield* isExact()
    }))
})

it.effect("a page that several read models and a consumer want at the same moment is read once", () => {
  let reads = 0
  const layer = storeOver((backend) => ({
    readCategory: (page) =>
      Effect.tap(backend.readCategory(page), () => Effect.sync(() => reads += page.limit === 1_024 ? 1 : 0))
  }))
  return Effect.gen(function*() {
    const seen = { a: 0, b: 0, c: 0, consumer: 0 }
    const count = (name: keyof typeof seen) => Effect.sync(() => seen[name] += 1)
    for (const name of ["a", "b", "c"] as const) {
      yield* ReadModel.start(
        ReadModel.make(name, { version: 1 }).on(Account, { Deposited: () => count(name) })
      )
    }
    yield* Consumer.start(Consumer.make("consumer").on(Account, { Deposited: () => count("consumer") }))
    const all = (n: number) => eventually(Effect.sync(() => Object.values(seen).every((each) => each === n)))
    yield* deposit("1", 1)
    yield* all(1)
    reads = 0
    for (const n of [2, 3, 4]) {
      yield* deposit("1", 1)
      yield* all(n)
    }
    assert.isAtMost(reads, 6)
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(layer, ReadModel.layerMemory)))
})

class Mail extends Context.Service<Mail, { readonly send: (text: string) => Effect.Effect<void> }>()("test/Mail") {}

it.layer(inMemory)("side effects", (it) => {
  it.effect("have the services of the handler, and do not run in a rebuild unless it says so", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const model = ReadModel.make("balances", { version: 1 }).on(Account, {
        Deposited: (event) =>
          Effect.andThen(
            add(event),
            ReadModel.sideEffect(Effect.flatMap(Mail, (mail) => mail.send(String(event.data.amount))))
          ).pipe(Effect.provideService(Mail, { send: (text) => Effect.sync(() => sent.push(text)) }))
      })
      yield* deposit("1", 1)
      const fiber = yield* Effect.forkChild(ReadModel.run(model))
      yield* caughtUp(model)
      yield* deposit("1", 2)
      yield* caughtUp(model)
      yield* eventually(Effect.sync(() => sent.length > 0))
      assert.deepStrictEqual(sent, ["2"])
      yield* Fiber.interrupt(fiber)
      yield* drain(model)
      assert.deepStrictEqual(sent, ["2"])
      yield* drain(model, { sideEffects: true })
      assert.deepStrictEqual(sent, ["2", "1", "2"])
      yield* isExact()
      assert.deepStrictEqual(yield* folded(), { "account-1": 3 })
    }))
})
