/**
 * Live answers over HTTP: how soon after an append many clients have the message.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { forkWith } from "./Child.ts"
import { Databases } from "./Databases.ts"
import { serve } from "./HttpRows.ts"
import type { Row, Side } from "./Rounds.ts"

const clients = 1_000
const messagesPerSecond = 50

const decodeDelays = Schema.decodeUnknownEffect(Schema.Array(Schema.Finite))

/** The server and its clients are processes of their own; this one appends. */
const follow = (count: number): Side<Databases> =>
  Effect.gen(function*() {
    const { store, url } = yield* (yield* Databases).ours
    const category = `live${randomUUID().replaceAll("-", "")}`
    const { port, token } = yield* serve("eventfold", url)
    const following = yield* forkWith(
      fileURLToPath(new URL("LiveClientsProcess.ts", import.meta.url)),
      [String(port), token, String(count), category],
      { decode: decodeDelays }
    )
    yield* following.next
    const append = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      store.append(`${category}-1`, { type: "Written", data: now }))
    return (millis) =>
      append.pipe(
        Effect.repeat(Schedule.max([
          Schedule.fixed(1_000 / messagesPerSecond),
          Schedule.recurs(Math.ceil(millis * messagesPerSecond / 1_000))
        ])),
        // The last messages are still on their way.
        Effect.andThen(Effect.sleep("500 millis")),
        Effect.andThen(following.ask("delays"))
      )
  })

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "live",
    slow: true,
    description:
      `from an append to ${
        clients.toLocaleString("en")
      } SSE clients of a category that gets ${messagesPerSecond} messages a ` +
      "second, in another process",
    unit: "ms",
    percentiles: [{ share: 0.5 }, { share: 0.99, goal: 100 }],
    millis: 3_000,
    warmUp: 3_000,
    ours: follow(clients),
    peers: []
  }
]
