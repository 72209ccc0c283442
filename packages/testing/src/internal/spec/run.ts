import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { type Failure, failure, type Mismatch } from "../report/failure.ts"
import type { Misnamed } from "./decideAll.ts"
import { showProblem } from "./judge.ts"
import type { Unrecordable } from "./recordEvents.ts"

/** Why a spec can't be judged: its events can't be recorded. */
export type Problem = Unrecordable | Misnamed

/** An expectation of a spec. */
export interface Check<Outcome, R> {
  /** Where the expectation is in the test. */
  readonly site: ReadonlyArray<string>
  /** Fails when events that are expected can't be recorded. */
  readonly judge: (outcome: Outcome) => Effect.Effect<Mismatch | undefined, Problem, R>
}

/** How a decision ended, and what was given and decided on, in words. */
export interface Told<Outcome> {
  readonly outcome: Outcome
  readonly story: ReadonlyArray<string>
}

/** Decides once, and fails with the first expectation that is not met. */
export const run = <Outcome, R, R2>(
  decide: Effect.Effect<Told<Outcome>, Problem, R>,
  checks: Arr.NonEmptyReadonlyArray<Check<Outcome, R2>>
): Effect.Effect<void, Failure, R | R2> => {
  const check = Effect.fnUntraced(function*({ judge, site }: Check<Outcome, R2>, { outcome, story }: Told<Outcome>) {
    const mismatch = yield* Effect.mapError(
      judge(outcome),
      (problem) => failure(site, [...story, `then expected ${showProblem(problem)}`])
    )
    if (mismatch === undefined) return
    const { diff, expected, instead } = mismatch
    // After a list of names, each on a line of its own.
    const but = /\n {2}[^\n]*$/.test(expected) ? "\nbut" : ", but"
    return yield* Effect.fail(failure(site, [...story, `then expected ${expected}${but} ${instead}`], diff))
  })

  return decide.pipe(
    Effect.mapError((problem) => failure(checks[0].site, [`given ${showProblem(problem)}`])),
    Effect.flatMap((told) => Effect.forEach(checks, (each) => check(each, told), { discard: true }))
  )
}
