import { assert, describe, it } from "@effect/vitest"
import { Client, Problem } from "@eventfold/http"
import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { address, inMemory, secrets, serve } from "./Served.ts"

const message = { type: "Opened", data: { owner: "ada" } }
const params = { streamName: "account-1" }

const Served = Layer.mergeAll(Layer.provide(serve(), inMemory), FetchHttpClient.layer)

const makeClient = (secret: string) =>
  Effect.flatMap(address, (baseUrl) => Client.make({ baseUrl, token: Redacted.make(secret) }))

describe("the typed client", () => {
  it.live("appends and reads", () =>
    Effect.gen(function*() {
      const client = yield* makeClient(secrets.writer)
      const appended = yield* client.streams.append({ params, headers: { "if-none-match": "*" }, payload: message })
      assert.strictEqual(appended.headers.etag, "\"0\"")
      const more = yield* client.streams.append({
        params,
        headers: {},
        payload: { messages: [message, message], expectedVersion: 0 }
      })
      assert.strictEqual(more.body.version, 2)
      const lines = yield* client.streams.append({ params, headers: {}, payload: `${JSON.stringify(message)}\n` })
      assert.strictEqual(lines.body.version, 3)
      const page = yield* client.streams.read({ params, query: { limit: 2, type: ["Opened"] }, headers: {} })
      if (!page) return assert.fail("there is no page")
      assert.lengthOf(page.body.messages, 2)
      assert.strictEqual(page.body.next, 2)
      const same = yield* client.streams.version({ params, headers: { "if-none-match": "\"3\"" } })
      assert.isUndefined(same)
      const log = yield* client.messages.read({ query: { category: ["account"], from: 3 } })
      assert.deepInclude(log, { through: 4, hasMore: false })
      const category = yield* client.categories.read({ params: { category: "account" }, query: {} })
      assert.lengthOf(category.messages, 4)
      const { results } = yield* client.messages.writeAll({
        headers: { "idempotency-key": "k" },
        payload: [{ streamName: "a-1", messages: [message] }, {
          streamName: "account-1",
          messages: [],
          expectedVersion: 3
        }]
      })
      assert.deepStrictEqual(results.map(({ version }) => version), [0, 3])
    }).pipe(Effect.provide(Served)))

  it.live("fails with the problems", () =>
    Effect.gen(function*() {
      const client = yield* makeClient(secrets.writer)
      const stale = yield* Effect.flip(
        client.streams.append({ params, headers: { "if-match": "\"7\"" }, payload: message })
      )
      assert.instanceOf(stale, Problem.PreconditionFailed)
      assert.deepInclude({ ...stale }, { expected: 7, actual: null, streamName: "account-1" })
      const missing = yield* Effect.flip(client.streams.version({ params, headers: {} }))
      assert.instanceOf(missing, Problem.StreamNotFound)
      const invalid = yield* Effect.flip(client.messages.read({ query: { limit: 5_000 } }))
      assert.instanceOf(invalid, Problem.InvalidRequest)
      assert.deepStrictEqual(invalid.errors, [{ path: ["query", "limit"], message: "must be at most 1000" }])
      const stranger = yield* makeClient("ef_stranger")
      assert.instanceOf(yield* Effect.flip(stranger.messages.read({ query: {} })), Problem.Unauthorized)
      const reader = yield* makeClient(secrets.reader)
      const forbidden = yield* Effect.flip(reader.streams.append({ params, headers: {}, payload: message }))
      assert.instanceOf(forbidden, Problem.Forbidden)
    }).pipe(Effect.provide(Served)))
})
