import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, Layer, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Category, Entity, EntityCache, MemoryStore, type Message, MessageStore, StoreError } from "eventfold"
import {
  Account,
  Balance,
  balance,
  deposited,
  last,
  logged,
  onMemory,
  State,
  storeOver,
  watched,
  write
} from "./support/account.ts"

const snapshots = { version: 1, every: 3 }

const Snapshotted = Entity.make(Account, { ...balance, snapshots })

const snapshotStream = "account:snapshot-1"

const snapshotsOf = (streamName: string) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => Stream.runCollect(store.readStream(streamName))).pipe(
    Effect.map((messages) => messages.map(({ data }) => data))
  )

const snapshot = (balance: unknown, version: unknown, schemaVersion = "1"): Message.Message => ({
  type: "Recorded",
  data: {
    entity_data: { balance } as Schema.Json,
    entity_version: version as Schema.Json,
    time: "1970-01-01T00:00:00Z"
  },
  metadata: { schemaVersion }
})

const deposit = (amount: number) => Snapshotted.transact("1", () => deposited(amount))

describe("a snapshot is written", () => {
  it.effect("as Eventide's clients do, to a stream beside the entity's", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 2, 3, 4, 5, 678))
      yield* Snapshotted.transact("1", () => [deposited(1), deposited(2), deposited(3)])
      const { data, metadata, streamName, type } = yield* last(snapshotStream)
      assert.deepStrictEqual<unknown>({ data, metadata, streamName, type }, {
        streamName: snapshotStream,
        type: "Recorded",
        data: { entity_data: { balance: 6 }, entity_version: 2, time: "2026-01-02T03:04:05.678Z" },
        metadata: { schemaVersion: "1" }
      })
    }).pipe(onMemory))

  const names: ReadonlyArray<
    readonly [category: string, specifier: string | undefined, id: string | ReadonlyArray<string>, name: string]
  > = [
    ["account", undefined, "1", "account:snapshot-1"],
    ["account", "Balance", ["1", "2"], "account:snapshot+Balance-1+2"],
    ["account:command", undefined, "a-b", "account:command+snapshot-a-b"],
    ["account:command+position", "x", "1", "account:command+position+snapshot+x-1"]
  ]
  it.effect.each(names)(
    "of the category %s and the specifier %s for %j to %s",
    ([category, specifier, id, name]) =>
      Effect.gen(function*() {
        const Log = Category.make(category as "account", { Added: Schema.Int })
        const Sum = Entity.make(Log, {
          state: Schema.Int,
          initial: 0,
          evolve: { Added: (sum, n) => sum + n },
          snapshots: { version: 1, every: 1, specifier }
        })
        yield* Sum.transact(id, () => Log.events.Added(7))
        assert.deepStrictEqual((yield* snapshotsOf(name)).length, 1)
        // It is not only written there, but read.
        yield* write(name, { ...snapshot(0, 0), data: { entity_data: 100, entity_version: 0 } })
        assert.deepStrictEqual((yield* Sum.load(id)).state, 100)
      }).pipe(onMemory)
  )

  it.effect("in the JSON form of the state's schema", () =>
    Effect.gen(function*() {
      const Log = Category.make("log", { Added: Schema.BigInt })
      const Sum = Entity.make(Log, {
        state: Schema.Struct({ sum: Schema.BigInt, at: Schema.Option(Schema.DateTimeUtc) }),
        initial: { sum: 0n, at: Option.none() },
        evolve: { Added: ({ sum }, n) => ({ sum: sum + n, at: Option.some(DateTime.makeUnsafe(0)) }) },
        snapshots: { version: 1, every: 1 }
      })
      yield* Sum.transact("1", () => Log.events.Added(7n))
      const [data] = yield* snapshotsOf("log:snapshot-1")
      assert.deepStrictEqual((data as { entity_data: unknown }).entity_data, {
        sum: "7",
        at: { _tag: "Some", value: "1970-01-01T00:00:00.000Z" }
      })
      assert.deepStrictEqual(
        yield* Sum.load("1"),
        { state: { sum: 7n, at: Option.some(DateTime.makeUnsafe(0)) }, version: Option.some(0) }
      )
    }).pipe(onMemory))

  const versions = Effect.map(
    snapshotsOf(snapshotStream),
    (all) => all.map((data) => (data as { entity_version: unknown }).entity_version)
  )

  it.effect("for at least so many messages since the last", () =>
    Effect.gen(function*() {
      for (const count of [2, 1, 2, 5, 1, 1]) {
        yield* Snapshotted.transact("1", () => Array.from({ length: count }, () => deposited(1)))
      }
      // After 3, 5, 10, 11 and 12 messages: the last of them counted from 0.
      assert.deepStrictEqual(yield* versions, [2, 9])
    }).pipe(onMemory))

  it.effect("at once when there are many messages and no snapshot yet", () =>
    Effect.gen(function*() {
      yield* Account.append("1", Array.from({ length: 50 }, () => deposited(1)))
      yield* deposit(1)
      assert.deepStrictEqual(yield* versions, [50])
    }).pipe(onMemory))

  it.effect("when a state wants it", () =>
    Effect.gen(function*() {
      const Chosen = Entity.make(Account, {
        ...balance,
        snapshots: { version: 1, when: ({ balance }, version) => balance === 10 || version === 4 }
      })
      for (const amount of [4, 6, 1, 1, 1, 1]) yield* Chosen.transact("1", () => deposited(amount))
      assert.deepStrictEqual(yield* versions, [1, 4])
    }).pipe(onMemory))

  it.effect("not by a load, nor by a decision that gives nothing, nor for an entity without", () =>
    Effect.gen(function*() {
      yield* Account.append("1", Array.from({ length: 50 }, () => deposited(1)))
      yield* Snapshotted.load("1")
      yield* Snapshotted.transact("1", () => [])
      yield* Balance.transact("1", () => deposited(1))
      assert.deepStrictEqual(yield* versions, [])
    }).pipe(onMemory))

  it.effect("for each stream of a transaction over several", () =>
    Effect.gen(function*() {
      yield* Account.append("2", [deposited(1), deposited(1)])
      yield* Entity.transactAll({ one: Snapshotted.at("1"), two: Snapshotted.at("2") }, () => ({
        one: [deposited(1), deposited(1)],
        two: [deposited(1), deposited(1)]
      }))
      assert.deepStrictEqual(yield* versions, [])
      assert.lengthOf(yield* snapshotsOf("account:snapshot-2"), 1)
    }).pipe(onMemory))
})

