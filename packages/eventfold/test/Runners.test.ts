/** How often a program tells its store what runs in it, on the virtual clock. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, References, Schedule, Schema } from "effect"
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

class Lengthy extends Schema.TaggedError<Lengthy>()("Lengthy", { reason: Schema.String }) {
  override get message(): string {
    return this.reason
  }
}

const messagesOf = (runs: ReadonlyArray<Runners.Run>): ReadonlyArray<number> =>
  runs.map(({ status }) => status.lastFailure.valueOrUndefined?.failure.message.length ?? 0)

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

it.effect("a program with many failures tells of all of them in a row of a bounded size, and knows them in full itself", () => {
  const { bySecond, layer, told } = telling()
  return Effect.gen(function*() {
    const { globalPosition } = yield* Account.append("1", deposited(1))
    // A pair of surrogates is not divided, which a database would not take.
    const failing = Effect.fail(new Lengthy({ reason: `${"x".repeat(199)}${"\u{1f600}".repeat(1_500)}` }))
    const consumers = yield* Effect.forEach(
      Array.from({ length: 300 }, (_, i) => `c${i}`),
      (id) =>
        Consumer.start(
          Consumer.make(id, { retry: Schedule.recurs(0), onFailure: "skip" }).on(Account, { Deposited: () => failing })
        )
    )
    yield* Effect.forEach(consumers, ({ waitFor }) => waitFor(globalPosition))
    yield* bySecond(1)
    const text = JSON.stringify(told.at(-1)?.runs)
    assert.isTrue(text.isWellFormed())
    assert.isBelow(text.length, 1_000_000)
    const decoded = yield* Schema.decodeUnknownEffect(Schema.toCodecJson(Schema.Array(Runners.Run)))(told.at(-1)?.runs)
    const [runner] = yield* Runners.list
    const own = messagesOf(runner?.runs ?? [])
    assert.isAtLeast(Math.min(...own), 2_000)
    const seen = messagesOf(decoded)
    assert.deepStrictEqual(seen.slice(0, 100), own.slice(0, 100))
    assert.isAtMost(Math.max(...seen.slice(100)), 220)
    assert.isAtLeast(Math.min(...seen.slice(100)), 200)
  }).pipe(Effect.scoped, Effect.provide(layer), Effect.provideService(References.MinimumLogLevel, "None"))
})

it.effect("a program that is told not to tell tells nothing", () => {
  const { bySecond, layer, told } = telling()
  const silent = Layer.provide(layer, Layer.succeed(Runners.Telling, false))
  return Effect.gen(function*() {
    yield* start("quiet")
    yield* bySecond(30)
    assert.deepStrictEqual(told, [])
    assert.deepStrictEqual((yield* Runners.list).flatMap(({ runs }) => runs.map(({ id }) => id)), ["quiet"])
  }).pipe(Effect.scoped, Effect.provide(silent))
})
