/**
 * Follows a live answer of the API: server-sent events, read by `fetch`, because `EventSource` can't send a token.
 */
import { useSignal } from "@preact/signals"
import { createParser } from "eventsource-parser"
import { useEffect, useRef } from "preact/hooks"
import { type Problem, problemOf, send, token } from "./client.ts"
import { isPaused } from "./clock.ts"
import { parse } from "./exact.ts"

/** How it is with a live answer. */
export type Connection =
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Open" }
  /** It was cut, and is tried again. */
  | { readonly _tag: "Broken"; readonly attempts: number }
  /** The server refuses it, and will do so again. */
  | { readonly _tag: "Refused"; readonly problem: Problem }

export interface Event {
  readonly event: string
  readonly data: unknown
}

/** The longest that a message may be before the connection is taken to be broken. */
const maxBuffer = 16 * 1_048_576

/** Waits for a moment that is longer after each failure, from a fifth of a second to 5 seconds, or until the feed ends. */
const pauseBefore = (attempts: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const wait = setTimeout(resolve, Math.min(5_000, 200 * 2 ** Math.min(attempts, 8)) * (0.75 + Math.random() / 2))
    signal.addEventListener("abort", () => {
      clearTimeout(wait)
      resolve()
    }, { once: true })
  })

const isWorthwhile = ({ status }: Problem): boolean => status === 0 || status === 429 || status >= 500

/** Reads one answer until it ends. Gives the problem when it is refused. */
const read = async (
  path: string,
  lastId: string | undefined,
  signal: AbortSignal,
  on: { readonly open: () => void; readonly event: (event: Event, id: string | undefined) => void }
): Promise<Problem | undefined> => {
  const answer = await send(path, {
    accept: "text/event-stream",
    signal,
    headers: lastId === undefined ? {} : { "last-event-id": lastId }
  })
  if (!answer.ok || answer.body === null) return problemOf(answer)
  on.open()
  const parser = createParser({
    maxBufferSize: maxBuffer,
    onEvent: ({ data, event = "message", id }) => on.event({ event, data: parse(data) }, id)
  })
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return undefined
    parser.feed(value)
  }
}

/** Follows an answer until the signal aborts. After a cut it goes on after the last id. */
export const follow = async (
  path: string,
  signal: AbortSignal,
  on: { readonly connection: (connection: Connection) => void; readonly event: (event: Event) => void }
): Promise<void> => {
  let lastId: string | undefined
  let attempts = 0
  const say = (connection: Connection) => {
    if (!signal.aborted) on.connection(connection)
  }
  say({ _tag: "Connecting" })
  while (!signal.aborted) {
    let problem: Problem | undefined
    try {
      problem = await read(path, lastId, signal, {
        open: () => {
          attempts = 0
          say({ _tag: "Open" })
        },
        event: (event, id) => {
          if (signal.aborted) return
          lastId = id ?? lastId
          on.event(event)
        }
      })
    } catch {
      // The connection was cut, or there is none: the same as an end.
    }
    if (problem !== undefined && !isWorthwhile(problem)) return say({ _tag: "Refused", problem })
    attempts += 1
    say({ _tag: "Broken", attempts })
    await pauseBefore(attempts, signal)
  }
}

/**
 * Follows an answer as long as the component is there. A pause ends it, and nothing is tried again meanwhile; afterwards it begins
 * with what is new, or after the last id where the caller resumes.
 */
export const useFeed = (path: string | undefined, onEvent: (event: Event) => void): Connection => {
  const connection = useSignal<Connection>({ _tag: "Closed" })
  const handler = useRef(onEvent)
  handler.current = onEvent
  const isOff = isPaused.value || path === undefined
  const sent = token.value
  useEffect(() => {
    if (isOff || path === undefined) {
      connection.value = { _tag: "Closed" }
      return undefined
    }
    const controller = new AbortController()
    void follow(path, controller.signal, {
      connection: (next) => {
        connection.value = next
      },
      event: (event) => handler.current(event)
    })
    return () => controller.abort()
  }, [path, isOff, sent, connection])
  return connection.value
}
