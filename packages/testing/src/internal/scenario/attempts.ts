import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Consumer from "eventfold/Consumer"
import type { RecordedMessage } from "eventfold/Message"
import { showRefusal } from "../report/format.ts"

/** A message that a consumer handles. */
interface Attempt {
  readonly consumer: string
  readonly message: RecordedMessage
}

/** A message that a consumer has failed on, in its last attempt so far. */
export interface FailedAttempt extends Attempt {
  readonly error: unknown
}

/** A consumer has stopped with an error. */
export class Stopped extends Data.TaggedError("Stopped")<{
  readonly consumer: string
  readonly error: unknown
}> {}

/** What the handlers of some consumers have done so far. */
export interface Attempts {
  readonly started: () => number
  readonly ended: () => number
  /** The messages that handlers are working on. */
  readonly running: () => ReadonlyArray<string>
  readonly failed: () => ReadonlyArray<FailedAttempt>
  /** The consumer's `handle`, observed. */
  readonly observe: <E, R>(consumer: Consumer.Consumer<E, R>) => Consumer.Consumer<E, R>["handle"]
}

const show = ({ consumer, message: { position, streamName, type } }: Attempt): string =>
  `${consumer} on ${type} at ${streamName}/${position}`

export const make = (): Attempts => {
  const running = new Set<Attempt>()
  const failed = new Map<string, FailedAttempt>()
  let started = 0
  let ended = 0

  const end = (attempt: Attempt, exit: Exit.Exit<unknown, unknown>) => {
    running.delete(attempt)
    if (Exit.isSuccess(exit)) failed.delete(show(attempt))
    else if (!Cause.hasInterruptsOnly(exit.cause)) {
      failed.set(show(attempt), { ...attempt, error: Cause.squash(exit.cause) })
    }
  }

  return {
    started: () => started,
    ended: () => ended,
    running: () => Array.from(running, show),
    failed: () => Array.from(failed.values()),
    observe: (consumer) => (messages) =>
      Effect.suspend(() => {
        const attempts = messages.map((message) => ({ consumer: consumer.id, message }))
        started += 1
        attempts.forEach((attempt) => running.add(attempt))
        return Effect.onExit(consumer.handle(messages), (exit) =>
          Effect.sync(() => {
            ended += 1
            attempts.forEach((attempt) => end(attempt, exit))
          }))
      })
  }
}

export const showFailed = (attempt: FailedAttempt): string => `${show(attempt)} failed: ${showRefusal(attempt.error)}`

/** The error that a consumer has stopped with, and the message if it has stopped on one. */
export const showStopped = ({ consumer, error }: Stopped, failed: ReadonlyArray<FailedAttempt>): string => {
  const attempt = failed.find((attempt) => attempt.consumer === consumer && attempt.error === error)
  return attempt === undefined ? `${consumer} failed: ${showRefusal(error)}` : showFailed(attempt)
}
