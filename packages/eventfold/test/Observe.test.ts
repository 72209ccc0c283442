/** What a program says of its definitions by their names, on the memory store. */
import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, Option, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  Category,
  Commands,
  Consumer,
  Entity,
  MessageStore,
  Observe,
  PositionStore,
  Process,
  ReadModel,
  type ReadModelStore,
  StoreError,
  StreamName,
  Streams
} from "eventfold"

const Account = Category.make("account", {
  Opened: { owner: Schema.String },
  Deposited: Category.version({ cents: Schema.Int })
    .upcast({ cents: Schema.Int, currency: Schema.String }, ({ cents }) => ({ cents, currency: "EUR" }))
}, { id: Schema.String.check(Schema.isPattern(/^\d+$/)) })

const Balance = Entity.make(Account, {
  state: Schema.Struct({ cents: Schema.Int, openedAt: Schema.optionalKey(Schema.DateTimeUtc) }),
  initial: { cents: 0 },
  evolve: {
    Opened: (state) => ({ ...state, openedAt: DateTime.makeUnsafe(0) }),
    Deposited: (state, { cents }) => ({ ...state, cents: state.cents + cents })
  }
})

const Owner = Entity.make(Account, {
  state: Schema.String.check(Schema.isMinLength(1)),
  initial: "nobody",
  evolve: { Opened: (_, { owner }) => owner, Deposited: (owner) => owner }
})

class TooLittle extends Schema.TaggedError<TooLittle>()("TooLittle", {}) {
  override get message(): string {
    return "too little"
  }
}

const Fragile = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: {
    Opened: (state) => state,
    Deposited: (_, { cents }) => {
      if (cents < 6) throw new TooLittle()
      return cents
    }
  }
})

const layer = Observe.layer({ entities: { account: Balance, owner: Owner, fragile: Fragile } }).pipe(
  Layer.provideMerge(MessageStore.layerMemory)
)

const onMemory = Effect.provide(layer)

const write = (streamName: string, type: string, data: Schema.Json, metadata?: Schema.JsonObject) =>
  MessageStore.MessageStore.use((store) => store.append(streamName, { type, data, metadata }))

/** Opened, a message of an unknown type, and two deposits, one of each version: positions 0 to 3. */
const written = Effect.gen(function*() {
  yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
  yield* TestClock.adjust("1 minute")
  yield* write("account-1", "Audited", {})
  yield* TestClock.adjust("1 minute")
  yield* write("account-1", "Deposited", { cents: 5 })
  yield* TestClock.adjust("1 minute")
  yield* Account.append("1", Account.events.Deposited({ cents: 7, currency: "USD" }))
})

class Vault extends Context.Service<Vault, { readonly limit: number }>()("Vault") {}

class TooMuch extends Schema.TaggedError<TooMuch>()("TooMuch", { limit: Schema.Int }) {}

const BalanceCommands = Commands.make(Balance, {
  Open: { payload: { owner: Schema.String }, decide: (_, { owner }) => Account.events.Opened({ owner }) },
  Deposit: {
    payload: { cents: Schema.Int },
    error: TooMuch,
    success: Schema.Int,
    decide: ({ cents: before }, { cents }) =>
      Vault.use(({ limit }) =>
        before + cents > limit
          ? Effect.fail(new TooMuch({ limit }))
          : Effect.succeed(Entity.reply(Account.events.Deposited({ cents, currency: "EUR" }), before + cents))
      )
  }
})

