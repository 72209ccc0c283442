/**
 * Given, when, then: specifications of what an entity decides, without a store.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { NodeInspectSymbol } from "effect/Inspectable"
import type * as Option from "effect/Option"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import { at, callSite, errorFields, type Failure, failure, type Mismatch } from "./internal/report/failure.ts"
import { showAllGiven, showGiven, showWhen, showWhenAll } from "./internal/report/format.ts"
import { decideOn, type DecideResult, type DecisionOutcome } from "./internal/spec/decide.ts"
import * as All from "./internal/spec/decideAll.ts"
import * as Judge from "./internal/spec/judge.ts"
import { record, shown, toArray } from "./internal/spec/recordEvents.ts"
import { type Check, type Problem, run, type Told } from "./internal/spec/run.ts"

/** @since 0.1.0 */
export type { DecideResult } from "./internal/spec/decide.ts"

/**
 * An expectation of a spec is not met. The message tells what was given, what was decided on, what was expected, and what
 * happened instead. A spec also fails with it when an event that is given, decided or expected can't be recorded.
 *
 * **Details**
 *
 * Test runners show the difference between `actual` and `expected`, and the line of the expectation, where `stack` leads.
 *
 * @category errors
 * @since 0.1.0
 */
export class SpecFailed extends Data.Error<{
  readonly message: string
  readonly actual: unknown
  readonly expected: unknown
}> {
  override readonly name = "SpecFailed"
  // A getter: test runners print fields below the message.
  get _tag(): "SpecFailed" {
    return "SpecFailed"
  }
  // What node:test prints: the message says what the fields say.
  override [NodeInspectSymbol](): unknown {
    return this.stack
  }
}

/**
 * What `thenFails` compares a refusal with: an error with the same fields, its class, or a predicate. `never` when the
 * decision can't be refused.
 *
 * @category models
 * @since 0.1.0
 */
export type ExpectedRefusal<Refusal> = [Refusal] extends [never] ? never
  : Refusal | (abstract new(...args: never) => Refusal) | ((refusal: Refusal) => boolean)

/**
 * What a spec can expect of a decision that is not refused. Each expectation returns an effect that fails when any of the
 * expectations so far is not met, and that takes further ones: `.then(events).thenState(state)`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expectations<Events, S, Reply, R> {
  /**
   * Expects exactly these events. Of one entity: one, many in their order, or none (`[]`). Of several: those of each by its
   * name; one that is left out has none. Events are compared by type and by data, after encoding and decoding; ids and
   * metadata count where an expected event has them.
   *
   * **Gotchas**
   *
   * An object with a `then` looks like a promise, and this one isn't: `await` does not compile. Where no compiler looks (a
   * test that is not `it.effect` returns the spec, say), the promise is rejected with a {@link SpecFailed} that says so.
   */
  readonly then: (events: Events) => Expected<Events, S, Reply, R>
  /**
   * Expects the given and the decided events to fold into this state. Of several entities: into these states, by name; those
   * that are left out may be in any.
   */
  readonly thenState: (state: S) => Expected<Events, S, Reply, R>
  /** Expects this reply: see `Entity.reply`. */
  readonly thenReply: (reply: Reply) => Expected<Events, S, Reply, R>
}

/**
 * A spec with expectations: an effect for the test to run, which takes further expectations.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expected<Events, S, Reply, R>
  extends Effect.Effect<void, SpecFailed, R>, Expectations<Events, S, Reply, R>
{}

/**
 * A decision without expectations yet.
 *
 * @category models
 * @since 0.1.0
 */
export interface When<Events, S, Reply, Refusal, R> extends Expectations<Events, S, Reply, R> {
  /** Expects the decision to be refused: see {@link ExpectedRefusal}. */
  readonly thenFails: (refusal: ExpectedRefusal<Refusal>) => Effect.Effect<void, SpecFailed, R>
}

/**
 * The events of a stream, to decide on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Given<C extends Category.Any, S> {
  /** The decision: a function of the state and of the stream's version, as `Entity.transact` takes it. */
  readonly when: <A extends DecideResult<Category.Event<C>>>(
    decide: (state: S, version: Option.Option<number>) => A
  ) => When<
    Entity.Decision<Category.Event<C>>,
    S,
    Entity.ReplyOf<A>,
    Entity.RefusalOf<A>,
    Entity.RequirementsOf<A> | Category.Services<C>
  >
}

/**
 * A specification of an entity. Without `given`, the stream does not exist.
 *
 * @category models
 * @since 0.1.0
 */
