/**
 * Follows a request whose answer is the progress of what it does.
 */
import { createParser } from "eventsource-parser"
import { type Problem, problemOf, type Request, send } from "./client.ts"
import { parse } from "./exact.ts"
import type { Event } from "./feed.ts"

/** Sends the request, and gives each event of its answer. Gives the problem when it is refused, or when the answer breaks off. */
export const followOnce = async (
  request: Request<unknown>,
  onEvent: (event: Event) => void,
  signal: AbortSignal
): Promise<Problem | undefined> => {
  try {
    const answer = await send(request.path, {
      method: request.method,
      accept: "text/event-stream",
      signal,
      headers: { "content-type": "application/json" },
      ...(request.body === undefined ? {} : { body: request.body })
    })
    if (!answer.ok || answer.body === null) return await problemOf(answer)
    const parser = createParser({ onEvent: ({ data, event = "message" }) => onEvent({ event, data: parse(data) }) })
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return undefined
      parser.feed(value)
    }
  } catch {
    return signal.aborted ? undefined : {
      status: 0,
      type: "unreachable",
      title: "The connection broke off",
      detail: "What was done so far stays; the next one goes on from there.",
      fields: {}
    }
  }
}
