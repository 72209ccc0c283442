/**
 * Messagestore's routes over loopback: a test for each row of `docs/messagestore.md`, and the records of what administrators do.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Messagestore } from "@eventfold/http"
import { Pglite } from "@eventfold/pglite"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { Administration, Streams } from "eventfold"
import { makeChecker, type Sent } from "./Answers.ts"
import { address, as, inMemory, serve, serveOpen, tokens } from "./Served.ts"

const root = "/messagestore"

const Items = Schema.Struct({ objects: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)), count: Schema.Int })

const Item = Schema.Struct({ id: Schema.String, at: Schema.optionalKey(Schema.String) })

const idOf = (json: unknown) => Schema.decodeUnknownSync(Item)(json).id

const dataOf = (json: unknown) => Schema.decodeUnknownSync(Schema.Struct({ data: Schema.Unknown }))(json).data

const fingerprint = tokens.find(({ name }) => name === "admin")?.sha256.slice(0, 12)

/** What the server of the context answers to an administrator, whose other requests this leaves no trace of. */
const makeCalls = Effect.gen(function*() {
  const { call } = yield* makeChecker(yield* address)
  const admin = (path: string, sent: Sent = {}) =>
    call(`${root}${path}`, { ...sent, headers: { ...as("admin"), ...sent.headers } })
  return {
    call: admin,
    ok: (path: string, sent: Sent = {}) =>
      Effect.map(admin(path, sent), ({ json, status, text }) => {
        assert.strictEqual(status, 200, text)
        return json
      }),
    list: (path: string) => Effect.map(admin(path), ({ json }) => Schema.decodeUnknownSync(Items)(json)),
    reset: admin("/reset", { method: "POST" }),
    missing: (path: string, sent: Sent = {}) =>
      Effect.map(admin(path, sent), ({ json, status }) => {
        assert.strictEqual(status, 404, path)
        assert.isFalse(json)
      })
  }
})

/** The records, without what all have. */
const records = Effect.map(
  Stream.runCollect(Administration.history()),
  (all) =>
    all.map(({ data: { by, token, ...done } }) => {
      assert.deepStrictEqual([by, token], ["admin", fingerprint])
      return done
    })
)

