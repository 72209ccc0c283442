import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { DecodeError } from "../Category.ts"
import { type Consumer, defaultRetry } from "../Consumer.ts"
import type { RecordedMessage } from "../Message.ts"

/** Why a message could not be handled. */
export interface Failure {
  readonly cause: Cause.Cause<unknown>
  readonly attempts: number
}

/** What a message is called in the log: where it is, and nothing of what it says. */
export const describe = (consumer: string, { globalPosition, id, position, streamName, type }: RecordedMessage) => ({
  consumer,
  streamName,
  position,
  globalPosition,
  type,
  id
})

/**
 * Handles messages as a consumer's definition says: with retries, one by one when they fail together, and at last by its
 * policy.
 */
export const handling = <E, R, EPark, RPark>(
  consumer: Consumer<E, R>,
  park: (message: RecordedMessage, failure: Failure) => Effect.Effect<void, EPark, RPark>
) => {
  const { onFailure = "stop", retry = defaultRetry } = consumer.options

  const fail = (message: RecordedMessage, failure: Failure): Effect.Effect<void, E | EPark, RPark> => {
    const { attempts, cause } = failure
    const about = { ...describe(consumer.id, message), attempts, error: Cause.pretty(cause) }
    switch (onFailure) {
      case "skip":
        return Effect.logWarning("a message could not be handled, and is skipped", about)
      case "park":
        return Effect.andThen(
          Effect.logWarning("a message could not be handled, and is parked with those after it in its stream", about),
          park(message, failure)
        )
      case "stop":
        return Effect.andThen(
          Effect.logError("a message could not be handled, and stops the consumer", about),
          Effect.failCause(cause as Cause.Cause<never>)
        )
    }
  }

  const handle = (
    messages: Arr.NonEmptyReadonlyArray<RecordedMessage>
  ): Effect.Effect<void, E | EPark, R | RPark> =>
    Effect.suspend(() => {
      let attempts = 0
      const attempt = Effect.suspend(() => {
        attempts += 1
        return consumer.handle(messages)
      })
      return Effect.catchCause(
        Effect.retry(attempt, { schedule: retry, while: (error) => !(error instanceof DecodeError) }),
        (cause): Effect.Effect<void, E | EPark, R | RPark> => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
          return messages.length === 1
            ? fail(Arr.headNonEmpty(messages), { cause, attempts })
            : Effect.forEach(messages, (message) => handle([message]), { discard: true })
        }
      )
    })
  return handle
}
