import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Authentication, Client, type Limits, Problem, Routes, Server } from "@eventfold/http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as MessageStore from "eventfold/MessageStore"
import { createServer } from "node:http"
import * as LiveClient from "../support/LiveClient.ts"
import { until, within } from "../support/Until.ts"

/** The token is the name; `orders` may read one category, and `writer` nothing. */
const ByName = Layer.succeed(Authentication.Authentication, {
  isOpen: false,
  authenticate: ({ headers }) => {
    const name = headers["authorization"]?.slice("Bearer ".length)
    if (name === undefined) return Effect.fail(new Problem.Unauthorized({ detail: "no token" }))
    return Effect.succeed(
      name === "writer"
        ? { name, scopes: ["append"] }
        : { name, scopes: ["read"], ...(name === "orders" ? { categories: ["order"] } : {}) }
    )
  }
})

/** A server in memory; gives its address, and ends with the scope. */
const serve = Effect.fnUntraced(function*(limits: Partial<Limits.Limits> = {}) {
  const closing = yield* Latch.make()
  const context = yield* Layer.build(
    HttpRouter.serve(Routes.layer({ limits, closing: closing.await }), { disableListenLog: true, disableLogger: true })
      .pipe(
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })),
        Layer.provide(ByName),
        Layer.provideMerge(MessageStore.layerMemory)
      )
  )
  yield* Effect.addFinalizer(() => closing.open)
  return yield* Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    return { url: HttpServer.formatAddress(address), store: yield* MessageStore.MessageStore, closing }
  }).pipe(Effect.provide(context))
})

const as = (name: string) => ({ authorization: `Bearer ${name}` })

/** The status of an answer, and its body when it is a problem. */
const ask = (url: string, headers: Record<string, string> = as("reader")) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new AbortController()),
    ({ signal }) =>
      Effect.promise(() =>
        fetch(url, { headers, signal }).then(async (answer) => ({
          status: answer.status,
          type: answer.headers.get("content-type"),
          body: answer.status === 200 ? undefined : await answer.json() as Record<string, unknown>
        }))
      ),
    (controller) => Effect.sync(() => controller.abort())
  )

const happened = (data: string = "") => ({ type: "Happened", data })

