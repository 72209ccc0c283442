import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Logger, Option, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Entity, EntityCache, Message, MessageStore, ReadModel, StoreError, Streams } from "eventfold"
import { Account, Balance, balance, deposited, onMemory, storeOver, write } from "./support/account.ts"

const Accounts = Streams.make({ category: "account" })

const note: Streams.DeleteOptions = { by: "ann", reason: "a request of its owner" }

const deposit = (...amounts: ReadonlyArray<number>) => Account.append("1", amounts.map(deposited))

const read = (streamName: string) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => Stream.runCollect(store.readStream(streamName)))

const deleteAt = Effect.fnUntraced(function*(position: number) {
  const messages = yield* read("account-1")
  const id = messages.find((message) => message.position === position)?.id ?? ""
  assert.isTrue(yield* Accounts.deleteMessage("1", id, note))
})

const quiet = Effect.provide(Logger.layer([]))

describe("Message.isDeleted", () => {
  const deleted = { by: "ann", reason: "why", at: "2026-11-29T10:00:00.000Z" }
  const mark = { type: "Deleted", data: null, metadata: { deleted } }

  it.effect("takes the type, the missing data and the metadata together", () =>
    Effect.sync(() => {
      assert.isTrue(Message.isDeleted(mark))
      for (
        const other of [
          { ...mark, type: "deleted" },
          { ...mark, data: {} },
          { ...mark, metadata: null },
          { ...mark, metadata: {} },
          { ...mark, metadata: "deleted" },
          { ...mark, metadata: [deleted] },
          { ...mark, metadata: { deleted: true } },
          { ...mark, metadata: { deleted: null } },
          { ...mark, metadata: { deleted: [] } }
        ]
      ) {
        assert.isFalse(Message.isDeleted(other), JSON.stringify(other))
        assert.deepStrictEqual(Message.deletion(other), Option.none())
      }
    }))

  it.effect("gives who, why, when and what", () =>
    Effect.sync(() => {
      const of = (more: object) =>
        Option.getOrThrow(Message.deletion({ ...mark, metadata: { deleted: { ...deleted, ...more } } }))
      assert.deepStrictEqual({ ...of({}), at: 0 }, { by: "ann", reason: "why", at: 0 })
      assert.strictEqual(of({}).at.epochMilliseconds, Date.UTC(2026, 10, 29, 10))
      assert.strictEqual(of({ position: 3 }).position, 3)
      assert.strictEqual(of({ through: 4 }).through, 4)
      // Another program's, which says less, is a mark of which nothing is known.
      const odd = { ...mark, metadata: { deleted: {} } }
      assert.isTrue(Message.isDeleted(odd))
      assert.deepStrictEqual(Message.deletion(odd), Option.none())
      const json = Schema.encodeSync(Schema.toCodecJson(Message.Deletion))(of({ position: 3 }))
      assert.deepStrictEqual(json, { ...deleted, position: 3 })
    }))
})

