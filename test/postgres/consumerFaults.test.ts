/**
 * A consumer while connections end, the server is killed, handlers are slow or fail, and it is stopped itself.
 */
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import * as Consumer from "eventfold/Consumer"
import { nextId, type RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import * as Database from "../support/Database.ts"
import { Mortal } from "../support/Mortal.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

/** What consumers say of faults that are meant to be is not worth reading. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const run = <E, R>(store: Store.Store, consumer: Consumer.Consumer<E, R>) =>
  Consumer.run(consumer).pipe(Effect.provideService(MessageStore, store), quietly, Effect.forkChild)

const positionOf = (store: Store.Store, category: string) =>
  Effect.gen(function*() {
    const positions = yield* PositionStore.PositionStore
    const found = yield* positions.get({ category, consumerId: "test" })
    return Option.getOrUndefined(found)?.position
  }).pipe(Effect.provideService(MessageStore, store))

/** A consumer of a category that keeps the positions of each stream as it comes to them. */
const following = (category: string) => {
  const seen = new Map<string, Array<number>>()
  const consumer = Consumer.make("test", {
    concurrency: 4,
    batchSize: 50,
    checkpoint: { every: 20 },
    poll: { max: "500 millis" }
  }).on(category, {
    Numbered: ({ position, streamName }) =>
      Effect.sync(() => seen.set(streamName, [...seen.get(streamName) ?? [], position]))
  })
  const count = () => [...seen.values()].reduce((sum, positions) => sum + new Set(positions).size, 0)
  /** It may have gone back, but it never left one out, and its position is that of the last message. */
  const assertComplete = Effect.fnUntraced(function*(store: Store.Store) {
    const recorded = yield* Store.readCategory(store, category)
    const streams = Map.groupBy(recorded, ({ streamName }) => String(streamName))
    assert.deepStrictEqual([...seen.keys()].toSorted(), [...streams.keys()].toSorted())
    for (const [stream, positions] of seen) {
      let highest = -1
      for (const position of positions) {
        assert.isAtMost(position, highest + 1, `${stream} skips: ${positions.join(" ")}`)
        highest = Math.max(highest, position)
      }
      assert.strictEqual(highest, streams.get(stream)?.at(-1)?.position)
    }
    assert.strictEqual(yield* positionOf(store, category), recorded.at(-1)?.globalPosition)
  })
  return { consumer, count, assertComplete }
}

let categories = 0
const newCategory = Effect.sync(() => `faulty${++categories}`)

/** Appends to some streams, message by message and beside one another, until the latch is opened. */
const writing = Effect.fnUntraced(function*(store: Store.Store, streams: ReadonlyArray<string>, stop: Latch.Latch) {
  let isStopping = false
  yield* Effect.forkScoped(Effect.andThen(stop.await, Effect.sync(() => isStopping = true)))
  let written = 0
  const write = (stream: string) =>
    Effect.gen(function*() {
      yield* store.append(stream, Store.numbered(1)).pipe(
        Effect.retry({ while: (error) => error._tag === "StoreError" && error.isRetryable })
      )
      written += 1
    }).pipe(Effect.repeat({ until: () => isStopping }))
  const fiber = yield* Effect.forkChild(Effect.forEach(streams, write, together))
  return { fiber, written: () => written }
})

layer(Database.layer(), { excludeTestServices: true })("a consumer", (it) => {
  it.effect(
    "whose listener, readers and writers lose their connections in turn goes on, and misses nothing",
    () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* SqlClient
        const category = yield* newCategory
        const streams = Store.upTo(6).map((i) => `${category}-${i}`)
        const [reader, writer] = [
          yield* Store.open(url, { applicationName: "reader" }),
          yield* Store.open(url, { applicationName: "writer" })
        ]
        const { assertComplete, consumer, count } = following(category)
        const stop = yield* Latch.make()
        const { fiber: writers, written } = yield* writing(writer, streams, stop)
        const fiber = yield* run(reader, consumer)
        yield* until("it is at work", Effect.sync(() => count() > 20))

        const isLease = sql`EXISTS (SELECT FROM pg_locks AS held
        WHERE held.pid = backend.pid AND locktype = 'advisory' AND objsubid = 2)`
        // From time to time it asks for a sign of life.
        const isListener = sql`query IN ('LISTEN "eventfold"', 'SELECT 1')`
        const kinds = {
          listener: sql`application_name = 'reader' AND ${isListener}`,
          readers: sql`application_name = 'reader' AND NOT ${isListener} AND NOT ${isLease}`,
          writers: sql`application_name = 'writer'`
        }
        for (const _ of Store.upTo(4)) {
          for (const [kind, condition] of Object.entries(kinds)) {
            yield* until(
              `the ${kind} are terminated`,
              Effect.map(
                sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity AS backend
                WHERE datname = current_database() AND ${condition}`,
                (rows) => rows.length > 0
              )
            )
            const before = count()
            yield* until("it goes on", Effect.sync(() => count() > before + 20))
          }
        }
        yield* stop.open
        yield* within("for the writers")(Fiber.join(writers))
        const { length } = yield* Store.readCategory(reader, category)
        assert.isAtLeast(length, written())
        yield* until("it has seen all", Effect.sync(() => count() === length))
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
        yield* assertComplete(reader)
      })
  )

  it.effect("with a slow stream and a poisoned one lets the others flow, and keeps its position before the slow one", () =>
    Effect.gen(function*() {
      const store = yield* Store.open((yield* Database.Database).url)
      const category = yield* newCategory
      const gate = yield* Latch.make()
      const healthy = yield* Deferred.make<void>()
      const seen: Array<RecordedMessage> = []
      const consumer = Consumer.make("test", {
        concurrency: 3,
        checkpoint: { every: 10 },
        retry: Schedule.recurs(2),
        onFailure: "skip"
      }).on(category, {
        Numbered: Effect.fnUntraced(function*(message: RecordedMessage) {
          if (message.streamName === `${category}-slow`) yield* gate.await
          if (message.streamName === `${category}-poison` && Number(message.data) % 2 === 1) {
            return yield* Effect.fail("poison")
          }
          seen.push(message)
          if (of("healthy").length === 300) yield* Deferred.succeed(healthy, undefined)
        })
      })
      const of = (id: string) => seen.filter(({ streamName }) => streamName === `${category}-${id}`)
      yield* store.append(`${category}-poison`, Store.numbered(4))
      const { globalPosition: before } = yield* store.append(`${category}-healthy`, Store.numbered(1))
      yield* store.append(`${category}-slow`, Store.numbered(5))
      yield* store.append(`${category}-poison`, Store.numbered(4, 4))
      yield* store.append(`${category}-healthy`, Store.numbered(299, 1))
      const fiber = yield* run(store, consumer)
      yield* within("for the healthy stream")(Deferred.await(healthy))
      assert.deepStrictEqual(Store.dataOf(of("healthy")), Store.upTo(300))
      assert.lengthOf(of("slow"), 0)
      yield* until(
        "the position is there",
        Effect.map(positionOf(store, category), (position) => position === before)
      )
      yield* gate.open
      const last = (yield* Store.readCategory(store, category)).at(-1)?.globalPosition
      yield* until("the position is that of the last", Effect.map(positionOf(store, category), (at) => at === last))
      assert.deepStrictEqual(Store.dataOf(of("poison")), [0, 2, 4, 6])
      assert.deepStrictEqual(Store.dataOf(of("slow")), Store.upTo(5))
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("that is stopped with work in hand lets it come to its end, and then writes its position", () =>
    Effect.gen(function*() {
      const store = yield* Store.open((yield* Database.Database).url)
      const category = yield* newCategory
      const started = yield* Latch.make()
      const gate = yield* Latch.make()
      const ended: Array<unknown> = []
      const interrupted: Array<unknown> = []
      let begun = 0
      const consumer = (grace: "1 hour" | "200 millis") =>
        Consumer.make("test", { concurrency: 4, grace }).on(category, {
          Numbered: ({ data }) =>
            Effect.suspend(() => {
              begun += 1
              return begun === 4 ? started.open : Effect.void
            }).pipe(
              Effect.andThen(gate.await),
              Effect.andThen(Effect.sync(() => ended.push(data))),
              Effect.onInterrupt(() => Effect.sync(() => interrupted.push(data)))
            )
        })
      yield* Effect.forEach(
        Store.upTo(12),
        (i) => store.append(`${category}-${i % 4}`, Store.numbered(1, i))
      )
      const globalPositions = (yield* Store.readCategory(store, category)).map(({ globalPosition }) => globalPosition)

      const first = yield* run(store, consumer("1 hour"))
      yield* started.await
      const stopping = yield* Effect.forkChild(Fiber.interrupt(first))
      yield* Effect.forEach(Store.upTo(20), () => store.streamVersion(`${category}-0`))
      assert.isUndefined(stopping.pollUnsafe())
      yield* gate.open
      yield* within("for its end")(Fiber.join(stopping))
      assert.deepStrictEqual([ended.toSorted(), interrupted, begun], [[0, 1, 2, 3], [], 4])
      assert.strictEqual(yield* positionOf(store, category), globalPositions[3])

      yield* gate.close
      yield* started.close
      begun = 0
      const second = yield* run(store, consumer("200 millis"))
      yield* started.await
      yield* within("for its end")(Fiber.interrupt(second))
      assert.deepStrictEqual([interrupted.toSorted(), begun], [[4, 5, 6, 7], 4])
      assert.strictEqual(yield* positionOf(store, category), globalPositions[3])
    }))
})

layer(Mortal.layer, { excludeTestServices: true })("a server that dies under a consumer", (it) => {
  it.effect(
    "and comes back, at once and after a while: it goes on by itself, and nothing is lost",
    () =>
      Effect.gen(function*() {
        const server = yield* Mortal
        const impatient = { retry: Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(5)]) }
        const [reader, writer] = [
          yield* Store.open(server.database, impatient),
          yield* Store.open(server.database, impatient)
        ]
        const streams = Store.upTo(6).map((i) => `mortal-${i}`)
        const { assertComplete, consumer, count } = following("mortal")
        const fiber = yield* run(reader, consumer)
        let failures = 0
        const append = (stream: string, i: number) =>
          Effect.flatMap(nextId, (id) =>
            writer.append(stream, { id, type: "Numbered", data: i }).pipe(
              Effect.tapError(() => Effect.sync(() => failures += 1)),
              Effect.retry({
                schedule: Schedule.spaced("50 millis"),
                while: (error) => error._tag === "StoreError" && error.isRetryable
              })
            ))
        const write = Effect.forEach(
          streams,
          (stream) => Effect.forEach(Store.upTo(40), (i) => append(stream, i)),
          together
        )
        for (const round of [0, 1, 2]) {
          const writers = yield* Effect.forkChild(write)
          yield* until("it is at work", Effect.sync(() => count() > round * 240 + 30))
          yield* server.kill
          if (round === 2) {
            yield* until("the writers' store gives up", Effect.sync(() => failures > 0))
          }
          yield* server.restart
          yield* within("for the writers")(Fiber.join(writers))
          yield* until("it has seen all", Effect.sync(() => count() === (round + 1) * 240))
        }
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
        yield* assertComplete(reader)
      })
  )
})
