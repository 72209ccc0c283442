/**
 * eventfold on a stock Message DB: the conformance suite, without what the functions of Message DB can't do.
 */
import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Consumer from "eventfold/Consumer"
import { nextId } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import { Unsupported } from "eventfold/StoreError"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Role from "../support/Role.ts"
import * as Store from "../support/Store.ts"

const stockStore = (server: Database.Server, options: Postgres.StoreOptions) =>
  Layer.unwrap(
    Effect.map(MessageDb.makeDatabase({ server }), ({ url }) => Postgres.layer({ url: Redacted.make(url), ...options }))
  )

// On the older server where there is one, because the suite beside it runs on the newer one.
const older = inject("postgres").at(-1) ?? inject("postgres")[0]

MessageStoreSuite.suite(`stock Message DB on ${older.name}`, stockStore(older, {}), {
  unsupported: ["backwards", "largeGroups", "positions", "streams"]
})

MessageStoreSuite.suite(
  "stock Message DB with the eventfold schema beside it",
  stockStore(inject("postgres")[0], { install: true }),
  { unsupported: ["largeGroups"], about: "store" }
)

class Stock extends Context.Service<Stock, { readonly url: string }>()("@eventfold/test/Stock") {
  static readonly layer = Layer.unwrap(
    Effect.map(
      MessageDb.makeDatabase(),
      ({ url }) => Layer.merge(Layer.succeed(Stock, { url }), Database.client(url))
    )
  )
}

