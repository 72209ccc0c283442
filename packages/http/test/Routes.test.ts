import { NodeHttpServer } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Authentication, Routes } from "@eventfold/http"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { MessageStore } from "eventfold"
import { createServer } from "node:http"

const Served = HttpRouter.serve(Routes.layer(), { disableListenLog: true, disableLogger: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provide(Authentication.layerOpen),
  Layer.provideMerge(MessageStore.layerMemory)
)

it.live("appends a message", () =>
  Effect.gen(function*() {
    const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
    const send = (body: string, headers: Record<string, string>) =>
      Effect.promise(() =>
        fetch(`${url}/streams/account-1/messages`, { method: "POST", body, headers }).then(async (answer) => ({
          status: answer.status,
          headers: Object.fromEntries(answer.headers),
          body: await answer.json() as Record<string, unknown>
        }))
      )
    const json = { "content-type": "application/json" }
    const first = yield* send(JSON.stringify({ type: "Opened", data: {} }), json)
    assert.strictEqual(first.status, 201)
    assert.strictEqual(first.headers["etag"], "\"0\"")
    assert.strictEqual(first.body["version"], 0)
    const second = yield* send(JSON.stringify({ type: "Opened", data: {} }), { ...json, "if-match": "\"7\"" })
    assert.strictEqual(second.status, 412)
    assert.strictEqual(second.headers["content-type"], "application/problem+json")
  }).pipe(Effect.provide(Served)))