export interface Spec<C extends Category.Any, S> extends Given<C, S> {
  /** What has happened: one event, many in their order, or none (`[]`). */
  readonly given: (events: Entity.Decision<Category.Event<C>>) => Given<C, S>
}

/**
 * The entities of a decision, by the names that the decision has for them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entities {
  readonly [name: string]: { readonly category: Category.Any; readonly initial: unknown }
}

/**
 * Events of several entities, by name: one event, many, or none. An entity that is left out has none.
 *
 * @category models
 * @since 0.1.0
 */
export type EventsOf<M extends Entities> = {
  readonly [K in keyof M]?: Entity.Decision<Category.Event<M[K]["category"]>> | undefined
}

/**
 * The states of several entities, by name.
 *
 * @category models
 * @since 0.1.0
 */
export type StatesOf<M extends Entities> = { readonly [K in keyof M]: M[K]["initial"] }

/** Events that may have other names too, so that {@link OnlyNames} can say which these are. */
type NamedEvents<M extends Entities> = EventsOf<M> | (EventsOf<M> & { readonly [name: string]: unknown })

/**
 * What the compiler says of a name that no entity has. It would not find it in an inferred type. When the result is no
 * decision at all, the compiler takes the bound for `A`, and says what a decision is.
 */
type OnlyNames<M extends Entities, A> = [Entity.Decided<NamedEvents<M>>] extends [A] ? Entity.Decided<EventsOf<M>>
  : Exclude<NamesIn<A extends Effect.Effect<infer B, infer _E, infer _R> ? B : A>, keyof M> extends infer Wrong
    ? [Wrong] extends [never] ? A : `the spec has no entity named ${Wrong & string}`
  : never

type NamesIn<B> = B extends Entity.Replied<infer D, infer _Reply> ? NamesIn<D> : B extends unknown ? keyof B : never

/**
 * The events of several streams, to decide on.
 *
 * @category models
 * @since 0.1.0
 */
export interface GivenAll<M extends Entities> {
  /** The decision: a function of the states by name, as `Entity.transactAll` takes it. */
  readonly when: <A extends Entity.Decided<NamedEvents<M>>>(
    decide: (states: StatesOf<M>) => OnlyNames<M, A>
  ) => When<
    EventsOf<M>,
    Partial<StatesOf<M>>,
    Entity.ReplyOf<A>,
    Entity.RefusalOf<A>,
    Entity.RequirementsOf<A> | Category.Services<M[keyof M]["category"]>
  >
}

/**
 * A specification of several entities. Without `given`, none of their streams exists.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpecAll<M extends Entities> extends GivenAll<M> {
  /** What has happened, by the name of the entity. */
  readonly given: (events: EventsOf<M>) => GivenAll<M>
}

const toError = (failed: Failure): SpecFailed => at(failed.site, new SpecFailed(errorFields(failed)))

const notAPromise = "a spec is an effect, not a promise: return it to it.effect or yield* it; do not await it"

/** A decision, and how what came of it is judged. */
interface Judging<Outcome, Events, S, R> {
  readonly decide: Effect.Effect<Told<Outcome>, Problem, R>
  readonly events: (outcome: Outcome, events: Events) => Effect.Effect<Mismatch | undefined, Problem, R>
  readonly state: (outcome: Outcome, state: S) => Effect.Effect<Mismatch | undefined, Problem, R>
  readonly view: (outcome: Outcome) => Judge.View
}

/** The expectations of a decision. Each of them runs the decision once, with those before it. */
const whenDecided = <Outcome, Events, S, Reply, Refusal, R>(
  judging: Judging<Outcome, Events, S, R>
): When<Events, S, Reply, Refusal, R> => {
  const check = (checks: Arr.NonEmptyReadonlyArray<Check<Outcome, R>>): Effect.Effect<void, SpecFailed, R> =>
    Effect.suspend(() => Effect.mapError(run(judging.decide, checks), toError))

  const expectations = (before: ReadonlyArray<Check<Outcome, R>>): Expectations<Events, S, Reply, R> => {
    const and = (site: ReadonlyArray<string>, judge: Check<Outcome, R>["judge"]): Expected<Events, S, Reply, R> => {
      const checks = Arr.append(before, { site, judge })
      return Object.assign(check(checks), expectations(checks))
    }
    return {
      // oxlint-disable-next-line unicorn/no-thenable -- specs say "given, when, then"; promises are refused
      then: (events, ...others: ReadonlyArray<unknown>) => {
        const site = callSite()
        if (typeof events === "function") {
          // A promise calls it, which takes this for another promise: see the type of `then`.
          const [reject] = others
          if (typeof reject === "function") reject(toError(failure(site, [notAPromise])))
          return and(site, () => Effect.succeed({ expected: "events", instead: notAPromise }))
        }
        return and(site, (outcome) => judging.events(outcome, events))
      },
      thenState: (state) => and(callSite(), (outcome) => judging.state(outcome, state)),
      thenReply: (reply) =>
        and(callSite(), (outcome) => Effect.succeed(Judge.judgeValue("reply", judging.view(outcome), reply)))
    }
  }

  return {
    ...expectations([]),
    thenFails: (refusal) => {
      const site = callSite()
      return check([
        { site, judge: (outcome) => Effect.succeed(Judge.judgeRefusal(judging.view(outcome), refusal)) }
      ])
    }
  }
}

