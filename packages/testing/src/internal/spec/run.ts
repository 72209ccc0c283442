import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import { type Failure, failure, type Mismatch } from "../report/failure.ts"
import { showGiven, showWhen } from "../report/format.ts"
import { decideOn, type DecideResult, type DecisionOutcome, type DecisionRun } from "./decide.ts"
import { showUnrecordable } from "./judge.ts"
import { shown, type Unrecordable } from "./recordEvents.ts"

/** An expectation of a spec. */
export interface Check<Outcome, R> {
  /** Where the expectation is in the test. */
  readonly site: ReadonlyArray<string>
  /** Fails when events that are expected can't be recorded. */
  readonly judge: (outcome: Outcome) => Effect.Effect<Mismatch | undefined, Unrecordable, R>
}

/** Decides once, and fails with the first expectation that is not met. */
export const run = <
  E extends Category.Events,
  O extends Category.Options,
  S,
  A extends DecideResult<Category.Event<Category.Category<E, O>>>
>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  history: ReadonlyArray<Category.Event<Category.Category<E, O>>>,
  decide: (state: S, version: Option.Option<number>) => A,
  checks: Arr.NonEmptyReadonlyArray<
    Check<
      DecisionOutcome<Category.RecordedEvent<Category.Category<E, O>>, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>>,
      Category.Services<Category.Category<E, O>>
    >
  >
): Effect.Effect<void, Failure, Entity.RequirementsOf<A> | Category.Services<Category.Category<E, O>>> => {
  type Recorded = Category.RecordedEvent<Category.Category<E, O>>

  const check = Effect.fnUntraced(function*(
    { judge, site }: (typeof checks)[number],
    { before, given, outcome, version }: DecisionRun<Recorded, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>>
  ) {
    const story = [showGiven(given.map((event) => shown(event))), showWhen(decide, before, version)]
    const mismatch = yield* Effect.mapError(
      judge(outcome),
      (unrecordable) => failure(site, [...story, `then expected ${showUnrecordable(unrecordable)}`])
    )
    if (mismatch === undefined) return
    const { diff, expected, instead } = mismatch
    return yield* Effect.fail(failure(site, [...story, `then expected ${expected}, but ${instead}`], diff))
  })

  return decideOn(entity, history, decide).pipe(
    Effect.mapError((unrecordable) => failure(checks[0].site, [`given ${showUnrecordable(unrecordable)}`])),
    Effect.flatMap((decision) => Effect.forEach(checks, (each) => check(each, decision), { discard: true }))
  )
}
