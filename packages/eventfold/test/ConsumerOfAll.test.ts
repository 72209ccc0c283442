import { assert, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Layer, Logger, Option, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Consumer, type HeldBack, MemoryStore, type Message, MessageStore, PositionStore } from "eventfold"

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

/** Lets everything run that does not wait for the clock. */
const settle = Effect.repeat(Effect.yieldNow, { times: 200 })

const written = (category: string) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => Stream.runCollect(store.readCategory(category)))

const message: Message.Message = { type: "Happened", data: {} }

const append = (stream: string, count = 1) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => store.append(stream, upTo(count).map(() => message)))

it.layer(MessageStore.layerMemory)("positions of consumers of everything", (it) => {
  it.effect("are written for messages, and not for one another", () =>
    Effect.gen(function*() {
      const handled = new Map<string, number>()
      const consumers = [false, false, true, true].map((bookkeeping, index) =>
        Consumer.make(`reader${index}`).on(Consumer.allOf({ bookkeeping }), () =>
          Effect.sync(() => handled.set(`reader${index}`, (handled.get(`reader${index}`) ?? 0) + 1)))
      )
      const fibers = yield* Effect.forEach(consumers, (consumer) =>
        Effect.forkChild(Consumer.run(consumer)))
      for (const i of upTo(6)) {
        yield* append(`${i % 2 === 0 ? "account" : "transfer"}-1`)
        yield* TestClock.adjust("10 minutes")
      }
      // Each consumer writes one for each message: 24. The last two readers also read those of the other three.
      const positions = yield* written("$all:position")
      assert.lengthOf(positions, 4 * 6)
      assert.deepStrictEqual(upTo(4).map((i) => handled.get(`reader${i}`)), [6, 6, 6 + 18, 6 + 18])
      yield* Fiber.interruptAll(fibers)
      // The first two have handled nothing since; the others store how far they have read.
      assert.isAtMost((yield* written("$all:position")).length, 4 * 6 + 2)
    }).pipe(Effect.provide(PositionStore.layerStreams)))
})

it.layer(MessageStore.layerMemory)("a position where nothing comes", (it) => {
  it.effect("is written when it is far behind, and then not for a while", () =>
    Effect.gen(function*() {
      const consumer = Consumer.make("test").on(Consumer.allOf({ categories: ["account", "transfer"] }), () =>
        Effect.void)
      yield* Effect.forEach(upTo(12), () =>
        append("other-1", 1_000), { discard: true })
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* TestClock.adjust("10 seconds")
      const data = Effect.map(written("$all:position"), (messages) => messages.map(({ data }) => data))
      assert.deepStrictEqual(yield* data, [{ position: 12_000 }])
      yield* append("other-1", 1_000)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(yield* data, 1)
      const { globalPosition } = yield* append("transfer-1")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* data).slice(1), [{ position: globalPosition }])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(PositionStore.layerStreams)))
})

/** A memory store in which another session blocks readers of everything. */
const holding = Layer.effect(
  MessageStore.MessageStore,
  Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    return {
      ...store,
      heldBack: () => Effect.sync(() => Option.fromUndefinedOr(held)),
      readAllPage: (options) =>
        Effect.gen(function*() {
          reads += 1
          const page = yield* store.readAllPage(options)
          if (held === undefined || page.through < held.position) return page
          const { position } = held
          return {
            messages: page.messages.filter(({ globalPosition }) => globalPosition < position),
            through: Math.max(position - 1, (options?.from ?? 1) - 1),
            hasMore: false,
            heldBack: Option.some(held)
          }
        })
    }
  })
).pipe(Layer.provide(MessageStore.layerMemory))

let reads = 0
let held: HeldBack.HeldBack | undefined

const writer = (pid: number): HeldBack.Writer => ({
  pid,
  preparedAs: undefined,
  state: "idle in transaction",
  since: DateTime.makeUnsafe(0),
  age: Duration.minutes(pid),
  applicationName: "billing",
  user: "app",
  clientAddress: undefined,
  query: undefined
})

const text = (pid: number, minutes: number) =>
  `global position 3 is held back by process ${pid} (billing, user app, idle in transaction, for ${minutes}m)`

