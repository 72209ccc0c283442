import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { MessageStore } from "eventfold/MessageStore"
import { type It, newCategory, numbered, upTo } from "./fixtures.ts"

const together = { concurrency: "unbounded" } as const

const isHeld = (name: string) =>
  Effect.scoped(Effect.flatMap(MessageStore, (store) => Effect.map(store.lease(name), Option.isNone)))

const leases = (it: It) =>
  describe("lease", () => {
    it.effect("only one holds a name at a time, until its scope closes", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const name = yield* newCategory
        for (const _ of upTo(3)) {
          const scope = yield* Scope.make()
          assert.isTrue(Option.isSome(yield* Scope.provide(store.lease(name), scope)))
          assert.isTrue(yield* isHeld(name))
          // The same caller does not get it again, and the failed attempt does not take it away.
          assert.isTrue(Option.isNone(yield* Scope.provide(store.lease(name), scope)))
          assert.isTrue(yield* isHeld(name))
          yield* Scope.close(scope, Exit.void)
          assert.isFalse(yield* isHeld(name))
        }
      }))

    it.effect("a failed attempt leaves nothing behind in its scope", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const name = yield* newCategory
        const scope = yield* Scope.make()
        yield* Scope.provide(store.lease(name), scope)
        assert.isTrue(Option.isNone(yield* store.lease(name)))
        yield* Scope.close(scope, Exit.void)
        // The scope of the failed attempt is still open.
        assert.isTrue(Option.isSome(yield* store.lease(name)))
      }))

    it.effect("of many concurrent attempts one succeeds, each time", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const name = yield* newCategory
        for (const _ of upTo(5)) {
          const scopes = yield* Effect.forEach(upTo(20), () => Scope.make())
          const tries = yield* Effect.forEach(scopes, (scope) => Scope.provide(store.lease(name), scope), together)
          assert.strictEqual(tries.filter(Option.isSome).length, 1)
          yield* Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void), together)
        }
      }))

    it.effect("names are any text, are independent, and are not categories", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const names = ["", "-1", " ", "A", "\u0000", "äöü 折り", "x".repeat(10_000)].map((suffix) => category + suffix)
        for (const name of names) assert.isTrue(Option.isSome(yield* store.lease(name)))
        for (const name of names) assert.isTrue(yield* isHeld(name))
        assert.isFalse(yield* isHeld(`${category}a`))
        assert.strictEqual((yield* store.append(`${category}-1`, numbered(2))).version, 1)
      }))

    it.effect("an interrupted attempt holds nothing, and an interrupted fiber releases its lease", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const name = yield* newCategory
        // This one keeps open what the store needs for leases.
        yield* store.lease(`${name} other`)
        for (const i of upTo(40)) {
          const holder = yield* store.lease(name).pipe(
            Effect.andThen(Effect.never),
            Effect.scoped,
            Effect.forkChild({ startImmediately: i % 2 === 0 })
          )
          yield* Effect.forEach(upTo(i), () => Effect.yieldNow, { discard: true })
          yield* Fiber.interrupt(holder)
          assert.isFalse(yield* isHeld(name))
        }
      }))

    it.effect("a lease that is held is not lost", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const name = yield* newCategory
        const lease = Option.getOrThrow(yield* store.lease(name))
        const lost = yield* Effect.forkChild(lease.lost, { startImmediately: true })
        for (const i of upTo(20)) {
          yield* store.append(`${name}-1`, numbered(1))
          assert.strictEqual(yield* isHeld(`${name} ${i}`), false)
        }
        assert.isUndefined(lost.pollUnsafe())
        yield* Fiber.interrupt(lost)
      }))
  })

export const tests = (it: It): void => {
  leases(it)
}
