import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { type Build, BuildMoved, type Checkpoint, type Definition, ReadModelStore } from "eventfold/ReadModelStore"
import { type Counting, type It, newName } from "./counter.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const define = <R>({ tables }: Counting<R>, name: string, version = 1): Definition => ({
  name,
  version,
  fingerprint: `${name} ${version}`,
  tables
})

const beginning = Effect.gen(function*() {
  const checkpoint: Checkpoint = {
    position: 0,
    last: Option.none(),
    store: yield* (yield* MessageStore).identity,
    history: 0
  }
  return checkpoint
})

const at = (build: Build, position: number): Checkpoint => ({
  ...build.checkpoint,
  position,
  last: Option.some({ globalPosition: position, id: `id ${position}` })
})

const summary = (builds: ReadonlyArray<Build>) =>
  builds.map(({ checkpoint, number, state, version }) => [number, version, state, checkpoint.position] as const)

const switching = <R>(it: It<R>, counting: Counting<R>) => {
  it.effect("the first build is live at once, and the next one stands beside it until the switch", () =>
    Effect.gen(function*() {
      const store = yield* ReadModelStore
      const name = yield* newName
      const checkpoint = yield* beginning
      assert.deepStrictEqual(yield* store.builds(name), [])
      const first = yield* store.create(define(counting, name), { after: 0, checkpoint })
      assert.deepStrictEqual(summary([first]), [[1, 1, "live", 0]])
      assert.deepStrictEqual(first.checkpoint, checkpoint)
      assert.instanceOf(
        yield* Effect.flip(store.create(define(counting, name, 2), { after: 0, checkpoint })),
        BuildMoved
      )
      const live = yield* store.advance(first, at(first, 5), counting.add(name, "a", 1))
      const second = yield* store.create(define(counting, name, 2), { after: 1, checkpoint })
      const built = yield* store.advance(second, at(second, 3), counting.add(name, "a", 10))
      assert.deepStrictEqual({ ...yield* counting.counts(name) }, { a: 1 })
      assert.deepStrictEqual(summary(yield* store.builds(name)), [[1, 1, "live", 5], [2, 2, "building", 3]])

      const behind = store.switchTo(built, () => Effect.succeed(built))
      assert.instanceOf(yield* Effect.flip(behind), BuildMoved)
      const failing = store.switchTo(
        built,
        () => Effect.andThen(store.advance(built, at(built, 5), counting.add(name, "a", 100)), new Refused())
      )
      assert.instanceOf(yield* Effect.flip(failing), Refused)
      assert.deepStrictEqual(summary(yield* store.builds(name)), [[1, 1, "live", 5], [2, 2, "building", 3]])

      const differences: Array<unknown> = []
      const switched = yield* store.switchTo(built, (before, compared) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(before, Option.some(live))
          const own = yield* store.advance(built, at(built, 5), counting.add(name, "b", 1))
          for (const { onlyLive, onlyNew } of yield* compared) {
            differences.push([onlyLive, onlyNew])
          }
          return own
        }))
      assert.deepStrictEqual(differences, [[1, 2]])
      assert.deepStrictEqual(summary([switched]), [[2, 2, "live", 5]])
      assert.deepStrictEqual(summary(yield* store.builds(name)), [[1, 1, "retired", 5], [2, 2, "live", 5]])
      assert.deepStrictEqual({ ...yield* counting.counts(name) }, { a: 10, b: 1 })
      assert.instanceOf(yield* Effect.flip(store.advance(live, at(live, 6), Effect.void)), BuildMoved)

      // The next switch drops the build before the last.
      const third = yield* store.create(define(counting, name, 3), { after: 2, checkpoint: at(switched, 5) })
      yield* store.switchTo(third, () => Effect.succeed(third))
      assert.deepStrictEqual(summary(yield* store.builds(name)), [[2, 2, "retired", 5], [3, 3, "live", 5]])
      assert.deepStrictEqual({ ...yield* counting.counts(name) }, {})

      // Without a definition.
      const all = yield* ReadModel.list
      const own = all.find(({ readModel }) => readModel === name)
      assert.deepStrictEqual(own?.builds.map(({ build }) => build), yield* store.builds(name))
      assert.deepStrictEqual(all.map(({ readModel }) => readModel), [...new Set(all.map(({ readModel }) => readModel))])
      const codec = Schema.fromJsonString(Schema.toCodecJson(Schema.Array(ReadModel.StoredReadModel)))
      assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(all)), all)
    }))
}

