/**
 * Scenarios: what consumers and processes do about messages, on a memory store and a clock of their own.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type * as Category from "eventfold/Category"
import type * as Consumer from "eventfold/Consumer"
import type * as Entity from "eventfold/Entity"
import type { RecordedMessage } from "eventfold/Message"
import * as MessageStore from "eventfold/MessageStore"
import { at, callSite } from "./internal/report/callSite.ts"
import { isComparable, isRefusal, showWanted } from "./internal/report/expectedError.ts"
import { plainError, show } from "./internal/report/format.ts"
import type { Entry } from "./internal/scenario/entries.ts"
import * as Entries from "./internal/scenario/entries.ts"
import * as Playing from "./internal/scenario/perform.ts"
import type { ExpectedRefusal } from "./Spec.ts"

/** @since 0.1.0 */
export type { Entry } from "./internal/scenario/entries.ts"

/**
 * What was expected is not what came of it: its message says what was given, what happened then, what was expected, and
 * what came instead. Also when a message can't be written, and when the consumers do not come to rest.
 *
 * Test runners show the difference of `actual` and `expected`, and the line of the expectation, to which `stack` leads.
 *
 * @since 0.1.0
 */
export class ScenarioFailed extends Data.Error<{
  readonly message: string
  readonly actual: unknown
  readonly expected: unknown
}> {
  override readonly name = "ScenarioFailed"
  // Not a field, which test runners would print below the message.
  get _tag(): "ScenarioFailed" {
    return "ScenarioFailed"
  }
  // As node:test prints it: the message says what the fields say.
  override [NodeInspectSymbol](): unknown {
    return this.stack
  }
}

/**
 * What a scenario is about: a consumer, or consumers that belong together, as those of a process do.
 *
 * @since 0.1.0
 */
export type Runnable<E, R> =
  | Consumer.Consumer<E, R>
  | { readonly consumers: ReadonlyArray<Consumer.Consumer<E, R>> }

type ErrorOf<T> = T extends Runnable<infer E, infer _R> ? E : never

type ServicesOf<T> = T extends Runnable<infer _E, infer R> ? R : never

/**
 * Entries whose ids and events are those of their categories.
 *
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
 * What can be expected. Each gives an effect which fails when any of the expectations so far is not met, and which can be
 * expected more of. When a consumer fails, all of them fail, unless `thenFails` is one of them.
 *
 * @since 0.1.0
 */
export interface Expectations<E, R> {
  /**
   * Exactly these messages are written by the consumers since the last `given`, and nothing else: each stream has these in
   * this order. Without arguments nothing is written. They are compared by type and data after they were encoded and
   * decoded; ids and metadata count where an expected one has them.
   *
   * **Details**
   *
   * Bookkeeping does not count, unless it is expected: positions, parked messages, snapshots, the deadlines of processes.
   *
   * **Gotchas**
   *
   * An object with a `then` looks like a promise. It is none: `await` does not compile, and where the compiler is passed
   * by, the promise is rejected with a {@link ScenarioFailed} that says so.
   */
  readonly then: <const T extends ReadonlyArray<Entry>>(
    ...written: T & Checked<T>
  ) => Expected<E, R | EntryServices<T>>
  /** The state of an entity is this one then. */
  readonly thenState: <C extends Category.Any, S>(
    entity: Entity.Entity<C, S>,
    id: NoInfer<Category.Id<C>>,
    state: NoInfer<S>
  ) => Expected<E, R | Category.Services<C>>
  /**
   * Exactly these messages wait for a consumer that has put them aside (`onFailure: "park"`): those that it could not handle,
   * and those behind them in their streams.
   */
  readonly thenParked: <const T extends ReadonlyArray<Entry>>(
    ...parked: T & Checked<T>
  ) => Expected<E, R | EntryServices<T>>
  /** A consumer has failed, after all its attempts, with this error: one with the same fields, its class, or a predicate. */
  readonly thenFails: (error: ExpectedRefusal<E | Consumer.RunError>) => Expected<E, R>
  /**
   * When all consumers begin again with the first message, as they do after a crash that has lost their positions, nothing
   * more is written. It is looked at last.
   */
  readonly thenIdempotent: () => Expected<E, R>
}

/**
 * Expectations, as an effect to be run by the test, and more of them.
 *
 * @since 0.1.0
 */
export interface Expected<E, R>
  extends Effect.Effect<void, ScenarioFailed, Exclude<R, MessageStore.MessageStore>>, Expectations<E, R>
{}

/**
 * What happens. After each step all is handled that is there, what the consumers write themselves included, before the
 * next one is taken.
 *
 * @since 0.1.0
 */
