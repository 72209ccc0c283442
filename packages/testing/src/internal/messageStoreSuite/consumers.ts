import { assert, describe } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import type { RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import * as StreamName from "eventfold/StreamName"
import { dataOf, type It, newCategory, numbered, positions, readCategory, readStream, upTo } from "./fixtures.ts"

const together = { concurrency: "unbounded" } as const

class Refused extends Schema.TaggedError<Refused>()("Refused", { data: Schema.Json }) {}

/** Without the log of consumers that are meant to fail. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** Runs a consumer beside the test. Its error surfaces only where the fiber is joined. */
const run = <E, R>(consumer: Consumer.Consumer<E, R>) => Effect.forkChild(Consumer.run(consumer))

/** A consumer that puts the messages that it handles into a queue. */
const collecting = Effect.fnUntraced(function*(category: string, options: Consumer.Options & { id?: string } = {}) {
  const seen = yield* Queue.unbounded<RecordedMessage>()
  const consumer = Consumer.make(options.id ?? "test", { ...options }).on(category, {
    Numbered: (message) => Queue.offer(seen, message)
  })
  const take = (count: number) => Effect.map(Queue.takeN(seen, count), dataOf)
  return { consumer, seen, take }
})

/** Runs a consumer until it has handled this many messages. */
const first = Effect.fnUntraced(function*(count: number, category: string, options?: Consumer.Options) {
  const { consumer, take } = yield* collecting(category, options)
  const fiber = yield* run(consumer)
  const taken = yield* take(count)
  yield* Fiber.interrupt(fiber)
  return taken
})

const position = (category: string, key: Partial<PositionStore.Key> = {}) =>
  Effect.gen(function*() {
    const positions = yield* PositionStore.PositionStore
    return yield* positions.get({ category, consumerId: "test", ...key })
  })

const following = (it: It) => {
  it.effect("catch up page by page, then follow, and resume where they stopped", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const { consumer, seen, take } = yield* collecting(category, { batchSize: 2 })
      yield* store.append(`${category}-1`, numbered(3))
      yield* store.append(`${category}-2`, [{ type: "Other", data: "without a handler" }, ...numbered(2, 3)])
      const fiber = yield* run(consumer)
      assert.deepStrictEqual(yield* take(5), upTo(5))
      for (const i of upTo(10)) {
        yield* store.append(`${category}-${i}`, numbered(1, 5 + i))
        assert.deepStrictEqual(yield* take(1), [5 + i])
      }
      yield* Fiber.interrupt(fiber)
      yield* store.append(`${category}-1`, numbered(3, 15))
      const again = yield* run(consumer)
      assert.deepStrictEqual(yield* take(3), [15, 16, 17])
      yield* Fiber.interrupt(again)
      assert.strictEqual(yield* Queue.size(seen), 0)
    }))

  it.effect("decode the events of a category, and skip those without a handler", () =>
    Effect.gen(function*() {
      const Account = Category.make(yield* newCategory, {
        Opened: { at: Schema.DateTimeUtc },
        Deposited: { amount: Schema.BigInt }
      })
      const seen = yield* Queue.unbounded<bigint>()
      yield* Account.append("1", [
        Account.events.Opened({ at: DateTime.makeUnsafe(0) }),
        Account.events.Deposited({ amount: 2n ** 70n })
      ])
      const fiber = yield* run(
        Consumer.make("test").on(Account, { Deposited: ({ data }) => Queue.offer(seen, data.amount) })
      )
      assert.strictEqual(yield* Queue.take(seen), 2n ** 70n)
      yield* Fiber.interrupt(fiber)
    }))
}

