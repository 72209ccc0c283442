/**
 * What the types of commands promise. That this file compiles is the test: each `@ts-expect-error` is a mistake that the
 * compiler must find, and each `exactly` fails to compile when a type has become another. Nothing of it is run.
 */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Schema } from "effect"
import { Category, Commands, Entity, type MessageStore } from "eventfold"

/** Compiles only when both types are the same. A union must have the same members. */
const exactly: <A, B>(...same: Same<A, B> extends true ? [] : [never]) => void = () => {}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

type Success<T> = T extends Effect.Effect<infer A, infer _E, infer _R> ? A : never
type Failure<T> = T extends Effect.Effect<infer _A, infer E, infer _R> ? E : never
type Needs<T> = T extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

class Vault extends Context.Service<Vault, { readonly open: Effect.Effect<void> }>()("test/Vault") {}
class Limits extends Context.Service<Limits, { readonly max: number }>()("test/Limits") {}

declare const Sealed: Schema.Codec<string, string, Vault, Vault>

const AccountId = Schema.String.pipe(Schema.brand("AccountId"))

class Account extends Category.make("account", {
  Opened: { owner: Schema.String },
  Deposited: { cents: Schema.Int },
  Withdrawn: { cents: Schema.Int }
}, { id: AccountId, metadata: { by: Schema.String } }) {}

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: {
    Opened: (balance) => balance,
    Deposited: (balance, { cents }) => balance + cents,
    Withdrawn: (balance, { cents }) => balance - cents
  }
})

class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { missing: Schema.Int }) {}
class Closed extends Schema.TaggedError<Closed>()("Closed", {}) {}

const id = AccountId.make("1")

export const definitions = () =>
  Commands.make(Balance, {
    Deposit: { payload: { cents: Schema.Int }, decide: (_, { cents }) => Account.events.Deposited({ cents }) },
    Nothing: { payload: {}, decide: () => [] },
    Withdraw: {
      payload: Schema.Struct({ cents: Schema.FiniteFromString }),
      error: Schema.Union([Overdrawn, Closed]),
      success: Schema.BigInt,
      decide: Effect.fnUntraced(function*(balance, { cents }, version) {
        exactly<typeof balance, number>()
        exactly<typeof cents, number>()
        const { max } = yield* Limits
        if (version._tag === "None") return yield* new Closed()
        if (balance < cents) return yield* new Overdrawn({ missing: max })
        return Entity.reply([Account.events.Withdrawn({ cents })], BigInt(balance))
      })
    },
    Open: { payload: { owner: Sealed }, decide: (_, { owner }) => Account.events.Opened({ owner }) }
  })

export const calls = (commands: ReturnType<typeof definitions>) => {
  const deposit = commands.Deposit(id, { cents: 1 }, { commandId: "c-1", metadata: { by: "Ann" } })
  exactly<Success<typeof deposit>, Entity.Transacted<number, typeof Account>>()
  exactly<Failure<typeof deposit>, Commands.CommandError>()
  exactly<Needs<typeof deposit>, MessageStore.MessageStore>()

  const withdraw = commands.Withdraw(id, { cents: 1 })
  exactly<Success<typeof withdraw>, Entity.Transacted<number, typeof Account, bigint>>()
  exactly<Failure<typeof withdraw>, Overdrawn | Closed | Commands.CommandError>()
  exactly<Needs<typeof withdraw>, MessageStore.MessageStore | Limits>()

  const open = commands.Open(id, { owner: "Ann" })
  exactly<Needs<typeof open>, MessageStore.MessageStore | Vault>()

  const ran = Commands.run(commands, "Withdraw", "1", { cents: "1" }, { commandId: "c-1" })
  exactly<Success<typeof ran>, Commands.Answer>()
  exactly<Failure<typeof ran>, Commands.RunError>()
  exactly<Needs<typeof ran>, MessageStore.MessageStore | Limits | Vault>()

  // Commands of several entities in one list need what all of them need.
  const all: ReadonlyArray<Commands.Any<MessageStore.MessageStore | Limits | Vault>> = [commands]
  void all

  // A command's decision is one for `transact`, with the same reply.
  const transacted = Balance.transact(id, commands.Withdraw.decide({ cents: 1 }))
  exactly<Success<typeof transacted>, Entity.Transacted<number, typeof Account, bigint>>()
  const silent = Balance.transact(id, commands.Deposit.decide({ cents: 1 }))
  exactly<Success<typeof silent>, Entity.Transacted<number, typeof Account>>()

  // @ts-expect-error the id has a brand
  void commands.Deposit("1", { cents: 1 })
  // @ts-expect-error the payload has cents
  void commands.Deposit(id, { euros: 1 })
  // @ts-expect-error the metadata has its types
  void commands.Deposit(id, { cents: 1 }, { metadata: { by: 1 } })
  // @ts-expect-error there is no such command
  void commands.Close(id, {})
  // @ts-expect-error an entity is no set of commands
  void Commands.run(Balance, "Deposit", "1", {})
}

// @effect-diagnostics missingEffectError:off -- the compiler reports it as well
export const mistakes = () => {
  void Commands.make(Balance, {
    Refuses: {
      payload: {},
      // @ts-expect-error a refusal needs a schema
      decide: (balance) => balance < 1 ? new Overdrawn({ missing: 1 }) : Account.events.Withdrawn({ cents: 1 })
    },
    RefusesOtherwise: {
      payload: {},
      error: Overdrawn,
      // @ts-expect-error the schema is that of another refusal
      decide: () => Effect.fail(new Closed())
    },
    Replies: {
      payload: {},
      // @ts-expect-error a reply needs a schema
      decide: () => Entity.reply([], 1)
    },
    RepliesOtherwise: {
      payload: {},
      success: Schema.Int,
      // @ts-expect-error the schema is that of another reply
      decide: () => Entity.reply([], "one")
    },
    RepliesNothing: {
      payload: {},
      success: Schema.Int,
      // @ts-expect-error there is no reply
      decide: () => Account.events.Withdrawn({ cents: 1 })
    },
    OfAnotherCategory: {
      payload: {},
      // @ts-expect-error the category has no such event
      decide: () => ({ type: "Shipped", data: {} })
    },
    // @ts-expect-error a command has a payload
    WithoutPayload: { decide: () => [] }
  })
  // @ts-expect-error it would be no property of the object
  void Commands.make(Balance, { __proto__: { payload: {}, decide: () => [] } })
}
// @effect-diagnostics missingEffectError:error

it("compiles", () => assert.isTrue(true))
