/**
 * A page of a stream: its messages, and where the pages around it begin.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "eventfold/Message"
import type { MessageStore } from "eventfold/MessageStore"
import { ofReadStream, orProblem } from "../problems/failures.ts"

/** What the request asks for. */
export interface Wanted {
  readonly streamName: string
  readonly from?: number | undefined
  readonly limit: number
  readonly direction: "forwards" | "backwards"
  readonly types?: ReadonlyArray<string> | undefined
}

/** Where a page begins, and how many messages it has at most. */
export interface Place {
  readonly from: number
  readonly limit: number
}

export interface Page {
  readonly messages: ReadonlyArray<RecordedMessage>
  readonly next: Place | undefined
  readonly previous: Place | undefined
}

const previousOf = ({ direction, limit }: Wanted, from: number, version: number): Place | undefined => {
  if (direction === "forwards") {
    return from === 0 ? undefined : { from: Math.max(0, from - limit), limit: Math.min(limit, from) }
  }
  const after = version - from
  return after <= 0 ? undefined : { from: Math.min(version, from + limit), limit: Math.min(limit, after) }
}

/**
 * Reads the page of a stream that is at this version. With types it looks at `scan` messages at most, so that a rare type takes a
 * request for each of them, and no request reads a whole stream.
 */
export const read = (
  store: MessageStore["Service"],
  wanted: Wanted,
  version: number,
  scan: number
) => {
  const { direction, limit, streamName, types } = wanted
  // Of a stream that does not exist there is no last position to begin with, and no page.
  const from = wanted.from ?? (direction === "forwards" ? 0 : Math.max(0, version))
  const toRead = types === undefined ? limit : Math.max(scan, limit)
  return Stream.runCollect(
    store.readStream(streamName, { from, limit: toRead, batchSize: toRead, direction })
  ).pipe(
    orProblem(ofReadStream),
    Effect.map((looked): Page => {
      const messages = types === undefined
        ? looked
        : looked.filter(({ type }) => types.includes(type)).slice(0, limit)
      // A page that is full ends with its last message; another one with the last that was looked at.
      const last = messages.length === limit ? messages.at(-1) : looked.at(-1)
      const next = last === undefined ? undefined : last.position + (direction === "forwards" ? 1 : -1)
      return {
        messages,
        next: next === undefined || next < 0 || next > version ? undefined : { from: next, limit },
        previous: previousOf(wanted, from, version)
      }
    })
  )
}
