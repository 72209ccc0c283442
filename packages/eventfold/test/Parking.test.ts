import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, MessageStore, Parking, PositionStore, StoreError, StreamName } from "eventfold"
import {
  Account,
  consumerOf,
  deposit,
  inMemory,
  makeHandler,
  messagesOf,
  options,
  owner,
  type Refused,
  settle,
  typesOf,
  waiting
} from "./parkingFixtures.ts"

const refuse = (id: string) =>
  Consumer.make(id, { ...options }).on(Account, { Deposited: () => Effect.fail("refused") })

const depositInTurn = (amounts: ReadonlyArray<number>) =>
  Effect.forEach(amounts, (amount) => deposit(amount < 10 ? "a" : "b", amount))

const runMembers = (
  one: (member: number, amount: number) => Effect.Effect<void, Refused>,
  members: ReadonlyArray<number>
) => Consumer.run(consumerOf({ one: (amount) => one(members[0] ?? 0, amount) }, { group: { size: 3, members } }))

const page = (options?: Parking.ListOptions) => Stream.runCollect(Parking.list(owner, options))

const names = (streams: ReadonlyArray<Parking.ParkedStream>) => streams.map(({ stream }) => stream)

describe("parking", () => {
  it.effect("lists one stream, by any of its names, as long as it waits", () =>
    inMemory(Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(1).add(10)
      yield* deposit("a", 1, 2)
      yield* deposit("b", 10)
      yield* deposit("c", 11)
      const running = yield* Effect.forkChild(Consumer.run(consumerOf(handler)))
      yield* settle
      const all = yield* page()
      assert.deepStrictEqual(names(all), ["account-a", "account-b"])
      assert.deepStrictEqual(yield* page({ stream: "account-a" }), all.slice(0, 1))
      assert.deepStrictEqual(yield* page({ stream: "account-b+x" }), all.slice(1))
      assert.deepStrictEqual(yield* page({ stream: "account-b", after: all[1]?.parkedAt }), [])
      assert.deepStrictEqual(yield* page({ stream: "account-c" }), [])
      assert.instanceOf(yield* Effect.flip(page({ stream: "order-1" })), StoreError.InvalidArgument)
      yield* Parking.drop(owner, { stream: "account-a", reason: "test" })
      assert.deepStrictEqual(yield* page({ stream: "account-a" }), [])
      handler.bad.clear()
      yield* Parking.replay(owner, { stream: "account-b" })
      yield* settle
      assert.deepStrictEqual(yield* page({ stream: "account-b" }), [])
      // It waits from when it was parked again.
      handler.bad.add(3)
      yield* deposit("a", 3)
      yield* settle
      assert.deepStrictEqual(yield* page({ stream: "account-a" }), yield* page())
      yield* Fiber.interrupt(running)
    })))

  it.effect("parks a failed message and the later ones of its stream, while other streams flow", () =>
    inMemory(Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(2)
      yield* deposit("a", 1, 2, 3)
      yield* deposit("b", 10)
      yield* deposit("a+x", 4)
      yield* deposit("b", 11)
      const fiber = yield* Effect.forkChild(Consumer.run(consumerOf(handler, { retry: Schedule.recurs(2) })))
      yield* settle
      assert.deepStrictEqual(handler.seen.toSorted((a, b) => a - b), [1, 10, 11])
      yield* deposit("a", 5)
      yield* deposit("b", 12)
      yield* settle
      assert.deepStrictEqual(handler.seen.toSorted((a, b) => a - b), [1, 10, 11, 12])
      assert.deepStrictEqual(handler.attempts.filter((amount) => amount < 10), [1, 2, 2, 2])

      const [stream, ...others] = yield* Stream.runCollect(Parking.list(consumerOf(handler)))
      assert.deepStrictEqual(others, [])
      assert.strictEqual(stream?.stream, "account-a")
      assert.deepStrictEqual(
        stream?.messages.map(({ attempts, position, streamName, type }) => [streamName, position, type, attempts]),
        [
          ["account-a", 1, "Deposited", 3],
          ["account-a", 2, "Deposited", 0],
          ["account-a+x", 0, "Deposited", 0],
          ["account-a", 3, "Deposited", 0]
        ]
      )
      const [first, second] = stream?.messages ?? []
      assert.deepStrictEqual(
        first?.failure,
        Option.some({ kind: "error", tag: "Refused", message: "refused 2", fields: { amount: 2 } })
      )
      assert.deepStrictEqual(second?.failure, Option.none())

      // Parked messages count as done: the position has passed them.
      yield* Fiber.interrupt(fiber)
      const store = yield* MessageStore.MessageStore
      const last = Option.getOrThrow(yield* store.lastCategoryMessage("account"))
      const positions = yield* PositionStore.PositionStore
      assert.deepStrictEqual(
        Option.map(yield* positions.get({ category: "account", consumerId: "notifier" }), ({ position }) => position),
        Option.some(last.globalPosition)
      )
      assert.deepStrictEqual(yield* typesOf("account:parked-notifier+a"), ["Parked", "Parked", "Parked", "Parked"])
    })))

  it.effect("counts parked messages with those behind them, and failures with those of replays", () =>
    inMemory(Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(1)
      yield* deposit("a", 1, 2, 3)
      const running = yield* Consumer.start(consumerOf(handler))
      yield* settle
      yield* Parking.replay(owner)
      yield* settle
      handler.bad.clear()
      yield* Parking.replay(owner)
      yield* settle
      const { failed, handled, parked, retried } = yield* running.status
      assert.deepStrictEqual({ failed, handled, parked, retried }, { failed: 2, handled: 3, parked: 3, retried: 0 })
    })))

  it.effect("parks defects and, without a retry, messages that do not decode; never an interruption", () =>
    inMemory(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      let begun = 0
      const consumer = Consumer.make("notifier", { ...options, retry: Schedule.recurs(3) }).on(Account, {
        Deposited: ({ data }) => Effect.suspend(() => data.amount === 7 ? Effect.die(new Error("a bug")) : Effect.void),
        Closed: () => Effect.andThen(Effect.sync(() => begun++), Effect.never)
      })
      yield* store.append("account-a", { type: "Deposited", data: "much" })
      yield* deposit("b", 7)
      yield* Account.append("c", Account.events.Closed({}))
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(begun, 1)
      assert.deepStrictEqual(yield* waiting(), { "account-a": [0], "account-b": [0] })
      const [undecoded] = yield* messagesOf("account-a")
      assert.strictEqual(undecoded?.attempts, 1)
      const misfit = Option.getOrThrow(undecoded?.failure ?? Option.none())
      assert.deepStrictEqual([misfit.tag, misfit.fields["streamName"], misfit.fields["path"]], [
        "DecodeError",
        "account-a",
        ["data"]
      ])
      const [defect] = yield* messagesOf("account-b")
      assert.deepStrictEqual(
        defect?.failure,
        Option.some({ kind: "defect", tag: "Error", message: "a bug", fields: {} })
      )
    })))

  it.effect("shortens an error, and replaces what no store can keep", () =>
    inMemory(Effect.gen(function*() {
      const consumer = Consumer.make("notifier", { ...options }).on(Account, {
        Deposited: () => Effect.die(new Error(`\u0000\ud800${"x".repeat(100_000)}`))
      })
      yield* deposit("a", 1)
      yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      const [message] = yield* messagesOf("account-a")
      const failure = Option.getOrThrow(message?.failure ?? Option.none())
      assert.include(failure.message, "\ufffd\ufffdxxx")
      assert.isBelow(failure.message.length, 3_000)
    })))

  it.effect("keeps streams and consumers apart, whatever their names are", () =>
    inMemory(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const long = "x".repeat(StreamName.maxBytes - "account-".length)
      const names = [
        "account",
        "account-",
        "account-account",
        "account-a-b",
        "account-notifier",
        "account-++",
        `account-${long}`,
        `account-${long.slice(1)}y`
      ]
      for (const streamName of names) yield* store.append(streamName, { type: "Deposited", data: { amount: 1 } })
      const ids = ["notifier", "notifier-2", "note"]
      for (const id of ids) yield* Effect.forkChild(Consumer.run(refuse(id)))
      yield* settle
      for (const id of ids) {
        const streams = yield* Stream.runCollect(Parking.list({ id, category: "account" }))
        assert.deepStrictEqual(
          streams.map(({ messages }) => messages.map(({ streamName }): string => streamName)).toSorted(),
          // The cardinal id of `account-` and `account-++` is the empty one.
          [
            ["account"],
            ["account-", "account-++"],
            ...names.filter((name) => name !== "account" && name !== "account-" && name !== "account-++").map((
              name
            ) => [name])
          ].toSorted()
        )
        for (const { stream } of streams) {
          assert.isAbove(yield* Parking.drop({ id, category: "account" }, { stream, reason: "test" }), 0, stream)
        }
        assert.deepStrictEqual(yield* waiting({ id, category: "account" }), {})
      }
    })))

  it.effect("lists a page at a time, in the order in which the streams were parked", () =>
    inMemory(Effect.gen(function*() {
      const handler = makeHandler()
      for (const bad of [1, 2, 3]) handler.bad.add(bad)
      yield* Effect.forkChild(Consumer.run(consumerOf(handler)))
      for (const [stream, amount] of [["c", 1], ["a", 2], ["b", 3]] as const) {
        yield* Account.append(stream, Account.events.Deposited({ amount }))
        yield* settle
      }
      const all = yield* page()
      assert.deepStrictEqual(names(all), ["account-c", "account-a", "account-b"])
      const first = yield* page({ limit: 2 })
      assert.deepStrictEqual(names(first), ["account-c", "account-a"])
      const [, last] = first
      // The cursor stays valid when its stream is settled.
      yield* Parking.drop(owner, { stream: "account-a", reason: "test" })
      assert.deepStrictEqual(names(yield* page({ after: last?.parkedAt })), ["account-b"])
      for (const options of [{ limit: 0 }, { after: -1 }]) {
        assert.instanceOf(yield* Effect.flip(page(options)), StoreError.InvalidArgument)
      }
    })))

  it.effect("splits a batch", () =>
    inMemory(Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(2)
      const batches: Array<ReadonlyArray<number>> = []
      const consumer = Consumer.batch("notifier", {
        from: Category.make("account", { Deposited: { amount: Schema.Int } }),
        handle: (events) => {
          batches.push(events.map(({ data }) => data.amount))
          return Effect.forEach(events, ({ data }) => Effect.andThen(Effect.yieldNow, handler.one(data.amount)))
        },
        ...options,
        concurrency: 1
      })
      yield* depositInTurn([10, 1, 2, 11, 3, 12])
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      assert.deepStrictEqual(batches, [[10, 1, 2, 11, 3, 12], [10], [1], [2], [11], [12]])
      assert.deepStrictEqual(yield* waiting(), { "account-a": [1, 2] })

      yield* Fiber.interrupt(fiber)
      yield* depositInTurn([13, 4, 14, 5, 15])
      yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      assert.deepStrictEqual(batches.slice(6), [[13, 14, 15]])
      assert.deepStrictEqual(yield* waiting(), { "account-a": [1, 2, 3, 4] })

      handler.bad.clear()
      yield* Parking.replay(owner)
      yield* depositInTurn([6, 16])
      yield* settle
      const seen = [...new Set(handler.seen)]
      assert.deepStrictEqual(seen.filter((amount) => amount < 10), [1, 2, 3, 4, 5, 6])
      assert.deepStrictEqual(seen.filter((amount) => amount >= 10), [10, 11, 12, 13, 14, 15, 16])
    })))
})

