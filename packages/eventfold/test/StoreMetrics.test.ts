/** The metrics and spans of a store and of its entities, on the store in memory. docs/observability.md lists them. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { Entity, EntityCache, MemoryStore, MessageStore, StoreError } from "eventfold"
import { Account, Balance, deposited, InsufficientFunds, take } from "./support/account.ts"
import { counted, type Series, series, stateOf, withOwnMetrics } from "./support/shownMetrics.ts"
import { makeTracer } from "./support/tracer.ts"

/** Runs a test on a store and in a registry of its own. */
const onStore = <A, E>(
  test: Effect.Effect<A, E, MessageStore.MessageStore>,
  layer: Layer.Layer<never> = Layer.empty
) => test.pipe(Effect.provide(Layer.merge(MessageStore.layerMemory, layer)), withOwnMetrics)

const message = { type: "Noted", data: {} }

const sentTo = (category: string, operation: string, errorType?: string) => ({
  "messaging.system": "eventfold",
  "messaging.operation.name": operation,
  "messaging.destination.name": category,
  ...(errorType === undefined ? {} : { "error.type": errorType })
})

const operation = (name: string, errorType?: string) => ({
  "db.system.name": "memory",
  "db.operation.name": name,
  ...(errorType === undefined ? {} : { "error.type": errorType })
})

it.effect("messages that are sent are counted by category, and so are conflicts", () =>
  onStore(Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    yield* store.append("note-1", [message, message])
    yield* store.writeAll([
      { streamName: "note-2", messages: message },
      { streamName: "audit-1", messages: message },
      { streamName: "note-1", messages: [], expectedVersion: 1 }
    ])
    yield* Effect.flip(store.append("note-1", [message, message, message], { expectedVersion: 7 }))
    yield* Effect.flip(store.writeAll([
      { streamName: "note-3", messages: message },
      { streamName: "audit-1", messages: message, expectedVersion: "noStream" }
    ]))
    const all = yield* series
    const sent = "messaging.client.sent.messages"
    assert.deepStrictEqual(stateOf(all, sent, sentTo("note", "append")), counted(2))
    assert.deepStrictEqual(stateOf(all, sent, sentTo("note", "append", "WrongExpectedVersion")), counted(3))
    assert.deepStrictEqual(stateOf(all, sent, sentTo("note", "writeAll")), counted(1))
    assert.deepStrictEqual(stateOf(all, sent, sentTo("audit", "writeAll")), counted(1))
    assert.deepStrictEqual(stateOf(all, sent, sentTo("audit", "writeAll", "WrongExpectedVersion")), counted(1))
    const conflicts = "eventfold.store.conflicts"
    assert.deepStrictEqual(stateOf(all, conflicts, { "messaging.destination.name": "note" }), counted(1))
    assert.deepStrictEqual(stateOf(all, conflicts, { "messaging.destination.name": "audit" }), counted(1))
  })))

it.effect("operations have a duration by name and error, and pages a size", () =>
  onStore(Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    yield* store.append("note-1", [message, message])
    yield* Effect.flip(store.append("note-1", message, { expectedVersion: "noStream" }))
    yield* Stream.runDrain(store.readStream("note-1"))
    yield* Stream.runDrain(store.readCategory("note"))
    yield* store.readAllPage()
    yield* store.lastMessage("note-1")
    yield* store.messageAt(1)
    yield* store.lastPosition
    yield* store.identity
    yield* Effect.scoped(store.lease("note"))
    const all = yield* series
    const duration = "db.client.operation.duration"
    for (
      const name of ["append", "readStream", "readCategory", "readAll", "lastMessage", "messageAt", "lastPosition"]
    ) {
      assert.deepInclude(stateOf(all, duration, operation(name)), { count: 1 }, name)
    }
    assert.deepInclude(stateOf(all, duration, operation("identity")), { count: 1 })
    assert.deepInclude(stateOf(all, duration, operation("lease")), { count: 1 })
    assert.deepInclude(stateOf(all, duration, operation("append", "WrongExpectedVersion")), { count: 1 })
    assert.deepInclude(stateOf(all, "db.client.response.returned_rows", operation("readStream")), { count: 1, sum: 2 })
    assert.deepInclude(stateOf(all, "db.client.response.returned_rows", operation("readAll")), { count: 1, sum: 2 })
  })))

it.effect("an operation that fails or is interrupted says so by its error.type", () => {
  const failing = Layer.effect(
    MessageStore.MessageStore,
    Effect.flatMap(MemoryStore.make, (backend) =>
      MessageStore.make({
        ...backend,
        systemName: undefined,
        lastPosition: Effect.fail(
          new StoreError.StoreError({ operation: "lastPosition", reason: "is away", isRetryable: true })
        ),
        identity: Effect.never,
        messageAt: () => Effect.die(new TypeError("a bug"))
      }))
  )
  return Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    yield* Effect.flip(store.lastPosition)
    const identity = yield* Effect.forkChild(store.identity, { startImmediately: true })
    yield* Fiber.interrupt(identity)
    yield* Effect.exit(store.messageAt(1))
    const all = yield* series
    for (
      const [name, type] of [
        ["lastPosition", "StoreError"],
        ["identity", "interrupted"],
        ["messageAt", "TypeError"]
      ] as const
    ) {
      const attributes = { ...operation(name, type), "db.system.name": "_OTHER" }
      assert.deepInclude(stateOf(all, "db.client.operation.duration", attributes), { count: 1 }, name)
    }
  }).pipe(Effect.provide(failing), withOwnMetrics)
})

