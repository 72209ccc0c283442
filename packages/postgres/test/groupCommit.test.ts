import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as GroupCommit from "../src/internal/store/groupCommit.ts"

const together = { concurrency: "unbounded", discard: true } as const

const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

/** Requests are `lane:name:size`. Each group waits until the test lets it end, and its results are its requests. */
const make = Effect.fnUntraced(function*(options: { readonly maxSize?: number } = {}) {
  const clock = yield* Clock.Clock
  let nanos = 0n
  const groups: Array<{ readonly requests: ReadonlyArray<string>; readonly end: Deferred.Deferred<void> }> = []
  const append = yield* GroupCommit.make<string, string, string>({
    laneOf: (request) => request.split(":")[0] ?? "",
    sizeOf: (request) => Number(request.split(":")[2] ?? 1),
    maxSize: options.maxSize ?? 1_000,
    commit: (requests) =>
      Effect.suspend(() => {
        const end = Deferred.makeUnsafe<void>()
        groups.push({ requests, end })
        return Effect.as(
          Deferred.await(end),
          requests.map((request) => request.includes("refused") ? Exit.fail(request) : Exit.succeed(request))
        )
      })
  }).pipe(Effect.provideService(Clock.Clock, { ...clock, monotonicTimeNanosUnsafe: () => nanos }))

  /** All fibers do what they can before another group ends. */
  const settled = Effect.forEach(upTo(20), () => Effect.yieldNow, { discard: true })
  return {
    append,
    settled,
    /** The groups so far. */
    groups: Effect.map(settled, () => groups.map(({ requests }) => requests)),
    /** The sizes of the groups so far. */
    sizes: Effect.map(settled, () => groups.map(({ requests }) => requests.length)),
    /** Ends a group after some milliseconds. */
    end: (index: number, millis = 0) =>
      Effect.suspend(() => {
        nanos += BigInt(millis) * 1_000_000n
        const group = groups[index]
        return Effect.andThen(
          group === undefined ? Effect.die(`no group ${index}`) : Deferred.succeed(group.end, undefined),
          settled
        )
      }),
    fail: (index: number, defect: unknown) =>
      Effect.suspend(() => {
        const group = groups[index]
        return group === undefined ? Effect.die(`no group ${index}`) : Deferred.die(group.end, defect)
      }),
    /** What a caller does with its result before it comes back: it keeps this process busy. */
    work: (millis: number) => Effect.sync(() => void (nanos += BigInt(millis) * 1_000_000n))
  }
})