describe("replaying", () => {
  const parked = Effect.gen(function*() {
    const handler = makeHandler()
    handler.bad.add(1).add(11)
    yield* deposit("a", 1, 2, 3)
    yield* deposit("b", 11, 12)
    const consumer = consumerOf(handler)
    const fiber = yield* Effect.forkChild(Consumer.run(consumer))
    yield* settle
    assert.deepStrictEqual(handler.seen, [])
    return { consumer, fiber, handler }
  })

  it.effect("one stream: the other keeps waiting, and new messages flow", () =>
    inMemory(Effect.gen(function*() {
      const { handler: { bad, seen } } = yield* parked
      bad.clear()
      assert.strictEqual(yield* Parking.replay(owner, { stream: "account-a+of-no-matter" }), 1)
      yield* settle
      assert.deepStrictEqual(seen, [1, 2, 3])
      assert.deepStrictEqual(yield* waiting(), { "account-b": [0, 1] })
      yield* deposit("a", 4)
      yield* deposit("b", 13)
      yield* settle
      assert.deepStrictEqual(seen, [1, 2, 3, 4])
      assert.deepStrictEqual(yield* waiting(), { "account-b": [0, 1, 2] })
      assert.deepStrictEqual(yield* typesOf("account:parked-notifier+a"), [
        "Parked",
        "Parked",
        "Parked",
        "ReplayRequested",
        "Replayed",
        "Replayed",
        "Replayed"
      ])
    })))

  it.effect("at once, without a poll", () =>
    inMemory(Effect.gen(function*() {
      const { handler: { bad, seen } } = yield* parked
      bad.clear()
      yield* Parking.replay(owner, { stream: "account-a" })
      // The clock stands still.
      for (let i = 0; i < 1_000 && seen.length < 3; i++) yield* Effect.yieldNow
      assert.deepStrictEqual(seen, [1, 2, 3])
    })))

  it.effect("all streams, with a limit for each", () =>
    inMemory(Effect.gen(function*() {
      const { handler: { bad, seen } } = yield* parked
      bad.clear()
      assert.strictEqual(yield* Parking.replay(owner, { limit: 1 }), 2)
      yield* settle
      assert.deepStrictEqual(seen.toSorted(), [1, 11])
      assert.deepStrictEqual(yield* waiting(), { "account-a": [1, 2], "account-b": [1] })
      assert.strictEqual(yield* Parking.replay(owner), 2)
      yield* settle
      assert.deepStrictEqual(seen.toSorted((a, b) => a - b), [1, 2, 3, 11, 12])
      assert.deepStrictEqual(yield* waiting(), {})
      assert.strictEqual(yield* Parking.replay(owner), 0)
      assert.strictEqual(yield* Parking.replay(owner, { stream: "account-a" }), 0)
    })))

  it.effect("a message that fails again stays with the new error, and so do the messages behind it", () =>
    inMemory(Effect.gen(function*() {
      const { handler: { attempts, bad, seen } } = yield* parked
      bad.delete(1)
      bad.add(2)
      yield* Parking.replay(owner, { stream: "account-a" })
      yield* settle
      assert.deepStrictEqual(seen, [1])
      const [first, second] = yield* messagesOf("account-a")
      assert.deepStrictEqual([first?.position, first?.attempts], [1, 1])
      assert.strictEqual(Option.getOrThrow(first?.failure ?? Option.none()).message, "refused 2")
      assert.deepStrictEqual([second?.position, second?.failure], [2, Option.none()])
      // Nothing is replayed without a request.
      yield* settle
      assert.deepStrictEqual(attempts.filter((amount) => amount < 10), [1, 1, 2])
      yield* Parking.replay(owner, { stream: "account-a" })
      yield* settle
      assert.deepStrictEqual((yield* messagesOf("account-a"))[0]?.attempts, 2)
      bad.clear()
      yield* Parking.replay(owner, { stream: "account-a" })
      yield* settle
      assert.deepStrictEqual(seen, [1, 2, 3])
    })))

  it.effect("a request that comes while no consumer runs is carried out when one does", () =>
    inMemory(Effect.gen(function*() {
      const { consumer, fiber, handler: { bad, seen } } = yield* parked
      yield* Fiber.interrupt(fiber)
      bad.clear()
      yield* Parking.replay(owner, { stream: "account-b" })
      yield* deposit("b", 13)
      yield* settle
      assert.deepStrictEqual(seen, [])
      yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      assert.deepStrictEqual(seen, [11, 12, 13])
      assert.deepStrictEqual(yield* waiting(), { "account-a": [0, 1, 2] })
    })))

  it.effect("in pages, between which the other streams of the lane continue", () =>
    inMemory(Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(0)
      const many = Array.from({ length: 350 }, (_, i) => i)
      yield* deposit("a", ...many)
      const fiber = yield* Effect.forkChild(
        Consumer.run(consumerOf({
          one: (amount) =>
            amount === 150 ? Effect.andThen(deposit("b", 1_000), handler.one(amount)) : handler.one(amount)
        }, { concurrency: 1 }))
      )
      yield* settle
      assert.deepStrictEqual(handler.seen, [])
      handler.bad.clear()
      yield* Parking.replay(owner)
      yield* settle
      assert.deepStrictEqual(handler.seen.filter((amount) => amount < 1_000), many)
      assert.isBelow(handler.seen.indexOf(1_000), 350)
      yield* Fiber.interrupt(fiber)
    })))

  it.effect("ends after the current message when the consumer stops, and resumes when it runs again", () =>
    inMemory(Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(1)
      yield* deposit("a", 1, 2, 3)
      const consumer = consumerOf({
        one: (amount) => Effect.andThen(Effect.sleep("1 second"), handler.one(amount))
      }, { grace: "1 minute" })
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      handler.bad.clear()
      yield* Parking.replay(owner)
      yield* TestClock.adjust("500 millis")
      yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* settle
      assert.isDefined(fiber.pollUnsafe())
      assert.deepStrictEqual(handler.seen, [1])
      assert.deepStrictEqual(yield* waiting(), { "account-a": [1, 2] })
      yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      assert.deepStrictEqual(handler.seen, [1, 2, 3])
    })))

  it.effect("a message that is no longer in the store fails", () =>
    inMemory(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const { consumer, fiber, handler: { bad, seen } } = yield* parked
      yield* Fiber.interrupt(fiber)
      bad.clear()
      yield* Effect.forkChild(Effect.provideService(Consumer.run(consumer), MessageStore.MessageStore, {
        ...store,
        findMessage: () => Effect.succeedNone
      }))
      yield* Parking.replay(owner, { stream: "account-a" })
      yield* settle
      assert.deepStrictEqual(seen, [])
      const [first] = yield* messagesOf("account-a")
      const { message, tag } = Option.getOrThrow(first?.failure ?? Option.none())
      assert.deepStrictEqual([tag, message], ["MessageNotFound", "the message is no longer in the store"])
    })))

  it.effect("refuses wrong arguments", () =>
    inMemory(Effect.gen(function*() {
      const refused: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore.MessageStore>> = [
        Parking.replay(owner, { limit: 0 }),
        Parking.replay(owner, { stream: "123" }),
        Parking.replay({ ...owner, id: "a+b" }),
        Parking.drop(owner, { stream: "other-1", reason: "" }),
        Parking.drop(owner, { stream: "account-1", globalPosition: 0.5, reason: "" }),
        Parking.drop({ ...owner, id: "" }, { stream: "account-1", reason: "" }),
        Stream.runCollect(Parking.list({ ...owner, id: "\u0000" })),
        Stream.runCollect(Parking.list({ ...owner, id: "x".repeat(StreamName.maxBytes) })),
        Consumer.run(consumerOf(makeHandler(), {}, "x".repeat(StreamName.maxBytes - 40)))
      ]
      for (const effect of refused) assert.instanceOf(yield* Effect.flip(effect), StoreError.InvalidArgument)
      assert.instanceOf(
        yield* Effect.flip(Parking.replay({ id: "a", category: "account-1" })),
        StreamName.InvalidCategory
      )
    })))
})