it.effect("no program has more series than a bound, however many categories it writes to, and none of a stream", () =>
  onStore(Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    for (let n = 0; n < 300; n++) yield* store.append(`category${n}-stream${n}`, message)
    const all = yield* series
    assert.isBelow(all.length, 300)
    assert.deepStrictEqual(stateOf(all, "messaging.client.sent.messages", sentTo("_OTHER", "append")), counted(200))
    assert.notInclude(JSON.stringify(all), "stream2")
  })))

const ofAccounts = { "messaging.destination.name": "account" }

const loads = (all: ReadonlyArray<Series>, result: string) =>
  stateOf(all, "eventfold.entity.loads", { ...ofAccounts, "eventfold.cache.result": result })

it.effect("loads are counted by where they find the state", () =>
  onStore(
    Effect.gen(function*() {
      yield* Account.append("1", deposited(1))
      yield* Balance.load("1")
      const without = yield* series
      assert.deepStrictEqual(loads(without, "none"), counted(1))
      assert.deepStrictEqual(loads(without, "miss"), counted(0))

      yield* Effect.gen(function*() {
        yield* Balance.load("1")
        yield* Balance.load("1")
        yield* Balance.load("1", { freshness: "cached" })
        yield* MessageStore.transaction(Balance.load("1"))
        yield* Balance.load("2")
        const all = yield* series
        assert.deepStrictEqual(loads(all, "none"), counted(1))
        assert.deepStrictEqual(loads(all, "miss"), counted(2))
        assert.deepStrictEqual(loads(all, "refreshed"), counted(2))
        assert.deepStrictEqual(loads(all, "hit"), counted(1))
        assert.deepStrictEqual(stateOf(all, "eventfold.entity.cache.size", {}), { value: 2 })
      }).pipe(Effect.provide(EntityCache.layer({ capacity: 10 })))
      assert.isUndefined(stateOf(yield* series, "eventfold.entity.cache.size", {}), "the gauge goes with the cache")
    })
  ))

it.effect("decisions have a duration, with the tag of a refusal", () =>
  onStore(Effect.gen(function*() {
    yield* Balance.transact("1", () => deposited(5))
    yield* Effect.flip(Balance.transact("1", take(6)))
    yield* Effect.exit(Balance.transact("1", () => Effect.die(new RangeError("a bug"))))
    yield* Entity.transactAll({ from: Balance.at("1"), to: Balance.at("2") }, () => ({ to: deposited(1) }))
    const all = yield* series
    const decide = (errorType?: string) =>
      stateOf(all, "eventfold.entity.decide.duration", {
        ...ofAccounts,
        ...(errorType === undefined ? {} : { "error.type": errorType })
      })
    assert.deepInclude(decide(), { count: 2 })
    assert.deepInclude(decide(InsufficientFunds.name), { count: 1 })
    assert.deepInclude(decide("RangeError"), { count: 1 })
    assert.deepStrictEqual(stateOf(all, "eventfold.entity.retries", ofAccounts), counted(0))
    assert.deepStrictEqual(stateOf(all, "eventfold.entity.conflicts", ofAccounts), counted(0))
  })))

/** Another writer is faster, this many times. */
const overtaken = (id: string, times: number) => {
  let left = times
  return () =>
    Effect.gen(function*() {
      if (left-- > 0) yield* Account.append(id, deposited(1))
      return deposited(2)
    })
}

it.effect("decisions after a conflict are retries, and a transaction that gives up is a conflict", () =>
  onStore(Effect.gen(function*() {
    const retry = Schedule.recurs(2)
    yield* Balance.transact("1", overtaken("1", 2), { retry })
    yield* Effect.flip(Balance.transact("2", overtaken("2", 9), { retry }))
    const all = yield* series
    assert.deepStrictEqual(stateOf(all, "eventfold.entity.retries", ofAccounts), counted(4))
    assert.deepStrictEqual(stateOf(all, "eventfold.entity.conflicts", ofAccounts), counted(1))
    assert.deepStrictEqual(stateOf(all, "eventfold.store.conflicts", ofAccounts), counted(5))
  })))

it.effect("spans of the store have the names of OpenTelemetry", () => {
  const { named, tracer } = makeTracer()
  const described = (name: string) =>
    named(name).map(({ attributes, kind }) => ({
      kind,
      attributes: Object.fromEntries(attributes)
    }))
  return onStore(
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* store.append("note-1", [message, message])
      yield* store.writeAll([
        { streamName: "note-2", messages: message },
        { streamName: "audit-1", messages: [message, message] }
      ])
      yield* Stream.runDrain(store.readStream("note-1"))
      yield* Stream.runDrain(store.readCategory("note"))
      yield* store.streamVersion("note-1")
      assert.deepStrictEqual(described("MessageStore.append"), [{
        kind: "producer",
        attributes: {
          ...sentTo("note", "append"),
          "messaging.operation.type": "send",
          "messaging.batch.message_count": 2,
          "eventfold.stream": "note-1"
        }
      }])
      assert.deepStrictEqual(described("MessageStore.writeAll"), [{
        kind: "producer",
        attributes: {
          "messaging.system": "eventfold",
          "messaging.operation.name": "writeAll",
          "messaging.operation.type": "send",
          "messaging.batch.message_count": 3,
          "eventfold.streams": 2
        }
      }])
      assert.deepStrictEqual(described("MessageStore.readStream"), [{
        kind: "client",
        attributes: { ...operation("readStream"), "eventfold.stream": "note-1" }
      }])
      assert.deepStrictEqual(described("MessageStore.readCategory"), [{
        kind: "client",
        attributes: { ...operation("readCategory"), "messaging.destination.name": "note" }
      }])
      assert.deepStrictEqual(described("MessageStore.streamVersion"), [{
        kind: "client",
        attributes: { ...operation("streamVersion"), "eventfold.stream": "note-1" }
      }])
    })
  ).pipe(Effect.withTracer(tracer))
})
