import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { ReadModelStore } from "eventfold/ReadModelStore"
import { newCategory, numbered, upTo } from "../messageStoreSuite/fixtures.ts"
import { assertExact, counter, type Counting, type It, newName, quietly, until } from "./counter.ts"

const liveVersion = (model: ReadModel.ReadModel<unknown, unknown>) =>
  Effect.map(ReadModel.status(model), ({ live }) => Option.map(live, ({ version }) => version))

const isLive = (model: ReadModel.ReadModel<unknown, unknown>) =>
  Effect.map(liveVersion(model), Option.contains(model.version))

const rebuilds = <R>(it: It<R>, counting: Counting<R>) => {
  it.effect("a new version is built beside the live one, which stands by after the switch", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [name, category] = [yield* newName, yield* newCategory]
      const old = counter(counting, name, category)
      const next = counter(counting, name, category, { version: 2, factor: 10, batchSize: 3 })
      yield* store.append(`${category}-1`, numbered(8))
      const oldWorker = yield* Effect.forkChild(quietly(ReadModel.run(old)))
      yield* ReadModel.waitFor(old, yield* store.lastPosition)
      const newWorker = yield* Effect.forkChild(quietly(ReadModel.run(next)))
      yield* until(isLive(next))
      for (const i of upTo(5)) {
        const { globalPosition } = yield* store.append(`${category}-2`, numbered(1, i))
        yield* ReadModel.waitFor(next, globalPosition)
        yield* assertExact(counting, name, category, 10)
      }
      yield* Fiber.interrupt(newWorker)
      yield* Fiber.interrupt(oldWorker)
    }))

  it.effect("a rebuild while writers write has the same tables, and takes the live build's place", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [name, category] = [yield* newName, yield* newCategory]
      const model = counter(counting, name, category, { batchSize: 16 })
      yield* store.append(`${category}-1`, numbered(200))
      const worker = yield* Effect.forkChild(quietly(ReadModel.run(model)))
      yield* ReadModel.waitFor(model, yield* store.lastPosition)
      const writer = yield* Effect.forkChild(
        Effect.forEach(upTo(40), (i) => store.append(`${category}-${i % 3}`, numbered(2, i)))
      )
      const progress = yield* Stream.runCollect(ReadModel.rebuild(model, { compare: "same" }))
      yield* Fiber.join(writer)
      const last = progress.at(-1)
      assert.strictEqual(last?.phase, "switched")
      assert.strictEqual(last?.handled, last?.of)
      assert.isAtLeast(last?.handled ?? 0, 200)
      for (const [i, { handled, of, position, target }] of progress.entries()) {
        const before = progress[i - 1]
        assert.isAtLeast(position, before?.position ?? 0)
        assert.isAtLeast(target, before?.target ?? 0)
        assert.isAtLeast(handled, before?.handled ?? 0)
        assert.isAtLeast(of, handled)
      }
      yield* ReadModel.waitFor(model, yield* store.lastPosition)
      yield* assertExact(counting, name, category)
      assert.deepStrictEqual(
        (yield* ReadModel.status(model)).builds.map(({ number, state }) => [number, state]),
        [[1, "retired"], [2, "live"]]
      )
      yield* Fiber.interrupt(worker)
    }))

  it.effect("a rebuild that differs from the live build does not take its place, unless it may", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [name, category] = [yield* newName, yield* newCategory]
      yield* store.append(`${category}-1`, numbered(5))
      const old = counter(counting, name, category)
      const worker = yield* Effect.forkChild(ReadModel.run(old))
      yield* ReadModel.waitFor(old, yield* store.lastPosition)
      yield* Fiber.interrupt(worker)
      const next = counter(counting, name, category, { version: 2, factor: 2 })
      const error = yield* Effect.flip(Stream.runDrain(ReadModel.rebuild(next, { compare: "same" })))
      assert.instanceOf(error, ReadModel.BuildsDiffer)
      if (error instanceof ReadModel.BuildsDiffer) {
        assert.deepStrictEqual(error.differences.map(({ onlyLive, onlyNew }) => [onlyLive, onlyNew]), [[2, 2]])
      }
      yield* assertExact(counting, name, category)
      const progress = yield* Stream.runCollect(ReadModel.rebuild(next, { compare: ([one]) => one?.onlyNew === 2 }))
      // Its build was complete already.
      assert.deepStrictEqual(progress.map(({ build, phase }) => [build, phase]), [[2, "switched"]])
      yield* assertExact(counting, name, category, 2)
    }))
}

