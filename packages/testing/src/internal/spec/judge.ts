import type * as Schema from "effect/Schema"
import type * as Category from "eventfold/Category"
import { compare, type Comparison, type Difference, formBy } from "../report/compare.ts"
import { compareError, isComparable, showExpectedError } from "../report/expectedError.ts"
import type { Mismatch } from "../report/failure.ts"
import {
  plainError,
  show,
  showEvents,
  showEventsByName,
  type Shown,
  type ShownByName,
  showRefusal
} from "../report/format.ts"
import type { DecisionOutcome } from "./decide.ts"
import type { AllOutcome, Entities, Misnamed, RecordedByName } from "./decideAll.ts"
import { shown, type Unrecordable } from "./recordEvents.ts"

/** The outcome of a decision as it is shown and compared. */
export type View =
  | {
    readonly _tag: "Decided"
    /** The events of one entity, or those of several by their names. */
    readonly events: unknown
    /** The events without their ids and metadata. */
    readonly plain: unknown
    readonly words: string
    readonly after: unknown
    readonly reply: unknown
  }
  | { readonly _tag: "Refused"; readonly refusal: unknown }
  | { readonly _tag: "Unrecordable"; readonly words: string; readonly reason: string }

const plain = ({ data, type }: Shown): Shown => ({ type, data })

const mapByName = <A, B>(
  values: Readonly<Record<string, A>>,
  f: (value: A, name: string) => B
): Readonly<Record<string, B>> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, f(value, name)]))

const withoutEmpty = (events: ShownByName): ShownByName =>
  Object.fromEntries(Object.entries(events).filter(([, { length }]) => length > 0))

export const showProblem = (problem: Unrecordable | Misnamed): string =>
  problem._tag === "Misnamed"
    ? `${problem.what} of ${problem.names.join(", ")}, which is none of the entities ${problem.known.join(", ")}`
    : `the events ${problem.name === undefined ? "" : `${problem.name} `}${
      showEvents(problem.events)
    }, which a store would refuse: ${problem.reason}`

const problemView = (problem: Unrecordable | Misnamed): View => ({
  _tag: "Unrecordable",
  words: showProblem(problem),
  reason: problem._tag === "Misnamed" ? showProblem(problem) : problem.reason
})

/** Shows ids and metadata of decided events where the events have them that are expected in their places. */
export const viewOf = <E extends Category.Events, O extends Category.Options>(
  outcome: DecisionOutcome<Category.RecordedEvent<Category.Category<E, O>>, unknown, unknown, unknown>,
  likes: ReadonlyArray<Category.Event<Category.Category<E, O>>> = []
): View => {
  if (outcome._tag === "Refused") return outcome
  if (outcome._tag === "Unrecordable") return problemView(outcome)
  const { after, reply } = outcome
  const events = outcome.events.map((event, index) => shown(event, likes[index]))
  const words = events.length === 0 ? "no events" : showEvents(events)
  return { _tag: "Decided", events, plain: events.map(plain), words, after, reply }
}

/** The events of several entities as they are shown: ids and metadata where the events have them that they are compared with. */
export const showAll = (events: RecordedByName, likes: ShownByName = {}): ShownByName =>
  withoutEmpty(mapByName(events, (own, name) => own.map((event, index) => shown(event, likes[name]?.[index]))))

export const allWords = (events: ShownByName): string =>
  Object.keys(events).length === 0 ? "no events" : showEventsByName("the events", events)

export const viewOfAll = (outcome: AllOutcome, likes: ShownByName = {}): View => {
  if (outcome._tag === "Refused") return outcome
  if (outcome._tag !== "Decided") return problemView(outcome)
  const { after, reply } = outcome
  const events = showAll(outcome.events, likes)
  return {
    _tag: "Decided",
    events,
    plain: mapByName(events, (own) => own.map(plain)),
    words: allWords(events),
    after,
    reply
  }
}

const showInstead = (outcome: View): string =>
  outcome._tag === "Refused" ? `the decision was refused: ${showRefusal(outcome.refusal)}` : `got ${outcome.words}`

