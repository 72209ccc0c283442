/**
 * Finds a time in a stream, whose messages are in the order of their times.
 */
import { ask, get, type Result } from "../data/client.ts"

/** The position of the first message since a time, or of the last one when all are older: a read for each halving. */
export const positionAt = async (streamName: string, version: number, time: number): Promise<Result<number>> => {
  let [low, high] = [0, version]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const result = await ask(get("/streams/:streamName/messages", {
      params: { streamName },
      query: { from: middle, limit: 1 }
    }))
    if (result?._tag === "Failed") return result
    const found = result?.value.messages[0]
    // Messages at the end were deleted meanwhile.
    if (found === undefined || Date.parse(found.time) >= time) high = middle
    else low = Math.max(found.position, middle) + 1
  }
  return { _tag: "Ok", value: Math.min(low, version) }
}