describe("command", () => {
  const vault = Layer.succeed(Vault, { limit: 10 })
  const loaded = Observe.layer({ entities: { account: Balance, owner: Owner }, commands: { account: BalanceCommands } })
  const withCommands: Layer.Layer<Observe.Observe, StoreError.InvalidArgument | StreamName.InvalidCategory> = loaded
    .pipe(Layer.provide(vault), Layer.provideMerge(MessageStore.layerMemory))

  it.effect("runs by its name, with what its decision needs, and replies or refuses in JSON", () =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      assert.deepStrictEqual(observe.loaded.commands, { account: ["Open", "Deposit"] })
      const accepted = yield* observe.command("account", "1", "Deposit", { cents: 7 }, { commandId: "c1" })
      assert.deepStrictEqual(accepted, {
        _tag: "Accepted",
        reply: 7,
        version: Option.some(0),
        globalPosition: Option.some(1)
      })
      assert.deepStrictEqual(
        yield* observe.command("account", "1", "Deposit", { cents: 7 }, { commandId: "c1" }),
        accepted
      )
      const refused = yield* observe.command("account", "1", "Deposit", { cents: 7 })
      assert.deepInclude(refused, { _tag: "Refused", refusal: { _tag: "TooMuch", limit: 10 } })
      assert.deepStrictEqual((yield* observe.entity("account", "1")).version, Option.some(0))
    }).pipe(Effect.provide(withCommands)))

  it.effect("refuses what is not loaded, and tells the schemas of what is", () =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      const notLoaded = yield* Effect.flip(observe.command("owner", "1", "Open", {}))
      assert.instanceOf(notLoaded, Observe.DefinitionNotLoaded)
      assert.strictEqual(
        notLoaded.message,
        `definition not loaded here: the commands of "owner"; loaded are account`
      )
      assert.instanceOf(yield* Effect.flip(observe.command("account", "1", "Close", {})), Commands.UnknownCommand)
      assert.instanceOf(yield* Effect.flip(observe.command("account", "1", "Open", {})), Commands.InvalidPayload)
      const { categories, entities } = observe.definitions
      assert.deepStrictEqual(
        categories.map(({ category, events }) => [category, events.map(({ type }) => type)]),
        [["account", ["Opened", "Deposited"]]]
      )
      const [deposited] = categories.flatMap(({ events }) => events.filter(({ type }) => type === "Deposited"))
      assert.deepStrictEqual(
        deposited && Schema.toJsonSchemaDocument(deposited.data).schema["required"],
        ["cents", "currency"]
      )
      assert.deepStrictEqual(
        entities.map(({ category, commands, entity }) => [entity, category, commands.map(({ name }) => name)]),
        [["account", "account", ["Open", "Deposit"]], ["owner", "account", []]]
      )
    }).pipe(Effect.provide(withCommands)))

  it.effect("may be absent for an entity whose name is one of every object", () =>
    Effect.gen(function*() {
      const { definitions: { entities }, entity } = yield* Observe.Observe
      assert.deepStrictEqual(entities.map(({ commands, entity }) => [entity, commands]), [
        ["constructor", []],
        ["__proto__", []]
      ])
      assert.deepStrictEqual((yield* entity("__proto__", "1")).state, { cents: 0 })
    }).pipe(
      Effect.provide(Layer.provide(
        Observe.layer({ entities: { constructor: Balance, ["__proto__"]: Balance } }),
        MessageStore.layerMemory
      ))
    ))

  it.effect("must stand under the name of an entity of its category", () =>
    Effect.gen(function*() {
      const other = Entity.make(Category.make("other", { A: {} }), {
        state: Schema.Int,
        initial: 0,
        evolve: { A: (state) => state }
      })
      const wrong = [
        Observe.layer({ commands: { account: BalanceCommands } }),
        Observe.layer({ entities: { account: other }, commands: { account: BalanceCommands } })
      ]
      const fails = Effect.fnUntraced(function*(layer: typeof wrong[number]) {
        const error = yield* Effect.flip(
          Effect.scoped(Layer.build(Layer.provide(layer, [vault, MessageStore.layerMemory])))
        )
        return error instanceof StoreError.InvalidArgument ? [error.argument, error.value] : error
      })
      assert.deepStrictEqual(yield* Effect.forEach(wrong, fails), [["commands", `"account"`], [
        "commands",
        `"account"`
      ]])
    }))
})

