import { assert, describe, it } from "@effect/vitest"
import { Laws } from "@eventfold/testing"
import { Arbitrary, Context, DateTime, Effect, Option, Ref, Schema, SchemaGetter } from "effect"
import { Category, Entity } from "eventfold"
import { inspect } from "node:util"

class Money extends Schema.Class<Money>("test/Money")({ amount: Schema.BigInt, currency: Schema.String }) {}

const Account = Category.make("account", {
  Opened: {
    owner: Schema.String,
    at: Schema.DateTimeUtc,
    note: Schema.optionalKey(Schema.String),
    partner: Schema.Option(Schema.String),
    // @effect-diagnostics-next-line schemaNumber:off -- infinite values survive as well
    rate: Schema.Number,
    limit: Money
  },
  Deposited: { amount: Schema.Int },
  Counted: Schema.BigInt,
  Closed: {}
})

const Balance = Entity.make(Account, {
  state: Schema.Struct({ balance: Schema.Int, counted: Schema.Option(Schema.BigInt) }),
  initial: { balance: 0, counted: Option.none() },
  evolve: {
    Opened: (state) => state,
    Deposited: (state, { amount }) => ({ ...state, balance: state.balance + amount }),
    Counted: (state, counted) => ({ ...state, counted: Option.some(counted) }),
    Closed: () => ({ balance: 0, counted: Option.none() })
  }
})

const { Closed, Deposited } = Account.events

const broken = <R>(law: Effect.Effect<void, Laws.LawBroken, R>) => Effect.flip(law)

const diff = ({ actual, counterExample, expected }: Laws.LawBroken) => ({ actual, counterExample, expected })

const text = (...lines: ReadonlyArray<string>) => lines.join("\n")

/** Writes larger numbers as ten. */
const Capped = Schema.Int.pipe(
  Schema.decodeTo(Schema.Int, {
    decode: SchemaGetter.passthrough(),
    encode: SchemaGetter.transform((n: number) => Math.min(n, 10))
  })
)

// @effect-diagnostics schemaNumber:off -- this is about numbers that are not finite
/** Unions whose members have JSON forms in common. */
const ambiguous = {
  "number first": Schema.Union([Schema.Number, Schema.String]),
  "text first": Schema.Union([Schema.String, Schema.Number]),
  "integers": Schema.Union([Schema.BigInt, Schema.String]),
  "times": Schema.Union([Schema.DateTimeUtc, Schema.String]),
  "dates": Schema.Union([Schema.Date, Schema.String]),
  "addresses": Schema.Union([Schema.URL, Schema.String])
}
// @effect-diagnostics schemaNumber:error

const unambiguous = [
  Schema.Union([Schema.Finite, Schema.String]),
  Schema.Union([Schema.Int, Schema.String, Schema.Null, Schema.Boolean]),
  Schema.Json
]

/** Reads only numbers below ten. */
const Small = Schema.Int.check(Schema.isLessThan(10)).pipe(
  Schema.decodeTo(Schema.Int, { decode: SchemaGetter.passthrough(), encode: SchemaGetter.passthrough() })
)

class Cipher extends Context.Service<Cipher, { readonly key: string }>()("test/Cipher") {}

const secret = (encode: (text: string, key: string) => string) =>
  Schema.String.pipe(
    Schema.decodeTo(Schema.String, {
      decode: SchemaGetter.transformEffect((text: string) => Effect.map(Cipher, ({ key }) => text.slice(key.length))),
      encode: SchemaGetter.transformEffect((text: string) => Effect.map(Cipher, ({ key }) => encode(text, key)))
    })
  )

/** The numbers that a law is checked on. */
const examples = (options?: Laws.Options) =>
  Effect.gen(function*() {
    const seen = yield* Ref.make<ReadonlyArray<number>>([])
    const Seen = Schema.Int.pipe(
      Schema.decodeTo(Schema.Int, {
        decode: SchemaGetter.passthrough(),
        encode: SchemaGetter.transformEffect((n: number) => Effect.as(Ref.update(seen, (all) => [...all, n]), n))
      })
    )
    yield* Laws.roundTrips(Category.make("account", { Deposited: Seen }), options)
    return yield* Ref.get(seen)
  })

