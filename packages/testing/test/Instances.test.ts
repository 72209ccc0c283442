/**
 * Instances of classes in events, states, replies and errors. `Equal` compares their keys, and takes those for equal that differ in
 * private fields only.
 */
import { assert, describe, it } from "@effect/vitest"
import { Laws, Scenario, Spec } from "@eventfold/testing"
import { DateTime, Effect, Equal, HashMap, Option, Schema, SchemaTransformation } from "effect"
import { Category, Consumer, Entity } from "eventfold"

/** Money that only its class sees. */
class Coins {
  readonly #cents: number
  constructor(cents: number) {
    this.#cents = cents
  }
  static cents(coins: Coins): number {
    return coins.#cents
  }
}

/** Money of which one part shows. */
class Purse {
  readonly owner: string
  readonly #cents: number
  constructor(owner: string, cents: number) {
    this.owner = owner
    this.#cents = cents
  }
  static cents(purse: Purse): number {
    return purse.#cents
  }
}

const coinsAs = (decode: (cents: number) => Coins) =>
  Schema.Int.pipe(
    Schema.decodeTo(
      Schema.instanceOf(Coins, {
        toCodecArbitrary: () =>
          Schema.link<Coins>()(
            Schema.Int,
            SchemaTransformation.transform({ decode: (cents) => new Coins(cents), encode: Coins.cents })
          )
      }),
      SchemaTransformation.transform({ decode, encode: Coins.cents })
    )
  )

const CoinsSchema = coinsAs((cents) => new Coins(cents))

const PurseSchema = Schema.Struct({ owner: Schema.String, cents: Schema.Int }).pipe(
  Schema.decodeTo(
    Schema.instanceOf(Purse),
    SchemaTransformation.transform({
      decode: ({ cents, owner }) => new Purse(owner, cents),
      encode: (purse) => ({ owner: purse.owner, cents: Purse.cents(purse) })
    })
  )
)

const Safe = Category.make("safe", {
  Filled: { coins: CoinsSchema, at: Schema.DateTimeUtc },
  Given: { purse: Schema.Option(PurseSchema) }
}, { metadata: { by: Schema.optionalKey(CoinsSchema) } })

const Content = Entity.make(Safe, {
  state: Schema.Struct({ coins: CoinsSchema, purses: Schema.Array(PurseSchema) }),
  initial: { coins: new Coins(0), purses: [] },
  evolve: {
    Filled: (state, { coins }) => ({ ...state, coins: new Coins(Coins.cents(state.coins) + Coins.cents(coins)) }),
    Given: (state, { purse }) => ({ ...state, purses: [...state.purses, ...Option.toArray(purse)] })
  }
})

/** A state that no snapshot can keep. */
const Unkept = Entity.make(Safe, {
  state: Schema.instanceOf(Coins) as unknown as Schema.Codec<Coins>,
  initial: new Coins(0),
  evolve: { Filled: (_, { coins }) => coins, Given: (coins) => coins }
})

class Refused extends Schema.TaggedError<Refused>()("Refused", { missing: CoinsSchema }) {}

const because = (cause: unknown) => Object.assign(new Error("no"), { because: cause })

const at = DateTime.makeUnsafe(0)
const { Filled, Given } = Safe.events
const filled = (cents: number) => Filled({ coins: new Coins(cents), at })
const by = (cents: number) => Filled({ coins: new Coins(1), at }, { metadata: { by: new Coins(cents) } })
const given = (owner: string, cents: number) => Given({ purse: Option.some(new Purse(owner, cents)) })

const messageOf = <E extends { readonly message: string }, R>(effect: Effect.Effect<void, E, R>) =>
  Effect.map(Effect.flip(effect), ({ message }) => message)

it("Effect takes instances for equal that differ in private fields only", () => {
  assert.isTrue(Equal.equals(new Coins(1), new Coins(2)))
  assert.isTrue(Equal.equals(new Purse("a", 1), new Purse("a", 2)))
})

