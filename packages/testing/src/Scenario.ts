/**
 * Scenarios: what consumers, processes and read models do about messages, on a memory store and a clock of their own.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { NodeInspectSymbol } from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import type * as Category from "eventfold/Category"
import type * as Consumer from "eventfold/Consumer"
import type * as Entity from "eventfold/Entity"
import type { MemoryTables } from "eventfold/MemoryTable"
import type * as MessageStore from "eventfold/MessageStore"
import type * as ReadModel from "eventfold/ReadModel"
import type { ReadModelStore } from "eventfold/ReadModelStore"
import { at, callSite, errorFields, type Failure, failure } from "./internal/report/failure.ts"
import type { Entry } from "./internal/scenario/entries.ts"
import * as Judge from "./internal/scenario/judge.ts"
import { type Check, runAlone, type Step, type Told } from "./internal/scenario/run.ts"
import type { ExpectedRefusal } from "./Spec.ts"

/** @since 0.1.0 */
export type { Entry } from "./internal/scenario/entries.ts"

/**
 * An expectation of a scenario is not met. The message tells what was given, what happened, what was expected, and what
 * came instead. A scenario also fails with it when a message can't be written, and when the consumers do not finish.
 *
 * **Details**
 *
 * Test runners show the difference between `actual` and `expected`, and the line of the expectation, where `stack` leads.
 *
 * @category errors
 * @since 0.1.0
 */
export class ScenarioFailed extends Data.Error<{
  readonly message: string
  readonly actual: unknown
  readonly expected: unknown
}> {
  override readonly name = "ScenarioFailed"
  // A getter: test runners print fields below the message.
  get _tag(): "ScenarioFailed" {
    return "ScenarioFailed"
  }
  // What node:test prints: the message says what the fields say.
  override [NodeInspectSymbol](): unknown {
    return this.stack
  }
}

/**
 * What a scenario runs: a consumer, a read model, or consumers that belong together, as those of a process do.
 *
 * @category models
 * @since 0.1.0
 */
export type Runnable<E, R> =
  | Consumer.Consumer<E, R>
  | ReadModel.ReadModel<E, R>
  | { readonly consumers: ReadonlyArray<Consumer.Consumer<E, R>> }

type ErrorOf<T> = T extends Runnable<infer E, infer _R> ? E : never

type ServicesOf<T> = T extends Runnable<infer _E, infer R> ? R : never

/**
 * Entries whose ids and events are those of their categories.
 *
 * @category models
 * @since 0.1.0
 */
export type Checked<T extends ReadonlyArray<Entry>> = {
  readonly [K in keyof T]: T[K] extends readonly [infer C extends Category.Any, unknown, unknown]
    ? readonly [C, Category.Id<C>, Entity.Decision<Category.Event<C>>]
    : T[K]
}

type EntryServices<T extends ReadonlyArray<Entry>> = {
  readonly [K in keyof T]: T[K] extends readonly [infer C extends Category.Any, unknown, unknown] ? Category.Services<C>
    : never
}[number]

