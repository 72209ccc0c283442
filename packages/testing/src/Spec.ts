/**
 * Given, when, then: specifications of what an entity decides, without a store.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { NodeInspectSymbol } from "effect/Inspectable"
import type * as Option from "effect/Option"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import { at, callSite } from "./internal/report/callSite.ts"
import { isComparable, isRefusal, showWanted } from "./internal/report/expectedError.ts"
import { plainError, show, showEvents, showGiven, type Shown, showRefusal, showWhen } from "./internal/report/format.ts"
import {
  type Decided,
  decideOn,
  type Decision,
  type Outcome,
  record,
  shown,
  toArray,
  type Unrecordable
} from "./internal/spec/decide.ts"

/**
 * What was expected is not what came of it: its message says what was given, when it was decided, what was expected then,
 * and what happened instead. Also when an event that is given, decided or expected can't be recorded, which a store would
 * refuse.
 *
 * Test runners show the difference of `actual` and `expected`, and the line of the expectation, to which `stack` leads.
 *
 * @since 0.1.0
 */
export class SpecFailed extends Data.Error<{
  readonly message: string
  readonly actual: unknown
  readonly expected: unknown
}> {
  override readonly name = "SpecFailed"
  // Not a field, which test runners would print below the message.
  get _tag(): "SpecFailed" {
    return "SpecFailed"
  }
  // As node:test prints it: the message says what the fields say.
  override [NodeInspectSymbol](): unknown {
    return this.stack
  }
}

/**
 * What a refusal may be compared with: a refusal, with the same fields; the class of one; or a predicate. Nothing, when
 * the decision can't be refused.
 *
 * @since 0.1.0
 */
export type ExpectedRefusal<Refusal> = [Refusal] extends [never] ? never
  : Refusal | (abstract new(...args: never) => Refusal) | ((refusal: Refusal) => boolean)

/**
 * What can be expected of a decision that is not refused. Each gives an effect which fails when any of the expectations
 * so far is not met, and which can be expected more of: `.then(events).thenState(state)`.
 *
 * @since 0.1.0
 */
export interface Expectations<C extends Category.Any, S, Reply, R> {
  /**
   * Exactly these events are decided: one, many in their order, or none (`[]`). They have the same type and the same data
   * after it was encoded and decoded; ids and metadata count where an expected event has them.
   *
   * **Gotchas**
   *
   * An object with a `then` looks like a promise. It is none: `await` does not compile, and where the compiler is passed
   * by (a test that is not `it.effect` returns it, say), the promise is rejected with a {@link SpecFailed} that says so.
   */
  readonly then: (events: Entity.Decision<Category.Event<C>>) => Expected<C, S, Reply, R>
  /** The events that are given and those that are decided fold into this state. */
  readonly thenState: (state: S) => Expected<C, S, Reply, R>
  /** The decision has this reply: see `Entity.reply`. */
  readonly thenReply: (reply: Reply) => Expected<C, S, Reply, R>
}

/**
 * Expectations, as an effect to be run by the test, and more of them.
 *
 * @since 0.1.0
 */
export interface Expected<C extends Category.Any, S, Reply, R>
  extends Effect.Effect<void, SpecFailed, R>, Expectations<C, S, Reply, R>
{}

/**
 * A decision that is still without expectations.
 *
 * @since 0.1.0
 */
export interface When<C extends Category.Any, S, Reply, Refusal, R> extends Expectations<C, S, Reply, R> {
  /** The decision is refused: see {@link ExpectedRefusal}. */
  readonly thenFails: (refusal: ExpectedRefusal<Refusal>) => Effect.Effect<void, SpecFailed, R>
}

/**
 * The events of a stream, to decide on.
 *
 * @since 0.1.0
 */
export interface Given<C extends Category.Any, S> {
  /** The decision: what `Entity.transact` takes, a function of the state and the version of the stream. */
  readonly when: <A extends Decided<Category.Event<C>>>(
    decide: (state: S, version: Option.Option<number>) => A
  ) => When<C, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>, Entity.RequirementsOf<A> | Category.Services<C>>
}

/**
 * A specification of an entity. Without `given` the stream does not exist.
 *
 * @since 0.1.0
 */
export interface Spec<C extends Category.Any, S> extends Given<C, S> {
  /** What has happened: one event, many in their order, or none (`[]`). */
  readonly given: (events: Entity.Decision<Category.Event<C>>) => Given<C, S>
}