describe("Streams", () => {
  it.effect("takes the time of a deletion, and of a message without one, from the clock", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 2))
      const { at, id } = yield* Accounts.addMessage("1", { foo: 1 })
      assert.strictEqual(at.epochMilliseconds, Date.UTC(2026, 0, 2))
      yield* TestClock.setTime(Date.UTC(2026, 0, 3))
      yield* Accounts.deleteMessage("1", id, note)
      const [tombstone] = yield* read("account-1")
      assert.deepStrictEqual(tombstone?.metadata, { deleted: { ...note, at: "2026-01-03T00:00:00.000Z" } })
    }).pipe(onMemory))

  it.effect("answers have schemas with JSON forms", () =>
    Effect.gen(function*() {
      const message = yield* Accounts.addMessage("1", { at: 0, data: { foo: 1 } })
      const json = Schema.encodeSync(Schema.toCodecJson(Streams.Message))(message)
      assert.deepStrictEqual(json, { ...message, at: "1970-01-01T00:00:00.000Z" })
      assert.deepStrictEqual(Schema.decodeUnknownSync(Schema.toCodecJson(Streams.Message))(json), message)
      const stream = yield* Accounts.set("1", { title: "One" })
      assert.deepStrictEqual(Schema.decodeUnknownSync(Schema.toCodecJson(Accounts.Stream))(stream), stream)
      assert.deepStrictEqual(Schema.decodeUnknownSync(Streams.Stats)(yield* Accounts.stats), {
        streams: 1,
        messages: 1
      })
    }).pipe(onMemory))

  it.effect("with a new id are added, also when the answer is lost and the store sends the add again", () => {
    const layer = storeOver(({ streams }) => ({
      streams: streams === undefined ? undefined : {
        ...streams,
        add: (...args) => Effect.andThen(streams.add(...args), streams.add(...args))
      }
    }))
    return Effect.gen(function*() {
      const added = yield* Accounts.add({ attributes: { title: "One" } })
      assert.deepStrictEqual(yield* Accounts.list(), [added])
    }).pipe(Effect.provide(layer))
  })

  it.effect("errors say what to do", () =>
    Effect.gen(function*() {
      yield* Accounts.add({ id: "1" })
      assert.strictEqual(
        (yield* Effect.flip(Accounts.add({ id: "1" }))).message,
        "the stream account-1 exists: replace its attributes with set"
      )
      assert.strictEqual((yield* Effect.flip(Accounts.set("2", {}))).message, "there is no stream account-2: add it")
      const Titled = Streams.make({ category: "account", attributes: Schema.Struct({ title: Schema.String }) })
      const untitled = "the attributes of account-1: attributes.title does not fit its schema: Missing key. " +
        "A stream without attributes has {}: give the schema defaults, or make its fields optional"
      assert.strictEqual((yield* Effect.flip(Titled.list())).message, untitled)
      assert.strictEqual((yield* Effect.flip(Titled.add({ id: "1" }))).message, untitled)
      yield* Accounts.set("1", { title: 1 })
      assert.strictEqual(
        (yield* Effect.flip(Titled.get("1"))).message,
        "the attributes of account-1: attributes.title does not fit its schema: Expected string"
      )
      const of = Effect.map(({ message }: Error) => message)
      assert.strictEqual(
        yield* of(Effect.flip(Accounts.add({ attributes: { a: new Date(0) } as never, id: "2" }))),
        "the attributes of account-2: attributes.a is a Date, not a plain object: encode it by a schema first"
      )
      assert.strictEqual(
        yield* of(Effect.flip(Accounts.list({ base: "1" as never }))),
        "base is \"1\", and must be an integer of at least 0"
      )
      assert.strictEqual(
        yield* of(Effect.flip(Accounts.delete("1", { ...note, by: "" }))),
        "by is \"\", and must be a text that is not empty"
      )
      assert.strictEqual(
        yield* of(Effect.flip(Accounts.messages("1", { sort: "time" as never }))),
        "sort is \"time\", and must be \"at\" or \"-at\""
      )
    }).pipe(onMemory))

  it.effect("is refused in a handler of a read model, which a rebuild would run again", () => {
    const model = ReadModel.make("deleting", { version: 1, retry: Schedule.recurs(0) }).on(
      Account,
      () => Accounts.purge(note)
    )
    return Effect.gen(function*() {
      yield* deposit(1)
      const error = yield* Effect.flip(ReadModel.run(model))
      assert.instanceOf(error, StoreError.StoreError)
      assert.include(error.message, "Streams.purge: a handler of the read model deleting")
      assert.deepStrictEqual(yield* Accounts.stats, { streams: 1, messages: 1 })
    }).pipe(quiet, Effect.provide(ReadModel.layerMemory), onMemory)
  })

  it.effect("wakes readers when it deletes, after the commit", () =>
    Effect.scoped(Effect.gen(function*() {
      yield* deposit(1, 2)
      const store = yield* MessageStore.MessageStore
      const wakeUps = yield* store.wakeUps("account")
      yield* deleteAt(0)
      yield* wakeUps.await
      yield* MessageStore.transaction(Effect.gen(function*() {
        yield* Accounts.delete("1", note)
        assert.isFalse(yield* Effect.race(wakeUps.awaitAtMost(0), Effect.as(Effect.yieldNow, false)))
      }))
      yield* wakeUps.await
    })).pipe(onMemory))
})

describe("a deletion in a transaction", () => {
  it.effect("is seen by other fibers after the commit, whatever else the transaction writes", () =>
    Effect.gen(function*() {
      yield* deposit(1, 10)
      yield* Accounts.add({ id: "2", attributes: { title: "Two" } })
      const before = yield* read("account-1")
      const deleted = yield* Deferred.make<void>()
      const looked = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(MessageStore.transaction(Effect.gen(function*() {
        yield* deposit(100)
        yield* deleteAt(0)
        yield* Accounts.delete("2", note)
        yield* Accounts.add({ id: "3" })
        yield* deposit(1_000)
        assert.strictEqual(yield* Accounts.countMessages("1"), 3)
        yield* Deferred.succeed(deleted, undefined)
        yield* Deferred.await(looked)
      })))
      yield* Deferred.await(deleted)
      assert.deepStrictEqual(yield* read("account-1"), before)
      assert.deepStrictEqual(yield* Accounts.list(), [
        { id: "1", attributes: {} },
        { id: "2", attributes: { title: "Two" } }
      ])
      assert.deepStrictEqual(yield* Accounts.stats, { streams: 2, messages: 2 })
      assert.lengthOf(yield* Accounts.messages("1"), 2)
      yield* Deferred.succeed(looked, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual((yield* Accounts.list()).map(({ id }) => id), ["1", "3"])
      assert.deepStrictEqual((yield* read("account-1")).map(({ position }) => position), [0, 1, 2, 3, 4])
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 1_110 })
    }).pipe(onMemory))
})

