import * as Stream from "effect/Stream"
import type { Finding, VerifyBackend } from "../../Verify.ts"
import { type Contents, type Row, upTo } from "./memoryLog.ts"
import { deletionOf } from "./memoryStreams.ts"
import type { MemoryTransactions } from "./memoryTransactions.ts"

/** What is wrong with a row, by the one before it in its stream. */
const findingsOf = (row: Row, previous: Row | undefined): ReadonlyArray<Finding> => {
  const { globalPosition, position, streamName } = row
  const after = previous?.position ?? -1
  if (position !== after + 1 && !(previous === undefined && deletionOf(row)?.["through"] === position - 1)) {
    return position === after
      ? [{ _tag: "PositionRepeated", streamName, position, globalPosition }]
      : [{ _tag: "PositionGap", streamName, after, position, globalPosition }]
  }
  return previous !== undefined && globalPosition < previous.globalPosition
    ? [{ _tag: "OrderBroken", streamName, position, globalPosition, previous: previous.globalPosition }]
    : []
}

/** The memory store makes its positions itself, so what this finds is a fault of eventfold. */
const findings = ({ byId, rows, streams }: Contents, through: number): ReadonlyArray<Finding> => {
  const ofStreams = [...streams.values()].flatMap((all) => {
    const ofStream = upTo(all, through)
    return ofStream.flatMap((row, i) => findingsOf(row, ofStream[i - 1]))
  })
  const ofIds = upTo(rows, through)
    .filter((row) => byId.get(row.id) !== row)
    .map(({ id }): Finding => ({ _tag: "IdRepeated", id, messages: 2 }))
  return [...ofStreams, ...ofIds]
}

export const make = ({ reading }: Pick<MemoryTransactions, "reading">): VerifyBackend => ({
  findings: (verified) =>
    Stream.fromArrayEffect(reading((through, contents) => {
      verified({ messages: upTo(contents.rows, through).length })
      return findings(contents, through)
    }))
})