describe("dropping", () => {
  const parked = Effect.gen(function*() {
    const handler = makeHandler()
    handler.bad.add(1)
    yield* deposit("a", 1, 2, 3)
    const consumer = consumerOf(handler)
    const fiber = yield* Effect.forkChild(Consumer.run(consumer))
    yield* settle
    return { consumer, fiber, handler, messages: yield* messagesOf("account-a") }
  })

  it.effect("one message: the others keep waiting", () =>
    inMemory(Effect.gen(function*() {
      const { handler: { seen }, messages: [first] } = yield* parked
      const drop = Parking.drop(owner, {
        stream: "account-a",
        globalPosition: first?.globalPosition ?? 0,
        reason: "no use"
      })
      assert.strictEqual(yield* drop, 1)
      assert.strictEqual(yield* drop, 0)
      assert.deepStrictEqual(yield* waiting(), { "account-a": [1, 2] })
      yield* deposit("a", 4)
      yield* settle
      assert.deepStrictEqual(seen, [])
      yield* Parking.replay(owner)
      yield* settle
      assert.deepStrictEqual(seen, [2, 3, 4])
    })))

  it.effect("all of a stream: it flows again", () =>
    inMemory(Effect.gen(function*() {
      const { handler: { bad, seen } } = yield* parked
      assert.strictEqual(yield* Parking.drop(owner, { stream: "account-a", reason: "no use" }), 3)
      // At once, whether the consumer has seen the drop or not.
      yield* deposit("a", 4)
      yield* settle
      assert.deepStrictEqual(seen, [4])
      assert.deepStrictEqual(yield* waiting(), {})
      bad.add(5)
      yield* deposit("a", 5)
      yield* settle
      assert.deepStrictEqual(yield* waiting(), { "account-a": [4] })
    })))

  it.effect("while no consumer runs", () =>
    inMemory(Effect.gen(function*() {
      const { consumer, fiber, handler: { seen } } = yield* parked
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* Parking.drop(owner, { stream: "account-a", reason: "no use" }), 3)
      yield* deposit("a", 4)
      yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      assert.deepStrictEqual(seen, [4])
    })))

  it.effect("a message during its replay: it is settled once", () =>
    inMemory(Effect.gen(function*() {
      const { bad, one, seen } = makeHandler()
      bad.add(1)
      yield* deposit("a", 1, 2)
      const consumer = consumerOf({
        one: (amount) =>
          amount === 1 && bad.size === 0
            ? Effect.andThen(
              Effect.orDie(Parking.drop(owner, { stream: "account-a", reason: "meanwhile" })),
              one(amount)
            )
            : one(amount)
      })
      yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      bad.clear()
      yield* Parking.replay(owner)
      yield* settle
      yield* deposit("a", 3)
      yield* settle
      assert.deepStrictEqual(seen, [1, 3])
      assert.deepStrictEqual(yield* typesOf("account:parked-notifier+a"), [
        "Parked",
        "Parked",
        "ReplayRequested",
        "Dropped"
      ])
    })))
})