describe("entity", () => {
  it.effect("gives the latest state in its JSON form, with the message that made it", () =>
    Effect.gen(function*() {
      yield* written
      const observe = yield* Observe.Observe
      const found = yield* observe.entity("account", "1")
      assert.deepStrictEqual(found.state, { cents: 12, openedAt: "1970-01-01T00:00:00.000Z" })
      assert.deepStrictEqual([found.version, found.last], [Option.some(3), Option.some(3)])
      assert.strictEqual(Option.getOrThrow(found.message).type, "Deposited")
      assert.deepStrictEqual(found.compared, Option.none())
      const json = yield* Schema.encodeEffect(Schema.toCodecJson(Observe.EntityState))(found)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(json)), json)
      assert.deepStrictEqual((yield* observe.entity("owner", "1")).state, "Ann")
    }).pipe(onMemory))

  it.effect("gives the state at a version and at a time, and compares with another version, earlier or later", () =>
    Effect.gen(function*() {
      yield* written
      const observe = yield* Observe.Observe
      const states = Effect.fnUntraced(function*(options: Observe.EntityStateOptions) {
        const { compared, state, version } = yield* observe.entity("owner", "1", options)
        const cents = yield* observe.entity("account", "1", options)
        return [version, state, cents.state, Option.flatMap(compared, ({ version }) => version), cents.compared]
      })
      const opened = { cents: 0, openedAt: "1970-01-01T00:00:00.000Z" }
      const paid = { ...opened, cents: 5 }
      assert.deepStrictEqual(yield* states({ at: { version: 1 } }), [
        Option.some(1),
        "Ann",
        opened,
        Option.none(),
        Option.none()
      ])
      for (const at of [{ version: 2 }, { time: DateTime.makeUnsafe(120_000) }]) {
        assert.deepStrictEqual(yield* states({ at, compare: 0 }), [
          Option.some(2),
          "Ann",
          paid,
          Option.some(0),
          Option.some({ version: Option.some(0), state: opened })
        ])
      }
      assert.deepStrictEqual(yield* states({ at: { version: 0 }, compare: 2 }), [
        Option.some(0),
        "Ann",
        opened,
        Option.some(2),
        Option.some({ version: Option.some(2), state: paid })
      ])
      // Beyond the end is the latest.
      assert.deepStrictEqual((yield* states({ at: { version: 900 }, compare: 2 }))[0], Option.some(3))
      assert.deepStrictEqual((yield* states({ compare: 900 }))[3], Option.some(3))
    }).pipe(onMemory))

  it.effect("names the message that made the difference, not one that changes nothing", () =>
    Effect.gen(function*() {
      yield* written
      const observe = yield* Observe.Observe
      const decisive = (entity: string, at: number, compare?: number) =>
        Effect.map(
          observe.entity(entity, "1", { at: { version: at }, compare }),
          ({ decisive }) => Option.getOrUndefined(Option.map(decisive, ({ position }) => position))
        )
      assert.strictEqual(yield* decisive("account", 3, 0), 3)
      assert.strictEqual(yield* decisive("account", 2, 0), 2)
      assert.strictEqual(yield* decisive("account", 0, 2), 2)
      // The message of an unknown type is between them, and changes nothing; nor do deposits the owner.
      assert.isUndefined(yield* decisive("account", 1, 0))
      assert.isUndefined(yield* decisive("owner", 3, 0))
      assert.isUndefined(yield* decisive("account", 3, 3))
      assert.isUndefined(yield* decisive("account", 3))
      assert.strictEqual(yield* decisive("account", 900, 2), 3)
    }).pipe(onMemory))

  it.effect("of a stream that does not exist is the initial state", () =>
    Effect.gen(function*() {
      const { last, message, state, version } = yield* (yield* Observe.Observe).entity("account", "9", { compare: 3 })
      assert.deepStrictEqual({ last, message, state, version }, {
        last: Option.none(),
        message: Option.none(),
        state: { cents: 0 },
        version: Option.none()
      })
    }).pipe(onMemory))

  it.effect("of a deleted message is folded without it", () =>
    Effect.gen(function*() {
      yield* written
      const streams = Streams.make({ category: "account" })
      const store = yield* MessageStore.MessageStore
      const last = Option.getOrThrow(yield* store.lastMessage("account-1"))
      yield* streams.deleteMessage("1", last.id, { by: "Ann", reason: "a mistake" })
      const observe = yield* Observe.Observe
      const { compared, state, version } = yield* observe.entity("account", "1", { compare: 3 })
      assert.deepStrictEqual(state, { cents: 5, openedAt: "1970-01-01T00:00:00.000Z" })
      assert.deepStrictEqual(version, Option.some(4))
      assert.deepStrictEqual(Option.getOrThrow(compared).state, state)
    }).pipe(onMemory))

  it.effect("refuses names that are not loaded, ids of another form and options out of range", () =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      const notLoaded = yield* Effect.flip(observe.entity("order", "1"))
      assert.instanceOf(notLoaded, Observe.DefinitionNotLoaded)
      assert.strictEqual(
        notLoaded.message,
        `definition not loaded here: the entity "order"; loaded are account, owner, fragile`
      )
      assert.instanceOf(yield* Effect.flip(observe.entity("account", "one")), StreamName.InvalidStreamName)
      assert.instanceOf(yield* Effect.flip(observe.entity("account", "")), StreamName.InvalidStreamName)
      for (const options of [{ at: { version: -1 } }, { at: { version: 0.5 } }, { compare: Number.NaN }]) {
        assert.instanceOf(yield* Effect.flip(observe.entity("account", "1", options)), StoreError.InvalidArgument)
      }
    }).pipe(onMemory))

  it.effect("says which state its schema does not describe", () =>
    Effect.gen(function*() {
      yield* Account.append("1", Account.events.Opened({ owner: "" }))
      const error = yield* Effect.flip((yield* Observe.Observe).entity("owner", "1"))
      assert.instanceOf(error, Observe.UnshowableState)
      assert.match(error.message, /^the state of account-1 at version 0 can't be shown: state: /)
    }).pipe(onMemory))

  it.effect("says at which message evolve throws, also among changes, and shows the states before it", () =>
    Effect.gen(function*() {
      yield* written
      const observe = yield* Observe.Observe
      const error = yield* Effect.flip(observe.entity("fragile", "1"))
      assert.strictEqual(
        error.message,
        "the state of account-1 at version 2 can't be shown: state: evolve throws at its message of type Deposited: too little"
      )
      const seen: Array<number> = []
      const changes = observe.entityChanges("fragile", "1").pipe(
        Stream.runForEach(({ message }) => Effect.sync(() => void seen.push(message.position)))
      )
      assert.deepStrictEqual(yield* Effect.flip(changes), error)
      assert.deepStrictEqual(seen, [0, 1])
      assert.strictEqual((yield* observe.entity("fragile", "1", { at: { version: 1 } })).state, 0)
    }).pipe(onMemory))
})

