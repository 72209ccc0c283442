import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Equal, Option, Schema, Stream } from "effect"
import { Category, Entity, type Message, MessageStore, type Metadata } from "eventfold"

class Unknown extends Schema.TaggedError<Unknown>()("Unknown", { sensor: Schema.String }) {
  override get message() {
    return `no place is known of the sensor ${this.sensor}`
  }
}

/** A step that asks elsewhere. */
class Places extends Context.Service<Places, {
  readonly of: (sensor: string) => Effect.Effect<string, Unknown>
}>()("test/Places") {}

const Celsius = { celsius: Schema.String, at: Schema.DateTimeUtc }
const Kelvin = { kelvin: Schema.Finite, at: Schema.DateTimeUtc, sensor: Schema.String }
const Placed = {
  kelvin: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)),
  at: Schema.DateTimeUtc,
  place: Schema.String
}

const Weather = Category.make("weather", {
  Measured: Category.version(Celsius)
    .upcast(Kelvin, ({ at, celsius }) => ({ kelvin: Number(celsius) + 273.15, at, sensor: "main" }))
    .upcast(Placed, ({ at, kelvin, sensor }) =>
      Effect.gen(function*() {
        return { kelvin, at, place: yield* (yield* Places).of(sensor) }
      })),
  Rained: Category.version({ mm: Schema.Int }),
  Snowed: { cm: Schema.Int }
})

const places = Effect.provideService(
  Places,
  Places.of({ of: (sensor) => sensor === "main" ? Effect.succeed("Wien") : Effect.fail(new Unknown({ sensor })) })
)

const onMemory = <A, E>(effect: Effect.Effect<A, E, MessageStore.MessageStore | Places>) =>
  effect.pipe(places, Effect.provide(MessageStore.layerMemory))

const time = "2026-01-02T03:04:05.000Z"

const write = Effect.fnUntraced(function*(...messages: ReadonlyArray<Message.Message>) {
  const store = yield* MessageStore.MessageStore
  return yield* store.append("weather-1", messages)
})

const measured = (data: Schema.Json, schemaVersion?: Schema.Json): Message.Message => ({
  type: "Measured",
  data,
  // What another client has written need not be what we would.
  ...(schemaVersion === undefined ? {} : { metadata: { schemaVersion } as Metadata.Metadata })
})

const read = Stream.runCollect(Weather.readStream("1"))

const encoded = Schema.encodeSync(Schema.toCodecJson(Schema.Struct(Placed)))

describe("what is stored", () => {
  /** As each version of the program has written it. */
  const golden: ReadonlyArray<readonly [name: string, stored: Message.Message, kelvin: number]> = [
    ["of the first, before there were versions", measured({ celsius: "20", at: time }), 293.15],
    ["of the first", measured({ celsius: "20", at: time }, "1"), 293.15],
    ["of the second", measured({ kelvin: 280, at: time, sensor: "main" }, "2"), 280],
    ["of the newest", measured({ kelvin: 281, at: time, place: "Wien" }, "3"), 281],
    ["with a number for the version", measured({ kelvin: 280, at: time, sensor: "main" }, 2), 280],
    ["with null for the version", measured({ celsius: "20", at: time }, null), 293.15]
  ]
  it.effect.each(golden)("%s is read as the newest", ([, stored, kelvin]) =>
    Effect.gen(function*() {
      yield* write(stored)
      const [event] = yield* read
      assert(event?.type === "Measured")
      assert.deepStrictEqual(encoded(event.data), { kelvin, at: time, place: "Wien" })
      assert.deepStrictEqual(event.recorded.data, stored.data)
      const last = Option.getOrThrow(yield* Weather.lastEvent("1"))
      assert.isTrue(Equal.equals(last.data, event.data))
    }).pipe(onMemory))

  it.effect("is of the newest version, which the metadata names beside what else is there", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* write(measured({ celsius: "20", at: time }))
      const [event] = yield* read
      assert(event?.type === "Measured")
      yield* Weather.append("1", [
        Weather.events.Measured(event.data),
        Weather.events.Measured(event.data, { metadata: { correlationStreamName: "order-7", schemaVersion: "99" } }),
        Weather.events.Rained({ mm: 5 }),
        Weather.events.Snowed({ cm: 5 })
      ])
      const stored = yield* Stream.runCollect(store.readStream("weather-1", { from: 1 }))
      assert.deepStrictEqual(stored.map(({ data, metadata }) => [data, metadata]), [
        [{ kelvin: 293.15, at: time, place: "Wien" }, { schemaVersion: "3" }],
        [{ kelvin: 293.15, at: time, place: "Wien" }, { correlationStreamName: "order-7", schemaVersion: "3" }],
        // The first of what may be many, and one that is not versioned.
        [{ mm: 5 }, { schemaVersion: "1" }],
        [{ cm: 5 }, null]
      ])
    }).pipe(onMemory))

  it.effect("is folded by handlers that know the newest alone", () =>
    Effect.gen(function*() {
      const Log = Entity.make(Weather, {
        state: Schema.Array(Schema.String),
        initial: [],
        evolve: {
          Measured: (log, { kelvin, place }) => [...log, `${place}: ${kelvin}`],
          Rained: (log, { mm }) => [...log, `${mm} mm`],
          Snowed: (log) => log
        }
      })
      yield* write(...golden.slice(1, 4).map(([, stored]) => stored))
      assert.deepStrictEqual((yield* Log.load("1")).state, ["Wien: 293.15", "Wien: 280", "Wien: 281"])
      const { state } = yield* Log.transact("1", (log) => Weather.events.Rained({ mm: log.length }))
      assert.deepStrictEqual(state, (yield* Log.load("1")).state)
    }).pipe(onMemory))
})