export interface Steps<E, R> {
  /** These messages are written: all of one call at once, in their order. */
  readonly when: <const T extends ReadonlyArray<Entry>>(...written: T & Checked<T>) => When<E, R | EntryServices<T>>
  /** So much time passes. */
  readonly after: (duration: Duration.Input) => When<E, R>
}

/**
 * What has happened, to go on from.
 *
 * @since 0.1.0
 */
export interface Given<E, R> extends Steps<E, R> {
  /**
   * These messages are written and handled. What the consumers write because of them is there as well, but is not among
   * what `then` is about.
   */
  readonly given: <const T extends ReadonlyArray<Entry>>(...written: T & Checked<T>) => Given<E, R | EntryServices<T>>
}

/**
 * What has happened, to go on from or to expect something of.
 *
 * @since 0.1.0
 */
export interface When<E, R> extends Steps<E, R>, Expectations<E, R> {}

/**
 * A scenario in which nothing has happened yet.
 *
 * @since 0.1.0
 */
export interface Scenario<E, R> extends Given<E, R> {
  /**
   * Provides services to the handlers that need the scenario's store, or its clock, themselves; a layer may also need what
   * another one gives that is provided after it. Other services can be provided to the effect in the end, as to any other.
   */
  readonly provide: <A, RIn>(
    layer: Layer.Layer<A, never, RIn>
  ) => Scenario<E, Exclude<R, A> | Exclude<RIn, MessageStore.MessageStore>>
}

type Step =
  | { readonly _tag: "given" | "when"; readonly entries: ReadonlyArray<Entry> }
  | { readonly _tag: "after"; readonly duration: Duration.Input }

/** A scenario as far as it has been told. */
interface Told {
  readonly consumers: ReadonlyArray<Consumer.Consumer<unknown, unknown>>
  readonly layers: ReadonlyArray<Layer.Layer<never, never, unknown>>
  readonly steps: ReadonlyArray<Step>
}

/** An expectation that is not met: what was expected, and what happened instead. */
interface Mismatch {
  readonly expected: string
  readonly instead: string
  /** For a test runner to show the difference; absent where there is nothing to compare. */
  readonly diff?: { readonly actual: unknown; readonly expected: unknown }
}

type Judged = Effect.Effect<Mismatch | undefined, Entries.Unwritable | { readonly message: string }, unknown>

interface Check {
  /** Where the expectation is in the test. */
  readonly site: ReadonlyArray<string>
  readonly entries?: ReadonlyArray<Entry>
  readonly expects: "outcome" | "failure" | "nothing again"
  readonly judge: (happened: Playing.Happened, categories: ReturnType<typeof Entries.categoriesOf>) => Judged
}

const failed = (site: ReadonlyArray<string>, lines: ReadonlyArray<string>, diff?: Mismatch["diff"]): ScenarioFailed =>
  at(site, new ScenarioFailed({ message: lines.join("\n"), actual: diff?.actual, expected: diff?.expected }))

const notAPromise = "a scenario is an effect and no promise: return it to it.effect, or yield* it, and do not await it"

/** What becomes of messages, of which the expectations are about two. */
type Fate = "written" | "parked"

const showActual = (fate: Fate, streams: Entries.Streams): string =>
  Object.keys(streams).length === 0 ? `nothing was ${fate}` : Entries.showStreams(`this was ${fate}:`, streams)

const compare = Effect.fnUntraced(function*(
  messages: ReadonlyArray<RecordedMessage>,
  entries: ReadonlyArray<Entry>,
  categories: ReturnType<typeof Entries.categoriesOf>
) {
  const byStream = Entries.byStream(yield* Entries.toEntries(entries))
  const expected = yield* Entries.expectedStreams(byStream)
  const counting = messages.filter((message) => byStream.has(message.streamName) || !Entries.isBookkeeping(message))
  const actual = yield* Entries.recordedStreams(counting, byStream, categories)
  return { expected, actual, isSame: Equal.equals(actual, expected) }
})

const judgeMessages = (fate: Fate, entries: ReadonlyArray<Entry>): Check["judge"] =>
  Effect.fnUntraced(function*(happened, categories) {
    const { actual, expected, isSame } = yield* compare(happened[fate], entries, categories)
    if (isSame) return undefined
    const wanted = Object.keys(expected).length === 0
      ? `nothing to be ${fate}`
      : Entries.showStreams(`this to be ${fate}:`, expected)
    return { expected: wanted, instead: showActual(fate, actual), diff: { actual, expected } }
  })