describe("a spec", () => {
  it.effect("compares instances in events by what is stored of them", () =>
    Effect.gen(function*() {
      const spec = Spec(Content).when(() => [filled(1), given("a", 2)])
      yield* spec.then([filled(1), given("a", 2)])
      const hidden = yield* messageOf(spec.then([filled(2), given("a", 2)]))
      assert.include(hidden, "{\"coins\":1,\"at\":\"1970-01-01T00:00:00.000Z\"} instead of {\"coins\":2,")
      const partly = yield* messageOf(spec.then([filled(1), given("a", 3)]))
      assert.match(partly, /encoded, .*"cents":2.* instead of .*"cents":3/)
      assert.notMatch(yield* messageOf(spec.then([filled(1), given("b", 2)])), /encoded/)
    }))

  it.effect("compares instances in metadata by what is stored of them", () =>
    Effect.gen(function*() {
      const spec = Spec(Content).when(() => by(1))
      yield* spec.then(by(1))
      assert.include(yield* messageOf(spec.then(by(2))), "\"by\":1}} instead of")
    }))

  it.effect("compares instances in states by the schema of the state", () =>
    Effect.gen(function*() {
      const spec = Spec(Content).given([filled(1), given("a", 2)]).when(() => filled(1))
      const state = (coins: number, cents: number) => ({ coins: new Coins(coins), purses: [new Purse("a", cents)] })
      yield* spec.thenState(state(2, 2))
      assert.include(yield* messageOf(spec.thenState(state(3, 2))), "encoded, {\"coins\":2,")
      assert.include(yield* messageOf(spec.thenState(state(2, 3))), "\"cents\":2}]} instead of ")

      const all = Spec.all({ one: Content, other: Content, none: Unkept }).when(() => ({ one: filled(1) }))
      yield* all.thenState({ one: { coins: new Coins(1), purses: [] } })
      yield* all.then({ one: filled(1) })
      const wrong = yield* messageOf(all.thenState({ one: { coins: new Coins(2), purses: [] } }))
      assert.include(wrong, "encoded, {\"one\":{\"coins\":1,")
      assert.include(yield* messageOf(all.then({ one: filled(2) })), "instead of")
    }))

  it.effect("takes an instance without a schema and without keys for the same as itself only", () =>
    Effect.gen(function*() {
      const coins = new Coins(1)
      const nothing = ", with another instance of Coins, which shows nothing to compare"
      for (const wrap of [(coins: Coins) => coins, Option.some, (coins: Coins) => [new Map([["a", { coins }]])]]) {
        const spec = Spec(Content).when(() => Entity.reply([], wrap(coins)))
        yield* spec.thenReply(wrap(coins))
        assert.include(yield* messageOf(spec.thenReply(wrap(new Coins(1)))), nothing)
      }
      const map = Spec(Content).when(() => Entity.reply([], HashMap.make(["a", coins])))
      yield* map.thenReply(HashMap.make(["a", coins]))
      assert.include(yield* messageOf(map.thenReply(HashMap.make(["a", new Coins(2)]))), nothing)

      const state = Spec(Unkept).given(filled(1)).when(() => [])
      assert.include(yield* messageOf(state.thenState(new Coins(1))), nothing)
    }))

  it.effect("compares other instances by what they show", () =>
    Effect.gen(function*() {
      class Receipt {
        readonly cents: number
        constructor(cents: number) {
          this.cents = cents
        }
      }
      class Empty extends Schema.Class<Empty>("test/Empty")({}) {}
      const values = (n: number) => [
        new Receipt(n),
        new URL(`http://localhost/${n}`),
        new URLSearchParams({ n: String(n) }),
        new Date(n),
        new Uint8Array([n]),
        new Set([n]),
        Option.some(n),
        { n: BigInt(n) }
      ]
      for (const [i, value] of values(1).entries()) {
        const spec = Spec(Content).when((): Entity.Replied<[], unknown> => Entity.reply([], value))
        yield* spec.thenReply(values(1)[i])
        yield* messageOf(spec.thenReply(values(2)[i]))
      }
      yield* Spec(Content).when(() => Entity.reply([], new Empty())).thenReply(new Empty())
      yield* Spec(Content).when(() => Effect.fail(because({ n: 1 }))).thenFails(because({ n: 1 }))
      const loop: { self?: unknown } = {}
      loop.self = loop
      yield* Spec(Content).when(() => Entity.reply([], loop)).thenReply(loop)
    }))

  it.effect("compares instances in errors by the schema of the error", () =>
    Effect.gen(function*() {
      const spec = Spec(Content).when(() => new Refused({ missing: new Coins(1) }))
      yield* spec.thenFails(new Refused({ missing: new Coins(1) }))
      const message = yield* messageOf(spec.thenFails(new Refused({ missing: new Coins(2) })))
      assert.match(message, /encoded, .*"missing":1.* instead of .*"missing":2/)
    }))
})

