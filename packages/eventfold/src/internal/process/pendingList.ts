import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PendingDeadline } from "../../Process.ts"
import * as StreamName from "../../StreamName.ts"
import * as DeadlineReader from "./deadlineReader.ts"
import * as Deadlines from "./deadlines.ts"

/** The pending deadlines of a process, the earliest first. */
export const list = Effect.fnUntraced(function*(process: string, { id, limit }: {
  readonly id?: string | undefined
  readonly limit?: number | undefined
}) {
  const { pending, readNew } = yield* DeadlineReader.make(Deadlines.category(process), process)
  yield* readNew
  const now = yield* Clock.currentTimeMillis
  const found = pending.all().map((
    { dueAt, name, recorded: { globalPosition, streamName, time } }
  ): PendingDeadline => ({
    process,
    id: Option.getOrElse(StreamName.id(streamName), () => ""),
    name,
    due: DateTime.makeUnsafe(dueAt),
    isOverdue: dueAt < now,
    set: { time, globalPosition }
  }))
  return (id === undefined ? found : found.filter((deadline) => deadline.id === id))
    .toSorted((a, b) =>
      a.due.epochMilliseconds - b.due.epochMilliseconds || a.set.globalPosition - b.set.globalPosition
    )
    .slice(0, limit)
})
