import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Context, Effect, Exit, Fiber, Latch, Layer, Option, Schedule, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Entity, EntityCache, MemoryStore, MessageStore, StoreError } from "eventfold"
import {
  Account,
  amounts,
  Balance,
  balance,
  deposited,
  onMemory,
  storeOver,
  watched,
  write
} from "./support/account.ts"

const cache = EntityCache.layer({ capacity: 100 })

const together = { concurrency: "unbounded" } as const

const lost = new StoreError.StoreError({ operation: "readStream", reason: "connection lost", isRetryable: true })

const balanceOf = (id: string, freshness: EntityCache.Freshness = "latest") =>
  Effect.map(Balance.load(id, { freshness }), ({ state }) => state.balance)

/** Lets all that can run do so. */
const settle = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

/** A store whose reads of streams wait to be let through, or fail, and what each of them began from. */
const gated = () => {
  const begun: Array<number | undefined> = []
  const gate = Latch.makeUnsafe(true)
  const failures: Array<StoreError.StoreError> = []
  const layer = storeOver((backend) => ({
    readStream: (page) =>
      Effect.gen(function*() {
        begun.push(page.from)
        const failure = failures.shift()
        // The store has read it before the gate blocks its way back.
        const rows = yield* backend.readStream(page)
        yield* gate.await
        return failure === undefined ? rows : yield* failure
      })
  }))
  return { begun, failures, gate, layer: Layer.merge(layer, cache) }
}

describe("a load", () => {
  it.effect("reads only what is new", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* Account.append("1", [deposited(1), deposited(2)])
      assert.deepStrictEqual(yield* during(Balance.load("1")), ["read account-1 from 0: 2"])
      assert.deepStrictEqual(yield* during(Balance.load("1")), ["read account-1 from 2: 0"])
      yield* Account.append("1", deposited(3))
      assert.deepStrictEqual(yield* during(Balance.load("1")), ["read account-1 from 2: 1"])
      assert.deepStrictEqual(yield* Balance.load("1"), { state: { balance: 6 }, version: Option.some(2) })
      yield* Balance.transact("1", () => deposited(4))
      assert.deepStrictEqual(yield* during(Balance.load("1")), ["read account-1 from 4: 0"])
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("also of a stream that does not exist", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* during(Balance.load("1")), ["read account-1 from 0: 0"])
      assert.deepStrictEqual(yield* during(Balance.load("1", { freshness: "cached" })), [])
      yield* Account.append("1", deposited(1))
      assert.deepStrictEqual(yield* Balance.load("1"), { state: { balance: 1 }, version: Option.some(0) })
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("reads no snapshot when a state is cached", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const Snapshotted = Entity.make(Account, { ...balance, snapshots: { version: 1, every: 1 } })
      yield* Snapshotted.transact("1", () => deposited(1))
      assert.deepStrictEqual(yield* during(Snapshotted.load("1")), ["read account-1 from 1: 0"])
    }).pipe(Effect.provide([layer, cache]))
  })
})

