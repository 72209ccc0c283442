import { assert, it } from "@effect/vitest"
import { Effect, Layer, Ref, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import {
  Category,
  Consumer,
  MemoryStore,
  MessageStore,
  Parking,
  ProgressGauges,
  ReadModel,
  StoreError
} from "eventfold"
import { series, stateOf, withOwnMetrics } from "./support/shownMetrics.ts"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (id: string, amount = 1) => Account.append(id, Account.events.Deposited({ amount }))

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const notifier = Consumer.make("notifier", { retry: Schedule.recurs(0), onFailure: "park" }).on(Account, {
  Deposited: ({ data }) => data.amount < 0 ? new Refused() : Effect.void
})

const totals = ReadModel.make("totals", { version: 1 }).on(Account, { Deposited: () => Effect.void })

const of = (name: string) => ({ "messaging.consumer.group.name": name, "messaging.destination.name": "account" })

/** The values of gauges, by the names that follow the prefix. */
const valuesOf = (prefix: string, name: string, gauges: ReadonlyArray<string>) =>
  Effect.map(
    series,
    (all) => Object.fromEntries(gauges.map((gauge) => [gauge, stateOf(all, `${prefix}.${gauge}`, of(name))]))
  )

const ofNotifier = valuesOf("eventfold.consumer", "notifier", [
  "lag.messages",
  "lag.age",
  "parked.messages",
  "parked.streams",
  "parked.age"
])

const ofTotals = valuesOf("eventfold.read_model", "totals", ["lag.messages", "lag.age"])

const values = (found: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(found).map(([name, value]) => [name, { value }]))

it.effect("lag and what is parked are there when nothing runs, as of the last look", () =>
  Effect.gen(function*() {
    yield* Layer.build(ProgressGauges.layer({ consumers: [notifier], readModels: [totals], interval: "20 seconds" }))
    yield* TestClock.adjust("1 second")
    const nothing = { "lag.messages": 0, "lag.age": 0, "parked.messages": 0, "parked.streams": 0, "parked.age": 0 }
    assert.deepStrictEqual(yield* ofNotifier, values(nothing))

    yield* deposit("1", -1)
    yield* deposit("1")
    yield* deposit("2", -1)
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual((yield* ofNotifier)["lag.messages"], { value: 3 })
    assert.deepStrictEqual((yield* ofTotals)["lag.messages"], { value: 3 })

    // It runs for a while, in this process or in another one.
    const globalPosition = yield* (yield* MessageStore.MessageStore).lastPosition
    yield* Effect.scoped(Effect.flatMap(Consumer.start(notifier), ({ waitFor }) => waitFor(globalPosition)))
    yield* TestClock.adjust("1 minute")
    const parked = yield* ofNotifier
    assert.deepInclude(parked, values({ "lag.messages": 0, "lag.age": 0, "parked.messages": 3, "parked.streams": 2 }))

    yield* Parking.drop(notifier, { stream: "account-1", reason: "a test" })
    yield* TestClock.adjust("1 minute")
    assert.deepInclude(yield* ofNotifier, values({ "parked.messages": 1, "parked.streams": 1 }))
    yield* Parking.drop(notifier, { stream: "account-2", reason: "a test" })
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(yield* ofNotifier, values(nothing))
  }).pipe(
    Effect.scoped,
    Effect.andThen(ofNotifier),
    Effect.tap((left) => Effect.sync(() => assert.isUndefined(left["lag.messages"], "they go with the layer"))),
    Effect.provide(Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory)),
    withOwnMetrics
  ))

it.effect("ages grow from the oldest message, and from when a stream was parked", () =>
  Effect.gen(function*() {
    yield* deposit("1", -1)
    yield* Effect.scoped(Effect.flatMap(Consumer.start(notifier), ({ waitFor }) => waitFor(1)))
    yield* deposit("2")
    yield* TestClock.adjust("100 seconds")
    yield* Layer.build(ProgressGauges.layer({ consumers: [notifier] }))
    yield* TestClock.adjust(1)
    assert.deepInclude(yield* ofNotifier, values({ "lag.age": 100, "parked.age": 100 }))
  }).pipe(Effect.scoped, Effect.provide(MessageStore.layerMemory), withOwnMetrics))

it.effect("a store that can't be read has no gauges, rather than old ones", () =>
  Effect.gen(function*() {
    const isAway = yield* Ref.make(false)
    const store = Layer.effect(
      MessageStore.MessageStore,
      Effect.flatMap(MemoryStore.make, (backend) =>
        MessageStore.make({
          ...backend,
          readCategory: (page) =>
            Effect.flatMap(Ref.get(isAway), (away) =>
              away
                ? new StoreError.StoreError({ operation: "readCategory", reason: "is away", isRetryable: true })
                : backend.readCategory(page))
        }))
    )
    yield* Effect.gen(function*() {
      yield* Layer.build(ProgressGauges.layer({ consumers: [notifier], interval: "10 seconds" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* ofNotifier)["lag.messages"], { value: 0 })
      yield* Ref.set(isAway, true)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined((yield* ofNotifier)["lag.messages"])
      yield* Ref.set(isAway, false)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* ofNotifier)["lag.messages"], { value: 0 })
    }).pipe(Effect.provide(store))
  }).pipe(Effect.scoped, withOwnMetrics))

it.effect("a look is a few statements, and as many however much was parked before", () =>
  Effect.gen(function*() {
    const reads: Array<string> = []
    const store = Layer.effect(
      MessageStore.MessageStore,
      Effect.flatMap(MemoryStore.make, (backend) =>
        MessageStore.make({
          ...backend,
          readCategory: (page) => {
            reads.push(`readCategory ${page.category} ${page.from}`)
            return backend.readCategory(page)
          },
          positions: backend.positions === undefined ? undefined : {
            ...backend.positions,
            get: (key, streamName) => {
              reads.push(`position of ${key.category} ${key.consumerId}`)
              return backend.positions?.get(key, streamName) ?? Effect.succeedNone
            }
          },
          countCategory: (range) => {
            reads.push(`countCategory ${range.category}`)
            return backend.countCategory(range)
          }
        }))
    )
    yield* Effect.gen(function*() {
      for (let n = 1; n <= 3; n++) yield* deposit(`${n}`, -1)
      yield* Effect.scoped(Effect.flatMap(Consumer.start(notifier), ({ waitFor }) => waitFor(3)))
      const last = yield* (yield* MessageStore.MessageStore).lastCategoryMessage("account:parked")
      const next = last._tag === "Some" ? last.value.globalPosition + 1 : 0
      yield* Layer.build(ProgressGauges.layer({ consumers: [notifier], interval: "10 seconds" }))
      yield* TestClock.adjust("1 second")
      reads.length = 0
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(reads, [
        "position of account notifier",
        "readCategory account 4",
        `readCategory account:parked ${next}`
      ])
    }).pipe(Effect.provide(store))
  }).pipe(Effect.scoped, withOwnMetrics))

it.effect("a definition or an interval that is not valid fails the layer", () =>
  Effect.gen(function*() {
    const wrong = yield* Effect.flip(Layer.build(ProgressGauges.layer({ consumers: [Consumer.make("none")] })))
    assert.strictEqual(wrong._tag, "InvalidArgument")
    const never = yield* Effect.flip(Layer.build(ProgressGauges.layer({ consumers: [notifier], interval: 0 })))
    assert.include(never.message, "interval")
  }).pipe(Effect.scoped, Effect.provide(MessageStore.layerMemory)))