describe("refused, with its place", () => {
  const data = { kelvin: 280, at: time, sensor: "main" }
  const wrong: ReadonlyArray<
    readonly [
      name: string,
      stored: Message.Message,
      path: ReadonlyArray<string>,
      reason: RegExp
    ]
  > = [
    [
      "a version of a newer program",
      measured(data, "4"),
      ["metadata", "schemaVersion"],
      /^"4" is newer than what this program knows, which is versions 1 to 3: deploy a program that defines version 4 here$/
    ],
    ["one that is no number", measured(data, "two"), ["metadata", "schemaVersion"], /"two"/],
    ["one that is empty", measured(data, ""), ["metadata", "schemaVersion"], /""/],
    ["version 0", measured(data, "0"), ["metadata", "schemaVersion"], /"0"/],
    ["a fraction", measured(data, "1.5"), ["metadata", "schemaVersion"], /"1.5"/],
    ["a number in another notation", measured(data, "0x2"), ["metadata", "schemaVersion"], /"0x2"/],
    ["a number too high", measured(data, 4), ["metadata", "schemaVersion"], /^4 is newer/],
    [
      "what is no version at all",
      measured(data, ["2"]),
      ["metadata", "schemaVersion"],
      /^\["2"\] is not a version: this program knows versions 1 to 3$/
    ],
    ["data of another version than it says", measured(data, "1"), ["data", "celsius"], /./],
    [
      "data that a step can't lift",
      measured({ ...data, sensor: "lost" }, "2"),
      ["data"],
      /^the upcast from version 2 to version 3 failed: no place is known of the sensor lost$/
    ],
    [
      "data that a step makes something of that is against a check of the newest",
      measured({ celsius: "-300", at: time }, "1"),
      ["data", "kelvin"],
      /greater than or equal to 0/
    ],
    ["data that a step makes NaN of", measured({ celsius: "warm", at: time }), ["data", "kelvin"], /finite/]
  ]
  it.effect.each(wrong)("%s", ([, stored, path, reason]) =>
    Effect.gen(function*() {
      yield* write({ type: "Rained", data: { mm: 1 } }, stored)
      const error = yield* Effect.flip(read)
      assert(error instanceof Category.DecodeError)
      assert.deepStrictEqual([error.streamName, error.position, error.globalPosition, error.type, error.path], [
        "weather-1",
        1,
        2,
        "Measured",
        path
      ])
      assert.match(error.reason, reason)
    }).pipe(onMemory))

  it.effect("a newer version than the only one", () =>
    Effect.gen(function*() {
      yield* write({ type: "Rained", data: { mm: 1 }, metadata: { schemaVersion: "2" } })
      const error = yield* Effect.flip(read)
      assert(error instanceof Category.DecodeError)
      assert.deepStrictEqual(error.path, ["metadata", "schemaVersion"])
    }).pipe(onMemory))

  it.effect("another version of an event without versions, which is of the first", () =>
    Effect.gen(function*() {
      for (const schemaVersion of ["1", 1, null]) {
        yield* write({ type: "Snowed", data: { cm: 1 }, metadata: { schemaVersion } as Metadata.Metadata })
      }
      assert.strictEqual((yield* read).length, 3)
      yield* write({ type: "Snowed", data: { cm: 1 }, metadata: { schemaVersion: "2" } })
      const error = yield* Effect.flip(read)
      assert(error instanceof Category.DecodeError)
      assert.deepStrictEqual(error.path, ["metadata", "schemaVersion"])
      assert.match(
        error.message,
        /"2" is newer than what this program knows, which is version 1: deploy .* version 2 here/
      )
      assert.match(error.message, /schemaVersions: "ignore"$/)
    }).pipe(onMemory))

  it.effect("but not where the category ignores what schemaVersion says", () =>
    Effect.gen(function*() {
      const Foreign = Category.make("weather", {
        Snowed: { cm: Schema.Int },
        Rained: Category.version({ mm: Schema.Int })
      }, { schemaVersions: "ignore" })
      yield* write({ type: "Snowed", data: { cm: 1 }, metadata: { schemaVersion: "2024-11" } })
      yield* Foreign.append("1", Foreign.events.Snowed({ cm: 2 }, { metadata: { schemaVersion: "2" } }))
      assert.strictEqual((yield* Stream.runCollect(Foreign.readStream("1"))).length, 2)
      // What has versions is checked anyway.
      yield* write({ type: "Rained", data: { mm: 1 }, metadata: { schemaVersion: "2" } })
      const error = yield* Effect.flip(Stream.runDrain(Foreign.readStream("1")))
      assert(error instanceof Category.DecodeError)
      assert.strictEqual(error.type, "Rained")
    }).pipe(onMemory))

  it.effect("to be written, with a version of its own that it does not have", () =>
    Effect.gen(function*() {
      yield* Weather.append("1", Weather.events.Snowed({ cm: 1 }, { metadata: { schemaVersion: "1" } }))
      const wrong = Weather.events.Snowed({ cm: 1 }, { metadata: { schemaVersion: "2" } })
      const error = yield* Effect.flip(Weather.append("1", wrong))
      assert(error._tag === "InvalidMessage")
      assert.deepStrictEqual(error.path, ["metadata", "schemaVersion"])
      assert.match(error.reason, /^is "2", but the event is of version 1/)
    }).pipe(onMemory))

  it.effect("data of an older version is not written", () =>
    Effect.gen(function*() {
      // @ts-expect-error the types refuse it as well
      const old = Weather.events.Rained({ inches: 1 })
      const error = yield* Effect.flip(Weather.append("1", old))
      assert(error._tag === "InvalidMessage")
      assert.deepStrictEqual(error.path, ["data", "mm"])
    }).pipe(onMemory))
})