const starting = (it: It) => {
  it.effect("start at the end, at a position or at a time, and afterwards resume at their own position", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const stream = `${category}-1`
      yield* store.append(stream, numbered(1))
      const [one] = yield* readStream(stream)
      let count = 1
      // Messages of the same millisecond have the same time.
      let last = one
      const isOfOneTime = () => last?.time.epochMilliseconds === one?.time.epochMilliseconds
      while (isOfOneTime()) {
        yield* store.append(stream, numbered(1, count++))
        last = (yield* readStream(stream)).at(-1)
      }
      assert(last !== undefined)

      assert.deepStrictEqual(yield* first(1, category, { start: { time: last.time } }), [last.data])
      const later = yield* collecting(category, { id: "later", start: { position: last.globalPosition } })
      const rest = yield* run(later.consumer)
      assert.deepStrictEqual(yield* later.take(1), [last.data])
      yield* Fiber.interrupt(rest)

      const end = yield* collecting(category, { id: "end", start: "end" })
      const begun = yield* run(end.consumer)
      // The start is stored before the first message is read.
      yield* position(category, { consumerId: "end" }).pipe(
        Effect.repeat({ until: Option.isSome, schedule: Schedule.spaced("5 millis") })
      )
      yield* store.append(stream, numbered(1, count))
      assert.deepStrictEqual(yield* end.take(1), [count])
      yield* Fiber.interrupt(begun)
      yield* store.append(stream, numbered(1, count + 1))
      const again = yield* run(end.consumer)
      assert.deepStrictEqual(yield* end.take(1), [count + 1])
      yield* Fiber.interrupt(again)
    }))
}

const filtering = (it: It) => {
  it.effect("handle only answers to one category, by their correlation", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const { consumer, take } = yield* collecting(category, { correlation: `${category}Asking` })
      const answer = (data: number, to: string) =>
        store.append(`${category}-1`, { type: "Numbered", data, metadata: { correlationStreamName: `${to}-1` } })
      yield* answer(0, `${category}Asking`)
      yield* answer(1, `${category}Other`)
      yield* store.append(`${category}-1`, numbered(1, 2))
      const fiber = yield* run(consumer)
      assert.deepStrictEqual(yield* take(1), [0])
      yield* answer(3, `${category}Other`)
      yield* answer(4, `${category}Asking`)
      assert.deepStrictEqual(yield* take(1), [4])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("of a category with types get its messages, and not those of the category without", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      yield* store.append(`${category}-1`, numbered(1, 10))
      yield* store.append(`${category}:command-1`, numbered(1, 20))
      yield* store.append(`${category}:command+urgent-1`, numbered(1, 30))
      yield* store.append(`${category}:command-2`, numbered(1, 21))
      assert.deepStrictEqual(yield* first(2, `${category}:command`), [20, 21])
      assert.deepStrictEqual(yield* first(1, category), [10])
      const [last] = yield* readStream(`${category}:command-2`)
      assert.deepStrictEqual(
        yield* position(`${category}:command`),
        Option.some({ position: last?.globalPosition ?? 0 })
      )
    }))
}

const reading = (it: It) => {
  following(it)
  starting(it)
  filtering(it)
}

const ordering = (it: It) =>
  it.effect.each([1, 4, 32])(
    "keep the order of each stream with %i streams in flight while writers race, and lose or skip no message",
    (concurrency) =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const total = 8 * 30
        const seen: Array<RecordedMessage> = []
        const active = new Set<string>()
        let most = 0
        const done = yield* Deferred.make<void>()
        const consumer = Consumer.make("test", { concurrency, batchSize: 7, checkpoint: { every: 20 } }).on(category, {
          Numbered: Effect.fnUntraced(function*(message: RecordedMessage) {
            const { streamName } = message
            assert.isFalse(active.has(streamName), "one message of a stream at a time")
            active.add(streamName)
            most = Math.max(most, active.size)
            yield* Effect.sleep(message.globalPosition % 3)
            active.delete(streamName)
            seen.push(message)
            if (seen.length === total) yield* Deferred.succeed(done, undefined)
          })
        })
        const fiber = yield* run(consumer)
        yield* Effect.forEach(upTo(8), (writer) =>
          Effect.forEach(
            upTo(30),
            (i) => store.append(`${category}-${(writer + i) % 6}`, { type: "Numbered", data: writer })
          ), together)
        yield* Deferred.await(done)
        yield* Fiber.interrupt(fiber)
        for (const stream of upTo(6)) {
          const name = `${category}-${stream}`
          const own = positions(seen.filter(({ streamName }) => streamName === name))
          assert.deepStrictEqual(own, positions(yield* readStream(name)))
        }
        assert.isAtMost(most, concurrency)
        if (concurrency > 1) assert.isAbove(most, 1)
        const last = (yield* readCategory(category)).at(-1)?.globalPosition
        assert.deepStrictEqual(yield* position(category), Option.some({ position: last ?? 0 }))
      })
  )

