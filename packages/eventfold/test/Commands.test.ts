import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, Option, Schedule, Schema, Stream } from "effect"
import { Category, Commands, Entity, EntityCache, MessageStore, StreamName } from "eventfold"
import { onMemory } from "./support/account.ts"

/** What holds on every store is in the conformance suite; here is what needs none, or one only. */

class Seat extends Category.make("seat", {
  Taken: { by: Schema.String },
  Freed: {}
}, { id: Schema.Tuple([Schema.FiniteFromString, Schema.String]) }) {}

const Occupancy = Entity.make(Seat, {
  state: Schema.NullOr(Schema.String),
  initial: null,
  evolve: { Taken: (_, { by }) => by, Freed: () => null }
})

class Occupied extends Schema.TaggedError<Occupied>()("Occupied", { by: Schema.String }) {
  override get message() {
    return `the seat is ${this.by}'s`
  }
}

class Empty extends Schema.TaggedError<Empty>()("Empty", {}) {}

class Blocked extends Context.Service<Blocked, { readonly names: ReadonlyArray<string> }>()("test/Blocked") {}

const SeatCommands = Commands.make(Occupancy, {
  Take: {
    payload: {
      by: Schema.String.check(Schema.isMinLength(1)),
      until: Schema.DateTimeUtc,
      note: Schema.optionalKey(Schema.String)
    },
    error: Schema.Union([Occupied, Schema.TaggedStruct("NotWelcome", { name: Schema.String })]),
    success: Schema.Struct({ until: Schema.DateTimeUtc }),
    decide: Effect.fnUntraced(function*(state, { by, until }) {
      const { names } = yield* Blocked
      if (names.includes(by)) return yield* Effect.fail({ _tag: "NotWelcome" as const, name: by })
      if (state !== null) return yield* new Occupied({ by: state })
      return Entity.reply(Seat.events.Taken({ by }), { until })
    })
  },
  Free: {
    payload: {},
    error: Empty,
    decide: (state) => state === null ? new Empty() : Seat.events.Freed({})
  },
  Leave: { payload: Schema.Struct({}), decide: (state) => state === null ? [] : [Seat.events.Freed({})] }
})

const onStore = <A, E>(effect: Effect.Effect<A, E, MessageStore.MessageStore | Blocked>) =>
  effect.pipe(Effect.provide(Layer.succeed(Blocked, { names: ["Mallory"] })), onMemory)

const until = DateTime.makeUnsafe("2030-01-01T00:00:00Z")
const json = { by: "Ann", until: "2030-01-01T00:00:00.000Z" }

const encodeAnswer = Schema.encodeEffect(Schema.toCodecJson(Commands.Answer))

/** How a payload does not fit. */
const failure = (name: string, payload: unknown) =>
  Effect.flip(Commands.run(SeatCommands, name, "7+a", payload)).pipe(
    Effect.filterOrElse((error) => error instanceof Commands.InvalidPayload, Effect.die)
  )

