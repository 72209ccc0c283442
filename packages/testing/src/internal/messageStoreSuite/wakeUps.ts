import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { MessageStore } from "eventfold/MessageStore"
import * as StreamName from "eventfold/StreamName"
import { dataOf, type It, newCategory, numbered, readCategory, readStream, upTo } from "./fixtures.ts"

/**
 * A store may wake once too often, above all at the beginning. So these tests wait for more wake-ups in a row than a store
 * gives by mistake. A test in which one is missing times out.
 */
const rounds = upTo(20)

const subscribing = (it: It) => {
  it.effect("each append completes a wait that begins before it or after it", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const wakeUps = yield* store.wakeUps(category)
      for (const i of rounds) {
        yield* store.append(`${category}-${i % 3}`, numbered(1))
        yield* wakeUps.await
        const waiting = yield* Effect.forkChild(wakeUps.await, { startImmediately: true })
        yield* store.append(`${category}-${i % 3}`, numbered(2))
        yield* Fiber.join(waiting)
      }
    }))

  it.effect("writeAll wakes all of its categories, and each append wakes a wait for any category", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [one, other] = [yield* newCategory, yield* newCategory]
      const all = yield* Effect.forEach([one, other, undefined], (category) => store.wakeUps(category))
      const any = yield* store.wakeUps()
      const news = yield* store.wakeUps(undefined, { bookkeeping: false })
      for (const _ of rounds) {
        yield* store.writeAll([
          { streamName: `${one}-1`, messages: numbered(1) },
          { streamName: other, messages: numbered(1) }
        ])
        yield* Effect.forEach([...all, any, news], (wakeUps) => wakeUps.await)
        yield* store.append(`${yield* newCategory}-1`, numbered(1))
        yield* any.await
      }
    }))

  it.effect("all subscribers are woken, and a subscriber that leaves takes no other along", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const scope = yield* Scope.make()
      const leaving = yield* Scope.provide(store.wakeUps(category), scope)
      const staying = yield* store.wakeUps(category)
      for (const i of rounds) {
        if (i === 10) yield* Scope.close(scope, Exit.void)
        const waiting = yield* Effect.forkChild(staying.await, { startImmediately: true })
        yield* store.append(`${category}-1`, numbered(1))
        yield* Fiber.join(waiting)
        if (i < 10) yield* leaving.await
      }
    }))

  it.effect("an interrupted wait loses no wake-up", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const wakeUps = yield* store.wakeUps(category)
      for (const i of rounds) {
        const waiting = yield* Effect.forkChild(wakeUps.await, { startImmediately: i % 2 === 0 })
        yield* Fiber.interrupt(waiting)
        yield* store.append(`${category}-1`, numbered(1))
        yield* wakeUps.await
      }
    }))
}

const coalescing = (it: It) => {
  it.effect("many appends are few wake-ups, and a reader that waits in between sees every message", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const wakeUps = yield* store.wakeUps(category)
      yield* Effect.forEach(upTo(200), (i) => store.append(`${category}-1`, numbered(1, i)))
      let count = 0
      const counting = yield* wakeUps.await.pipe(
        Effect.tap(() => Effect.sync(() => count++)),
        Effect.forever,
        Effect.forkChild({ startImmediately: true })
      )
      // Time for further wake-ups.
      yield* Effect.forEach(upTo(20), () => readStream(`${category}-1`))
      yield* Fiber.interrupt(counting)
      assert.isAtLeast(count, 1)
      assert.isBelow(count, 10)

      const writers = yield* Effect.forkChild(
        Effect.forEach(upTo(50), (i) => store.append(`${category}-2`, numbered(1, i)))
      )
      const seen: Array<unknown> = []
      let from = 1
      while (seen.length < 250) {
        const messages = yield* readCategory(category, { from })
        seen.push(...dataOf(messages))
        from = (messages.at(-1)?.globalPosition ?? from - 1) + 1
        if (seen.length < 250) yield* wakeUps.await
      }
      yield* Fiber.join(writers)
      assert.deepStrictEqual(seen, [...upTo(200), ...upTo(50)])
    }))

  it.effect("refuses the name of a stream", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      for (const name of [`${yield* newCategory}-1`, ""]) {
        assert.instanceOf(yield* Effect.flip(store.wakeUps(name)), StreamName.InvalidCategory)
      }
    }))
}

const waiting = (it: It) =>
  describe("wakeUps", () => {
    subscribing(it)
    coalescing(it)
  })
export const tests = (it: It): void => {
  waiting(it)
}
