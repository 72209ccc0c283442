import { assert, describe, it } from "@effect/vitest"
import { Spec, SpecFailed } from "@eventfold/testing"
import { Context, DateTime, Effect, Option, Random, Ref, Schema, SchemaGetter } from "effect"
import { Category, Entity, Metadata } from "eventfold"
import { inspect } from "node:util"

const Account = Category.make("account", {
  Opened: { owner: Schema.String, at: Schema.DateTimeUtc },
  Deposited: { amount: Schema.Int, note: Schema.optionalKey(Schema.String) },
  Withdrawn: { amount: Schema.Int }
})

const Balance = Entity.make(Account, {
  state: Schema.Struct({ balance: Schema.Int }),
  initial: { balance: 0 },
  evolve: {
    Opened: (state) => state,
    Deposited: (state, { amount }) => ({ balance: state.balance + amount }),
    Withdrawn: (state, { amount }) => ({ balance: state.balance - amount })
  }
})

type State = typeof Balance.initial

class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", { balance: Schema.Int }) {
  // The same for all refusals: their fields tell them apart.
  override get message(): string {
    return "insufficient funds"
  }
}

class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", { message: Schema.String }) {}

/** An error without a tag, as a library may give it. */
const tooMuch = (message: string): Effect.Effect<never, RangeError> =>
  // @effect-diagnostics-next-line globalErrorInEffectFailure:off -- that is what is tested
  Effect.fail(new RangeError(message))

class Frozen extends Schema.TaggedError<Frozen>()("Frozen", {}) {}

const { Deposited, Opened, Withdrawn } = Account.events

const withdraw = (amount: number) => ({ balance }: State) =>
  balance < amount ? Effect.fail(new InsufficientFunds({ balance })) : Effect.succeed(Withdrawn({ amount }))

const depositOnce = ({ balance }: State) => balance > 0 ? [] : Deposited({ amount: 5 })

const version = (_: State, version: Option.Option<number>) => Entity.reply([], version)

const isEmpty = ({ balance }: { readonly balance: number }) => balance === 0

/** The failure of a spec that fails. */
const failure = <R>(spec: Effect.Effect<void, SpecFailed, R>) => Effect.flip(spec)

const message = <R>(spec: Effect.Effect<void, SpecFailed, R>) => Effect.map(failure(spec), (error) => error.message)

const diff = ({ actual, expected }: SpecFailed) => ({ actual, expected })

const text = (...lines: ReadonlyArray<string>) => lines.join("\n")