describe("group commit", () => {
  it.effect("commits each group in the context of its first request, whoever started the fiber that commits it", () =>
    Effect.gen(function*() {
      const contexts: Array<string | undefined> = []
      const append = yield* GroupCommit.make<string, string, never>({
        laneOf: () => "a",
        sizeOf: () => 1,
        maxSize: 1,
        commit: (requests) =>
          Effect.contextWith((context: Context.Context<never>) => {
            const span = Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan))
            contexts.push(span?.spanId)
            return Effect.succeed(requests.map(Exit.succeed))
          })
      })
      const spanned = (spanId: string) =>
        Effect.withParentSpan(append(spanId), Tracer.externalSpan({ traceId: "t", spanId }))
      yield* Effect.all([spanned("one"), append("none"), spanned("two")], together)
      assert.deepStrictEqual(contexts, ["one", undefined, "two"])
    }))

  it.effect("a lone request starts at once, requests of one moment start together, and later ones form the next group", () =>
    Effect.gen(function*() {
      const { append, end, groups, settled } = yield* make()
      const first = yield* Effect.forkChild(append("a:1"))
      assert.deepStrictEqual(yield* groups, [["a:1"]])
      const rest = yield* Effect.forkChild(Effect.forEach(["a:2", "a:3", "a:4"], append, { concurrency: "unbounded" }))
      assert.deepStrictEqual(yield* groups, [["a:1"]])
      yield* end(0)
      assert.strictEqual(yield* Fiber.join(first), "a:1")
      assert.deepStrictEqual(yield* groups, [["a:1"], ["a:2", "a:3", "a:4"]])
      yield* end(1)
      assert.deepStrictEqual(yield* Fiber.join(rest), ["a:2", "a:3", "a:4"])
      yield* settled
      yield* Effect.forkChild(Effect.forEach(["a:5", "a:6"], append, together))
      assert.deepStrictEqual((yield* groups)[2], ["a:5", "a:6"])
    }))

  it.effect("lanes do not wait for one another", () =>
    Effect.gen(function*() {
      const { append, end, groups } = yield* make()
      yield* Effect.forkChild(append("a:1"))
      const b = yield* Effect.forkChild(append("b:1"))
      assert.deepStrictEqual(yield* groups, [["a:1"], ["b:1"]])
      yield* end(1)
      assert.strictEqual(yield* Fiber.join(b), "b:1")
    }))

  it.effect("a refusal fails only its own request", () =>
    Effect.gen(function*() {
      const { append, end, settled } = yield* make()
      const exits = yield* Effect.forkChild(
        Effect.forEach(["a:1", "a:refused", "a:2"], (request) => Effect.exit(append(request)), {
          concurrency: "unbounded"
        })
      )
      yield* settled
      yield* end(0)
      assert.deepStrictEqual(yield* Fiber.join(exits), [
        Exit.succeed("a:1"),
        Exit.fail("a:refused"),
        Exit.succeed("a:2")
      ])
    }))

  it.effect("a group takes what adds up to the size, and always one", () =>
    Effect.gen(function*() {
      const { append, end, groups } = yield* make({ maxSize: 10 })
      yield* Effect.forkChild(Effect.forEach(["a:1:6", "a:2:4", "a:3:11", "a:4:1", "a:5:9"], append, together))
      assert.deepStrictEqual(yield* groups, [["a:1:6", "a:2:4"]])
      yield* end(0)
      assert.deepStrictEqual((yield* groups)[1], ["a:3:11"])
      yield* end(1)
      assert.deepStrictEqual((yield* groups)[2], ["a:4:1", "a:5:9"])
    }))

  it.effect("a caller that is interrupted while its request waits withdraws it; a group that is being committed continues", () =>
    Effect.gen(function*() {
      const { append, end, groups, settled } = yield* make()
      const first = yield* Effect.forkChild(append("a:1"))
      yield* settled
      const second = yield* Effect.forkChild(append("a:2"))
      const third = yield* Effect.forkChild(append("a:3"))
      yield* settled
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      yield* end(0)
      assert.deepStrictEqual(yield* groups, [["a:1"], ["a:3"]])
      yield* Fiber.interrupt(third)
      yield* end(1)
      // A lane whose only request was withdrawn is idle, too.
      const withdrawn = yield* Effect.forkChild(append("a:4"), { startImmediately: true })
      yield* Fiber.interrupt(withdrawn)
      yield* Effect.forkChild(append("a:5"))
      assert.deepStrictEqual((yield* groups).slice(2), [["a:5"]])
    }))

  it.effect("a defect reaches the callers in the group and those that wait, and the lane continues", () =>
    Effect.gen(function*() {
      const { append, end, fail, groups, settled } = yield* make()
      const first = yield* Effect.forkChild(append("a:1"))
      yield* settled
      const second = yield* Effect.forkChild(append("a:2"))
      yield* settled
      yield* fail(0, "broken")
      for (const fiber of [first, second]) {
        assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.die("broken"))
      }
      const third = yield* Effect.forkChild(append("a:3"))
      assert.deepStrictEqual(yield* groups, [["a:1"], ["a:3"]])
      yield* end(1)
      assert.strictEqual(yield* Fiber.join(third), "a:3")
    }))

  it.effect("the end of the scope interrupts the callers in a group, those that wait, and later ones", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { append, groups } = yield* Scope.provide(make(), scope)
      const first = yield* Effect.forkChild(append("a:1"))
      yield* groups
      const second = yield* Effect.forkChild(append("a:2"))
      yield* groups
      yield* Scope.close(scope, Exit.void)
      const third = yield* Effect.forkChild(append("a:3"))
      for (const fiber of [first, second, third]) {
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }
    }))

  it.effect("the end of the scope keeps none of those waiting that withdraw meanwhile", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { append, settled } = yield* Scope.provide(make(), scope)
      // They wait for one fiber, which has not begun.
      const fibers = yield* Effect.forEach(
        upTo(5),
        (i) => Effect.forkChild(append(`a:${i}`), { startImmediately: true })
      )
      yield* Scope.close(scope, Exit.void)
      yield* settled
      for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe())
    }))

  describe("callers that come back", () => {
    /** Callers that append again and again, with some work in between. */
    const callers = Effect.fnUntraced(function*(count: number, millis: number) {
      const made = yield* make()
      // Not Effect.forever, which would yield to other fibers in between.
      const caller = (i: number) =>
        Effect.whileLoop({
          while: () => true,
          body: () => Effect.andThen(made.append(`a:${i}`), made.work(millis)),
          step: () => {}
        })
      yield* Effect.forkChild(Effect.forEach(upTo(count), caller, together))
      return made
    })

    it.effect("are all in the next group where a commit is slow", () =>
      Effect.gen(function*() {
        const { end, sizes } = yield* callers(64, 1)
        yield* sizes
        yield* end(0, 400)
        yield* end(1, 300)
        yield* end(2, 400)
        assert.deepStrictEqual(yield* sizes, [64, 64, 64, 64])
      }))

    it.effect("are waited for, for a fraction of a commit's time, and then each half has the database in turn", () =>
      Effect.gen(function*() {
        const { end, sizes } = yield* callers(64, 1)
        yield* sizes
        yield* end(0, 120)
        assert.deepStrictEqual(yield* sizes, [64, 32])
        // The other half has come back meanwhile, and does not wait for this one.
        yield* end(1, 30)
        assert.deepStrictEqual(yield* sizes, [64, 32, 32])
        yield* end(2, 30)
        yield* end(3, 30)
        assert.deepStrictEqual(yield* sizes, [64, 32, 32, 32, 32])
      }))

    it.effect("are in halves of the same size, however many come back before the next group starts", () =>
      Effect.gen(function*() {
        const { end, sizes } = yield* callers(64, 1)
        yield* sizes
        yield* end(0, 200)
        yield* end(1, 30)
        yield* end(2, 30)
        yield* end(3, 30)
        assert.deepStrictEqual(yield* sizes, [64, 32, 32, 32, 32])
      }))

    it.effect("are together again when commits get slow", () =>
      Effect.gen(function*() {
        const { end, sizes } = yield* callers(64, 1)
        yield* sizes
        yield* end(0, 120)
        yield* end(1, 30)
        yield* end(2, 500)
        yield* end(3, 500)
        yield* end(4, 500)
        assert.deepStrictEqual((yield* sizes).slice(-2), [64, 64])
      }))
  })
})