describe("loads at the same time", () => {
  it.effect("share a read", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* Account.append("1", deposited(5))
      const loads = Effect.all(Array.from({ length: 50 }, () => Balance.load("1")), together)
      assert.deepStrictEqual(yield* during(loads), ["read account-1 from 0: 1"])
      assert.deepStrictEqual(yield* during(loads), ["read account-1 from 1: 0"])
      const states = yield* loads
      assert.isTrue(states.every(({ state }) => state.balance === 5))
      // Of one stream: those of others are others.
      const others = Effect.all([Balance.load("1"), Balance.load("2"), Balance.load("1")], together)
      assert.deepStrictEqual(yield* during(others), ["read account-1 from 1: 0", "read account-2 from 0: 0"])
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("that come during a read share the next one, since this one may have missed what they must see", () => {
    const { begun, gate, layer } = gated()
    return Effect.gen(function*() {
      yield* Account.append("1", deposited(1))
      yield* gate.close
      const first = yield* Effect.forkChild(balanceOf("1"))
      yield* settle
      assert.deepStrictEqual(begun, [0])
      // The store has given an answer that is still on its way.
      yield* Account.append("1", deposited(10))
      const others = yield* Effect.forkChild(Effect.all(Array.from({ length: 20 }, () => balanceOf("1")), together))
      yield* settle
      assert.deepStrictEqual(begun, [0])
      yield* gate.open
      assert.strictEqual(yield* Fiber.join(first), 1)
      assert.deepStrictEqual(yield* Fiber.join(others), Array.from({ length: 20 }, () => 11))
      assert.deepStrictEqual(begun, [0, 1])
    }).pipe(Effect.provide(layer))
  })

  it.effect("each see what was written before they began, however they share", () =>
    Effect.gen(function*() {
      // Writers and readers in every order that the scheduler makes of it.
      let written = 0
      const writer = Effect.gen(function*() {
        yield* Account.append("1", deposited(1))
        written++
        yield* Effect.yieldNow
      })
      const reader = (pause: number) =>
        Effect.gen(function*() {
          for (let i = 0; i < pause; i++) yield* Effect.yieldNow
          const atLeast = written
          assert.isAtLeast(yield* balanceOf("1"), atLeast)
        })
      yield* Effect.all([
        ...Array.from({ length: 30 }, () => writer),
        ...Array.from({ length: 200 }, (_, i) => reader(i % 37))
      ], together)
      assert.strictEqual(yield* balanceOf("1"), 30)
    }).pipe(onMemory, Effect.provide(cache)))

  it.effect("fail together when the read fails, and the next one reads again", () => {
    const { begun, failures, layer } = gated()
    return Effect.gen(function*() {
      yield* Account.append("1", deposited(1))
      failures.push(lost)
      const results = yield* Effect.all(Array.from({ length: 10 }, () => Effect.flip(balanceOf("1"))), together)
      assert.isTrue(results.every((error) => error === lost))
      assert.deepStrictEqual(begun, [0])
      assert.strictEqual(yield* balanceOf("1"), 1)
      failures.push(lost)
      assert.strictEqual(yield* Effect.flip(balanceOf("1")), lost)
      // What was known is still right, if not the latest.
      assert.strictEqual(yield* balanceOf("1", "cached"), 1)
      assert.deepStrictEqual(begun, [0, 0, 1])
    }).pipe(Effect.provide(layer))
  })

  it.effect("fail together with a message that does not decode", () =>
    Effect.gen(function*() {
      yield* write("account-1", { type: "Deposited", data: "much" })
      const results = yield* Effect.all(Array.from({ length: 10 }, () => Effect.flip(balanceOf("1"))), together)
      assert.isTrue(results.every(({ _tag }) => _tag === "DecodeError"))
    }).pipe(onMemory, Effect.provide(cache)))

  it.effect("get the defect of an evolve that throws, and later ones do not hang", () =>
    Effect.gen(function*() {
      const bug = new Error("a bug")
      let isBroken = true
      const Broken = Entity.make(Account, {
        ...balance,
        evolve: {
          ...balance.evolve,
          Deposited: (state, data) => {
            if (isBroken) throw bug
            return balance.evolve.Deposited(state, data)
          }
        }
      })
      yield* Account.append("1", deposited(5))
      const exits = yield* Effect.all(Array.from({ length: 10 }, () => Effect.exit(Broken.load("1"))), together)
      for (const exit of exits) {
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      }
      isBroken = false
      assert.deepStrictEqual((yield* Broken.load("1")).state, { balance: 5 })
    }).pipe(onMemory, Effect.provide(cache)))

  it.effect("get the defect of a weight that throws, and later ones do not hang", () =>
    Effect.gen(function*() {
      let isBroken = true
      const Heavy = Entity.make(Account, {
        ...balance,
        weight: () => {
          if (isBroken) throw new Error("a bug")
          return 1
        }
      })
      for (let i = 0; i < 2; i++) {
        const exit = yield* Effect.exit(Heavy.load("1"))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      }
      isBroken = false
      assert.deepStrictEqual((yield* Heavy.load("1")).state, { balance: 0 })
    }).pipe(onMemory, Effect.provide(cache)))
})

describe("an interruption", () => {
  it.effect("of the load that began a read does not harm the loads that share it", () => {
    const { begun, gate, layer } = gated()
    return Effect.gen(function*() {
      yield* Account.append("1", deposited(1))
      yield* gate.close
      const fibers = yield* Effect.forEach(Array.from({ length: 3 }), () => Effect.forkChild(balanceOf("1")))
      yield* settle
      assert.deepStrictEqual(begun, [0])
      const [first, second, third] = fibers
      assert(first !== undefined && second !== undefined && third !== undefined)
      yield* Fiber.interrupt(first)
      yield* Fiber.interrupt(third)
      yield* gate.open
      assert.strictEqual(yield* Fiber.join(second), 1)
      assert.deepStrictEqual(begun, [0])
    }).pipe(Effect.provide(layer))
  })

  it.effect("before the read begins does not either", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(1))
      for (let steps = 0; steps < 12; steps++) {
        const first = yield* Effect.forkChild(balanceOf("1"))
        const second = yield* Effect.forkChild(balanceOf("1"))
        for (let i = 0; i < steps; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(first)
        assert.strictEqual(yield* Fiber.join(second), 1, `after ${steps} steps`)
      }
    }).pipe(onMemory, Effect.provide(cache)))

  it.effect("of all loads that wait ends the read: one that hangs does not block later loads", () => {
    const { begun, gate, layer } = gated()
    return Effect.gen(function*() {
      yield* Account.append("1", deposited(1))
      yield* gate.close
      const waiting = yield* Effect.forkChild(Effect.all([balanceOf("1"), balanceOf("1")], together))
      yield* settle
      const later = yield* Effect.forkChild(balanceOf("1"))
      yield* settle
      assert.deepStrictEqual(begun, [0])
      yield* Fiber.interrupt(waiting)
      yield* settle
      // The next one has begun, though nothing has come of the first.
      assert.deepStrictEqual(begun, [0, 0])
      yield* gate.open
      assert.strictEqual(yield* Fiber.join(later), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("of a transaction, whenever it comes, leaves the cache right", () =>
    Effect.gen(function*() {
      const outcomes = new Set<number>()
      for (let steps = 0; steps < 60; steps++) {
        const id = String(steps)
        yield* Account.append(id, deposited(1))
        yield* balanceOf(id)
        const fiber = yield* Effect.forkChild(
          Balance.transact(id, () => Effect.as(Effect.yieldNow, [deposited(10), deposited(20)]))
        )
        for (let i = 0; i < steps; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        const total = (yield* amounts(id)).reduce((sum, n) => sum + n, 0)
        assert.include([1, 31], total)
        outcomes.add(total)
        assert.strictEqual(yield* balanceOf(id), total, `after ${steps} steps`)
        assert.include([1, total], yield* balanceOf(id, "cached"))
      }
      // The steps have to reach from before the append to after it, or nothing has been tried.
      assert.deepStrictEqual([...outcomes], [1, 31])
    }).pipe(onMemory, Effect.provide(cache)))
})

describe("freshness", () => {
  it.effect("cached is what the cache has, without a read, however old", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const cached = Balance.load("1", { freshness: "cached" })
      yield* Account.append("1", deposited(1))
      assert.deepStrictEqual(yield* during(cached), ["read account-1 from 0: 1"])
      yield* Account.append("1", deposited(10))
      yield* TestClock.adjust("100 days")
      assert.deepStrictEqual(yield* during(cached), [])
      assert.deepStrictEqual(yield* cached, { state: { balance: 1 }, version: Option.some(0) })
      yield* Balance.load("1")
      assert.deepStrictEqual((yield* cached).state, { balance: 11 })
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("maxAge is what was read or written no longer ago, to the millisecond", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const recent = Balance.load("1", { freshness: { maxAge: "10 seconds" } })
      yield* Balance.load("1")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* during(recent), [])
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(yield* during(recent), ["read account-1 from 0: 0"])
      yield* TestClock.adjust("9 seconds")
      yield* Balance.transact("1", () => deposited(1), { freshness: "cached" })
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(yield* during(recent), [])
      assert.deepStrictEqual((yield* recent).state, { balance: 1 })
      yield* TestClock.adjust("1001 millis")
      assert.deepStrictEqual(yield* during(recent), ["read account-1 from 1: 0"])
      assert.deepStrictEqual(yield* during(Balance.load("1", { freshness: { maxAge: 0 } })), [])
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("counts the age of a read from its beginning: what was written meanwhile may be missing", () => {
    const { begun, gate, layer } = gated()
    return Effect.gen(function*() {
      yield* gate.close
      const slow = yield* Effect.forkChild(balanceOf("1"))
      yield* settle
      yield* TestClock.adjust("10 seconds")
      yield* gate.open
      yield* Fiber.join(slow)
      yield* balanceOf("1", { maxAge: "10 seconds" })
      assert.deepStrictEqual(begun, [0])
      yield* balanceOf("1", { maxAge: "9999 millis" })
      assert.deepStrictEqual(begun, [0, 0])
    }).pipe(Effect.provide(layer))
  })

  it.effect("of a decision saves the read, and a conflict brings the latest", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const deposit = Balance.transact("1", () => deposited(1), { freshness: "cached", retry: Schedule.recurs(1) })
      yield* Balance.load("1")
      assert.deepStrictEqual(yield* during(deposit), ["append account-1: 1"])
      assert.deepStrictEqual(yield* during(deposit), ["append account-1: 1"])
      yield* Account.append("1", deposited(100))
      assert.deepStrictEqual(yield* during(deposit), ["read account-1 from 2: 1", "append account-1: 1"])
      assert.strictEqual(yield* balanceOf("1", "cached"), 103)
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("a failed append is forgotten, since it may have been written", () => {
    let failures = 1
    const layer = storeOver((backend) => ({
      append: (append) =>
        Effect.suspend(() =>
          append.expectedVersion !== "any" && failures-- > 0
            ? Effect.andThen(backend.append(append), Effect.fail(lost))
            : backend.append(append)
        )
    }))
    return Effect.gen(function*() {
      yield* Account.append("1", deposited(1))
      yield* Balance.load("1")
      const deposit = Balance.transact("1", () => deposited(10), { freshness: "cached", retry: Schedule.recurs(0) })
      assert.strictEqual(yield* Effect.flip(deposit), lost)
      assert.strictEqual(yield* balanceOf("1", "cached"), 11)
      assert.deepStrictEqual((yield* deposit).state, { balance: 21 })
    }).pipe(Effect.provide([layer, cache]))
  })
})

/** Which of the entities 1, 2, 3... are cached. */
const cachedOf = (during: ReturnType<typeof watched>["during"], count: number, entity = Balance) =>
  Effect.gen(function*() {
    const cached: Array<number> = []
    for (let i = 1; i <= count; i++) {
      // A look that changes nothing would be better, and there is none: so each test looks once.
      const log = yield* during(entity.load(String(i), { freshness: "cached" }))
      if (log.length === 0) cached.push(i)
    }
    return cached
  })

const loadAll = (count: number, entity = Balance) =>
  Effect.forEach(Array.from({ length: count }, (_, i) => String(i + 1)), (id) => entity.load(id), { discard: true })

describe("room", () => {
  it.effect("is made by the least recently used entities", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* loadAll(4)
      yield* Balance.load("1")
      yield* Balance.load("2", { freshness: "cached" })
      // 3 and 4 are the oldest now, and 3 goes.
      yield* Balance.load("5")
      assert.deepStrictEqual(yield* during(Balance.load("3", { freshness: "cached" })), ["read account-3 from 0: 0"])
      // That took the place of 4.
      assert.deepStrictEqual(yield* during(Balance.load("1", { freshness: "cached" })), [])
      assert.deepStrictEqual(yield* during(Balance.load("2", { freshness: "cached" })), [])
      assert.deepStrictEqual(yield* during(Balance.load("5", { freshness: "cached" })), [])
      assert.deepStrictEqual(yield* during(Balance.load("4", { freshness: "cached" })), ["read account-4 from 0: 0"])
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity: 4 })]))
  })

  const Weighed = Entity.make(Account, { ...balance, weight: ({ balance }) => balance })

  it.effect("is counted by weight, also when a state grows", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      for (const [i, weight] of [3, 3, 3].entries()) yield* Account.append(String(i + 1), deposited(weight))
      yield* loadAll(3, Weighed)
      // 9 of 10, and then 11.
      yield* Weighed.transact("3", () => deposited(2))
      assert.deepStrictEqual((yield* during(Weighed.load("1", { freshness: "cached" }))).length, 1)
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity: 10 })]))
  })

  it.effect("a state heavier than all of it is not kept, and drives the others out", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* Account.append("1", deposited(11))
      yield* Weighed.load("1")
      assert.deepStrictEqual(yield* during(Weighed.load("1", { freshness: "cached" })), ["read account-1 from 0: 1"])
      assert.deepStrictEqual((yield* Weighed.load("1")).state, { balance: 11 })
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity: 10 })]))
  })

  const weights = [Number.NaN, Number.POSITIVE_INFINITY, -5, Number.NEGATIVE_INFINITY]
  it.effect.each(weights)("a weight of %s is taken for 1", (weight) => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const Odd = Entity.make(Account, { ...balance, weight: () => weight })
      yield* loadAll(3, Odd)
      assert.deepStrictEqual(yield* cachedOf(during, 3, Odd), [])
      yield* loadAll(2, Odd)
      assert.deepStrictEqual(yield* cachedOf(during, 2, Odd), [1, 2])
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity: 2 })]))
  })

  it.effect.each([0, -1, Number.NaN])("there is none with a capacity of %s", (capacity) => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* loadAll(3)
      assert.deepStrictEqual(yield* cachedOf(during, 3), [])
      assert.deepStrictEqual((yield* Balance.transact("1", () => deposited(5))).state, { balance: 5 })
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 5 })
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity })]))
  })

  it.effect("is not taken by entities that could not be read", () => {
    const { failures, layer } = gated()
    return Effect.gen(function*() {
      const service = Option.getOrThrow(yield* EntityCache.EntityCache)
      const region = service.region<number, StoreError.StoreError>(Account, Balance, () => 1)
      for (let i = 0; i < 3; i++) {
        yield* Effect.flip(region.get(String(i), "latest", () => Effect.fail(lost)))
      }
      assert.strictEqual(service.size(), 0)
      failures.push(lost)
      yield* Effect.flip(Balance.load("1"))
      assert.strictEqual(service.size(), 0)
      yield* Balance.load("1")
      assert.strictEqual(service.size(), 1)
    }).pipe(Effect.provide(layer))
  })
})