describe("a spec that holds", () => {
  it.effect("given many, one and no events, by an effect and by a plain function", () =>
    Effect.gen(function*() {
      yield* Spec(Balance)
        .given([Deposited({ amount: 5 }), Deposited({ amount: 6 })])
        .when(withdraw(10))
        .then(Withdrawn({ amount: 10 }))
      yield* Spec(Balance).given(Deposited({ amount: 5 })).when(withdraw(5)).then([Withdrawn({ amount: 5 })])
      yield* Spec(Balance).given(Deposited({ amount: 5 })).when(depositOnce).then([])
      yield* Spec(Balance).given([]).when(depositOnce).then(Deposited({ amount: 5 }))
      yield* Spec(Balance)
        .when(() => [Deposited({ amount: 1 }), Withdrawn({ amount: 1 })])
        .then([Deposited({ amount: 1 }), Withdrawn({ amount: 1 })])
    }))

  it.effect("is an effect that a test can return", () =>
    Spec(Balance).when(depositOnce).then(Deposited({ amount: 5 })).thenState({ balance: 5 }))

  it.effect("of events, state and reply at once, in any order", () => {
    const spec = Spec(Balance)
      .given(Deposited({ amount: 5 }))
      .when(({ balance }) => Entity.reply(Withdrawn({ amount: 2 }), balance - 2))
    return Effect.all([
      spec.then(Withdrawn({ amount: 2 })).thenState({ balance: 3 }).thenReply(3),
      spec.thenReply(3).thenState({ balance: 3 }).then(Withdrawn({ amount: 2 }))
    ])
  })

  it.effect("of the state alone, also when nothing is decided", () =>
    Spec(Balance).given(Deposited({ amount: 5 })).when(() => []).thenState({ balance: 5 }))

  it.effect("decides on the version that a stream of the given events has", () =>
    Effect.gen(function*() {
      yield* Spec(Balance).when(version).thenReply(Option.none())
      yield* Spec(Balance).given(Deposited({ amount: 1 })).when(version).thenReply(Option.some(0))
      yield* Spec(Balance)
        .given([Deposited({ amount: 1 }), Deposited({ amount: 1 })])
        .when(version)
        .thenReply(Option.some(1))
    }))

  it.effect("is refused as by transact: the same fields, the class, a predicate", () =>
    Effect.gen(function*() {
      const refused = Spec(Balance).given(Deposited({ amount: 5 })).when(withdraw(6))
      yield* refused.thenFails(new InsufficientFunds({ balance: 5 }))
      yield* refused.thenFails(InsufficientFunds)
      yield* refused.thenFails((refusal) => refusal.balance === 5)
      const old = Object.assign(function(refusal: InsufficientFunds) {
        return refusal.balance === 5
      })
      yield* refused.thenFails(old)
    }))

  it.effect("is refused with something that is not a tagged error", () =>
    Effect.gen(function*() {
      yield* Spec(Balance).when(() => Effect.fail("no")).thenFails("no")
      yield* Spec(Balance).when(() => Effect.fail({ code: 7 })).thenFails({ code: 7 })
      const refused = Spec(Balance).when(() => tooMuch("too much"))
      yield* refused.thenFails(RangeError)
      yield* refused.thenFails(new RangeError("too much"))
    }))

  it.effect("decides once for all its expectations", () =>
    Effect.gen(function*() {
      const count = yield* Ref.make(0)
      yield* Spec(Balance)
        .when(() => Effect.as(Ref.update(count, (n) => n + 1), Deposited({ amount: 1 })))
        .then(Deposited({ amount: 1 }))
        .thenState({ balance: 1 })
        .thenReply(undefined)
      assert.strictEqual(yield* Ref.get(count), 1)
    }))

  it.effect("takes no random numbers from the decision", () =>
    Effect.gen(function*() {
      const drawn = yield* Random.nextInt.pipe(Random.withSeed("a seed"))
      yield* Spec(Balance)
        .given([Deposited({ amount: 1 }), Deposited({ amount: 1 })])
        .when(() => Effect.map(Random.nextInt, (amount) => Deposited({ amount })))
        .then(Deposited({ amount: drawn }))
        .pipe(Random.withSeed("a seed"))
    }))
})

