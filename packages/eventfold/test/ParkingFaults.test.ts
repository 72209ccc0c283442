import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Schedule, Schema, Stream } from "effect"
import { Consumer, MessageStore, Parking, PositionStore, StoreError, StreamName } from "eventfold"
import {
  Account,
  consumerOf,
  crashing,
  deposit,
  droppedBy,
  inMemory,
  makeHandler,
  messagesOf,
  options,
  owner,
  Refused,
  settle,
  typesOf,
  waiting
} from "./parkingFixtures.ts"

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

describe("faults of the store and crashes", () => {
  type Append = ReturnType<MessageStore.MessageStore["Service"]["append"]>

  /** Parks two streams and replays one. `change` applies to the append with the number `at`, from 0. */
  const scenario = Effect.fnUntraced(function*(
    at: number,
    change: (append: Append) => Append,
    crashes: boolean
  ) {
    const store = yield* MessageStore.MessageStore
    const handler = makeHandler()
    handler.bad.add(1).add(11)
    const consumer = consumerOf(handler)
    let count = 0
    let isCrashed = false
    const fragile = MessageStore.MessageStore.of({
      ...store,
      append: (name, messages, options) =>
        Effect.suspend(() => {
          if (isCrashed) return Effect.never
          const append = store.append(name, messages, options)
          if (count++ !== at) return append
          isCrashed = crashes
          return change(append)
        })
    })
    yield* deposit("a", 0, 1, 2)
    yield* deposit("b", 11, 12)
    yield* deposit("c", 20)
    const first = yield* Effect.forkChild(
      Effect.provideService(crashes ? crashing(consumer) : Consumer.run(consumer), MessageStore.MessageStore, fragile)
    )
    yield* settle
    handler.bad.delete(1)
    yield* Parking.replay(owner, { stream: "account-a" })
    yield* settle
    yield* deposit("a", 3)
    yield* deposit("b", 13)
    yield* settle
    if (crashes) {
      yield* Fiber.interrupt(first)
      yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* Parking.replay(owner, { stream: "account-a" })
      yield* settle
    }
    assert.deepStrictEqual(yield* waiting(), { "account-b": [0, 1, 2] })
    handler.bad.clear()
    yield* Parking.replay(owner)
    yield* settle
    assert.deepStrictEqual(yield* waiting(), {})
    assert.isAbove(count, at)
    for (const stream of ["a", "b"]) {
      const types = yield* typesOf(`account:parked-notifier+${stream}`)
      const countOf = (type: string) => types.filter((one) => one === type).length
      assert.deepStrictEqual([countOf("Parked"), countOf("Failed")], [countOf("Replayed"), 0])
      assert.isAtMost(countOf("Parked"), 3)
    }
    return { a: handler.seen.filter((amount) => amount < 10), b: handler.seen.filter((amount) => amount % 20 > 10) }
  })

  const lost = new StoreError.StoreError({ operation: "append", reason: "connection lost", isRetryable: true })
  it.effect.each(upTo(10))("append %i fails before or after it is written", (at) =>
    Effect.gen(function*() {
      for (const written of [false, true]) {
        const { a, b } = yield* inMemory(
          scenario(at, (append) => written ? Effect.andThen(append, Effect.fail(lost)) : Effect.fail(lost), false)
        )
        assert.deepStrictEqual(a, [0, 1, 2, 3])
        assert.deepStrictEqual(b, [11, 12, 13])
      }
    }))

  it.effect.each(upTo(7))("a crash at append %i, before or after it is written", (at) =>
    Effect.gen(function*() {
      for (const written of [false, true]) {
        const { a, b } = yield* inMemory(
          scenario(at, (append) => written ? Effect.andThen(append, Effect.never) : Effect.never, true)
        )
        // Messages may be handled again, but none out of order.
        assert.deepStrictEqual(a, a.toSorted((one, other) => one - other))
        assert.deepStrictEqual([...new Set(a)], [0, 1, 2, 3])
        assert.deepStrictEqual(b, [11, 12, 13])
      }
    }))

  it.effect("a settled message that is delivered again is neither handled nor parked", () =>
    inMemory(Effect.gen(function*() {
      const handler = makeHandler()
      handler.bad.add(1)
      const consumer = consumerOf(handler)
      yield* deposit("a", 0, 1, 2, 3)
      const first = yield* Effect.forkChild(crashing(consumer))
      yield* settle
      const [, dropped] = yield* messagesOf("account-a")
      yield* Parking.drop(owner, { stream: "account-a", globalPosition: dropped?.globalPosition ?? 0, reason: "" })
      handler.bad.clear()
      yield* Parking.replay(owner)
      yield* settle
      yield* deposit("a", 4)
      yield* settle
      assert.deepStrictEqual(handler.seen, [0, 1, 3, 4])
      yield* Fiber.interrupt(first)

      handler.bad.add(1).add(2).add(3)
      yield* Effect.forkChild(Consumer.run(consumer))
      yield* settle
      yield* deposit("a", 5)
      yield* settle
      // 4 was handled after the replay, and its position was not written.
      assert.deepStrictEqual(handler.seen, [0, 1, 3, 4, 4, 5])
      assert.deepStrictEqual(yield* waiting(), {})
    })))

  it.effect("two processes that run the same consumer park a message once", () =>
    inMemory(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const handler = makeHandler()
      handler.bad.add(1)
      yield* deposit("a", 1, 2)
      // Different numbers of attempts, so that they write different events.
      const fibers = yield* Effect.forEach([1, 2], (attempts) =>
        Effect.forkChild(Effect.provideService(
          Consumer.run(consumerOf(handler, { retry: Schedule.recurs(attempts) })),
          MessageStore.MessageStore,
          { ...store, lease: () => Effect.succeedSome({ lost: Effect.never }) }
        )))
      yield* settle
      yield* deposit("a", 3)
      yield* settle
      assert.deepStrictEqual(handler.attempts, [1, 1, 1, 1, 1])
      for (const fiber of fibers) assert.isUndefined(fiber.pollUnsafe())
      assert.deepStrictEqual(yield* waiting(), { "account-a": [0, 1, 2] })
      assert.deepStrictEqual(yield* typesOf("account:parked-notifier+a"), ["Parked", "Parked", "Parked"])
    })))

  it.effect("an idle consumer without parked messages does not read the parked streams", () =>
    inMemory(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      let reads = 0
      const handler = makeHandler()
      const consumer = consumerOf(handler)
      yield* deposit("a", 1)
      yield* Effect.forkChild(Effect.provideService(Consumer.run(consumer), MessageStore.MessageStore, {
        ...store,
        readCategory: (name, options) => {
          if (name === "account:parked") reads += 1
          return store.readCategory(name, options)
        }
      }))
      yield* settle
      assert.strictEqual(reads, 1)
      handler.bad.add(2)
      yield* deposit("a", 2)
      yield* settle
      yield* settle
      // With parked messages it polls, in case a wake-up gets lost.
      assert.isAtLeast(reads, 6)
      handler.bad.clear()
      yield* Parking.replay(owner)
      yield* settle
      const afterReplay = reads
      yield* settle
      assert.strictEqual(reads, afterReplay)

      handler.bad.add(3)
      yield* deposit("a", 3)
      yield* settle
      yield* Parking.drop(owner, { stream: "account-a", reason: "no use" })
      yield* settle
      const afterDrop = reads
      yield* settle
      assert.strictEqual(reads, afterDrop)
    })))

  it.effect("finds a request without a wake-up by polling", () =>
    inMemory(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const handler = makeHandler()
      handler.bad.add(1)
      yield* deposit("a", 1, 2)
      yield* Effect.forkChild(Effect.provideService(Consumer.run(consumerOf(handler)), MessageStore.MessageStore, {
        ...store,
        wakeUps: () =>
          Effect.succeed({ await: Effect.never, awaitAtMost: (pause) => Effect.as(Effect.sleep(pause), false) })
      }))
      yield* settle
      handler.bad.clear()
      yield* Parking.replay(owner)
      yield* settle
      assert.deepStrictEqual(handler.seen, [1, 2])
    })))

  it.effect("a parked stream that does not decode stops the consumer", () =>
    inMemory(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* store.append("account:parked-notifier+a", { type: "Parked", data: {} })
      const error = yield* Effect.flip(Consumer.run(consumerOf(makeHandler())))
      assert(error instanceof StoreError.StoreError)
      assert.isFalse(error.isRetryable)
      assert.include(error.reason, "account:parked-notifier+a")
    })))
})