const groups = (it: It) => {
  it.effect("in a group share the messages: each is handled by one member, several of them in one process", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const streams = upTo(24).map((i) => `${category}-${i}+part`)
      const write = (data: number) =>
        Effect.forEach(streams, (stream) => store.append(stream, { type: "Numbered", data }))
      yield* write(0)
      // Without a cardinal id, so no member's.
      yield* store.append(category, numbered(1, 100))
      const members = [[0, 2], [1]] as const
      const parts = yield* Effect.forEach(
        members,
        (members) => collecting(category, { group: { size: 3, members }, concurrency: 4 })
      )
      const mine = (part: number) =>
        streams.filter((stream) =>
          Option.exists(StreamName.groupMember(stream, 3), (member) => part === 0 ? member !== 1 : member === 1)
        )
      const taken = Effect.forEach(
        parts,
        ({ seen }, part) =>
          Effect.map(Queue.takeN(seen, mine(part).length), (messages) =>
            assert.deepStrictEqual(
              messages.map(({ streamName }) => String(streamName)).toSorted(),
              mine(part).toSorted()
            ))
      )
      const fibers = yield* Effect.forEach(parts, ({ consumer }) => run(consumer))
      yield* taken
      yield* write(1)
      yield* taken
      yield* Fiber.interruptAll(fibers)
      yield* write(2)
      const again = yield* Effect.forEach(parts, ({ consumer }) => run(consumer))
      yield* taken
      yield* Fiber.interruptAll(again)
      for (const { seen } of parts) assert.strictEqual(yield* Queue.size(seen), 0)
      for (const member of upTo(3)) {
        const own = (yield* readCategory(category)).filter(({ streamName }) =>
          Option.contains(StreamName.groupMember(streamName, 3), member)
        )
        assert.isAbove(own.length, 0)
        assert.deepStrictEqual(
          yield* position(category, { member }),
          Option.some({ position: own.at(-1)?.globalPosition ?? 0, groupSize: 3 })
        )
      }
    }))

  it.effect("of a group refuse another size than the one that has positions", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      yield* Effect.forEach(upTo(12), (i) => store.append(`${category}-${i}`, numbered(1, i)))
      yield* first(12, category, { group: { size: 2, members: [0, 1] } })
      for (const members of [[0], [1], [2], [0, 1, 2]]) {
        const { consumer } = yield* collecting(category, { group: { size: 3, members } })
        const error = yield* Effect.flip(Consumer.run(consumer))
        assert(error instanceof Consumer.GroupSizeChanged)
        assert.deepStrictEqual([error.recorded, error.given], [2, 3])
      }
    }))
}

const eventide = (it: It) => {
  it.effect("write their positions as Eventide's consumers do, with the layer of streams", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const { globalPosition } = yield* store.append(`${category}-1`, numbered(3))
      yield* first(3, category)
      const recorded = yield* readStream(`${category}:position-test`)
      assert.deepStrictEqual(
        recorded.map(({ data, type }) => ({ data, type })),
        [{ type: "Recorded", data: { position: globalPosition } }]
      )
      const members = { size: 1, members: [0] }
      yield* first(3, category, { group: members })
      assert.deepStrictEqual(
        dataOf(yield* readStream(`${category}:position-test+0`)),
        [{ position: globalPosition, groupSize: 1 }]
      )
    }).pipe(Effect.provide(PositionStore.layerStreams)))

  it.effect("resume from a position that a consumer in Ruby has written", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const { globalPosition } = yield* store.append(`${category}-1`, numbered(3))
      yield* store.append(`${category}-1`, numbered(2, 3))
      yield* store.append(`${category}:position-test`, [
        { type: "Recorded", data: { position: 1 } },
        {
          type: "Recorded",
          data: { position: globalPosition },
          metadata: { causationMessageStreamName: null, schemaVersion: null }
        }
      ])
      assert.deepStrictEqual(yield* first(2, category), [3, 4])
    }))

  it.effect("that find something else in place of a position fail and say where it is", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      yield* store.append(`${category}:position-test`, { type: "Recorded", data: { position: "12" } })
      const { consumer } = yield* collecting(category)
      const error = yield* Effect.flip(Consumer.run(consumer))
      assert.strictEqual(error._tag, "StoreError")
      assert.include(error.message, `${category}:position-test`)
    }))
}