describe("events", () => {
  const at = DateTime.makeUnsafe("2026-01-02T03:04:05.006Z")

  it.effect("take from the context what their metadata leaves out", () => {
    const Typed = Category.make("typed", { Done: {} }, { metadata: { userId: Schema.String } })
    const Log = Entity.make(Typed, { state: Schema.Int, initial: 0, evolve: { Done: (count) => count + 1 } })
    const spec = Spec(Log)
      .given(Typed.events.Done({}))
      .when(() => Typed.events.Done({}))
      .then(Typed.events.Done({}, { metadata: { userId: "u-3" } }))
      .thenState(2)
    return Effect.gen(function*() {
      yield* spec.pipe(Metadata.with({ userId: "u-3" }))
      const { message } = yield* Effect.flip(spec)
      assert.include(message, "metadata.userId is missing")
    })
  })

  it.effect("are compared by their decoded data", () =>
    Effect.gen(function*() {
      yield* Spec(Balance)
        .when(() => Opened({ owner: "Ann", at }))
        .then(Opened({ owner: "Ann", at: DateTime.makeUnsafe("2026-01-02T03:04:05.006Z") }))
      const other = Spec(Balance).when(() => Opened({ owner: "Ann", at })).then(
        Opened({ owner: "Ann", at: DateTime.makeUnsafe("2026-01-02T03:04:05.007Z") })
      )
      assert.instanceOf(yield* failure(other), SpecFailed)
    }))

  it.effect("are compared after encoding and decoding, which may make them the same", () => {
    const Trimmed = Schema.String.pipe(
      Schema.decodeTo(Schema.String, { decode: SchemaGetter.trim(), encode: SchemaGetter.passthrough() })
    )
    const Note = Category.make("note", { Written: { text: Trimmed } })
    const Last = Entity.make(Note, { state: Schema.String, initial: "", evolve: { Written: (_, { text }) => text } })
    return Spec(Last)
      .given(Note.events.Written({ text: " a " }))
      .when((state) => Entity.reply(Note.events.Written({ text: " b " }), state))
      .then(Note.events.Written({ text: "b" }))
      .thenState("b")
      .thenReply("a")
  })

  it.effect("are told apart by order, number, type and absent fields", () =>
    Effect.gen(function*() {
      const spec = Spec(Balance).when(() => [Deposited({ amount: 1 }), Withdrawn({ amount: 1 })])
      for (
        const events of [
          [],
          [Deposited({ amount: 1 })],
          [Withdrawn({ amount: 1 }), Deposited({ amount: 1 })],
          [Deposited({ amount: 1 }), Deposited({ amount: 1 })],
          [Deposited({ amount: 1, note: "" }), Withdrawn({ amount: 1 })],
          [Deposited({ amount: 1 }), Withdrawn({ amount: 1 }), Withdrawn({ amount: 1 })]
        ]
      ) {
        assert.instanceOf(yield* failure(spec.then(events)), SpecFailed)
      }
    }))

  const id = "00000000-0000-4000-8000-00000000000a"

  it.effect("have an id and metadata that count where they are expected", () =>
    Effect.gen(function*() {
      const metadata = { correlationStreamName: "order-7", own: [1] }
      const spec = Spec(Balance).when(() => Deposited({ amount: 1 }, { id, metadata }))
      yield* spec.then(Deposited({ amount: 1 }))
      yield* spec.then(Deposited({ amount: 1 }, { id: id.toUpperCase() }))
      yield* spec.then(Deposited({ amount: 1 }, { metadata: { own: [1], correlationStreamName: "order-7" } }))
      const otherMetadata = yield* failure(spec.then(Deposited({ amount: 1 }, { metadata: { own: [1] } })))
      assert.deepStrictEqual(diff(otherMetadata), {
        actual: [{ type: "Deposited", data: { amount: 1 }, metadata }],
        expected: [{ type: "Deposited", data: { amount: 1 }, metadata: { own: [1] } }]
      })
      const otherId = yield* failure(spec.then(Deposited({ amount: 1 }, { id: id.replace("a", "b") })))
      assert.strictEqual(
        otherId.message,
        text(
          "given no events",
          "when decided on the state {\"balance\":0} of a stream that does not exist",
          "then expected the events [Deposited {\"amount\":1} with {\"id\":\"00000000-0000-4000-8000-00000000000b\"}], but " +
            "got [Deposited {\"amount\":1} with {\"id\":\"00000000-0000-4000-8000-00000000000a\"}]"
        )
      )
      yield* Spec(Balance).when(() => Deposited({ amount: 1 })).then(Deposited({ amount: 1 }, { metadata: {} }))
    }))

  it.effect("that are given already, by their ids, are not folded again", () =>
    Spec(Balance)
      .given([Deposited({ amount: 1 }, { id }), Deposited({ amount: 2 })])
      .when(() => Deposited({ amount: 1 }, { id }))
      .then(Deposited({ amount: 1 }, { id }))
      .thenState({ balance: 3 }))
})

