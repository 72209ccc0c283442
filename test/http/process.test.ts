/**
 * A server in a process of its own, on PGlite: killed while clients write, and stopped as a system that runs servers does it.
 */
import { assert, it } from "@effect/vitest"
import { Client, Tokens } from "@eventfold/http"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Child from "../support/Child.ts"
import { until } from "../support/Until.ts"

const script = join(import.meta.dirname, "serverProcess.ts")

const append = (client: Client.Client, index: number) =>
  client.streams.append({
    params: { streamName: "account-1" },
    headers: { "idempotency-key": String(index) },
    payload: { type: "Numbered", data: index }
  })

it.live("nothing that was acknowledged is lost when the server is killed, and what is sent again is written once", () =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "http-"))),
      (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
    )
    const token = yield* Tokens.generate
    const tokens = join(folder, "tokens.json")
    const known: Tokens.Token = { name: "writer", sha256: Tokens.hash(token), scopes: ["read", "append"] }
    yield* Effect.promise(() => writeFile(tokens, JSON.stringify([known])))
    const start = Effect.gen(function*() {
      const child = yield* Child.start(script, ["0", "pglite", join(folder, "data"), tokens])
      yield* Child.says(child, 1)
      return { child, url: child.lines[0] ?? "" }
    })

    const clientOf = (baseUrl: string) => Client.make({ baseUrl, token })
    const first = yield* start
    const before = yield* clientOf(first.url)
    let acknowledged = 0
    const writing = yield* Effect.forkChild(
      Effect.forever(Effect.suspend(() => Effect.map(append(before, acknowledged), () => acknowledged++)))
    )
    yield* until("some are written", Effect.sync(() => acknowledged >= 20))
    yield* first.child.kill
    yield* Effect.flip(Fiber.join(writing))

    const { child: second, url } = yield* start
    const after = yield* clientOf(url)
    // The last one is in doubt: sent again, it is written once.
    const { body } = yield* append(after, acknowledged)
    assert.strictEqual(body.version, acknowledged)
    const page = yield* after.streams.read({
      params: { streamName: "account-1" },
      query: { limit: 1_000 },
      headers: {}
    })
    if (!page) return assert.fail("there is no page")
    assert.deepStrictEqual(
      page.body.messages.map(({ data }) => data),
      Array.from({ length: acknowledged + 1 }, (_, index) => index)
    )

    // A connection that is kept alive does not hold up the stop.
    const agent = new Agent({ keepAlive: true })
    yield* Effect.callback<void>((resume) => {
      request(`${url}/healthz`, { agent }, (answer) => {
        answer.resume().on("end", () => resume(Effect.void))
      }).end()
    })
    yield* second.terminate
    yield* until("the server has ended", second.ended)
    // By the signal that it was asked with, and not killed.
    assert.strictEqual(yield* second.exitCode, 130)
    agent.destroy()
  }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer)))
