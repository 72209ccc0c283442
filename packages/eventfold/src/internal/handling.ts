import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
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

/** What waits for its turn, in the order of each stream. */
export interface Parking<E, R> {
  /** Of messages that are next, those to be handled now: the others are parked behind, or settled already. */
  readonly admit: (
    messages: Arr.NonEmptyReadonlyArray<RecordedMessage>
  ) => Effect.Effect<ReadonlyArray<RecordedMessage>, E, R>
  /** Puts aside a message that can't be handled. */
  readonly park: (message: RecordedMessage, failure: Failure) => Effect.Effect<void, E, R>
}

/** Handles messages together, with retries; gives why they could not be handled, if so. Interruption is no failure. */
export const attempting = <E, R>(consumer: Consumer<E, R>) => {
  const { retry = defaultRetry } = consumer.options
  return (messages: Arr.NonEmptyReadonlyArray<RecordedMessage>): Effect.Effect<Option.Option<Failure>, never, R> =>
    Effect.suspend(() => {
      let attempts = 0
      const attempt = Effect.suspend(() => {
        attempts += 1
        return consumer.handle(messages)
      })
      return Effect.matchCauseEffect(
        Effect.retry(attempt, { schedule: retry, while: (error) => !(error instanceof DecodeError) }),
        {
          onSuccess: () => Effect.succeedNone,
          onFailure: (cause) =>
            Cause.hasInterruptsOnly(cause)
              ? Effect.failCause(cause as Cause.Cause<never>)
              : Effect.succeedSome({ cause, attempts })
        }
      )
    })
}

/**
 * Handles messages as a consumer's definition says: with retries, one by one when they fail together, and at last by its
 * policy. `parking` is there when that is to park them.
 */
export const handling = <E, R, EPark = never, RPark = never>(
  consumer: Consumer<E, R>,
  parking?: Parking<EPark, RPark> | undefined
) => {
  const attempt = attempting(consumer)

  const fail = (message: RecordedMessage, failure: Failure): Effect.Effect<void, E | EPark, RPark> => {
    const { attempts, cause } = failure
    const about = { ...describe(consumer.id, message), attempts, error: Cause.pretty(cause) }
    if (parking !== undefined) {
      return Effect.andThen(
        Effect.logWarning("a message could not be handled, and is parked with those after it in its stream", about),
        parking.park(message, failure)
      )
    }
    return consumer.options.onFailure === "skip"
      ? Effect.logWarning("a message could not be handled, and is skipped", about)
      : Effect.andThen(
        Effect.logError("a message could not be handled, and stops the consumer", about),
        Effect.failCause(cause as Cause.Cause<never>)
      )
  }

  const handle = Effect.fnUntraced(function*(
    messages: Arr.NonEmptyReadonlyArray<RecordedMessage>
  ): Effect.fn.Return<void, E | EPark, R | RPark> {
    const admitted = parking === undefined ? messages : yield* parking.admit(messages)
    if (!Arr.isReadonlyArrayNonEmpty(admitted)) return
    const failure = yield* attempt(admitted)
    if (Option.isNone(failure)) return
    if (admitted.length === 1) return yield* fail(Arr.headNonEmpty(admitted), failure.value)
    for (const message of admitted) yield* handle([message])
  })
  return handle
}
