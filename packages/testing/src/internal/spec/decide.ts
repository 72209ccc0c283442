import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import { recordIn, type Store, toArray, type Unrecordable, withStore } from "./recordEvents.ts"

/**
 * What a `decide` function returns: what `Entity.transact` takes.
 *
 * @category models
 * @since 0.1.0
 */
export type DecideResult<Event> = Entity.Decided<Entity.Decision<Event>>

/** How a decision ended. */
export type DecisionOutcome<Recorded, S, Reply, Refusal> =
  | {
    readonly _tag: "Decided"
    readonly events: ReadonlyArray<Recorded>
    /** Whether a store writes anything: not when there are no events, or when all of them are given, by their ids. */
    readonly isNew: boolean
    readonly after: S
    readonly reply: Reply
  }
  | { readonly _tag: "Refused"; readonly refusal: Refusal }
  | Unrecordable

/** One run of a `decide` function: the events and the state that it decided on, and how it ended. */
export interface DecisionRun<Recorded, S, Reply, Refusal> {
  readonly given: ReadonlyArray<Recorded>
  readonly before: S
  readonly version: Option.Option<number>
  readonly outcome: DecisionOutcome<Recorded, S, Reply, Refusal>
}

/** The events and the reply, in whichever form `decide` returns them. */
export const settle = <D, A extends Entity.Decided<D>>(
  decided: A
): Effect.Effect<
  { readonly decision: D; readonly reply: Entity.ReplyOf<A> },
  Entity.RefusalOf<A>,
  Entity.RequirementsOf<A>
> => {
  type Given = D | Entity.Replied<D, Entity.ReplyOf<A>>
  const settled = Effect.isEffect(decided) ? decided : Effect.succeed(decided)
  return Effect.map(
    settled as Effect.Effect<Given, Entity.RefusalOf<A>, Entity.RequirementsOf<A>>,
    (given) => Entity.isReplied(given) ? given : { decision: given, reply: undefined as Entity.ReplyOf<A> }
  )
}

/** Decides on the state that the given events fold into. Fails when these can't be recorded. */
export const decideOn = <
  E extends Category.Events,
  O extends Category.Options,
  S,
  A extends DecideResult<Category.Event<Category.Category<E, O>>>
>(
  { category, evolve, initial }: Entity.Entity<Category.Category<E, O>, S>,
  history: ReadonlyArray<Category.Event<Category.Category<E, O>>>,
  decide: (state: S, version: Option.Option<number>) => A
): Effect.Effect<
  DecisionRun<Category.RecordedEvent<Category.Category<E, O>>, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>>,
  Unrecordable,
  Entity.RequirementsOf<A> | Category.Services<Category.Category<E, O>>
> => {
  type Event = Category.Event<Category.Category<E, O>>
  type Recorded = Category.RecordedEvent<Category.Category<E, O>>
  const fold = (from: S, events: ReadonlyArray<Recorded>) => events.reduce((state, event) => evolve(state, event), from)

  return withStore(Effect.fnUntraced(function*(store: Store) {
    const { events: given, version: last } = yield* recordIn(store, category, "given", history)
    const before = fold(initial, given)
    const version = last === -1 ? Option.none() : Option.some(last)
    const run = { given, before, version }
    const result = yield* Effect.result(
      Effect.suspend(() => settle<Entity.Decision<Event>, A>(decide(before, version)))
    )
    if (Result.isFailure(result)) return { ...run, outcome: { _tag: "Refused", refusal: result.failure } as const }
    const { decision, reply } = result.success
    const recording = yield* Effect.result(recordIn(store, category, "decided", toArray(decision), { first: last + 1 }))
    if (Result.isFailure(recording)) return { ...run, outcome: recording.failure }
    const { events, version: now } = recording.success
    const isNew = now > last
    const after = isNew ? fold(before, events) : before
    return { ...run, outcome: { _tag: "Decided", events, isNew, after, reply } as const }
  }))
}
