import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { DecodeError } from "../../Category.ts"
import type { RecordedMessage } from "../../Message.ts"
import { log } from "../runtime/log.ts"
import type { Activity } from "./activity.ts"
import type { Traced } from "./spans.ts"
import type { Subject } from "./subject.ts"

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
export const describe = (
  { logged }: Subject,
  { globalPosition, id, position, streamName, type }: RecordedMessage
) => ({
  ...logged,
  streamName,
  position,
  globalPosition,
  type,
  id
})

/** What waits for its turn, in the order of each stream. */
export interface Parking<E, R> {
  /** Of messages that are next, those to be handled now: the others are parked behind, or settled already. */
  readonly admit: (
    messages: Arr.NonEmptyReadonlyArray<RecordedMessage>
  ) => Effect.Effect<ReadonlyArray<RecordedMessage>, E, R>
  /** Puts aside a message that can't be handled. */
  readonly park: (message: RecordedMessage, failure: Failure) => Effect.Effect<void, E, R>
}

/** Handles messages together; gives why they could not be handled, if so. Interruption is no failure. */
export type Attempt<R> = (
  messages: Arr.NonEmptyReadonlyArray<RecordedMessage>
) => Effect.Effect<Option.Option<Failure>, never, R>

/** Who handles messages, and how. */
export interface Handler<out E, out R> {
  readonly subject: Subject
  readonly handle: (messages: Arr.NonEmptyReadonlyArray<RecordedMessage>) => Effect.Effect<void, E, R>
  readonly retry: Schedule.Schedule<unknown> | undefined
  /** What becomes of a message whose handler has failed for the last time, unless it is parked. */
  readonly onFailure: "stop" | "skip"
  /** Whether an error is none of the messages, and ends it all. */
  readonly isFatal?: ((error: unknown) => boolean) | undefined
}

/** Attempts with retries. */
export const attempting = <E, R>(
  { handle, isFatal = () => false, retry = defaultRetry, subject }: Handler<E, R>,
  activity: Activity,
  traced: Traced
): Attempt<R> => {
  return (messages) =>
    Effect.suspend(() => {
      let attempts = 0
      let begun = 0n
      const attempt = Effect.suspend(() => {
        attempts += 1
        begun = activity.now()
        return handle(messages)
      })

      const willRetry = (error: E) => {
        if (error instanceof DecodeError || isFatal(error)) return Effect.succeed(false)
        activity.attemptFailed(begun)
        activity.willRetry(messages, attempts, error)
        // The first failure is often one that passes, such as a conflict.
        return Effect.as(
          log(
            attempts === 1 ? "Debug" : "Warn",
            "a message could not be handled, and is tried again",
            {
              ...describe(subject, Arr.headNonEmpty(messages)),
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
          return Effect.succeedNone
        },
        onFailure: (cause) => {
          activity.settled(messages)
          const error = Cause.findErrorOption(cause)
          const isFinal = Option.isSome(error) ? isFatal(error.value) : Cause.hasInterruptsOnly(cause)
          if (isFinal) return Effect.failCause(cause as Cause.Cause<never>)
          activity.attemptFailed(begun)
          return Effect.succeedSome({ cause, attempts })
        }
      })
    })
}

/**
 * Handles messages: one by one when an attempt at all of them has failed, and by the policy at last. `parking` is there when
 * that is to park them.
 */
export const handling = <E, R, EPark = never, RPark = never>(
  { onFailure, subject }: Handler<E, R>,
  attempt: Attempt<R>,
  activity: Activity,
  parking: Parking<EPark, RPark> | undefined
) => {
  const fail = (message: RecordedMessage, failure: Failure): Effect.Effect<void, E | EPark, RPark> => {
    const { attempts, cause } = failure
    const about = { ...describe(subject, message), attempts }
    const error = Cause.pretty(cause)
    activity.failed()
    if (parking !== undefined) {
      activity.parked()
      return Effect.andThen(
        log("Warn", "a message could not be handled, and is parked with those after it in its stream", {
          ...about,
          error
        }),
        parking.park(message, failure)
      )
    }
    if (onFailure === "skip") {
      activity.skipped()
      return log("Warn", "a message could not be handled, and is skipped", { ...about, error })
    }
    return Effect.andThen(
      // The error itself is what it fails with, and is for those who run it to report.
      log("Error", `a message could not be handled, and stops the ${subject.kind}`, about),
      Effect.failCause(cause as Cause.Cause<never>)
    )
  }

  const handle = (
    messages: Arr.NonEmptyReadonlyArray<RecordedMessage>
  ): Effect.Effect<void, E | EPark, R | RPark> =>
    Effect.flatMap(attempt(messages), (failure) => {
      if (Option.isNone(failure)) return Effect.void
      return messages.length === 1
        ? fail(Arr.headNonEmpty(messages), failure.value)
        : Effect.forEach(messages, (message) => admit([message]), { discard: true })
    })

  const admit = (messages: Arr.NonEmptyReadonlyArray<RecordedMessage>): Effect.Effect<void, E | EPark, R | RPark> =>
    parking === undefined
      ? handle(messages)
      : Effect.flatMap(
        parking.admit(messages),
        (admitted) => Arr.isReadonlyArrayNonEmpty(admitted) ? handle(admitted) : Effect.void
      )
  return admit
}