const judgeState = <C extends Category.Any, S>(
  entity: Entity.Entity<C, S>,
  id: Category.Id<C>,
  wanted: S
): Check["judge"] =>
() =>
  Effect.map(entity.load(id), ({ state }) => {
    if (Equal.equals(state, wanted)) return undefined
    const expected = `the state ${show(wanted)} of ${(entity.category as Category.Any).name} ${show(id)}`
    return { expected, instead: `it was ${show(state)}`, diff: { actual: state, expected: wanted } }
  })

const judgeFailure = (wanted: unknown): Check["judge"] =>
  Effect.fnUntraced(function*({ stopped, troubles, written }, categories) {
    if (stopped !== undefined && isRefusal(stopped.error, wanted)) return undefined
    const { actual: streams } = yield* compare(written, [], categories)
    const mismatch = {
      expected: showWanted("error", wanted),
      instead: stopped === undefined
        ? `no consumer failed, and ${showActual("written", streams)}`
        : Playing.showStopped(stopped, troubles)
    }
    if (!isComparable(wanted)) return mismatch
    const diff = stopped === undefined
      ? { actual: { written: streams }, expected: { error: plainError(wanted) } }
      : { actual: plainError(stopped.error), expected: plainError(wanted) }
    return { ...mismatch, diff }
  })

const judgeNothingAgain: Check["judge"] = Effect.fnUntraced(function*({ written }, categories) {
  const { actual, isSame } = yield* compare(written, [], categories)
  if (isSame) return undefined
  const expected = "nothing to be written when everything is handled a second time"
  return { expected, instead: showActual("written", actual), diff: { actual, expected: {} } }
})

const isUnwritable = (error: object): error is Entries.Unwritable => "_tag" in error && error._tag === "Unwritable"

/** Messages that can't be written, or another reason why something can't be done. */
const showProblem = (words: string, error: Entries.Unwritable | { readonly message: string }): string =>
  isUnwritable(error)
    ? `${Entries.showStreams(words, error.streams)}, which a store would refuse: ${error.reason}`
    : `${words} ${error.message}`

/** A step as it is taken, and as it is told. */
const prepare = Effect.fnUntraced(function*(step: Step, place: number) {
  if (step._tag === "after") {
    return { step, line: `after ${Duration.format(Duration.fromInputUnsafe(step.duration))}` }
  }
  const { _tag } = step
  const entries = yield* Entries.toEntries(step.entries)
  const appends = yield* Entries.toAppends(entries, String(place))
  return { step: { _tag, appends }, line: Entries.showStreams(_tag, Entries.streamsOf(entries)) }
})

/** Runs a scenario, and looks whether all is as expected. */
const run = Effect.fnUntraced(function*({ consumers, steps }: Told, checks: Arr.NonEmptyReadonlyArray<Check>) {
  const story: Array<string> = []
  const [{ site: first }] = checks
  const fail = (site: ReadonlyArray<string>, line: string, diff?: Mismatch["diff"]) =>
    failed(site, [...story, line], diff)
  const cannot = Effect.mapError((error: { readonly _tag: string; readonly message: string }) =>
    fail(
      first,
      `then ${error instanceof Playing.Restless ? "there is no rest" : "it can't be written"}: ${error.message}`
    )
  )

  const taking: Array<Playing.Step> = []
  for (const [index, told] of steps.entries()) {
    const { line, step } = yield* Effect.mapError(
      prepare(told, index),
      (error) => fail(first, showProblem(told._tag, error))
    )
    taking.push(step)
    story.push(line)
  }
  const categories = Entries.categoriesOf([
    ...steps.flatMap((step) => step._tag === "after" ? [] : step.entries),
    ...checks.flatMap(({ entries = [] }) => entries)
  ])
  const mayStop = checks.some(({ expects }) => expects === "failure")

  const judge = Effect.fnUntraced(function*({ judge, site }: Check, happened: Playing.Happened) {
    const { stopped, troubles } = happened
    const mismatch = yield* Effect.mapError(
      judge(happened, categories),
      (error) => fail(site, showProblem("then expected", error))
    )
    if (mismatch === undefined) return
    const { diff, expected, instead } = mismatch
    const but = expected.includes("\n") ? "\nbut" : ", but"
    const why = stopped === undefined ? troubles.map((trouble) => `\n(${Playing.showTrouble(trouble)})`) : []
    return yield* fail(site, `then expected ${expected}${but} ${instead}${why.join("")}`, diff)
  })

  const noFailure = ({ stopped, troubles }: Playing.Happened, when = "") => {
    if (stopped === undefined || mayStop) return Effect.void
    const line = `then expected no consumer to fail${when}, but ${Playing.showStopped(stopped, troubles)}`
    return Effect.fail(fail(first, line, { actual: { error: plainError(stopped.error) }, expected: {} }))
  }

  const clock = yield* TestClock.testClockWith(Effect.succeed)
  const once = yield* cannot(Playing.perform(consumers, taking, clock))
  yield* noFailure(once)
  for (const check of checks) if (check.expects !== "nothing again") yield* judge(check, once)
  const nothingAgain = checks.find(({ expects }) => expects === "nothing again")
  if (nothingAgain === undefined) return
  const again = yield* cannot(Playing.performAgain(consumers, clock))
  yield* noFailure(again, " when everything is handled a second time")
  yield* judge(nothingAgain, again)
})

