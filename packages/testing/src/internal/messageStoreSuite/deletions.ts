import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import * as MemoryTable from "eventfold/MemoryTable"
import { deletion, isDeleted, type RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as Process from "eventfold/Process"
import * as ReadModel from "eventfold/ReadModel"
import * as Streams from "eventfold/Streams"
import { folding, newAccount } from "./account.ts"
import { type It, newCategory, positions, readCategory, readStream, versionOf } from "./fixtures.ts"
import { note } from "./streams.ts"

const cache = Effect.provide(EntityCache.layer({ capacity: 1_000 }))

/** Without the log of what is meant to fail. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** An account, and the streams of its category. */
const newDeletable = Effect.map(newAccount, (account) => {
  const { category } = account
  const streams = Streams.make({ category: category.categoryName })
  const streamName = `${category.categoryName}-1`
  /** Deletes the message at a position. */
  const remove = Effect.fnUntraced(function*(position: number) {
    const [message] = yield* readStream(streamName, { from: position, limit: 1 })
    assert.isTrue(yield* streams.deleteMessage("1", message?.id ?? "", note))
  })
  const deposit = (...amounts: ReadonlyArray<number>) => category.append("1", amounts.map(account.deposited))
  return { ...account, deposit, remove, streamName, streams }
})

const loaded = (balance: number, version: number) => ({ state: { balance }, version: Option.some(version) })

/** Retries an assertion until it holds, for two minutes. */
const eventually = <E, R>(assertion: Effect.Effect<void, E, R>) =>
  Effect.sandbox(assertion).pipe(
    Effect.retry(Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(6_000)])),
    Effect.catch(Effect.failCause)
  )

const categories = (it: It) => {
  it.effect("are skipped by categories, also by one with an event of that type", () =>
    Effect.gen(function*() {
      const name = yield* newCategory
      const store = yield* MessageStore
      const category = Category.make(name as "note", { Written: { text: Schema.String }, Deleted: {} }, {
        unknownTypes: "refuse",
        metadata: { userId: Schema.String }
      })
      const metadata = { userId: "u-7" }
      const written = (text: string) => category.events.Written({ text }, { metadata })
      yield* category.append("1", [written("a"), written("b"), category.events.Deleted({}, { metadata })])
      const streams = Streams.make({ category: name })
      const types = Effect.map(Stream.runCollect(category.readStream("1")), (events) => events.map(({ type }) => type))
      assert.deepStrictEqual(yield* types, ["Written", "Written", "Deleted"])
      const [, second] = yield* readStream(`${name}-1`)
      yield* streams.deleteMessage("1", second?.id ?? "", note)
      assert.deepStrictEqual(yield* types, ["Written", "Deleted"])
      assert.lengthOf(yield* Stream.runCollect(category.readCategory({ batchSize: 1 })), 2)
      const rows = yield* readStream(`${name}-1`)
      assert.deepStrictEqual(rows.map(isDeleted), [false, true, false, true])
      assert.deepStrictEqual(
        (yield* Effect.forEach(rows, category.decode)).map(Option.isSome),
        [true, false, true, false]
      )
      // The last event is the last that is not deleted.
      const last = (type?: "Written" | "Deleted") =>
        Effect.map(category.lastEvent("1", { type }), Option.map(({ recorded }) => recorded.position))
      assert.deepStrictEqual(yield* last(), Option.some(2))
      assert.deepStrictEqual(yield* last("Written"), Option.some(0))
      assert.deepStrictEqual(yield* last("Deleted"), Option.some(2))
      yield* streams.delete("1", note)
      assert.deepStrictEqual(yield* last(), Option.none())
      assert.deepStrictEqual(yield* types, [])

      // Data, or other metadata, makes it a message like any other.
      const others = [
        { type: "Deleted", data: { by: "ann" }, metadata: { deleted: { ...note, at: "2026-11-29T10:00:00.000Z" } } },
        { type: "Deleted", data: null },
        { type: "Other", data: null, metadata: { deleted: { ...note, at: "2026-11-29T10:00:00.000Z" } } }
      ]
      yield* store.append(`${name}-2`, others)
      assert.deepStrictEqual((yield* readStream(`${name}-2`)).map(deletion), others.map(() => Option.none()))
    }))
}