describe("what a store would refuse", () => {
  it.effect("among the given events", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* message(
          Spec(Balance).given([Deposited({ amount: 1 }), Deposited({ amount: 0.5 })]).when(depositOnce).then([])
        ),
        "given the events [Deposited {\"amount\":1}, Deposited {\"amount\":0.5}], which a store would refuse: " +
          "event 1, Deposited: data.amount does not fit its schema: Expected an integer"
      )
    }))

  it.effect("among the decided events, whatever is expected", () =>
    Effect.gen(function*() {
      const spec = Spec(Balance).when(() => Deposited({ amount: 1, note: "a\u0000b" }))
      const then = yield* failure(spec.then(Deposited({ amount: 1, note: "ab" })))
      assert.strictEqual(
        then.message,
        text(
          "given no events",
          "when decided on the state {\"balance\":0} of a stream that does not exist",
          "then expected the events [Deposited {\"amount\":1,\"note\":\"ab\"}], but got the events " +
            "[Deposited {\"amount\":1,\"note\":\"a\\u0000b\"}], which a store would refuse: " +
            "event 0, Deposited: data.note contains a NUL character, which PostgreSQL cannot store"
        )
      )
      assert.deepStrictEqual(diff(then), {
        actual: {
          refusedByStore: "event 0, Deposited: data.note contains a NUL character, which PostgreSQL cannot store"
        },
        expected: { events: [{ type: "Deposited", data: { amount: 1, note: "ab" } }] }
      })
      const state = yield* message(spec.thenState({ balance: 1 }))
      assert.include(state, "then expected the state {\"balance\":1}, but got the events")
    }))

  it.effect("among the expected events, which is a mistake in the spec", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* message(Spec(Balance).when(depositOnce).then(Deposited({ amount: 5 }, { id: "5" }))),
        text(
          "given no events",
          "when depositOnce decides on the state {\"balance\":0} of a stream that does not exist",
          "then expected the events [Deposited {\"amount\":5} with {\"id\":\"5\"}], which a store would refuse: " +
            "event 0, Deposited: id is \"5\", which is not a UUID"
        )
      )
    }))

  it.effect("an event of a type that the category does not have", () =>
    Effect.gen(function*() {
      const closed = { type: "Closed", data: {} } as unknown as ReturnType<typeof Deposited>
      assert.include(
        yield* message(Spec(Balance).when(() => closed).then([])),
        "event 0, Closed: type is not an event of the category account, whose events are Opened, Deposited, Withdrawn"
      )
    }))

  it.effect("one id for two events", () =>
    Effect.gen(function*() {
      const id = "00000000-0000-4000-8000-00000000000a"
      const spec = Spec(Balance).given(Deposited({ amount: 1 }, { id })).when(() => Deposited({ amount: 2 }, { id }))
      assert.include(yield* message(spec.thenState({ balance: 3 })), `message id ${id}`)
    }))

  it.effect("an event that is written and can't be read", () =>
    Effect.gen(function*() {
      const Short = Schema.String.check(Schema.isMaxLength(3))
      const Doubled = Short.pipe(
        Schema.decodeTo(Schema.String, {
          decode: SchemaGetter.passthrough(),
          encode: SchemaGetter.passthrough()
        })
      )
      const Note = Category.make("note", {
        Written: {
          text: Schema.String.pipe(
            Schema.decodeTo(Doubled, {
              decode: SchemaGetter.transform((text: string) => `${text}!`),
              encode: SchemaGetter.passthrough()
            })
          )
        }
      })
      const Last = Entity.make(Note, { state: Schema.String, initial: "", evolve: { Written: (_, { text }) => text } })
      assert.include(
        yield* message(Spec(Last).given(Note.events.Written({ text: "abc" })).when(() => []).thenState("abc")),
        "event 0, Written, was written but can't be read back: data.text: Expected a value with a length of at most 3"
      )
    }))
})

