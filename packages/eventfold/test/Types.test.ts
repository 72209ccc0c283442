/**
 * What the types promise. That this file compiles is the test: each `@ts-expect-error` is a mistake that the compiler
 * must find, and each `exactly` fails to compile when a type has become another. Nothing of it is run.
 */
import { assert, it } from "@effect/vitest"
import { Context, type DateTime, Effect, Option, Schema, type Stream } from "effect"
import { Category, Entity, type MessageStore, type StoreError, type StreamName } from "eventfold"

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

type AppendErrors =
  | StoreError.WrongExpectedVersion
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
  const needsLimits = Schema.String.pipe(Schema.middlewareDecoding((decoded) => Effect.andThen(Limits, decoded)))
  // @ts-expect-error data is decoded without services
  Category.make("account", { Opened: needsLimits })

  exactly<typeof Account["name"], "account">()
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
  exactly<Failure<typeof append>, AppendErrors>()
  exactly<Needs<typeof append>, MessageStore.MessageStore>()
  // @ts-expect-error not an expected version
  void Account.append("1", [], { expectedVersion: "none" })

  const read = Account.readStream("1")
  exactly<Stream.Success<typeof read>, Category.RecordedEvent<typeof Account["Events"]>>()
  exactly<Stream.Error<typeof read>, MessageStore.ReadStreamError | Category.DecodeError>()
  exactly<Stream.Services<typeof read>, MessageStore.MessageStore>()
}

export const aRecordedEvent = (event: Category.RecordedEvent<typeof Account["Events"]>) => {
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
  exactly<Success<typeof load>, Entity.Snapshot<{ readonly balance: number }>>()
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
  exactly<Success<Withdraw>, Entity.Transacted<{ readonly balance: number }, AccountEvent>>()
  exactly<Failure<Withdraw>, InsufficientFunds | Category.DecodeError | AppendErrors>()
  exactly<Failure<Withdraw>, InsufficientFunds | Entity.TransactError>()
  exactly<Needs<Withdraw>, MessageStore.MessageStore>()
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

// Vitest wants a test in a test file; the compiler has done them all.
it("compiles", () => {
  assert.isFunction(decide)
})
