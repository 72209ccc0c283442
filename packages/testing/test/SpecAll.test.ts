import { assert, describe, it } from "@effect/vitest"
import { Spec, type SpecFailed } from "@eventfold/testing"
import { Context, Effect, Ref, Schema } from "effect"
import { Category, Entity, Message, MessageStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Withdrawn: { amount: Schema.Int } })
const Ledger = Category.make("ledger", { Noted: { total: Schema.Int, by: Schema.optionalKey(Schema.String) } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount, Withdrawn: (balance, { amount }) => balance - amount }
})
const Total = Entity.make(Ledger, {
  state: Schema.Struct({ total: Schema.Int }),
  initial: { total: 0 },
  evolve: { Noted: (_, { total }) => ({ total }) }
})

class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", { missing: Schema.Int }) {}

const { Deposited, Withdrawn } = Account.events
const { Noted } = Ledger.events

interface States {
  readonly payer: number
  readonly ledger: { readonly total: number }
}

const transfer = (amount: number) => ({ ledger, payer }: States) =>
  payer < amount
    ? Effect.fail(new InsufficientFunds({ missing: amount - payer }))
    : Effect.succeed(Entity.reply({
      payer: Withdrawn({ amount }),
      payee: [Deposited({ amount })],
      ledger: amount > 100 ? [] : Noted({ total: ledger.total + amount })
    }, payer - amount))

const bank = Spec.all({ payer: Balance, payee: Balance, ledger: Total })

const message = <R>(spec: Effect.Effect<void, SpecFailed, R>) => Effect.map(Effect.flip(spec), (error) => error.message)

const text = (...lines: ReadonlyArray<string>) => lines.join("\n")

describe("a spec of several entities that holds", () => {
  it.effect("of events, states and reply, by name", () =>
    bank
      .given({ payer: [Deposited({ amount: 5 }), Deposited({ amount: 6 })], ledger: Noted({ total: 7 }) })
      .when(transfer(10))
      .then({ payer: Withdrawn({ amount: 10 }), payee: Deposited({ amount: 10 }), ledger: Noted({ total: 17 }) })
      .thenState({ payer: 1, payee: 10, ledger: { total: 17 } })
      .thenState({ ledger: { total: 17 } })
      .thenState({})
      .thenReply(1))

  it.effect("of a refusal", () =>
    Effect.gen(function*() {
      const refused = bank.given({ payer: Deposited({ amount: 3 }) }).when(transfer(10))
      yield* refused.thenFails(new InsufficientFunds({ missing: 7 }))
      yield* refused.thenFails(InsufficientFunds)
      yield* refused.thenFails(({ missing }) => missing === 7)
      yield* bank.when(transfer(1)).thenFails(InsufficientFunds)
    }))

  it.effect("of entities that get no events, however they are left out", () =>
    Effect.gen(function*() {
      const rich = bank.given({ payer: Deposited({ amount: 500 }), payee: [], ledger: undefined }).when(transfer(200))
      yield* rich.then({ payer: Withdrawn({ amount: 200 }), payee: Deposited({ amount: 200 }) })
      yield* rich.then({ payer: Withdrawn({ amount: 200 }), payee: Deposited({ amount: 200 }), ledger: [] })
      yield* bank.when(() => ({})).then({}).thenState({ payer: 0, payee: 0, ledger: { total: 0 } })
      yield* bank.when(() => ({ ledger: undefined })).then({ ledger: undefined })
    }))

  it.effect("of a decision with services, which decides once", () =>
    Effect.gen(function*() {
      class Limit extends Context.Service<Limit, { readonly most: number }>()("test/Limit") {}
      const calls = yield* Ref.make(0)
      const limited = ({ payer }: { readonly payer: number }) =>
        Effect.gen(function*() {
          yield* Ref.update(calls, (count) => count + 1)
          const { most } = yield* Limit
          return { payer: Withdrawn({ amount: Math.min(payer, most) }) }
        })
      yield* bank
        .given({ payer: Deposited({ amount: 9 }) })
        .when(limited)
        .then({ payer: Withdrawn({ amount: 4 }) })
        .thenState({ payer: 5 })
        .pipe(Effect.provideService(Limit, { most: 4 }))
      assert.strictEqual(yield* Ref.get(calls), 1)
    }))

  it.effect("of events that are there already, by their ids", () => {
    const id = Message.deriveId("once")
    return bank
      .given({ payee: Deposited({ amount: 1 }, { id }) })
      .when(() => ({ payee: Deposited({ amount: 1 }, { id }) }))
      .then({ payee: Deposited({ amount: 1 }, { id }) })
      .thenState({ payee: 1 })
  })

  it.effect("is of the function that transactAll takes", () =>
    Effect.gen(function*() {
      const targets = { payer: Balance.at("1"), payee: Balance.at("2"), ledger: Total.at("1") }
      yield* Balance.transact("1", () => Deposited({ amount: 11 }))
      const { entities, reply } = yield* Entity.transactAll(targets, transfer(10))
      assert.deepStrictEqual([entities.payer.state, entities.payee.state, entities.ledger.state, reply], [
        1,
        10,
        { total: 10 },
        1
      ])
    }).pipe(Effect.provide(MessageStore.layerMemory)))
})

