/**
 * Messagestore's routes on PostgreSQL, by the typed client over loopback; and mounted alone.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, it, layer } from "@effect/vitest"
import { Authentication, Client, Problem, Routes, Server } from "@eventfold/http"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Administration from "eventfold/Administration"
import * as MessageStore from "eventfold/MessageStore"
import * as Streams from "eventfold/Streams"
import { createServer } from "node:http"
import * as Database from "../support/Database.ts"
import * as Role from "../support/Role.ts"

const Rooms = Streams.make({ category: "room" })

/** A server on a database, for everyone. */
const served = (url: string) =>
  Server.layer({ port: 0, accessLog: false }).pipe(
    Layer.provide(Authentication.layerOpen),
    Layer.provideMerge(Postgres.layer({ url: Redacted.make(url) })),
    Layer.merge(FetchHttpClient.layer)
  )

const address = Effect.map(HttpServer.HttpServer, (server) => HttpServer.formatAddress(server.address))

const calls = Effect.map(
  Effect.flatMap(address, (baseUrl) => Client.make({ baseUrl })),
  ({ messagestore }) => messagestore
)

const actions = Effect.map(
  Stream.runCollect(Administration.history()),
  (records) => records.map(({ data: { action, by } }) => `${by} ${action}`)
)

for (const server of Database.serversOfForm()) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`Messagestore's routes on ${server.name}`, (it) => {
    it.effect("do what Messagestore's own tests do, and record what is deleted", () =>
      Effect.flatMap(Database.Database, ({ url }) =>
        Effect.gen(function*() {
          const { addMessage, addStream, ...call } = yield* calls
          const params = { id: "x" }
          const page = { params, query: {} }
          yield* call.reset({ query: {} })
          assert.deepStrictEqual(yield* call.stats(), { streams: 0, messages: 0 })
          assert.isFalse(yield* call.stream({ params, headers: {} }))
          assert.deepStrictEqual(yield* addStream({ payload: params }), { id: "x", attrs: {} })
          assert.instanceOf(yield* Effect.flip(addStream({ payload: params })), Problem.StreamExists)
          const found = yield* call.stream({ params, headers: {} })
          if (!found) return assert.fail("there is no stream")
          const { etag } = found.headers
          assert.isUndefined(yield* call.stream({ params, headers: { "if-none-match": etag } }))

          // Messages that are written meanwhile don't keep a change from being made.
          const put = (title: number) =>
            call.setStream({ params, headers: { "if-match": etag }, payload: { title } }).pipe(
              Effect.catchTag("AttributesChanged", () => Effect.void)
            )
          const [changed, written] = yield* Effect.all([
            Effect.forEach([1, 2, 3, 4], put, { concurrency: "unbounded" }),
            Effect.forEach([1, 2, 3, 4], (at) => addMessage({ params, headers: {}, payload: { at, data: { at } } }), {
              concurrency: "unbounded"
            })
          ], { concurrency: "unbounded" })
          const [won, ...others] = changed.filter((one) => one !== undefined)
          if (!won) return assert.fail("no change was made")
          assert.lengthOf(others, 0)
          assert.deepStrictEqual((yield* call.streams({ query: {} })).objects, [won.body])
          const listed = yield* call.messages({ ...page, query: { sort: "at", base: 1 } })
          assert.deepStrictEqual(listed.objects.map(({ data }) => data), [{ at: 2 }, { at: 3 }, { at: 4 }])
          assert.strictEqual(listed.count, 4)

          const [first] = written
          if (first === undefined) return assert.fail("nothing was written")
          const message = { params: { ...params, messageId: first.id } }
          assert.deepStrictEqual(yield* call.message(message), first)
          const deleted = { query: {}, headers: {} }
          assert.isUndefined(yield* call.deleteMessage({ ...message, query: {} }))
          assert.isFalse(yield* call.message(message))
          assert.isFalse(yield* call.deleteMessage({ ...message, query: {} }))
          assert.isUndefined(yield* call.deleteStream({ params, ...deleted }))
          assert.isFalse(yield* call.deleteStream({ params, ...deleted }))
          assert.isFalse(yield* call.stream({ params, headers: {} }))
          assert.deepStrictEqual(yield* call.stats(), { streams: 0, messages: 0 })
          assert.deepStrictEqual(yield* actions, [
            "anyone Streams.reset",
            "anyone Streams.deleteMessage",
            "anyone Streams.delete"
          ])
        }).pipe(Effect.provide(served(url)))))

    it.effect("answer 501 where the store's role may not delete, change nothing and record nothing", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const { url } = yield* Database.Database
        const role = yield* Role.make()
        yield* sql`GRANT message_store TO ${sql(role.name)}`
        yield* Effect.gen(function*() {
          const before = yield* actions
          const call = yield* calls
          const params = { id: "kept" }
          const { id: messageId } = yield* call.addMessage({ params, headers: {}, payload: { n: 1 } })
          for (
            const deletion of [
              call.deleteMessage({ params: { ...params, messageId }, query: {} }),
              call.deleteStream({ params, query: {}, headers: {} }),
              call.reset({ query: {} })
            ]
          ) {
            const problem = yield* Effect.flip(deletion)
            assert.instanceOf(problem, Problem.Unsupported)
            assert.notInclude(problem.detail ?? "", "GRANT")
          }
          assert.strictEqual((yield* call.messages({ params, query: {} })).count, 1)
          assert.deepStrictEqual(yield* actions, before)
        }).pipe(Effect.provide(served(role.url(url))))
      }))
  })
}

it.live("Messagestore's routes are mounted alone, beside the others and those of the application", () =>
  Effect.gen(function*() {
    const url = yield* address
    const get = (path: string) =>
      Effect.promise(() => fetch(url + path).then(async (answer) => [answer.status, await answer.text()] as const))
    assert.deepStrictEqual(yield* get("/rooms/messagestore/stats"), [200, "{\"streams\":1,\"messages\":0}"])
    const Paths = Schema.fromJsonString(Schema.Struct({ paths: Schema.Record(Schema.String, Schema.Unknown) }))
    const documented = (path: string) =>
      Effect.map(get(path), ([, text]) => Object.keys(Schema.decodeSync(Paths)(text).paths))
    assert.isTrue((yield* documented("/rooms/openapi.json")).every((path) => path.startsWith("/messagestore/")))
    assert.isFalse((yield* documented("/events/openapi.json")).some((path) => path.startsWith("/messagestore/")))
    assert.strictEqual((yield* get("/events/messagestore/stats"))[0], 404)
    assert.strictEqual((yield* get("/events/messages"))[0], 200)
    assert.deepStrictEqual(yield* get("/hello"), [200, "hello"])
  }).pipe(Effect.provide(
    HttpRouter.serve(
      Layer.mergeAll(
        Routes.layerMessagestore({ prefix: "/rooms", streams: Rooms }),
        Routes.layer({ prefix: "/events", messagestore: false }),
        HttpRouter.add("GET", "/hello", HttpServerResponse.text("hello")),
        Layer.effectDiscard(Rooms.add({ id: "kitchen" }))
      ),
      { disableListenLog: true, disableLogger: true }
    ).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
      Layer.provide([Authentication.layerOpen, MessageStore.layerMemory])
    )
  )))
