/**
 * Not a test: a server of the HTTP API in a process of its own, for tests that kill it. `liveServerProcess.ts PORT STORE PLACE` serves on `memory`,
 * on `pglite` in a folder, or on `postgres` at a URL; port 0 is any that is free. Prints its port when it answers.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Authentication, Server } from "@eventfold/http"
import { Pglite } from "@eventfold/pglite"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as MessageStore from "eventfold/MessageStore"

const [, , port = "0", kind = "memory", place = ""] = process.argv

// The standard output is for the port alone.
const Quiet = Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])

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
  Layer.provide(Server.layer({ port: Number(port), limits, accessLog: false })),
  Layer.provide(Authentication.layerOpen),
  Layer.provide(Store),
  Layer.provide(Quiet)
)

NodeRuntime.runMain(Layer.launch(App))
