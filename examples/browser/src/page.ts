/** What runs in the browser: an account, and the list of what has happened to it, which a consumer keeps. */
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import * as MessageStore from "eventfold/MessageStore"

class Account extends Category.make("account", {
  Deposited: { amount: Schema.Int },
  Withdrawn: { amount: Schema.Int }
}) {}

const Balance = Entity.make(Account, {
  state: Schema.Struct({ balance: Schema.Int }),
  initial: { balance: 0 },
  evolve: {
    Deposited: ({ balance }, { amount }) => ({ balance: balance + amount }),
    Withdrawn: ({ balance }, { amount }) => ({ balance: balance - amount })
  }
})

class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", { balance: Schema.Int }) {}

type Decision = (
  state: typeof Balance.state.Type
) => Effect.Effect<ReturnType<typeof Account.events.Deposited | typeof Account.events.Withdrawn>, InsufficientFunds>

const deposit = (amount: number): Decision => () => Effect.succeed(Account.events.Deposited({ amount }))

const withdraw = (amount: number): Decision => ({ balance }) =>
  balance < amount
    ? Effect.fail(new InsufficientFunds({ balance }))
    : Effect.succeed(Account.events.Withdrawn({ amount }))

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no element ${id}`)
  return found
}

const show = (id: string, text: string) =>
  Effect.sync(() => {
    element(id).textContent = text
  })

const note = (text: string) =>
  Effect.sync(() => {
    element("events").appendChild(document.createElement("li")).textContent = text
  })

const journal = Consumer.make("journal").on(Account, {
  Deposited: ({ data, recorded }) => note(`${recorded.position}: ${data.amount} deposited`),
  Withdrawn: ({ data, recorded }) => note(`${recorded.position}: ${data.amount} withdrawn`)
})

const runtime = ManagedRuntime.make(MessageStore.layerMemory)

runtime.runFork(Consumer.run(journal))

const onClick = (id: string, decide: Decision) =>
  element(id).addEventListener("click", () => {
    runtime.runFork(
      Balance.transact("1", decide).pipe(
        Effect.flatMap(({ state }) => show("balance", String(state.balance))),
        Effect.andThen(show("refusal", "")),
        Effect.catchTag("InsufficientFunds", ({ balance }) => show("refusal", `there are only ${balance}`))
      )
    )
  })

onClick("deposit", deposit(25))
onClick("withdraw", withdraw(10))
