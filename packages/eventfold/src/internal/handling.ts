import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { DecodeError } from "../Category.ts"
import type { Consumer } from "../Consumer.ts"
import type { RecordedMessage } from "../Message.ts"
import type { Activity } from "./activity.ts"
import type { Traced } from "./tracing.ts"

/**
 * Five more attempts, the first after about 100 milliseconds and each after twice the time of the one before, jittered.
 *
 * @since 0.1.0
 */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.max([
  Schedule.exponential("100 millis").pipe(Schedule.jittered),
  Schedule.recurs(5)
])

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
  park: (message: RecordedMessage, failure: Failure) => Effect.Effect<void, EPark, RPark>,
  activity: Activity,
  traced: Traced
) => {
  const { onFailure = "stop", retry = defaultRetry } = consumer.options

  const fail = (message: RecordedMessage, failure: Failure): Effect.Effect<void, E | EPark, RPark> => {
    const { attempts, cause } = failure
    const about = { ...describe(consumer.id, message), attempts }
    const error = Cause.pretty(cause)
    activity.failed()
    switch (onFailure) {
      case "skip":
        activity.skipped()
        return Effect.logWarning("a message could not be handled, and is skipped", { ...about, error })
      case "park":
        activity.parked()
        return Effect.andThen(
          Effect.logWarning("a message could not be handled, and is parked with those after it in its stream", {
            ...about,
            error
          }),
          park(message, failure)
        )
      case "stop":
        return Effect.andThen(
          // The error itself is what the consumer fails with, and is for those who run it to report.
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
      let begun = 0n
      const attempt = Effect.suspend(() => {
        attempts += 1
        begun = activity.now()
        return consumer.handle(messages)
      })

      const willRetry = (error: E) => {
        if (error instanceof DecodeError) return Effect.succeed(false)
        activity.attemptFailed(begun)
        activity.willRetry(messages, attempts, error)
        // The first failure is often one that passes, such as a conflict.
        return Effect.as(
          Effect.logWithLevel(attempts === 1 ? "Debug" : "Warn")(
            "a message could not be handled, and is tried again",
            {
              ...describe(consumer.id, Arr.headNonEmpty(messages)),
              messages: messages.length,
              attempts,
              error: Cause.pretty(Cause.fail(error))
            }
          ),
          true
        )
      }
      /** The attempts after the first, whose error the schedule is told: most messages need none, and pay for none. */
      const again = (error: E) => {
        let isTold = false
        const next = Effect.suspend(() => {
          if (isTold) return attempt
          isTold = true
          return Effect.fail(error)
        })
        return Effect.retry(next, { schedule: retry, while: willRetry })
      }

      return Effect.matchCauseEffect(traced(messages, Effect.catch(attempt, again)), {
        onSuccess: () => {
          activity.handled(messages, begun)
          activity.settled(messages)
          return Effect.void
        },
        onFailure: (cause): Effect.Effect<void, E | EPark, R | RPark> => {
          activity.settled(messages)
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
          activity.attemptFailed(begun)
          return messages.length === 1
            ? fail(Arr.headNonEmpty(messages), { cause, attempts })
            : Effect.forEach(messages, (message) => handle([message]), { discard: true })
        }
      })
    })
  return handle
}
