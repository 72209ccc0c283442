import { assert, describe, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Effect, Layer } from "effect"
import { makeChecker } from "./Answers.ts"
import { address, inMemory, serveOpen } from "./Served.ts"

const opened = { type: "Opened", data: { owner: "ada" } }
const deposited = (amount: number) => ({ type: "Deposited", data: { amount } })

const numbers = (json: unknown, key: string) =>
  (json as { messages: ReadonlyArray<Record<string, unknown>> }).messages.map((message) => message[key])

const follow = (rel: string, link: string | undefined) => new RegExp(`<([^>]*)>; rel="${rel}"`).exec(link ?? "")?.[1]

describe.each([
  ["memory", Layer.provideMerge(serveOpen(), inMemory)],
  ["PGlite", Layer.provideMerge(serveOpen(), Pglite.layer())]
])("streams on %s", (_, served) =>
  layer(served, { excludeTestServices: true })((it) => {
    it.effect("appends one message, several, and one a line", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const path = "/streams/account-1/messages"
        const one = yield* call(path, { body: opened })
        assert.strictEqual(one.status, 201)
        assert.strictEqual(one.headers["etag"], "\"0\"")
        assert.strictEqual((one.json as { version: number }).version, 0)
        const several = yield* call(path, { body: { messages: [deposited(1), deposited(2)], expectedVersion: 0 } })
        assert.strictEqual(several.status, 201)
        assert.strictEqual(several.headers["etag"], "\"2\"")
        assert.lengthOf((several.json as { ids: ReadonlyArray<string> }).ids, 2)
        const lines = `${JSON.stringify(deposited(3))}\r\n${JSON.stringify(deposited(4))}\n`
        const streamed = yield* call(path, { body: lines, headers: { "content-type": "application/x-ndjson" } })
        assert.strictEqual(streamed.headers["etag"], "\"4\"")
        const page = yield* call(path)
        assert.deepStrictEqual(numbers(page.json, "position"), [0, 1, 2, 3, 4])
        assert.deepStrictEqual(
          numbers(page.json, "data"),
          [{ owner: "ada" }, 1, 2, 3, 4].map((value) => typeof value === "number" ? { amount: value } : value)
        )
      }))

    it.effect("decides on the version by header with 412, and by body with 409", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const append = (stream: string, headers: Record<string, string>, body: unknown = opened) =>
          call(`/streams/${stream}/messages`, { body, headers })
        const absent = yield* append("account-2", { "if-match": "*" })
        assert.strictEqual(absent.status, 412)
        assert.deepInclude(absent.json, { expected: "exists", actual: null, streamName: "account-2" })
        assert.strictEqual((yield* append("account-2", { "if-none-match": "*" })).status, 201)
        const taken = yield* append("account-2", { "if-none-match": "*" })
        assert.strictEqual(taken.status, 412)
        assert.deepInclude(taken.json, { expected: "noStream", actual: 0 })
        assert.strictEqual((yield* append("account-2", { "if-match": "\"0\"" })).headers["etag"], "\"1\"")
        const behind = yield* append("account-2", { "if-match": "\"0\"" })
        assert.strictEqual(behind.status, 412)
        assert.deepInclude(behind.json, {
          type: "urn:eventfold:problem:precondition-failed",
          expected: 0,
          actual: 1
        })
        const inBody = yield* append("account-2", {}, { messages: [opened], expectedVersion: 7 })
        assert.strictEqual(inBody.status, 409)
        assert.deepInclude(inBody.json, {
          type: "urn:eventfold:problem:wrong-expected-version",
          expected: 7,
          actual: 1
        })
        for (const headers of [{ "if-match": "12" }, { "if-match": "W/\"1\"" }, { "if-none-match": "\"1\"" }]) {
          assert.strictEqual((yield* append("account-2", headers)).status, 400, JSON.stringify(headers))
        }
        const twice = yield* append("account-2", { "if-match": "\"1\"" }, { messages: [opened], expectedVersion: 1 })
        assert.strictEqual(twice.status, 400)
      }))

    it.effect("gives the first result again for the same ids or key, and 422 for other content", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const path = "/streams/account-3/messages"
        const id = "0190a5b4-0000-7000-8000-000000000003"
        const first = yield* call(path, { body: { id, ...opened }, headers: { "if-none-match": "*" } })
        const again = yield* call(path, { body: { id, ...opened }, headers: { "if-none-match": "*" } })
        assert.strictEqual(first.status, 201)
        assert.deepStrictEqual(again.json, first.json)
        assert.strictEqual(again.status, 201)
        const other = yield* call(path, { body: { id, ...deposited(1) } })
        assert.strictEqual(other.status, 422)
        assert.deepInclude(other.json, { type: "urn:eventfold:problem:duplicate-message-id", id })

        const key = { "idempotency-key": "k-1", "if-match": "\"0\"" }
        const body = { messages: [deposited(1), deposited(2)] }
        const keyed = yield* call(path, { body, headers: key })
        assert.strictEqual(keyed.status, 201)
        assert.deepStrictEqual((yield* call(path, { body, headers: key })).json, keyed.json)
        const reused = yield* call(path, {
          body: { messages: [deposited(1), deposited(3)] },
          headers: { "idempotency-key": "k-1" }
        })
        assert.strictEqual(reused.status, 422)
        for (const others of [[deposited(1)], [deposited(1), deposited(2), deposited(3)]]) {
          const body = { messages: others }
          assert.strictEqual((yield* call(path, { body, headers: { "idempotency-key": "k-1" } })).status, 422)
        }
        const elsewhere = yield* call("/streams/account-30/messages", { body, headers: { "idempotency-key": "k-1" } })
        assert.strictEqual(elsewhere.status, 201)
        assert.notDeepEqual((elsewhere.json as { ids: unknown }).ids, (keyed.json as { ids: unknown }).ids)
        assert.deepStrictEqual(numbers((yield* call(path)).json, "position"), [0, 1, 2])
      }))

    it.effect("keeps the trace of the writer, and metadata as it is", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        const own = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"
        const body = { messages: [opened, { ...opened, metadata: { userId: "u", traceparent: own } }] }
        yield* call("/streams/account-4/messages", { body, headers: { traceparent } })
        yield* call("/streams/account-4/messages", { body: opened, headers: { traceparent: "nonsense" } })
        const { json } = yield* call("/streams/account-4/messages")
        assert.deepStrictEqual(numbers(json, "metadata"), [{ traceparent }, { userId: "u", traceparent: own }, null])
      }))

    it.effect("reads a stream by pages, forwards and backwards, with links", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const path = "/streams/account-5/messages"
        yield* call(path, { body: { messages: Array.from({ length: 7 }, (_, amount) => deposited(amount)) } })
        const collect = Effect.fnUntraced(function*(start: string, rel: string) {
          const pages: Array<ReadonlyArray<unknown>> = []
          let query: string | undefined = start
          while (query !== undefined) {
            const { headers, json }: { headers: Readonly<Record<string, string>>; json: unknown } = yield* call(
              path + query
            )
            pages.push(numbers(json, "position"))
            query = follow(rel, headers["link"])
          }
          return pages
        })
        assert.deepStrictEqual(yield* collect("?limit=3", "next"), [[0, 1, 2], [3, 4, 5], [6]])
        assert.deepStrictEqual(yield* collect("?limit=3&from=5", "prev"), [[5, 6], [2, 3, 4], [0, 1]])
        assert.deepStrictEqual(yield* collect("?limit=3&direction=backwards", "next"), [[6, 5, 4], [3, 2, 1], [0]])
        assert.deepStrictEqual(yield* collect("?limit=3&direction=backwards&from=1", "prev"), [[1, 0], [4, 3, 2], [
          6,
          5
        ]])
        const middle = yield* call(`${path}?limit=3&from=2`)
        assert.deepInclude(middle.json, { next: 5, previous: 0 })
        const empty = yield* call("/streams/account-none/messages")
        assert.deepStrictEqual(empty.json, { messages: [] })
        assert.isUndefined(empty.headers["etag"])
      }))

    it.effect("reads the types that are asked for", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const path = "/streams/account-6/messages"
        const kinds = ["A", "B", "C", "A", "B", "C", "A"].map((type) => ({ type, data: null }))
        yield* call(path, { body: { messages: kinds } })
        assert.deepStrictEqual(numbers((yield* call(`${path}?type=A`)).json, "position"), [0, 3, 6])
        assert.deepStrictEqual(numbers((yield* call(`${path}?type=A&type=C`)).json, "position"), [0, 2, 3, 5, 6])
        const two = yield* call(`${path}?type=A&limit=2`)
        assert.deepStrictEqual(numbers(two.json, "position"), [0, 3])
        assert.deepInclude(two.json, { next: 4 })
        const last = yield* call(`${path}?type=A&limit=1&direction=backwards`)
        assert.deepStrictEqual(numbers(last.json, "position"), [6])
      }))

    it.effect("answers 304 to a client that has the version", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const path = "/streams/account-7/messages"
        yield* call(path, { body: { messages: [opened, opened] } })
        for (const at of [path, "/streams/account-7"]) {
          const whole = yield* call(at)
          assert.strictEqual(whole.headers["etag"], "\"1\"")
          for (const tag of ["\"1\"", "W/\"1\"", "\"0\", \"1\"", "*"]) {
            const same = yield* call(at, { headers: { "if-none-match": tag } })
            assert.strictEqual(same.status, 304, `${at} ${tag}`)
            assert.strictEqual(same.headers["etag"], "\"1\"")
          }
          assert.strictEqual((yield* call(at, { headers: { "if-none-match": "\"0\"" } })).status, 200)
          const head = yield* call(at, { method: "HEAD" })
          assert.strictEqual(head.headers["etag"], "\"1\"")
        }
      }))

    it.effect("finds the version, the last message, and a message by id", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const { json } = yield* call("/streams/account-8/messages", { body: { messages: [opened, deposited(1)] } })
        const [first = ""] = (json as { ids: ReadonlyArray<string> }).ids
        assert.deepStrictEqual((yield* call("/streams/account-8")).json, { streamName: "account-8", version: 1 })
        const none = yield* call("/streams/account-80")
        assert.strictEqual(none.status, 404)
        assert.deepInclude(none.json, { type: "urn:eventfold:problem:stream-not-found" })
        assert.deepInclude((yield* call("/streams/account-8/messages/last")).json, { position: 1, type: "Deposited" })
        const ofType = yield* call("/streams/account-8/messages/last?type=Opened")
        assert.deepInclude(ofType.json, { position: 0, type: "Opened" })
        assert.strictEqual((yield* call("/streams/account-8/messages/last?type=Closed")).status, 404)
        assert.deepInclude((yield* call(`/streams/account-8/messages/${first}`)).json, { id: first, position: 0 })
        assert.strictEqual((yield* call(`/streams/account-80/messages/${first}`)).status, 404)
        assert.strictEqual((yield* call("/streams/account-8/messages/nonsense")).status, 400)
      }))

    it.effect("takes names with any characters", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        for (const name of ["account:command-a/b?c#d", "ÄÖ-日本 %25", `long-${"x".repeat(2_000)}`, "account-1+2"]) {
          const path = `/streams/${encodeURIComponent(name)}/messages`
          assert.strictEqual((yield* call(path, { body: opened })).status, 201, name)
          assert.deepStrictEqual(numbers((yield* call(path)).json, "streamName"), [name])
        }
        assert.strictEqual((yield* call(`/streams/${"x".repeat(2_601)}/messages`, { body: opened })).status, 400)
      }))
  }))