const batches = (it: It) =>
  it.effect("in batches handle what there is, in order, up to a number at a time, and then follow", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const seen = yield* Queue.unbounded<ReadonlyArray<unknown>>()
      yield* store.append(`${category}-1`, numbered(8))
      const consumer = Consumer.batch("test", {
        from: category,
        handle: (messages) => Queue.offer(seen, dataOf(messages)),
        atOnce: 3
      })
      const fiber = yield* run(consumer)
      assert.deepStrictEqual(yield* Queue.takeN(seen, 3), [[0, 1, 2], [3, 4, 5], [6, 7]])
      yield* store.append(`${category}-2`, numbered(2, 8))
      assert.deepStrictEqual(yield* Queue.take(seen), [8, 9])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        yield* position(category),
        Option.some({ position: (yield* readCategory(category)).at(-1)?.globalPosition ?? 0 })
      )
    }))

const failing = (it: It) => {
  const atOnce = Schedule.recurs(2)

  it.effect("retry, then stop before the message, and resume with it", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      yield* store.append(`${category}-1`, numbered(5))
      const seen: Array<unknown> = []
      let isWell = false
      const done = yield* Deferred.make<void>()
      const consumer = Consumer.make("test", { retry: atOnce }).on(category, {
        Numbered: ({ data }) =>
          Effect.gen(function*() {
            seen.push(data)
            if (data === 2 && !isWell) return yield* new Refused({ data })
            if (data === 4) yield* Deferred.succeed(done, undefined)
          })
      })
      assert.deepStrictEqual(yield* Effect.flip(Consumer.run(consumer)), new Refused({ data: 2 }))
      assert.deepStrictEqual(seen.splice(0), [0, 1, 2, 2, 2])
      isWell = true
      const fiber = yield* run(consumer)
      yield* Deferred.await(done)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen, [2, 3, 4])
    }).pipe(quietly))

  it.effect("skip a message that fails, dies or does not decode, alone or in a batch, and handle the rest", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const Account = Category.make(yield* newCategory, { Numbered: Schema.Int })
      yield* store.append(`${Account.categoryName}-1`, [
        ...numbered(3),
        { type: "Numbered", data: "not a number" },
        ...numbered(3, 3)
      ])
      const seen = yield* Queue.unbounded<number>()
      const handle = Effect.fnUntraced(function*(data: number) {
        if (data === 1) return yield* new Refused({ data })
        if (data === 4) return yield* Effect.die("a defect of the handler")
        yield* Queue.offer(seen, data)
      })
      const options = { retry: atOnce, onFailure: "skip" } as const
      const consumers = [
        Consumer.make("one", options).on(Account, { Numbered: ({ data }) => handle(data) }),
        Consumer.batch("many", {
          ...options,
          from: Account,
          handle: (events) =>
            events.length > 1
              ? Effect.fail(new Refused({ data: "too many" }))
              : Effect.forEach(events, ({ data }) => handle(data))
        })
      ]
      for (const consumer of consumers) {
        const fiber = yield* run(consumer)
        assert.deepStrictEqual(yield* Queue.takeN(seen, 4), [0, 2, 3, 5])
        yield* Fiber.interrupt(fiber)
      }
    }).pipe(quietly))
}

