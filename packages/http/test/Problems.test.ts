/**
 * Every route answers with every status that the OpenAPI document has for it, and with no other.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Authentication, Server } from "@eventfold/http"
import { Effect, Layer } from "effect"
import type { MessageStore } from "eventfold"
import { type Answer, ask, makeChecker, type Sent } from "./Answers.ts"
import { type Failing, layerFailing, layerHeldBack, secret } from "./FailingStore.ts"
import { address, as, inMemory, serve } from "./Served.ts"

const json = { "content-type": "application/json" }
const message = { type: "Opened", data: { amount: 1 } }
const id = "0190a5b4-0000-7000-8000-0000000000aa"

/** A request to each route that needs a token, which a healthy server answers well. */
const requests: ReadonlyArray<readonly [path: string, sent: Sent]> = [
  ["/streams/account-1/messages", { body: message }],
  ["/streams/account-1/messages", {}],
  ["/streams/account-1/messages/last", {}],
  [`/streams/account-1/messages/${id}`, {}],
  ["/streams/account-1", {}],
  ["/messages", {}],
  ["/messages/1", {}],
  [`/messages/ids/${id}`, {}],
  ["/messages/1/decoded", {}],
  ["/messages/1/readers", {}],
  ["/messages/1/effects", {}],
  ["/correlations/account-1", {}],
  ["/appends", { body: [{ streamName: "account-1", messages: [message] }] }],
  ["/categories", {}],
  ["/categories/account/streams", {}],
  ["/categories/account/changed", {}],
  ["/categories/account/messages", {}],
  ["/streams/account-1/live", {}],
  ["/categories/account/live", {}],
  ["/live", {}],
  ["/metrics", {}]
]

const stream = "/messagestore/streams/x"
const messages = `${stream}/messages`

/** A request to each of Messagestore's routes, and the scope that it needs. The first ones make what the others find. */
const ofMessagestore: ReadonlyArray<readonly [path: string, sent: Sent, scope: "read" | "append" | "admin"]> = [
  ["/messagestore/streams", { body: { id: "x" } }, "append"],
  [stream, { method: "PUT", body: { title: "X" } }, "append"],
  [messages, { body: { text: "a" } }, "append"],
  ["/messagestore/api", {}, "read"],
  ["/messagestore/stats", {}, "read"],
  ["/messagestore/streams", {}, "read"],
  [stream, {}, "read"],
  [messages, {}, "read"],
  [`${messages}/${id}`, {}, "read"],
  [`${messages}/${id}`, { method: "DELETE" }, "admin"],
  [stream, { method: "DELETE" }, "admin"],
  ["/messagestore/reset", { method: "POST" }, "admin"]
]

/** These have tests of their own: `ObserveProblems.test.ts`, and those of what they do. */
const isObserving = (what: string) =>
  /^[A-Z]+ \/(entities|consumers|runners|processes|read-models|schemas|administration|now|store|about)(\/| )/.test(what)

/** A good answer to these has no end: `test/http` follows them. */
const isLive = (path: string) => path.endsWith("/live")

/** The routes that read and write the store. */
const ofStore = requests.slice(0, -1)

const all = new Set<string>()
const documented = new Set<string>()

/** Does something with a server of its own, and remembers what it answered. */
const withServer = <E>(
  store: Layer.Layer<MessageStore.MessageStore>,
  server: ReturnType<typeof serve>,
  use: (call: (path: string, sent?: Sent) => Effect.Effect<Answer>) => Effect.Effect<void, E>
) =>
  Effect.gen(function*() {
    const checker = yield* makeChecker(yield* address)
    yield* use((path, { headers, ...sent } = {}) =>
      Effect.map(checker.call(path, { headers: { ...as("writer"), ...headers }, ...sent }), (answer) => {
        assert.notInclude(answer.text, secret)
        assert.notInclude(answer.text, "    at ")
        return answer
      })
    )
    checker.seen.forEach((what) => all.add(what))
    checker.documented.forEach((what) => documented.add(what))
  }).pipe(Effect.provide(Layer.provide(server, store)))

