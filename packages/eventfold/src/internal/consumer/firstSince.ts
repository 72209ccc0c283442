/**
 * Finds the first message that was written at a time or later, without a read of all before it.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "../../Message.ts"

/** A log, or a category of it, in the order of global positions. */
export interface Log<E> {
  /** The first message from a global position on, inclusive; `undefined` after the last one. */
  readonly firstFrom: (globalPosition: number) => Effect.Effect<RecordedMessage | undefined, E>
  /** The messages from a global position on, inclusive. */
  readonly from: (globalPosition: number) => Stream.Stream<RecordedMessage, E>
}

/**
 * The time of a message is when its transaction began, so it may be earlier than those of messages before it: by as long as the
 * transaction took to append, and as clocks differ that take turns after a failover.
 */
export const margin = Duration.minutes(1)

const isBefore = (message: RecordedMessage, time: DateTime.Utc): boolean => DateTime.isLessThan(message.time, time)

/**
 * The highest global position after which all messages are found that were written at a time or later, 0 for the beginning. `end` is
 * a position that no message of interest is beyond, unless it was written meanwhile.
 *
 * It halves the log until a message is found that is older by the {@link margin}, and reads on from there. Where times go back by
 * more than the margin, in messages that were imported say, what it finds is a place where they pass the time, which need not be the
 * first.
 */
export const afterWhich = Effect.fnUntraced(function*<E>(log: Log<E>, time: DateTime.Utc, end: number) {
  const early = DateTime.subtractDuration(time, margin)
  let after = 0
  let last = end
  while (after < last) {
    const middle = Math.ceil((after + last) / 2)
    const message = yield* log.firstFrom(middle)
    if (message !== undefined && isBefore(message, early)) after = message.globalPosition
    else last = middle - 1
  }
  yield* log.from(after + 1).pipe(
    Stream.takeWhile((message) => isBefore(message, time)),
    Stream.runForEachArray((messages) =>
      Effect.sync(() => {
        after = messages.at(-1)?.globalPosition ?? after
      })
    )
  )
  return after
})