describe("groups", () => {
  it.effect.each([
    { sessions: [[0], [1], [2]] },
    { sessions: [[0, 1, 2]] },
    { sessions: [[0, 2], [1]] }
  ])(
    "share the parked streams of their consumer: $sessions",
    ({ sessions }) =>
      inMemory(Effect.gen(function*() {
        const handler = makeHandler()
        const ids = Array.from({ length: 12 }, (_, i) => String(i))
        const of = new Map<number, number>()
        const one = (member: number, amount: number) =>
          Effect.suspend(() => {
            of.set(Math.trunc(amount / 10), member)
            return handler.one(amount)
          })
        for (const id of ids) {
          handler.bad.add(Number(id) * 10)
          yield* deposit(id, Number(id) * 10, Number(id) * 10 + 1)
        }
        let fibers = yield* Effect.forEach(sessions, (members) => Effect.forkChild(runMembers(one, members)))
        yield* settle
        assert.strictEqual(Object.keys(yield* waiting()).length, 12)
        assert.deepStrictEqual(handler.seen, [])
        yield* Effect.forEach(fibers, Fiber.interrupt)
        fibers = yield* Effect.forEach(sessions, (members) => Effect.forkChild(runMembers(one, members)))
        handler.bad.clear()
        assert.strictEqual(yield* Parking.replay(owner), 12)
        yield* settle
        for (const id of ids) yield* deposit(id, Number(id) * 10 + 2)
        yield* settle
        for (const id of ids) {
          const own = handler.seen.filter((amount) => Math.trunc(amount / 10) === Number(id))
          assert.deepStrictEqual(own, [0, 1, 2].map((i) => Number(id) * 10 + i))
          const member = Option.getOrThrow(StreamName.groupMember(`account-${id}`, 3))
          assert.strictEqual(of.get(Number(id)), sessions.find((members) => members.includes(member))?.[0])
        }
        assert.deepStrictEqual(yield* waiting(), {})
      }))
  )
})