it.effect("metadata that is no object says nothing of a version", () =>
  Effect.gen(function*() {
    yield* write(measured({ celsius: "20", at: time }))
    const [first] = yield* read
    assert.isDefined(first)
    for (const metadata of [null, "2", 2, ["2"], true]) {
      const event = Option.getOrThrow(yield* Weather.decode({ ...first.recorded, metadata }))
      assert.isTrue(Equal.equals(event.data, first.data))
    }
  }).pipe(onMemory))

it.effect("each step is taken once, in order, from the version that is stored", () =>
  Effect.gen(function*() {
    const Count = Category.make("count", {
      Counted: Category.version(Schema.Array(Schema.Int))
        .upcast(Schema.Array(Schema.Int), (steps) => [...steps, 2])
        .upcast(Schema.Array(Schema.Int), (steps) => Effect.succeed([...steps, 3]))
        .upcast(Schema.Array(Schema.Int), (steps) => [...steps, 4])
    })
    const store = yield* MessageStore.MessageStore
    for (const schemaVersion of ["1", "2", "3", "4"]) {
      yield* store.append("count-1", { type: "Counted", data: [Number(schemaVersion)], metadata: { schemaVersion } })
    }
    const events = yield* Stream.runCollect(Count.readStream("1"))
    assert.deepStrictEqual(events.map(({ data }) => data), [[1, 2, 3, 4], [2, 3, 4], [3, 4], [4]])
  }).pipe(Effect.provide(MessageStore.layerMemory)))