const has = (client: LiveClient.LiveClient, count: number) =>
  until(`a client has ${count} messages`, Effect.sync(() => client.ids.length >= count))

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe("the routes of live answers", () => {
  it.live("follow a stream, a category and everything, with filters, from a position or the end", () =>
    Effect.gen(function*() {
      const { store, url } = yield* serve()
      for (const name of ["account-1", "account-2", "order-1"]) {
        yield* store.append(name, [happened(), { type: "Other", data: 1 }, happened()])
      }
      const follow = (path: string, lastEventId?: string) =>
        LiveClient.follow(`${url}${path}`, {
          headers: { ...as("reader"), ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) }
        })
      const clients = yield* Effect.all({
        stream: follow("/streams/account-2/live"),
        streamFrom: follow("/streams/account-2/live?from=1&type=Happened"),
        streamEnd: follow("/streams/account-2/live?from=end"),
        category: follow("/categories/account/live"),
        types: follow("/categories/account/live?type=Other&type=More"),
        resumed: follow("/categories/account/live?from=1", "4"),
        members: follow("/categories/account/live?member=0&size=1"),
        correlated: follow("/categories/account/live?correlation=caller"),
        all: follow("/live?from=4"),
        some: follow("/live?category=order&category=invoice")
      })
      yield* until(
        "all have caught up",
        Effect.sync(() => Object.values(clients).every(({ heartbeats }) => heartbeats.length > 0))
      )
      yield* store.append("account-2", [{ type: "Other", data: 2 }, happened()])
      yield* store.append("order-2", { ...happened(), metadata: { correlationStreamName: "caller-1" } })
      yield* store.append("account-3", { ...happened(), metadata: { correlationStreamName: "caller-1" } })
      const expected = {
        stream: range(0, 4),
        streamFrom: [2, 4],
        streamEnd: [3, 4],
        category: [...range(1, 6), 10, 11, 13],
        types: [2, 5, 10],
        resumed: [5, 6, 10, 11, 13],
        members: [...range(1, 6), 10, 11, 13],
        correlated: [13],
        all: range(4, 13),
        some: [7, 8, 9, 12]
      }
      for (const [name, ids] of Object.entries(expected)) {
        const client = clients[name as keyof typeof clients]
        yield* has(client, ids.length)
        assert.deepStrictEqual(client.ids, ids, name)
      }
      assert.deepStrictEqual(clients.streamEnd.heartbeats, [2])
      assert.deepStrictEqual(clients.correlated.heartbeats, [6])
    }))

  it.live("are lines of JSON when the client asks for them", () =>
    Effect.gen(function*() {
      const { store, url } = yield* serve()
      yield* store.append("account-1", [happened("ü\n"), happened()])
      const answer = yield* Effect.promise(() =>
        fetch(`${url}/streams/account-1/live`, { headers: { ...as("reader"), accept: "application/x-ndjson" } })
      )
      assert.strictEqual(answer.headers.get("content-type"), "application/x-ndjson")
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
      let text = ""
      while (text.split("\n").length < 4) {
        text += yield* Effect.promise(async () => (await reader?.read())?.value ?? "")
      }
      yield* Effect.promise(async () => reader?.cancel())
      const lines = text.trimEnd().split("\n").map((line): { readonly data?: unknown } => JSON.parse(line))
      assert.deepStrictEqual(lines.map(({ data }) => data), ["ü\n", "", undefined])
      assert.deepStrictEqual(lines[2], { heartbeat: { position: 1, caughtUp: true } } as object)
      assert.strictEqual(
        (yield* ask(`${url}/live`, { ...as("reader"), accept: "text/html, */*" })).type,
        "text/event-stream"
      )
    }))

  it.live("refuse whoever may not read, and requests that make no sense", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const refused = [
        ["/live", {}, 401],
        ["/live", as("writer"), 403],
        ["/live", as("orders"), 403],
        ["/live?category=order&category=account", as("orders"), 403],
        ["/categories/account/live", as("orders"), 403],
        ["/streams/account-1/live", as("orders"), 403],
        ["/streams/account/live", as("reader"), 400],
        ["/streams/account-1/live?from=-1", as("reader"), 400],
        ["/streams/account-1/live?from=start", as("reader"), 400],
        ["/categories/account-1/live", as("reader"), 400],
        ["/categories/account/live?from=0", as("reader"), 400],
        ["/categories/account/live?member=1", as("reader"), 400],
        ["/categories/account/live?size=2", as("reader"), 400],
        ["/categories/account/live?member=2&size=2", as("reader"), 400],
        ["/categories/account/live?correlation=a-1", as("reader"), 400],
        ["/live?category=a-1", as("reader"), 400],
        ["/live", { ...as("reader"), "last-event-id": "x" }, 400]
      ] as const
      for (const [path, headers, status] of refused) {
        const answer = yield* ask(url + path, headers)
        assert.strictEqual(answer.status, status, path)
        assert.strictEqual(answer.type, "application/problem+json", path)
        assert.match(String(answer.body?.["type"]), /^urn:eventfold:problem:/)
      }
      assert.strictEqual((yield* ask(`${url}/live?category=order`, as("orders"))).status, 200)
    }))

  it.live("are limited for each sender and in all, and count those that are open", () =>
    Effect.gen(function*() {
      const { url } = yield* serve({ openLive: 2, openLiveInAll: 3 })
      const first = yield* LiveClient.follow(`${url}/live`, { headers: as("ada"), resumes: false })
      yield* LiveClient.follow(`${url}/live`, { headers: as("ada"), resumes: false })
      yield* until("two are open", Effect.sync(() => first.heartbeats.length > 0))
      yield* until("a third one is refused", Effect.map(ask(`${url}/live`, as("ada")), ({ status }) => status === 429))
      const other = yield* LiveClient.follow(`${url}/live`, { headers: as("bob"), resumes: false })
      yield* until("three are open", Effect.sync(() => other.heartbeats.length > 0))
      assert.strictEqual((yield* ask(`${url}/live`, as("eve"))).status, 429)
      yield* first.destroy
      yield* until("one has gone", Effect.map(ask(`${url}/live`, as("ada")), ({ status }) => status === 200))
    }))

  it.live("cut off a client that reads nothing, which resumes, and hold up nobody", () =>
    Effect.gen(function*() {
      const { store, url } = yield* serve({
        heartbeat: "100 millis",
        liveStall: "300 millis",
        liveQueueBytes: 100_000,
        openLiveInAll: 2
      })
      const headers = as("reader")
      const slow = yield* LiveClient.follow(`${url}/categories/account/live`, { headers })
      const other = yield* LiveClient.follow(`${url}/categories/account/live`, { headers })
      yield* until("both follow", Effect.sync(() => slow.heartbeats.length > 0 && other.heartbeats.length > 0))
      yield* slow.pause
      let count = 0
      // The system takes some megabytes for a client before it takes no more.
      while ((yield* ask(`${url}/live`)).status === 429) {
        yield* store.append("account-1", happened("x".repeat(200_000)))
        count++
        yield* has(other, count)
      }
      assert.deepStrictEqual(other.ids, range(1, count))
      assert.strictEqual(other.connections(), 1)
      yield* slow.read
      yield* has(slow, count)
      assert.deepStrictEqual(slow.ids, range(1, count))
      assert.isAbove(slow.connections(), 1)
    }))

  it.live("end cleanly when the server begins to stop", () =>
    Effect.gen(function*() {
      const { closing, store, url } = yield* serve()
      yield* store.append("account-1", happened())
      const bodies = yield* Effect.forEach(["/live", "/streams/account-1/live"], (path) =>
        Effect.promise(() => fetch(url + path, { headers: as("reader") })))
      yield* closing.open
      for (const body of bodies) {
        const text = yield* Effect.promise(() =>
          body.text()
        )
        assert.include(text, "event: message")
        assert.isTrue(text.endsWith("\n\n"))
      }
    }))

  it.live("do not hold up a server that stops, not even by clients that read nothing", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.build(
        Server.layer({ port: 0, accessLog: false, gracePeriod: "1 hour" }).pipe(
          Layer.provide(ByName),
          Layer.provideMerge(MessageStore.layerMemory)
        )
      ).pipe(Scope.provide(scope))
      const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
      const store = Context.get(context, MessageStore.MessageStore)
      for (let n = 0; n < 100; n++) yield* store.append("account-1", happened("x".repeat(200_000)))
      const options = { headers: as("reader"), resumes: false }
      const stuck = yield* LiveClient.follow(`${url}/live`, options)
      yield* stuck.pause
      const following = yield* LiveClient.follow(`${url}/live?from=end`, options)
      yield* until("a client follows", Effect.sync(() => following.heartbeats.length > 0 && stuck.connections() > 0))
      yield* within("for a server to stop")(Scope.close(scope, Exit.void))
    }))

  it.live("are streams of the typed client", () =>
    Effect.gen(function*() {
      const { store, url } = yield* serve()
      yield* store.append("account-1", [happened("a"), happened("b")])
      const client = yield* Client.make({ baseUrl: url, token: Redacted.make("reader") })
      const params = { streamName: "account-1" }
      const stream = yield* client.live.stream({ params, query: { type: ["Happened"] }, headers: {} })
      const events = yield* Stream.runCollect(Stream.take(stream, 3))
      assert.deepStrictEqual(events.map(({ event, id }) => [event, id]), [
        ["message", "0"],
        ["message", "1"],
        ["heartbeat", "1"]
      ])
      const [first] = events
      assert.deepStrictEqual(first?.event === "message" ? first.data.data : undefined, "a")
      const resumed = yield* client.live.category({
        params: { category: "account" },
        query: {},
        headers: { "last-event-id": 1 }
      })
      const [next] = yield* Stream.runCollect(Stream.take(resumed, 1))
      assert.strictEqual(next?.id, "2")
      const refused = yield* Effect.flip(client.live.all({ query: { category: ["a-1"] }, headers: {} }))
      assert.instanceOf(refused, Problem.InvalidRequest)
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.live("are in the OpenAPI document, in both formats", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const document = yield* Effect.promise(() =>
        fetch(`${url}/openapi.json`).then((answer) =>
          answer.json() as Promise<{
            readonly paths: Record<
              string,
              { readonly get: { readonly responses: Record<string, { readonly content: object }> } }
            >
          }>
        )
      )
      for (const path of ["/streams/{streamName}/live", "/categories/{category}/live", "/live"]) {
        const responses = document.paths[path]?.get.responses
        assert.sameMembers(Object.keys(responses?.["200"]?.content ?? {}), [
          "text/event-stream",
          "application/x-ndjson"
        ])
        assert.includeMembers(Object.keys(responses ?? {}), ["400", "401", "403", "429", "500", "503"])
      }
    }))
})
