import { assert, it } from "@effect/vitest"
import { Array as Arr, Duration, Effect, Fiber, Layer, Option, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { MemoryStore, MessageStore, ReadModel } from "eventfold"
import { logged } from "./support/account.ts"
import {
  Account,
  add,
  balances,
  caughtUp,
  counted,
  deposit,
  eventually,
  inMemory,
  isExact,
  replaceable
} from "./support/readModels.ts"

it.layer(inMemory)("rebuilding", (it) => {
  it.effect("keeps to its throttle, and reports its rate and the time that remains", () =>
    Effect.gen(function*() {
      for (const amount of Arr.range(1, 60)) yield* deposit("1", amount)
      yield* Stream.runDrain(ReadModel.rebuild(balances()))
      const progress: Array<ReadModel.Progress> = []
      const fiber = yield* Effect.forkChild(Stream.runForEach(
        ReadModel.rebuild(balances(), { throttle: 5 }),
        (one) => Effect.sync(() => progress.push(one))
      ))
      yield* TestClock.adjust("50 millis")
      for (let second = 0; second < 4; second++) yield* TestClock.adjust("1 second")
      const middle = progress.at(-1)
      assert.isAtLeast(middle?.handled ?? 0, 20)
      assert.isAtMost(middle?.handled ?? 0, 25)
      assert.strictEqual(middle?.of, 60)
      assert.isAtLeast(middle?.rate ?? 0, 4)
      assert.isAtMost(middle?.rate ?? 0, 7)
      const remaining = Duration.toSeconds(Option.getOrThrow(middle?.remaining ?? Option.none()))
      assert.isAtLeast(remaining, 5)
      assert.isAtMost(remaining, 10)
      yield* eventually(Effect.sync(() => fiber.pollUnsafe() !== undefined))
      assert.strictEqual(progress.at(-1)?.phase, "switched")
      assert.deepStrictEqual(progress.at(-1)?.remaining, Option.some(Duration.zero))
      yield* isExact()
    }))
})

it.effect("a store that was restored from an older backup is refused, until the read model is rewound", () =>
  Effect.gen(function*() {
    const { layer, replaceBy } = yield* replaceable
    const copy = Effect.fnUntraced(function*(messages: number) {
      const from = yield* MessageStore.MessageStore
      const backend = yield* MemoryStore.make
      const to = yield* MessageStore.make(backend)
      yield* Stream.runForEach(
        from.readAll({ limit: messages }),
        ({ data, id, streamName, type }) => to.append(streamName, { id, data, type })
      )
      return backend
    })
    yield* Effect.gen(function*() {
      for (const amount of [1, 2, 4, 8, 16]) yield* deposit("1", amount)
      const run = Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(ReadModel.run(balances()))
        yield* caughtUp()
        yield* Fiber.interrupt(fiber)
      })
      yield* run
      const [whole, part] = [yield* copy(5), yield* copy(3)]
      yield* replaceBy(whole)
      yield* deposit("1", 32)
      yield* run
      // The copy has every message that was handled: none is handled again.
      assert.deepStrictEqual(yield* counted, { "account-1": 63 })

      yield* replaceBy(part)
      const error = yield* Effect.flip(ReadModel.run(balances()))
      assert.instanceOf(error, ReadModel.StoreChanged)
      assert.include(error.message, "at global position 6, where the log has no message, and the log ends at 3")
      assert.include(error.message, "ReadModel.rewind")
      const nowhere = yield* Effect.flip(ReadModel.rewind(balances(), 4))
      assert.include(nowhere.message, "position is 4, and must be 0, or the global position of a message")
      yield* ReadModel.rewind(balances(), 3)
      yield* deposit("1", 64)
      yield* run
      assert.deepStrictEqual(yield* counted, { "account-1": 127 })
      // Other messages have the positions of messages that were handled.
      yield* replaceBy(yield* MemoryStore.make)
      for (const amount of [5, 6, 7, 8, 9]) yield* deposit("2", amount)
      assert.include(
        (yield* Effect.flip(ReadModel.run(balances()))).message,
        "at global position 4, where the log has the message"
      )
      // The rebuild ends where the live build was; running it handles the rest.
      yield* Stream.runDrain(ReadModel.rebuild(balances()))
      yield* run
      yield* isExact()
    }).pipe(Effect.provide(Layer.merge(layer, logged().layer)))
  }))

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Every process holds every lease. */
const withoutLeases = Effect.updateService(MessageStore.MessageStore, (store) => ({
  ...store,
  lease: () => Effect.succeedSome({ lost: Effect.never })
}))

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const Step = Schema.Union([
  Schema.TaggedStruct("Append", { account: Schema.Literals(["1", "2"]), count: between(1, 9) }),
  Schema.TaggedStruct("Start", { withLease: Schema.Boolean }),
  Schema.TaggedStruct("Kill", { worker: between(0, 2) }),
  Schema.TaggedStruct("Rebuild", { kill: Schema.Boolean }),
  Schema.TaggedStruct("Fail", { times: between(1, 3) }),
  Schema.TaggedStruct("Pass", { millis: between(0, 3_000) })
])

it.effect.prop("after any kills, failures and rebuilds, the tables are what the log gives", {
  steps: Schema.Array(Step).check(Schema.isMinLength(3), Schema.isMaxLength(14)),
  batchSize: between(1, 6),
  atOnce: between(1, 4)
}, ({ atOnce, batchSize, steps }) =>
  Effect.gen(function*() {
    let failures = 0
    let amount = 0
    const options = { version: 1, batchSize, atOnce, fingerprint: "", retry: Schedule.recurs(1), grace: 0 }
    const model = ReadModel.make("balances", options).on(Account, {
      Deposited: (event) =>
        Effect.andThen(
          Effect.andThen(add(event), Effect.yieldNow),
          Effect.suspend(() => failures-- > 0 ? new Refused() : Effect.void)
        )
    })
    const run = ReadModel.run(model).pipe(Effect.retry({ while: (error) => error instanceof Refused }))
    const workers: Array<Fiber.Fiber<never, unknown>> = []
    for (const step of steps) {
      switch (step._tag) {
        case "Append":
          for (let i = 0; i < step.count; i++) yield* deposit(step.account, 1 << (amount++ % 20))
          break
        case "Start":
          workers.push(yield* Effect.forkChild(step.withLease ? run : withoutLeases(run)))
          break
        case "Kill": {
          const [worker] = workers.splice(step.worker, 1)
          if (worker !== undefined) yield* Fiber.interrupt(worker)
          break
        }
        case "Rebuild": {
          const fiber = yield* Effect.forkChild(Stream.runDrain(ReadModel.rebuild(model)))
          if (!step.kill) yield* eventually(Effect.sync(() => fiber.pollUnsafe() !== undefined))
          else yield* TestClock.adjust("10 millis")
          yield* Fiber.interrupt(fiber)
          break
        }
        case "Fail":
          failures = step.times
          break
        case "Pass":
          yield* TestClock.adjust(step.millis)
      }
    }
    failures = 0
    yield* Fiber.interruptAll(workers)
    yield* ReadModel.start(model)
    yield* deposit("1", 1)
    yield* caughtUp(model)
    yield* isExact()
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(inMemory, logged().layer))), {
  arbitrary: { runs: 25 }
})