const each = (
  routes: ReadonlyArray<readonly [path: string, sent: Sent, scope?: string]>,
  status: number,
  call: (path: string, sent?: Sent) => Effect.Effect<Answer>,
  more: Sent = {}
) =>
  Effect.forEach(routes, ([path, sent]) =>
    Effect.map(call(path, { ...sent, ...more }), (answer) => {
      const method = sent.method ?? (sent.body === undefined ? "GET" : "POST")
      assert.strictEqual(answer.status, status, `${method} ${path}: ${answer.text}`)
      return answer
    }))

/** The paths of a 400. */
const errorsOf = ({ json: body, status, text }: Answer): ReadonlyArray<string> => {
  assert.strictEqual(status, 400, text)
  const { errors } = body as { errors: ReadonlyArray<{ path: ReadonlyArray<string | number> }> }
  return errors.map(({ path }) => path.join("."))
}

describe("problems", () => {
  it.live("a healthy store", () =>
    withServer(inMemory, serve(), (call) =>
      Effect.gen(function*() {
        for (const [path, sent] of requests.slice(0, 1)) {
          yield* call(path, { ...sent, body: { ...message, id } })
        }
        yield* each(requests.filter(([path, { body }]) => body === undefined && !isLive(path)), 200, call)
        yield* each(requests.filter(([, { body }]) => body !== undefined), 201, call)
        yield* call("/healthz")
        yield* call("/readyz")
        const current = { "if-none-match": "*" }
        assert.strictEqual((yield* call("/streams/account-1", { headers: current })).status, 304)
        assert.strictEqual((yield* call("/streams/account-1/messages", { headers: current })).status, 304)
        const metrics = yield* call("/metrics")
        assert.match(
          metrics.text,
          /eventfold_http_requests_total\{method="POST",route="\/streams\/:streamName\/messages",status="201"\} \d/
        )
        assert.include(metrics.text, "eventfold_http_request_duration_seconds_bucket")
      })))

  it.live("a healthy store with Messagestore's routes", () =>
    withServer(inMemory, serve(), (call) =>
      Effect.gen(function*() {
        const admin = { headers: as("admin") }
        // There is no message with this id yet.
        const others = ofMessagestore.filter(([path]) => !path.endsWith(id))
        yield* each(others.filter(([, { method }]) => method !== "DELETE"), 200, call, admin)
        const gone: typeof ofMessagestore = [
          [stream, {}, "read"],
          [stream, { method: "PUT", body: {} }, "append"],
          [stream, { method: "DELETE" }, "admin"],
          [`${messages}/${id}`, {}, "read"],
          [`${messages}/${id}`, { method: "DELETE" }, "admin"]
        ]
        for (const { json } of yield* each(gone, 404, call, admin)) assert.isFalse(json)
        yield* each(ofMessagestore.slice(0, 1), 200, call)
        yield* each(ofMessagestore.slice(0, 1), 409, call)
        const { headers: { etag = "" } } = yield* call(stream)
        assert.strictEqual((yield* call(stream, { headers: { "if-none-match": etag } })).status, 304)
        const stale = { headers: { ...as("admin"), "if-match": "\"x\"" } }
        yield* each([[stream, { method: "PUT", body: {} }], [stream, { method: "DELETE" }]], 412, call, stale)
        const { json } = yield* call(messages, { body: { text: "a" }, headers: { "idempotency-key": "k" } })
        const { id: written } = json as { readonly id: string }
        yield* each([[messages, { body: { text: "b" } }]], 422, call, { headers: { "idempotency-key": "k" } })
        yield* each([[`${messages}/${written}`, {}]], 200, call)
        yield* each(
          [[`${messages}/${written}`, { method: "DELETE" }], [stream, { method: "DELETE" }]],
          200,
          call,
          admin
        )
      })))

  it.live("400 with paths", () =>
    withServer(inMemory, serve(), (call) => {
      const paths = (path: string, sent?: Sent) => Effect.map(call(path, sent), errorsOf)
      return Effect.gen(function*() {
        const append = "/streams/account-1/messages"
        assert.deepStrictEqual(yield* paths(append, { body: "{", headers: json }), ["payload"])
        assert.deepStrictEqual(yield* paths(append, { body: "", headers: json }), ["payload"])
        // A value that has two forms is held against the one that it is closer to.
        assert.deepStrictEqual(yield* paths(append, { body: { type: 1, data: {} } }), ["payload.type"])
        assert.deepStrictEqual(yield* paths(append, { body: { messages: [{ type: "A" }] } }), [
          "payload.messages.0.data"
        ])
        const many = Array.from({ length: 10_000 }, () => ({ type: "" }))
        assert.lengthOf(yield* paths(append, { body: { messages: many } }), 100)
        assert.include(yield* paths(append, { body: { ...message, id: "x" } }), "payload.id")
        assert.include(yield* paths(append, { body: { ...message, metdata: {} } }), "payload.metdata")
        assert.include(
          yield* paths(append, { body: { ...message, metadata: { traceparent: 7 } } }),
          "payload.metadata.traceparent"
        )
        assert.include(yield* paths(append, { body: { messages: [message, { type: "" }] } }), "payload.messages.1.data")
        assert.include(yield* paths(append, { body: { messages: [] } }), "payload.messages.0")
        assert.include(
          yield* paths(append, { body: { messages: [message], expectedVersion: -2 } }),
          "payload.expectedVersion"
        )
        const lines = `${JSON.stringify(message)}\n{"type":"A"}\nnonsense\n`
        const ndjson = { "content-type": "application/x-ndjson" }
        assert.deepStrictEqual(yield* paths(append, { body: lines, headers: ndjson }), ["payload.1.data", "payload.2"])
        assert.deepStrictEqual(yield* paths(append, { body: "\n\n", headers: ndjson }), ["payload"])
        assert.deepStrictEqual(yield* paths("/streams/account/messages"), ["params.streamName"])
        assert.deepStrictEqual(yield* paths("/streams/account%00-1"), ["params.streamName"])
        assert.deepStrictEqual(yield* paths("/streams/account%00-1/messages/last"), ["params.streamName"])
        assert.deepStrictEqual(yield* paths("/streams/account-1/messages/no-uuid"), ["params.messageId"])
        assert.deepStrictEqual(yield* paths("/streams/account-1/messages?from=-1&limit=none&direction=up"), [
          "query.from",
          "query.limit",
          "query.direction"
        ])
        assert.deepStrictEqual(yield* paths("/messages?from=1.5"), ["query.from"])
        assert.deepStrictEqual(yield* paths("/messages/first"), ["params.globalPosition"])
        assert.deepStrictEqual(yield* paths("/messages/first/decoded"), ["params.globalPosition"])
        assert.deepStrictEqual(yield* paths("/messages/first/readers"), ["params.globalPosition"])
        assert.deepStrictEqual(yield* paths("/messages/ids/no-uuid"), ["params.messageId"])
        assert.deepStrictEqual(yield* paths("/messages/1/effects?window=0"), ["query.window"])
        assert.deepStrictEqual(yield* paths("/correlations/account%00-1"), ["params.streamName"])
        assert.deepStrictEqual(yield* paths("/appends", { body: {} }), ["payload"])
        assert.deepStrictEqual(yield* paths("/categories/account/messages?member=1"), ["query.size"])
        assert.deepStrictEqual(yield* paths("/categories/account/messages?type="), ["query.type.0"])
        assert.deepStrictEqual(yield* paths("/categories?limit=0"), ["query.limit"])
        assert.deepStrictEqual(yield* paths("/categories/account/streams?limit=1001"), ["query.limit"])
        assert.deepStrictEqual(yield* paths("/categories/account/changed?limit=1001"), ["query.limit"])
        assert.deepStrictEqual(yield* paths("/streams/account-1/messages?check=yes"), ["query.check"])
        assert.deepStrictEqual(yield* paths("/streams/account/live"), ["params.streamName"])
        assert.deepStrictEqual(yield* paths("/categories/account/live?size=2"), ["query.member"])
        assert.deepStrictEqual(yield* paths("/categories/account/live?correlation=a-1"), ["params.category"])
        const ofAdmin = (path: string, method: string) => paths(path, { method, headers: as("admin") })
        const tooLong = `/messagestore/streams/${"x".repeat(3_000)}`
        assert.deepStrictEqual(yield* paths("/messagestore/streams?base=-1&limit=0"), ["query.base", "query.limit"])
        assert.deepStrictEqual(yield* paths("/messagestore/streams?limit=1001"), ["query.limit"])
        assert.deepStrictEqual(yield* paths("/messagestore/streams?after=%00"), ["query.after"])
        assert.deepStrictEqual(yield* paths("/messagestore/streams", { body: { id: "", attrs: [] } }), [
          "payload.id",
          "payload.attrs"
        ])
        assert.deepStrictEqual(yield* paths("/messagestore/streams", { body: { attrs: { a: ["\u0000"] } } }), [
          "payload.attrs.a.0"
        ])
        assert.deepStrictEqual(yield* paths("/messagestore/streams", { body: { id: "a\u0000" } }), ["payload.id"])
        assert.deepStrictEqual(yield* paths(tooLong), ["params.id"])
        assert.deepStrictEqual(yield* paths(tooLong, { method: "PUT", body: {} }), ["params.id"])
        assert.deepStrictEqual(yield* paths(stream, { method: "PUT", body: { a: "\u0000" } }), ["payload.a"])
        assert.deepStrictEqual(yield* ofAdmin(tooLong, "DELETE"), ["params.id"])
        assert.deepStrictEqual(yield* ofAdmin(`${stream}?reason=a%00`, "DELETE"), ["query.reason"])
        assert.deepStrictEqual(yield* paths(`${messages}?sort=id`), ["query.sort"])
        assert.deepStrictEqual(yield* paths(messages, { body: [] }), ["payload"])
        for (const at of ["yesterday", "2026-11-29 10:00:00", null, {}, 1e20]) {
          assert.deepStrictEqual(yield* paths(messages, { body: { at, data: {} } }), ["payload.at"], String(at))
        }
        assert.deepStrictEqual(yield* paths(messages, { body: { at: 0, data: [] } }), ["payload.data"])
        assert.deepStrictEqual(yield* paths(`${messages}/no-uuid`), ["params.messageId"])
        assert.deepStrictEqual(yield* ofAdmin(`${messages}/no-uuid`, "DELETE"), ["params.messageId"])
        assert.deepStrictEqual(yield* ofAdmin("/messagestore/reset?reason=", "POST"), ["query.reason"])
        assert.deepStrictEqual(yield* paths("/live", { headers: { "last-event-id": "x" } }), ["headers.last-event-id"])
      })
    }))

  it.live("401, 403, 404, 409, 412, 413, 415, 422", () =>
    withServer(inMemory, serve({ limits: { bodyBytes: 1_000 } }), (call) =>
      Effect.gen(function*() {
        for (
          const authorization of ["", "Bearer", "Bearer nonsense", "Basic ZWY6ZWY=", "Bearer ef_writer-of-everything x"]
        ) {
          for (
            const answer of yield* each([...requests, ...ofMessagestore], 401, call, { headers: { authorization } })
          ) {
            assert.strictEqual(answer.headers["www-authenticate"], "Bearer")
          }
        }
        // These have what the sender may read.
        const filtered = new Set([
          "/categories",
          "/messages/1",
          `/messages/ids/${id}`,
          "/messages/1/decoded",
          "/messages/1/readers",
          "/messages/1/effects",
          "/correlations/account-1",
          "/metrics"
        ])
        yield* each(requests.filter(([path]) => !filtered.has(path)), 403, call, { headers: as("orders") })
        yield* each(ofMessagestore.filter(([path]) => !path.endsWith("/api")), 403, call, { headers: as("orders") })
        yield* each(ofMessagestore.filter(([, , scope]) => scope !== "read"), 403, call, { headers: as("reader") })
        yield* each(ofMessagestore.filter(([, , scope]) => scope === "admin"), 403, call, { headers: as("writer") })
        yield* each(ofMessagestore.filter(([, , scope]) => scope !== "append"), 403, call, { headers: as("appender") })
        yield* each(requests.filter(([, { body }]) => body !== undefined), 403, call, { headers: as("reader") })
        yield* each(requests.filter(([, { body }]) => body === undefined), 403, call, { headers: as("appender") })
        yield* each(
          [
            [`/streams/account-9/messages/last`, {}],
            [`/streams/account-9/messages/${id}`, {}],
            ["/streams/account-9", {}],
            ["/messages/999", {}],
            ["/messages/999/decoded", {}],
            ["/messages/999/readers", {}],
            [`/messages/ids/${id}`, {}],
            ["/messages/999/effects", {}]
          ],
          404,
          call
        )
        const append = "/streams/account-1/messages"
        yield* call(append, { body: { ...message, id } })
        assert.strictEqual((yield* call(append, { body: { messages: [message], expectedVersion: 7 } })).status, 409)
        const stale = { streamName: "account-1", messages: [message], expectedVersion: "noStream" }
        assert.strictEqual((yield* call("/appends", { body: [stale] })).status, 409)
        for (const live of ["/streams/account-1/live", "/categories/account/live", "/live"]) {
          const lost = yield* call(live, { headers: { "last-event-id": "7" } })
          assert.deepInclude(lost.json, { type: "urn:eventfold:problem:position-ahead", status: 409, position: 7 })
        }
        assert.strictEqual((yield* call(append, { body: message, headers: { "if-match": "\"7\"" } })).status, 412)
        const large = { type: "Opened", data: "x".repeat(2_000) }
        assert.strictEqual((yield* call(append, { body: large })).status, 413)
        assert.strictEqual(
          (yield* call("/appends", { body: [{ streamName: "account-1", messages: [large] }] })).status,
          413
        )
        const writes = ofMessagestore.filter(([, { body }]) => body !== undefined)
        yield* each(writes, 413, call, { body: { attrs: { text: "x".repeat(2_000) } } })
        yield* each(writes, 415, call, { body: "{}", headers: { "content-type": "text/plain" } })
        for (const type of ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense"]) {
          const headers = { "content-type": type }
          assert.strictEqual((yield* call(append, { body: "{}", headers })).status, 415, type)
          assert.strictEqual((yield* call("/appends", { body: "[]", headers })).status, 415, type)
        }
        // A page of another site could send this without asking.
        assert.strictEqual((yield* call(append, { body: JSON.stringify(message) })).status, 415)
        assert.strictEqual((yield* call(append, { body: { ...message, id, data: 2 } })).status, 422)
        const taken = [{ streamName: "account-1", messages: [{ ...message, id, data: 3 }] }]
        assert.strictEqual((yield* call("/appends", { body: taken })).status, 422)
        // Fits the schema of the body, and no store.
        const unfit = yield* call(append, { body: { type: "a\u0000b", data: {} } })
        assert.strictEqual(unfit.status, 422)
        assert.deepInclude(unfit.json, { type: "urn:eventfold:problem:invalid-message", index: 0 })
      })))

  it.live("429", () =>
    withServer(inMemory, serve({ limits: { requestsPerSecond: 0 } }), (call) =>
      Effect.gen(function*() {
        for (const answer of yield* each([...requests, ...ofMessagestore], 429, call)) {
          assert.strictEqual(answer.headers["retry-after"], "1")
        }
      })))

  const failing: ReadonlyArray<readonly [how: Failing, status: number]> = [
    ["away", 503],
    ["broken", 500],
    ["defect", 500]
  ]
  it.live.each(failing)(
    "a store that fails: %s",
    ([how, status]) =>
      withServer(layerFailing(how), serve(), (call) =>
        Effect.gen(function*() {
          const admin = { headers: as("admin") }
          yield* each(ofMessagestore.filter(([path]) => !path.endsWith("/api")), status, call, admin)
          for (const answer of yield* each(ofStore, status, call)) {
            assert.strictEqual(answer.headers["retry-after"], status === 503 ? "1" : undefined)
          }
          if (how === "defect") return
          const ready = yield* call("/readyz")
          assert.strictEqual(ready.status, 503)
          assert.deepInclude(ready.json, { failed: [{ check: "store", reason: "the store did not answer" }] })
          assert.strictEqual((yield* call("/healthz")).status, 200)
        }))
  )

  it.live("501 of a store without the operation", () =>
    withServer(layerFailing("unsupported"), serve(), (call) =>
      Effect.gen(function*() {
        assert.strictEqual((yield* call("/streams/account-1/messages?direction=backwards")).status, 501)
        const body = [{ streamName: "account-1", messages: [message] }]
        assert.strictEqual((yield* call("/appends", { body })).status, 501)
        assert.strictEqual((yield* call("/categories")).status, 501)
        assert.strictEqual((yield* call("/messages/1/effects")).status, 501)
        assert.strictEqual((yield* call("/correlations/account-1")).status, 501)
        assert.strictEqual((yield* call("/categories/account/streams")).status, 501)
        assert.strictEqual((yield* call("/categories/account/changed")).status, 501)
        const others = ofMessagestore.filter(([path, sent]) =>
          !path.endsWith("/api") && (path !== messages || sent.body === undefined) &&
          (!path.endsWith(id) || sent.method === "DELETE")
        )
        yield* each(others, 501, call, { headers: as("admin") })
      })))

  it.live("an authentication with a defect", () =>
    withServer(
      inMemory,
      Layer.provide(
        Server.layer({ port: 0, accessLog: false }),
        Layer.succeed(Authentication.Authentication, {
          isOpen: false,
          authenticate: () => Effect.die(new Error(secret))
        })
      ),
      (call) => Effect.asVoid(each([...requests, ...ofMessagestore], 500, call))
    ))

  it.live("every documented answer was seen", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(
        [...documented].filter((what) => !all.has(what) && !isLive(what.replace(/ 200$/, "")) && !isObserving(what))
          .join(),
        ""
      )
    }))
})

