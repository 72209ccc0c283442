/** Steering on the memory store, with what goes wrong in between. The conformance suites have the rest. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import {
  Administration,
  Category,
  Consumer,
  MessageStore,
  Observe,
  Parking,
  ReadModel,
  Steering,
  StoreError
} from "eventfold"
import { makeTracer } from "./support/tracer.ts"

const Account = Category.make("account", { Opened: { owner: Schema.String } })

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const notifier = Consumer.make("notifier", { onFailure: "park", retry: Schedule.recurs(0) }).on(Account, {
  Opened: () => new Refused()
})

const open = (id: string) => Account.append(id, Account.events.Opened({ owner: "Ann" }))

/** Two streams that are parked, of a message each. */
const parked = Effect.gen(function*() {
  yield* open("1")
  const { globalPosition } = yield* open("2")
  yield* Effect.scoped(Effect.flatMap(Consumer.start(notifier), ({ waitFor }) => waitFor(globalPosition)))
})

const typesIn = (category: string) =>
  MessageStore.MessageStore.use((store) =>
    Effect.map(Stream.runCollect(store.readCategory(category)), (all) => all.map(({ type }) => type))
  )

const records = Effect.map(Stream.runCollect(Administration.history()), (all) => all.map(({ data }) => data))

const outcomes = Effect.map(
  records,
  (all) => all.map(({ details }) => [details?.["phase"], details?.["outcome"], details?.["failure"]])
)

describe("replayAll", () => {
  it.effect("requests nothing when a stream changes after it was read", () =>
    Effect.gen(function*() {
      yield* parked
      const store = yield* MessageStore.MessageStore
      const drop = Parking.drop(notifier, { stream: "account-2", reason: "gone" })
      const error = yield* Steering.replayAll(notifier, { expected: { streams: 2, messages: 2 }, by: "ann" }).pipe(
        Effect.provideService(MessageStore.MessageStore, {
          ...store,
          transaction: (effect) =>
            Effect.andThen(
              Effect.orDie(Effect.provideService(drop, MessageStore.MessageStore, store)),
              store.transaction(effect)
            )
        }),
        Effect.flip
      )
      assert.instanceOf(error, Steering.NotAsSeen)
      assert.deepStrictEqual([error.expected, error.actual], [{ streams: 2, messages: 2 }, { streams: 2, messages: 1 }])
      assert.deepStrictEqual(yield* typesIn("account:parked"), ["Parked", "Parked", "Dropped"])
      assert.deepStrictEqual(yield* records, [])
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("is Unsupported on a store without transactions, before anything is done", () =>
    Effect.gen(function*() {
      yield* parked
      const store = yield* MessageStore.MessageStore
      const unsupported = new StoreError.Unsupported({ operation: "transactions", remedy: "use another store" })
      const error = yield* Steering.replayAll(notifier, { expected: { streams: 2, messages: 2 }, by: "ann" }).pipe(
        Effect.provideService(MessageStore.MessageStore, { ...store, transaction: () => Effect.fail(unsupported) }),
        Effect.flip
      )
      assert.strictEqual(error, unsupported)
      assert.deepStrictEqual(yield* typesIn("account:parked"), ["Parked", "Parked"])
    }).pipe(Effect.provide(MessageStore.layerMemory)))
})

describe("drop", () => {
  it.effect("has a span with the consumer", () => {
    const { named, tracer } = makeTracer()
    return Effect.gen(function*() {
      yield* parked
      const [first] = yield* Stream.runCollect(Parking.list(notifier))
      assert.isDefined(first)
      yield* Steering.drop(notifier, {
        stream: first?.stream ?? "",
        expected: first === undefined ? { messages: 1, last: 0 } : Steering.seen(first),
        by: "ann",
        token: "3f2a",
        reason: "the address is gone"
      })
      const [span] = named("Steering.drop")
      assert.strictEqual(span?.attributes.get("messaging.consumer.group.name"), "notifier")
      assert.deepStrictEqual(yield* records, [{
        by: "ann",
        token: "3f2a",
        action: "Parking.drop",
        subject: "notifier",
        reason: "the address is gone",
        details: { category: "account", stream: "account-1", messages: 1 }
      }])
    }).pipe(Effect.provide(MessageStore.layerMemory), Effect.withTracer(tracer))
  })
})

/** A program with a read model that handles so. */
const steering = <E>(handle: Effect.Effect<void, E>) => {
  const owners = ReadModel.make("owners", { version: 1, retry: Schedule.recurs(0), grace: 0 })
    .on(Account, { Opened: () => handle })
  return Effect.provide(
    Observe.layer({ readModels: [owners] }).pipe(
      Layer.provideMerge(Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory))
    )
  )
}

describe("rebuild", () => {
  it.effect("records that it has failed, and with what", () =>
    Effect.gen(function*() {
      yield* open("1")
      const error = yield* Effect.flip(Stream.runDrain(Steering.rebuild("owners", { expected: [], by: "ann" })))
      assert.instanceOf(error, Observe.RebuildFailed)
      const [begin, end] = yield* outcomes
      assert.deepStrictEqual(begin, ["begin", undefined, undefined])
      assert.deepStrictEqual(end?.slice(0, 2), ["end", "failed"])
      assert.include(String(end?.[2]), "Refused")
    }).pipe(steering(new Refused())))

  it.effect("records that it was interrupted", () =>
    Effect.gen(function*() {
      const handling = yield* Deferred.make<void>()
      yield* Effect.gen(function*() {
        yield* open("1")
        const fiber = yield* Effect.forkChild(
          Stream.runDrain(Steering.rebuild("owners", { expected: [], by: "ann" }))
        )
        yield* Deferred.await(handling)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* outcomes, [["begin", undefined, undefined], ["end", "interrupted", undefined]])
      }).pipe(steering(Effect.andThen(Deferred.succeed(handling, undefined), Effect.never)))
    }))

  it.effect("begins nothing without a definition", () =>
    Effect.gen(function*() {
      const rebuild = Steering.rebuild("other", { expected: [], by: "ann" })
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(rebuild)), Observe.DefinitionNotLoaded)
      assert.deepStrictEqual(yield* records, [])
    }).pipe(steering(Effect.void)))
})
