import { assert, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Queue, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, MessageStore, PositionStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (id: string, amount: number) => Account.append(id, Account.events.Deposited({ amount }))

const positionOf = (consumerId: string) =>
  Effect.gen(function*() {
    const positions = yield* PositionStore.PositionStore
    return Option.map(yield* positions.get({ category: "account", consumerId }), ({ position }) => position)
  })

class Refused extends Schema.TaggedError<Refused>()("Refused", { consumer: Schema.String }) {}

const hanging = (id: string, begun: Queue.Queue<string>, gate: Deferred.Deferred<void>) =>
  Consumer.make(id).on(Account, { Deposited: () => Effect.andThen(Queue.offer(begun, id), Deferred.await(gate)) })

const failing = (id: string) =>
  Consumer.make(id, { retry: Schedule.recurs(0) }).on(Account, { Deposited: () => new Refused({ consumer: id }) })

it.layer(MessageStore.layerMemory)("stopping", (it) => {
  it.effect("takes no more messages, finishes those in flight, writes the position, and then closes what handlers use", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      class Mailer
        extends Context.Service<Mailer, { readonly send: (what: string) => Effect.Effect<void> }>()("Mailer")
      {
        static readonly layer = Layer.effect(
          Mailer,
          Effect.acquireRelease(
            Effect.succeed({ send: (what: string) => Effect.sync(() => order.push(what)) }),
            () => Effect.sync(() => order.push("closed"))
          )
        )
      }
      const [begun, gate] = [yield* Queue.unbounded<string>(), yield* Deferred.make<void>()]
      const consumer = Consumer.make("mail").on(Account, {
        Deposited: ({ data }) =>
          Effect.gen(function*() {
            yield* Queue.offer(begun, "mail")
            yield* Deferred.await(gate)
            yield* (yield* Mailer).send(`sent ${data.amount}`)
          })
      })
      yield* Effect.forEach([1, 2, 3], (n) => deposit("1", n))
      const host = yield* Effect.forkChild(Consumer.launch(Layer.provide(Consumer.layer(consumer), Mailer.layer)))
      yield* Queue.take(begun)
      const stopping = yield* Effect.forkChild(Fiber.interrupt(host))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(host.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(order, ["sent 1", "closed"])
      assert.deepStrictEqual(yield* positionOf("mail"), Option.some(1))
    }))

  it.effect("all consumers share one grace period, whatever hangs", () =>
    Effect.gen(function*() {
      const [begun, gate] = [yield* Queue.unbounded<string>(), yield* Deferred.make<void>()]
      const ids = ["one", "two", "three"]
      const App = Layer.mergeAll(
        Consumer.layer(hanging("one", begun, gate)),
        // Not beside the others but below them, where layers close one after the other.
        Layer.provide(Consumer.layer(hanging("two", begun, gate)), Consumer.layer(hanging("three", begun, gate)))
      )
      const host = yield* Effect.forkChild(Consumer.launch(App))
      yield* Queue.takeN(begun, 3)
      const stopping = yield* Effect.forkChild(Fiber.interrupt(host))
      yield* TestClock.adjust("9900 millis")
      assert.isUndefined(host.pollUnsafe())
      yield* TestClock.adjust("200 millis")
      yield* Fiber.join(stopping)
      for (const id of ids) assert.deepStrictEqual(yield* positionOf(id), Option.none())
    }))
})