describe("entityChanges", () => {
  it.effect("gives each message with the state before and after it, from any position", () =>
    Effect.gen(function*() {
      yield* written
      const observe = yield* Observe.Observe
      const changes = (options?: Observe.EntityChangesOptions) =>
        observe.entityChanges("account", "1", options).pipe(
          Stream.map(({ after, before, isEvent, message }) => ({ position: message.position, isEvent, before, after })),
          Stream.runCollect
        )
      const opened = { cents: 0, openedAt: "1970-01-01T00:00:00.000Z" }
      const all = [
        { position: 0, isEvent: true, before: { cents: 0 }, after: opened },
        { position: 1, isEvent: false, before: opened, after: opened },
        { position: 2, isEvent: true, before: opened, after: { ...opened, cents: 5 } },
        { position: 3, isEvent: true, before: { ...opened, cents: 5 }, after: { ...opened, cents: 12 } }
      ]
      assert.deepStrictEqual(yield* changes(), all)
      assert.deepStrictEqual(yield* changes({ from: 2, limit: 1 }), all.slice(2, 3))
      assert.deepStrictEqual(yield* changes({ from: 9 }), [])
    }).pipe(onMemory))

  it.effect("fails at a message that does not decode, after those before it", () =>
    Effect.gen(function*() {
      yield* written
      yield* write("account-1", "Deposited", { cents: "many" })
      const seen: Array<number> = []
      const error = yield* Effect.flip(
        (yield* Observe.Observe).entityChanges("account", "1").pipe(
          Stream.runForEach(({ message }) => Effect.sync(() => void seen.push(message.position)))
        )
      )
      assert.instanceOf(error, Category.DecodeError)
      assert.deepStrictEqual(seen, [0, 1, 2, 3])
    }).pipe(onMemory))
})

const deposit = (cents: Schema.Json) => ({ type: "Deposited", data: { cents } })