describe("a load", () => {
  it.effect("begins with the last snapshot", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      for (const amount of [1, 2, 3, 4]) yield* deposit(amount)
      assert.deepStrictEqual(
        yield* during(Snapshotted.load("1")),
        // The last message that it stands for, and what is new.
        ["last account:snapshot-1: 1", "read account-1 from 2: 2"]
      )
      assert.deepStrictEqual(yield* Snapshotted.load("1"), { state: { balance: 10 }, version: Option.some(3) })
    }).pipe(Effect.provide(layer))
  })

  it.effect("believes it, so that it is an economy", () =>
    Effect.gen(function*() {
      yield* Account.append("1", [deposited(1), deposited(2), deposited(3)])
      yield* write(snapshotStream, snapshot(1_000, 1))
      assert.deepStrictEqual(yield* Snapshotted.load("1"), { state: { balance: 1_003 }, version: Option.some(2) })
      // And the past is the events'.
      const past = yield* Snapshotted.loadAt("1", { version: 2 })
      assert.deepStrictEqual(past.state, { balance: 6 })
    }).pipe(onMemory))

  it.effect("reads one that Eventide's Ruby has written", () =>
    Effect.gen(function*() {
      yield* Account.append("1", [deposited(1), deposited(2), deposited(3)])
      yield* write(snapshotStream, {
        type: "Recorded",
        data: { entityData: { balance: 1_000 }, entityVersion: 1, time: "2026-01-02T03:04:05.678Z" },
        metadata: { schemaVersion: "1" }
      })
      assert.deepStrictEqual((yield* Snapshotted.load("1")).state, { balance: 1_003 })
    }).pipe(onMemory))

  const useless: ReadonlyArray<readonly [name: string, message: Message.Message]> = [
    ["of another version", snapshot(1_000, 1, "2")],
    ["without a version", { ...snapshot(1_000, 1), metadata: undefined }],
    ["whose state does not fit", snapshot("much", 1)],
    ["whose state is missing", snapshot(undefined, 1)],
    ["whose data is nothing of the kind", { ...snapshot(1, 1), data: "state" }],
    ["whose stream version is none", snapshot(1_000, "1")],
    ["whose stream version is negative", snapshot(1_000, -1)],
    ["whose stream version is far below", snapshot(1_000, -5)],
    ["whose stream version is a fraction", snapshot(1_000, 0.5)],
    ["whose stream version is no position", snapshot(1_000, 1e300)],
    ["of another type", { ...snapshot(1_000, 1), type: "Other" }]
  ]
  it.effect.each(useless)(
    "passes over one %s, and the next append replaces it",
    ([, message]) =>
      Effect.gen(function*() {
        yield* Account.append("1", [deposited(1), deposited(2)])
        yield* write(snapshotStream, JSON.parse(JSON.stringify(message)))
        assert.deepStrictEqual(yield* Snapshotted.load("1"), { state: { balance: 3 }, version: Option.some(1) })
        yield* deposit(3)
        const { data, metadata } = yield* last(snapshotStream)
        assert.deepStrictEqual<unknown>([data, metadata], [
          { entity_data: { balance: 6 }, entity_version: 2, time: "1970-01-01T00:00:00.000Z" },
          { schemaVersion: "1" }
        ])
      }).pipe(onMemory)
  )

  it.effect("reads the events alone when the name is too long for a snapshot's stream", () => {
    const { layer, lines } = logged()
    return Effect.gen(function*() {
      const id = "x".repeat(2_590)
      yield* Snapshotted.transact(id, () => [deposited(1), deposited(1), deposited(1)])
      assert.deepStrictEqual((yield* Snapshotted.load(id)).state, { balance: 3 })
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /^Warn: "entity could not write a snapshot"/)
    }).pipe(onMemory, Effect.provide(layer))
  })
})