describe.each([
  ["memory", Layer.provideMerge(serve(), inMemory)],
  ["PGlite", Layer.provideMerge(serve(), Pglite.layer())]
])(
  "Messagestore's routes on %s",
  (_, served) =>
    layer(served, { excludeTestServices: true, timeout: "2 minutes" })((it) => {
      it.effect("do what Messagestore's own tests do: streams and messages are added, changed, listed, counted and deleted", () =>
        Effect.gen(function*() {
          const { list, missing, ok, reset } = yield* makeCalls
          assert.deepStrictEqual(yield* ok("/api"), { messagestore: "0.0.2" })
          assert.strictEqual((yield* reset).text, "")
          assert.deepStrictEqual(yield* ok("/stats"), { streams: 0, messages: 0 })
          yield* missing("/streams/x")
          const attrs = { foo: "bar" }
          assert.deepStrictEqual(yield* ok("/streams", { body: { id: "x", attrs } }), { id: "x", attrs })
          assert.deepStrictEqual(yield* list("/streams"), { objects: [{ id: "x", attrs }], count: 1 })
          assert.deepStrictEqual(yield* ok("/streams/x"), { id: "x", attrs })
          const changed = { id: "x", attrs: { foo: "baz", list: [1, { deep: null }] } }
          assert.deepStrictEqual(yield* ok("/streams/x", { method: "PUT", body: changed.attrs }), changed)
          assert.deepStrictEqual(yield* ok("/streams/x"), changed)
          const at = "2026-11-29T09:00:00.000Z"
          const message = yield* ok("/streams/x/messages", { body: { at: Date.parse(at), data: attrs } })
          const id = idOf(message)
          assert.deepInclude(message, { at, data: attrs, type: Streams.messageType, position: 0 })
          assert.deepStrictEqual(yield* list("/streams/x/messages"), { objects: [message], count: 1 } as object)
          assert.deepStrictEqual(yield* ok(`/streams/x/messages/${id}`), message)
          assert.deepStrictEqual(yield* ok("/stats"), { streams: 1, messages: 1 })
          const deleted = { method: "DELETE" }
          assert.isUndefined(yield* ok(`/streams/x/messages/${id}`, deleted))
          yield* missing(`/streams/x/messages/${id}`)
          yield* missing(`/streams/x/messages/${id}`, deleted)
          assert.isUndefined(yield* ok("/streams/x", deleted))
          yield* missing("/streams/x")
          yield* missing("/streams/x", deleted)
          assert.deepStrictEqual(yield* ok("/stats"), { streams: 0, messages: 0 })
        }))

      it.effect("add a stream once, with an id of any length or a new one", () =>
        Effect.gen(function*() {
          const { call, ok } = yield* makeCalls
          const id = `once-${"x".repeat(100)}`
          const add = { body: { id } }
          const results = yield* Effect.forEach([1, 2, 3], () => call("/streams", add), { concurrency: "unbounded" })
          assert.deepStrictEqual(results.map(({ status }) => status).toSorted(), [200, 409, 409])
          assert.deepInclude((yield* call("/streams", add)).json, { id, type: "urn:eventfold:problem:stream-exists" })
          assert.match(idOf(yield* ok("/streams", { body: {} })), /^[0-9a-f-]{36}$/)
        }))

      it.effect("list streams by the bytes of their ids, from a base or after an id, with their number", () =>
        Effect.gen(function*() {
          const { list, ok, reset } = yield* makeCalls
          yield* reset
          yield* Effect.forEach(["b", "a", "B", "ü"], (id) => ok("/streams", { body: { id } }))
          // It has messages alone.
          yield* ok("/streams/c/messages", { body: { n: 1 } })
          const ids = (query: string) =>
            Effect.map(list(`/streams${query}`), ({ count, objects }) => {
              assert.strictEqual(count, 5)
              return objects.map(({ id }) => id)
            })
          assert.deepStrictEqual(yield* ids(""), ["B", "a", "b", "c", "ü"])
          assert.deepStrictEqual(yield* ids("?base=1&limit=2"), ["a", "b"])
          assert.deepStrictEqual(yield* ids("?after=b&limit=1"), ["c"])
          assert.deepStrictEqual(yield* ids("?base=5"), [])
          assert.deepStrictEqual(yield* ok("/streams/c"), { id: "c", attrs: {} })
        }))

      it.effect("replace all attributes of a stream, also of one that has messages alone, if they are as the client has them", () =>
        Effect.gen(function*() {
          const { call, missing, ok } = yield* makeCalls
          yield* missing("/streams/set", { method: "PUT", body: {} })
          yield* ok("/streams/set/messages", { body: { n: 1 } })
          yield* ok("/streams/set", { method: "PUT", body: { a: 1, b: 2 } })
          const { headers: { etag = "" }, json } = yield* call("/streams/set")
          assert.deepStrictEqual(json, { id: "set", attrs: { a: 1, b: 2 } })
          const put = (n: number) => call("/streams/set", { method: "PUT", body: { n }, headers: { "if-match": etag } })
          const answers = yield* Effect.all([put(1), put(2), put(3)], { concurrency: "unbounded" })
          assert.deepStrictEqual(answers.map(({ status }) => status).toSorted(), [200, 412, 412])
          const won = answers.find(({ status }) => status === 200)
          assert.deepStrictEqual(yield* ok("/streams/set"), won?.json)
          assert.strictEqual((yield* call("/streams/set")).headers["etag"], won?.headers["etag"])
          const ifAny = { method: "PUT", body: {}, headers: { "if-match": "*" } }
          assert.strictEqual((yield* call("/streams/set", ifAny)).status, 200)
          assert.strictEqual((yield* call("/streams/none", ifAny)).status, 412)
          assert.strictEqual(
            (yield* call("/streams/set", { method: "DELETE", headers: { "if-match": etag } })).status,
            412
          )
          yield* ok("/streams/set")
        }))

      it.effect("write messages with a time of their own or now, in either form, and again without writing them twice", () =>
        Effect.gen(function*() {
          const { call, list, ok } = yield* makeCalls
          const path = "/streams/timed/messages"
          const earlier = yield* ok(path, { body: { at: "2026-11-29T10:00:00+01:00", data: { n: 1 } } })
          assert.deepInclude(earlier, { at: "2026-11-29T09:00:00.000Z" })
          // Its own keys are data, whatever they are named.
          const plain = { at: "noon", id: 7, text: "x" }
          assert.deepStrictEqual(dataOf(yield* ok(path, { body: plain })), plain)
          const again = { body: { n: 2 }, headers: { "idempotency-key": "one" } }
          const first = yield* ok(path, again)
          assert.deepStrictEqual(yield* ok(path, again), first)
          const timed = { body: { at: 0, data: { n: 3 } }, headers: { "idempotency-key": "two" } }
          assert.deepStrictEqual(yield* ok(path, timed), yield* ok(path, timed))
          assert.strictEqual((yield* call(path, { ...again, body: { n: 4 } })).status, 422)
          assert.strictEqual((yield* list(path)).count, 4)
        }))

      it.effect("list messages newest first by their time, or oldest first, by pages, with their number", () =>
        Effect.gen(function*() {
          const { list, ok } = yield* makeCalls
          const path = "/streams/sorted/messages"
          yield* Effect.forEach([2, 3, 1], (n) => ok(path, { body: { at: n, data: { n } } }))
          const numbers = (query: string) =>
            Effect.map(list(`${path}${query}`), ({ count, objects }) => {
              assert.strictEqual(count, 3)
              return objects.map(({ data }) => Schema.decodeUnknownSync(Schema.Struct({ n: Schema.Int }))(data).n)
            })
          assert.deepStrictEqual(yield* numbers(""), [3, 2, 1])
          assert.deepStrictEqual(yield* numbers("?sort=at"), [1, 2, 3])
          assert.deepStrictEqual(yield* numbers("?base=1&limit=1&sort=-at"), [2])
          assert.deepStrictEqual(yield* list("/streams/nothing/messages"), { objects: [], count: 0 })
        }))

      it.effect("find a message in its own stream only", () =>
        Effect.gen(function*() {
          const { missing, ok } = yield* makeCalls
          const id = idOf(yield* ok("/streams/own/messages", { body: { n: 1 } }))
          assert.strictEqual(idOf(yield* ok(`/streams/own/messages/${id.toUpperCase()}`)), id)
          yield* missing(`/streams/other/messages/${id}`)
          yield* missing(`/streams/other/messages/${id}`, { method: "DELETE" })
          yield* ok(`/streams/own/messages/${id}`)
        }))

      it.effect("record what administrators do, and nothing that was refused or did nothing", () =>
        Effect.gen(function*() {
          const { call, missing, ok, reset } = yield* makeCalls
          yield* reset
          const before = (yield* records).length
          const id = idOf(yield* ok("/streams/r/messages", { body: { n: 1 } }))
          yield* ok("/streams/r/messages", { body: { n: 2 } })
          const deleted = { method: "DELETE" }
          const asWriter = { headers: as("writer") }
          for (
            const [path, sent, status] of [
              ["/streams/r", { ...deleted, ...asWriter }, 403],
              [`/streams/r/messages/${id}`, { ...deleted, ...asWriter }, 403],
              ["/reset", { method: "POST", ...asWriter }, 403],
              ["/streams/r", { ...deleted, headers: { authorization: "Bearer x" } }, 401],
              ["/streams/r", { ...deleted, headers: { "if-match": "\"x\"" } }, 412],
              ["/streams/r?reason=a%00", deleted, 400]
            ] as const
          ) {
            assert.strictEqual((yield* call(path, sent)).status, status, path)
          }
          yield* missing("/streams/nothing", deleted)
          yield* missing(`/streams/nothing/messages/${id}`, deleted)
          assert.lengthOf(yield* records, before)
          assert.deepStrictEqual(yield* ok("/stats"), { streams: 1, messages: 2 })

          yield* ok(`/streams/r/messages/${id}?reason=a%20typo`, deleted)
          yield* ok("/streams/r", deleted)
          yield* ok("/streams/r/messages", { body: { n: 3 } })
          yield* ok("/reset?reason=a%20new%20year", { method: "POST" })
          assert.deepStrictEqual((yield* records).slice(before), [
            {
              action: "Streams.deleteMessage",
              subject: "stream-r",
              reason: "a typo",
              details: { messageId: id }
            },
            { action: "Streams.delete", subject: "stream-r", reason: "DELETE of the stream" },
            {
              action: "Streams.reset",
              subject: "stream",
              reason: "a new year",
              details: { streams: 1, messages: 1 }
            }
          ])
        }))

      it.effect("let nobody else append to the records", () =>
        Effect.gen(function*() {
          const { call } = yield* makeChecker(yield* address)
          const before = yield* records
          const message = { type: "Administered", data: { by: "eve", action: "x", subject: "y" } }
          const path = `/streams/${encodeURIComponent(Administration.streamName)}/messages`
          for (const name of ["writer", "admin"] as const) {
            assert.strictEqual((yield* call(path, { body: message, headers: as(name) })).status, 403)
            const body = [{ streamName: Administration.streamName, messages: [message] }]
            assert.strictEqual((yield* call("/appends", { body, headers: as(name) })).status, 403)
          }
          assert.deepStrictEqual(yield* records, before)
          assert.strictEqual((yield* call(path, { headers: as("reader") })).status, 200)
        }))
    })
)