const entities = (it: It) => {
  it.effect("change the state and the version of an entity, cached or not", () =>
    Effect.gen(function*() {
      const { balance, deposit, deposited, remove, streams } = yield* newDeletable
      yield* deposit(1, 10, 100)
      assert.deepStrictEqual(yield* balance.load("1"), loaded(111, 2))
      yield* remove(1)
      const both = Effect.fnUntraced(function*(expected: Entity.Loaded<{ readonly balance: number }>) {
        // This process has forgotten what it had.
        assert.deepStrictEqual(yield* balance.load("1", { freshness: "cached" }), expected)
        assert.deepStrictEqual(yield* balance.load("1"), expected)
        assert.deepStrictEqual(
          yield* Effect.provideService(balance.load("1"), EntityCache.EntityCache, Option.none()),
          expected
        )
      })
      yield* both(loaded(101, 3))
      const { version } = yield* balance.transact("1", ({ balance }) => deposited(balance * 9))
      assert.deepStrictEqual(version, Option.some(4))
      yield* both(loaded(1_010, 4))
      yield* remove(4)
      yield* remove(0)
      yield* both(loaded(100, 6))
      yield* streams.delete("1", note)
      yield* both(loaded(0, 7))
      yield* balance.transact("1", () => deposited(5))
      yield* both(loaded(5, 8))
      yield* streams.purge(note)
      yield* both(loaded(0, 9))
    }).pipe(cache))

  it.effect("are found by a cache that nobody told, when it reads on", () =>
    Effect.gen(function*() {
      const { balance, deposit, deposited, remove, streams } = yield* newDeletable
      // The store as another process has it: nobody tells it of a deletion.
      const store = yield* MessageStore
      const key = "~eventfold/MessageStore/InProcess"
      const forgetting = { onForget: () => () => {}, forget: () => {} }
      const other = MessageStore.of({ ...store, [key]: { ...store[key], forgetting } })
      const apart = Effect.provideService(MessageStore, other)
      const load = apart(balance.load("1"))
      yield* deposit(1, 10, 100)
      yield* load
      yield* remove(2)
      yield* deposit(1_000)
      assert.deepStrictEqual(yield* load, { state: { balance: 1_011 }, version: Option.some(4) })
      const stale = yield* apart(balance.transact("1", ({ balance }) => deposited(balance), { freshness: "cached" }))
      assert.deepStrictEqual(stale.state, { balance: 2_022 })
      yield* streams.delete("1", note)
      yield* deposit(7)
      const retry = Schedule.recurs(5)
      const again = yield* apart(
        balance.transact("1", ({ balance }) => deposited(balance), { freshness: "cached", retry })
      )
      assert.deepStrictEqual(again.state, { balance: 14 })
      assert.deepStrictEqual(again.version, Option.some(8))
    }).pipe(cache))

  it.effect("take the snapshots of their streams with them", () =>
    Effect.gen(function*() {
      const { category, deposit, deposited, remove, streams } = yield* newDeletable
      const store = yield* MessageStore
      const plain = Entity.make(category, { ...folding, snapshots: { version: 1, every: 2 } })
      const named = Entity.make(category, { ...folding, snapshots: { version: 1, every: 2, specifier: "Named" } })
      const name = category.categoryName
      const snapshots = [`${name}:snapshot-1`, `${name}:snapshot+Named-1`]
      const types = Effect.map(
        Effect.forEach(snapshots, (name) => readStream(name)),
        (streams) => streams.map((messages) => messages.map(({ type }) => type))
      )
      yield* deposit(1, 10)
      for (const entity of [plain, named]) yield* entity.transact("1", () => deposited(100))
      yield* plain.transact("2", () => [deposited(1), deposited(2)])
      assert.deepStrictEqual(yield* types, [["Recorded"], ["Recorded"]])
      yield* remove(0)
      assert.deepStrictEqual(yield* types, [["Deleted"], ["Deleted"]])
      assert.lengthOf(yield* readStream(`${name}:snapshot-2`), 1)
      for (const entity of [plain, named]) assert.deepStrictEqual((yield* entity.load("1")).state, { balance: 210 })
      yield* plain.transact("1", () => deposited(1_000))
      assert.deepStrictEqual(yield* types, [["Deleted", "Recorded"], ["Deleted"]])
      assert.deepStrictEqual((yield* plain.load("1")).state, { balance: 1_210 })

      // A snapshot that another program writes late does not bring back what is deleted.
      const late = { type: "Recorded", data: { entity_data: { balance: 1_211 }, entity_version: 5 } }
      yield* store.append(`${name}:snapshot-1`, { ...late, metadata: { schemaVersion: "1" } })
      yield* remove(1)
      yield* store.append(`${name}:snapshot-1`, { ...late, metadata: { schemaVersion: "1" } })
      assert.deepStrictEqual((yield* plain.load("1")).state, { balance: 1_200 })
      yield* streams.delete("1", note)
      yield* store.append(`${name}:snapshot-1`, { ...late, metadata: { schemaVersion: "1" } })
      assert.deepStrictEqual((yield* plain.load("1")).state, { balance: 0 })
      yield* streams.purge(note)
      assert.deepStrictEqual((yield* readStream(`${name}:snapshot-2`)).map(({ type }) => type), ["Deleted"])
    }))

  it.effect("are followed by changes", () =>
    Effect.gen(function*() {
      const { balance, deposit, remove, streams } = yield* newDeletable
      yield* deposit(1, 10)
      const seen = yield* Queue.unbounded<number>()
      yield* balance.changes("1", { pollInterval: "100 millis" }).pipe(
        Stream.runForEach(({ state }) => Queue.offer(seen, state.balance)),
        Effect.forkChild
      )
      assert.strictEqual(yield* Queue.take(seen), 11)
      yield* remove(0)
      assert.strictEqual(yield* Queue.take(seen), 10)
      yield* deposit(100)
      assert.strictEqual(yield* Queue.take(seen), 110)
      yield* streams.delete("1", note)
      assert.strictEqual(yield* Queue.take(seen), 0)
      yield* deposit(5)
      assert.strictEqual(yield* Queue.take(seen), 5)
    }))

  it.effect("leave a command that is repeated without what was deleted of it", () =>
    Effect.gen(function*() {
      const { balance, deposited, remove } = yield* newDeletable
      const commandId = yield* newCategory
      const run = balance.transact("1", () => [1, 10, 100].map(deposited), { commandId })
      yield* run
      yield* balance.transact("1", () => deposited(1_000))
      yield* remove(1)
      const again = yield* run
      assert.deepStrictEqual(again.events.map(({ data }) => data), [{ amount: 1 }, { amount: 100 }])
      assert.deepStrictEqual(again.version, Option.some(2))
      yield* remove(0)
      assert.deepStrictEqual((yield* run).events.map(({ data }) => data), [{ amount: 100 }])
      assert.deepStrictEqual((yield* balance.load("1")).state, { balance: 1_100 })
    }))
}

