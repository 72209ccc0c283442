import { assert, describe, it } from "@effect/vitest"
import { Spec, type SpecFailed } from "@eventfold/testing"
import { Effect, Schema } from "effect"
import { Category, Commands, Entity } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Withdrawn: { amount: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount, Withdrawn: (balance, { amount }) => balance - amount }
})

class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", { balance: Schema.Int }) {}

const { Deposited, Withdrawn } = Account.events

const { Withdraw } = Commands.make(Balance, {
  Withdraw: {
    payload: { amount: Schema.Int.check(Schema.isGreaterThan(0)) },
    error: InsufficientFunds,
    success: Schema.Int.check(Schema.isLessThan(100)),
    decide: (balance, { amount }) =>
      balance < amount
        ? Effect.fail(new InsufficientFunds({ balance }))
        : Effect.succeed(Entity.reply(Withdrawn({ amount }), balance - amount))
  }
})

const rich = Spec(Balance).given(Deposited({ amount: 11 }))

const message = <R>(spec: Effect.Effect<void, SpecFailed, R>) => Effect.map(Effect.flip(spec), (error) => error.message)

describe("a spec of a command by name", () => {
  it.effect("holds for its events, state and reply", () =>
    rich.when(Withdraw.decide({ amount: 10 })).then(Withdrawn({ amount: 10 })).thenState(1).thenReply(1))

  it.effect("holds for its refusal", () =>
    rich.when(Withdraw.decide({ amount: 12 })).thenFails(new InsufficientFunds({ balance: 11 })))

  it.effect("holds for a payload that does not fit", () =>
    rich.when(Withdraw.decide({ amount: 0 })).thenFails(Commands.InvalidPayload))

  it.effect("fails for a reply that does not fit", () =>
    Effect.gen(function*() {
      const told = yield* message(
        Spec(Balance).given(Deposited({ amount: 200 })).when(Withdraw.decide({ amount: 10 })).then(
          Withdrawn({ amount: 10 })
        )
      )
      assert.include(told, "the decision was refused: InvalidAnswer")
    }))

  it.effect("tells the command and its payload when it fails", () =>
    Effect.gen(function*() {
      const told = yield* message(rich.when(Withdraw.decide({ amount: 10 })).thenReply(2))
      assert.include(told, "when Withdraw {\"amount\":10} decides on the state 11 at version 0")
    }))
})
