import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Authentication, Problem, Readiness, Routes, Server } from "@eventfold/http"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Logger, References, Scope } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { MessageStore } from "eventfold"
import { createServer, request as send } from "node:http"
import { connect } from "node:net"
import { ask, makeChecker } from "./Answers.ts"
import { address, as, inMemory, serve, serveOpen } from "./Served.ts"

const json = { "content-type": "application/json" }
const message = { type: "Opened", data: {} }

/** Writes to the port as it is, and gives all that comes back until the server closes. */
const raw = (url: string, text: string) =>
  Effect.callback<string>((resume) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1")
    let answer = ""
    socket.on("data", (data) => (answer += data.toString("utf8")))
    socket.on("error", () => resume(Effect.succeed(answer)))
    socket.on("close", () => resume(Effect.succeed(answer)))
    socket.write(text)
    return Effect.sync(() => socket.destroy())
  })

/** Sends a body in chunks, and gives the status of the answer. */
const sendChunks = (url: string, chunks: number, headers: Record<string, string>) =>
  Effect.callback<number>((resume) => {
    const outgoing = send(url, { method: "POST", headers: { ...json, ...headers } }, (incoming) => {
      incoming.resume()
      resume(Effect.succeed(incoming.statusCode ?? 0))
    })
    outgoing.on("error", () => {})
    const chunk = "x".repeat(65_536)
    const next = (left: number): void => {
      if (left === 0) return void outgoing.end()
      outgoing.write(chunk, () => next(left - 1))
    }
    next(chunks)
    return Effect.sync(() => outgoing.destroy())
  })

/** A message with lists within lists. */
const nested = (depth: number) => `{"type":"A","data":${"[".repeat(depth)}${"]".repeat(depth)}}`