/** On a store and a clock of its own, which begins at the time that it is. */
const runAlone = Effect.fnUntraced(function*(told: Told, checks: Arr.NonEmptyReadonlyArray<Check>) {
  const now = yield* Clock.currentTimeMillis
  // As with `Effect.provide`, each may need what comes after it, and all of them the store.
  const services = [...told.layers, MessageStore.layerMemory].reduce((layer, next) => Layer.provideMerge(layer, next))
  return yield* TestClock.setTime(now).pipe(
    Effect.andThen(Effect.provide(run(told, checks), services, { local: true })),
    Effect.provide(TestClock.layer(), { local: true })
  )
})

const expectations = (told: Told, before: ReadonlyArray<Check>): Expectations<never, never> => {
  const and = (check: Check): Expected<never, never> => {
    const checks = Arr.append(before, check)
    const effect = Effect.suspend(() => runAlone(told, checks)) as Effect.Effect<void, ScenarioFailed>
    return Object.assign(effect, expectations(told, checks))
  }
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- "given, when, then" is how it is said; promises are told off below.
    then: (...entries: ReadonlyArray<unknown>) => {
      const site = callSite()
      if (typeof entries[0] === "function") {
        // By a promise that takes this for another one: see the type of `then`.
        const [, reject] = entries
        if (typeof reject === "function") reject(failed(site, [notAPromise]))
        return and({ site, expects: "outcome", judge: () => Effect.fail({ message: notAPromise }) })
      }
      const written = entries as ReadonlyArray<Entry>
      return and({ site, entries: written, expects: "outcome", judge: judgeMessages("written", written) })
    },
    thenParked: (...entries) =>
      and({ site: callSite(), entries, expects: "outcome", judge: judgeMessages("parked", entries) }),
    thenState: (entity, id, state) =>
      and({ site: callSite(), expects: "outcome", judge: judgeState(entity, id, state) }),
    thenFails: (error) => and({ site: callSite(), expects: "failure", judge: judgeFailure(error) }),
    thenIdempotent: () => and({ site: callSite(), expects: "nothing again", judge: judgeNothingAgain })
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
      >,
    given: (...entries) => on({ _tag: "given", entries }),
    when: (...entries) => whenOn({ _tag: "when", entries }),
    after: (duration) => whenOn({ _tag: "after", duration })
  }
}

/**
 * Runs consumers and processes over messages, and says what is to come of it: given these messages, when those are
 * written, or after some time, then these are written, by all of them together, and an entity is in this state. They run
 * on a memory store of the scenario's own, beginning with its first message, and on a test clock of its own.
 *
 * **Details**
 *
 * After each step all is handled that is there, what the consumers write included. The clock moves on by itself to the end
 * of a pause when handlers wait for nothing else: between two attempts, in `Entity.transact` after a conflict. Otherwise
 * only `after` moves it, so no deadline passes before. It begins at the time of the clock that the test runs on.
 *
 * What it gives is an effect, which needs what the handlers need. It fails with {@link ScenarioFailed}. The scenario is
 * run once for a chain of expectations.
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
 * const invoicing = Consumer.make("invoicing", {
 *   from: Order,
 *   on: {
 *     Placed: ({ data: { total }, recorded }) =>
 *       Invoice.append("1", Invoice.events.Issued({ total }, { id: Message.deriveId("invoicing", recorded.id) }))
 *   }
 * })
 *
 * it.effect("an order is invoiced, once", () =>
 *   Scenario(invoicing)
 *     .when([Order, "1", Order.events.Placed({ total: 5 })])
 *     .then([Invoice, "1", Invoice.events.Issued({ total: 5 })])
 *     .thenIdempotent())
 * ```
 *
 * @since 0.1.0
 */
export const Scenario = <const T extends ReadonlyArray<Runnable<unknown, unknown>>>(
  ...runnables: T
): Scenario<ErrorOf<T[number]>, ServicesOf<T[number]>> => {
  const consumers = runnables.flatMap((runnable) => "consumers" in runnable ? runnable.consumers : [runnable])
  return tell({ consumers, layers: [], steps: [] }) as Scenario<never, never> as never
}