describe("timeToLive", () => {
  it.effect("is how long an idle entity is kept", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* loadAll(2)
      yield* TestClock.adjust("59 minutes")
      yield* Balance.load("1", { freshness: "cached" })
      yield* TestClock.adjust("59 minutes")
      // 1 was asked for 59 minutes ago, 2 118.
      assert.deepStrictEqual(yield* cachedOf(during, 2), [1])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* cachedOf(during, 2), [])
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity: 10, timeToLive: "1 hour" })]))
  })

  it.effect("frees the memory also without any load", () =>
    Effect.gen(function*() {
      const service = Option.getOrThrow(yield* EntityCache.EntityCache)
      yield* loadAll(5)
      assert.strictEqual(service.size(), 5)
      yield* TestClock.adjust("30 minutes")
      yield* Balance.load("1")
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(service.size(), 1)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(service.size(), 0)
    }).pipe(onMemory, Effect.provide(EntityCache.layer({ capacity: 10, timeToLive: "1 hour" }))))

  it.effect("of nothing keeps nothing, and does not keep the program busy", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* loadAll(2)
      assert.deepStrictEqual(yield* cachedOf(during, 2), [])
      yield* TestClock.adjust("1 second")
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity: 10, timeToLive: 0 })]))
  })

  it.effect("may be forever", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* loadAll(2)
      yield* TestClock.adjust("10000 days")
      assert.deepStrictEqual(yield* cachedOf(during, 2), [1, 2])
    }).pipe(Effect.provide([layer, EntityCache.layer({ capacity: 10, timeToLive: "Infinity" })]))
  })
})

