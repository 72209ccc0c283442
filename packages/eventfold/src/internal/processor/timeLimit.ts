import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidArgument } from "../../StoreError.ts"
import type { Messages } from "./activity.ts"

/**
 * A handler took longer than the `timeout` of its consumer or read model, and was interrupted.
 *
 * **Details**
 *
 * It is a failure of the handler like any other: the attempt counts, `retry` says when the next one is, and `onFailure` what
 * happens after the last.
 *
 * @since 0.1.0
 * @category errors
 */
export class HandlerTimeout extends Schema.TaggedError<HandlerTimeout>()("HandlerTimeout", {
  /** Whose handler it was. */
  kind: Schema.Literals(["consumer", "read model"]),
  /** The id of the consumer, or the name of the read model. */
  handledBy: Schema.String,
  /** The time limit, in milliseconds. */
  millis: Schema.Number,
  /** The stream of the message that was handled, or of the first one of several. */
  streamName: Schema.String,
  /** The position of that message in the store. */
  globalPosition: Schema.Int,
  type: Schema.String,
  /** How many messages were handled together. */
  messages: Schema.Int
}) {
  override get message(): string {
    const { globalPosition, handledBy, kind, messages, millis, streamName, type } = this
    const others = messages === 1 ? "" : ` and ${messages - 1} more`
    return `the handler of the ${kind} ${handledBy} took longer than ${
      Duration.format(Duration.millis(millis))
    } for ${type} at global ` +
      `position ${globalPosition} of stream ${streamName}${others}: make it faster, or raise the timeout`
  }
}

/** Fails unless a time limit is longer than nothing, or absent. */
export const checkTimeout = (timeout: Duration.Input | undefined): Effect.Effect<void, InvalidArgument> =>
  timeout === undefined || Duration.toMillis(timeout) > 0
    ? Effect.void
    : Effect.fail(
      new InvalidArgument({
        argument: "timeout",
        value: Duration.format(Duration.fromInputUnsafe(timeout)),
        expected: "a duration longer than zero"
      })
    )

/** Interrupts the handling of messages that takes too long. */
export type TimeLimit = <E, R>(
  messages: Messages,
  handling: Effect.Effect<void, E, R>
) => Effect.Effect<void, E | HandlerTimeout, R>

/** The time limit of a consumer or read model. Without one, handling costs nothing more. */
export const make = (
  kind: HandlerTimeout["kind"],
  handledBy: string,
  timeout: Duration.Input | undefined
): TimeLimit => {
  if (timeout === undefined || !Duration.isFinite(Duration.fromInputUnsafe(timeout))) {
    return (_messages, handling) => handling
  }
  const millis = Duration.toMillis(timeout)
  return (messages, handling) =>
    Effect.timeoutOrElse(handling, {
      duration: timeout,
      orElse: () => {
        const [{ globalPosition, streamName, type }] = messages
        return Effect.fail(
          new HandlerTimeout({ kind, handledBy, millis, streamName, globalPosition, type, messages: messages.length })
        )
      }
    })
}