describe("a snapshot that can't be written is a warning, and the command succeeds", () => {
  it.effect("since the state does not encode", () => {
    const { layer, lines } = logged()
    return Effect.gen(function*() {
      const Small = Entity.make(Account, {
        ...balance,
        state: Schema.Struct({ balance: Schema.Int.check(Schema.isLessThan(10)) }),
        snapshots: { version: 1, every: 1 }
      })
      yield* Small.transact("1", () => deposited(9))
      assert.deepStrictEqual(lines, [])
      const { state } = yield* Small.transact("1", () => deposited(9))
      assert.deepStrictEqual(state, { balance: 18 })
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /^Warn: "entity could not write a snapshot" .*"account-1".*less than 10/)
      assert.lengthOf(yield* snapshotsOf(snapshotStream), 1)
      assert.deepStrictEqual((yield* Small.load("1")).state, { balance: 18 })
    }).pipe(onMemory, Effect.provide(layer))
  })

  it.effect("since the store fails", () => {
    const { layer, lines } = logged()
    const failing = storeOver((backend) => ({
      append: (append) =>
        append.streamName === snapshotStream
          ? Effect.fail(new StoreError.StoreError({ operation: "append", reason: "disk full", isRetryable: false }))
          : backend.append(append)
    }))
    return Effect.gen(function*() {
      for (const amount of [1, 2, 3, 4]) yield* deposit(amount)
      assert.deepStrictEqual((yield* Snapshotted.load("1")).state, { balance: 10 })
      // It is due until it is written.
      assert.lengthOf(lines, 2)
      assert.match(lines[0] ?? "", /"entity could not write a snapshot" .*disk full/)
    }).pipe(Effect.provide([failing, layer]))
  })

  it.effect("but one that can't be read fails the load: the store has failed", () => {
    const lost = new StoreError.StoreError({ operation: "lastMessage", reason: "connection lost", isRetryable: true })
    return Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(Snapshotted.load("1")), lost)
    }).pipe(Effect.provide(storeOver(() => ({ lastMessage: () => Effect.fail(lost) }))))
  })
})

