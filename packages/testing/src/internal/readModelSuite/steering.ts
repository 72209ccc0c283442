import { assert, describe } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Administration from "eventfold/Administration"
import { MessageStore } from "eventfold/MessageStore"
import * as Observe from "eventfold/Observe"
import * as ReadModel from "eventfold/ReadModel"
import { ReadModelStore } from "eventfold/ReadModelStore"
import * as Steering from "eventfold/Steering"
import { InvalidArgument } from "eventfold/StoreError"
import { newCategory, numbered } from "../messageStoreSuite/fixtures.ts"
import { assertExact, counter, type Counting, type It, newName, quietly } from "./counter.ts"

const ann = { by: "ann" }
const annWithReason = { by: "ann", reason: "the tables were wrong" }

/** What is recorded of a read model: actions, phases and outcomes. */
const recordsOf = (readModel: string) =>
  Effect.map(
    Stream.runCollect(Administration.history()),
    (all) => all.map(({ data }) => data).filter(({ subject }) => subject === readModel)
  )

const stepsOf = (readModel: string) =>
  Effect.map(
    recordsOf(readModel),
    (all) =>
      all.map(({ action, details = {} }) =>
        [action, details["phase"], details["outcome"]].filter((part) => part !== undefined).join(" ")
      )
  )

/** A read model that has run, at the end of its category. */
const setUp = Effect.fnUntraced(function*<R>(counting: Counting<R>) {
  const store = yield* MessageStore
  const [name, category] = [yield* newName, yield* newCategory]
  const model = counter(counting, name, category)
  yield* store.append(`${category}-1`, numbered(6))
  const worker = yield* Effect.forkChild(quietly(ReadModel.run(model)))
  yield* ReadModel.waitFor(model, yield* store.lastPosition)
  yield* Fiber.interrupt(worker)
  const builds = Effect.map(
    Effect.flatMap(ReadModelStore, (store) => store.builds(name)),
    (all) => all.map(({ checkpoint: { position }, number, state }) => ({ number, state, position }))
  )
  return { builds, category, model, name }
})

const loading = <E, R>(...readModels: ReadonlyArray<ReadModel.ReadModel<E, R>>) =>
  Effect.provide(Observe.layer({ readModels }))

export const tests = <R>(it: It<R>, counting: Counting<R>) =>
  describe("steering", () => {
    it.effect("rebuilds beside the live build, waits for its switch, switches, and drops, with records", () =>
      Effect.gen(function*() {
        const { builds, category, model, name } = yield* setUp(counting)
        yield* Effect.gen(function*() {
          const rebuild = (expected: Steering.RebuildOptions["expected"]) =>
            Steering.rebuild(name, { expected, switch: "manual", compare: "same", ...ann })
          const wrong = yield* Effect.flip(Stream.runDrain(rebuild([])))
          assert.instanceOf(wrong, Steering.NotAsSeen)
          assert.deepStrictEqual(wrong.actual, [{ number: 1, state: "live" }])
          assert.deepStrictEqual(yield* recordsOf(name), [])
          // Whoever stops it leaves the unfinished build, which the next one continues.
          yield* Stream.runDrain(Stream.take(rebuild([{ number: 1, state: "live" }]), 1))
          const progress = yield* Stream.runCollect(rebuild(yield* builds))
          assert.strictEqual(progress.at(-1)?.phase, "built")
          const [live, beside] = yield* builds
          assert.deepStrictEqual([live?.state, beside?.state], ["live", "building"])
          if (live === undefined || beside === undefined) return
          assert.instanceOf(
            yield* Effect.flip(Stream.runDrain(Steering.switchTo(name, { expected: live, ...ann }))),
            InvalidArgument
          )
          const switched = yield* Stream.runCollect(Steering.switchTo(name, { expected: beside, ...ann }))
          assert.strictEqual(switched.at(-1)?.phase, "switched")
          const drop = (expected: Steering.BuildSeen) => Steering.dropBuild(name, { expected, ...annWithReason })
          assert.instanceOf(yield* Effect.flip(drop(live)), InvalidArgument)
          const retired = { number: 1, state: "retired" } as const
          const both = yield* Effect.all([Effect.result(drop(retired)), Effect.result(drop(retired))], {
            concurrency: 2
          })
          assert.lengthOf(Arr.getSuccesses(both), 1)
          assert.instanceOf(Arr.getFailures(both)[0], Steering.NotAsSeen)
          assert.deepStrictEqual((yield* builds).map(({ number, state }) => [number, state]), [[2, "live"]])
        }).pipe(loading(model))
        const steps = yield* stepsOf(name)
        assert.include(["ReadModel.rebuild end stopped", "ReadModel.rebuild end built"], steps[1])
        assert.deepStrictEqual(steps.filter((_, i) => i !== 1), [
          "ReadModel.rebuild begin",
          "ReadModel.rebuild begin",
          "ReadModel.rebuild end built",
          "ReadModel.switch begin",
          "ReadModel.switch end switched",
          "ReadModel.drop"
        ])
        const records = yield* recordsOf(name)
        assert.strictEqual(records[0]?.details?.["run"], records[1]?.details?.["run"])
        yield* assertExact(counting, name, category)
      }))

    it.effect("rewinds and accepts what was looked at", () =>
      Effect.gen(function*() {
        const { builds, category, model, name } = yield* setUp(counting)
        const [live] = yield* builds
        if (live === undefined) return assert.fail("the read model has no build")
        const rewind = (position: number) =>
          Steering.rewindReadModel(name, { to: 0, expected: { ...live, position }, ...annWithReason })
        const moved = yield* Effect.flip(rewind(live.position - 1))
        assert.instanceOf(moved, Steering.NotAsSeen)
        assert.deepStrictEqual(moved.actual, { ...live })
        const both = yield* Effect.all([Effect.result(rewind(live.position)), Effect.result(rewind(live.position))], {
          concurrency: 2
        })
        assert.lengthOf(Arr.getSuccesses(both), 1)
        assert.instanceOf(Arr.getFailures(both)[0], Steering.NotAsSeen)
        assert.deepStrictEqual(yield* builds, [{ number: 1, state: "live", position: 0 }])
        const changed = counter(counting, name, category, { fingerprint: "changed" })
        const accept = (number: number) => Steering.accept(name, { expected: { number, state: "live" }, ...ann })
        yield* Effect.gen(function*() {
          assert.instanceOf(yield* Effect.flip(accept(2)), Steering.NotAsSeen)
          yield* accept(1)
        }).pipe(loading(changed))
        const stored = yield* Effect.flatMap(ReadModelStore, (store) => store.builds(name))
        assert.deepStrictEqual(stored.map(({ fingerprint }) => fingerprint), [changed.fingerprint])
        assert.instanceOf(
          yield* Effect.flip(loading(model)(Steering.accept("other", { expected: live, ...ann }))),
          Observe.DefinitionNotLoaded
        )
        assert.deepStrictEqual(yield* stepsOf(name), ["ReadModel.rewind", "ReadModel.accept"])
      }))
  })