/** A spec of decisions on a history. */
const specOf = <E extends Category.Events, O extends Category.Options, S>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  history: ReadonlyArray<Category.Event<Category.Category<E, O>>>
): Given<Category.Category<E, O>, S> => {
  type C = Category.Category<E, O>
  const when = <A extends DecideResult<Category.Event<C>>>(
    decide: (state: S, version: Option.Option<number>) => A
  ) =>
    whenDecided<
      DecisionOutcome<Category.RecordedEvent<C>, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>>,
      Entity.Decision<Category.Event<C>>,
      S,
      Entity.ReplyOf<A>,
      Entity.RefusalOf<A>,
      Entity.RequirementsOf<A> | Category.Services<C>
    >({
      decide: Effect.map(decideOn(entity, history, decide), ({ before, given, outcome, version }) => ({
        outcome,
        story: [showGiven(given.map((event) => shown(event))), showWhen(decide, before, version)]
      })),
      events: (outcome, events) => {
        const likes = toArray(events)
        return Effect.map(
          record(entity.category, "expected", likes),
          (wanted) =>
            Judge.judgeEvents(Judge.viewOf(outcome, likes), wanted.map((event, index) => shown(event, likes[index])))
        )
      },
      state: (outcome, state) => Effect.succeed(Judge.judgeState(Judge.viewOf(outcome), state, entity.state)),
      view: (outcome) => Judge.viewOf(outcome)
    })
  return { when }
}

/** A spec of decisions on the histories of several entities. Its types are those of `GivenAll`. */
const specOfAll = (entities: All.Entities, history: All.EventsByName): GivenAll<Entities> => {
  const when = (decide: All.DecideAll) =>
    whenDecided<All.AllOutcome, All.EventsByName, Readonly<Record<string, unknown>>, unknown, unknown, unknown>({
      decide: Effect.map(All.decideAllOn(entities, history, decide), ({ before, given, outcome }) => ({
        outcome,
        story: [showAllGiven(Judge.showAll(given)), showWhenAll(decide, before)]
      })),
      events: (outcome, events) => {
        const likes = Object.fromEntries(Object.entries(events).map(([name, own]) => [name, toArray(own ?? [])]))
        return Effect.map(
          All.recordAll(entities, "expected", events),
          (wanted) => Judge.judgeAllEvents(Judge.viewOfAll(outcome, likes), Judge.showAll(wanted, likes))
        )
      },
      state: (outcome, states) =>
        Effect.as(
          All.checkNames(entities, states, "states"),
          Judge.judgeStates(Judge.viewOfAll(outcome), states, entities)
        ),
      view: (outcome) => Judge.viewOfAll(outcome)
    })
  return { when: when as GivenAll<Entities>["when"] }
}

const all = <const M extends Entities>(entities: M): SpecAll<M> => {
  const named = entities as Entities as All.Entities
  const spec: SpecAll<Entities> = {
    ...specOfAll(named, {}),
    given: (events) => specOfAll(named, events as All.EventsByName)
  }
  return spec as SpecAll<M>
}

