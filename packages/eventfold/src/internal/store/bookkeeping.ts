import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import * as StreamName from "../../StreamName.ts"

/** Whose positions and lists of parked messages are those of who reads more than one category. */
export const allName = "$all"

/** Whether a stream or category is what consumers write about themselves: who reads it reads what reading has written. */
export const isBookkeeping = (streamName: string): boolean =>
  streamName.includes(":") &&
  StreamName.categoryTypes(streamName).some((type) => type === "position" || type === "parked")

const own = new Set(["position", "parked"].map((type) => StreamName.withType(allName, type)))

/** Whether a message is what a consumer of more than one category writes about itself. */
export const isOwn = (consumer: string, { streamName }: RecordedMessage): boolean =>
  own.has(StreamName.category(streamName)) && Option.contains(StreamName.cardinalId(streamName), consumer)