type AnyOutcome = Outcome<Shown, unknown, unknown, unknown>

const simplified = <E extends Category.Events, O extends Category.Options>(
  outcome: Outcome<Category.RecordedEvent<Category.Category<E, O>>, unknown, unknown, unknown>,
  likes: ReadonlyArray<Category.Event<Category.Category<E, O>>> = []
): AnyOutcome =>
  outcome._tag === "Decided"
    ? { ...outcome, events: outcome.events.map((event, index) => shown(event, likes[index])) }
    : outcome

/** An expectation that is not met: what was expected, and what happened instead. */
interface Mismatch {
  readonly expected: string
  readonly instead: string
  /** For a test runner to show the difference; absent where there is nothing to compare. */
  readonly diff?: { readonly actual: unknown; readonly expected: unknown }
}

const showRefused = ({ events, reason }: Unrecordable): string =>
  `the events ${showEvents(events)}, which a store would refuse: ${reason}`

const showHappened = (outcome: AnyOutcome): string => {
  switch (outcome._tag) {
    case "Decided":
      return outcome.events.length === 0
        ? "no events were decided"
        : `these were decided: ${showEvents(outcome.events)}`
    case "Refused":
      return `it was refused: ${showRefusal(outcome.refusal)}`
    case "Unrecordable":
      return `it decided ${showRefused(outcome)}`
  }
}

/** What happened, to be compared with something else that was to happen. */
const happened = (outcome: AnyOutcome): unknown => {
  switch (outcome._tag) {
    case "Decided":
      return { events: outcome.events.map(({ data, type }) => ({ type, data })) }
    case "Refused":
      return { refusal: plainError(outcome.refusal) }
    case "Unrecordable":
      return { refusedByStore: outcome.reason }
  }
}

const judgeEvents = (outcome: AnyOutcome, wanted: ReadonlyArray<Shown>): Mismatch | undefined => {
  const expected = wanted.length === 0 ? "no events" : `the events ${showEvents(wanted)}`
  const instead = showHappened(outcome)
  if (outcome._tag !== "Decided") {
    return { expected, instead, diff: { actual: happened(outcome), expected: { events: wanted } } }
  }
  if (Equal.equals(outcome.events, wanted)) return undefined
  return { expected, instead, diff: { actual: outcome.events, expected: wanted } }
}

/** Of the state or of the reply: values that there are only when it was not refused. */
const judgeValue = (
  what: "state" | "reply",
  outcome: AnyOutcome,
  wanted: unknown
): Mismatch | undefined => {
  const expected = `the ${what} ${show(wanted)}`
  if (outcome._tag !== "Decided") {
    return {
      expected,
      instead: showHappened(outcome),
      diff: { actual: happened(outcome), expected: { [what]: wanted } }
    }
  }
  const actual = what === "state" ? outcome.after : outcome.reply
  if (Equal.equals(actual, wanted)) return undefined
  return { expected, instead: `it was ${show(actual)}`, diff: { actual, expected: wanted } }
}

const failed = (site: ReadonlyArray<string>, lines: ReadonlyArray<string>, diff?: Mismatch["diff"]): SpecFailed =>
  at(site, new SpecFailed({ message: lines.join("\n"), actual: diff?.actual, expected: diff?.expected }))

const notAPromise = "a spec is an effect and no promise: return it to it.effect, or yield* it, and do not await it"

const judgeRefusal = (outcome: AnyOutcome, wanted: unknown): Mismatch | undefined => {
  if (outcome._tag === "Refused" && isRefusal(outcome.refusal, wanted)) return undefined
  const mismatch = { expected: showWanted("refusal", wanted), instead: showHappened(outcome) }
  if (!isComparable(wanted)) return mismatch
  const diff = outcome._tag === "Refused"
    ? { actual: plainError(outcome.refusal), expected: plainError(wanted) }
    : { actual: happened(outcome), expected: { refusal: plainError(wanted) } }
  return { ...mismatch, diff }
}

