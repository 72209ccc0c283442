import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Lag } from "../../ConsumerStatus.ts"
import * as HeldBack from "../../HeldBack.ts"
import { MessageStore } from "../../MessageStore.ts"
import { readAlone, type Reads, readsNothing } from "./pages.ts"

/**
 * Finds the first message after a position that the read model handles. `through` is the position up to which there is no
 * other one; the search ends there at `upTo`.
 */
const nextAfter = Effect.fnUntraced(function*(model: Reads, position: number, upTo: number) {
  let from = position + 1
  while (true) {
    const { hasMore, heldBack, messages, through } = yield* readAlone(model, from, 1)
    const [first] = messages
    if (first !== undefined || !hasMore || through >= upTo) return { first, through, heldBack }
    from = through + 1
  }
})

/** Whether a build whose checkpoint is at a position has nothing left to handle up to a global position, inclusive. */
export const isHandled = Effect.fnUntraced(function*(model: Reads, position: number, globalPosition: number) {
  if (position >= globalPosition) return true
  const { first, through } = yield* nextAfter(model, position, globalPosition)
  return first === undefined ? through >= globalPosition : first.globalPosition > globalPosition
})

/** Counts the messages that the read model handles from a global position on, inclusive. */
const countFrom = Effect.fnUntraced(function*(model: Reads, from: number) {
  if (readsNothing(model)) return 0
  const store = yield* MessageStore
  const { categories, types } = model
  // Category by category, because an index answers that; it does not for several together.
  const counts = categories === undefined
    ? [yield* store.countAll({ from, types })]
    : yield* Effect.forEach(categories, (category) => store.countCategory(category, { from, types }))
  return counts.reduce((sum, count) => sum + count, 0)
})

/** Counts the messages that the read model handles between two global positions, both inclusive. */
export const countBetween = Effect.fnUntraced(function*(model: Reads, from: number, to: number) {
  return to < from ? 0 : Math.max(0, (yield* countFrom(model, from)) - (yield* countFrom(model, to + 1)))
})

/** The lag of a build whose checkpoint is at a position. */
export const lagAfter = Effect.fnUntraced(function*(model: Reads, position: number) {
  const store = yield* MessageStore
  const now = yield* Clock.currentTimeMillis
  const { first, heldBack, through } = yield* nextAfter(model, position, yield* store.lastPosition)
  if (first !== undefined) {
    const lag: Lag = {
      messages: yield* countFrom(model, first.globalPosition),
      age: Duration.millis(Math.max(0, now - first.time.epochMilliseconds))
    }
    return lag
  }
  const nothing: Lag = { messages: 0, age: Duration.zero }
  if (Option.isNone(heldBack)) return nothing
  // What is behind a gap can be counted, and is not older than the transactions that may fill it.
  const messages = yield* countFrom(model, through + 1)
  return messages === 0 ? nothing : { messages, age: HeldBack.ageOf(heldBack.value) }
})