describe("a command that is run by its name", () => {
  it.effect("takes the id of a stream name, and answers in JSON", () =>
    Effect.gen(function*() {
      const taken = yield* Commands.run(SeatCommands, "Take", "7+a", json)
      assert.deepStrictEqual(yield* encodeAnswer(taken), {
        _tag: "Accepted",
        reply: { until: json.until },
        version: 0,
        globalPosition: 1
      })
      assert.deepStrictEqual((yield* Occupancy.load([7, "a"])).state, "Ann")
      const again = yield* Commands.run(SeatCommands, "Take", "7+a", json)
      assert.deepStrictEqual(yield* encodeAnswer(again), {
        _tag: "Refused",
        refusal: { _tag: "Occupied", by: "Ann" },
        message: "the seat is Ann's"
      })
      const unwelcome = yield* Commands.run(SeatCommands, "Take", "7+b", { ...json, by: "Mallory" })
      assert.deepStrictEqual(unwelcome, { _tag: "Refused", refusal: { _tag: "NotWelcome", name: "Mallory" } })
      const nothing = yield* Commands.run(SeatCommands, "Leave", "7+b", {})
      assert.deepStrictEqual(yield* encodeAnswer(nothing), { _tag: "Accepted", version: null, globalPosition: null })
    }).pipe(onStore))

  it.effect("names every part of a payload that does not fit", () =>
    Effect.gen(function*() {
      const error = yield* failure("Take", { by: "", until: "tomorrow", nota: "slip" })
      assert.deepStrictEqual([error.category, error.command], ["seat", "Take"])
      assert.deepStrictEqual(error.issues.map(({ path }) => path).toSorted(), [["by"], ["nota"], ["until"]])
      assert.include(error.message, "the payload of Take does not fit its schema: ")
      for (const part of ["by: ", "until: ", "nota: "]) assert.include(error.message, part)
      for (const payload of [undefined, null, 5, "text", [json]]) {
        assert.isNotEmpty((yield* failure("Take", payload)).issues)
        assert.isNotEmpty((yield* failure("Free", payload)).issues)
      }
      assert.deepStrictEqual((yield* failure("Free", { force: true })).issues.map(({ path }) => path), [["force"]])
    }).pipe(onStore))

  it.effect("tells a hundred issues at most", () =>
    Effect.gen(function*() {
      const Bulk = Commands.make(Occupancy, {
        Bulk: { payload: { names: Schema.Array(Schema.String) }, decide: () => [] }
      })
      const names = Array.from({ length: 1_000 }, (_, index) => index)
      const error = yield* Effect.flip(Commands.run(Bulk, "Bulk", "1+a", { names }))
      assert(error instanceof Commands.InvalidPayload)
      assert.strictEqual(error.issues.length, 100)
      assert.deepStrictEqual(error.issues[99]?.path, ["names", 99])
    }).pipe(onStore))

  it.effect("fails for an id that does not fit", () =>
    Effect.gen(function*() {
      for (const id of ["", "7", "7+a+b", "seven+a", "07+a", "\u0000"]) {
        const error = yield* Effect.flip(Commands.run(SeatCommands, "Free", id, {}))
        assert.instanceOf(error, StreamName.InvalidStreamName)
      }
    }).pipe(onStore))

  it.effect("is known by its own name only", () =>
    Effect.gen(function*() {
      for (const name of ["constructor", "toString", "__proto__", "take", "", "~eventfold/Commands"]) {
        assert.deepStrictEqual(
          yield* Effect.flip(Commands.run(SeatCommands, name, "7+a", {})),
          new Commands.UnknownCommand({ category: "seat", command: name, known: ["Take", "Free", "Leave"] })
        )
      }
    }).pipe(onStore))
})

describe("the names of commands", () => {
  const Free = { payload: {}, decide: () => Seat.events.Freed({}) }

  it.effect("may be those that every object has", () =>
    Effect.gen(function*() {
      const Odd = Commands.make(Occupancy, {
        constructor: Free,
        toString: Free,
        hasOwnProperty: Free,
        "with a / and ü": Free
      })
      yield* Odd.constructor([1, "a"], {})
      yield* Odd.toString([1, "a"], {})
      for (const name of ["constructor", "toString", "hasOwnProperty", "with a / and ü"]) {
        assert.strictEqual((yield* Commands.run(Odd, name, "1+a", {}))._tag, "Accepted")
      }
      assert.deepStrictEqual((yield* Occupancy.load([1, "a"])).version, Option.some(5))
    }).pipe(onStore))

  it.effect("may be __proto__ where it is a property", () =>
    Effect.gen(function*() {
      const Odd = Commands.make(Occupancy, Object.fromEntries([["__proto__", Free], ["Free", Free]]))
      assert.deepStrictEqual(Commands.describe(Odd).commands.map(({ name }) => name), ["__proto__", "Free"])
      assert.strictEqual(Object.getPrototypeOf(Odd), Object.prototype)
      assert.strictEqual((yield* Commands.run(Odd, "__proto__", "1+a", {}))._tag, "Accepted")
    }).pipe(onStore))
})

it("commands are described in their order, with schemas that have a JSON form", () => {
  const { category, commands } = Commands.describe(SeatCommands)
  assert.strictEqual(category, "seat")
  assert.deepStrictEqual(
    commands.map(({ error, name, success }) => [name, error !== undefined, success !== undefined]),
    [["Take", true, true], ["Free", true, false], ["Leave", false, false]]
  )
  const [take, free] = commands.map(({ payload }) => Schema.toJsonSchemaDocument(payload).schema)
  assert.deepStrictEqual(take?.["required"], ["by", "until"])
  assert.strictEqual(free?.["type"], "object")
})

