import * as Arr from "effect/Array"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { RecordedMessage } from "../../Message.ts"
import type { Wanted } from "./readAhead.ts"

/** The messages that one transaction handles. */
export type Batch = Arr.NonEmptyReadonlyArray<RecordedMessage>

/**
 * Cuts the messages of a page into batches of at most `atOnce`. A message that could not be decoded is a batch by itself, and
 * no batch has messages on both sides of `history`, because side effects run only after it.
 */
export const inBatches = <E>(
  wanted: Wanted<E>,
  { atOnce, history }: { readonly atOnce: number; readonly history: number }
): Array<Batch> => {
  const batches: Array<Batch> = []
  let batch: Array<RecordedMessage> = []
  const close = () => {
    if (Arr.isArrayNonEmpty(batch)) batches.push(batch)
    batch = []
  }
  for (const [message, decoded] of wanted) {
    const last = batch.at(-1)
    const isUndecodable = Exit.isExit(decoded)
    const leavesHistory = last !== undefined && last.globalPosition <= history && message.globalPosition > history
    if (batch.length >= atOnce || isUndecodable || leavesHistory) close()
    batch.push(message)
    if (isUndecodable) close()
  }
  close()
  return batches
}

/** Waits before each batch, so that at most `perSecond` messages are handled per second; never without a limit. */
export const throttling = (
  clock: Clock.Clock,
  perSecond: number | undefined
): (messages: number) => Effect.Effect<void> => {
  if (perSecond === undefined) return () => Effect.void
  let due = clock.currentTimeMillisUnsafe()
  return (messages) =>
    Effect.suspend(() => {
      const now = clock.currentTimeMillisUnsafe()
      const wait = Math.max(0, due - now)
      due = Math.max(due, now) + messages * 1_000 / perSecond
      return Effect.sleep(wait)
    })
}