describe("roundTrips", () => {
  it.effect("holds for schemas that are well made", () => Laws.roundTrips(Account))

  it.effect("finds an event that is different after it is written and read", () =>
    Effect.gen(function*() {
      const error = yield* broken(Laws.roundTrips(Category.make("account", { Ok: {}, Deposited: { amount: Capped } })))
      assert.instanceOf(error, Laws.LawBroken)
      assert.deepStrictEqual(diff(error), {
        counterExample: { type: "Deposited", data: { amount: 11 } },
        actual: { amount: 10 },
        expected: { amount: 11 }
      })
      assert.match(
        error.message,
        new RegExp(text(
          "^expected Deposited to be the same after it is written and read",
          "counter-example: \\[Deposited {\"amount\":11}\\]",
          "it is written as {\"amount\":10}",
          "and read as {\"amount\":10}",
          "\\(run \\d+, seed \"eventfold\"\\)$"
        ))
      )
    }))

  it.effect("finds an event that can't be written, or can't be read", () =>
    Effect.gen(function*() {
      const unwritable = yield* broken(Laws.roundTrips(Category.make("account", { Deposited: { amount: Small } })))
      assert.include(
        unwritable.message,
        "it can't be written: data.amount: does not fit its schema: Expected a value less than 10"
      )
      assert.deepStrictEqual(unwritable.counterExample, { type: "Deposited", data: { amount: 10 } })

      const Unreadable = Schema.Int.check(Schema.isLessThan(10)).pipe(
        Schema.encodeTo(Schema.Int, {
          decode: SchemaGetter.transform((n: number) => n * 10),
          encode: SchemaGetter.passthrough()
        })
      )
      const unreadable = yield* broken(Laws.roundTrips(Category.make("account", { Deposited: Unreadable })))
      assert.include(
        unreadable.message,
        text("it is written as 1", "and can't be read: data: Expected a value less than 10")
      )
    }))

  it.effect("goes by way of text, where something may be lost that a JSON value keeps", () =>
    Effect.gen(function*() {
      // The encoded value is not JSON, although the compiler and `toCodecJson` take it for JSON.
      const Loose = Schema.String.pipe(
        Schema.encodeTo(Schema.Json, {
          decode: SchemaGetter.transform((json) => String((json as unknown as { readonly at: () => string }).at())),
          encode: SchemaGetter.transform((text) => ({ at: () => text }) as unknown as Schema.Json)
        })
      )
      const error = yield* broken(Laws.roundTrips(Category.make("account", { Noted: { text: Loose } })))
      assert.include(error.message, "expected Noted to be the same")
    }))

  it.effect("finds schemas whose JSON form looks like that of another value", () =>
    Effect.gen(function*() {
      // A form that rounds the offset of a zone.
      const zoned = yield* broken(Laws.roundTrips(Category.make("will", { Dated: { at: Schema.DateTimeZoned } })))
      assert.include(zoned.message, "expected Dated to be the same after it is written and read")

      for (const [name, answer] of Object.entries(ambiguous)) {
        class Reply extends Schema.Class<Reply>("test/Reply")({ answer }) {}
        for (const schema of [answer, Schema.Option(Schema.Array(answer)), Reply]) {
          for (const seed of ["eventfold", 1, 2]) {
            const error = yield* broken(
              Laws.roundTrips(Category.make("form", { Filled: { at: Schema.DateTimeUtc, schema } }), { seed })
            )
            assert.include(error.message, "\nand read as", name)
          }
        }
      }
      for (const answer of unambiguous) yield* Laws.roundTrips(Category.make("form", { Filled: { answer } }))
    }))

  it.effect("generates texts that look like other values only where they fit", () =>
    Effect.gen(function*() {
      const Code = Schema.String.check(Schema.isPattern(/^[a-c]{3}$/))
      const metadata = { at: Schema.DateTimeUtc, code: Code }
      yield* Laws.roundTrips(
        Category.make("form", {
          Paid: { price: Money, prices: Schema.Array(Money) },
          Filled: Schema.Union([
            Schema.Struct({ kind: Schema.Literal("text"), code: Code, text: Schema.NonEmptyString }),
            Schema.Struct({ kind: Schema.Literal("number"), numbers: Schema.Array(Schema.Int) })
          ])
        }, { metadata })
      )
    }))

  it.effect("needs what the schemas need", () =>
    Effect.gen(function*() {
      const Letter = Category.make("letter", { Sent: { text: secret((text, key) => key + text) } })
      yield* Laws.roundTrips(Letter)
      const Forgotten = Category.make("letter", { Sent: { text: secret((text) => text) } })
      const error = yield* broken(Laws.roundTrips(Forgotten))
      assert.include(error.message, "and read as {\"text\":\"\"}")
    }).pipe(Effect.provideService(Cipher, { key: "key:" })))

  it.effect("is about metadata where it has a schema", () =>
    Effect.gen(function*() {
      const metadata = { userId: Schema.String, at: Schema.DateTimeUtc }
      yield* Laws.roundTrips(Category.make("account", { Closed: {} }, { metadata }))
      const error = yield* broken(
        Laws.roundTrips(Category.make("account", { Closed: {} }, { metadata: { ...metadata, level: Capped } }))
      )
      assert.match(error.message, /counter-example: \[Closed {} with {"metadata":{.*"level":11}}\]/)
      assert.match(error.message, /its metadata is written as {.*"level":10}\nand read as {.*"level":10}/)
    }))

  describe("of past versions", () => {
    const first = Category.version({ amount: Schema.Finite })

    it.effect("holds when each can be read as the newest", () =>
      Effect.gen(function*() {
        const Amount = first
          .upcast({ cents: Schema.Finite }, ({ amount }) => ({ cents: amount / 2 }))
          .upcast({ cents: Schema.Finite, currency: Schema.String }, ({ cents }) => ({ cents, currency: "EUR" }))
        yield* Laws.roundTrips(Category.make("account", { Deposited: Amount }))
        yield* Laws.roundTrips(
          Category.make("account", { Deposited: Amount }, {
            metadata: { userId: Schema.String, at: Schema.DateTimeUtc }
          })
        )
      }))

    it.effect("finds data of an older version that can't be read as the newest", () =>
      Effect.gen(function*() {
        const Amount = first
          .upcast({ amount: Schema.Finite, note: Schema.String }, ({ amount }) => ({ amount, note: "" }))
          .upcast({ amount: Schema.Int }, ({ amount }) => ({ amount }))
        const error = yield* broken(Laws.roundTrips(Category.make("account", { Deposited: Amount })))
        assert.include(
          error.message,
          "expected version 1 of Deposited to be read as version 3\ncounter-example: [Deposited"
        )
        assert.include(error.message, "and can't be read: data.amount: Expected an integer")

        const Refusing = first.upcast(
          { amount: Schema.Finite },
          (data) => data.amount < 0 ? Effect.fail({ message: "no negative amounts" }) : Effect.succeed(data)
        )
        const refused = yield* broken(Laws.roundTrips(Category.make("account", { Deposited: Refusing })))
        assert.include(refused.message, "expected version 1 of Deposited to be read as version 2")
        assert.include(refused.message, "no negative amounts")
      }))

    it.effect("needs what the past needs", () =>
      Effect.gen(function*() {
        const Text = Category.version({ text: secret((text, key) => key + text) })
          .upcast({ text: Schema.String, length: Schema.Int }, ({ text }) => ({ text, length: text.length }))
        yield* Laws.roundTrips(Category.make("letter", { Sent: Text }))
      }).pipe(Effect.provideService(Cipher, { key: "key:" })))
  })

  it.effect("is checked on the same values in each run, unless another seed is given", () =>
    Effect.gen(function*() {
      const usual = yield* examples()
      assert.lengthOf(usual, 100)
      assert.deepStrictEqual(yield* examples(), usual)
      assert.notDeepEqual(yield* examples({ seed: "another" }), usual)
      assert.deepStrictEqual(yield* examples({ seed: "eventfold" }), usual)
      assert.lengthOf(yield* examples({ runs: 7 }), 7)
    }))

  it.effect("says of which type no values can be generated", () =>
    Effect.gen(function*() {
      class Opaque {
        #value = 1
        get value() {
          return this.#value
        }
      }
      const Held = Schema.declare((u): u is Opaque => u instanceof Opaque)
      const error = yield* broken(
        Laws.roundTrips(Category.make("account", { Held: { by: Held as unknown as Schema.Codec<Opaque, string> } }))
      )
      assert.include(
        error.message,
        "expected Held to be the same after it is written and read\nbut no values can be generated:"
      )

      const Rare = Schema.String.check(Schema.makeFilter((text: string) => text === "one in a million"))
      const rare = yield* broken(Laws.roundTrips(Category.make("account", { Rare })))
      assert.include(rare.message, "expected Rare to be the same after it is written and read\nbut hardly any")
    }))

  it.effect("fails where it is called, with no other fields than a test runner shows", () =>
    Effect.gen(function*() {
      const error = yield* broken(Laws.roundTrips(Category.make("account", { Deposited: { amount: Capped } })))
      assert.deepStrictEqual(Object.keys(error).toSorted(), ["actual", "counterExample", "expected", "name"])
      assert.match(
        error.stack ?? "",
        /seed "eventfold"\)\n[^\n]*packages[\\/]testing[\\/]test[\\/]Laws\.test\.ts:\d+:\d+/
      )
      assert.strictEqual(inspect(error), error.stack)
    }))
})

