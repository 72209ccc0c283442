/**
 * What the types promise. That this file compiles is the test: each `@ts-expect-error` is a mistake that the compiler
 * must find, and each `exactly` fails to compile when a type has become another. Nothing of it is run.
 */
import { assert, it } from "@effect/vitest"
import { Context, type DateTime, Effect, Layer, Option, Schedule, Schema, type Stream } from "effect"
import {
  Category,
  Consumer,
  Entity,
  type Message,
  MessageStore,
  type Metadata,
  type StoreError,
  type StreamName,
  Streams
} from "eventfold"

/** Compiles only when both types are the same. A union must have the same members. */
const exactly: <A, B>(...same: Same<A, B> extends true ? [] : [never]) => void = () => {}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

type Success<T> = T extends Effect.Effect<infer A, infer _E, infer _R> ? A : never
type Failure<T> = T extends Effect.Effect<infer _A, infer E, infer _R> ? E : never
type Needs<T> = T extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

const Account = Category.make("account", {
  Opened: { owner: Schema.String, at: Schema.DateTimeUtc, note: Schema.optionalKey(Schema.String) },
  Deposited: { amount: Schema.Int },
  Withdrawn: Schema.Struct({ amount: Schema.Int }),
  Counted: Schema.BigInt
})

const Balance = Entity.make(Account, {
  state: Schema.Struct({ balance: Schema.Int }),
  initial: { balance: 0 },
  evolve: {
    Opened: (state) => state,
    Deposited: (state, { amount }) => ({ balance: state.balance + amount }),
    Withdrawn: (state, { amount }) => ({ balance: state.balance - amount }),
    Counted: (state, n) => ({ balance: state.balance + Number(n) })
  }
})

class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", { balance: Schema.Int }) {}

class Limits extends Context.Service<Limits, { readonly daily: Effect.Effect<number, Offline> }>()("test/Limits") {}

class Offline extends Schema.TaggedError<Offline>()("Offline", {}) {}

type AccountEvent = Category.Event<typeof Account>

type WriteErrors =
  | StoreError.DuplicateMessageId
  | StoreError.InvalidMessage
  | StoreError.StoreError
  | StreamName.InvalidStreamName

export const aCategory = () => {
  // @ts-expect-error a category's name has no dash
  Category.make("my-account", { Opened: {} })
  // @ts-expect-error not even at its end
  Category.make("account-", { Opened: {} })
  Category.make("account:command", { Open: {} })
  // @ts-expect-error the definition of an event is a schema or its fields
  Category.make("account", { Opened: "owner" })
  exactly<AccountEvent["type"], "Opened" | "Deposited" | "Withdrawn" | "Counted">()
  exactly<
    Extract<AccountEvent, { readonly type: "Opened" }>["data"],
    { readonly owner: string; readonly at: DateTime.Utc; readonly note?: string }
  >()
  exactly<Extract<AccountEvent, { readonly type: "Withdrawn" }>["data"], { readonly amount: number }>()
  exactly<Extract<AccountEvent, { readonly type: "Counted" }>["data"], bigint>()
}

export const events = () => {
  const deposited = Account.events.Deposited({ amount: 1 })
  exactly<typeof deposited["type"], "Deposited">()
  exactly<typeof deposited["data"], { readonly amount: number }>()
  Account.events.Deposited({ amount: 1 }, { id: "an id", metadata: { correlationStreamName: "order-7", own: [1] } })

  // @ts-expect-error the wrong type of a field
  Account.events.Deposited({ amount: "1" })
  // @ts-expect-error a field is missing
  Account.events.Deposited({})
  // @ts-expect-error a field that the schema does not have
  Account.events.Deposited({ amount: 1, currency: "EUR" })
  // @ts-expect-error an event that the category does not have
  Account.events.Closed({})
  // @ts-expect-error a key of Eventide's with another type
  Account.events.Deposited({ amount: 1 }, { metadata: { correlationStreamName: 7 } })

  const Other = Category.make("other", { Closed: {} })
  // @ts-expect-error an event of another category
  void Account.append("1", Other.events.Closed({}))
  // @ts-expect-error one of another category among them
  void Account.append("1", [deposited, Other.events.Closed({})])
  // @ts-expect-error the data of one kind of event with the type of another
  void Account.append("1", { type: "Deposited", data: 1n })
}

