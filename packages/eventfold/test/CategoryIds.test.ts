import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, Equal, Option, Schema, Stream } from "effect"
import { Category, Entity, Message, MessageStore, StreamName } from "eventfold"

const Closed = { Closed: {} }

const Plain = Category.make("account", Closed)
const AccountId = Schema.String.check(Schema.isPattern(/^[a-z0-9-]+$/)).pipe(Schema.brand("AccountId"))
const Branded = Category.make("account", Closed, { id: AccountId })
const Numbered = Category.make("account", Closed, { id: Schema.FiniteFromString })
// Whole: in text, a number like 1e+21 has a +.
const Seat = Schema.Tuple([Schema.FiniteFromString.check(Schema.isInt()), AccountId])
const Seats = Category.make("account", Closed, { id: Seat })
const Parts = Category.make("part", Closed, { id: Schema.Array(Schema.String) })

const refusal = <A>(effect: Effect.Effect<A, StreamName.InvalidStreamName>) =>
  Effect.map(Effect.flip(effect), ({ streamName, reason }) => [streamName, reason])

describe("an id", () => {
  it.effect("is encoded into the name of a stream, and decoded from it", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Plain.streamName("a-1"), "account-a-1")
      assert.strictEqual(yield* Plain.streamName(["a", "b"]), "account-a+b")
      assert.strictEqual(yield* Branded.streamName(AccountId.make("a-1")), "account-a-1")
      assert.strictEqual(yield* Numbered.streamName(-12.5), "account--12.5")
      assert.strictEqual(yield* Seats.streamName([7, AccountId.make("a")]), "account-7+a")

      assert.strictEqual(yield* Plain.id("account-a-1"), "a-1")
      assert.strictEqual(yield* Plain.id("account-a+b"), "a+b")
      assert.strictEqual<string>(yield* Branded.id("account-a-1"), "a-1")
      assert.strictEqual(yield* Numbered.id("account--12.5"), -12.5)
      assert.deepStrictEqual<readonly [number, string]>(yield* Seats.id("account-7+a"), [7, "a"])
    }))

  const part = Arbitrary.schema(Schema.NonEmptyString)
  it.effect.prop("that is text comes back", [part], ([id]) =>
    Effect.gen(function*() {
      const name = yield* Effect.option(Plain.streamName(id))
      // What can't be in a name is refused on the way there.
      if (name._tag === "Some") assert.strictEqual(yield* Plain.id(name.value), id)
    }))

  it.effect.prop("that is branded comes back", [Arbitrary.schema(AccountId)], ([id]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Branded.id(yield* Branded.streamName(id)), id)
    }))

  it.effect.prop("that is a number comes back", [Arbitrary.schema(Schema.Finite)], ([id]) =>
    Effect.gen(function*() {
      assert.isTrue(Equal.equals(yield* Numbered.id(yield* Numbered.streamName(id)), id))
    }))

  it.effect.prop("that is a tuple comes back", [Arbitrary.schema(Seat)], ([id]) =>
    Effect.gen(function*() {
      assert.isTrue(Equal.equals(yield* Seats.id(yield* Seats.streamName(id)), id))
    }))

  it.effect.prop(
    "that is a list comes back, or is refused",
    [Arbitrary.array(part, { minLength: 1 })],
    ([id]) =>
      Effect.gen(function*() {
        const name = yield* Effect.option(Parts.streamName(id))
        if (name._tag === "Some") assert.deepStrictEqual(yield* Parts.id(name.value), id)
      })
  )

  it.effect("that does not fit its schema has no stream, in any operation", () =>
    Effect.gen(function*() {
      const upper = "A" as typeof AccountId.Type
      const [name, reason] = yield* refusal(Branded.streamName(upper))
      assert.strictEqual(name, "account-A")
      assert.match(reason ?? "", /^has an id that does not fit its schema: /)
      const State = Entity.make(Branded, { state: Schema.Boolean, initial: true, evolve: { Closed: () => false } })
      const operations: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore.MessageStore>> = [
        Branded.append(upper, Branded.events.Closed({})),
        Branded.lastEvent(upper),
        State.load(upper),
        State.transact(upper, () => []),
        Entity.transactAll({ one: State.at(upper) }, () => ({}))
      ]
      for (const effect of operations) {
        assert.instanceOf(yield* Effect.flip(effect), StreamName.InvalidStreamName)
      }
      const [seat, inTuple] = yield* refusal(Seats.streamName([1, upper]))
      assert.strictEqual(seat, "account-1+A")
      assert.match(inTuple ?? "", /^has an id that does not fit its schema at 1: /)
      // Whatever it is, it is described and not thrown about.
      const object = Branded.streamName(Object.create(null))
      assert.instanceOf(yield* Effect.flip(object), StreamName.InvalidStreamName)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("has no + in a part, not even in the last: the name could not be taken apart again", () =>
    Effect.gen(function*() {
      for (const id of [["a+b"], ["a", "b+c"], ["a+b", "c"]]) {
        const [, reason] = yield* refusal(Parts.streamName(id))
        assert.strictEqual(reason, "has a + within a part of its compound id")
      }
    }))
})

describe("the id of a name", () => {
  const wrong: ReadonlyArray<readonly [name: string, reason: RegExp]> = [
    ["account", /is the name of a category/],
    ["", /is empty/],
    ["account-", /has an empty id/],
    ["other-1", /does not belong to the category account/],
    ["account:command-1", /does not belong to the category account/]
  ]
  it.effect.each(wrong)("%j is refused, with a schema or without", ([name, reason]) =>
    Effect.gen(function*() {
      for (
        const id of [Effect.asVoid(Plain.id(name)), Effect.asVoid(Branded.id(name)), Effect.asVoid(Seats.id(name))]
      ) {
        const [refused, why] = yield* refusal(id)
        assert.strictEqual(refused, name)
        assert.match(why ?? "", reason)
      }
    }))

  it.effect("that does not fit the schema is refused", () =>
    Effect.gen(function*() {
      const [, branded] = yield* refusal(Branded.id("account-A"))
      assert.match(branded ?? "", /^has an id that does not fit its schema: /)
      yield* refusal(Numbered.id("account-seven"))
      const [, seat] = yield* refusal(Seats.id("account-7+A"))
      assert.match(seat ?? "", /^has an id that does not fit its schema at 1: /)
      yield* refusal(Seats.id("account-7"))
      yield* refusal(Seats.id("account-7+a+b"))
      yield* refusal(Parts.id("part-1++2"))
      yield* refusal(Parts.id("part-1+"))
    }))

  it.effect("that is not how the id is written is refused: its stream is another", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* refusal(Numbered.id("account-007")), [
        "account-007",
        "is not the name of its id's stream, which is account-7"
      ])
      yield* refusal(Numbered.id("account-1e3"))
      yield* refusal(Seats.id("account-07+a"))
    }))
})

