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

/** Waits until the page is not paused, or the feed ends. */
const afterPause = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (!isPaused.value || signal.aborted) return resolve()
    const done = () => {
      stop()
      resolve()
    }
    const stop = isPaused.subscribe((paused) => {
      if (!paused) queueMicrotask(done)
    })
    return signal.addEventListener("abort", done, { once: true })
  })

/** Follows an answer until the signal aborts. After a cut it goes on after the last id, and not before a pause has ended. */
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
    await afterPause(signal)
  }
}

/**
 * Follows an answer as long as the component is there. In a pause it is closed, or kept where the caller counts what comes: but nothing is
 * tried again then.
 */
export const useFeed = (
  path: string | undefined,
  onEvent: (event: Event) => void,
  { inPause = "close" }: { readonly inPause?: "close" | "keep" } = {}
): Connection => {
  const connection = useSignal<Connection>({ _tag: "Closed" })
  const handler = useRef(onEvent)
  handler.current = onEvent
  const isOff = path === undefined || (inPause === "close" && isPaused.value)
  const sent = token.value
  useEffect(() => {
    if (isOff) {
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
