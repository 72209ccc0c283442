import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as MessageStore from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { type Diff, failure } from "../report/failure.ts"
import { plainError, showEventsByName } from "../report/format.ts"
import { showFailed, showStopped } from "./attempts.ts"
import * as Entries from "./entries.ts"
import { again, type Judge } from "./judge.ts"
import * as Perform from "./perform.ts"
import { Restless } from "./untilIdle.ts"

export type Step =
  | { readonly _tag: "given" | "when"; readonly entries: ReadonlyArray<Entries.Entry> }
  | { readonly _tag: "after"; readonly duration: Duration.Input }

/** A scenario as far as it has been told. */
export interface Told extends Perform.Cast {
  readonly layers: ReadonlyArray<Layer.Layer<never, never, unknown>>
  readonly steps: ReadonlyArray<Step>
}

/** An expectation of a scenario. */
export interface Check {
  /** Where the expectation is in the test. */
  readonly site: ReadonlyArray<string>
  readonly entries?: ReadonlyArray<Entries.Entry>
  readonly expects: "outcome" | "failure" | "nothing again"
  readonly judge: Judge
}

const isUnwritable = (error: object): error is Entries.Unwritable => "_tag" in error && error._tag === "Unwritable"

/** Messages that can't be written, or another error. */
const showProblem = (words: string, error: Entries.Unwritable | { readonly message: string }): string =>
  isUnwritable(error)
    ? `${showEventsByName(words, error.streams)}, which a store would refuse: ${error.reason}`
    : `${words} ${error.message}`

/** A step to take, and its line in the story. */
const prepare = Effect.fnUntraced(function*(step: Step, place: number) {
  if (step._tag === "after") {
    return { step, line: `after ${Duration.format(Duration.fromInputUnsafe(step.duration))}` }
  }
  const { _tag } = step
  const entries = yield* Entries.toEntries(step.entries)
  const appends = yield* Entries.toAppends(entries, String(place))
  return { step: { _tag, appends }, line: showEventsByName(_tag, Entries.streamsOf(entries)) }
})

/** What tells why a scenario failed: its steps so far, and where the first expectation is. */
interface Story {
  readonly lines: Array<string>
  readonly site: ReadonlyArray<string>
}

const fail = (story: Story, line: string, diff?: Diff, site = story.site) => failure(site, [...story.lines, line], diff)

/** Fails on the error of a consumer or read model that no expectation is about. */
const noFailure = (story: Story, { failed, kind, stopped }: Perform.Happened, when = "") =>
  stopped === undefined ? Effect.void : Effect.fail(
    fail(story, `then expected no ${kind} to fail${when}, but ${showStopped(stopped, failed)}`, {
      actual: { error: plainError(stopped.error) },
      expected: {}
    })
  )

const judge = Effect.fnUntraced(function*(
  story: Story,
  { judge, site }: Check,
  happened: Perform.Happened,
  categories: ReturnType<typeof Entries.categoriesOf>
) {
  const mismatch = yield* Effect.mapError(
    judge(happened, categories),
    (error) => fail(story, showProblem("then expected", error), undefined, site)
  )
  if (mismatch === undefined) return
  const { diff, expected, instead } = mismatch
  const but = expected.includes("\n") ? "\nbut" : ", but"
  // A consumer that skips or parks a message has failed on it: that often is the reason.
  const why = happened.stopped === undefined ? happened.failed.map((attempt) => `\n(${showFailed(attempt)})`) : []
  return yield* Effect.fail(fail(story, `then expected ${expected}${but} ${instead}${why.join("")}`, diff, site))
})

/** Takes the steps of a scenario, and fails with the first expectation that is not met. */
const run = Effect.fnUntraced(function*(told: Told, checks: Arr.NonEmptyReadonlyArray<Check>) {
  const { steps } = told
  const story: Story = { lines: [], site: checks[0].site }
  const unlessRefused = Effect.mapError((error: { readonly message: string }) =>
    fail(
      story,
      error instanceof Restless
        ? `then the ${
          told.models.length === 0 ? "consumers" : "consumers and read models"
        } did not finish: ${error.message}`
        : `then the store refused the messages: ${error.message}`
    )
  )

  const prepared: Array<Perform.Step> = []
  for (const [index, next] of steps.entries()) {
    const { line, step } = yield* Effect.mapError(
      prepare(next, index),
      (error) => fail(story, showProblem(next._tag, error))
    )
    prepared.push(step)
    story.lines.push(line)
  }
  const categories = Entries.categoriesOf([
    ...steps.flatMap((step) => step._tag === "after" ? [] : step.entries),
    ...checks.flatMap(({ entries = [] }) => entries)
  ])
  const mayFail = checks.some(({ expects }) => expects === "failure")

  const clock = yield* TestClock.testClockWith(Effect.succeed)
  const once = yield* unlessRefused(Perform.perform(told, prepared, clock))
  if (!mayFail) yield* noFailure(story, once)
  for (const check of checks) if (check.expects !== "nothing again") yield* judge(story, check, once, categories)
  const nothingAgain = checks.find(({ expects }) => expects === "nothing again")
  if (nothingAgain === undefined) return
  const twice = yield* unlessRefused(Perform.performAgain(told, clock))
  if (!mayFail) yield* noFailure(story, twice, ` ${again}`)
  yield* judge(story, nothingAgain, twice, categories)
})

/** Runs a scenario on a store and a test clock of its own, which begins at the time of the test's clock. */
export const runAlone = Effect.fnUntraced(function*(told: Told, checks: Arr.NonEmptyReadonlyArray<Check>) {
  const now = yield* Clock.currentTimeMillis
  const stores = Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory)
  // As with `Effect.provide`, each layer may need those after it, and all of them the stores.
  const services = [...told.layers, stores].reduce((layer, next) => Layer.provideMerge(layer, next))
  return yield* TestClock.setTime(now).pipe(
    Effect.andThen(Effect.provide(run(told, checks), services, { local: true })),
    Effect.provide(TestClock.layer(), { local: true })
  )
})
