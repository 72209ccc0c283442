import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer, Schema } from "effect"
import { Category, Consumer, MessageStore, PositionStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const Small = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))

/** What handlers saw: the positions of each stream in the order of handling. */
const makeHandler = (concurrency: number) => {
  const seen = new Map<string, Array<number>>()
  const active = new Set<string>()
  const progress = Latch.makeUnsafe()
  const progressed = { count: 0 }
  const handle = ({ data, recorded: { position, streamName } }: Category.RecordedEvent<typeof Account>) =>
    Effect.gen(function*() {
      assert.isFalse(active.has(streamName), "one message of a stream at a time")
      active.add(streamName)
      assert.isAtMost(active.size, concurrency)
      yield* Effect.repeat(Effect.yieldNow, { times: data.amount * 3 })
      seen.set(streamName, [...seen.get(streamName) ?? [], position])
      progressed.count += 1
      progress.openUnsafe()
    }).pipe(Effect.ensuring(Effect.sync(() => active.delete(streamName))))
  const awaitCount = Effect.fnUntraced(function*(least: number) {
    while (progressed.count < least) {
      progress.closeUnsafe()
      yield* progress.await
    }
  })
  return { awaitCount, handle, seen, handled: () => progressed.count }
}

it.effect.prop("no message is skipped and none comes out of order, whatever is interrupted", {
  messages: Schema.Array(Schema.Struct({ id: Small, yields: Small })).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(60)
  ),
  concurrency: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 })),
  every: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })),
  batchSize: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 })),
  crashes: Schema.Array(Schema.Struct({ after: Small, keepsPosition: Schema.Boolean })).check(Schema.isMaxLength(4))
}, ({ batchSize, concurrency, crashes, every, messages }) =>
  Effect.gen(function*() {
    const { awaitCount, handle, handled, seen } = makeHandler(concurrency)
    const consumer = Consumer.make("test", { concurrency, batchSize, checkpoint: { every }, grace: 0 }).on(Account, {
      Deposited: handle
    })
    const expected = new Map<string, number>()
    for (const { id, yields } of messages) {
      yield* Account.append(`${id}`, Account.events.Deposited({ amount: yields }))
      expected.set(`account-${id}`, (expected.get(`account-${id}`) ?? 0) + 1)
    }

    for (const { after, keepsPosition } of crashes) {
      const positions = yield* PositionStore.PositionStore
      const crashing = Effect.provideService(Consumer.run(consumer), PositionStore.PositionStore, {
        ...positions,
        // The last position is not written, as after a SIGKILL.
        put: (key, position) => keepsPosition ? positions.put(key, position) : Effect.void
      })
      const fiber = yield* Effect.forkChild(crashing)
      yield* Effect.raceFirst(awaitCount(handled() + after), Effect.repeat(Effect.yieldNow, { times: 500 }))
      yield* Fiber.interrupt(fiber)
    }

    const isComplete = () => [...expected].every(([stream, count]) => new Set(seen.get(stream)).size === count)
    const fiber = yield* Effect.forkChild(Consumer.run(consumer))
    while (!isComplete()) yield* awaitCount(handled() + 1)
    yield* Fiber.interrupt(fiber)

    for (const [stream, positions] of seen) {
      let highest = -1
      for (const position of positions) {
        assert.isAtMost(position, highest + 1, `${stream} skips: ${positions.join(" ")}`)
        highest = Math.max(highest, position)
      }
      // When no position was lost, no message is repeated.
      if (crashes.length === 0) assert.strictEqual(positions.length, expected.get(stream))
    }
  }).pipe(Effect.provide(Layer.merge(MessageStore.layerMemory, PositionStore.layerMemory))))