describe("a spec that fails says what happened instead", () => {
  const given = Spec(Balance).given([Deposited({ amount: 5 }), Deposited({ amount: 6 })])
  const story = text(
    "given the events [Deposited {\"amount\":5}, Deposited {\"amount\":6}]",
    "when decided on the state {\"balance\":11} at version 1",
    ""
  )

  it.effect("other events", () =>
    Effect.gen(function*() {
      const error = yield* failure(given.when(withdraw(10)).then(Withdrawn({ amount: 9 })))
      assert.strictEqual(
        error.message,
        `${story}then expected the events [Withdrawn {"amount":9}], but got [Withdrawn {"amount":10}]`
      )
      assert.deepStrictEqual(diff(error), {
        actual: [{ type: "Withdrawn", data: { amount: 10 } }],
        expected: [{ type: "Withdrawn", data: { amount: 9 } }]
      })
    }))

  it.effect("none where there should be some, and some where there should be none", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* message(given.when(() => []).then(Withdrawn({ amount: 9 }))),
        `${story}then expected the events [Withdrawn {"amount":9}], but got no events`
      )
      assert.strictEqual(
        yield* message(given.when(withdraw(1)).then([])),
        `${story}then expected no events, but got [Withdrawn {"amount":1}]`
      )
    }))

  it.effect("a refusal", () =>
    Effect.gen(function*() {
      const refused = given.when(withdraw(12))
      const then = yield* failure(refused.then(Withdrawn({ amount: 12 })))
      assert.strictEqual(
        then.message,
        `${story}then expected the events [Withdrawn {"amount":12}], but the decision was refused: InsufficientFunds {"balance":11}`
      )
      assert.deepStrictEqual(diff(then), {
        actual: { refusal: { _tag: "InsufficientFunds", balance: 11 } },
        expected: { events: [{ type: "Withdrawn", data: { amount: 12 } }] }
      })
      const state = yield* failure(refused.thenState({ balance: 0 }))
      assert.strictEqual(
        state.message,
        `${story}then expected the state {"balance":0}, but the decision was refused: InsufficientFunds {"balance":11}`
      )
      assert.deepStrictEqual(diff(state), {
        actual: { refusal: { _tag: "InsufficientFunds", balance: 11 } },
        expected: { state: { balance: 0 } }
      })
      const plain = given.when(() => tooMuch("too much"))
      assert.strictEqual(
        yield* message(plain.then([])),
        `${story}then expected no events, but the decision was refused: RangeError: too much`
      )
      assert.strictEqual(
        yield* message(given.when(() => new Frozen()).then([])),
        `${story}then expected no events, but the decision was refused: Frozen`
      )
      assert.strictEqual(
        yield* message(given.when(() => Effect.fail("no")).then([])),
        `${story}then expected no events, but the decision was refused: "no"`
      )
    }))

  it.effect("another state, another reply", () =>
    Effect.gen(function*() {
      const spec = given.when(() => Entity.reply([], "done"))
      const state = yield* failure(spec.thenState({ balance: 10 }))
      assert.strictEqual(state.message, `${story}then expected the state {"balance":10}, but it was {"balance":11}`)
      assert.deepStrictEqual(diff(state), { actual: { balance: 11 }, expected: { balance: 10 } })
      const reply = yield* failure(spec.thenReply("refused"))
      assert.strictEqual(reply.message, `${story}then expected the reply "refused", but it was "done"`)
      assert.deepStrictEqual(diff(reply), { actual: "done", expected: "refused" })
    }))

  it.effect("another refusal, or none", () =>
    Effect.gen(function*() {
      const refused = given.when(({ balance }, version) =>
        Option.isNone(version) ? new Frozen() : new InsufficientFunds({ balance })
      )
      const fields = yield* failure(refused.thenFails(new InsufficientFunds({ balance: 12 })))
      assert.strictEqual(
        fields.message,
        `${story}then expected the refusal InsufficientFunds {"balance":12}, but the decision was refused: InsufficientFunds {"balance":11}`
      )
      assert.deepStrictEqual(diff(fields), {
        actual: { _tag: "InsufficientFunds", balance: 11 },
        expected: { _tag: "InsufficientFunds", balance: 12 }
      })
      assert.strictEqual(
        yield* message(refused.thenFails(Frozen)),
        `${story}then expected the refusal Frozen, but the decision was refused: InsufficientFunds {"balance":11}`
      )
      assert.strictEqual(
        yield* message(given.when(withdraw(12)).thenFails(isEmpty)),
        `${story}then expected a refusal that matches isEmpty, but the decision was refused: InsufficientFunds {"balance":11}`
      )
      assert.strictEqual(
        yield* message(given.when(withdraw(12)).thenFails((refusal) => refusal.balance === 0)),
        `${story}then expected a refusal that matches the predicate, but the decision was refused: InsufficientFunds {"balance":11}`
      )
      const text = yield* failure(
        given.when(() => new Forbidden({ message: "no" })).thenFails(new Forbidden({ message: "never" }))
      )
      assert.strictEqual(
        text.message,
        `${story}then expected the refusal Forbidden {"message":"never"}, but the decision was refused: Forbidden {"message":"no"}`
      )
      assert.deepStrictEqual(diff(text), {
        actual: { _tag: "Forbidden", message: "no" },
        expected: { _tag: "Forbidden", message: "never" }
      })
      const none = yield* failure(given.when(withdraw(1)).thenFails(new InsufficientFunds({ balance: 11 })))
      assert.strictEqual(
        none.message,
        `${story}then expected the refusal InsufficientFunds {"balance":11}, but got [Withdrawn {"amount":1}]`
      )
      assert.deepStrictEqual(diff(none), {
        actual: { events: [{ type: "Withdrawn", data: { amount: 1 } }] },
        expected: { refusal: { _tag: "InsufficientFunds", balance: 11 } }
      })
      const plain = given.when(() => tooMuch("too much"))
      assert.deepStrictEqual(diff(yield* failure(plain.thenFails(new RangeError("too little")))), {
        actual: { name: "RangeError", message: "too much" },
        expected: { name: "RangeError", message: "too little" }
      })
    }))

  it.effect("of the first expectation that is not met", () =>
    Effect.gen(function*() {
      const spec = given.when(withdraw(10)).then(Withdrawn({ amount: 10 })).thenState({ balance: 2 }).thenReply(
        undefined
      )
      assert.include(yield* message(spec), "then expected the state {\"balance\":2}, but it was {\"balance\":1}")
    }))

  it.effect("with many events, one a line", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 5 }, (_, amount) => Deposited({ amount }))
      assert.strictEqual(
        yield* message(Spec(Balance).given(many).when(() => []).thenState({ balance: 0 })),
        text(
          "given the events [",
          "  Deposited {\"amount\":0},",
          "  Deposited {\"amount\":1},",
          "  Deposited {\"amount\":2},",
          "  Deposited {\"amount\":3},",
          "  Deposited {\"amount\":4}",
          "]",
          "when decided on the state {\"balance\":10} at version 4",
          "then expected the state {\"balance\":0}, but it was {\"balance\":10}"
        )
      )
    }))

  it.effect("to a test runner", () =>
    Effect.gen(function*() {
      const error = yield* failure(given.when(withdraw(10)).then([]))
      assert.instanceOf(error, Error)
      assert.strictEqual(error.name, "SpecFailed")
      // Vitest prints any other field below the message.
      assert.deepStrictEqual(Object.keys(error).toSorted(), ["actual", "expected", "name"])
      const [first, , , frame = "", ...frames] = error.stack?.split("\n") ?? []
      assert.strictEqual(first, "SpecFailed: given the events [Deposited {\"amount\":5}, Deposited {\"amount\":6}]")
      // The line of the expectation, and no frames of the fibers between.
      assert.match(frame, /packages[\\/]testing[\\/]test[\\/]Spec\.test\.ts:\d+:\d+/)
      assert.deepStrictEqual(frames.filter((line) => line.includes("node_modules")), [])
      assert.strictEqual(inspect(error), error.stack)
      assert.strictEqual(
        yield* Effect.catchTag(given.when(withdraw(10)).then([]), "SpecFailed", () => Effect.succeed(1)),
        1
      )
    }))
})