it.layer(holding)("a consumer that is held back", (it) => {
  it.effect("polls slowly, logs what blocks it once, reports it in its status, and misses nothing", () =>
    Effect.gen(function*() {
      const warnings: Array<unknown> = []
      const logger = Logger.make(({ fiber, logLevel }) => {
        if (logLevel !== "Warn") return
        const { heldBack } = fiber.getRef(References.CurrentLogAnnotations)
        warnings.push(heldBack)
      })
      const seen: Array<number> = []
      const consumer = Consumer.make("test").on(
        Consumer.all,
        ({ globalPosition }) => Effect.sync(() => seen.push(globalPosition))
      )
      held = { position: 3, writers: [writer(7)] }
      yield* append("account-1", 2)
      yield* append("transfer-1", 2)
      yield* Effect.gen(function*() {
        const running = yield* Consumer.start(consumer)
        const waiting = yield* Effect.forkChild(running.waitFor(4))
        yield* settle
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(seen, [1, 2])
        assert.deepStrictEqual(warnings, [])
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(warnings, [text(7, 7)])
        assert.isAtMost(reads, 30, "with pauses that grow")
        assert.isUndefined(waiting.pollUnsafe())

        const status = yield* Consumer.status(consumer)
        assert.deepStrictEqual(status.heldBack, Option.some(held))
        assert.deepStrictEqual([status.lag.messages, Duration.toMinutes(status.lag.age)], [2, 7])
        assert.deepStrictEqual((yield* running.status).heldBack, Option.some(held))
        const other = yield* Effect.forkChild(Consumer.waitFor(consumer, 4))

        // Other writers keep writing, and wake it.
        const before = reads
        yield* Effect.forEach(upTo(200), () => Effect.andThen(append("other-1"), TestClock.adjust("5 millis")))
        // One in 20 milliseconds, and ten by the wait for the position.
        assert.isAtMost(reads - before, 65)

        held = { position: 3, writers: [writer(8)] }
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(warnings, [text(7, 7), text(8, 8)])
        assert.deepStrictEqual(seen, [1, 2])
        assert.isUndefined(other.pollUnsafe())

        held = undefined
        yield* append("other-1")
        yield* Fiber.join(waiting)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(other)
        assert.deepStrictEqual(seen.slice(0, 4), [1, 2, 3, 4])
        assert.lengthOf(seen, 4 + 201)
        assert.deepStrictEqual((yield* running.status).heldBack, Option.none())
        assert.deepStrictEqual((yield* Consumer.status(consumer)).heldBack, Option.none())
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
    }))

  it.effect("starts at the end, but before what may still be written there", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const { globalPosition: last } = yield* append("account-1", 3)
      const seen: Array<number> = []
      const consumer = Consumer.make("end", { start: "end" }).on(Consumer.all, ({ globalPosition }) =>
        Effect.sync(() => seen.push(globalPosition)))
      // The transaction ends before the consumer reads.
      const ending = (position: number) => ({
        ...store,
        heldBack: () =>
          Effect.succeedSome({ position, writers: [writer(7)] })
      })
      const fiber = yield* Consumer.run(consumer).pipe(
        Effect.provideService(MessageStore.MessageStore, ending(last - 1)),
        Effect.forkChild
      )
      yield* settle
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, [last - 1, last])
      yield* Fiber.interrupt(fiber)
    }))
})

it.layer(MessageStore.layerMemory)("consumers of everything", (it) => {
  it.effect("that have caught up read together, and one page is one read however much is skipped", () =>
    Effect.gen(function*() {
      let pages = 0
      const memory = yield* MemoryStore.make
      const store = yield* MessageStore.make({
        ...memory,
        readAll: (page) =>
          Effect.suspend(() => {
            pages += 1
            return memory.readAll(page)
          })
      })
      yield* Effect.provideService(append("account-1", 1_000), MessageStore.MessageStore, store)
      const handled = new Map<string, number>()
      const fibers = yield* Effect.forEach(
        upTo(5),
        (i) =>
          Consumer.run(
            Consumer.make(`test${i}`).on(Consumer.all, () =>
              Effect.sync(() => handled.set(`test${i}`, (handled.get(`test${i}`) ?? 0) + 1)))
          ).pipe(
            Effect.provideService(MessageStore.MessageStore, store),
            Effect.forkChild({ startImmediately: true })
          )
      )
      yield* Effect.repeat(settle, { times: 100 })
      assert.deepStrictEqual([...handled.values()], [1_000, 1_000, 1_000, 1_000, 1_000])
      assert.isAtMost(pages, 2)
      yield* TestClock.adjust("1 minute")
      const before = pages
      yield* TestClock.adjust("1 minute")
      assert.isAtMost(pages - before, 13)
      yield* Fiber.interruptAll(fibers)
    }))

  it.effect("of a category and all other messages: each message goes to one handler, first of all the category's own", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const note = (by: string) => ({ streamName, type }: Message.RecordedMessage) =>
        Effect.sync(() => seen.push(`${by} ${streamName} ${type}`))
      const consumer = Consumer.make("rest", { start: "end" })
        .on("account", { Opened: note("account") })
        .on(Consumer.all, note("rest"))
      const store = yield* MessageStore.MessageStore
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* store.append("account-1", [{ type: "Opened", data: 0 }, { type: "Closed", data: 0 }])
      yield* store.append("transfer-1", { type: "Opened", data: 0 })
      yield* settle
      assert.deepStrictEqual(seen, ["account account-1 Opened", "rest transfer-1 Opened"])
      yield* Fiber.interrupt(fiber)
    }))
})