/** The decision that a spec is about, and the words for it. */
const specOf = <E extends Category.Events, O extends Category.Options, S>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  history: ReadonlyArray<Category.Event<Category.Category<E, O>>>
): Given<Category.Category<E, O>, S> => {
  type C = Category.Category<E, O>
  type Recorded = Category.RecordedEvent<C>

  const when = <A extends Decided<Category.Event<C>>>(
    decide: (state: S, version: Option.Option<number>) => A
  ): When<C, S, Entity.ReplyOf<A>, Entity.RefusalOf<A>, Entity.RequirementsOf<A> | Category.Services<C>> => {
    type Reply = Entity.ReplyOf<A>
    type Services = Entity.RequirementsOf<A> | Category.Services<C>
    type Happened = Outcome<Recorded, S, Reply, Entity.RefusalOf<A>>

    interface Check {
      /** Where the expectation is in the test. */
      readonly site: ReadonlyArray<string>
      readonly judge: (
        outcome: Happened
      ) => Effect.Effect<Mismatch | undefined, Unrecordable, Category.Services<C>>
    }

    const check = Effect.fnUntraced(function*(
      { judge, site }: Check,
      { before, given, outcome, version }: Decision<Recorded, S, Reply, Entity.RefusalOf<A>>
    ) {
      const story = [showGiven(given.map((event) => shown(event))), showWhen(decide, before, version)]
      const mismatch = yield* Effect.mapError(
        judge(outcome),
        (unrecordable) => failed(site, [...story, `then expected ${showRefused(unrecordable)}`])
      )
      if (mismatch === undefined) return
      const { diff, expected, instead } = mismatch
      return yield* failed(site, [...story, `then expected ${expected}, but ${instead}`], diff)
    })

    const run = (checks: Arr.NonEmptyReadonlyArray<Check>): Effect.Effect<void, SpecFailed, Services> =>
      decideOn(entity, history, decide).pipe(
        Effect.mapError((unrecordable) => failed(checks[0].site, [`given ${showRefused(unrecordable)}`])),
        Effect.flatMap((decision) => Effect.forEach(checks, (each) => check(each, decision), { discard: true }))
      )

    const expectations = (before: ReadonlyArray<Check>): Expectations<C, S, Reply, Services> => {
      const and = (site: ReadonlyArray<string>, judge: Check["judge"]): Expected<C, S, Reply, Services> => {
        const checks = Arr.append(before, { site, judge })
        return Object.assign(Effect.suspend(() => run(checks)), expectations(checks))
      }
      return {
        // oxlint-disable-next-line unicorn/no-thenable -- "given, when, then" is how it is said; promises are told off below.
        then: (events, ...others: ReadonlyArray<unknown>) => {
          const site = callSite()
          if (typeof events === "function") {
            // By a promise that takes this for another one: see the type of `then`.
            const [reject] = others
            if (typeof reject === "function") reject(failed(site, [notAPromise]))
            return and(site, () => Effect.succeed({ expected: "events", instead: notAPromise }))
          }
          const likes = toArray(events)
          return and(
            site,
            (outcome) =>
              Effect.map(record(entity.category, "expected", likes), (wanted) =>
                judgeEvents(
                  simplified(outcome, likes),
                  wanted.map((event, index) => shown(event, likes[index]))
                ))
          )
        },
        thenState: (state) => {
          const site = callSite()
          return and(site, (outcome) => Effect.succeed(judgeValue("state", simplified(outcome), state)))
        },
        thenReply: (reply) => {
          const site = callSite()
          return and(site, (outcome) => Effect.succeed(judgeValue("reply", simplified(outcome), reply)))
        }
      }
    }

    return {
      ...expectations([]),
      thenFails: (refusal) => {
        const site = callSite()
        return run([{ site, judge: (outcome) => Effect.succeed(judgeRefusal(simplified(outcome), refusal)) }])
      }
    }
  }

  return { when }
}

/**
 * Specifies what an entity decides: given these events, when this is decided, then these events follow, with this state
 * and this reply, or it is refused. There is no store: what `when` takes is the function that `Entity.transact` takes, and
 * it sees the state and the version that a stream with the given events has.
 *
 * **Details**
 *
 * What the expectations give is an effect, which needs what the decision needs and what the category's schemas need. It
 * fails with {@link SpecFailed}. `decide` is called once for a chain of expectations.
 *
 * The events that are given and those that are decided are encoded, checked and decoded as they are by a store, and what
 * a store would refuse fails the spec: an amount of 0.5 that is to be a whole number, an id that is no UUID.
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
 * @since 0.1.0
 */
export const Spec = <E extends Category.Events, O extends Category.Options, S>(
  entity: Entity.Entity<Category.Category<E, O>, S>
): Spec<Category.Category<E, O>, S> => ({
  ...specOf(entity, []),
  given: (events) => specOf(entity, toArray(events))
})
