/**
 * Serves appends over HTTP, and answers with the port. `HttpServerProcess.ts KIND URL TOKEN`, where the kind is one of
 *
 * - `eventfold`: `@eventfold/http` on a database, which lets the token in;
 * - `nothing`: the same on a store whose appends store nothing;
 * - `express`: Express with `pg` and Message DB's `write_message`, without authentication;
 * - `node`: Node's server alone, which parses the body and stores nothing.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Server, Tokens } from "@eventfold/http"
import * as Store from "@eventfold/test/support/Store"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { layerMemory, MessageStore } from "eventfold/MessageStore"
import express from "express"
import { createServer, type Server as NodeServer } from "node:http"
import { answer, endWithParent } from "./Child.ts"
import * as MessageDbClient from "./MessageDbClient.ts"

const [, , kind = "", url = "", token = ""] = process.argv

/** Appends answer at once, and nothing is stored. */
const StoringNothing = Layer.effect(
  MessageStore,
  Effect.map(MessageStore, (store) => ({ ...store, append: () => Effect.succeed({ version: 0, globalPosition: 1 }) }))
).pipe(Layer.provide(layerMemory))

const eventfold = <E>(store: Layer.Layer<MessageStore, E>) =>
  Effect.map(HttpServer.HttpServer, ({ address }) => "port" in address ? address.port : 0).pipe(
    Effect.tap(answer),
    Effect.andThen(Effect.never),
    Effect.provide(
      Server.layer({ port: 0, limits: { openLive: 10_000, requestsPerSecond: 1_000_000 }, accessLog: false }).pipe(
        Layer.provide(
          Tokens.layer([{ name: "bench", sha256: Tokens.hash(Redacted.make(token)), scopes: ["read", "append"] }])
        ),
        Layer.provide(store)
      )
    )
  )

const listening = (server: NodeServer) =>
  Effect.callback<number>((resume) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    })
  }).pipe(Effect.tap(answer), Effect.andThen(Effect.never))

const expressServer = Effect.gen(function*() {
  const { writeMessage } = yield* MessageDbClient.open(url)
  const app = express()
  app.use(express.json())
  // Express 5 takes care of what the handler rejects with.
  // oxlint-disable-next-line oxc/no-async-endpoint-handlers
  app.post("/streams/:streamName/messages", async (request, response) => {
    const { data, metadata, type } = request.body
    response.status(201).json({ version: await writeMessage(request.params.streamName, type, data, metadata) })
  })
  return yield* listening(createServer(app))
})

const nodeServer = Effect.suspend(() =>
  listening(createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      JSON.parse(Buffer.concat(chunks).toString("utf8"))
      const body = JSON.stringify({ version: 0 })
      response.writeHead(201, { "content-type": "application/json", "content-length": body.length })
      response.end(body)
    })
  }))
)

const server = Effect.gen(function*() {
  switch (kind) {
    case "nothing":
      return yield* eventfold(StoringNothing)
    case "express":
      return yield* expressServer
    case "node":
      return yield* nodeServer
    default:
      return yield* eventfold(Layer.effect(MessageStore, Store.open(url)))
  }
})

NodeRuntime.runMain(
  Effect.andThen(endWithParent, Effect.scoped(server)).pipe(
    Effect.provideService(References.MinimumLogLevel, "Warn")
  )
)
