import { assert, describe, it } from "@effect/vitest"
import { Authentication, Principal, Problem, Server, Tokens } from "@eventfold/http"
import { Effect, Layer, Redacted, Ref } from "effect"
import { HttpServerRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeChecker } from "./Answers.ts"
import { address, as, inMemory, serve, tokens } from "./Served.ts"

const message = { type: "Opened", data: {} }

const allows = (categories: ReadonlyArray<string> | undefined, category?: string) =>
  Principal.allows({ name: "a", scopes: ["read"], categories }, "read", category)

const nameOf = (token: string) =>
  Effect.gen(function*() {
    const { authenticate } = yield* Authentication.Authentication
    const request = new Request("http://any/", { headers: { authorization: `Bearer ${token}` } })
    return yield* Effect.match(authenticate(HttpServerRequest.fromWeb(request)), {
      onFailure: (problem) => problem._tag,
      onSuccess: ({ name }) => name
    })
  })

describe("principals", () => {
  it("cover categories by patterns", () => {
    assert.isTrue(allows(undefined, "order"))
    assert.isTrue(allows(undefined))
    assert.isTrue(allows(["*"]))
    assert.isFalse(allows(["order"]))
    assert.isTrue(allows(["order"], "order"))
    assert.isFalse(allows(["order"], "orders"))
    assert.isFalse(allows(["order"], "order:command"))
    assert.isTrue(allows(["order:*"], "order:command"))
    assert.isFalse(allows(["order:*"], "order"))
    assert.isFalse(allows([], "order"))
  })

  it("have a scope, and admin has all", () => {
    assert.isFalse(Principal.allows({ name: "a", scopes: ["read"] }, "append", "order"))
    assert.isFalse(Principal.allows({ name: "a", scopes: ["append"] }, "read", "order"))
    assert.isTrue(Principal.allows({ name: "a", scopes: ["admin"] }, "append", "order"))
    assert.isFalse(Principal.allows({ name: "a", scopes: ["admin"], categories: ["order"] }, "append", "account"))
  })
})

