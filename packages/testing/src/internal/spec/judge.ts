import * as Equal from "effect/Equal"
import type * as Category from "eventfold/Category"
import { isComparable, isExpectedError, showExpectedError } from "../report/expectedError.ts"
import type { Mismatch } from "../report/failure.ts"
import { plainError, show, showEvents, type Shown, showRefusal } from "../report/format.ts"
import type { DecisionOutcome } from "./decide.ts"
import { shown, type Unrecordable } from "./recordEvents.ts"

/** The outcome of a decision with its events as they are shown and compared. */
export type ShownOutcome = DecisionOutcome<Shown, unknown, unknown, unknown>

/** Shows ids and metadata of decided events where the events have them that are expected in their places. */
export const showOutcome = <E extends Category.Events, O extends Category.Options>(
  outcome: DecisionOutcome<Category.RecordedEvent<Category.Category<E, O>>, unknown, unknown, unknown>,
  likes: ReadonlyArray<Category.Event<Category.Category<E, O>>> = []
): ShownOutcome =>
  outcome._tag === "Decided"
    ? { ...outcome, events: outcome.events.map((event, index) => shown(event, likes[index])) }
    : outcome

export const showUnrecordable = ({ events, reason }: Unrecordable): string =>
  `the events ${showEvents(events)}, which a store would refuse: ${reason}`

const showInstead = (outcome: ShownOutcome): string => {
  switch (outcome._tag) {
    case "Decided":
      return outcome.events.length === 0 ? "got no events" : `got ${showEvents(outcome.events)}`
    case "Refused":
      return `the decision was refused: ${showRefusal(outcome.refusal)}`
    case "Unrecordable":
      return `got ${showUnrecordable(outcome)}`
  }
}

/** What came instead of an expectation of another kind, for a test runner's diff. */
const actualOf = (outcome: ShownOutcome): unknown => {
  switch (outcome._tag) {
    case "Decided":
      return { events: outcome.events.map(({ data, type }) => ({ type, data })) }
    case "Refused":
      return { refusal: plainError(outcome.refusal) }
    case "Unrecordable":
      return { refusedByStore: outcome.reason }
  }
}

export const judgeEvents = (outcome: ShownOutcome, wanted: ReadonlyArray<Shown>): Mismatch | undefined => {
  const expected = wanted.length === 0 ? "no events" : `the events ${showEvents(wanted)}`
  const instead = showInstead(outcome)
  if (outcome._tag !== "Decided") {
    return { expected, instead, diff: { actual: actualOf(outcome), expected: { events: wanted } } }
  }
  if (Equal.equals(outcome.events, wanted)) return undefined
  return { expected, instead, diff: { actual: outcome.events, expected: wanted } }
}

/** Judges the state or the reply, which only a decision has that was not refused. */
export const judgeValue = (what: "state" | "reply", outcome: ShownOutcome, wanted: unknown): Mismatch | undefined => {
  const expected = `the ${what} ${show(wanted)}`
  if (outcome._tag !== "Decided") {
    const diff = { actual: actualOf(outcome), expected: { [what]: wanted } }
    return { expected, instead: showInstead(outcome), diff }
  }
  const actual = what === "state" ? outcome.after : outcome.reply
  if (Equal.equals(actual, wanted)) return undefined
  return { expected, instead: `it was ${show(actual)}`, diff: { actual, expected: wanted } }
}

export const judgeRefusal = (outcome: ShownOutcome, wanted: unknown): Mismatch | undefined => {
  if (outcome._tag === "Refused" && isExpectedError(outcome.refusal, wanted)) return undefined
  const mismatch = { expected: showExpectedError("refusal", wanted), instead: showInstead(outcome) }
  if (!isComparable(wanted)) return mismatch
  const diff = outcome._tag === "Refused"
    ? { actual: plainError(outcome.refusal), expected: plainError(wanted) }
    : { actual: actualOf(outcome), expected: { refusal: plainError(wanted) } }
  return { ...mismatch, diff }
}