describe("order", () => {
  const Stream4 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))
  const Step = Schema.Union([
    Schema.TaggedStruct("Deposit", {
      stream: Stream4,
      count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
    }),
    Schema.TaggedStruct("Break", { every: Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 4 })) }),
    Schema.TaggedStruct("Mend", {}),
    Schema.TaggedStruct("Replay", {
      stream: Schema.UndefinedOr(Stream4),
      limit: Schema.UndefinedOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })))
    }),
    Schema.TaggedStruct("Drop", { stream: Stream4, all: Schema.Boolean }),
    Schema.TaggedStruct("Crash", { keepsPosition: Schema.Boolean }),
    Schema.TaggedStruct("Wait", { yields: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60 })) }),
    Schema.TaggedStruct("Settle", {})
  ])

  it.effect.prop("no message is handled while an older one of its stream waits, and none is lost", {
    steps: Schema.Array(Step).check(Schema.isMinLength(4), Schema.isMaxLength(30)),
    concurrency: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 })),
    atOnce: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
  }, ({ atOnce, concurrency, steps }) =>
    inMemory(Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      /** Global positions, in the order of handling. */
      const handled: Array<number> = []
      let breaks = 0
      let keepsPosition = true

      const handleOne = Effect.fnUntraced(function*(globalPosition: number) {
        yield* Effect.yieldNow
        if (breaks > 0 && globalPosition % breaks === 0) return yield* new Refused({ amount: globalPosition })
        handled.push(globalPosition)
      })
      const consumer = Consumer.batch("notifier", {
        from: Account,
        atOnce,
        handle: (events) => Effect.forEach(events, ({ recorded }) => handleOne(recorded.globalPosition)),
        ...options,
        concurrency,
        batchSize: 5
      })
      const positions = yield* PositionStore.PositionStore
      const run = Effect.forkChild(Effect.provideService(Consumer.run(consumer), PositionStore.PositionStore, {
        ...positions,
        put: (key, position) => keepsPosition ? positions.put(key, position) : Effect.void
      }))

      let fiber = yield* run
      for (const step of steps) {
        switch (step._tag) {
          case "Deposit":
            for (let i = 0; i < step.count; i++) yield* deposit(`${step.stream}${i % 2 === 0 ? "" : `+${i}`}`, i)
            break
          case "Break":
            breaks = step.every
            break
          case "Mend":
            breaks = 0
            break
          case "Replay":
            yield* Parking.replay(owner, {
              stream: step.stream === undefined ? undefined : `account-${step.stream}`,
              limit: step.limit
            })
            break
          case "Drop": {
            const stream = `account-${step.stream}`
            const messages = yield* messagesOf(stream)
            const one = step.all ? undefined : messages[Math.trunc(messages.length / 2)]
            yield* Parking.drop(owner, { stream, globalPosition: one?.globalPosition, reason: "test" })
            break
          }
          case "Crash":
            keepsPosition = step.keepsPosition
            yield* Fiber.interrupt(fiber)
            keepsPosition = true
            fiber = yield* run
            break
          case "Wait":
            yield* Effect.repeat(Effect.yieldNow, { times: step.yields })
            break
          case "Settle":
            yield* settle
        }
        assert.isUndefined(fiber.pollUnsafe())
      }

      breaks = 0
      yield* settle
      yield* Parking.replay(owner)
      yield* settle
      assert.deepStrictEqual(yield* waiting(), {})
      for (const stream of [0, 1, 2, 3]) yield* deposit(`${stream}`, 0)
      yield* settle
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)

      const dropped = yield* droppedBy(owner)
      const firstAt = new Map<number, number>()
      for (const [at, globalPosition] of handled.entries()) {
        if (!firstAt.has(globalPosition)) firstAt.set(globalPosition, at)
      }
      const all = yield* Stream.runCollect(store.readCategory("account"))
      for (
        const own of Map.groupBy(all, ({ streamName }) => Option.getOrThrow(StreamName.cardinalId(streamName))).values()
      ) {
        let latest = -1
        for (const { globalPosition } of own) {
          const at = firstAt.get(globalPosition)
          if (at === undefined) {
            assert.isTrue(dropped.has(globalPosition), `${globalPosition} is lost`)
          } else {
            if (!dropped.has(globalPosition)) assert.isAbove(at, latest, `${globalPosition} was handled too soon`)
            latest = Math.max(latest, at)
          }
        }
        assert.isTrue(firstAt.has(own.at(-1)?.globalPosition ?? 0), "the stream flows again")
      }
      const isExact = atOnce === 1 && !steps.some(({ _tag }) => _tag === "Crash")
      if (isExact) assert.strictEqual(handled.length, firstAt.size, "nothing is handled twice")
    })), { arbitrary: { runs: 200 } })
})
