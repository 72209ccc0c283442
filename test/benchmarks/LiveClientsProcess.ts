/**
 * Follows a category of a server with that many clients, and answers when all have caught up. Then it answers each question with how
 * long the messages since the last one were on their way, in milliseconds, as a thousand quantiles. A message has the time at which
 * it was written, in milliseconds, as its data.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import { connect } from "node:net"
import { answer, endWithParent, questions } from "./Child.ts"
import { at } from "./Statistics.ts"

const [, , port = "", token = "", count = "", category = ""] = process.argv

const field = Buffer.from("\"data\":")

/** The times in a chunk. What is cut by its end is left out: it is one of many. */
const timesIn = (chunk: Buffer, found: (time: number) => void) => {
  for (let index = chunk.indexOf(field); index >= 0; index = chunk.indexOf(field, index + 1)) {
    const end = chunk.indexOf(",", index)
    if (end >= 0) found(Number(chunk.toString("latin1", index + field.length, end)))
  }
}

const program = Effect.gen(function*() {
  yield* endWithParent
  const clock = yield* Clock.Clock
  const all = yield* Latch.make()
  let delays: Array<number> = []
  let following = 0
  yield* Effect.sync(() => {
    for (let client = 0; client < Number(count); client++) {
      const socket = connect(Number(port), "127.0.0.1", () => {
        socket.write(
          `GET /categories/${category}/live HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`
        )
      })
      let hasBegun = false
      socket.on("data", (chunk) => {
        const now = clock.currentTimeMillisUnsafe()
        timesIn(chunk, (time) => delays.push(now - time))
        // The first heartbeat says that the client has caught up.
        if (hasBegun || !chunk.includes("heartbeat")) return
        hasBegun = true
        following++
        if (following === Number(count)) all.openUnsafe()
      })
    }
  })
  yield* all.await
  yield* answer([])
  const asked = yield* questions
  while (true) {
    yield* Queue.take(asked)
    const sorted = delays.toSorted((a, b) => a - b)
    delays = []
    yield* answer(Array.from({ length: 1_001 }, (_, i) => at(sorted, i / 1_000)))
  }
})

NodeRuntime.runMain(program)
