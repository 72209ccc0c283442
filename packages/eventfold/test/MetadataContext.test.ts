import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Option, Schema, Stream } from "effect"
import { Category, Consumer, Entity, type Message, MessageStore, Metadata, Process, TraceContext } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (sum, { amount }) => sum + amount }
})

const onMemory = Effect.provide(MessageStore.layerMemory)

const metadataOf = (category: string) =>
  Effect.flatMap(
    MessageStore.MessageStore,
    (store) =>
      Effect.map(
        Stream.runCollect(store.readCategory(category)),
        (messages) => messages.map(({ metadata }) => metadata)
      )
  )

const deposit = (metadata?: Metadata.Metadata) =>
  Account.append("1", Account.events.Deposited({ amount: 1 }, metadata === undefined ? {} : { metadata }))

describe("Metadata.with", () => {
  it.effect("gives way to the event, to the option of the transaction, and to an inner one, key by key", () =>
    Effect.gen(function*() {
      const levels = { a: 1, b: 1, c: 1, d: 1, properties: { a: 1, b: 1, c: 1, d: 1 } }
      yield* Balance.transact(
        "1",
        () => Account.events.Deposited({ amount: 1 }, { metadata: { a: 4, properties: { a: 4 } } }),
        {
          metadata: { a: 3, b: 3, properties: { a: 3, b: 3 } }
        }
      ).pipe(
        Metadata.with({ a: 2, b: 2, c: 2, properties: { a: 2, b: 2, c: 2 } }),
        Metadata.with(levels)
      )
      const [own] = yield* metadataOf("account")
      assert.deepStrictEqual(own, { a: 4, b: 3, c: 2, d: 1, properties: { a: 4, b: 3, c: 2, d: 1 } })

      yield* Entity.transactAll({ x: Balance.at("2") }, () => ({ x: Account.events.Deposited({ amount: 1 }) }), {
        metadata: { a: 3, properties: { a: 3 } }
      }).pipe(Metadata.with(levels))
      assert.deepStrictEqual((yield* metadataOf("account"))[1], {
        ...levels,
        a: 3,
        properties: { ...levels.properties, a: 3 }
      })
    }).pipe(onMemory))

  it.effect("takes null for a value, and undefined for nothing", () =>
    Effect.gen(function*() {
      const given = Metadata.with({ a: 1, b: 1, properties: { x: 1 } })
      yield* given(deposit({ a: null, properties: null }))
      const absent: object = { a: undefined, properties: undefined }
      yield* given(deposit(absent as Metadata.Metadata))
      yield* given(Metadata.with(deposit({ properties: { y: 1 } }), { properties: null }))
      assert.deepStrictEqual(yield* metadataOf("account"), [
        { a: null, b: 1, properties: null },
        { a: 1, b: 1, properties: { x: 1 } },
        { a: 1, b: 1, properties: { y: 1 } }
      ])
    }).pipe(onMemory))

  it.effect("of nothing adds nothing, and schemaVersion is of the event alone", () =>
    Effect.gen(function*() {
      yield* Metadata.with(deposit(), {})
      yield* Metadata.with(deposit(), { schemaVersion: "7" })
      assert.deepStrictEqual(yield* metadataOf("account"), [null, null])
    }).pipe(onMemory))

  it.effect("is not in what is written without it", () =>
    Effect.gen(function*() {
      yield* Metadata.without(deposit()).pipe(Metadata.with({ a: 1 }))
      yield* Metadata.with(Metadata.without(Metadata.with(deposit(), { b: 1 })), { a: 1 })
      assert.deepStrictEqual(yield* metadataOf("account"), [null, { b: 1 }])
    }).pipe(onMemory))

  it.effect("that no store could keep is an InvalidMessage, with the place", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Metadata.with(deposit(), { a: { b: Number.NaN } }))
      assert(error._tag === "InvalidMessage")
      assert.deepStrictEqual(error.path, ["metadata", "a", "b"])
      assert.deepStrictEqual(yield* metadataOf("account"), [])
    }).pipe(onMemory))

  it.effect("goes with traces", () =>
    Effect.gen(function*() {
      yield* Metadata.with(deposit(), { a: 1 })
      const [metadata] = yield* metadataOf("account")
      assert.hasAllKeys(metadata, ["a", "traceparent"])
    }).pipe(Effect.provide(TraceContext.layer), onMemory))
})