const consumers = (it: It) => {
  it.effect("are passed by consumers of a category, and seen by those of messages", () =>
    Effect.gen(function*() {
      const { category, deposit, remove, streams } = yield* newDeletable
      const amounts = yield* Queue.unbounded<number>()
      const messages = yield* Queue.unbounded<RecordedMessage>()
      yield* deposit(1, 10, 100)
      yield* remove(1)
      const typed = Consumer.make("typed", { poll: { min: "10 millis", max: "50 millis" } })
        .on(category, (event) => Queue.offer(amounts, "amount" in event.data ? event.data.amount : 0))
      const plain = Consumer.make("plain", { poll: { min: "10 millis", max: "50 millis" } })
        .on(category.categoryName, (message) => Queue.offer(messages, message))
      yield* Effect.forkChild(Consumer.run(typed))
      yield* Effect.forkChild(Consumer.run(plain))
      assert.deepStrictEqual(yield* Queue.takeN(amounts, 2), [1, 100])
      // Both have read them before they go.
      const before = yield* Queue.takeN(messages, 4)
      yield* streams.delete("1", note)
      yield* deposit(5)
      assert.strictEqual(yield* Queue.take(amounts), 5)
      const seen = [...before, ...(yield* Queue.takeN(messages, 2))]
      assert.deepStrictEqual(positions(seen), [0, 1, 2, 3, 4, 5])
      assert.deepStrictEqual(seen.map(isDeleted), [false, true, false, true, true, false])
    }))

  it.effect("leave no errors of theirs in parked streams, and nothing to replay", () =>
    Effect.gen(function*() {
      const { category, deposit, remove, streamName, streams } = yield* newDeletable
      const { categoryName } = category
      const bad = new Set([2, 4])
      const handled: Array<number> = []
      const options = {
        onFailure: "park",
        retry: Schedule.recurs(0),
        poll: { min: "10 millis", max: "50 millis" }
      } as const
      const handle = (event: Category.RecordedEvent<typeof category>) =>
        Effect.suspend(() => {
          const amount = "amount" in event.data ? event.data.amount : 0
          if (bad.has(amount)) return Effect.die(new Error(`the secret ${amount}`))
          handled.push(amount)
          return Effect.void
        })
      const one = Consumer.make("one", options).on(category, handle)
      const all = Consumer.make("all", options).on(category, () => Effect.void).on(
        `${categoryName}x`,
        () => Effect.void
      )
      const secrets = (text: string) =>
        Effect.map(
          readCategory(`${categoryName}:parked`),
          (rows) => rows.filter((row) => JSON.stringify(row).includes(text)).length
        )
      const waiting = Effect.map(
        Stream.runCollect(Parking.list({ id: "one", category: categoryName })),
        (streams) => streams.flatMap(({ messages }) => messages.map(({ position }) => position))
      )
      yield* deposit(1, 2, 3, 4)
      const fiber = yield* Effect.forkChild(quietly(Consumer.run(one)))
      yield* eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, [1, 2, 3])))
      yield* Parking.replay({ id: "one", category: categoryName })
      yield* eventually(Effect.map(secrets("the secret 2"), (count) => assert.strictEqual(count, 2)))
      // Another consumer's error, of several categories, in its own parked stream.
      const store = yield* MessageStore
      const [, second] = yield* readStream(streamName)
      yield* store.append(`$all:parked-${all.id}+${streamName}`, {
        type: "Parked",
        data: {
          streamName,
          position: 1,
          globalPosition: second?.globalPosition ?? 0,
          messageId: second?.id ?? "",
          type: "Deposited",
          error: "the secret 2",
          failure: { kind: "error", tag: "Error", message: "the secret 2", fields: {} },
          attempts: 1
        }
      })
      yield* remove(1)
      assert.strictEqual(yield* secrets("the secret 2"), 0)
      const [parked] = yield* readStream(`$all:parked-${all.id}+${streamName}`)
      assert.notInclude(JSON.stringify(parked), "the secret 2")
      assert.deepStrictEqual(yield* waiting, [1, 2, 3])
      // What is deleted has nothing to handle: the replay goes on to the next.
      yield* Parking.replay({ id: "one", category: categoryName })
      yield* eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, [3])))
      yield* eventually(Effect.map(secrets("the secret 4"), (count) => assert.strictEqual(count, 1)))
      yield* streams.delete("1", note)
      assert.strictEqual(yield* secrets("the secret 4"), 0)
      yield* Parking.replay({ id: "one", category: categoryName })
      yield* eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, [])))
      yield* deposit(5)
      yield* eventually(Effect.sync(() => assert.deepStrictEqual(handled, [1, 3, 5])))
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("start no reaction of a process", () =>
    Effect.gen(function*() {
      const { category, deposit, remove, streams } = yield* newDeletable
      const name = yield* newCategory
      const tally = Category.make(name as "tally", { Counted: { amount: Schema.Int } }, { unknownTypes: "refuse" })
      const total = Entity.make(tally, {
        state: Schema.Struct({ total: Schema.Int }),
        initial: { total: 0 },
        evolve: { Counted: (state, { amount }) => ({ total: state.total + amount }) }
      })
      const process = Process.make(name, {
        entity: total,
        retry: Schedule.recurs(0),
        poll: { min: "10 millis", max: "50 millis" }
      })
        .on(
          category,
          (_, { data }) => "amount" in data ? { events: tally.events.Counted({ amount: data.amount }) } : {}
        )
      yield* deposit(1, 10)
      yield* remove(0)
      yield* Effect.forkChild(Process.run(process))
      const totalIs = (expected: number) =>
        eventually(Effect.map(total.load("1"), ({ state }) => assert.strictEqual(state.total, expected)))
      yield* totalIs(10)
      yield* Streams.make({ category: name }).delete("1", note)
      yield* streams.delete("1", note)
      yield* deposit(100)
      yield* totalIs(100)
      assert.strictEqual(yield* versionOf(`${name}-1`), 2)
    }))
}

