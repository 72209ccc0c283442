import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { DecodeError } from "../../Category.ts"
import * as FailureReport from "../../FailureReport.ts"
import type { RecordedMessage } from "../../Message.ts"
import { log } from "../runtime/log.ts"
import { retryUntilStop, type Stopping } from "../runtime/stopping.ts"
import type { Activity, Messages } from "./activity.ts"
import { backoff, isOutage, logOutage } from "./outage.ts"
import type { Traced } from "./spans.ts"
import type { Subject } from "./subject.ts"

/**
 * Five more attempts after the first one fails: the first after about 100 milliseconds, each later one after twice the
 * previous delay, jittered. That takes about three seconds in all, which outlasts a passing conflict and not much more.
 *
 * @since 0.1.0
 * @category retrying
 */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.max([
  Schedule.exponential("100 millis").pipe(Schedule.jittered),
  Schedule.recurs(5)
])

/** The last failure of a handler, after this many attempts. */
export interface Failure {
  readonly cause: Cause.Cause<unknown>
  readonly report: FailureReport.FailureReport
  readonly attempts: number
}

/** A message in the log: where it is, and none of its content. */
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

/** Keeps the order of each stream while messages of it are parked. */
export interface Parker<E, R> {
  /** Gives those of the next messages that may be handled now. It parks the others behind the parked ones of their streams. */
  readonly admit: (messages: Messages) => Effect.Effect<ReadonlyArray<RecordedMessage>, E, R>
  /** Parks a message whose handler failed. */
  readonly park: (message: RecordedMessage, failure: Failure) => Effect.Effect<void, E, R>
}

/**
 * Handles messages together, with retries. Gives the failure, if the last attempt failed; an interruption is none. It interrupts
 * itself where it would begin another attempt and the processor stops: the messages are delivered again.
 */
export type Attempt<R> = (messages: Messages) => Effect.Effect<Option.Option<Failure>, never, R>

/** How a consumer or read model handles messages. */
export interface Handler<out E, out R> {
  readonly subject: Subject
  readonly handle: (messages: Messages) => Effect.Effect<void, E, R>
  readonly retry: Schedule.Schedule<unknown> | undefined
  /** What to do with a message whose last attempt failed, unless it is parked. */
  readonly onFailure: "stop" | "skip"
  /** Whether an error is not about the messages, so that neither a retry nor `onFailure` applies to it. */
  readonly isFatal?: ((error: unknown) => boolean) | undefined
}

/** What attempts to handle messages need of their processor. */
export interface AttemptOptions {
  readonly activity: Activity
  readonly stopping: Stopping
  readonly traced: Traced
}

