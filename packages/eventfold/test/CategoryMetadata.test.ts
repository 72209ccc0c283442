import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option, Schema, Stream } from "effect"
import { Category, Entity, type Message, MessageStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } }, {
  metadata: {
    userId: Schema.FiniteFromString,
    at: Schema.optionalKey(Schema.DateTimeUtc),
    tenant: Schema.OptionFromOptionalKey(Schema.String)
  }
})

const at = DateTime.makeUnsafe("2026-01-02T03:04:05Z")

const deposited = (metadata: Category.GivenMetadata<typeof Account>) =>
  Account.events.Deposited({ amount: 1 }, { metadata })

const write = Effect.fnUntraced(function*(metadata: Message.Message["metadata"]) {
  const store = yield* MessageStore.MessageStore
  yield* store.append("account-1", { type: "Deposited", data: { amount: 1 }, metadata })
})

const stored = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  return Option.getOrThrow(yield* store.lastMessage("account-1")).metadata
})

const onMemory = Effect.provide(MessageStore.layerMemory)

describe("metadata with a schema", () => {
  it.effect("is stored in its JSON form, beside Eventide's keys, and comes back", () =>
    Effect.gen(function*() {
      const metadata = { userId: 7, at, tenant: Option.some("t"), correlationStreamName: "order-7" }
      yield* Account.append("1", Account.events.Deposited({ amount: 1 }, { metadata }))
      assert.deepStrictEqual(yield* stored, {
        userId: "7",
        at: "2026-01-02T03:04:05.000Z",
        tenant: "t",
        correlationStreamName: "order-7"
      })
      const [event] = yield* Stream.runCollect(Account.readStream("1"))
      assert.deepStrictEqual(event?.metadata, metadata)
      assert.deepStrictEqual(event?.recorded.metadata, yield* stored)
    }).pipe(onMemory))

  it.effect("a field that is encoded as an absent key is absent", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited({ userId: 7 }))
      assert.deepStrictEqual(yield* stored, { userId: "7" })
      const [event] = yield* Stream.runCollect(Account.readStream("1"))
      assert.deepStrictEqual(event?.metadata, { userId: 7, tenant: Option.none() })
    }).pipe(onMemory))

  it.effect("that does not fit is not written, and says where", () =>
    Effect.gen(function*() {
      // @ts-expect-error the types refuse it as well
      const event = Account.events.Deposited({ amount: 1 }, { metadata: { userId: "seven" } })
      const error = yield* Effect.flip(Account.append("1", [deposited({ userId: 7 }), event]))
      assert(error._tag === "InvalidMessage")
      assert.deepStrictEqual([error.streamName, error.index, error.type, error.path], [
        "account-1",
        1,
        "Deposited",
        ["metadata", "userId"]
      ])
      const none = Account.events.Deposited({ amount: 1 })
      const missing = yield* Effect.flip(Account.append("1", none))
      assert(missing._tag === "InvalidMessage")
      assert.deepStrictEqual(missing.path, ["metadata", "userId"])
      assert.include(missing.message, "Metadata.with")
      assert.deepStrictEqual(yield* Account.lastEvent("1"), Option.none())
    }).pipe(onMemory))

  const wrong: ReadonlyArray<readonly [metadata: Message.Message["metadata"], path: ReadonlyArray<string>]> = [
    [undefined, ["metadata", "userId"]],
    [{}, ["metadata", "userId"]],
    [{ userId: 7 }, ["metadata", "userId"]],
    [{ userId: "7", at: "yesterday" }, ["metadata", "at"]],
    [{ userId: "7", tenant: 5 }, ["metadata", "tenant"]]
  ]
  it.effect.each(wrong)(
    "that is stored and does not fit is a DecodeError: %j",
    ([metadata, path]) =>
      Effect.gen(function*() {
        yield* write(metadata)
        const error = yield* Effect.flip(Stream.runDrain(Account.readStream("1")))
        assert(error instanceof Category.DecodeError)
        assert.deepStrictEqual([error.position, error.path], [0, path])
      }).pipe(onMemory)
  )

  it.effect("that is no object is one, too", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited({ userId: 7 }))
      const [event] = yield* Stream.runCollect(Account.readStream("1"))
      assert.isDefined(event)
      for (const metadata of ["text", 5, [1]]) {
        const error = yield* Effect.flip(Account.decode({ ...event.recorded, metadata }))
        assert.deepStrictEqual(error.path, ["metadata"])
      }
    }).pipe(onMemory))

  it.effect("may describe a key of Eventide's", () =>
    Effect.gen(function*() {
      const Tenants = Category.make("account", { Closed: {} }, {
        metadata: { properties: Schema.Struct({ since: Schema.DateTimeUtc }) }
      })
      yield* Tenants.append("1", Tenants.events.Closed({}, { metadata: { properties: { since: at } } }))
      assert.deepStrictEqual(yield* stored, { properties: { since: "2026-01-02T03:04:05.000Z" } })
      const last = Option.getOrThrow(yield* Tenants.lastEvent("1"))
      assert.deepStrictEqual(last.metadata, { properties: { since: at } })
    }).pipe(onMemory))

  it.effect("goes with the versions of the data", () =>
    Effect.gen(function*() {
      const Both = Category.make("account", {
        Deposited: Category.version({ amount: Schema.Int }).upcast({ cents: Schema.Int }, ({ amount }) => ({
          cents: amount * 100
        }))
      }, { metadata: { userId: Schema.Int } })
      yield* write({ userId: 7 })
      yield* Both.append("1", Both.events.Deposited({ cents: 5 }, { metadata: { userId: 8 } }))
      assert.deepStrictEqual(yield* stored, { userId: 8, schemaVersion: "2" })
      const events = yield* Stream.runCollect(Both.readStream("1"))
      assert.deepStrictEqual(events.map(({ data, metadata }) => [data.cents, metadata.userId]), [[100, 7], [5, 8]])
    }).pipe(onMemory))

  it.effect("of an event that is decided is checked before it is written", () =>
    Effect.gen(function*() {
      const Sum = Entity.make(Account, {
        state: Schema.Int,
        initial: 0,
        evolve: { Deposited: (sum, { amount }) => sum + amount }
      })
      const result = yield* Sum.transact("1", () => deposited({ userId: 7 }))
      assert.deepStrictEqual(result.state, 1)
      const error = yield* Effect.flip(Sum.transact("1", () => deposited({ userId: Number.NaN })))
      assert(error._tag === "InvalidMessage")
      assert.deepStrictEqual(error.path, ["metadata", "userId"])
    }).pipe(onMemory))
})