describe("tokens", () => {
  it.live("let a sender do what its scopes and categories say", () =>
    Effect.gen(function*() {
      const { call } = yield* makeChecker(yield* address)
      const append = (stream: string, sender: Parameters<typeof as>[0]) =>
        Effect.map(call(`/streams/${stream}/messages`, { body: message, headers: as(sender) }), ({ status }) => status)
      assert.strictEqual(yield* append("account-1", "writer"), 201)
      assert.strictEqual(yield* append("account-1", "appender"), 201)
      assert.strictEqual(yield* append("account-1", "admin"), 201)
      assert.strictEqual(yield* append("account-1", "reader"), 403)
      assert.strictEqual(yield* append("order-1", "orders"), 201)
      assert.strictEqual(yield* append("order:command-1", "orders"), 201)
      assert.strictEqual(yield* append("account-1", "orders"), 403)
      const get = (path: string, sender: Parameters<typeof as>[0]) => call(path, { headers: as(sender) })
      const refused = yield* get("/categories/account/messages", "orders")
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.json, { scope: "read", category: "account" })
      assert.strictEqual((yield* get("/categories/order/messages", "orders")).status, 200)
      assert.strictEqual((yield* get("/categories/account/streams", "orders")).status, 403)
      assert.strictEqual((yield* get("/categories", "appender")).status, 403)
      // Neither the categories of others nor the name of one where a page begins.
      const some = yield* get("/categories?limit=1", "orders")
      assert.deepInclude(some.json, { next: "order" })
      const rest = yield* get("/categories?limit=1&after=order", "orders")
      const end = yield* get("/categories?limit=1&after=order:command", "orders")
      assert.notInclude(some.text + rest.text + end.text, "account")
      assert.include(rest.text, "order:command")
      assert.deepStrictEqual(end.json, { categories: [] })
      assert.strictEqual((yield* get("/messages", "orders")).status, 403)
      assert.strictEqual((yield* get("/messages?category=order&category=order:command", "orders")).status, 200)
      assert.strictEqual((yield* get("/messages?category=order&category=account", "orders")).status, 403)
      // A message of another category is no message for this sender: a refusal would tell that it is there.
      assert.strictEqual((yield* get("/messages/1", "orders")).status, 404)
      assert.strictEqual((yield* get("/messages/1/effects", "orders")).status, 404)
      assert.strictEqual((yield* get("/messages/4/effects", "orders")).status, 200)
      assert.strictEqual((yield* get("/correlations/order-1", "appender")).status, 403)
      assert.strictEqual((yield* get("/messages/4", "orders")).status, 200)
      const both = [{ streamName: "order-1", messages: [message] }, { streamName: "account-1", messages: [message] }]
      assert.strictEqual((yield* call("/appends", { body: both, headers: as("orders") })).status, 403)
      // The same key of another sender makes other ids.
      const keyed = (sender: Parameters<typeof as>[0]) =>
        call("/streams/order-9/messages", { body: message, headers: { ...as(sender), "idempotency-key": "k" } })
      yield* keyed("writer")
      assert.strictEqual((yield* keyed("orders")).headers["etag"], "\"1\"")
      assert.strictEqual((yield* keyed("writer")).headers["etag"], "\"0\"")
    }).pipe(Effect.provide(Layer.provide(serve(), inMemory))))

  it.effect("count the requests of each sender in a second", () =>
    Effect.gen(function*() {
      const { call } = yield* makeChecker(yield* address)
      const statusOf = (sender: Parameters<typeof as>[0]) =>
        Effect.map(call("/messages", { headers: as(sender) }), ({ status }) => status)
      assert.deepStrictEqual(
        yield* Effect.forEach(["reader", "reader", "reader", "writer"] as const, statusOf),
        [200, 200, 429, 200]
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* statusOf("reader"), 200)
    }).pipe(Effect.provide(Layer.provide(serve({ limits: { requestsPerSecond: 2 } }), inMemory))))

  it.effect("are read again after a second, and stay when they can't be read", () =>
    Effect.gen(function*() {
      const source = yield* Ref.make<Effect.Effect<ReadonlyArray<Tokens.Token>, string>>(Effect.succeed(tokens))
      const reloaded = Tokens.layerReloaded(Effect.flatten(Ref.get(source)))
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* nameOf("ef_writer-of-everything"), "writer")
        yield* Ref.set(source, Effect.succeed([]))
        assert.strictEqual(yield* nameOf("ef_writer-of-everything"), "writer")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* nameOf("ef_writer-of-everything"), "Unauthorized")
        const other: Tokens.Token = { name: "new", sha256: Tokens.hash(Redacted.make("ef_new")), scopes: ["read"] }
        yield* Ref.set(source, Effect.succeed([other]))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* nameOf("ef_new"), "new")
        yield* Ref.set(source, Effect.fail("half a file"))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* nameOf("ef_new"), "new")
      }).pipe(Effect.provide(reloaded))
      yield* Ref.set(source, Effect.fail("no file"))
      const failed = yield* Effect.flip(Effect.provide(nameOf("ef_new"), reloaded, { local: true }))
      assert.strictEqual(failed, "no file")
    }))

  it.effect("come from a file", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "tokens-"))),
        (made) => Effect.promise(() => rm(made, { recursive: true }))
      )
      const file = join(folder, "tokens.json")
      const write = (text: string) => Effect.promise(() => writeFile(file, text))
      const absent = yield* Effect.flip(Effect.provide(nameOf("x"), Tokens.layerFile(file), { local: true }))
      assert.strictEqual(absent._tag, "TokensUnreadable")
      yield* write(JSON.stringify([{ name: "a", sha256: "short", scopes: ["read"] }]))
      const wrong = yield* Effect.flip(Effect.provide(nameOf("x"), Tokens.layerFile(file), { local: true }))
      assert.include(wrong.message, "64 hexadecimal digits")
      yield* write(JSON.stringify(tokens))
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* nameOf("ef_reader-of-everything"), "reader")
        yield* write("[]")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* nameOf("ef_reader-of-everything"), "Unauthorized")
      }).pipe(Effect.provide(Tokens.layerFile(file)))
    }))

  it.effect("are long and differ", () =>
    Effect.gen(function*() {
      const [one, other] = yield* Effect.all([Tokens.generate, Tokens.generate])
      assert.match(Redacted.value(one), /^ef_[\w-]{43}$/)
      assert.notStrictEqual(Redacted.value(one), Redacted.value(other))
      assert.match(Tokens.hash(one), /^[0-9a-f]{64}$/)
    }))
})

it.live("an application authenticates in its own way", () =>
  Effect.gen(function*() {
    const { call } = yield* makeChecker(yield* address)
    assert.strictEqual((yield* call("/messages")).status, 401)
    const answer = yield* call("/messages", { headers: { cookie: "session=ada" } })
    assert.strictEqual(answer.status, 200)
    const append = yield* call("/streams/a-1/messages", { body: message, headers: { cookie: "session=ada" } })
    assert.strictEqual(append.status, 403)
    assert.deepInclude(append.json, { detail: "ada may not append to the category a" })
  }).pipe(Effect.provide(
    Server.layer({ port: 0, accessLog: false }).pipe(
      Layer.provide(Layer.succeed(Authentication.Authentication, {
        isOpen: false,
        authenticate: ({ cookies }) =>
          cookies["session"] === undefined
            ? Effect.fail(new Problem.Unauthorized({ detail: "there is no session" }))
            : Effect.succeed({ name: cookies["session"], scopes: ["read"] })
      })),
      Layer.provide(inMemory)
    )
  )))