/**
 * Specifies what an entity decides: given these events, when this is decided, then these events follow, with this state
 * and this reply, or the decision is refused.
 *
 * **Details**
 *
 * A spec needs no store. `when` takes the function that `Entity.transact` takes, which sees the state and the version of a
 * stream with the given events. Expectations return an effect that needs what the decision and the category's schemas need,
 * and that fails with {@link SpecFailed}. A chain of expectations calls `decide` once.
 *
 * `Spec.all({ payer: Balance, payee: Balance })` specifies a decision on several entities.
 *
 * The given and the decided events are encoded, checked and decoded as by a store. What a store would refuse fails the
 * spec: an amount of 0.5 where the schema wants an integer, an id that is not a UUID.
 *
 * Values are compared by `Equal`, which sees no private fields of an instance. So an event, a state or a refusal with an instance of a
 * class is the same only if its JSON form, by its schema, is the same as well. Where there is no JSON form (a reply, a state whose schema
 * has none), fields are compared as `Equal` does; an instance that has none is the same as itself only.
 *
 * **Gotchas**
 *
 * Private fields beside others are not seen in a reply. Implement `Equal` in such a class, or reply with a value that shows
 * everything. What implements `Equal`, and classes of `Schema.Class`, are compared as they say.
 *
 * @example
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { Spec } from "@eventfold/testing"
 * import { Effect, Schema } from "effect"
 * import { Category, Entity } from "eventfold"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Withdrawn: { amount: Schema.Int } })
 * const Balance = Entity.make(Account, {
 *   state: Schema.Int,
 *   initial: 0,
 *   evolve: { Deposited: (balance, { amount }) => balance + amount, Withdrawn: (balance, { amount }) => balance - amount }
 * })
 *
 * class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", { balance: Schema.Int }) {}
 *
 * const withdraw = (amount: number) => (balance: number) =>
 *   balance < amount
 *     ? Effect.fail(new InsufficientFunds({ balance }))
 *     : Effect.succeed(Account.events.Withdrawn({ amount }))
 *
 * it.effect("money can be withdrawn", () =>
 *   Spec(Balance)
 *     .given([Account.events.Deposited({ amount: 5 }), Account.events.Deposited({ amount: 6 })])
 *     .when(withdraw(10))
 *     .then(Account.events.Withdrawn({ amount: 10 }))
 *     .thenState(1))
 *
 * it.effect("but not more than there is", () =>
 *   Spec(Balance)
 *     .given(Account.events.Deposited({ amount: 5 }))
 *     .when(withdraw(10))
 *     .thenFails(new InsufficientFunds({ balance: 5 })))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const Spec: {
  <E extends Category.Events, O extends Category.Options, S>(
    entity: Entity.Entity<Category.Category<E, O>, S>
  ): Spec<Category.Category<E, O>, S>
  /**
   * Specifies a decision on several entities, as `Entity.transactAll` takes it: given these events of each, when this is
   * decided, then these events of each follow.
   *
   * **Details**
   *
   * Each entity has a name, and a stream of its own. One that is left out has no events. A name that no entity has is an error
   * of the compiler, and fails the spec where no compiler looks.
   *
   * @example
   * ```ts no-run
   * import { it } from "@effect/vitest"
   * import { Spec } from "@eventfold/testing"
   * import { Effect, Schema } from "effect"
   * import { Category, Entity } from "eventfold"
   *
   * const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Withdrawn: { amount: Schema.Int } })
   * const Balance = Entity.make(Account, {
   *   state: Schema.Int,
   *   initial: 0,
   *   evolve: { Deposited: (balance, { amount }) => balance + amount, Withdrawn: (balance, { amount }) => balance - amount }
   * })
   *
   * class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", { balance: Schema.Int }) {}
   *
   * const transfer = (amount: number) => ({ payer }: { readonly payer: number }) =>
   *   payer < amount
   *     ? Effect.fail(new InsufficientFunds({ balance: payer }))
   *     : Effect.succeed({ payer: Account.events.Withdrawn({ amount }), payee: Account.events.Deposited({ amount }) })
   *
   * // In the program it is Entity.transactAll({ payer: Balance.at("1"), payee: Balance.at("2") }, transfer(10)).
   *
   * it.effect("a transfer moves money", () =>
   *   Spec.all({ payer: Balance, payee: Balance })
   *     .given({ payer: Account.events.Deposited({ amount: 11 }) })
   *     .when(transfer(10))
   *     .then({ payer: Account.events.Withdrawn({ amount: 10 }), payee: Account.events.Deposited({ amount: 10 }) })
   *     .thenState({ payer: 1 }))
   * ```
   *
   * @since 0.1.0
   */
  readonly all: <const M extends Entities>(entities: M) => SpecAll<M>
} = Object.assign(
  <E extends Category.Events, O extends Category.Options, S>(
    entity: Entity.Entity<Category.Category<E, O>, S>
  ): Spec<Category.Category<E, O>, S> => ({
    ...specOf(entity, []),
    given: (events) => specOf(entity, toArray(events))
  }),
  { all }
)
