import * as Effect from "effect/Effect"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import type { RecordedMessage } from "eventfold/Message"
import { compare, type Difference, formBy } from "../report/compare.ts"
import { compareError, isComparable, showExpectedError } from "../report/expectedError.ts"
import type { Mismatch } from "../report/failure.ts"
import { plainError, show, showEventsByName, showRefusal } from "../report/format.ts"
import { showStopped } from "./attempts.ts"
import * as Entries from "./entries.ts"
import type { Happened } from "./perform.ts"

type Categories = ReturnType<typeof Entries.categoriesOf>

/** Judges what came of a scenario. Fails when messages that are expected can't be written. */
export type Judge = (
  happened: Happened,
  categories: Categories
) => Effect.Effect<Mismatch | undefined, Entries.Unwritable | { readonly message: string }, unknown>

/** Which messages an expectation is about: those that consumers write, or those that they park. */
type Fate = "written" | "parked"

const infinitive = { written: "write", parked: "park" }

const past = { written: "wrote", parked: "parked" }

/** A verb and the messages in their streams. */
const showMessages = (verb: string, streams: Entries.Streams): string =>
  Object.keys(streams).length > 1 ? showEventsByName(`${verb}:`, streams) : showEventsByName(verb, streams)

const compareMessages = Effect.fnUntraced(function*(
  messages: ReadonlyArray<RecordedMessage>,
  entries: ReadonlyArray<Entries.Entry>,
  categories: Categories
) {
  const byStream = Entries.byStream(yield* Entries.toEntries(entries))
  const expected = yield* Entries.expectedStreams(byStream)
  const counting = messages.filter((message) => byStream.has(message.streamName) || !Entries.isBookkeeping(message))
  const actual = yield* Entries.recordedStreams(counting, byStream, categories)
  return { expected, actual, difference: compare(actual, expected) }
})

export const messages = (fate: Fate, entries: ReadonlyArray<Entries.Entry>): Judge =>
  Effect.fnUntraced(function*(happened, categories) {
    const { actual, difference, expected } = yield* compareMessages(happened[fate], entries, categories)
    if (difference === undefined) return undefined
    return {
      expected: `the consumers to ${showMessages(infinitive[fate], expected)}`,
      instead: `they ${showMessages(past[fate], actual)}${difference.remark}`,
      diff: { actual, expected }
    }
  })

export const state = <C extends Category.Any, S>(
  entity: Entity.Entity<C, S>,
  id: Category.Id<C>,
  wanted: S
): Judge =>
() =>
  Effect.map(entity.load(id), ({ state }) => {
    const difference = compare(state, wanted, { form: formBy(entity.state) })
    if (difference === undefined) return undefined
    const expected = `the state ${show(wanted)} of ${(entity.category as Category.Any).categoryName} ${show(id)}`
    return { expected, instead: `it was ${show(state)}${difference.remark}`, diff: { actual: state, expected: wanted } }
  })

/** Judges what a query gives when everything is handled. */
export const query = <A, E, R>(effect: Effect.Effect<A, E, R>, wanted: A): Judge => () =>
  Effect.match(effect, {
    onFailure: (error) => ({
      expected: `the query to give ${show(wanted)}`,
      instead: `it failed: ${showRefusal(error)}`,
      diff: { actual: { error: plainError(error) }, expected: wanted }
    }),
    onSuccess: (actual) => {
      const difference = compare(actual, wanted)
      return difference === undefined ? undefined : {
        expected: `the query to give ${show(wanted)}`,
        instead: `it gave ${show(actual)}${difference.remark}`,
        diff: { actual, expected: wanted }
      }
    }
  })

/** Judges the error that a consumer or a read model stopped with. */
export const error = (wanted: unknown): Judge =>
  Effect.fnUntraced(function*({ failed, kind, stopped, written }, categories) {
    const difference: Difference | undefined = stopped === undefined
      ? { remark: "" }
      : compareError(stopped.error, wanted)
    if (difference === undefined) return undefined
    const { actual: streams } = yield* compareMessages(written, [], categories)
    const mismatch = {
      expected: showExpectedError("error", wanted),
      instead: stopped === undefined
        ? `no ${kind} failed, and they ${showMessages(past.written, streams)}`
        : `${showStopped(stopped, failed)}${difference.remark}`
    }
    if (!isComparable(wanted)) return mismatch
    const diff = stopped === undefined
      ? { actual: { written: streams }, expected: { error: plainError(wanted) } }
      : { actual: plainError(stopped.error), expected: plainError(wanted) }
    return { ...mismatch, diff }
  })

/** Of the second time: what it is in a sentence. */
export const again = "when they handle everything again"

export const nothingAgain: Judge = Effect.fnUntraced(function*({ written }, categories) {
  const { actual, difference } = yield* compareMessages(written, [], categories)
  if (difference === undefined) return undefined
  return {
    expected: `the consumers to write nothing ${again}`,
    instead: `they ${showMessages(past.written, actual)}`,
    diff: { actual, expected: {} }
  }
})