const data = (type: string, data: object) => ({ type, data })

describe("a spec of several entities that fails", () => {
  it.effect("tells the story by name", () =>
    Effect.gen(function*() {
      const spec = bank.given({ payer: Deposited({ amount: 11 }) }).when(transfer(10))
      const wrong = { payer: Withdrawn({ amount: 9 }), payee: Deposited({ amount: 10 }) }
      assert.strictEqual(
        yield* message(spec.then(wrong)),
        text(
          `given the events payer [Deposited {"amount":11}]`,
          `when decided on the states {"payer":11,"payee":0,"ledger":{"total":0}}`,
          `then expected the events`,
          `  payer [Withdrawn {"amount":9}]`,
          `  payee [Deposited {"amount":10}]`,
          `but got the events`,
          `  payer [Withdrawn {"amount":10}]`,
          `  payee [Deposited {"amount":10}]`,
          `  ledger [Noted {"total":10}]`
        )
      )
      const error = yield* Effect.flip(spec.then(wrong))
      assert.deepStrictEqual(error.expected, {
        payer: [data("Withdrawn", { amount: 9 })],
        payee: [data("Deposited", { amount: 10 })]
      })
      assert.deepStrictEqual(error.actual, {
        payer: [data("Withdrawn", { amount: 10 })],
        payee: [data("Deposited", { amount: 10 })],
        ledger: [data("Noted", { total: 10 })]
      })
      assert.include(error.stack, "SpecAll.test.ts")
    }))

  it.effect("says what state, reply or refusal came instead", () =>
    Effect.gen(function*() {
      function pay({ payer }: { readonly payer: number }) {
        return payer === 0
          ? Effect.fail(new InsufficientFunds({ missing: 1 }))
          : Effect.succeed(Entity.reply({ payer: Withdrawn({ amount: 1 }) }, "paid"))
      }
      const story = [
        `given the events payer [Deposited {"amount":2}]`,
        `when pay decides on the states {"payer":2,"payee":0,"ledger":{"total":0}}`
      ]
      const paid = bank.given({ payer: Deposited({ amount: 2 }) }).when(pay)
      assert.strictEqual(
        yield* message(paid.thenState({ payee: 0, payer: 2 })),
        text(...story, `then expected the states {"payee":0,"payer":2}, but they were {"payee":0,"payer":1}`)
      )
      assert.strictEqual(
        yield* message(paid.thenReply("none")),
        text(...story, `then expected the reply "none", but it was "paid"`)
      )
      assert.strictEqual(
        yield* message(paid.thenFails(InsufficientFunds)),
        text(
          ...story,
          `then expected the refusal InsufficientFunds, but got the events payer [Withdrawn {"amount":1}]`
        )
      )
      const refused = yield* Effect.flip(bank.when(pay).then({}))
      assert.strictEqual(
        refused.message,
        text(
          `given no events`,
          `when pay decides on the states {"payer":0,"payee":0,"ledger":{"total":0}}`,
          `then expected no events, but the decision was refused: InsufficientFunds {"missing":1}`
        )
      )
      assert.deepStrictEqual(refused.actual, { refusal: { _tag: "InsufficientFunds", missing: 1 } })
      const states = yield* Effect.flip(bank.when(pay).thenState({ payer: 1 }))
      assert.deepStrictEqual(states.expected, { states: { payer: 1 } })
    }))

  it.effect("says which events of which entity a store would refuse", () =>
    Effect.gen(function*() {
      const half = Deposited({ amount: 0.5 })
      assert.match(
        yield* message(bank.given({ payee: half }).when(() => ({})).then({})),
        /^given the events payee \[Deposited {"amount":0.5}\], which a store would refuse: event 0, Deposited: /
      )
      const decided = yield* Effect.flip(bank.when(() => ({ payer: [], payee: half })).thenState({ payee: 0.5 }))
      assert.match(decided.message, /got the events payee \[Deposited {"amount":0.5}\], which a store would refuse: /)
      assert.match(
        yield* message(bank.when(() => ({})).then({ payee: half })),
        /then expected the events payee \[Deposited {"amount":0.5}\], which a store would refuse: /
      )
      // An id is unique in a store, not only in a stream.
      const twice = Deposited({ amount: 1 }, { id: Message.deriveId("twice") })
      assert.match(
        yield* message(bank.given({ payer: twice, payee: twice }).when(() => ({})).then({})),
        /payee .* refuse/
      )
    }))

  it.effect("says in words that no entity has a name, where no compiler looks", () =>
    Effect.gen(function*() {
      const wrong: object = { payr: Deposited({ amount: 1 }) }
      const none = "events of payr, which is none of the entities payer, payee, ledger"
      assert.strictEqual(yield* message(bank.given(wrong).when(() => ({})).then({})), `given ${none}`)
      const story = [`given no events`, `when decided on the states {"payer":0,"payee":0,"ledger":{"total":0}}`]
      assert.strictEqual(
        yield* message(bank.when((): {} => wrong).then({})),
        text(...story, `then expected no events, but got ${none}`)
      )
      assert.strictEqual(
        yield* message(bank.when(() => ({})).then(wrong)),
        text(...story, `then expected ${none}`)
      )
      assert.strictEqual(
        yield* message(bank.when(() => ({})).thenState(wrong)),
        text(...story, `then expected states of payr, which is none of the entities payer, payee, ledger`)
      )
    }))

  it("says that it is no promise", async () => {
    const spec: unknown = bank.when(() => ({})).then({})
    const error = await Promise.resolve(spec).then(() => undefined, (error: unknown) => error)
    assert.match(String(error), /a spec is an effect, not a promise/)
  })
})