/** What came instead of an expectation of another kind, for a test runner's diff. */
const actualOf = (outcome: View): unknown => {
  switch (outcome._tag) {
    case "Decided":
      return { events: outcome.plain }
    case "Refused":
      return { refusal: plainError(outcome.refusal) }
    case "Unrecordable":
      return { refusedByStore: outcome.reason }
  }
}

const judgeBy = (outcome: View, events: unknown, expected: string): Mismatch | undefined => {
  const instead = showInstead(outcome)
  if (outcome._tag !== "Decided") {
    return { expected, instead, diff: { actual: actualOf(outcome), expected: { events } } }
  }
  const difference = compare(outcome.events, events)
  if (difference === undefined) return undefined
  return { expected, instead: `${instead}${difference.remark}`, diff: { actual: outcome.events, expected: events } }
}

export const judgeEvents = (outcome: View, wanted: ReadonlyArray<Shown>): Mismatch | undefined =>
  judgeBy(outcome, wanted, wanted.length === 0 ? "no events" : `the events ${showEvents(wanted)}`)

export const judgeAllEvents = (outcome: View, wanted: ShownByName): Mismatch | undefined =>
  judgeBy(outcome, wanted, allWords(wanted))

/** Judges the state or the reply, which only a decision has that was not refused. */
export const judgeValue = (
  what: "state" | "states" | "reply",
  outcome: View,
  wanted: unknown,
  form?: Comparison["form"]
): Mismatch | undefined => {
  const expected = `the ${what} ${show(wanted)}`
  if (outcome._tag !== "Decided") {
    const diff = { actual: actualOf(outcome), expected: { [what]: wanted } }
    return { expected, instead: showInstead(outcome), diff }
  }
  const actual = what === "reply" ? outcome.reply : outcome.after
  const difference = compare(actual, wanted, { form })
  if (difference === undefined) return undefined
  return {
    expected,
    instead: `${what === "states" ? "they were" : "it was"} ${show(actual)}${difference.remark}`,
    diff: { actual, expected: wanted }
  }
}

/** Judges the state of an entity. */
export const judgeState = (outcome: View, wanted: unknown, schema: Schema.Constraint): Mismatch | undefined =>
  judgeValue("state", outcome, wanted, formBy(schema))

/** The JSON forms of states by name. None when one of them has none. */
const formOfStates = (entities: Entities) => (states: unknown) => {
  const json: Record<string, unknown> = {}
  for (const [name, state] of Object.entries(Object(states))) {
    const entity = entities[name]
    const form = entity === undefined ? undefined : formBy(entity.state)(state)
    if (form === undefined) return undefined
    json[name] = form.json
  }
  return { json }
}

/** Judges the states of those entities that are expected to be in one. */
export const judgeStates = (
  outcome: View,
  wanted: Readonly<Record<string, unknown>>,
  entities: Entities
): Mismatch | undefined => {
  if (outcome._tag !== "Decided") return judgeValue("states", outcome, wanted)
  const states = outcome.after as Readonly<Record<string, unknown>>
  const after = mapByName(wanted, (_, name) => states[name])
  return judgeValue("states", { ...outcome, after }, wanted, formOfStates(entities))
}

export const judgeRefusal = (outcome: View, wanted: unknown): Mismatch | undefined => {
  const difference: Difference | undefined = outcome._tag === "Refused"
    ? compareError(outcome.refusal, wanted)
    : { remark: "" }
  if (difference === undefined) return undefined
  const instead = `${showInstead(outcome)}${difference.remark}`
  const mismatch = { expected: showExpectedError("refusal", wanted), instead }
  if (!isComparable(wanted)) return mismatch
  const diff = outcome._tag === "Refused"
    ? { actual: plainError(outcome.refusal), expected: plainError(wanted) }
    : { actual: actualOf(outcome), expected: { refusal: plainError(wanted) } }
  return { ...mismatch, diff }
}