export const appendAndRead = () => {
  const append = Account.append("1", [Account.events.Deposited({ amount: 1 })], { expectedVersion: "noStream" })
  exactly<Failure<typeof append>, StoreError.WrongExpectedVersion | WriteErrors>()
  exactly<Needs<typeof append>, MessageStore.MessageStore>()
  // @ts-expect-error not an expected version
  void Account.append("1", [], { expectedVersion: "none" })

  const read = Account.readStream("1")
  exactly<Stream.Success<typeof read>, Category.RecordedEvent<typeof Account>>()
  exactly<Stream.Error<typeof read>, MessageStore.ReadStreamError | Category.DecodeError>()
  exactly<Stream.Services<typeof read>, MessageStore.MessageStore>()
}

export const aRecordedEvent = (event: Category.RecordedEvent<typeof Account>) => {
  if (event.type === "Deposited") {
    exactly<typeof event.data, { readonly amount: number }>()
    // @ts-expect-error the type has told which data it is
    return event.data.owner
  }
  return event.recorded.globalPosition
}

export const anEntity = () => {
  const state = Schema.Struct({ balance: Schema.Int })
  const initial = { balance: 0 }
  const evolve = {
    Opened: (state: typeof initial) => state,
    Deposited: (state: typeof initial) => state,
    Withdrawn: (state: typeof initial) => state
  }
  // @ts-expect-error a handler is missing
  Entity.make(Account, { state, initial, evolve })
  // @ts-expect-error the initial state is not one
  Entity.make(Account, { state, initial: { balance: "0" }, evolve: { ...evolve, Counted: (state) => state } })
  // @ts-expect-error a handler gives what is not a state
  Entity.make(Account, { state, initial, evolve: { ...evolve, Counted: () => ({ balance: "0" }) } })
  Entity.make(Account, {
    state,
    initial,
    // @ts-expect-error the data of the event has no such field
    evolve: { ...evolve, Opened: (state, { amount }) => ({ balance: amount }), Counted: (state) => state }
  })

  const load = Balance.load(["1", "2"])
  exactly<Success<typeof load>, Entity.Loaded<{ readonly balance: number }>>()
  exactly<Success<typeof load>["version"], Option.Option<number>>()
  exactly<Failure<typeof load>, StreamName.InvalidStreamName | Category.DecodeError | StoreError.StoreError>()
  exactly<Needs<typeof load>, MessageStore.MessageStore>()
}

/** As in the README. */
export const withdraw = (id: string, amount: number) =>
  Balance.transact(id, ({ balance }) =>
    balance < amount
      ? Effect.fail(new InsufficientFunds({ balance }))
      : Effect.succeed(Account.events.Withdrawn({ amount })))

export const theReadme = () => {
  type Withdraw = ReturnType<typeof withdraw>
  exactly<Success<Withdraw>, Entity.Transacted<{ readonly balance: number }, typeof Account>>()
  exactly<Needs<Withdraw>, MessageStore.MessageStore>()
  exactly<
    Failure<Withdraw>,
    | InsufficientFunds
    | Category.DecodeError
    | Entity.Conflict
    | StoreError.InvalidArgument
    | StoreError.Unsupported
    | WriteErrors
  >()
  exactly<Failure<Withdraw>, InsufficientFunds | Entity.TransactError>()
  // As in the README, for code that does not care which category it is.
  type General = (
    id: string,
    amount: number
  ) => Effect.Effect<unknown, InsufficientFunds | Entity.TransactError, MessageStore.MessageStore>
  return withdraw satisfies General
}

