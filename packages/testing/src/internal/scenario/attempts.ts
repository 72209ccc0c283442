import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Consumer from "eventfold/Consumer"
import type { RecordedMessage } from "eventfold/Message"
import type * as ReadModel from "eventfold/ReadModel"
import { showRefusal } from "../report/format.ts"

/** A message that a consumer or a read model handles. */
interface Attempt {
  /** The id of the consumer, or the name of the read model. */
  readonly by: string
  readonly message: RecordedMessage
}

/** A message that one of them has failed on, in its last attempt so far. */
export interface FailedAttempt extends Attempt {
  readonly error: unknown
}

/** A consumer or a read model has stopped with an error. */
export class Stopped extends Data.TaggedError("Stopped")<{
  readonly by: string
  readonly error: unknown
}> {}

/** What the handlers of some consumers and read models have done so far. */
export interface Attempts {
  readonly started: () => number
  readonly ended: () => number
  /** The messages that handlers are working on. */
  readonly running: () => ReadonlyArray<string>
  readonly failed: () => ReadonlyArray<FailedAttempt>
  /** The consumer's `handle`, observed. */
  readonly observe: <E, R>(consumer: Consumer.Consumer<E, R>) => Consumer.Consumer<E, R>["handle"]
  /** The read model's `decode` and `handle`, observed. */
  readonly observeReadModel: <E, R>(
    model: ReadModel.ReadModel<E, R>
  ) => Pick<ReadModel.ReadModel<E, R>, "decode" | "handle">
}

const show = ({ by, message: { position, streamName, type } }: Attempt): string =>
  `${by} on ${type} at ${streamName}/${position}`

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

  const observed = <A, E, R>(
    by: string,
    messages: ReadonlyArray<RecordedMessage>,
    handling: Effect.Effect<A, E, R>
  ) =>
    Effect.suspend(() => {
      const attempts = messages.map((message) => ({ by, message }))
      started += 1
      attempts.forEach((attempt) => running.add(attempt))
      return Effect.onExit(handling, (exit) =>
        Effect.sync(() => {
          ended += 1
          attempts.forEach((attempt) => end(attempt, exit))
        }))
    })

  return {
    started: () => started,
    ended: () => ended,
    running: () => Array.from(running, show),
    failed: () => Array.from(failed.values()),
    observe: (consumer) => (messages) => observed(consumer.id, messages, consumer.handle(messages)),
    observeReadModel: ({ decode, handle, name }) => ({
      // A message that does not decode never comes to `handle`.
      decode: (message) =>
        Effect.onError(
          decode(message),
          (cause) => Effect.sync(() => end({ by: name, message }, Exit.failCause(cause)))
        ),
      handle: (decoded) => observed(name, decoded.map(({ message }) => message), handle(decoded))
    })
  }
}

export const showFailed = (attempt: FailedAttempt): string => `${show(attempt)} failed: ${showRefusal(attempt.error)}`

/** The error that one of them has stopped with, and the message if it has stopped on one. */
export const showStopped = ({ by, error }: Stopped, failed: ReadonlyArray<FailedAttempt>): string => {
  const attempt = failed.find((attempt) => attempt.by === by && attempt.error === error)
  return attempt === undefined ? `${by} failed: ${showRefusal(error)}` : showFailed(attempt)
}
