import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Plan from "../Plan.ts"

it.effect("the same seed gives the same faults in the same order, and another one gives others", () =>
  Effect.gen(function*() {
    const faults = yield* Plan.round("1", 3, 50)
    assert.deepStrictEqual(yield* Plan.round("1", 3, 50), faults)
    assert.notDeepEqual(yield* Plan.round("2", 3, 50), faults)
    assert.notDeepEqual(yield* Plan.round("1", 4, 50), faults)
  }))

it.effect("every kind comes, and none lasts longer than ten seconds", () =>
  Effect.gen(function*() {
    const faults = yield* Plan.round("1", 1, 2_000)
    assert.sameMembers([...new Set(faults.map(({ kind }) => kind))], [...Plan.kinds])
    assert.isTrue(faults.every(({ millis, pause }) => millis >= 200 && millis <= 8_200 && pause <= 500))
  }))