export const decide = () => {
  const plain = Balance.transact("1", () => Account.events.Deposited({ amount: 1 }))
  exactly<Failure<typeof plain>, Entity.TransactError>()
  exactly<Needs<typeof plain>, MessageStore.MessageStore>()

  const nothing = Balance.transact("1", ({ balance }) => balance > 0 ? [] : Account.events.Deposited({ amount: 1 }))
  exactly<Failure<typeof nothing>, Entity.TransactError>()

  const error = Balance.transact(
    "1",
    ({ balance }) => balance < 1 ? new InsufficientFunds({ balance }) : Account.events.Withdrawn({ amount: 1 })
  )
  exactly<Failure<typeof error>, InsufficientFunds | Entity.TransactError>()
  exactly<Needs<typeof error>, MessageStore.MessageStore>()

  const effectful = Balance.transact("1", ({ balance }, version) =>
    Effect.gen(function*() {
      const { daily } = yield* Limits
      if (balance < (yield* daily) && Option.isSome(version)) return yield* new InsufficientFunds({ balance })
      return [Account.events.Withdrawn({ amount: 1 }), Account.events.Counted(1n)]
    }))
  exactly<Failure<typeof effectful>, InsufficientFunds | Offline | Entity.TransactError>()
  exactly<Needs<typeof effectful>, Limits | MessageStore.MessageStore>()

  const Other = Category.make("other", { Closed: {} })
  // @ts-expect-error an event of another category
  void Balance.transact("1", () => Other.events.Closed({}))
  // @ts-expect-error also as an effect
  void Balance.transact("1", () => Effect.succeed(Other.events.Closed({})))
  // @ts-expect-error data that no event has
  void Balance.transact("1", () => ({ type: "Deposited", data: { amount: "1" } }))
  // @ts-expect-error a decision is made, not forgotten
  void Balance.transact("1", () => {})
  // @ts-expect-error a promise is no effect
  void Balance.transact("1", async () => Account.events.Deposited({ amount: 1 }))
}

/** Each version has a form of its own, so that none can be taken for another. */
const Measured = Category.version({ celsius: Schema.String })
  .upcast({ kelvin: Schema.Finite }, ({ celsius }) => ({ kelvin: Number(celsius) + 273.15 }))
  .upcast(
    { kelvin: Schema.Finite, sensor: Schema.String },
    ({ kelvin }) => Effect.map(Sensors, ({ main }) => ({ kelvin, sensor: main }))
  )

class Sensors extends Context.Service<Sensors, { readonly main: string }>()("test/Sensors") {}

const Weather = Category.make("weather", { Measured, Forecast: Category.version({ sunny: Schema.Boolean }) })

const noReason = (): Effect.Effect<never, string> => Effect.fail("no reason")