const on = (store: MessageStore.MessageStore["Service"]) => Effect.provideService(MessageStore.MessageStore, store)

describe("what is kept apart", () => {
  const Count = Entity.make(Account, {
    state: Schema.Int,
    initial: 0,
    evolve: { Opened: (n) => n, Deposited: (n) => n + 1, Withdrawn: (n) => n + 1 }
  })

  it.effect("two entities of one category", () =>
    Effect.gen(function*() {
      yield* Account.append("1", [deposited(5), deposited(6)])
      for (const freshness of ["latest", "cached"] as const) {
        assert.strictEqual(yield* balanceOf("1", freshness), 11)
        assert.strictEqual((yield* Count.load("1", { freshness })).state, 2)
      }
    }).pipe(onMemory, Effect.provide(cache)))

  it.effect("two stores", () =>
    Effect.gen(function*() {
      const [one, other] = [
        yield* Effect.flatMap(MemoryStore.make, MessageStore.make),
        yield* Effect.flatMap(MemoryStore.make, MessageStore.make)
      ]
      yield* on(one)(Account.append("1", deposited(1)))
      yield* on(other)(Account.append("1", deposited(2)))
      for (const freshness of ["latest", "cached"] as const) {
        assert.strictEqual(yield* on(one)(balanceOf("1", freshness)), 1)
        assert.strictEqual(yield* on(other)(balanceOf("1", freshness)), 2)
      }
      yield* on(one)(Balance.transact("1", () => deposited(10)))
      assert.strictEqual(yield* on(other)(balanceOf("1", "cached")), 2)
    }).pipe(Effect.provide(cache)))

  it.effect("two caches", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* Balance.load("1")
      const elsewhere = Effect.provide(Balance.load("1", { freshness: "cached" }), cache, { local: true })
      assert.deepStrictEqual(yield* during(elsewhere), ["read account-1 from 0: 0"])
    }).pipe(Effect.provide([layer, cache]))
  })
})