describe("an entity", () => {
  it.effect("that is read while a message is deleted is read again", () => {
    let deletion: Effect.Effect<void> = Effect.void
    let reads = 0
    const layer = storeOver((backend) => ({
      readStream: (page) =>
        Effect.suspend(() => {
          reads += 1
          // The first page is read, and has the message.
          return Effect.andThen(reads === 2 ? deletion : Effect.void, backend.readStream(page))
        })
    }))
    return Effect.gen(function*() {
      yield* deposit(...Array.from({ length: 1_500 }, () => 1))
      const store = yield* MessageStore.MessageStore
      const [first] = yield* read("account-1")
      const gone = (remove: Effect.Effect<boolean, unknown, MessageStore.MessageStore>) =>
        Effect.asVoid(Effect.orDie(Effect.provideService(remove, MessageStore.MessageStore, store)))
      deletion = gone(Accounts.deleteMessage("1", first?.id ?? "", note))
      reads = 0
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 1_499 })
      assert.isAtLeast(reads, 4)
      yield* deposit(1)
      deletion = gone(Accounts.delete("1", note))
      reads = 0
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 0 })
    }).pipe(Effect.provide(layer))
  })

  it.effect("is read once more, and no more, for a notice of what is not deleted", () => {
    let reads = 0
    const layer = storeOver((backend) => ({
      readStream: (page) => Effect.tap(backend.readStream(page), () => Effect.sync(() => reads += 1))
    }))
    return Effect.gen(function*() {
      yield* deposit(1, 10)
      const at = "2026-11-29T10:00:00.000Z"
      const forged = (what: object) => ({
        type: "Deleted",
        data: null,
        metadata: { deleted: { ...note, at, ...what } }
      })
      yield* write("account-1", forged({ position: 0 }), forged({ through: 1 }), forged({ position: 9 }), forged({}))
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 11 })
      assert.isAtMost(reads, 4)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is forgotten by no cache that has closed, and by one that is open", () =>
    Effect.gen(function*() {
      yield* deposit(1)
      const cached = Balance.load("1", { freshness: "cached" })
      yield* Effect.provide(cached, EntityCache.layer({ capacity: 10 }))
      yield* Effect.gen(function*() {
        yield* cached
        yield* deleteAt(0)
        assert.deepStrictEqual((yield* cached).state, { balance: 0 })
      }).pipe(Effect.provide(EntityCache.layer({ capacity: 10 })))
    }).pipe(onMemory))
})

describe("a cache", () => {
  const cache = Effect.provide(EntityCache.layer({ capacity: 10 }))

  it.effect("forgets a stream whose deletion has lost its answer, or was interrupted after it", () => {
    let lost: Effect.Effect<never, StoreError.StoreError> = Effect.interrupt
    const layer = storeOver(({ streams }) => ({
      streams: streams === undefined ? undefined : {
        ...streams,
        deleteStream: (stream, request) => Effect.andThen(streams.deleteStream(stream, request), lost),
        deleteMessage: (stream, id, request) => Effect.andThen(streams.deleteMessage(stream, id, request), lost),
        purge: (category, request) => Effect.andThen(streams.purge(category, request), lost)
      }
    }))
    const failure = new StoreError.StoreError({ operation: "delete", reason: "lost", isRetryable: true })
    return Effect.gen(function*() {
      const cached = Effect.map(Balance.load("1", { freshness: "cached" }), ({ state }) => state.balance)
      const lastId = Effect.map(read("account-1"), (messages) => messages.at(-1)?.id ?? "")
      for (const outcome of [Effect.interrupt, Effect.fail(failure)]) {
        lost = outcome
        const deletions: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore.MessageStore>> = [
          Effect.flatMap(lastId, (id) => Accounts.deleteMessage("1", id, note)),
          Accounts.delete("1", note),
          Accounts.purge(note)
        ]
        for (const deletion of deletions) {
          yield* Effect.exit(Accounts.delete("1", note))
          yield* deposit(1)
          assert.strictEqual(yield* cached, 1)
          assert.isTrue(Exit.isFailure(yield* Effect.exit(deletion)))
          assert.strictEqual(yield* cached, 0)
        }
      }
    }).pipe(cache, Effect.provide(layer))
  })

  it.effect("keeps no state whose snapshot was written while the stream was deleted", () => {
    let deletion: Effect.Effect<void> = Effect.void
    const layer = storeOver((backend) => ({
      append: (append) =>
        append.streamName.startsWith("account:snapshot")
          ? Effect.andThen(deletion, backend.append(append))
          : backend.append(append)
    }))
    const entity = Entity.make(Account, { ...balance, snapshots: { version: 1, every: 1 } })
    return Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      deletion = Effect.provideService(Accounts.delete("1", note), MessageStore.MessageStore, store).pipe(
        Effect.orDie,
        Effect.asVoid
      )
      yield* entity.transact("1", () => deposited(1))
      assert.deepStrictEqual((yield* entity.load("1", { freshness: "cached" })).state, { balance: 0 })
    }).pipe(cache, Effect.provide(layer))
  })
})

describe("a store without the member streams", () => {
  it.effect("is Unsupported, and says what would add them", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Accounts.list())
      assert.instanceOf(error, StoreError.Unsupported)
      assert.include(error.message, "this store does not support Streams.list: a Message DB needs eventfold's schema")
      const { id } = yield* Accounts.addMessage("1", {})
      assert.isTrue(Option.isSome(yield* Accounts.message("1", id)))
    }).pipe(Effect.provide(storeOver(() => ({ streams: undefined })))))
})