describe("a scenario", () => {
  const filling = Consumer.make("filling").on(Safe, {
    Given: () => Content.transact("2", () => filled(1))
  })
  const scenario = Scenario(filling).when([Safe, "1", given("a", 1)])

  it.effect("compares instances in messages and states by what is stored of them", () =>
    Effect.gen(function*() {
      yield* scenario.then([Safe, "2", filled(1)]).thenState(Content, "2", { coins: new Coins(1), purses: [] })
      assert.include(yield* messageOf(scenario.then([Safe, "2", filled(2)])), "instead of")
      const state = yield* messageOf(scenario.thenState(Content, "2", { coins: new Coins(2), purses: [] }))
      assert.include(state, "encoded, {\"coins\":1,\"purses\":[]} instead of {\"coins\":2,")
    }))

  it.effect("compares instances in queries and errors as a spec does", () =>
    Effect.gen(function*() {
      const coins = new Coins(1)
      yield* scenario.thenQuery(Effect.succeed(coins), coins)
      assert.include(
        yield* messageOf(scenario.thenQuery(Effect.succeed(coins), new Coins(1))),
        "with another instance of Coins"
      )
      const failing = Consumer.make("failing").on(Safe, { Given: () => new Refused({ missing: coins }) })
      const failed = Scenario(failing).when([Safe, "1", given("a", 1)])
      yield* failed.thenFails(new Refused({ missing: new Coins(1) }))
      assert.include(yield* messageOf(failed.thenFails(new Refused({ missing: new Coins(2) }))), "instead of")
    }))
})

describe("the laws", () => {
  it.effect("hold for instances that their schema keeps", () =>
    Effect.gen(function*() {
      yield* Laws.roundTrips(Category.make("safe", { Filled: { coins: CoinsSchema } }))
      const Kept = Entity.make(Category.make("safe", { Filled: { coins: CoinsSchema } }), {
        state: CoinsSchema,
        initial: new Coins(0),
        evolve: { Filled: (_, { coins }) => coins }
      })
      yield* Laws.snapshots(Kept)
    }))

  it.effect("find instances that are not the same after they are written and read", () =>
    Effect.gen(function*() {
      const Lossy = coinsAs((cents) => new Coins(Math.min(cents, 10)))
      const Filling = Category.make("safe", { Filled: { coins: Lossy } })
      const event = yield* messageOf(Laws.roundTrips(Filling))
      assert.include(event, "it is written as {\"coins\":11}")
      assert.include(event, "encoded, {\"coins\":10} instead of {\"coins\":11}")
      const Kept = Entity.make(Category.make("safe", { Filled: { cents: Schema.Int } }), {
        state: Lossy,
        initial: new Coins(0),
        evolve: { Filled: (_, { cents }) => new Coins(cents) }
      })
      assert.include(yield* messageOf(Laws.snapshots(Kept)), "encoded, 10 instead of 11")
    }))
})