const Rooms = Streams.make({
  category: "room",
  attributes: Schema.Struct({
    title: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("untitled"))),
    opened: Schema.optionalKey(Schema.DateTimeUtc)
  })
})

describe("the streams that are served", () => {
  it.live("may have another category, and a schema for their attributes", () =>
    Effect.gen(function*() {
      const { call } = yield* makeChecker(yield* address)
      const add = (attrs: object) => call(`${root}/streams`, { body: { id: "kitchen", attrs } })
      const wrong = yield* add({ title: 1 })
      assert.strictEqual(wrong.status, 400)
      assert.deepInclude(wrong.json, {
        errors: [{ path: ["payload", "attrs", "title"], message: "Expected string" }]
      })
      const opened = "2026-11-29T09:00:00.000Z"
      const stream = { id: "kitchen", attrs: { title: "Kitchen", opened } }
      assert.deepStrictEqual((yield* add(stream.attrs)).json, stream)
      assert.deepStrictEqual((yield* call(`${root}/streams`)).json, { objects: [stream], count: 1 })
      const put = yield* call(`${root}/streams/kitchen`, { method: "PUT", body: {} })
      assert.deepStrictEqual(put.json, { id: "kitchen", attrs: { title: "untitled" } })
      assert.deepStrictEqual((yield* call(`${root}/streams/kitchen`)).json, put.json)
      assert.isTrue(Option.isSome(yield* Rooms.get("kitchen")))
      // Written before the schema was.
      yield* Streams.make({ category: "room" }).add({ id: "old", attributes: { title: 7 } })
      assert.strictEqual((yield* call(`${root}/streams/old`)).status, 500)
    }).pipe(Effect.provide(Layer.provideMerge(serveOpen({ messagestore: Messagestore.make(Rooms) }), inMemory))))

  it.live("are left out of the routes and of the document", () =>
    Effect.gen(function*() {
      const { call, documented } = yield* makeChecker(yield* address)
      assert.deepStrictEqual(documented.filter((what) => what.includes(root)), [])
      assert.include(documented.join(), "/streams/{streamName}")
      yield* call("/healthz")
    }).pipe(Effect.provide(Layer.provideMerge(serveOpen({ messagestore: false }), inMemory))))
})
