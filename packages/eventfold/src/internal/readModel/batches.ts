import * as Arr from "effect/Array"
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
