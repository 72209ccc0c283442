import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type Category, type Entity, MessageStore } from "eventfold"
import * as Account from "../src/Account.ts"
import * as Money from "../src/Money.ts"

const [alice, bob] = [Account.AccountId.make("alice"), Account.AccountId.make("bob")]
const cents = (count: number) => Money.Amount.make(count)
const by = "Tess"
const { events } = Account.Account

const opened = events.Opened({ owner: "Alice" }, { metadata: { by } })
const deposited = (count: number) => events.Deposited({ cents: cents(count) }, { metadata: { by: "Alice" } })
const withdrawn = (count: number) => events.Withdrawn({ cents: cents(count) }, { metadata: { by } })
const closed = events.Closed({}, { metadata: { by } })

const open = Account.decideOpen({ account: alice, owner: "Alice", by })
const deposit = (count: number) => Account.decideDeposit({ account: alice, cents: cents(count), by })
const withdraw = (count: number) => Account.decideWithdraw({ account: alice, cents: cents(count), by })
const close = Account.decideClose({ account: alice, by })

type Event = Category.Event<typeof Account.Account>

/** What is decided when these events have happened, and the state after it. */
const decided = <Refusal>(
  history: ReadonlyArray<Event>,
  decide: (state: Account.State) => Effect.Effect<Entity.Decision<Event>, Refusal>
) =>
  Effect.gen(function*() {
    if (history.length > 0) yield* Account.Account.append(alice, history)
    const { events, state } = yield* Account.Balance.transact(alice, decide)
    return { events, state }
  }).pipe(Effect.provide(Layer.fresh(MessageStore.layerMemory)))

/** The state that these events fold into. */
const state = (...history: ReadonlyArray<Event>) => history.reduce(Account.Balance.evolve, Account.Balance.initial)

describe("opening", () => {
  it.effect("makes an empty account of its owner", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decided([], open), {
        events: [opened],
        state: { status: "open", owner: "Alice", balance: 0 }
      })
    }))

  it.effect("happens once", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* Effect.flip(decided([opened], open)),
        new Account.AlreadyOpened({ account: alice, owner: "Alice" })
      )
    }))

  it.effect("does not bring a closed account back", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* Effect.flip(decided([opened, closed], open)),
        new Account.AccountClosed({ account: alice })
      )
    }))
})

describe("a deposit", () => {
  it.effect("is added, and says who made it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decided([opened, deposited(500)], deposit(700)), {
        events: [events.Deposited({ cents: cents(700) }, { metadata: { by } })],
        state: { status: "open", owner: "Alice", balance: 1_200 }
      })
    }))

  it.effect("needs an account", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.flip(decided([], deposit(1))), new Account.NoSuchAccount({ account: alice }))
    }))

  it.effect("needs an open one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* Effect.flip(decided([opened, closed], deposit(1))),
        new Account.AccountClosed({ account: alice })
      )
    }))
})

describe("a withdrawal", () => {
  it.effect("can be of all there is", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decided([opened, deposited(1_250)], withdraw(1_250)), {
        events: [withdrawn(1_250)],
        state: { status: "open", owner: "Alice", balance: 0 }
      })
    }))

  it.effect("is not of a cent more, which the refusal says", () =>
    Effect.gen(function*() {
      const refusal = yield* Effect.flip(decided([opened, deposited(1_250), withdrawn(250)], withdraw(1_001)))
      assert(refusal._tag === "InsufficientFunds")
      assert.deepStrictEqual([refusal.balance, refusal.missing], [1_000, 1])
      assert.strictEqual(refusal.message, "alice has €10.00, which is €0.01 less than €10.01")
    }))
})

const [there, back] = [
  Account.decideTransfer({ from: alice, to: bob, cents: cents(300), by }),
  Account.decideTransfer({ from: bob, to: alice, cents: cents(300), by })
]

const refusal = (payer: Account.State, payee: Account.State) => Effect.flip(there({ payer, payee }))

describe("a transfer", () => {
  it.effect("decides for both accounts", () =>
    Effect.gen(function*() {
      const { payee, payer } = yield* there({ payer: state(opened, deposited(300)), payee: state(opened) })
      assert.deepStrictEqual(payer, events.TransferSent({ to: bob, cents: cents(300) }, { metadata: { by } }))
      assert.deepStrictEqual(payee, events.TransferReceived({ from: alice, cents: cents(300) }, { metadata: { by } }))
    }))

  it.effect("is refused for what either of them lacks", () =>
    Effect.gen(function*() {
      const rich = state(opened, deposited(300))
      assert.deepStrictEqual(yield* refusal(rich, state()), new Account.NoSuchAccount({ account: bob }))
      assert.deepStrictEqual(yield* refusal(rich, state(opened, closed)), new Account.AccountClosed({ account: bob }))
      assert.deepStrictEqual(yield* refusal(state(), rich), new Account.NoSuchAccount({ account: alice }))
      assert.deepStrictEqual(
        yield* Effect.flip(back({ payer: state(opened, deposited(299)), payee: rich })),
        new Account.InsufficientFunds({ account: bob, balance: 299, cents: cents(300) })
      )
    }))

  it.effect("is a part of the balance, on both sides", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* decided([
          opened,
          deposited(500),
          events.TransferSent({ to: bob, cents: cents(300) }, { metadata: { by } }),
          events.TransferReceived({ from: bob, cents: cents(100) }, { metadata: { by } })
        ], withdraw(300)),
        { events: [withdrawn(300)], state: { status: "open", owner: "Alice", balance: 0 } }
      )
    }))
})

describe("closing", () => {
  it.effect("is for an empty account", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* Effect.flip(decided([opened, deposited(100)], close)),
        new Account.NotEmpty({ account: alice, balance: 100 })
      )
    }))

  it.effect("ends it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decided([opened, deposited(100), withdrawn(100)], close), {
        events: [closed],
        state: { status: "closed", owner: "Alice", balance: 0 }
      })
    }))

  it.effect("twice is once", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decided([opened, closed], close), {
        events: [],
        state: { status: "closed", owner: "Alice", balance: 0 }
      })
    }))

  it.effect("needs an account", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.flip(decided([], close)), new Account.NoSuchAccount({ account: alice }))
    }))
})
