/**
 * A server whose database goes away and comes back: what its clients see meanwhile, and that nothing is lost or written twice.
 */
import { assert, layer } from "@effect/vitest"
import { Authentication, Client, Problem, Server } from "@eventfold/http"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Mortal } from "../support/Mortal.ts"
import { within } from "../support/Until.ts"

/** A server on the database, which tries a statement only once more. */
const served = Layer.unwrap(Effect.map(Mortal, ({ database }) =>
  Server.layer({ port: 0, accessLog: false }).pipe(
    Layer.provide(Authentication.layerOpen),
    Layer.provide(Postgres.layer({ url: Redacted.make(database), retry: Schedule.recurs(1) }))
  )))

const message = { type: "Opened", data: {} }
const params = { streamName: "account-1" }

layer(
  Layer.mergeAll(Layer.provideMerge(served, Mortal.layer), FetchHttpClient.layer),
  { excludeTestServices: true }
)("a server whose database dies", (it) => {
  it.effect("answers 503 with Retry-After, is not ready, and goes on afterwards", () =>
    Effect.gen(function*() {
      const database = yield* Mortal
      const baseUrl = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
      const client = yield* Client.make({ baseUrl })
      const append = (key: string) =>
        client.streams.append({ params, headers: { "idempotency-key": key }, payload: message })
      const first = yield* append("first")
      yield* client.system.ready()

      yield* database.kill
      const away = yield* Effect.flip(append("second"))
      assert.instanceOf(away, Problem.Unavailable)
      const answer = yield* Effect.promise(() => fetch(`${baseUrl}/streams/account-1/messages`))
      assert.strictEqual(answer.status, 503)
      assert.strictEqual(answer.headers.get("retry-after"), "1")
      assert.notMatch(
        JSON.stringify(yield* Effect.promise(() => answer.json())),
        /select|connect|postgres|127\.0\.0\.1/i
      )
      assert.instanceOf(yield* Effect.flip(client.system.ready()), Problem.NotReady)
      assert.deepStrictEqual(yield* client.system.health(), { status: "ok" })

      yield* database.restart
      // As a client that was answered with 503 does it: the same request again.
      const again = (key: string) =>
        Effect.retry(append(key), {
          while: (error) => error._tag === "Unavailable",
          schedule: Schedule.spaced("50 millis")
        }).pipe(within(`to append ${key}`))
      const second = yield* again("second")
      assert.strictEqual(second.body.version, 1)
      assert.deepStrictEqual((yield* again("second")).body, second.body)
      assert.deepStrictEqual((yield* again("first")).body, first.body)
      yield* client.system.ready()
    }))

  it.effect("writes each acknowledged append once when the database dies under load", () =>
    Effect.gen(function*() {
      const database = yield* Mortal
      const baseUrl = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
      const client = yield* Client.make({ baseUrl })
      const writers = 8
      const each = 25
      const write = (writer: number, index: number) =>
        client.streams.append({
          params: { streamName: `load-${writer}` },
          headers: { "idempotency-key": String(index) },
          payload: { type: "Numbered", data: index }
        }).pipe(
          Effect.retry({
            // Also when the connection to the server breaks: the answer is unknown then, and the same request finds it out.
            while: (error) => error._tag === "Unavailable" || error._tag === "HttpClientError",
            schedule: Schedule.spaced("50 millis")
          }),
          within(`to write ${index} of ${writer}`)
        )
      const load = Effect.forEach(
        Array.from({ length: writers }, (_, writer) => writer),
        (writer) => Effect.forEach(Array.from({ length: each }, (_, index) => index), (index) => write(writer, index)),
        { concurrency: "unbounded" }
      )
      const killed = Effect.forEach([1, 2], () => Effect.andThen(database.kill, database.restart))
      const [answers] = yield* Effect.all([load, killed], { concurrency: "unbounded" })
      for (const [writer, ofWriter] of answers.entries()) {
        assert.deepStrictEqual(
          ofWriter.map(({ body }) => body.version),
          Array.from({ length: each }, (_, index) => index)
        )
        const page = yield* client.streams.read({
          params: { streamName: `load-${writer}` },
          query: { limit: 1_000 },
          headers: {}
        })
        if (!page) return assert.fail("there is no page")
        assert.deepStrictEqual(
          page.body.messages.map(({ data }) => data),
          Array.from({ length: each }, (_, index) => index)
        )
        assert.deepStrictEqual(
          page.body.messages.map(({ id }) => id),
          ofWriter.flatMap(({ body }) => body.ids)
        )
      }
    }))
})