/** That this compiles is the test: each `@ts-expect-error` is a mistake that the compiler must find. */
export const misused = () => {
  const one = Deposited({ amount: 1 })
  // @ts-expect-error given events of no entity
  bank.given({ payr: one })
  // @ts-expect-error of another category
  bank.given({ ledger: one })
  // @ts-expect-error decided events of no entity
  bank.when(() => ({ payr: one }))
  // @ts-expect-error also as an effect with a reply
  bank.when(() => Effect.succeed(Entity.reply({ payer: one, payr: one }, 1)))
  // @ts-expect-error decided events of another category
  bank.when(() => ({ ledger: one }))
  // @ts-expect-error a decision on a state that no entity has
  bank.when(({ payr }: { readonly payr: number }) => ({ payer: payr > 0 ? one : [] }))
  // @ts-expect-error a decision on another state
  bank.when(({ payer }: { readonly payer: string }) => ({ payer: payer === "" ? one : [] }))
  // @ts-expect-error expected events of no entity
  const events = bank.when(() => ({})).then({ payr: one })
  // @ts-expect-error the state of no entity
  const state = bank.when(() => ({})).thenState({ payr: 1 })
  // @ts-expect-error another state
  const stateOfType = bank.when(() => ({})).thenState({ payer: "1" })
  // @ts-expect-error a reply of another type
  const reply = bank.when(transfer(1)).thenReply("1")
  // @ts-expect-error a decision that is never refused
  const refusal = bank.when(() => ({})).thenFails(InsufficientFunds)
  // @ts-expect-error nothing is expected yet
  const effect: Effect.Effect<void, SpecFailed> = bank.when(() => ({}))
  return [events, state, stateOfType, reply, refusal, effect]
}
