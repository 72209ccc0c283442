/** The pending deadlines of a timer, without its clock and its store. */
import { assert, it } from "@effect/vitest"
import { DateTime } from "effect"
import { Message, type StreamName } from "eventfold"
import * as PendingDeadlines from "../src/internal/process/pendingDeadlines.ts"

const deadline = (passedId: string, dueAt: number, globalPosition: number): PendingDeadlines.PendingDeadline => ({
  passedId,
  dueAt,
  name: "late",
  recorded: {
    id: Message.deriveId(passedId),
    streamName: "fulfilment:deadline-1" as StreamName.StreamName,
    type: "Set",
    data: {},
    metadata: null,
    position: 0,
    globalPosition,
    time: DateTime.makeUnsafe(0)
  }
})

it("gives the deadlines that are due, the earliest first, and each once", () => {
  const pending = PendingDeadlines.make()
  assert.strictEqual(pending.nextDue(), Number.POSITIVE_INFINITY)
  pending.add(deadline("a", 30, 1))
  pending.add(deadline("b", 10, 2))
  pending.add(deadline("c", 20, 3))
  assert.strictEqual(pending.nextDue(), 10)
  assert.deepStrictEqual(pending.takeDue(9), [])
  assert.deepStrictEqual(pending.takeDue(20).map(({ passedId }) => passedId), ["b", "c"])
  assert.deepStrictEqual(pending.takeDue(20), [])
  assert.strictEqual(pending.nextDue(), 30)
})

it("a deadline that has passed is not due, and the oldest is the one that was set first", () => {
  const pending = PendingDeadlines.make()
  pending.add(deadline("a", 30, 1))
  pending.add(deadline("b", 10, 2))
  assert.strictEqual(pending.oldest()?.passedId, "a")
  pending.remove("a")
  assert.deepStrictEqual(pending.takeDue(40).map(({ passedId }) => passedId), ["b"])
  // Taken is not yet written: a run that ends here reads it again.
  assert.strictEqual(pending.oldest()?.passedId, "b")
  pending.remove("b")
  assert.isUndefined(pending.oldest())
})
