/** How often a program tells its store what runs in it, on the virtual clock. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Consumer, Runners, type StoreBackend } from "eventfold"
import { Account, deposited, storeOver } from "./support/account.ts"

/** A store that notes what it is told of runners. */
const telling = () => {
  const told: Array<StoreBackend.ToldRunner> = []
  let removals = 0
  const layer = storeOver(() => ({
    runners: {
      id: "one",
      host: "here",
      pid: 1,
      put: (runner) => Effect.sync(() => told.push(runner)),
      remove: Effect.sync(() => void removals++),
      list: Effect.succeed([])
    }
  }))
  /** How often the store is told in each of so many seconds. */
  const bySecond = (seconds: number) =>
    Effect.forEach(Array.from({ length: seconds }), () =>
      Effect.suspend(() => {
        const before = told.length
        return Effect.map(TestClock.adjust("1 second"), () => told.length - before)
      }))
  return { told, removals: () => removals, layer, bySecond }
}

const sum = (counts: ReadonlyArray<number>): number => counts.reduce((all, one) => all + one, 0)

const start = (id: string) => Consumer.start(Consumer.make(id).on(Account, { Deposited: () => Effect.void }))

it.effect("a program with many consumers tells once a second while something changes, and else once in ten", () => {
  const { bySecond, layer } = telling()
  return Effect.gen(function*() {
    const consumers = yield* Effect.forEach(Array.from({ length: 10 }, (_, i) => `c${i}`), start)
    for (let i = 0; i < 3; i++) {
      const { globalPosition } = yield* Account.append("1", Array.from({ length: 200 }, () => deposited(1)))
      yield* Effect.forEach(consumers, ({ waitFor }) => waitFor(globalPosition))
      assert.deepStrictEqual(yield* bySecond(1), [1])
    }
    // The rates are means over the last ten seconds, or so.
    for (const count of yield* bySecond(60)) assert.isAtMost(count, 1)
    assert.strictEqual(sum(yield* bySecond(60)), 6)
  }).pipe(Effect.scoped, Effect.provide(layer))
})

it.effect("a program in which nothing runs tells nothing, and takes its row away when nothing runs any longer", () => {
  const { bySecond, layer, removals, told } = telling()
  return Effect.gen(function*() {
    assert.strictEqual(sum(yield* bySecond(30)), 0)
    yield* Effect.scoped(Effect.andThen(start("first"), bySecond(2)))
    assert.isNotEmpty(told)
    assert.strictEqual(removals(), 0)
    assert.strictEqual(sum(yield* bySecond(30)), 0)
    assert.strictEqual(removals(), 1)
    yield* start("second")
    assert.strictEqual(sum(yield* bySecond(1)), 1)
    assert.include(JSON.stringify(told.at(-1)?.runs), "second")
  }).pipe(Effect.scoped, Effect.provide(layer))
})

it.effect("a program that is told not to tell tells nothing", () => {
  const { bySecond, layer, told } = telling()
  return Effect.gen(function*() {
    yield* start("quiet")
    yield* bySecond(30)
    assert.deepStrictEqual(told, [])
    assert.deepStrictEqual((yield* Runners.list).flatMap(({ runs }) => runs.map(({ id }) => id)), ["quiet"])
  }).pipe(Effect.scoped, Effect.provide(layer), Effect.provide(Layer.succeed(Runners.Telling, false)))
})
