/**
 * A client of a live answer over HTTP, as a browser's `EventSource` is: it comes back when its connection ends, and resumes after
 * the last id that it has.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ClientRequest, get, type IncomingMessage } from "node:http"

export interface LiveClient {
  /** The ids of the messages, in the order in which they came. */
  readonly ids: ReadonlyArray<number>
  /** The positions of the heartbeats. */
  readonly heartbeats: ReadonlyArray<number>
  /** How many connections it has had that were answered with 200. */
  readonly connections: () => number
  /** The statuses of other answers. */
  readonly refused: ReadonlyArray<number>
  /** Reads nothing from now on, until `read`. */
  readonly pause: Effect.Effect<void>
  readonly read: Effect.Effect<void>
  /** Ends the connection without a word. It does not come back. */
  readonly destroy: Effect.Effect<void>
}

export interface Options {
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Whether it comes back. Defaults to true. */
  readonly resumes?: boolean | undefined
}

/** Follows an address until the scope closes. */
export const follow = (
  url: string,
  { headers, resumes = true }: Options = {}
): Effect.Effect<LiveClient, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(() => start(url, headers ?? {}, resumes)), (client) => client.destroy)

const start = (url: string, headers: Readonly<Record<string, string>>, resumes: boolean): LiveClient => {
  const ids: Array<number> = []
  const heartbeats: Array<number> = []
  const refused: Array<number> = []
  let lastId: string | undefined
  let connections = 0
  let current: ClientRequest | undefined
  let response: IncomingMessage | undefined
  let isOver = false
  let isPaused = false
  let again: NodeJS.Timeout | undefined

  const receive = (block: string) => {
    const fields = new Map(
      block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)])
    )
    const id = fields.get("id")
    if (id !== undefined) lastId = id
    if (fields.get("event") === "heartbeat") heartbeats.push(JSON.parse(fields.get("data") ?? "{}").position)
    else ids.push(Number(id))
  }

  const ended = () => {
    response = undefined
    if (resumes && !isOver) again = setTimeout(connect, 20)
  }

  const connect = () => {
    const request = get(url, {
      agent: false,
      headers: { ...headers, accept: "text/event-stream", ...(lastId === undefined ? {} : { "last-event-id": lastId }) }
    })
    current = request
    request.once("error", () => {
      // `close` follows.
    })
    request.once("close", ended)
    request.once("response", (answer) => {
      if (answer.statusCode !== 200) {
        refused.push(answer.statusCode ?? 0)
        answer.resume()
        return
      }
      connections++
      response = answer
      if (isPaused) answer.pause()
      // What a connection has cut does not count.
      let rest = ""
      answer.setEncoding("utf8")
      answer.on("error", () => {
        // `close` follows.
      })
      answer.on("data", (chunk: string) => {
        const blocks = (rest + chunk).split("\n\n")
        rest = blocks.pop() ?? ""
        for (const block of blocks) receive(block)
      })
    })
  }

  connect()
  return {
    ids,
    heartbeats,
    refused,
    connections: () => connections,
    pause: Effect.sync(() => {
      isPaused = true
      response?.pause()
    }),
    read: Effect.sync(() => {
      isPaused = false
      response?.resume()
    }),
    destroy: Effect.sync(() => {
      isOver = true
      clearTimeout(again)
      current?.destroy()
    })
  }
}