layer(Layer.provide(serve(), layerHeldBack), { excludeTestServices: true })((it) => {
  it.effect("tells who holds back a reader, and not with which statement", () =>
    Effect.gen(function*() {
      const { call } = yield* makeChecker(yield* address)
      const { json, text } = yield* call("/messages", { headers: as("reader") })
      assert.deepInclude(json, {
        heldBack: { position: 7, writers: [{ pid: 4711, state: "idle in transaction", applicationName: "billing" }] }
      })
      assert.notInclude(text, secret)
    }))

  it.effect("answers paths without a route with 404, and other methods with 405", () =>
    Effect.gen(function*() {
      const { call, url } = yield* makeChecker(yield* address)
      yield* call("/healthz", { method: "HEAD" })
      for (const path of ["/", "/nothing", "/streams", "/streams/account-1/else", "/messages/1/2"]) {
        for (const method of ["GET", "HEAD", "POST", "DELETE", "PROPFIND"]) {
          const answer = yield* ask(url + path, { method })
          assert.strictEqual(answer.status, 404, `${method} ${path}`)
          assert.strictEqual(answer.headers["content-type"], "application/problem+json")
          assert.strictEqual(answer.headers["x-content-type-options"], "nosniff")
        }
      }
      const known = [["/messages", "GET, HEAD"], ["/appends", "POST"], [
        "/streams/account-1/messages",
        "POST, GET, HEAD"
      ]]
      for (const [path = "", allow] of known) {
        for (const method of ["DELETE", "PUT", "OPTIONS"]) {
          const answer = yield* ask(url + path, { method })
          assert.strictEqual(answer.status, 405, `${method} ${path}`)
          assert.strictEqual(answer.headers["allow"], allow)
        }
      }
    }))
})
