import { describe, it } from "@effect/vitest"
import { Laws, Spec } from "@eventfold/testing"
import { Effect } from "effect"
import type { Category } from "eventfold"
import * as Account from "../src/Account.ts"
import * as Money from "../src/Money.ts"

const [alice, bob] = [Account.AccountId.make("alice"), Account.AccountId.make("bob")]
const cents = (count: number) => Money.Amount.make(count)
const by = "Tess"
const { events } = Account.Account

type Event = Category.Event<typeof Account.Account>

const opened = events.Opened({ owner: "Alice" }, { metadata: { by } })
const deposited = (count: number) => events.Deposited({ cents: cents(count) }, { metadata: { by: "Alice" } })
const withdrawn = (count: number) => events.Withdrawn({ cents: cents(count) }, { metadata: { by } })
const closed = events.Closed({}, { metadata: { by } })

const open = Account.decideOpen({ account: alice, owner: "Alice", by })
const deposit = (count: number) => Account.decideDeposit({ account: alice, cents: cents(count), by })
const withdraw = (count: number) => Account.decideWithdraw({ account: alice, cents: cents(count), by })
const close = Account.decideClose({ account: alice, by })

const spec = Spec(Account.Balance)

const transfers = Spec.all({ payer: Account.Balance, payee: Account.Balance })
const transfer = Account.decideTransfer({ from: alice, to: bob, cents: cents(300), by })
const sent = events.TransferSent({ to: bob, cents: cents(300) }, { metadata: { by } })

const transferOf = (payer: ReadonlyArray<Event>, payee: ReadonlyArray<Event>) =>
  transfers.given({ payer, payee }).when(transfer)

describe("opening", () => {
  it.effect("makes an empty account of its owner", () =>
    spec.when(open).then(opened).thenState({ status: "open", owner: "Alice", balance: 0 }))

  it.effect("happens once", () =>
    spec.given(opened).when(open).thenFails(new Account.AlreadyOpened({ account: alice, owner: "Alice" })))

  it.effect("does not bring a closed account back", () =>
    spec.given([opened, closed]).when(open).thenFails(new Account.AccountClosed({ account: alice })))
})

describe("a deposit", () => {
  it.effect("is added, and says who made it", () =>
    spec.given([opened, deposited(500)])
      .when(deposit(700))
      .then(events.Deposited({ cents: cents(700) }, { metadata: { by } }))
      .thenState({ status: "open", owner: "Alice", balance: 1_200 }))

  it.effect("needs an account", () => spec.when(deposit(1)).thenFails(new Account.NoSuchAccount({ account: alice })))

  it.effect("needs an open one", () =>
    spec.given([opened, closed]).when(deposit(1)).thenFails(new Account.AccountClosed({ account: alice })))
})

describe("a withdrawal", () => {
  it.effect("can be of all there is", () =>
    spec.given([opened, deposited(1_250)])
      .when(withdraw(1_250))
      .then(withdrawn(1_250))
      .thenState({ status: "open", owner: "Alice", balance: 0 }))

  it.effect("is not of a cent more, which the refusal says", () =>
    spec.given([opened, deposited(1_250), withdrawn(250)])
      .when(withdraw(1_001))
      .thenFails((refusal) =>
        refusal._tag === "InsufficientFunds" && refusal.balance === 1_000 && refusal.missing === 1 &&
        refusal.message === "alice has €10.00, which is €0.01 less than €10.01"
      ))
})

describe("a transfer", () => {
  it.effect("decides for both accounts", () =>
    transfers.given({ payer: [opened, deposited(300)], payee: opened })
      .when(transfer)
      .then({
        payer: sent,
        payee: events.TransferReceived({ from: alice, cents: cents(300) }, { metadata: { by } })
      })
      .thenState({
        payer: { status: "open", owner: "Alice", balance: 0 },
        payee: { status: "open", owner: "Alice", balance: 300 }
      }))

  it.effect("is refused for what either of them lacks", () =>
    Effect.gen(function*() {
      const rich = [opened, deposited(300)]
      yield* transferOf(rich, []).thenFails(new Account.NoSuchAccount({ account: bob }))
      yield* transferOf(rich, [opened, closed]).thenFails(new Account.AccountClosed({ account: bob }))
      yield* transferOf([], rich).thenFails(new Account.NoSuchAccount({ account: alice }))
      yield* transferOf([opened, deposited(299)], rich)
        .thenFails(new Account.InsufficientFunds({ account: alice, balance: 299, cents: cents(300) }))
    }))

  it.effect("is a part of the balance, on both sides", () =>
    spec.given([
      opened,
      deposited(500),
      sent,
      events.TransferReceived({ from: bob, cents: cents(100) }, { metadata: { by } })
    ]).when(withdraw(300)).then(withdrawn(300)).thenState({ status: "open", owner: "Alice", balance: 0 }))
})

describe("closing", () => {
  it.effect("is for an empty account", () =>
    spec.given([opened, deposited(100)])
      .when(close)
      .thenFails(new Account.NotEmpty({ account: alice, balance: 100 })))

  it.effect("ends it", () =>
    spec.given([opened, deposited(100), withdrawn(100)])
      .when(close)
      .then(closed)
      .thenState({ status: "closed", owner: "Alice", balance: 0 }))

  it.effect("twice is once", () => spec.given([opened, closed]).when(close).then([]))

  it.effect("is not decided again once it is", () => Laws.idempotent(Account.Balance, close, { given: [opened] }))

  it.effect("needs an account", () => spec.when(close).thenFails(new Account.NoSuchAccount({ account: alice })))
})

it.effect("a snapshot and what comes after it make the state that all events make", () =>
  Laws.snapshots(Account.Balance))