/** What JavaScript, or a test runner, does with an object that has a `then`. */
const adopt = (thenable: unknown) => Effect.promise(() => Promise.allSettled([thenable]))

describe("an awaited spec", () => {
  const spec = Spec(Balance).when(depositOnce)
  const told = /a spec is an effect, not a promise: return it to it\.effect or yield\* it; do not await it/

  it.effect("is rejected, and neither hangs nor passes", () =>
    Effect.gen(function*() {
      for (const thenable of [spec, spec.then([]), spec.then(Deposited({ amount: 5 })).thenState({ balance: 5 })]) {
        const [adopted] = yield* adopt(thenable)
        assert(adopted.status === "rejected" && adopted.reason instanceof SpecFailed)
        assert.match(adopted.reason.message, told)
      }
    }))

  it.effect("and a spec that is given a function for events fails", () =>
    Effect.gen(function*() {
      const misused = spec.then((() => {}) as unknown as [])
      assert.match(yield* message(misused), told)
    }))
})

describe("a defect", () => {
  it.effect("of a decision stays a defect", () =>
    Effect.gen(function*() {
      const bug = new Error("a bug")
      const exit = yield* Effect.exit(
        Spec(Balance).when((): [] => {
          throw bug
        }).then([])
      )
      assert.strictEqual(exit._tag === "Failure" && exit.cause.reasons[0]?._tag, "Die")
    }))
})