export const versions = () => {
  exactly<
    Extract<Category.Event<typeof Weather>, { readonly type: "Measured" }>["data"],
    { readonly kelvin: number; readonly sensor: string }
  >()
  exactly<
    Extract<Category.RecordedEvent<typeof Weather>, { readonly type: "Forecast" }>["data"],
    { readonly sunny: boolean }
  >()
  Weather.events.Measured({ kelvin: 1, sensor: "a" })
  // @ts-expect-error data of an older version is not written
  Weather.events.Measured({ kelvin: 1 })

  const first = Category.version({ celsius: Schema.String })
  // @ts-expect-error a step sees the version before
  first.upcast({ kelvin: Schema.Finite }, ({ fahrenheit }) => ({ kelvin: fahrenheit }))
  // @ts-expect-error a step gives the data of its own version
  first.upcast({ kelvin: Schema.Finite }, ({ celsius }) => ({ kelvin: celsius }))
  // @ts-expect-error as an effect, too
  first.upcast({ kelvin: Schema.Finite }, ({ celsius }) => Effect.succeed({ kelvin: celsius }))
  // @effect-diagnostics missingEffectError:off
  // @ts-expect-error a failure has a message, which a DecodeError repeats
  first.upcast({ kelvin: Schema.Finite }, noReason)
  // @effect-diagnostics missingEffectError:error
  first.upcast({ kelvin: Schema.Finite }, () => new InsufficientFunds({ balance: 1 }))

  const Now = Entity.make(Weather, {
    state: Schema.Finite,
    initial: 0,
    evolve: {
      Measured: (_, data) => {
        exactly<typeof data, { readonly kelvin: number; readonly sensor: string }>()
        return data.kelvin
      },
      Forecast: (state) => state
    }
  })

  type Both = MessageStore.MessageStore | Sensors
  const append = Weather.append("1", Weather.events.Forecast({ sunny: true }))
  exactly<Needs<typeof append>, Both>()
  const read = Weather.readStream("1")
  exactly<Stream.Services<typeof read>, Both>()
  const last = Weather.lastEvent("1")
  exactly<Needs<typeof last>, Both>()
  const load = Now.load("1")
  exactly<Needs<typeof load>, Both>()
  const loadAt = Now.loadAt("1", { version: 3 })
  exactly<Needs<typeof loadAt>, Both>()
  const transact = Now.transact("1", () => [])
  exactly<Needs<typeof transact>, Both>()
  const all = Entity.transactAll({ now: Now.at("1"), account: Balance.at("1") }, () => ({}))
  exactly<Needs<typeof all>, Both>()
}

export const services = () => {
  class Keys extends Context.Service<Keys, { readonly key: string }>()("test/Keys") {}
  class Names extends Context.Service<Names, { readonly name: string }>()("test/Names") {}
  const encrypted = Schema.String.pipe(
    Schema.middlewareDecoding((decoded) => Effect.andThen(Keys, decoded)),
    Schema.middlewareEncoding((encoded) => Effect.andThen(Names, encoded))
  )
  type All = MessageStore.MessageStore | Keys | Names
  const InData = Category.make("secret", { Told: { text: encrypted }, Heard: Schema.Struct({ text: Schema.String }) })
  exactly<Category.Services<typeof InData>, Keys | Names>()
  const append = InData.append("1", InData.events.Heard({ text: "x" }))
  exactly<Needs<typeof append>, All>()
  const decode = InData.decode({} as Message.RecordedMessage)
  exactly<Needs<typeof decode>, Keys | Names>()

  const InMetadata = Category.make("secret", { Heard: {} }, { metadata: { user: encrypted } })
  exactly<Category.Services<typeof InMetadata>, Keys | Names>()

  const InThePast = Category.make("secret", {
    Told: Category.version({ text: encrypted }).upcast({ text: Schema.String }, (data) => data)
  })
  exactly<Category.Services<typeof InThePast>, Keys | Names>()
  const InThePresent = Category.make("secret", {
    Told: Category.version({ text: Schema.String }).upcast({ text: encrypted }, (data) => data)
  })
  exactly<Category.Services<typeof InThePresent>, Keys | Names>()
  exactly<Category.Services<typeof Account>, never>()
}