describe("closing the layer", () => {
  it.effect("loads go on without it", () => {
    const { begun, gate, layer } = gated()
    return Effect.gen(function*() {
      const scope = yield* Scope.make()
      const service = Context.get(yield* Layer.buildWithScope(cache, scope), EntityCache.EntityCache)
      yield* Effect.gen(function*() {
        yield* Account.append("1", deposited(1))
        yield* gate.close
        const during = yield* Effect.forkChild(balanceOf("1"))
        yield* settle
        const waiting = yield* Effect.forkChild(balanceOf("1"))
        const notBegun = yield* Effect.forkChild(balanceOf("2"))
        yield* Effect.yieldNow
        yield* Scope.close(scope, Exit.void)
        yield* gate.open
        assert.deepStrictEqual([yield* Fiber.join(during), yield* Fiber.join(waiting), yield* Fiber.join(notBegun)], [
          1,
          1,
          0
        ])
        begun.length = 0
        assert.strictEqual(yield* balanceOf("1", "cached"), 1)
        assert.strictEqual((yield* Balance.transact("1", () => deposited(1))).state.balance, 2)
        assert.deepStrictEqual(begun, [0, 0])
      }).pipe(Effect.provideService(EntityCache.EntityCache, service))
    }).pipe(Effect.provide(Layer.fresh(layer)))
  })
})

