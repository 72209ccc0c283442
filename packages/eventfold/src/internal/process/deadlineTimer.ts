import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { deriveId, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import { type Key, PositionStore, type Service as Positions } from "../../PositionStore.ts"
import type { Options } from "../consumer/definition.ts"
import { finalWrite } from "../processor/outage.ts"
import type { DeadlineCategory } from "./deadlines.ts"
import * as PendingDeadlines from "./pendingDeadlines.ts"

/** For how many processes at a time passed deadlines are written. */
const concurrency = 64

/** The timer has a position of its own, beside that of the consumer that reacts to its messages. */
const keyOf = (category: DeadlineCategory, consumerId: string): Key => ({
  category: category.categoryName,
  consumerId: `${consumerId}:timer`
})

/** The messages of a deadline category that were read so far, as the deadlines that are pending after them. */
const makeReader = (category: DeadlineCategory, from: number) => {
  const pending = PendingDeadlines.make()
  let read = from

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
}

/** Writes that a deadline has passed. */
const pass = Effect.fnUntraced(function*(
  category: DeadlineCategory,
  { dueAt, name, passedId, recorded }: PendingDeadlines.PendingDeadline
) {
  const store = yield* MessageStore
  const event = category.events.Passed({ name, due: DateTime.makeUnsafe(dueAt) }, {
    id: passedId,
    metadata: Metadata.follow(recorded)
  })
  yield* store.append(recorded.streamName, yield* category.encode(recorded.streamName, [event]))
})

/** Writes the position when it has moved. */
const makeCheckpoint = (positions: Positions, key: Key, recorded: number, position: () => number) => {
  let written = recorded
  return Effect.suspend(() => {
    const next = position()
    if (next === written) return Effect.void
    return Effect.tap(positions.put(key, { position: next }), () => Effect.sync(() => written = next))
  })
}

/**
 * Follows the deadlines of a process, and writes `Passed` for each when it is due. The pending deadlines are in memory. The
 * position stays before the oldest of them, so that the next run reads it again.
 */
export const run = (category: DeadlineCategory, consumerId: string, { checkpoint, poll }: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const store = yield* MessageStore
    const positions = yield* PositionStore
    const key = keyOf(category, consumerId)
    const wakeUps = yield* store.wakeUps(category.categoryName)
    const recorded = Option.match(yield* positions.get(key), { onNone: () => 0, onSome: ({ position }) => position })
    const { pending, position, readNew } = makeReader(category, recorded)
    const writePosition = makeCheckpoint(positions, key, recorded, position)
    yield* Effect.addFinalizer(() => finalWrite(writePosition, key.consumerId, "some deadlines will be read again"))

    const passInOrder = (deadlines: ReadonlyArray<PendingDeadlines.PendingDeadline>) =>
      Effect.forEach(
        deadlines,
        (deadline) => Effect.map(pass(category, deadline), () => pending.remove(deadline.passedId)),
        { discard: true }
      )

    const interval = Duration.toMillis(checkpoint?.interval ?? "1 second")
    const longest = Duration.toMillis(poll?.max ?? "5 seconds")
    let writtenAt = yield* Clock.currentTimeMillis
    while (true) {
      yield* readNew
      const due = pending.takeDue(yield* Clock.currentTimeMillis)
      const byProcess = Object.values(Arr.groupBy(due, ({ recorded }) => recorded.streamName))
      yield* Effect.forEach(byProcess, passInOrder, { concurrency, discard: true })
      const now = yield* Clock.currentTimeMillis
      if (now - writtenAt >= interval) {
        yield* writePosition
        writtenAt = now
      }
      yield* Effect.timeoutOption(wakeUps.await, Math.min(longest, Math.max(0, pending.nextDue() - now)))
    }
  })).pipe(
    // `pass` appends at any version.
    Effect.catchTag("WrongExpectedVersion", Effect.die)
  )
