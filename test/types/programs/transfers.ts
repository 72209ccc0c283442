/** Functions as users write them, without a word about their types: what the compiler declares for them is tested. */
import { Effect, Schema } from "effect"
import { Category, Entity } from "eventfold"

export class Account extends Category.make("account", {
  Opened: { owner: Schema.String, at: Schema.DateTimeUtc },
  Deposited: { amount: Schema.Int },
  Withdrawn: { amount: Schema.Int },
  Closed: {}
}) {}

export class Transfer extends Category.make("transfer", {
  Requested: { from: Schema.String, to: Schema.String, amount: Schema.Int },
  Sent: { at: Schema.DateTimeUtc },
  Received: { at: Schema.DateTimeUtc },
  Refused: { reason: Schema.String }
}) {}

export const Balance = Entity.make(Account, {
  state: Schema.Struct({ balance: Schema.Int, open: Schema.Boolean }),
  initial: { balance: 0, open: false },
  evolve: {
    Opened: (state) => ({ ...state, open: true }),
    Deposited: (state, { amount }) => ({ ...state, balance: state.balance + amount }),
    Withdrawn: (state, { amount }) => ({ ...state, balance: state.balance - amount }),
    Closed: (state) => ({ ...state, open: false })
  }
})

export const Progress = Entity.make(Transfer, {
  state: Schema.Literals(["none", "requested", "sent", "received", "refused"]),
  initial: "none",
  evolve: {
    Requested: () => "requested",
    Sent: () => "sent",
    Received: () => "received",
    Refused: () => "refused"
  }
})

export class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", {
  balance: Schema.Int
}) {}

export const withdraw = (id: string, amount: number) =>
  Balance.transact(id, ({ balance }) =>
    balance < amount
      ? Effect.fail(new InsufficientFunds({ balance }))
      : Effect.succeed(Account.events.Withdrawn({ amount })))

export const request = (id: string, from: string, to: string, amount: number) =>
  Entity.transactAll({ payer: Balance.at(from), transfer: Progress.at(id) }, ({ payer }) =>
    payer.balance < amount
      ? new InsufficientFunds({ balance: payer.balance })
      : Entity.reply({
        payer: Account.events.Withdrawn({ amount }),
        transfer: Transfer.events.Requested({ from, to, amount })
      }, payer.balance - amount))

export const move = (id: string, to: string, amount: number) =>
  Effect.gen(function*() {
    yield* Balance.transact(to, ({ balance, open }) =>
      open ? Account.events.Deposited({ amount }) : new InsufficientFunds({ balance }))
    return yield* Progress.transact(id, () =>
      Transfer.events.Refused({ reason: "not open" }))
  })