const readModels = (it: It) => {
  it.effect("are left out when a read model is built, and break none that runs again", () =>
    Effect.gen(function*() {
      const { category, deposit, remove, streams } = yield* newDeletable
      const table = MemoryTable.make<string, number>("totals", "by_account")
      const totals = ReadModel.make("totals", { version: 1, poll: { min: "10 millis", max: "50 millis" } }).on(
        category,
        {
          Deposited: ({ data, recorded }) =>
            table.update(recorded.streamName, (total) => Option.getOrElse(total, () => 0) + data.amount)
        }
      )
      const total = Effect.map(table.entries, (entries) => entries.reduce((sum, [, amount]) => sum + amount, 0))
      const handled = Effect.fnUntraced(function*(globalPosition: number, expected: number) {
        yield* Effect.raceFirst(ReadModel.run(totals), ReadModel.waitFor(totals, globalPosition))
        assert.strictEqual(yield* total, expected)
      })
      const last = Effect.flatMap(MessageStore, (store) => store.lastPosition)
      yield* deposit(1, 10)
      yield* handled(yield* last, 11)
      yield* remove(0)
      // What it made of a message stays until it is built again.
      yield* handled(yield* last, 11)
      yield* Stream.runDrain(ReadModel.rebuild(totals))
      assert.strictEqual(yield* total, 10)
      // The message that it handled last goes with its stream: the log is the same all the same.
      yield* streams.delete("1", note)
      yield* deposit(100)
      yield* handled(yield* last, 110)
      yield* streams.purge(note)
      yield* handled(yield* last, 110)
      yield* Stream.runDrain(ReadModel.rebuild(totals))
      assert.strictEqual(yield* total, 0)
    }).pipe(Effect.provide(Layer.fresh(ReadModel.layerMemory))))
}

export const tests = (it: It) => {
  describe("readers of what is deleted", () => {
    categories(it)
    entities(it)
    consumers(it)
    readModels(it)
  })
}
