import { assert } from "@effect/vitest"
import type { Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import { nextId } from "eventfold/Message"
import type { RecordedMessage } from "eventfold/Message"
import type { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import type { ReadModelStore } from "eventfold/ReadModelStore"
import { readCategory } from "../messageStoreSuite/fixtures.ts"

/**
 * How the suite counts in your store: the handlers of its read models keep a table of counts, each under a text as its key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counting<R> {
  /** The `tables` of the suite's read models: what makes the table of counts. Empty where a store needs none. */
  readonly tables: ReadonlyArray<string>
  /** Adds to the count of a key, which is 0 when there is none. The suite calls it in a handler of the read model. */
  readonly add: (readModel: string, key: string, count: number) => Effect.Effect<void, unknown, R>
  /** Returns the counts by key of the read model's live build. The suite calls it outside of handlers. */
  readonly counts: (readModel: string) => Effect.Effect<Readonly<Record<string, number>>, unknown, R>
}

export type Needs<R> = MessageStore | ReadModelStore | R

export type It<R> = Vitest.MethodsNonLive<Needs<R>>

/** A name that no other read model has. */
export const newName: Effect.Effect<string> = Effect.map(nextId, (id) => `test_${id.replaceAll("-", "")}`)

/** Without the log of read models that are meant to fail. */
export const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const numberOf = ({ data }: RecordedMessage): number => typeof data === "number" ? data : 0

/** Counts the messages of each stream, and adds up their numbers. */
export const countMessage = <R>({ add }: Counting<R>, name: string, message: RecordedMessage, factor = 1) =>
  Effect.andThen(
    add(name, message.streamName, factor),
    add(name, `sum of ${message.streamName}`, numberOf(message) * factor)
  )

/** A read model that counts the numbered messages of a category. */
export const counter = <R>(
  counting: Counting<R>,
  name: string,
  category: string,
  options: Partial<ReadModel.Options> & { readonly factor?: number } = {}
) => {
  const { factor = 1, ...others } = options
  // The text of a handler does not show the factor.
  return ReadModel.make(name, { version: 1, tables: counting.tables, fingerprint: `by ${factor}`, ...others })
    .on(category, { Numbered: (message) => countMessage(counting, name, message, factor) })
}

/** The counts that a read model of a category must have, made from the log. */
export const expectedCounts = (category: string, factor = 1) =>
  Effect.map(readCategory(category), (messages) => {
    const counts: Record<string, number> = {}
    for (const message of messages) {
      if (message.type !== "Numbered") continue
      const { streamName } = message
      counts[streamName] = (counts[streamName] ?? 0) + factor
      counts[`sum of ${streamName}`] = (counts[`sum of ${streamName}`] ?? 0) + numberOf(message) * factor
    }
    return counts
  })

/** Asserts that each message has changed the table once. */
export const assertExact = Effect.fnUntraced(function*<R>(
  { counts }: Counting<R>,
  name: string,
  category: string,
  factor = 1
) {
  assert.deepStrictEqual({ ...yield* counts(name) }, yield* expectedCounts(category, factor))
})

/** Waits until a condition holds, for at most two minutes. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.flatMap((holds) => holds ? Effect.void : Effect.fail("not yet" as const)),
    Effect.retry({ while: (error) => error === "not yet", schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("2 minutes")
  )