it.layer(MessageStore.layerMemory)("stopping without the store", (it) => {
  it.effect("a position that can't be written does not keep the program alive", () =>
    Effect.gen(function*() {
      const handled = yield* Deferred.make<void>()
      const consumer = Consumer.make("test", { checkpoint: { interval: "1 hour" } }).on(Account, {
        Deposited: () => Deferred.succeed(handled, undefined)
      })
      yield* deposit("1", 1)
      const away = Layer.succeed(PositionStore.PositionStore, {
        get: () => Effect.succeedNone,
        put: () => Effect.never
      })
      const host = yield* Effect.forkChild(Consumer.launch(Layer.provide(Consumer.layer(consumer), away)))
      yield* Deferred.await(handled)
      const stopping = yield* Effect.forkChild(Fiber.interrupt(host))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(host.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
    }))
})

it.layer(MessageStore.layerMemory)("failing", (it) => {
  it.effect("a consumer that stops on an error ends the program with it, and the others first write their positions", () =>
    Effect.gen(function*() {
      const isHandled = yield* Deferred.make<void>()
      const good = Consumer.make("good").on(Account, { Deposited: () => Deferred.succeed(isHandled, undefined) })
      const bad = Consumer.make("bad", { retry: Schedule.recurs(0) }).on(Account, {
        Deposited: () => Effect.andThen(Deferred.await(isHandled), new Refused({ consumer: "bad" }))
      })
      const App = Layer.mergeAll(Consumer.layer(good), Consumer.layer(bad))
      const host = yield* Effect.forkChild(Consumer.launch(App))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(host.pollUnsafe())
      yield* deposit("1", 1)
      const error = yield* Effect.flip(Fiber.join(host))
      assert.deepStrictEqual(error, new Refused({ consumer: "bad" }))
      assert.deepStrictEqual(yield* positionOf("good"), Option.some(1))
    }))

  it.effect("wrong options, and a layer that can't be built, are its errors too", () =>
    Effect.gen(function*() {
      const wrong = Consumer.make("wrong+name").on(Account, {})
      assert.strictEqual((yield* Effect.flip(Consumer.launch(Consumer.layer(wrong))))._tag, "InvalidArgument")
      const good = Consumer.make("good").on(Account, {})
      const broken = Layer.effectDiscard(Effect.fail("broken" as const))
      const App = Layer.mergeAll(Consumer.layer(good), broken)
      assert.strictEqual(yield* Effect.flip(Consumer.launch(App)), "broken")
      const lease = yield* (yield* MessageStore.MessageStore).lease("consumer account:position-good")
      assert.isTrue(Option.isSome(lease), "the consumer that had begun is stopped")
    }))

  it.effect("one may be ignored, or started again by a schedule that ends with the error", () =>
    Effect.gen(function*() {
      let attempts = 0
      const again = Consumer.make("again", { retry: Schedule.recurs(0) }).on(Account, {
        Deposited: () =>
          Effect.suspend(() => {
            attempts += 1
            return new Refused({ consumer: "again" })
          })
      })
      yield* deposit("1", 1)
      const App = Layer.mergeAll(
        Consumer.layer(failing("ignored"), { onStop: "ignore" }),
        Consumer.layer(again, { onStop: Schedule.max([Schedule.spaced("1 minute"), Schedule.recurs(2)]) })
      )
      const host = yield* Effect.forkChild(Consumer.launch(App))
      yield* TestClock.adjust("90 seconds")
      assert.strictEqual(attempts, 2)
      assert.isUndefined(host.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(host)), new Refused({ consumer: "again" }))
      assert.strictEqual(attempts, 3)
    }))
})

it.layer(MessageStore.layerMemory)("the host", (it) => {
  it.effect("knows the consumers that it runs", () =>
    Effect.gen(function*() {
      const seen = yield* Deferred.make<ReadonlyArray<string>>()
      const watching = Layer.effectDiscard(Effect.gen(function*() {
        const running = yield* Consumer.running
        for (const one of running) yield* one.waitFor(1)
        yield* Deferred.succeed(seen, running.map(({ category, id }) => `${id} of ${category}`))
      }))
      const one = Consumer.make("one").on(Account, { Deposited: () => Effect.void })
      const two = Consumer.make("two").on(Account, { Deposited: () => Effect.void })
      yield* deposit("1", 1)
      const App = Layer.provide(watching, Layer.mergeAll(Consumer.layer(one), Consumer.layer(two)))
      yield* Effect.forkChild(Consumer.launch(App))
      assert.deepStrictEqual((yield* Deferred.await(seen)).toSorted(), ["one of account", "two of account"])
    }))

  it.effect("the exit code is 0 for a program that was asked to stop, and 1 for an error", () =>
    Effect.sync(() => {
      const codes: Array<number> = []
      const note = (code: number) => void codes.push(code)
      Consumer.teardown(Exit.interrupt(1), note)
      Consumer.teardown(Exit.fail("error"), note)
      Consumer.teardown(Exit.die("defect"), note)
      Consumer.teardown(Exit.void, note)
      assert.deepStrictEqual(codes, [0, 1, 1, 0])
    }))
})
