import type { RecordedMessage } from "../../Message.ts"
import * as PriorityQueue from "../runtime/priorityQueue.ts"

/** A deadline that was set and has not passed. */
export interface PendingDeadline {
  /** The id of the message `Passed` that will say so. It follows from the message `Set`, so it is recorded once. */
  readonly passedId: string
  /** In milliseconds. */
  readonly dueAt: number
  readonly name: string
  /** The message `Set`. */
  readonly recorded: RecordedMessage
}

/** The pending deadlines of a process's timer. */
export interface PendingDeadlines {
  /** Adds a deadline. They are added in the order in which they were set. */
  readonly add: (deadline: PendingDeadline) => void
  readonly remove: (passedId: string) => void
  /**
   * Takes the deadlines that are due, the earliest first. Each is given once, and stays the oldest pending deadline until it
   * is removed.
   */
  readonly takeDue: (now: number) => ReadonlyArray<PendingDeadline>
  /** When the next deadline is due: infinity when none is pending. */
  readonly nextDue: () => number
  /** The deadline that was set first. */
  readonly oldest: () => PendingDeadline | undefined
  /** All of them, in the order in which they were set. */
  readonly all: () => ReadonlyArray<PendingDeadline>
}

export const make = (): PendingDeadlines => {
  const pending = new Map<string, PendingDeadline>()
  const byDueTime = PriorityQueue.make<PendingDeadline>((a, b) => a.dueAt < b.dueAt)
  return {
    add: (deadline) => {
      pending.set(deadline.passedId, deadline)
      byDueTime.push(deadline)
    },
    remove: (passedId) => void pending.delete(passedId),
    takeDue: (now) => {
      const due: Array<PendingDeadline> = []
      for (let next = byDueTime.peek(); next !== undefined && next.dueAt <= now; next = byDueTime.peek()) {
        byDueTime.pop()
        if (pending.has(next.passedId)) due.push(next)
      }
      return due
    },
    nextDue: () => byDueTime.peek()?.dueAt ?? Number.POSITIVE_INFINITY,
    all: () => [...pending.values()],
    oldest: () => {
      const [first] = pending.values()
      return first
    }
  }
}
