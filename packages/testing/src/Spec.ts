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
import { at, callSite, errorFields, type Failure, failure } from "./internal/report/failure.ts"
import type { DecideResult, DecisionOutcome } from "./internal/spec/decide.ts"
import { judgeEvents, judgeRefusal, judgeValue, showOutcome } from "./internal/spec/judge.ts"
import { record, shown, toArray } from "./internal/spec/recordEvents.ts"
import { type Check, run } from "./internal/spec/run.ts"

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
export interface Expectations<C extends Category.Any, S, Reply, R> {
  /**
   * Expects exactly these events: one, many in their order, or none (`[]`). Events are compared by type and by data, after
   * encoding and decoding; ids and metadata count where an expected event has them.
   *
   * **Gotchas**
   *
   * An object with a `then` looks like a promise, and this one isn't: `await` does not compile. Where no compiler looks (a
   * test that is not `it.effect` returns the spec, say), the promise is rejected with a {@link SpecFailed} that says so.
   */
  readonly then: (events: Entity.Decision<Category.Event<C>>) => Expected<C, S, Reply, R>
  /** Expects the given and the decided events to fold into this state. */
  readonly thenState: (state: S) => Expected<C, S, Reply, R>
  /** Expects this reply: see `Entity.reply`. */
  readonly thenReply: (reply: Reply) => Expected<C, S, Reply, R>
}

/**
 * A spec with expectations: an effect for the test to run, which takes further expectations.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expected<C extends Category.Any, S, Reply, R>
  extends Effect.Effect<void, SpecFailed, R>, Expectations<C, S, Reply, R>
{}

/**
 * A decision without expectations yet.
 *
 * @category models
 * @since 0.1.0
 */
export interface When<C extends Category.Any, S, Reply, Refusal, R> extends Expectations<C, S, Reply, R> {
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
  ) => When<C, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>, Entity.RequirementsOf<A> | Category.Services<C>>
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

const toError = (failed: Failure): SpecFailed => at(failed.site, new SpecFailed(errorFields(failed)))

const notAPromise = "a spec is an effect, not a promise: return it to it.effect or yield* it; do not await it"

/** A spec of decisions on a history. */
const specOf = <E extends Category.Events, O extends Category.Options, S>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  history: ReadonlyArray<Category.Event<Category.Category<E, O>>>
): Given<Category.Category<E, O>, S> => {
  type C = Category.Category<E, O>

  const when = <A extends DecideResult<Category.Event<C>>>(
    decide: (state: S, version: Option.Option<number>) => A
  ): When<C, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>, Entity.RequirementsOf<A> | Category.Services<C>> => {
    type Reply = Entity.ReplyOf<A>
    type Services = Entity.RequirementsOf<A> | Category.Services<C>
    type Outcome = DecisionOutcome<Category.RecordedEvent<C>, S, Reply, Entity.RefusalOf<A>>
    type OwnCheck = Check<Outcome, Category.Services<C>>

    const check = (checks: Arr.NonEmptyReadonlyArray<OwnCheck>): Effect.Effect<void, SpecFailed, Services> =>
      Effect.suspend(() => Effect.mapError(run(entity, history, decide, checks), toError))

    const expectations = (before: ReadonlyArray<OwnCheck>): Expectations<C, S, Reply, Services> => {
      const and = (site: ReadonlyArray<string>, judge: OwnCheck["judge"]): Expected<C, S, Reply, Services> => {
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
          const likes = toArray(events)
          return and(
            site,
            (outcome) =>
              Effect.map(record(entity.category, "expected", likes), (wanted) =>
                judgeEvents(
                  showOutcome(outcome, likes),
                  wanted.map((event, index) => shown(event, likes[index]))
                ))
          )
        },
        thenState: (state) => {
          const site = callSite()
          return and(site, (outcome) => Effect.succeed(judgeValue("state", showOutcome(outcome), state)))
        },
        thenReply: (reply) => {
          const site = callSite()
          return and(site, (outcome) => Effect.succeed(judgeValue("reply", showOutcome(outcome), reply)))
        }
      }
    }

    return {
      ...expectations([]),
      thenFails: (refusal) => {
        const site = callSite()
        return check([{ site, judge: (outcome) => Effect.succeed(judgeRefusal(showOutcome(outcome), refusal)) }])
      }
    }
  }

  return { when }
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
 * The given and the decided events are encoded, checked and decoded as by a store. What a store would refuse fails the
 * spec: an amount of 0.5 where the schema wants an integer, an id that is not a UUID.
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
export const Spec = <E extends Category.Events, O extends Category.Options, S>(
  entity: Entity.Entity<Category.Category<E, O>, S>
): Spec<Category.Category<E, O>, S> => ({
  ...specOf(entity, []),
  given: (events) => specOf(entity, toArray(events))
})
