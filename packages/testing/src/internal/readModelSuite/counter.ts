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
 * How the handlers of the suite count in a store: in a table of their read model, by a text that is its key.
 *
 * @since 0.1.0
 */
export interface Counting<R> {
  /** What makes the table. */
  readonly tables: ReadonlyArray<string>
  /** In a handler of a read model: adds to the count of a key, which is 0 when there is none. */
  readonly add: (readModel: string, key: string, count: number) => Effect.Effect<void, unknown, R>
  /** The counts by key, of the build of a read model that is in use. */
  readonly counts: (readModel: string) => Effect.Effect<Readonly<Record<string, number>>, unknown, R>
}

export type Needs<R> = MessageStore | ReadModelStore | R

export type It<R> = Vitest.MethodsNonLive<Needs<R>>

/** A name that no other read model has. */
export const newName: Effect.Effect<string> = Effect.map(nextId, (id) => `test_${id.replaceAll("-", "")}`)

/** What read models say of messages that are meant to fail is not worth reading. */
export const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const numberOf = ({ data }: RecordedMessage): number => typeof data === "number" ? data : 0

/** Counts the messages of each stream, and adds up their numbers. */
export const counted = <R>({ add }: Counting<R>, name: string, message: RecordedMessage, factor = 1) =>
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
  // The factor is nothing of the text.
  return ReadModel.make(name, { version: 1, tables: counting.tables, fingerprint: `by ${factor}`, ...others })
    .on(category, { Numbered: (message) => counted(counting, name, message, factor) })
}

/** What has to be in the table of a read model that counts a category, by the log. */
export const folded = (category: string, factor = 1) =>
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

/** Each message has changed the table once. */
export const isExact = Effect.fnUntraced(function*<R>(
  { counts }: Counting<R>,
  name: string,
  category: string,
  factor = 1
) {
  assert.deepStrictEqual({ ...yield* counts(name) }, yield* folded(category, factor))
})

/** Waits until something is so, for as long as a test may take. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.flatMap((isSo) => isSo ? Effect.void : Effect.fail("not yet" as const)),
    Effect.retry({ while: (error) => error === "not yet", schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("30 seconds")
  )