const up = ({ cents }: { readonly cents: number }) => ({ cents, currency: "EUR" as const })
const euros = ({ cents }: { readonly cents: number }) => ({ amount: cents / 100 })

describe("writeAsBefore", () => {
  const V1 = { amount: Schema.Finite }
  const V2 = { cents: Schema.Int }
  const V3 = { cents: Schema.Int, currency: Schema.Literals(["EUR", "CHF"]) }

  const two = Category.version(V1).upcast(V2, ({ amount }) => ({ cents: Math.round(amount * 100) }))
  class Abroad extends Schema.TaggedError<Abroad>()("Abroad", { currency: Schema.String }) {
    override get message() {
      return `version 2 has no ${this.currency}`
    }
  }
  const plain = ({ cents, currency }: { readonly cents: number; readonly currency: "EUR" | "CHF" }) =>
    currency === "EUR" ? Effect.succeed({ cents }) : Effect.fail(new Abroad({ currency }))

  const stored = Effect.fnUntraced(function*(
    event: Category.Versioned<typeof V3>,
    data: { readonly cents: number; readonly currency: "EUR" | "CHF" } = { cents: 150, currency: "EUR" }
  ) {
    const Account = Category.make("account", { Deposited: event })
    const store = yield* MessageStore.MessageStore
    yield* Account.append("1", Account.events.Deposited(data))
    const last = Option.getOrThrow(yield* store.lastMessage("account-1"))
    const read = Option.getOrThrow(yield* Account.lastEvent("1"))
    assert.deepStrictEqual(read.data, data)
    return [last.data, last.metadata]
  }, Effect.provide(MessageStore.layerMemory))

  it.effect("leads to the oldest version that is reached from the newest without a gap", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* stored(two.upcast(V3, up)), [{ cents: 150, currency: "EUR" }, {
        schemaVersion: "3"
      }])
      assert.deepStrictEqual(yield* stored(two.upcast(V3, up).writeAsBefore(plain)), [{ cents: 150 }, {
        schemaVersion: "2"
      }])
      const both = two.writeAsBefore(euros).upcast(V3, up)
      assert.deepStrictEqual(yield* stored(both), [{ cents: 150, currency: "EUR" }, { schemaVersion: "3" }])
      assert.deepStrictEqual(yield* stored(both.writeAsBefore(plain)), [{ amount: 1.5 }, { schemaVersion: "1" }])
    }))

  it.effect("refuses what an older version cannot hold, and what could not be read again", () =>
    Effect.gen(function*() {
      const cases = [
        [two.upcast(V3, up).writeAsBefore(plain), "cannot be written as version 2: version 2 has no CHF"],
        [
          two.upcast(V3, up).writeAsBefore(() => ({ cents: Number.NaN })),
          /^does not fit the schema of version 2: /
        ],
        [
          Category.version(V2).upcast(V3, () => Effect.fail({ message: "never" })).writeAsBefore(({ cents }) => ({
            cents
          })),
          "could not be read after it was written as version 1: the upcast from version 1 to version 2 failed: never"
        ]
      ] as const
      for (const [event, reason] of cases) {
        const error = yield* Effect.flip(stored(event, { cents: 1, currency: "CHF" }))
        assert(error._tag === "InvalidMessage")
        assert.strictEqual(error.path[0], "data")
        if (typeof reason === "string") assert.strictEqual(error.reason, reason)
        else assert.match(error.reason, reason)
      }
      const wrong = yield* Effect.flip(stored(two.upcast(V3, up).writeAsBefore(plain), { cents: 0.5, currency: "EUR" }))
      assert(wrong._tag === "InvalidMessage")
      assert.deepStrictEqual(wrong.path, ["data", "cents"])
      assert.match(wrong.reason, /^does not fit its schema: /)
    }))

  it("is typed from the newest version to the one before", () => {
    // @ts-expect-error the first version has none before it
    assert.throws(() => Category.version(V1).writeAsBefore(euros))
    // @ts-expect-error the result is of the version before
    two.writeAsBefore(({ cents }) => ({ cents }))
    // @ts-expect-error it is written as the one before, and not as one before that
    assert.isUndefined(two.upcast(V3, up).writeAsBefore(plain).writeAsBefore)
  })
})