class Limits extends Context.Service<Limits, { readonly daily: number }>()("test/Limits") {}

class Cipher extends Context.Service<Cipher, { readonly key: string }>()("test/Cipher") {}

const Secret = Schema.String.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transformEffect((text: string) => Effect.map(Cipher, ({ key }) => text.slice(key.length))),
    encode: SchemaGetter.transformEffect((text: string) => Effect.map(Cipher, ({ key }) => key + text))
  })
)

describe("services", () => {
  it.effect("of a decision are the test's to provide", () =>
    Spec(Balance)
      .when(() => Effect.map(Limits, ({ daily }) => Deposited({ amount: daily })))
      .then(Deposited({ amount: 100 }))
      .pipe(Effect.provideService(Limits, { daily: 100 })))

  it.effect("of a category's schemas, too", () => {
    const Letter = Category.make("letter", { Sent: { text: Secret } })
    const Last = Entity.make(Letter, { state: Schema.String, initial: "", evolve: { Sent: (_, { text }) => text } })
    return Spec(Last)
      .given(Letter.events.Sent({ text: "a" }))
      .when((last) => Letter.events.Sent({ text: `${last}b` }))
      .then(Letter.events.Sent({ text: "ab" }))
      .thenState("ab")
      .pipe(Effect.provideService(Cipher, { key: "key:" }))
  })

  it.effect("a scope that a decision uses is the test's", () =>
    Effect.gen(function*() {
      const released = yield* Ref.make(false)
      yield* Spec(Balance)
        .when(() =>
          Effect.as(Effect.acquireRelease(Effect.void, () => Ref.set(released, true)), Deposited({ amount: 1 }))
        )
        .then(Deposited({ amount: 1 }))
      assert.isFalse(yield* Ref.get(released))
    }))
})

describe("a category with typed metadata", () => {
  const Ticket = Category.make("ticket", { Drawn: { number: Schema.Int } }, {
    metadata: { userId: Schema.String, at: Schema.DateTimeUtc }
  })
  const Last = Entity.make(Ticket, { state: Schema.Int, initial: 0, evolve: { Drawn: (_, { number }) => number } })
  const metadata = { userId: "u-7", at: DateTime.makeUnsafe(0) }
  const spec = Spec(Last)
    .given(Ticket.events.Drawn({ number: 1 }, { metadata }))
    .when((last) => Ticket.events.Drawn({ number: last + 1 }, { metadata }))

  it.effect("is compared decoded", () => spec.then(Ticket.events.Drawn({ number: 2 }, { metadata: { ...metadata } })))

  it.effect("and shown so", () =>
    Effect.gen(function*() {
      const error = yield* failure(
        spec.then(Ticket.events.Drawn({ number: 2 }, { metadata: { ...metadata, userId: "u-8" } }))
      )
      assert.deepStrictEqual(diff(error), {
        actual: [{ type: "Drawn", data: { number: 2 }, metadata }],
        expected: [{ type: "Drawn", data: { number: 2 }, metadata: { ...metadata, userId: "u-8" } }]
      })
    }))

  it.effect("and what does not fit is refused", () =>
    Effect.gen(function*() {
      const wrong = Ticket.events.Drawn({ number: 1 }, { metadata: { userId: "u-7" } })
      assert.include(
        yield* message(Spec(Last).given(wrong).when(() => []).then([])),
        "event 0, Drawn: metadata.at is missing: give it to the event"
      )
    }))
})