describe("a stream that is behind its snapshot, restored from a backup say", () => {
  for (const [name, cache] of [["", Layer.empty], [" (with a cache)", EntityCache.layer({ capacity: 10 })]] as const) {
    it.effect(`is loaded by its events${name}`, () =>
      Effect.gen(function*() {
        yield* write(snapshotStream, snapshot(1_000, 9))
        assert.deepStrictEqual(yield* Snapshotted.load("1"), { state: { balance: 0 }, version: Option.none() })
        yield* Account.append("1", [deposited(1), deposited(2)])
        assert.deepStrictEqual(yield* Snapshotted.load("1"), { state: { balance: 3 }, version: Option.some(1) })
      }).pipe(onMemory, Effect.provide(cache)))

    it.effect(`continues from them, and never returns to the snapshot when it has grown${name}`, () =>
      Effect.gen(function*() {
        yield* write(snapshotStream, snapshot(1_000, 4))
        for (let i = 1; i <= 10; i++) {
          const { state, version } = yield* deposit(1)
          assert.deepStrictEqual({ state, version }, { state: { balance: i }, version: Option.some(i - 1) })
          assert.deepStrictEqual(yield* Snapshotted.load("1"), { state, version })
        }
      }).pipe(onMemory, Effect.provide(cache)))
  }

  it.effect("is noticed on the append when the state was read before", () =>
    Effect.gen(function*() {
      const [first, restored] = [yield* MemoryStore.make, yield* MemoryStore.make]
      const backend = { ...first }
      const store = yield* MessageStore.make(backend)
      yield* Effect.gen(function*() {
        yield* Snapshotted.transact("1", () => [deposited(1), deposited(2), deposited(3)])
        Object.assign(backend, restored)
        // What the cache has is wrong, but for the snapshots, which are older than the backup.
        yield* write(snapshotStream, snapshot(6, 2))
        for (let i = 1; i <= 5; i++) {
          const { state } = yield* Snapshotted.transact("1", () => deposited(10))
          assert.deepStrictEqual(state, { balance: i * 10 })
          assert.deepStrictEqual((yield* Snapshotted.load("1")).state, state)
          const uncached = Effect.provideService(Snapshotted.load("1"), EntityCache.EntityCache, Option.none())
          assert.deepStrictEqual((yield* uncached).state, state)
        }
      }).pipe(Effect.provideService(MessageStore.MessageStore, store))
    }).pipe(TestClock.withLive, Effect.provide(EntityCache.layer({ capacity: 10 }))))
})

describe("laws", () => {
  const Log = Category.make("log", { Added: Schema.Int })
  /** A fold that depends on the order of the events, and on each of them. */
  const fold = {
    state: Schema.Struct({ count: Schema.Int, digest: Schema.Int }),
    initial: { count: 0, digest: 0 },
    evolve: {
      Added: ({ count, digest }: { readonly count: number; readonly digest: number }, n: number) => ({
        count: count + 1,
        digest: Math.abs((digest * 31 + n) % 1_000_003)
      })
    }
  }
  const Plain = Entity.make(Log, fold)

  it.effect.prop("a snapshot and the events after it fold into what all events do", {
    appends: Arbitrary.array(
      Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: -9, maximum: 9 }))), {
        maxLength: 5
      }),
      { maxLength: 12 }
    ),
    every: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 7 })),
    isForeign: Schema.Boolean
  }, ({ appends, every, isForeign }) =>
    Effect.gen(function*() {
      const Sum = Entity.make(Log, { ...fold, snapshots: { version: 1, every } })
      for (const numbers of appends) {
        // What others write has no snapshots, and may be of types that are skipped.
        if (isForeign) yield* write("log-1", { type: "Foreign", data: null })
        const { state, version } = yield* Sum.transact("1", () => numbers.map((n) => Log.events.Added(n)))
        const all = yield* Plain.load("1")
        assert.deepStrictEqual({ state, version }, all)
        assert.deepStrictEqual(yield* Sum.load("1"), all)
        assert.deepStrictEqual(yield* Sum.loadAt("1", { version: 1_000 }), all)
      }
    }).pipe(onMemory))

  it.effect.prop("the form that a snapshot stores gives the state back", [State], ([state]) =>
    Effect.gen(function*() {
      const Any = Entity.make(Account, {
        ...balance,
        snapshots: { version: 1, every: 1 },
        evolve: {
          ...balance.evolve,
          Deposited: () => state
        }
      })
      yield* Any.transact("1", () => deposited(1))
      assert.isTrue(Object.is((yield* Any.load("1")).state.balance + 0, state.balance + 0))
    }).pipe(onMemory))
})
