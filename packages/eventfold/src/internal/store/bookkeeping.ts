import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import type { Key } from "../../PositionStore.ts"
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

/** The position of a process's timer, beside that of the consumer that reacts to its messages. */
export const timerKey = (process: string, category: string): Key => ({ category, consumerId: `${process}:timer` })

/** Whether a position is that of a timer, and not of a consumer. */
export const isTimer = ({ category, consumerId }: Key): boolean =>
  Option.exists(
    StreamName.withoutType(category, "deadline"),
    (process) => consumerId === timerKey(process, category).consumerId
  )
