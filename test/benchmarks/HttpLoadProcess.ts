/**
 * Sends requests to a server of `HttpServerProcess.ts` over plain sockets, which cost little beside what the server does. For each question, a
 * number of milliseconds, it answers how many a second were answered. `HttpLoadProcess.ts WHAT PORT TOKEN`:
 *
 * - `append`: single messages, from 256 connections that are kept open;
 * - `category`: messages of a category that come as lines of JSON, one answer after the other.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { connect, type Socket } from "node:net"
import { PeerError } from "./BenchError.ts"
import { answer, endWithParent, questions } from "./Child.ts"
import { account, dataOf, ledger, metadataOf, streamNameOf, typeOf } from "./Messages.ts"

const [, , what = "", port = "", token = ""] = process.argv

const connections = 256

const open = Effect.callback<Socket, PeerError>((resume) => {
  const socket = connect({ port: Number(port), host: "127.0.0.1", noDelay: true }, () => resume(Effect.succeed(socket)))
  socket.on("error", (cause) => resume(Effect.fail(new PeerError({ message: String(cause), cause }))))
})

const opened = Effect.acquireRelease(open, (socket) => Effect.sync(() => socket.destroy()))

const requestOf = (n: number): Buffer => {
  const body = JSON.stringify({ type: typeOf(n), data: dataOf(n), metadata: metadataOf(n) })
  return Buffer.from(
    `POST /streams/${
      streamNameOf(account, n)
    }/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

const refused = (text: string) => new PeerError({ message: "A request was refused", cause: text })

/** Sends a request and waits for its whole answer, which has a length. */
const ask = (socket: Socket, request: Buffer) =>
  Effect.callback<void, PeerError>((resume) => {
    let text = ""
    const receive = (chunk: Buffer) => {
      text += chunk.toString("latin1")
      const end = text.indexOf("\r\n\r\n")
      if (end < 0 || text.length < end + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1])) return
      socket.off("data", receive)
      resume(text.startsWith("HTTP/1.1 201") ? Effect.void : Effect.fail(refused(text)))
    }
    socket.on("data", receive)
    socket.write(request)
  })

const monotonic = Clock.clockWith((clock) => Effect.sync(() => clock.monotonicTimeNanosUnsafe()))

/** How many a second, when `work` does that many until a time in nanoseconds. */
const perSecond = Effect.fnUntraced(function*<E>(millis: number, work: (end: bigint) => Effect.Effect<number, E>) {
  const begin = yield* monotonic
  const count = yield* work(begin + BigInt(millis) * 1_000_000n)
  return count * 1e9 / Number((yield* monotonic) - begin)
})

const append = Effect.gen(function*() {
  const requests = yield* Effect.sync(() => Array.from({ length: account.streams }, (_, n) => requestOf(n)))
  let n = 0
  const sendUntil = (socket: Socket, end: bigint) =>
    Effect.gen(function*() {
      let answered = 0
      while ((yield* monotonic) < end) {
        yield* ask(socket, requests[n++ % requests.length] ?? requestOf(0))
        answered++
      }
      return answered
    })
  // Each round has connections of its own: the server closes what is idle while other sides have their turn.
  return Effect.fnUntraced(function*(millis: number) {
    const sockets = yield* Effect.replicateEffect(opened, connections)
    return yield* perSecond(millis, (end) =>
      Effect.map(
        Effect.forEach(sockets, (socket) => sendUntil(socket, end), { concurrency: "unbounded" }),
        (counts) => counts.reduce((sum, count) => sum + count, 0)
      ))
  }, Effect.scoped)
})

const caughtUp = Buffer.from("\"caughtUp\":true")

/** Reads the category until a heartbeat says that everything has come. */
const readOnce = Effect.flatMap(open, (socket) =>
  Effect.callback<number, PeerError>((resume) => {
    let lines = 0
    socket.on("data", (chunk: Buffer) => {
      for (let at = chunk.indexOf("{\"id\":"); at >= 0; at = chunk.indexOf("{\"id\":", at + 6)) lines++
      if (!chunk.includes(caughtUp)) return
      socket.destroy()
      resume(lines < 0.9 * ledger.messages ? Effect.fail(refused(chunk.toString("latin1"))) : Effect.succeed(lines))
    })
    socket.write(
      `GET /categories/${ledger.category.categoryName}/live HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n` +
        "Accept: application/x-ndjson\r\n\r\n"
    )
  }))

const category = (millis: number) =>
  perSecond(
    millis,
    Effect.fnUntraced(function*(end: bigint) {
      let lines = yield* readOnce
      while ((yield* monotonic) < end) lines += yield* readOnce
      return lines
    })
  )

const program = Effect.gen(function*() {
  yield* endWithParent
  const asked = yield* questions
  const measure = what === "append" ? yield* append : category
  yield* answer(0)
  return yield* Queue.take(asked).pipe(
    Effect.flatMap((millis) => measure(Number(millis))),
    Effect.flatMap(answer),
    Effect.forever
  )
})

NodeRuntime.runMain(program)