const steps = <R>(it: It<R>, counting: Counting<R>) => {
  it.effect("changes of the tables are stored with the checkpoint, or not at all", () =>
    Effect.gen(function*() {
      const store = yield* ReadModelStore
      const name = yield* newName
      const first = yield* store.create(define(counting, name), { after: 0, checkpoint: yield* beginning })
      const once = yield* store.advance(first, at(first, 1), counting.add(name, "a", 1))
      assert.deepStrictEqual(once.checkpoint, at(first, 1))
      const failing = store.advance(once, at(once, 2), Effect.andThen(counting.add(name, "a", 1), new Refused()))
      assert.instanceOf(yield* Effect.flip(failing), Refused)

      const isIn = yield* Deferred.make<void>()
      const hanging = yield* Effect.forkChild(store.advance(
        once,
        at(once, 2),
        counting.add(name, "a", 1).pipe(
          Effect.andThen(Deferred.succeed(isIn, undefined)),
          Effect.andThen(Effect.never)
        )
      ))
      yield* Deferred.await(isIn)
      yield* Fiber.interrupt(hanging)
      assert.deepStrictEqual({ ...yield* counting.counts(name) }, { a: 1 })

      // A worker with an older checkpoint changes nothing, and does not even begin.
      let begun = 0
      const late = store.advance(first, at(first, 1), Effect.sync(() => begun += 1))
      assert.instanceOf(yield* Effect.flip(late), BuildMoved)
      assert.strictEqual(begun, 0)
      const races = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, i) => i),
        () => Effect.exit(store.advance(once, at(once, 2), counting.add(name, "a", 1))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(races.filter(({ _tag }) => _tag === "Success"), 1)
      assert.deepStrictEqual({ ...yield* counting.counts(name) }, { a: 2 })
      assert.deepStrictEqual(summary(yield* store.builds(name)), [[1, 1, "live", 2]])
    }))

  it.effect("a checkpoint can be set, a fingerprint accepted, and a build dropped that is not live", () =>
    Effect.gen(function*() {
      const store = yield* ReadModelStore
      const name = yield* newName
      const checkpoint = yield* beginning
      const first = yield* store.create(define(counting, name), { after: 0, checkpoint })
      const live = yield* store.advance(first, at(first, 7), counting.add(name, "a", 1))
      const rewound = yield* store.rewind(live, at(live, 4))
      assert.deepStrictEqual(rewound, { ...live, checkpoint: at(live, 4) })
      assert.instanceOf(yield* Effect.flip(store.advance(live, at(live, 8), Effect.void)), BuildMoved)
      const accepted = yield* store.accept(rewound, "another")
      assert.deepStrictEqual(yield* store.builds(name), [{ ...rewound, fingerprint: "another" }])
      assert.instanceOf(yield* Effect.flip(store.drop(accepted)), BuildMoved)
      const second = yield* store.create(define(counting, name, 2), { after: 1, checkpoint })
      yield* store.advance(second, at(second, 1), counting.add(name, "a", 1))
      const [, moved] = yield* store.builds(name)
      if (moved !== undefined) yield* store.drop(moved)
      assert.deepStrictEqual(summary(yield* store.builds(name)), [[1, 1, "live", 4]])
      assert.deepStrictEqual({ ...yield* counting.counts(name) }, { a: 1 })
    }))
}

export const tests = <R>(it: It<R>, counting: Counting<R>) =>
  describe("the contract", () => {
    switching(it, counting)
    steps(it, counting)
  })