const resuming = <R>(it: It<R>, counting: Counting<R>) => {
  it.effect("the same definition resumes a rebuild that was begun, and another one drops it", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [name, category] = [yield* newName, yield* newCategory]
      yield* store.append(`${category}-1`, numbered(30))
      const old = counter(counting, name, category)
      yield* Stream.runDrain(ReadModel.rebuild(old))
      yield* assertExact(counting, name, category)
      const options = { version: 2, factor: 3, atOnce: 5 }
      const next = counter(counting, name, category, options)
      const begun = yield* ReadModel.rebuild(next).pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(begun.map(({ handled, of }) => [handled, of]), [[5, 30], [10, 30]])
      const rest = yield* Stream.runCollect(ReadModel.rebuild(next, { switch: "manual" }))
      assert.deepStrictEqual(rest.map(({ build, handled }) => [build, handled]), [
        [2, 15],
        [2, 20],
        [2, 25],
        [2, 30],
        [2, 30]
      ])
      assert.strictEqual(rest.at(-1)?.phase, "built")
      const other = counter(counting, name, category, { ...options, factor: 4 })
      const last = yield* Stream.runCollect(ReadModel.rebuild(other))
      assert.deepStrictEqual(last.map(({ handled }) => handled), [5, 10, 15, 20, 25, 30, 30])
      yield* assertExact(counting, name, category, 4)
      assert.deepStrictEqual(
        (yield* (yield* ReadModelStore).builds(name)).map(({ number, state }) => [number, state]),
        [[1, "retired"], [2, "live"]]
      )
    }))

  it.effect("a changed definition with the same version is refused, unless it is accepted", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [name, category] = [yield* newName, yield* newCategory]
      yield* store.append(`${category}-1`, numbered(2))
      yield* Stream.runDrain(ReadModel.rebuild(counter(counting, name, category)))
      const changed = counter(counting, name, category, { factor: 2 })
      const error = yield* Effect.flip(ReadModel.run(changed))
      assert.instanceOf(error, ReadModel.ReadModelChanged)
      // Also when its tables have everything that is waited for.
      assert.instanceOf(yield* Effect.flip(ReadModel.waitFor(changed, 0)), ReadModel.ReadModelChanged)
      const running = yield* ReadModel.start(changed)
      assert.instanceOf(yield* Effect.flip(running.waitFor(0)), ReadModel.ReadModelChanged)
      yield* ReadModel.accept(changed)
      const { globalPosition } = yield* store.append(`${category}-2`, numbered(1))
      yield* ReadModel.start(changed)
      yield* ReadModel.waitFor(changed, globalPosition)
      assert.strictEqual((yield* counting.counts(name))[`${category}-2`], 2)
      assert.strictEqual((yield* counting.counts(name))[`${category}-1`], 2)
    }))

  it.effect("one process builds at a time", () =>
    Effect.gen(function*() {
      const [name, category] = [yield* newName, yield* newCategory]
      yield* (yield* MessageStore).append(`${category}-1`, numbered(2))
      const model = counter(counting, name, category, { atOnce: 1 })
      const error = yield* ReadModel.rebuild(model).pipe(
        Stream.take(1),
        Stream.mapEffect(() => Effect.flip(Stream.runDrain(ReadModel.rebuild(model)))),
        Stream.runCollect
      )
      assert.instanceOf(error[0], ReadModel.ReadModelIsBuilding)
    }))
}

export const tests = <R>(it: It<R>, counting: Counting<R>) =>
  describe("builds of read models", () => {
    rebuilds(it, counting)
    resuming(it, counting)
  })
