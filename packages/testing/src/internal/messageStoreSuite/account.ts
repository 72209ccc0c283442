import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import { newCategory } from "./fixtures.ts"

const definitions = {
  Opened: { at: Schema.DateTimeUtc },
  Deposited: { amount: Schema.Int },
  Withdrawn: { amount: Schema.Int }
}

interface Balance {
  readonly balance: number
}

/** The options of an entity that folds accounts. */
export const folding = {
  state: Schema.Struct({ balance: Schema.Int }),
  initial: { balance: 0 },
  evolve: {
    Opened: (state: Balance) => state,
    Deposited: (state: Balance, { amount }: { readonly amount: number }) => ({ balance: state.balance + amount }),
    Withdrawn: (state: Balance, { amount }: { readonly amount: number }) => ({ balance: state.balance - amount })
  }
}

/** A category of accounts that no other test has, and an entity of it. */
export const newAccount = Effect.map(newCategory, (name) => {
  const category = Category.make(name as "account", definitions)
  const deposited = (amount: number) => category.events.Deposited({ amount })
  const withdrawn = (amount: number) => category.events.Withdrawn({ amount })
  /** The amounts of an account's events, in order. */
  const amounts = (id: string) =>
    Effect.map(
      Stream.runCollect(category.readStream(id)),
      (events) => events.map(({ data }) => "amount" in data ? data.amount : 0)
    )
  return { amounts, balance: Entity.make(category, folding), category, deposited, withdrawn }
})