describe("snapshots", () => {
  it.effect("holds for a state that its schema knows", () => Laws.snapshots(Balance))

  const evolve = {
    Opened: (state: { readonly balance: number }) => state,
    Counted: (state: { readonly balance: number }) => state,
    Closed: (state: { readonly balance: number }) => state
  }

  it.effect("finds what the schema of the state does not keep", () =>
    Effect.gen(function*() {
      // Every second deposit counts, by a field that no snapshot has.
      const Forgetful = Entity.make(Account, {
        state: Schema.Struct({ balance: Schema.Int }),
        initial: { balance: 0 },
        evolve: {
          ...evolve,
          Deposited: (state) =>
            "odd" in state ? { balance: state.balance + 1 } : Object.assign({ balance: state.balance }, { odd: true })
        }
      })
      const error = yield* broken(Laws.snapshots(Forgetful))
      assert.deepStrictEqual(diff(error), {
        counterExample: [{ type: "Deposited", data: { amount: 0 } }, { type: "Deposited", data: { amount: 0 } }],
        actual: { balance: 0, odd: true } as { readonly balance: number },
        expected: { balance: 1 }
      })
      assert.match(
        error.message,
        new RegExp(text(
          "^expected a snapshot and the events after it to fold into the state that all events fold into",
          "counter-example: \\[Deposited {\"amount\":0}, Deposited {\"amount\":0}\\]",
          "the state after 1 event, {\"balance\":0,\"odd\":true}, is written as {\"balance\":0}",
          "with the events after it, it folds into {\"balance\":0,\"odd\":true}; all events fold into {\"balance\":1}",
          "\\(run \\d+, seed \"eventfold\"\\)$"
        ))
      )
    }))

  const Positive = Entity.make(Account, {
    state: Schema.Struct({ balance: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) }),
    initial: { balance: 0 },
    evolve: { ...evolve, Deposited: (state, { amount }) => ({ balance: state.balance + amount }) }
  })

  it.effect("finds a state whose JSON form looks like that of another value", () =>
    Effect.gen(function*() {
      for (const [name, state] of Object.entries<Schema.Codec<unknown>>(ambiguous)) {
        const Last = Entity.make(Category.make("form", { Filled: { answer: state } }), {
          state,
          initial: "",
          evolve: { Filled: (_, { answer }) => answer }
        })
        const error = yield* broken(Laws.snapshots(Last))
        assert.include(error.message, "the state after 1 event", name)
      }
    }))

  it.effect("finds a state that does not fit its schema", () =>
    Effect.gen(function*() {
      const error = yield* broken(Laws.snapshots(Positive))
      assert.deepStrictEqual(error.counterExample, [{ type: "Deposited", data: { amount: -1 } }])
      assert.include(
        error.message,
        "the state after 1 event, {\"balance\":-1}, can't be written: Expected a value greater than or equal to 0"
      )
    }))

  it.effect("is checked on the given histories, if there are any", () =>
    Effect.gen(function*() {
      const amounts = Arbitrary.schema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))
      const histories = Arbitrary.array(Arbitrary.map(amounts, (amount) => Deposited({ amount })))
      yield* Laws.snapshots(Positive, { histories })
    }))

  it.effect("finds an evolve that throws", () =>
    Effect.gen(function*() {
      const Throwing = Entity.make(Account, {
        state: Schema.Struct({ balance: Schema.Int }),
        initial: { balance: 0 },
        evolve: {
          ...evolve,
          Deposited: () => {
            throw new Error("a bug")
          }
        }
      })
      const error = yield* broken(Laws.snapshots(Throwing))
      assert.deepStrictEqual(error.counterExample, [{ type: "Deposited", data: { amount: 0 } }])
      assert.include(error.message, "evolve threw Error: a bug")
    }))
})