const check = (id: "1" | "2", { state, version }: Entity.Loaded<{ readonly balance: number }>) =>
  Effect.gen(function*() {
    // What is loaded is a past of the stream as it is now: each prefix has a balance of its own.
    const all = yield* amounts(id)
    const count = Option.match(version, { onNone: () => 0, onSome: (at) => at + 1 })
    assert.isAtMost(count, all.length)
    assert.strictEqual(state.balance, all.slice(0, count).reduce((sum, n) => sum + n, 0))
    return count
  })

describe("never a state ahead of the store, nor of another past", () => {
  type Step = "transact" | "append" | "load" | "cached" | "refuse" | "several" | "lost"
  const steps: ReadonlyArray<Step> = ["transact", "append", "load", "cached", "refuse", "several", "lost"]
  const step = Arbitrary.schema(Schema.Struct({
    what: Schema.Literals(steps),
    id: Schema.Literals(["1", "2"]),
    pause: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8 }))
  }))

  it.effect.prop("in any interleaving of writers and readers", {
    fibers: Arbitrary.array(Arbitrary.array(step, { maxLength: 6 }), { minLength: 1, maxLength: 6 }),
    capacity: Schema.Literals([0, 1, 10])
  }, ({ capacity, fibers }) => {
    let isLosing = false
    const store = storeOver((backend) => ({
      append: (append) =>
        Effect.suspend(() => {
          if (!isLosing || append.expectedVersion === "any") return backend.append(append)
          isLosing = false
          return Effect.andThen(backend.append(append), Effect.fail(lost))
        })
    }))
    const ids = { "1": 0, "2": 0 }
    const run = ({ id, pause, what }: { readonly id: "1" | "2"; readonly pause: number; readonly what: Step }) =>
      Effect.gen(function*() {
        for (let i = 0; i < pause; i++) yield* Effect.yieldNow
        const amount = ++ids[id] * 3
        const options = { retry: Schedule.recurs(100), freshness: pause % 2 === 0 ? "cached" : "latest" } as const
        if (what === "append") yield* Account.append(id, deposited(amount))
        if (what === "transact") yield* check(id, yield* Balance.transact(id, () => deposited(amount), options))
        if (what === "refuse") yield* Effect.flip(Balance.transact(id, () => Effect.fail("no"), options))
        if (what === "several") {
          const { entities } = yield* Entity.transactAll(
            { a: Balance.at("1"), b: Balance.at("2") },
            () => ({ a: deposited(amount), b: pause > 4 ? [] : deposited(amount) }),
            options
          )
          yield* check("1", entities.a)
          yield* check("2", entities.b)
        }
        if (what === "lost") {
          isLosing = true
          yield* Effect.exit(Balance.transact(id, () => deposited(amount), options))
        }
        if (what === "cached") yield* check(id, yield* Balance.load(id, { freshness: "cached" }))
        if (what === "load") {
          const before = yield* amounts(id)
          assert.isAtLeast(yield* check(id, yield* Balance.load(id)), before.length)
        }
      }).pipe(Effect.catchIf((error) => error === lost, () => Effect.void))
    return Effect.gen(function*() {
      yield* Effect.forEach(fibers, (steps) => Effect.forEach(steps, run), together)
      for (const id of ["1", "2"] as const) {
        yield* check(id, yield* Balance.load(id, { freshness: "cached" }))
        const total = (yield* amounts(id)).length
        assert.strictEqual(yield* check(id, yield* Balance.load(id)), total)
      }
    }).pipe(Effect.provide([store, EntityCache.layer({ capacity })]))
  }, { arbitrary: { runs: 200 } })
})