/** Fails, and is the next attempt from the second time on. */
const failedOnce = <E, R>(error: E, next: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> => {
  let isFirst = true
  return Effect.suspend(() => {
    if (!isFirst) return next
    isFirst = false
    return Effect.fail(error)
  })
}

export const makeAttempt = <E, R>(
  { handle, isFatal = () => false, retry = defaultRetry, subject }: Handler<E, R>,
  { activity, stopping, traced }: AttemptOptions
): Attempt<R> => {
  /** The first failure is often one that passes, such as a conflict: only the next ones are warnings. */
  const logRetry = (messages: Messages, attempts: number, error: FailureReport.FailureReport) => {
    const about = { ...describe(subject, Arr.headNonEmpty(messages)), messages: messages.length, attempts, error }
    return stopping.isStopping()
      ? log("Warn", `${subject.kind} failed to handle a message while it stops, and leaves it to the next run`, about)
      : log(attempts === 1 ? "Debug" : "Warn", `${subject.kind} failed to handle a message and retries it`, about)
  }

  return (messages) =>
    Effect.suspend(() => {
      let attempts = 0
      let begun = 0n
      const attempt = Effect.suspend(() => {
        attempts += 1
        begun = activity.now()
        return handle(messages)
      })
      const willRetry = (error: unknown) => {
        if (error instanceof DecodeError || isFatal(error)) return Effect.succeed(false)
        return Effect.flatMap(FailureReport.fromCause(Cause.fail(error)), (report) => {
          activity.attemptFailed(begun, report.tag)
          if (!stopping.isStopping()) activity.willRetry(messages, attempts, report)
          return Effect.as(logRetry(messages, attempts, report), true)
        })
      }
      const willWait = (error: unknown) => {
        if (!isOutage(error) || isFatal(error)) return Effect.succeed(false)
        return Effect.flatMap(FailureReport.fromCause(Cause.fail(error)), (report) => {
          activity.attemptFailed(begun, report.tag)
          if (!stopping.isStopping()) activity.willRetry(messages, attempts, report)
          return Effect.as(logOutage(subject, error), true)
        })
      }
      /** While the store is away, the messages are not to blame, so this takes none of their attempts. */
      const waitForStore = (error: E): Effect.Effect<void, E, R> =>
        isOutage(error)
          ? retryUntilStop(
            failedOnce(error, attempt),
            Schedule.while(backoff, ({ input }) => willWait(input)),
            stopping
          )
          : Effect.fail(error)
      /** The schedules start only after a first failure: most messages succeed, and pay nothing for them. */
      const retryAfter = (error: E) =>
        Effect.catch(waitForStore(error), (error) =>
          retryUntilStop(
            failedOnce(error, Effect.catch(attempt, waitForStore)),
            Schedule.while(retry, ({ input }) => willRetry(input)),
            stopping
          ))

      if (stopping.isStopping()) return Effect.interrupt
      return Effect.matchCauseEffect(traced(messages, Effect.catch(attempt, retryAfter)), {
        onSuccess: () => {
          activity.handled(messages, begun)
          activity.settled(messages)
          return Effect.succeedNone
        },
        onFailure: (cause) => {
          activity.settled(messages)
          const error = Cause.findErrorOption(cause)
          const endsAll = Option.isSome(error) ? isFatal(error.value) : Cause.hasInterruptsOnly(cause)
          if (endsAll) return Effect.failCause(cause as Cause.Cause<never>)
          return Effect.map(FailureReport.fromCause(cause), (report) => {
            activity.attemptFailed(begun, report.tag)
            return Option.some({ cause, report, attempts })
          })
        }
      })
    })
}

/**
 * Handles messages together, and one by one after all attempts at that failed. A message that fails by itself stops the
 * processor, is skipped, or goes to the `parker`, if there is one.
 */
export const makeHandle = <E, R, EPark = never, RPark = never>(
  { onFailure, subject }: Handler<E, R>,
  attempt: Attempt<R>,
  activity: Activity,
  parker: Parker<EPark, RPark> | undefined
) => {
  const fail = (message: RecordedMessage, failure: Failure): Effect.Effect<void, E | EPark, RPark> => {
    const { attempts, cause, report } = failure
    const about = { ...describe(subject, message), attempts, error: report }
    activity.failed(message, attempts, report)
    if (parker !== undefined) {
      activity.parked()
      return Effect.andThen(
        log(
          "Warn",
          `${subject.kind} failed to handle a message; it parks the message and later ones with its cardinal id`,
          about
        ),
        parker.park(message, failure)
      )
    }
    if (onFailure === "skip") {
      activity.skipped()
      return log("Warn", `${subject.kind} failed to handle a message and skips it`, about)
    }
    return Effect.andThen(
      log("Error", `${subject.kind} failed to handle a message and stops`, about),
      Effect.failCause(cause as Cause.Cause<never>)
    )
  }

  const handle = (messages: Messages): Effect.Effect<void, E | EPark, R | RPark> =>
    Effect.flatMap(attempt(messages), (failure) => {
      if (Option.isNone(failure)) return Effect.void
      return messages.length === 1
        ? fail(Arr.headNonEmpty(messages), failure.value)
        : Effect.forEach(messages, (message) => admit([message]), { discard: true })
    })

  const admit = (messages: Messages): Effect.Effect<void, E | EPark, R | RPark> =>
    parker === undefined
      ? handle(messages)
      : Effect.flatMap(
        parker.admit(messages),
        (admitted) => Arr.isReadonlyArrayNonEmpty(admitted) ? handle(admitted) : Effect.void
      )
  return admit
}
