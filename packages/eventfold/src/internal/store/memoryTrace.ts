import type { MessagePlace } from "../../Message.ts"
import { placeOf } from "../../Message.ts"
import type { TraceBackend, TracePage } from "../../StoreBackend.ts"
import { lowerBound, record, type Row, upTo } from "./memoryLog.ts"
import type { MemoryTransactions } from "./memoryTransactions.ts"
import { causeOf, isCause, textAt, type Traced } from "./traces.ts"

/** The messages after a global position that pass, up to a limit. */
const find = (
  rows: ReadonlyArray<Row>,
  after: number,
  limit: number,
  passes: (traced: Traced, row: Row) => boolean
): TracePage => {
  const messages: Array<Traced> = []
  let isFull = false
  for (let i = lowerBound(rows, after + 1); i < rows.length && !isFull; i++) {
    const row = rows[i]
    if (row === undefined) break
    const traced = { message: placeOf(row), cause: causeOf(record(row).metadata) }
    if (!passes(traced, row)) continue
    if (messages.length === limit) isFull = true
    else messages.push(traced)
  }
  const last = isFull ? messages.at(-1)?.message : rows.at(-1)
  return {
    messages,
    lookedFrom: after + 1,
    lookedThrough: Math.max(after, last?.globalPosition ?? 0),
    isFull,
    isComplete: !isFull
  }
}

/** Traces the messages of the memory store. It looks at all of them. */
export const make = ({ reading }: Pick<MemoryTransactions, "reading">): TraceBackend => ({
  effects: ({ after, causes, limit }) =>
    reading((through, log) => {
      const byPosition = new Map<number, Pick<MessagePlace, "globalPosition" | "position" | "streamName">>(
        causes.map((cause) => [cause.globalPosition, cause])
      )
      return find(upTo(log.rows, through), after, limit, ({ cause: { valueOrUndefined: named }, message }) => {
        const cause = named === undefined ? undefined : byPosition.get(named.globalPosition)
        return named !== undefined && cause !== undefined && isCause(named, cause) &&
          cause.globalPosition < message.globalPosition
      })
    }),
  correlated: ({ after = 0, correlation, limit }) =>
    reading((through, log) =>
      find(
        upTo(log.rows, through),
        after,
        limit,
        (_, row) => textAt(record(row).metadata, "correlationStreamName") === correlation
      )
    )
})