export const ids = () => {
  const AccountId = Schema.String.pipe(Schema.brand("AccountId"))
  const Branded = Category.make("account", { Closed: {} }, { id: AccountId })
  exactly<Category.Id<typeof Branded>, typeof AccountId.Type>()
  void Branded.append(AccountId.make("1"), Branded.events.Closed({}))
  // @ts-expect-error not any text
  void Branded.append("1", Branded.events.Closed({}))
  const Closing = Entity.make(Branded, { state: Schema.Boolean, initial: false, evolve: { Closed: () => true } })
  void Closing.load(AccountId.make("1"))
  // @ts-expect-error nor for an entity
  void Closing.load("1")
  // @ts-expect-error nor for one of several
  void Entity.transactAll({ one: Closing.at("1") }, () => ({}))

  const Numbered = Category.make("account", { Closed: {} }, { id: Schema.FiniteFromString })
  exactly<Category.Id<typeof Numbered>, number>()
  exactly<Success<ReturnType<typeof Numbered.id>>, number>()

  const Seat = Schema.Tuple([Schema.FiniteFromString, AccountId])
  const Compound = Category.make("seat", { Taken: {} }, { id: Seat })
  exactly<Category.Id<typeof Compound>, readonly [number, typeof AccountId.Type]>()
  void Compound.readStream([1, AccountId.make("a")])
  // @ts-expect-error the parts have an order
  void Compound.readStream([AccountId.make("a"), 1])
  // @ts-expect-error and a number
  void Compound.readStream([1])
  // @ts-expect-error an id is text in a stream name, or parts of it
  Category.make("account", { Closed: {} }, { id: Schema.Finite })

  exactly<Category.Id<typeof Account>, string | ReadonlyArray<string>>()
}

export const metadata = () => {
  const Required = Category.make("account", { Closed: {} }, { metadata: { userId: Schema.Int } })
  Required.events.Closed({}, { metadata: { userId: 7 } })
  Required.events.Closed({}, {
    id: "an id",
    metadata: { userId: 7, correlationStreamName: "order-7", properties: { a: 1 } }
  })
  // What is left out may come from the context.
  Required.events.Closed({})
  Required.events.Closed({}, { id: "an id" })
  Required.events.Closed({}, { metadata: { correlationStreamName: "order-7" } })
  // @ts-expect-error a field is of its type
  Required.events.Closed({}, { metadata: { userId: "7" } })
  // @ts-expect-error and no other than those that are known
  Required.events.Closed({}, { metadata: { userId: 7, tenant: 1 } })
  void Required.append("1", { type: "Closed", data: {} })
  exactly<Category.RecordedEvent<typeof Required>["metadata"]["userId"], number>()
  exactly<Category.RecordedEvent<typeof Required>["metadata"]["correlationStreamName"], string | null | undefined>()

  const Optional = Category.make("account", { Closed: {} }, { metadata: { userId: Schema.optionalKey(Schema.Int) } })
  Optional.events.Closed({})
  Optional.events.Closed({}, { metadata: {} })
  // @ts-expect-error of its type, if it is there
  Optional.events.Closed({}, { metadata: { userId: "7" } })

  const Properties = Category.make("account", { Closed: {} }, {
    metadata: { properties: Schema.Struct({ tenant: Schema.Int }) }
  })
  exactly<
    Category.RecordedEvent<typeof Properties>["metadata"]["properties"],
    { readonly tenant: number }
  >()

  // Without a schema it is what it was.
  exactly<NonNullable<Category.Event<typeof Account>["metadata"]>, Metadata.Metadata>()
}

type Reply<T> = Success<T> extends { readonly reply: infer R } ? R : never