describe("idempotent", () => {
  type State = typeof Balance.initial

  const close = ({ balance }: State) => balance === 0 ? [] : Closed({})

  it.effect("holds for a decision that sees what it has done", () =>
    Effect.gen(function*() {
      yield* Laws.idempotent(Balance, close, { given: [Deposited({ amount: 1 }), Deposited({ amount: 2 })] })
      yield* Laws.idempotent(Balance, close, { given: Deposited({ amount: 1 }) })
      yield* Laws.idempotent(Balance, close)
    }))

  it.effect("holds for events under the same ids, which a store does not write again", () =>
    Laws.idempotent(Balance, () => Deposited({ amount: 1 }, { id: "00000000-0000-4000-8000-00000000000a" })))

  it.effect("finds events that are decided again", () =>
    Effect.gen(function*() {
      const deposit = ({ balance }: State) => Deposited({ amount: balance + 1 })
      const given = [Deposited({ amount: 1 })]
      const error = yield* broken(Laws.idempotent(Balance, deposit, { given }))
      assert.strictEqual(
        error.message,
        text(
          "expected no new events when decided again",
          "given the events [Deposited {\"amount\":1}]",
          "when deposit decides on the state {\"balance\":1,\"counted\":none()} at version 0",
          "when deposit decides on the state {\"balance\":3,\"counted\":none()} at version 1",
          "but got [Deposited {\"amount\":4}]"
        )
      )
      assert.deepStrictEqual(diff(error), {
        counterExample: given,
        actual: [{ type: "Deposited", data: { amount: 4 } }],
        expected: []
      })
      assert.match(error.stack ?? "", /packages[\\/]testing[\\/]test[\\/]Laws\.test\.ts:\d+:\d+/)
    }))

  it.effect("is broken by a refusal, the first time or the second", () =>
    Effect.gen(function*() {
      const once = ({ balance }: State) =>
        balance === 1 ? Effect.fail("no more") : Effect.succeed(Deposited({ amount: 1 }))
      const second = yield* broken(Laws.idempotent(Balance, once))
      assert.match(second.message, /at version 0\nbut the decision was refused the second time: "no more"$/)
      const first = yield* broken(Laws.idempotent(Balance, once, { given: Deposited({ amount: 1 }) }))
      assert.match(first.message, /at version 0\nbut the decision was refused the first time: "no more"$/)
    }))

  it.effect("is broken by what a store would refuse", () =>
    Effect.gen(function*() {
      const decided = yield* broken(Laws.idempotent(Balance, () => Deposited({ amount: 0.5 })))
      assert.match(decided.message, /but a store would refuse the decided events: event 0, Deposited: data\.amount/)
      const given = yield* broken(Laws.idempotent(Balance, close, { given: Deposited({ amount: 0.5 }) }))
      assert.match(given.message, /but a store would refuse the given events: event 0, Deposited: data\.amount/)
    }))

  it.effect("needs what the decision and the category need", () => {
    const Letter = Category.make("letter", { Sent: { text: secret((text, key) => key + text) } }, {
      metadata: { at: Schema.DateTimeUtc, by: Schema.optionalKey(Schema.String) }
    })
    const Last = Entity.make(Letter, { state: Schema.String, initial: "", evolve: { Sent: (_, { text }) => text } })
    const metadata = { at: DateTime.makeUnsafe(0) }
    return Laws.idempotent(
      Last,
      (last) => Effect.map(Cipher, ({ key }) => last === key ? [] : Letter.events.Sent({ text: key }, { metadata })),
      { given: Letter.events.Sent({ text: "a" }, { metadata }) }
    ).pipe(Effect.provideService(Cipher, { key: "key:" }))
  })
})