describe("a category with versions", () => {
  const Priced = Category.make("priced", {
    Set: Category.version({ amount: Schema.Finite })
      .upcast({ cents: Schema.Int }, ({ amount }) => ({ cents: Math.round(amount * 100) }))
  })
  const Price = Entity.make(Priced, { state: Schema.Int, initial: 0, evolve: { Set: (_, { cents }) => cents } })

  it.effect("is given, decided and expected in the newest", () => {
    const spec = Spec(Price)
      .given(Priced.events.Set({ cents: 5 }))
      .when((cents) => Priced.events.Set({ cents: cents * 2 }, { metadata: { own: 1 } }))
      .then(Priced.events.Set({ cents: 10 }, { metadata: { own: 1 } }))
      .thenState(10)
    exactly<Needs<typeof spec>, never>()
    return spec
  })
})

/** Compiles only when both types are the same. */
const exactly: <A, B>(...same: Same<A, B> extends true ? [] : [never]) => void = () => {}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
type Needs<T> = T extends Effect.Effect<infer _A, infer _E, infer R> ? R : never
type Failure<T> = T extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

// @effect-diagnostics missingEffectError:off -- tagged errors are effects, too, and here they are the wrong ones
/** That this compiles is the test: each `@ts-expect-error` is a mistake that the compiler must find. */
export const types = () => {
  const Other = Category.make("other", { Closed: {} })
  const spec = Spec(Balance)

  // @ts-expect-error a given event of another category
  spec.given(Other.events.Closed({}))
  // @ts-expect-error a decision for another category
  spec.when(() => Other.events.Closed({}))
  // @ts-expect-error also as an effect
  spec.when(() => Effect.succeed([Other.events.Closed({})]))
  // @ts-expect-error a decision on another state
  spec.when((state: string) => state === "" ? [] : [])
  // @ts-expect-error an expected event of another category
  void spec.when(depositOnce).then(Other.events.Closed({}))
  // @ts-expect-error another state
  void spec.when(depositOnce).thenState({ balance: "0" })
  // @ts-expect-error a reply that the decision does not have
  void spec.when(depositOnce).thenReply("done")
  // @ts-expect-error a reply of another type
  void spec.when(() => Entity.reply([], 1)).thenReply("1")

  // @ts-expect-error a decision that is never refused
  void spec.when(depositOnce).thenFails(() => true)
  // @ts-expect-error a refusal that the decision does not have
  void spec.when(withdraw(1)).thenFails(new Frozen())
  // @ts-expect-error the class of one
  void spec.when(withdraw(1)).thenFails(Frozen)
  // @ts-expect-error a predicate of another refusal
  void spec.when(withdraw(1)).thenFails((refusal: Frozen) => refusal._tag === "Frozen")
  // @ts-expect-error a refused decision has no events
  void spec.when(withdraw(1)).thenFails(InsufficientFunds).then([])
  // @ts-expect-error and what has been expected to have events is not refused
  void spec.when(withdraw(1)).then([]).thenFails(InsufficientFunds)

  const plain = spec.when(withdraw(1)).then([])
  exactly<Needs<typeof plain>, never>()
  exactly<Failure<typeof plain>, SpecFailed>()
  const refused = spec.when(withdraw(1)).thenFails(InsufficientFunds)
  exactly<Failure<typeof refused>, SpecFailed>()
  const effectful = spec.when(() => Effect.map(Limits, ({ daily }) => Deposited({ amount: daily }))).then([])
  exactly<Needs<typeof effectful>, Limits>()

  const Letter = Category.make("letter", { Sent: { text: Secret } })
  const Last = Entity.make(Letter, { state: Schema.String, initial: "", evolve: { Sent: (_, { text }) => text } })
  const encrypted = Spec(Last).when(() => Effect.as(Limits, Letter.events.Sent({ text: "" }))).thenState("")
  exactly<Needs<typeof encrypted>, Limits | Cipher>()

  // @ts-expect-error nothing is expected yet
  Effect.runFork(spec.when(depositOnce))
  // @ts-expect-error a spec is no promise
  const awaited = async () => await plain
  // @ts-expect-error nor is a decision
  const returned = async () => spec.when(depositOnce)
  return [awaited, returned]
}