export const replies = () => {
  const deposited = Account.events.Deposited({ amount: 1 })
  const counted = Account.events.Counted(1n)

  const none = Balance.transact("1", () => deposited)
  exactly<Reply<typeof none>, void>()
  const noEvents = Balance.transact("1", () => [])
  exactly<Reply<typeof noEvents>, void>()
  const refused = Balance.transact("1", () => new Offline())
  exactly<Reply<typeof refused>, void>()
  const plain = Balance.transact("1", ({ balance }) => Entity.reply(deposited, balance))
  exactly<Reply<typeof plain>, number>()
  const several = Balance.transact("1", () => Entity.reply([deposited, counted], { text: "x" }))
  exactly<Reply<typeof several>, { text: string }>()
  const onlyAReply = Balance.transact("1", () => Entity.reply([], "x"))
  exactly<Reply<typeof onlyAReply>, string>()
  const effect = Balance.transact("1", () => Effect.succeed(Entity.reply(deposited, 1n)))
  exactly<Reply<typeof effect>, bigint>()

  const orRefused = Balance.transact(
    "1",
    ({ balance }) => balance < 1 ? new InsufficientFunds({ balance }) : Entity.reply(deposited, "x")
  )
  exactly<Reply<typeof orRefused>, string>()
  exactly<Failure<typeof orRefused>, InsufficientFunds | Entity.TransactError>()

  // Where one way has a reply and another has none, there may be none.
  const mixed = Balance.transact("1", ({ balance }) => balance > 0 ? Entity.reply(deposited, 1) : [])
  exactly<Reply<typeof mixed>, number | void>()
  const different = Balance.transact(
    "1",
    ({ balance }) => balance > 0 ? Entity.reply(deposited, 1) : Entity.reply([], "x")
  )
  exactly<Reply<typeof different>, number | string>()
  const half = Balance.transact(
    "1",
    ({ balance }) => balance > 0 ? Entity.reply(deposited, 1) : Effect.succeed(Entity.reply([counted], true))
  )
  exactly<Reply<typeof half>, number | boolean>()
  const generator = Balance.transact(
    "1",
    Effect.fnUntraced(function*({ balance }) {
      if (balance < (yield* (yield* Limits).daily)) return yield* new InsufficientFunds({ balance })
      return balance > 1 ? Entity.reply([deposited], "x") : Entity.reply(counted, 1)
    })
  )
  exactly<Reply<typeof generator>, string | number>()
  exactly<Failure<typeof generator>, InsufficientFunds | Offline | Entity.TransactError>()
  exactly<Needs<typeof generator>, Limits | MessageStore.MessageStore>()

  const Other = Category.make("other", { Closed: {} })
  // @ts-expect-error an event of another category with a reply
  void Balance.transact("1", () => Entity.reply(Other.events.Closed({}), 1))
  // @ts-expect-error a reply without a decision
  void Balance.transact("1", () => Entity.reply(undefined, 1))
}

/** A function of a program's own over `transact` keeps what `decide` may refuse and need. */
export const wrapped = <E, R>(decide: (balance: number) => Effect.Effect<ReadonlyArray<AccountEvent>, E, R>) => {
  const transact = Balance.transact("1", ({ balance }) => decide(balance))
  const typed: Effect.Effect<
    Entity.Transacted<{ readonly balance: number }, typeof Account>,
    E | Entity.TransactError,
    R | MessageStore.MessageStore
  > = transact
  return typed
}

export const conflicts = () => {
  const transact = Balance.transact("1", () => [])
  type Conflict = Extract<Failure<typeof transact>, { readonly _tag: "WrongExpectedVersion" }>
  exactly<Conflict, Entity.Conflict>()
  exactly<Conflict["missed"], ReadonlyArray<Message.RecordedMessage>>()
  exactly<Conflict["attempts"], number>()
  exactly<Conflict["actual"], Option.Option<number>>()
}