describe("a server", () => {
  it.live("lets everyone in on loopback alone", () =>
    Effect.gen(function*() {
      for (const host of ["0.0.0.0", "::", "example.org", "192.168.1.5"]) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(Layer.provide(serveOpen({ host }), inMemory))))
        assert.instanceOf(error, Server.UnsafeHost)
      }
      for (const host of ["127.0.0.1", "localhost"]) {
        yield* Effect.scoped(Layer.build(Layer.provide(serveOpen({ host }), inMemory)))
      }
      yield* Effect.scoped(Layer.build(Layer.provide(serve({ host: "0.0.0.0" }), inMemory)))
    }))

  it.live("answers on loopback to this machine's names alone", () =>
    Effect.gen(function*() {
      const url = yield* address
      const statusOf = (host: string, path: string) =>
        Effect.map(ask(url + path, { headers: { host, ...as("reader") } }), ({ status }) => status)
      for (const path of ["/messages", "/healthz", "/openapi.json", "/docs", "/nothing"]) {
        for (
          const host of ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"]
        ) {
          assert.strictEqual(yield* statusOf(host, path), 403, `${host} ${path}`)
        }
      }
      for (const host of ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:8080", "store.internal"]) {
        assert.strictEqual(yield* statusOf(host, "/messages"), 200, host)
      }
      const refused = yield* ask(`${url}/messages`, { headers: { host: "evil.example" } })
      assert.deepInclude(refused.json, { type: "urn:eventfold:problem:host-not-allowed", status: 403 })
    }).pipe(Effect.provide(Layer.provide(serve({ allowedHosts: ["store.internal"] }), inMemory))))

  it.live("has headers for browsers on every answer, and lets no other site in", () =>
    Effect.gen(function*() {
      const url = yield* address
      const headers = { origin: "https://evil.example", ...as("reader") }
      for (const path of ["/messages", "/messages/9", "/healthz", "/openapi.json", "/docs", "/nothing", "/streams/a"]) {
        const answer = yield* ask(url + path, { headers })
        assert.strictEqual(answer.headers["x-content-type-options"], "nosniff", path)
        assert.strictEqual(answer.headers["x-frame-options"], "DENY", path)
        assert.include(answer.headers["content-security-policy"], "default-src 'none'", path)
        assert.isUndefined(answer.headers["access-control-allow-origin"], path)
      }
      const preflight = yield* ask(`${url}/appends`, {
        method: "OPTIONS",
        headers: { origin: "https://evil.example", "access-control-request-method": "POST" }
      })
      assert.strictEqual(preflight.status, 405)
      assert.isUndefined(preflight.headers["access-control-allow-origin"])
    }).pipe(Effect.provide(Layer.provide(serve(), inMemory))))

  it.live("does nothing that a page of another site can send without asking", () =>
    Effect.gen(function*() {
      const url = yield* address
      const streams = `${url}/messagestore/streams`
      assert.strictEqual((yield* ask(streams, { body: { id: "kept" } })).status, 200)
      const reset = (headers: Record<string, string>, body?: string) =>
        Effect.map(
          ask(`${url}/messagestore/reset`, { method: "POST", headers, ...(body === undefined ? {} : { body }) }),
          ({ status }) => status
        )
      for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1"]) {
        assert.strictEqual(yield* reset({ origin }), 415)
        for (const type of ["text/plain", "application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=x"]) {
          assert.strictEqual(yield* reset({ origin, "content-type": type }), 415, type)
          assert.strictEqual(yield* reset({ origin, "content-type": type }, "a=b"), 415, type)
        }
      }
      assert.strictEqual((yield* ask(`${streams}/kept`)).status, 200)
      // A page of this server, one that the browser has asked for, and what is no page.
      assert.strictEqual(yield* reset({ origin: url }), 200)
      assert.strictEqual(yield* reset({ origin: "https://evil.example", "content-type": "application/json" }), 200)
      assert.strictEqual(yield* reset({ origin: "https://evil.example", authorization: "Bearer ef_any" }), 200)
      assert.strictEqual(yield* reset({}), 200)
    }).pipe(Effect.provide(Layer.provide(serveOpen(), inMemory))))

  it.live("takes no name with a semicolon for another", () =>
    Effect.gen(function*() {
      const streams = `${yield* address}/messagestore/streams`
      for (const id of ["kept", "kept;other"]) yield* ask(streams, { body: { id } })
      const refused = yield* ask(`${streams}/kept;other?reason=x`, { method: "DELETE" })
      assert.strictEqual(refused.status, 400)
      assert.deepInclude(refused.json, { detail: "path: has a semicolon: write it as %3B" })
      assert.strictEqual((yield* ask(`${streams}/kept%3Bother?reason=a;b`, { method: "DELETE" })).status, 200)
      assert.strictEqual((yield* ask(`${streams}/kept`)).status, 200)
      assert.strictEqual((yield* ask(`${streams}/kept%3Bother`)).status, 404)
    }).pipe(Effect.provide(Layer.provide(serveOpen(), inMemory))))

  it.live("has a page with the reference that loads nothing from elsewhere", () =>
    Effect.gen(function*() {
      const { text } = yield* ask(`${yield* address}/docs`)
      assert.include(text, "<title>eventfold</title>")
      assert.notMatch(text, /<(script|link|img)[^>]+(src|href)="https?:/)
    }).pipe(Effect.provide(Layer.provide(serve(), inMemory))))

  it.live("answers what is not HTTP with a problem", () =>
    Effect.gen(function*() {
      const url = yield* address
      const garbage = yield* raw(url, "nonsense\r\n\r\n")
      assert.match(garbage, /^HTTP\/1\.1 400 /)
      assert.include(garbage, "application/problem+json")
      const large = yield* raw(url, `GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: ${"x".repeat(100_000)}\r\n\r\n`)
      assert.match(large, /^HTTP\/1\.1 431 /)
      assert.strictEqual((yield* ask(`${url}/healthz`)).status, 200)
    }).pipe(Effect.provide(Layer.provide(serve(), inMemory))))

  it.live("takes no body that is too large, however it is sent", () =>
    Effect.gen(function*() {
      const { call, url } = yield* makeChecker(yield* address)
      const path = `${url}/streams/account-1/messages`
      // 32 MiB, without a length and with one; and a length alone, before which the client waits.
      assert.strictEqual(yield* sendChunks(path, 512, {}), 413)
      assert.strictEqual(yield* sendChunks(path, 512, { "content-length": String(512 * 65_536) }), 413)
      assert.strictEqual(yield* sendChunks(path, 512, { "content-type": "application/x-ndjson" }), 413)
      const patient = yield* raw(
        url,
        "POST /appends HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n" +
          "Expect: 100-continue\r\nConnection: close\r\n\r\n"
      )
      assert.match(patient, /^HTTP\/1\.1 413 /)
      const fits = { type: "Opened", data: "x".repeat(1_000_000) }
      assert.strictEqual((yield* call("/streams/account-1/messages", { body: fits })).status, 201)
      assert.strictEqual((yield* call("/streams/account-1")).headers["etag"], "\"0\"")
    }).pipe(Effect.provide(Layer.provide(serveOpen(), inMemory))))

  it.live("takes any JSON, and refuses what no store keeps", () =>
    Effect.gen(function*() {
      const { call } = yield* makeChecker(yield* address)
      const append = (body: string, type = "application/json") =>
        call("/streams/account-1/messages", { body, headers: { "content-type": type } })
      for (const type of ["application/json", "application/x-ndjson"]) {
        const deep = yield* append(nested(200_000), type)
        assert.strictEqual(deep.status, 422)
        assert.isBelow(deep.text.length, 2_000)
      }
      assert.strictEqual((yield* append(nested(500))).status, 201)
      assert.strictEqual((yield* append("{\"type\":\"A\",\"data\":\"\\ud800\"}")).status, 422)
      const odd = { __proto__: null, constructor: { prototype: 1 } }
      Object.defineProperty(odd, "__proto__", { value: { polluted: true }, enumerable: true })
      const text = JSON.stringify({ type: "A", data: odd, metadata: odd })
      assert.strictEqual((yield* append(text)).status, 201)
      const last = yield* call("/streams/account-1/messages/last")
      assert.include(last.text, `"data":${JSON.stringify(odd)},"metadata":${JSON.stringify(odd)}`)
      assert.notProperty({}, "polluted")
      for (const body of ["null", "[]", "7", "\"text\"", "{}", "{\"messages\":{}}", "[1,", "{\"a\":1}}", "\u0000"]) {
        assert.strictEqual((yield* append(body)).status, 400, body)
      }
    }).pipe(Effect.provide(Layer.provide(serveOpen(), inMemory))))

  it.live("writes nothing of a request that ends halfway", () =>
    Effect.gen(function*() {
      const { call, url } = yield* makeChecker(yield* address)
      const body = JSON.stringify({ messages: [message, message] })
      for (const cut of [0, 10, body.length - 1]) {
        yield* Effect.callback<void>((resume) => {
          const socket = connect(Number(new URL(url).port), "127.0.0.1")
          socket.on("error", () => {})
          socket.on("close", () => resume(Effect.void))
          socket.write(
            `POST /streams/account-1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
              `Content-Length: ${body.length}\r\n\r\n${body.slice(0, cut)}`,
            () => socket.resetAndDestroy()
          )
        })
      }
      assert.strictEqual((yield* call("/streams/account-1")).status, 404)
      assert.strictEqual((yield* call("/streams/account-1/messages", { body })).status, 415)
      assert.strictEqual((yield* call("/streams/account-1/messages", { body, headers: json })).status, 201)
    }).pipe(Effect.provide(Layer.provide(serveOpen(), inMemory))))

  it.live("finishes what it has begun when it stops", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const finish = yield* Deferred.make<void>()
      const Slow = Layer.effect(
        MessageStore.MessageStore,
        Effect.map(MessageStore.MessageStore, (store) => ({
          ...store,
          append: (...args) =>
            Deferred.succeed(begun, undefined).pipe(
              Effect.andThen(Deferred.await(finish)),
              Effect.andThen(store.append(...args))
            )
        }))
      ).pipe(Layer.provide(inMemory))
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Layer.provide(serveOpen(), Slow), scope)
      const url = yield* Effect.provideContext(address, context)
      const asked = yield* Effect.forkChild(ask(`${url}/streams/account-1/messages`, { body: message }))
      yield* Deferred.await(begun)
      const closed = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      // The server takes no more connections once it has begun to stop.
      yield* Effect.flip(ask(`${url}/healthz`)).pipe(Effect.retry({ times: 1_000, while: () => true }))
      yield* Deferred.succeed(finish, undefined)
      assert.strictEqual((yield* Fiber.join(asked)).status, 201)
      yield* Fiber.join(closed)
    }))

  it.effect("waits for the store as long as it has patience", () =>
    Effect.gen(function*() {
      const waiting = yield* Deferred.make<void>()
      const Silent = Layer.effect(
        MessageStore.MessageStore,
        Effect.map(MessageStore.MessageStore, (store) => ({
          ...store,
          append: () => Effect.andThen(Deferred.succeed(waiting, undefined), Effect.never)
        }))
      ).pipe(Layer.provide(inMemory))
      yield* Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const asked = yield* Effect.forkChild(call("/streams/account-1/messages", { body: message }))
        yield* Deferred.await(waiting)
        yield* TestClock.adjust("10 seconds")
        const answer = yield* Fiber.join(asked)
        assert.strictEqual(answer.status, 503)
        assert.strictEqual(answer.headers["retry-after"], "1")
      }).pipe(Effect.provide(Layer.provide(serveOpen(), Silent)))
    }))

  it.live("logs each request in a line without its query, headers and body", () =>
    Effect.gen(function*() {
      const lines: Array<Record<string, unknown>> = []
      const log = Logger.make<unknown, void>(({ fiber, message: text }) => {
        lines.push({ text: String(text), ...fiber.getRef(References.CurrentLogAnnotations) })
      })
      yield* Effect.gen(function*() {
        const url = yield* address
        yield* ask(`${url}/messages?type=Secret`, { headers: as("reader") })
        yield* ask(`${url}/streams/account-1/messages`, { body: { type: "A", data: "secret" }, headers: as("writer") })
        yield* ask(`${url}/messages`)
      }).pipe(
        Effect.provide(
          serve({ accessLog: true }).pipe(Layer.provide(inMemory), Layer.provideMerge(Logger.layer([log])))
        )
      )
      const answered = lines.filter(({ text }) => text === "request answered")
      assert.deepStrictEqual(answered.map(({ method, path, sender, status }) => [method, path, sender, status]), [
        ["GET", "/messages", "reader", 200],
        ["POST", "/streams/account-1/messages", "writer", 201],
        ["GET", "/messages", undefined, 401]
      ])
      assert.notInclude(JSON.stringify(lines).toLowerCase(), "secret")
      assert.notInclude(JSON.stringify(lines), "ef_")
    }))
})

it.live("is ready when the checks of the application say so", () =>
  Effect.gen(function*() {
    const { call } = yield* makeChecker(yield* address)
    const answer = yield* call("/readyz")
    assert.strictEqual(answer.status, 503)
    assert.deepInclude(answer.json, { failed: [{ check: "mailer", reason: "is 7 messages and 5m behind" }] })
  }).pipe(Effect.provide(
    serve().pipe(
      Layer.provide(inMemory),
      Layer.provide(Readiness.layer([
        Readiness.lagBelow("mailer", Effect.succeed({ lag: { messages: 7, age: Duration.minutes(5) } }), "1 minute"),
        Readiness.lagBelow("totals", Effect.succeed({ lag: { messages: 7, age: Duration.seconds(5) } }), "1 minute")
      ]))
    )
  )))

it.live("mounts the routes among those of an application", () => {
  const Own = HttpRouter.add("GET", "/own", HttpServerResponse.text("own"))
  const App = HttpRouter.serve(Layer.mergeAll(Routes.layer({ prefix: "/events" }), Own), {
    disableListenLog: true,
    disableLogger: true
  }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.provide([Authentication.layerOpen, inMemory])
  )
  return Effect.gen(function*() {
    const root = yield* address
    const { call, url } = yield* makeChecker(`${root}/events`)
    assert.strictEqual((yield* call("/streams/a-1/messages", { body: { messages: [message, message] } })).status, 201)
    const page = yield* call("/streams/a-1/messages?limit=1")
    const next = /<([^>]*)>; rel="next"/.exec(page.headers["link"] ?? "")?.[1] ?? ""
    const following = yield* ask(new URL(next, `${url}/streams/a-1/messages?limit=1`).href)
    assert.deepInclude(following.json, { previous: 0 })
    const { json: document } = yield* ask(`${url}/openapi.json`)
    assert.deepInclude(document, { servers: [{ url: "/events" }] })
    assert.strictEqual((yield* ask(`${url}/docs`)).status, 200)
    assert.strictEqual((yield* ask(`${url}/nothing`)).headers["content-type"], "application/problem+json")
    // Longer than a router takes by default.
    const long = `/streams/a-${"x".repeat(2_000)}`
    assert.strictEqual((yield* call(`${long}/messages`, { body: message })).status, 201)
    assert.strictEqual((yield* call(long)).headers["etag"], "\"0\"")
    assert.strictEqual((yield* ask(`${root}/own`)).text, "own")
    // Not ours to answer.
    assert.strictEqual((yield* ask(`${root}/nothing`)).text, "")
  }).pipe(Effect.provide(App))
})

const asUser = (user: string) => ({ headers: { "x-user": user } })

/** Routes below a prefix, for one user alone. */
const routesOf = (prefix: `/${string}`, user: string, page: number) =>
  Routes.layer({ prefix, limits: { page } }).pipe(
    Layer.provide(Layer.succeed(Authentication.Authentication, {
      isOpen: false,
      authenticate: ({ headers }) =>
        headers["x-user"] === user
          ? Effect.succeed({ name: user, scopes: ["admin"] })
          : Effect.fail(new Problem.Unauthorized({ detail: `is not ${user}` }))
    })),
    Layer.provide(Layer.fresh(inMemory))
  )

it.live("has an authentication, a store and limits of its own below each prefix", () => {
  const App = HttpRouter.serve(Layer.mergeAll(routesOf("/ann", "ann", 5), routesOf("/bob", "bob", 50)), {
    disableListenLog: true,
    disableLogger: true
  }).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))
  return Effect.gen(function*() {
    const root = yield* address
    const statusOf = (path: string, user: string) => Effect.map(ask(root + path, asUser(user)), ({ status }) => status)
    yield* ask(`${root}/ann/streams/a-1/messages`, { ...asUser("ann"), body: message })
    assert.strictEqual(yield* statusOf("/ann/streams/a-1", "ann"), 200)
    assert.strictEqual(yield* statusOf("/ann/streams/a-1", "bob"), 401)
    assert.strictEqual(yield* statusOf("/bob/streams/a-1", "ann"), 401)
    assert.strictEqual(yield* statusOf("/bob/streams/a-1", "bob"), 404)
    assert.strictEqual(yield* statusOf("/ann/messages?limit=50", "ann"), 400)
    assert.strictEqual(yield* statusOf("/bob/messages?limit=50", "bob"), 200)
  }).pipe(Effect.provide(App))
})
