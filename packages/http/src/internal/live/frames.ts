/**
 * The bytes that live clients get. The JSON of a message is made once, however many clients there are; the bytes of messages
 * that are sent together are made once for all clients with the same filters and format.
 */
import * as DateTime from "effect/DateTime"
import type * as Message from "eventfold/Message"

/** How the messages are written: as server-sent events, or as lines of JSON. */
export type Format = "sse" | "ndjson"

/** A message and its JSON. */
export interface Frame {
  readonly message: Message.RecordedMessage
  /** The JSON form of the schema `Message.RecordedMessage`, on one line. */
  readonly json: () => string
}

/** The JSON form by hand, because the schema's codec takes many times as long. A test compares the two. */
const jsonOf = (message: Message.RecordedMessage): string =>
  JSON.stringify({
    id: message.id,
    streamName: message.streamName,
    type: message.type,
    position: message.position,
    globalPosition: message.globalPosition,
    data: message.data,
    metadata: message.metadata,
    time: DateTime.formatIso(message.time)
  })

/** A frame whose JSON is made when the first client needs it. */
export const make = (message: Message.RecordedMessage): Frame => {
  let json: string | undefined
  return { message, json: () => json ??= jsonOf(message) }
}

const utf8 = new TextEncoder()

/** What an SSE client gets as the id of a message, and sends as `Last-Event-ID` to continue after it. */
export type IdOf = (message: Message.RecordedMessage) => number

/** The bytes of messages, in order. */
export const encode = (frames: ReadonlyArray<Frame>, format: Format, idOf: IdOf): Uint8Array => {
  let text = ""
  for (const { json, message } of frames) {
    text += format === "sse" ? `id: ${idOf(message)}\nevent: message\ndata: ${json()}\n\n` : `${json()}\n`
  }
  return utf8.encode(text)
}

/** Where a client is: the position up to which it has everything, and whether that is all there is. */
export interface Place {
  readonly position: number
  readonly caughtUp: boolean
}

/**
 * The bytes of a heartbeat. As an SSE event it has the position as its id, so that a client whose filters let little pass resumes
 * there. A stream without messages has the position -1, which is no id.
 */
export const heartbeat = ({ caughtUp, position }: Place, format: Format): Uint8Array => {
  const data = `{"position":${position},"caughtUp":${caughtUp}}`
  if (format === "ndjson") return utf8.encode(`{"heartbeat":${data}}\n`)
  const id = position < 0 ? "" : `id: ${position}\n`
  return utf8.encode(`${id}event: heartbeat\ndata: ${data}\n\n`)
}
