import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { nextId } from "eventfold/Message"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

/** A store whose round trips are counted where nothing can hide: on the wire. */
class Counted extends Context.Service<Counted, {
  readonly store: Store.Store
  readonly roundTrips: Effect.Effect<number>
}>()("@eventfold/test/Counted") {}

const countedStore = Layer.effect(
  Counted,
  Effect.gen(function*() {
    const { url } = yield* Database.Database
    const proxy = yield* Proxy.start(url)
    return { store: yield* Store.openWarm(proxy.url, 4), roundTrips: proxy.roundTrips }
  })
)

const together = { concurrency: "unbounded" } as const

/** How many round trips the effect takes. */
const costOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { roundTrips } = yield* Counted
    const before = yield* roundTrips
    yield* effect
    return (yield* roundTrips) - before
  })

layer(Layer.provideMerge(countedStore, Database.layer()), { excludeTestServices: true })("round trips", (it) => {
  const store = Effect.map(Counted, (counted) => counted.store)

  it.effect("the counting counts: a statement on a fresh connection, and one on a used one", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const proxy = yield* Proxy.start(url)
      const sql = yield* Database.session(proxy.url)
      for (const count of [1, 2, 3]) {
        yield* sql`SELECT ${count}::int`
        assert.strictEqual(yield* proxy.roundTrips, count)
      }
      yield* sql.withTransaction(sql`SELECT repeat('x', 1000000)`)
      assert.strictEqual(yield* proxy.roundTrips, 6)
    }))

  it.effect("an append is 1, of one message or a thousand, with any expected version, refused or repeated", () =>
    Effect.gen(function*() {
      const { append, writeAll } = yield* store
      const message = { id: yield* nextId, type: "A", data: 1 }
      assert.strictEqual(yield* costOf(append("one-1", message)), 1)
      assert.strictEqual(yield* costOf(append("one-1", Store.numbered(1), { expectedVersion: 0 })), 1)
      assert.strictEqual(yield* costOf(append("one-1", Store.numbered(1_000))), 1)
      assert.strictEqual(yield* costOf(Effect.flip(append("one-1", Store.numbered(1), { expectedVersion: 5 }))), 1)
      // Sent again with the version that it expected.
      assert.strictEqual(yield* costOf(append("one-1", message, { expectedVersion: "noStream" })), 1)
      assert.strictEqual(
        yield* costOf(writeAll([
          { streamName: "one-2", messages: Store.numbered(10) },
          { streamName: "two-2", messages: Store.numbered(10), expectedVersion: "noStream" }
        ])),
        1
      )
    }))

  it.effect("in a transaction of the caller, an append or several are 3: a savepoint, the append, its release", () =>
    Effect.gen(function*() {
      const { append, transaction, writeAll } = yield* store
      const [begin, commit] = [1, 1]
      assert.strictEqual(yield* costOf(transaction(Effect.void)), begin + commit)
      assert.strictEqual(yield* costOf(transaction(append("in-1", Store.numbered(1)))), begin + 3 + commit)
      assert.strictEqual(yield* costOf(transaction(append("in-1", Store.numbered(1_000)))), begin + 3 + commit)
      const refused = Effect.flip(append("in-1", Store.numbered(1), { expectedVersion: 5 }))
      assert.strictEqual(yield* costOf(transaction(refused)), begin + 3 + commit)
      const both = writeAll([
        { streamName: "in-2", messages: Store.numbered(10) },
        { streamName: "two-in-2", messages: Store.numbered(10), expectedVersion: "noStream" }
      ])
      assert.strictEqual(yield* costOf(transaction(both)), begin + 3 + commit)
    }))

  it.effect("64 concurrent appends to a category are 1 group, or 2 when one is under way, also when some are refused", () =>
    Effect.gen(function*() {
      const { roundTrips, store: { append } } = yield* Counted
      const all = Effect.forEach(
        Store.upTo(64),
        (i) => Effect.result(append(`group-${i}`, Store.numbered(1), { expectedVersion: i % 8 === 5 ? 999 : "any" })),
        together
      )
      assert.strictEqual(yield* costOf(all), 1)

      // The first waits for the category's lock, so that the others come while it is under way.
      const sql = yield* SqlClient
      const other = yield* Database.session((yield* Database.Database).url)
      yield* other`BEGIN`
      yield* other`SELECT message_store.acquire_lock('group-1')`
      const before = yield* roundTrips
      const first = yield* Effect.forkChild(append("group-first", Store.numbered(1)))
      const waiting = sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
      yield* until("the first waits for the lock", Effect.map(waiting, (rows) => rows.length > 0))
      const rest = yield* Effect.forkChild(all)
      yield* other`COMMIT`
      yield* Fiber.join(first)
      assert.lengthOf((yield* Fiber.join(rest)).filter(Result.isFailure), 8)
      assert.strictEqual((yield* roundTrips) - before, 2)
    }))

  it.effect("reading a stream of a thousand, or what is new in a category, is 1", () =>
    Effect.gen(function*() {
      const opened = yield* store
      yield* opened.append("read-1", Store.numbered(1_000))
      assert.strictEqual(yield* costOf(Store.readStream(opened, "read-1")), 1)
      assert.strictEqual(yield* costOf(Store.readCategory(opened, "read")), 1)
      const [last] = yield* Stream.runCollect(opened.readStream("read-1", { direction: "backwards", limit: 1 }))
      const from = (last?.globalPosition ?? 0) + 1
      const poll = Stream.runCollect(opened.readCategory("read", { from }))
      assert.strictEqual(yield* costOf(poll), 1)
      assert.deepStrictEqual(yield* poll, [])
      yield* opened.append("read-2", Store.numbered(1_000))
      assert.strictEqual(yield* costOf(poll), 1)
      assert.lengthOf(yield* poll, 1_000)
      assert.strictEqual(yield* costOf(Stream.runDrain(opened.readStream("read-1", { limit: 0 }))), 0)
      assert.strictEqual(yield* costOf(Stream.runDrain(opened.readStream("read-1", { batchSize: 400 }))), 3)
    }))

  it.effect("pages that are read in the same moment are 1 together, if they are the same", () =>
    Effect.gen(function*() {
      const { append, readAllPage, readCategoryPage } = yield* store
      const { globalPosition } = yield* append("moment-1", Store.numbered(3))
      const from = globalPosition - 1
      const times = <A, E>(count: number, page: Effect.Effect<A, E>) =>
        Effect.all(Array.from({ length: count }, () => page), together)
      assert.strictEqual(yield* costOf(readCategoryPage("moment", { from })), 1)
      assert.strictEqual(yield* costOf(times(20, readCategoryPage("moment", { from }))), 1)
      assert.strictEqual(yield* costOf(times(20, readAllPage({ from }))), 1)
      assert.strictEqual(
        yield* costOf(
          Effect.all([readCategoryPage("moment", { from }), readCategoryPage("moment", { from: 1 })], together)
        ),
        2
      )
    }))

  it.effect("a page of everything is 1, with filters or without, past gaps and beside writers, and 1 when nothing is new", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const { append, readAll, readAllPage } = yield* store
      const { globalPosition } = yield* append("all-1", Store.numbered(1))
      const from = globalPosition + 1
      const write = Effect.andThen(append("all-1", Store.numbered(999)), append("other-1", Store.numbered(1)))
      const read = Effect.map(Stream.runCollect(readAll({ from })), (messages) => messages.length)
      assert.strictEqual(yield* costOf(read), 1)
      yield* write
      assert.strictEqual(yield* costOf(read), 1)
      const filters = [{ categories: ["all", "other"] }, { types: ["Numbered"] }, {
        categories: ["none"],
        types: ["A"]
      }]
      for (const filter of filters) assert.strictEqual(yield* costOf(readAllPage({ ...filter, from })), 1)

      // A number that is never used, and then one whose writer is still at it.
      yield* sql`SELECT nextval('message_store.messages_global_position_seq')`
      yield* append("all-1", Store.numbered(1))
      const writer = yield* Database.session((yield* Database.Database).url)
      yield* writer`BEGIN`
      yield* writer`SELECT nextval('message_store.messages_global_position_seq')`
      assert.strictEqual(yield* costOf(readAllPage({ from, limit: 1_000 })), 1)
      assert.strictEqual(yield* costOf(Stream.runDrain(readAll({ from, limit: 1_000, batchSize: 300 }))), 4)
      yield* writer`ROLLBACK`
      assert.strictEqual(yield* costOf(read), 1)
      assert.strictEqual(yield* read, 1_001)
      const { through } = yield* readAllPage({ from })
      for (const filter of [{}, ...filters]) {
        assert.strictEqual(yield* costOf(readAllPage({ ...filter, from: through + 1 })), 1)
      }
    }))

  it.effect("locks are looked at for a gap that may still be filled, and for nothing else", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const { append } = yield* store
      const { globalPosition: first } = yield* append("locks-1", Store.numbered(1))
      yield* append("locks-1", Store.numbered(9))
      yield* sql`SELECT nextval('message_store.messages_global_position_seq')`
      const { globalPosition: last } = yield* append("locks-1", Store.numbered(10))
      const looks = (limit: number, categories: ReadonlyArray<string> | null, final: number) =>
        Effect.map(
          sql<{ readonly data: string }>`SELECT data FROM eventfold.read_all(
            ${BigInt(first)}, ${BigInt(limit)}, ${categories}::varchar[], NULL, ${BigInt(final)}
          ) WHERE id IS NULL`,
          ([row]) => JSON.parse(row?.data ?? "null").writers
        )
      assert.deepStrictEqual(yield* looks(20, null, 0), [])
      assert.isNull(yield* looks(10, null, 0))
      assert.deepStrictEqual(yield* looks(10, ["locks"], 0), [])
      assert.isNull(yield* looks(20, null, last))
      assert.isNull(yield* looks(20, ["locks"], last))
    }))

  it.effect("lastMessage, findMessage, messageAt, streamVersion, lastCategoryMessage and countCategory are 1", () =>
    Effect.gen(function*() {
      const {
        append,
        countCategory,
        findMessage,
        heldBack,
        lastCategoryMessage,
        lastMessage,
        messageAt,
        streamVersion
      } = yield* store
      const id = yield* nextId
      yield* append("last-1", [...Store.numbered(3), { id, type: "A", data: 3 }, ...Store.numbered(2_000)])
      assert.strictEqual(yield* costOf(findMessage("last-1", id)), 1)
      assert.strictEqual(yield* costOf(findMessage("last-2", id)), 1)
      assert.strictEqual(yield* costOf(lastMessage("last-1")), 1)
      assert.strictEqual(yield* costOf(lastMessage("last-1", { type: "Other" })), 1)
      assert.strictEqual(yield* costOf(streamVersion("last-1")), 1)
      assert.strictEqual(yield* costOf(lastCategoryMessage("last")), 1)
      assert.strictEqual(yield* costOf(lastCategoryMessage("none")), 1)
      assert.strictEqual(yield* costOf(countCategory("last")), 1)
      assert.strictEqual(yield* costOf(messageAt(1)), 1)
      assert.strictEqual(yield* costOf(heldBack()), 1)
    }))

  it.effect("a reader of 100,000 messages that stalls has read 2 pages", () =>
    Effect.gen(function*() {
      const { roundTrips, store } = yield* Counted
      const sql = yield* SqlClient
      yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data)
        SELECT 'long-1', i, 'Numbered', to_jsonb(i) FROM generate_series(0, 99999) AS i`
      const [first] = yield* Stream.runCollect(store.readCategory("long", { limit: 1 }))
      const reads: ReadonlyArray<Stream.Stream<unknown, unknown>> = [
        store.readStream("long-1"),
        store.readCategory("long"),
        store.readAll({ from: first?.globalPosition, categories: ["long"] })
      ]
      for (const stream of reads) {
        const before = yield* roundTrips
        const stalled = yield* Latch.make()
        const first = yield* Latch.make()
        const reader = yield* Effect.forkChild(
          Stream.runForEachArray(stream, () => Effect.andThen(first.open, stalled.await)),
          { startImmediately: true }
        )
        yield* first.await
        yield* until("the next page is there", Effect.map(roundTrips, (now) => now - before >= 2))
        // Time in which a reader that does not stop would read on.
        for (const _ of Store.upTo(50)) yield* store.streamVersion("none-1")
        assert.strictEqual((yield* roundTrips) - before - 50, 2)
        assert.isUndefined(reader.pollUnsafe())
        yield* stalled.open
        yield* until("it has read on", Effect.map(roundTrips, (now) => now - before - 50 === 98))
      }
      assert.deepStrictEqual(yield* store.streamVersion("long-1"), Option.some(99_999))
    }))
})
