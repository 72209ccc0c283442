/**
 * The last messages that a follower has read. A client whose position lies within them joins without a read of its own: most do
 * that reconnect after a moment.
 */
import type { Frame } from "./frames.ts"

/** How much of the log is kept. */
export interface Limits {
  /** How many messages at most. */
  readonly messages: number
  /** How many characters of JSON at most. */
  readonly characters: number
}

export interface Recent {
  /** Everything after this global position, and up to the follower's, is here. */
  readonly start: () => number
  /** The frames after a global position that is not below the start, in order. */
  readonly after: (globalPosition: number) => ReadonlyArray<Frame>
  readonly add: (frames: ReadonlyArray<Frame>) => void
}

export const make = (start: number, { characters, messages }: Limits): Recent => {
  let frames: Array<Frame> = []
  let size = 0
  let begin = start

  const drop = () => {
    let dropped = 0
    while (dropped < frames.length && (frames.length - dropped > messages || size > characters)) {
      const frame = frames[dropped++]
      if (frame === undefined) break
      size -= frame.json().length
      begin = frame.message.globalPosition
    }
    if (dropped > 0) frames = frames.slice(dropped)
  }

  return {
    start: () => begin,
    after: (globalPosition) => {
      // From the end, because most clients are only a little behind.
      let index = frames.length
      while (index > 0 && (frames[index - 1]?.message.globalPosition ?? 0) > globalPosition) index--
      return frames.slice(index)
    },
    add: (added) => {
      for (const frame of added) {
        frames.push(frame)
        size += frame.json().length
      }
      drop()
    }
  }
}
