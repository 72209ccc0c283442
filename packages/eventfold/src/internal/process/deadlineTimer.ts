import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import { type Key, PositionStore, type Service as Positions } from "../../PositionStore.ts"
import type { Options } from "../consumer/definition.ts"
import { finalWrite } from "../processor/outage.ts"
import * as DeadlineReader from "./deadlineReader.ts"
import type { DeadlineCategory } from "./deadlines.ts"
import type { PendingDeadline } from "./pendingDeadlines.ts"

/** For how many processes at a time passed deadlines are written. */
const concurrency = 64

/** Writes that a deadline has passed. */
const pass = Effect.fnUntraced(function*(
  category: DeadlineCategory,
  { dueAt, name, passedId, recorded }: PendingDeadline
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
    const key = DeadlineReader.keyOf(category, consumerId)
    const wakeUps = yield* store.wakeUps(category.categoryName)
    const { pending, position, readNew, recorded } = yield* DeadlineReader.make(category, consumerId)
    const writePosition = makeCheckpoint(positions, key, recorded, position)
    yield* Effect.addFinalizer(() => finalWrite(writePosition, key.consumerId, "some deadlines will be read again"))

    const passInOrder = (deadlines: ReadonlyArray<PendingDeadline>) =>
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