describe("a category with a schema for its metadata", () => {
  const Typed = Category.make("typed", { Done: {} }, {
    metadata: {
      userId: Schema.FiniteFromString,
      at: Schema.optionalKey(Schema.DateTimeUtc),
      properties: Schema.optionalKey(Schema.Struct({ tenant: Schema.String }))
    }
  })
  const Log = Entity.make(Typed, { state: Schema.Int, initial: 0, evolve: { Done: (count) => count + 1 } })
  const done = Typed.append("1", Typed.events.Done({}))

  it.effect("takes what the event leaves out from the context, in its JSON form", () =>
    Effect.gen(function*() {
      yield* done.pipe(Metadata.with({ userId: "7", properties: { tenant: "north" }, other: 1 }))
      yield* Typed.append("1", Typed.events.Done({}, { metadata: { userId: 8 } })).pipe(Metadata.with({ userId: "7" }))
      assert.deepStrictEqual(yield* metadataOf("typed"), [
        { userId: "7", properties: { tenant: "north" }, other: 1 },
        { userId: "8" }
      ])
      const last = Option.getOrThrow(yield* Typed.lastEvent("1"))
      assert.strictEqual(last.metadata.userId, 8)
    }).pipe(onMemory))

  it.effect("takes it from the option of a transaction, as values", () =>
    Effect.gen(function*() {
      const { state } = yield* Log.transact("1", () => Typed.events.Done({}), { metadata: { userId: 9 } })
      assert.strictEqual(state, 1)
      // @ts-expect-error a field has its type
      const wrong = Log.transact("1", () => Typed.events.Done({}), { metadata: { userId: "nine" } })
      assert.strictEqual((yield* Effect.flip(wrong))._tag, "InvalidMessage")
      yield* Entity.transactAll({ log: Log.at("1") }, () => ({ log: Typed.events.Done({}) }), {
        metadata: { userId: "10" }
      })
      assert.deepStrictEqual(yield* metadataOf("typed"), [{ userId: "9" }, { userId: "10" }])
    }).pipe(onMemory))

  it.effect("names what is missing, and where to give it", () =>
    Effect.gen(function*() {
      const decided = Log.transact("1", () => Typed.events.Done({}), { metadata: {} })
      for (const error of [yield* Effect.flip(done), yield* Effect.flip(decided)]) {
        assert(error._tag === "InvalidMessage")
        assert.deepStrictEqual(error.path, ["metadata", "userId"])
        assert.match(error.message, /metadata\.userId is missing: give it to the event, .* or by Metadata\.with/)
      }
    }).pipe(onMemory))

  it.effect("refuses what does not fit in the context", () =>
    Effect.gen(function*() {
      const cases = [
        [{ userId: 7 }, ["metadata", "userId"]],
        [{ userId: "7", at: "yesterday" }, ["metadata", "at"]],
        [{ userId: "7", properties: {} }, ["metadata", "properties", "tenant"]]
      ] as const
      for (const [metadata, path] of cases) {
        const error = yield* Effect.flip(Metadata.with(done, metadata))
        assert(error._tag === "InvalidMessage")
        assert.deepStrictEqual(error.path, path)
        assert.match(error.reason, /^does not fit its schema: /)
      }
      assert.deepStrictEqual(yield* metadataOf("typed"), [])
    }).pipe(onMemory))
})

/** Runs a handler for the only message of the category `trigger`. */
const handling = Effect.fnUntraced(function*<E, R>(
  handler: (recorded: Message.RecordedMessage) => Effect.Effect<unknown, E, R>
) {
  const store = yield* MessageStore.MessageStore
  yield* store.append("trigger-1", {
    type: "Pulled",
    data: {},
    metadata: { correlationStreamName: "cart-9", properties: { tenant: "north", x: 1 } }
  })
  const done = yield* Deferred.make<void>()
  const consumer = Consumer.make("test").on("trigger", {
    Pulled: (recorded) => Effect.andThen(handler(recorded), Deferred.succeed(done, undefined))
  })
  yield* Effect.raceFirst(Consumer.run(consumer), Deferred.await(done))
})

const caused = {
  causationMessageStreamName: "trigger-1",
  causationMessagePosition: 0,
  causationMessageGlobalPosition: 1
}