/**
 * What a scenario can expect. Each expectation returns an effect that fails when any of the expectations so far is not met,
 * and that takes further ones. When a consumer or a read model fails, the scenario fails, unless `thenFails` expects it.
 *
 * **Details**
 *
 * `E` is what the consumers and read models can fail with, `R` what the scenario needs, `P` what `provide` provides.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expectations<E, R, P = never> {
  /**
   * Expects that the consumers have written exactly these messages since the last `given`: each stream has these, in this
   * order. Without arguments it expects that they have written nothing.
   *
   * **Details**
   *
   * Messages are compared by type and data, after encoding and decoding; ids and metadata count where an expected message
   * has them. Bookkeeping (positions, parked messages, snapshots, the deadlines of processes) counts only in streams that
   * are expected.
   *
   * **Gotchas**
   *
   * An object with a `then` looks like a promise, and this one isn't: `await` does not compile. Where no compiler looks, the
   * promise is rejected with a {@link ScenarioFailed} that says so.
   */
  readonly then: <const T extends ReadonlyArray<Entry>>(
    ...written: T & Checked<T>
  ) => Expected<E, R | Exclude<EntryServices<T>, P>, P>
  /** Expects an entity to be in this state at the end. */
  readonly thenState: <C extends Category.Any, S>(
    entity: Entity.Entity<C, S>,
    id: NoInfer<Category.Id<C>>,
    state: NoInfer<S>
  ) => Expected<E, R | Exclude<Category.Services<C>, P>, P>
  /**
   * Expects a query of read models to give this when everything is handled, such as the rows of a table. The query has the
   * stores of the scenario, and what `provide` provides.
   */
  readonly thenQuery: <A, E2, R2>(
    query: Effect.Effect<A, E2, R2>,
    expected: NoInfer<A>
  ) => Expected<E, R | Exclude<R2, P>, P>
  /**
   * Expects that exactly these messages wait for consumers with `onFailure: "park"`: those that a consumer could not handle,
   * and those behind them in their streams.
   */
  readonly thenParked: <const T extends ReadonlyArray<Entry>>(
    ...parked: T & Checked<T>
  ) => Expected<E, R | Exclude<EntryServices<T>, P>, P>
  /**
   * Expects a consumer or a read model to fail, after all its attempts, with this error: an error with the same fields, its
   * class, or a predicate.
   */
  readonly thenFails: (error: ExpectedRefusal<E | Consumer.RunError | ReadModel.RunError>) => Expected<E, R, P>
  /**
   * Expects that the consumers write nothing more when they all begin again with the first message, as they do after a
   * crash that has lost their positions. The scenario checks it last. Read models continue where they are: their position is
   * kept with their rows.
   */
  readonly thenIdempotent: () => Expected<E, R, P>
}

/**
 * A scenario with expectations: an effect for the test to run, which takes further expectations.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expected<E, R, P = never>
  extends Effect.Effect<void, ScenarioFailed, Exclude<R, Stores>>, Expectations<E, R, P>
{}

/** What a scenario has of its own. */
type Stores = MessageStore.MessageStore | ReadModelStore | MemoryTables

/**
 * What happens. After each step the scenario waits until the consumers and read models have handled everything, what the
 * consumers write themselves included.
 *
 * @category models
 * @since 0.1.0
 */
export interface Steps<E, R, P = never> {
  /** Writes these messages: those of one call at once, in their order. */
  readonly when: <const T extends ReadonlyArray<Entry>>(
    ...written: T & Checked<T>
  ) => When<E, R | Exclude<EntryServices<T>, P>, P>
  /** Lets this much time pass. */
  readonly after: (duration: Duration.Input) => When<E, R, P>
}

/**
 * What has happened before.
 *
 * @category models
 * @since 0.1.0
 */
export interface Given<E, R, P = never> extends Steps<E, R, P> {
  /**
   * Writes these messages and lets the consumers handle them. What the consumers write for them is in the store as well, but
   * does not count in `then`.
   */
  readonly given: <const T extends ReadonlyArray<Entry>>(
    ...written: T & Checked<T>
  ) => Given<E, R | Exclude<EntryServices<T>, P>, P>
}

/**
 * What has happened so far: more may happen, and expectations can follow.
 *
 * @category models
 * @since 0.1.0
 */
export interface When<E, R, P = never> extends Steps<E, R, P>, Expectations<E, R, P> {}

/**
 * A scenario in which nothing has happened yet.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scenario<E, R, P = never> extends Given<E, R, P> {
  /**
   * Provides services to handlers and queries, built on the scenario's own stores and clock. A layer may need what a later
   * `provide` provides. A `ReadModelStore` takes the place of the one in memory. Other services can be provided to the resulting effect, as to any other.
   */
  readonly provide: <A, RIn>(
    layer: Layer.Layer<A, never, RIn>
  ) => Scenario<E, Exclude<R, A> | Exclude<RIn, Stores>, P | A>
}

const isReadModel = (runnable: Runnable<unknown, unknown>): runnable is ReadModel.ReadModel<unknown, unknown> =>
  "fingerprint" in runnable

const toError = (failed: Failure): ScenarioFailed => at(failed.site, new ScenarioFailed(errorFields(failed)))

const notAPromise = "a scenario is an effect, not a promise: return it to it.effect or yield* it; do not await it"