describe("an answer that does not fit its schema", () => {
  const Loose = Commands.make(Occupancy, {
    Reply: {
      payload: { name: Schema.String },
      success: Schema.NonEmptyString,
      decide: (_, { name }) => Entity.reply(Seat.events.Taken({ by: "Ann" }), name)
    },
    Refuse: {
      payload: { name: Schema.String },
      error: Schema.TaggedStruct("Refused", { name: Schema.NonEmptyString }),
      decide: (_, { name }) => Effect.fail({ _tag: "Refused", name } as const)
    }
  })

  it.effect("is an error, and nothing is written", () =>
    Effect.gen(function*() {
      const answers: ReadonlyArray<
        readonly ["reply" | "refusal", Effect.Effect<unknown, unknown, MessageStore.MessageStore>]
      > = [
        ["reply", Loose.Reply([1, "a"], { name: "" })],
        ["reply", Commands.run(Loose, "Reply", "1+a", { name: "" })],
        ["reply", Occupancy.transact([1, "a"], Loose.Reply.decide({ name: "" }))],
        ["refusal", Loose.Refuse([1, "a"], { name: "" })],
        ["refusal", Commands.run(Loose, "Refuse", "1+a", { name: "" })]
      ]
      for (const [what, answer] of answers) {
        const error = yield* Effect.flip(answer)
        assert(error instanceof Commands.InvalidAnswer)
        assert.strictEqual(error.what, what)
        assert.include(error.message, `the ${what} of Re`)
      }
      assert.deepStrictEqual((yield* Occupancy.load([1, "a"])).version, Option.none())
      assert.strictEqual((yield* Loose.Reply([1, "a"], { name: "Bob" })).reply, "Bob")
    }).pipe(onStore))
})

describe("a command of the program", () => {
  it.effect("takes the options of a transaction", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* SeatCommands.Take([7, "a"], { by: "Ann", until }, { metadata: { properties: { tenant: "north" } } })
      const [message] = yield* Stream.runCollect(store.readStream("seat-7+a"))
      assert.deepStrictEqual(message?.metadata, { properties: { tenant: "north" } })
      // It decides on the initial state first, and after the conflict on the one in the store.
      const conflict = yield* Effect.flip(
        SeatCommands.Take([7, "a"], { by: "Bob", until }, { freshness: "assumeEmpty", retry: Schedule.recurs(1) })
      )
      assert.deepStrictEqual(conflict, new Occupied({ by: "Ann" }))
    }).pipe(onStore))

  it.effect("uses the cache, and gives the first result when it is sent again", () =>
    Effect.gen(function*() {
      const take = SeatCommands.Take([7, "a"], { by: "Ann", until }, { commandId: "c-1" })
      const first = yield* take
      yield* SeatCommands.Free([7, "a"], {})
      const second = yield* take
      assert.deepStrictEqual([second.reply, second.state, second.version], [first.reply, "Ann", Option.some(0)])
      assert.deepStrictEqual((yield* Occupancy.load([7, "a"], { freshness: "cached" })).state, null)
    }).pipe(Effect.provide(EntityCache.layer({ capacity: 10 })), onStore))

  it.effect("decides nothing on a payload that does not fit", () =>
    Effect.gen(function*() {
      let decided = 0
      const { Count } = Commands.make(Occupancy, {
        Count: {
          payload: { name: Schema.NonEmptyString },
          decide: () => {
            decided++
            return []
          }
        }
      })
      const id = [7, "a"] as const
      for (const command of [Count(id, { name: "" }), Occupancy.transact(id, Count.decide({ name: "" }))]) {
        const error = yield* Effect.flip(command)
        assert(error instanceof Commands.InvalidPayload)
        assert.deepStrictEqual(error.issues.map(({ path }) => path), [["name"]])
      }
      assert.strictEqual(decided, 0)
      yield* Count(id, { name: "Ann" })
      assert.strictEqual(decided, 1)
    }).pipe(onStore))
})