describe("what a handler writes", () => {
  it.effect("follows the message that it handles, under whatever is given", () =>
    Effect.gen(function*() {
      yield* handling(() =>
        Effect.gen(function*() {
          yield* deposit()
          yield* deposit({ properties: { x: 2 }, correlationStreamName: null })
          yield* Metadata.with(deposit(), { correlationStreamName: "other-1", properties: { x: 3 } })
        })
      ).pipe(Metadata.with({ properties: { x: 4, y: 4 } }))
      const correlationStreamName = "cart-9"
      assert.deepStrictEqual(yield* metadataOf("account"), [
        { ...caused, correlationStreamName, properties: { tenant: "north", x: 4, y: 4 } },
        { ...caused, correlationStreamName: null, properties: { tenant: "north", x: 2, y: 4 } },
        { ...caused, correlationStreamName: "other-1", properties: { tenant: "north", x: 3, y: 4 } }
      ])
    }).pipe(onMemory))

  it.effect("is the same when the handler follows it in so many words, and follows nothing else when it names another", () =>
    Effect.gen(function*() {
      const other = { streamName: "other-1", position: 3, globalPosition: 33, metadata: null }
      yield* handling((recorded) =>
        Effect.gen(function*() {
          yield* deposit()
          yield* deposit(Metadata.follow(recorded))
          yield* deposit(Metadata.follow(other))
          yield* Metadata.with(deposit(), Metadata.follow(other))
          yield* Metadata.without(deposit())
        })
      )
      const [first, ...others] = yield* metadataOf("account")
      const followsOther = Metadata.follow(other)
      assert.deepStrictEqual(others, [first, followsOther, followsOther, null])
    }).pipe(onMemory))

  it.effect("follows it also in a fiber that outlives the handler", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const written = yield* Deferred.make<void>()
      yield* handling(() =>
        Deferred.await(go).pipe(
          Effect.andThen(deposit()),
          Effect.andThen(Deferred.succeed(written, undefined)),
          Effect.forkDetach
        )
      )
      yield* Deferred.succeed(go, undefined)
      yield* Deferred.await(written)
      const [metadata] = yield* metadataOf("account")
      assert.deepStrictEqual(metadata, {
        ...caused,
        correlationStreamName: "cart-9",
        properties: { tenant: "north", x: 1 }
      })
    }).pipe(onMemory))

  it.effect("follows nothing in a batch, because another delivery may batch differently", () =>
    Effect.gen(function*() {
      yield* deposit()
      const done = yield* Deferred.make<void>()
      const consumer = Consumer.batch("test", {
        from: Account,
        handle: () =>
          Effect.andThen(
            MessageStore.MessageStore.use((store) => store.append("other-1", { type: "A", data: {} })),
            Deferred.succeed(done, undefined)
          )
      })
      yield* Effect.raceFirst(Consumer.run(consumer), Deferred.await(done))
      assert.deepStrictEqual(yield* metadataOf("other"), [null])
    }).pipe(onMemory))
})

it.effect("what a process writes follows its trigger, and has what is given around the process", () =>
  Effect.gen(function*() {
    const Order = Category.make("order", { Placed: {} })
    const Fulfilment = Category.make("fulfilment", { Started: {} }, { metadata: { region: Schema.String } })
    const Progress = Entity.make(Fulfilment, { state: Schema.Int, initial: 0, evolve: { Started: (n) => n + 1 } })
    const process = Process.make("fulfilment", { entity: Progress }).on(Order, {
      Placed: (_, __, id) => ({
        events: Fulfilment.events.Started({}),
        send: Process.send(Account, id, Account.events.Deposited({ amount: 1 }))
      })
    })
    yield* Order.append("1", Order.events.Placed({}))
    const store = yield* MessageStore.MessageStore
    const wakeUps = yield* store.wakeUps("account")
    const isWritten = Effect.gen(function*() {
      while ((yield* metadataOf("account")).length === 0) yield* wakeUps.await
    })
    yield* Effect.raceFirst(Process.run(process), isWritten).pipe(Metadata.with({ region: "eu" }))
    const metadata = {
      region: "eu",
      causationMessageStreamName: "order-1",
      causationMessagePosition: 0,
      causationMessageGlobalPosition: 1
    }
    assert.deepStrictEqual(yield* metadataOf("account"), [metadata])
    assert.deepStrictEqual(yield* metadataOf("fulfilment"), [metadata])
  }).pipe(Effect.scoped, onMemory))
