import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import { deriveId, type RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import * as PositionStore from "eventfold/PositionStore"
import { type It, newCategory, readCategory, readStream } from "./fixtures.ts"

const metadataOf = (messages: ReadonlyArray<RecordedMessage>) => messages.map(({ metadata }) => metadata)

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** A category and an entity that no other test has. */
const newOrder = Effect.map(newCategory, (name) => {
  const category = Category.make(name as "order", { Placed: { n: Schema.Int } })
  const count = Entity.make(category, {
    state: Schema.Int,
    initial: 0,
    evolve: { Placed: (count) => count + 1 },
    snapshots: { version: 3, every: 1 }
  })
  return { category, count, placed: (n: number) => category.events.Placed({ n }) }
})

const requests = (it: It) => {
  it.effect("is in everything that is written within, and in nothing after", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const { category, count, placed } = yield* newOrder
      const stream = (id: string) => `${category.categoryName}-${id}`
      yield* Effect.gen(function*() {
        yield* store.append(stream("1"), { type: "Placed", data: { n: 1 } })
        yield* store.writeAll([{ streamName: stream("2"), messages: [{ type: "Placed", data: { n: 2 } }] }])
        yield* category.append("3", placed(3))
        yield* count.transact("4", () => [placed(4), placed(5)])
        yield* Entity.transactAll({ a: count.at("5"), b: count.at("6") }, () => ({ a: placed(6), b: placed(7) }))
      }).pipe(Metadata.with({ userId: "u-7" }))
      yield* store.append(stream("1"), { type: "Placed", data: { n: 8 } })
      const messages = yield* readCategory(category.categoryName)
      assert.deepStrictEqual(metadataOf(messages), [...Array.from({ length: 7 }, () => ({ userId: "u-7" })), null])
      // A snapshot is what it was, for the clients that read it as well.
      const snapshots = yield* readCategory(`${category.categoryName}:snapshot`)
      assert.deepStrictEqual(metadataOf(snapshots), [4, 5, 6].map(() => ({ schemaVersion: "3" })))
    }))

  it.effect("of a transaction is that of its command, however often it is sent", () =>
    Effect.gen(function*() {
      const { category, count, placed } = yield* newOrder
      const send = count.transact("1", () => placed(1), { commandId: "a", metadata: { userId: "u-7" } })
      yield* send
      const again = yield* send
      assert.deepStrictEqual(again.events.map(({ metadata }) => metadata), [{ userId: "u-7" }])
      yield* Entity.transactAll({ order: count.at("2") }, () => ({ order: placed(2) }), { metadata: { userId: "u-8" } })
      assert.deepStrictEqual(metadataOf(yield* readCategory(category.categoryName)), [{ userId: "u-7" }, {
        userId: "u-8"
      }])
    }))
}

const handlers = (it: It) => {
  it.effect("is that of the message which a handler handles, and a redelivered message writes nothing again", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const { category, placed } = yield* newOrder
      const written = yield* newOrder
      const target = `${written.category.categoryName}-1`
      const trigger = category.append("1", {
        ...placed(1),
        metadata: { correlationStreamName: "cart-9", properties: { tenant: "north" }, local: true }
      })
      /** Handles the only message, and appends and decides in consequence of it. */
      const deliver = Effect.gen(function*() {
        const done = yield* Deferred.make<void>()
        const consumer = Consumer.make("follower", { checkpoint: { every: 1 } }).on(category, {
          Placed: Effect.fnUntraced(function*({ recorded }) {
            yield* store.append(target, { id: deriveId("test", recorded.id), type: "Placed", data: { n: 2 } })
            yield* written.count.transact("2", () => written.placed(3), { commandId: recorded.id })
            yield* Deferred.succeed(done, undefined)
          })
        })
        yield* Effect.raceFirst(Consumer.run(consumer), Deferred.await(done))
      })
      yield* trigger
      yield* Effect.provide(deliver, PositionStore.layerStreams)
      yield* Effect.provide(deliver, PositionStore.layerMemory)

      const [message] = yield* readCategory(category.categoryName)
      assert.isDefined(message)
      const follows = {
        correlationStreamName: "cart-9",
        causationMessageStreamName: message.streamName,
        causationMessagePosition: 0,
        causationMessageGlobalPosition: message.globalPosition,
        properties: { tenant: "north" }
      }
      assert.deepStrictEqual(metadataOf(yield* readCategory(written.category.categoryName)), [follows, follows])
      const positions = yield* readStream(`${category.categoryName}:position-follower`)
      assert.isAbove(positions.length, 0)
      assert.isTrue(positions.every(({ metadata }) => metadata === null))
    }))

  it.effect("is in no message that a consumer parks", () =>
    Effect.gen(function*() {
      const { category, placed } = yield* newOrder
      yield* category.append("1", placed(1))
      const consumer = Consumer.make("parking", { onFailure: "park", retry: Schedule.recurs(0) }).on(category, {
        Placed: () => Effect.fail("refused")
      })
      const store = yield* MessageStore
      const wakeUps = yield* store.wakeUps(`${category.categoryName}:parked`)
      const isParked = Effect.gen(function*() {
        while (Option.isNone(yield* store.lastCategoryMessage(`${category.categoryName}:parked`))) {
          yield* wakeUps.awaitAtMost("100 millis")
        }
      })
      yield* quietly(Effect.raceFirst(Consumer.run(consumer), isParked)).pipe(Metadata.with({ userId: "u-7" }))
      assert.deepStrictEqual(metadataOf(yield* readCategory(`${category.categoryName}:parked`)), [null])
    }))
}

export const tests = (it: It) => {
  describe("metadata from the context", () => {
    requests(it)
    handlers(it)
  })
}