export const several = () => {
  const Stock = Category.make("stock", { Taken: { count: Schema.Int } })
  const Left = Entity.make(Stock, { state: Schema.BigInt, initial: 0n, evolve: { Taken: (left) => left } })
  const targets = { payer: Balance.at("1"), stock: Left.at(["1", "2"]) }
  const paid = Account.events.Withdrawn({ amount: 1 })
  const taken = Stock.events.Taken({ count: 1 })

  const both = Entity.transactAll(targets, (states) => {
    exactly<typeof states, { readonly payer: { readonly balance: number }; readonly stock: bigint }>()
    return { payer: paid, stock: [taken, taken] }
  })
  type Both = Success<typeof both>
  exactly<Both["reply"], void>()
  exactly<Both["entities"]["payer"]["state"], { readonly balance: number }>()
  exactly<Both["entities"]["payer"]["events"], ReadonlyArray<AccountEvent>>()
  exactly<Both["entities"]["stock"]["state"], bigint>()
  exactly<Both["entities"]["stock"]["version"], Option.Option<number>>()
  exactly<Both["entities"]["stock"]["events"], ReadonlyArray<Category.Event<typeof Stock>>>()
  exactly<keyof Both["entities"], "payer" | "stock">()
  exactly<Failure<typeof both>, Entity.TransactError>()
  exactly<Needs<typeof both>, MessageStore.MessageStore>()

  const one = Entity.transactAll(targets, ({ stock }) => stock > 0n ? { stock: taken } : new Offline())
  exactly<Failure<typeof one>, Offline | Entity.TransactError>()
  const none = Entity.transactAll(targets, () => ({}))
  exactly<Success<typeof none>["reply"], void>()
  const replied = Entity.transactAll(targets, () => Effect.succeed(Entity.reply({ payer: [paid], stock: [] }, 7)))
  exactly<Success<typeof replied>["reply"], number>()

  // A decision may be of a type with a name.
  interface Plan {
    readonly stock?: Category.Event<typeof Stock>
  }
  void Entity.transactAll(targets, (): Plan => ({ stock: taken }))
  void Entity.transactAll(targets, (): Entity.Decisions<typeof targets> => ({}))

  // @ts-expect-error an event of another target
  void Entity.transactAll(targets, () => ({ payer: taken }))
  // @ts-expect-error one of another target among them, in an effect
  void Entity.transactAll(targets, () => Effect.succeed({ stock: [taken, paid] }))
  // @ts-expect-error a name that no target has
  void Entity.transactAll(targets, () => ({ payer: paid, stok: taken }))
  // @ts-expect-error with a reply, too
  void Entity.transactAll(targets, () => Entity.reply({ payer: paid, stok: taken }, 1))
  // @ts-expect-error as an effect, too
  void Entity.transactAll(targets, () => Effect.succeed({ payer: paid, stok: taken }))
  // @ts-expect-error an event without a target
  void Entity.transactAll(targets, () => paid)
  // @ts-expect-error a decision is made, not forgotten
  void Entity.transactAll(targets, () => {})
  // @ts-expect-error an entity without an id
  void Entity.transactAll({ payer: Balance }, () => ({}))
}

class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}

const failing = <E>(id: string, error: E) => Consumer.make(id).on("account", { Opened: () => Effect.fail(error) })

/** A host fails with what its consumers fail with, and needs what they need. */
export const hosts = () => {
  const [down, broken] = [failing("down", new Down()), failing("broken", new Broken())]

  const one = Consumer.launch(Consumer.layer(down))
  exactly<Failure<typeof one>, Down | Consumer.RunError>()
  exactly<Needs<typeof one>, MessageStore.MessageStore>()
  const two = Consumer.launch(Layer.merge(Consumer.layer(down), Consumer.layer(broken, { onStop: Schedule.forever })))
  exactly<Failure<typeof two>, Down | Broken | Consumer.RunError>()
  const ignoring = Consumer.launch(Layer.merge(Consumer.layer(down), Consumer.layer(broken, { onStop: "ignore" })))
  exactly<Failure<typeof ignoring>, Down | Consumer.RunError>()
  const seeing = Consumer.launch(Layer.effectDiscard(Consumer.running))
  exactly<Failure<typeof seeing>, never>()
  exactly<Needs<typeof seeing>, never>()

  const alone = Layer.provide(Consumer.layer(down), MessageStore.layerMemory)
  // Only a host runs a consumer as a layer.
  exactly<Layer.Services<typeof alone>, Consumer.Host<Down | Consumer.RunError>>()
}