const ids = (it: It) =>
  it.effect("get the ids of streams by the schema of the category; one that does not fit does not decode", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const name = yield* newCategory
      const Seat = Category.make(name, { Numbered: Schema.Int }, {
        id: Schema.Tuple([Schema.FiniteFromString, Schema.String])
      })
      yield* store.append(name, numbered(1, 100))
      yield* Seat.append([7, "a"], Seat.events.Numbered(1))
      yield* store.append(`${name}-x+b`, numbered(1, 101))
      yield* Seat.append([8, "b"], [Seat.events.Numbered(2), Seat.events.Numbered(3)])

      const seen = yield* Queue.unbounded<readonly [number, readonly [number, string]]>()
      const consumers = [
        Consumer.make("one", { onFailure: "skip" }).on(Seat, {
          Numbered: ({ data, id }) => Queue.offer(seen, [data, id])
        }),
        Consumer.make("whole", { onFailure: "skip" }).on(Seat, ({ data, id }) => Queue.offer(seen, [data, id])),
        Consumer.batch("many", {
          from: Seat,
          onFailure: "skip",
          handle: (events) => Effect.forEach(events, ({ data, id }) => Queue.offer(seen, [data, id]))
        })
      ]
      for (const consumer of consumers) {
        const fiber = yield* run(consumer)
        assert.deepStrictEqual(yield* Queue.takeN(seen, 3), [[1, [7, "a"]], [2, [8, "b"]], [3, [8, "b"]]])
        yield* Fiber.interrupt(fiber)
      }

      const stopping = Consumer.make("stopping").on(Seat, { Numbered: () => Effect.void })
      const error = yield* Effect.flip(Consumer.run(stopping))
      assert.strictEqual(error._tag, "DecodeError")
      if (error._tag === "DecodeError") assert.deepStrictEqual([error.streamName, error.path], [name, ["streamName"]])
    }).pipe(quietly))

const timeLimits = (it: It) =>
  it.effect("interrupt a handler that takes too long, alone or in a batch: the attempt has failed", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      yield* store.append(`${category}-1`, numbered(3))
      const seen = yield* Queue.unbounded<unknown>()
      const interrupted: Array<unknown> = []
      const handle = ({ data }: RecordedMessage) =>
        data === 1
          ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.push(data)))
          : Queue.offer(seen, data)
      const options = { timeout: "30 millis", retry: Schedule.recurs(1) } as const

      const stopping = Consumer.make("stopping", options).on(category, { Numbered: handle })
      const error = yield* Effect.flip(Consumer.run(stopping))
      const [, slow] = yield* readStream(`${category}-1`)
      assert.deepStrictEqual(
        error,
        new Consumer.HandlerTimeout({
          kind: "consumer",
          handledBy: "stopping",
          millis: 30,
          streamName: `${category}-1`,
          globalPosition: slow?.globalPosition ?? 0,
          type: "Numbered",
          messages: 1
        })
      )
      assert.deepStrictEqual(interrupted.splice(0), [1, 1], "an attempt and its retry")
      assert.deepStrictEqual(yield* Queue.takeAll(seen), [0])

      const skipping = Consumer.batch("many", {
        ...options,
        from: category,
        onFailure: "skip",
        handle: (messages) => Effect.forEach(messages, handle)
      })
      const fiber = yield* run(skipping)
      // Twice in the batch, and then one by one.
      assert.deepStrictEqual(yield* Queue.takeN(seen, 4), [0, 0, 0, 2])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(interrupted, [1, 1, 1, 1])
    }).pipe(quietly))

const running = (it: It) =>
  it.effect("of one id: the second waits, and takes over when the first stops", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const [one, two] = [yield* collecting(category), yield* collecting(category)]
      yield* store.append(`${category}-1`, numbered(3))
      const first = yield* run(one.consumer)
      assert.deepStrictEqual(yield* one.take(3), upTo(3))
      const second = yield* run(two.consumer)
      for (const i of upTo(20)) {
        yield* store.append(`${category}-1`, numbered(1, 3 + i))
        assert.deepStrictEqual(yield* one.take(1), [3 + i])
      }
      yield* Fiber.interrupt(first)
      yield* store.append(`${category}-1`, numbered(2, 23))
      assert.deepStrictEqual(yield* two.take(2), [23, 24])
      yield* Fiber.interrupt(second)
    }))

export const tests = (it: It) =>
  describe("consumers", () => {
    reading(it)
    ordering(it)
    groups(it)
    eventide(it)
    batches(it)
    failing(it)
    ids(it)
    timeLimits(it)
    running(it)
  })