const expectations = (told: Told, before: ReadonlyArray<Check>): Expectations<never, never> => {
  const and = (check: Check): Expected<never, never> => {
    const checks = Arr.append(before, check)
    const effect = Effect.suspend(() => Effect.mapError(runAlone(told, checks), toError))
    return Object.assign(effect as Effect.Effect<void, ScenarioFailed>, expectations(told, checks))
  }
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- scenarios say "given, when, then"; promises are refused
    then: (...entries: ReadonlyArray<unknown>) => {
      const site = callSite()
      if (typeof entries[0] === "function") {
        // A promise calls it, which takes this for another promise: see the type of `then`.
        const [, reject] = entries
        if (typeof reject === "function") reject(toError(failure(site, [notAPromise])))
        return and({ site, expects: "outcome", judge: () => Effect.fail({ message: notAPromise }) })
      }
      const written = entries as ReadonlyArray<Entry>
      return and({ site, entries: written, expects: "outcome", judge: Judge.messages("written", written) })
    },
    thenParked: (...entries) =>
      and({ site: callSite(), entries, expects: "outcome", judge: Judge.messages("parked", entries) }),
    thenState: (entity, id, state) =>
      and({ site: callSite(), expects: "outcome", judge: Judge.state(entity, id, state) }),
    thenQuery: (query, expected) => and({ site: callSite(), expects: "outcome", judge: Judge.query(query, expected) }),
    thenFails: (error) => and({ site: callSite(), expects: "failure", judge: Judge.error(error) }),
    thenIdempotent: () => and({ site: callSite(), expects: "nothing again", judge: Judge.nothingAgain })
  }
}

const tell = (told: Told): Scenario<never, never> => {
  const on = (step: Step) => tell({ ...told, steps: [...told.steps, step] })
  const whenOn = (step: Step): When<never, never> => {
    const next = { ...told, steps: [...told.steps, step] }
    const { after, when } = tell(next)
    return { ...expectations(next, []), after, when }
  }
  return {
    provide: (layer) =>
      tell({ ...told, layers: [...told.layers, layer as Layer.Layer<never, never, unknown>] }) as Scenario<
        never,
        never
      > as never,
    given: (...entries) => on({ _tag: "given", entries }),
    when: (...entries) => whenOn({ _tag: "when", entries }),
    after: (duration) => whenOn({ _tag: "after", duration })
  }
}

/**
 * Runs consumers, processes and read models over messages: given these messages, when those are written or time passes, then
 * the consumers together write these, an entity is in this state, and a query gives this.
 *
 * **Details**
 *
 * The consumers run on a memory store of the scenario's own, from its first message on, and on a test clock of its own,
 * which begins at the time of the test's clock. After each step the scenario waits until they have handled everything, what
 * they write themselves included. Read models run on a memory store of their own, unless `provide` provides another one.
 *
 * The clock moves by itself when handlers wait for nothing else: to the end of a pause between two attempts, say, or in
 * `Entity.transact` after a conflict. Otherwise only `after` moves it, so no deadline passes before.
 *
 * Expectations return an effect that needs what the handlers need, and that fails with {@link ScenarioFailed}. A chain of
 * expectations runs the scenario once.
 *
 * Values are compared as in a `Spec`: instances in messages and states by their JSON form too, and in what a query gives by their fields.
 *
 * @example
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { Scenario } from "@eventfold/testing"
 * import { Schema } from "effect"
 * import { Category, Consumer, Message } from "eventfold"
 *
 * const Order = Category.make("order", { Placed: { total: Schema.Int } })
 * const Invoice = Category.make("invoice", { Issued: { total: Schema.Int } })
 *
 * const invoicing = Consumer.make("invoicing").on(Order, {
 *   Placed: ({ data: { total }, id, recorded }) =>
 *     Invoice.append(id, Invoice.events.Issued({ total }, { id: Message.deriveId("invoicing", recorded.id) }))
 * })
 *
 * it.effect("an order is invoiced, once", () =>
 *   Scenario(invoicing)
 *     .when([Order, "1", Order.events.Placed({ total: 5 })])
 *     .then([Invoice, "1", Invoice.events.Issued({ total: 5 })])
 *     .thenIdempotent())
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const Scenario = <const T extends ReadonlyArray<Runnable<unknown, unknown>>>(
  ...runnables: T
): Scenario<ErrorOf<T[number]>, ServicesOf<T[number]>> => {
  const consumers = runnables.flatMap((runnable) =>
    "consumers" in runnable ? runnable.consumers : isReadModel(runnable) ? [] : [runnable]
  )
  return tell({ consumers, models: runnables.filter(isReadModel), layers: [], steps: [] }) as Scenario<
    never,
    never
  > as never
}