describe("storedTypes", () => {
  it.effect("counts a message at which an upcast throws among those that don't fit", () =>
    Effect.gen(function*() {
      const Old = Category.make("old", {
        Named: Category.version({ name: Schema.String }).upcast({ name: Schema.String }, ({ name }) => {
          if (name === "") throw new TooLittle()
          return { name }
        })
      })
      yield* Effect.gen(function*() {
        yield* write("old-1", "Named", { name: "" })
        yield* write("old-1", "Named", { name: "Ann" })
        const { types } = yield* (yield* Observe.Observe).storedTypes("old")
        assert.deepStrictEqual(
          types.map(({ firstMisfit, messages, misfits }) => [messages, misfits, firstMisfit.valueOrUndefined?.reason]),
          [[2, 1, "decoding it throws: too little"]]
        )
      }).pipe(Effect.provide(Observe.layer({ categories: [Old] })))
    }).pipe(onMemory))

  const wrong = { cents: "many" }
  it.effect("counts by type and version, with the first that does not fit", () =>
    Effect.gen(function*() {
      yield* written
      yield* write("account-2", "Deposited", wrong)
      // What a process writes is no unknown type.
      yield* write("account-2", "eventfold:Handled", {})
      yield* write("account-two", "Opened", { owner: "Bob" })
      yield* write("account-2", "Deposited", wrong, { schemaVersion: "3" })
      const observe = yield* Observe.Observe
      const report = yield* observe.storedTypes("account", { sample: "all" })
      assert.deepStrictEqual([report.category, report.isComplete, report.messages], ["account", true, 7])
      assert.deepStrictEqual(
        report.types.map(({ firstMisfit, isKnown, messages, misfits, schemaVersion, type }) => [
          type,
          Option.getOrUndefined(schemaVersion),
          isKnown,
          messages,
          misfits,
          Option.getOrUndefined(Option.map(firstMisfit, ({ path, streamName }) => `${streamName} ${path.join(".")}`))
        ]),
        [
          ["Audited", undefined, false, 1, 0, undefined],
          ["Deposited", undefined, true, 2, 1, "account-2 data.cents"],
          ["Deposited", "2", true, 1, 0, undefined],
          ["Deposited", "3", true, 1, 1, "account-2 metadata.schemaVersion"],
          ["Opened", undefined, true, 2, 1, "account-two streamName"]
        ]
      )
      assert.deepStrictEqual(yield* observe.storedTypes("account"), report)
      const json = yield* Schema.encodeEffect(Schema.toCodecJson(Observe.StoredTypes))(report)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(json)), json)
    }).pipe(onMemory))

  it.effect("looks at a sample of the oldest and the newest, and says whether that was all", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const observe = yield* Observe.Observe
      yield* store.append("account-1", Array.from({ length: 100 }, (_, cents) => deposit(cents)))
      // Far apart, with another category between them.
      yield* store.append("order-1", Array.from({ length: 1_000 }, () => ({ type: "Placed", data: {} })))
      yield* store.append("account-1", [deposit("wrong"), deposit(1), deposit(2)])
      const look = Effect.fnUntraced(function*(sample: number) {
        const { isComplete, messages, types } = yield* observe.storedTypes("account", { sample })
        return [isComplete, messages, types[0]?.first.globalPosition, types[0]?.last.globalPosition, types[0]?.misfits]
      })
      assert.deepStrictEqual(yield* look(2), [false, 4, 1, 1_103, 0])
      assert.deepStrictEqual(yield* look(3), [false, 6, 1, 1_103, 1])
      assert.deepStrictEqual(yield* look(51), [false, 102, 1, 1_103, 1])
      assert.deepStrictEqual(yield* look(52), [true, 103, 1, 1_103, 1])
      assert.deepStrictEqual(yield* look(500), [true, 103, 1, 1_103, 1])
    }).pipe(onMemory))

  it.effect("of an empty category is empty, and refuses what is not loaded or out of range", () =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      const empty = { category: "account", isComplete: true, messages: 0, types: [] }
      assert.deepStrictEqual(yield* observe.storedTypes("account"), empty)
      assert.instanceOf(yield* Effect.flip(observe.storedTypes("order")), Observe.DefinitionNotLoaded)
      assert.instanceOf(yield* Effect.flip(observe.storedTypes("account", { sample: 0 })), StoreError.InvalidArgument)
    }).pipe(onMemory))
})