layer(Stock.layer, { excludeTestServices: true })("a stock Message DB", (it) => {
  it.effect("a refusal of what it can't do names the command that adds it", () =>
    Effect.gen(function*() {
      const { url } = yield* Stock
      const store = yield* Store.open(url)
      const error = yield* Effect.flip(Stream.runDrain(store.readStream("stock-1", { direction: "backwards" })))
      assert(error instanceof Unsupported)
      assert.include(error.message, "reading backwards")
      assert.include(error.message, "npx @eventfold/cli install")
    }))

  it.effect("an append of any size is one round trip, and a page of messages is one", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.start((yield* Stock).url)
      const store = yield* Store.open(proxy.url, { maxConnections: 1 })
      const costs: Array<number> = []
      const calls = [
        store.append("costs-1", Store.numbered(1)),
        store.append("costs-1", Store.numbered(500), { expectedVersion: 0 }),
        store.append("costs-1", Store.numbered(3), { expectedVersion: "exists" }),
        Effect.flip(store.append("costs-1", Store.numbered(3), { expectedVersion: "noStream" })),
        Store.readStream(store, "costs-1"),
        Store.readCategory(store, "costs"),
        store.streamVersion("costs-1"),
        store.lastMessage("costs-1"),
        store.findMessage("costs-1", yield* nextId),
        store.lastCategoryMessage("costs"),
        store.countCategory("costs", { correlation: "other", consumerGroup: { member: 0, size: 2 } })
      ]
      for (const call of calls) {
        const before = yield* proxy.roundTrips
        yield* call
        costs.push((yield* proxy.roundTrips) - before)
      }
      // Before it refuses, the store looks whether the messages are recorded already, which is a success.
      assert.deepStrictEqual(costs, [1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1])
    }))

  it.effect("works for any role with message_store, whatever its search path", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const role = yield* Role.make()
      yield* sql.unsafe(`GRANT message_store TO ${role.name}`)
      yield* sql.unsafe(`ALTER ROLE ${role.name} SET search_path = public`)
      const store = yield* Store.open(role.url((yield* Stock).url))
      assert.strictEqual((yield* store.append("granted-1", Store.numbered(2))).version, 1)
      const last = Option.getOrThrow(yield* store.lastMessage("granted-1"))
      assert.deepStrictEqual(yield* store.findMessage("granted-1", last.id), Option.some(last))
      assert.deepStrictEqual(yield* store.lastCategoryMessage("granted"), Option.some(last))
      assert.strictEqual(yield* store.countCategory("granted", { consumerGroup: { member: 0, size: 1 } }), 2)
      assert.isTrue(Option.isSome(yield* store.lease("granted")))
      assert.strictEqual((yield* Store.readStream(store, "granted-1")).length, 2)
      assert.strictEqual((yield* Store.readCategory(store, "granted")).length, 2)
      assert.deepStrictEqual(yield* store.streamVersion("granted-1"), Option.some(1))
    }))

  it.effect("its own functions and eventfold write to one stream in turn", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const store = yield* Store.open((yield* Stock).url)
      for (const i of Store.upTo(5)) {
        yield* sql.withTransaction(Effect.andThen(
          sql`SELECT set_config('search_path', 'message_store, public', true)`,
          sql`SELECT write_message(gen_random_uuid()::text, 'shared-1', 'Numbered', ${String(2 * i)}::jsonb)`
        ))
        yield* store.append("shared-1", Store.numbered(1, 2 * i + 1), { expectedVersion: 2 * i })
      }
      const messages = yield* Store.readStream(store, "shared-1")
      assert.deepStrictEqual(Store.positions(messages), Store.upTo(10))
      assert.deepStrictEqual(Store.dataOf(messages), Store.upTo(10))
    }))

  it.effect("a consumer continues in a row when our schema is added, and in its stream when it is removed", () =>
    Effect.gen(function*() {
      const { name, url } = yield* MessageDb.makeDatabase()
      const seen: Array<unknown> = []
      const consumer = Consumer.make("test").on("moved", { Numbered: ({ data }) => Effect.sync(() => seen.push(data)) })
      const onStore = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.scoped(
          Effect.flatMap(Store.open(url), (store) => Effect.provideService(effect, MessageStore, store))
        )
      const handles = (...numbers: Array<number>) =>
        Effect.gen(function*() {
          const store = yield* MessageStore
          const { globalPosition } = yield* store.append("moved-1", Store.numbered(numbers.length, numbers[0]))
          const running = yield* Consumer.start(consumer)
          yield* running.waitFor(globalPosition)
          assert.deepStrictEqual(seen.splice(0), numbers)
          return globalPosition
        }).pipe(Effect.scoped)
      const stream = Effect.flatMap(
        MessageStore,
        (store) => Effect.map(Store.readStream(store, "moved:position-test"), Store.dataOf)
      )

      const first = yield* onStore(handles(0, 1, 2))
      assert.deepStrictEqual(yield* onStore(stream), [{ position: first }])
      yield* Effect.provide(Postgres.install(), Database.client(url), { local: true })
      const second = yield* onStore(handles(3, 4))
      assert.deepStrictEqual(yield* onStore(stream), [{ position: first }])
      yield* onStore(Effect.provide(Consumer.takeOver(consumer), PositionStore.layerStreams))
      assert.deepStrictEqual(yield* onStore(stream), [{ position: first }, { position: second }])
      yield* Effect.provide(Postgres.uninstall({ database: name }), Database.client(url), { local: true })
      yield* onStore(handles(5))
    }))

  it.effect("the way back: its functions replace ours, our schema is gone, and the messages are still there", () =>
    Effect.gen(function*() {
      const { name, url } = yield* Database.make()
      yield* Effect.scoped(Effect.flatMap(Store.open(url), (store) => store.append("back-1", Store.numbered(3))))
      yield* Effect.provide(
        Effect.andThen(MessageDb.installFunctions("1.3.0"), Postgres.uninstall({ database: name })),
        Database.client(url)
      )
      const store = yield* Store.open(url)
      const backwards = Stream.runDrain(store.readStream("back-1", { direction: "backwards" }))
      assert.instanceOf(yield* Effect.flip(backwards), Unsupported)
      assert.strictEqual((yield* store.append("back-1", Store.numbered(1, 3), { expectedVersion: 2 })).version, 3)
      assert.deepStrictEqual(Store.dataOf(yield* Store.readCategory(store, "back")), Store.upTo(4))
    }))
})
