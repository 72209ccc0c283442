/**
 * Not a test: a server of the HTTP API in a process of its own, for tests that kill it. `server.ts PORT STORE PLACE` serves on `memory`,
 * on `pglite` in a folder, or on `postgres` at a URL; port 0 is any that is free. Prints its port when it answers.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Authentication, Routes } from "@eventfold/http"
import { Pglite } from "@eventfold/pglite"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as MessageStore from "eventfold/MessageStore"
import { createServer } from "node:http"

const [, , port = "0", kind = "memory", place = ""] = process.argv

const Store = kind === "postgres"
  ? Postgres.layer({ url: Redacted.make(place) })
  : kind === "pglite"
  ? Pglite.layer({ dataDir: place })
  : MessageStore.layerMemory

const limits = { openLive: 1_000, requestsPerSecond: 100_000, heartbeat: "200 millis" } as const

const Ready = Layer.effectDiscard(Effect.map(HttpServer.HttpServer, ({ address }) => {
  if ("port" in address) process.stdout.write(`${address.port}\n`)
}))

const App = Ready.pipe(
  Layer.provide(HttpRouter.serve(Routes.layer({ limits }), { disableListenLog: true, disableLogger: true })),
  Layer.provide(NodeHttpServer.layer(() => createServer(), { port: Number(port), host: "127.0.0.1" })),
  Layer.provide(Authentication.layerOpen),
  Layer.provide(Store)
)

NodeRuntime.runMain(Layer.launch(App))