it.effect("refuses two categories of one name, and takes one that is given twice", () =>
  Effect.gen(function*() {
    const other = Category.make("account", {})
    const twice = Observe.layer({ categories: [Account], entities: { account: Balance } })
    yield* Effect.scoped(Layer.build(twice))
    const error = yield* Effect.flip(Effect.scoped(Layer.build(Observe.layer({ categories: [Account, other] }))))
    assert.match(error.message, /one category of each name/)
  }).pipe(Effect.provide(MessageStore.layerMemory)))

describe("readers", () => {
  class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

  const greeter = Consumer.make("greeter", { onFailure: "park", retry: Schedule.recurs(0) }).on(Account, {
    Opened: ({ data }) => data.owner === "Eve" ? Effect.fail(new Refused()) : Effect.void
  })
  const Reminder = Category.make("reminder", {})
  const reminder = Process.make("reminder", {
    entity: Entity.make(Reminder, { state: Schema.Null, initial: null, evolve: {} })
  })
    .deadline("late", () => ({}))
    .on(Account, { Opened: () => ({ deadlines: { late: "1 hour" } }) })
  const readers = (failing: boolean) => {
    const owners = ReadModel.make("owners", { version: 2, retry: Schedule.recurs(0) }).on(Account, {
      Opened: () => failing ? Effect.fail(new Refused()) : Effect.void
    })
    return Observe.layer({ consumers: [greeter], processes: [reminder], readModels: [owners] }).pipe(
      Layer.provideMerge(Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory))
    )
  }

  /** Runs the process and consumers until they have handled all that is written. */
  const caughtUp = Effect.fnUntraced(function*(...consumers: ReadonlyArray<Consumer.Consumer<unknown, never>>) {
    const { lastPosition } = yield* MessageStore.MessageStore
    const last = yield* lastPosition
    for (const one of consumers) {
      yield* Effect.scoped(Effect.flatMap(Consumer.start(one), ({ waitFor }) => waitFor(last)))
    }
  })

  it.effect("lists consumers that are loaded, and those that only the store knows", () =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      const look = Effect.map(observe.consumers, (all) =>
        all.map(({ category, consumer, parked, status, stored }) => [
          `${consumer} of ${category}`,
          Option.getOrUndefined(Option.map(status, ({ lag }) => lag.messages)),
          stored.map(({ position }) => position),
          Option.getOrUndefined(Option.map(parked, ({ messages }) => messages))
        ]))
      assert.deepStrictEqual(observe.loaded, {
        categories: [],
        commands: {},
        consumers: ["greeter", "reminder"],
        entities: [],
        processes: ["reminder"],
        readModels: ["owners"]
      })
      assert.deepStrictEqual(yield* look, [
        ["greeter of account", 0, [], undefined],
        ["reminder of account", 0, [], undefined],
        ["reminder of reminder:deadline", 0, [], undefined]
      ])
      yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
      yield* Account.append("2", Account.events.Opened({ owner: "Eve" }))
      const stranger = Consumer.make("stranger").on("account", { Opened: () => Effect.void })
      yield* caughtUp(greeter, stranger)
      assert.deepStrictEqual(yield* look, [
        ["greeter of account", 0, [2], 1],
        ["reminder of account", 2, [], undefined],
        ["reminder of reminder:deadline", 0, [], undefined],
        ["stranger of account", undefined, [2], undefined]
      ])
      const json = yield* Schema.encodeEffect(Schema.toCodecJson(Schema.Array(Observe.ObservedConsumer)))(
        yield* observe.consumers
      )
      assert.deepStrictEqual(JSON.parse(JSON.stringify(json)), json)
    }).pipe(Effect.provide(readers(false))))

  it.effect("gives a process with what it waits for", () =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
      const look = Effect.map(
        observe.process("reminder"),
        ({ next, overdue, pending, status }) => [status.lag.messages, pending, overdue, next.map(({ id }) => id)]
      )
      assert.deepStrictEqual(yield* look, [1, 0, 0, []])
      yield* Effect.scoped(Effect.gen(function*() {
        const { waitFor } = yield* Process.start(reminder)
        yield* waitFor(1)
        // The deadline that it has set is a message too.
        yield* waitFor(yield* (yield* MessageStore.MessageStore).lastPosition)
      }))
      assert.deepStrictEqual(yield* look, [0, 1, 0, ["1"]])
      // The timer, which keeps a position as well, is none of the consumers.
      const { category, consumerId } = { category: "reminder:deadline", consumerId: "reminder:timer" }
      assert.isTrue(Option.isSome(yield* (yield* PositionStore.PositionStore).get({ category, consumerId })))
      const ids = Effect.map(observe.consumers, (all) => new Set(all.map(({ consumer }) => consumer)))
      assert.isFalse((yield* ids).has(consumerId))
      yield* TestClock.adjust("61 minutes")
      assert.deepStrictEqual(yield* look, [0, 1, 1, ["1"]])
      assert.deepStrictEqual(yield* observe.processes, [yield* observe.process("reminder")])
      assert.instanceOf(yield* Effect.flip(observe.process("other")), Observe.DefinitionNotLoaded)
      const json = yield* Schema.encodeEffect(Schema.toCodecJson(Schema.Array(Observe.ObservedProcess)))(
        yield* observe.processes
      )
      assert.deepStrictEqual(JSON.parse(JSON.stringify(json)), json)
    }).pipe(Effect.provide(readers(false))))

  it.effect("lists read models, and builds one again by its name", () =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
      const look = Effect.map(observe.readModels, (all) =>
        all.map(({ readModel, status, stored, version }) => [
          readModel,
          Option.getOrUndefined(version),
          Option.getOrUndefined(Option.map(status, ({ builds }) => builds.map(({ lag }) => lag.messages))),
          stored.map(({ build: { number, state } }) => `${number} ${state}`)
        ]))
      assert.deepStrictEqual(yield* look, [["owners", 2, [], []]])
      yield* Stream.runDrain(observe.rebuild("owners"))
      assert.deepStrictEqual(yield* look, [["owners", 2, [0], ["1 live"]]])
      const phases = yield* Stream.runCollect(Stream.map(observe.rebuild("owners"), ({ phase }) => phase))
      assert.isNotEmpty(phases)
      assert.deepStrictEqual(yield* look, [["owners", 2, [0, 0], ["1 retired", "2 live"]]])
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(observe.rebuild("other"))), Observe.DefinitionNotLoaded)
      const json = yield* Schema.encodeEffect(Schema.toCodecJson(Schema.Array(Observe.ObservedReadModel)))(
        yield* observe.readModels
      )
      assert.deepStrictEqual(JSON.parse(JSON.stringify(json)), json)
    }).pipe(Effect.provide(readers(false))))

  it.effect("says why a rebuild failed", () =>
    Effect.gen(function*() {
      yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
      const error = yield* Effect.flip(Stream.runDrain((yield* Observe.Observe).rebuild("owners")))
      assert.instanceOf(error, Observe.RebuildFailed)
      assert.strictEqual(error.failure.tag, "Refused")
    }).pipe(Effect.provide(readers(true))))

  it.effect("needs what the handlers of read models and the schemas need", () =>
    Effect.sync(() => {
      class Mailer extends Context.Service<Mailer, {}>()("Mailer") {}
      const mails = ReadModel.make("mails", { version: 1 }).on(Account, { Opened: () => Effect.asVoid(Mailer) })
      const needs: Layer.Layer<
        Observe.Observe,
        StoreError.InvalidArgument | StreamName.InvalidCategory,
        Mailer | MessageStore.MessageStore | ReadModelStore.ReadModelStore
      > = Observe.layer({ readModels: [mails] })
      const fewer: Layer.Layer<
        Observe.Observe,
        StoreError.InvalidArgument | StreamName.InvalidCategory,
        MessageStore.MessageStore
      > = Observe.layer({ consumers: [greeter], entities: { account: Balance } })
      // @effect-diagnostics missingLayerContext:off -- the compiler reports it as well
      // @ts-expect-error the handlers need a Mailer
      const wrong: typeof fewer = needs
      // @effect-diagnostics missingLayerContext:error
      assert.notStrictEqual<unknown>(wrong, fewer)
    }))
})