describe("an event that was read", () => {
  it.effect("has the id of its stream, as text or by the schema", () =>
    Effect.gen(function*() {
      const text = Category.make("text", Closed)
      const seats = Category.make("seat", Closed, { id: Seat })
      yield* text.append(["a", "b"], text.events.Closed({}))
      for (const id of [1, 2, 1]) yield* seats.append([id, AccountId.make("a")], seats.events.Closed({}))

      const [event] = yield* Stream.runCollect(text.readStream(["a", "b"]))
      assert.strictEqual(event?.id, "a+b")
      const ids = (yield* Stream.runCollect(seats.readCategory())).map(({ id }) => id)
      assert.deepStrictEqual(ids.map(([number]) => number), [1, 2, 1])
      assert.deepStrictEqual<readonly [number, string] | undefined>(ids[1], [2, "a"])
      const last = Option.getOrThrow(yield* seats.lastEvent([1, AccountId.make("a")]))
      assert.deepStrictEqual<readonly [number, string]>(last.id, [1, "a"])
      // Its own properties: a copy has them all.
      assert.deepStrictEqual(Object.keys({ ...last }).toSorted(), ["data", "id", "recorded", "type"])
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  const wrong = [
    ["account", /is the name of a category/],
    ["account-", /has an empty id/],
    ["other-1", /does not belong to the category account/],
    ["account-A", /has an id that does not fit its schema/]
  ] as const
  it.effect.each(wrong)("from %j does not decode", ([streamName, reason]) =>
    Effect.gen(function*() {
      const recorded = (type: string): Message.RecordedMessage => ({
        id: Message.deriveId(type),
        // As a store gives it, also one with an empty id.
        streamName: streamName as StreamName.StreamName,
        type,
        position: 3,
        globalPosition: 7,
        data: {},
        metadata: null,
        time: DateTime.makeUnsafe(0)
      })
      const isText = streamName === "account-A"
      for (const category of [Branded, ...isText ? [] : [Plain]]) {
        const error = yield* Effect.flip(Effect.asVoid(category.decode(recorded("Closed"))))
        assert.instanceOf(error, Category.DecodeError)
        assert.deepStrictEqual([error.path, error.position, error.type], [["streamName"], 3, "Closed"])
        assert.match(error.reason, reason)
        // Of a type that is no event of the category nothing is wanted.
        assert.isTrue(Option.isNone(yield* category.decode(recorded("Unknown"))))
      }
    }))
})
