import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import * as StreamName from "../../StreamName.ts"

/**
 * Stands for a category in the stream names of positions and parked messages of a consumer that reads more than one category.
 */
export const allName = "$all"

/**
 * Whether consumers write about themselves in a stream or category: their positions and parked messages. A consumer that read
 * them would read what its own reading writes.
 */
export const isBookkeeping = (streamName: string): boolean =>
  streamName.includes(":") &&
  StreamName.categoryTypes(streamName).some((type) => type === "position" || type === "parked")

const own = new Set(["position", "parked"].map((type) => StreamName.withType(allName, type)))

/** Whether a consumer that reads more than one category has written a message about itself. */
export const isOwn = (consumer: string, { streamName }: RecordedMessage): boolean =>
  own.has(StreamName.category(streamName)) && Option.contains(StreamName.cardinalId(streamName), consumer)
