import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as GroupReads from "../src/internal/store/groupReads.ts"

const together = { concurrency: "unbounded" } as const

/** Lets all fibers do what they can. */
const settled = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

interface Reading {
  readonly requests: ReadonlyArray<string>
  readonly end: Deferred.Deferred<void, string>
}

/** Every read waits until the test ends it. What it reads is the name of the request, and how it was read. */
const make = Effect.fnUntraced(function*() {
  const readings: Array<Reading> = []
  const reading = (requests: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      const end = Deferred.makeUnsafe<void, string>()
      readings.push({ requests, end })
      return Deferred.await(end)
    })
  const read = yield* GroupReads.make({
    maxSize: 3,
    maxGroups: 2,
    read: (request: string) => Effect.as(reading([request]), `${request} alone`),
    readSeveral: (requests) => Effect.as(reading(requests), requests.map((request) => `${request} of ${requests.length}`))
  })
  const at = (index: number) =>
    Effect.suspend(() => {
      const found = readings[index]
      return found === undefined ? Effect.die(`there is no read ${index}`) : Effect.succeed(found.end)
    })
  return {
    read,
    /** Asks in this order, and lets the reads begin. */
    ask: (...requests: ReadonlyArray<string>) =>
      Effect.tap(Effect.forEach(requests, (request) => Effect.forkChild(read(request))), () => settled),
    readings: () => readings.map(({ requests }) => requests.join()),
    end: (index: number) => Effect.andThen(Effect.flatMap(at(index), (end) => Deferred.succeed(end, undefined)), settled),
    fail: (index: number, error: string) =>
      Effect.andThen(Effect.flatMap(at(index), (end) => Deferred.fail(end, error)), settled),
    die: (index: number, defect: unknown) =>
      Effect.andThen(Effect.flatMap(at(index), (end) => Deferred.die(end, defect)), settled)
  }
})

describe("group reads", () => {
  it.effect("read a lone request at once, and those that arrive meanwhile together, in groups of a size", () =>
    Effect.gen(function*() {
      const { ask, end, readings } = yield* make()
      const [first] = yield* ask("a")
      assert.deepStrictEqual(readings(), ["a"])
      const others = yield* ask("b", "c", "d", "e", "f", "g", "h")
      // Two groups at a time.
      assert.deepStrictEqual(readings(), ["a", "b,c,d", "e,f,g"])
      yield* end(2)
      assert.deepStrictEqual(readings(), ["a", "b,c,d", "e,f,g", "h"])
      yield* end(3)
      yield* end(1)
      yield* end(0)
      assert.deepStrictEqual(yield* Fiber.joinAll([first, ...others].filter((fiber) => fiber !== undefined)), [
        "a alone",
        ...["b", "c", "d", "e", "f", "g"].map((request) => `${request} of 3`),
        "h alone"
      ])
      // Nothing is under way any more.
      yield* ask("i")
      assert.deepStrictEqual(readings().slice(4), ["i"])
    }))

  it.effect("read for each caller of a group that fails by itself: the failure of one is its own", () =>
    Effect.gen(function*() {
      const { ask, end, fail, readings } = yield* make()
      yield* ask("a")
      const callers = yield* ask("b", "c")
      yield* fail(1, "one of them is too large")
      assert.deepStrictEqual(readings(), ["a", "b,c", "b", "c"])
      yield* fail(2, "b is too large")
      yield* end(3)
      assert.deepStrictEqual(yield* Effect.forEach(callers, Fiber.await), [
        Exit.fail("b is too large"),
        Exit.succeed("c alone")
      ])
    }))

  it.effect("give a defect to all callers of the group, and go on", () =>
    Effect.gen(function*() {
      const { ask, die, readings } = yield* make()
      yield* ask("a")
      const callers = yield* ask("b", "c")
      yield* die(1, "a bug")
      for (const exit of yield* Effect.forEach(callers, Fiber.await)) {
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      }
      yield* ask("d", "e")
      assert.deepStrictEqual(readings().slice(2), ["d,e"])
    }))

  it.effect("let callers go that are interrupted, while they wait and while they are read, and keep the place of none", () =>
    Effect.gen(function*() {
      const { ask, end, readings } = yield* make()
      const [alone] = yield* ask("a")
      const callers = yield* ask("b", "c", "d", "e", "f", "g", "h", "i")
      const [b, , , , , , h] = callers
      if (alone === undefined || b === undefined || h === undefined) return assert.fail("a caller is missing")
      for (const caller of [alone, b, h]) yield* Fiber.interrupt(caller)
      yield* end(1)
      // Of the two that waited one has left, and the other one is alone.
      assert.deepStrictEqual(readings(), ["a", "b,c,d", "e,f,g", "i"])
      const [, , , , , , , i] = callers
      if (i === undefined) return assert.fail("a caller is missing")
      yield* Fiber.interrupt(i)
      yield* end(2)
      yield* ask("j")
      yield* ask("k")
      yield* ask("l")
      assert.deepStrictEqual(readings().slice(4), ["j", "k", "l"])
    }))

  it.effect("leave callers to themselves when their scope closes, those that are being read, that wait, and that come later", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { ask, end, readings } = yield* Scope.provide(make(), scope)
      yield* ask("a")
      const callers = yield* ask("b", "c", "d", "e", "f", "g", "h", "i")
      yield* Scope.close(scope, Exit.void)
      yield* settled
      const alone = ["b", "c", "d", "e", "f", "g", "h", "i"]
      assert.deepStrictEqual(readings().slice(3).toSorted(), alone)
      for (let index = 3; index < 3 + alone.length; index++) yield* end(index)
      assert.deepStrictEqual(yield* Fiber.joinAll(callers), alone.map((request) => `${request} alone`))
      const later = yield* ask("j")
      yield* end(11)
      assert.deepStrictEqual(yield* Fiber.joinAll(later), ["j alone"])
    }))

  it.effect("read after all of their callers have asked", () =>
    Effect.gen(function*() {
      let committed = 0
      const held = Deferred.makeUnsafe<void>()
      const read = yield* GroupReads.make({
        maxSize: 32,
        maxGroups: 2,
        read: (_: number) => Effect.andThen(Deferred.await(held), Effect.sync(() => committed)),
        readSeveral: (requests) => Effect.sync(() => requests.map(() => committed))
      })
      yield* Effect.forkChild(read(0))
      yield* settled
      const seen = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => i),
        (i) =>
          Effect.gen(function*() {
            if (i % 3 === 0) yield* Effect.yieldNow
            committed += 1
            const before = committed
            return (yield* read(i)) >= before
          }),
        together
      )
      assert.notInclude(seen, false)
      yield* Deferred.succeed(held, undefined)
    }))
})
