import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import type { RecordedMessage } from "eventfold/Message"
import { isComparable, isExpectedError, showExpectedError } from "../report/expectedError.ts"
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

const compare = Effect.fnUntraced(function*(
  messages: ReadonlyArray<RecordedMessage>,
  entries: ReadonlyArray<Entries.Entry>,
  categories: Categories
) {
  const byStream = Entries.byStream(yield* Entries.toEntries(entries))
  const expected = yield* Entries.expectedStreams(byStream)
  const counting = messages.filter((message) => byStream.has(message.streamName) || !Entries.isBookkeeping(message))
  const actual = yield* Entries.recordedStreams(counting, byStream, categories)
  return { expected, actual, isSame: Equal.equals(actual, expected) }
})

export const messages = (fate: Fate, entries: ReadonlyArray<Entries.Entry>): Judge =>
  Effect.fnUntraced(function*(happened, categories) {
    const { actual, expected, isSame } = yield* compare(happened[fate], entries, categories)
    if (isSame) return undefined
    return {
      expected: `the consumers to ${showMessages(infinitive[fate], expected)}`,
      instead: `they ${showMessages(past[fate], actual)}`,
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
    if (Equal.equals(state, wanted)) return undefined
    const expected = `the state ${show(wanted)} of ${(entity.category as Category.Any).categoryName} ${show(id)}`
    return { expected, instead: `it was ${show(state)}`, diff: { actual: state, expected: wanted } }
  })

/** Judges what a query gives when everything is handled. */
export const query = <A, E, R>(effect: Effect.Effect<A, E, R>, wanted: A): Judge => () =>
  Effect.match(effect, {
    onFailure: (error) => ({
      expected: `the query to give ${show(wanted)}`,
      instead: `it failed: ${showRefusal(error)}`,
      diff: { actual: { error: plainError(error) }, expected: wanted }
    }),
    onSuccess: (actual) =>
      Equal.equals(actual, wanted) ? undefined : {
        expected: `the query to give ${show(wanted)}`,
        instead: `it gave ${show(actual)}`,
        diff: { actual, expected: wanted }
      }
  })

/** Judges the error that a consumer or a read model stopped with. */
export const error = (wanted: unknown): Judge =>
  Effect.fnUntraced(function*({ failed, kind, stopped, written }, categories) {
    if (stopped !== undefined && isExpectedError(stopped.error, wanted)) return undefined
    const { actual: streams } = yield* compare(written, [], categories)
    const mismatch = {
      expected: showExpectedError("error", wanted),
      instead: stopped === undefined
        ? `no ${kind} failed, and they ${showMessages(past.written, streams)}`
        : showStopped(stopped, failed)
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
  const { actual, isSame } = yield* compare(written, [], categories)
  if (isSame) return undefined
  return {
    expected: `the consumers to write nothing ${again}`,
    instead: `they ${showMessages(past.written, actual)}`,
    diff: { actual, expected: {} }
  }
})
