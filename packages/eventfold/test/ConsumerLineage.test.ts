import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Option } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { Consumer, MemoryStore, MessageStore, PositionStore, StoreBackend } from "eventfold"
import { Account, deposited } from "./support/account.ts"

it.effect("a consumer whose database has become another one begins at its recorded position again, and writes the next ones", () =>
  Effect.gen(function*() {
    let timeline = 1
    const first = yield* MemoryStore.make
    const identity = Effect.sync((): StoreBackend.StoreIdentity => ({
      system: "1",
      database: "1",
      databaseName: "test",
      timeline
    }))
    const store = yield* MessageStore.make({
      ...first,
      identity,
      // Each timeline is a sign of itself.
      lineage: StoreBackend.makeLineage(() => timeline, identity)
    })
    yield* Effect.gen(function*() {
      const handled: Array<number> = []
      const latch = yield* Latch.make()
      const consumer = Consumer.make("balances", { checkpoint: { every: 1 } }).on(Account, {
        Deposited: ({ recorded }) =>
          Effect.suspend(() => {
            handled.push(recorded.position)
            return latch.release
          }),
        Opened: () => Effect.void,
        Withdrawn: () => Effect.void
      })
      const awaitHandled = (count: number) =>
        Effect.whileLoop({ while: () => handled.length < count, body: () => latch.await, step: () => {} })
      const position = Effect.flatMap(
        PositionStore.PositionStore,
        (positions) => positions.get({ category: "account", consumerId: "balances" })
      )
      const awaitPosition = (globalPosition: number) =>
        Effect.gen(function*() {
          while (!Option.exists(yield* position, ({ position }) => position === globalPosition)) {
            yield* TestClock.adjust("1 second")
          }
        })
      const fiber = yield* Effect.forkChild(Consumer.run(consumer))
      yield* Account.append("1", [deposited(1), deposited(2)])
      yield* awaitHandled(2)
      yield* awaitPosition(2)
      timeline += 1
      const { globalPosition } = yield* Account.append("1", deposited(3))
      yield* awaitHandled(3)
      yield* awaitPosition(globalPosition)
      assert.deepStrictEqual([...new Set(handled)], [0, 1, 2])
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provideService(MessageStore.MessageStore, store))
  }))