const parker = Consumer.make("parker", { onFailure: "park", retry: Schedule.recurs(0) }).on(Account, {
  Opened: ({ data: { owner } }) => owner === "Eve" ? Effect.fail("refused") : Effect.void
})

describe("a message", () => {
  it.effect("is decoded into its newest version, or says why it is not", () =>
    Effect.gen(function*() {
      yield* written
      yield* write("account-1", "Deposited", { cents: "five" })
      yield* write("account-one", "Opened", { owner: "Ann" })
      yield* write("order-1", "Placed", {})
      const observe = yield* Observe.Observe
      const store = yield* MessageStore.MessageStore
      const decoded = yield* Stream.runCollect(Stream.mapEffect(store.readAll(), observe.decode))
      assert.deepStrictEqual(
        decoded.map(({ data, isKnown, isLoaded, misfit }) => [
          isLoaded,
          isKnown,
          data,
          Option.getOrUndefined(Option.map(misfit, ({ path }) => path.join(".")))
        ]),
        [
          [true, true, { owner: "Ann" }, undefined],
          [true, false, undefined, undefined],
          // Written as the first version.
          [true, true, { cents: 5, currency: "EUR" }, undefined],
          [true, true, { cents: 7, currency: "USD" }, undefined],
          [true, true, undefined, "data.cents"],
          [true, true, undefined, "streamName"],
          [false, false, undefined, undefined]
        ]
      )
      const last = Option.getOrThrow(yield* store.lastMessage("account-1"))
      yield* Streams.make({ category: "account" }).deleteMessage("1", last.id, { by: "Ann", reason: "a mistake" })
      const gone = Option.getOrThrow(yield* store.messageAt(last.globalPosition))
      assert.deepStrictEqual(yield* observe.decode(gone), { isLoaded: true, isKnown: false, misfit: Option.none() })
    }).pipe(onMemory))

  it.effect("has readers that are past it, behind, or have it parked: of a group the member that reads its stream", () =>
    Effect.gen(function*() {
      const observe = yield* Observe.Observe
      const ids = ["1", "2", "3", "4", "5", "6"]
      for (const id of ids) yield* Account.append(id, Account.events.Opened({ owner: id === "2" ? "Eve" : "Ann" }))
      const store = yield* MessageStore.MessageStore
      const members = new Map(ids.map((id) => [id, Option.getOrThrow(StreamName.groupMember(`account-${id}`, 2))]))
      // The first member alone has run.
      yield* PositionStore.PositionStore.use(({ put }) =>
        put({ category: "account", consumerId: "pair", member: 0 }, { position: 6, groupSize: 2 })
      )
      const running = yield* Consumer.start(parker)
      yield* running.waitFor(6)
      const readers = (position: number) =>
        Effect.map(
          Effect.flatMap(store.messageAt(position), (found) => observe.readersOf(Option.getOrThrow(found))),
          (found) =>
            found.map(({ handles, kind, reader, state }) => [kind, reader, state, Option.getOrNull(handles)].join(" "))
        )
      for (const [index, id] of ids.entries()) {
        assert.deepStrictEqual(yield* readers(index + 1), [
          `consumer parker ${id === "2" ? "parked" : "handled"} true`,
          `consumer pair ${members.get(id) === 0 ? "handled" : "behind"} true`,
          "consumer everything behind true"
        ])
      }
      const { globalPosition } = yield* write("order-1", "Placed", {})
      assert.deepStrictEqual(yield* readers(globalPosition), ["consumer everything behind true"])
      const deposited = yield* Account.append("1", Account.events.Deposited({ cents: 1, currency: "EUR" }))
      assert.include(yield* readers(deposited.globalPosition), "consumer pair behind false")
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.provideMerge(
        Observe.layer({
          consumers: [
            parker,
            Consumer.make("pair", { group: { size: 2, members: [0, 1] } }).on(Account, { Opened: () => Effect.void }),
            Consumer.make("everything").on(Consumer.all, () => Effect.void)
          ]
        }),
        MessageStore.layerMemory
      ))
    ))
})
