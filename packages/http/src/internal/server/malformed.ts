/**
 * Answers what Node can't parse as a request. Nothing of the API sees it.
 */
import type { Server } from "node:http"
import type { Duplex } from "node:stream"

const reasons: Readonly<Record<string, readonly [status: string, title: string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "The headers are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "The request took too long to arrive"]
}

const malformed = ["400 Bad Request", "The request is not HTTP"] as const

const answer = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  // The client has gone, or has its answer already.
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, title] = reasons[error.code ?? ""] ?? malformed
  const body = JSON.stringify({
    type: "urn:eventfold:problem:malformed-http",
    status: Number.parseInt(status, 10),
    title
  })
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `X-Content-Type-Options: nosniff\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
}

/** Makes a server answer so. */
export const answerMalformed = (server: Server): Server => server.on("clientError", answer)
