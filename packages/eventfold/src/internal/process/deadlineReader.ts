import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { deriveId, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import { type Key, PositionStore } from "../../PositionStore.ts"
import { timerKey } from "../store/bookkeeping.ts"
import type { DeadlineCategory } from "./deadlines.ts"
import * as PendingDeadlines from "./pendingDeadlines.ts"

/** The timer has a position of its own, beside that of the consumer that reacts to its messages. */
export const keyOf = (category: DeadlineCategory, consumerId: string): Key =>
  timerKey(consumerId, category.categoryName)

/**
 * The messages of a deadline category from the timer's position on that were read so far, as the deadlines that are pending
 * after them.
 */
export const make = Effect.fnUntraced(function*(category: DeadlineCategory, consumerId: string) {
  const positions = yield* PositionStore
  const position = yield* positions.get(keyOf(category, consumerId))
  const recorded = Option.match(position, { onNone: () => 0, onSome: ({ position }) => position })
  const pending = PendingDeadlines.make()
  let read = recorded

  const take = Effect.fnUntraced(function*(message: RecordedMessage) {
    // The consumer of the category reads the message too, and its failure policy decides what becomes of it.
    const event = yield* Effect.catchTag(category.decode(message), "DecodeError", () => Effect.succeedNone)
    read = message.globalPosition
    if (message.type === "Passed") pending.remove(message.id)
    if (Option.isNone(event) || event.value.type !== "Set") return
    const { due, name } = event.value.data
    const passedId = deriveId("deadline", message.id)
    pending.add({ passedId, dueAt: due.epochMilliseconds, name, recorded: message })
  })

  return {
    /** The position that the timer has written. */
    recorded,
    pending,
    /** Reads to the end: a deadline that was set may have passed further on. */
    readNew: MessageStore.use((store) =>
      Stream.runForEach(store.readCategory(category.categoryName, { from: read + 1 }), take)
    ),
    /** The global position, inclusive, up to which no deadline is pending: where the next run continues. */
    position: (): number => {
      const oldest = pending.oldest()
      return oldest === undefined ? read : oldest.recorded.globalPosition - 1
    }
  }
})