export const handlers = () => {
  const byEvent = Consumer.make("x").on(Account, {
    // However a handler is written, it is known what it gets.
    Opened: Effect.fnUntraced(function*({ data }) {
      exactly<typeof data.owner, string>()
      return yield* new Offline()
    }),
    Deposited: ({ data }) =>
      data.amount > 1 ? Effect.void : Effect.fail(new InsufficientFunds({ balance: data.amount }))
  })
  exactly<typeof byEvent, Consumer.Definition<Offline | InsufficientFunds | Category.DecodeError, never>>()

  const byMessage = Consumer.make("x").on("account:command", {
    Open: ({ data }) => {
      exactly<typeof data, Schema.Json>()
      return Effect.flatMap(Limits, ({ daily }) => daily)
    }
  })
  exactly<typeof byMessage, Consumer.Definition<Offline, Limits>>()

  // @ts-expect-error an event that the category does not have
  Consumer.make("x").on(Account, { Transferred: () => Effect.void })

  const Transfer = Category.make("transfer", { Opened: { amount: Schema.Int } })
  const bySource = Consumer.make("x", { concurrency: 2 })
    .on(Account, { Opened: ({ data }) => exactly<typeof data.owner, string>() ?? Effect.fail(new Down()) })
    .on(Transfer, {
      Opened: Effect.fnUntraced(function*({ data }) {
        exactly<typeof data.amount, number>()
        return yield* new Offline()
      })
    })
    .on("shipping", { Shipped: ({ data }) => exactly<typeof data, Schema.Json>() ?? Effect.void })
    .on(
      Consumer.all,
      Effect.fnUntraced(function*(message) {
        exactly<typeof message, Message.RecordedMessage>()
        return yield* (yield* Limits).daily
      })
    )
  exactly<typeof bySource, Consumer.Definition<Down | Offline | Category.DecodeError, Limits>>()
  // @ts-expect-error an event that the category does not have
  Consumer.make("x").on(Transfer, { Closed: () => Effect.void })

  const everything = Consumer.make("x").on(
    Consumer.allOf({ types: ["Opened"] }),
    Effect.fnUntraced(function*(_message: Message.RecordedMessage) {
      return yield* new Offline()
    })
  )
  exactly<typeof everything, Consumer.Definition<Offline, never>>()
  const batches = Consumer.batch("x", {
    from: [Account, Transfer],
    handle: ([first]) => first.type === "Counted" ? Effect.fail(new Down()) : Effect.void
  })
  exactly<typeof batches, Consumer.Consumer<Down | Category.DecodeError, never>>()
  const allAtOnce = Consumer.batch("x", {
    from: Consumer.all,
    handle: ([first]) => exactly<typeof first, Message.RecordedMessage>() ?? Effect.void
  })
  exactly<typeof allAtOnce, Consumer.Consumer<never, never>>()
}

/** Attributes are of their schema, and what takes no id of a stream has no error of one. */
export const streams = () => {
  const Rooms = Streams.make({
    category: "room",
    attributes: Schema.Struct({ title: Schema.optionalKey(Schema.String) })
  })
  exactly<typeof Rooms, Streams.Streams<{ readonly title?: string }>>()
  exactly<Failure<typeof Rooms.count>, StreamName.InvalidCategory | Streams.StreamsError>()
  const purge = Rooms.purge({ by: "ann", reason: "r" })
  exactly<Failure<typeof purge>, StreamName.InvalidCategory | StoreError.InvalidArgument | Streams.StreamsError>()
  // @ts-expect-error attributes of another type
  void Rooms.set("kitchen", { title: 1 })
  // @ts-expect-error a deletion says who and why
  void Rooms.delete("kitchen")
  // @ts-expect-error a time beside the data
  void Rooms.addMessage("kitchen", { at: new Date(0), text: "hot" })
  const Plain = Streams.make({ category: "plain" })
  exactly<typeof Plain, Streams.Streams<Streams.Attributes>>()
}

// Vitest wants a test in a test file; the compiler has done them all.
it("compiles", () => {
  assert.isFunction(decide)
})
